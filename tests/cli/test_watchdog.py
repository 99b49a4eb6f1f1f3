"""Plugins that can't be cancelled: the process leaves in time, with its journal closed and the plugin named."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PLUGIN = """
import contextlib, time, attrs, trio
from collections.abc import Sequence
from trioarb.api import ExchangeSpec, Feed, GuardTier, GuardTierSpec, Listing, MarketDataSpec, hookimpl, setting
from trioarb.builtin.paper import PaperExchange
from trioarb.builtin.paper_settings import PaperSettings

@attrs.frozen(kw_only=True)
class Settings(PaperSettings):
    fault: str = setting("", doc="what goes wrong")

class Stubborn(PaperExchange):
    def __init__(self, settings, context):
        super().__init__(settings, context)
        self.fault, self.asked = settings.fault, 0
    async def instruments(self, listings):
        if self.fault == "instruments hang":
            await trio.sleep_forever()
        return await super().instruments(listings)
    async def place(self, order):
        if self.fault == "a system task fails":
            self.fault = ""
            trio.lowlevel.spawn_system_task(self.fail)
        if self.fault == "place blocks":
            time.sleep(1000)
        while self.fault == "place swallows":
            with contextlib.suppress(trio.Cancelled):
                await trio.sleep_forever()
        return await super().place(order)
    async def fail(self):
        raise RuntimeError("beside it")
    async def balances(self):
        self.asked += 1
        if self.fault == "balances hang" and self.asked > 1:
            await trio.sleep_forever()
        return await super().balances()

@contextlib.asynccontextmanager
async def open_venue(settings, context):
    yield Stubborn(settings, context)
    if settings.fault == "close hangs":
        await trio.sleep_forever()
    if settings.fault == "close loops":
        while True:
            pass

class StubbornFeed(Feed):
    async def listings(self):
        return [Listing(symbol="BTCUSDT", base="BTC", quote="USDT")]
    async def run(self, sinks, *, task_status=trio.TASK_STATUS_IGNORED):
        task_status.started()
        for sink in sinks.values():
            sink(100.0, 1.0, 100.1, 1.0, time.time_ns())
        while True:
            with contextlib.suppress(trio.Cancelled):
                await trio.sleep_forever()

@contextlib.asynccontextmanager
async def open_market(settings, context):
    yield StubbornFeed()

class Endless(Sequence):
    def __len__(self):
        return 1
    def __getitem__(self, index):
        return 1

class StubbornTier(GuardTier):
    def __init__(self, fault):
        self.fault = fault
    def check(self, opportunity, now_ns):
        return None
    def apply(self, record):
        pass
    def stats(self, now_ns):
        if self.fault == "stats blocks":
            time.sleep(1000)
        return {"n": {"stats is endless": Endless(), "stats has a huge number": 10**5000}[self.fault]}

@contextlib.asynccontextmanager
async def open_tier(settings, context):
    yield StubbornTier(settings.fault)

@attrs.frozen(kw_only=True)
class TierSettings:
    fault: str = setting("", doc="what goes wrong")

@hookimpl
def trioarb_guard_tiers():
    return [GuardTierSpec(name="stubborn", doc="", settings=TierSettings, open=open_tier)]

@hookimpl
def trioarb_market_data():
    return [MarketDataSpec(name="stubborn", doc="", open=open_market)]

@hookimpl
def trioarb_exchanges():
    return [ExchangeSpec(name="stubborn", doc="", settings=Settings, open=open_venue)]
