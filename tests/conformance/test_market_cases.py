"""Market data that is broken, each in one way: exactly that case fails, and what needs it is blocked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from itertools import count
from math import inf, nan
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import trio
from broken import expect_failed_alone

from trioarb.api import (
    SECOND_NS,
    Feed,
    Listing,
    MarketContext,
    MarketData,
    MarketDataError,
    MarketDataSpec,
    QuoteSink,
    RowBatch,
    Tape,
    TapeRow,
    TradingRules,
)
from trioarb.testing import listing, plugin_of
from trioarb.testing.conformance import Report, Stage, Trouble, Verdict, judge, kind_named, subject

LISTED = (listing("BTC"), listing("ETH"))
RULES = TradingRules(tick_size=Decimal("0.01"))
START_NS = 1_735_689_600_000_000_000
#: Bids and asks.
Book = tuple[Sequence[Any], Sequence[Any]]
Change = tuple[str, Book]


@attrs.define(eq=False)
class Street(Stage):
    """A venue in memory: whoever listens is told which symbol has changed."""

    listings: Sequence[Listing] = LISTED
    troubles: frozenset[Trouble] = frozenset(
        {Trouble.CUT, Trouble.SILENT, Trouble.SERVER_ERROR, Trouble.GAP, Trouble.UNKNOWN}
    )
    books: dict[str, Book] = attrs.field(factory=dict)
    streams: list[trio.MemorySendChannel[Change]] = attrs.field(factory=list)
    is_silent: bool = False
    fails: bool = False
    leaves_out: bool = False
    is_strange: bool = False
    #: What stood before a change that was told to nobody.
    before: Book | None = None

    async def show(self, symbol: str, bids: Sequence[Any], asks: Sequence[Any]) -> None:
        before = self.books.get(symbol)
        self.books[symbol] = (bids, asks)
        if self.leaves_out:
            self.leaves_out, self.before = False, before
            return
        for stream in self.streams if not self.is_silent else ():
            stream.send_nowait((symbol, self.books[symbol]))

    async def trouble(self, trouble: Trouble, times: int = 1) -> None:
        if trouble is Trouble.CUT:
            for stream in self.streams:
                stream.close()
            self.streams.clear()
        self.is_silent = trouble is Trouble.SILENT
        self.fails = trouble is Trouble.SERVER_ERROR
        self.leaves_out = trouble is Trouble.GAP
        self.is_strange = trouble is Trouble.UNKNOWN

    async def calm(self) -> None:
        self.is_silent = self.fails = self.leaves_out = self.is_strange = False

    @contextmanager
    def stream(self) -> Iterator[trio.MemoryReceiveChannel[Change]]:
        send, receive = trio.open_memory_channel[Change](inf)
        self.streams.append(send)
        with send, receive:
            try:
                yield receive
            finally:
                if send in self.streams:
                    self.streams.remove(send)


class Market(MarketData):
    """What feeds and tapes of this page have in common."""

    def __init__(self, street: Street, context: MarketContext) -> None:
        self.street, self.context = street, context
        self.asked = 0

    async def listings(self) -> Sequence[Listing]:
        await trio.sleep(0.01)
        return LISTED

    def rules(self, symbol: str) -> TradingRules | None:
        return RULES if symbol in ("BTCUSDT", "ETHUSDT") else None


class RightTape(Market, Tape):
    """A quote of each symbol each second, up and down; every tenth has no ask."""

    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        for number in range(1_000):
            for place, symbol in enumerate(symbols):
                price = 100.0 + number % 7 + len(symbol)
                ask = nan if number % 10 == 9 else price + 0.1
                yield (start_ns + number * SECOND_NS, place, symbol, price, 1.0, ask, 1.0)


class ListsTwice(RightTape):
    async def listings(self) -> Sequence[Listing]:
        return [*LISTED, LISTED[0]]


class TurnsAround(RightTape):
    async def listings(self) -> Sequence[Listing]:
        self.asked += 1
        return LISTED[:: 1 if self.asked % 2 else -1]


class KnowsRulesOfAll(RightTape):
    def rules(self, symbol: str) -> TradingRules | None:
        return RULES


class IsDoneOnceCancelled(RightTape):
    async def listings(self) -> Sequence[Listing]:
        try:
            return [] if self.asked else await super().listings()
        except trio.Cancelled:
            self.asked = 1
            raise


class Falls(RightTape):
    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        for number, row in enumerate(super().rows(symbols, start_ns)):
            yield (row[0] - (2 * SECOND_NS if number % 50 == 49 else 0), *row[1:])


class BeginsAtAYearOfItsOwn(RightTape):
    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        yield from super().rows(symbols, START_NS)


class Crosses(RightTape):
    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        for ts_ns, order, symbol, bid, bid_size, ask, ask_size, *_ in super().rows(symbols, start_ns):
            yield (ts_ns, order, symbol, ask, ask_size, bid, bid_size)


PLAYED = count()


class PlaysAnew(RightTape):
    """Its prices depend on how often it was played."""

    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        more = float(next(PLAYED) if len(symbols) > 1 and self.context.depth == 3 else 0)
        for ts_ns, order, symbol, bid, bid_size, ask, ask_size, *_ in super().rows(symbols, start_ns):
            yield (ts_ns, order, symbol, bid + more, bid_size, ask + more, ask_size)


class HasOtherBatches(RightTape):
    def batches(self, symbols: Sequence[str], start_ns: int) -> Iterator[RowBatch]:
        ts_ns, order, names, *numbers = zip(*(row[:7] for row in self.rows(symbols, start_ns)), strict=True)
        bid, bid_size, ask, ask_size = map(np.array, numbers)
        yield RowBatch(
            ts_ns=np.array(ts_ns),
            order=np.array(order),
            symbol=np.array([symbols.index(name) for name in names]),
            names=symbols,
            bid=bid,
            bid_size=bid_size,
            ask=ask + 1,
            ask_size=ask_size,
        )


class MixesSymbols(RightTape):
    """Draws all symbols from one stream of chance, so that each moves the others'."""

    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        for row in super().rows(symbols, start_ns):
            yield (*row[:4], float(len(symbols)), *row[5:7])


