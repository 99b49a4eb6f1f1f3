"""Questions that are asked by messages, and their answers by the id that each has: a venue's WebSocket API."""

from __future__ import annotations

from math import inf
from typing import Generic, Protocol, TypeVar

import attrs
import trio

from trioarb.errors import VenueError
from trioarb.venue.silence import Key

__all__ = ["Calls"]

Answer = TypeVar("Answer")


class Send(Protocol):
    """`WebSocketSession.send`."""

    async def __call__(self, message: str | bytes, *, patience: float) -> None:
        """Send a message."""


@attrs.define
class _Waiting(Generic[Answer]):
    has_ended: trio.Event = attrs.field(factory=trio.Event)
    answers: list[Answer] = attrs.field(factory=list)
    lost: str = ""


class Calls(Generic[Answer]):
    """Calls that are under way over a session.

    Say `answer` when a message turns out to be one, and `lose` when the session was disconnected: an answer comes by
    the connection by which was asked, or never.

    Args:
        send: the session's.
        answer_seconds: how long an answer may take.
    """

    def __init__(self, send: Send, *, answer_seconds: float = 10.0) -> None:
        self._send, self._answer_seconds = send, answer_seconds
        self._waiting: dict[Key, _Waiting[Answer]] = {}

    async def call(self, call_id: Key, message: str | bytes, *, patience: float = inf) -> Answer:
        """Send a message and return its answer.

        Args:
            call_id: What tells the answer; it stands in the message.
            message: What to send.
            patience: How many seconds it may wait for the connection's pace.

        Raises:
            NotSent: It was not sent, nor will be.
            VenueError: It was sent, or may have been, and there is no answer: what became of it is unknown.

        Cancellation:
            The answer is passed over when it comes; what the venue does with the message is unknown.
        """
        if call_id in self._waiting:
            raise ValueError(f"a call with the id {call_id!r} is under way")
        waiting = self._waiting[call_id] = _Waiting[Answer]()
        try:
            await self._send(message, patience=patience)
            with trio.move_on_after(self._answer_seconds):
                await waiting.has_ended.wait()
        finally:
            del self._waiting[call_id]
        if waiting.answers:
            return waiting.answers[0]
        why = waiting.lost or f"no answer came within {self._answer_seconds:g} s"
        raise VenueError(f"{why}; the venue may have got the message, so ask before anything is sent again")

    def answer(self, call_id: Key, answer: Answer) -> bool:
        """Give a call its answer; return whether anybody waits for it.

        Args:
            call_id: Which call, as the answer says.
            answer: The answer.
        """
        waiting = self._waiting.get(call_id)
        if waiting is None or waiting.has_ended.is_set():
            return False
        waiting.answers.append(answer)
        waiting.has_ended.set()
        return True

    def lose(self, why: str) -> None:
        """Have all calls fail that wait for an answer.

        Args:
            why: What is known of why none will come.
        """
        for waiting in self._waiting.values():
            waiting.lost = why
            waiting.has_ended.set()
