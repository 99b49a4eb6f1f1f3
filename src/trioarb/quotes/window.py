"""Windows: some thousands of rows of all symbols, each with what every venue quoted of its symbol then."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs

from trioarb.quotes.merge import NEVER, Merged, joined
from trioarb.quotes.validity import have_sound_levels, verdicts

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["ACCEPTED", "REFUSED", "WITHDRAWN", "ZONE_ROWS", "Window", "gathered", "pairs_of", "rows_for", "windows"]

#: Rows of a full window: so many that what is done once a window is little beside them, and few enough for a
#: processor's cache.
WINDOW_ROWS = 65_536
#: With each window something is done for every symbol and venue: a window of many has at least so many rows of each.
ROWS_EACH = 32
#: Rows of which the extremes are kept, so that most of them need not be looked at.
ZONE_ROWS = 256

ACCEPTED, WITHDRAWN, REFUSED = 0, 1, 2

_NO_ROW = 2**31 - 1


def pairs_of(venues: int) -> Sequence[tuple[int, int]]:
    """Return every ordered pair of venues (where to sell, where to buy), by index."""
    return [(sell, buy) for sell in range(venues) for buy in range(venues) if sell != buy]


@attrs.frozen(kw_only=True, eq=False)
class Extremes:
    """How far the rows of a window reach, so that most of them need not be looked at.

    ``zone_ratio`` (P, zones): the highest bid ÷ ask among each `ZONE_ROWS` places; ``zone_age_ns`` (V, zones): how old
    a venue's quote is at most, `NEVER` if it isn't whole everywhere. ``best_ratio`` (P, present): a symbol's highest
    bid ÷ ask. NaN stands for none.
    """

    zone_ratio: Array
    zone_age_ns: Array
    best_ratio: Array


@attrs.frozen(kw_only=True, eq=False, slots=False)
class Window:
    """Some rows of all symbols, V venues and P ordered pairs of them, as `pairs_of` gives them.

    Rows are numbered from 0 in the order in which they are played. Columns are laid out symbol by symbol: a row's index
    in them is its *place*, and the rows of ``present[k]`` (an index of a symbol) are those at the places from
    ``starts[k]`` up to ``starts[k + 1]``, in order.

    By row: ``ts_ns``; ``cell`` = symbol · V + venue; ``place``; ``next_row`` of the same cell; ``levels`` beyond the
    best (4, levels, rows), if there are any: nobody looks at them but who sizes something. By place: ``row``;
    ``kind`` (accepted, a side withdrawn, refused); ``number`` of the venue's accepted quotes of the symbol so far, from
    1; ``bid_size`` and ``ask_size`` of the row's venue; and for each venue (V, places), as of that row: ``bid`` and
    ``ask``, NaN where that side is not there, and ``came_ns``, when its latest accepted quote came, −1 before the
    first.

    ``firsts``: rows with a venue's first whole quote of a symbol. ``ended``: venues whose last row was in here, and
    which row that is, −1 if it is none of these.

    ``kept``: its `Extremes`, where they were made before.
    """

    ts_ns: Array
    cell: Array
    place: Array
    next_row: Array
    row: Array
    kind: Array
    number: Array
    bid_size: Array
    ask_size: Array
    bid: Array
    ask: Array
    came_ns: Array
    present: Array
    starts: Array
    firsts: Array
    levels: Array | None
    is_all_accepted: bool
    ended: Sequence[tuple[int, int]]
    kept: Extremes | None = None

    def __len__(self) -> int:
        return len(self.ts_ns)

    @cached_property
    def symbol(self) -> Array:
        """The symbol's index, by place."""
        import numpy as np

        return np.repeat(self.present, np.diff(self.starts))

    @cached_property
    def extremes(self) -> Extremes:
        """Made when somebody asks for them: who looks in rounds doesn't."""
        import numpy as np

        if self.kept is not None:
            return self.kept
        zones, starts = np.arange(0, len(self), ZONE_ROWS), self.starts[:-1]
        with np.errstate(invalid="ignore"):
            ratios = [self.bid[sell] / self.ask[buy] for sell, buy in pairs_of(len(self.bid))]
            ages_ns = np.where(self.bid <= self.ask, self.ts_ns[self.row] - self.came_ns, NEVER)
        return Extremes(
            zone_ratio=np.array([np.fmax.reduceat(ratio, zones) for ratio in ratios]),
            zone_age_ns=np.maximum.reduceat(ages_ns, zones, axis=1),
            best_ratio=np.array([np.fmax.reduceat(ratio, starts) for ratio in ratios]),
        )

    def places_of(self, symbol: int) -> tuple[int, int]:
        """Return the first place of a symbol's rows, and the one after its last."""
        k = int(self.present.searchsorted(symbol))
        if k == len(self.present) or self.present[k] != symbol:
            return 0, 0
        return int(self.starts[k]), int(self.starts[k + 1])


