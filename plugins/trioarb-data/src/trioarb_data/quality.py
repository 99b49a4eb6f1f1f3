"""What is noteworthy about recorded quotes of one symbol at one venue, and about the venue's own times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import attrs

from trioarb.quotes.validity import have_sound_levels, verdicts

__all__ = ["Quality", "VenueClock"]

#: Delays are told apart in steps of so many nanoseconds, up to so many steps (an hour): enough for a median.
_DELAY_STEP_NS = 10_000
_MOST_STEPS = 360_000_000

_NUMBERS = ("bid", "bid_size", "ask", "ask_size")


@attrs.define
class Quality:
    """Counts over rows, in their order. Times in nanoseconds.

    ``withdrawn`` are those of which a side is NaN, 0 or empty, and leaves the board; ``refused`` those that no campaign
    accepts, ``crossed`` those among them whose bid is above the ask, and ``bad_levels`` those whose levels can't follow
    the best; ``locked``: bid = ask; ``repeated``: no different
    from the row before but in time, ``duplicates``: in nothing. ``gaps`` are longer than ``gap_ns``.
    """

    gap_ns: int
    rows: int = 0
    withdrawn: int = 0
    refused: int = 0
    crossed: int = 0
    bad_levels: int = 0
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
        """Count further rows; ``columns`` has ``ts_ns``, prices and sizes, and perhaps ``levels``."""
        import numpy as np

        ts, count = columns["ts_ns"], len(columns["ts_ns"])
        bid, ask = columns["bid"], columns["ask"]
        is_sound = have_sound_levels(columns) if "levels" in columns else None
        found = verdicts(columns, has_sound_levels=is_sound)
        if is_sound is not None:
            self.bad_levels += int((~is_sound).sum())
        self.withdrawn += int(found.withdrawn.sum())
        self.refused += int(found.refused.sum())
        self.crossed += int((found.refused & (bid > ask)).sum())
        self.locked += int((found.whole & (bid == ask)).sum())
        has_levels = "levels" in columns and (self._before is None or "levels" in self._before)
        names = ("ts_ns", *_NUMBERS, *["levels"] * has_levels)
        with_before = {
            name: columns[name]
            if self._before is None
            else np.concatenate([self._before[name], columns[name]], axis=-1)
            for name in names
        }
        same = np.ones(len(with_before["ts_ns"]) - 1, dtype=bool)
        for name in names[1:]:
            now, before = with_before[name][..., 1:], with_before[name][..., :-1]
            is_same = (now == before) | (np.isnan(now) & np.isnan(before))
            same &= is_same.all(axis=(0, 1)) if name == "levels" else is_same
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
        self._before = {name: columns[name][..., -1:].copy() for name in names}


@attrs.define
class VenueClock:
    """What the quotes of a venue say of its own clock: quotes that have its time, and how often that ran backwards.

    It runs backwards where a quote's venue time is before that of the symbol's quote before it. The delay of a quote is
    its receive time minus its venue time; two clocks that differ can make it negative.
    """

    rows: int = 0
    backwards: int = 0
    longest_delay_ns: int | None = None
    _delays: Counter[int] = attrs.field(factory=Counter)
    _newest: dict[str, int] = attrs.field(factory=dict)

    @property
    def median_delay_ns(self) -> int | None:
        """To 10 µs; a delay of more than an hour counts as an hour."""
        before = 0
        for step, count in sorted(self._delays.items()):
            before += count
            if 2 * before >= self.rows:
                return step * _DELAY_STEP_NS
        return None

    def add(self, symbol: str, columns: Mapping[str, Any]) -> None:
        """Count further rows of a symbol; ``columns`` has ``ts_ns`` and ``venue_ts_ns``, negative if it is absent."""
        import numpy as np

        known = columns["venue_ts_ns"] >= 0
        times, received = columns["venue_ts_ns"][known], columns["ts_ns"][known]
        if not len(times):
            return
        delays = received - times
        steps, counts = np.unique(np.clip(delays // _DELAY_STEP_NS, -_MOST_STEPS, _MOST_STEPS), return_counts=True)
        self._delays.update(dict(zip(steps.tolist(), counts.tolist(), strict=True)))
        longest = int(delays.max())
        self.longest_delay_ns = longest if self.longest_delay_ns is None else max(longest, self.longest_delay_ns)
        self.backwards += int((np.diff(times, prepend=self._newest.get(symbol, times[0])) < 0).sum())
        self._newest[symbol] = int(times[-1])
        self.rows += len(times)
