"""What is noteworthy about recorded quotes of one symbol at one venue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from trioarb.market.columns import acceptable

__all__ = ["Quality"]

_NUMBERS = ("bid", "bid_size", "ask", "ask_size")


@attrs.define
class Quality:
    """Counts over rows, in their order. Times in nanoseconds.

    ``refused`` are those that no campaign accepts, ``crossed`` those among them whose bid is above the ask; ``locked``:
    bid = ask; ``repeated``: no different from the row before but in time, ``duplicates``: in nothing. ``gaps`` are
    longer than ``gap_ns``.
    """

    gap_ns: int
    rows: int = 0
    refused: int = 0
    crossed: int = 0
    locked: int = 0
    repeated: int = 0
    duplicates: int = 0
    gaps: int = 0
    longest_gap_ns: int = 0
    longest_gap_at_ns: int = 0
    first_ns: int = 0
    last_ns: int = 0
    _before: Mapping[str, Any] | None = None

    def add(self, columns: Mapping[str, Any]) -> None:
        """Count further rows; ``columns`` has ``ts_ns``, prices and sizes."""
        import numpy as np

        ts, count = columns["ts_ns"], len(columns["ts_ns"])
        bid, ask = columns["bid"], columns["ask"]
        good = acceptable(columns)
        self.refused += int(count - good.sum())
        self.crossed += int((bid > ask).sum())
        self.locked += int((good & (bid == ask)).sum())
        names = ("ts_ns", *_NUMBERS)
        with_before = {
            name: columns[name] if self._before is None else np.concatenate([self._before[name], columns[name]])
            for name in names
        }
        same = np.ones(len(with_before["ts_ns"]) - 1, dtype=bool)
        for name in _NUMBERS:
            same &= with_before[name][1:] == with_before[name][:-1]
        waits = np.diff(with_before["ts_ns"])
        self.repeated += int(same.sum())
        self.duplicates += int((same & (waits == 0)).sum())
        self.gaps += int((waits > self.gap_ns).sum())
        if len(waits) and int(waits.max()) > self.longest_gap_ns:
            place = int(waits.argmax())
            self.longest_gap_ns, self.longest_gap_at_ns = int(waits[place]), int(with_before["ts_ns"][place])
        if not self.rows:
            self.first_ns = int(ts[0])
        self.last_ns = int(ts[-1])
        self.rows += count
        self._before = {name: columns[name][-1:].copy() for name in names}
