"""Rounds of a paced loop over quotes that are played: of all symbols at once, who has something to decide.

A round looks at what every symbol's venues quoted last. Where no edge reaches what the strategy asks for, nothing
comes of a symbol's look but counts; those are made here in columns, and told when somebody wants to know them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from trioarb.quotes.band import Path
from trioarb.quotes.latest import Latest

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["Passed", "Rounds", "Taker"]


@attrs.frozen
class Passed:
    """Rounds in which a symbol had nothing to decide. ``highest_edge_bps``: of those between fresh quotes."""

    rounds: int
    stale: int
    edge_positive: int
    highest_edge_bps: float | None
    conflated: int


class Taker(Protocol):
    """A symbol that looks at its board in rounds."""

    @property
    def symbol(self) -> str: ...
    @property
    def paths(self) -> Sequence[Path]: ...
    @property
    def max_quote_age_ns(self) -> int: ...
    @property
    def iterations_left(self) -> int: ...
    @property
    def is_reading(self) -> bool:
        """Whether quotes wait to be read by it."""
        ...

    def round_bars(self, now_ns: int) -> Sequence[float] | None:
        """Return from which edge of each path on it has to look; ``None``: it has to, whatever the edges."""

    def tick(self) -> bool:
        """Look; say whether that takes what waits to be read."""

    def pass_rounds(self, passed: Passed) -> None:
        """Count rounds that were not looked at."""


class Rounds:
    """Looks at the latest quotes of all symbols at once; ``after``: what looked at them before.

    Of the quotes of a venue that wait to be read when a symbol looks, all but the last are conflated.
    """

    def __init__(self, takers: Sequence[Taker], latest: Latest, *, after: Rounds | None = None) -> None:
        import numpy as np

        self._takers = takers
        self._latest = latest
        self._here = slice(len(takers))  # others have no rounds
        self._number_of = {taker.symbol: number for number, taker in enumerate(takers)}
        # By symbol and place of a path: where to sell · venues + where to buy. Of what is no path nothing is asked.
        venues = latest.venues
        self._is_no_path = np.ones((len(takers), venues * venues), dtype=bool)
        self._keep, self._cost = np.ones((len(takers), venues)), np.ones((len(takers), venues))
        self._bars = np.full(self._is_no_path.shape, np.inf)
        self._places: list[list[int]] = []
        for number, taker in enumerate(takers):
            places = [path.sell * venues + path.buy for path in taker.paths]
            self._places.append(places)
            self._is_no_path[number, places] = False
            for path in taker.paths:
                self._keep[number, path.sell], self._cost[number, path.buy] = path.keep_sell, path.cost_buy
        self._known: list[Sequence[float] | None] = [None] * len(takers)
        #: How many rounds each had left, when it was told of those before.
        self._left = np.array([taker.iterations_left for taker in takers], dtype=np.int64)
        self._max_age_ns = np.array([taker.max_quote_age_ns for taker in takers], dtype=np.int64)
        # What was not told yet; and how many quotes of each cell waited when it was told last.
        self._rounds, self._stale, self._positive, self._conflated = (
            np.zeros(len(takers), dtype=np.int64) for _ in range(4)
        )
        self._highest = np.full(len(takers), -np.inf)
        self._told = -1  # at which time of taking rows; below zero: rounds were since
        self._waited = np.zeros((len(takers), latest.venues), dtype=np.int64)
        if after is not None:
            for symbol, number in after._number_of.items():
                if symbol in self._number_of:
                    self._waited[self._number_of[symbol]] = after._latest.waiting[number]
            latest.waiting[self._here] = self._waited

    def look(self, takers: Iterable[Taker], now_ns: int) -> None:
        """Let those look who may have something to decide, in their order; count the round of the others."""
        edges = self._edges_bps(now_ns)
        has_to_look = (edges >= self._bars).any(axis=1)
        has_to_look |= self._left - self._rounds <= 1
        asked: list[bool] = has_to_look.tolist()
        passed, taken = list[int](), list[int]()
        number_of, known = self._number_of, self._known
        for taker in takers:
            number = number_of.get(taker.symbol)
            if number is None:
                taker.tick()
                continue
            # Asked in its turn, since those before it may have changed what it has to decide.
            bars = taker.round_bars(now_ns)
            if bars is not None and bars is not known[number]:
                known[number] = bars
                self._bars[number, self._places[number]] = bars
                is_last = bool(self._left[number] - self._rounds[number] <= 1)
                asked[number] = is_last or bool((edges[number] >= self._bars[number]).any())
            if bars is None or asked[number]:
                self._tell(number)
                if taker.tick():
                    taken.append(number)
                self._left[number] = taker.iterations_left
            else:
                passed.append(number)
        self._count(self._rows_of(passed), edges)
        self._read(self._rows_of(passed + taken))
        self._told = -1

    def _rows_of(self, numbers: list[int]) -> list[int] | slice:
        """Return what picks the rows of these symbols: all of them at once, as a rule."""
        return self._here if len(numbers) == len(self._takers) else numbers

    def _edges_bps(self, now_ns: int) -> Array:
        """Return, by symbol and place of a path, the edge between fresh quotes; −∞ where there is none."""
        import numpy as np

        latest, here = self._latest, self._here
        is_fresh = latest.came_ns[here] >= np.maximum(now_ns - self._max_age_ns, 0)[:, None]
        received = np.where(is_fresh, latest.bid[here] * self._keep, np.nan)
        paid = np.where(is_fresh, latest.ask[here] * self._cost, np.nan)
        edges: Array = 1e4 * (received[:, :, None] / paid[:, None, :] - 1.0)
        edges = edges.reshape(self._bars.shape)
        edges[self._is_no_path | np.isnan(edges)] = -np.inf
        return edges

    def _count(self, passed: list[int] | slice, edges: Array) -> None:
        """Count a round of those who did not look."""
        import numpy as np

        best = edges[passed].max(axis=1)
        self._rounds[passed] += 1
        self._stale[passed] += best == -np.inf
        self._positive[passed] += best > 0
        self._highest[passed] = np.maximum(self._highest[passed], best)

    def _read(self, numbers: list[int] | slice) -> None:
        """Take what waits to be read of some symbols: of several quotes of a venue the last one is."""
        self._conflate(numbers)
        self._latest.waiting[numbers] = self._waited[numbers] = 0

    def _conflate(self, numbers: list[int] | slice) -> None:
        import numpy as np

        waiting = self._latest.waiting[numbers]
        self._conflated[numbers] += np.maximum(waiting - 1, 0).sum(axis=1)
        self._latest.waiting[numbers] = np.minimum(waiting, 1)

    def tell(self) -> None:
        """Tell the symbols what is counted of them and was not told yet."""
        if self._told == self._latest.times:
            return
        self._told = self._latest.times
        self._conflate(self._here)
        waiting = self._latest.waiting[self._here]
        for number, taker in enumerate(self._takers):
            if not taker.is_reading:  # nothing waits for who reads nothing
                self._conflated[number] = 0
                waiting[number] = self._waited[number]
            self._tell(number)
        self._waited[:] = waiting

    def _tell(self, number: int) -> None:
        columns = (self._rounds, self._stale, self._positive, self._conflated)
        rounds, stale, positive, conflated = (int(column[number]) for column in columns)
        if rounds or conflated:
            highest = float(self._highest[number])
            found = None if highest == -inf else highest
            self._takers[number].pass_rounds(Passed(rounds, stale, positive, found, conflated))
            for column in columns:
                column[number] = 0
            self._highest[number] = -inf
            self._left[number] = self._takers[number].iterations_left
