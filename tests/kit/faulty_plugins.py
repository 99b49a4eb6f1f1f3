"""A stranger's plugins that break their promises, one at a time: what `fault` in their table says.

They behave like the default ones otherwise. Tests make them known by an entry point, as an installed package would be.
"""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import islice
from typing import Any

import attrs
import msgspec
import trio

from trioarb.api import (
    ALWAYS,
    Answer,
    Exchange,
    ExchangeContext,
    ExchangeSpec,
    ExitBand,
    ExitReason,
    Feed,
    Fill,
    GuardContext,
    GuardTier,
    GuardTierSpec,
    GuardTripped,
    Instrument,
    Listing,
    MarketContext,
    MarketData,
    MarketDataSpec,
    Opportunity,
    Order,
    OrderReport,
    OrderSize,
    Position,
    QuoteSink,
    Record,
    Refusal,
    Route,
    SourceContext,
    Strategy,
    StrategyContext,
    StrategySpec,
    SymbolSource,
    SymbolSourceSpec,
    Tape,
    TapeRow,
    TradingRules,
    event,
    hookimpl,
    setting,
)
from trioarb.builtin import dummy, paper, spread

_FAULT = "what goes wrong"
_QUOTES_BEFORE_FAULT = 400


def fail_if(fault: str, place: str) -> None:
    if fault == place:
        raise RuntimeError(f"broken in {place}")


@attrs.frozen(kw_only=True)
class SourceSettings:
    fault: str = setting("", doc=_FAULT)


class FaultySource(SymbolSource):
    def __init__(self, inner: SymbolSource, fault: str) -> None:
        self._inner = inner
        self._fault = fault

    async def listings(self) -> Sequence[Listing]:
        fail_if(self._fault, "listings")
        return [] if self._fault == "nothing" else await self._inner.listings()


@asynccontextmanager
async def open_source(settings: SourceSettings, context: SourceContext) -> AsyncIterator[SymbolSource]:
    (spec,) = dummy.trioarb_symbol_sources()
    fail_if(settings.fault, "open")
    async with spec.open(spec.settings(), context) as inner:
        yield FaultySource(inner, settings.fault)
    fail_if(settings.fault, "close")


@attrs.frozen(kw_only=True)
class MarketSettings:
    fault: str = setting("", doc=_FAULT)


class FaultyTape(Tape):
    def __init__(self, inner: Tape, fault: str) -> None:
        self._inner = inner
        self._fault = fault

    async def listings(self) -> Sequence[Listing]:
        fail_if(self._fault, "listings")
        return await self._inner.listings()

    def rules(self, symbol: str) -> TradingRules | None:
        fail_if(self._fault, "rules")
        return self._inner.rules(symbol)

    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        fail_if(self._fault, "rows")
        for number, row in enumerate(self._inner.rows(symbols, start_ns)):
            if number == _QUOTES_BEFORE_FAULT:
                fail_if(self._fault, "the middle of rows")
                if self._fault == "ends":
                    return
            yield row


class FaultyFeed(Feed):
    """The quotes of the dummy market, faster than they would come, for as long as nothing breaks."""

    def __init__(self, inner: Tape, fault: str) -> None:
        self._inner = inner
        self._fault = fault

    async def listings(self) -> Sequence[Listing]:
        return await self._inner.listings()

    def rules(self, symbol: str) -> TradingRules | None:
        return self._inner.rules(symbol)

    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        fail_if(self._fault, "the feed's start")
        task_status.started()
        rows = self._inner.rows(tuple(sinks), time.time_ns())
        for _, _, symbol, *numbers in islice(rows, _QUOTES_BEFORE_FAULT):
            bid, bid_size, ask, ask_size = numbers
            sinks[symbol](bid, bid_size, ask, ask_size, time.time_ns())
            await trio.sleep(0.001)
        fail_if(self._fault, "the middle of the feed")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_alive)

    async def _keep_alive(self) -> None:
        fail_if(self._fault, "a task of the feed")
        if self._fault != "the feed ends":
            await trio.sleep_forever()


@asynccontextmanager
async def open_market(settings: MarketSettings, context: MarketContext) -> AsyncIterator[MarketData]:
    (spec,) = dummy.trioarb_market_data()
    fail_if(settings.fault, "open")
    if settings.fault == "opens slowly":
        print("opening slowly", file=sys.stderr, flush=True)  # noqa: T201
        await trio.sleep_forever()
    async with spec.open(spec.settings(), context) as inner:
        assert isinstance(inner, Tape)
        if settings.fault == "wrong type":
            yield object()  # type: ignore[misc]
        else:
            yield FaultyFeed(inner, settings.fault) if "feed" in settings.fault else FaultyTape(inner, settings.fault)
    fail_if(settings.fault, "close")


@attrs.frozen(kw_only=True)
class ExchangeSettings(paper.PaperSettings):
    fault: str = setting("", doc=_FAULT)


