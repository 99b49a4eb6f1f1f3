"""Market data: the quotes of one venue, as a tape that is known ahead or a feed that comes when it comes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import attrs
import trio

from trioarb.errors import PluginError
from trioarb.model.market import Listing, TradingRules
from trioarb.plugin.contract.context import PluginContext

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

__all__ = [
    "Feed",
    "Levels",
    "LevelsLater",
    "MarketContext",
    "MarketData",
    "QuoteSink",
    "RowBatch",
    "Stored",
    "Tape",
    "TapeRow",
]


#: Price levels beyond the best, best first: prices and sizes of the bids, prices and sizes of the asks.
Levels = tuple[Sequence[float], Sequence[float], Sequence[float], Sequence[float]]
#: The same, for when somebody looks; `None`: they are others by now.
LevelsLater = Callable[[], Levels | None]


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
        levels: Levels | LevelsLater | None = None,
        /,
    ) -> None:
        """Take a quote, or a book: its best level, and with ``levels`` those beyond. All by position.

        Pass quotes on as they are. What can't be (negative, infinite, crossed, levels out of order) is refused by the
        engine, counted, and takes the venue's quote off the board.

        Args:
            bid: Best price to sell at, in the quote asset. A price or size that is NaN or 0 withdraws its side. So with
                NaN for all four nothing is entered or left here until the next quote: what a feed says whose book has a
                gap, or of a symbol that has fallen silent.
            bid_size: How much is bid there, in units of the base asset.
            ask: Best price to buy at.
            ask_size: How much is offered there.
            received_ns: Campaign time at which it came, in nanoseconds, which is not ahead of now by a minute or more.
            venue_ts_ns: The venue's own time of it, Unix nanoseconds, if the venue says one. It goes into recordings,
                as it is; nothing is decided by it, so it may run backwards.
            levels: Four lists, tuples or arrays of floats, see `Levels`; a side's prices are as many as its sizes, and
                may be none. They are all that is known: levels of an earlier call are forgotten. What is beyond
                `MarketContext.depth` is passed over. Bids that don't fall and asks that don't rise from the best one
                on, and numbers that are not finite and above zero, make a book that can't be. Levels are looked at when
                something is sized, which few quotes lead to: so a feed that keeps a book may give a function instead
                (`LevelsLater`), which is called if somebody looks before the symbol's next quote, or never. It returns
                the levels of this quote, or ``None`` if the book isn't any more what it was; levels that can't be count
                as none.

        Raises:
            PluginFault: An argument is no number or no time, or this is called from another thread, or after `Feed.run`
                has ended. Let it pass: the campaign ends with it, whatever is done with the error.
        """


#: (ts_ns, order, symbol, bid, bid_size, ask, ask_size); ``order`` breaks ties of time between tapes. A tape has no
#: venue time: what is played again was recorded with it already.
#: Levels beyond the best may follow, as a feed's.
TapeRow = (
    tuple[int, int, str, float, float, float, float] | tuple[int, int, str, float, float, float, float, Levels | None]
)


class MarketData(ABC):
    """The quotes of one venue. Implement `Tape` or `Feed`."""

    @abstractmethod
    async def listings(self) -> Sequence[Listing]:
        """Return the symbols it can quote.

        Asked at the start, by the source of symbols as well perhaps, and whenever the symbols are chosen anew. That has
        ``engine.open_seconds``.

        Returns:
            Listings, each symbol once.

        Raises:
            MarketDataError: They can't be had. At the start nothing is traded; later the symbols stay as they are.
        """

    def rules(self, symbol: str) -> TradingRules | None:
        """Return the trading rules that come with the data, where it knows them. Doesn't wait.

        Args:
            symbol: One of those that it lists.

        Returns:
            The rules; ``None``: it doesn't know them.
        """
        return None


@attrs.frozen(kw_only=True)
class RowBatch:
    """Rows of a tape as columns, of equal length.

    Columns are copied, so that buffers may be used again; those that own their data and are read-only
    (``column.flags.writeable = False``) are not, and must not change any more.

    Attributes:
        ts_ns: Campaign times in nanoseconds, int64, never falling.
        order: Breaks ties of time between tapes, int64.
        symbol: Indices into ``names``, any type of whole numbers.
        names: Symbols, among those that were asked for.
        bid: Best prices to sell at, float64; NaN where there is none.
        bid_size: Sizes there, in units of the base asset.
        ask: Best prices to buy at.
        ask_size: Sizes there.
        levels: Of the shape (4, levels, rows), float64: prices and sizes of the bids beyond the best, best first, then
            those of the asks; NaN beyond a row's last. ``None``: there are none.
    """

    ts_ns: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64]
    symbol: npt.NDArray[Any]
    names: Sequence[str]
    bid: Floats
    bid_size: Floats
    ask: Floats
    ask_size: Floats
    levels: Floats | None = None


@attrs.frozen(kw_only=True)
class Stored:
    """Where a tape's rows are kept, so that what is made of them may be kept as well.

    Attributes:
        fingerprint: Changes when the rows may have.
        source: What they are, for people.
        rows: At most so many there are.
    """

    fingerprint: str
    source: str
    rows: int


class Tape(MarketData):
    """Market data whose times are known ahead: recorded or computed. The engine plays it, in real or virtual time.

    Implement `rows` or `batches`, whichever comes easier.
    """

    @property
    def start_ns(self) -> int | None:
        """Time of the first row, campaign time in nanoseconds; ``None``: it starts whenever the campaign does."""
        return None

    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        """Yield the rows of ``symbols`` from ``start_ns`` on. Iterated once, some ahead of time.

        When the universe gets further symbols while it runs, the iterator is closed and this is called again, with all
        symbols and the same ``start_ns``; the engine passes over what it has played.

        Args:
            symbols: Which are wanted; one of which there are no rows has none.
            start_ns: The campaign's start, nanoseconds. Where `start_ns` says nothing, times begin here.

        Yields:
            Rows, times never falling. A row that comes before the one before it ends the campaign with an error that
            names it, as do more than ``engine.max_rows_of_one_time`` rows of one time.

        Raises:
            MarketDataError: While it is iterated: the data can't be read. Positions are closed, and the campaign ends
                with exit code 1.

        Ownership:
            The iterator is closed when it isn't needed any more: a file that it opens belongs into its own ``with``.
        """
        batches = self.batches(symbols, start_ns)
        if batches is None:
            raise NotImplementedError(f"{type(self).__name__} is a tape without rows: it needs `rows` or `batches`")
        for batch in batches:
            names = [batch.names[place] for place in batch.symbol.tolist()]
            numbers = (column.tolist() for column in (batch.bid, batch.bid_size, batch.ask, batch.ask_size))
            rows = zip(batch.ts_ns.tolist(), batch.order.tolist(), names, *numbers, strict=True)
            if batch.levels is None:
                yield from rows
            else:
                of_each = zip(*(part.T.tolist() for part in batch.levels), strict=True)
                yield from ((*row, levels) for row, levels in zip(rows, of_each, strict=True))

    def batches(self, symbols: Sequence[str], start_ns: int) -> Iterator[RowBatch] | None:
        """Yield the rows as columns. Perhaps iterated in another thread.

        Args:
            symbols: As of `rows`.
            start_ns: As of `rows`.

        Yields:
            Batches, of at least one row each; ``None`` instead of an iterator: only `rows` can be had.

        Raises:
            MarketDataError: As `rows`.
        """
        return None

    def stored(self) -> Stored | None:
        """Return where its rows come from, so that what is made of them may be kept; ``None``: it must not be."""
        return None


def is_recorded(market: MarketData) -> bool:
    """Return whether its rows are kept somewhere: it has what was chosen when they were, and no more."""
    return isinstance(market, Tape) and market.stored() is not None


class Feed(MarketData):
    """Market data that comes when it comes."""

    @abstractmethod
    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Call the sinks until cancelled.

        A feed connects again by itself. Meanwhile it withdraws both sides of what it can't vouch for.

        When the universe gets further symbols while it runs, this is cancelled and called again, with the sinks of all
        symbols.

        Args:
            sinks: By symbol, what to call with its quotes, in Trio's thread, and not after this has ended.
            task_status: Say ``started()`` when subscribed; that has ``engine.open_seconds``. Saying it again does no
                harm.

        Raises:
            MarketDataError: The data can't be had, for good. Positions are closed, and the campaign ends with exit code
                1; so it does when this returns, or raises anything else.

        Cancellation:
            The campaign ends, or the symbols are others. Close what is connected, and let it pass.

        Ownership:
            Tasks that this starts have to end with it: open a nursery inside.
        """


