"""The plugins named ``binance_usdm``: symbols and market data of USDT-margined perpetual contracts."""

from __future__ import annotations

from functools import partial

from trioarb.api import MarketDataSpec, SymbolSourceSpec, hookimpl
from trioarb_binance.dialect import USDM
from trioarb_binance.opening import open_market, open_source
from trioarb_binance.settings import BinanceMarketSettings, BinanceSourceSettings, market_warnings

__all__ = ["trioarb_market_data", "trioarb_symbol_sources"]


@hookimpl
def trioarb_market_data() -> list[MarketDataSpec]:
    return [
        MarketDataSpec(
            name="binance_usdm",
            doc="best prices and books of Binance's USDT-margined perpetual contracts",
            settings=BinanceMarketSettings,
            open=partial(open_market, USDM),
            warnings=market_warnings,
            live=True,
        )
    ]


@hookimpl
def trioarb_symbol_sources() -> list[SymbolSourceSpec]:
    return [
        SymbolSourceSpec(
            name="binance_usdm",
            doc="all USDT-margined perpetual contracts of Binance, with their volumes",
            settings=BinanceSourceSettings,
            open=partial(open_source, USDM),
            live=True,
        )
    ]
