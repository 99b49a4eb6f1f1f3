"""A connection that is kept open for orders: one request at a time, and never one of them twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from trioarb.venue.backoff import Backoff
from trioarb.venue.dial import dial
from trioarb.venue.failure import RequestFailed, failed
from trioarb.venue.host import Host
from trioarb.venue.request import Request, Response

if TYPE_CHECKING:
    import h11

__all__ = ["Line"]

_CHUNK = 65_536
_MAX_HEAD_BYTES = 65_536
#: A connection that ends sooner, without having served, is not opened anew at once.
_SHORT_SECONDS = 5.0


class _Answer:
    """What one request waits for."""

    def __init__(self) -> None:
        self.is_there = trio.Event()
        self.response: Response | None = None
        self.failure: BaseException | str = "the connection was closed before the answer was whole"


class _Connection:
    """One open connection: bytes in and out by HTTP/1.1, which `h11` speaks."""

    def __init__(self, stream: trio.abc.Stream, max_body_bytes: int) -> None:
        import h11

        self._h11 = h11
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD_BYTES)
        self._stream = stream
        self._max_body_bytes = max_body_bytes
        self._scope = trio.CancelScope()
        self._answer: _Answer | None = None
        self._head: h11.Response | None = None
        self._body = bytearray()
        self.has_served = False
        self.is_over = False

    async def serve(self) -> None:
        """Read answers until it is closed, cut or unreadable; whoever still waits for one then learns of it."""
        try:
            with self._scope:
                await self._read()
        except trio.BrokenResourceError as error:
            self._fail(error)
        except self._h11.RemoteProtocolError as error:
            self._fail(f"the answer is no HTTP: {error}")
        finally:
            self.is_over = True
            if self._answer is not None:
                self._answer.is_there.set()
            await trio.aclose_forcefully(self._stream)

    def bytes_of(self, host: Host, request: Request) -> bytes:
        """Return a request as it goes over the wire.

        Raises:
            h11.LocalProtocolError, UnicodeError: it can't. The connection is of no use any more.
        """
        http, h11 = self._http, self._h11
        head = h11.Request(
            method=request.method, target=request.target, headers=host.headers(request, encoding="identity")
        )
        parts = [http.send(head)]
        if request.body:
            parts.append(http.send(h11.Data(data=request.body)))
        parts.append(http.send(h11.EndOfMessage()))
        return b"".join(part for part in parts if part)

    async def exchange(self, sent: bytes) -> Response | BaseException | str:
        """Send a request, and return the answer, or why there is none. Cancelled, it cuts the connection."""
        self._answer = answer = _Answer()
        try:
            await self._stream.send_all(sent)
            await answer.is_there.wait()
        except trio.BrokenResourceError as error:
            self.cut()
            return error
        except BaseException:
            self.cut()
            raise
        return answer.response or answer.failure

    def cut(self) -> None:
        """End it: an answer that comes late must not be taken for the next one's."""
        self.is_over = True
        self._scope.cancel()

    async def _read(self) -> None:
        while True:
            data = bytes(await self._stream.receive_some(_CHUNK))
            if not data and self._head is None:
                return  # closed, where no answer has begun
            self._http.receive_data(data)
            while (event := self._http.next_event()) is not self._h11.NEED_DATA and event is not self._h11.PAUSED:
                if not self._take(event):
                    return

    def _take(self, event: object) -> bool:
        """Take the next part of an answer, and say whether more can follow on this connection."""
        h11 = self._h11
        match event:
            case h11.Response():
                self._head, self._body = event, bytearray()
            case h11.Data():
                self._body += event.data
                if len(self._body) > self._max_body_bytes:
                    self._fail(f"the answer is longer than {self._max_body_bytes:,} bytes")
                    return False
            case h11.EndOfMessage():
                self._deliver()
                if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                    return False
                self._http.start_next_cycle()
            case h11.ConnectionClosed():
                return False
        return True

    def _deliver(self) -> None:
        head, answer = self._head, self._answer
        self._head, self._answer = None, None
        if head is None or answer is None:
            return
        headers = dict[str, str]()
        for name, value in head.headers:
            text = value.decode("latin-1")
            key = name.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        answer.response = Response(status=head.status_code, headers=headers, body=bytes(self._body))
        answer.is_there.set()
        self.has_served = True

    def _fail(self, why: BaseException | str) -> None:
        if self._answer is not None:
            self._answer.failure = why


