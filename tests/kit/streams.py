"""Whole event streams of small campaigns, of every kind that a journal can hold; and ways to spoil them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import cache, partial
from math import inf
from typing import Any, cast

import attrs
import tomli
import trio
from command import KIMCHI, SPREAD
from msgspec.structs import replace

from trioarb.api import Exchange, ExchangeContext, ExchangeSpec, Order, OrderRejected, OrderReport, VenueError
from trioarb.builtin.paper import PaperExchange
from trioarb.builtin.paper_settings import PaperSettings
from trioarb.config.load import load_table
from trioarb.engine.run import run_campaign
from trioarb.model.event import (
    CampaignResumed,
    DecisionsRepeated,
    Event,
    InstrumentListed,
    PairEnded,
    PhaseEntered,
    Record,
)
from trioarb.model.trade import Phase
from trioarb.plugin.registry import load_plugins
from trioarb.testing import ScriptedRow, ScriptedTape, listing, plugin_of, scripted_market, two_venues
from trioarb.time.virtual import VirtualClock

__all__ = [
    "STREAMS",
    "Stream",
    "changed",
    "dropped",
    "inserted",
    "moved",
    "places",
    "renumbered",
    "stream",
]

Stream = Sequence[Record]


@attrs.frozen
class Fate:
    """What becomes of a venue's orders from number ``first`` to ``last``.

    ``silent``: they are executed, and the venue says nothing until ``answers_at`` seconds; else they are refused.
    """

    first: int
    last: float = inf
    silent: bool = False
    answers_at: float = inf


class FatefulExchange(PaperExchange):
    def __init__(self, settings: PaperSettings, context: ExchangeContext, fate: Fate | None) -> None:
        super().__init__(settings, context)
        self._fate = fate
        self._submitted = 0
        self._started = trio.current_time()
        self._silent = False

    def answers_at_ns(self, order: Order) -> int | None:
        return super().answers_at_ns(order) if self._fate is None else None

    async def place(self, order: Order) -> OrderReport:
        self._submitted += 1
        fate = self._fate
        if fate is None or not fate.first <= self._submitted <= fate.last:
            return await super().place(order)
        if not fate.silent:
            raise OrderRejected("not today")
        self._silent = True
        await super().place(order)
        raise VenueError("connection lost")

    async def order(self, client_order_id: str) -> OrderReport | None:
        fate = self._fate
        if self._silent and fate is not None and trio.current_time() < self._started + fate.answers_at:
            raise VenueError("connection refused")
        return await super().order(client_order_id)


def _rows(venue: str) -> Iterator[ScriptedRow]:
    """Two symbols whose gap opens and closes every two seconds; sometimes little is displayed."""
    for tick in range(40):
        for symbol in ("BTCUSDT", "ETHUSDT"):
            price = 101.0 if venue == "b" and tick % 8 < 4 else 100.0
            size = 3.0 if venue == "b" and tick % 8 in (1, 5) else 50.0
            yield 1 + tick / 4, symbol, price, size, price + 0.1, size


def _one_trade(venue: str) -> Iterator[ScriptedRow]:
    """A gap that is open for the first twenty seconds, of sixty."""
    for second in range(1, 60):
        price = (101.0 if venue == "b" else 100.0) if second < 20 else (100.4 if venue == "b" else 100.5)
        yield float(second), "BTCUSDT", price, 50.0, price + 0.1, 50.0


def _run(
    rows: Callable[[str], Iterable[ScriptedRow]] = _rows,
    fates: Mapping[str, Fate] | None = None,
    guards: Mapping[str, Mapping[str, object]] | None = None,
    latency_ms: int = 300,
    policy: str = "hold",
    **session: object,
) -> Stream:
    @asynccontextmanager
    async def open_exchange(settings: PaperSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
        yield FatefulExchange(settings, context, (fates or {}).get(context.venue))

    listings = [listing("BTC"), listing("ETH")] if rows is _rows else [listing("BTC")]
    tapes = {venue: ScriptedTape(list(rows(venue)), listings=listings) for venue in ("a", "b")}
    spec = ExchangeSpec(name="fateful", doc="fates", settings=PaperSettings, open=open_exchange)
    table = two_venues()
    table["execution"] = {"residual_policy": policy}
    if policy == "work":
        table["execution"]["hedge_deadline_seconds"] = "0.01"
    for venue in table["exchanges"].values():
        venue |= {"plugin": "fateful", "tick_size": "0.1", "lot_size": "0.01", "latency_ms": latency_ms}
    # A feed that ends here is the end of a script, not of a venue.
    table["guards"] = {"exchange": {"enabled": False}, "symbol": {"cooldown_seconds": 1}, **(guards or {})}
    table["strategy"] = {"entry_bps": 20, "exit_bps": -20, "order_size_usd": 400}
    table["session"] |= session
    return _campaign(table, {"market": scripted_market(tapes), "venue": plugin_of(spec)})


def _campaign(
    table: Mapping[str, Any], plugins: Mapping[str, object] | None = None, overrides: Sequence[str] = ()
) -> Stream:
    registered = load_plugins(plugins)
    loaded = load_table(table, registered, overrides=["session.clock=virtual", *overrides])
    records: list[Record] = []
    clock = VirtualClock()
    run = partial(run_campaign, clock=clock, observers=[records.append])
    trio.run(run, loaded.config, registered, clock=clock)
    return records


def _spread(*overrides: str) -> Stream:
    table = tomli.loads(SPREAD.read_text(encoding="utf-8"), parse_float=Decimal)
    return _campaign(table, overrides=["universe.top_n=5", *overrides])


def _two_monies() -> Stream:
    table = tomli.loads(KIMCHI.read_text(encoding="utf-8"), parse_float=Decimal)
    return _campaign(table, overrides=["session.max_runtime_seconds=70"])


def _resumed() -> Stream:
    """A campaign that was resumed between its entry and its exit."""
    records = _run(_one_trade, guards={"symbol": {"cooldown_seconds": 1000}})
    crash = places(records, PairEnded)[0] + 1
    resumed = CampaignResumed(
        number=1, version="", config_digest="", last_seq=crash, last_ts_ns=records[crash - 1].ts_ns, close_only=False
    )
    records = inserted(records, crash, PhaseEntered(phase=Phase.RUNNING))
    return inserted(records, crash, resumed, *(records[index].event for index in places(records, InstrumentListed)))


#: Streams by what is special about them. Each is sound.
STREAMS: Mapping[str, Callable[[], Stream]] = {
    "partial fills": _run,
    "spread": _spread,
    "dust": partial(_spread, "exchanges.*.market.size_usd=50", "session.loop_interval_ms=0", "execution.dust_usd=10"),
    "crumbs": partial(_spread, "exchanges.*.market.size_usd=100", "session.loop_interval_ms=0"),
    "fees in base asset": partial(_spread, "exchanges.*.fee_asset=received", "fx.USDT=0.99915"),
    "margin, slow venue": partial(
        _spread,
        "exchanges.*.account=margin",
        "exchanges.*.max_borrow_usd=2000",
        "exchanges.*.inventory_usd_per_symbol=0",
        "exchanges.b.latency_ms=2000",
    ),
    "contracts, with funding": partial(
        _spread,
        "exchanges.b.account=perpetual",
        "exchanges.b.inventory_usd_per_symbol=0",
        "exchanges.b.leverage=3",
        "exchanges.b.funding_rate_bps=2",
        "exchanges.b.funding_interval_hours=0.01",
        "session.max_iterations=150",
        "strategy.exit_bps=40",
        "strategy.max_holding_seconds=60",
    ),
    "contracts, liquidated": partial(
        _spread,
        "exchanges.b.account=perpetual",
        "exchanges.b.inventory_usd_per_symbol=0",
        "exchanges.b.leverage=50",
        "exchanges.b.maintenance_margin_bps=190",
        "exchanges.b.balances.USDT=30",
        "exchanges.*.market.volatility_bps=60",
        "guards.global.min_liquidation_distance_pct=0",
        "session.seed=4",
        "session.max_iterations=400",
        "strategy.exit_bps=900",
        "strategy.max_holding_seconds=600",
    ),
    "rejections": partial(_spread, "exchanges.*.reject_rate=0.4"),
    "residual": partial(_run, _one_trade, {"a": Fate(2), "b": Fate(1)}),
    "residual worked off": partial(_run, _one_trade, {"a": Fate(2, 4), "b": Fate(1, 4)}, policy="work"),
    "position kept": partial(_run, _one_trade, close_positions_at_end=False, max_runtime_seconds=15),
    "stop": partial(_run, guards={"global": {"emergency_stop_loss_usd": "0.01", "max_daily_loss_usd": "0.01"}}),
    "entry of unknown fate": partial(_run, _one_trade, {"b": Fate(1, silent=True)}),
    "exit of unknown fate": partial(_run, _one_trade, {"a": Fate(2, silent=True)}),
    "entry learnt late": partial(_run, _one_trade, {"b": Fate(1, 1, silent=True, answers_at=30)}),
    "exit learnt late": partial(_run, _one_trade, {"a": Fate(2, 2, silent=True, answers_at=45)}),
    "resumed": _resumed,
    "two monies": _two_monies,
}


@cache
def stream(name: str) -> Stream:
    """Return the stream of this name, made once."""
    return tuple(STREAMS[name]())


def places(records: Stream, of_type: type[Event], /, **fields: object) -> list[int]:
    """Return the indices of the events of a type that have these values."""
    return [
        index
        for index, record in enumerate(records)
        if isinstance(record.event, of_type)
        and all(getattr(record.event, name) == value for name, value in fields.items())
    ]


def renumbered(records: Iterable[Record]) -> Stream:
    """Return the records numbered without holes; what refers to a number follows."""
    records = list(records)
    numbers = {record.seq: number for number, record in enumerate(records, 1)}
    result = []
    for number, record in enumerate(records, 1):
        event = record.event
        if isinstance(event, DecisionsRepeated):
            event = replace(event, decision_seq=numbers.get(event.decision_seq, 0))
        result.append(record._replace(seq=number, event=event))
    return result


def dropped(records: Stream, *indices: int) -> Stream:
    """Return the stream without these events."""
    return renumbered(record for index, record in enumerate(records) if index not in indices)


def changed(records: Stream, index: int, **fields: object) -> Stream:
    """Return the stream with one event changed."""
    record = records[index]
    event = replace(cast(Any, record.event), **fields)
    return [*records[:index], record._replace(event=event), *records[index + 1 :]]


def inserted(records: Stream, index: int, *events: Event) -> Stream:
    """Return the stream with events before the one at an index, at its time."""
    more = [Record(-1 - number, records[index].ts_ns, event) for number, event in enumerate(events)]
    return renumbered([*records[:index], *more, *records[index:]])


def moved(records: Stream, index: int, to: int) -> Stream:
    """Return the stream with an event put before the one at ``to``, at that one's time."""
    record = records[index]._replace(ts_ns=records[to].ts_ns)
    rest = [one for number, one in enumerate(records) if number != index]
    at = to - (index < to)
    return renumbered([*rest[:at], record, *rest[at:]])
