from __future__ import annotations

import io
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial, reduce
from pathlib import Path
from typing import Any

import pytest
import trio
from rich.cells import cell_len
from rich.console import Console

from trioarb.config.load import load_config
from trioarb.engine.campaign import Campaign
from trioarb.engine.run import run_campaign
from trioarb.engine.snapshot import snapshot_of
from trioarb.model.event import PhaseEntered, PositionClosed, Record
from trioarb.model.number import EXACT
from trioarb.plugin.registry import load_plugins
from trioarb.report.figures import signed_usd
from trioarb.report.live import LiveFrames, live_view
from trioarb.state.equity import EquityFigures
from trioarb.state.snapshot import Snapshot

SPREAD = Path(__file__).parents[2] / "configs" / "spread.toml"


def terminal(width: int = 80, height: int = 24) -> Console:
    return Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)


def drawn(campaign: Campaign, width: int, height: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height)
    console.print(LiveFrames(campaign.config, console).frame(snapshot_of(campaign), width, height))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 80, 140])
@pytest.mark.parametrize("height", [12, 24])
def test_a_frame_fits_in_each_phase(run: Callable[..., Any], width: int, height: int) -> None:
    opened: list[Campaign] = []
    frames: dict[str, list[str]] = {}

    def observe(record: Record) -> None:
        if isinstance(record.event, PhaseEntered | PositionClosed):
            key = getattr(record.event, "phase", None)
            frames[key.value if key else "trading"] = drawn(opened[0], width, height)

    def on_open(campaign: Campaign) -> None:
        opened.append(campaign)
        frames["STARTING"] = drawn(campaign, width, height)

    run(on_open=on_open, observer=observe)

    assert set(frames) == {"STARTING", "RUNNING", "trading", "DRAINING", "CLOSED"}
    for phase, lines in frames.items():
        assert lines[0].startswith(phase if phase != "trading" else ("RUNNING", "DRAINING"))
        assert len(lines) < height
        assert max(map(cell_len, lines)) <= width
        if height == 12:
            assert lines[-1] == "… and 8 more"
        else:
            assert all(any(line.startswith(f"{symbol} ") for line in lines) for symbol in opened[0].symbols)
    if width >= 80:
        assert "left" in frames["RUNNING"][0]
        assert "ended by iterations" in frames["CLOSED"][0]


def test_it_tells_position_denials_and_pnl(run: Callable[..., Any]) -> None:
    ran = run("session.close_positions_at_end=false", "strategy.exit_bps=50")
    lines = drawn(ran.campaign, 140, 40)
    positions = ran.campaign.parts.trades.positions()

    assert positions
    for position in positions:
        (row,) = (line for line in lines if line.startswith(f"{position.route.symbol} "))
        assert f"{position.route.buy_venue} → {position.route.sell_venue}" in row
    total = lines[-1].split()
    statistics = ran.campaign.state.statistics
    rejected = sum(one.rejected for one in statistics.symbols.values())
    assert total[0] == "total"
    assert str(rejected) in total
    assert " ".join(total[-2:]) == f"{len(positions)} open"


def test_it_tells_equity_at_present_prices_with_its_parts(run: Callable[..., Any]) -> None:
    opened: list[Campaign] = []
    lines: list[str] = []
    figures: list[EquityFigures] = []

    def observe(record: Record) -> None:
        if isinstance(record.event, PositionClosed):
            lines.append(drawn(opened[0], 140, 40)[1])
            figures.append(snapshot_of(opened[0]).equity)

    ran = run(on_open=opened.append, observer=observe)

    assert lines
    for line, shown in zip(lines, figures, strict=True):
        assert line.startswith(f"equity {signed_usd(shown.change)} USD: ")
        assert f"fees {signed_usd(shown.fees)}" in line
        parts = (shown.arbitrage, shown.inventory, shown.fees, shown.funding, shown.residuals)
        assert reduce(EXACT.add, parts) == EXACT.subtract(shown.now, shown.start) == shown.change
    # What the boards show at the very end is what is recorded then.
    last, recorded = snapshot_of(ran.campaign).equity, ran.campaign.state.equity.figures()
    assert last == recorded