class RightFeed(Market, Feed):
    """Tells the whole book at each change; withdraws it where the stream is cut or silent, and listens again."""

    silent_seconds = 5.0

    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        is_first = True
        while True:
            await trio.sleep(0.01)
            with self.street.stream() as stream:
                for symbol in sinks:
                    if not self.street.is_silent:
                        self.begin(sinks[symbol], symbol)
                if is_first:
                    task_status.started()
                    is_first = False
                await self.follow(stream, sinks)
            self.lost(sinks)

    async def follow(self, stream: trio.MemoryReceiveChannel[Change], sinks: Mapping[str, QuoteSink]) -> None:
        """Return where the stream is cut, or silent."""
        with trio.move_on_after(self.silent_seconds) as patience:
            async for symbol, book in stream:
                if symbol in sinks:
                    self.tell(sinks[symbol], symbol, book)
                patience.deadline = trio.current_time() + self.silent_seconds

    def lost(self, sinks: Mapping[str, QuoteSink]) -> None:
        for sink in sinks.values():
            sink(nan, nan, nan, nan, self.context.time.now_ns())

    def begin(self, sink: QuoteSink, symbol: str) -> None:
        self.tell(sink, symbol, self.street.books.get(symbol, ((), ())))

    def tell(self, sink: QuoteSink, symbol: str, book: Book) -> None:
        bids, asks = book
        (bid, bid_size), (ask, ask_size) = (
            (float(side[0][0]), float(side[0][1])) if side else (nan, nan) for side in (bids, asks)
        )
        parts = [[float(level[part]) for level in side[1:]] for side in (bids, asks) for part in (0, 1)]
        self.give(sink, bid, bid_size, ask, ask_size, self.levels(parts))

    def levels(self, parts: list[list[float]]) -> Any:
        return tuple(parts) if self.context.depth > 1 else None

    def give(self, sink: QuoteSink, bid: float, bid_size: float, ask: float, ask_size: float, levels: Any) -> None:
        sink(bid, bid_size, ask, ask_size, self.context.time.now_ns(), None, levels)


class QuotesTheFirstOnly(RightFeed):
    def tell(self, sink: QuoteSink, symbol: str, book: Book) -> None:
        if symbol == "BTCUSDT":
            super().tell(sink, symbol, book)


class BeginsOnOneSide(RightFeed):
    def begin(self, sink: QuoteSink, symbol: str) -> None:
        if symbol in self.street.books:
            (bid, size), *_ = self.street.books[symbol][0]
            sink(float(bid), float(size), nan, nan, self.context.time.now_ns())
        super().begin(sink, symbol)


class Rounds(RightFeed):
    def give(self, sink: QuoteSink, bid: float, bid_size: float, ask: float, ask_size: float, levels: Any) -> None:
        super().give(sink, bid, bid_size - bid_size % 1, ask, ask_size, levels)


class StampsInAnyOrder(RightFeed):
    def give(self, sink: QuoteSink, bid: float, bid_size: float, ask: float, ask_size: float, levels: Any) -> None:
        self.asked += 1
        sink(bid, bid_size, ask, ask_size, self.context.time.now_ns() - self.asked % 2 * SECOND_NS, None, levels)


class KeepsASide(RightFeed):
    """Goes on telling an ask that is gone."""

    kept = (nan, nan)

    def give(self, sink: QuoteSink, bid: float, bid_size: float, ask: float, ask_size: float, levels: Any) -> None:
        self.kept = self.kept if ask != ask else (ask, ask_size)
        super().give(sink, bid, bid_size, *self.kept, levels)


