"""A stranger's venue that talks to the outside, for tests of the border to it.

Its market is a feed of one symbol, its exchange fills nothing. What is opened, and which orders come, is written into
the file ``outside.txt`` of the working directory. Tests make it known by an entry point, as an installed package is.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import attrs
import trio

from trioarb.api import (
    Amount,
    Exchange,
    ExchangeContext,
    ExchangeSpec,
    FeeBps,
    Feed,
    Instrument,
    Listing,
    MarketContext,
    MarketData,
    MarketDataSpec,
    Offer,
    Order,
    OrderRejected,
    OrderReport,
    QuoteSink,
    SourceContext,
    SymbolSource,
    SymbolSourceSpec,
    TradingRules,
    hookimpl,
    setting,
)

BTC = Listing(symbol="BTCUSDT", base="BTC", quote="USDT")


def note(text: str) -> None:
    with Path("outside.txt").open("a") as file:
        file.write(f"{text}\n")


@attrs.frozen(kw_only=True)
class WireSettings:
    host: str = setting("localhost", doc="where the venue is")
    hangs: bool = setting(False, doc="never opens")


@attrs.frozen(kw_only=True)
class WireExchangeSettings(WireSettings):
    balances: Mapping[str, Amount] = setting(factory=dict, doc="what the account holds")
    taker_fee_bps: FeeBps = setting(Decimal(4), doc="taker fee")


class WireFeed(Feed):
    """A price that jumps up and down by 2 % each 20 ms; the venue ``b`` does the opposite."""

    def __init__(self, venue: str) -> None:
        self._up = venue == "b"

    async def listings(self) -> Sequence[Listing]:
        return [BTC]

    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        task_status.started()
        while True:
            bid = 102.0 if self._up else 100.0
            sinks["BTCUSDT"](bid, 50.0, bid + 0.1, 50.0, time.time_ns())
            await trio.sleep(0.02)


class WireExchange(Exchange):
    offers = frozenset({Offer.GTC, Offer.POST_ONLY})
    grants_inventory = False

    def __init__(self, settings: WireExchangeSettings, venue: str) -> None:
        self._settings = settings
        self._venue = venue

    async def instruments(self, listings: Sequence[Listing]) -> Mapping[str, Instrument]:
        rules = TradingRules(tick_size=Decimal("0.1"), lot_size=Decimal("0.01"), min_notional=Decimal(5))
        return {
            one.symbol: Instrument(
                symbol=one.symbol,
                venue=self._venue,
                native_id=one.symbol,
                base=one.base,
                quote=one.quote,
                rules=rules,
                maker_fee_bps=Decimal(2),
                taker_fee_bps=self._settings.taker_fee_bps,
            )
            for one in listings
        }

    async def balances(self) -> Mapping[str, Decimal]:
        return {"BTC": Decimal(50), **self._settings.balances}

    async def place(self, order: Order) -> OrderReport:
        note(f"order at {self._venue}")
        raise OrderRejected("closed for today")

    async def order(self, client_order_id: str) -> OrderReport | None:
        return None


@asynccontextmanager
async def open_market(settings: WireSettings, context: MarketContext) -> AsyncIterator[MarketData]:
    note(f"market of {context.venue}")
    if settings.hangs:
        await trio.sleep_forever()
    yield WireFeed(context.venue)


@asynccontextmanager
async def open_exchange(settings: WireExchangeSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
    note(f"exchange {context.venue}")
    yield WireExchange(settings, context.venue)


class WireSource(SymbolSource):
    async def listings(self) -> Sequence[Listing]:
        return [BTC]


@asynccontextmanager
async def open_source(settings: WireSettings, context: SourceContext) -> AsyncIterator[SymbolSource]:
    note("source")
    yield WireSource()


@hookimpl
def trioarb_market_data() -> list[MarketDataSpec]:
    return [MarketDataSpec(name="wire", doc="a venue's quotes", settings=WireSettings, open=open_market, live=True)]


@hookimpl
def trioarb_exchanges() -> list[ExchangeSpec]:
    doc = "a venue that fills nothing"
    return [ExchangeSpec(name="wire", doc=doc, settings=WireExchangeSettings, open=open_exchange, live=True)]


@hookimpl
def trioarb_symbol_sources() -> list[SymbolSourceSpec]:
    return [SymbolSourceSpec(name="wire", doc="what a venue lists", settings=WireSettings, open=open_source, live=True)]
