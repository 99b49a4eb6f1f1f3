"""A stranger's venue of one spec, which keeps a diary of what is opened, with what, and closed again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from decimal import Decimal
from typing import Any

import attrs
import trio

from trioarb.api import (
    Amount,
    Exchange,
    ExchangeContext,
    Fill,
    Instrument,
    Listing,
    MarketContext,
    MarketData,
    Order,
    OrderReport,
    OrderStatus,
    Side,
    SourceContext,
    SymbolSource,
    TradingRules,
    VenueContext,
    VenueError,
    VenueSpec,
    setting,
)
from trioarb.testing import ScriptedTape, listing, plugin_of
from trioarb.venue import run_beside

#: Bid, its size, ask, its size: what is bought at a is sold at b.
QUOTES = {"a": (100.0, 50.0, 100.1, 50.0), "b": (101.0, 50.0, 101.1, 50.0)}


@attrs.frozen(kw_only=True)
class HouseSettings:
    url: str = setting("here", doc="where it is")


@attrs.frozen(kw_only=True)
class HouseAccount(HouseSettings):
    api_key: str = setting("", secret=True, doc="whose account it is")
    balances: Mapping[str, Amount] = setting(factory=dict, doc="what it holds")


@attrs.frozen(kw_only=True)
class HouseSession:
    """What is shared: of which venue, and the settings and context that it was opened with."""

    settings: HouseSettings
    context: VenueContext


@attrs.define
class House:
    """Opens sessions and parts.

    ``breaks``: what raises when it is opened; ``takes_seconds``: how long each opening takes; ``fails_after_seconds``:
    when a session's own task fails; ``holds``: for which reason sessions let nothing be entered.
    """

    breaks: str = ""
    takes_seconds: float = 0
    fails_after_seconds: float = 0
    holds: str = ""
    is_real: bool = False
    diary: list[str] = attrs.field(factory=list)
    sessions: list[HouseSession] = attrs.field(factory=list)
    used: dict[str, HouseSession] = attrs.field(factory=dict)

    @property
    def left_open(self) -> list[str]:
        opened = [entry.removeprefix("open ") for entry in self.diary if entry.startswith("open ")]
        for entry in self.diary:
            if entry.startswith("close "):
                opened.remove(entry.removeprefix("close "))
        return opened

    @property
    def plugin(self) -> object:
        return plugin_of(
            VenueSpec(
                name="house",
                doc="a venue of one spec",
                settings=HouseSettings,
                account=HouseAccount,
                open=self.open,
                source=self.source,
                market=self.market,
                exchange=self.exchange,
                live=self.is_real,
                real=self.is_real,
                warnings=lambda settings: ["it is far"] if settings.url == "far" else [],
            )
        )

    @asynccontextmanager
    async def open(self, settings: HouseSettings, context: VenueContext) -> AsyncIterator[HouseSession]:
        session = HouseSession(settings=settings, context=context)
        await self._wait(f"session {context.venue}")
        with self._noted(f"session {context.venue}"):
            self.sessions.append(session)
            if self.holds:
                context.hold(self.holds)
            async with run_beside(self._fail) if self.fails_after_seconds else nullcontext():
                yield session

    @asynccontextmanager
    async def source(self, session: HouseSession, context: SourceContext) -> AsyncIterator[SymbolSource]:
        await self._wait("source")
        with self._noted("source"):
            self.used["source"] = session
            yield HouseSource()

    @asynccontextmanager
    async def market(self, session: HouseSession, context: MarketContext) -> AsyncIterator[MarketData]:
        await self._wait(f"market {context.venue}")
        with self._noted(f"market {context.venue}"):
            self.used[f"market {context.venue}"] = session
            rows = [(second, "BTCUSDT", *QUOTES[str(context.venue)]) for second in range(1, 5)]
            yield ScriptedTape(rows, listings=[listing("BTC")])

    @asynccontextmanager
    async def exchange(self, session: HouseSession, context: ExchangeContext) -> AsyncIterator[Exchange]:
        await self._wait(f"exchange {context.venue}")
        with self._noted(f"exchange {context.venue}"):
            self.used[f"exchange {context.venue}"] = session
            yield HouseExchange(session, str(context.venue))

    async def _fail(self, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await trio.sleep(self.fails_after_seconds)
        raise VenueError("the line is dead")

    async def _wait(self, what: str) -> None:
        await trio.sleep(self.takes_seconds)
        if self.breaks == what:
            raise VenueError(f"{what} is broken")

    @contextmanager
    def _noted(self, what: str) -> Iterator[None]:
        self.diary.append(f"open {what}")
        try:
            yield
        finally:
            self.diary.append(f"close {what}")


class HouseSource(SymbolSource):
    async def listings(self) -> Sequence[Listing]:
        return [listing("BTC")]


class HouseExchange(Exchange):
    """Fills every order at its limit."""

    grants_inventory = False

    def __init__(self, session: HouseSession, venue: str) -> None:
        assert isinstance(session.settings, HouseAccount)
        self.owned: dict[str, Decimal] = {"BTC": Decimal(50), "USDT": Decimal(100_000), **session.settings.balances}
        self.venue = venue
        self.reports: dict[str, OrderReport] = {}

    async def instruments(self, listings: Sequence[Listing]) -> Mapping[str, Instrument]:
        return {
            one.symbol: Instrument.of(
                symbol=one.symbol,
                venue=self.venue,
                native_id=one.symbol,
                base=one.base,
                quote=one.quote,
                rules=TradingRules.of(tick_size="0.1", lot_size="0.01"),
                maker_fee_bps=1,
                taker_fee_bps=1,
            )
            for one in listings
        }

    async def balances(self) -> Mapping[str, Decimal]:
        return dict(self.owned)

    async def place(self, order: Order) -> OrderReport:
        sign = 1 if order.side is Side.BUY else -1
        self.owned["BTC"] += sign * order.quantity
        self.owned["USDT"] -= sign * order.quantity * order.limit_price
        fill = Fill.of(
            fill_id=order.client_order_id, quantity=order.quantity, price=order.limit_price, fee=0, fee_asset="USDT"
        )
        report = OrderReport.of(client_order_id=order.client_order_id, status=OrderStatus.FILLED, fills=[fill])
        self.reports[order.client_order_id] = report
        return report

    async def order(self, client_order_id: str) -> OrderReport | None:
        return self.reports.get(client_order_id)


def table(**changes: Any) -> dict[str, Any]:
    """Return a campaign at two venues of the house's plugin, ``changes`` by table."""
    found: dict[str, Any] = {
        "session": {"clock": "virtual", "loop_interval_ms": 0},
        "universe": {"source": "house", "mode": "FULL_MARKET"},
        "exchanges": {"a": {"plugin": "house"}, "b": {"plugin": "house"}},
        "strategy": {"plugin": "inventory", "order_size_usd": 100, "entry_bps": 20},
        "guards": {"exchange": {"enabled": False}},
    }
    return found | changes
