"""What is served to Prometheus: read back by its own parser, and held against the journal and what was answered."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
import tomli
import trio
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from trioarb.cli.journal import keep_anew
from trioarb.config.load import load_table
from trioarb.control.message import Denial, Watched
from trioarb.dashboard import metrics
from trioarb.dashboard.metric import METRICS, Kind
from trioarb.dashboard.metrics import metrics_text
from trioarb.dashboard.view import Viewed
from trioarb.engine.campaign import Campaign
from trioarb.engine.run import run_campaign
from trioarb.engine.watched import Watching
from trioarb.model.account import LimitUsed
from trioarb.model.fx import FxState
from trioarb.plugin.registry import load_plugins
from trioarb.state.telemetry import (
    ChannelFigures,
    Durations,
    FxAge,
    JournalLag,
    QuoteAges,
    QuoteCounts,
    RecordingFigures,
)
from trioarb.time.virtual import VirtualClock

ROOT = Path(__file__).parents[2]
#: A trade or two a minute and symbol, and guards that deny.
OVERRIDES = ('session.clock="virtual"', "session.max_runtime_seconds=300", "guards.symbol.cooldown_seconds=30")

TOOK = Durations(
    count=4, total_seconds=0.1, p50_us=1.0, p95_us=2.0, p99_us=3.0, at_most=((0.001, 1), (0.01, 3), (0.1, 3))
)


@attrs.frozen
class Ran:
    path: Path
    campaign: Campaign
    watched: Watched

    def viewed(self, name: str = "one") -> Viewed:
        viewed = Viewed(name, self.path, load_plugins())
        while viewed.follower.advance(1.0):
            pass
        return viewed


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A campaign that has run and traded, and what it answered at its end; telemetry is made up to have everything."""
    path, plugins, clock = tmp_path_factory.mktemp("metrics") / "one.journal", load_plugins(), VirtualClock()
    table = tomli.loads((ROOT / "configs" / "spread.toml").read_text(encoding="utf-8"), parse_float=Decimal)
    loaded = load_table(table, plugins, overrides=OVERRIDES)

    async def main() -> tuple[Campaign, Watched]:
        keeping = keep_anew(path, loaded, inline=True)
        campaign = await run_campaign(loaded.config, plugins, clock=clock, keeping=keeping)
        return campaign, await Watching(campaign).now()

    campaign, watched = trio.run(main, clock=clock)
    telemetry = attrs.evolve(
        watched.telemetry,
        stages={"decide": TOOK, "send": Durations()},
        quotes=QuoteCounts(seen=10, refused=1, withdrawn=2, conflated=3, evaluated=7, stale=4),
        quote_ages={"binance": QuoteAges(newest_seconds=0.5, oldest_seconds=7.5, symbols=2)},
        fx_ages={"KRW": FxAge(seconds=1.5, state=FxState.GOOD), "EUR": FxAge(seconds=None, state=FxState.AWAY)},
        limits={"binance": (LimitUsed(name="weight", count=6000, seconds=60.0, used=1200),)},
        journal=JournalLag(
            unwritten=2, unwritten_seconds=0.25, unsynced=None, unsynced_seconds=None, error="the disk is full"
        ),
        recording=RecordingFigures(folder="q", quotes=9, lost=1, files=1, parts=(), error=None),
        channels={"ops": ChannelFigures(delivered=4, undelivered=1, pending=2, tries=9, error="status 503")},
        memory_bytes=1_000_000,
        cpu_seconds=2.5,
    )
    denials = (Denial(rule="paused", reason="by us"), Denial(rule="updates_down", reason="cut", venue="binance"))
    return Ran(path, campaign, replace(watched, telemetry=telemetry, denials=denials))


@contextmanager
def running(path: Path) -> Iterator[None]:
    """Hold a journal as the process does that writes it."""
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def parsed(text: bytes) -> Samples:
    """Return samples by name and labels, as Prometheus' own parser reads them; none may be there twice."""
    samples = dict[tuple[str, frozenset[tuple[str, str]]], float]()
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in samples, f"{key} is there twice"
            samples[key] = sample.value
    return samples


def of(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"trioarb_{name}", frozenset({"campaign": "one", **labels}.items())]


def shown(ran: Ran) -> Samples:
    viewed = ran.viewed()
    with running(ran.path):
        viewed.answer(ran.watched, 0)
        return parsed(metrics_text([viewed]))


