"""Upbit's rules for orders: price steps, least values, volume step; and its fees, where an account has no others."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from trioarb.api import TickRange, TradingRules
from trioarb_upbit.dialect.tick import bands, rules_with

__all__ = ["DEFAULT_FEES_BPS", "KRW_TICKS", "LOT_SIZE", "USDT_TICKS", "trading_rules"]

LOT_SIZE = Decimal("0.00000001")

#: Of won markets, since 2025-07-31 (page on the KRW market, 2026-05-04; below 100 won of general knowledge). Some coins
#: have steps of their own in one range or another: `trading_rules` takes what the venue says of a market.
KRW_TICKS: tuple[TickRange, ...] = bands(
    ("0", "0.00000001"),
    ("0.00001", "0.0000001"),
    ("0.0001", "0.000001"),
    ("0.001", "0.00001"),
    ("0.01", "0.0001"),
    ("0.1", "0.001"),
    ("1", "0.01"),
    ("10", "0.1"),
    ("100", "1"),
    ("5000", "5"),
    ("10000", "10"),
    ("50000", "50"),
    ("100000", "100"),
    ("500000", "500"),
    ("1000000", "1000"),
)
#: Of USDT markets, since 2024-08-19 (page on the USDT market).
USDT_TICKS: tuple[TickRange, ...] = bands(
    ("0", "0.00000001"),
    ("0.0001", "0.0000001"),
    ("0.001", "0.000001"),
    ("0.01", "0.00001"),
    ("0.1", "0.0001"),
    ("1", "0.001"),
    ("10", "0.01"),
)
_TABLES: Mapping[str, tuple[TickRange, ...]] = {
    "KRW": KRW_TICKS,
    "USDT": USDT_TICKS,
    "BTC": bands(("0", "0.00000001")),
}
_LEAST_TOTALS: Mapping[str, Decimal] = {"KRW": Decimal(5000), "BTC": Decimal("0.00005"), "USDT": Decimal("0.5")}

#: Maker and taker, by quote asset, where nobody asked what the account pays.
DEFAULT_FEES_BPS: Mapping[str, tuple[Decimal, Decimal]] = {
    "KRW": (Decimal(5), Decimal(5)),
    "BTC": (Decimal(25), Decimal(25)),
    "USDT": (Decimal(25), Decimal(25)),
}


def trading_rules(
    quote: str,
    *,
    tick_size: Decimal | None = None,
    price: Decimal | None = None,
    least_total: Decimal | None = None,
) -> TradingRules | None:
    """Return a market's rules; ``None``: its price step isn't known, so that no order may be sent.

    ``tick_size`` is that of ``GET /v1/orderbook/instruments``, which says what holds at the last ``price``;
    ``least_total`` that of ``GET /v1/orders/chance``. Each goes before the tables here.
    """
    table = _TABLES.get(quote, ())
    if not table and tick_size is None:
        return None
    return rules_with(
        table,
        tick_size=tick_size,
        price=price,
        lot_size=LOT_SIZE,
        min_notional=least_total if least_total is not None else _LEAST_TOTALS.get(quote),
    )
