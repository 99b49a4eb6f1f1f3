"""Binance's WebSocket API: the same requests as REST, and the account's own events."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import attrs
import trio

from trioarb_sim.binance import bodies
from trioarb_sim.binance.api import Api, Caller, LostAnswer
from trioarb_sim.binance.errors import ApiError
from trioarb_sim.faults import Fault, Faults
from trioarb_sim.order import OrderState
from trioarb_sim.outbox import Outbox
from trioarb_sim.server import Socket
from trioarb_sim.venue import OrderChanged, Private, Venue

__all__ = ["SocketApi"]

_V3 = "/api/v3"
_METHODS = {
    "ping": ("GET", f"{_V3}/ping"),
    "time": ("GET", f"{_V3}/time"),
    "exchangeInfo": ("GET", f"{_V3}/exchangeInfo"),
    "depth": ("GET", f"{_V3}/depth"),
    "ticker.24hr": ("GET", f"{_V3}/ticker/24hr"),
    "ticker.book": ("GET", f"{_V3}/ticker/bookTicker"),
    "ticker.price": ("GET", f"{_V3}/ticker/price"),
    "account.status": ("GET", f"{_V3}/account"),
    "account.commission": ("GET", f"{_V3}/account/commission"),
    "order.place": ("POST", f"{_V3}/order"),
    "order.cancel": ("DELETE", f"{_V3}/order"),
    "order.status": ("GET", f"{_V3}/order"),
    "openOrders.status": ("GET", f"{_V3}/openOrders"),
    "openOrders.cancelAll": ("DELETE", f"{_V3}/openOrders"),
    "allOrders": ("GET", f"{_V3}/allOrders"),
    "myTrades": ("GET", f"{_V3}/myTrades"),
}
_SESSION = ("session.logon", "session.status", "session.logout")


@attrs.define
class _Subscription:
    number: int
    stop: Callable[[], None]


class SocketApi:
    """One connection to ``/ws-api/v3``."""

    def __init__(
        self,
        venue: Venue,
        api: Api,
        faults: Faults,
        socket: Socket,
        *,
        now_ms: Callable[[], int],
        address: str,
    ) -> None:
        self._venue, self._api, self._faults, self._socket = venue, api, faults, socket
        self._now_ms, self._address = now_ms, address
        self._outbox = Outbox(socket)
        self._logged_on = ""
        self._numbers = count(0)
        self._subscriptions: list[_Subscription] = []

    @property
    def hears_account(self) -> bool:
        return bool(self._subscriptions)

    async def run(self) -> None:
        """Answer until the peer goes away."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._outbox.run, lambda: self._faults.happens(Fault.SLOW))
                while True:
                    message = await self._socket.receive()
                    answer = self._answer(message)
                    if answer is not None:
                        self._outbox.put(json.dumps(answer, separators=(",", ":")))
        finally:
            for subscription in self._subscriptions:
                subscription.stop()

    def _answer(self, message: str | bytes) -> dict[str, object] | None:
        """Return the answer to a request; ``None``: it is lost."""
        try:
            asked = json.loads(message)
            number, method = asked.get("id"), str(asked["method"])
            given = asked.get("params", {})
            params = {name: _text(value) for name, value in given.items()}
        except (ValueError, KeyError, AttributeError):
            return {"id": None, "status": 400, "error": {"code": -1135, "msg": "Invalid JSON Request"}}
        caller = self._caller(params)
        try:
            result = self._call(method, params, caller)
        except LostAnswer:
            return None
        except ApiError as error:
            said: dict[str, object] = {"code": error.code, "msg": error.message}
            if error.after_seconds is not None:
                said["data"] = {"retryAfter": self._now_ms() + int(error.after_seconds * 1000)}
            answer: dict[str, object] = {"id": number, "status": error.status, "error": said}
        else:
            answer = {"id": number, "status": 200, "result": result}
        if params.get("returnRateLimits") != "false":
            answer["rateLimits"] = self._api.rate_limits(caller)
        return answer

    def _caller(self, params: Mapping[str, str]) -> Caller:
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "signature")
        is_trusted = bool(self._logged_on) and "apiKey" not in params
        return Caller(
            address=self._address,
            api_key=self._logged_on if is_trusted else params.get("apiKey", ""),
            payload=payload,
            signature=params.get("signature", ""),
            is_trusted=is_trusted,
        )

    def _call(self, method: str, params: Mapping[str, str], caller: Caller) -> Any:
        if method in _METHODS:
            return self._api.call(*_METHODS[method], params, caller)
        if method in _SESSION:
            return self._session(method, params, caller)
        match method:
            case "userDataStream.subscribe":
                if not self._logged_on:
                    raise ApiError(400, -1022, "Session is not authenticated: send session.logon first.")
                return {"subscriptionId": self._subscribe(self._logged_on)}
            case "userDataStream.subscribe.signature":
                self._api.call("GET", f"{_V3}/account", params, caller)
                return {"subscriptionId": self._subscribe(caller.api_key)}
            case "userDataStream.unsubscribe":
                for subscription in self._subscriptions:
                    subscription.stop()
                self._subscriptions.clear()
                return {}
            case "userDataStream.start" | "userDataStream.ping" | "userDataStream.stop":
                raise ApiError(410, -1000, f"{method} is no longer available; see userDataStream.subscribe.")
            case _:
                raise ApiError(400, -1000, f"Unknown method {method}.")

    def _session(self, method: str, params: Mapping[str, str], caller: Caller) -> dict[str, object]:
        if method == "session.logon":
            found = self._venue.key(caller.api_key)
            if found is not None and not found[0].public_key:
                raise ApiError(400, -4056, "HMAC_SHA256 API key is not supported.")
            self._api.call("GET", f"{_V3}/account", params, caller)
            self._logged_on = caller.api_key
        elif method == "session.logout":
            self._logged_on = ""
        return {
            "apiKey": self._logged_on or None,
            "authorizedSince": self._now_ms() if self._logged_on else None,
            "connectedSince": self._now_ms(),
            "returnRateLimits": True,
            "serverTime": self._now_ms(),
            "userDataStream": self.hears_account,
        }

    def _subscribe(self, api_key: str) -> int:
        """Tell an account's events from now on."""
        found = self._venue.key(api_key)
        if found is None:
            raise ApiError(401, -2015, "Invalid API-key, IP, or permissions for action.")
        number = next(self._numbers)
        stop = self._venue.listen_to(found[1], lambda told: self._hear(number, told))
        self._subscriptions.append(_Subscription(number, stop))
        return number

    def _hear(self, number: int, told: Private) -> None:
        seconds = 0.0
        if isinstance(told, OrderChanged):
            if told.state is OrderState.FILLED:
                return  # its last fill said so
            event = bodies.execution_report(told)
            seconds = float(told.execution is not None and self._faults.happens(Fault.LATE_FILL))
        else:
            event = bodies.position_event(told)
        if self._faults.happens(Fault.UNKNOWN):
            event |= {"zz": "a field that nobody knows"}
            self._put(number, {"e": "somethingNew", "E": self._now_ms()}, 0)
        for _ in range(2 if self._faults.happens(Fault.DUPLICATE) else 1):
            self._put(number, event, seconds)

    def _put(self, number: int, event: dict[str, object], after_seconds: float) -> None:
        message = json.dumps({"subscriptionId": number, "event": event}, separators=(",", ":"))
        self._outbox.put(message, after_seconds=after_seconds)


def _text(value: object) -> str:
    """Return a parameter as it is signed: JSON's numbers and truth values as they are written."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)
