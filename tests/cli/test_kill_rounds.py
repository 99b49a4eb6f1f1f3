"""Campaigns that are killed, and resumed: real processes in real time. Nothing is lost, nothing is done twice."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aftermath import at_kill, events_of, examine
from command import CommandLine
from effort import examples
from kill_rounds import fast_campaign, killed_soon, play_all

#: Rounds of one test: so many tests beside each other spread over the workers.
EACH = 5
#: Ends the process at the n-th event, in the middle of whatever it does.
_KILL_AT = """
import os, signal, sys
from trioarb.cli.main import main
from trioarb.journal.journal import Journal

record, last = Journal.record, int(sys.argv[1])

def killed(self, event):
    result = record(self, event)
    if self.seq >= last:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

Journal.record = killed
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("first", range(0, examples(50, 15), EACH))
def test_rounds(first: int, tmp_path: Path) -> None:
    played = list(play_all(range(first, first + EACH), tmp_path))

    failed = [one for one in played if one.problems]
    told = "\n".join(f"{one.again}\n  " + "\n  ".join(one.problems) for one in failed)
    assert not failed, f"{len(failed)} of {EACH} rounds failed; to play them again:\n{told}"
    assert sum(one.kills_in_flight for one in played) > 0


@pytest.fixture(scope="module", params=["order", "batch"])
def killed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of a campaign that was killed with orders in flight."""
    return killed_soon(tmp_path_factory.mktemp("killed"), fast_campaign(durability=request.param))


@pytest.fixture
def copied(killed: Path, trioarb: CommandLine) -> Path:
    """That journal, with the venues' memories, in another folder: this test's own."""
    for path in killed.parent.iterdir():
        if path.name.startswith("j."):
            shutil.copy(path, trioarb.folder)
    return trioarb.folder / "j.journal"


def contents(folder: Path) -> Mapping[str, bytes]:
    """Return the bytes of the journal, of what is beside it, and of the venues' memories."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name.startswith("j.")}


def since_resumed(journal: Path) -> list[dict[str, Any]]:
    """Return the events since the campaign was last resumed."""
    events = events_of(journal)
    first = max(number for number, event in enumerate(events) if event["type"] == "campaign_resumed")
    return events[first:]


def entries(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == "pair_opened" and event["kind"] == "entry"]


def assert_whole(journal: Path) -> None:
    assert examine(journal).problems == ()


def test_it_was_killed_in_flight(killed: Path) -> None:
    assert at_kill(killed).in_flight
    assert events_of(killed)[-1]["type"] != "campaign_ended"


def test_close_only(trioarb: CommandLine, killed: Path, copied: Path) -> None:
    ran = trioarb("resume", copied, "--close-only", "--summary=summary.json")

    assert ran.code == 0, ran.err
    assert ran.summary["ended_by"] == "close_only"
    assert ran.summary["open_positions"] == []
    assert not entries(since_resumed(copied))
    assert_whole(copied)


def test_go_on_elsewhere(trioarb: CommandLine, killed: Path, copied: Path) -> None:
    """The journal and what the venues remember are all it takes."""
    (trioarb.folder / "far").mkdir()
    moved = [path.rename(trioarb.folder / "far" / path.name) for path in sorted(trioarb.folder.glob("j.*"))]
    ran = trioarb("resume", f"far/{copied.name}", "--runtime=3", "--summary=summary.json")

    assert moved
    assert ran.code == 0, ran.err
    assert ran.summary["ended_by"] == "runtime"
    assert entries(since_resumed(trioarb.folder / "far" / copied.name))
    assert_whole(trioarb.folder / "far" / copied.name)
    assert not list(trioarb.folder.glob("*.venue"))


def test_a_torn_line_of_a_venue(trioarb: CommandLine, killed: Path, copied: Path) -> None:
    """Its order was never answered, and is sent no second time."""
    with copied.with_name("j.a.venue").open("ab") as file:
        file.write(b'{"type":"executed","ts_ns":17')
    ran = trioarb("resume", copied, "--close-only")

    assert ran.code == 0, ran.err
    assert_whole(copied)


def test_without_a_venues_memory(trioarb: CommandLine, copied: Path) -> None:
    copied.with_name("j.a.venue").unlink()
    events = events_of(copied)
    ran = trioarb("resume", copied, "--close-only")

    assert ran.code != 0
    assert "j.a.venue" in ran.error
    assert not copied.with_name("j.a.venue").exists()
    assert events_of(copied) == events


def test_without_the_end_of_its_journal(trioarb: CommandLine, copied: Path) -> None:
    """An order at a venue that the journal doesn't know is named; nothing is traded."""
    lines = copied.read_bytes().splitlines(keepends=True)
    last = max(number for number, line in enumerate(lines) if b'"type":"order_filled"' in line)
    order_id = json.loads(lines[last])["client_order_id"]
    sent = next(n for n, line in enumerate(lines) if b'"type":"order_submitted"' in line and order_id.encode() in line)
    copied.write_bytes(b"".join(lines[:sent]))
    before = contents(trioarb.folder)
    ran = trioarb("resume", copied, "--close-only")

    assert ran.code == 1
    assert order_id in ran.error
    assert "nothing was traded" in ran.error
    assert contents(trioarb.folder) == before