@attrs.frozen(kw_only=True)
class MarketContext(PluginContext):
    """What market data is opened with.

    Attributes:
        venue: The venue's name, ``[exchanges.NAME]``.
        seed: The session's; a simulated market must depend on nothing else that varies.
        depth: So many levels a side are wanted, the best one included.
        inner: What the table's ``wraps`` names, opened, for a plugin that wraps another.
        session: What the venue's `VenueSpec` opened, if the market data is a part of one.
        time: What quotes are stamped with: it passes evenly, whatever becomes of the machine's clock.
        hold: As in `ExchangeContext`: of what concerns the venue's data as a whole. A single symbol's quotes are
            withdrawn instead.
        release: Takes back what ``hold`` said.
    """

    venue: str
    seed: int
    depth: int = 1
    inner: MarketData | None = None
    session: Any = None
    hold: Callable[[str], None] = lambda reason: None
    release: Callable[[str], None] = lambda reason: None

    @property
    def now_ns(self) -> NoReturn:
        """Gone: ``time.now_ns`` is what it was.

        Raises:
            PluginError: Always. The plugin is refused.
        """
        raise PluginError(
            "MarketContext has no now_ns any more, which was the campaign's time in earlier versions; write "
            "context.time.now_ns, or install a newer version of the plugin"
        )
