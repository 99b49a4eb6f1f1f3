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
from trioarb.quotes.window import pairs_of

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
        self._pairs = pairs_of(latest.venues)
        self._sell, self._buy = (np.array(one, dtype=np.intp) for one in zip(*self._pairs, strict=True))
        # By symbol and pair of venues; of a pair that is no path of the symbol's, nothing is ever asked.
        self._is_path = np.zeros((len(takers), len(self._pairs)), dtype=bool)
        self._keep, self._cost = np.ones(self._is_path.shape), np.ones(self._is_path.shape)
        self._bars = np.full(self._is_path.shape, np.inf)
        self._places: list[list[int]] = []
        for number, taker in enumerate(takers):
            places = [self._pairs.index((path.sell, path.buy)) for path in taker.paths]
            self._places.append(places)
            self._is_path[number, places] = True
            self._keep[number, places] = [path.keep_sell for path in taker.paths]
            self._cost[number, places] = [path.cost_buy for path in taker.paths]
        self._known: list[Sequence[float] | None] = [None] * len(takers)
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
        import numpy as np

        edges = self._edges_bps(now_ns)
        best = edges.max(axis=1)
        asked: list[bool] = np.any(edges >= self._bars, axis=1).tolist()
        passed, taken = list[int](), list[int]()
        for taker in takers:
            number = self._number_of.get(taker.symbol)
            if number is None:
                taker.tick()
                continue
            # Asked in its turn, since those before it may have changed what it has to decide.
            bars = taker.round_bars(now_ns)
            if bars is not None and bars is not self._known[number]:
                self._known[number] = bars
                self._bars[number, self._places[number]] = bars
                asked[number] = bool((edges[number] >= self._bars[number]).any())
            if bars is None or asked[number] or taker.iterations_left - self._rounds[number] <= 1:
                self._tell(number)
                if taker.tick():
                    taken.append(number)
            else:
                passed.append(number)
        self._count(passed, best)
        self._read(passed + taken)
        self._told = -1

    def _edges_bps(self, now_ns: int) -> Array:
        """Return, by symbol and pair of venues, the edge between fresh quotes; −∞ where there is none."""
        import numpy as np

        oldest_ns = np.maximum(now_ns - self._max_age_ns, 0)[:, None]
        latest, here = self._latest, self._here
        is_fresh = latest.came_ns[here] >= oldest_ns
        with np.errstate(invalid="ignore"):
            received = latest.bid[here][:, self._sell] * self._keep
            paid = latest.ask[here][:, self._buy] * self._cost
            edges = 1e4 * (received / paid - 1.0)
            is_edge = is_fresh[:, self._sell] & is_fresh[:, self._buy] & self._is_path & (edges > -np.inf)
        found: Array = np.where(is_edge, edges, -np.inf)
        return found

    def _count(self, passed: Sequence[int], best: Array) -> None:
        """Count a round of those who did not look."""
        import numpy as np

        best = best[passed]
        self._rounds[passed] += 1
        self._stale[passed] += best == -np.inf
        self._positive[passed] += best > 0
        self._highest[passed] = np.maximum(self._highest[passed], best)

    def _read(self, numbers: Sequence[int]) -> None:
        """Take what waits to be read of some symbols: of several quotes of a venue the last one is."""
        self._conflate(numbers)
        self._latest.waiting[numbers] = self._waited[numbers] = 0

    def _conflate(self, numbers: Sequence[int] | slice) -> None:
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
