"""The library's connection, made to hand messages on where they are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import Event
from websockets.trio.client import ClientConnection, connect

from trioarb.venue.sieve import Sieve
from trioarb.venue.tls_stream import secured

__all__ = ["PIECES_AT_MOST", "Connect", "Pump"]

#: A message in more pieces is refused: pieces may be empty, so that its size alone bounds nothing.
PIECES_AT_MOST = 4_096


class Pump(ClientConnection):
    """Hands messages on where they are read, without a queue and a change of tasks for each of them.

    Those that come in one frame don't even come to the library: see `Sieve`.
    """

    def __init__(
        self, nursery: trio.Nursery, stream: trio.abc.Stream, protocol: ClientProtocol, **options: Any
    ) -> None:
        self._sieve = Sieve(stream, protocol, self._fail)
        super().__init__(nursery, self._sieve, protocol, **options)
        self._largest = 0
        self._take: Callable[[bytes], None] | None = None
        self.on_failure: Callable[[Exception], None] = lambda error: None
        self.on_sign_of_life: Callable[[], None] = lambda: None
        self.on_farewell: Callable[[], None] = lambda: None
        self.on_pieces: Callable[[], None] = lambda: None
        self._early: list[bytes] = []
        self._pieces: list[bytes] = []

    def begin(self, take: Callable[[bytes], None], *, largest: int) -> None:
        """Hand on what came with the handshake, and what comes from now on, of no more than ``largest`` bytes each.

        What ``take`` raises is told to `on_failure`.
        """
        self._largest = largest
        self.go_on(take)
        for message in self._early:
            self._hand_on(message)
        self._early.clear()

    def go_on(self, take: Callable[[bytes], None]) -> None:
        """Hand on to somebody else from the next message on."""
        self._take = take
        self._sieve.hand_on(take, largest=self._largest)

    def process_event(self, event: Event) -> None:
        if self.response is None or not isinstance(event, Frame) or event.opcode > Opcode.BINARY:
            super().process_event(event)
            self.on_sign_of_life()
            if isinstance(event, Frame) and event.opcode is Opcode.CLOSE:
                self.on_farewell()
            return
        message = bytes(event.data)
        if not event.fin or self._pieces:
            self._pieces.append(message)
            if len(self._pieces) > PIECES_AT_MOST:
                self._pieces.clear()
                self.on_pieces()
            if not event.fin:
                return
            message = b"".join(self._pieces)
            self._pieces.clear()
        self._hand_on(message)

    def _hand_on(self, message: bytes) -> None:
        # The library logs what is raised where it reads, and goes on.
        try:
            if self._take is None:
                self._early.append(message)
            else:
                self._take(message)
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.on_failure(error)


class Connect(connect):
    """Goes where it is told only: another host would be told what was signed for this one."""

    async def enable_tls(self, stream: trio.abc.Stream) -> trio.abc.Stream:
        assert self.ssl is not None  # an `Endpoint` sees to it
        return await secured(stream, self.ssl, self.ws_uri.host)

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc
