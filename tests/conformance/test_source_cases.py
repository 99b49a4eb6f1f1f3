"""Symbol sources that are broken, each in one way: exactly that case fails, and what needs it is blocked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

import attrs
import pytest
import trio
from broken import expect_failed_alone

from trioarb.api import Listing, NoSettings, SourceContext, SymbolSource, SymbolSourceSpec, UniverseError
from trioarb.testing import listing, plugin_of
from trioarb.testing.conformance import Report, Stage, Trouble, Verdict, judge, kind_named


class Right(SymbolSource):
    """Lists three symbols, after a while; of one it doesn't know the volume."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.asked = shop, 0

    async def listings(self) -> Sequence[Listing]:
        await trio.sleep(0.1)
        if self.shop.is_shut:
            return self.fail()
        volumes = {"BTC": Decimal(5_000), "ETH": Decimal(700), "XRP": None}
        return [listing(base, volume_24h_quote=volume) for base, volume in volumes.items()]

    def fail(self) -> Sequence[Listing]:
        raise UniverseError("the shop is shut; try again later")


class Shop(Stage):
    """Where the listings come from; it may be shut."""

    troubles = frozenset({Trouble.SERVER_ERROR})
    is_shut = False

    async def trouble(self, trouble: Trouble, times: int = 1) -> None:
        self.is_shut = True

    async def calm(self) -> None:
        self.is_shut = False


class LeavesATask(Right):
    pass


class LeavesATaskOnlyAfterAnError(Right):
    """Closes behind its ``yield``, where no error comes by."""


class LeavesATaskWhenCancelled(Right):
    pass


class Hangs(Right):
    async def listings(self) -> Sequence[Listing]:
        await trio.sleep_forever()
        raise AssertionError


class ListsTwice(Right):
    async def listings(self) -> Sequence[Listing]:
        found = await super().listings()
        return [*found, found[0]]


class CutsNames(Right):
    """Takes the symbol for the base asset."""

    async def listings(self) -> Sequence[Listing]:
        return [attrs.evolve(one, base=one.symbol) for one in await super().listings()]


class SaysZero(Right):
    async def listings(self) -> Sequence[Listing]:
        return [attrs.evolve(one, volume_24h_quote=Decimal(0)) for one in await super().listings()]


class TurnsAround(Right):
    async def listings(self) -> Sequence[Listing]:
        self.asked += 1
        return list(await super().listings())[:: 1 if self.asked % 2 else -1]


class IsDoneOnceCancelled(Right):
    async def listings(self) -> Sequence[Listing]:
        try:
            return [] if self.asked else await super().listings()
        except trio.Cancelled:
            self.asked = 1
            raise


class ListsNothingWhereItFails(Right):
    def fail(self) -> Sequence[Listing]:
        return []


class RaisesWhatComes(Right):
    def fail(self) -> Sequence[Listing]:
        raise OSError("connection refused")


BROKEN: Mapping[str, type[Right]] = {
    "SO-01": LeavesATask,
    "SO-02": LeavesATaskWhenCancelled,
    "SO-03": Hangs,
    "SO-04": ListsTwice,
    "SO-05": CutsNames,
    "SO-06": SaysZero,
    "SO-07": TurnsAround,
    "SO-08": IsDoneOnceCancelled,
    "SO-09": ListsNothingWhereItFails,
}


def judged(kind: type[Right]) -> Report:
    shops = list[Shop]()

    @asynccontextmanager
    async def stage() -> AsyncIterator[Shop]:
        shops.append(Shop())
        yield shops[-1]

    @asynccontextmanager
    async def open_source(settings: NoSettings, context: SourceContext) -> AsyncIterator[SymbolSource]:
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled:
            if kind is LeavesATaskWhenCancelled:
                trio.lowlevel.spawn_system_task(trio.sleep_forever)
            raise
        scope = trio.CancelScope()

        async def beside() -> None:
            with scope:
                await trio.sleep_forever()

        if kind in (LeavesATask, LeavesATaskOnlyAfterAnError):
            trio.lowlevel.spawn_system_task(beside)
        yield kind(shops[-1])
        if kind is LeavesATaskOnlyAfterAnError:
            scope.cancel()
            await trio.sleep(0.1)

    spec = SymbolSourceSpec(name="mine", doc="", open=open_source)
    return judge(kind="source", name="mine", stage=stage, plugins={"mine": plugin_of(spec)})


def test_the_right_one_passes_every_case() -> None:
    report = judged(Right)
    assert {one.verdict for one in report.outcomes} == {Verdict.PASS}, list(report.lines())


def test_every_case_has_one_that_fails_it() -> None:
    assert [case.id for case in kind_named("source").cases] == list(BROKEN)


@pytest.mark.parametrize(("case_id", "kind"), BROKEN.items(), ids=lambda value: getattr(value, "__name__", value))
def test_a_broken_one_fails_that_case_and_no_other(case_id: str, kind: type[Right]) -> None:
    expect_failed_alone(judged(kind), case_id)


def test_an_error_that_is_none_of_trioarbs_is_found() -> None:
    assert "OSError" in judged(RaisesWhatComes).of("SO-09").got


def test_what_is_left_where_an_error_ended_it_is_found() -> None:
    assert "because of an error" in judged(LeavesATaskOnlyAfterAnError).of("SO-01").expected


@pytest.mark.parametrize("name", ["dummy", "recorded"])
def test_the_built_in_ones_conform(name: str) -> None:
    report = judge(kind="source", name=name, symbols=[listing("BTC"), listing("ETH")])
    assert report.conforms, str(report)