def test_a_torn_end(trioarb: CommandLine, copied: Path) -> None:
    with copied.open("ab") as file:
        file.write(b'{"seq":99999,"ts_ns":17')
    ran = trioarb("resume", copied, "--close-only", "--summary=summary.json")

    assert ran.code == 0, ran.err
    (finding,) = (text for text in ran.summary["recovered"] if "cut off the journal" in text)
    assert finding.startswith("23 bytes after event ")
    assert_whole(copied)


def test_killed_while_it_is_resumed(trioarb: CommandLine, copied: Path) -> None:
    """With other settings, which hold from then on, also for a resume that names none."""
    setting = "--set=guards.symbol.cooldown_seconds=1"
    with trioarb.started("resume", copied, setting, "--force", "--runtime=60") as process:
        process.wait_for("position opened")
        process.signal(signal.SIGKILL)
        assert process.finish().code == -signal.SIGKILL
    other = trioarb("resume", copied, "--close-only", "--set=guards.symbol.cooldown_seconds=0")
    assert other.code == 2
    assert "guards.symbol.cooldown_seconds: 0 instead of 1" in "\n".join(other.errors)

    assert trioarb("resume", copied, "--close-only").code == 0
    assert_whole(copied)
    resumed = [event for event in events_of(copied) if event["type"] == "campaign_resumed"]
    assert [json.loads(one["config"])["guards"]["symbol"]["cooldown_seconds"] for one in resumed] == [1, 1]


def test_other_values(trioarb: CommandLine, killed: Path, copied: Path) -> None:
    """What changes the pace needs --force; what changes the meaning of the books is refused all the same."""
    before = contents(trioarb.folder)
    harmless, harmful = "--set=guards.symbol.cooldown_seconds=1", "--set=exchanges.a.taker_fee_bps=2"
    for options in ([harmless], [harmful], [harmless, harmful, "--force"]):
        ran = trioarb("resume", copied, "--close-only", *options)
        assert ran.code == 2
        named = "exchanges.a.taker_fee_bps: 2 instead of 1" if harmful in options else "guards.symbol.cooldown_seconds"
        assert named in "\n".join(ran.errors)
        assert contents(trioarb.folder) == before

    assert trioarb("resume", copied, "--close-only", harmless, "--force").code == 0
    assert_whole(copied)


@pytest.fixture
def endless(trioarb: CommandLine) -> Iterator[Path]:
    """The configuration of a campaign that goes on until it is told to end."""
    path = trioarb.folder / "config.toml"
    path.write_text(fast_campaign() + '\n[guards.kill_switch]\nplugin = "kill_switch"\nflatten = true\n')
    return path


def test_two_processes(trioarb: CommandLine, endless: Path) -> None:
    journal = trioarb.folder / "j.journal"
    with trioarb.started("run", endless, "--journal=j.journal") as first:
        first.wait_for("position opened")
        second = trioarb("resume", "j.journal")
        assert second.code == 2
        assert "is in use by process" in second.error
        first.wait_for("position opened")
        first.signal(signal.SIGINT)
        ran = first.finish()

    assert ran.code == 0
    assert examine(journal).problems == ()


def test_resume_what_had_ended(trioarb: CommandLine, endless: Path) -> None:
    journal = trioarb.folder / "j.journal"
    assert trioarb("run", endless, "--journal=j.journal", "--runtime=0.7").code == 0
    assert trioarb("resume", journal).code == 0
    assert not entries(since_resumed(journal))
    ended = events_of(journal)

    resumed = trioarb("resume", journal, "--runtime=5")
    assert resumed.code == 0
    assert "does not list" not in resumed.out + resumed.err
    assert events_of(journal)[: len(ended)] == ended
    assert entries(since_resumed(journal))
    assert [event["number"] for event in events_of(journal) if event["type"] == "campaign_resumed"] == [1, 2]
    assert examine(journal).problems == ()


def test_a_stop_stays_until_it_is_lifted(trioarb: CommandLine, endless: Path) -> None:
    journal = trioarb.folder / "j.journal"
    with trioarb.started("run", endless, "--journal=j.journal") as process:
        process.wait_for("position opened")
        process.signal(signal.SIGUSR1)
        assert process.finish().code == 3

    stopped = trioarb("resume", journal, "--runtime=60", "--summary=summary.json")
    assert stopped.code == 3
    assert stopped.summary["ended_by"] == "emergency_stop"
    assert not entries(since_resumed(journal))

    ran_ns = events_of(journal)[-1]["ts_ns"] - events_of(journal)[0]["ts_ns"]
    lifted = trioarb("resume", journal, "--clear-stop", f"--runtime={ran_ns / 1e9 + 1}")
    assert lifted.code == 0, lifted.err
    assert entries(since_resumed(journal))
    assert examine(journal).problems == ()


@pytest.mark.parametrize("durability", ["order", "batch"])
@pytest.mark.parametrize("last", [60, 333, 700])
def test_killed_in_virtual_time(trioarb: CommandLine, durability: str, last: int) -> None:
    """At a known event, in the middle of a step: whatever the journal holds of it, it is brought to its end."""
    config = fast_campaign(durability=durability).replace("[session]", '[session]\nclock = "virtual"')
    (trioarb.folder / "config.toml").write_text(config)
    command = [sys.executable, "-c", _KILL_AT, str(last), "run", "config.toml", "--journal=j.journal", "--runtime=60"]
    died = subprocess.run(command, cwd=trioarb.folder, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL
    ran = trioarb("resume", "j.journal", "--close-only")

    assert ran.code in (0, 3), ran.err
    assert examine(trioarb.folder / "j.journal").problems == ()
