"""Guard tiers that are broken, each in one way: exactly that case fails, and what needs it is blocked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import attrs
import pytest
import trio
from broken import expect_failed_alone

from trioarb.api import (
    Answer,
    Bps,
    GuardTier,
    GuardTierSpec,
    GuardTripped,
    Loosens,
    NoSettings,
    Opportunity,
    OrderSize,
    Record,
    Refusal,
    event,
    setting,
)
from trioarb.testing import plugin_of
from trioarb.testing.conformance import Report, Verdict, judge, kind_named


@attrs.frozen(kw_only=True)
class Settings:
    least_bps: Bps = setting(Decimal(1), doc="least edge", loosens=Loosens.LESS)


def refusal(answer: Answer = Answer.DENY, **fields: Any) -> Refusal:
    return Refusal(**{"answer": answer, "rule": "many", "value": "1", "limit": "1"} | fields)


class Right(GuardTier):
    """No entry of less than so much edge, none once enough was filled, and no large ones."""

    folds = frozenset({event.OrderFilled, event.CampaignOpened})

    def __init__(self, settings: Settings) -> None:
        self.settings, self.fills, self.polled = settings, 0, 0

    def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
        if opportunity.edge_bps < self.settings.least_bps or self.fills > 3:
            return refusal(value=str(self.fills))
        if opportunity.notional_usd > 1_000:
            return refusal(Answer.REDUCE, largest=OrderSize(usd=Decimal(1_000)))
        return None

    def apply(self, record: Record) -> None:
        self.fills += isinstance(record.event, event.OrderFilled)

    def react(self, record: Record) -> Iterable[GuardTripped]:
        return ()

    def poll(self, now_ns: int) -> Iterable[GuardTripped]:
        return ()

    def retune(self, settings: Any, settings_of: Any) -> None:
        self.settings = settings

    def stats(self, now_ns: int) -> Mapping[str, Any]:
        return {"fills": self.fills}


class LeavesATask(Right):
    pass


class AnswersNaN(Right):
    def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
        return refusal(Answer.REDUCE, largest=OrderSize(usd=Decimal("NaN")))


class CountsQuestions(Right):
    def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
        self.polled += 1
        return refusal(value=str(self.polled))


class ReducesByALittle(Right):
    def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
        return refusal(Answer.REDUCE, largest=OrderSize(usd=opportunity.notional_usd * Decimal("0.99")))


class FailsAtARefusal(Right):
    def apply(self, record: Record) -> None:
        if isinstance(record.event, event.PairOpened):
            raise KeyError(record.event.pair_id)
        super().apply(record)


class AnswersItselfForEver(Right):
    def react(self, record: Record) -> Iterable[GuardTripped]:
        return [GuardTripped(tier="judged", rule="again", answer=Answer.DENY, value="1", limit="0")]


class CountsInReact(Right):
    """Has its state from `react`, which nobody calls of what happened before a crash."""

    folds = None

    def apply(self, record: Record) -> None:
        pass

    def react(self, record: Record) -> Iterable[GuardTripped]:
        super().apply(record)
        return ()


class NamesTooFew(Right):
    folds = frozenset({event.CampaignOpened})


class FiguresOfAType(Right):
    def stats(self, now_ns: int) -> Mapping[str, Any]:
        return {"fills": {1, 2} if self.fills else 0}


class TripsEachSecond(Right):
    def poll(self, now_ns: int) -> Iterable[GuardTripped]:
        return [GuardTripped(tier="judged", rule="again", answer=Answer.DENY, value="1", limit="0")]


class ForgetsAtRetune(Right):
    def retune(self, settings: Any, settings_of: Any) -> None:
        self.settings = Settings(least_bps=Decimal(100))


class CountsWhatItAllows(Right):
    """Has its state from its own answers, of which a campaign that goes on after a crash knows nothing."""

    allowed = 0

    def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
        found = super().check(opportunity, now_ns)
        self.allowed += found is None
        return found if self.allowed < 100 else refusal()


class CountsPolls(Right):
    def poll(self, now_ns: int) -> Iterable[GuardTripped]:
        self.polled += 1
        return ()

    def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
        return super().check(opportunity, now_ns) if self.polled < 10 else refusal()


BROKEN: Mapping[str, type[Right]] = {
    "GU-01": LeavesATask,
    "GU-02": AnswersNaN,
    "GU-03": CountsQuestions,
    "GU-04": ReducesByALittle,
    "GU-05": FailsAtARefusal,
    "GU-06": CountsInReact,
    "GU-07": NamesTooFew,
    "GU-08": FiguresOfAType,
    "GU-09": TripsEachSecond,
    "GU-10": ForgetsAtRetune,
}


def judged(kind: type[Right], settings: type[Any] = Settings) -> Report:
    @asynccontextmanager
    async def open_tier(settings: Any, context: Any) -> AsyncIterator[GuardTier]:
        if kind is LeavesATask:
            trio.lowlevel.spawn_system_task(trio.sleep_forever)
        yield kind(*[settings] * isinstance(settings, Settings))

    spec = GuardTierSpec(name="mine", doc="", settings=settings, open=open_tier)
    return judge(kind="guard tier", name="mine", plugins={"mine": plugin_of(spec)})


def test_the_right_one_passes_every_case() -> None:
    assert {one.verdict for one in judged(Right).outcomes} == {Verdict.PASS}


def test_every_case_has_one_that_fails_it() -> None:
    assert [case.id for case in kind_named("guard tier").cases] == list(BROKEN)


@pytest.mark.parametrize(("case_id", "kind"), BROKEN.items(), ids=lambda value: getattr(value, "__name__", value))
def test_a_broken_one_fails_that_case_and_no_other(case_id: str, kind: type[Right]) -> None:
    expect_failed_alone(judged(kind), case_id)


@pytest.mark.parametrize("kind", [CountsWhatItAllows, CountsPolls])
def test_a_state_that_is_not_of_events_is_found(kind: type[Right]) -> None:
    assert judged(kind).of("GU-06").verdict is Verdict.FAIL


def test_one_that_answers_its_own_events_for_ever_is_found() -> None:
    assert "without end" in judged(AnswersItselfForEver).of("GU-05").got


def test_what_it_lacks_is_not_offered_and_says_why() -> None:
    class Plain(GuardTier):
        def check(self, opportunity: Opportunity, now_ns: int) -> None:
            return None

    report = judged(Plain, NoSettings)  # type: ignore[arg-type]

    found = {one.case.id: one.why for one in report.outcomes if one.verdict is Verdict.NOT_OFFERED}
    assert report.conforms
    assert found.keys() == {"GU-04", "GU-09", "GU-10"}
    assert found["GU-09"] == "it has no poll"


@pytest.mark.parametrize("name", ["exchange", "global", "kill_switch", "portfolio", "symbol"])
def test_the_built_in_ones_conform(name: str) -> None:
    report = judge(kind="guard", name=name)
    assert report.conforms, str(report)
