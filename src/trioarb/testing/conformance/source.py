"""Cases of symbol sources: what they list, and that they can be asked again."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import attrs

from trioarb.api import Listing, SourceContext, SymbolSource, SymbolSourceSpec, TrioarbError
from trioarb.errors import PluginFault
from trioarb.plugin.border import checked
from trioarb.plugin.call import Calls, Where
from trioarb.testing.conformance.case import Cases, Failed, expect, not_offered
from trioarb.testing.conformance.kinds import Kind
from trioarb.testing.conformance.opening import expect_cancellable, expect_closed
from trioarb.testing.conformance.stage import Stage, Trouble
from trioarb.testing.conformance.steps import at_every_step
from trioarb.testing.conformance.subject import ANSWER_SECONDS, START_NS, Trial
from trioarb.testing.tapes import ScriptedTape

__all__ = ["KIND"]

_VENUES = ("a", "b")
_FAILURES = (Trouble.MALFORMED, Trouble.SERVER_ERROR)


@attrs.define(eq=False)
class SourceTrial:
    """A source that can be opened, more than once, and what stands behind it."""

    trial: Trial
    stage: Stage

    @asynccontextmanager
    async def source(self) -> AsyncIterator[SymbolSource]:
        """Open it, beside two venues whose markets list what the kit was told."""
        listings = self.stage.listings or self.trial.subject.listings
        markets = {venue: _market(venue, listings) for venue in _VENUES}
        async with self.trial.open(SourceContext(markets=markets), more=self.stage.settings) as opened:
            yield opened

    async def listed(self) -> Sequence[Listing]:
        async with self.source() as source:
            return await source.listings()

    @property
    def is_live(self) -> bool:
        return self.trial.clock is None


def _market(venue: str, listings: Sequence[Listing]) -> ScriptedTape:
    where = Where(key=f"exchanges.{venue}.market", plugin="scripted", calls=Calls(ANSWER_SECONDS))
    tape: ScriptedTape = checked(ScriptedTape((), listings=listings, start_ns=START_NS), where, venue)
    return tape


@asynccontextmanager
async def _source_trial(trial: Trial) -> AsyncIterator[SourceTrial]:
    async with trial.stage(Stage()) as stage:
        yield SourceTrial(trial, stage)


_cases = Cases[SourceTrial]()


@_cases("SO-01", "Opens and closes")
async def _opens(trial: SourceTrial) -> None:
    """It opens and closes within ten seconds each, also where an error ends what it was open for, and leaves neither a
    task nor a socket behind.
    """
    await expect_closed(trial.source, patient=trial.is_live)


@_cases("SO-02", "Can be cancelled while it opens", needs=("SO-01",))
async def _cancelled(trial: SourceTrial) -> None:
    """Cancelled at any step of opening it ends at once, and leaves neither a task nor a socket behind."""
    await expect_cancellable(trial.source, patient=trial.is_live)


@_cases("SO-03", "Lists symbols", needs=("SO-01",))
async def _lists(trial: SourceTrial) -> None:
    """Within ten seconds it lists one symbol or more, with names that can be written, and volumes that are finite and
    not below zero, or None.
    """
    expect(len(await trial.listed()) > 0, "a symbol", "none")


@_cases("SO-04", "Lists each symbol once", needs=("SO-03",))
async def _once(trial: SourceTrial) -> None:
    """No symbol stands in its listings twice."""
    counts = Counter(one.symbol for one in await trial.listed())
    twice = sorted(symbol for symbol, count in counts.items() if count > 1)
    expect(not twice, "each symbol once", f"more than once: {', '.join(twice[:5])}")


@_cases("SO-05", "Says what is traded for what", needs=("SO-03",))
async def _assets(trial: SourceTrial) -> None:
    """Base and quote asset of each symbol are two, and neither is the symbol: they are told, and not to be cut out."""
    for one in await trial.listed():
        are_two = one.base != one.quote and one.symbol not in (one.base, one.quote)
        expect(are_two, f"a base and a quote asset of {one.symbol}", f"{one.base} and {one.quote}")


@_cases("SO-06", "Says None of volumes that it doesn't know", needs=("SO-03",))
async def _volumes(trial: SourceTrial) -> None:
    """Volumes that it doesn't know are None: it doesn't say of every symbol that nothing of it was traded."""
    volumes = {one.volume_24h_quote for one in await trial.listed()}
    expect(volumes != {0}, "None as volume where it isn't known", "a volume of 0 of every symbol")


@_cases("SO-07", "Lists the same in the same order", needs=("SO-03",))
async def _stable(trial: SourceTrial) -> None:
    """Asked again, and opened again, it lists the same symbols in the same order, which decides between equal
    volumes.
    """
    async with trial.source() as source:
        first, second = await source.listings(), await source.listings()
    for when, again in (("asked again", second), ("opened again", await trial.listed())):
        wanted, got = _names(first), _names(again)
        expect(wanted == got, f"the same, {_shown(wanted)}, when it is {when}", _shown(got))


@_cases("SO-08", "Can be cancelled while it is asked", needs=("SO-03",))
async def _cancelled_asking(trial: SourceTrial) -> None:
    """Cancelled at any step of `listings` it ends at once, and answers when it is asked again."""
    async with trial.source() as source:

        async def once(step: int) -> None:
            await source.listings()

        steps = await at_every_step("listings", once, few=trial.is_live)
        if not steps:
            not_offered("it waits for nothing")
        expect(len(await source.listings()) > 0, "a symbol when it is asked again", "none")


@_cases("SO-09", "Says that it can't know", needs=("SO-03",), prerequisites="a stage that fails requests")
async def _fails(trial: SourceTrial) -> None:
    """Where what it asks for isn't answered, or can't be read, `listings` raises one of trioarb's errors, instead of
    listing less; once that is over it lists what it did.
    """
    failures = [one for one in _FAILURES if one in trial.stage.troubles]
    if not failures:
        not_offered("no stage fails requests")
    async with trial.source() as source:
        wanted, raised = _names(await source.listings()), False
        for failure in failures:
            await trial.stage.trouble(failure, 1_000)
            try:
                got = _names(await source.listings())
                expect(got == wanted, "an error, or the same as before", _shown(got) or "no symbols")
            except PluginFault as error:
                raise Failed("a UniverseError or VenueError", str(error)) from None
            except TrioarbError:
                raised = True
            await trial.stage.calm()
            expect(_names(await source.listings()) == wanted, f"{_shown(wanted)} once that is over", "others")
    if not raised:
        not_offered("it asks for nothing while it lists")


def _names(listings: Sequence[Listing]) -> list[str]:
    return [one.symbol for one in listings]


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f", … ({len(names)})" if len(names) > 8 else "")


KIND = Kind(spec=SymbolSourceSpec, cases=tuple(_cases), trial=_source_trial)
