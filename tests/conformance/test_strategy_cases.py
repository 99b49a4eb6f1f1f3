"""Strategies that are broken, each in one way: exactly that case fails, and what needs it is blocked."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import count
from math import isnan
from typing import Any

import attrs
import pytest
import trio
from broken import expect_failed_alone

from trioarb.api import (
    Bps,
    ExitBand,
    ExitReason,
    Loosens,
    Offer,
    OrderSize,
    Position,
    Quoting,
    Route,
    Strategy,
    StrategyContext,
    StrategySpec,
    Triangle,
    setting,
)
from trioarb.testing import listing, plugin_of
from trioarb.testing.conformance import Report, Verdict, judge, kind_named

BTC = Decimal("0.1")
MINUTE_NS = 60_000_000_000


@attrs.frozen(kw_only=True)
class Settings:
    entry_bps: Bps = setting(Decimal(10), doc="least edge", loosens=Loosens.LESS)


class Right(Strategy):
    """Enters over a threshold, leaves when the edge has reverted, or after a minute."""

    max_quote_age_ns = 1_000_000_000

    def __init__(self, settings: Settings, context: StrategyContext) -> None:
        self.context = context
        self.entry_bps = settings.entry_bps

    def entry_from_bps(self, route: Route) -> float:
        return float(self.entry_bps)

    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        return OrderSize(base=BTC) if edge_bps >= float(self.entry_bps) else None

    def exit_band(self, position: Position) -> ExitBand:
        return ExitBand(edge_from_bps=-6.0, from_ns=position.opened_ns + MINUTE_NS)

    def exit(self, position: Position, edge_bps: float, net_bps: float, now_ns: int) -> ExitReason | None:
        if now_ns >= position.opened_ns + MINUTE_NS:
            return ExitReason.MAX_HOLDING
        return ExitReason.EDGE if edge_bps >= -6.0 else None

    def retune(self, settings: Settings) -> None:
        self.entry_bps = settings.entry_bps


class LeavesATask(Right):
    pass


class SwallowsCancellation(Right):
    pass


class AnswersANumber(Right):
    def entry(self, route: Route, edge_bps: float, now_ns: int) -> Any:
        return 500


class LooksAtQuotesThatAreNotThere(Right):
    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        quote = self.context.touch(route.buy_venue)
        assert quote is not None
        return super().entry(route, edge_bps, now_ns) if quote.ask_size > 0.1 else None


class EntersBelowItsBand(Right):
    def entry_from_bps(self, route: Route) -> float:
        return float(self.entry_bps) + 1

    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        return super().entry(route, edge_bps, now_ns)


class LeavesByAResultOutsideOfItsBand(Right):
    """Has a stop-loss, and doesn't say so in its band."""

    def exit(self, position: Position, edge_bps: float, net_bps: float, now_ns: int) -> ExitReason | None:
        return super().exit(position, edge_bps, net_bps, now_ns) or (ExitReason.STOP_LOSS if net_bps < -50 else None)


class LeavesBeforeItsTime(Right):
    def exit_band(self, position: Position) -> ExitBand:
        return ExitBand(edge_from_bps=-6.0, from_ns=position.opened_ns + 2 * MINUTE_NS)


class LeavesByAnEdgeThatIsNoNumber(Right):
    def exit(self, position: Position, edge_bps: float, net_bps: float, now_ns: int) -> ExitReason | None:
        return ExitReason.EDGE if isnan(edge_bps) else super().exit(position, edge_bps, net_bps, now_ns)


class NamesAnEdgeThatIsNotThere(Right):
    """Takes the threshold for a fraction."""

    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        size = super().entry(route, edge_bps, now_ns)
        return size and OrderSize(base=BTC, entry_bps=self.entry_bps * 10_000)


class QuotesWithoutANeed(Right):
    holds = False

    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        if super().entry(route, edge_bps, now_ns) is None:
            return None
        bps = Decimal(1)
        quoting = Quoting(venue="a", entry_bps=bps, reach_bps=bps, requote_bps=bps, least_ns=1)
        return OrderSize(base=BTC, quoting=quoting)


class QuotesAsItSays(QuotesWithoutANeed):
    def needs(self, venue: str) -> frozenset[Offer]:
        return frozenset({Offer.GTC, Offer.POST_ONLY}) if venue == "a" else frozenset()


class GoesAroundNothing(Right):
    holds = False
    triangles: Sequence[Triangle] = (Triangle(home="BTCUSDT", cross="BTCEUR", other="EURUSDT"),)


NUMBERS = count()


class CountsForAll(Right):
    """Has a counter that all of its kind share."""

    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        size = super().entry(route, edge_bps, now_ns)
        return size and OrderSize(base=BTC + next(NUMBERS))


class Sleeps(Right):
    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        time.sleep(0)
        return super().entry(route, edge_bps, now_ns)


class Reads(Right):
    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        with open(__file__, "rb"):
            return super().entry(route, edge_bps, now_ns)


class StaysAsItWas(Right):
    def retune(self, settings: Settings) -> None:
        pass


