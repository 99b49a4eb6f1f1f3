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
        """Return positions, reservations and residuals.

        Args:
            symbol: Of this one; ``None``: of all.

        Returns:
            USD, not below zero.
        """

    @abstractmethod
    def daily_loss_usd(self, now_ns: int, symbol: str | None = None) -> Decimal:
        """Return the loss of a UTC day.

        It is −(realised PnL + change of what positions, residuals and dust are worth at executable prices, as of the
        last second of campaign time); with the loss basis ``realised``, −(realised PnL).

        Args:
            now_ns: Campaign time in nanoseconds, which says the day.
            symbol: Of this one; ``None``: of all.

        Returns:
            USD, never below zero.
        """

    def last_priced(self, now_ns: int, symbol: str | None = None) -> int:
        """Return how much of what that day's loss counts is at the last price of a side that was withdrawn.

        Args:
            now_ns: Campaign time in nanoseconds, which says the day.
            symbol: Of this one; ``None``: of all.

        Returns:
            How many positions, residuals and pieces of dust.
        """
        return 0

    def loss_text(self, now_ns: int, symbol: str | None = None) -> str:
        """Return the loss as a guard says it: a number, and what of it is at last prices.

        A guard that answers by a loss says this as its value: then what it was marked at is recorded beside it.

        Args:
            now_ns: Campaign time in nanoseconds, which says the day.
            symbol: Of this one; ``None``: of all.
        """
        loss, count = text(self.daily_loss_usd(now_ns, symbol)), self.last_priced(now_ns, symbol)
        return f"{loss} (residuals at last prices: {count})" if count else loss

    def liquidation_distance_pct(
        self, symbol: str, venue: str, *, opens: Decimal = ZERO, price: Decimal | None = None
    ) -> Decimal | None:
        """Return by how many percent a contract's mark may move until it is liquidated there.

        Args:
            symbol: Whose contract.
            venue: Where it is held.
            opens: So many contracts more are traded before (below zero: sold).
            price: At this price, in the quote asset.

        Returns:
            Percent, not above zero if its time has come; ``None``: it never is.
        """
        return None

    def unrealised_usd(self, symbol: str | None = None) -> Decimal:
        """Return what is open would bring beyond what it is booked at, at the marks of the last second.

        Args:
            symbol: Of this one; ``None``: of all.

        Returns:
            USD.
        """
        return Decimal(0)

    def marked_text(self, amount: Decimal) -> str:
        """Return an amount as a guard says it that depends on marks; what was marked is recorded beside the answer.

        Args:
            amount: What it measured.
        """
        return text(amount)

    def stock(self, symbol: str, venue: str) -> Decimal:
        """Return how much of a symbol's base asset a venue holds.

        Args:
            symbol: Whose base asset.
            venue: Where.

        Returns:
            Units of it, what orders lock included; below zero: borrowed.
        """
        return Decimal(0)

    def mid(self, symbol: str, venue: str) -> Decimal | None:
        """Return the middle between what a venue bids and asks now.

        Args:
            symbol: What is quoted.
            venue: Where.

        Returns:
            A price in the quote asset; ``None`` where it doesn't show both, and of a symbol whose venues quote it in
            different assets.
        """
        return None

    @abstractmethod
    def open_positions(self, symbol: str | None = None) -> int:
        """Return how many positions are open.

        Args:
            symbol: Of this one; ``None``: of all.
        """


