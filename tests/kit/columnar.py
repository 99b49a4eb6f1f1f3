"""A scripted tape that gives columns of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trioarb.api import RowBatch
from trioarb.plugin.columns import batched
from trioarb.testing import ScriptedTape


class ColumnarTape(ScriptedTape):
    def batches(self, symbols: Sequence[str], start_ns: int) -> Iterator[RowBatch] | None:
        return batched(self.rows(symbols, start_ns), symbols, 9)
