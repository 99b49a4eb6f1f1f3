"""Edge of a route: what buying on one venue and selling on the other earns, net of both taker fees."""

from __future__ import annotations

from decimal import Decimal

from trioarb.model.number import BPS

__all__ = ["edge_bps", "exact_edge_bps"]

_STEP = Decimal("1e-6")


def edge_bps(bid_sell: float, keep_sell: float, ask_buy: float, cost_buy: float) -> float:
    """Return 10⁴ · (bid_sell · (1 − fee_sell) ÷ (ask_buy · (1 + fee_buy)) − 1).

    ``keep_sell`` = 1 − fee_sell and ``cost_buy`` = 1 + fee_buy, fees as fractions.
    """
    return 1e4 * (bid_sell * keep_sell / (ask_buy * cost_buy) - 1.0)


def exact_edge_bps(*, sell_price: Decimal, sell_fee_bps: Decimal, buy_price: Decimal, buy_fee_bps: Decimal) -> Decimal:
    """Return the edge at given prices, to six decimals."""
    received = sell_price * (BPS - sell_fee_bps)
    paid = buy_price * (BPS + buy_fee_bps)
    return (BPS * (received / paid - 1)).quantize(_STEP)
