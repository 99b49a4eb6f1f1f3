"""Market data as a kind that can be judged: all its cases, in order."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from importlib import import_module

from trioarb.api import MarketDataSpec, TrioarbError
from trioarb.errors import PluginFault
from trioarb.testing.conformance.case import Failed, expect, not_offered
from trioarb.testing.conformance.kinds import Kind
from trioarb.testing.conformance.leaks import Footprint
from trioarb.testing.conformance.market_desk import CASES, MarketTrial, trial_of
from trioarb.testing.conformance.opening import expect_cancellable, expect_closed
from trioarb.testing.conformance.stage import Trouble
from trioarb.testing.conformance.steps import at_every_step

__all__ = ["KIND"]

_FAILURES = (Trouble.MALFORMED, Trouble.SERVER_ERROR)


@CASES("MD-01", "Opens and closes")
async def _opens(trial: MarketTrial) -> None:
    """It opens and closes within ten seconds each, also where an error ends what it was open for, and leaves neither a
    task nor a socket behind.
    """
    await expect_closed(trial.market, patient=trial.is_live)


@CASES("MD-02", "Can be cancelled while it opens", needs=("MD-01",))
async def _cancelled(trial: MarketTrial) -> None:
    """Cancelled at any step of opening it ends at once, and leaves neither a task nor a socket behind."""
    await expect_cancellable(trial.market, patient=trial.is_live)


@CASES("MD-03", "Leaves nothing where it can't open", needs=("MD-01",), prerequisites="a stage that fails requests")
async def _fails_to_open(trial: MarketTrial) -> None:
    """Where what it asks for while it opens isn't answered, or can't be read, it raises one of trioarb's errors, and
    leaves neither a task nor a socket behind.
    """
    failures = [one for one in _FAILURES if one in trial.stage.troubles]
    if not failures:
        not_offered("no stage fails requests")
    raised = False
    for failure in failures:
        before = Footprint.now()
        await trial.stage.trouble(failure, 1_000)
        with suppress(TrioarbError):
            try:
                async with trial.market():
                    pass
            except TrioarbError as error:
                raised = True
                expect(not isinstance(error, PluginFault), "a MarketDataError or VenueError", error)
                raise
        await trial.stage.calm()
        await before.expect_again("once it could not be opened", patient=trial.is_live)
    if not raised:
        not_offered("it asks for nothing while it opens")


@CASES("MD-04", "Lists what it can quote", needs=("MD-01",))
async def _lists(trial: MarketTrial) -> None:
    """Within ten seconds it lists one symbol or more, each once, with a base and a quote asset that are two."""
    async with trial.market() as market:
        listed = await market.listings()
    expect(len(listed) > 0, "a symbol", "none")
    twice = [symbol for symbol, count in Counter(one.symbol for one in listed).items() if count > 1]
    expect(not twice, "each symbol once", f"more than once: {', '.join(twice[:5])}")
    for one in listed:
        are_two = one.base != one.quote and one.symbol not in (one.base, one.quote)
        expect(are_two, f"a base and a quote asset of {one.symbol}", f"{one.base} and {one.quote}")


@CASES("MD-05", "Lists the same in the same order", needs=("MD-04",))
async def _stable(trial: MarketTrial) -> None:
    """Asked again, it lists the same symbols in the same order."""
    async with trial.market() as market:
        one = [listed.symbol for listed in await market.listings()]
        other = [listed.symbol for listed in await market.listings()]
    expect(one == other, f"the same again, {', '.join(one[:5])}, …", ", ".join(other[:5]))


@CASES("MD-06", "Says rules that can be", needs=("MD-04",))
async def _rules(trial: MarketTrial) -> None:
    """Of each symbol `rules` says None, or steps above zero and minima that are not below; the same when it is asked
    again; of a symbol that it doesn't list None.
    """
    async with trial.market() as market:
        for one in await market.listings():
            first, second = market.rules(one.symbol), market.rules(one.symbol)
            expect(first == second, f"the same rules of {one.symbol} again, {first}", second)
        unknown = market.rules("NO-SUCH-SYMBOL")
        expect(unknown is None, "None of a symbol that it doesn't list", unknown)


@CASES("MD-07", "Can be cancelled while it is asked", needs=("MD-04",))
async def _cancelled_asking(trial: MarketTrial) -> None:
    """Cancelled at any step of `listings` it ends at once, and answers when it is asked again."""
    async with trial.market() as market:

        async def once(step: int) -> None:
            await market.listings()

        if not await at_every_step("listings", once, few=trial.is_live):
            not_offered("it waits for nothing")
        if not await market.listings():
            raise Failed("symbols when it is asked again", "none")


#: Each adds its cases when it is loaded; later ones need earlier ones.
for _part in ("tape", "feed", "cut"):
    import_module(f"trioarb.testing.conformance.market_{_part}")

KIND = Kind(spec=MarketDataSpec, cases=tuple(CASES), trial=trial_of)
