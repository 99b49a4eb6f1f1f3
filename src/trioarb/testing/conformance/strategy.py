"""Cases of strategies: their bands are true, and what they answer follows from what they are asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from math import nan
from typing import Any

import attrs

from trioarb.api import ZERO, ExitReason, Offer, OrderSize, StrategySpec
from trioarb.errors import ConfigError
from trioarb.testing.conformance.blocking import watched
from trioarb.testing.conformance.case import Cases, expect, not_offered
from trioarb.testing.conformance.kinds import Kind
from trioarb.testing.conformance.opening import expect_cancellable, expect_closed
from trioarb.testing.conformance.strategy_asking import (
    EDGES,
    PRICES,
    STOCKS,
    VENUES,
    Sight,
    StrategyTrial,
    expect_entry_in_band,
    expect_exit_in_band,
    positions,
    quote,
)
from trioarb.testing.conformance.subject import START_NS, Trial

__all__ = ["KIND"]

_RESTS = frozenset({Offer.GTC, Offer.POST_ONLY})
#: Values that a key is given in turn, until it takes one that is another than it has.
_OTHERS = tuple(map(Decimal, ("7", "3", "0.5", "12")))

_cases = Cases[StrategyTrial]()


@asynccontextmanager
async def _strategy_trial(trial: Trial) -> AsyncIterator[StrategyTrial]:
    yield StrategyTrial.of(trial)


@_cases("ST-01", "Opens and closes")
async def _opens(trial: StrategyTrial) -> None:
    """It opens and closes within ten seconds each, also where an error ends what it was open for, and leaves neither a
    task nor a socket behind.
    """
    await expect_closed(trial.strategy, patient=trial.trial.clock is None)


@_cases("ST-02", "Can be cancelled while it opens", needs=("ST-01",))
async def _cancelled(trial: StrategyTrial) -> None:
    """Cancelled at any step of opening it ends at once, and leaves neither a task nor a socket behind."""
    await expect_cancellable(trial.strategy, patient=trial.trial.clock is None)


@_cases("ST-03", "Answers what it is asked", needs=("ST-01",))
async def _answers(trial: StrategyTrial) -> None:
    """Asked about routes and positions at all edges in its bands, with more and with less stock, it answers each with
    what the contract has, without an error.
    """
    sight = Sight.usual()
    async with trial.strategy(sight) as strategy:
        for _ in trial.answers(strategy, sight):
            pass


@_cases("ST-04", "Bears a market without prices", needs=("ST-03",))
async def _without_prices(trial: StrategyTrial) -> None:
    """Asked when venues have no quote yet, a withdrawn side, or neither side, it answers without an error."""
    nothing = quote(100.0, bid=False, ask=False)
    for quotes in ({}, {"a": nothing}, {"a": quote(100.0, ask=False), "b": quote(100.0, bid=False)}):
        sight = Sight(quotes=quotes)
        async with trial.strategy(sight) as strategy:
            for _ in trial.answers(strategy, sight):
                pass


@_cases("ST-05", "Enters within its band only", needs=("ST-03",))
async def _enters_within(trial: StrategyTrial) -> None:
    """At no edge below the one that `entry_from_bps` says of a route does `entry` want to enter it, however the stock
    lies, and at prices of a hundred, of a hundred-thousandth and of a quarter of a million.
    """
    for price in PRICES:
        sight = Sight.usual(price)
        async with trial.strategy(sight) as strategy:
            for stock in STOCKS:
                sight.stock = dict(zip(VENUES, stock, strict=True))
                for route in trial.routes:
                    expect_entry_in_band(strategy, route, START_NS)


@_cases("ST-06", "Leaves within its band only", needs=("ST-03",))
async def _leaves_within(trial: StrategyTrial) -> None:
    """At no edge, no result and no time outside of the band that `exit_band` says of a position does `exit` want to
    leave it.
    """
    async with trial.strategy() as strategy:
        if not strategy.holds:
            not_offered("it holds no positions")
        for position in positions(trial.routes):
            expect_exit_in_band(strategy, position)


@_cases("ST-07", "Leaves by time alone where there is no price", needs=("ST-03",))
async def _leaves_by_time(trial: StrategyTrial) -> None:
    """Asked at the time of its band while a side is missing, so that neither the edge nor the result is a number, it
    answers None or MAX_HOLDING.
    """
    async with trial.strategy() as strategy:
        if not strategy.holds:
            not_offered("it holds no positions")
        due = [(one, at) for one in positions(trial.routes) if (at := strategy.exit_band(one).from_ns) is not None]
        if not due:
            not_offered("its bands have no time")
        for position, at_ns in due:
            reason = strategy.exit(position, nan, nan, at_ns)
            expect(reason in (None, ExitReason.MAX_HOLDING), "None or MAX_HOLDING without prices", reason)


@_cases("ST-08", "Wants what would be sent", needs=("ST-03",))
async def _wants_what_is_sent(trial: StrategyTrial) -> None:
    """What it wants to take earns the least edge that it names itself: `entry_bps` of the size, or its own."""
    sight, wanted = Sight.usual(), False
    async with trial.strategy(sight) as strategy:
        for route, edge, size in _entries(trial, strategy, sight):
            if size.quoting is None:
                wanted = True
                least = strategy.entry_bps if size.entry_bps is None else size.entry_bps
                named = f"an entry into {route} from {least} bps on, which it names as the least"
                expect(edge >= float(least), named, f"one wanted at {edge:g} bps")
    if not wanted:
        not_offered("it takes nothing of what it was asked about")


@_cases("ST-09", "Says what it asks of venues", needs=("ST-03",))
async def _needs(trial: StrategyTrial) -> None:
    """Where it quotes, it does so at a venue of the route, and `needs` has GTC and POST_ONLY of that venue."""
    sight, quotes = Sight.usual(), False
    async with trial.strategy(sight) as strategy:
        for route, _, size in _entries(trial, strategy, sight):
            if size.quoting is not None:
                quotes, at = True, size.quoting.venue
                expect(at in (route.buy_venue, route.sell_venue), f"an order that rests at a venue of {route}", at)
                said = strategy.needs(at)
                wanted = f"GTC and POST_ONLY in needs({at!r})"
                expect(said >= _RESTS, wanted, ", ".join(sorted(one.name for one in said)) or "nothing")
    if not quotes:
        not_offered("it quotes nothing of what it was asked about")


@_cases("ST-10", "Goes around loops of its symbol", needs=("ST-01",))
async def _loops(trial: StrategyTrial) -> None:
    """A strategy that loops holds no positions, and names triangles that there are, with its symbol as home; one that
    doesn't names none.
    """
    async with trial.strategy() as strategy:
        if not trial.loops:
            expect(not strategy.triangles, "no triangles of a strategy whose spec has loops=False", strategy.triangles)
            not_offered("its spec has loops=False")
        expect(not strategy.holds, "holds = False of a strategy that loops", strategy.holds)
        expect(bool(strategy.triangles), f"a triangle with {trial.symbol} as home", "none")
        for one in strategy.triangles:
            expect(one in trial.triangles and one.home == trial.symbol, f"triangles of {trial.symbol} that exist", one)


@_cases("ST-11", "Answers alike what it is asked alike", needs=("ST-03",))
async def _alike(trial: StrategyTrial) -> None:
    """Two that are opened and asked in the same way, one after the other, answer the same."""
    first, second = await _all_answers(trial), await _all_answers(trial)
    for one, other in zip(first, second, strict=True):
        expect(one == other, f"the same answer again, {one}", other)


@_cases("ST-12", "Holds nobody up", needs=("ST-03",))
async def _holds_nobody_up(trial: StrategyTrial) -> None:
    """While it answers it doesn't sleep, opens no file, uses no socket, and begins neither a thread nor a process."""
    sight = Sight.usual()
    async with trial.strategy(sight) as strategy:
        with watched() as found:
            for _ in trial.answers(strategy, sight):
                pass
        expect(not found, "answers without a wait", f"calls of {', '.join(found)}")


