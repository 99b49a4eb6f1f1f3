"""Binance's requests, whichever way they come: one table of endpoints for REST and the WebSocket API."""

from __future__ import annotations

import hmac
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import count
from typing import Any

import attrs

from trioarb_sim.account import Key
from trioarb_sim.binance import bodies
from trioarb_sim.binance.errors import ApiError, refused
from trioarb_sim.binance.terms import illegal, order_terms, required, whole
from trioarb_sim.faults import Fault, Faults
from trioarb_sim.limits import Limit, Window
from trioarb_sim.order import Refusal, Refused, VenueOrder
from trioarb_sim.venue import Venue

__all__ = ["WEIGHT", "Api", "Caller", "Endpoint", "LostAnswer", "symbols_of"]

Params = Mapping[str, str]

_DEFAULT_WINDOW_MS, _MAX_WINDOW_MS = 5000, 60_000
_AHEAD_MS = 1000
_BAN_SECONDS = 120
#: Of an address.
WEIGHT = Limit(most=6000, seconds=60)


class LostAnswer(Exception):
    """What was asked has happened; nobody is told."""


@attrs.frozen(kw_only=True)
class Caller:
    """Who asks: from which address, with which key, and what it signed. ``is_trusted``: its session was signed."""

    address: str
    api_key: str = ""
    payload: str = ""
    signature: str = ""
    is_trusted: bool = False


@attrs.frozen
class _Who:
    """An account, and with which of its keys it is asked for."""

    account: str
    key: Key


@attrs.frozen(kw_only=True)
class Endpoint:
    """What may be asked.

    ``weight`` is that of what fails, too; ``access``: nothing, a read, or a trade of an account.
    """

    method: str
    path: str
    answer: Callable[[Params, Any], Any]
    weight: int | Callable[[Params], int] = 1
    access: str = ""
    is_free: bool = False
    """A success weighs nothing (orders and cancellations since 2026-04-02)."""


