"""What a journal holds of a campaign that is gone on with."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from trioarb.model.event import CampaignOpened, Record, UniverseRefreshed

__all__ = ["Past"]


@attrs.frozen(kw_only=True)
class Past:
    """``records`` reads the journal from its first event; ``last_ts_ns`` is the time of its last one.

    ``config`` is what it goes on with, as text without secrets, and ``durability`` how. ``torn``: so many bytes of a
    step that was cut off are cut from its end. ``close_only``: close what is open, and end. ``clear_stop``: lift a
    latched stop.
    """

    opened: CampaignOpened
    last_ts_ns: int
    records: Callable[[], Iterator[Record]]
    config: str
    durability: str
    torn: int = 0
    close_only: bool = False
    clear_stop: bool = False

    def universe(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return all symbols that were ever chosen, and those that were at last."""
        ever, last = dict.fromkeys(self.opened.symbols), self.opened.symbols
        for record in self.records():
            if isinstance(record.event, UniverseRefreshed):
                ever |= dict.fromkeys(record.event.added)
                last = record.event.symbols
        return tuple(ever), last
