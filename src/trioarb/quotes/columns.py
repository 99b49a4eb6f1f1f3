"""One symbol's quotes at all venues as columns, in the order in which they are played."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Integers = npt.NDArray[np.int64]
    Indices = npt.NDArray[np.int32]
    Floats = npt.NDArray[np.float64]

__all__ = ["NEVER", "SILENCE_NS", "QuoteBlock", "QuoteColumns", "Refused", "VenueTimes", "acceptable"]

#: The age of a quote that never came.
NEVER = 2**63 - 1
#: A venue of which no quote comes for so long is silent.
SILENCE_NS = 1_000_000_000


@attrs.frozen(kw_only=True)
class QuoteBlock:
    """Some accepted quotes of a symbol, a row each; V is the number of venues.

    ``ts_ns`` and ``rank`` (rows): when a quote comes, and its place among those of all symbols. ``venue`` (rows): the
    index of its venue; ``number``: its place among that venue's quotes, from 1. ``bid_size`` and ``ask_size`` (rows)
    are its own; ``bid`` and ``ask`` (V, rows) each venue's latest, NaN before its first; ``latest`` (V, rows): the row
    of each venue's latest among all rows of the symbol, −1 before its first.

    ``first`` is the place of the first row among all of the symbol. ``oldest_ns`` (V): the greatest age of each
    venue's latest quote at any row, ``NEVER`` if it has none at some row. ``best_ratio`` (V, V): the highest bid of
    the first venue ÷ ask of the second.
    """

    first: int
    ts_ns: Integers
    rank: Integers
    venue: npt.NDArray[np.uint8]
    number: Indices
    bid_size: Floats
    ask_size: Floats
    bid: Floats
    ask: Floats
    latest: Indices
    oldest_ns: tuple[int, ...]
    best_ratio: tuple[tuple[float, ...], ...]

    def __len__(self) -> int:
        return len(self.ts_ns)

    @property
    def end(self) -> int:
        return self.first + len(self.ts_ns)


@attrs.frozen
class Refused:
    """The quotes of a symbol that no board accepts: when they come, and their place among all."""

    ts_ns: Integers
    rank: Integers

    @classmethod
    def joined(cls, parts: Sequence[Refused]) -> Refused:
        import numpy as np

        none = np.empty(0, dtype=np.int64)
        times, ranks = [part.ts_ns for part in parts], [part.rank for part in parts]
        return cls(np.concatenate([none, *times]), np.concatenate([none, *ranks]))


@attrs.define
class VenueTimes:
    """When a venue's quotes of all symbols come.

    ``last``: rank and time of its last row, be it accepted or refused. ``first_ns`` and ``newest_ns``: its first and
    its last accepted quote. ``silences``: from each accepted quote to the next, where that takes `SILENCE_NS` or
    longer; the last silence has no end.
    """

    last: tuple[int, int] | None = None
    first_ns: int = NEVER
    newest_ns: int = NEVER
    silences: list[tuple[int, int]] = attrs.field(factory=list)

    def heard_ns(self, at_ns: int) -> int:
        """Return when its newest accepted quote came; while it isn't silent, ``at_ns``, though it may have come a
        little earlier; −1 before its first.
        """
        if at_ns < self.first_ns:
            return -1
        place = bisect_right(self.silences, (at_ns, NEVER)) - 1
        if place >= 0 and at_ns < self.silences[place][1]:
            return self.silences[place][0]
        return at_ns


def acceptable(columns: Mapping[str, Any]) -> Any:
    """Return at which rows of ``bid``, ``bid_size``, ``ask`` and ``ask_size`` a board takes the quote.

    As `SymbolTask.sink`, but for times, which don't fall in a recording. Comparisons with NaN are false.
    """
    bid, ask, most = columns["bid"], columns["ask"], float("inf")
    good = (bid > 0) & (bid <= ask) & (ask < most)
    for size in (columns["bid_size"], columns["ask_size"]):
        good &= (size > 0) & (size < most)
    return good


class QuoteColumns:
    """All quotes of a symbol, in blocks. ``first_rows``: the rows of each venue's first accepted quote."""

    def __init__(self, blocks: Sequence[QuoteBlock], refused: Refused) -> None:
        self.blocks = blocks
        self.refused = refused
        self._starts = [block.first for block in blocks]

    def __len__(self) -> int:
        return self.blocks[-1].end if self.blocks else 0

    def place(self, row: int) -> int:
        """Return which block holds a row."""
        return bisect_right(self._starts, row) - 1

    def at(self, row: int) -> tuple[QuoteBlock, int]:
        """Return the block that holds a row, and the row's index in it."""
        block = self.blocks[self.place(row)]
        return block, row - block.first

    def firsts(self) -> Iterator[int]:
        """Yield the row of each venue's first quote, in order."""
        quoted = 0
        for block in self.blocks:
            if int((block.latest[:, -1] >= 0).sum()) > quoted:
                for index in (block.number == 1).nonzero()[0]:
                    quoted += 1
                    yield block.first + int(index)