def windows(merged: Iterator[Merged], symbols: int, venues: int) -> Generator[Window, None, None]:
    """Make windows of merged rows, whose tapes are the venues; memory doesn't grow with the tapes.

    They are as large as the pieces in which rows come, so that none waits for rows that come long after it.
    """
    latest, most = _Latest(symbols, venues), rows_for(symbols, venues)
    for piece in merged:
        rows = len(piece.columns["ts_ns"])
        for first in range(0, rows, most):
            end = min(first + most, rows)
            columns = {name: column[..., first:end] for name, column in piece.columns.items()}
            here = [(tape, last - first) for tape, last in piece.ended if first <= last < end]
            before = [(tape, -1) for tape, last in piece.ended if last < 0 and not first]
            yield latest.window(columns, before + here)


def rows_for(symbols: int, venues: int) -> int:
    """Return how many rows a full window has."""
    return max(WINDOW_ROWS, ROWS_EACH * symbols * venues)


def gathered(merged: Iterator[Merged], least: int) -> Iterator[Merged]:
    """Join merged rows into larger pieces, of at least so many."""
    waiting: list[Merged] = []
    rows = 0
    for piece in merged:
        waiting.append(piece)
        rows += len(piece.columns["ts_ns"])
        if rows >= least:
            yield _joined(waiting)
            waiting, rows = [], 0
    if waiting:
        yield _joined(waiting)


def _joined(pieces: Sequence[Merged]) -> Merged:
    columns = joined([one.columns for one in pieces])
    before, ended = 0, []
    for one in pieces:
        ended += [(tape, last if last < 0 else before + last) for tape, last in one.ended]
        before += len(one.columns["ts_ns"])
    return Merged(columns, pieces[0].tapes, ended)


