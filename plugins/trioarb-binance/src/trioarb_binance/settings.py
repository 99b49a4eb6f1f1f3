"""What the plugins' tables may hold."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import attrs

from trioarb.api import Seconds, setting

__all__ = [
    "BinanceExchangeSettings",
    "BinanceMarketSettings",
    "warnings_of",
]


@attrs.frozen(kw_only=True)
class BinanceMarketSettings:
    """Where Binance is, and how long it may be silent."""

    rest_url: str | None = setting(None, doc="address of REST requests; absent: Binance's own")
    proxy: str | None = setting(
        None, secret=True, doc="address of a proxy (http://, https://); the environment's isn't looked at"
    )
    ca_file: Path | None = setting(
        None, doc="certificates (PEM) that are trusted beside those that the operating system trusts"
    )
    stream_url: str | None = setting(None, doc="address of market streams; absent: Binance's own")
    silent_seconds: Seconds = setting(
        Decimal(60),
        doc="a symbol of which nothing came for so long isn't quoted until something does; 0: it may be silent",
    )


@attrs.frozen(kw_only=True)
class BinanceExchangeSettings(BinanceMarketSettings):
    """Whose account it is, and where Binance is."""

    api_key: str = setting(secret=True, doc="the key's public part")
    api_secret: str = setting(
        secret=True, doc="of the key: its secret (HMAC), or the PEM text of its private key (Ed25519), which is faster"
    )
    api_url: str | None = setting(None, doc="address of the WebSocket API, which orders go over; absent: Binance's own")


def warnings_of(settings: BinanceMarketSettings) -> Iterable[str]:
    if (settings.rest_url is None) is not (settings.stream_url is None):
        yield "rest_url and stream_url: one is Binance's own and the other isn't; their books won't fit together"
    if isinstance(settings, BinanceExchangeSettings) and (settings.rest_url is None) is not (settings.api_url is None):
        yield "rest_url and api_url: one is Binance's own and the other isn't; orders and what is asked of them part"
