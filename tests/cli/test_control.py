"""`trioarb control`, from another process: what it tells a campaign, and what it says where it can't."""

from __future__ import annotations

import json
import os
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from command import SPREAD, CommandLine, Process, Ran

from trioarb.control.place import Place
from trioarb.journal.recorded import open_journal
from trioarb.verify.verification import Verifier

#: A campaign in which something happens at once, and goes on happening.
LIVELY = (
    *("run", str(SPREAD), "--runtime=40", "--iterations=100000", "--plain"),
    "--set=session.loop_interval_ms=50",
    "--set=exchanges.*.market.step_ms=50",
    "--set=guards.symbol.cooldown_seconds=0",
)
#: As long as a process may take to do what it said.
_PATIENCE_SECONDS = 20


@pytest.fixture(autouse=True)
def runtime_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="tc") as made:
        monkeypatch.setenv("XDG_RUNTIME_DIR", made)
        yield Path(made) / "trioarb"


def lively(trioarb: CommandLine, journal: str = "c.journal", *more: str) -> Any:
    return trioarb.started(*LIVELY, f"--journal={journal}", *more)


def status(trioarb: CommandLine, journal: str = "c.journal") -> dict[str, Any]:
    answer = json.loads(trioarb("control", journal, "--json").out)
    return dict(answer["status"])


def wait_until(trioarb: CommandLine, **wanted: Any) -> dict[str, Any]:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        found = status(trioarb)
        if all(found[name] == value for name, value in wanted.items()):
            return found
        assert time.monotonic() < deadline, found


def verified(journal: Path) -> list[str]:
    verifier = Verifier()
    with open_journal(journal) as stored:
        verifier.fold(stored.records())
    return [str(violation) for violation in verifier.result().violations]


def events(journal: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in journal.read_text().splitlines()[1:]]


def killed(process: Process) -> Ran:
    process.signal(signal.SIGKILL)
    return process.finish()


def test_a_campaign_is_told_what_to_do_by_its_journal(trioarb: CommandLine) -> None:
    journal = trioarb.folder / "c.journal"
    with lively(trioarb) as process:
        process.wait_for("position opened")
        paused = trioarb("control", "c.journal", "pause", "--why", "news at ten")
        assert (paused.code, paused.out) == (0, "paused: no entries; exits and hedges go on\n")
        assert status(trioarb)["paused"] is True
        shown = trioarb("control", journal)
        assert "paused; exits and hedges go on" in shown.out
        assert "entries are denied: paused, by " in shown.out
        assert ": news at ten" in shown.out
        assert trioarb("control", "c.journal", "flatten").code == 0
        assert wait_until(trioarb, positions=[], pairs_in_flight=0)["flattening"] is True
        assert trioarb("control", "c.journal", "blacklist", "BTCUSDT").out == "BTCUSDT takes no entries\n"
        assert trioarb("control", "c.journal", "resume").out == "resumed\n"
        ended = trioarb("control", "c.journal", "end", "--why", "done")
        assert (ended.code, ended.out) == (0, "the campaign ends\n")
        ran = process.finish()

    assert ran.code == 0
    assert verified(journal) == []
    told = [(one["command"], one["why"]) for one in events(journal) if one["type"] == "commanded"]
    assert told == [("pause", "news at ten"), ("flatten", ""), ("blacklist", ""), ("resume", ""), ("end", "done")]
    (who,) = {one["who"] for one in events(journal) if one["type"] == "commanded"}
    assert f"uid {os.getuid()}" in who
    assert "somebody told the campaign to pause" in ran.err
    assert events(journal)[-1]["ended_by"] == "control"


def test_what_was_told_holds_after_kill_9(trioarb: CommandLine, runtime_folder: Path) -> None:
    with lively(trioarb) as process:
        process.wait_for("position opened")
        assert trioarb("control", "c.journal", "pause", "--why", "storm").code == 0
        assert trioarb("control", "c.journal", "blacklist", "ETHUSDT").code == 0
        killed(process)
    assert list(runtime_folder.glob("control-*.sock")), "left behind"
    gone = trioarb("control", "c.journal", "resume")
    assert gone.code == 1
    assert gone.error == "c.journal: no campaign runs with it now; `trioarb resume c.journal` goes on with it"

    with trioarb.started("resume", "c.journal", "--plain", "--runtime=60", "--force") as process:
        process.wait_for("running")
        found = status(trioarb)
        assert found["paused"] is True
        assert found["blacklisted"] == ["ETHUSDT"]
        assert {(one["rule"], one["symbol"]) for one in found["denials"]} == {
            ("paused", None),
            ("blacklisted", "ETHUSDT"),
        }
        assert trioarb("control", "c.journal", "end").code == 0
        ran = process.finish()

    assert ran.code == 0, ran.err
    assert verified(trioarb.folder / "c.journal") == []
    assert not list(runtime_folder.iterdir()), "nothing is left behind"


