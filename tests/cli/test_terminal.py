"""On a terminal, and with a reader that goes away."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from command import SPREAD, CommandLine

LIVELY = ("--set=session.loop_interval_ms=50", "--set=exchanges.*.market.step_ms=50", "--runtime=20")
VIRTUAL = "--set=session.clock=virtual"


def test_a_terminal_shows_a_live_table_until_ctrl_c(trioarb: CommandLine) -> None:
    with trioarb.on_terminal("run", SPREAD, *LIVELY, "--summary=summary.json") as terminal:
        terminal.wait_for("RUNNING", "left", "elapsed", "MATICUSDT", "position opened")
        terminal.type("\x03")
        code = terminal.finish()

    assert code == 0
    assert "realised PnL" in terminal.shown
    assert json.loads((trioarb.folder / "summary.json").read_text())["ended_by"] == "signal"


def test_a_terminal_may_be_plain(trioarb: CommandLine) -> None:
    with trioarb.on_terminal("run", SPREAD, VIRTUAL, "--plain") as terminal:
        code = terminal.finish()

    assert code == 0
    assert "position opened" in terminal.shown
    assert "elapsed" not in terminal.shown


def test_a_terminal_shows_what_went_wrong(with_stranger: CommandLine) -> None:
    with with_stranger.on_terminal(
        "run", SPREAD, VIRTUAL, "--set=exchanges.a.plugin=broken", "--set=exchanges.a.fault=balances"
    ) as terminal:
        code = terminal.finish()

    assert code == 1
    assert "[exchanges.a]: plugin 'broken': balances raised RuntimeError" in " ".join(terminal.shown.split())


@contextmanager
def _pipe_without_reader() -> Iterator[int]:
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        yield theirs
    finally:
        os.close(theirs)


@pytest.mark.parametrize("command", [("run", VIRTUAL, "--summary=summary.json"), ("symbols", "--json")])
def test_a_reader_that_has_gone_is_nobodys_fault(trioarb: CommandLine, command: tuple[str, ...]) -> None:
    name, *flags = command
    with _pipe_without_reader() as pipe, trioarb.started(name, SPREAD, *flags, stdout=pipe) as process:
        ran = process.finish()

    assert ran.errors == []
    if name == "run":
        assert ran.summary["trades"]


@pytest.mark.parametrize("flags", [(VIRTUAL,), (*LIVELY, "--iterations=20")], ids=["virtual", "real"])
def test_a_campaign_whose_log_nobody_reads_still_ends_whole(trioarb: CommandLine, flags: tuple[str, ...]) -> None:
    """As with ``trioarb run … 2>&1 | head -1``, or a terminal that is closed."""
    files = ("--events=events.jsonl", "--summary=summary.json")
    with (
        _pipe_without_reader() as pipe,
        trioarb.started("run", SPREAD, *flags, *files, stdout=subprocess.DEVNULL, stderr=pipe) as process,
    ):
        ran = process.finish()

    assert ran.events[-1]["type"] == "campaign_ended"
    assert ran.summary["open_positions"] == []
    assert ran.of_type("position_opened")


def test_a_stream_that_lacks_characters_shows_question_marks(
    trioarb: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    for arguments in (["plugins"], ["check", SPREAD], ["run", SPREAD, VIRTUAL, "--runtime=20"]):
        ran = trioarb(*arguments)
        assert ran.code == 0, ran.err
        assert (ran.out + ran.err).isascii()
    assert json.loads(trioarb("check", SPREAD, "--json").out)["ok"]
