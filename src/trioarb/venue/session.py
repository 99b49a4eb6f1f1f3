"""A WebSocket session: connections that follow one another, so that what was subscribed to goes on to come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from math import inf
from typing import TYPE_CHECKING

import attrs
import trio

from trioarb.errors import VenueError
from trioarb.venue.backoff import Backoff
from trioarb.venue.endpoint import Endpoint
from trioarb.venue.failure import NotSent
from trioarb.venue.heartbeat import Heartbeat
from trioarb.venue.pace import Pace
from trioarb.venue.silence import Key, Silence

if TYPE_CHECKING:
    from trioarb.venue.connection import Connection

__all__ = ["WebSocketSession"]

#: Makes messages that subscribe to keys; asked anew for each connection, so that they may be signed.
Subscribe = Callable[[Sequence[Key]], Iterable[str | bytes]]

#: Connections that were opened together are renewed one after another, over this share of their lifetime.
_SPREAD = 0.1
_MOST_HALVINGS = 5


@attrs.define(kw_only=True, eq=False)
class _Line:
    """A connection, and what the session knows of it."""

    connection: Connection = attrs.field(init=False)
    #: Whether it is to take over from another.
    is_successor: bool
    #: Set when it has ended, or is to be renewed.
    stirred: trio.Event = attrs.field(factory=trio.Event)
    #: When something came last.
    heard: int
    #: Keys of which nothing has come by this connection yet.
    unheard: set[Key]
    has_all: trio.Event = attrs.field(factory=trio.Event)


def _nobody(key: Key) -> None:
    """Tell nobody."""


@attrs.define(kw_only=True, eq=False)
class WebSocketSession:
    """What a plugin hears of one address of a venue, for as long as it is wanted: see `run`.

    Callbacks are synchronous and called in the task that reads: what they raise ends the session.

    Args:
        endpoint: where connections lead.
        keys: what is subscribed to, and for how many seconds each may be silent before it is held for broken; `None`:
            for ever.
        subscribe: makes the messages for some of the keys; without keys it is asked once, with none.
        keys_per_message: so many keys it is asked for at once.
        resubscribe: the same for keys that are silent or were asked for by `ask_again`, where that takes something
            else; on Upbit, whose messages replace one another, that is the message for all keys.
        on_message: takes a message, text as its UTF-8, and the time at which it came; returns the key that was heard,
            or `None`.
        on_connected: a connection is open, nothing of it was read yet, and nothing is known of what was missed: books
            begin anew.
        on_disconnected: a connection was lost or could not be opened, and why. Nothing comes until `on_connected`.
        on_silent: the session is connected but nothing came of a key for too long; it is subscribed to again, and told
            of again after twice the time, and so on.
        now_ns: what messages' times are taken from.
        heartbeat: what keeps a connection alive, and shows that it is.
        idle_seconds: a connection by which nothing at all comes for so long, answers to pings included, is given up.
        lifetime_seconds: so old a connection gets at most, before another takes over.
        overlap_seconds: for so long both deliver at most, until the new one has delivered something of each key that
            may not be silent for ever. Where there is no such key, for just so long.
        linger_seconds: for so long the old one is read on after that, as answers may be on their way to it.
        can_trade: whether anything but subscriptions may be sent: orders go this way, too. It is the campaign's mode
            that says so (`ExchangeContext.can_trade`).
        backoff: how long to wait between connections.
        sends: the pace of messages of one connection. Answers to pings count at most venues and are not held back:
            leave some of the limit. Each time the venue ends a connection since a rule was broken (1008), the limits of
            those that follow are halved.
        connects: the pace of opening connections; share one among the sessions of an address.
    """

    endpoint: Endpoint
    subscribe: Subscribe
    on_message: Callable[[bytes, int], Key | None]
    on_connected: Callable[[], None]
    on_disconnected: Callable[[str], None]
    now_ns: Callable[[], int]
    keys: Mapping[Key, float | None] = attrs.field(factory=dict)
    keys_per_message: int = attrs.field(default=100, validator=attrs.validators.ge(1))
    resubscribe: Subscribe | None = None
    on_silent: Callable[[Key], None] = _nobody
    heartbeat: Heartbeat = attrs.field(factory=Heartbeat)
    idle_seconds: float | None = 60.0
    lifetime_seconds: float | None = None
    overlap_seconds: float = 5.0
    linger_seconds: float = 0.5
    can_trade: bool = False
    backoff: Backoff = attrs.field(factory=Backoff)
    sends: Callable[[], Pace] = Pace
    connects: Pace = attrs.field(factory=Pace)

    _current: _Line | None = attrs.field(default=None, init=False)
    _lines: list[_Line] = attrs.field(factory=list, init=False)
    _silence: Silence = attrs.field(
        default=attrs.Factory(lambda self: Silence(self.keys, self.idle_seconds), takes_self=True), init=False
    )
    _to_ask: dict[Key, None] = attrs.field(factory=dict, init=False)
    _halvings: int = attrs.field(default=0, init=False)
    _asked: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Stay connected until cancelled. It can be run again.

        Args:
            task_status: Says ``started()`` when all is subscribed to for the first time.

        Raises:
            VenueError: The first connection was refused for a reason that no other try would change: a certificate, a
                key, an address. Later the session goes on trying, as such answers are also given by mistake.
            MissingPackage: See `Endpoint`.
            ExceptionGroup: What a callback raised.

        Cancellation:
            Connections are cut, nothing is told any more, and nothing is left running.
        """
        refused: str | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch)
            nursery.start_soon(self._ask)
            failures, is_first = 0, True
            while True:
                line = await self._attempt(nursery, is_successor=False)
                connection = line.connection
                if line is self._current:
                    self._silence.begin()
                    if is_first:
                        task_status.started()
                        is_first = False
                    connection = await self._stay(nursery, line)
                elif connection.opened_at is None:
                    self.on_disconnected(connection.why)
                if is_first and connection.is_hopeless:
                    refused = connection.why
                    nursery.cancel_scope.cancel()
                    break
                failures = 0 if self._was_good(connection) else failures + 1
                await trio.sleep(max(self.backoff.wait_seconds(failures), connection.retry_after_seconds))
        if refused is not None:
            raise VenueError(refused)

    async def send(self, message: str | bytes, *, patience: float = inf) -> None:
        """Send a message by the connection of the moment, at its pace. That it arrives is known by an answer only.

        Args:
            message: Text or bytes.
            patience: How many seconds its pace may have it wait.

        Raises:
            NotSent: There is no connection, its pace would have had it wait for longer, or it may not trade.
            VenueError: It ended meanwhile. Whether the venue has got the message is unknown.
        """
        if not self.can_trade:
            raise NotSent(
                f"{self.endpoint.host}: this session is there to be told, as on paper and in shadow mode; "
                "nothing else is sent by it"
            )
        if self._current is None:
            raise NotSent(f"{self.endpoint.host}: no message can be sent while it is not connected")
        await self._current.connection.send(message, patience=patience)

    def renew(self) -> None:
        """Have another connection take over, as after a notice that this one will be shut down."""
        if self._current is not None:
            self._current.stirred.set()

    def ask_again(self, key: Key) -> None:
        """Subscribe to a key again, as to get another snapshot. While it isn't connected, that is to come anyway.

        Args:
            key: Which one.
        """
        if self._current is None:
            return
        self._to_ask[key] = None
        self._asked.set()

    async def _attempt(self, nursery: trio.Nursery, *, is_successor: bool) -> _Line:
        """Try to open a connection and to subscribe; the line that is returned may have ended already."""
        from trioarb.venue.connection import Connection

        # Of keys that may be silent for ever nothing may come for hours.
        expected = {key for key, seconds in self.keys.items() if seconds is not None}
        line = _Line(is_successor=is_successor, heard=self._silence.step, unheard=expected)
        line.connection = Connection(
            self.endpoint,
            self.heartbeat,
            self.sends().slower(self._halvings),
            take=self._taker(line),
            on_opened=lambda: self._opened(line),
            on_sign_of_life=lambda: self._see(line),
        )
        await self.connects.wait()
        await nursery.start(self._serve, line)
        return line

    async def _serve(self, line: _Line, *, task_status: trio.TaskStatus[None]) -> None:
        self._lines.append(line)
        try:
            await line.connection.run(self._subscriptions(), task_status=task_status)
        finally:
            self._lines.remove(line)
            self._halvings = min(self._halvings + line.connection.broke_a_rule, _MOST_HALVINGS)
            was_current = line is self._current
            if was_current:
                self._current = None
                self._silence.end()
                self._to_ask.clear()
        line.stirred.set()
        if was_current:
            self.on_disconnected(line.connection.why)

    async def _stay(self, nursery: trio.Nursery, line: _Line) -> Connection:
        """Renew the connection when it is time, until it is lost; return the one that was lost."""
        renewals = 0
        while True:
            with trio.move_on_at(self._due_at(line)):
                await line.stirred.wait()
            # A venue that announces its shutdown by each connection at once is not run into again and again.
            renewals = 0 if self._was_good(line.connection) else renewals + 1
            if renewals > 1:
                with trio.move_on_after(self.backoff.wait_seconds(renewals)):
                    await line.connection.ended.wait()
            if self._current is not line:
                return line.connection
            line = await self._take_over(nursery, line)

    async def _take_over(self, nursery: trio.Nursery, line: _Line) -> _Line:
        """Open another connection beside this one, and let this one go once the other delivers.

        If this one ends before, both are given up: what came between is missing, and owners begin anew with the next.
        """
        failures = 0
        while self._current is line:
            other: _Line | None = None
            async with trio.open_nursery() as waiting:
                waiting.start_soon(_cancel_after, line.connection.ended, waiting.cancel_scope)
                other = await self._attempt(nursery, is_successor=True)
                if not other.connection.ended.is_set():
                    with trio.move_on_after(self.overlap_seconds):
                        await other.has_all.wait()
                waiting.cancel_scope.cancel()
            if other is not None and self._current is line and not other.connection.ended.is_set():
                self._current = other
                line.connection.leave("another connection took over", after_seconds=self.linger_seconds)
                return other
            asked_for_seconds = 0.0
            if other is not None:
                other.connection.cut("the connection that it was to replace was lost")
                asked_for_seconds = other.connection.retry_after_seconds
            failures += 1
            with trio.move_on_after(max(self.backoff.wait_seconds(failures), asked_for_seconds)):
                await line.connection.ended.wait()
        return line

    def _due_at(self, line: _Line) -> float:
        if self.lifetime_seconds is None or line.connection.opened_at is None:
            return inf
        return line.connection.opened_at + self.lifetime_seconds * (1.0 - _SPREAD * self.backoff.chance())

    def _was_good(self, connection: Connection) -> bool:
        opened_at = connection.opened_at
        return opened_at is not None and trio.current_time() - opened_at >= self.backoff.good_seconds

    def _subscriptions(self) -> Iterator[str | bytes]:
        keys = list(self.keys)
        for start in range(0, max(1, len(keys)), self.keys_per_message):
            yield from self.subscribe(keys[start : start + self.keys_per_message])

    def _taker(self, line: _Line) -> Callable[[bytes], None]:
        """Make what takes a connection's messages: of everything here, this is what is done most often."""
        on_message, now_ns, unheard = self.on_message, self.now_ns, line.unheard
        silence, heard = self._silence, self._silence.heard

        def take(message: bytes) -> None:
            key = on_message(message, now_ns())
            line.heard = step = silence.step
            if key is not None:
                heard[key] = step
                if unheard:
                    unheard.discard(key)
                    if not unheard:
                        line.has_all.set()

        return take

    def _opened(self, line: _Line) -> None:
        self._see(line)
        if not line.is_successor:
            self._current = line
            self.on_connected()

    def _see(self, line: _Line) -> None:
        line.heard = self._silence.step

    async def _watch(self) -> None:
        """Look for connections by which nothing comes, and for keys of which nothing comes."""
        while True:
            await trio.sleep(self._silence.step_seconds)
            silent = self._silence.advance()
            for line in tuple(self._lines):
                self._look_at(line)
            for key in silent:
                self.ask_again(key)
                self.on_silent(key)

    def _look_at(self, line: _Line) -> None:
        if line.connection.opened_at is None:
            self._see(line)
        elif self.idle_seconds is not None and self._silence.step - line.heard > self._silence.steps(self.idle_seconds):
            line.connection.cut(f"nothing came from {self.endpoint.host} for {self.idle_seconds:g} s")

    async def _ask(self) -> None:
        """Subscribe again to keys that are to be asked for, many in one message."""
        while True:
            await self._asked.wait()
            self._asked = trio.Event()
            while self._to_ask and self._current is not None:
                connection = self._current.connection
                keys = list(islice(self._to_ask, self.keys_per_message))
                for key in keys:
                    del self._to_ask[key]
                try:
                    for message in (self.resubscribe or self.subscribe)(keys):
                        await connection.send(message)
                except VenueError:
                    pass  # the connection's end, which is told, and after which all keys are subscribed to


async def _cancel_after(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()
