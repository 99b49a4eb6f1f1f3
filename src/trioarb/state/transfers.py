"""What was sent from venue to venue, and what of it is under way."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from decimal import Decimal

import attrs

from trioarb.journal.fold import Folding
from trioarb.model.event import Record, TransferArrived, TransferSent
from trioarb.model.number import EXACT, ZERO
from trioarb.time.campaign_time import SECOND_NS

__all__ = ["Moved", "Transfers"]

#: For how long it is known that a transfer arrived: a venue may not know it yet when a campaign is resumed.
_KNOWN_FOR_NS = 20 * 60 * SECOND_NS


@attrs.define
class Moved:
    """All transfers of an asset: ``sent`` = ``arrived`` + ``fees`` + what is under way."""

    sent: Decimal = ZERO
    arrived: Decimal = ZERO
    fees: Decimal = ZERO


class Transfers(Folding):
    """Folds transfers. ``in_transit`` by id, in the order in which they were sent; ``moved`` by asset."""

    def __init__(self) -> None:
        self.count: int = 0
        self.fees_usd: Decimal = ZERO
        self.in_transit: dict[str, TransferSent] = {}
        self.moved: dict[str, Moved] = {}
        self._arrived: OrderedDict[str, tuple[int, TransferArrived]] = OrderedDict()

    @property
    def next_arrival_ns(self) -> int | None:
        """When the next one is to arrive; ``None``: nothing is under way."""
        return min((one.arrives_at_ns for one in self.in_transit.values()), default=None)

    @property
    def arrived_lately(self) -> Iterable[TransferArrived]:
        return (one for _, one in self._arrived.values())

    def under_way(self, asset: str) -> Mapping[str, Decimal]:
        """Return how much of an asset is on its way to which venues."""
        found: dict[str, Decimal] = {}
        for one in self.in_transit.values():
            if one.asset == asset:
                found[one.target] = EXACT.add(found.get(one.target, ZERO), one.arrives)
        return found

    def _send(self, sent: TransferSent, _: Record) -> None:
        self.count += 1
        self.in_transit[sent.transfer_id] = sent
        self.fees_usd = EXACT.add(self.fees_usd, sent.fee_usd)
        moved = self.moved.setdefault(sent.asset, Moved())
        moved.sent, moved.fees = EXACT.add(moved.sent, sent.amount), EXACT.add(moved.fees, sent.fee)

    def _arrive(self, arrived: TransferArrived, record: Record) -> None:
        del self.in_transit[arrived.transfer_id]
        moved = self.moved[arrived.asset]
        moved.arrived = EXACT.add(moved.arrived, arrived.amount)
        self._arrived[arrived.transfer_id] = record.ts_ns, arrived
        while record.ts_ns - next(iter(self._arrived.values()))[0] > _KNOWN_FOR_NS:
            self._arrived.popitem(last=False)
