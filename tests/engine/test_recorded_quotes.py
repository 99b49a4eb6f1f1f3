"""The funnel of campaigns on real recorded quotes, held against an independent computation over the same files."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from trioarb.testing import CampaignResult, run_virtual

ROOT = Path(__file__).parents[2]
QUOTES = ROOT.parent / "shared" / "data" / "quotes"
CASES = {
    "binance_spot_usdm.toml": ("binance_venues_20240808.parquet", {"BINANCE": 10.0, "BINANCE_USDM": 5.0}),
    "lunc_gateio_mexc.toml": ("gateio_mexc_lunc_20251011.parquet", {"GATEIO_FUTURES": 5.0, "MEXC": 5.0}),
}

pytestmark = pytest.mark.skipif(not QUOTES.is_dir(), reason="the recorded quotes are not beside this checkout")


def run(config: str, *, fees: dict[str, float], entry_bps: float) -> CampaignResult:
    text = (ROOT / "configs" / config).read_text()
    venues = dict(zip(fees, ("spot", "usdm") if "binance" in config else ("gateio", "mexc"), strict=True))
    path = QUOTES / CASES[config][0]
    return run_virtual(
        text,
        overrides=[
            f"exchanges.*.market.path={path}",
            f"strategy.entry_bps={entry_bps}",
            *(f"exchanges.{venues[name]}.taker_fee_bps={fee}" for name, fee in fees.items()),
        ],
    )


def independent_funnel(
    path: Path, fees_bps: dict[str, float], *, max_age_ns: int, entry_bps: float
) -> dict[str, Counter[str]]:
    """Count per symbol with array arithmetic: forward-fill both venues' quotes, one evaluation per row."""
    table = pq.read_table(path)
    exchange = np.array(table["exchange"].to_pylist())
    pair = np.array(table["symbol"].to_pylist())
    columns = {name: table[name].to_numpy() for name in ("ts_ns", "bid", "ask")}
    first, second = fees_bps
    funnel: dict[str, Counter[str]] = {}
    for symbol in sorted(set(pair[exchange == first]) & set(pair[exchange == second])):
        rows = np.flatnonzero((pair == symbol) & ((exchange == first) | (exchange == second)))
        ts, bid, ask = (columns[name][rows] for name in ("ts_ns", "bid", "ask"))
        latest: dict[str, Any] = {}
        for name in fees_bps:
            here = exchange[rows] == name
            latest[name] = np.maximum.accumulate(np.where(here, np.arange(len(rows)), -1))
        known = (latest[first] >= 0) & (latest[second] >= 0)
        fresh = known.copy()
        for name in fees_bps:
            fresh &= ts - ts[latest[name].clip(0)] <= max_age_ns
        best = np.full(len(rows), -np.inf)
        for buy, sell in ((first, second), (second, first)):
            keep, cost = 1 - fees_bps[sell] / 1e4, 1 + fees_bps[buy] / 1e4
            edge = 1e4 * (bid[latest[sell].clip(0)] * keep / (ask[latest[buy].clip(0)] * cost) - 1)
            best = np.maximum(best, edge)
        funnel[symbol.replace("-", "")] = Counter(
            seen=len(rows),
            evaluated=len(rows),
            fresh=int(fresh.sum()),
            edge_positive=int((fresh & (best > 0)).sum()),
            over_threshold=int((fresh & (best >= entry_bps)).sum()),
        )
    return funnel


@pytest.mark.parametrize("config", CASES)
@pytest.mark.parametrize(("scale", "entry_bps"), [(1.0, None), (0.0, 5.5)], ids=["honest fees", "no fees"])
def test_funnel_agrees_with_an_independent_count(config: str, scale: float, entry_bps: float | None) -> None:
    file, honest = CASES[config]
    fees = {name: fee * scale for name, fee in honest.items()}
    threshold = entry_bps if entry_bps is not None else {"binance_spot_usdm.toml": 10.0}.get(config, 5.0)
    result = run(config, fees=fees, entry_bps=threshold)
    max_age_ns = {"binance_spot_usdm.toml": 2_000_000_000}.get(config, 3_000_000_000)

    expected = independent_funnel(QUOTES / file, fees, max_age_ns=max_age_ns, entry_bps=threshold)
    counted = {
        event["symbol"]: {key: event[key] for key in expected[event["symbol"]]}
        for event in result.events
        if event["type"] == "funnel_counted" and event["final"]
    }
    assert counted == {symbol: dict(counts) for symbol, counts in expected.items()}
    assert result.campaign.ended_by is not None
    assert result.campaign.ended_by.value == "end_of_data"
    assert result.exit_code == 0
    if scale == 0:
        assert sum(counts["over_threshold"] for counts in expected.values()) > 0


@pytest.mark.parametrize("config", CASES)
def test_two_replays_are_identical(config: str) -> None:
    _, fees = CASES[config]
    runs = [run(config, fees=dict.fromkeys(fees, 0.0), entry_bps=5.5) for _ in range(2)]
    assert runs[0].events == runs[1].events
    assert any(event["type"] == "position_closed" for event in runs[0].events)
