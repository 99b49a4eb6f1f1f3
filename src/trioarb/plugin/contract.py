"""What the engine asks of plugins: the classes that what a plugin opens has to implement.

All of them live inside the campaign's Trio run. Methods that are not ``async`` are called between two quotes or two
events and must not block. Venue errors are raised as `VenueError` (fate unknown) or `OrderRejected` (certain).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import attrs
import trio

from trioarb.clock.service import CampaignTime
from trioarb.errors import VenueError
from trioarb.model.event import Event, GuardTripped, Record
from trioarb.model.market import Instrument, Listing, Quote, Route, TradingRules
from trioarb.model.order import Order, OrderReport, VenueOrder
from trioarb.model.trade import Account, ExitReason, Opportunity, OrderSize, Position, Refusal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

__all__ = [
    "Exchange",
    "ExchangeContext",
    "Feed",
    "GuardContext",
    "GuardTier",
    "MarketContext",
    "MarketData",
    "QuoteSink",
    "RiskView",
    "RowBatch",
    "Screen",
    "SourceContext",
    "Stored",
    "Strategy",
    "StrategyContext",
    "SymbolSource",
    "Tape",
    "TapeRow",
]


class QuoteSink(Protocol):
    """What a feed calls with every quote, in the order received."""

    def __call__(
        self,
        bid: float,
        bid_size: float,
        ask: float,
        ask_size: float,
        received_ns: int,
        venue_ts_ns: int | None = None,
        /,
    ) -> None:
        """Take a quote.

        ``received_ns``: campaign time at which it came. ``venue_ts_ns``: the venue's own time of it, Unix nanoseconds,
        if the venue says one. It goes into recordings, as it is; nothing is decided by it, so it may run backwards.
        """


#: (ts_ns, order, symbol, bid, bid_size, ask, ask_size); ``order`` breaks ties of time between tapes. A tape has no
#: venue time: what is played again was recorded with it already.
TapeRow = tuple[int, int, str, float, float, float, float]


class MarketData(ABC):
    """The quotes of one venue. Implement `Tape` or `Feed`."""

    @abstractmethod
    def listings(self) -> Sequence[Listing]:
        """Return the symbols it can quote."""

    def rules(self, symbol: str) -> TradingRules | None:
        """Return the trading rules that come with the data, where it knows them."""
        return None


@attrs.frozen(kw_only=True)
class RowBatch:
    """Rows of a tape as columns, of equal length. ``symbol`` holds indices into ``names``; the rest is as in `TapeRow`.

    Times are int64, ``order`` int64, prices and sizes float64 (NaN where there is none).
    """

    ts_ns: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64]
    symbol: npt.NDArray[Any]
    names: Sequence[str]
    bid: Floats
    bid_size: Floats
    ask: Floats
    ask_size: Floats


@attrs.frozen(kw_only=True)
class Stored:
    """Where a tape's rows are kept. ``fingerprint`` changes when they may have; ``rows``: at most so many there are."""

    fingerprint: str
    source: str
    rows: int


class Tape(MarketData):
    """Market data whose times are known ahead: recorded or computed. The engine plays it, in real or virtual time."""

    @property
    def start_ns(self) -> int | None:
        """Time of the first row; ``None``: it starts whenever the campaign does."""
        return None

    @abstractmethod
    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        """Yield the rows of ``symbols`` from ``start_ns`` on, times never falling. Iterated once."""

    def batches(self, symbols: Sequence[str], start_ns: int) -> Iterator[RowBatch] | None:
        """Yield what `rows` would, as columns; ``None``: only `rows` can be had. It may be iterated in another thread.

        Where all tapes of a campaign have them, and the strategy has a screen, whatever can change nothing is skipped.
        """
        return None

    def stored(self) -> Stored | None:
        """Return where its rows come from, so that what is made of them may be kept; ``None``: it must not be."""
        return None


