"""Upbit, or Bithumb, behind one port: REST, public and private WebSockets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from email.utils import formatdate

import attrs
import trio

from trioarb_sim.connects import Connects, cut
from trioarb_sim.faults import Fault, Faults
from trioarb_sim.server import HttpRequest, HttpResponse, Socket
from trioarb_sim.upbit.api import Api, ApiError
from trioarb_sim.upbit.dialect import Dialect
from trioarb_sim.upbit.streams import Streams
from trioarb_sim.venue import Venue

__all__ = ["UpbitApp"]

_LOOK_SECONDS = 0.05


class UpbitApp:
    """``dialect`` says which of the two it is."""

    def __init__(self, venue: Venue, faults: Faults, dialect: Dialect, *, now_ms: Callable[[], int]) -> None:
        self._venue, self._faults, self._dialect, self._now_ms = venue, faults, dialect, now_ms
        self.api = Api(venue, faults, dialect, now_ms=now_ms)
        self._streams: dict[Socket, Streams] = {}
        self.connects = Connects(dialect.connects, lambda: faults.share)

    @property
    def violations(self) -> dict[str, int]:
        return self.api.violations

    @property
    def open_sockets(self) -> int:
        return len(self._streams)

    async def answer(self, request: HttpRequest) -> HttpResponse | None:
        """Answer a REST request."""
        if self._faults.happens(Fault.SLOW):
            await trio.sleep(1)
        found = self.api.answer(request)
        if found is None:
            return None
        date = formatdate(self._now_ms() / 1000, usegmt=True)
        return attrs.evolve(found, headers={"date": date, **found.headers})

    def accept(self, request: HttpRequest) -> Callable[[Socket], Awaitable[None]] | HttpResponse:
        """Say who talks to a WebSocket."""
        account = ""
        if request.path == self._dialect.private_socket:
            try:
                account = self.api.account(request.headers.get("authorization", ""), "")
            except ApiError as error:
                body = {"error": {"name": error.name, "message": error.message}}
                return HttpResponse.json(body, status=error.status)
        elif request.path != self._dialect.public_socket:
            return HttpResponse(status=404)
        if self.connects.are_too_many(request.peer):
            self.api.violate("connects")
            return HttpResponse(status=429)

        async def talk(socket: Socket) -> None:
            streams = Streams(
                self._venue,
                self._faults,
                self._dialect,
                socket,
                now_ms=self._now_ms,
                account=account,
                violate=self.api.violate,
            )
            self._streams[socket] = streams
            try:
                await streams.run()
            finally:
                del self._streams[socket]

        return talk

    async def run(self) -> None:
        """Bring about what is asked for from outside, until cancelled. Neither venue announces a shutdown."""
        while True:
            await trio.sleep(_LOOK_SECONDS)
            if self._faults.happens(Fault.CUT) or self._faults.happens(Fault.SHUTDOWN):
                await cut(self._streams)
            if self._faults.happens(Fault.CUT_PRIVATE):
                await cut([socket for socket, streams in self._streams.items() if streams.account])
