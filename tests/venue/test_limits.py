"""Who may send, who waits and in which order, and what a venue's answers change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from math import inf

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from trioarb.errors import VenueError
from trioarb.venue import (
    Closed,
    Limit,
    LimitReached,
    LimitRules,
    Limits,
    Priority,
    Request,
    Response,
    Told,
)

CANCEL, HEDGE, ENTRY, LISTING = Priority


def costs_of(request: Request) -> Mapping[str, int]:
    return {"weight": request.weight, "orders": 1} if request.group == "order" else {"weight": request.weight}


def left_said(response: Response) -> Iterable[Told]:
    text = response.headers.get("left")
    return [Told(bucket="orders", left=int(text))] if text is not None else []


def limits_of(
    *orders: Limit,
    weight: Limit | None = None,
    told: Callable[[Response], Iterable[Told]] = left_said,
    on_closed: Callable[[Closed], None] = lambda closed: None,
) -> Limits:
    rules = LimitRules(
        buckets={"weight": [weight or Limit(count=10_000, seconds=60)], "orders": orders}, costs=costs_of, told=told
    )
    return Limits("here", rules, on_closed=on_closed)


def order(weight: int = 1) -> Request:
    return Request(method="POST", path="/order", group="order", weight=weight)


async def send(limits: Limits, priority: Priority = ENTRY, answer: Response | None = None, seconds: float = 0) -> None:
    with await limits.acquire(order(), priority) as permit:
        await trio.sleep(seconds)
        limits.hear(permit, answer or Response(status=200))


async def test_who_needs_not_wait_does_not(autojump_clock: MockClock) -> None:
    limits = limits_of(Limit(count=3, seconds=10))
    for _ in range(3):
        await send(limits, HEDGE)
    assert trio.current_time() == 0
    await send(limits, HEDGE)
    assert trio.current_time() == 10


async def test_each_window_of_a_bucket_holds(autojump_clock: MockClock) -> None:
    limits = limits_of(Limit(count=2, seconds=1), Limit(count=5, seconds=60))
    times = []
    for _ in range(6):
        await send(limits, CANCEL)
        times.append(trio.current_time())
    assert times == [0, 0, 1, 1, 2, 60]


async def test_waiting_callers_go_by_priority_and_then_as_they_came(autojump_clock: MockClock) -> None:
    limits = limits_of(Limit(count=1, seconds=1))
    served: list[str] = []

    async def call(name: str, priority: Priority) -> None:
        await send(limits, priority)
        served.append(name)

    await send(limits, CANCEL)
    async with trio.open_nursery() as nursery:
        for name, priority in (
            *(("list 1", LISTING), ("entry 1", ENTRY), ("entry 2", ENTRY), ("hedge 1", HEDGE), ("cancel 1", CANCEL)),
            *(("cancel 2", CANCEL), ("hedge 2", HEDGE), ("list 2", LISTING)),
        ):
            nursery.start_soon(call, name, priority)
            await trio.testing.wait_all_tasks_blocked()
    assert served == ["cancel 1", "cancel 2", "hedge 1", "hedge 2", "entry 1", "entry 2", "list 1", "list 2"]


async def test_a_heavy_request_is_not_passed_by_light_ones_for_ever(autojump_clock: MockClock) -> None:
    limits = limits_of(Limit(count=100, seconds=1), weight=Limit(count=10, seconds=1))

    async def heavy() -> None:
        with await limits.acquire({"weight": 9}, HEDGE):
            heavy_at.append(trio.current_time())

    async def light() -> None:
        while True:
            await send(limits, HEDGE, seconds=0.1)

    heavy_at: list[float] = []
    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(light)
        await trio.sleep(5)
        with trio.fail_after(5):
            await heavy()
        nursery.cancel_scope.cancel()
    assert heavy_at[0] <= 7


async def test_who_waits_for_one_limit_holds_up_nobody_at_another(autojump_clock: MockClock) -> None:
    limits = limits_of(Limit(count=1, seconds=100))
    await send(limits, CANCEL)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send, limits, CANCEL)
        await trio.testing.wait_all_tasks_blocked()
        # The cancel waits for room among orders, and takes of the weight, too.
        assert limits.try_acquire({"weight": 1}, LISTING) is None
        nursery.cancel_scope.cancel()
    permit = limits.try_acquire({"weight": 1}, LISTING)
    assert permit is not None


@given(
    st.integers(10, 60),
    st.lists(st.tuples(st.floats(0, 0.3), st.booleans()), min_size=20, max_size=120),
)
@settings(max_examples=40)
def test_cancels_find_room_however_many_entries_come(count: int, steps: list[tuple[float, bool]]) -> None:
    now = [0.0]
    rules = LimitRules(buckets={"orders": [Limit(count=count, seconds=1)]}, costs=costs_of)
    limits = Limits("here", rules, now=lambda: now[0])
    cancelled: list[float] = []
    for passed, cancels in steps:
        now[0] += passed
        while (permit := limits.try_acquire({"orders": 1}, ENTRY)) is not None:
            with permit:
                pass
        lately = sum(at > now[0] - 1.02 for at in cancelled)
        if cancels and lately < count - int(count * 0.8):
            permit = limits.try_acquire({"orders": 1}, CANCEL)
            assert permit is not None
            with permit:
                cancelled.append(now[0])


async def test_a_cancel_passes_a_thousand_entries(autojump_clock: MockClock) -> None:
    limits = limits_of(Limit(count=8, seconds=1))
    async with trio.open_nursery() as nursery:
        for _ in range(1000):
            nursery.start_soon(send, limits, ENTRY)
        await trio.sleep(20)
        began = trio.current_time()
        await send(limits, CANCEL)
        assert trio.current_time() == began
        nursery.cancel_scope.cancel()


async def test_an_entry_is_refused_instead_of_waiting(autojump_clock: MockClock) -> None:
    limits = limits_of(Limit(count=1, seconds=10))
    await send(limits)
    with pytest.raises(LimitReached, match=r"here: not sent.*orders \(1 in 10 s\).*no room for 10\.0 s.*ENTRY") as told:
        await limits.acquire(order(), ENTRY, patience=0)
    assert told.value.seconds == 10
    assert isinstance(told.value, VenueError)
    with pytest.raises(LimitReached):
        await limits.acquire(order(), ENTRY, patience=9.9)
    assert trio.current_time() == 0
    with await limits.acquire(order(), ENTRY, patience=10):
        assert trio.current_time() == 10


async def test_patience_ends_where_only_an_answer_could_help(autojump_clock: MockClock) -> None:
    limits = limits_of(Limit(count=1, seconds=10))
    with await limits.acquire(order()):
        with pytest.raises(LimitReached, match="until others were answered") as told:
            await limits.acquire(order(), ENTRY, patience=3)
        assert told.value.seconds == inf
        assert trio.current_time() == 3


async def test_cancelled_it_takes_nothing(autojump_clock: MockClock) -> None:
    limits = limits_of(Limit(count=2, seconds=10))
    await send(limits, CANCEL)
    await send(limits, CANCEL)
    with trio.move_on_after(5):
        await limits.acquire(order(), CANCEL)
    await trio.sleep(5)
    assert {one.used for one in limits.usage() if one.bucket == "orders"} == {0}


async def test_cancelled_as_it_is_granted_it_takes_nothing(autojump_clock: MockClock) -> None:
    limits = limits_of(Limit(count=1, seconds=10))
    first = await limits.acquire(order(), CANCEL)
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(limits.acquire, order(), CANCEL)
            await trio.testing.wait_all_tasks_blocked()
            limits.give_back(first, "orders")
            with first:
                pass
            limits.give_back(first, "orders")
            scope.cancel()
    assert {one.used for one in limits.usage() if one.bucket == "orders"} == {0}


async def test_a_429_closes_what_was_asked_for_and_a_418_all(autojump_clock: MockClock) -> None:
    closed: list[Closed] = []
    limits = limits_of(Limit(count=100, seconds=1), on_closed=closed.append)
    with await limits.acquire({"orders": 1}) as permit:
        limits.hear(permit, Response(status=429, headers={"retry-after": "7"}))
    assert closed == [Closed(venue="here", buckets=("orders",), seconds=7, reason="HTTP 429")]
    with await limits.acquire({"weight": 1}, LISTING):
        assert trio.current_time() == 0
    with pytest.raises(LimitReached, match=r"the venue refuses more for now for 7\.0 s"):
        await limits.acquire({"orders": 1}, CANCEL, patience=0)
    with await limits.acquire({"orders": 1}, CANCEL) as permit:
        assert trio.current_time() == 7
        limits.hear(permit, Response(status=418, headers={"retry-after": "180"}))
    assert closed[1] == Closed(venue="here", buckets=("weight", "orders"), seconds=180, reason="HTTP 418")
    with await limits.acquire({"weight": 1}, LISTING):
        assert trio.current_time() == 187


async def test_a_venue_that_only_refuses_is_asked_less_often(autojump_clock: MockClock) -> None:
    """It says of its limit nothing but no."""
    limits = limits_of(Limit(count=100, seconds=1), weight=Limit(count=1_000_000, seconds=1))
    allowed, used, refused = 100, Counter[int](), Counter[int]()

    async def call() -> None:
        while True:
            with await limits.acquire(order(), CANCEL) as permit:
                second = int(trio.current_time())
                used[second] += 1
                await trio.sleep(0.01)
                is_over = used[second] > allowed
                refused.update([second] if is_over else [])
                limits.hear(permit, Response(status=429 if is_over else 200))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(call)
        await trio.sleep(10.5)
        assert not refused
        allowed = 50
        await trio.sleep(120)
        nursery.cancel_scope.cancel()
    # By those that were on their way together, in a second or two.
    assert 1 <= len(refused) <= 2
    assert refused.total() <= 40
    assert sum(used[second] for second in range(20, 120)) > 0.5 * 50 * 100


async def test_an_answer_to_an_earlier_request_opens_nothing(autojump_clock: MockClock) -> None:
    limits = limits_of(Limit(count=100, seconds=1))
    early = await limits.acquire(order())
    with await limits.acquire(order()) as permit:
        limits.hear(permit, Response(status=429, headers={"retry-after": "60"}))
    with early:
        limits.hear(early, Response(status=429, headers={"retry-after": "1"}))
    await send(limits, CANCEL)
    assert trio.current_time() == 60


async def test_a_refusal_that_says_no_time_closes_for_longer_each_time(autojump_clock: MockClock) -> None:
    limits = limits_of(Limit(count=100, seconds=1))
    waits = []
    for _ in range(12):
        began = trio.current_time()
        with await limits.acquire({"orders": 1}, CANCEL) as permit:
            limits.hear(permit, Response(status=429))
        waits.append(trio.current_time() - began)
    assert waits == [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600]
    await send(limits, CANCEL)
    with await limits.acquire({"orders": 1}, CANCEL) as permit:
        limits.hear(permit, Response(status=429))
    began = trio.current_time()
    await send(limits, CANCEL)
    assert trio.current_time() - began == 1


async def test_orders_that_fill_are_given_back(autojump_clock: MockClock) -> None:
    limits = limits_of(Limit(count=2, seconds=10), Limit(count=3, seconds=86_400))
    permits = []
    for _ in range(2):
        with await limits.acquire(order(), CANCEL) as permit:
            permits.append(permit)
    assert limits.try_acquire(order(), CANCEL) is None
    for permit in permits:
        limits.give_back(permit, "orders")
    assert [one.used for one in limits.usage() if one.bucket == "orders"] == [0, 0]
    assert {one.used for one in limits.usage() if one.bucket == "weight"} == {2}
    await send(limits, CANCEL)
    assert trio.current_time() == 0


async def test_what_an_order_was_charged_in_the_end(autojump_clock: MockClock) -> None:
    limits = limits_of(
        Limit(count=10, seconds=1),
        weight=Limit(count=10, seconds=60),
        told=lambda response: [Told(bucket="weight", cost=0)] if response.is_success else [],
    )
    for status in (200, 400):
        with await limits.acquire(order(4), CANCEL) as permit:
            limits.hear(permit, Response(status=status))
    assert {one.used for one in limits.usage() if one.bucket == "weight"} == {4}


async def test_a_bucket_may_be_told_of_by_an_answer_that_costs_nothing_there(autojump_clock: MockClock) -> None:
    limits = limits_of(Limit(count=10, seconds=1))
    with await limits.acquire({"weight": 1, "orders": 0}, LISTING) as permit:
        limits.hear(permit, Response(status=200, headers={"left": "0"}))
    await send(limits, CANCEL)
    assert trio.current_time() == 1


async def test_an_aligned_count_begins_anew_by_the_venues_own_clock(autojump_clock: MockClock) -> None:
    limits = limits_of(Limit(count=10, seconds=86_400, aligned=True))
    with await limits.acquire(order(), CANCEL) as permit:
        headers = {"left": "0", "date": "Sat, 28 Nov 2026 23:59:00 GMT"}
        limits.hear(permit, Response(status=200, headers=headers))
    await send(limits, CANCEL)
    assert trio.current_time() == 62


def test_a_bucket_that_is_not_there() -> None:
    limits = Limits("here", LimitRules(buckets={"a": [], "b": []}, costs=costs_of), now=lambda: 0.0)
    with pytest.raises(ValueError, match="'c' is no limit of here; there are a, b"):
        limits.try_acquire({"c": 1})


@attrs.define
class SimulatedVenue:
    """Counts in windows that begin at multiples of ``seconds``; says how much is left, refuses what is too much."""

    count: int
    seconds: float
    latency: float
    counts: Counter[int] = attrs.field(factory=Counter)
    refused: int = 0
    changes: dict[int, int] = attrs.field(factory=dict)

    def allow(self, count: int) -> None:
        """Allow so much from the next window on."""
        self.changes[int(trio.current_time() // self.seconds) + 1] = count

    async def answer(self) -> Response:
        await trio.sleep(self.latency / 2)
        index = int(trio.current_time() // self.seconds)
        for since in sorted(one for one in self.changes if one <= index):
            self.count = self.changes.pop(since)
        self.counts[index] += 1
        left = self.count - self.counts[index]
        if left < 0:
            self.refused += 1
        await trio.sleep(self.latency / 2)
        return Response(status=429 if left < 0 else 200, headers={"left": str(max(0, left))})


@pytest.mark.parametrize("latency", [0.0, 0.01, 0.2])
@pytest.mark.parametrize("callers", [1, 4, 40])
@pytest.mark.parametrize("shift", [0.0, 0.02, 0.5])
async def test_halving_the_limit_slows_the_client_down_without_a_refusal(
    autojump_clock: MockClock, latency: float, callers: int, shift: float
) -> None:
    await trio.sleep(shift)
    venue = SimulatedVenue(count=30, seconds=1, latency=latency)
    limits = limits_of(Limit(count=30, seconds=1), weight=Limit(count=1_000_000, seconds=1))

    async def call() -> None:
        while True:
            with await limits.acquire(order(), CANCEL) as permit:
                limits.hear(permit, await venue.answer())

    async with trio.open_nursery() as nursery:
        for _ in range(callers):
            nursery.start_soon(call)
        await trio.sleep(19.5)
        venue.allow(15)
        await trio.sleep(1.5)
        before = venue.counts.total()
        await trio.sleep(14)
        slow = venue.counts.total() - before
        venue.allow(30)
        await trio.sleep(16)
        before = venue.counts.total()
        await trio.sleep(14)
        fast = venue.counts.total() - before
        nursery.cancel_scope.cancel()

    assert venue.refused == 0
    possible = min(1.0, callers / 30 / max(latency, 0.001))
    assert slow >= 0.5 * 15 * 14 * possible
    assert fast >= 0.5 * 30 * 14 * possible


@given(st.data())
@settings(max_examples=30)
def test_any_venue_that_says_what_is_left_is_never_asked_too_often(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 40))
    latencies = data.draw(st.lists(st.floats(0, 0.4), min_size=5, max_size=5))
    shift = data.draw(st.floats(0, 1))

    async def campaign() -> None:
        limits = limits_of(Limit(count=count, seconds=1), weight=Limit(count=1_000_000, seconds=1))
        venue = SimulatedVenue(count=count, seconds=1, latency=0)

        async def call(latency: float) -> None:
            await trio.sleep(shift)
            while True:
                with await limits.acquire(order(), data.draw(st.sampled_from([CANCEL, ENTRY]))) as permit:
                    await trio.sleep(latency / 2)
                    answer = await venue.answer()
                    await trio.sleep(latency / 2)
                    limits.hear(permit, answer)
                await trio.sleep(0.02)

        async with trio.open_nursery() as nursery:
            for latency in latencies:
                nursery.start_soon(call, latency)
            await trio.sleep(4)
            nursery.cancel_scope.cancel()
        assert venue.refused == 0
        assert venue.counts.total() >= min(count, 5)

    trio.run(campaign, clock=MockClock(autojump_threshold=0))