class TurnsLevelsAround(RightFeed):
    def levels(self, parts: list[list[float]]) -> Any:
        return [part[::-1] for part in parts] if self.context.depth > 1 else None


class GivesTheBestTwice(RightFeed):
    def give(self, sink: QuoteSink, bid: float, bid_size: float, ask: float, ask_size: float, levels: Any) -> None:
        if levels is not None and bid == bid and ask == ask:
            levels = ([bid, *levels[0]], [bid_size, *levels[1]], [ask, *levels[2]], [ask_size, *levels[3]])
        super().give(sink, bid, bid_size, ask, ask_size, levels)


class DropsTheNewest(RightFeed):
    """Has room for a hundred changes of one moment, and loses what comes beyond."""

    moment_ns = many = 0

    def tell(self, sink: QuoteSink, symbol: str, book: Book) -> None:
        now_ns = self.context.time.now_ns()
        self.many = self.many + 1 if now_ns == self.moment_ns else 1
        self.moment_ns = now_ns
        if self.many <= 100:
            super().tell(sink, symbol, book)


class StandsStillAfterACut(RightFeed):
    """Connects again, and leaves the old quotes where they are meanwhile."""

    def lost(self, sinks: Mapping[str, QuoteSink]) -> None:
        if not self.street.is_silent:
            return
        super().lost(sinks)


class WaitsForEver(RightFeed):
    silent_seconds = inf


class KeepsWhatWasBeforeAGap(RightFeed):
    """Counts what has gone to what is there, where nobody told it so."""

    def give(self, sink: QuoteSink, bid: float, bid_size: float, ask: float, ask_size: float, levels: Any) -> None:
        if self.street.before is not None:
            bid_size += float(self.street.before[0][0][1])
        super().give(sink, bid, bid_size, ask, ask_size, levels)


class StumblesOverWhatNobodyKnows(RightFeed):
    def tell(self, sink: QuoteSink, symbol: str, book: Book) -> None:
        if self.street.is_strange:
            sink(nan, nan, nan, nan, self.context.time.now_ns())
        super().tell(sink, symbol, book)


class KeepsItsFirstSinks(RightFeed):
    first: Mapping[str, QuoteSink] = {}

    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        self.first = self.first if len(self.first) == 1 else sinks
        await super().run({**sinks, **self.first} if self.first is not sinks else sinks, task_status=task_status)


class LeavesATaskWhenItIsCancelled(RightFeed):
    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        has_started = False

        class Status(trio.TaskStatus[None]):
            def started(self, value: None = None) -> None:
                nonlocal has_started
                has_started = True
                task_status.started()

        try:
            await super().run(sinks, task_status=Status())
        except trio.Cancelled:
            if not has_started:
                trio.lowlevel.spawn_system_task(trio.sleep_forever)
            raise


class LeavesATask(RightTape):
    pass


class LeavesATaskWhenOpeningIsCancelled(RightTape):
    pass


class RaisesWhatComes(RightTape):
    pass


class GoesBackAfterACut(RightFeed):
    """Its clock begins anew with each connection."""

    cuts = 0

    def lost(self, sinks: Mapping[str, QuoteSink]) -> None:
        super().lost(sinks)
        self.cuts += 1

    def give(self, sink: QuoteSink, bid: float, bid_size: float, ask: float, ask_size: float, levels: Any) -> None:
        received_ns = self.context.time.now_ns() - (3 * SECOND_NS if self.cuts else 0)
        sink(bid, bid_size, ask, ask_size, received_ns, None, levels)


class ComesBackOnce(GoesBackAfterACut):
    def lost(self, sinks: Mapping[str, QuoteSink]) -> None:
        super().lost(sinks)
        if self.cuts > 1:
            raise MarketDataError("cut too often")

    def give(self, sink: QuoteSink, bid: float, bid_size: float, ask: float, ask_size: float, levels: Any) -> None:
        RightFeed.give(self, sink, bid, bid_size, ask, ask_size, levels)


BROKEN: Mapping[str, type[Market]] = {
    "MD-01": LeavesATask,
    "MD-02": LeavesATaskWhenOpeningIsCancelled,
    "MD-03": RaisesWhatComes,
    "MD-04": ListsTwice,
    "MD-05": TurnsAround,
    "MD-06": KnowsRulesOfAll,
    "MD-07": IsDoneOnceCancelled,
    "MD-10": Falls,
    "MD-11": BeginsAtAYearOfItsOwn,
    "MD-12": Crosses,
    "MD-13": PlaysAnew,
    "MD-14": HasOtherBatches,
    "MD-15": MixesSymbols,
    "MD-20": QuotesTheFirstOnly,
    "MD-21": BeginsOnOneSide,
    "MD-22": Rounds,
    "MD-23": StampsInAnyOrder,
    "MD-24": KeepsASide,
    "MD-25": TurnsLevelsAround,
    "MD-26": DropsTheNewest,
    "MD-30": StandsStillAfterACut,
    "MD-31": WaitsForEver,
    "MD-32": KeepsItsFirstSinks,
    "MD-33": LeavesATaskWhenItIsCancelled,
    "MD-34": KeepsWhatWasBeforeAGap,
    "MD-35": StumblesOverWhatNobodyKnows,
}


