"""The venue ``binance``: symbols, market data and accounts of spot."""

from __future__ import annotations

from functools import partial

from trioarb.api import VenueSpec, hookimpl
from trioarb_binance.dialect import SPOT
from trioarb_binance.opening import open_exchange, open_market
from trioarb_binance.session import open_session
from trioarb_binance.settings import BinanceExchangeSettings, BinanceMarketSettings, warnings_of
from trioarb_binance.source import BinanceSource

__all__ = ["trioarb_venues"]


@hookimpl
def trioarb_venues() -> list[VenueSpec]:
    return [
        VenueSpec(
            name="binance",
            doc="Binance spot: all its symbols with their volumes, best prices and books, and an account there",
            settings=BinanceMarketSettings,
            account=BinanceExchangeSettings,
            open=partial(open_session, SPOT),
            source=BinanceSource,
            market=open_market,
            exchange=open_exchange,
            warnings=warnings_of,
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
