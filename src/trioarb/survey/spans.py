"""What the venues quoted of each symbol, from one of its rows to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from trioarb.quotes.window import Window

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["Conversion", "Spans", "spans"]


@attrs.frozen(kw_only=True, eq=False)
class Conversion:
    """By which rates prices of spans were converted, by venue and span; 1 and 0 where none was.

    ``to_sell`` and ``to_buy``: how much less is had for what a sale brings, and how much more is paid for what a
    purchase costs, than at the middle of the rate. ``doubt``: above 0 where the rate can't be relied on, and which
    state it is in.
    """

    to_sell: Array
    to_buy: Array
    doubt: Array

    def spread(self, venue: int) -> Array:
        """Return what a rate's ask is of its bid, by span."""
        spread: Array = self.to_sell[venue] * self.to_buy[venue]
        return spread


@attrs.frozen(kw_only=True, eq=False)
class Spans:
    """Times between two rows of one symbol, symbol by symbol and in order; V venues.

    By span: ``symbol``; ``from_ns`` and ``until_ns``, which are equal where a row is not followed by a later one here.
    By venue and span: ``bid``, ``ask``, NaN where that side isn't there; ``came_ns`` of the quote. ``max_age_ns`` of a
    quote: of all, or by span.

    ``size_of(spans, venue, of_bids)`` returns the sizes that a venue displayed at some spans. ``conversion``: of prices
    in another quote asset than the symbol's, if any are.
    """

    symbol: Array
    from_ns: Array
    until_ns: Array
    bid: Array
    ask: Array
    came_ns: Array
    max_age_ns: Any
    size_of: Callable[[Array, int, bool], Array]
    conversion: Conversion | None = None

    def __len__(self) -> int:
        return len(self.symbol)


class _Last:
    """What was quoted last of every symbol."""

    def __init__(self, symbols: int, venues: int) -> None:
        import numpy as np

        self.ts_ns = np.full(symbols, -1, dtype=np.int64)
        self.bid, self.ask = np.full((venues, symbols), np.nan), np.full((venues, symbols), np.nan)
        self.came_ns = np.full((venues, symbols), -1, dtype=np.int64)
        self.bid_size, self.ask_size = np.zeros((symbols, venues)), np.zeros((symbols, venues))


def spans(windows: Iterable[Window], *, venues: int, max_age_ns: Sequence[int]) -> Iterator[Spans]:
    """Yield the spans of windows, whose symbols are those of ``max_age_ns``; after the last row nothing is known.

    Of each window first those that began in one before, then those in it: a symbol's spans follow on each other.
    """
    import numpy as np

    max_age = np.array(max_age_ns, dtype=np.int64)
    last = _Last(len(max_age), venues)
    for window in windows:
        if len(window):
            if len(found := _before(window, last, max_age)):
                yield found
            yield _within(window, last, max_age)
            _keep(window, last)


def _before(window: Window, last: _Last, max_age_ns: Array) -> Spans:
    """Return the spans that end with a symbol's first row of a window."""
    present = window.present[last.ts_ns[window.present] >= 0]
    first = window.starts[:-1][last.ts_ns[window.present] >= 0]
    bid_size, ask_size = last.bid_size[present], last.ask_size[present]
    return Spans(
        symbol=present,
        from_ns=last.ts_ns[present],
        until_ns=window.ts_ns[window.row[first]],
        bid=last.bid[:, present],
        ask=last.ask[:, present],
        came_ns=last.came_ns[:, present],
        max_age_ns=max_age_ns[present],
        size_of=lambda spans, venue, of_bids: (bid_size if of_bids else ask_size)[spans, venue],
    )


def _within(window: Window, last: _Last, max_age_ns: Array) -> Spans:
    """Return the spans from one row of a window to the next of its symbol: a span's index is its row's place."""
    import numpy as np

    from_ns = window.ts_ns.take(window.row)
    until_ns = np.append(from_ns[1:], 0)
    ends = window.starts[1:] - 1
    until_ns[ends] = from_ns[ends]
    is_same = bool((max_age_ns == max_age_ns[0]).all())

    def size_of(places: Array, venue: int, of_bids: bool) -> Array:
        size, before = (window.bid_size, last.bid_size) if of_bids else (window.ask_size, last.ask_size)
        symbol = window.symbol[places]
        begin = window.starts[window.present.searchsorted(symbol)]
        own = (window.cell[window.row] % len(window.bid) == venue).nonzero()[0]
        index = own.searchsorted(places, "right") - 1  # the latest row of the venue
        latest = own[index] if len(own) else np.full(len(places), -1)
        is_here = (index >= 0) & (latest >= begin)
        found: Array = np.where(is_here, size[latest], before[symbol, venue])
        return found

    return Spans(
        symbol=window.symbol,
        from_ns=from_ns,
        until_ns=until_ns,
        bid=window.bid,
        ask=window.ask,
        came_ns=window.came_ns,
        max_age_ns=max_age_ns[0] if is_same else max_age_ns[window.symbol],
        size_of=size_of,
    )


def _keep(window: Window, last: _Last) -> None:
    """Keep what a window's rows leave."""
    ends, present = window.starts[1:] - 1, window.present
    last.ts_ns[present] = window.ts_ns[window.row[ends]]
    for kept, column in ((last.bid, window.bid), (last.ask, window.ask), (last.came_ns, window.came_ns)):
        kept[:, present] = column[:, ends]
    rows = (window.next_row >= len(window)).nonzero()[0]  # the last of each symbol and venue
    cells, places = window.cell[rows], window.place[rows]
    last.bid_size.reshape(-1)[cells] = window.bid_size[places]
    last.ask_size.reshape(-1)[cells] = window.ask_size[places]
