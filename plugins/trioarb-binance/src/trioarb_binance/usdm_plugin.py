"""The venue ``binance_usdm``: symbols and market data of USDT-margined perpetual contracts."""

from __future__ import annotations

from functools import partial

from trioarb.api import VenueSpec, hookimpl
from trioarb_binance.dialect import USDM
from trioarb_binance.opening import open_market
from trioarb_binance.session import open_session
from trioarb_binance.settings import BinanceMarketSettings, warnings_of
from trioarb_binance.source import BinanceSource

__all__ = ["trioarb_venues"]


@hookimpl
def trioarb_venues() -> list[VenueSpec]:
    return [
        VenueSpec(
            name="binance_usdm",
            doc="Binance's USDT-margined perpetual contracts: all of them with their volumes, best prices and books",
            settings=BinanceMarketSettings,
            open=partial(open_session, USDM),
            source=BinanceSource,
            market=open_market,
            warnings=warnings_of,
            live=True,
        )
    ]
