"""Orders of which the wrapped venue got something else, and what is reported of them."""

from __future__ import annotations

from decimal import Decimal

import attrs
from msgspec.structs import replace

from trioarb.api import EXACT, ZERO, Fill, Instrument, Order, OrderReport, OrderStatus, OrderUpdate, ceil_to, floor_to

__all__ = ["Altered", "cut"]

# Fine enough for every fee that a venue computes: what a part costs is then exact, as it would be without the fault.
_FEE_STEP = Decimal("1e-24")


@attrs.frozen(kw_only=True)
class Altered:
    """An order of which the wrapped venue got something else: it was cut, or its fills are split when reported."""

    quantity: Decimal
    lot_size: Decimal
    split: bool

    def reported(self, report: OrderReport) -> OrderReport:
        """Return the wrapped venue's report as that of the whole order."""
        fills = report.fills
        if self.split:
            fills = tuple(part for fill in fills for part in _split(fill, self.lot_size))
        cut_short = report.status is OrderStatus.FILLED and report.filled < self.quantity
        return replace(report, fills=fills, status=OrderStatus.CANCELLED if cut_short else report.status)

    def updated(self, update: OrderUpdate) -> OrderUpdate:
        """Return one message of the wrapped venue as one about the whole order."""
        fills = update.fills
        if self.split:
            fills = tuple(part for fill in fills for part in _split(fill, self.lot_size))
        cut_short = update.status is OrderStatus.FILLED and update.filled is not None and update.filled < self.quantity
        return replace(update, fills=fills, status=OrderStatus.CANCELLED if cut_short else update.status)


def cut(order: Order, instrument: Instrument, fraction: float) -> Order:
    """Return a part of the order that the venue takes, in whole lots; the order itself if there is no smaller one."""
    if not order.limit_price or not order.quantity:
        return order
    rules = instrument.rules
    lot = rules.lot
    least = max(lot, ceil_to((rules.min_notional or ZERO) / order.limit_price, lot), rules.min_quantity or ZERO)
    part = max(least, floor_to(order.quantity * Decimal(repr(fraction)), lot))
    return replace(order, quantity=part) if part < order.quantity else order


def _split(fill: Fill, lot: Decimal) -> tuple[Fill, ...]:
    """Return two fills that sum to this one, to the last digit; the fill itself if it is a single lot."""
    quantity = floor_to(fill.quantity / 2, lot)
    if not quantity:
        return (fill,)
    fee = floor_to(fill.fee * quantity / fill.quantity, _FEE_STEP)
    rest, fee_rest = EXACT.subtract(fill.quantity, quantity), EXACT.subtract(fill.fee, fee)
    return (
        replace(fill, fill_id=f"{fill.fill_id}-1", quantity=quantity, fee=fee),
        replace(fill, fill_id=f"{fill.fill_id}-2", quantity=rest, fee=fee_rest),
    )