class Feed(MarketData):
    """Market data that comes when it comes."""

    @abstractmethod
    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Call the sinks (by symbol) until cancelled; say ``started()`` when subscribed.

        Raises:
            MarketDataError: the data can't be had; the campaign ends with it.
        """


class SymbolSource(ABC):
    @abstractmethod
    async def listings(self) -> Sequence[Listing]:
        """Return every symbol it knows, in a stable order."""


class Exchange(ABC):
    """One venue to trade at."""

    #: Whether a sell needs the base asset (spot) or may borrow it (margin).
    account: Account = Account.SPOT
    #: Margin only: how far the base asset of one symbol may go below zero, in USD.
    max_borrow_usd: Decimal = Decimal(0)

    @abstractmethod
    async def instruments(self, listings: Sequence[Listing]) -> Mapping[str, Instrument]:
        """Return the instruments, by symbol, of those listings that the venue trades."""

    @abstractmethod
    async def balances(self) -> Mapping[str, Decimal]:
        """Return what is owned, by asset, free and locked together."""

    def seed_inventory(self, instrument: Instrument, quote: Quote | None) -> Decimal:
        """Return how much base asset the venue grants at the symbol's first quote. Simulated venues only.

        ``None`` asks, after a crash, what it granted before.
        """
        return Decimal(0)

    @abstractmethod
    async def submit(self, order: Order) -> OrderReport:
        """Send an IOC limit order and return its final report.

        When cancelled, the order may have been filled or not: the engine asks `order`.

        Raises:
            OrderRejected: the venue refused it; nothing was and nothing will be filled.
            VenueError: no answer, or none that makes sense; the order may have been filled.
        """

    @abstractmethod
    async def order(self, client_order_id: str) -> OrderReport | None:
        """Return the final report of an order, or ``None`` if the venue never got it and never will.

        Raises:
            VenueError: not known now; it will be asked again.
        """

    async def orders(self, symbols: Sequence[str], since_ns: int) -> Sequence[VenueOrder]:
        """Return this account's orders of ``symbols`` since then, in the order in which the venue got them.

        Asked after a crash, when the venue may know orders that the journal lost; without it they can't be found.

        Raises:
            VenueError: not known now; it will be asked again.
        """
        raise VenueError("this exchange plugin can't say which orders there were")


class RiskView(ABC):
    """What guards may know: folded from the journal, reservations of pairs in flight included."""

    @abstractmethod
    def exposure_usd(self, symbol: str | None = None) -> Decimal:
        """Return positions, reservations and residuals of a symbol, or of all."""

    @abstractmethod
    def daily_loss_usd(self, now_ns: int, symbol: str | None = None) -> Decimal:
        """Return −(realised PnL of the UTC day of ``now_ns``), never below zero."""

    @abstractmethod
    def open_positions(self, symbol: str | None = None) -> int:
        """Return how many positions are open."""


class GuardTier(ABC):
    """One tier of risk guards. It answers, it doesn't resize; first refusal wins."""

    #: The events that `apply` wants to see; ``None``: all of them.
    folds: frozenset[type[Event]] | None = None

    #: The events that `react` wants to see; ``None``: all of them. A subclass that reacts to others has to set its own.
    reacts: frozenset[type[Event]] | None = None

    #: Whether it heeds a `KillSwitchPulled`. If no tier does, the user who pulls one is told that nothing happens.
    answers_kill_switch: bool = False

    @abstractmethod
    def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
        """Return why the entry must not be made, or ``None``. A tier that raises is a DENY."""

    def apply(self, record: Record) -> None:  # noqa: B027  # not every tier has a state
        """Fold one event into the tier's state. Called for every event, in order; the tier's only source of state."""

    def react(self, record: Record) -> Iterable[GuardTripped]:
        """Return what trips because of the event just folded. It is recorded; a STOP ends the campaign."""
        return ()

    def poll(self, now_ns: int) -> Iterable[GuardTripped]:
        """Return what trips without an event: a time has come, a file has appeared.

        Asked about once a second of campaign time, if a tier implements it; recorded as what `react` returns.
        """
        return ()

    def warnings(self, instruments: Sequence[Instrument]) -> Iterable[str]:
        """Return what is questionable about the limits, given what will be traded."""
        return ()

    def stats(self, now_ns: int) -> Mapping[str, Any]:
        """Return figures for the summary's ``risk_stats``, under the tier's name."""
        return {}


