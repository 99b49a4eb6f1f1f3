"""Upbit's and Bithumb's requests: limits by group, tokens, markets, orders."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode
from binascii import Error as BadBase64
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl, unquote

import attrs

from trioarb.api import ZERO, OrderType, SelfTrade, Side, TimeInForce
from trioarb_sim.faults import Fault, Faults
from trioarb_sim.limits import Window
from trioarb_sim.market import MarketRules
from trioarb_sim.order import OrderTerms, Refusal, Refused, VenueOrder
from trioarb_sim.server import HttpRequest, HttpResponse
from trioarb_sim.upbit import bithumb, bodies
from trioarb_sim.upbit.dialect import Dialect
from trioarb_sim.venue import Venue

__all__ = ["Api", "ApiError"]

_WARNINGS_BEFORE_BAN = 20
_BAN_SECONDS = 10
_ORIGIN_SECONDS = 10
_TIMES = {"ioc": TimeInForce.IOC, "fok": TimeInForce.FOK, "post_only": TimeInForce.GTC}
_SELF_TRADES = {
    "cancel_taker": SelfTrade.CANCEL_NEW,
    "cancel_maker": SelfTrade.CANCEL_OLD,
    "reduce": SelfTrade.CANCEL_BOTH,
}
_REFUSALS = {
    Refusal.NO_SUCH_MARKET: (404, "notfoundmarket", "Code not found"),
    Refusal.HALTED: (400, "market_offline", "The market does not trade."),
    Refusal.CANCEL_ONLY: (400, "market_offline", "The market does not trade."),
    Refusal.PRICE_OUT_OF_RANGE: (400, "invalid_price", "The price is out of range."),
    Refusal.OFF_LOT: (400, "invalid_volume", "The volume has too many digits."),
    Refusal.TOO_SMALL: (400, "invalid_volume", "The volume must be above 0."),
    Refusal.TOO_LARGE: (400, "over_max_total", "Above the maximum."),
    Refusal.DUPLICATE_ID: (400, "invalid_parameter", "The identifier was used before."),
    Refusal.UNKNOWN_ORDER: (404, "order_not_found", "Order not found."),
    Refusal.ENDED_ORDER: (400, "order_already_done", "The order has ended."),
    Refusal.TOO_MANY_ORDERS: (400, "too_many_orders", "Too many orders."),
    Refusal.NOT_OFFERED: (400, "invalid_parameter", "There are no such orders."),
}
#: Those whose name says the side.
_SIDED = {
    Refusal.OFF_TICK: "invalid_price",
    Refusal.BELOW_MINIMUM_VALUE: "under_min_total",
    Refusal.NO_FUNDS: "insufficient_funds",
}


class ApiError(Exception):
    """A request ends with this status, name and message."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status, self.name, self.message = status, name, message


class _Lost(Exception):
    """It was done, and is not answered."""


@attrs.frozen(kw_only=True)
class _Endpoint:
    group: str
    answer: Callable[[Mapping[str, str], str], Any]
    is_private: bool = False
    is_trade: bool = False
    status: int = 200