def test_denials_that_are_not_booked_yet_are_counted(run: Callable[..., Any]) -> None:
    """Repeated denials reach the journal only now and then."""
    opened: list[Campaign] = []
    seen: list[tuple[int, int]] = []

    def observe(record: Record) -> None:
        if isinstance(record.event, PhaseEntered) and record.event.phase.value == "DRAINING":
            total = drawn(opened[0], 140, 40)[-1].split()
            booked = sum(one.rejected for one in opened[0].state.statistics.symbols.values())
            seen.append((int(total[2]), booked))

    ran = run("guards.symbol.max_position_size_usd=1", on_open=opened.append, observer=observe)
    final = sum(one.rejected for one in ran.campaign.state.statistics.symbols.values())

    ((shown, booked),) = seen
    assert shown == final > booked


def test_in_a_small_terminal_symbols_with_positions_come_first(run: Callable[..., Any]) -> None:
    ran = run("session.close_positions_at_end=false", "strategy.exit_bps=50")
    positions = ran.campaign.parts.trades.positions()
    lines = drawn(ran.campaign, 80, 10)

    (row,) = (line for line in lines if any(line.startswith(f"{symbol} ") for symbol in ran.campaign.symbols))
    assert row.split()[0] in {position.route.symbol for position in positions}
    assert lines[-1] == "… and 9 more"


def test_it_leaves_no_trace_in_the_campaign(run: Callable[..., Any]) -> None:
    plain = run("session.max_iterations=20")
    watched: list[Campaign] = []

    def observe(record: Record) -> None:
        if record.seq % 5 == 0:
            drawn(watched[0], 80, 24)

    beside = run("session.max_iterations=20", on_open=watched.append, observer=observe)

    assert beside.events == plain.events


def test_a_snapshot_does_not_change_with_the_campaign(run: Callable[..., Any]) -> None:
    taken: list[tuple[Snapshot, str]] = []
    opened: list[Campaign] = []

    def observe(record: Record) -> None:
        if record.seq % 50 == 0:
            taken.append((snapshot := snapshot_of(opened[0]), repr(snapshot)))

    run(on_open=opened.append, observer=observe)

    assert len(taken) > 5
    assert all(repr(snapshot) == before for snapshot, before in taken)
    assert taken[0][1] != taken[-1][1]


def test_without_a_snapshot_there_is_no_frame(ran: Any) -> None:
    frames = LiveFrames(ran.campaign.config, terminal())
    assert frames.latest() == ""
    frames.snapshot = snapshot_of(ran.campaign)
    console = terminal()
    console.print(frames.latest())
    assert isinstance(console.file, io.StringIO)
    assert "total" in console.file.getvalue()


def test_the_view_lives_in_its_own_thread_and_leaves_a_clean_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    plugins = load_plugins()
    overrides = ["session.max_runtime_seconds=1.2", "session.loop_interval_ms=50"]
    config = load_config(SPREAD, plugins, overrides=overrides).config
    console = terminal()
    drawers = set()
    original = LiveFrames.frame

    def frame(self: LiveFrames, snapshot: Snapshot, width: int, height: int) -> Any:
        drawers.add(threading.current_thread())
        return original(self, snapshot, width, height)

    takers = set()

    def take(campaign: Campaign) -> Snapshot:
        takers.add(threading.current_thread())
        return snapshot_of(campaign)

    monkeypatch.setattr(LiveFrames, "frame", frame)

    async def main() -> None:
        with ExitStack() as stack:

            def on_open(campaign: Campaign) -> None:
                stack.enter_context(live_view(config, partial(take, campaign), console))

            await run_campaign(config, plugins, on_open=on_open)

    trio.run(main)
    assert isinstance(console.file, io.StringIO)
    output = console.file.getvalue()

    assert 2 <= output.count("RUNNING · ") <= 6
    assert "left · " in output
    assert takers == {threading.main_thread()}
    assert threading.main_thread() not in drawers
    assert len(drawers) == 1
    # The last thing that is drawn is nothing, where the frame was, and the cursor is there again.
    assert "BTCUSDT" not in output[output.rindex("total") :]
    assert output.rindex("\x1b[?25h") > output.rindex("total")
