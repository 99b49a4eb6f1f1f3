"""Market data: the quotes of one venue, as a tape that is known ahead or a feed that comes when it comes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import attrs
import trio

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
        """Take a quote, or a book: its best level, and with ``levels`` those beyond.

        A price or size that is NaN or 0 withdraws its side. So with NaN for all four nothing is entered or left here
        until the next quote: what a feed says whose book has a gap, or of a symbol that has fallen silent.

        ``received_ns``: campaign time at which it came, which is not ahead of now by a minute or more. ``venue_ts_ns``:
        the venue's own time of it, Unix nanoseconds, if the venue says one. It goes into recordings, as it is; nothing
        is decided by it, so it may run backwards.

        ``levels``: four lists, tuples or arrays of floats; a side's prices are as many as its sizes, and may be none.
        They are all that is known: levels of an earlier call are forgotten. What is beyond `MarketContext.depth` is
        passed over. Bids that don't fall and asks that don't rise from the best one on, and numbers that are not
        finite and above zero, make a book that can't be: it is refused like a crossed quote.

        Levels are looked at when something is sized, which few quotes lead to. So a feed that keeps a book may give a
        function instead, which is called if somebody looks before the symbol's next quote, or never. It returns the
        levels of this quote, or `None` if the book isn't any more what it was; levels that can't be count as none.
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

        Raises:
            MarketDataError: they can't be had. At the start nothing is traded; later the symbols stay as they are.
        """

    def rules(self, symbol: str) -> TradingRules | None:
        """Return the trading rules that come with the data, where it knows them."""
        return None


@attrs.frozen(kw_only=True)
class RowBatch:
    """Rows of a tape as columns, of equal length. ``symbol`` holds indices into ``names``; the rest is as in `TapeRow`.

    Times are int64, ``order`` int64, prices and sizes float64 (NaN where there is none). ``names`` are among the
    symbols that were asked for. Columns are copied, so that buffers may be used again; those that own their data and
    are read-only (``column.flags.writeable = False``) are not, and must not change any more.

    ``levels`` of the shape (4, levels, rows) are float64, too: prices and sizes of the bids beyond the best, best
    first, then those of the asks; NaN beyond a row's last.
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
    """Where a tape's rows are kept. ``fingerprint`` changes when they may have; ``rows``: at most so many there are."""

    fingerprint: str
    source: str
    rows: int


class Tape(MarketData):
    """Market data whose times are known ahead: recorded or computed. The engine plays it, in real or virtual time.

    Implement `rows` or `batches`, whichever comes easier.
    """

    @property
    def start_ns(self) -> int | None:
        """Time of the first row; ``None``: it starts whenever the campaign does."""
        return None

    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        """Yield the rows of ``symbols`` from ``start_ns`` on, times never falling. Iterated once, some ahead of time.

        When the universe gets further symbols while it runs, the iterator is closed and this is called again, with all
        symbols and the same ``start_ns``; the engine passes over what it has played.
        A row that comes before the one before it ends the campaign with an error that names it.
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
        """Yield the rows as columns; ``None``: only `rows` can be had. Perhaps iterated in another thread."""
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
        """Call the sinks (by symbol) until cancelled; say ``started()`` when subscribed.

        That has ``engine.open_seconds``. Sinks are called in Trio's thread, and not after this has ended. When the
        universe gets further symbols while it runs, this is cancelled and called again, with the sinks of all symbols.

        Raises:
            MarketDataError: the data can't be had; the campaign ends with it.
        """


@attrs.frozen(kw_only=True)
class MarketContext(PluginContext):
    """``seed`` is the session's; a simulated market must depend on nothing else that varies.

    ``depth``: so many levels a side are wanted, the best one included. ``inner`` is what the table's ``wraps`` names,
    for a plugin that wraps another. ``time`` is what quotes are stamped with: it passes evenly, whatever becomes of the
    machine's clock. ``hold(reason)`` and ``release(reason)`` are as in `ExchangeContext`: of what concerns the venue as
    a whole. A single symbol's quotes are withdrawn instead. ``session``: what its venue's `VenueSpec.open` gave, if it
    is a part of one.
    """

    venue: str
    seed: int
    depth: int = 1
    inner: MarketData | None = None
    session: Any = None
    hold: Callable[[str], None] = lambda reason: None
    release: Callable[[str], None] = lambda reason: None
