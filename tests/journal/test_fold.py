"""Whatever a campaign knows of money, trades and risk can be had from its journal again, as it was at any moment."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from enum import Enum
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest
import structlog
import tomli
import trio
from checked import checked

from trioarb.api import GuardContext, GuardTierSpec, Record, RiskView
from trioarb.cli.journal import keep_anew, keep_on
from trioarb.config.load import Loaded, load_table
from trioarb.engine.campaign import Campaign
from trioarb.engine.keeping import Keeping
from trioarb.engine.run import run_campaign
from trioarb.journal.journal import Journal
from trioarb.journal.recorded import claim, open_journal
from trioarb.model.event import CampaignEnded, CampaignOpened, CampaignResumed
from trioarb.plugin.border import CheckedGuard
from trioarb.plugin.registry import Plugins, load_plugins
from trioarb.risk.guards import Guards
from trioarb.risk.holds import Holds
from trioarb.state.exposure import Exposure
from trioarb.state.funds import Funds
from trioarb.state.ledger import Ledger
from trioarb.state.margins import Margins
from trioarb.state.marks import Marks
from trioarb.state.statistics import Statistics
from trioarb.state.trades import Trades
from trioarb.time.virtual import VirtualClock

SPREAD, CHAOS = (
    tomli.loads((Path(__file__).parents[2] / "configs" / f"{name}.toml").read_text(), parse_float=Decimal)
    for name in ("spread", "chaos")
)
EVERY = 50


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    """Spare the log of what goes wrong on purpose."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


def both(*settings: str) -> list[str]:
    return [f"exchanges.{venue}.{setting}" for venue in "ab" for setting in settings]


ALL_TIERS = ["guards.exchange={}", "guards.kill_switch={}"]
SHORT_CHAOS = ["session.max_runtime_seconds=600", *both("active_seconds=560")]
#: A configuration, and what is changed of it.
CONFIGS: Mapping[str, tuple[Mapping[str, Any], list[str]]] = {
    "spread": (SPREAD, []),
    "each order": (SPREAD, ["session.durability=order", "guards.symbol.cooldown_seconds=0", *ALL_TIERS]),
    "every quote, small sizes": (
        SPREAD,
        [
            *("session.loop_interval_ms=0", "session.max_iterations=1000000", "session.max_runtime_seconds=60"),
            *("guards.symbol.circuit_breaker_loss_count=1", "guards.symbol.circuit_breaker_duration=5"),
            *both("market.size_usd=50", "fee_asset=received"),
        ],
    ),
    "emergency stop": (
        SPREAD,
        [
            *("guards.global.emergency_stop_loss_usd=0.01", "guards.global.max_daily_loss_usd=0.01"),
            'engine.loss_basis="realised"',
        ],
    ),
    "positions kept": (SPREAD, ["session.close_positions_at_end=false", "strategy.exit_bps=50"]),
    "chaos": (CHAOS, [*SHORT_CHAOS, *ALL_TIERS]),
    "chaos, answers later than anybody waits": (
        CHAOS,
        [
            *(*SHORT_CHAOS, *ALL_TIERS),
            *("execution.leg_timeout_seconds=1", "guards.symbol.cooldown_seconds=1"),
            *both("disconnect=0.02", "disconnect_seconds=15", "lose_ack=0.05"),
        ],
    ),
}


# What is compared


@attrs.frozen
class State:
    """The projections of a campaign."""

    ledger: Ledger
    trades: Trades
    funds: Funds
    exposure: Exposure
    statistics: Statistics
    tiers: Mapping[str, CheckedGuard]

    def seen(self, now_ns: int) -> dict[str, Any]:
        """Return all of it as plain values that do not change any more.

        Tiers let go of what is too old whenever they are asked; here all are asked at the same time.
        """
        for tier in self.tiers.values():
            tier.stats(now_ns)
        return {
            "ledger": plain(self.ledger),
            "balances": plain(self.ledger.balances()),
            "trades": plain(self.trades),
            "in order": [
                list(self.trades.pairs),
                list(self.trades.orders),
                list(self.trades.residuals),
                [position.trade_id for position in self.trades.positions()],
            ],
            "funds": plain(vars(self.funds)["_claims"]) | plain(vars(self.funds)["_claimed"]),
            "exposure": plain(self.exposure),
            "statistics": plain(self.statistics),
            # What the border adds to a tier is no state.
            **{f"tier {name}": plain(vars(tier)["_inner"]) for name, tier in self.tiers.items()},
        }


