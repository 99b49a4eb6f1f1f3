"""How often something is sent, and how long is waited, in virtual time."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from trioarb.venue import Backoff, Pace


async def passing(pace: Pace, count: int) -> list[float]:
    times: list[float] = []
    began = trio.current_time()

    async def pass_once() -> None:
        await pace.wait()
        times.append(round(trio.current_time() - began, 6))

    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(pass_once)
    return times


async def test_so_many_pass_in_any_window_of_each_limit(autojump_clock: trio.testing.MockClock) -> None:
    pace = Pace((3, 1.0), (5, 10.0), jitter_seconds=0.5)
    assert await passing(pace, 12) == [0.0] * 3 + [1.5] * 2 + [10.5] * 3 + [12.0] * 2 + [21.0] * 2


async def test_without_limits_nothing_waits(autojump_clock: trio.testing.MockClock) -> None:
    assert await passing(Pace(), 50) == [0.0] * 50


@pytest.mark.parametrize(
    ("halvings", "times"), [(0, [0, 0, 0, 1, 1]), (1, [0, 1, 2, 3, 4]), (3, [0, 8 / 3, 16 / 3, 8, 32 / 3])]
)
async def test_a_pace_can_be_halved(halvings: int, times: list[float], autojump_clock: trio.testing.MockClock) -> None:
    pace = Pace((3, 1.0), jitter_seconds=0.0).slower(halvings)
    assert await passing(pace, 5) == pytest.approx(times)


async def test_who_gives_up_waiting_does_not_count(autojump_clock: trio.testing.MockClock) -> None:
    pace = Pace((1, 1.0), jitter_seconds=0.0)
    await pace.wait()
    began = trio.current_time()
    for _ in range(3):
        with trio.move_on_after(0.1):
            await pace.wait()
    await pace.wait()
    assert trio.current_time() - began == pytest.approx(1.0)


@pytest.mark.parametrize("limit", [(0, 1.0), (1, 0.0), (-1, 1.0)])
def test_a_limit_is_a_count_in_a_time(limit: tuple[int, float]) -> None:
    with pytest.raises(ValueError, match="a count of 1 or more"):
        Pace(limit)


@given(st.integers(0, 10_000), st.floats(0.0, 1.0, exclude_max=True))
def test_waits_double_up_to_the_longest_and_chance_takes_off_up_to_half(failures: int, chance: float) -> None:
    backoff = Backoff(first_seconds=0.5, longest_seconds=20.0, chance=lambda: chance)
    longest = min(20.0, 0.5 * 2.0 ** min(failures, 100))
    assert backoff.wait_seconds(failures) == pytest.approx(longest * (1.0 - chance / 2.0))
    assert longest / 2.0 <= backoff.wait_seconds(failures) <= longest
