"""What of a campaign's time its venues were silent, and by how much the clocks of the machine disagreed."""

from __future__ import annotations

from decimal import Decimal

from trioarb.journal.fold import Folding
from trioarb.model.event import CampaignEnded, CampaignResumed, ClockJumped, MarketDown, MarketStale, MarketUp, Record
from trioarb.model.number import EXACT, ZERO

__all__ = ["Soundness"]


class Soundness(Folding):
    """``wall_step_seconds``: how far the wall clock went on otherwise than the monotonic one, both ways added up."""

    def __init__(self) -> None:
        self.wall_step_seconds: Decimal = ZERO
        self._silent_ns: dict[str, int] = {}
        self._since_ns: dict[str, int] = {}

    def silent_ns(self, now_ns: int) -> dict[str, int]:
        """Return for how long each venue was stale or down until now; venues that never were are left out."""
        found = dict(self._silent_ns)
        for venue, since_ns in self._since_ns.items():
            found[venue] = found.get(venue, 0) + max(0, now_ns - since_ns)
        return found

    def _lose(self, stale: MarketStale, record: Record) -> None:
        self._since_ns.setdefault(stale.venue, min(stale.last_quote_ns, record.ts_ns))

    def _end_market(self, down: MarketDown, record: Record) -> None:
        self._since_ns.setdefault(down.venue, record.ts_ns)

    def _regain(self, up: MarketUp, record: Record) -> None:
        self._stop(up.venue, record.ts_ns)

    def _end(self, _: CampaignEnded, record: Record) -> None:
        for venue in tuple(self._since_ns):
            self._stop(venue, record.ts_ns)

    def _resume(self, resumed: CampaignResumed, _: Record) -> None:
        """In the time in which nothing ran nobody listened."""
        for venue in tuple(self._since_ns):
            self._stop(venue, resumed.last_ts_ns)

    def _stop(self, venue: str, at_ns: int) -> None:
        since_ns = self._since_ns.pop(venue, None)
        if since_ns is not None:
            self._silent_ns[venue] = self._silent_ns.get(venue, 0) + max(0, at_ns - since_ns)

    def _jump(self, jumped: ClockJumped, _: Record) -> None:
        self.wall_step_seconds = EXACT.add(self.wall_step_seconds, abs(Decimal(jumped.wall_step_seconds)))
