"""`trioarb panic`: all campaigns of this user end within seconds, also those that can't hear it."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from command import SPREAD, CommandLine, Process, Ran

from trioarb.journal.recorded import open_journal
from trioarb.verify.verification import Verifier

LIVELY = (
    *("run", str(SPREAD), "--runtime=40", "--iterations=100000", "--plain"),
    "--set=session.loop_interval_ms=50",
    "--set=exchanges.*.market.step_ms=50",
    "--set=guards.symbol.cooldown_seconds=0",
    "--set=session.close_positions_at_end=false",
)
#: What starting a command takes on a busy machine, beside what it does.
_START_SECONDS = 10.0
#: A venue that holds the thread, or swallows cancellation, once an order is sent.
STUBBORN = """
import contextlib, time, attrs, trio
from trioarb.api import ExchangeSpec, hookimpl, setting
from trioarb.builtin.paper import PaperExchange
from trioarb.builtin.paper_settings import PaperSettings

@attrs.frozen(kw_only=True)
class Settings(PaperSettings):
    fault: str = setting("", doc="what goes wrong")

class Stubborn(PaperExchange):
    def __init__(self, settings, context):
        super().__init__(settings, context)
        self.fault = settings.fault
    def answers_at_ns(self, order):
        return None
    async def place(self, order):
        if self.fault == "blocks":
            time.sleep(1000)
        while self.fault == "swallows":
            with contextlib.suppress(trio.Cancelled):
                await trio.sleep_forever()
        return await super().place(order)

@contextlib.asynccontextmanager
async def open_venue(settings, context):
    yield Stubborn(settings, context)

@hookimpl
def trioarb_exchanges():
    return [ExchangeSpec(name="stubborn", doc="", settings=Settings, open=open_venue)]
