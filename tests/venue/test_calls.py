"""Calls and their answers, in virtual time; and over a session, on loopback."""

from __future__ import annotations

import time
from math import inf

import pytest
import trio
from trio.testing import MockClock
from venue_server import venue_server
from websockets.trio.server import ServerConnection

from trioarb.errors import VenueError
from trioarb.venue import Calls, Endpoint, Key, NotSent, Pace, WebSocketSession


class Line:
    """Sends nothing anywhere, after a while."""

    def __init__(self, seconds: float = 0.0, failure: VenueError | None = None) -> None:
        self.sent: list[str | bytes] = []
        self.seconds, self.failure = seconds, failure

    async def send(self, message: str | bytes, *, patience: float) -> None:
        assert patience in (inf, 3.0)
        await trio.sleep(self.seconds)
        if self.failure is not None:
            raise self.failure
        self.sent.append(message)


async def test_each_call_gets_its_own_answer_in_whatever_order_they_come(autojump_clock: MockClock) -> None:
    calls, answers = Calls[str](Line().send), {}

    async def call(call_id: int) -> None:
        answers[call_id] = await calls.call(call_id, f"question {call_id}")

    async with trio.open_nursery() as nursery:
        for call_id in range(5):
            nursery.start_soon(call, call_id)
        await trio.sleep(1.0)
        assert [calls.answer(call_id, f"answer {call_id}") for call_id in (3, 0, 4, 1, 2)] == [True] * 5

    assert answers == {call_id: f"answer {call_id}" for call_id in range(5)}


async def test_an_answer_that_comes_twice_or_to_nobody_is_passed_over(autojump_clock: MockClock) -> None:
    calls = Calls[str](Line().send)
    assert not calls.answer("a", "early")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(calls.call, "a", "question")
        await trio.sleep(1.0)
        assert calls.answer("a", "first")
        assert not calls.answer("a", "second")
        calls.lose("cut")
    assert not calls.answer("a", "late")


async def test_an_answer_that_comes_while_the_message_is_still_being_sent_counts(autojump_clock: MockClock) -> None:
    calls = Calls[str](Line(seconds=2.0).send)
    async with trio.open_nursery() as nursery:

        async def answer() -> None:
            await trio.sleep(1.0)
            calls.answer("a", "quick")

        nursery.start_soon(answer)
        assert await calls.call("a", "question") == "quick"


async def test_without_an_answer_it_is_unknown_what_became_of_it(autojump_clock: MockClock) -> None:
    calls = Calls[str](Line().send, answer_seconds=5.0)
    began = trio.current_time()
    with pytest.raises(VenueError, match="no answer came within 5 s; the venue may have got") as caught:
        await calls.call("a", "question")
    assert trio.current_time() - began == 5.0
    assert not isinstance(caught.value, NotSent)


async def test_a_connection_that_is_lost_fails_all_that_wait_at_once(autojump_clock: MockClock) -> None:
    calls = Calls[str](Line().send)
    began, failed = trio.current_time(), []

    async def call(call_id: int) -> None:
        with pytest.raises(VenueError, match="it was cut; the venue may have got"):
            await calls.call(call_id, "question")
        failed.append(call_id)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call, 1)
        nursery.start_soon(call, 2)
        await trio.sleep(1.0)
        calls.lose("it was cut")
    assert sorted(failed) == [1, 2]
    assert trio.current_time() - began == 1.0


async def test_what_was_not_sent_is_told_as_that_and_its_id_is_free_again(autojump_clock: MockClock) -> None:
    line = Line(failure=NotSent("not connected"))
    calls = Calls[str](line.send)
    for _ in range(2):
        with pytest.raises(NotSent, match="not connected"):
            await calls.call("a", "question", patience=3.0)
    assert not calls.answer("a", "late")


async def test_an_id_is_used_by_one_call_at_a_time(autojump_clock: MockClock) -> None:
    calls = Calls[str](Line().send)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(calls.call, "a", "question")
        await trio.sleep(1.0)
        with pytest.raises(ValueError, match="'a' is under way"):
            await calls.call("a", "question")
        calls.answer("a", "answer")


async def test_it_can_be_cancelled_while_it_sends_and_while_it_waits(autojump_clock: MockClock) -> None:
    calls = Calls[str](Line(seconds=1.0).send)
    for seconds in (0.5, 1.5):
        with trio.move_on_after(seconds):
            await calls.call("a", "question")
        assert not calls.answer("a", "late")


async def test_over_a_session_calls_are_answered_and_fail_with_it() -> None:
    async def answer(connection: ServerConnection, message: str | bytes) -> None:
        if message == "close":
            await connection.aclose(1012)
        elif isinstance(message, str) and message != "log on":
            await connection.send(f"{message} done")

    def on_message(message: bytes, received_ns: int) -> Key | None:
        call_id, _, text = message.decode().partition(" ")
        calls.answer(call_id, text)
        return None

    async with venue_server(answer) as server:
        session = WebSocketSession(
            can_trade=True,
            endpoint=Endpoint(url=server.url),
            subscribe=lambda _: ["log on"],
            on_message=on_message,
            on_connected=lambda: None,
            on_disconnected=lambda why: calls.lose(why),
            now_ns=time.time_ns,
            sends=lambda: Pace((5, 60.0)),
        )
        calls = Calls[str](session.send)
        with pytest.raises(NotSent, match="while it is not connected"):
            await calls.call("0", "0")
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                await nursery.start(session.run)
                assert [await calls.call(one, one) for one in "123"] == ["done"] * 3
                with pytest.raises(VenueError, match=r"1012 \(service restart\).*may have got"):
                    await calls.call("4", "close")
                nursery.cancel_scope.cancel()


async def test_an_answer_comes_though_another_connection_takes_over_before_it() -> None:
    async def answer(connection: ServerConnection, message: str | bytes) -> None:
        if message == "question":
            await trio.sleep(0.3)
            await connection.send("1 answer")

    def on_message(message: bytes, received_ns: int) -> Key | None:
        calls.answer("1", message.decode())
        return None

    async with venue_server(answer) as server:
        session = WebSocketSession(
            can_trade=True,
            endpoint=Endpoint(url=server.url),
            subscribe=lambda _: ["log on"],
            on_message=on_message,
            on_connected=lambda: None,
            on_disconnected=lambda why: calls.lose(why),
            now_ns=time.time_ns,
            overlap_seconds=0.0,
            linger_seconds=1.0,
        )
        calls = Calls[str](session.send)
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                await nursery.start(session.run)

                async def renew() -> None:
                    await trio.sleep(0.05)
                    session.renew()

                nursery.start_soon(renew)
                assert await calls.call("1", "question") == "1 answer"
                assert len(server.connected) == 2
                nursery.cancel_scope.cancel()


async def test_a_message_that_would_have_to_wait_for_too_long_is_not_sent() -> None:
    async with venue_server() as server:
        session = WebSocketSession(
            can_trade=True,
            endpoint=Endpoint(url=server.url),
            subscribe=lambda _: ["log on"],
            on_message=lambda *_: None,
            on_connected=lambda: None,
            on_disconnected=lambda _: None,
            now_ns=time.time_ns,
            sends=lambda: Pace((1, 60.0)),
        )
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                await nursery.start(session.run)
                with pytest.raises(NotSent, match=r"within 0.05 s, as its limit of messages was used"):
                    await session.send("order", patience=0.05)
                nursery.cancel_scope.cancel()
    assert server.messages() == ["log on"]