def plain(value: Any) -> Any:
    """Return a value as a copy made of dicts, lists and sets. A tier's view of the risk is compared on its own."""
    match value:
        case None | bool() | int() | float() | str() | Decimal() | Enum() | Path():
            return value
        case Mapping():
            return {key if isinstance(key, str) else repr(key): plain(one) for key, one in value.items()}
        case set() | frozenset():
            return frozenset(value)
        case list() | tuple() | deque():
            return [plain(one) for one in value]
        case msgspec.Struct():
            return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
        case _ if attrs.has(type(value)):
            return {field.name: plain(getattr(value, field.name)) for field in attrs.fields(type(value))}
        case _:
            names = vars(value) if hasattr(value, "__dict__") else type(value).__slots__
            fields = {name: getattr(value, name) for name in names}
            return {name: plain(one) for name, one in fields.items() if not isinstance(one, RiskView)}


# Campaigns, and what can be had from their journals


def state_of(campaign: Campaign) -> State:
    parts, state = campaign.parts, campaign.state
    return State(parts.ledger, parts.trades, parts.funds, state.exposure, state.statistics, campaign.tiers)


@attrs.define
class Kept:
    """A campaign that was run, all its records, and what it knew at some of them."""

    loaded: Loaded
    plugins: Plugins
    records: list[Record] = attrs.field(factory=list)
    seen: dict[int, dict[str, Any]] = attrs.field(factory=dict)
    campaign: Campaign | None = None

    def run(self, keeping: Keeping) -> None:
        """Run the campaign, or go on with it, in virtual time."""
        clock = VirtualClock()
        trio.run(
            partial(
                run_campaign,
                self.loaded.config,
                self.plugins,
                clock=clock,
                observers=[self._observe],
                on_open=self._open,
                keeping=keeping,
            ),
            clock=clock,
        )
        self.seen[self.records[-1].seq] = self._state().seen(self.records[-1].ts_ns)

    def _open(self, campaign: Campaign) -> None:
        self.campaign = campaign

    def _state(self) -> State:
        assert self.campaign is not None
        return state_of(self.campaign)

    def _observe(self, record: Record) -> None:
        self.records.append(record)
        if record.seq % EVERY == 0:
            self.seen[record.seq] = self._state().seen(record.ts_ns)


@asynccontextmanager
async def fresh(kept: Kept, symbols: Sequence[str]) -> AsyncIterator[tuple[Journal, State]]:
    """Return a journal without a campaign, and the projections that fold it."""
    assert kept.campaign is not None
    config = kept.loaded.config
    ledger, trades, exposure, statistics = Ledger(), Trades(), Exposure(), Statistics()
    funds = Funds(ledger, Margins(ledger, {}), kept.campaign.parts.instruments, config.execution.unwind_slippage_bps)
    journal, tiers = Journal(lambda: 0), dict[str, CheckedGuard]()
    async with AsyncExitStack() as stack:
        for table in config.guards:
            name = table.key.removeprefix("guards.")
            spec: Any = kept.plugins.get(GuardTierSpec, table.plugin, key=table.key)
            context = GuardContext(name=name, symbols=symbols, risk=exposure)
            tiers[name] = checked(name, await stack.enter_async_context(spec.open(table.settings, context)))
        guards = Guards(
            journal=journal,
            trades=trades,
            marks=Marks(exposure, trades),
            tiers=tiers,
            holds=Holds(),
            max_concurrent_pairs=config.engine.max_concurrent_pairs,
        )
        journal.attach(projections=[ledger, trades, funds, exposure, statistics, guards])
        yield journal, State(ledger, trades, funds, exposure, statistics, tiers)


