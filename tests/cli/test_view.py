"""The terminal view of the real command, in a terminal that tmux makes."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command import SPREAD, CommandLine
from tmux import Terminal, tmux_terminal, why_no_tmux

pytestmark = pytest.mark.skipif(bool(why_no_tmux()), reason=why_no_tmux())

#: A campaign in which something happens at once, and goes on happening.
LIVELY = (
    f"run {SPREAD} --runtime=600 --iterations=100000 --set=session.loop_interval_ms=50 "
    "--set=exchanges.*.market.step_ms=50 --set=guards.symbol.cooldown_seconds=0"
)
STUBBORN = """
import contextlib, time
from trioarb.api import ExchangeSpec, hookimpl
from trioarb.builtin.paper import PaperExchange
from trioarb.builtin.paper_settings import PaperSettings

class Stubborn(PaperExchange):
    async def place(self, order):
        time.sleep(1000)

@contextlib.asynccontextmanager
async def open_venue(settings, context):
    yield Stubborn(settings, context)

@hookimpl
def trioarb_exchanges():
    return [ExchangeSpec(name="stubborn", doc="", settings=PaperSettings, open=open_venue)]
"""


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="tv") as made:
        monkeypatch.setenv("XDG_RUNTIME_DIR", made)
        yield Path(made)


@pytest.fixture
def terminal(folder: Path) -> Iterator[Terminal]:
    with tmux_terminal(folder) as opened:
        yield opened


def start(terminal: Terminal, command: str = LIVELY) -> None:
    terminal.type(f"clear; {sys.executable} -m trioarb {command}; echo left with $?")
    terminal.press("Enter")


def commanded(folder: Path) -> list[dict[str, Any]]:
    (journal,) = (folder / "journals").glob("*.journal")
    rows = [json.loads(line) for line in journal.read_text().splitlines()]
    return [row for row in rows if row.get("type") == "commanded"]


def pid_of(folder: Path) -> int:
    """Return the process that keeps the journal in the folder."""
    (running,) = (folder / "trioarb").glob("control-*.lock")
    return int(json.loads(running.read_text())["pid"])


def iteration_in(shown: str) -> int:
    """Return how far the campaign is; 0 where the title has no room for it."""
    found = re.search(r"iteration ([0-9,]+) of", shown)
    return int(found[1].replace(",", "")) if found else 0


def rows_in(shown: str) -> list[str]:
    return re.findall(r"^([A-Z]+USDT) ", shown, re.MULTILINE)


def test_it_appears_updates_and_obeys_each_key(terminal: Terminal, folder: Path) -> None:
    before = terminal.modes()
    start(terminal)

    shown = terminal.wait_for("RUNNING", "left", "q end", "k kill", "position opened", "HEALTHY")
    assert not terminal.is_given_back
    begun = iteration_in(shown)
    terminal.wait_until(lambda shown: iteration_in(shown) > begun > 0, "another frame")

    # What is looked at.
    assert len(rows_in(shown)) == 10
    terminal.type("s")
    terminal.wait_for("sort: edge", "symbols by edge")
    terminal.type("f")
    terminal.wait_for("filter: ")
    terminal.type("eth")
    terminal.press("Enter")
    terminal.wait_until(lambda shown: rows_in(shown) == ["ETHUSDT"], "the filter")
    terminal.press("Escape")
    terminal.wait_until(lambda shown: len(rows_in(shown)) == 10, "all symbols")
    terminal.type("?")
    terminal.wait_for("── keys", "PgUp")
    terminal.type("x")
    terminal.wait_until(lambda shown: "── keys" not in shown, "the end of help")

    terminal.type("w")
    terminal.wait_for("Why no trade", "any other key leaves it")
    terminal.type("x")
    terminal.wait_for("last events")

    # As large as the terminal.
    assert "── funnel" not in shown
    terminal.resize(180, 50)
    terminal.wait_for("── funnel", "── limits", "── venues", "evaluated", "fees USD")
    terminal.resize(70, 20)
    shown = terminal.wait_until(lambda shown: "── funnel" not in shown and "q end" in shown, "a smaller view")
    assert all(len(line) <= 70 for line in shown.splitlines())
    terminal.resize(100, 30)

    # What the campaign is told.
    terminal.type("p")
    terminal.wait_for("PAUSED", "p resume")
    terminal.type("p")
    terminal.wait_until(lambda shown: "PAUSED" not in shown, "the resumption")
    terminal.type("k")
    terminal.wait_for("close everything at once", "y: yes")
    terminal.type("n")
    terminal.wait_until(lambda shown: "y: yes" not in shown and "RUNNING" in shown, "the refusal")
    terminal.type("k")
    terminal.wait_for("y: yes")
    terminal.type("y")
    terminal.wait_for("left with 0")

    assert terminal.is_given_back
    after = "\n".join(terminal.lines(history=True))
    assert "ended by panic" in after
    assert "position opened" in after, "what was logged meanwhile"
    assert terminal.modes() == before
    told = commanded(folder)
    assert [one["command"] for one in told] == ["pause", "resume", "panic"]
    assert all(f"uid {os.getuid()}" in one["who"] for one in told)
    assert [one["why"] for one in told] == [f"key {key} of the terminal view" for key in "ppk"]


def end_by_key(terminal: Terminal, folder: Path) -> None:
    terminal.type("q")


def end_by_ctrl_c(terminal: Terminal, folder: Path) -> None:
    terminal.press("C-c")


def end_by_sigterm(terminal: Terminal, folder: Path) -> None:
    os.kill(pid_of(folder), signal.SIGTERM)


@pytest.mark.parametrize(
    ("end", "by"), [(end_by_key, "control"), (end_by_ctrl_c, "signal"), (end_by_sigterm, "signal")]
)
def test_the_terminal_is_given_back_however_it_ends(
    terminal: Terminal, folder: Path, end: Callable[[Terminal, Path], None], by: str
) -> None:
    before = terminal.modes()
    start(terminal)
    terminal.wait_for("RUNNING", "q end", "position opened")
    assert not terminal.is_given_back
    end(terminal, folder)
    terminal.type("zzz")  # to nobody: it is neither echoed nor the shell's
    terminal.wait_for("left with 0")

    assert terminal.is_given_back
    after = "\n".join(terminal.lines(history=True))
    assert f"ended by {by}" in after
    assert "zzz" not in after
    assert terminal.modes() == before


def test_a_process_that_has_to_leave_gives_the_terminal_back(folder: Path, trioarb: CommandLine) -> None:
    """The thread that trades is held by a plugin: nothing of it can run any more, and the view says so."""
    site = trioarb.install("stubborn", "stubborn_venue", STUBBORN).site
    with tmux_terminal(folder, {"PYTHONPATH": str(site)}) as terminal:
        before = terminal.modes()
        start(terminal, f"{LIVELY} --set=exchanges.a.plugin=stubborn --set=engine.blocked_seconds=6")
        terminal.wait_for("nothing new for", "nothing else goes on")
        assert not terminal.is_given_back
        terminal.wait_for("left with 1")

        assert terminal.is_given_back
        assert "held the thread for" in "\n".join(terminal.lines(history=True))
        assert terminal.modes() == before


def test_it_is_stopped_and_goes_on(terminal: Terminal, folder: Path) -> None:
    before = terminal.modes()
    start(terminal)
    terminal.wait_for("RUNNING", "q end")
    terminal.press("C-z")
    terminal.wait_for("Stopped")
    assert terminal.is_given_back
    assert terminal.modes() == before

    terminal.type("fg")
    terminal.press("Enter")
    terminal.wait_for("RUNNING", "q end")
    assert not terminal.is_given_back
    terminal.type("q")
    terminal.wait_until(lambda shown: "head: " in shown, "the end")
    assert terminal.is_given_back
    assert terminal.modes() == before


def test_a_process_that_is_quit_gives_the_terminal_back(terminal: Terminal, folder: Path) -> None:
    before = terminal.modes()
    start(terminal)
    terminal.wait_for("RUNNING", "q end")
    terminal.press("C-\\")
    terminal.wait_for("left with 131")
    assert terminal.is_given_back
    assert terminal.modes() == before


def test_a_job_in_the_background_leaves_the_terminal_alone(terminal: Terminal, folder: Path) -> None:
    terminal.type(f"clear; {sys.executable} -m trioarb {LIVELY} & ")
    terminal.press("Enter")
    terminal.wait_for("position opened")
    assert terminal.is_given_back
    terminal.type("echo still $((40 + 2))")
    terminal.press("Enter")
    terminal.wait_until(lambda shown: "still 42" in shown, "the shell")
    terminal.type("kill %1")
    terminal.press("Enter")
    terminal.wait_for("ended by signal")


def test_without_keys_on_stdin_it_is_only_looked_at(terminal: Terminal) -> None:
    start(terminal, f"{LIVELY} < /dev/null")
    shown = terminal.wait_for("RUNNING", "Ctrl-C ends the campaign")
    assert "q end" not in shown
    terminal.press("C-c")
    terminal.wait_for("left with 0")
    assert terminal.is_given_back


def test_in_virtual_time_it_is_only_ended(terminal: Terminal, folder: Path) -> None:
    start(
        terminal,
        f"run {SPREAD.with_name('top10.toml')} --set=session.clock=virtual --runtime=10000000 --iterations=100000000",
    )
    shown = terminal.wait_for("RUNNING", "q end", "s sort")
    assert "p pause" not in shown
    assert "k kill" not in shown
    terminal.type("kp")
    terminal.type("w")
    terminal.wait_for("Why no trade")
    terminal.type("x?")
    terminal.wait_for("── keys", "not in virtual time")
    terminal.type("?")
    terminal.type("q")
    terminal.wait_for("left with 0")
    assert terminal.is_given_back
    assert "ended by signal" in "\n".join(terminal.lines(history=True))
    assert commanded(folder) == []


def test_no_colour_is_none(folder: Path) -> None:
    coloured = re.compile(r"\x1b\[[0-9;]*(?:3[0-8]|4[0-8]|9[0-7])[0-9;]*m")
    for environment, is_coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        with tmux_terminal(folder, environment) as terminal:
            start(terminal)
            terminal.wait_for("RUNNING", "HEALTHY", "q end")
            assert any(coloured.search(line) for line in terminal.lines(colours=True)) is is_coloured
            terminal.type("q")
            terminal.wait_for("left with 0")


def test_colours_that_are_wanted_make_no_terminal_of_a_file(folder: Path) -> None:
    with tmux_terminal(folder, {"FORCE_COLOR": "1"}) as terminal:
        start(terminal, f"{LIVELY.replace('100000', '20')} 2> said")
        terminal.wait_for("left with 0")
        assert "\x1b[?1049h" not in (folder / "said").read_text()
        assert "position opened" in (folder / "said").read_text()


def test_warnings_of_the_start_are_among_the_events(terminal: Terminal) -> None:
    """Scrolled away above the view nobody would see them before the end."""
    start(terminal, f"{LIVELY} --set=strategy.exit_bps=-20")
    terminal.wait_for("RUNNING", "q end", "exit_bps")
    terminal.type("q")
    terminal.wait_for("left with 0")


def test_a_plain_terminal_has_lines(terminal: Terminal) -> None:
    start(terminal, f"{LIVELY} --plain")
    terminal.wait_for("position opened")
    assert terminal.is_given_back
    assert "q end" not in terminal.text()
    terminal.press("C-c")
    terminal.wait_for("left with 0")