def test_what_the_journal_says_is_there_to_the_cent(ran: Ran) -> None:
    samples, state = shown(ran), ran.campaign.state
    statistics = state.statistics
    assert statistics.closed > 3
    assert statistics.by_rule
    assert of(samples, "campaign_state", state="running") == 1
    assert of(samples, "pnl_usd") == float(statistics.pnl_usd)
    assert of(samples, "fees_usd") == float(statistics.fees_usd)
    assert of(samples, "drawdown_usd") == float(state.equity.drawdown_usd)
    assert of(samples, "orders_submitted_total") == statistics.orders["submitted"]
    assert of(samples, "order_outcomes_total", outcome="cancelled") == statistics.orders["cancelled"]
    assert of(samples, "decisions_total", answer="ALLOW") == sum(one.allowed for one in statistics.symbols.values())
    for rule, count in statistics.by_rule.items():
        tier, _, name = rule.partition(".")
        assert of(samples, "refusals_total", tier=tier, rule=name) == count
    assert sum(value for (name, _), value in samples.items() if name == "trioarb_exits_total") == statistics.closed
    for symbol, one in statistics.symbols.items():
        assert of(samples, "symbol_pnl_usd", symbol=symbol) == float(one.pnl_usd)


def test_exposure_can_be_held_against_the_limits_of_the_guards(ran: Ran) -> None:
    samples = shown(ran)
    settings = next(one.settings for one in ran.campaign.config.guards if one.key == "guards.global")
    limit = of(samples, "guard_limit", tier="global", limit="max_total_exposure_usd")
    assert limit == float(settings.max_total_exposure_usd)
    assert 0 <= of(samples, "exposure_usd") <= limit


def test_what_only_the_process_knows_is_there_as_it_answered(ran: Ran) -> None:
    samples = shown(ran)
    assert of(samples, "campaign_answers") == 1
    assert [of(samples, f"{name}_total") for name in ("quotes", "quotes_refused", "quotes_conflated")] == [10, 1, 3]
    assert of(samples, "quote_oldest_age_seconds", venue="binance") == 7.5
    assert of(samples, "fx_age_seconds", asset="KRW") == 1.5
    assert of(samples, "fx_good", asset="EUR") == 0
    assert ("trioarb_fx_age_seconds", frozenset({"campaign": "one", "asset": "EUR"}.items())) not in samples
    window = {"venue": "binance", "limit": "weight", "window_seconds": "60"}
    assert (of(samples, "rate_limit_used", **window), of(samples, "rate_limit_allowed", **window)) == (1200, 6000)
    assert (of(samples, "journal_unwritten_events"), of(samples, "journal_failing")) == (2, 1)
    assert not any(name == "trioarb_journal_unsynced_events" for name, _ in samples)
    assert of(samples, "process_resident_memory_bytes") == 1_000_000
    assert of(samples, "process_cpu_seconds_total") == 2.5
    assert of(samples, "recorded_quotes_lost_total") == 1
    assert of(samples, "entries_held", rule="paused", venue="") == 1
    assert of(samples, "entries_held", rule="updates_down", venue="binance") == 1


def test_histograms_are_in_seconds_and_cumulated(ran: Ran) -> None:
    samples = shown(ran)
    buckets = {
        dict(labels)["le"]: value
        for (name, labels), value in samples.items()
        if name == "trioarb_stage_seconds_bucket" and ("stage", "decide") in labels
    }
    assert buckets == {"0.001": 1, "0.01": 3, "0.1": 3, "+Inf": 4}
    assert of(samples, "stage_seconds_count", stage="decide") == 4
    assert of(samples, "stage_seconds_sum", stage="decide") == 0.1
    assert of(samples, "stage_seconds_count", stage="send") == 0
    assert of(samples, "evaluation_seconds_count") == ran.watched.telemetry.loop.count > 0


def test_of_one_that_does_not_answer_what_only_it_knows_is_absent(ran: Ran) -> None:
    viewed = ran.viewed()
    with running(ran.path):
        viewed.answer(ran.watched, 0)
        viewed.answer(None, 1, "no answer within 2 s")
        samples = parsed(metrics_text([viewed]))
    assert of(samples, "campaign_answers") == 0
    assert of(samples, "pnl_usd") == float(ran.campaign.state.statistics.pnl_usd)
    gone = ("quotes", "stage", "evaluation", "process", "quote_age", "fx_age", "rate_limit", "journal_unwritten")
    assert not [name for name, _ in samples if name.removeprefix("trioarb_").startswith(gone)]


