"""The referee's campaigns: small, in virtual time, each of a seed, together nearly everything that a campaign can meet.

Their configurations are in ``referee/`` and say whatever could get another default, so that shipped ones may change.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import attrs

__all__ = ["CAMPAIGNS", "CONFIGS", "Campaign", "Skipped"]

CONFIGS = Path(__file__).parent / "referee"
_SHARED = Path(__file__).parents[2] / "shared"
_START_NS = 1_735_689_600_000_000_000
Row = tuple[int, str, str, float, float, float, float]
COLUMNS = ("ts_ns", "exchange", "symbol", "bid", "bid_size", "ask", "ask_size")


class Skipped(Exception):
    """A campaign can't be run here; says why."""


@attrs.frozen
class Campaign:
    """Commands that run in a folder of their own, one after the other, and end in ``c.journal``.

    ``run`` and ``replay`` name a file of ``referee/``, and get ``overrides`` (separated by spaces). ``prepare`` makes
    files.
    """

    overrides: str = ""
    steps: Sequence[str] = ("run spread",)
    prepare: Callable[[Path], None] = lambda folder: None


def shared(name: str, folder: Path) -> None:
    """Put recorded quotes into the folder."""
    if not (_SHARED / name).is_file():
        raise Skipped(f"{_SHARED / name} is not there")
    (folder / "quotes.parquet").symlink_to(_SHARED / name)


def workload(folder: Path) -> None:
    """Make the first part of the workload that engines are measured with."""
    if not (_SHARED / "bench" / "gen_workload.py").is_file():
        raise Skipped(f"{_SHARED / 'bench'} is not there")
    sys.path.insert(0, str(_SHARED / "bench"))
    import gen_workload

    made = gen_workload.build(40_000).to_pydict()
    made["exchange"] = ["ab"[number] for number in made.pop("venue")]
    made["symbol"] = [f"C{number}-USDT" for number in made["symbol"]]
    _write(folder, {name: made[name] for name in COLUMNS})


def put(name: str, text: str, folder: Path) -> None:
    (folder / name).write_text(text)


def made_up(folder: Path, *, seed: int, venues: str = "ab", ties: bool = False, spoil: Sequence[float] = ()) -> None:
    """Write made-up quotes: with ``ties`` at few times and prices; ``spoil``: what some bids are multiplied with."""
    rows = sorted(_rows(random.Random(seed), venues, ties, spoil), key=lambda row: row[0])
    _write(folder, dict(zip(COLUMNS, (list(column) for column in zip(*rows, strict=True)), strict=True)))


def _rows(chance: random.Random, venues: str, ties: bool, spoil: Sequence[float]) -> Iterator[Row]:
    digits, step_ns = (1, 250_000_000) if ties else (2, 1_000_000)
    for symbol, price in (("BTC-USDT", 100.0), ("ETH-USDT", 250.0)):
        now_ns, basis = _START_NS, dict.fromkeys(venues, 0.0)
        for _ in range(8_000):
            now_ns += step_ns * chance.choice([0, 0, 0, 0, 1] if ties else range(120))
            venue = chance.choice(venues)
            price *= 1 + chance.gauss(0, 2e-5)
            basis[venue] = 0.9 * basis[venue] + chance.gauss(0, 6e-4)
            bid = round(price * (1 + basis[venue]), digits)
            ask = round(bid + chance.choice([1, 2, 3]) * 10**-digits, digits)
            if spoil and chance.random() < 0.05:
                bid *= chance.choice(spoil)
            yield now_ns, venue, symbol, bid, round(chance.uniform(0.5, 20), 3), ask, round(chance.uniform(0.5, 20), 3)


def _write(folder: Path, columns: Mapping[str, Sequence[object]]) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise Skipped("pyarrow is not installed") from None
    pq.write_table(pa.table(dict(columns)), folder / "quotes.parquet")