class GuardTier(ABC):
    """One tier of risk guards. It answers; a REDUCE bounds the size, and the first DENY or STOP wins.

    One that raises denies: `check` and `doubt` that entry, by the rule ``NAME.error``; after `apply`, `react`, `poll`
    or `retune` everything from then on. Attributes are read once, when it is opened.

    Attributes:
        folds: The events that `apply` wants to see; ``None``: all of them.
        reacts: The events that `react` wants to see; ``None``: all of them. A subclass that reacts to others has to set
            its own.
        polls_marks: Whether `poll` wants to be asked only while something is open, after it was marked.
        answers_kill_switch: Whether it heeds a `KillSwitchPulled`. If no tier does, the user who pulls one is told that
            nothing happens.
    """

    folds: frozenset[type[Event]] | None = None
    reacts: frozenset[type[Event]] | None = None
    polls_marks: bool = False
    answers_kill_switch: bool = False

    @abstractmethod
    def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
        """Return why the entry must not be made, or ``None``.

        Called in the same step that reserves the entry's exposure; exits are never asked about.

        Args:
            opportunity: What would be sent, sized and rounded.
            now_ns: Campaign time in nanoseconds.

        Returns:
            ``None``: it may be. A REDUCE names in ``largest`` what is not in the way; it is asked again about what can
            be made of that. A DENY is counted; a STOP ends the campaign.
        """

    def doubt(self, route: Route, edge_bps: float, now_ns: int) -> Refusal | None:
        """Return why the prices of a route can't be relied on, as a DENY; or ``None``.

        Asked about each route that the strategy wants to enter, at the edge of its best prices, whether an order can be
        sized there or not, and whether a pair is in flight or not. What is doubted is not sized, and no `check` is
        asked.

        Args:
            route: Where would be bought and sold.
            edge_bps: What the best prices there are apart, fees paid, in basis points.
            now_ns: Campaign time in nanoseconds.
        """
        return None

    def apply(self, record: Record) -> None:  # noqa: B027  # not every tier has a state
        """Fold one event into the tier's state. Called for every event, in order; the tier's only source of state.

        So a resumed campaign has it, too.

        Args:
            record: The event, with its number and time.
        """

    def react(self, record: Record) -> Iterable[GuardTripped]:
        """Return what trips because of the event just folded. It is recorded; a STOP ends the campaign.

        Args:
            record: The event, with its number and time.

        Returns:
            Events, none as a rule. One that answers its own events without end is silenced, and denies everything.
        """
        return ()

    def poll(self, now_ns: int) -> Iterable[GuardTripped]:
        """Return what trips without an event: a time has come, a file has appeared.

        Asked about once a second of campaign time, if a tier implements it; recorded as what `react` returns. Tell what
        changed: a tier that tripped 1,000 times, and never nothing in between, is silenced and denies.

        Args:
            now_ns: Campaign time in nanoseconds.
        """
        return ()

    def retune(self, settings: Any, settings_of: Callable[[str], Any] | None) -> None:
        """Take other settings from now on: a user has set a key while the campaign runs.

        Only keys differ whose `setting` says what ``loosens`` them; without any this is never called. State is kept.

        Args:
            settings: All of them, as `GuardContext.settings` was.
            settings_of: As in `GuardContext`.
        """
        raise NotImplementedError(f"{type(self).__name__} has keys that say what loosens them, and no retune")

    def warnings(self, instruments: Sequence[Instrument]) -> Iterable[str]:
        """Return what is questionable about the limits, given what will be traded. Asked once, at the start.

        Args:
            instruments: All of the campaign's.
        """
        return ()

    def stats(self, now_ns: int) -> Mapping[str, Any]:
        """Return figures for the summary's ``risk_stats``, under the tier's name.

        Those of single venues go under ``venues``, those of symbols under ``symbols``, each by its name: the summary
        puts them beside what other tiers say of the same one. A venue's ``health`` and ``reason`` are shown as such.
        Under ``head_room``, by rule, stand ``name`` (for people), ``used_usd`` and, where there is one, ``limit_usd``,
        as decimals: a view shows how near the limit is; the summary leaves it out.

        Args:
            now_ns: Campaign time in nanoseconds.
        """
        return {}


@attrs.frozen(kw_only=True)
class GuardContext(PluginContext):
    """What a guard tier is opened with.

    Attributes:
        name: The tier's, ``[guards.NAME]``.
        symbols: What is traded at the start.
        risk: What it may know.
        settings_of: Says the settings of a symbol, where some have others than the tier; ``None``: none has.
    """

    name: str
    symbols: Sequence[str]
    risk: RiskView
    settings_of: Callable[[str], Any] | None = None