class FaultyExchange(paper.PaperExchange):
    def __init__(self, settings: ExchangeSettings, context: ExchangeContext) -> None:
        super().__init__(settings, context)
        self._fault = settings.fault
        self._asked = 0

    async def instruments(self, listings: Sequence[Listing]) -> Mapping[str, Instrument]:
        fail_if(self._fault, "instruments")
        return await super().instruments(listings)

    async def balances(self) -> Mapping[str, Decimal]:
        self._asked += 1
        fail_if(self._fault, "balances" if self._asked == 1 else "balances at the end")
        return await super().balances()

    async def place(self, order: Order) -> OrderReport:
        if self._fault == "hangs":
            await trio.sleep_forever()
        fail_if(self._fault, "place")
        report = await super().place(order)
        fail_if(self._fault, "place, after the fill")
        if self._fault == "fills too much":
            fill = Fill(
                fill_id="x",
                quantity=order.quantity * 2,
                price=order.limit_price,
                fee=Decimal(0),
                fee_asset="USDT",
            )
            return msgspec.structs.replace(report, fills=(fill,))
        return report

    async def order(self, client_order_id: str) -> OrderReport | None:
        fail_if(self._fault, "place and order")
        return await super().order(client_order_id)


@asynccontextmanager
async def open_exchange(settings: ExchangeSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
    fail_if(settings.fault, "open")
    yield FaultyExchange(settings, context)
    fail_if(settings.fault, "close")


@attrs.frozen(kw_only=True)
class GuardSettings:
    fault: str = setting("", doc=_FAULT)


class FaultyGuard(GuardTier):
    def __init__(self, fault: str) -> None:
        self._fault = fault

    def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
        fail_if(self._fault, "check")
        return "no" if self._fault == "check returns text" else None  # type: ignore[return-value]

    def apply(self, record: Record) -> None:
        if isinstance(record.event, event.PositionOpened):
            fail_if(self._fault, "apply")

    def react(self, record: Record) -> Iterable[GuardTripped]:
        if isinstance(record.event, event.PositionOpened):
            fail_if(self._fault, "react")
            if self._fault == "react returns text":
                return ["no"]  # type: ignore[list-item]
            if self._fault == "trips":
                return [GuardTripped(tier="extra", rule="trip", answer=Answer.STOP, value="1", limit="0")]
        return ()

    def warnings(self, instruments: Sequence[Instrument]) -> Iterable[str]:
        fail_if(self._fault, "warnings")
        return ()

    def stats(self, now_ns: int) -> Mapping[str, Any]:
        fail_if(self._fault, "stats")
        return {}


@asynccontextmanager
async def open_guard(settings: GuardSettings, context: GuardContext) -> AsyncIterator[GuardTier]:
    fail_if(settings.fault, "open")
    yield FaultyGuard(settings.fault)
    fail_if(settings.fault, "close")


@attrs.frozen(kw_only=True)
class StrategySettings(spread.SpreadSettings):
    fault: str = setting("", doc=_FAULT)
    faulty_symbol: str = setting("", doc="the only symbol where it goes wrong; empty: all of them")
    sound_calls: int = setting(0, doc="calls that go well before the first that doesn't")


class FaultyStrategy(spread.SpreadStrategy):
    def __init__(self, settings: StrategySettings) -> None:
        super().__init__(settings)
        self._fault = settings.fault
        self._sound_calls = settings.sound_calls

    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        if self._fault == "entry":
            self._sound_calls -= 1
            if self._sound_calls < 0:
                fail_if(self._fault, "entry")
        return super().entry(route, edge_bps, now_ns)

    def exit(self, position: Position, edge_bps: float, net_bps: float, now_ns: int) -> ExitReason | None:
        fail_if(self._fault, "exit")
        return super().exit(position, edge_bps, net_bps, now_ns)

    def entry_from_bps(self, route: Route) -> float:
        fail_if(self._fault, "entry_from_bps")
        if self._fault == "entry":
            return ALWAYS
        return super().entry_from_bps(route)

    def exit_band(self, position: Position) -> ExitBand:
        fail_if(self._fault, "exit_band")
        return super().exit_band(position)


class BareStrategy(Strategy):
    """Lacks the attributes that a strategy has to have."""

    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        return None

    def exit(self, position: Position, edge_bps: float, net_bps: float, now_ns: int) -> ExitReason | None:
        return None


@asynccontextmanager
async def open_strategy(settings: StrategySettings, context: StrategyContext) -> AsyncIterator[Strategy]:
    if settings.faulty_symbol not in ("", context.symbol):
        settings = attrs.evolve(settings, fault="")
    fail_if(settings.fault, "open")
    yield BareStrategy() if settings.fault == "bare" else FaultyStrategy(settings)
    fail_if(settings.fault, "close")


@hookimpl
def trioarb_symbol_sources() -> list[SymbolSourceSpec]:
    return [SymbolSourceSpec(name="broken", doc="a symbol source", settings=SourceSettings, open=open_source)]


@hookimpl
def trioarb_market_data() -> list[MarketDataSpec]:
    return [MarketDataSpec(name="broken", doc="a market", settings=MarketSettings, open=open_market)]


@hookimpl
def trioarb_exchanges() -> list[ExchangeSpec]:
    return [ExchangeSpec(name="broken", doc="an exchange", settings=ExchangeSettings, open=open_exchange)]


@hookimpl
def trioarb_guard_tiers() -> list[GuardTierSpec]:
    return [GuardTierSpec(name="broken", doc="a guard tier", settings=GuardSettings, open=open_guard)]


@hookimpl
def trioarb_strategies() -> list[StrategySpec]:
    return [StrategySpec(name="broken", doc="a strategy", settings=StrategySettings, open=open_strategy)]
