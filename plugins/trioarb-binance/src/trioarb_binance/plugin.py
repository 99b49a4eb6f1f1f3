"""The plugins named ``binance``: symbols, market data and accounts of spot."""

from __future__ import annotations

from functools import partial

from trioarb.api import ExchangeSpec, MarketDataSpec, SymbolSourceSpec, hookimpl
from trioarb_binance.account_opening import open_exchange
from trioarb_binance.dialect import SPOT
from trioarb_binance.opening import open_market, open_source
from trioarb_binance.settings import (
    BinanceExchangeSettings,
    BinanceMarketSettings,
    BinanceSourceSettings,
    exchange_warnings,
    market_warnings,
)

__all__ = ["trioarb_exchanges", "trioarb_market_data", "trioarb_symbol_sources"]


@hookimpl
def trioarb_market_data() -> list[MarketDataSpec]:
    return [
        MarketDataSpec(
            name="binance",
            doc="best prices and books of Binance spot",
            settings=BinanceMarketSettings,
            open=partial(open_market, SPOT),
            warnings=market_warnings,
            live=True,
        )
    ]


@hookimpl
def trioarb_symbol_sources() -> list[SymbolSourceSpec]:
    return [
        SymbolSourceSpec(
            name="binance",
            doc="all symbols that Binance spot trades, with their volumes",
            settings=BinanceSourceSettings,
            open=partial(open_source, SPOT),
            live=True,
        )
    ]


@hookimpl
def trioarb_exchanges() -> list[ExchangeSpec]:
    return [
        ExchangeSpec(
            name="binance",
            doc="an account at Binance spot; orders over its WebSocket API",
            settings=BinanceExchangeSettings,
            open=open_exchange,
            warnings=exchange_warnings,
            live=True,
            real=True,
            example={
                "api_key": {"env": "BINANCE_API_KEY"},
                "api_secret": {"env": "BINANCE_API_SECRET"},
                "paper": {
                    "taker_fee_bps": 10,  # of an account without discounts
                    "fee_asset": "received",
                    "latency_ms": 30,
                    "balances": {"USDT": "20000"},
                },
            },
        )
    ]