@_cases("ST-13", "Takes settings while it runs", needs=("ST-11",))
async def _retuned(trial: StrategyTrial) -> None:
    """Where a key says what loosens it, a strategy that is given another value while it runs answers from then on as
    one that was opened with it; its greatest age of quotes, its exit edge and what it holds stay.
    """
    keys = [one.name for one in attrs.fields(trial.trial.subject.spec.settings) if one.metadata.get("loosens")]
    if not keys:
        not_offered("none of its keys can be set while a campaign runs")
    others = list(_others(trial.trial, keys))
    if not others:
        not_offered(f"the kit knows no other value of {', '.join(keys)}")
    for key, other in others:
        wanted = await _all_answers(trial, other)
        sight = Sight.usual()
        async with trial.strategy(sight) as strategy:
            before = (strategy.max_quote_age_ns, strategy.exit_bps, strategy.holds)
            strategy.retune(other.subject.table({}).settings)
            got = [*trial.answers(strategy, sight), strategy.entry_bps]
            after = (strategy.max_quote_age_ns, strategy.exit_bps, strategy.holds)
        expect(before == after, f"max_quote_age_ns, exit_bps and holds as before, {before}", after)
        for one, two in zip(wanted, got, strict=True):
            expect(one == two, f"with another {key} what one that was opened with it answers, {one}", two)


def _entries(trial: StrategyTrial, strategy: Any, sight: Sight) -> Iterator[tuple[Any, float, OrderSize]]:
    """Ask about routes at all edges within their bands, and yield what it wants to enter."""
    for stock in STOCKS:
        sight.stock = dict(zip(VENUES, stock, strict=True))
        for route in trial.routes:
            for edge in (*EDGES, strategy.entry_from_bps(route)):
                size = strategy.entry(route, edge, START_NS) if edge >= strategy.entry_from_bps(route) else None
                if size is not None and (size.usd or size.base or ZERO) > 0:
                    yield route, edge, size


async def _all_answers(trial: StrategyTrial, other: Trial | None = None) -> list[object]:
    sight = Sight.usual()
    async with trial.strategy(sight, trial=other) as strategy:
        return [*trial.answers(strategy, sight), strategy.entry_bps]


def _others(trial: Trial, keys: list[str]) -> Iterator[tuple[str, Trial]]:
    """Yield each key that takes another number, and a try with it."""
    mine = trial.subject.table({}).settings
    for key in keys:
        for value in _OTHERS:
            settings = {**trial.subject.settings, key: value}
            other = attrs.evolve(trial, subject=attrs.evolve(trial.subject, settings=settings))
            try:
                if other.subject.table({}).settings != mine:
                    yield key, other
                    break
            except ConfigError:
                continue  # it is no number, or has bounds


KIND = Kind(spec=StrategySpec, cases=tuple(_cases), trial=_strategy_trial)
