"""Binance behind one port: REST, market streams and the WebSocket API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar
from urllib.parse import parse_qsl

import trio

from trioarb_sim.binance.api import WEIGHT, Api, Caller, LostAnswer
from trioarb_sim.binance.errors import ApiError
from trioarb_sim.binance.socket_api import SocketApi
from trioarb_sim.binance.streams import MarketStreams
from trioarb_sim.connects import Connects, cut
from trioarb_sim.faults import Fault, Faults
from trioarb_sim.limits import Limit
from trioarb_sim.server import HttpRequest, HttpResponse, Socket
from trioarb_sim.venue import Venue

__all__ = ["HOSTS", "BinanceApp"]

#: Under which names clients know it.
HOSTS = (
    "api.binance.com",
    "stream.binance.com",
    "ws-api.binance.com",
    "data-api.binance.vision",
    "data-stream.binance.vision",
)
_CONNECTS = Limit(most=300, seconds=300)
_LOOK_SECONDS = 0.05
_SHUTDOWN_SECONDS = 1.0


class BinanceApp:
    """``now_ms`` is the clock of whoever runs it; the venue's own is an hour ahead where that fault is on."""

    #: What answers requests, and what tells of markets.
    api_kind: ClassVar[type[Api]] = Api
    streams_kind: ClassVar[type[MarketStreams]] = MarketStreams

    def __init__(self, venue: Venue, faults: Faults, *, now_ms: Callable[[], int], weight: Limit = WEIGHT) -> None:
        self._venue, self._faults, self._now_ms = venue, faults, now_ms
        self.api = self.api_kind(venue, faults, now_ms=now_ms, weight=weight)
        self._streams: dict[Socket, MarketStreams] = {}
        self._apis: dict[Socket, SocketApi] = {}
        self.connects = Connects(_CONNECTS, lambda: faults.share)

    @property
    def violations(self) -> dict[str, int]:
        return self.api.violations

    @property
    def open_sockets(self) -> int:
        return len(self._streams) + len(self._apis)

    async def answer(self, request: HttpRequest) -> HttpResponse | None:
        """Answer a REST request."""
        if self._faults.happens(Fault.SLOW):
            await trio.sleep(1)
        body = request.body.decode("utf-8", "replace")
        given = f"{request.query}{body}"
        params = dict(parse_qsl(f"{request.query}&{body}", keep_blank_values=True))
        payload, _, signature = given.rpartition("&signature=") if "&signature=" in given else (given, "", "")
        caller = Caller(
            address=request.peer,
            api_key=request.headers.get("x-mbx-apikey", ""),
            payload=payload,
            signature=params.get("signature", signature),
        )
        try:
            found = self.api.call(request.method, request.path, params, caller)
        except LostAnswer:
            return None
        except ApiError as error:
            headers = self.api.headers(caller)
            if error.after_seconds is not None:
                headers["retry-after"] = str(max(1, round(error.after_seconds)))
            return HttpResponse.json({"code": error.code, "msg": error.message}, status=error.status, headers=headers)
        if self._faults.happens(Fault.UNKNOWN) and isinstance(found, dict):
            found |= {"zz": "a field that nobody knows"}
        response = HttpResponse.json(found, headers=self.api.headers(caller))
        if self._faults.happens(Fault.MALFORMED):
            return HttpResponse(body=response.body[: len(response.body) // 2], headers=response.headers)
        return response

    def accept(self, request: HttpRequest) -> Callable[[Socket], Awaitable[None]] | HttpResponse:
        """Say who talks to a WebSocket."""
        if self.connects.are_too_many(request.peer):
            self._violate("connects")
            return HttpResponse(status=429)
        return self.find_socket(request.path, request.query, request.peer) or HttpResponse.json(
            {"code": 0, "msg": "not found"}, status=404
        )

    def find_socket(self, path: str, query: str, peer: str) -> Callable[[Socket], Awaitable[None]] | None:
        """Return who talks to a WebSocket at a path; ``None``: nobody."""
        if path.startswith("/ws-api/v3"):
            return self._talk_api(peer)
        return self.find_streams(path, query)

    def find_streams(self, path: str, query: str) -> Callable[[Socket], Awaitable[None]] | None:
        """Return who tells of markets at a path; ``None``: nobody."""
        if path == "/stream":
            names = dict(parse_qsl(query)).get("streams", "")
            return self._talk_streams([name for name in names.split("/") if name], is_combined=True)
        if path == "/ws" or path.startswith("/ws/"):
            names = path.removeprefix("/ws").strip("/")
            return self._talk_streams([name for name in names.split("/") if name], is_combined=False)
        return None

    async def run(self) -> None:
        """Bring about what is asked for from outside: cuts and shutdowns. Until cancelled."""
        while True:
            await trio.sleep(_LOOK_SECONDS)
            if self._faults.happens(Fault.CUT):
                await cut([*self._streams, *self._apis])
            if self._faults.happens(Fault.CUT_PRIVATE):
                await cut([socket for socket, api in self._apis.items() if api.hears_account])
            if self._faults.happens(Fault.SHUTDOWN):
                announced = dict(self._streams)
                for streams in announced.values():
                    streams.announce_shutdown()
                await trio.sleep(_SHUTDOWN_SECONDS)
                await cut(announced)

    def _talk_streams(self, names: list[str], *, is_combined: bool) -> Callable[[Socket], Awaitable[None]]:
        async def talk(socket: Socket) -> None:
            streams = self.streams_kind(
                self._venue,
                self._faults,
                socket,
                now_ms=self._now_ms,
                is_combined=is_combined,
                violate=self._violate,
            )
            streams.subscribe(names)
            self._streams[socket] = streams
            try:
                await streams.run()
            finally:
                del self._streams[socket]

        return talk

    def _talk_api(self, address: str) -> Callable[[Socket], Awaitable[None]]:
        async def talk(socket: Socket) -> None:
            api = SocketApi(self._venue, self.api, self._faults, socket, now_ms=self._now_ms, address=address)
            self._apis[socket] = api
            try:
                await api.run()
            finally:
                del self._apis[socket]

        return talk

    def _violate(self, what: str) -> None:
        self.api.violations[what] = self.api.violations.get(what, 0) + 1
