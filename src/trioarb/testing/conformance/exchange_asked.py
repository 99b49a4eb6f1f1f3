"""Cases of exchanges that are opened and asked; nothing is traded."""

from __future__ import annotations

import attrs

from trioarb.api import VenueError
from trioarb.errors import TrioarbError
from trioarb.testing.conformance.case import Failed, expect, not_offered
from trioarb.testing.conformance.exchange_trial import CASES, ExchangeTrial
from trioarb.testing.conformance.leaks import Footprint
from trioarb.testing.conformance.stage import Trouble
from trioarb.testing.conformance.steps import at_every_step

_ALWAYS = 1_000
#: How much of a secret must not be seen.
_SHORTEST = 4


@CASES("EX-01", "Opens and closes")
async def opens(trial: ExchangeTrial) -> None:
    """It opens and closes within ten seconds each, and leaves neither a task nor a socket behind."""
    async with trial.exchange():
        pass


@CASES("EX-02", "Lists instruments", needs=("EX-01",))
async def lists(trial: ExchangeTrial) -> None:
    """Asked about listings it returns instruments of those that it trades, and of no others, each by its symbol, with
    the assets of its listing; asked about one of them again, no more than that one.
    """
    async with trial.exchange() as exchange:
        with trial.trial.in_time("instruments"):
            found = await exchange.instruments(trial.listings)
        expect(trial.listings[0].symbol in found, f"an instrument of {trial.listings[0].symbol}", sorted(found))
        for one in trial.listings:
            if (instrument := found.get(one.symbol)) is not None:
                assets = (one.base, one.venue_quote or one.quote)
                got = (instrument.base, instrument.quote)
                expect(got == assets, f"{one.symbol} of {' and '.join(assets)}", " and ".join(got))
        last = [one for one in trial.listings if one.symbol in found][-1]
        with trial.trial.in_time("instruments"):
            again = await exchange.instruments([last])
        expect(list(again) == [last.symbol], f"only {last.symbol}, which was asked about", ", ".join(again))


@CASES("EX-03", "Says balances", needs=("EX-01",))
async def says_balances(trial: ExchangeTrial) -> None:
    """Asked twice while nothing is traded it says the same balances."""
    async with trial.exchange() as exchange:
        with trial.trial.in_time("balances"):
            first = await exchange.balances()
        with trial.trial.in_time("balances"):
            second = await exchange.balances()
        expect(first == second, f"{dict(first)} again", dict(second))


@CASES(
    "EX-04",
    "Fails to open without a trace",
    needs=("EX-01",),
    prerequisites="a stage whose venue can answer by errors",
)
async def fails_to_open(trial: ExchangeTrial) -> None:
    """Where the venue answers everything by errors, opening and listing raise a VenueError, and leave neither a task
    nor a socket behind.
    """
    if Trouble.SERVER_ERROR not in trial.stage.troubles:
        not_offered(f"the stage can't make the venue {Trouble.SERVER_ERROR.value}")
    await trial.stage.trouble(Trouble.SERVER_ERROR, _ALWAYS)
    before = Footprint.now()
    try:
        async with trial.exchange() as exchange:
            with trial.trial.in_time("instruments"):
                await exchange.instruments(trial.listings)
    except VenueError:
        pass
    except TrioarbError as error:
        raise Failed("a VenueError where the venue can't be had", f"{type(error).__name__}: {error}") from None
    else:
        not_offered("it opens and lists without asking the venue")
    await before.expect_again("after opening has failed", patient=trial.is_live)


@CASES("EX-05", "Can be cancelled while it opens", needs=("EX-01",))
async def cancelled_while_it_opens(trial: ExchangeTrial) -> None:
    """Cancelled at any step of opening it ends at once, and leaves neither a task nor a socket behind."""
    before = Footprint.now()

    async def once(number: int) -> None:
        async with trial.exchange():
            pass

    await at_every_step("open", once, few=trial.is_live)
    await before.expect_again("after opening was cancelled", patient=trial.is_live)


@CASES("EX-06", "A real venue says whose account it is", needs=("EX-01",), prerequisites="a plugin that is `real`")
async def names_its_account(trial: ExchangeTrial) -> None:
    """It has an `account_id`, the same each time it is opened, of which no part is one of its secrets."""
    if not trial.trial.subject.is_real:
        not_offered("its orders cost no money")
    names = []
    for _ in range(2):
        async with trial.exchange() as exchange:
            names.append(exchange.account_id)
    expect(bool(names[0]), "an account_id", "none")
    expect(names[0] == names[1], f"the account_id {names[0]} again", names[1])
    table = trial.trial.subject.table(trial.stage.settings)
    secrets = [str(getattr(table.settings, one.name)) for one in attrs.fields(type(table.settings)) if not one.repr]
    shown = [secret for secret in secrets if len(secret) >= _SHORTEST and secret in names[0]]
    expect(not shown, "an account_id without a secret", "one that shows a secret")


@CASES("EX-07", "Says how its account stands", needs=("EX-01",))
async def says_how_it_stands(trial: ExchangeTrial) -> None:
    """It answers `standing`, and `limits_used` at once."""
    async with trial.exchange() as exchange:
        with trial.trial.in_time("standing"):
            await exchange.standing()
        exchange.limits_used()