_LUNC = partial(shared, "data/quotes/gateio_mexc_lunc_20251011.parquet")
_BINANCE = partial(shared, "data/quotes/binance_venues_20240808.parquet")
_ALWAYS = "session.loop_interval_ms=0 session.max_runtime_seconds=240"
_FREE = "exchanges.*.taker_fee_bps=0"
_THIN = "exchanges.*.market.size_usd=60"
_OPEN = "session.close_positions_at_end=false strategy.max_holding_seconds=100 strategy.exit_bps=5"
_MARGIN = "exchanges.*.account=margin exchanges.*.max_borrow_usd=2000 exchanges.*.inventory_usd_per_symbol=0"
_STOP = "guards.global.emergency_stop_loss_usd=1 guards.global.max_daily_loss_usd=1 strategy.entry_bps=2"
_HEALTH = (
    "guards.exchange.min_orders=5 guards.exchange.down_unknown_count=2 guards.exchange.freeze_after_downs=3 "
    "guards.exchange.max_venue_daily_loss_usd=20 guards.exchange.degraded_error_rate=0.1"
)
_UNCROSSED = "exchanges.*.market.crossed=0 session.max_runtime_seconds=600 exchanges.*.active_seconds=540"
_LOST = (
    "exchanges.*.lose_ack=0.08 exchanges.*.disconnect=0.02 exchanges.*.disconnect_seconds=15 "
    "exchanges.*.rate_limit=0.02 execution.hedge_deadline_seconds=4 execution.leg_timeout_seconds=2"
)
_THIRD = (
    "exchanges.c={plugin='paper',account='spot',taker_fee_bps=3,latency_ms=70,inventory_usd_per_symbol=3000,"
    "consumed='until_next_quote',max_quote_age_ms=1e9,"
    "balances={USDT='50000'},tick_size='0.01',lot_size='0.001',min_notional=5,market={%s}}"
)
_WIDE = (
    "guards.symbol.cooldown_seconds=0 guards.symbol.rest_seconds=1 guards.symbol.max_position_count=1 "
    "guards.symbol.max_position_size_usd=1e9 guards.portfolio.total_capital_usd=1e9 "
    "guards.global.max_total_exposure_usd=1e9 exchanges.*.account=margin exchanges.*.max_borrow_usd=1e9 "
    "exchanges.*.balances={USDT=1e9} strategy.order_size_base=0.1 strategy.exit_bps=-4.9987504 "
    "exchanges.*.taker_fee_bps=2.5 strategy.entry_bps=12 exchanges.*.inventory_usd_per_symbol=0"
)

