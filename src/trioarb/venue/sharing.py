"""What is taken of budgets that other campaigns share, for requests of one campaign."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from trioarb.venue.ledger import Entry, Full, Ledger, Want
from trioarb.venue.limit_rules import Costs
from trioarb.venue.window import Spent, Window, portion

__all__ = ["Sharing", "Taken"]


@attrs.frozen
class Taken:
    """What was taken for one request of one window, and in which ledger it stands."""

    ledger: Ledger
    entry: Entry
    window: Window


class Sharing:
    """Which ledger each bucket is counted in, where it is shared.

    Raises:
        VenueError: a ledger has no room for so many windows.
    """

    def __init__(self, ledgers: Mapping[str, Ledger], windows: Mapping[str, Sequence[Window]]) -> None:
        self._ledgers = ledgers
        self._windows = windows
        for name, ledger in ledgers.items():
            ledger.expect(self._lengths(name))

    def take(self, costs: Costs, share: float, now: float) -> tuple[Taken, ...] | Full:
        """Take what a request costs of what is shared: all of it, or nothing."""
        wanted: dict[Ledger, list[tuple[Window, Want]]] = {}
        for name, weight in costs.items():
            ledger = self._ledgers.get(name)
            for window in self._windows[name] if ledger is not None and weight else ():
                allowed = portion(window.most(now), share)
                want = Want(bucket=name, seconds=window.limit.seconds, weight=weight, allowed=allowed)
                wanted.setdefault(self._ledgers[name], []).append((window, want))
        taken = list[Taken]()
        for ledger, wants in wanted.items():
            entries = ledger.take([want for _, want in wants])
            if isinstance(entries, Full):
                for one in taken:
                    one.ledger.give_back([one.entry])
                return entries
            taken += (Taken(ledger, entry, window) for entry, (window, _) in zip(entries, wants, strict=False))
        return tuple(taken)

    def settle(self, taken: Sequence[Taken], spent: Mapping[Window, Spent]) -> None:
        """Take note that a request was answered."""
        for ledger in dict.fromkeys(one.ledger for one in taken):
            ledger.settle([(one.entry, spent[one.window].weight) for one in taken if one.ledger is ledger])

    def give_back(self, taken: Iterable[Taken], bucket: str) -> None:
        """Take note that the venue counts a request in a bucket no more."""
        for one in taken:
            if one.entry.bucket == bucket:
                one.ledger.give_back([one.entry])

    def shut(self, buckets: Iterable[str], seconds: float) -> None:
        """Tell the others that the venue closed buckets."""
        for name in buckets:
            if name in self._ledgers:
                self._ledgers[name].shut(self._lengths(name), seconds)

    def _lengths(self, bucket: str) -> list[tuple[str, float]]:
        return [(bucket, window.limit.seconds) for window in self._windows[bucket]]