class Api:
    """Answers requests as the venue would."""

    def __init__(self, venue: Venue, faults: Faults, dialect: Dialect, *, now_ms: Callable[[], int]) -> None:
        self._venue, self._faults, self._dialect, self._now_ms = venue, faults, dialect, now_ms

        def seconds() -> float:
            return now_ms() / 1000

        self._seconds = seconds
        self._windows = {name: Window(limit, seconds, lambda: faults.share) for name, limit in dialect.limits.items()}
        self._warned: dict[str, int] = {}
        self._banned_until: dict[str, float] = {}
        self._origin_at: dict[str, float] = {}
        self._nonces: set[str] = set()
        self.violations: dict[str, int] = {}
        self._endpoints = self._table()

    def answer(self, request: HttpRequest) -> HttpResponse | None:
        """Return what is answered; ``None``: nothing, though it may have been done."""
        endpoint = self._endpoints.get((request.method, request.path))
        if endpoint is None:
            message = f"{request.method} {request.path} is not simulated"
            return _error(ApiError(404, "not_found", message), {})
        headers: dict[str, str] = {}
        try:
            account = ""
            if endpoint.is_private:
                account = self.account(
                    request.headers.get("authorization", ""), _signed_text(request), endpoint.is_trade
                )
            self._admit(request, endpoint.group, account or request.peer, headers)
            found = endpoint.answer(_params(request), account)
        except _Lost:
            return None
        except ApiError as error:
            return _error(error, headers)
        except Refused as error:
            return _error(self._refused(error.why, _params(request).get("side", "bid")), headers)
        if self._faults.happens(Fault.UNKNOWN) and isinstance(found, dict):
            found |= {"zz": "a field that nobody knows"}
        response = HttpResponse.json(found, status=endpoint.status, headers=headers)
        if self._faults.happens(Fault.MALFORMED):
            return attrs.evolve(response, body=response.body[: len(response.body) // 2])
        return response

    def account(self, authorization: str, signed: str, is_trade: bool = False) -> str:
        """Return whose token it is.

        Raises:
            ApiError: it isn't one that counts.
        """
        token = authorization.removeprefix("Bearer ")
        claims = _claims(token)
        found = self._venue.key(str(claims.get("access_key", "")))
        if not token or found is None:
            raise ApiError(401, "invalid_access_key", "Invalid access key.")
        key, account = found
        if key.is_expired:
            raise ApiError(401, "expired_access_key", "The access key has expired.")
        if not _is_signed(token, key.secret):
            raise ApiError(401, "jwt_verification", "The token could not be verified.")
        nonce = str(claims.get("nonce", ""))
        if not nonce or nonce in self._nonces:
            raise ApiError(401, "nonce_used", "The nonce was used before.")
        self._nonces.add(nonce)
        if self._dialect.is_timed and abs(_made_ms(claims) - self._now_ms()) > 30_000:
            raise ApiError(401, "invalid_jwt", "The token is too old, or not made yet.")
        if signed and claims.get("query_hash") != hashlib.sha512(signed.encode()).hexdigest():
            raise ApiError(401, "invalid_query_payload", "The query hash is not that of the query.")
        if is_trade and not key.can_trade:
            raise ApiError(403, "out_of_scope", "The key may not place orders.")
        return account

    def violate(self, what: str) -> None:
        self.violations[what] = self.violations.get(what, 0) + 1

    # Who may

    def _admit(self, request: HttpRequest, group: str, who: str, headers: dict[str, str]) -> None:
        now = self._seconds()
        if now < self._banned_until.get(who, 0):
            self.violate("asked while banned")
            raise ApiError(418, "too_many_requests", f"Banned for {self._banned_until[who] - now:.0f} seconds.")
        if self._faults.happens(Fault.BANNED):
            self._banned_until[who] = now + 2
            raise ApiError(418, "too_many_requests", "Banned for 2 seconds.")
        if self._faults.happens(Fault.TOO_MANY_REQUESTS):
            raise ApiError(429, "too_many_requests", "Too many requests.")
        if self._faults.happens(Fault.SERVER_ERROR):
            raise ApiError(503, "server_error", "Service unavailable.")
        if "origin" in request.headers:
            before, self._origin_at[who] = self._origin_at.get(who, -1e9), now
            if now - before < _ORIGIN_SECONDS:
                self.violate("requests with an Origin")
                raise ApiError(429, "too_many_requests", "One request in 10 seconds with an Origin.")
        window = self._windows[group]
        used = window.count(who)
        left = max(0, window.most - used)
        if self._dialect.tells_left:
            headers["remaining-req"] = f"group={group}; min={window.most * 60}; sec={left}"
        if used > window.most:
            self.violate(f"requests of {group}")
            self._warned[who] = self._warned.get(who, 0) + 1
            if self._warned[who] > _WARNINGS_BEFORE_BAN:
                self._banned_until[who] = now + _BAN_SECONDS
            raise ApiError(429, "too_many_requests", "Too many requests.")

    def _refused(self, why: Refusal, side: str) -> ApiError:
        if why in _SIDED:
            return ApiError(400, f"{_SIDED[why]}_{side}", why.value)
        status, name, message = _REFUSALS[why]
        return ApiError(status, name, message)

    # What may be asked

    def _table(self) -> dict[tuple[str, str], _Endpoint]:
        private, trade = {"is_private": True}, {"is_private": True, "is_trade": True}
        newest = f"/{self._dialect.version}"
        place = _Endpoint(group="order", answer=self._place, status=201, **trade)
        cancel = _Endpoint(group="default", answer=self._cancel, **trade)
        table = {
            ("GET", "/v1/market/all"): _Endpoint(group="market", answer=self._markets),
            ("GET", "/v1/ticker"): _Endpoint(group="ticker", answer=self._tickers),
            ("GET", "/v1/ticker/all"): _Endpoint(group="ticker", answer=self._all_tickers),
            ("GET", "/v1/orderbook"): _Endpoint(group="orderbook", answer=self._orderbooks),
            ("GET", "/v1/orderbook/instruments"): _Endpoint(group="orderbook", answer=self._instruments),
            ("GET", "/v1/accounts"): _Endpoint(group="default", answer=self._accounts, **private),
            ("GET", "/v1/orders/chance"): _Endpoint(group="default", answer=self._chance, **private),
            ("GET", "/v1/order"): _Endpoint(group="default", answer=self._order, **private),
            ("GET", "/v1/orders"): _Endpoint(group="default", answer=self._orders, **private),
            ("GET", "/v1/orders/open"): _Endpoint(group="default", answer=self._open, **private),
            ("GET", "/v1/orders/closed"): _Endpoint(group="default", answer=self._closed, **private),
            ("GET", "/v1/orders/uuids"): _Endpoint(group="default", answer=self._by_ids, **private),
            ("POST", f"{newest}/orders"): place,
            ("DELETE", f"{newest}/order"): cancel,
            ("POST", f"{newest}/orders/cancel"): cancel,
        }
        if self._dialect.name == "bithumb":
            table |= {
                ("GET", "/v2/orders/pending"): _Endpoint(group="default", answer=self._pending, **private),
                ("GET", "/v2/orders/history"): _Endpoint(group="default", answer=self._history, **private),
            }
        return table

    def _markets(self, params: Mapping[str, str], _: str) -> Any:
        has_details = params.get("is_details", params.get("isDetails", "false")) == "true"
        return [bodies.listing(rules, has_details=has_details) for rules in self._venue.markets]

    def _tickers(self, params: Mapping[str, str], _: str) -> Any:
        return [self._ticker(self._venue.rules(name)) for name in _names(params)]

    def _all_tickers(self, params: Mapping[str, str], _: str) -> Any:
        quotes = params.get("quote_currencies", "").split(",")
        return [self._ticker(rules) for rules in self._venue.markets if rules.quote in quotes]

    def _ticker(self, rules: MarketRules) -> dict[str, object]:
        return bodies.ticker(rules, self._venue.last_price(rules.name) or ZERO, self._now_ms())

    def _orderbooks(self, params: Mapping[str, str], _: str) -> Any:
        found = []
        for name in _names(params):
            if self._faults.happens(Fault.RETIRED, name):
                raise ApiError(410, "deprecated", "This endpoint is no longer available.")
            __, bids, asks = self._venue.book(name, min(_whole(params, "count", 30), 30))
            found.append(bodies.orderbook(name, bids, asks, self._now_ms()))
        return found

    def _instruments(self, params: Mapping[str, str], _: str) -> Any:
        found = []
        for name in _names(params):
            rules, price = self._venue.rules(name), self._venue.last_price(name) or ZERO
            found.append(
                {
                    "market": name,
                    "quote_currency": rules.quote,
                    "tick_size": format(rules.tick_at(price), "f"),
                    "supported_levels": ["0"],
                }
            )
        return found

    def _accounts(self, params: Mapping[str, str], account: str) -> Any:
        return bodies.accounts(self._venue.balances(account), "KRW")

    def _chance(self, params: Mapping[str, str], account: str) -> Any:
        rules = self._venue.rules(params.get("market", ""))
        return bodies.chance(rules, self._venue.balances(account), self._dialect)

    def _order(self, params: Mapping[str, str], account: str) -> Any:
        return self._in_first_version(self._body(self._find(params, account), has_trades=True))

    def _open(self, params: Mapping[str, str], account: str) -> Any:
        found = self._venue.open_orders(account, params.get("market"))
        return [self._in_first_version(self._body(one)) for one in found]

    def _pending(self, params: Mapping[str, str], account: str) -> Any:
        waits = params.get("state", "wait") == "wait"  # nothing here watches for a price
        found = self._venue.open_orders(account, params.get("market")) if waits else ()
        return self._page(params, [self._body(one) for one in found])

    def _history(self, params: Mapping[str, str], account: str) -> Any:
        return self._page(params, self._ended(params, account))

    def _page(self, params: Mapping[str, str], found: Sequence[dict[str, object]]) -> Any:
        return bithumb.page(found, limit=_whole(params, "limit", 100), after=params.get("next_key", ""))

    def _closed(self, params: Mapping[str, str], account: str) -> Any:
        found = [self._in_first_version(one) for one in self._ended(params, account)]
        return found[-_whole(params, "limit", 100) :]

    def _ended(self, params: Mapping[str, str], account: str) -> list[dict[str, object]]:
        """Return the orders that have ended and are asked for, in the order in which they came."""
        ended = [one for one in self._venue.orders(account, params.get("market")) if not one.is_open]
        since = int(params["start_time"]) if params.get("start_time", "").isdecimal() else 0
        wanted = set(params.get("state", "").split(",")) - {""} or set(params.get("states[]", "").split(",")) - {""}
        kept = [self._body(one) for one in ended if one.created_ms >= since]
        return [one for one in kept if not wanted or one["state"] in wanted]

    def _orders(self, params: Mapping[str, str], account: str) -> Any:
        state = params.get("state", "wait")
        return self._open(params, account) if state == "wait" else self._closed(params, account)

    def _by_ids(self, params: Mapping[str, str], account: str) -> Any:
        wanted = {value for name, value in params.items() if name.startswith(("uuids", "identifiers"))}
        flat = {one for value in wanted for one in value.split(",")}
        return [
            self._body(one)
            for one in self._venue.orders(account)
            if bodies.uuid_of(one.order_id) in flat or one.terms.client_id in flat
        ]

    def _place(self, params: Mapping[str, str], account: str) -> Any:
        terms = self._terms(params)
        try:
            order = self._venue.place(account, terms)
        except Refused as error:
            if error.why is not Refusal.WOULD_TAKE:
                raise
            order = self._venue.take_and_cancel(account, terms)
        if self._faults.happens(Fault.LOST_ACKNOWLEDGEMENT, terms.market):
            raise _Lost
        return self._body(order)

    def _terms(self, params: Mapping[str, str]) -> OrderTerms:
        """Return what an order asks for.

        Raises:
            ApiError: a parameter is missing, or makes no sense.
        """
        side = {"bid": Side.BUY, "ask": Side.SELL}.get(params.get("side", ""))
        kind = params.get(self._dialect.type_field, "")
        if side is None or kind not in ("limit", "price", "market", "best"):
            raise ApiError(400, "validation_error", f"side or {self._dialect.type_field} is missing or wrong.")
        price, volume = _decimal(params, "price"), _decimal(params, "volume")
        needs = {
            "limit": price > 0 and volume > 0,
            "price": side is Side.BUY and price > 0 and not volume,
            "market": side is Side.SELL and volume > 0 and not price,
            "best": params.get("time_in_force") in ("ioc", "fok"),
        }
        limit = params.get("time_in_force", "")
        if not needs[kind] or (limit and limit not in _TIMES) or (limit == "post_only" and kind != "limit"):
            raise ApiError(400, "invalid_parameter", f"price, volume or time_in_force don't fit an order of {kind}.")
        if kind == "best":
            raise Refused(Refusal.NOT_OFFERED)
        return OrderTerms(
            market=params.get("market", ""),
            side=side,
            type=OrderType.LIMIT if kind == "limit" else OrderType.MARKET,
            time_in_force=_TIMES.get(limit, TimeInForce.GTC if kind == "limit" else TimeInForce.IOC),
            post_only=limit == "post_only",
            price=price if kind == "limit" else ZERO,
            quantity=volume,
            amount=price if kind == "price" else ZERO,
            client_id=params.get(self._dialect.id_field, ""),
            self_trade=_SELF_TRADES.get(params.get("smp_type", ""), self._dialect.self_trade),
        )

    def _cancel(self, params: Mapping[str, str], account: str) -> Any:
        order = self._find(params, account)
        self._venue.cancel(order)
        return self._body(order)

    def _find(self, params: Mapping[str, str], account: str) -> VenueOrder:
        uuid = params.get("uuid") or params.get("order_id", "")
        if uuid:
            number = uuid.removeprefix("00000000-0000-4000-8000-")
            try:
                return self._venue.find(account, order_id=int(number, 16))
            except ValueError:
                raise Refused(Refusal.UNKNOWN_ORDER) from None
        return self._venue.find(account, client_id=params.get(self._dialect.id_field, ""))

    def _in_first_version(self, body: dict[str, object]) -> dict[str, object]:
        return bithumb.in_first_version(body) if self._dialect.name == "bithumb" else body

    def _body(self, order: VenueOrder, *, has_trades: bool = False) -> dict[str, object]:
        return bodies.order(order, self._venue.rules(order.terms.market), self._dialect, has_trades=has_trades)


def _error(error: ApiError, headers: Mapping[str, str]) -> HttpResponse:
    body = {"error": {"name": error.name, "message": error.message}}
    return HttpResponse.json(body, status=error.status, headers=headers)


def _params(request: HttpRequest) -> dict[str, str]:
    if request.body:
        try:
            body = json.loads(request.body)
        except ValueError:
            body = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        if isinstance(body, dict):
            return {name: value if isinstance(value, str) else json.dumps(value) for name, value in body.items()}
    found: dict[str, str] = {}
    for name, value in parse_qsl(request.query, keep_blank_values=True):
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _signed_text(request: HttpRequest) -> str:
    """Return what a token has the hash of: the query as it reads, or a body's fields in their order."""
    if request.body:
        return "&".join(f"{name}={value}" for name, value in _params(request).items())
    return unquote(request.query)


def _claims(token: str) -> Mapping[str, Any]:
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, BadBase64):
        return {}
    return claims if isinstance(claims, dict) else {}


def _is_signed(token: str, secret: str) -> bool:
    head, payload, signature = token.split(".")
    try:
        algorithm = json.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4))).get("alg")
        given = urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    except (ValueError, BadBase64, AttributeError):
        return False
    hashes = {"HS256": "sha256", "HS512": "sha512"}
    if algorithm not in hashes:
        return False
    return hmac.compare_digest(hmac.digest(secret.encode(), f"{head}.{payload}".encode(), hashes[algorithm]), given)


def _names(params: Mapping[str, str]) -> Sequence[str]:
    return [name for name in params.get("markets", "").split(",") if name]


def _whole(params: Mapping[str, str], name: str, otherwise: int) -> int:
    text = params.get(name, "")
    if text and (not text.isascii() or not text.isdecimal() or len(text) > 9 or not int(text)):
        raise ApiError(400, "validation_error", f"{name} is no number of 1 or more.")
    return int(text) if text else otherwise


def _made_ms(claims: Mapping[str, Any]) -> int:
    """Return when a token says that it was made; 0: it doesn't."""
    made = claims.get("timestamp")
    return made if isinstance(made, int) else 0


def _decimal(params: Mapping[str, str], name: str) -> Decimal:
    try:
        value = Decimal(params.get(name) or "0")
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        raise ApiError(400, "validation_error", f"{name} is no number.")
    return value
