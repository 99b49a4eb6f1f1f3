"""What a user may say of the connection to a venue of this dialect."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import attrs

from trioarb.api import PositiveSeconds, setting

__all__ = ["AccountSettings", "ConnectionSettings", "MarketSettings", "account_warnings"]


@attrs.frozen(kw_only=True)
class ConnectionSettings:
    """How the venue is reached. Addresses are the venue's own unless others are given, as of a simulator."""

    rest_url: str | None = setting(None, doc="address of REST requests; absent: the venue's own")
    proxy: str | None = setting(
        None, secret=True, doc="address of a proxy (http://, https://); the environment's isn't looked at"
    )
    ca_file: Path | None = setting(
        None, doc="certificates (PEM) that are trusted beside those that the operating system trusts"
    )


@attrs.frozen(kw_only=True)
class MarketSettings(ConnectionSettings):
    """How the venue's market data is had."""

    stream_url: str | None = setting(None, doc="address of the stream of market data; absent: the venue's own")
    silent_seconds: PositiveSeconds = setting(
        Decimal(60),
        doc="a market of which nothing comes for so long is taken off the board and asked for again",
    )


@attrs.frozen(kw_only=True)
class AccountSettings(MarketSettings):
    """Whose account it is, and how the venue is reached."""

    api_key: str = setting(secret=True, doc="the key's public part (access key)")
    api_secret: str = setting(secret=True, doc="the key's secret part (secret key)")
    private_stream_url: str | None = setting(
        None, doc="address of the stream of the account's orders; absent: the venue's own"
    )


def account_warnings(settings: MarketSettings) -> Iterable[str]:
    if isinstance(settings, AccountSettings) and (settings.rest_url is None) is not (
        settings.private_stream_url is None
    ):
        yield "rest_url and private_stream_url: one is the venue's own and the other isn't; orders and their news part"
