"""Books that break are mended, with patience: V-3 and V-4, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from math import isnan

import attrs
import pytest
import trio
from trio.testing import MockClock

from trioarb.errors import VenueError
from trioarb.venue import Backoff, BookOutcome, Key, OrderBook, Resync, numbered, unnumbered

BACKOFF = Backoff(first_seconds=1.0, longest_seconds=8.0, good_seconds=30.0, chance=lambda: 0.0)


@attrs.define
class Market:
    """One venue with one book: a stream of numbered changes, and snapshots of what it is at."""

    book: OrderBook = attrs.field(factory=lambda: OrderBook(numbered))
    at: int = 0
    fetched: list[float] = attrs.field(factory=list)
    #: What the next fetches do instead of bringing a snapshot.
    failures: list[Callable[[], object]] = attrs.field(factory=list)
    takes_seconds: float = 0.1
    #: (time, whether the quote was withdrawn), of each quote.
    quotes: list[tuple[float, bool]] = attrs.field(factory=list)
    given_up: list[tuple[Key, str]] = attrs.field(factory=list)
    checksum: int | None = None
    resync: Resync = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.resync = Resync(
            fetch=self.fetch,
            is_valid=lambda _: self.book.is_valid,
            on_given_up=lambda key, why: self.given_up.append((key, why)),
            backoff=BACKOFF,
            tries=6,
            try_seconds=20.0,
        )

    async def fetch(self, key: Key) -> None:
        self.fetched.append(round(trio.current_time() - BEGAN, 3))
        at = self.at
        await trio.sleep(self.takes_seconds)
        if self.failures and self.failures.pop(0)() is not None:
            at -= 10
        self.tell(self.book.snapshot([(100.0, 1.0)], [(101.0, 1.0)], last=at, received_ns=0))

    def change(self, *, is_lost: bool = False) -> None:
        self.at += 1
        if not is_lost:
            levels = [(100.0, float(self.at))]
            self.tell(
                self.book.change(levels, [], first=self.at, last=self.at, received_ns=self.at, checksum=self.checksum)
            )

    def tell(self, outcome: BookOutcome) -> None:
        if outcome is BookOutcome.GAP:
            self.resync.need("BTC")
        if outcome in (BookOutcome.APPLIED, BookOutcome.GAP):
            self.book.tell(lambda bid, *_: self.quotes.append((trio.current_time() - BEGAN, isnan(bid))))

    def gap(self) -> None:
        self.change(is_lost=True)
        self.change()

    @property
    def is_shown(self) -> bool:
        return not self.quotes[-1][1]


BEGAN = 0.0


@pytest.fixture
async def market(autojump_clock: MockClock) -> AsyncIterator[Market]:
    global BEGAN
    BEGAN = trio.current_time()
    async with mending(Market()) as market:
        market.resync.need("BTC")
        await trio.sleep(1.0)
        assert market.is_shown
        assert market.fetched == [0.0]
        yield market


@asynccontextmanager
async def mending(market: Market) -> AsyncIterator[Market]:
    async with trio.open_nursery() as nursery:
        await nursery.start(market.resync.run)
        yield market
        nursery.cancel_scope.cancel()


async def test_a_gap_is_mended_once_and_nothing_is_shown_meanwhile(autojump_clock: MockClock, market: Market) -> None:
    await trio.sleep(99.0)
    market.gap()
    assert not market.is_shown
    for _ in range(3):
        market.change()
        await trio.sleep(0.02)
    assert not market.is_shown
    await trio.sleep(1.0)
    assert market.is_shown
    assert (market.book.last, market.fetched) == (market.at, [0.0, 100.0])
    await trio.sleep(1_000.0)
    assert len(market.fetched) == 2


async def test_three_gaps_in_a_row_are_mended_each_and_waited_with(autojump_clock: MockClock, market: Market) -> None:
    await trio.sleep(99.0)
    for _ in range(3):
        market.gap()
        assert not market.is_shown
        await trio.sleep(8.0)
        assert market.is_shown
    assert market.fetched == [0.0, 100.0, 109.0, 118.0]

    await trio.sleep(40.0)
    market.gap()
    await trio.sleep(1.0)
    assert market.is_shown, "what held for long is mended at once"
    assert market.given_up == []


async def test_a_gap_while_a_snapshot_is_on_its_way_is_mended_by_a_further_one(
    autojump_clock: MockClock, market: Market
) -> None:
    await trio.sleep(99.0)
    market.gap()
    await trio.sleep(0.05)
    market.change(is_lost=True)
    market.change()
    await trio.sleep(0.2)
    assert not market.is_shown
    await trio.sleep(2.0)
    assert market.is_shown
    assert market.book.last == market.at


async def test_a_checksum_that_never_agrees_is_given_up_without_a_storm(
    autojump_clock: MockClock,
) -> None:
    global BEGAN
    BEGAN = trio.current_time()
    book = OrderBook(unnumbered, checksum=lambda _: 1)
    async with mending(Market(book=book, checksum=2)) as market:
        market.resync.need("BTC")
        for _ in range(10_000):
            await trio.sleep(0.1)
            market.change()
        assert not market.is_shown

    assert len(market.fetched) == 6
    assert [round(later - earlier) for earlier, later in pairwise(market.fetched)] == [1, 2, 4, 8, 8]
    assert [key for key, _ in market.given_up] == ["BTC"]
    assert "in 6 tries: " in market.given_up[0][1]


async def test_fetches_that_fail_are_tried_again_and_say_why_in_the_end(
    autojump_clock: MockClock, market: Market
) -> None:
    def fail() -> None:
        raise VenueError("503 from the venue")

    await trio.sleep(99.0)
    market.failures = [fail, fail]
    market.gap()
    await trio.sleep(5.0)
    assert market.is_shown
    assert market.fetched == [0.0, 100.0, 101.1, 103.2]

    await trio.sleep(100.0)
    market.failures = [fail] * 100
    market.gap()
    await trio.sleep(1_000.0)
    assert not market.is_shown
    assert market.given_up == [("BTC", "no book could be had in 6 tries: VenueError: 503 from the venue")]
    assert len(market.fetched) == 4 + 6
    market.resync.need("BTC")
    await trio.sleep(1_000.0)
    assert len(market.fetched) == 4 + 6
    assert len(market.given_up) == 1


async def test_a_snapshot_that_is_too_old_is_asked_for_again(autojump_clock: MockClock, market: Market) -> None:
    await trio.sleep(99.0)
    for _ in range(20):
        market.change()
    market.failures = [lambda: "too old"]
    market.gap()
    await trio.sleep(0.5)
    assert not market.is_shown
    await trio.sleep(5.0)
    assert market.is_shown
    assert market.fetched == [0.0, 100.0, 101.1]


async def test_a_fetch_without_an_answer_is_given_up_and_tried_again(autojump_clock: MockClock, market: Market) -> None:
    await trio.sleep(99.0)
    market.takes_seconds = 1_000.0
    market.gap()
    await trio.sleep(200.0)
    assert len(market.given_up) == 1
    assert "no answer within 20 s" in market.given_up[0][1]
    assert market.fetched[1:] == [100.0, 121.0, 143.0, 167.0, 195.0, 223.0]


async def test_what_is_on_its_way_when_the_connection_is_lost_is_not_shown(
    autojump_clock: MockClock, market: Market
) -> None:
    """What is fetched before the cut would be shown as new: V-3."""
    await trio.sleep(99.0)
    market.gap()
    await trio.sleep(0.05)
    market.resync.stop()
    market.book.reset("cut", received_ns=0)
    await trio.sleep(50.0)
    assert not market.book.is_valid
    assert len(market.fetched) == 2

    market.resync.need("BTC")
    await trio.sleep(1.0)
    assert market.is_shown


async def test_after_a_cut_what_was_given_up_is_tried_again(autojump_clock: MockClock, market: Market) -> None:
    market.takes_seconds = 1_000.0
    market.gap()
    await trio.sleep(200.0)
    assert len(market.given_up) == 1
    market.takes_seconds = 0.1
    market.resync.stop()
    market.resync.need("BTC")
    await trio.sleep(1.0)
    assert market.is_shown


async def test_no_more_than_so_many_are_fetched_at_once(autojump_clock: MockClock) -> None:
    valid: list[Key] = []
    under_way, most = 0, 0

    async def fetch(key: Key) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await trio.sleep(1.0)
        under_way -= 1
        valid.append(key)

    resync = Resync(fetch=fetch, is_valid=valid.__contains__, on_given_up=lambda *_: None, at_once=3)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(resync.run)
        for key in range(30):
            resync.need(key)
            resync.need(key)
        while len(valid) < 30:  # noqa: ASYNC110 - the test's own patience
            await trio.sleep(0.5)
        nursery.cancel_scope.cancel()

    assert sorted(map(str, valid)) == sorted(map(str, range(30)))
    assert most == 3
    assert trio.current_time() - began == pytest.approx(10.0, abs=1.0)


async def test_what_fetching_raises_beside_a_venues_errors_ends_it(autojump_clock: MockClock) -> None:
    async def fetch(key: Key) -> None:
        raise LookupError("no such thing")

    resync = Resync(fetch=fetch, is_valid=lambda _: False, on_given_up=lambda *_: None)
    resync.need("BTC")
    with pytest.raises(ExceptionGroup) as caught:
        await resync.run()
    assert caught.group_contains(LookupError)
