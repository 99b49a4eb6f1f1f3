"""The terminal that a view has: which thread does what, what is written and read, and what a failure costs."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from structlog.testing import capture_logs

from trioarb.config.load import load_config
from trioarb.engine.campaign import Campaign
from trioarb.engine.run import run_campaign
from trioarb.engine.snapshot import snapshot_in_pieces
from trioarb.plugin.registry import load_plugins
from trioarb.report import live
from trioarb.report.console import LastingConsole
from trioarb.report.line import Line
from trioarb.report.live import LiveView, Taking
from trioarb.report.live_look import Act
from trioarb.report.live_screen import Screen, _named
from trioarb.state.snapshot import Snapshot

SPREAD = Path(__file__).parents[2] / "configs" / "spread.toml"


@attrs.define
class Pty:
    """A terminal, and all that came to it."""

    console: LastingConsole
    keys: int
    ours: int
    shown: bytearray = attrs.field(factory=bytearray)

    def take(self) -> str:
        """Return what came since the last time."""
        came = bytearray()
        os.set_blocking(self.ours, False)
        try:
            while more := os.read(self.ours, 65536):
                came += more
        except BlockingIOError:
            pass
        self.shown += came
        return came.decode()

    def drain(self, until: threading.Event) -> None:
        """Take all that comes."""
        while not until.wait(0.01):
            self.take()


@pytest.fixture
def terminal() -> Iterator[Pty]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with os.fdopen(theirs, "w") as file:
        yield Pty(LastingConsole(file=file, force_terminal=True, color_system=None), theirs, ours)
    os.close(ours)


def test_only_lines_that_changed_are_written_again(terminal: Pty) -> None:
    screen = Screen(terminal.console, None)
    with screen.held():
        screen.draw([Line("one"), Line("two"), Line("three")])
        first = terminal.take()
        assert all(text in first for text in ("\x1b[?1049h", "one", "two", "three"))
        screen.draw([Line("one"), Line("2"), Line("three")])
        second = terminal.take()
        assert "2" in second
        assert "one" not in second
        screen.draw([Line("one"), Line("2"), Line("three")])
        assert terminal.take() == ""
        fcntl.ioctl(terminal.keys, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        screen.draw([Line("one"), Line("2"), Line("three")])
        assert "one" in terminal.take()
    assert "\x1b[?1049l" in terminal.take()
    screen.draw([Line("more")])
    assert terminal.take() == ""


def test_a_full_line_keeps_its_last_character(terminal: Pty) -> None:
    """Erasing the rest of the line behind it would erase that."""
    screen = Screen(terminal.console, None)
    with screen.held():
        screen.draw([Line("x" * 80), Line("y")])
        shown = terminal.take()
    assert "x\x1b[0m\x1b[K" not in shown
    assert "y\x1b[0m\x1b[K" in shown


def test_keys_are_not_echoed_while_it_is_shown(terminal: Pty) -> None:
    before = termios.tcgetattr(terminal.keys)
    screen = Screen(terminal.console, terminal.keys)
    wake, _ = os.pipe()
    with screen.held():
        screen.draw([Line("one")])
        terminal.take()
        os.write(terminal.ours, b"qs\x1b[A")
        assert screen.read(wake, 5) == ["q", "s", "up"]
        assert terminal.take() == ""
        os.write(terminal.ours, b"left")
    assert termios.tcgetattr(terminal.keys) == before
    os.write(terminal.ours, b"\n")
    assert os.read(terminal.keys, 100) == b"\n", "what was typed for it is nobody else's"


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        (b"q", ["q"]),
        (b"\x1b", ["esc"]),
        (b"\x1b[A\x1b[B\x1bOA", ["up", "down", "up"]),
        (b"\x1b[5~\x1b[6~\x1b[H\x1b[F\x1b[1~\x1b[4~", ["pgup", "pgdn", "home", "end", "home", "end"]),
        (b"\x1b[1;5Cq\x1b[15~", ["q"]),
        ("ä€".encode(), ["ä", "€"]),
        (b"\xff\xfeq", ["q"]),
        (b"a\r\x7f\x00", ["a", "enter", "backspace"]),
        (b"", []),
    ],
)
def test_what_is_typed_is_read_as_keys(typed: bytes, keys: list[str]) -> None:
    assert _named(typed) == keys


def run_shown(terminal: Pty, take: Any = snapshot_in_pieces, act: Any = lambda act: None, **options: Any) -> Campaign:
    """Run a campaign for a second, with a view; return it, ended."""
    plugins = load_plugins()
    overrides = ["session.max_runtime_seconds=1.2", "session.loop_interval_ms=50"]
    config = load_config(SPREAD, plugins, overrides=overrides).config
    view = LiveView(config, terminal.console, **options)
    over = threading.Event()
    drainer = threading.Thread(target=terminal.drain, args=(over,))
    drainer.start()
    try:
        with view.held():
            on_open = lambda campaign: view.begin(partial(take, campaign), act)  # noqa: E731
            return trio.run(partial(run_campaign, config, plugins, on_open=on_open))
    finally:
        over.set()
        drainer.join()
        terminal.take()


def test_snapshots_are_taken_in_the_campaigns_thread_and_frames_drawn_in_another(
    terminal: Pty, monkeypatch: pytest.MonkeyPatch
) -> None:
    takers, drawers = set(), set()
    original = live.frame

    def frame(*arguments: Any) -> Any:
        drawers.add(threading.current_thread())
        return original(*arguments)

    def take(campaign: Campaign) -> Taking:
        takers.add(threading.current_thread())
        return (yield from snapshot_in_pieces(campaign))

    monkeypatch.setattr(live, "frame", frame)
    campaign = run_shown(terminal, take)

    assert campaign.exit_code == 0
    assert takers == {threading.main_thread()}
    assert len(drawers) == 1
    assert threading.main_thread() not in drawers
    shown = terminal.shown.decode()
    assert 2 <= shown.count("elapsed") <= 7
    assert shown.rindex("\x1b[?1049l") > shown.rindex("elapsed")
    assert shown.rindex("\x1b[?25h") > shown.rindex("elapsed")


@pytest.mark.parametrize("fails", ["take", "frame", "act"])
def test_a_view_that_fails_is_over_and_the_campaign_is_not(
    terminal: Pty, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    taken: list[Snapshot] = []

    def broken(*_: Any) -> Any:
        raise RuntimeError("a bug of the view")

    def take(campaign: Campaign) -> Taking:
        if fails == "act" and len(taken) == 1:
            os.write(terminal.ours, b"p")
        if fails == "take" and len(taken) > 1:
            broken()
        taken.append((yield from snapshot_in_pieces(campaign)))
        return taken[-1]

    if fails == "frame":
        monkeypatch.setattr(live, "frame", broken)
    before = termios.tcgetattr(terminal.keys)
    with capture_logs() as logged:
        campaign = run_shown(terminal, take, act=broken, keys=terminal.keys, acts=frozenset(Act))

    assert campaign.exit_code == 0
    assert campaign.ended_by is not None
    assert campaign.ended_by.value == "runtime"
    assert termios.tcgetattr(terminal.keys) == before
    (failure,) = (one for one in logged if one["event"].startswith("the view fails"))
    assert str(failure["exc_info"]) == "a bug of the view"
    assert terminal.console.aside is None
