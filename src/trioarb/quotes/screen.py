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
_SLICE_ROWS = 8_192
#: Places that are looked at first for an exit; then twice as many, and so on.
_FIRST_EXIT_ROWS = 512


class Terms:
    """What every symbol's rows are held against: fees, the greatest age, and from which ratio on it wants to be asked.

    By symbol, pairs of venues as in `pairs_of`. A symbol that asks for nothing has the bar ∞. ``wants_all``: it has to
    be shown every row, also where there is one venue only, and so no pair.
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
        self.wants_all = np.zeros(len(paths), dtype=bool)
        self.least_age_ns = self.max_age_ns.min()
        self._number_of = number_of
        self.has_equal_fees = all(bool((one == one[:1]).all()) for fees in (self.keep, self.cost) for one in fees)
        #: The most that a ratio of prices can become by fees.
        self.most_kept = np.array([(self.keep[sell] / self.cost[buy]).max() for sell, buy in self.pairs]) * (1 + _SLACK)

    def ask(self, symbol: int, paths: Sequence[Path], entry_from_bps: Sequence[float] | None) -> None:
        """Let a symbol be asked from these edges of its paths on; ``None``: about every row."""
        self.wants_all[symbol] = entry_from_bps is None
        self.bar[:, symbol] = float("inf")
        for path, bps in zip(paths, entry_from_bps or (), strict=entry_from_bps is not None):
            self.bar[self._number_of[path.sell, path.buy], symbol] = ratio_below(bps)

    def keep_of(self, venue: int, symbol: Array | None) -> Any:
        """Return what is kept of a sale: of these symbols, or of all, whose fees are equal."""
        return self.keep[venue, 0] if symbol is None else self.keep[venue][symbol]

    def cost_of(self, venue: int, symbol: Array | None) -> Any:
        """Return what a purchase costs, as `keep_of`."""
        return self.cost[venue, 0] if symbol is None else self.cost[venue][symbol]


class Screen:
    """A window seen under the `Terms` that hold when this is made.

    Without ``has_edges`` nobody evaluates every row, and those that are stale or earn anything need not be counted.
    """

    def __init__(self, window: Window, terms: Terms, *, has_edges: bool = True) -> None:
        import numpy as np

        self.window = window
        self._terms = terms
        # By place: where a fresh route earns anything, and where there is no route between fresh quotes.
        self._is_positive, self._is_stale = np.zeros(len(window), dtype=bool), np.zeros(len(window), dtype=bool)
        self._has_edges = has_edges
        wanted: Sequence[Array] = ()
        if has_edges or (terms.bar < np.inf).any():
            ratio = window.extremes.zone_ratio * terms.most_kept[:, None]
            wanted = list(ratio >= terms.bar.min(axis=1)[:, None])
        if has_edges:
            self._is_fresh_zone = window.extremes.zone_age_ns <= terms.least_age_ns
            for places in self._slices_of(np.asarray((ratio >= 1.0).any(axis=0))):
                self._find_positive(places)
            # A zone in which two venues have whole and fresh quotes throughout has a route everywhere.
            for places in self._slices_of(self._is_fresh_zone.sum(axis=0) < 2):
                self._find_stale(places)
        meant = [window.kind == REFUSED, window.kind == WITHDRAWN] if window.kind.any() else [(), ()]
        #: Of what is counted but for `seen`, where it is.
        self._places = [np.asarray(one, dtype=bool).nonzero()[0] for one in (*meant, self._is_stale, self._is_positive)]
        asked = [self._asked(number, self._places_of(zones)) for number, zones in enumerate(wanted) if zones.any()]
        if terms.wants_all.any():
            asked.append(self._of_those_that_want_all())
        self.entries = np.unique(window.row[np.concatenate(asked)]) if asked else np.empty(0, dtype=np.int32)

    def _slices_of(self, zones: Array) -> Iterator[slice]:
        """Yield the places of some zones, those of neighbours together, but not too many at a time."""
        import numpy as np

        if not zones.any():
            return
        edges = np.diff(zones, prepend=False, append=False).nonzero()[0] * ZONE_ROWS
        for first, end in edges.reshape(-1, 2).tolist():
            for start in range(first, min(end, len(self.window)), _SLICE_ROWS):
                yield slice(start, min(start + _SLICE_ROWS, end, len(self.window)))

    def _places_of(self, zones: Array) -> Array:
        """Return the places of some zones."""
        import numpy as np

        places = (zones.nonzero()[0][:, None] * ZONE_ROWS + np.arange(ZONE_ROWS)).reshape(-1)
        return places[: int(places.searchsorted(len(self.window)))]

    def _find_positive(self, places: slice) -> None:
        """Note the places at which a fresh route earns anything."""
        import numpy as np

        window, terms, is_positive = self.window, self._terms, self._is_positive[places]
        symbol = None if terms.has_equal_fees else window.symbol[places]
        zones = slice(places.start // ZONE_ROWS, (places.stop - 1) // ZONE_ROWS + 1)
        is_all_fresh = self._is_fresh_zone[:, zones].all(axis=1).tolist()
        with np.errstate(invalid="ignore"):
            for sell, buy in terms.pairs:
                received = window.bid[sell, places] * terms.keep_of(sell, symbol)
                paid = window.ask[buy, places] * terms.cost_of(buy, symbol)
                earns = received > paid  # as floats go, just where their ratio exceeds 1
                if not (is_all_fresh[sell] and is_all_fresh[buy]):
                    earns &= self._is_fresh(sell, places) & self._is_fresh(buy, places)
                is_positive |= earns
        if not window.is_all_accepted:
            is_positive &= window.kind[places] != REFUSED

    def _asked(self, number: int, places: Array) -> Array:
        """Return at which of the places an entry on a pair of venues is asked for."""
        import numpy as np

        window, terms, (sell, buy) = self.window, self._terms, self._terms.pairs[number]
        symbol = window.symbol[places]
        with np.errstate(invalid="ignore"):
            received = window.bid[sell][places] * terms.keep[sell][symbol]
            paid = window.ask[buy][places] * terms.cost[buy][symbol]
            asked = received >= paid * terms.bar[number][symbol]
        if not window.is_all_accepted:
            asked &= window.kind[places] != REFUSED
        found: Array = places[asked]
        return found

    def _is_fresh(self, venue: int, places: Array | slice) -> Array:
        """Return at which places a venue's latest quote is fresh."""
        window = self.window
        came_ns = window.came_ns[venue][places]
        age_ns = window.ts_ns[window.row[places]] - came_ns
        is_fresh: Array = (age_ns <= self._terms.max_age_ns[window.symbol[places]]) & (came_ns >= 0)
        return is_fresh

    def _of_those_that_want_all(self) -> Array:

        window = self.window
        places: Array = (self._terms.wants_all[window.symbol] & (window.kind != REFUSED)).nonzero()[0]
        return places

    def _find_stale(self, places: slice) -> None:
        """Note the places without a route between two fresh quotes."""
        window, terms = self.window, self._terms
        has_route = window.kind[places] == REFUSED  # isn't evaluated at all
        for sell, buy in terms.pairs:
            route = self._is_fresh(sell, places) & self._is_fresh(buy, places)
            has_route |= route & (window.bid[sell, places] > 0) & (window.ask[buy, places] > 0)
        self._is_stale[places] = ~has_route

    def entries_of(self, symbol: int) -> Array:
        """Return the rows that a symbol asks for under the terms that hold now."""
        import numpy as np

        window, bars = self.window, self._terms.bar[:, symbol]
        places = np.arange(*window.places_of(symbol))
        if self._terms.wants_all[symbol]:
            places = places[window.kind[places] != REFUSED]
        else:
            asked = [self._asked(number, places) for number in range(len(bars))]
            places = np.concatenate(asked) if asked else places[:0]
        rows: Array = window.row[places]
        return rows

    def exit_row(self, symbol: int, held: Held, from_row: int) -> int | None:
        """Return the first row from one on at which a position's exit has to be asked about."""
        import numpy as np

        window = self.window
        first, end = window.places_of(symbol)
        # A number of more bits than the rows have would have all of them copied.
        first += int(window.row[first:end].searchsorted(np.int32(from_row)))
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

    def _places_from(self, row: int) -> Array:
        """Return, by present symbol, the place of its first row from one on."""
        import numpy as np

        window = self.window
        if row >= len(window):
            return window.starts[1:]
        if not row:
            return window.starts[:-1]
        venues, symbols = len(window.bid), len(self._terms.max_age_ns)
        before = np.bincount(window.cell[:row], minlength=symbols * venues).reshape(symbols, venues).sum(axis=1)
        places: Array = window.starts[:-1] + before[window.present]
        return places

    def counts(self, first_row: int, end_row: int, shown: Sequence[int]) -> Array:
        """Count the rows from one up to another (`COUNTED`, present symbols), but for those that were ``shown``: they
        are counted by whom they were shown to, except for the sides that they lack.
        """
        import numpy as np

        window = self.window
        first, end = self._places_from(first_row), self._places_from(end_row)
        found = np.array([end - first, *(one.searchsorted(end) - one.searchsorted(first) for one in self._places)])
        if shown:
            seen, _, _, stale, positive = found
            places = window.place[np.array(shown, dtype=np.intp)]
            of_shown = window.starts.searchsorted(places, "right") - 1
            np.subtract.at(seen, of_shown, 1)
            np.subtract.at(stale, of_shown, self._is_stale[places])
            np.subtract.at(positive, of_shown, self._is_positive[places])
        return found

    def higher(self, known: Array, first_row: int, end_row: int) -> dict[int, float]:
        """Return the highest edge, in bps, between fresh quotes at the rows from one up to another: by index among the
        present symbols, of those of whom less is ``known``, which is given for all present.
        """
        import numpy as np

        if not self._has_edges:
            return {}
        window, terms, present = self.window, self._terms, self.window.present
        extremes = window.extremes
        is_higher = np.zeros(len(present), dtype=bool)
        for number, (sell, buy) in enumerate(terms.pairs):
            ratio = extremes.best_ratio[number] * (terms.keep[sell][present] / terms.cost[buy][present]) * (1 + _SLACK)
            is_higher |= 1e4 * (ratio - 1.0) > known
        if not is_higher.any():
            return {}
        # Zones in which no edge can exceed what is known of any of their symbols need not be looked at.
        edges = np.append(np.arange(0, len(window), ZONE_ROWS), len(window))
        begun = window.starts.searchsorted(edges[:-1], "right") - 1
        ended = window.starts.searchsorted(edges[1:])
        least = np.append(np.where(is_higher, known, np.inf), np.inf)
        least = np.minimum.reduceat(least, np.stack((begun, ended), axis=1).reshape(-1))[::2]
        ratio = np.fmax.reduce(extremes.zone_ratio * terms.most_kept[:, None])
        places = self._places_of(1e4 * (ratio - 1.0) > least)
        row = window.row[places]
        places = places[(row >= first_row) & (row < end_row)]
        of_place = window.starts.searchsorted(places, "right") - 1
        symbols, first = np.unique(of_place, return_index=True)
        if not len(symbols):
            return {}
        highest = np.fmax.reduceat(self._edges_bps(places), first)
        is_higher = highest > known[symbols]
        return dict(zip(symbols[is_higher].tolist(), highest[is_higher].tolist(), strict=True))

    def _edges_bps(self, places: Array) -> Array:
        """Return, by place, the best edge between fresh quotes; −∞ where there is none, and where one is refused."""
        import numpy as np

        window, terms = self.window, self._terms
        symbol = window.symbol[places]
        best = np.full(len(symbol), -np.inf)
        is_fresh = [
            None if all_fresh else self._is_fresh(venue, places)
            for venue, all_fresh in enumerate(self._is_fresh_zone.all(axis=1).tolist())
        ]
        with np.errstate(invalid="ignore"):
            for sell, buy in terms.pairs:
                received = window.bid[sell][places] * terms.keep[sell][symbol]
                edge = 1e4 * (received / (window.ask[buy][places] * terms.cost[buy][symbol]) - 1.0)
                for fresh in (is_fresh[sell], is_fresh[buy]):
                    if fresh is not None:
                        edge = np.where(fresh, edge, -np.inf)
                np.fmax(best, edge, out=best)
        return np.where(window.kind[places] == REFUSED, -np.inf, best)