def test_what_was_set_holds_after_kill_9_and_is_told_from_the_file(trioarb: CommandLine) -> None:
    with lively(trioarb) as process:
        process.wait_for("position opened")
        loose = trioarb("control", "c.journal", "set", "strategy.entry_bps=1")
        assert (loose.code, loose.error) == (
            1,
            "strategy.entry_bps: 1 instead of 10 loosens a limit; --force sets it anyway",
        )
        wrong = trioarb("control", "c.journal", "set", "strategy.entry_bps=much")
        assert wrong.code == 2
        assert wrong.error == '--set: strategy.entry_bps: wrong value: "much" (allowed: number, bps)'
        done = trioarb("control", "c.journal", "set", "strategy.entry_bps=900", "--why", "enough")
        assert (done.code, done.out) == (0, "strategy.entry_bps = 900 (before: 10)\n")
        assert status(trioarb)["settings"] == {"strategy.entry_bps": "900"}
        killed(process)

    options = [one for one in LIVELY if one.startswith("--set")]
    refused = trioarb("resume", "c.journal", "--config", SPREAD, *options, "--plain")
    assert refused.code == 2
    assert "strategy.entry_bps: 10 instead of 900" in "\n".join(refused.errors)
    with trioarb.started("resume", "c.journal", "--plain", "--runtime=60", "--force") as process:
        process.wait_for("running")
        assert trioarb("control", "c.journal", "set", "strategy.entry_bps=900").out.endswith("so it is already\n")
        assert trioarb("control", "c.journal", "end").code == 0
        assert process.finish().code == 0
    assert verified(trioarb.folder / "c.journal") == []
    resumed = next(one for one in events(trioarb.folder / "c.journal") if one["type"] == "campaign_resumed")
    assert json.loads(resumed["config"])["strategy"]["entry_bps"] == 900


def test_each_campaign_hears_what_is_meant_for_it(trioarb: CommandLine) -> None:
    with lively(trioarb, "one.journal") as one, lively(trioarb, "two.journal") as two:
        one.wait_for("running")
        two.wait_for("running")
        assert trioarb("control", "one.journal", "pause").code == 0
        assert status(trioarb, "one.journal")["paused"] is True
        assert status(trioarb, "two.journal")["paused"] is False
        for journal in ("one.journal", "two.journal"):
            assert trioarb("control", journal, "end").code == 0
        assert one.finish().code == 0
        assert two.finish().code == 0


def test_a_campaign_in_virtual_time_takes_no_commands(trioarb: CommandLine) -> None:
    """It would be over before anybody could say a word."""
    options = ("--journal=v.journal", '--set=session.clock="virtual"', "--runtime=360000", "--set=session.speed=1")
    with trioarb.started("run", SPREAD, *options, "--iterations=100000000", "--plain") as process:
        process.wait_for("running")
        refused = trioarb("control", "v.journal", "pause")
        process.signal(signal.SIGTERM)
        process.finish()
    assert refused.code == 1
    assert "its campaign runs, and takes no commands: in virtual time none can" in refused.error


def test_where_the_folder_is_open_to_others_the_campaign_runs_without(
    trioarb: CommandLine, runtime_folder: Path
) -> None:
    runtime_folder.mkdir(mode=0o755)
    runtime_folder.chmod(0o755)
    with lively(trioarb) as process:
        process.wait_for("running")
        process.signal(signal.SIGTERM)
        ran = process.finish()
    assert ran.code == 0
    assert "the campaign can't be told anything; signals end it" in ran.warnings
    refused = trioarb("control", "c.journal")
    assert f"the folder {runtime_folder} is open to others" in refused.error


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (("none.journal",), 1, "none.journal: there is no such journal; name the one that the campaign printed"),
        (("notes.txt", "pause"), 1, "notes.txt is no journal of a campaign"),
        (("c.journal", "paus"), 2, "control: no command: paus (allowed: status, pause, resume"),
        (("c.journal", "panic"), 2, "it has a command of its own: trioarb panic"),
        (("c.journal", "blacklist"), 2, "which symbol? trioarb control JOURNAL blacklist SYMBOL"),
        (("c.journal", "pause", "now"), 2, "pause takes no argument, and was given 'now'"),
        (("c.journal", "pause", "--why", "x" * 501), 2, "why is no printable text of at most 500 characters"),
    ],
)
def test_what_can_not_be_told_is_said(trioarb: CommandLine, arguments: tuple[str, ...], code: int, error: str) -> None:
    (trioarb.folder / "notes.txt").write_text("hello")
    ran = trioarb("control", *arguments)
    assert ran.code == code
    assert error in ran.error


def test_nonsense_on_its_socket_leaves_a_campaign_as_it_is(trioarb: CommandLine, runtime_folder: Path) -> None:
    with lively(trioarb) as process:
        process.wait_for("running")
        address = str(Place.of(trioarb.folder / "c.journal", runtime_folder).address)
        for sent in (b"", b"\xff" * 100_000, b"{}\n" * 50, b'{"command":"sell"}\n'):
            with socket.socket(socket.AF_UNIX) as stranger:
                stranger.connect(address)
                with suppress(BrokenPipeError, ConnectionResetError):
                    stranger.sendall(sent)
        assert status(trioarb)["phase"] == "RUNNING"
        assert trioarb("control", "c.journal", "end").code == 0
        assert process.finish().code == 0


def test_the_help_says_what_there_is(trioarb: CommandLine) -> None:
    shown = trioarb("control", "--help").out
    for word in ("pause", "resume", "flatten", "end", "blacklist", "unblacklist", "status", "--why", "--json"):
        assert word in shown
