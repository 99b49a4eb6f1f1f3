"""Virtual time: whoever keeps the boards is called before anybody wakes, with how far the market has had its turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from trioarb.time.campaign_time import SECOND_NS, Turn
from trioarb.time.virtual import VirtualClock, VirtualTime

START_NS = 1_000 * SECOND_NS


def told(wait: Callable[[VirtualTime], Awaitable[object]]) -> list[int]:
    """Return up to when what keeps the boards was told to bring them, in ns since the start, while somebody waits."""
    clock, seen = VirtualClock(), []

    async def main() -> None:
        time = VirtualTime(clock, START_NS)
        with time.led_by(lambda at_ns: seen.append(at_ns - START_NS)):
            await wait(time)
        await time.sleep(SECOND_NS, Turn.SYMBOL.order())  # after it nobody is told any more

    trio.run(main, clock=clock)
    return seen


def test_before_a_sleeper_all_that_is_due_has_had_its_turn() -> None:
    assert told(lambda time: time.sleep(5, Turn.VENUE.order())) == [5]


def test_the_market_itself_finds_what_was_before() -> None:
    assert told(lambda time: time.sleep(5, Turn.MARKET.order())) == [4]


def test_a_deadline_comes_before_the_quotes_of_its_time() -> None:
    async def wait(time: VirtualTime) -> None:
        with trio.CancelScope(deadline=time.deadline(START_NS + SECOND_NS)):
            await trio.sleep_forever()

    assert told(wait) == [SECOND_NS - 1]


def test_time_that_is_passed_without_waiting_is_told_of_too() -> None:
    async def wait(time: VirtualTime) -> None:
        await time.sleep(1, Turn.VENUE.order())
        assert time.pass_to(START_NS + 7, Turn.VENUE.order())

    assert told(wait) == [1, 7]
