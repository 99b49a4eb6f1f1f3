"""Market data that is tried: opened with a context of the kit's, played, or listened to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from decimal import Decimal
from itertools import pairwise
from math import isfinite, isnan
from typing import Any, cast

import attrs
import trio

from trioarb.api import Feed, Levels, LevelsLater, Listing, MarketContext, MarketData, TradingRules
from trioarb.plugin.border import CheckedTape
from trioarb.plugin.tap import StartedOnce
from trioarb.testing.conformance.case import Cases, Failed, NotOffered, expect, not_offered
from trioarb.testing.conformance.stage import Level, Stage
from trioarb.testing.conformance.subject import ANSWER_SECONDS, Trial

__all__ = ["CASES", "DEPTHS", "VENUE", "Heard", "MarketTrial", "Row", "Told", "flaw", "is_whole", "trial_of"]

VENUE = "judged"
#: Feeds may have other streams for best prices than for books, whose changes follow a snapshot.
DEPTHS = (1, 50)
#: A tape's row as it can be compared: what is no number is None.
Row = tuple[Any, ...]
_PRICE = Decimal(100)
_SHOWN_LEVELS = 5
_PAUSE_SECONDS = 0.05
#: How long something that is shown may take to be told before it is shown again.
_PATIENCE_SECONDS = 1.0
#: So many symbols of a tape are played at most.
_MOST_SYMBOLS = 20


@attrs.frozen
class Told:
    """A quote as a feed told it: what it gave its sink, and the campaign's time then."""

    bid: float
    bid_size: float
    ask: float
    ask_size: float
    received_ns: int
    levels: Levels | None
    now_ns: int

    @property
    def has_bid(self) -> bool:
        return _is_there(self.bid, self.bid_size)

    @property
    def has_ask(self) -> bool:
        return _is_there(self.ask, self.ask_size)

    def __str__(self) -> str:
        return f"bid {self.bid:g} × {self.bid_size:g}, ask {self.ask:g} × {self.ask_size:g}"


def is_whole(told: Told) -> bool:
    """Return whether both sides are there."""
    return told.has_bid and told.has_ask


def _is_there(price: float, size: float) -> bool:
    return not isnan(price) and not isnan(size) and price != 0 and size != 0


def flaw(bid: float, bid_size: float, ask: float, ask_size: float, levels: Levels | None) -> str:
    """Return why the engine would refuse a quote, '' if it wouldn't."""
    sides = [side for side in ((bid, bid_size), (ask, ask_size)) if _is_there(*side)]
    if any(not isfinite(number) or number < 0 for side in sides for number in side):
        return "a negative or infinite number"
    if len(sides) == 2 and bid > ask:
        return f"a bid of {bid:g} above the ask of {ask:g}"
    for prices, sizes, best, sign in _sides(bid, ask, levels):
        numbers = [number for number in prices if not isnan(number)]
        if any(size <= 0 or not isfinite(size) for size in sizes[: len(numbers)]):
            return "a level without a size"
        steps = [best, *numbers]
        if any(sign * (further - nearer) >= 0 for nearer, further in pairwise(steps)):
            return f"levels that are not in order: {', '.join(f'{one:g}' for one in steps)}"
    return ""


def _sides(
    bid: float, ask: float, levels: Levels | None
) -> Sequence[tuple[Sequence[float], Sequence[float], float, int]]:
    if levels is None:
        return ()
    bids, bid_sizes, asks, ask_sizes = levels
    return ((bids, bid_sizes, bid, 1), (asks, ask_sizes, ask, -1))


@attrs.define(eq=False)
class Heard:
    """What a feed told of each symbol, in order."""

    now_ns: Callable[[], int]
    told: dict[str, list[Told]] = attrs.field(factory=dict)

    def sink(self, symbol: str) -> Callable[..., None]:
        quotes = self.told.setdefault(symbol, [])

        def take(
            bid: float,
            bid_size: float,
            ask: float,
            ask_size: float,
            received_ns: int,
            venue_ts_ns: int | None = None,
            levels: Levels | LevelsLater | None = None,
        ) -> None:
            found = _looked_up(levels)
            quotes.append(Told(bid, bid_size, ask, ask_size, received_ns, found, self.now_ns()))

        return take

    def last(self, symbol: str) -> Told | None:
        quotes = self.told.get(symbol)
        return quotes[-1] if quotes else None

    def expect_stamped(self) -> None:
        """See that no time of receipt falls, nor is ahead of the campaign's.

        Raises:
            Failed: one does, or is.
        """
        for symbol, quotes in self.told.items():
            newest_ns = 0
            for one in quotes:
                expect(one.received_ns <= one.now_ns, f"quotes of {symbol} not from the future", one.received_ns)
                expect(one.received_ns >= newest_ns, f"times of {symbol} that never fall", one.received_ns)
                newest_ns = one.received_ns


