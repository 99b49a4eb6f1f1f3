"""Bithumb's rules for orders: price steps, least value, volume step; and its fee, where an account has no other."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from trioarb.api import TickRange, TradingRules
from trioarb_upbit.dialect.tick import bands, rules_with

__all__ = ["DEFAULT_FEES_BPS", "KRW_TICKS", "LOT_SIZE", "trading_rules"]

LOT_SIZE = Decimal("0.00000001")

#: Of won markets. No page of the venue with this table was found: it is of general knowledge, and public programs
#: differ on it below 1,000 won. What the venue says of a market goes first.
KRW_TICKS: tuple[TickRange, ...] = bands(
    ("0", "0.0001"),
    ("1", "0.001"),
    ("10", "0.01"),
    ("100", "1"),
    ("5000", "5"),
    ("10000", "10"),
    ("50000", "50"),
    ("100000", "100"),
    ("500000", "500"),
    ("1000000", "1000"),
)
_TABLES: Mapping[str, tuple[TickRange, ...]] = {"KRW": KRW_TICKS, "BTC": bands(("0", "0.00000001"))}
_LEAST_TOTALS: Mapping[str, Decimal] = {"KRW": Decimal(5000), "BTC": Decimal("0.00005")}

#: Maker and taker: a foreign client's figure. The account's own come with its conditions.
DEFAULT_FEES_BPS: Mapping[str, tuple[Decimal, Decimal]] = {
    "KRW": (Decimal(25), Decimal(25)),
    "BTC": (Decimal(25), Decimal(25)),
}


def trading_rules(
    quote: str,
    *,
    tick_size: Decimal | None = None,
    price: Decimal | None = None,
    least_total: Decimal | None = None,
) -> TradingRules | None:
    """Return a market's rules; ``None``: its price step isn't known, so that no order may be sent.

    ``tick_size`` and ``least_total`` are those of ``GET /v1/orders/chance``; each goes before the tables here.
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
