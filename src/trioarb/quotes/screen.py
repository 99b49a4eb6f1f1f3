"""Look through a window: which rows the strategies' bands ask for, and what the funnel counts of all others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from trioarb.quotes.band import Held, Path, exit_asked, ratio_below
from trioarb.quotes.window import REFUSED, WITHDRAWN, ZONE_ROWS, Window, pairs_of

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["COUNTED", "Screen", "Terms"]

#: What is counted of each symbol: the rows of `Screen.counts`.
COUNTED = ("seen", "refused", "withdrawn", "stale", "edge_positive")

#: What rounding could add to a ratio that is made of others; far more than it does.
_SLACK = 1e-12
#: Places that are looked at together: what is computed of them stays in the cache, and in the same memory.
_SLICE_ROWS = 16_384
#: So many symbols' highest edges are looked for one by one; those of more at once.
_FEW_SYMBOLS = 8
#: Places that are looked at first for an exit; then twice as many, and so on.
_FIRST_EXIT_ROWS = 512


class Terms:
    """What every symbol's rows are held against: fees, the greatest age, and from which ratio on it wants to be asked.

    By symbol, pairs of venues as in `pairs_of`. A symbol that asks for nothing has the bar ∞, one that wants every row
    −∞.
    """

    def __init__(self, paths: Sequence[Sequence[Path]], max_age_ns: Sequence[int], venues: int) -> None:
        import numpy as np

        self.pairs = pairs_of(venues)
        number_of = {pair: number for number, pair in enumerate(self.pairs)}
        self.keep, self.cost = np.ones((venues, len(paths))), np.ones((venues, len(paths)))
        for symbol, own in enumerate(paths):
            for path in own:
                self.keep[path.sell, symbol], self.cost[path.buy, symbol] = path.keep_sell, path.cost_buy
        self.max_age_ns = np.array(max_age_ns, dtype=np.int64)
        self.bar = np.full((len(self.pairs), len(paths)), np.inf)
        self.least_age_ns = self.max_age_ns.min()
        self._number_of = number_of
        self._has_equal_fees = all(bool((one == one[:1]).all()) for fees in (self.keep, self.cost) for one in fees)
        #: The most that a ratio of prices can become by fees.
        self.most_kept = np.array([(self.keep[sell] / self.cost[buy]).max() for sell, buy in self.pairs]) * (1 + _SLACK)

    def ask(self, symbol: int, paths: Sequence[Path], entry_from_bps: Sequence[float]) -> bool:
        """Let a symbol be asked from these edges of its paths on; say whether that is new."""
        import numpy as np

        bars = np.full(len(self.pairs), np.inf)
        for path, bps in zip(paths, entry_from_bps, strict=True):
            bars[self._number_of[path.sell, path.buy]] = ratio_below(bps)
        if np.array_equal(bars, self.bar[:, symbol]):
            return False
        self.bar[:, symbol] = bars
        return True

    @property
    def is_uniform(self) -> bool:
        """Whether all symbols have the same terms, but for the age of quotes."""
        return self._has_equal_fees and bool((self.bar == self.bar[:, :1]).all())

    def keep_of(self, venue: int, symbol: Array | None) -> Any:
        """Return what is kept of a sale: of these symbols, or of all, if the terms are uniform."""
        return self.keep[venue, 0] if symbol is None else self.keep[venue][symbol]

    def cost_of(self, venue: int, symbol: Array | None) -> Any:
        """Return what a purchase costs, as `keep_of`."""
        return self.cost[venue, 0] if symbol is None else self.cost[venue][symbol]

    def bar_of(self, number: int, symbol: Array | None) -> Any:
        """Return the bar of a pair of venues, as `keep_of`."""
        return self.bar[number, 0] if symbol is None else self.bar[number][symbol]


class Screen:
    """A window seen under the `Terms` that hold when this is made."""

    def __init__(self, window: Window, terms: Terms) -> None:
        import numpy as np

        self.window = window
        self._terms = terms
        ratio = window.zone_ratio * terms.most_kept[:, None]
        wanted = (ratio >= np.minimum(terms.bar.min(axis=1), 1.0)[:, None]).any(axis=0)
        self._is_uniform = terms.is_uniform
        asked, positive = [], []
        for places in self._places_of_zones(wanted):
            found = self._look(places)
            asked.append(found[0])
            positive.append(found[1])
        # By row: where a fresh route earns anything, and where there is no route between fresh quotes.
        self._is_positive = self._by_row(_joined(positive))
        self._is_stale = self._by_row(self._find_stale())
        self._is_odd = bool(window.kind.any())
        self.entries = np.sort(window.row[_joined(asked)])
        if np.isneginf(terms.bar).any():
            self.entries = np.union1d(self.entries, self._of_those_that_want_all())

    def _by_row(self, places: Array) -> Array:
        """Return, by row, whether it is at one of the places."""
        import numpy as np

        is_there = np.zeros(len(self.window), dtype=bool)
        is_there[self.window.row[places]] = True
        return is_there

    def _places_of_zones(self, wanted: Array) -> Iterator[slice]:
        """Yield the places of some zones, those of neighbours together, but not too many at a time."""
        import numpy as np

        edges = np.diff(wanted, prepend=False, append=False).nonzero()[0] * ZONE_ROWS
        for first, end in edges.reshape(-1, 2).tolist():
            for start in range(first, min(end, len(self.window)), _SLICE_ROWS):
                yield slice(start, min(start + _SLICE_ROWS, end, len(self.window)))

    def _look(self, places: slice) -> tuple[Array, Array]:
        """Return the places at which an entry is asked for, and those at which a fresh route earns anything."""
        import numpy as np

        window, terms = self.window, self._terms
        rows = places.stop - places.start
        asked, positive = np.zeros(rows, dtype=bool), np.zeros(rows, dtype=bool)
        symbol = None if self._is_uniform else window.symbol[places]
        with np.errstate(invalid="ignore"):
            for number, (sell, buy) in enumerate(terms.pairs):
                received = window.bid[sell, places] * terms.keep_of(sell, symbol)
                paid = window.ask[buy, places] * terms.cost_of(buy, symbol)
                asked |= received >= paid * terms.bar_of(number, symbol)
                earns = received > paid  # as floats go, just where their ratio exceeds 1
                if not (self._is_all_fresh(sell, places) and self._is_all_fresh(buy, places)):
                    earns &= self._is_fresh(sell, places) & self._is_fresh(buy, places)
                positive |= earns
        if not window.is_all_accepted:
            is_evaluated = window.kind[places] != REFUSED
            asked &= is_evaluated
            positive &= is_evaluated
        return places.start + asked.nonzero()[0], places.start + positive.nonzero()[0]

    def _is_all_fresh(self, venue: int, places: slice) -> bool:
        """Return whether a venue's latest quote is whole and fresh at all places, as far as it is known of zones."""
        if places.stop <= places.start:
            return True
        zones = slice(places.start // ZONE_ROWS, (places.stop - 1) // ZONE_ROWS + 1)
        return bool((self.window.zone_age_ns[venue, zones] <= self._terms.least_age_ns).all())

    def _is_fresh(self, venue: int, places: slice) -> Array:
        """Return at which places a venue's latest quote is fresh."""
        window = self.window
        came_ns = window.came_ns[venue, places]
        age_ns = window.ts_ns[window.row[places]] - came_ns
        is_fresh: Array = (age_ns <= self._terms.max_age_ns[window.symbol[places]]) & (came_ns >= 0)
        return is_fresh

    def _of_those_that_want_all(self) -> Array:
        import numpy as np

        window = self.window
        wants_all = np.asarray(np.isneginf(self._terms.bar).any(axis=0))
        rows: Array = window.row[wants_all[window.symbol] & (window.kind != REFUSED)]
        return rows

    def _find_stale(self) -> Array:
        """Return the places without a route between two fresh quotes."""

        window, terms, stale = self.window, self._terms, []
        # A zone in which two venues have whole and fresh quotes throughout has a route everywhere.
        doubtful = (window.zone_age_ns <= terms.least_age_ns).sum(axis=0) < 2
        for places in self._places_of_zones(doubtful):
            has_route = window.kind[places] == REFUSED  # isn't evaluated at all
            for sell, buy in terms.pairs:
                route = self._is_fresh(sell, places) & self._is_fresh(buy, places)
                has_route |= route & (window.bid[sell, places] > 0) & (window.ask[buy, places] > 0)
            stale.append(places.start + (~has_route).nonzero()[0])
        return _joined(stale)

    def entries_of(self, symbol: int) -> Array:
        """Return the rows that a symbol asks for under the terms that hold now."""
        import numpy as np

        window, self._is_uniform = self.window, False  # from now on it has terms of its own
        first, end = window.places_of(symbol)
        places = np.arange(first, end)
        if np.isneginf(self._terms.bar[:, symbol]).any():
            places = places[window.kind[places] != REFUSED]
        elif len(places):
            places = self._look(slice(first, end))[0]
        rows: Array = window.row[places]
        return rows

    def exit_row(self, symbol: int, held: Held, from_row: int) -> int | None:
        """Return the first row from one on at which a position's exit has to be asked about."""
        import numpy as np

        window = self.window
        first, end = window.places_of(symbol)
        first += int(window.row[first:end].searchsorted(from_row))
        rows, due_ns = _FIRST_EXIT_ROWS, held.band.from_ns
        while first < end:
            places = slice(first, min(first + rows, end))
            asked: Array = np.asarray(
                exit_asked(held, window.bid[held.out.sell, places], window.ask[held.out.buy, places])
            )
            if due_ns is not None:
                asked = asked | (window.ts_ns[window.row[places]] >= due_ns)
            asked = asked & (window.kind[places] != REFUSED)
            found = int(asked.argmax())
            if asked[found]:
                return int(window.row[first + found])
            first, rows = places.stop, 2 * rows
        return None

    def evaluated_row(self, symbol: int, number: int, from_row: int) -> int | None:
        """Return the row of a symbol's ``number``-th evaluation, counted from 1, from a row on."""
        window = self.window
        first, end = window.places_of(symbol)
        rows = window.row[first:end][window.kind[first:end] != REFUSED]
        at = int(rows.searchsorted(from_row)) + number - 1
        return int(rows[at]) if at < len(rows) else None

    def counts(self, first_row: int, end_row: int, shown: Sequence[int]) -> Array:
        """Count the rows from one up to another (`COUNTED`, all symbols), but for those that were ``shown``: they are
        counted by whom they were shown to, except for the sides that they lack.
        """
        import numpy as np

        window, some = self.window, slice(first_row, end_row)
        venues, symbols = len(window.bid), len(self._terms.max_age_ns)
        symbol = window.cell[some] // venues

        def of(is_meant: Array) -> Array:
            return np.bincount(symbol.take(is_meant.nonzero()[0]), minlength=symbols)

        found = np.zeros((len(COUNTED), symbols), dtype=np.int64)
        seen, refused, withdrawn, stale, positive = found
        seen += np.bincount(symbol, minlength=symbols)
        stale += of(self._is_stale[some])
        positive += of(self._is_positive[some])
        if self._is_odd:
            kind = window.kind[window.place[some]]
            refused += of(kind == REFUSED)
            withdrawn += of(kind == WITHDRAWN)
        rows = np.array(shown, dtype=np.intp)
        of_shown = window.cell[rows] // venues
        np.subtract.at(seen, of_shown, 1)
        np.subtract.at(stale, of_shown, self._is_stale[rows])
        np.subtract.at(positive, of_shown, self._is_positive[rows])
        return found

    def higher(self, known: Array, first_row: int, end_row: int) -> dict[int, float]:
        """Return the highest edge, in bps, between fresh quotes at the rows from one up to another: by symbol, of those
        of whom less is ``known``.
        """
        import numpy as np

        window, terms, present = self.window, self._terms, self.window.present
        is_higher = np.zeros(len(present), dtype=bool)
        for number, (sell, buy) in enumerate(terms.pairs):
            ratio = window.best_ratio[number] * (terms.keep[sell][present] / terms.cost[buy][present]) * (1 + _SLACK)
            is_higher |= 1e4 * (ratio - 1.0) > known[present]
        few = present[is_higher].tolist()
        if len(few) <= _FEW_SYMBOLS:
            highest = {one: self._highest_bps(one, first_row, end_row) for one in few}
        else:
            each = self._edges_bps(slice(0, len(window)))
            is_meant = (window.row >= first_row) & (window.row < end_row)
            of_all = np.fmax.reduceat(np.where(is_meant, each, -np.inf), window.starts[:-1])
            highest = dict(zip(few, of_all[is_higher].tolist(), strict=True))
        return {symbol: bps for symbol, bps in highest.items() if bps > known[symbol]}

    def _highest_bps(self, symbol: int, first_row: int, end_row: int) -> float:
        import numpy as np

        first, end = self.window.places_of(symbol)
        row = self.window.row[first:end]
        places = slice(first + int(row.searchsorted(first_row)), first + int(row.searchsorted(end_row)))
        return float(np.fmax.reduce(self._edges_bps(places), initial=-np.inf))

    def _edges_bps(self, places: slice) -> Array:
        """Return, by place, the best edge between fresh quotes; −∞ where there is none, and where one is refused."""
        import numpy as np

        window, terms = self.window, self._terms
        symbol = window.symbol[places]
        best = np.full(len(symbol), -np.inf)
        with np.errstate(invalid="ignore"):
            for sell, buy in terms.pairs:
                received = window.bid[sell, places] * terms.keep[sell][symbol]
                edge = 1e4 * (received / (window.ask[buy, places] * terms.cost[buy][symbol]) - 1.0)
                if not (self._is_all_fresh(sell, places) and self._is_all_fresh(buy, places)):
                    edge = np.where(self._is_fresh(sell, places) & self._is_fresh(buy, places), edge, -np.inf)
                np.fmax(best, edge, out=best)
        return np.where(window.kind[places] == REFUSED, -np.inf, best)


def _joined(parts: Sequence[Array]) -> Array:
    import numpy as np

    return np.concatenate(parts) if parts else np.empty(0, dtype=np.intp)