class Screen(ABC):
    """Says at which rows of recorded market data a strategy could act, so that the others need not be shown to it.

    One row too many costs time; one too few changes the result. It has to hold whatever the ages of the quotes are.
    """

    @abstractmethod
    def entries(self, received: Floats, paid: Floats) -> npt.NDArray[np.bool_]:
        """Return at which rows `Strategy.entry` could answer for a route.

        ``received`` = bid · (1 − fee) where it sells, ``paid`` = ask · (1 + fee) where it buys; NaN without a quote.
        Its edge is 10⁴ · (received ÷ paid − 1) bps.
        """

    @abstractmethod
    def exits(self, position: Position, received: Floats, paid: Floats) -> npt.NDArray[np.bool_]:
        """Return at which rows `Strategy.exit` could answer, given the same for the reversed route.

        From `Strategy.wake_at_ns` on every row is shown.
        """


class Strategy(ABC):
    """Decides for one symbol when to enter and when to leave. Called at every evaluation; keep it fast."""

    #: Quotes older than this are not acted upon.
    max_quote_age_ns: int
    #: Least edge of an entry, checked again with the rounded numbers that would be sent.
    entry_bps: Decimal
    #: The edge at which a position is expected to be closed (normally negative): the price of hedging.
    exit_bps: Decimal

    #: Below this edge (bps) `entry` answers ``None`` in any case, and is not asked; ``None``: it always is. A subclass
    #: whose `entry` answers at other edges has to set its own.
    asked_from_bps: float | None = None

    @abstractmethod
    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        """Return how much to trade on the symbol's best route, or ``None``."""

    @abstractmethod
    def exit(self, position: Position, edge_bps: float, net_bps: float, now_ns: int) -> ExitReason | None:
        """Return why to close the position, or ``None``.

        ``edge_bps``: edge of the reversed route. ``net_bps``: PnL if closed now, fees paid, of the entry notional
        (quantity × buy price). While one of the quotes is too old, no reason but ``MAX_HOLDING`` is acted upon.
        """

    def wake_at_ns(self, position: Position) -> int | None:
        """Return when `exit` has to be asked even if no quote comes, or ``None``."""
        return None

    def screen(self) -> Screen | None:
        """Return what tells beforehand at which rows of recorded data it could act; ``None``: it has to see them all.

        Only for a strategy whose answers depend on nothing but what it is asked with.
        """
        return None


@attrs.frozen(kw_only=True)
class SourceContext:
    """The markets of the configured venues, by venue."""

    markets: Mapping[str, MarketData]


@attrs.frozen(kw_only=True)
class MarketContext:
    """``seed`` is the session's; a simulated market must depend on nothing else that varies.

    ``inner`` is what the table's ``wraps`` names, for a plugin that wraps another.
    """

    venue: str
    seed: int
    inner: MarketData | None = None


@attrs.frozen(kw_only=True)
class ExchangeContext:
    """``touch(symbol)`` is this venue's latest accepted quote; ``market_rules(symbol)`` what its data says.

    ``state`` is where a simulated venue keeps what a real one would remember, ``None``: nowhere; ``resumed``: it is
    there already. ``inner`` is what the table's ``wraps`` names, for a plugin that wraps another.
    """

    venue: str
    seed: int
    time: CampaignTime
    touch: Callable[[str], Quote | None]
    market_rules: Callable[[str], TradingRules | None]
    fx: Mapping[str, Decimal]
    state: Path | None = None
    resumed: bool = False
    inner: Exchange | None = None


@attrs.frozen(kw_only=True)
class GuardContext:
    name: str
    symbols: Sequence[str]
    risk: RiskView


@attrs.frozen(kw_only=True)
class StrategyContext:
    """``venues`` list the symbol; ``touch(venue)`` is its latest accepted quote there."""

    symbol: str
    venues: Sequence[str]
    touch: Callable[[str], Quote | None]