class Api:
    """Answers requests as the venue would: limits first, then the key, the signature, the time, and what is asked."""

    def __init__(self, venue: Venue, faults: Faults, *, now_ms: Callable[[], int], weight: Limit = WEIGHT) -> None:
        self._venue, self._faults, self._now_ms = venue, faults, now_ms
        self._generated = count(1)

        def seconds() -> float:
            return now_ms() / 1000

        def window(most: int, of_seconds: float) -> Window:
            return Window(Limit(most=most, seconds=of_seconds), seconds, lambda: faults.share)

        self.weight = window(weight.most, weight.seconds)
        self._weight_seconds = int(weight.seconds)
        self.orders_10s, self.orders_1d = window(50, 10), window(160_000, 86_400)
        self.raw = window(300_000, 300)
        self._banned_until_ms: dict[str, int] = {}
        self._warned: dict[str, int] = {}
        #: Orders that are counted as they didn't fill, and in which stretches of the limits.
        self._unfilled: dict[VenueOrder, tuple[int, int]] = {}
        self.violations: dict[str, int] = {}
        endpoints = self.endpoints()
        self._by_path = {(one.method, one.path): one for one in endpoints}

    def call(self, method: str, path: str, params: Params, caller: Caller) -> Any:
        """Return what is answered, as what JSON is made of.

        Raises:
            ApiError: with status, code and message.
            LostAnswer: it was done, and is not answered.
        """
        endpoint = self._by_path.get((method, path))
        if endpoint is None:
            raise ApiError(404, -1000, f"{method} {path} is not simulated.")
        self._admit(caller)
        weight = endpoint.weight(params) if callable(endpoint.weight) else endpoint.weight
        try:
            who = self._who(endpoint, params, caller) if endpoint.access else None
            found = endpoint.answer(params, who)
        except Refused as error:
            self._weigh(caller, weight)
            raise refused(error.why) from None
        except ApiError:
            self._weigh(caller, weight)
            raise
        self._weigh(caller, 0 if endpoint.is_free else weight)
        return found

    def rate_limits(self, caller: Caller, *, with_counts: bool = True) -> list[dict[str, object]]:
        """Return the limits, and what of them the caller has used."""
        self._take_back_what_filled()
        account = self._account_name(caller)
        kinds = (
            ("REQUEST_WEIGHT", *_interval(self._weight_seconds), self.weight, caller.address),
            ("ORDERS", "SECOND", 10, self.orders_10s, account),
            ("ORDERS", "DAY", 1, self.orders_1d, account),
            ("RAW_REQUESTS", "MINUTE", 5, self.raw, caller.address),
        )
        return [
            {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": window.most}
            | ({"count": window.used(key)} if with_counts else {})
            for kind, interval, number, window, key in kinds
        ]

    def headers(self, caller: Caller) -> dict[str, str]:
        """Return what answers say of the limits."""
        self._take_back_what_filled()
        found = {"x-mbx-used-weight": str(self.weight.used(caller.address))}
        name, number = _interval(self._weight_seconds)
        found[f"x-mbx-used-weight-{number}{name[0].lower()}"] = found["x-mbx-used-weight"]
        account = self._account_name(caller)
        if account:
            found["x-mbx-order-count-10s"] = str(self.orders_10s.used(account))
            found["x-mbx-order-count-1d"] = str(self.orders_1d.used(account))
        return found

    # Who may

    def _admit(self, caller: Caller) -> None:
        """Turn away who asks too often; who goes on is banned."""
        now = self._now_ms()
        until = self._banned_until_ms.get(caller.address, 0)
        if now < until:
            self._violate("asked while banned")
            raise ApiError(
                418,
                -1003,
                f"Way too much request weight used; IP banned until {until}.",
                after_seconds=(until - now) / 1000,
            )
        if self._faults.happens(Fault.BANNED):
            self._banned_until_ms[caller.address] = now + 2000
            raise ApiError(
                418, -1003, f"Way too much request weight used; IP banned until {now + 2000}.", after_seconds=2
            )
        if self._faults.happens(Fault.TOO_MANY_REQUESTS):
            raise ApiError(429, -1003, "Too much request weight used.", after_seconds=1)
        if self._faults.happens(Fault.SERVER_ERROR):
            raise ApiError(503, -1000, "Service unavailable.")
        self.raw.count(caller.address)
        if self.weight.used(caller.address) >= self.weight.most or self.raw.is_exceeded(caller.address):
            left = self.weight.seconds_left
            self._violate("request weight")
            self._warned[caller.address] = self._warned.get(caller.address, 0) + 1
            if self._warned[caller.address] > 10:
                self._banned_until_ms[caller.address] = now + _BAN_SECONDS * 1000
            raise ApiError(429, -1003, "Too much request weight used.", after_seconds=left)

    def _violate(self, what: str) -> None:
        self.violations[what] = self.violations.get(what, 0) + 1

    def _weigh(self, caller: Caller, weight: int) -> None:
        self.weight.count(caller.address, weight)

    def _account_name(self, caller: Caller) -> str:
        found = self._venue.key(caller.api_key)
        return found[1] if found else ""

    def _who(self, endpoint: Endpoint, params: Params, caller: Caller) -> _Who:
        if not caller.api_key:
            raise ApiError(401, -2014, "API-key format invalid.")
        found = self._venue.key(caller.api_key)
        if found is None or found[0].is_expired:
            raise ApiError(401, -2015, "Invalid API-key, IP, or permissions for action.")
        key, account = found
        if not caller.is_trusted:
            self._check_signature(key, caller)
        self._check_time(params)
        if endpoint.access == "trade" and not key.can_trade:
            raise ApiError(401, -2015, "Invalid API-key, IP, or permissions for action.")
        return _Who(account, key)

    def _check_signature(self, key: Key, caller: Caller) -> None:
        if not caller.signature:
            raise ApiError(400, -1102, "Mandatory parameter 'signature' was not sent, was empty/null, or malformed.")
        if not is_signed(key, caller.payload, caller.signature):
            raise ApiError(400, -1022, "Signature for this request is not valid.")

    def _check_time(self, params: Params) -> None:
        try:
            window = float(params.get("recvWindow", _DEFAULT_WINDOW_MS))
        except ValueError:
            raise illegal("recvWindow") from None
        if not 0 <= window < float("inf"):
            raise illegal("recvWindow")
        required(params, "timestamp")
        at = whole(params, "timestamp")
        if window > _MAX_WINDOW_MS:
            raise ApiError(400, -1131, "recvWindow must be less than 60000.")
        now = self._now_ms()
        if at >= now + _AHEAD_MS:
            raise ApiError(400, -1021, "Timestamp for this request was 1000ms ahead of the server's time.")
        if now - at > window:
            raise ApiError(400, -1021, "Timestamp for this request is outside of the recvWindow.")

    # What may be asked

    def endpoints(self) -> Sequence[Endpoint]:
        get, trade, read = "GET", "trade", "read"
        v3 = "/api/v3"
        return (
            Endpoint(method=get, path=f"{v3}/ping", answer=lambda params, _: {}),
            Endpoint(method=get, path=f"{v3}/time", answer=lambda params, _: {"serverTime": self._now_ms()}),
            Endpoint(method=get, path=f"{v3}/exchangeInfo", answer=self._exchange_info, weight=20),
            Endpoint(method=get, path=f"{v3}/depth", answer=self._depth, weight=_depth_weight),
            Endpoint(method=get, path=f"{v3}/ticker/24hr", answer=self._tickers, weight=80),
            Endpoint(method=get, path=f"{v3}/ticker/bookTicker", answer=self._book_tickers, weight=4),
            Endpoint(method=get, path=f"{v3}/ticker/price", answer=self._prices, weight=4),
            Endpoint(method=get, path=f"{v3}/executionRules", answer=self._execution_rules, weight=40),
            Endpoint(method=get, path=f"{v3}/account", answer=self._show_account, weight=20, access=read),
            Endpoint(method=get, path=f"{v3}/account/commission", answer=self._commission, weight=20, access=read),
            Endpoint(method=get, path=f"{v3}/order", answer=self._order, weight=4, access=read),
            Endpoint(method=get, path=f"{v3}/openOrders", answer=self._open_orders, weight=_open_weight, access=read),
            Endpoint(method=get, path=f"{v3}/allOrders", answer=self._all_orders, weight=20, access=read),
            Endpoint(method=get, path=f"{v3}/myTrades", answer=self._my_trades, weight=_trades_weight, access=read),
            Endpoint(method="POST", path=f"{v3}/order", answer=self._place, access=trade, is_free=True),
            Endpoint(method="DELETE", path=f"{v3}/order", answer=self._cancel, access=trade, is_free=True),
            Endpoint(method="DELETE", path=f"{v3}/openOrders", answer=self._cancel_all, access=trade, is_free=True),
            Endpoint(method=get, path="/sapi/v1/account/apiRestrictions", answer=self._restrictions, access=read),
            Endpoint(method=get, path="/sapi/v1/asset/tradeFee", answer=self._trade_fees, access=read),
            # What clients of others ask before anything else; nothing of it is simulated.
            Endpoint(method=get, path="/sapi/v1/capital/config/getall", answer=lambda params, _: [], access=read),
            Endpoint(method=get, path="/sapi/v1/margin/allPairs", answer=lambda params, _: []),
            Endpoint(method=get, path="/sapi/v1/margin/isolated/allPairs", answer=lambda params, _: [], access=read),
        )

    def _exchange_info(self, params: Params, _: None) -> Any:
        wanted = symbols_of(params)
        rules = [self._venue.rules(name) for name in wanted] if wanted else self._venue.markets
        return {
            "timezone": "UTC",
            "serverTime": self._now_ms(),
            "rateLimits": self.rate_limits(Caller(address=""), with_counts=False),
            "exchangeFilters": [],
            "symbols": [bodies.listing(one) for one in rules],
        }

    def _depth(self, params: Params, _: None) -> Any:
        market = required(params, "symbol")
        if self._faults.happens(Fault.RETIRED, market):
            raise ApiError(410, -1000, "This endpoint is no longer available.")
        last_id, bids, asks = self._venue.book(market, min(whole(params, "limit", 100), 5000))
        return {
            "lastUpdateId": last_id,
            "bids": [bodies.level(*one) for one in bids],
            "asks": [bodies.level(*one) for one in asks],
        }

    def _tickers(self, params: Params, _: None) -> Any:
        return self._of_each(params, self._ticker)

    def _ticker(self, market: str) -> dict[str, object]:
        last = bodies.number(self._venue.last_price(market) or Decimal(0))
        now = self._now_ms()
        none = "0.00000000"
        return self._book_ticker(market) | {
            "priceChange": none,
            "priceChangePercent": "0.000",
            "weightedAvgPrice": last,
            "prevClosePrice": last,
            "lastPrice": last,
            "lastQty": none,
            "openPrice": last,
            "highPrice": last,
            "lowPrice": last,
            "volume": bodies.number(self._venue.rules(market).volume),
            "quoteVolume": bodies.number(self._venue.rules(market).volume * Decimal(last)),
            "openTime": now - 86_400_000,
            "closeTime": now,
            "firstId": 0,
            "lastId": 0,
            "count": 0,
        }

    def _book_tickers(self, params: Params, _: None) -> Any:
        return self._of_each(params, self._book_ticker)

    def _book_ticker(self, market: str) -> dict[str, object]:
        _, bids, asks = self._venue.book(market, 1)
        (bid, bid_size), (ask, ask_size) = ((*side, (Decimal(0), Decimal(0)))[0] for side in (bids, asks))
        shown = (("bidPrice", bid), ("bidQty", bid_size), ("askPrice", ask), ("askQty", ask_size))
        return {"symbol": market, **{name: bodies.number(value) for name, value in shown}}

    def _prices(self, params: Params, _: None) -> Any:
        return self._of_each(
            params,
            lambda market: {"symbol": market, "price": bodies.number(self._venue.last_price(market) or Decimal(0))},
        )

    def _of_each(self, params: Params, of: Callable[[str], dict[str, object]]) -> Any:
        wanted = symbols_of(params)
        if "symbol" in params:
            self._venue.rules(params["symbol"])
            return of(params["symbol"])
        return [of(name) for name in wanted or [rules.name for rules in self._venue.markets]]

    def _execution_rules(self, params: Params, _: None) -> Any:
        return {"symbolRules": [{"symbol": rules.name, "rules": []} for rules in self._venue.markets]}

    def _show_account(self, params: Params, who: _Who) -> Any:
        return bodies.account(
            self._venue.balances(who.account),
            self._venue.markets,
            can_trade=who.key.can_trade,
            can_withdraw=who.key.can_withdraw,
            now_ms=self._now_ms(),
        )

    def _commission(self, params: Params, who: _Who) -> Any:
        return bodies.commission(self._venue.rules(required(params, "symbol")))

    def _restrictions(self, params: Params, who: _Who) -> Any:
        return {
            "ipRestrict": False,
            "createTime": self._now_ms(),
            "enableReading": True,
            "enableWithdrawals": who.key.can_withdraw,
            "enableSpotAndMarginTrading": who.key.can_trade,
        }

    def _trade_fees(self, params: Params, who: _Who) -> Any:
        rules = [self._venue.rules(params["symbol"])] if "symbol" in params else self._venue.markets
        return [
            {
                "symbol": one.name,
                "makerCommission": str(one.maker_fee),
                "takerCommission": str(one.taker_fee),
            }
            for one in rules
        ]

    def _order(self, params: Params, who: _Who) -> Any:
        return bodies.order(self._find(params, who))

    def _open_orders(self, params: Params, who: _Who) -> Any:
        return [bodies.order(one) for one in self._venue.open_orders(who.account, params.get("symbol"))]

    def _all_orders(self, params: Params, who: _Who) -> Any:
        found = self._venue.orders(who.account, required(params, "symbol"))
        since, first = whole(params, "startTime", 0), whole(params, "orderId", 0)
        kept = [one for one in found if one.created_ms >= since and one.order_id >= first]
        limit = min(whole(params, "limit", 500), 1000)
        return [bodies.order(one) for one in (kept[:limit] if since or first else kept[-limit:])]

    def _my_trades(self, params: Params, who: _Who) -> Any:
        orders = self._venue.orders(who.account, required(params, "symbol"))
        found = [(each.trade_id, bodies.my_trade(one, each)) for one in orders for each in one.executions]
        if "orderId" in params:
            found = [one for one in found if one[1]["orderId"] == whole(params, "orderId")]
        since, first = whole(params, "startTime", 0), whole(params, "fromId", 0)
        kept = sorted((one for one in found if _at(one[1]) >= since and one[0] >= first), key=lambda one: one[0])
        limit = min(whole(params, "limit", 500), 1000)
        return [body for _, body in (kept[:limit] if since or first else kept[-limit:])]

    def _place(self, params: Params, who: _Who) -> Any:
        terms = order_terms(params, f"sim{next(self._generated):019d}")
        self._take_back_what_filled()
        for window, name in ((self.orders_10s, "10 SECOND"), (self.orders_1d, "1 DAY")):
            if window.used(who.account) >= window.most:
                self._violate("orders")
                raise ApiError(
                    429,
                    -1015,
                    f"Too many new orders; current limit is {window.most} orders per {name}.",
                    after_seconds=window.seconds_left,
                )
        order = self._venue.place(who.account, terms)
        # Only what doesn't fill counts.
        if not order.filled:
            self.orders_10s.count(who.account)
            self.orders_1d.count(who.account)
            self._unfilled[order] = (self.orders_10s.stretch, self.orders_1d.stretch)
        if self._faults.happens(Fault.LOST_ACKNOWLEDGEMENT, terms.market):
            raise LostAnswer
        default = "FULL" if params["type"] in ("LIMIT", "MARKET") else "ACK"
        return bodies.new_order(order, params.get("newOrderRespType", default))

    def _take_back_what_filled(self) -> None:
        """Count orders no more that have begun to fill."""
        for order in [one for one in self._unfilled if one.filled or not one.is_open]:
            stretches = self._unfilled.pop(order)
            if order.filled:
                for window, stretch in zip((self.orders_10s, self.orders_1d), stretches, strict=True):
                    window.take_back(order.account, stretch)

    def _cancel(self, params: Params, who: _Who) -> Any:
        client_id = params.get("newClientOrderId", f"sim{next(self._generated):019d}")
        try:
            order = self._find(params, who)
            self._venue.cancel(order, request_id=client_id)
        except Refused:
            raise ApiError(400, -2011, "Unknown order sent.") from None
        return bodies.cancelled_order(order, client_id)

    def _cancel_all(self, params: Params, who: _Who) -> Any:
        orders = self._venue.open_orders(who.account, required(params, "symbol"))
        if not orders:
            raise ApiError(400, -2011, "Unknown order sent.")
        for order in orders:
            self._venue.cancel(order)
        return [bodies.cancelled_order(order, order.terms.client_id) for order in orders]

    def _find(self, params: Params, who: _Who) -> VenueOrder:
        market = required(params, "symbol")
        if "orderId" in params:
            order = self._venue.find(who.account, order_id=whole(params, "orderId"))
        elif "origClientOrderId" in params:
            order = self._venue.find(who.account, client_id=params["origClientOrderId"])
        else:
            raise ApiError(400, -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
        if order.terms.market != market:
            raise Refused(Refusal.UNKNOWN_ORDER)
        return order


def _interval(seconds: int) -> tuple[str, int]:
    return ("SECOND", seconds) if seconds % 60 else ("MINUTE", seconds // 60)


def is_signed(key: Key, payload: str, signature: str) -> bool:
    """Return whether a signature is that of a payload: HMAC-SHA256 as hex, or Ed25519 as base64."""
    if not key.public_key:
        digest = hmac.digest(key.secret.encode(), payload.encode(), "sha256").hex()
        return hmac.compare_digest(digest.encode(), signature.encode())
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    public = load_pem_public_key(key.public_key.encode())
    if not isinstance(public, Ed25519PublicKey):
        return False
    try:
        public.verify(b64decode(signature, validate=True), payload.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def _at(body: Mapping[str, object]) -> int:
    at = body["time"]
    assert isinstance(at, int)
    return at


def symbols_of(params: Params) -> list[str]:
    """Return the symbols that a request names; none: all are meant."""
    if "symbol" in params:
        return [params["symbol"]]
    listed = params.get("symbols", "").strip("[]").replace('"', "")
    return [name for name in listed.split(",") if name]


def _depth_weight(params: Params) -> int:
    limit = whole(params, "limit", 100)
    return next(weight for most, weight in ((100, 5), (500, 25), (1000, 50), (10**9, 250)) if limit <= most)


def _open_weight(params: Params) -> int:
    return 6 if "symbol" in params else 80


def _trades_weight(params: Params) -> int:
    return 5 if "orderId" in params else 20
