"""What the market data, the symbols and the account of Binance share: a client, its limits, and Binance's clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

import attrs

from trioarb.api import MarketDataError, VenueContext, VenueError
from trioarb.venue import Host, Limits, RestClient, VenueClock, open_limits, open_rest, run_beside, tls_context
from trioarb_binance.asking import Ask, asking
from trioarb_binance.budget import limit_rules
from trioarb_binance.dialect import Dialect, Info, Listed
from trioarb_binance.exchange import server_time_ms
from trioarb_binance.settings import BinanceExchangeSettings, BinanceMarketSettings
from trioarb_binance.wire.limits import VenueLimit

__all__ = ["Session", "open_session"]


@attrs.define(kw_only=True, eq=False)
class Session:
    """``settings`` are `BinanceExchangeSettings` where there is an account; its ``clock`` runs then."""

    dialect: Dialect
    settings: BinanceMarketSettings
    rest: RestClient
    limits: Limits
    ask: Ask
    clock: VenueClock | None = None
    #: What was asked for its limits: whoever wants it first need not ask again.
    _info: Info | None

    async def listed(self) -> Listed:
        """Ask what is traded.

        Raises:
            VenueError: it isn't known.
        """
        info, self._info = self._info, None
        return await self.dialect.listed(self.ask, info)


@asynccontextmanager
async def open_session(
    dialect: Dialect, settings: BinanceMarketSettings, context: VenueContext
) -> AsyncIterator[Session]:
    """Give what Binance is asked by; orders have a session of their own, which the account opens.

    Raises:
        MarketDataError: it isn't known what is traded; a `VenueError` where there is an account.
        VenueError: the budget of its limits, or ``ca_file``, can't be used; or its time isn't known, and has to be.
    """
    host = _host(dialect, settings)
    account = settings if isinstance(settings, BinanceExchangeSettings) else None
    with _limits_of(dialect, host.url) as limits:
        async with open_rest("Binance", host, limits=limits, can_trade=False) as rest:
            try:
                info = await dialect.ask_info(asking(rest, limits))
            except VenueError as error:
                kind = MarketDataError if account is None else VenueError
                raise kind(f"Binance: its symbols aren't known: {error}") from error
    with _limits_of(dialect, host.url, info.limits, api_key=account.api_key if account else "") as limits:
        # Nothing but reads goes over this: orders go over the WebSocket API.
        async with open_rest("Binance", host, limits=limits, can_trade=False) as rest:
            any_symbol = next(iter(info.symbols), None)
            about_limits = None if any_symbol is None else dialect.about_limits(any_symbol.symbol)
            clock = VenueClock("Binance", partial(server_time_ms, rest)) if account else None
            async with run_beside(*([clock.run] if clock is not None else [])):
                yield Session(
                    dialect=dialect,
                    settings=settings,
                    rest=rest,
                    limits=limits,
                    ask=asking(rest, limits, about_limits),
                    clock=clock,
                    info=info,
                )


def _limits_of(
    dialect: Dialect, url: str, told: Iterable[VenueLimit] = (), *, api_key: str = ""
) -> AbstractContextManager[Limits]:
    """Open the limits of an address, as Binance told them, else as its documents have them.

    Weight is shared by all on this machine that ask there, unfilled orders by those of a key.
    """
    return open_limits(dialect.name, limit_rules(told), address=urlsplit(url).netloc, api_key=api_key)


def _host(dialect: Dialect, settings: BinanceMarketSettings) -> Host:
    url = settings.rest_url or dialect.rest_url
    is_secure = any((one or "").startswith("https:") for one in (url, settings.proxy))
    try:
        return Host(url=url, tls=tls_context(settings.ca_file) if is_secure else None, proxy=settings.proxy)
    except ValueError as error:
        raise VenueError(f"Binance: rest_url: {error}") from None
