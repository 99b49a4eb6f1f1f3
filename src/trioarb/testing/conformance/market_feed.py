"""Cases of feeds: they tell what the venue shows, whole, in order, and what it shows no more."""

from __future__ import annotations

from trioarb.testing.conformance.case import expect, not_offered
from trioarb.testing.conformance.market_desk import CASES, DEPTHS, MarketTrial, flaw, is_whole, same

#: The stage can show prices.
SHOWS = "a feed; a stage that shows prices"
_BURST = 200
#: How long it may take to catch up; a watch for silence may not do it in its place.
_BURST_SECONDS = 3.0


@CASES("MD-20", "Subscribes, and quotes", needs=("MD-04",), prerequisites="a feed")
async def _quotes(trial: MarketTrial) -> None:
    """Within ten seconds `run` says `started()`, and within ten more each symbol that it was asked for has a quote with
    both sides; it goes on until it is cancelled.
    """
    async with trial.feed() as feed:
        symbols = await trial.symbols(feed)
        await trial.try_to_show(feed, symbols)
        async with trial.listening(feed, symbols) as heard:
            await trial.try_to_show(feed, symbols)
            await trial.until_whole(heard, symbols)


@CASES("MD-21", "Begins with a whole quote", needs=("MD-20",), prerequisites="a feed")
async def _begins_whole(trial: MarketTrial) -> None:
    """Subscribed while prices change, with a depth of 1 and of 50, the first that it tells of a symbol has both sides,
    and isn't crossed: no change is told before the snapshot that it belongs to.
    """
    for depth in DEPTHS:
        async with trial.feed(depth) as feed:
            symbols = await trial.symbols(feed)
            await trial.try_to_show(feed, symbols)
            async with trial.listening(feed, symbols) as heard:
                for _ in range(5):
                    await trial.try_to_show(feed, symbols)
                await trial.until_whole(heard, symbols)
            for symbol in symbols:
                first = next(one for one in heard.told[symbol] if one.has_bid or one.has_ask)
                expect(is_whole(first), f"a first quote of {symbol} with both sides", first)
                found = flaw(first.bid, first.bid_size, first.ask, first.ask_size, None)
                expect(not found, f"a first quote of {symbol} that can be", found)


@CASES("MD-22", "Tells what is shown", needs=("MD-20",), prerequisites=SHOWS)
async def _tells(trial: MarketTrial) -> None:
    """With a depth of 1 and of 50, whatever is shown becomes the last that it tells, to the last digit, price and size
    of both sides.
    """
    for depth in DEPTHS:
        async with trial.feed(depth) as feed:
            symbols = await trial.symbols(feed)
            wanted = await trial.show(feed, symbols[0])
            async with trial.listening(feed, symbols) as heard:
                for _ in range(4):
                    wanted = await trial.show(feed, symbols[0])
                    await trial.until_told(heard, symbols[0], wanted)


@CASES("MD-23", "Stamps quotes as they come", needs=("MD-20",), prerequisites="a feed")
async def _stamps(trial: MarketTrial) -> None:
    """The times of receipt of a symbol's quotes never fall, and none is ahead of the campaign's time."""
    async with trial.feed() as feed:
        symbols = await trial.symbols(feed)
        await trial.try_to_show(feed, symbols)
        async with trial.listening(feed, symbols) as heard:
            await trial.try_to_show(feed, symbols)
            await trial.until_whole(heard, symbols)
            for _ in range(3):
                count = len(heard.told[symbols[0]])
                if await trial.try_to_show(feed, symbols[:1]):
                    await trial.until_more(heard, symbols[0], count)
        heard.expect_stamped()


@CASES("MD-24", "Withdraws a side that is shown no more", needs=("MD-22",), prerequisites=SHOWS)
async def _withdraws(trial: MarketTrial) -> None:
    """Where a side is empty, it tells NaN or 0 of it, and goes on telling the other one; where both are, of both; and
    what is shown after that it tells again.
    """
    for depth in DEPTHS:
        async with trial.feed(depth) as feed:
            (symbol, *_) = await trial.symbols(feed)
            await trial.show(feed, symbol)
            async with trial.listening(feed, [symbol]) as heard:
                await trial.until_told(heard, symbol, await trial.show(feed, symbol))
                for sides in ({"ask": False}, {}, {"bid": False}, {"bid": False, "ask": False}, {}):
                    await trial.until_told(heard, symbol, await trial.show(feed, symbol, **sides))


@CASES("MD-25", "Gives levels in order", needs=("MD-22",), prerequisites=SHOWS)
async def _levels(trial: MarketTrial) -> None:
    """Opened with a depth of 5, it gives, with a quote or when it is asked, the levels that are shown beyond the best,
    best first, none twice, no more than are wanted.
    """
    async with trial.feed(depth=5) as feed:
        (symbol, *_) = await trial.symbols(feed)
        await trial.show(feed, symbol)
        async with trial.listening(feed, [symbol]) as heard:
            wanted = await trial.show(feed, symbol)
            await trial.until_told(heard, symbol, wanted)
            last = heard.last(symbol)
            assert last is not None
            if last.levels is None:
                not_offered("it gives no levels")
            for one in heard.told[symbol]:
                if one.levels is not None and is_whole(one):
                    found = flaw(one.bid, one.bid_size, one.ask, one.ask_size, one.levels)
                    expect(not found, "levels in order", found)
            got = tuple(tuple(part) for part in last.levels)
            expect(got == wanted.levels, f"the levels {wanted.levels}", got)


@CASES("MD-26", "Comes out with the newest", needs=("MD-21", "MD-22"), prerequisites=SHOWS)
async def _burst(trial: MarketTrial) -> None:
    """After two hundred changes at once, which it may tell in part, the last that it tells within three seconds is the
    last that was shown; it tells none that wasn't shown.
    """
    async with trial.feed() as feed:
        (symbol, *_) = await trial.symbols(feed)
        shown = [await trial.show(feed, symbol)]
        async with trial.listening(feed, [symbol]) as heard:
            shown.append(await trial.show(feed, symbol))
            await trial.until_whole(heard, [symbol])
            shown += [await trial.show(feed, symbol) for _ in range(_BURST)]
            await trial.until_told(heard, symbol, shown[-1], seconds=_BURST_SECONDS)
        for one in heard.told[symbol]:
            is_one = not (one.has_bid or one.has_ask) or any(same(one, other) for other in shown)
            expect(is_one, "quotes that were shown, with both sides of one moment", one)
