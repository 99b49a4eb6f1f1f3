"""One WebSocket connection of a session, from its handshake to its end."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from http import HTTPStatus
from math import inf
from typing import cast

import trio
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidProxy, InvalidStatus, InvalidURI
from websockets.frames import Close

from trioarb.errors import MissingPackage, VenueError, clean, cut, describe
from trioarb.venue.endpoint import Endpoint
from trioarb.venue.failure import NotSent
from trioarb.venue.heartbeat import Heartbeat
from trioarb.venue.pace import Pace
from trioarb.venue.pump import PIECES_AT_MOST, Connect, Pump
from trioarb.venue.refusal import retry_after
from trioarb.venue.request import Response

__all__ = ["Connection"]

_POLICY_VIOLATION = 1008
_SHOWN_CHARACTERS = 200
#: Answers to a handshake that may be another a moment later.
_PASSING = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS, 418}


class Connection:
    """One connection: opened, subscribed, and read until it ends. It is run once.

    ``take`` is called with each message, text as its UTF-8, in the task that reads; what it raises ends the connection,
    and `run` raises it. ``on_opened`` is called before the first.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        heartbeat: Heartbeat,
        pace: Pace,
        *,
        take: Callable[[bytes], None],
        on_opened: Callable[[], None],
        on_sign_of_life: Callable[[], None],
    ) -> None:
        self._endpoint, self._heartbeat, self._pace = endpoint, heartbeat, pace
        self._take, self._on_opened, self._on_sign_of_life = take, on_opened, on_sign_of_life
        self._socket: Pump | None = None
        self._failure: Exception | None = None
        self._scope = trio.CancelScope()
        self._left = trio.Event()
        self._leave_at = inf
        #: When the handshake was done, by Trio's clock; `None`: it wasn't.
        self.opened_at: float | None = None
        self.ended: trio.Event = trio.Event()
        #: Why it ended.
        self.why: str = ""
        #: Whether another try would end the same way, as far as can be known.
        self.is_hopeless: bool = False
        #: Whether the venue ended it since a rule was broken (code 1008), as of how often something is sent.
        self.broke_a_rule: bool = False
        #: How long the venue wants to be left alone.
        self.retry_after_seconds: float = 0.0

    async def run(
        self,
        subscriptions: Iterable[str | bytes],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Open it, send ``subscriptions`` at its pace and say ``started()``, and read until it ends; ``why`` says why.

        It also says so when it ends before. Cancelled: it is cut, without a farewell.

        Raises:
            MissingPackage: a proxy needs a package that isn't installed.
            Exception: what ``take`` raised.
        """
        is_told = False

        def tell() -> None:
            nonlocal is_told
            if not is_told:
                is_told = True
                task_status.started()

        try:
            with self._scope:
                async with AsyncExitStack() as stack:
                    socket = await self._open(stack)
                    if socket is not None:
                        await self._live(socket, subscriptions, tell)
        finally:
            if self._socket is not None:
                protocol = self._socket.protocol
                self.why = self.why or self._closed(protocol)
                self.broke_a_rule = protocol.close_rcvd is not None and protocol.close_rcvd.code == _POLICY_VIOLATION
            self._socket = None
            self.ended.set()
        if self._failure is not None:
            raise self._failure
        tell()

    async def send(self, message: str | bytes, *, patience: float = inf) -> None:
        """Send a message at the connection's pace; text as text, bytes as a binary frame. Whether it arrives is open.

        Raises:
            NotSent: the connection had ended, or its pace would have had it wait for longer than ``patience`` seconds.
            VenueError: the connection ended while it was sent. Whether the venue has got the message is unknown.
        """
        host = self._endpoint.host
        with trio.move_on_after(patience) as waiting:
            await self._pace.wait()
        if waiting.cancelled_caught:
            raise NotSent(f"{host}: no message could be sent within {patience:g} s, as its limit of messages was used")
        if self._socket is None:
            raise NotSent(f"{host}: no message can be sent, {self.why or 'it is not connected'}")
        try:
            await self._socket.send(message)
        except ConnectionClosed:
            raise VenueError(f"{host}: the connection ended while a message was sent") from None

    def leave(self, why: str, *, after_seconds: float) -> None:
        """Read on for a while, then say farewell, and have it answered, in no more than ``close_seconds``."""
        self.why = self.why or why
        self._leave_at = trio.current_time() + after_seconds
        self._left.set()

    def cut(self, why: str) -> None:
        """End it at once, and read no more."""
        self.why = self.why or why
        self._take = _pass_over
        if self._socket is not None:
            self._socket.go_on(_pass_over)
        self._scope.cancel()

    async def _open(self, stack: AsyncExitStack) -> Pump | None:
        endpoint = self._endpoint
        headers = endpoint.headers()
        try:
            socket = await stack.enter_async_context(
                Connect(
                    endpoint.url,
                    ssl=endpoint.tls,
                    proxy=endpoint.proxy,
                    compression="deflate" if endpoint.is_compressed else None,
                    additional_headers=headers,
                    open_timeout=endpoint.open_seconds,
                    close_timeout=endpoint.close_seconds,
                    ping_interval=self._heartbeat.ping_seconds,
                    ping_timeout=self._heartbeat.ping_seconds,
                    max_size=endpoint.max_message_bytes,
                    create_connection=Pump,
                )
            )
        except InvalidStatus as error:
            self._refused(error)
        except (OSError, InvalidHandshake, trio.BrokenResourceError) as error:
            self._unreachable(error)
        except (InvalidURI, InvalidProxy) as error:
            # Its text holds the whole address.
            what = "address" if isinstance(error, InvalidURI) else "proxy"
            self.is_hopeless, self.why = True, f"the {what} of {endpoint.host} can't be used: {error.msg}"
        except ImportError as error:
            raise MissingPackage(f"the proxy of {endpoint.host} can't be used: {error}") from None
        else:
            return cast("Pump", socket)
        return None

    async def _live(self, socket: Pump, subscriptions: Iterable[str | bytes], tell: Callable[[], None]) -> None:
        self._socket, self.opened_at = socket, trio.current_time()
        socket.on_sign_of_life, socket.on_failure = self._on_sign_of_life, self._fail
        # Whoever says farewell and then keeps the line open is not waited for longer.
        socket.on_farewell = self._expect_the_end
        socket.on_pieces = lambda: self.cut(
            f"{self._endpoint.host} sent a message in more than {PIECES_AT_MOST} pieces"
        )
        self._on_opened()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._subscribe, subscriptions, tell)
            nursery.start_soon(self._leave, socket)
            if self._heartbeat.message is not None:
                nursery.start_soon(self._beat, self._heartbeat.message)
            socket.begin(self._take, largest=self._endpoint.max_message_bytes)
            try:
                # No message ever comes this way: this waits for the end, and learns of it.
                await socket.recv(decode=False)
            except ConnectionClosed:
                nursery.cancel_scope.cancel()
        self._expect_the_end()

    def _fail(self, error: Exception) -> None:
        # It is raised where the end is waited for.
        self._failure = self._failure or error
        self.cut("a message could not be taken")

    async def _subscribe(self, subscriptions: Iterable[str | bytes], tell: Callable[[], None]) -> None:
        try:
            for message in subscriptions:
                await self.send(message)
        except VenueError:
            return  # the end of the connection, which says more
        tell()

    async def _beat(self, message: str | bytes) -> None:
        try:
            while True:
                await trio.sleep(self._heartbeat.message_seconds)
                await self.send(message)
        except VenueError:
            return

    async def _leave(self, socket: Pump) -> None:
        await self._left.wait()
        await trio.sleep_until(self._leave_at)
        self._expect_the_end()
        await socket.aclose()

    def _expect_the_end(self) -> None:
        self._scope.deadline = min(self._scope.deadline, trio.current_time() + self._endpoint.close_seconds)

    def _closed(self, protocol: ClientProtocol) -> str:
        host = self._endpoint.host
        if protocol.close_rcvd is not None and protocol.close_rcvd_then_sent is not False:
            return f"{host} closed the connection: {_said(protocol.close_rcvd)}"
        if protocol.close_sent is not None:
            return f"the connection to {host} was given up: {_said(protocol.close_sent)}"
        return f"the connection to {host} was cut"

    def _refused(self, error: InvalidStatus) -> None:
        answer = error.response
        status = answer.status_code
        self.is_hopeless = 300 <= status < 500 and status not in _PASSING
        headers = {name.lower(): value for name, value in answer.headers.raw_items()}
        self.retry_after_seconds = retry_after(Response(status=status, headers=headers)) or 0.0
        body = cut(clean((answer.body or b"").decode("utf-8", "replace")), _SHOWN_CHARACTERS)
        self.why = f"{self._endpoint.host} answered the handshake with {status}{': ' if body else ''}{body}"

    def _unreachable(self, error: Exception) -> None:
        cause = error if isinstance(error, InvalidHandshake | TimeoutError) else error.__cause__ or error
        self.why = f"{self._endpoint.host} can't be reached: {describe(cause)}"
        if isinstance(cause, ssl.SSLCertVerificationError):
            self.is_hopeless = True
            self.why = (
                f"{self._endpoint.host} is not who it says it is: {cause.verify_message}; "
                "if its authority is to be trusted, name a file with that one's certificate as ca_file"
            )


def _said(farewell: Close) -> str:
    return cut(clean(str(farewell)), _SHOWN_CHARACTERS)


def _pass_over(message: bytes) -> None:
    """Take nothing: what it belonged to has been told to be over."""