def test_of_one_that_runs_no_more_only_how_it_ended_is_told(ran: Ran) -> None:
    viewed = ran.viewed()
    viewed.answer(ran.watched, 0)
    samples = parsed(metrics_text([viewed]))
    assert {name for name, _ in samples} == {
        *("trioarb_campaign_state", "trioarb_campaign_exit_code", "trioarb_journal_folded_ratio")
    }
    assert of(samples, "campaign_state", state="ended") == 1
    assert of(samples, "campaign_exit_code") == ran.campaign.exit_code


def test_a_file_that_is_no_journal_is_told_of_and_takes_nothing_away(ran: Ran, tmp_path: Path) -> None:
    (tmp_path / "two").write_text("no journal\n")
    other = Viewed('tw"o\\\n', tmp_path / "two", load_plugins())
    other.follower.advance(1.0)
    samples = parsed(metrics_text([ran.viewed(), other]))
    assert of(samples, "campaign_state", state="ended") == 1
    assert samples["trioarb_campaign_state", frozenset({"campaign": 'tw"o\\\n', "state": "unreadable"}.items())] == 1


def test_names_that_are_no_text_and_limits_that_are_told_twice_spoil_nothing(ran: Ran) -> None:
    viewed = ran.viewed(b"caf\xe9".decode("utf-8", "surrogateescape"))
    used = LimitUsed(name="weight", count=6000, seconds=60.0, used=1200)
    telemetry = attrs.evolve(ran.watched.telemetry, limits={"binance": (used, used)})
    with running(ran.path):
        viewed.answer(replace(ran.watched, telemetry=telemetry), 0)
        samples = parsed(metrics_text([viewed]))
    assert [value for (name, _), value in samples.items() if name == "trioarb_rate_limit_used"] == [1200]
    assert {dict(labels)["campaign"] for _, labels in samples} == {"caf?"}


def test_there_are_only_so_many_series_and_what_is_left_out_is_said(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = shown(ran)
    symbols = len(ran.campaign.state.statistics.reported)
    monkeypatch.setattr(metrics, "MOST_SYMBOLS", 2)
    monkeypatch.setattr(metrics, "MOST_NAMES", 1)
    samples = shown(ran)
    assert of(samples, "left_out", what="symbols") == symbols - 2 > 0
    assert len([name for name, _ in samples if name == "trioarb_symbol_pnl_usd"]) == 2
    limits = [value for (name, _), value in everything.items() if name == "trioarb_guard_limit"]
    assert [value for (name, _), value in samples.items() if name == "trioarb_guard_limit"] == [max(limits)]
    assert of(samples, "left_out", what="limits of guards") == len(limits) - 1 > 0
    assert not [name for name, _ in everything if name == "trioarb_left_out"]

    monkeypatch.setattr(metrics, "MOST_CAMPAIGNS", 1)
    with running(ran.path):
        cut = parsed(metrics_text([ran.viewed("a"), ran.viewed("b"), ran.viewed("c")]))
    assert cut["trioarb_left_out", frozenset({"campaign": "", "what": "campaigns"}.items())] == 2


def test_names_are_as_prometheus_wants_them(ran: Ran) -> None:
    for metric in METRICS.values():
        assert metric.name.startswith("trioarb_")
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
        assert metric.kind is not Kind.HISTOGRAM or metric.name.endswith("_seconds")
        assert not metric.name.endswith(("_ms", "_us", "_ns", "_bps", "_percent"))
    viewed = ran.viewed()
    with running(ran.path):
        viewed.answer(ran.watched, 0)
        families = list(text_string_to_metric_families(metrics_text([viewed]).decode()))
    assert {family.type for family in families} == {"counter", "gauge", "histogram"}
    assert all(family.documentation for family in families)


def test_every_metric_can_come(ran: Ran) -> None:
    samples = {name for name, _ in shown(ran)} | {name for name, _ in parsed(metrics_text([ran.viewed()]))}
    found = {name.removesuffix("_bucket") for name in samples}
    found |= {f"trioarb_{name}" for name in ("left_out", "reductions_total", "not_sized_total", "unrealised_usd")}
    found |= {f"trioarb_journal_unsynced_{unit}" for unit in ("events", "seconds")}
    assert set(METRICS) <= found


def test_the_page_names_every_metric_as_it_is() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = dict[str, Any]()
    for line in page.splitlines():
        if line.startswith("| `trioarb_"):
            name, kind, labels, doc = (cell.strip() for cell in line.strip("|").split("|"))
            rows[name.strip("`")] = kind, labels, doc
    assert rows == {
        one.name: (one.kind.value, ", ".join(f"`{label}`" for label in one.labels), one.doc) for one in METRICS.values()
    }
