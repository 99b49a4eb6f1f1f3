"""TLS over a stream, read in one go: a venue that tells each change at once sends each in a record of its own."""

from __future__ import annotations

import ssl

import trio

__all__ = ["TlsStream", "secured"]

#: What a record holds at most (RFC 8446, section 5.1).
_RECORD = 16_384


async def secured(inner: trio.abc.Stream, context: ssl.SSLContext, name: str) -> TlsStream:
    """Return a stream on which it is sure whom one talks to.

    Failed or cancelled, ``inner`` is of no use any more, and it is the caller's to close.

    Raises:
        trio.BrokenResourceError: it isn't the host of that name, or no TLS is spoken there; the cause says why.
    """
    stream = TlsStream(inner, context, name)
    await stream.shake_hands()
    return stream


class TlsStream(trio.abc.Stream):
    """A client's side. `receive_some` returns all that came, in however many records; Trio's stream returns one.

    The end is the end whether the other side said so or not: a WebSocket has a farewell of its own.
    """

    def __init__(self, inner: trio.abc.Stream, context: ssl.SSLContext, name: str) -> None:
        self._inner = inner
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._sending = trio.Lock()
        self._is_over = False
        self._error: ssl.SSLError | None = None

    async def shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()
            except (ssl.SSLError, ssl.CertificateError) as error:
                raise trio.BrokenResourceError from error
            else:
                await self._flush()
                return

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return everything that came, however much; nothing at the end.

        Raises:
            trio.BrokenResourceError: what came is not what the other side sent.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        while True:
            data = self._drain()
            # Reading leads to answers of its own, such as to new keys; at the end nobody hears them.
            if self._outgoing.pending and not self._is_over:
                await self._flush()
            if data:
                return data
            if self._error is not None:
                raise trio.BrokenResourceError from self._error
            if self._is_over:
                return b""
            await self._fill()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of it; cancelled, it may have been sent in part, and the stream is of no use any more."""
        if data:
            self._tls.write(data)
        await self._flush()

    async def wait_send_all_might_not_block(self) -> None:
        await self._inner.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _drain(self) -> bytes:
        read, found = self._tls.read, list[bytes]()
        try:
            while not self._is_over:
                found.append(read(_RECORD))
                self._is_over = not found[-1]
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLEOFError:
            self._is_over = True
        except ssl.SSLError as error:
            self._is_over, self._error = True, error
        return b"".join(found)

    async def _fill(self) -> None:
        data = await self._inner.receive_some()
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _flush(self) -> None:
        """Send what waits to be sent, in the order in which it was encrypted; a checkpoint."""
        async with self._sending:
            if self._outgoing.pending:
                await self._inner.send_all(self._outgoing.read())
