"""A process that stood still, and clocks that were set, are noticed; no entry until the venues were asked again."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from effort import LONG

from trioarb.builtin.paper import PaperExchange
from trioarb.engine.clocks import Clocks
from trioarb.testing import ScriptedTape, listing, run_real, scripted_market, two_venues

SECOND_NS = 10**9
SPREAD = Path(__file__).parents[2] / "configs" / "spread.toml"


@pytest.mark.parametrize(
    ("wall", "monotonic", "jumped"),
    [
        (1, 1, None),
        (3, 3, None),  # a busy machine
        (31, 31, ("30", "0")),  # stopped
        (31, 1, ("0", "30")),  # suspended, and the monotonic clock stood still
        (-3599, 1, ("0", "-3600")),  # set back
        (1.5, 1, None),  # slewed
    ],
)
def test_what_is_a_jump(wall: float, monotonic: float, jumped: tuple[str, str] | None) -> None:
    before = Clocks(wall_ns=SECOND_NS, monotonic_ns=5)
    after = Clocks(wall_ns=SECOND_NS + round(wall * SECOND_NS), monotonic_ns=5 + round(monotonic * SECOND_NS))
    found = before.jump_to(after, SECOND_NS)
    if jumped is None:
        assert found is None
    else:
        assert found is not None
        assert (found.late_seconds, found.wall_step_seconds) == tuple(map(Decimal, jumped))


def test_after_a_jump_the_venues_are_asked_before_entries_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wall clock jumps once, between the first look and the second."""
    looked, asked = itertools.count(), list[str]()
    now, balances = Clocks.now, PaperExchange.balances

    def jumping() -> Clocks:
        clocks = now()
        return attrs.evolve(clocks, wall_ns=clocks.wall_ns + 3600 * SECOND_NS) if next(looked) == 1 else clocks

    async def noted(self: PaperExchange) -> Mapping[str, Decimal]:
        asked.append(self._context.venue)
        return await balances(self)

    monkeypatch.setattr(Clocks, "now", staticmethod(jumping))
    monkeypatch.setattr(PaperExchange, "balances", noted)
    rows = [(tick / 10, "BTCUSDT", 100.0, 50.0, 100.1, 50.0) for tick in range(40)]
    tapes = {venue: ScriptedTape(rows, listings=[listing("BTC")]) for venue in "ab"}

    result = run_real(two_venues(), seconds=3, plugins={"market": scripted_market(tapes)})

    (jumped,) = result.of_type("clock_jumped")
    assert Decimal(jumped["wall_step_seconds"]) > 3_500
    assert asked == ["a", "b"] * 3, "when it began, after the jump, and when it ended"


def events_of(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a journal that may still be written."""
    lines = path.read_bytes().split(b"\n")[1:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def test_a_process_that_was_stopped_takes_no_entry_on_what_it_knew(tmp_path: Path) -> None:
    """Stopped with SIGSTOP, for as long as makes a jump; with --long for 30 seconds."""
    stopped_seconds = 30 if LONG else 7
    journal = tmp_path / "c.journal"
    command = [
        sys.executable,
        "-m",
        "trioarb",
        "run",
        str(SPREAD),
        "--journal",
        str(journal),
        "--log-dir",
        str(tmp_path),
    ]
    command += [
        "--runtime",
        str(stopped_seconds + 16),
        "--iterations",
        "100000",
        "--set",
        "session.loop_interval_ms=50",
    ]
    command += ["--set", "guards.symbol.cooldown_seconds=0.2", "--set", "strategy.entry_bps=0"]
    command += ["--set", "guards.exchange.enabled=false"]  # it would leave venues alone that fell silent meanwhile
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not any(event["type"] == "position_opened" for event in events_of(journal)):
            assert time.monotonic() < deadline, "no trade"
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(stopped_seconds)
        os.kill(process.pid, signal.SIGCONT)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err

    events = events_of(journal)
    (at,) = (number for number, event in enumerate(events) if event["type"] == "clock_jumped")
    assert Decimal(events[at]["late_seconds"]) > stopped_seconds - 2
    assert Decimal(events[at]["wall_step_seconds"]).copy_abs() < 1
    later = [event for event in events[at:] if event["type"] == "decided"]
    held = [event for event in later if event.get("rule") == "clock_jump"]
    released = next(event["ts_ns"] for event in later if event["answer"] == "ALLOW")
    assert held
    assert all(event["ts_ns"] <= released for event in held)
    assert released - events[at]["ts_ns"] >= 2 * SECOND_NS, "until the quotes from before are too old"
    assert subprocess.run([sys.executable, "-m", "trioarb", "verify", str(journal)], check=False).returncode == 0
