"""What of a WebSocket's bytes the library has to see: whole messages, which nearly all are, are taken out before."""

from __future__ import annotations

from collections.abc import Callable

import trio
from websockets.protocol import Protocol, State

__all__ = ["Sieve"]

#: First bytes of a message in one frame: text or bytes, and nothing that an extension made of it.
_TEXT, _BYTES = 0x81, 0x82
#: In the place of a short length: the length follows in two bytes, or in eight. Above: masked, as no server may.
_IN_TWO, _IN_EIGHT = 126, 127
#: Longer frames are the library's, so that little is ever put together here.
_LARGEST = 65_535
_END_OF_HEAD = b"\r\n\r\n"
_LONGEST_HEAD = 1_048_576


class Sieve(trio.abc.Stream):
    """A client's stream, for the library to read: messages that come in one frame are handed on instead.

    All else is the library's, and what to do about it: the answer to the handshake, pings, farewells, messages that are
    in pieces, large or compressed, and whatever is against the protocol. It gets that frame by frame, each when all
    before it was taken or handled, so that the order stays what it was. Once it doesn't hold the connection for open
    any more it gets everything: nothing is taken after a farewell or an error (RFC 6455, sections 1.4 and 7.1.7).

    ``on_failure`` is told what the taker of messages raised; whatever came together with that message is dropped.
    """

    def __init__(self, inner: trio.abc.Stream, protocol: Protocol, on_failure: Callable[[Exception], None]) -> None:
        self._inner, self._protocol, self._on_failure = inner, protocol, on_failure
        self._largest = 0
        self._take: Callable[[bytes], None] = _nobody
        #: What came and is nobody's yet: part of the answer to the handshake, or frames from the first byte of one on.
        self._data = b""
        self._has_answer = False
        #: Of the frame that the library was given last, so many bytes more.
        self._owed = 0
        self._is_in_pieces = False

    def hand_on(self, take: Callable[[bytes], None], *, largest: int) -> None:
        """Give messages to somebody from the next one on, but for those above so many bytes, which the library refuses.

        Before this is called, all are the library's.
        """
        self._take, self._largest = take, min(largest, _LARGEST)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return what is the library's of what comes next; nothing at the end."""
        while True:
            if self._data and (given := self._sift()):
                await trio.lowlevel.checkpoint()
                return given
            data = bytes(await self._inner.receive_some())
            if not data:
                return self._cut(len(self._data))
            self._data = self._data + data if self._data else data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._inner.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _sift(self) -> bytes:
        """Return what of that which came is the library's next; nothing if that has to come first."""
        if not self._has_answer:
            return self._answer()
        if self._protocol.state is not State.OPEN:
            return self._cut(len(self._data))
        if self._owed:
            return self._give(self._owed)
        try:
            at, stop = self._take_out()
        except Exception as error:
            self._data = b""
            self._on_failure(error)
            return b""
        self._data = self._data[at:]
        return self._give(stop - at) if stop > at else b""

    def _take_out(self) -> tuple[int, int]:
        """Take messages; return where the first frame begins that isn't one, and ends, or where more has to come twice.

        Of everything here, this is what is done most often.
        """
        data, largest, at, end = self._data, self._largest, 0, len(self._data)
        is_taken = self._take is not _nobody and not self._is_in_pieces
        while end - at >= 2:
            first, size, start = data[at], data[at + 1], at + 2
            if size >= _IN_TWO:
                start = at + 4 if size == _IN_TWO else at + 10
                if size > _IN_EIGHT:
                    return at, end
                if end < start:
                    break
                # As most messages are: quicker than by a slice.
                size = (
                    data[at + 2] << 8 | data[at + 3] if size == _IN_TWO else int.from_bytes(data[at + 2 : start], "big")
                )
            stop = start + size
            if not is_taken or (first != _TEXT and first != _BYTES) or size > largest:
                if first & 0x08 == 0:
                    self._is_in_pieces = not first & 0x80
                return at, stop
            if stop > end:
                break
            at = stop
            self._take(data[start:stop])
        return at, at

    def _answer(self) -> bytes:
        end = self._data.find(_END_OF_HEAD)
        if end < 0 and len(self._data) < _LONGEST_HEAD:
            return b""
        # Whatever isn't an answer that switches is no stream of frames, and doesn't open the connection.
        self._has_answer = True
        return self._cut(end + len(_END_OF_HEAD) if end >= 0 else len(self._data))

    def _give(self, size: int) -> bytes:
        """Give the library a frame, as far as it came."""
        part = self._cut(size)
        self._owed = size - len(part)
        return part

    def _cut(self, size: int) -> bytes:
        part, self._data = self._data[:size], self._data[size:]
        return part


def _nobody(message: bytes) -> None:
    """Take nothing: messages are still the library's."""