class Line:
    """A connection to a host, opened anew whenever it ends, as long as `run` runs. Belongs to one Trio thread."""

    def __init__(self, venue: str, host: Host) -> None:
        self._venue = venue
        self._host = host
        self._connection: _Connection | None = None
        self._failure: BaseException | None = None
        self._news = trio.Event()
        self._wanted = trio.Event()
        self._backoff = Backoff(longest_seconds=5.0)
        self._failures = 0

    @property
    def is_open(self) -> bool:
        return self._usable() is not None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep it open until cancelled. ``started()`` is said at once: the first connection may fail."""
        task_status.started()
        while True:
            self._wanted = trio.Event()
            try:
                with trio.fail_after(self._host.connect_seconds):
                    stream = await dial(self._host)
            except (OSError, trio.BrokenResourceError, trio.TooSlowError) as error:
                self._tell(None, error)
                await self._pause()
                continue
            connection = _Connection(stream, self._host.max_body_bytes)
            opened_at = trio.current_time()
            self._tell(connection, None)
            try:
                await connection.serve()
            finally:
                self._connection = None
            if not connection.has_served and trio.current_time() < opened_at + _SHORT_SECONDS:
                await self._pause()
            else:
                self._failures = 0

    async def request(self, request: Request) -> Response:
        """Send a request once, and return the answer, whatever its status. Nobody else may send until it is there.

        Cancelled once some of it may have left, it is unknown whether the venue got it.

        Raises:
            RequestFailed: no answer came that can be read; `was_sent` says whether some of the request may have left.
        """
        import h11

        connection = self._usable() or await self._connected(request)
        try:
            sent = connection.bytes_of(self._host, request)
        except (h11.LocalProtocolError, UnicodeError) as error:
            connection.cut()
            raise self._failed(request, f"it can't be sent: {error}", was_sent=False) from None
        with trio.move_on_after(self._host.answer_seconds):
            got = await connection.exchange(sent)
            if isinstance(got, Response):
                return got
            connection.cut()
            raise self._failed(request, got, was_sent=True)
        what = f"no answer from {self._host.authority} within {self._host.answer_seconds:g} s"
        raise self._failed(request, what, was_sent=True)

    async def _connected(self, request: Request) -> _Connection:
        # What failed before says nothing of now.
        self._failure = None
        self._wanted.set()
        with trio.move_on_after(self._host.connect_seconds):
            while (connection := self._usable()) is None and self._failure is None:
                await self._news.wait()
        if connection is not None:
            return connection
        why: BaseException | str = f"no connection to {self._host.authority} within {self._host.connect_seconds:g} s"
        if self._failure is not None and not isinstance(self._failure, trio.TooSlowError):
            why = self._failure
        raise self._failed(request, why, was_sent=False)

    def _usable(self) -> _Connection | None:
        return None if self._connection is None or self._connection.is_over else self._connection

    def _failed(self, request: Request, why: BaseException | str, *, was_sent: bool) -> RequestFailed:
        return failed(self._venue, self._host, request, why, was_sent=was_sent)

    def _tell(self, connection: _Connection | None, failure: BaseException | None) -> None:
        self._connection, self._failure = connection, failure
        self._news.set()
        self._news = trio.Event()

    async def _pause(self) -> None:
        """Wait before the next try, unless somebody wants to send."""
        self._failures += 1
        with trio.move_on_after(self._backoff.wait_seconds(self._failures)):
            await self._wanted.wait()
