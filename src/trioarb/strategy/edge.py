"""Edge of a route at the very prices that are sent; `quotes.band` has that of quotes."""

from __future__ import annotations

from decimal import Decimal

from trioarb.model.number import BPS

__all__ = ["exact_edge_bps"]

_STEP = Decimal("1e-6")


def exact_edge_bps(*, sell_price: Decimal, sell_fee_bps: Decimal, buy_price: Decimal, buy_fee_bps: Decimal) -> Decimal:
    """Return the edge at given prices, to six decimals."""
    received = sell_price * (BPS - sell_fee_bps)
    paid = buy_price * (BPS + buy_fee_bps)
    return (BPS * (received / paid - 1)).quantize(_STEP)