"""


@pytest.fixture(autouse=True)
def runtime_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="tc") as made:
        monkeypatch.setenv("XDG_RUNTIME_DIR", made)
        yield Path(made) / "trioarb"


def verified(journal: Path) -> list[str]:
    verifier = Verifier()
    with open_journal(journal) as stored:
        verifier.fold(stored.records())
    return [str(violation) for violation in verifier.result().violations]


def timed(trioarb: CommandLine, *arguments: str) -> tuple[Ran, float]:
    began = time.monotonic()
    ran = trioarb("panic", *arguments)
    return ran, time.monotonic() - began


@contextmanager
def stubborn(trioarb: CommandLine, fault: str) -> Iterator[Process]:
    """Run a campaign one of whose venues has this fault, until its first order is sent."""
    installed = trioarb.install("stubborn", "stubborn_plugin", STUBBORN)
    options = ("--set=exchanges.a.plugin=stubborn", f"--set=exchanges.a.fault={fault}", "--log-level=DEBUG")
    with installed.started(*LIVELY, *options, "--journal=s.journal") as process:
        process.wait_for("order submitted")
        yield process


def test_all_campaigns_close_everything_and_end_within_five_seconds(trioarb: CommandLine) -> None:
    with (
        trioarb.started(*LIVELY, "--journal=one.journal") as one,
        trioarb.started(*LIVELY, "--journal=two.journal") as two,
    ):
        one.wait_for("position opened")
        two.wait_for("position opened")
        ran, seconds = timed(trioarb, "--why", "hacked")
        assert ran.code == 0, ran.out
        assert seconds < 5 + _START_SECONDS
        assert one.finish().code == 0
        assert two.finish().code == 0
    for name in ("one.journal", "two.journal"):
        journal = trioarb.folder / name
        assert f"{journal}: ended; nothing is open\n" in ran.out
        assert verified(journal) == []
        events = [json.loads(line) for line in journal.read_text().splitlines()[1:]]
        (told,) = [one for one in events if one["type"] == "commanded"]
        assert (told["command"], told["why"]) == ("panic", "hacked")
        assert events[-1]["ended_by"] == "panic"
        assert events[-1]["ts_ns"] - told["ts_ns"] < 5 * 10**9
        opened = {one["trade_id"] for one in events if one["type"] == "position_opened"}
        assert opened == {one["trade_id"] for one in events if one["type"] == "position_closed"}
    none, _ = timed(trioarb)
    assert (none.code, none.out) == (0, "No campaign of this user runs on this machine.\n")


def test_only_those_of_an_account(trioarb: CommandLine) -> None:
    spread = Path(SPREAD).read_text()
    other = trioarb.folder / "other.toml"
    other.write_text(spread.replace("[exchanges.a", "[exchanges.c"))
    with (
        trioarb.started(*LIVELY, "--journal=ab.journal") as ab,
        trioarb.started("run", "other.toml", *LIVELY[2:], "--journal=cb.journal") as cb,
    ):
        ab.wait_for("running")
        cb.wait_for("running")
        wrong, _ = timed(trioarb, "--account", "d")
        assert wrong.code == 2
        assert "--account: no campaign that runs trades with it: d (allowed: a, b, c, paper)" in wrong.error
        ran, _ = timed(trioarb, "--account", "c", "--json")
        (row,) = json.loads(ran.out)
        assert (Path(row["journal"]).name, row["ended"]) == ("cb.journal", True)
        ended = cb.finish()
        assert ended.code == ran.code, ended.out
        assert json.loads(trioarb("control", "ab.journal", "--json").out)["status"]["phase"] == "RUNNING"
        ab.signal(signal.SIGTERM)
        ab.finish()


def test_one_whose_thread_a_plugin_holds_ends_by_signals(trioarb: CommandLine) -> None:
    with stubborn(trioarb, "blocks") as process:
        ran, seconds = timed(trioarb)
        assert seconds < 5 + _START_SECONDS
        assert ran.code == 3
        assert "s.journal: ended by signals, since the campaign didn't answer within 1 s" in ran.out
        assert "`trioarb resume " in ran.out
        ended = process.finish()
    assert ended.code == 1
    assert "held the thread for" in ended.err
    assert verified(trioarb.folder / "s.journal") == []
    resumed = trioarb("resume", "s.journal", "--close-only", "--set=exchanges.a.plugin=paper", "--force", "--plain")
    assert "--force" not in resumed.err


def test_one_whose_plugin_swallows_cancellation_is_left_by_its_watchdog(trioarb: CommandLine) -> None:
    with stubborn(trioarb, "swallows") as process:
        ran, seconds = timed(trioarb)
        assert seconds < 5 + _START_SECONDS
        assert ran.code == 3
        assert "orders without a last word" in ran.out
        ended = process.finish()
    assert ended.code == 1
    (told,) = [one for one in ended.log if one["event"] == "somebody told the campaign to panic"]
    (left,) = [one for one in ended.log if one["event"] == "leaving"]
    assert "could not end in time; it waited for" in left["because"]
    took = datetime.fromisoformat(left["time"]) - datetime.fromisoformat(told["time"])
    assert took.total_seconds() < 5
    assert verified(trioarb.folder / "s.journal") == []


def test_one_that_hears_nothing_at_all_is_named(trioarb: CommandLine) -> None:
    with trioarb.started(*LIVELY, "--journal=c.journal") as process:
        process.wait_for("running")
        process.signal(signal.SIGSTOP)
        ran, seconds = timed(trioarb)
        assert seconds < 6 + _START_SECONDS
        assert ran.code == 3
        assert "c.journal: NOT ended after 5 s; process " in ran.out
        assert "kill -9" in ran.out
        process.signal(signal.SIGKILL)
        process.finish()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--account", "a", "--all"), "--account and --all contradict each other"),
        (("--why", "two\nlines"), "why is no printable text"),
    ],
)
def test_what_makes_no_sense_is_refused(trioarb: CommandLine, arguments: tuple[str, ...], error: str) -> None:
    ran, _ = timed(trioarb, *arguments)
    assert ran.code == 2
    assert error in ran.error


def test_what_a_killed_campaign_left_is_no_campaign(trioarb: CommandLine, runtime_folder: Path) -> None:
    with trioarb.started(*LIVELY, "--journal=c.journal") as process:
        process.wait_for("running")
        process.signal(signal.SIGKILL)
        process.finish()
    assert os.listdir(runtime_folder)
    ran, _ = timed(trioarb)
    assert (ran.code, ran.out) == (0, "No campaign of this user runs on this machine.\n")
