"""A session of the WebSocket API: requests with their answers, and the account's events, over one connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import structlog
import trio

from trioarb.api import OrderRejected, VenueError
from trioarb.venue import (
    Backoff,
    Calls,
    Costs,
    Endpoint,
    Heartbeat,
    Key,
    Limits,
    Pace,
    Permit,
    Priority,
    Response,
    VenueClock,
    WebSocketSession,
    WireError,
)
from trioarb_binance.budget import told_of
from trioarb_binance.wire import frames
from trioarb_binance.wire.account_message import (
    AccountEvent,
    Answer,
    Event,
    EventStreamTerminated,
    ShutdownEvent,
    UnknownEvent,
    decode_api,
)
from trioarb_binance.wire.failure import Failure, Meaning, failure_of_answer
from trioarb_binance.wire.frames import Frame, Moment
from trioarb_binance.wire.limits import used_in_answer
from trioarb_binance.wire.request import WEIGHT
from trioarb_binance.wire.signer import Signer, Stamp

__all__ = ["ApiSession"]

#: Binance itself gives up after ten.
_ANSWER_SECONDS = 12.0
#: The network may take so long to take a frame.
_SEND_SECONDS = 1.0
_LIFETIME_SECONDS = 23 * 3_600.0
_CONNECTS = (200, 300.0)
#: After so long another connection is tried where one is open, but not subscribed to the account.
_RETRY_SECONDS = 5.0

log = structlog.get_logger(__name__)


class ApiSession:
    """Sends frames and gives their answers; hands on what the account is told. Only where a campaign may trade.

    ``on_event`` is called with each event of the account, ``on_down`` when events may be missing from now on, and why.
    With an Ed25519 key the session logs on, and its requests aren't signed one by one.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        signer: Signer,
        clock: VenueClock,
        limits: Limits,
        *,
        recv_window_ms: int,
        on_event: Callable[[AccountEvent], None],
        on_down: Callable[[str], None],
        now_ns: Callable[[], int],
        backoff: Backoff | None = None,
    ) -> None:
        self._signer, self._clock, self._limits = signer, clock, limits
        self._window_ms = recv_window_ms
        self._on_event, self._on_down = on_event, on_down
        self._numbers = count(1)
        #: Of the first frames of a connection, those that aren't answered yet; whether it is the subscription.
        self._greetings: dict[int, bool] = {}
        self._is_up = False
        #: Set once it is subscribed for the first time, or the key was refused.
        self._began = trio.Event()
        self._refused: Failure | None = None
        self._retry = trio.Event()
        self._retry_seconds = 0.0
        #: Messages that could not be read, and events of kinds that aren't known.
        self.refused = 0
        self.unknown = 0
        self._session = WebSocketSession(
            endpoint=endpoint,
            subscribe=lambda _: self._greet(),
            on_message=self._take,
            on_connected=self._connected,
            on_disconnected=self._disconnected,
            now_ns=now_ns,
            heartbeat=Heartbeat(ping_seconds=None),
            lifetime_seconds=_LIFETIME_SECONDS,
            backoff=backoff or Backoff(),
            connects=Pace(_CONNECTS),
            can_trade=True,
        )
        self._calls = Calls[Answer](self._session.send, answer_seconds=_ANSWER_SECONDS)

    @property
    def is_up(self) -> bool:
        """Whether the account's events come, and orders can be sent."""
        return self._is_up

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Stay connected until cancelled; say ``started()`` when subscribed to the account for the first time.

        Raises:
            VenueError: Binance refused the key before that.
            ExceptionGroup: of a `VenueError`: the address refused the first connection for good.
        """
        refusal: Failure | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._session.run)
            nursery.start_soon(self._try_again)
            await self._began.wait()
            if self.is_up:
                task_status.started()
            else:
                refusal = self._refused
                nursery.cancel_scope.cancel()
        if refusal is not None:
            raise refusal.of_request()

    async def ask(
        self,
        make: Callable[[int, Stamp | Moment], Frame],
        costs: Costs,
        priority: Priority,
        *,
        patience: float = 0.0,
        on_permit: Callable[[Permit], None] = lambda permit: None,
    ) -> Answer:
        """Send a frame within the limits, and return the answer to it, an error perhaps.

        It is made, and signed, when it is sent. ``on_permit`` is called with what it takes of the limits, before it is
        sent, for `give_back`. Cancelled: it may have been sent.

        Raises:
            OrderRejected: it was not sent.
            VenueError: it may have been sent, and there is no answer.
        """
        if not self.is_up:
            raise OrderRejected("Binance: not sent, as the WebSocket API is not connected now")
        try:
            permit = await self._limits.acquire(costs, priority, patience=patience)
            number = next(self._numbers)
            frame = make(number, self._stamp())
        except VenueError as error:
            raise OrderRejected(str(error)) from error
        on_permit(permit)
        with permit:
            try:
                answer = await self._calls.call(number, frame.text, patience=_SEND_SECONDS)
            except OrderRejected:
                raise
            except VenueError as error:
                raise VenueError(f"Binance: {frame.method}: {error}") from error
            self._hear(permit, answer)
        return answer

    def give_back(self, permit: Permit, bucket: str) -> None:
        """Take note that Binance counts a request in a bucket no more."""
        self._limits.give_back(permit, bucket)

    def _hear(self, permit: Permit, answer: Answer) -> None:
        self._limits.note(permit, *told_of(used_in_answer(answer.rate_limits)))
        if answer.status in (418, 429):
            failure = failure_of_answer(answer)
            wait_ms = 0 if failure.retry_after_ms is None else max(0, failure.retry_after_ms - self._clock.now_ms())
            headers = {"retry-after": str(-(-wait_ms // 1000))} if wait_ms else {}
            self._limits.hear(permit, Response(status=answer.status, headers=headers))

    def _stamp(self) -> Stamp | Moment:
        if self._signer.logs_on:
            return Moment(now_ms=self._clock.now_ms(), recv_window_ms=self._window_ms)
        return self._signed()

    def _signed(self) -> Stamp:
        return Stamp(signer=self._signer, now_ms=self._clock.now_ms(), recv_window_ms=self._window_ms)

    # What the session tells

    def _greet(self) -> Iterator[str]:
        """Make the first frames of a connection, signed as they are sent; none while Binance bans, or its time isn't
        known.
        """
        if (banned_seconds := self._limits.closed_seconds(WEIGHT)) > 0:
            self._renew(banned_seconds)
            return
        try:
            stamp = self._signed()
        except VenueError as error:
            log.warning("a session of Binance's can't be signed", why=str(error))
            self._renew(_RETRY_SECONDS)
            return
        if self._signer.logs_on:
            number = next(self._numbers)
            self._greetings[number] = False
            yield frames.log_on(number, stamp).text
        number = next(self._numbers)
        self._greetings[number] = True
        subscribing = (
            frames.subscribe_account(number) if self._signer.logs_on else frames.subscribe_account_signed(number, stamp)
        )
        yield subscribing.text

    def _connected(self) -> None:
        self._refused = None

    def _disconnected(self, why: str) -> None:
        self._down(why)
        self._calls.lose(f"the connection was cut: {why}")
        self._greetings.clear()

    def _down(self, why: str) -> None:
        if self.is_up:
            self._is_up = False
            self._on_down(why)

    def _take(self, message: bytes, received_ns: int) -> Key | None:
        try:
            told = decode_api(message)
        except WireError as error:
            self.refused += 1
            log.warning("a message of Binance's WebSocket API was refused", why=str(error), refused=self.refused)
            # It may have been about an order: what is missing is asked for where a stream was cut.
            self._down("a message of it can't be read")
            self._renew()
            return None
        if isinstance(told, Answer):
            self._answered(told)
        elif isinstance(told, UnknownEvent):
            self.unknown += 1
        else:
            self._happened(told)
        return None

    def _answered(self, answer: Answer) -> None:
        if not isinstance(answer.id, int):
            return
        if answer.id in self._greetings:
            subscribes = self._greetings.pop(answer.id)
            if answer.status != 200:
                self._refused = failure_of_answer(answer)
                log.warning("Binance refused a session", why=str(self._refused))
                if self._refused.meaning is Meaning.CLOCK:
                    self._clock.doubt()
                if self._refused.meaning is Meaning.KEY:
                    self._began.set()
                self._renew(_RETRY_SECONDS)
            elif subscribes:
                self._is_up = True
                self._began.set()
            return
        self._calls.answer(answer.id, answer)

    def _happened(self, told: Event) -> None:
        if isinstance(told.event, ShutdownEvent):
            self._session.renew()
        elif isinstance(told.event, EventStreamTerminated):
            self._down("Binance ended the account's events")
            self._renew()
        else:
            self._on_event(told.event)

    def _renew(self, after_seconds: float = 0.0) -> None:
        self._retry_seconds = after_seconds
        self._retry.set()

    async def _try_again(self) -> None:
        """Open another connection where one is open, but the account's events don't come."""
        while True:
            await self._retry.wait()
            self._retry = trio.Event()
            await trio.sleep(self._retry_seconds)
            if not self.is_up:
                self._session.renew()
