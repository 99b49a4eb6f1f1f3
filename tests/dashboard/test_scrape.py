"""`/metrics` as Prometheus asks for it: over HTTP, of a campaign while it runs and once it has ended."""

from __future__ import annotations

import signal
from pathlib import Path

from command import SPREAD, CommandLine
from dashboard_server import RIGHT, Shown, dashboard, until_true
from prometheus_client.parser import text_string_to_metric_families

#: A campaign in which something happens at once, and goes on happening.
LIVELY = (
    *("run", str(SPREAD), "--runtime=120", "--iterations=100000", "--plain"),
    *("--set=session.clock=real", "--set=session.loop_interval_ms=50", "--set=exchanges.*.market.step_ms=50"),
    "--set=guards.symbol.cooldown_seconds=0",
)


async def scraped(shown: Shown) -> dict[str, float]:
    """Return the sum of each metric's samples."""
    answer = await shown.client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = dict[str, float]()
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            name = sample.name.removeprefix("trioarb_")
            found[name] = found.get(name, 0.0) + sample.value
    return found


async def test_a_campaign_that_runs_is_told_of_as_it_goes_on_and_then_how_it_ended(
    trioarb: CommandLine, tmp_path: Path
) -> None:
    (tmp_path / "j").mkdir()
    with trioarb.started(*LIVELY, "--journal=j/c.journal") as campaign:
        async with dashboard([tmp_path / "j"]) as shown:

            async def has_traded() -> dict[str, float] | None:
                found = await scraped(shown)
                return found if found.get("campaign_answers") == 1 and found.get("fills_total", 0) > 0 else None

            first = await until_true(has_traded)
            assert first["stage_seconds_count"] > 0
            assert first["process_resident_memory_bytes"] > 10_000_000
            assert first["journal_failing"] == 0
            assert first["venue_up"] == 2

            async def has_gone_on() -> bool:
                return (await scraped(shown))["quotes_total"] > first["quotes_total"]

            await until_true(has_gone_on)
            campaign.signal(signal.SIGTERM)

            async def has_ended() -> dict[str, float] | None:
                found = await scraped(shown)
                return found if "campaign_exit_code" in found else None

            last = await until_true(has_ended)
            assert last.keys() == {"campaign_state", "campaign_exit_code", "journal_folded_ratio"}
            assert last["campaign_exit_code"] == 0
        assert campaign.finish().code == 0


async def test_where_others_can_reach_it_it_takes_the_token(journals: Path) -> None:
    async with dashboard([journals], "0.0.0.0") as shown:
        assert (await shown.client.get("/metrics")).status_code == 401
        assert (await shown.client.get("/metrics", headers=RIGHT)).status_code == 200