class _Latest:
    """What every venue quoted last of every symbol, before the next window."""

    def __init__(self, symbols: int, venues: int) -> None:
        import numpy as np

        self.venues = venues
        self.bid = np.full((venues, symbols), np.nan)
        self.ask = np.full((venues, symbols), np.nan)
        self.came_ns = np.full((venues, symbols), -1, dtype=np.int64)
        self.number = np.zeros((venues, symbols), dtype=np.int32)
        self.is_known = np.zeros(symbols * venues, dtype=bool)  # by cell: whether a whole quote has come

    def window(self, columns: dict[str, Array], ended: Sequence[tuple[int, int]]) -> Window:
        import numpy as np

        rows = len(columns["ts_ns"])
        row = np.argsort(columns["symbol"], kind="stable").astype(np.int32)
        place = np.empty(rows, dtype=np.int32)
        place[row] = np.arange(rows, dtype=np.int32)
        symbol = columns["symbol"][row]
        starts = np.concatenate(([0], (np.diff(symbol) != 0).nonzero()[0] + 1, [rows])).astype(np.int32)
        present = symbol[starts[:-1]].astype(np.int32)
        venue, ts_ns = columns["tape"][row], columns["ts_ns"][row]

        # Levels stay in the order of rows: that takes less than to lay them out by place.
        is_sound = have_sound_levels(columns)[row] if "levels" in columns else None
        prices, kind = _judged({name: columns[name][row] for name in ("bid", "bid_size", "ask", "ask_size")}, is_sound)
        bid, ask = np.empty((self.venues, rows)), np.empty((self.venues, rows))
        came_ns, number = np.empty((self.venues, rows), dtype=np.int64), np.empty(rows, dtype=np.int32)
        accepted = kind != REFUSED
        is_all_accepted = bool(accepted.all())
        next_row = np.full(rows, _NO_ROW, dtype=np.int32)
        last = starts[1:] - 1
        for one in range(self.venues):
            own = (venue == one).nonzero()[0]
            goes_on = symbol[own[1:]] == symbol[own[:-1]]
            next_row[row[own[:-1][goes_on]]] = row[own[1:][goes_on]]
            quoted = _Own(own, starts, present)
            bid[one] = quoted.spread(prices["bid"], self.bid[one])
            ask[one] = quoted.spread(prices["ask"], self.ask[one])
            counted = np.cumsum(accepted[own], dtype=np.int32)
            before = np.concatenate(([0], counted))[quoted.firsts]
            number[own] = counted + np.repeat(self.number[one][present] - before, quoted.counts)
            if not is_all_accepted:
                quoted = _Own(own[accepted[own]], starts, present)
            came_ns[one] = quoted.spread(ts_ns, self.came_ns[one])
            self.bid[one][present], self.ask[one][present] = bid[one][last], ask[one][last]
            self.came_ns[one][present] = came_ns[one][last]
            self.number[one][present] += quoted.counts

        cell = (columns["symbol"].astype(np.int32) * self.venues + columns["tape"]).astype(np.int32)
        return Window(
            ts_ns=columns["ts_ns"],
            cell=cell,
            place=place,
            next_row=next_row,
            row=row,
            kind=kind,
            number=number,
            bid_size=prices["bid_size"],
            ask_size=prices["ask_size"],
            bid=bid,
            ask=ask,
            came_ns=came_ns,
            present=present,
            starts=starts,
            firsts=self._firsts(cell, kind[place]),
            levels=columns.get("levels"),
            is_all_accepted=is_all_accepted,
            ended=ended,
        )

    def _firsts(self, cell: Array, kind: Array) -> Array:
        """Return the rows with the first whole quote of a venue and symbol, and remember them."""
        import numpy as np

        new = (~self.is_known[cell] & (kind == ACCEPTED)).nonzero()[0]
        cells, first = np.unique(cell[new], return_index=True)
        self.is_known[cells] = True
        return np.sort(new[first]).astype(np.int32)


class _Own:
    """Some places, in order: what is there holds until the next of them, or the end of the symbol's rows.

    By present symbol: ``firsts``, the number of its first one among them, and ``counts``, how many it has.
    """

    def __init__(self, own: Array, starts: Array, present: Array) -> None:
        import numpy as np

        self._own, self._rows = own, int(starts[-1])
        bounds = own.searchsorted(starts)
        self.firsts, self.counts = bounds[:-1], np.diff(bounds)
        self._lengths = np.diff(own, append=self._rows)
        # Before a symbol's first one holds what came before these rows.
        until = np.minimum(np.append(own, self._rows)[self.firsts], starts[1:])
        lengths = until - starts[:-1]
        self._symbol_before = np.repeat(present, lengths)
        self._before = np.repeat(until - np.cumsum(lengths), lengths) + np.arange(lengths.sum())

    def spread(self, values: Array, before: Array) -> Array:
        """Return, by place, the value that holds there; ``before``: by symbol, of what came before these rows."""
        import numpy as np

        found = np.empty(self._rows, dtype=values.dtype)
        found[self._rows - int(self._lengths.sum()) :] = np.repeat(values[self._own], self._lengths)
        found[self._before] = before[self._symbol_before]
        return found


def _judged(columns: dict[str, Array], has_sound_levels: Array | None) -> tuple[dict[str, Array], Array]:
    """Return prices and sizes as a board has them after each row, and each row's kind."""
    import numpy as np

    found = verdicts(columns, has_sound_levels=has_sound_levels)
    if found.whole.all():
        return columns, np.zeros(len(found.whole), dtype=np.uint8)
    prices = dict(columns)
    for price, size in (("bid", "bid_size"), ("ask", "ask_size")):
        is_there = ~found.refused & (columns[price] > 0) & (columns[size] > 0)
        prices[price] = np.where(is_there, columns[price], np.nan)
        prices[size] = np.where(is_there, columns[size], 0.0)
    kinds = np.where(found.whole, ACCEPTED, np.where(found.withdrawn, WITHDRAWN, REFUSED))
    return prices, kinds.astype(np.uint8)
