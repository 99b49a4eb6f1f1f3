"""What a journal holds of a campaign that is gone on with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import attrs

from trioarb.journal.fold import Fold
from trioarb.model.event import CampaignOpened, Event, OrderSubmitted, Record
from trioarb.model.order import VenueOrder

__all__ = ["Past"]


@attrs.frozen(kw_only=True)
class Past:
    """``records`` reads the journal from its first event; ``last_ts_ns`` is the time of its last one.

    ``every_order``: no order went out before its intent was on disk, so the journal knows all of them.
    ``known_orders`` is folded from them: the orders that the journal knows; ``told`` are ours as venues tell of them.
    ``close_only``: close what is open, and end. ``clear_stop``: lift a latched stop.
    """

    opened: CampaignOpened
    last_ts_ns: int
    records: Callable[[], Iterator[Record]]
    every_order: bool
    close_only: bool = False
    clear_stop: bool = False
    known_orders: set[str] = attrs.field(factory=set)
    told: dict[str, VenueOrder] = attrs.field(factory=dict)

    @property
    def folds(self) -> Mapping[type[Event], Fold]:
        return {OrderSubmitted: self._know}

    def _know(self, order: OrderSubmitted, _: Record) -> None:
        self.known_orders.add(order.client_order_id)