def compare(kept: Kept, path: Path) -> None:
    """Fold the journal anew, and hold it against what the campaign knew."""

    async def fold() -> None:
        with open_journal(path) as stored:
            records = stored.records()
            first = next(records)
            assert isinstance(first.event, CampaignOpened)
            async with fresh(kept, first.event.symbols) as (journal, state):
                journal.fold([first])
                for seq in sorted(kept.seen):
                    journal.fold(islice(records, seq - journal.seq))
                    again = state.seen(journal.last_ns)
                    for part, was in kept.seen[seq].items():
                        assert again[part] == was, f"{part} after event {seq}"
            assert next(records, None) is None

    trio.run(fold)


def load(table: Mapping[str, Any], overrides: Sequence[str]) -> tuple[Loaded, Plugins]:
    plugins = load_plugins()
    return load_table(table, plugins, overrides=[*overrides, "session.clock=virtual"]), plugins


KeptOf = Callable[[str], tuple[Kept, Path]]


@pytest.fixture(scope="module")
def kept_of(tmp_path_factory: pytest.TempPathFactory) -> KeptOf:
    """Return a function that runs the campaign of that name, once, and returns it and its journal."""

    @cache
    def run(name: str) -> tuple[Kept, Path]:
        table, overrides = CONFIGS[name]
        kept, path = Kept(*load(table, overrides)), tmp_path_factory.mktemp("kept") / "campaign.journal"
        kept.run(keep_anew(path, kept.loaded))
        return kept, path

    return run


@pytest.mark.parametrize("name", CONFIGS)
def test_all_state_can_be_had_from_the_journal(name: str, kept_of: KeptOf) -> None:
    kept, path = kept_of(name)
    with open_journal(path) as stored:
        assert list(stored.records()) == kept.records
    assert len(kept.seen) == -(-len(kept.records) // EVERY) > 3
    compare(kept, path)


def test_the_moments_that_are_compared_are_telling(kept_of: KeptOf) -> None:
    """Pairs in flight, orders without an answer, residuals, an open breaker, venues that are not trusted."""
    found: set[str] = set()
    for seen in (seen for name in CONFIGS for seen in kept_of(name)[0].seen.values()):
        trades = seen["trades"]
        found |= {part for part in ("pairs", "orders", "residuals", "_positions", "totals", "_unsent") if trades[part]}
        if any(state["open_until_ns"] is not None for state in seen["tier symbol"]["_states"].values()):
            found.add("breaker")
        if "tier exchange" in seen:
            found |= {venue["health"].name for venue in seen["tier exchange"]["_venues"].values()}
        if seen["statistics"]["is_stopped"]:
            found.add("stopped")
    assert found >= {"pairs", "orders", "residuals", "_positions", "totals", "_unsent"}
    assert found >= {"breaker", "stopped", "HEALTHY", "DEGRADED", "DOWN"}


def test_a_campaign_that_went_on_can_be_had_from_its_journal(path: Path) -> None:
    table, overrides = CONFIGS["positions kept"]
    kept = Kept(*load(table, [*overrides, *ALL_TIERS, "session.max_iterations=50"]))
    kept.run(keep_anew(path, kept.loaded))
    for iterations in (100, 150):
        kept.loaded, _ = load(table, [*overrides, *ALL_TIERS, f"session.max_iterations={iterations}"])
        with claim(path) as claimed:
            keeping = keep_on(claimed, kept.loaded)
            kept.run(keeping)

    assert [type(record.event) for record in kept.records].count(CampaignResumed) == 2
    assert isinstance(kept.records[-1].event, CampaignEnded)
    compare(kept, path)
