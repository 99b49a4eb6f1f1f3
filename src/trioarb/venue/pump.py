"""The library's connection, made to hand messages on where they are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from websockets.frames import Frame, Opcode
from websockets.protocol import Event
from websockets.trio.client import ClientConnection, connect

__all__ = ["PIECES_AT_MOST", "Connect", "Pump"]

#: A message in more pieces is refused: pieces may be empty, so that its size alone bounds nothing.
PIECES_AT_MOST = 4_096


class Pump(ClientConnection):
    """Hands messages on where they are read, without a queue and a change of tasks for each of them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.take: Callable[[bytes], None] | None = None
        self.on_sign_of_life: Callable[[], None] = lambda: None
        self.on_farewell: Callable[[], None] = lambda: None
        self.on_pieces: Callable[[], None] = lambda: None
        self._early: list[bytes] = []
        self._pieces: list[bytes] = []

    def begin(self, take: Callable[[bytes], None]) -> None:
        """Hand on what came with the handshake, and what comes from now on."""
        self.take = take
        for message in self._early:
            take(message)
        self._early.clear()

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
        if self.take is None:
            self._early.append(message)
        else:
            self.take(message)


class Connect(connect):
    """Goes where it is told only: another host would be told what was signed for this one."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc
