"""Guard tiers: answers to opportunities, and the state of risk that they may know."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs

from trioarb.model.event import Event, GuardTripped, Record
from trioarb.model.market import Instrument, Route
from trioarb.model.number import ZERO, text
from trioarb.model.trade import Opportunity, Refusal
from trioarb.plugin.contract.context import PluginContext

__all__ = ["GuardContext", "GuardTier", "RiskView"]


class RiskView(ABC):
    """What guards may know: folded from the journal, reservations of pairs in flight included."""

    @abstractmethod
    def exposure_usd(self, symbol: str | None = None) -> Decimal:
        """Return positions, reservations and residuals of a symbol, or of all."""

    @abstractmethod
    def daily_loss_usd(self, now_ns: int, symbol: str | None = None) -> Decimal:
        """Return the loss of the UTC day of ``now_ns``, never below zero.

        It is −(realised PnL + change of what positions, residuals and dust are worth at executable prices, as of the
        last second of campaign time); with the loss basis ``realised``, −(realised PnL).
        """

    def last_priced(self, now_ns: int, symbol: str | None = None) -> int:
        """Return how much of what that day's loss counts is at the last price of a side that was withdrawn."""
        return 0

    def loss_text(self, now_ns: int, symbol: str | None = None) -> str:
        """Return the loss as a guard says it: a number, and what of it is at last prices.

        A guard that answers by a loss says this as its value: then what it was marked at is recorded beside it.
        """
        loss, count = text(self.daily_loss_usd(now_ns, symbol)), self.last_priced(now_ns, symbol)
        return f"{loss} (residuals at last prices: {count})" if count else loss

    def liquidation_distance_pct(
        self, symbol: str, venue: str, *, opens: Decimal = ZERO, price: Decimal | None = None
    ) -> Decimal | None:
        """Return by how many percent a contract's mark may move until it is liquidated there; ``None``: it never is.

        Not above zero if its time has come. ``opens`` (below zero: sold) is traded at ``price`` before.
        """
        return None

    def unrealised_usd(self, symbol: str | None = None) -> Decimal:
        """Return what is open would bring beyond what it is booked at, at the marks of the last second."""
        return Decimal(0)

    def marked_text(self, amount: Decimal) -> str:
        """Return an amount as a guard says it that depends on marks; what was marked is recorded beside the answer."""
        return text(amount)

    def stock(self, symbol: str, venue: str) -> Decimal:
        """Return how much of a symbol's base asset a venue holds, what orders lock included; below zero: borrowed."""
        return Decimal(0)

    def mid(self, symbol: str, venue: str) -> Decimal | None:
        """Return the middle between what a venue bids and asks now.

        ``None`` where it doesn't show both, and of a symbol whose venues quote it in different assets.
        """
        return None

    @abstractmethod
    def open_positions(self, symbol: str | None = None) -> int:
        """Return how many positions are open."""


class GuardTier(ABC):
    """One tier of risk guards. It answers; a REDUCE bounds the size, and the first DENY or STOP wins."""

    #: The events that `apply` wants to see; ``None``: all of them.
    folds: frozenset[type[Event]] | None = None

    #: The events that `react` wants to see; ``None``: all of them. A subclass that reacts to others has to set its own.
    reacts: frozenset[type[Event]] | None = None

    #: Whether `poll` wants to be asked only while something is open, after it was marked.
    polls_marks: bool = False

    #: Whether it heeds a `KillSwitchPulled`. If no tier does, the user who pulls one is told that nothing happens.
    answers_kill_switch: bool = False

    @abstractmethod
    def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
        """Return why the entry must not be made, or ``None``. A tier that raises is a DENY.

        A REDUCE names in ``largest`` what is not in the way; it is asked again about what can be made of that.
        """

    def doubt(self, route: Route, edge_bps: float, now_ns: int) -> Refusal | None:
        """Return why the prices of a route can't be relied on, as a DENY; or ``None``. A tier that raises is a DENY.

        Asked about each route that the strategy wants to enter, at the edge of its best prices, whether an order can be
        sized there or not, and whether a pair is in flight or not. What is doubted is not sized, and no `check` is
        asked.
        """
        return None

    def apply(self, record: Record) -> None:  # noqa: B027  # not every tier has a state
        """Fold one event into the tier's state. Called for every event, in order; the tier's only source of state."""

    def react(self, record: Record) -> Iterable[GuardTripped]:
        """Return what trips because of the event just folded. It is recorded; a STOP ends the campaign."""
        return ()

    def poll(self, now_ns: int) -> Iterable[GuardTripped]:
        """Return what trips without an event: a time has come, a file has appeared.

        Asked about once a second of campaign time, if a tier implements it; recorded as what `react` returns. Tell
        what changed: a tier that tripped 1,000 times, and never nothing in between, is silenced and denies.
        """
        return ()

    def retune(self, settings: Any, settings_of: Callable[[str], Any] | None) -> None:
        """Take other settings from now on: a user has set a key while the campaign runs.

        Only keys differ whose `setting` says what ``loosens`` them; without any this is never called. ``settings_of``
        is as in `GuardContext`. State is kept. A tier that raises denies from then on.
        """
        raise NotImplementedError(f"{type(self).__name__} has keys that say what loosens them, and no retune")

    def warnings(self, instruments: Sequence[Instrument]) -> Iterable[str]:
        """Return what is questionable about the limits, given what will be traded."""
        return ()

    def stats(self, now_ns: int) -> Mapping[str, Any]:
        """Return figures for the summary's ``risk_stats``, under the tier's name.

        Those of single venues go under ``venues``, those of symbols under ``symbols``, each by its name: the summary
        puts them beside what other tiers say of the same one. A venue's ``health`` and ``reason`` are shown as such.
        Under ``head_room``, by rule, stand ``name`` (for people), ``used_usd`` and, where there is one, ``limit_usd``,
        as decimals: a view shows how near the limit is; the summary leaves it out.
        """
        return {}


@attrs.frozen(kw_only=True)
class GuardContext(PluginContext):
    """``settings_of`` says the settings of a symbol, where some have others than the tier; ``None``: none has."""

    name: str
    symbols: Sequence[str]
    risk: RiskView
    settings_of: Callable[[str], Any] | None = None