def _looked_up(levels: Any) -> Levels | None:
    """Return levels, those too that a function gives: behind the border it is one of ours, with what it calls."""
    if isinstance(levels, tuple) and len(levels) == 2 and callable(levels[0]):
        look_up, later = levels
        return cast("Levels | None", look_up(later))
    return cast("Levels | None", levels)


@attrs.define(eq=False)
class MarketTrial:
    """Market data that can be opened, more than once, and what stands behind it."""

    trial: Trial
    stage: Stage
    _shows: int = 0

    @property
    def is_live(self) -> bool:
        return self.trial.clock is None

    @asynccontextmanager
    async def market(self, depth: int = 1) -> AsyncIterator[MarketData]:
        context = MarketContext(venue=VENUE, seed=1, depth=depth)
        async with self.trial.open(context, more=self.stage.settings, venue=VENUE) as opened:
            yield opened

    @asynccontextmanager
    async def tape(self, depth: int = 1) -> AsyncIterator[CheckedTape]:
        """Open it, if it is a tape."""
        async with self.market(depth) as market:
            if not isinstance(market, CheckedTape):
                not_offered("it is a feed")
            yield market

    @asynccontextmanager
    async def feed(self, depth: int = 1) -> AsyncIterator[Feed]:
        """Open it, if it is a feed."""
        async with self.market(depth) as market:
            if not isinstance(market, Feed):
                not_offered("it is a tape")
            yield market

    async def symbols(self, market: MarketData) -> list[str]:
        """Return which of the symbols that the kit was told it lists.

        Raises:
            Failed: none.
        """
        listed = {one.symbol for one in await market.listings()}
        asked = [one.symbol for one in self.asked]
        found = [symbol for symbol in asked if symbol in listed]
        some = ", ".join(sorted(listed)[:5])
        expect(bool(found), f"that it lists {' or '.join(asked)}, which the kit asks about", f"{some} and others")
        return found

    @property
    def asked(self) -> Sequence[Listing]:
        return self.stage.listings or self.trial.subject.listings

    # Tapes

    async def of_tape(self, tape: CheckedTape) -> list[str]:
        """Return symbols that it lists, those that the kit was told first."""
        listed = [one.symbol for one in await tape.listings()]
        told = {one.symbol for one in self.asked}
        return sorted(listed, key=lambda symbol: symbol not in told)[:_MOST_SYMBOLS]

    @staticmethod
    def rows(tape: CheckedTape, symbols: Sequence[str], start_ns: int, most: int) -> list[Row]:
        """Return its first rows, as the engine reads them."""
        found: list[Row] = []
        with closing(tape.columns(symbols, start_ns)) as batches:
            for batch in batches:
                names = [batch.names[place] for place in batch.symbol.tolist()]
                numbers = (column.tolist() for column in (batch.bid, batch.bid_size, batch.ask, batch.ask_size))
                levels: Any = [None] * len(names)
                if batch.levels is not None:
                    levels = list(zip(*(part.T.tolist() for part in batch.levels), strict=True))
                columns = (batch.ts_ns.tolist(), batch.order.tolist(), names, *numbers, levels)
                found += zip(*columns, strict=True)
                if len(found) >= most:
                    break
        return found[:most]

    # Feeds

    @asynccontextmanager
    async def listening(self, feed: Feed, symbols: Sequence[str]) -> AsyncIterator[Heard]:
        """Run it with a sink for each symbol, until the end of the block; it has to be subscribed before that."""
        heard = Heard(self.trial.time.now_ns)
        sinks = {symbol: heard.sink(symbol) for symbol in symbols}

        async def run(*, task_status: trio.TaskStatus[None]) -> None:
            await feed.run(sinks, task_status=StartedOnce(task_status))

        async with trio.open_nursery() as nursery:
            with self.trial.in_time("run", "none: it did not say task_status.started()"):
                await nursery.start(run)
            yield heard
            nursery.cancel_scope.cancel()

    async def show(self, market: MarketData, symbol: str, *, bid: bool = True, ask: bool = True) -> Told:
        """Let the venue show other levels than before, or none on a side; return what is to be told of it.

        Raises:
            NotOffered: the stage can't.
        """
        self._shows += 1
        price = self.stage.prices.get(symbol, _PRICE) * (1 + Decimal(self._shows % 9) / 200)
        rules = market.rules(symbol) or TradingRules()
        size = Decimal(1) + Decimal(self._shows) / 1000
        bids = [rules.floor_price(price * (1 - Decimal(number) / 1000)) for number in range(1, _SHOWN_LEVELS + 1)]
        asks = [rules.ceil_price(price * (1 + Decimal(number) / 1000)) for number in range(1, _SHOWN_LEVELS + 1)]
        shown_bids: list[Level] = [(one, size + number) for number, one in enumerate(bids)] if bid else []
        shown_asks: list[Level] = [(one, size + number) for number, one in enumerate(asks)] if ask else []
        await self.stage.show(symbol, shown_bids, shown_asks)
        return _told(shown_bids, shown_asks)

    async def try_to_show(self, market: MarketData, symbols: Sequence[str]) -> bool:
        """Let the venue show something of each symbol, if the stage can; whether it could."""
        try:
            for symbol in symbols:
                await self.show(market, symbol)
        except NotOffered:
            return False
        return True

    async def until(
        self,
        holds: Callable[[], bool],
        expected: str,
        got: Callable[[], object],
        *,
        seconds: float = ANSWER_SECONDS,
    ) -> None:
        """Wait until something holds.

        Raises:
            Failed: it doesn't within ten seconds, or as many as are given.
        """
        with trio.move_on_after(seconds):
            while not holds():  # noqa: ASYNC110  # it is the venue's doing
                await trio.sleep(_PAUSE_SECONDS)
            return
        raise Failed(f"{expected} within {seconds:g} s", str(got()))

    async def until_told(self, heard: Heard, symbol: str, wanted: Told, *, seconds: float = ANSWER_SECONDS) -> None:
        """Wait until a quote is the last one that was told of a symbol."""
        await self.until(
            lambda: (last := heard.last(symbol)) is not None and same(last, wanted),
            f"of {symbol}: {wanted}",
            lambda: heard.last(symbol) or "nothing told",
            seconds=seconds,
        )

    async def until_more(self, heard: Heard, symbol: str, count: int) -> Told:
        """Wait until more quotes than so many were told of a symbol, and return the first of these."""
        told = heard.told[symbol]
        await self.until(lambda: len(told) > count, f"another quote of {symbol}", lambda: "none")
        return told[count]

    async def until_withdrawn(self, heard: Heard, symbol: str, expected: str, *, since: int) -> None:
        """Wait until both sides of a symbol were withdrawn, after so many quotes of it."""
        told = heard.told[symbol]
        await self.until(
            lambda: any(not (one.has_bid or one.has_ask) for one in told[since:]),
            expected,
            lambda: heard.last(symbol) or "nothing told",
        )

    async def until_whole(self, heard: Heard, symbols: Sequence[str]) -> None:
        """Wait until both sides of each symbol are there."""
        for symbol in symbols:
            await self.until(
                lambda symbol=symbol: (last := heard.last(symbol)) is not None and is_whole(last),  # type: ignore[misc]
                f"a quote of {symbol} with both sides",
                lambda symbol=symbol: heard.last(symbol) or "nothing told",  # type: ignore[misc]
            )

    async def until_whole_again(self, feed: Feed, heard: Heard, symbols: Sequence[str]) -> None:
        """Wait until what is shown from now on is told of each symbol.

        Raises:
            Failed: it isn't, within ten seconds each.
        """
        for symbol in symbols:
            with trio.move_on_after(ANSWER_SECONDS):
                while True:  # it is shown again and again: what comes before it is subscribed is lost to some venues
                    wanted = await self.show(feed, symbol)
                    with trio.move_on_after(_PATIENCE_SECONDS):
                        await self.until_told(heard, symbol, wanted)
                        break
                continue
            raise Failed(f"what is shown of {symbol} told again", str(heard.last(symbol) or "nothing told"))


def _told(bids: Sequence[Level], asks: Sequence[Level]) -> Told:
    (bid, bid_size), (ask, ask_size) = (side[0] if side else (Decimal("NaN"), Decimal(0)) for side in (bids, asks))
    levels = tuple(tuple(float(level[part]) for level in side[1:]) for side in (bids, asks) for part in (0, 1))
    return Told(float(bid), float(bid_size), float(ask), float(ask_size), 0, cast("Levels", levels), 0)


def same(one: Told, other: Told) -> bool:
    """Return whether both say the same of the best prices and sizes: of a side that isn't there only that."""
    return (one.has_bid, one.has_ask) == (other.has_bid, other.has_ask) and all(
        mine == yours
        for is_there, mine, yours in (
            (one.has_bid, (one.bid, one.bid_size), (other.bid, other.bid_size)),
            (one.has_ask, (one.ask, one.ask_size), (other.ask, other.ask_size)),
        )
        if is_there
    )


CASES = Cases[MarketTrial]()


@asynccontextmanager
async def trial_of(trial: Trial) -> AsyncIterator[MarketTrial]:
    """Open the stage that was given, if one was."""
    async with trial.stage(Stage()) as stage:
        yield MarketTrial(trial, stage)
