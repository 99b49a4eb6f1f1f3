"""Levels that a feed gives by a function: asked for by who looks, while they are what they were, and checked then."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import pytest
import trio

from trioarb.api import Feed, Levels, LevelsLater, Listing, QuoteSink
from trioarb.errors import PluginFault
from trioarb.plugin.border import checked
from trioarb.plugin.call import Calls, Where
from trioarb.quotes.board import QuoteBoard
from trioarb.quotes.sinks import Fees, sinks_of
from trioarb.venue import OrderBook, numbered

GOOD: Levels = ([99.0, 98.0], [1.0, 2.0], [102.0, 103.0], [3.0, 4.0])


@attrs.define
class Gives(Feed):
    """Gives one quote of each symbol, with these levels."""

    levels: LevelsLater
    told: trio.Event = attrs.field(factory=trio.Event)

    async def listings(self) -> Sequence[Listing]:
        return []

    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        task_status.started()
        for sink in sinks.values():
            sink(100.0, 5.0, 101.0, 6.0, 1, None, self.levels)
        self.told.set()
        await trio.sleep_forever()


def board_of_one() -> tuple[QuoteBoard, QuoteSink]:
    board = QuoteBoard(("a", "b"))
    fees = {0: Fees(1.0, 1.0), 1: Fees(1.0, 1.0)}
    sinks = sinks_of(board, fees, 1, show=lambda *one: None, skip=lambda one: None, skippable=lambda: None)
    return board, sinks.of[0]


async def looked(levels: LevelsLater, look: Callable[[QuoteBoard], Any], *, depth: int = 3) -> Any:
    """Return what somebody sees who looks while the feed runs."""
    board, sink = board_of_one()
    feed = Gives(levels)
    where = Where(key="m", plugin="p", calls=Calls(seconds=5.0, depth=depth))
    async with trio.open_nursery() as nursery:
        await nursery.start(checked(feed, where).run, {"X": sink})
        await feed.told.wait()
        found = look(board)
        nursery.cancel_scope.cancel()
    return found


def test_nobody_looks_and_nothing_is_asked() -> None:
    asked = []

    def levels() -> Levels:
        asked.append(1)
        return GOOD

    trio.run(looked, levels, lambda board: board.quote(0))
    assert not asked


async def test_who_looks_sees_them() -> None:
    book = await looked(lambda: GOOD, lambda board: board.book(0))
    assert (book.bids, book.ask_sizes) == ((100.0, 99.0, 98.0), (6.0, 3.0, 4.0))
    touch = await looked(lambda: GOOD, lambda board: board.touch("a"))
    assert [float(level.price) for level in touch.asks()] == [101.0, 102.0, 103.0]


async def test_no_more_of_them_than_are_wanted() -> None:
    assert (await looked(lambda: GOOD, lambda board: board.book(0), depth=2)).bids == (100.0, 99.0)
    assert (await looked(lambda: GOOD, lambda board: board.book(0), depth=1)).bids == (100.0,)


@pytest.mark.parametrize(
    "levels",
    [None, ([100.5], [1.0], [], []), ([99.0], [-1.0], [], []), ([], [], [102.0, 101.5], [1.0, 1.0])],
)
async def test_levels_that_are_others_by_now_or_cannot_be_are_none(levels: Levels | None) -> None:
    assert (await looked(lambda: levels, lambda board: board.book(0))).bids == (100.0,)


@pytest.mark.parametrize("levels", ["levels", ([1], [2.0]), ([True], [1.0], [], []), ([99.0], [], [], [])])
async def test_nonsense_ends_the_feed(levels: Any) -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        await looked(lambda: levels, lambda board: board.book(0))
    assert caught.value.subgroup(PluginFault)


async def test_a_function_that_raises_ends_the_feed() -> None:
    def levels() -> Levels:
        raise KeyError("book")

    with pytest.raises(BaseExceptionGroup) as caught:
        await looked(levels, lambda board: board.book(0))
    found = caught.value.subgroup(PluginFault)
    assert found is not None
    assert "the sink of X levels that raise KeyError" in str(found.exceptions[0])


async def test_once_the_feed_has_ended_it_is_not_asked() -> None:
    board, sink = board_of_one()
    feed = Gives(lambda: pytest.fail("asked after the end"))
    where = Where(key="m", plugin="p", calls=Calls(seconds=5.0, depth=3))
    async with trio.open_nursery() as nursery:
        await nursery.start(checked(feed, where).run, {"X": sink})
        await feed.told.wait()
        nursery.cancel_scope.cancel()
    book = board.book(0)
    assert book is not None
    assert book.bids == (100.0,)


def test_a_kept_book_says_so_when_it_is_another_by_now() -> None:
    given: list[LevelsLater] = []

    def sink(*quote: Any) -> None:
        given.append(quote[6])

    book = OrderBook(numbered, depth=3)
    book.snapshot([(100.0, 1.0), (99.0, 1.0)], [(101.0, 1.0)], last=1, received_ns=1)
    book.tell(sink)
    assert given[-1]() == ([99.0], [1.0], [], [])
    for change in (
        lambda: book.change([(98.0, 1.0)], [], first=2, last=2, received_ns=2),
        lambda: book.snapshot([(100.0, 1.0), (99.0, 2.0)], [(101.0, 1.0)], last=3, received_ns=3),
    ):
        change()
        assert given[-1]() is None
        book.tell(sink)
        assert given[-1]() is not None
    book.reset("cut", received_ns=4)
    assert given[-1]() is None
