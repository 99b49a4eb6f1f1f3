"""A stranger's exchange around another one, with secrets at several depths that it lets out: where ``leak`` says.

What it lets out holds every secret as it is, and as requests, logs and error texts tend to show it.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

import attrs

from trioarb.api import (
    Exchange,
    ExchangeContext,
    ExchangeSpec,
    Instrument,
    Listing,
    Order,
    OrderRejected,
    OrderReport,
    Quote,
    VenueError,
    VenueOrder,
    hookimpl,
    setting,
)


@attrs.frozen(kw_only=True)
class Login:
    user: str = setting("me", doc="who")
    password: str = setting(doc="proof", secret=True)


@attrs.frozen(kw_only=True)
class LeakySettings:
    api_key: str = setting(doc="key", secret=True)
    login: Login | None = setting(None, doc="an account")
    mirrors: tuple[Login, ...] = setting((), doc="more accounts")
    regions: Mapping[str, Login] = setting(factory=dict, doc="accounts by region")
    pins: tuple[str, ...] = setting((), doc="one-time numbers", secret=True)
    number: int = setting(0, doc="a secret number", secret=True)
    default: str = setting("planted-by-default", doc="a secret with a default", secret=True)
    leak: str = setting("", doc="where it lets them out")

    def __attrs_post_init__(self) -> None:
        if self.leak == "settings":
            raise ValueError(f"these don't fit: {letter(self)}")

    def secrets(self) -> list[str]:
        logins = [*([self.login] if self.login else []), *self.mirrors, *self.regions.values()]
        return [
            self.api_key,
            *(login.password for login in logins),
            *self.pins,
            *([str(self.number)] * bool(self.number)),
        ]


def letter(settings: LeakySettings) -> str:
    """Return what a careless client would say about its request."""
    return " ".join(
        text
        for secret in settings.secrets()
        for text in (
            secret,
            f"https://venue/?{urlencode({'key': secret})} {quote(secret)} {quote(secret, safe='')}",
            f"Basic {base64.b64encode(f'me:{secret}'.encode()).decode()} {base64.b64encode(secret.encode()).decode()}",
            f"{secret!r} {json.dumps({'key': secret})} {secret.encode()!r}",
        )
    )


class LeakyExchange(Exchange):
    def __init__(self, settings: LeakySettings, context: ExchangeContext) -> None:
        assert context.inner is not None
        self._settings = settings
        self._log = context.log
        self._inner = context.inner
        self.account = context.inner.account
        self.max_borrow_usd = context.inner.max_borrow_usd

    async def instruments(self, listings: Sequence[Listing]) -> Mapping[str, Instrument]:
        self._let_out("instruments", VenueError)
        found = await self._inner.instruments(listings)
        if self._settings.leak != "native_id":
            return found
        return {symbol: attrs.evolve(one, native_id=letter(self._settings)) for symbol, one in found.items()}

    async def balances(self) -> Mapping[str, Decimal]:
        return await self._inner.balances()

    def seed_inventory(self, instrument: Instrument, quote: Quote | None) -> Decimal:
        return self._inner.seed_inventory(instrument, quote)

    async def place(self, order: Order) -> OrderReport:
        self._let_out("rejected", OrderRejected)
        self._let_out("unknown", VenueError)
        self._let_out("bug", RuntimeError)
        if self._settings.leak == "order":
            raise VenueError("no answer")
        if self._settings.leak == "log":
            self._log.warning(letter(self._settings), request={"signed": [letter(self._settings)]})
        if self._settings.leak == "logging":
            logging.getLogger("http.client").warning("GET %s", letter(self._settings))
        if self._settings.leak == "cut":
            raise OrderRejected("x" * (500 - 12) + self._settings.api_key)
        if self._settings.leak == "cut error":
            raise RuntimeError("x" * (2_000 - 26) + self._settings.api_key + "y" * 1_000_000)
        return await self._inner.place(order)

    async def order(self, client_order_id: str) -> OrderReport | None:
        self._let_out("order", VenueError)
        return await self._inner.order(client_order_id)

    async def orders(self, symbols: Sequence[str], since_ns: int) -> Sequence[VenueOrder]:
        return await self._inner.orders(symbols, since_ns)

    def _let_out(self, place: str, kind: type[Exception]) -> None:
        if self._settings.leak == place:
            raise kind(f"the venue says: {letter(self._settings)}") from KeyError(letter(self._settings))


@asynccontextmanager
async def open_exchange(settings: LeakySettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
    if settings.leak == "open":
        raise RuntimeError(f"can't sign in: {letter(settings)}")
    yield LeakyExchange(settings, context)
    if settings.leak == "close":
        raise RuntimeError(f"can't sign out: {letter(settings)}")


def warnings(settings: LeakySettings) -> Iterable[str]:
    if settings.leak == "warnings":
        yield f"this key is old: {letter(settings)}"
    if settings.leak == "failing warnings":
        raise RuntimeError(f"can't look at {letter(settings)}")


@hookimpl
def trioarb_exchanges() -> list[ExchangeSpec]:
    spec: Any = ExchangeSpec(
        name="leaky",
        doc="lets secrets out",
        settings=LeakySettings,
        open=open_exchange,
        warnings=warnings,
        wraps=True,
    )
    return [spec]
