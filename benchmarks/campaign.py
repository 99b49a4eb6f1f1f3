"""Measure campaigns in virtual time: an hour, a day with its journal on disk, and recorded quotes.

Usage: python benchmarks/campaign.py [QUOTES.parquet] [--runs N]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import tomli
import trio
from figures import Figures, seconds_of

from trioarb.cli.journal import keep_anew
from trioarb.cli.running import leave_uncollected
from trioarb.config.load import load_table
from trioarb.engine.campaign import Campaign
from trioarb.engine.run import run_campaign
from trioarb.model.event import Record
from trioarb.model.trade import EndedBy
from trioarb.plugin.registry import load_plugins
from trioarb.testing import CampaignResult, run_virtual
from trioarb.time.virtual import VirtualClock

ROOT = Path(__file__).parents[1]
RECORDED = ROOT.parent / "shared" / "data" / "quotes" / "binance_venues_20240808.parquet"
SPREAD = ROOT / "configs" / "spread.toml"
#: Stablecoins were among its ten symbols when it was measured first.
SAME_SYMBOLS = "universe.blacklist=[]"
HOUR_SECONDS = 3_600
DAY_SECONDS = 24 * HOUR_SECONDS
#: No edge is so large: what is left is quotes, loops and periodic services.
NO_ENTRY = ("strategy.entry_bps=1000",)


def evaluations(result: CampaignResult) -> int:
    return sum(event["evaluated"] for event in result.events if event["type"] == "funnel_counted" and event["final"])


def lasting(seconds: int) -> list[str]:
    return ["session.max_iterations=1000000", f"session.max_runtime_seconds={seconds}"]


def table_of(path: Path) -> dict[str, Any]:
    return tomli.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)


def journaled(
    overrides: Sequence[str],
    observers: Sequence[Callable[[Record], object]] = (),
    *,
    table: Mapping[str, Any] | None = None,
) -> tuple[float, Campaign]:
    """Run spread, or what a table configures, in virtual time with its journal on disk; return the seconds it took.

    Raises:
        SystemExit: it ended before its time.
    """
    plugins, clock = load_plugins(), VirtualClock()
    chosen = table_of(SPREAD) if table is None else table
    loaded = load_table(chosen, plugins, overrides=['session.clock="virtual"', *overrides])
    with tempfile.TemporaryDirectory() as folder:
        keeping = keep_anew(Path(folder) / "c.journal", loaded)
        run = partial(
            run_campaign, clock=clock, keeping=keeping, observers=observers, on_open=lambda _: leave_uncollected()
        )
        started = time.perf_counter()
        campaign = trio.run(run, loaded.config, plugins, clock=clock)
        seconds = time.perf_counter() - started
    if campaign.ended_by is not EndedBy.RUNTIME or campaign.exit_code:
        raise SystemExit(f"the campaign ended by {campaign.ended_by}: {campaign.error or campaign.problems[:3]}")
    return seconds, campaign


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("quotes", nargs="?", type=Path, default=RECORDED)
    parser.add_argument("--runs", type=int, default=3, help="of which the median is shown; a day is run once")
    options = parser.parse_args()
    figures = Figures("campaign")
    results: list[CampaignResult] = []
    spread = SPREAD.read_text(encoding="utf-8")
    seconds = seconds_of(
        lambda: results.append(run_virtual(spread, overrides=[*lasting(HOUR_SECONDS), SAME_SYMBOLS])), options.runs
    )
    figures.add("spread, an hour of campaign time, 500 ms loops", seconds, "s")
    figures.add("  evaluations", evaluations(results[-1]) / seconds, "a second")
    figures.add("  events", len(results[-1].events) / seconds, "a second")

    for what, overrides, goal in (
        ("spread, 24 hours, 500 ms loops, journal on disk", (), "≤ 20 s"),
        ("the same without an entry", NO_ENTRY, ""),
    ):
        seconds, campaign = journaled([*lasting(DAY_SECONDS), SAME_SYMBOLS, *overrides])
        figures.add(what, seconds, "s", goal)
        figures.add("  evaluations", sum(one.funnel.evaluated for one in campaign.symbols.values()), "")
        figures.add("  round trips", campaign.state.statistics.closed, "")
        figures.add("  events", campaign.parts.journal.seq, "")

    if options.quotes.is_file():
        os.environ["TRIOARB_CACHE_DIR"] = ""  # keep nothing of it
        config = (ROOT / "configs" / "binance_spot_usdm.toml").read_text(encoding="utf-8")
        path = [f"exchanges.*.market.path={options.quotes}"]
        seconds = seconds_of(lambda: results.append(run_virtual(config, overrides=path)), options.runs)
        figures.add("recorded spot against perpetual, every quote", seconds, "s")
        figures.add("  quotes", evaluations(results[-1]) / seconds, "quotes/s")
    else:
        figures.skip("recorded spot against perpetual", f"{options.quotes} is not there; give a file")
    figures.store()


if __name__ == "__main__":
    main()