"""
SPREAD = Path(__file__).parents[2] / "configs" / "spread.toml"


def run(tmp_path: Path, fault: str, *signals_at: float, close_seconds: int = 10) -> tuple[int, str, float]:
    """Run a campaign of two seconds, sending SIGINT at these seconds; return exit code, output and how long it took."""
    (tmp_path / "stubborn.py").write_text(PLUGIN)
    info = tmp_path / "stubborn-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stubborn\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[trioarb]\nstubborn = stubborn\n")
    command = [
        sys.executable,
        "-m",
        "trioarb",
        "run",
        str(SPREAD),
        "--journal=c.journal",
        "--summary=s.json",
        "--runtime=2",
    ]
    command += ["--set=engine.blocked_seconds=4", f"--set=engine.close_seconds={close_seconds}"]
    if fault == "feed swallows":
        command += ["--set=exchanges.b.market={ plugin = 'stubborn' }", "--set=universe.mode=FIXED_LIST"]
        command += ["--set=universe.whitelist=['BTCUSDT']"]
    elif fault.startswith("stats "):
        command += [f"--set=guards.stubborn.fault={fault}", "--set=session.clock=virtual"]
    else:
        command += ["--set=exchanges.b.plugin=stubborn", f"--set=exchanges.b.fault={fault}"]
    command += ["--set=session.loop_interval_ms=20", "--set=execution.leg_timeout_seconds=0.5"]
    command += ["--set=execution.hedge_deadline_seconds=1", "--set=execution.close_deadline_seconds=1"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    started = time.monotonic()
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for at in signals_at:
            time.sleep(max(0.0, started + at - time.monotonic()))
            process.send_signal(signal.SIGINT)
        try:
            out, _ = process.communicate(timeout=80)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return process.returncode, out, time.monotonic() - started


def is_sound(folder: Path) -> bool:
    command = [sys.executable, "-m", "trioarb", "verify", "c.journal"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("fault", "method"),
    [
        ("place blocks", "place"),
        ("place swallows", "place"),
        ("close loops", "close"),
        ("feed swallows", "run"),
        ("stats blocks", "stats"),
    ],
)
def test_what_can_not_be_cancelled_is_named_and_left(tmp_path: Path, fault: str, method: str) -> None:
    code, out, seconds = run(tmp_path, fault)

    assert code == 1, out
    table = {"run": "exchanges.b.market", "stats": "guards.stubborn"}.get(method, "exchanges.b")
    assert f"[{table}]: plugin 'stubborn': {method}" in out
    assert "Traceback" not in out
    assert seconds < 60
    assert is_sound(tmp_path)
    assert (tmp_path / "s.json").exists()


def test_a_start_that_hangs_hears_a_signal(tmp_path: Path) -> None:
    code, out, seconds = run(tmp_path, "instruments hang", 8)

    assert (code, seconds < 30) == (130, True), out
    assert "interrupted; no campaign was begun" in out


def test_a_second_signal_ends_the_wait_for_balances(tmp_path: Path) -> None:
    code, out, seconds = run(tmp_path, "balances hang", 8, 12)

    assert code == 3, out
    assert "b did not say its balances" in out
    assert seconds < 30
    assert is_sound(tmp_path)


def test_signals_are_heard_while_plugins_close(tmp_path: Path) -> None:
    """The second one shortens what a plugin may take to close, which is more than the watchdog's patience."""
    code, out, seconds = run(tmp_path, "close hangs", 8, 9, close_seconds=60)

    assert code == 1, out
    assert "[exchanges.b]: plugin 'stubborn': close did not return within" in out
    assert "hurrying" in out
    assert seconds < 30
    assert is_sound(tmp_path)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("stats is endless", "stats returned more than 1,000,000 figures"),
        ("stats has a huge number", "stats returned n has more than 100 digits"),
    ],
)
def test_figures_that_nobody_could_write_are_left_out_and_named(tmp_path: Path, fault: str, said: str) -> None:
    code, out, _ = run(tmp_path, fault)

    assert code == 0, out
    summary = json.loads((tmp_path / "s.json").read_text())
    assert said in summary["risk_stats"]["stubborn"]["error"]


def test_a_task_that_a_plugin_started_beside_everything_ends_the_campaign_in_order(tmp_path: Path) -> None:
    code, out, _ = run(tmp_path, "a system task fails")

    assert code == 1
    assert "error: a task that a plugin started beside the campaign raised RuntimeError: beside it" in out
    assert "defect" not in out
    assert is_sound(tmp_path)
    assert (tmp_path / "s.json").exists()
