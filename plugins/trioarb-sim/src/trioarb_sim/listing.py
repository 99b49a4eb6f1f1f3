"""Which markets a simulated venue has, unless it is told."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import attrs

from trioarb_sim.market import FeeIn, MarketRules
from trioarb_sim.upbit.dialect import KRW_TICKS, Dialect

__all__ = ["OF_QUOTE", "PRICES", "binance_markets", "owned_at", "upbit_markets", "usdm_markets"]

#: Around which USD prices wander, by base asset; USDT itself is one at venues that quote in KRW.
PRICES = {
    "BTC": Decimal(60_000),
    "ETH": Decimal(3_000),
    "SOL": Decimal(150),
    "XRP": Decimal("0.5"),
    "DOGE": Decimal("0.12"),
    "ADA": Decimal("0.4"),
    "TRX": Decimal("0.15"),
}
#: What a dollar is, in quote assets that aren't dollars.
OF_QUOTE = {
    "KRW": Decimal(1_400),
    "BTC": 1 / PRICES["BTC"],
    "ETH": 1 / PRICES["ETH"],
    "XRP": 1 / PRICES["XRP"],
    "TRX": 1 / PRICES["TRX"],
    "BNB": Decimal("0.002"),
}
_TICKS = {"BTC": "0.01", "ETH": "0.01", "SOL": "0.01", "XRP": "0.0001", "DOGE": "0.00001"}
_LOTS = {"BTC": "0.00001", "ETH": "0.0001", "SOL": "0.001", "XRP": "1", "DOGE": "1"}
_CONTRACT_TICKS = {"BTC": "0.1", "ETH": "0.01", "SOL": "0.01", "DOGE": "0.00001"}
_CONTRACT_LOTS = {"BTC": "0.001", "ETH": "0.001", "XRP": "0.1"}
_OWNED = {"USDT": Decimal(100_000), "KRW": Decimal(100_000_000)}
_OWNED_USD = Decimal(50_000)
_VOLUME_USD = Decimal(1_000_000)


def binance_markets() -> list[MarketRules]:
    """Return some markets in USDT, with steps and fees as Binance has them."""
    return [
        MarketRules(
            name=f"{base}USDT",
            base=base,
            quote="USDT",
            ticks=((Decimal(0), Decimal(_TICKS.get(base, "0.0001"))),),
            lot=Decimal(_LOTS.get(base, "0.1")),
            min_quantity=Decimal(_LOTS.get(base, "0.1")),
            min_value=Decimal(5),
            maker_fee=Decimal("0.001"),
            taker_fee=Decimal("0.001"),
            fee_in=FeeIn.RECEIVED,
            volume=_VOLUME_USD / price,
        )
        for base, price in PRICES.items()
    ]


def usdm_markets() -> list[MarketRules]:
    """Return some perpetual contracts, and one that ends."""
    perpetual = [
        MarketRules(
            name=f"{base}USDT",
            base=base,
            quote="USDT",
            ticks=((Decimal(0), Decimal(_CONTRACT_TICKS.get(base, "0.0001"))),),
            lot=Decimal(_CONTRACT_LOTS.get(base, "1")),
            min_quantity=Decimal(_CONTRACT_LOTS.get(base, "1")),
            min_value=Decimal(5),
            maker_fee=Decimal("0.0002"),
            taker_fee=Decimal("0.0005"),
            fee_in=FeeIn.QUOTE,
            volume=_VOLUME_USD / price,
        )
        for base, price in PRICES.items()
    ]
    return [*perpetual, attrs.evolve(perpetual[0], name="BTCUSDT_270326")]


def upbit_markets(dialect: Dialect) -> list[MarketRules]:
    """Return some markets in KRW, USDT among them, with steps by price."""
    return [
        MarketRules(
            name=f"KRW-{base}",
            base=base,
            quote="KRW",
            ticks=KRW_TICKS,
            lot=Decimal("1e-8"),
            min_value=Decimal(5_000),
            maker_fee=dialect.fee,
            taker_fee=dialect.fee,
            fee_in=FeeIn.QUOTE,
            volume=_VOLUME_USD / price,
        )
        for base, price in {**PRICES, "USDT": Decimal(1)}.items()
    ]


def owned_at(markets: Sequence[MarketRules]) -> dict[str, Decimal]:
    """Return what an account owns to begin with: some of everything."""
    owned = {rules.quote: _OWNED.get(rules.quote, Decimal(10)) for rules in markets}
    for rules in markets:
        owned.setdefault(rules.base, (_OWNED_USD / PRICES.get(rules.base, Decimal(1))).quantize(Decimal("0.01")))
    return owned