CAMPAIGNS: Mapping[str, Campaign] = {
    "paced": Campaign("session.max_runtime_seconds=1200"),
    "paced-2": Campaign("session.seed=11 exchanges.b.latency_ms=300"),
    "every-quote": Campaign(_ALWAYS),
    "every-quote-2": Campaign(f"{_ALWAYS} session.seed=12 exchanges.b.latency_ms=0"),
    "iterations": Campaign("session.max_iterations=50"),
    "days": Campaign(
        "universe.top_n=1 session.max_runtime_seconds=180000 session.loop_interval_ms=20000 "
        "exchanges.*.market.step_ms=10000 exchanges.*.market.basis_half_life_seconds=20 "
        "strategy.max_quote_age_ms=15000 guards.symbol.max_symbol_daily_loss_usd=2 strategy.entry_bps=4"
    ),
    "kept-open": Campaign(f"{_OPEN} session.max_runtime_seconds=60"),
    "profit-and-loss": Campaign(
        f"{_ALWAYS} strategy.exit_bps=100 strategy.take_profit_bps=3 strategy.stop_loss_bps=25 "
        "strategy.max_holding_seconds=60"
    ),
    "holding": Campaign("strategy.exit_bps=100 strategy.max_holding_seconds=17 guards.symbol.cooldown_seconds=1"),
    "kill-switch": Campaign('guards.kill_switch.file="pulled"', prepare=partial(put, "pulled", "")),
    "kill-switch-flat": Campaign(
        'guards.kill_switch={file="pulled",flatten=true} session.max_iterations=200', prepare=partial(put, "pulled", "")
    ),
    "emergency-stop": Campaign(_STOP),
    "global-limits": Campaign(
        "guards.global.max_total_exposure_usd=1200 guards.global.max_daily_loss_usd=20 strategy.entry_bps=4"
    ),
    "portfolio-limits": Campaign("guards.portfolio.total_capital_usd=3000 guards.portfolio.weights.BTCUSDT=5"),
    "symbol-limits": Campaign(
        "guards.symbol.max_position_size_usd=450 guards.symbol.circuit_breaker_loss_count=1 strategy.entry_bps=5 "
        "guards.symbol.circuit_breaker_duration=40 guards.symbol.rest_seconds=4 guards.symbol.max_position_count=1"
    ),
    "health-limits": Campaign(f"{_HEALTH} {_UNCROSSED}", ("run chaos",)),
    "fee-received": Campaign("exchanges.*.fee_asset=received fx.USDT=0.99915"),
    "rejected": Campaign("exchanges.a.reject_rate=0.3 exchanges.b.reject_rate=0.1"),
    "thin": Campaign(f"{_THIN} session.loop_interval_ms=0 exchanges.b.latency_ms=90"),
    "slow-venue": Campaign("exchanges.b.latency_ms=2000 execution.leg_timeout_seconds=1"),
    "margin": Campaign(f"{_MARGIN} {_ALWAYS}"),
    "little-money": Campaign("exchanges.*.balances={USDT=900} exchanges.*.inventory_usd_per_symbol=700"),
    "three-venues": Campaign(_THIRD % "plugin='dummy'"),
    "four-venues": Campaign(steps=("run four",)),
    "four-venues-paced": Campaign("session.loop_interval_ms=300 session.seed=3", ("run four",)),
    "quarantine": Campaign("strategy.plugin=fragile engine.max_restarts=3"),
    "chaos": Campaign(steps=("run chaos",)),
    "chaos-uncrossed": Campaign(f"{_UNCROSSED} session.seed=8", ("run chaos",)),
    "chaos-every-quote": Campaign(f"{_UNCROSSED} session.seed=9 session.loop_interval_ms=0", ("run chaos",)),
    "residuals": Campaign(f"{_UNCROSSED} {_LOST} session.seed=4", ("run chaos",)),
    "lunc": Campaign(steps=("run lunc",), prepare=_LUNC),
    "lunc-free": Campaign(f"{_FREE} strategy.max_holding_seconds=20", ("run lunc",), _LUNC),
    "binance": Campaign(steps=("run binance",), prepare=_BINANCE),
    "binance-free": Campaign(f"{_FREE} strategy.entry_bps=1", ("run binance",), _BINANCE),
    "recorded": Campaign(prepare=partial(made_up, seed=1), steps=("replay recorded --quotes quotes.parquet",)),
    "recorded-paced": Campaign(
        "session.loop_interval_ms=200", ("replay recorded --quotes quotes.parquet",), partial(made_up, seed=2)
    ),
    "ties": Campaign(
        _THIRD % "plugin='recorded',path='quotes.parquet',exchange='c'",
        ("run recorded",),
        partial(made_up, seed=3, venues="abc", ties=True),
    ),
    "crossed": Campaign(steps=("run recorded",), prepare=partial(made_up, seed=4, spoil=[1.01, 1.5])),
    "refused": Campaign(steps=("run recorded",), prepare=partial(made_up, seed=5, spoil=[-1, math.inf])),
    "withdrawn": Campaign(steps=("run recorded",), prepare=partial(made_up, seed=6, spoil=[0, math.nan])),
    "workload": Campaign(_WIDE, ("run recorded",), workload),
    "record-replay": Campaign(
        "universe.top_n=4",
        (
            "run spread --record quotes --journal first.journal --set session.max_runtime_seconds=120",
            "replay spread --quotes quotes --set session.loop_interval_ms=0",
        ),
    ),
    "resumed": Campaign(f"{_OPEN} session.max_iterations=60", ("run spread", "resume --iterations 200")),
    "resumed-to-close": Campaign(f"{_OPEN} session.max_runtime_seconds=30", ("run spread", "resume --close-only")),
    "resumed-after-stop": Campaign(_STOP, ("run spread", "resume", "resume --clear-stop --runtime 700")),
    "resumed-chaos": Campaign(
        f"{_UNCROSSED} session.max_runtime_seconds=300 session.seed=5 session.close_positions_at_end=false",
        ("run chaos", "resume --runtime 600 --force --set session.close_positions_at_end=true"),
    ),
    "killed": Campaign("strategy.plugin=mortal", ("run spread", "resume"), partial(put, "kill-at", "40")),
    "killed-order": Campaign(
        f"strategy.plugin=mortal session.durability=order {_ALWAYS}",
        ("run spread", "resume"),
        partial(put, "kill-at", "55"),
    ),
    "killed-chaos": Campaign(
        f"strategy.plugin=mortal session.durability=order {_UNCROSSED}",
        ("run chaos", "resume"),
        partial(put, "kill-at", "333"),
    ),
}
