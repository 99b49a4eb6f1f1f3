"""Cases of guard tiers: what they answer, and that their state is a fold over events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import attrs
import msgspec
import trio

from trioarb.api import (
    SECOND_NS,
    ZERO,
    Answer,
    GuardContext,
    GuardTier,
    GuardTierSpec,
    Opportunity,
    Record,
    Refusal,
    floor_to,
)
from trioarb.config.load import load_table
from trioarb.engine.run import run_campaign
from trioarb.plugin.border import CheckedGuard
from trioarb.plugin.registry import load_plugins
from trioarb.testing.campaign import two_venues
from trioarb.testing.conformance.case import Cases, Failed, expect, not_offered
from trioarb.testing.conformance.kinds import Kind
from trioarb.testing.conformance.subject import START_NS, Trial
from trioarb.testing.guards import FixedRisk, opportunity
from trioarb.testing.tapes import ScriptedTape, listing, scripted_market
from trioarb.time.virtual import VirtualClock

__all__ = ["KIND"]

_NAME = "judged"
_QUANTITIES = tuple(map(Decimal, ("0.00001", "0.001", "0.02", "0.5", "10", "1000")))
_EDGES = tuple(map(Decimal, ("0.01", "12", "480", "100000")))
#: How often a REDUCE is followed, as by the engine.
_MOST_REDUCED = 8
#: How often its answers to its own events are answered.
_DEEPEST = 8
_POLLED = 1_500
_LOT = Decimal("1e-8")


@attrs.define(eq=False)
class GuardTrial:
    """Tiers that can be opened, what they are asked, and what a campaign records."""

    trial: Trial

    @asynccontextmanager
    async def tier(self) -> AsyncIterator[CheckedGuard]:
        symbols = tuple(one.symbol for one in self.trial.subject.listings)
        context = GuardContext(time=self.trial.time, name=_NAME, symbols=symbols, risk=FixedRisk())
        async with self.trial.open(context) as opened:
            yield opened

    @property
    def now_ns(self) -> int:
        return self.trial.time.now_ns()

    def probes(self) -> list[Opportunity]:
        """Return what is asked: entries of every size and edge, of every symbol."""
        return [
            opportunity(one.symbol, quantity=quantity, edge_bps=edge_bps)
            for one in self.trial.subject.listings
            for quantity in _QUANTITIES
            for edge_bps in _EDGES
        ]

    async def records(self) -> Sequence[Record]:
        """Return what a small campaign records: quotes apart, entries, exits, fills and refusals."""
        if self.trial.clock is not None:
            return await _campaign(self.trial.clock)

        def beside() -> Sequence[Record]:  # a clock of its own takes a loop of its own
            clock = VirtualClock()
            return trio.run(_campaign, clock, clock=clock)

        return await trio.to_thread.run_sync(beside)


async def _campaign(clock: VirtualClock) -> Sequence[Record]:
    found: list[Record] = []
    tapes = {venue: ScriptedTape(_rows(venue), listings=[listing("BTC")], start_ns=START_NS) for venue in "ab"}
    table = two_venues()
    table["strategy"] = {"exit_bps": -40}
    table["guards"] |= {"symbol": {"cooldown_seconds": 1}}
    plugins = load_plugins({"market": scripted_market(tapes)})
    await run_campaign(load_table(table, plugins).config, plugins, clock=clock, observers=[found.append])
    return found


def _rows(venue: str) -> list[tuple[float, str, float, float, float, float]]:
    """A gap that opens and closes twice."""
    return [
        (second / 2, "BTCUSDT", 50_000 + gap, 1.0, 50_050 + gap, 1.0)
        for second in range(24)
        for gap in (1_000.0 if venue == "b" and second % 12 in (3, 4, 5) else 0.0,)
    ]


@asynccontextmanager
async def _guard_trial(trial: Trial) -> AsyncIterator[GuardTrial]:
    yield GuardTrial(trial)


_cases = Cases[GuardTrial]()


@_cases("GU-01", "Opens and closes")
async def _opens(trial: GuardTrial) -> None:
    """It opens and closes twice within ten seconds each, and leaves neither a task nor a socket behind."""
    for _ in range(2):
        async with trial.tier():
            pass


@_cases("GU-02", "Answers every entry", needs=("GU-01",))
async def _answers(trial: GuardTrial) -> None:
    """Asked about entries of all sizes and edges, and before that whether their prices can be relied on, it answers
    each time with None or a Refusal whose fields can be.
    """
    async with trial.tier() as tier:
        for probe in trial.probes():
            if tier.doubts:
                tier.doubt(probe.route, float(probe.edge_bps), trial.now_ns)
            tier.check(probe, trial.now_ns)


@_cases("GU-03", "Answers the same when it is asked again", needs=("GU-02",))
async def _asked_again(trial: GuardTrial) -> None:
    """Asked twice about the same entry at the same time, without an event in between, it answers the same: asking
    changes nothing.
    """
    async with trial.tier() as tier:
        for probe in trial.probes():
            first, second = tier.check(probe, trial.now_ns), tier.check(probe, trial.now_ns)
            expect(first == second, f"the same answer again, {first}", second)


@_cases("GU-04", "What a REDUCE leaves is taken", needs=("GU-02",))
async def _reduces(trial: GuardTrial) -> None:
    """Where it answers REDUCE, an entry of the size that it names is allowed, denied, or reduced further, and that no
    more than eight times.
    """
    reduced = False
    async with trial.tier() as tier:
        for probe in trial.probes():
            asked = probe
            for _ in range(_MOST_REDUCED):
                refusal = tier.check(asked, trial.now_ns)
                if refusal is None or refusal.answer is not Answer.REDUCE:
                    break
                reduced = True
                asked = _smaller(asked, refusal)
                if not asked.quantity:
                    break
            else:
                raise Failed(f"an end after {_MOST_REDUCED} REDUCEs at most", f"one more, of {asked.quantity}")
    if not reduced:
        not_offered("it reduces none of the entries that it was asked about")


@_cases("GU-05", "Follows a campaign", needs=("GU-02",))
async def _follows(trial: GuardTrial) -> None:
    """Given every event of a campaign in order, it applies and answers each without an error, and its own answers not
    without end.
    """
    async with trial.tier() as tier:
        for record in await trial.records():
            answers, depth = [record], 0
            while answers:
                for one in answers:
                    tier.apply(one)
                depth += 1
                if depth > _DEEPEST:
                    raise Failed("an end of its answers to its own events", f"answers without end, to {record.event}")
                answers = [
                    Record(record.seq, record.ts_ns, tripped)
                    for one in answers
                    if tier.reacts is None or type(one.event) in tier.reacts
                    for tripped in tier.react(one)
                ]


@_cases("GU-06", "Its state is a fold over events", needs=("GU-03", "GU-05"))
async def _folds(trial: GuardTrial) -> None:
    """A tier that was asked about all entries, and polled, between the events of a campaign, and one that is given them
    all at once, as after a crash, answer the same afterwards.
    """
    records, recorded, probes = await trial.records(), list[Record](), trial.probes()
    async with trial.tier() as asked, trial.tier() as resumed:
        for record in records:
            recorded.append(record)
            asked.apply(record)
            asked.react(record)
            for probe in probes:
                asked.check(probe, record.ts_ns)
            if asked.polls:
                for tripped in asked.poll(record.ts_ns):
                    recorded.append(Record(record.seq, record.ts_ns, tripped))
                    asked.apply(recorded[-1])
        for record in recorded:
            resumed.apply(record)
        _expect_alike(trial, asked, resumed, records, "a resumed campaign")


@_cases("GU-07", "Needs only the events that it names", needs=("GU-06",))
async def _names_events(trial: GuardTrial) -> None:
    """A tier with `folds` answers the same whether it was given every event or only those that it names there."""
    records = await trial.records()
    async with trial.tier() as of_all, trial.tier() as of_some:
        if of_some.folds is None:
            not_offered("it wants every event")
        for record in records:
            of_all.apply(record)
            if type(record.event) in of_some.folds:
                of_some.apply(record)
        _expect_alike(trial, of_all, of_some, records, "only the events of `folds`")


@_cases("GU-08", "Speaks of itself", needs=("GU-05",))
async def _speaks(trial: GuardTrial) -> None:
    """Its warnings are texts, and its figures can be written as JSON, before the first event and after the last."""
    async with trial.tier() as tier:
        tuple(tier.warnings(()))
        _expect_json(tier.stats(trial.now_ns))
        for record in await trial.records():
            tier.apply(record)
        _expect_json(tier.stats(trial.now_ns))


@_cases("GU-09", "Falls silent where nothing changes", needs=("GU-01",))
async def _polled(trial: GuardTrial) -> None:
    """Polled each second while nothing happens, it trips nothing sooner or later: it tells what changed."""
    async with trial.tier() as tier:
        if not tier.polls and not tier.polls_marks:
            not_offered("it has no poll")
        for second in range(_POLLED):
            if not tier.poll(START_NS + second * SECOND_NS):
                return
        raise Failed("a poll that trips nothing", f"something tripped by each of {_POLLED:,}")


@_cases("GU-10", "Takes settings while it runs", needs=("GU-03",))
async def _retuned(trial: GuardTrial) -> None:
    """A tier with a key that says what loosens it takes the settings that it has once more, and answers as before."""
    spec = trial.trial.subject.spec
    if not any(field.metadata.get("loosens") for field in attrs.fields(spec.settings)):
        not_offered("none of its keys can be set while a campaign runs")
    settings = trial.trial.subject.table({}).settings
    async with trial.tier() as tier:
        before = [tier.check(probe, trial.now_ns) for probe in trial.probes()]
        tier.retune(settings, None)
        after = [tier.check(probe, trial.now_ns) for probe in trial.probes()]
        expect(before == after, "the same answers as before", "others")


def _smaller(asked: Opportunity, refusal: Refusal) -> Opportunity:
    """Return the largest entry that a REDUCE leaves."""
    largest, price = refusal.largest, asked.notional_usd / asked.quantity
    assert largest is not None  # the border sees to that
    quantity = largest.base if largest.usd is None else largest.usd / price
    quantity = floor_to(quantity or ZERO, _LOT)
    return msgspec.structs.replace(asked, quantity=quantity, notional_usd=quantity * price)


def _expect_alike(trial: GuardTrial, one: GuardTier, other: GuardTier, records: Sequence[Record], what: str) -> None:
    at_ns = records[-1].ts_ns
    for probe in trial.probes():
        wanted, got = one.check(probe, at_ns), other.check(probe, at_ns)
        expect(wanted == got, f"with {what} the same answer, {_said(wanted)}", _said(got))


def _said(refusal: Refusal | None) -> str:
    return "an ALLOW" if refusal is None else f"{refusal.answer.name} by {refusal.rule} ({refusal.value})"


def _expect_json(figures: Any) -> None:
    try:
        json.dumps(figures, default=_decimal)
    except (TypeError, ValueError) as error:
        raise Failed("figures that can be written as JSON", str(error)) from None


def _decimal(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"a {type(value).__name__}")


KIND = Kind(spec=GuardTierSpec, cases=tuple(_cases), trial=_guard_trial)