def judged(kind: type[Market], cases: Sequence[str] = ()) -> Report:
    streets: list[Street] = []

    @asynccontextmanager
    async def stage() -> AsyncIterator[Street]:
        streets.append(Street())
        yield streets[-1]

    @asynccontextmanager
    async def open_market(settings: Any, context: MarketContext) -> AsyncIterator[MarketData]:
        street = streets[-1]
        try:
            await trio.lowlevel.checkpoint()
            if street.fails:
                raise (
                    OSError("connection refused") if kind is RaisesWhatComes else MarketDataError("the street is shut")
                )
        except trio.Cancelled:
            if kind is LeavesATaskWhenOpeningIsCancelled:
                trio.lowlevel.spawn_system_task(trio.sleep_forever)
            raise
        yield kind(street, context)
        if kind is LeavesATask:
            trio.lowlevel.spawn_system_task(trio.sleep_forever)

    spec = MarketDataSpec(name="mine", doc="", open=open_market)
    return judge(kind="market", name="mine", stage=stage, plugins={"mine": plugin_of(spec)}, cases=cases)


@pytest.mark.parametrize("kind", [RightTape, RightFeed])
def test_the_right_ones_pass_every_case_that_is_about_them(kind: type[Market]) -> None:
    report = judged(kind)

    assert report.conforms, str(report)
    others = {one.case.id: one.why for one in report.outcomes if one.verdict is not Verdict.PASS}
    is_feed = issubclass(kind, Feed)
    wanted = {case for case in BROKEN if (case < "MD-20" if is_feed else case >= "MD-20") and case >= "MD-10"}
    assert others.keys() == wanted | (set() if is_feed else {"MD-14"}), list(report.lines())


def test_every_case_has_one_that_fails_it() -> None:
    assert [case.id for case in kind_named("market").cases] == list(BROKEN)


@pytest.mark.parametrize(("case_id", "kind"), BROKEN.items(), ids=lambda value: getattr(value, "__name__", value))
def test_a_broken_one_fails_that_case_and_no_other(case_id: str, kind: type[Market]) -> None:
    expect_failed_alone(judged(kind), case_id)


class NeverSaysStarted(RightFeed):
    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        await super().run(sinks)


def test_a_feed_that_never_says_started_is_told_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "ANSWER_SECONDS", 0.3)
    report = judged(NeverSaysStarted, ["MD-20"])
    assert report.of("MD-20").got == "none: it did not say task_status.started()"


@pytest.mark.parametrize("kind", [GoesBackAfterACut, ComesBackOnce])
def test_who_does_not_come_back_as_before_is_found(kind: type[RightFeed]) -> None:
    assert judged(kind, ["MD-30"]).of("MD-30").verdict is Verdict.FAIL


def test_a_level_that_stands_twice_is_found() -> None:
    assert "not in order" not in judged(RightFeed, ["MD-25"]).of("MD-25").got
    assert judged(GivesTheBestTwice, ["MD-25"]).of("MD-25").verdict is Verdict.FAIL


@pytest.mark.parametrize(("name", "settings"), [("dummy", {}), ("faulty", {"wraps": {"plugin": "dummy"}})])
def test_the_simulated_ones_conform(name: str, settings: Mapping[str, Any]) -> None:
    report = judge(kind="market", name=name, settings=settings)
    assert report.conforms, str(report)
    assert report.of("MD-15").verdict is Verdict.PASS


def test_the_recorded_one_conforms(tmp_path: Path) -> None:
    quotes = [
        (START_NS + number * SECOND_NS, "A", f"{base}-USDT", price, 1.0, price + 0.1 * (number % 9 != 0), 2.0)
        for number in range(400)
        for base, price in (("BTC", 100.0 + number % 13), ("ETH", 10.0))
    ]
    names = ("ts_ns", "exchange", "symbol", "bid", "bid_size", "ask", "ask_size")
    pq.write_table(pa.table(dict(zip(names, zip(*quotes, strict=True), strict=True))), tmp_path / "quotes.parquet")

    report = judge(kind="market", name="recorded", settings={"path": str(tmp_path), "exchange": "A"})

    assert report.conforms, str(report)
    assert {report.of(f"MD-{number}").verdict for number in range(10, 16)} == {Verdict.PASS}
