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
        with time.led_by(lambda at_ns, turn: seen.append(at_ns - START_NS)):
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


def passed(
    at_once: Callable[[trio.CancelScope], bool], rings: int = 1, before: Callable[[], object] = lambda: None
) -> tuple[list[int], list[int], list[int]]:
    """Ring a symbol's bell each 10 ns, waiting as the market does in between; return when that did what it was rung
    for at once, when the symbol's task woke, and when the market went on. The task sleeps until 5,000 by itself.
    """
    clock, done, woke, went_on = VirtualClock(), [], [], []

    async def main() -> None:
        time = VirtualTime(clock, START_NS)
        scope = trio.CancelScope()

        def do() -> bool:
            done.append(time.now_ns() - START_NS)
            return at_once(scope)

        bell = time.bell(Turn.SYMBOL.order(symbol="A"), do)
        market = time.bell(Turn.MARKET.order())

        async def symbol() -> None:
            await bell.wait(START_NS + 5_000)
            woke.append(time.now_ns() - START_NS)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(symbol)
            await time.sleep(5, Turn.MARKET.order())
            with scope:
                for number in range(1, rings + 1):
                    before()
                    bell.ring()
                    await market.wait(START_NS + 10 * number)
                    went_on.append(time.now_ns() - START_NS)

    trio.run(main, clock=clock)
    return done, woke, went_on


def test_what_a_bell_is_rung_for_is_done_in_its_turn_and_its_task_sleeps_on() -> None:
    assert passed(lambda _: True, rings=2) == ([5, 10], [5_000], [10, 20])


def test_a_task_whose_work_can_not_be_done_at_once_wakes_in_its_turn() -> None:
    assert passed(lambda _: False, rings=2) == ([5], [5], [10, 20])


def test_whoever_was_cancelled_by_what_was_done_at_once_does_not_go_on() -> None:
    def cancel(scope: trio.CancelScope) -> bool:
        scope.cancel()
        return True

    assert passed(cancel, rings=2) == ([5], [5_000], [])


def test_nothing_is_done_at_once_while_a_task_can_run() -> None:
    def wake_another() -> None:
        trio.lowlevel.spawn_system_task(trio.lowlevel.checkpoint)

    assert passed(lambda _: True, before=wake_another) == ([], [5], [10])


def test_between_turns_that_pass_signals_and_threads_are_heard() -> None:
    rung: list[int] = []
    heard: list[int] = []

    def speak_at_first() -> None:
        rung.append(1)
        if len(rung) == 1:
            trio.lowlevel.current_trio_token().run_sync_soon(lambda: heard.append(len(rung)))

    done, _, went_on = passed(lambda _: True, rings=300, before=speak_at_first)
    assert len(done) == len(went_on) == 300
    assert heard[0] < 300
