"""Cases of feeds that lose their venue, are cancelled, or get more to do."""

from __future__ import annotations

import attrs
import trio

from trioarb.testing.conformance.case import expect, not_offered
from trioarb.testing.conformance.market_desk import CASES, DEPTHS, MarketTrial, is_whole
from trioarb.testing.conformance.stage import Trouble
from trioarb.testing.conformance.steps import at_every_step

#: So many shows are all prices that a stage goes through, up and down.
_ROUND = 9
#: Who comes back once may have forgotten what to do the second time.
_CUTS = 2


@CASES("MD-30", "Comes back after a cut", needs=("MD-22", "MD-23"), prerequisites="a feed; a stage that cuts streams")
async def _cut(trial: MarketTrial) -> None:
    """Where its connection is cut, and cut again, it withdraws the quotes that came by it, connects again by itself,
    and tells what is shown then, with times of receipt that fall nowhere.
    """
    if Trouble.CUT not in trial.stage.troubles:
        not_offered("no stage cuts streams")
    for depth in DEPTHS:
        async with trial.feed(depth) as feed:
            symbols = await trial.symbols(feed)
            await trial.try_to_show(feed, symbols)
            async with trial.listening(feed, symbols) as heard:
                await trial.try_to_show(feed, symbols)
                await trial.until_whole(heard, symbols)
                for _ in range(_CUTS if depth == DEPTHS[0] else 1):
                    counts = {symbol: len(heard.told[symbol]) for symbol in symbols}
                    await trial.stage.trouble(Trouble.CUT)
                    for symbol, count in counts.items():
                        await trial.until_withdrawn(heard, symbol, f"{symbol} withdrawn after the cut", since=count)
                    await trial.stage.calm()
                    await trial.until_whole_again(feed, heard, symbols)
            heard.expect_stamped()


@CASES("MD-31", "Notices silence", needs=("MD-22",), prerequisites="a feed; a stage that falls silent")
async def _silence(trial: MarketTrial) -> None:
    """Where a venue says no more, and the connection stays, it withdraws its quotes within ten seconds (the stage's
    settings have to say so), and tells what is shown once the venue speaks again.
    """
    if Trouble.SILENT not in trial.stage.troubles:
        not_offered("no stage falls silent")
    async with trial.feed() as feed:
        symbols = await trial.symbols(feed)
        await trial.try_to_show(feed, symbols)
        async with trial.listening(feed, symbols) as heard:
            await trial.try_to_show(feed, symbols)
            await trial.until_whole(heard, symbols)
            counts = {symbol: len(heard.told[symbol]) for symbol in symbols}
            await trial.stage.trouble(Trouble.SILENT)
            for symbol, count in counts.items():
                await trial.until_withdrawn(heard, symbol, f"{symbol} withdrawn where nothing comes", since=count)
            await trial.stage.calm()
            await trial.until_whole_again(feed, heard, symbols)


@CASES("MD-32", "Runs again with more symbols", needs=("MD-20",), prerequisites="a feed; two symbols")
async def _more(trial: MarketTrial) -> None:
    """Cancelled and run again with the sinks of further symbols, it quotes all of them, and calls no sink of before."""
    async with trial.feed() as feed:
        symbols = await trial.symbols(feed)
        if len(symbols) < 2:
            not_offered("the kit asks about one symbol that it lists; symbols = [...] may have more")
        await trial.try_to_show(feed, symbols)
        async with trial.listening(feed, symbols[:1]) as before:
            await trial.try_to_show(feed, symbols)
            await trial.until_whole(before, symbols[:1])
        count = len(before.told[symbols[0]])
        async with trial.listening(feed, symbols) as heard:
            await trial.try_to_show(feed, symbols)
            await trial.until_whole(heard, symbols)
        expect(len(before.told[symbols[0]]) == count, "no call of a sink of before", "one")


@CASES("MD-33", "Can be cancelled while it runs", needs=("MD-20",), prerequisites="a feed")
async def _cancelled(trial: MarketTrial) -> None:
    """Cancelled at any step of `run` until it is subscribed, and after that, it ends at once; run again, it quotes; and
    it leaves neither a task nor a socket behind.
    """
    async with trial.feed() as feed:
        symbols = await trial.symbols(feed)
        await trial.try_to_show(feed, symbols)

        async def once(step: int) -> None:
            with trio.CancelScope() as subscribed:
                sinks = dict.fromkeys(symbols, _ignored)
                await feed.run(sinks, task_status=_Ends(subscribed))

        await at_every_step("run", once, few=trial.is_live)
        async with trial.listening(feed, symbols) as heard:
            await trial.try_to_show(feed, symbols)
            await trial.until_whole(heard, symbols)


@CASES("MD-34", "Mends a gap", needs=("MD-22",), prerequisites="a feed; a stage that leaves changes out")
async def _gap(trial: MarketTrial) -> None:
    """Where a change of a book is told to nobody, nothing of the book before it stays: after a while it tells again
    what is shown, whatever that is.
    """
    if Trouble.GAP not in trial.stage.troubles:
        not_offered("no stage leaves changes out")
    for depth in DEPTHS:
        async with trial.feed(depth) as feed:
            symbols = await trial.symbols(feed)
            await trial.try_to_show(feed, symbols)
            async with trial.listening(feed, symbols) as heard:
                await trial.try_to_show(feed, symbols)
                await trial.until_whole(heard, symbols)
                for symbol in symbols:
                    await trial.stage.trouble(Trouble.GAP)
                    await trial.show(feed, symbol)
                    await trial.until_whole_again(feed, heard, [symbol])
                    for _ in range(_ROUND):
                        await trial.until_told(heard, symbol, await trial.show(feed, symbol))


@CASES("MD-35", "Bears what nobody knows", needs=("MD-22",), prerequisites="a feed; a stage that tells such")
async def _what_nobody_knows(trial: MarketTrial) -> None:
    """Where messages have fields, and the stream messages, that no document names, it goes on telling what is shown,
    and withdraws nothing.
    """
    if Trouble.UNKNOWN not in trial.stage.troubles:
        not_offered("no stage tells what nobody knows")
    for depth in DEPTHS:
        async with trial.feed(depth) as feed:
            symbols = await trial.symbols(feed)
            await trial.try_to_show(feed, symbols)
            async with trial.listening(feed, symbols) as heard:
                await trial.try_to_show(feed, symbols)
                await trial.until_whole(heard, symbols)
                counts = {symbol: len(heard.told[symbol]) for symbol in symbols}
                await trial.stage.trouble(Trouble.UNKNOWN)
                for symbol, count in counts.items():
                    for _ in range(_ROUND):
                        await trial.until_told(heard, symbol, await trial.show(feed, symbol))
                    expect(all(map(is_whole, heard.told[symbol][count:])), f"nothing withdrawn of {symbol}", "a side")


def _ignored(*quote: object) -> None:
    """Takes a quote that nobody looks at."""


@attrs.frozen
class _Ends:
    """Ends what says that it has started."""

    scope: trio.CancelScope

    def started(self, value: None = None) -> None:
        self.scope.cancel()