BROKEN: Mapping[str, type[Right]] = {
    "ST-01": LeavesATask,
    "ST-02": SwallowsCancellation,
    "ST-03": AnswersANumber,
    "ST-04": LooksAtQuotesThatAreNotThere,
    "ST-05": EntersBelowItsBand,
    "ST-06": LeavesByAResultOutsideOfItsBand,
    "ST-07": LeavesByAnEdgeThatIsNoNumber,
    "ST-08": NamesAnEdgeThatIsNotThere,
    "ST-09": QuotesWithoutANeed,
    "ST-10": GoesAroundNothing,
    "ST-11": CountsForAll,
    "ST-12": Sleeps,
    "ST-13": StaysAsItWas,
}


def judged(kind: type[Right]) -> Report:
    @asynccontextmanager
    async def open_strategy(settings: Any, context: Any) -> AsyncIterator[Strategy]:
        if kind is SwallowsCancellation:
            try:
                await trio.lowlevel.checkpoint()
            except trio.Cancelled:
                with trio.CancelScope(shield=True):
                    await trio.sleep(60)
                raise
        yield kind(settings, context)
        if kind is LeavesATask:
            trio.lowlevel.spawn_system_task(trio.sleep_forever)

    spec = StrategySpec(name="mine", doc="", settings=Settings, open=open_strategy)
    return judge(kind="strategy", name="mine", plugins={"mine": plugin_of(spec)})


def test_the_right_one_passes_every_case_that_it_offers() -> None:
    report = judged(Right)

    assert report.conforms, str(report)
    found = {one.case.id: one.why for one in report.outcomes if one.verdict is not Verdict.PASS}
    assert found == {
        "ST-09": "it quotes nothing of what it was asked about",
        "ST-10": "its spec has loops=False",
    }


def test_every_case_has_one_that_fails_it() -> None:
    assert [case.id for case in kind_named("strategy").cases] == list(BROKEN)


@pytest.mark.parametrize(("case_id", "kind"), BROKEN.items(), ids=lambda value: getattr(value, "__name__", value))
def test_a_broken_one_fails_that_case_and_no_other(case_id: str, kind: type[Right]) -> None:
    expect_failed_alone(judged(kind), case_id)


def test_a_band_that_begins_too_late_is_found() -> None:
    assert "after 60 s" in judged(LeavesBeforeItsTime).of("ST-06").expected


def test_a_file_that_is_read_while_it_is_asked_is_found() -> None:
    assert "open" in judged(Reads).of("ST-12").got


def test_quotes_that_venues_are_asked_for_pass() -> None:
    assert judged(QuotesAsItSays).of("ST-09").verdict is Verdict.PASS


LOOP = [listing("ETH"), listing("ETH", "BTC"), listing("BTC")]


def built_in() -> Iterator[tuple[str, Mapping[str, Any], Sequence[Any]]]:
    yield "spread", {}, ()
    yield "spread", {"take_profit_bps": 3, "stop_loss_bps": 20, "max_holding_seconds": 60}, ()
    yield "inventory", {"skew_bps": 4}, ()
    yield "maker_taker", {}, ()
    yield "triangular", {}, ()
    yield "triangular", {"triangles": [["BTCUSDT", "ETHBTC", "ETHUSDT"]]}, LOOP


@pytest.mark.parametrize(("name", "settings", "symbols"), list(built_in()))
def test_the_built_in_ones_conform(name: str, settings: Mapping[str, Any], symbols: Sequence[Any]) -> None:
    report = judge(kind="strategy", name=name, settings=settings, symbols=symbols)
    assert report.conforms, str(report)


class EntersDearCoinsBelowItsBand(Right):
    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        quote = self.context.touch(route.buy_venue)
        if quote is not None and quote.ask > 100_000 and edge_bps > 1:
            return OrderSize(base=BTC)
        return super().entry(route, edge_bps, now_ns)


class LeavesAtAHugeLoss(Right):
    def exit(self, position: Position, edge_bps: float, net_bps: float, now_ns: int) -> ExitReason | None:
        return super().exit(position, edge_bps, net_bps, now_ns) or (ExitReason.STOP_LOSS if net_bps < -2e6 else None)


class LeavesWhatIsNearlyClosed(Right):
    def exit(self, position: Position, edge_bps: float, net_bps: float, now_ns: int) -> ExitReason | None:
        nearly = position.quantity < position.opened_quantity / 10
        return super().exit(position, edge_bps, net_bps, now_ns) or (ExitReason.EDGE if nearly else None)


@pytest.mark.parametrize(
    ("case_id", "kind"),
    [
        ("ST-05", EntersDearCoinsBelowItsBand),
        ("ST-06", LeavesAtAHugeLoss),
        ("ST-06", LeavesWhatIsNearlyClosed),
    ],
)
def test_a_band_that_is_too_narrow_only_far_out_fails(case_id: str, kind: type[Right]) -> None:
    assert [one.case.id for one in judged(kind).failed] == [case_id]
