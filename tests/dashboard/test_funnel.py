"""The funnel of a campaign that runs: as it is now while it answers, else as its journal counted it last."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path

import attrs
import pytest
import tomli
import trio
from prometheus_client.parser import text_string_to_metric_families

from trioarb.cli.journal import keep_anew
from trioarb.config.load import load_table
from trioarb.dashboard.metrics import metrics_text
from trioarb.dashboard.view import Viewed
from trioarb.engine import watched as watching
from trioarb.engine.campaign import Campaign
from trioarb.engine.run import run_campaign
from trioarb.engine.watched import Watching
from trioarb.plugin.registry import load_plugins
from trioarb.time.virtual import VirtualClock

ROOT = Path(__file__).parents[2]
OVERRIDES = (
    "session.max_iterations=100000",
    "session.max_runtime_seconds=100",
    "guards.symbol.cooldown_seconds=30",
    'session.clock="virtual"',
)
#: In the first minute, of which the journal has counted nothing yet, and between two counts.
MOMENTS = (40.5, 80.5)


@attrs.frozen
class Seen:
    """What was shown at a moment: the funnel of the page and of the metrics, and what the engine had counted."""

    answering: Mapping[str, int]
    metrics: Mapping[str, int]
    reasons: Mapping[str, int]
    silent: Mapping[str, int]
    never_asked: Mapping[str, int]
    engine: Mapping[str, int]
    not_sized: Mapping[str, int]


def steps_of(viewed: Viewed) -> Mapping[str, int]:
    return {one.step: one.count for one in viewed.view(0, with_series=False).funnel.steps}


def reasons_of(viewed: Viewed) -> Mapping[str, int]:
    found = viewed.view(0, with_series=False).funnel.reasons
    return {one.reason: one.count for one in found if one.step == "sized"}


def metrics_of(viewed: Viewed) -> Mapping[str, int]:
    return {
        sample.labels["step"]: int(sample.value)
        for family in text_string_to_metric_families(metrics_text([viewed]).decode())
        for sample in family.samples
        if sample.name == "trioarb_funnel_total"
    }


def followed(path: Path) -> Viewed:
    viewed = Viewed("one", path, load_plugins())
    while viewed.follower.advance(1.0):
        pass
    return viewed


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> list[Seen]:
    path, plugins, clock = tmp_path_factory.mktemp("funnel") / "one.journal", load_plugins(), VirtualClock()
    table = tomli.loads((ROOT / "configs" / "spread.toml").read_text(encoding="utf-8"), parse_float=Decimal)
    loaded = load_table(table, plugins, overrides=OVERRIDES)
    found = list[Seen]()

    async def look(campaign: Campaign) -> None:
        watched = await Watching(campaign).now()
        viewed, other = followed(path), followed(path)
        viewed.answer(watched, 0)
        answering, metrics, reasons = steps_of(viewed), metrics_of(viewed), reasons_of(viewed)
        viewed.answer(None, 1, "no answer within 2 s")
        funnels = [task.funnel for task in campaign.symbols.values()]
        counted = ("seen", "evaluated", "fresh", "edge_positive", "over_threshold", "sized")
        found.append(
            Seen(
                answering,
                metrics,
                reasons,
                silent=steps_of(viewed),
                never_asked=steps_of(other),
                engine={step: sum(getattr(one, step) for one in funnels) for step in counted},
                not_sized=dict(sum((one.not_sized for one in funnels[1:]), funnels[0].not_sized)),
            )
        )

    async def main() -> None:
        opened = list[Campaign]()
        async with trio.open_nursery() as nursery:
            keeping = keep_anew(path, loaded, inline=True)
            run = partial(run_campaign, loaded.config, plugins, clock=clock, keeping=keeping, on_open=opened.append)
            nursery.start_soon(run)
            for moment in MOMENTS:
                await trio.sleep_until(moment)
                await look(opened[0])

    trio.run(main, clock=clock)
    return found


def test_the_funnel_is_that_of_now_on_the_page_and_in_metrics(seen: list[Seen]) -> None:
    for one in seen:
        assert one.engine.items() <= one.answering.items()
        assert one.answering.items() <= one.metrics.items()
        assert one.reasons == one.not_sized
        assert one.answering["seen"] > one.never_asked["seen"]
    assert seen[0].never_asked["seen"] == 0 < seen[0].answering["sized"], "the first minute isn't counted yet"


def test_no_step_has_more_than_the_one_before_it(seen: list[Seen]) -> None:
    for one in seen:
        assert one.answering["over_threshold"] >= one.answering["sized"] >= one.answering["allowed"] > 0


def test_of_one_that_answers_no_more_counters_do_not_go_back(seen: list[Seen]) -> None:
    for one in seen:
        assert one.silent == one.answering


def test_the_funnel_of_very_many_symbols_is_not_added_up_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    plugins = load_plugins()
    table = tomli.loads((ROOT / "configs" / "spread.toml").read_text(encoding="utf-8"), parse_float=Decimal)
    config = load_table(table, plugins, overrides=OVERRIDES).config
    monkeypatch.setattr(watching, "_FUNNEL_SECONDS", 1_000.0)
    opened, clock = list[Campaign](), VirtualClock()
    counts = list[int]()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(run_campaign, config, plugins, clock=clock, on_open=opened.append))
            await trio.sleep_until(5.5)
            one = Watching(opened[0])
            for seconds in (5.5, 6.5, 5.5 + len(opened[0].symbols) + 0.1):
                await trio.sleep_until(seconds)
                counts.append((await one.now()).funnel.steps["seen"])
            nursery.cancel_scope.cancel()

    trio.run(main, clock=clock)
    assert counts[0] == counts[1] < counts[2]
