"""What is said of fills after a while is held against those fills."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from decimal import Decimal

import attrs

from trioarb.journal.fold import Folding
from trioarb.model.event import FillsMarkedOut, OrderFilled, OrderSubmitted, Record
from trioarb.model.number import ZERO
from trioarb.verify.findings import Check, Findings

__all__ = ["Markouts"]

_SECOND_NS = 10**9
#: Fills are said something of after a minute; a little more in real time.
_KNOWN_NS = 180 * _SECOND_NS


@attrs.define
class _Fills:
    fill: OrderFilled
    order: OrderSubmitted | None
    quantity: Decimal = ZERO
    value: Decimal = ZERO


class Markouts(Folding):
    """Folds fills. Decimal arithmetic has to be exact around it. ``submitted`` finds an order."""

    def __init__(self, findings: Findings, submitted: Callable[[str], OrderSubmitted | None]) -> None:
        self._findings = findings
        self._submitted = submitted
        #: By order and time, the eldest first.
        self._fills: OrderedDict[tuple[str, int], _Fills] = OrderedDict()

    def _fill(self, fill: OrderFilled, record: Record) -> None:
        key = fill.client_order_id, record.ts_ns
        fills = self._fills.get(key)
        if fills is None:
            fills = self._fills[key] = _Fills(fill, self._submitted(fill.client_order_id))
        fills.quantity += fill.quantity
        fills.value += fill.quantity * fill.price
        while record.ts_ns - next(iter(self._fills))[1] > _KNOWN_NS:
            self._fills.popitem(last=False)

    def _mark_out(self, event: FillsMarkedOut, record: Record) -> None:
        add = self._findings.add
        fills = self._fills.pop((event.client_order_id, event.filled_ns), None)
        if fills is None:
            add(Check.MARKS, record, "marks out fills that there were not, or that were marked out before")
            return
        fill = fills.fill
        if (event.venue, event.symbol, event.side) != (fill.venue, fill.symbol, fill.side):
            add(Check.MARKS, record, "marks out fills of another venue, symbol or side")
        if (event.quantity, event.value) != (fills.quantity, fills.value):
            add(Check.MARKS, record, "marks out another quantity or value than was filled then")
        order = fills.order
        if order is not None and (event.purpose, event.rests) != (order.purpose, order.rests):
            add(Check.MARKS, record, f"marks out an order as another than {event.client_order_id} was submitted as")
        for seconds, mid in ((1, event.mid_1s), (10, event.mid_10s), (60, event.mid_60s)):
            if mid is not None and (mid <= 0 or record.ts_ns < event.filled_ns + seconds * _SECOND_NS):
                add(Check.MARKS, record, f"can't know such a mid {seconds} s after its fills")
