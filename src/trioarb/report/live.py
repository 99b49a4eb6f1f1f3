"""What a person sees in a terminal while a campaign runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal

import trio
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.segment import Segment, Segments
from rich.text import Text

from trioarb.config.schema import Config
from trioarb.model.trade import Phase, Position
from trioarb.report.columns import Column, fitted_table
from trioarb.report.equity import PARTS
from trioarb.report.figures import bps, count, duration, number_of, signed_usd, usd
from trioarb.state.equity import EquityFigures
from trioarb.state.snapshot import Snapshot, SymbolSnapshot
from trioarb.time.campaign_time import SECOND_NS, seconds_to_ns

__all__ = ["LiveFrames", "live_view"]

_FRAMES_PER_SECOND = 4
#: What a frame needs beside its rows: title, equity, header, rules, total, "… and N more"; and a line for the log above
#: it.
_OTHER_LINES = 10


@contextmanager
def live_view(config: Config, take: Callable[[], Snapshot], console: Console) -> Iterator[None]:
    """Show a campaign at the bottom of the terminal until the context ends. Enter it inside the campaign's Trio run.

    Frames are made in a thread of rich's, so that the campaign does not wait for them. ``take`` is called in the
    campaign's own, between two of its steps.
    """
    frames = LiveFrames(config, console)
    source = _Source(take, trio.lowlevel.current_trio_token(), frames)
    with Live(
        get_renderable=source.latest,
        console=console,
        refresh_per_second=_FRAMES_PER_SECOND,
        transient=True,
        vertical_overflow="crop",
    ):
        source.take()
        try:
            yield
        finally:
            frames.snapshot = None


class _Source:
    """Asks for a new snapshot with each frame, unless the campaign has not yet had time for the one before."""

    def __init__(self, take: Callable[[], Snapshot], token: trio.lowlevel.TrioToken, frames: LiveFrames) -> None:
        self._take = take
        self._token = token
        self._frames = frames
        self._asked = False

    def take(self) -> None:
        self._asked = False
        self._frames.snapshot = self._take()

    def _take_if_shown(self) -> None:
        if self._frames.snapshot is not None:
            self.take()

    def latest(self) -> RenderableType:
        if not self._asked and self._frames.snapshot is not None:
            self._asked = True
            try:
                self._token.run_sync_soon(self._take_if_shown)
            except trio.RunFinishedError:
                return ""
        return self._frames.latest()


class LiveFrames:
    """Frames of the latest ``snapshot``; none without one."""

    def __init__(self, config: Config, console: Console) -> None:
        self.snapshot: Snapshot | None = None
        self._session = config.session
        self._stale_ns = seconds_to_ns(config.engine.market_stale_seconds)
        self._console = console

    def latest(self) -> RenderableType:
        """Return a frame of the latest snapshot, rendered."""
        snapshot = self.snapshot
        if snapshot is None:
            return ""
        frame = self.frame(snapshot, self._console.width, self._console.height)
        # Rendered here and now: a log line printed above has the frame drawn again in the thread that prints.
        options = self._console.options.update(height=None)
        return _Drawn(self._console.render_lines(frame, options, pad=False))

    def frame(self, snapshot: Snapshot, width: int, height: int) -> RenderableType:
        """Return the campaign as it was, in less than ``height`` lines if there is room for one row."""
        rows = max(1, height - _OTHER_LINES)
        symbols = snapshot.symbols
        hidden = max(0, len(symbols) - rows)
        if hidden:
            # Stable: only a position or a first trade moves a symbol.
            symbols = tuple(sorted(symbols, key=_rank)[:rows])
        more = [Text(f"… and {hidden} more", style="dim")] if hidden else []
        table = fitted_table(_columns(snapshot, symbols), width)
        return Group(self._title(snapshot, width), _equity(snapshot.equity, width), "", table, *more)

    def _title(self, snapshot: Snapshot, width: int) -> Text:
        session, elapsed = self._session, snapshot.elapsed_ns / SECOND_NS
        parts = [snapshot.phase.value]
        if snapshot.phase is Phase.RUNNING and session.max_runtime_seconds is not None:
            parts.append(f"{duration(float(session.max_runtime_seconds) - elapsed)} left")
        parts.append(f"{duration(elapsed)} elapsed")
        if session.max_iterations is not None:
            least = min((one.iterations for one in snapshot.symbols), default=0)
            parts.append(f"iteration {least:,} of {session.max_iterations:,}")
        if snapshot.ended_by is not None:
            parts.append(f"ended by {snapshot.ended_by.value.replace('_', ' ')}")
        elif snapshot.phase is Phase.RUNNING:
            parts += (
                f"{venue}: no quotes for {duration(silent_ns / SECOND_NS)}"
                for venue, silent_ns in snapshot.silent_ns.items()
                if silent_ns >= self._stale_ns
            )
        title = Text(" · ".join(parts), style="bold", no_wrap=True, overflow="ellipsis")
        title.truncate(width, overflow="ellipsis")
        return title


def _equity(figures: EquityFigures, width: int) -> Text:
    """Return how equity has changed, and its parts that have."""
    line = Text.assemble("equity ", signed_usd(figures.change), " USD", no_wrap=True, overflow="ellipsis")
    parts = [(name, amount) for part, name in PARTS.items() if (amount := getattr(figures, part))]
    for number, (name, amount) in enumerate(parts):
        line.append(f"{', ' if number else ': '}{name} ").append_text(signed_usd(amount))
    line.truncate(width, overflow="ellipsis")
    return line


def _rank(one: SymbolSnapshot) -> tuple[int, int]:
    return -len(one.positions), -one.opened


def _columns(snapshot: Snapshot, shown: Sequence[SymbolSnapshot]) -> list[Column]:
    everything = snapshot.symbols

    def counted(header: str, rank: int, of: Callable[[SymbolSnapshot], int]) -> Column:
        return Column(
            header=header,
            cells=[count(of(one)) for one in shown],
            footer=number_of(sum(map(of, everything))),
            rank=rank,
        )

    return [
        Column(header="\nsymbol", cells=[_name(one) for one in shown], footer="total", left=True),
        Column(header="edge\n(bps)", cells=[bps(one.edge_bps) for one in shown], rank=1, least=7),
        Column(header="highest\n(bps)", cells=[bps(one.highest_edge_bps) for one in shown], rank=7, least=7),
        counted("over\nthreshold", 6, lambda one: one.over_threshold),
        counted("\ndenied", 4, lambda one: one.denied),
        counted("\nopened", 3, lambda one: one.opened),
        counted("\nclosed", 5, lambda one: one.closed),
        Column(
            header="PnL\n(USD)",
            cells=[signed_usd(one.pnl_usd) if one.sent else "-" for one in shown],
            footer=signed_usd(snapshot.pnl_usd),
            rank=2,
            least=9,
        ),
        Column(
            header="fees\n(USD)",
            cells=[usd(one.fees_usd) if one.sent else "-" for one in shown],
            footer=usd(snapshot.fees_usd),
            rank=8,
            least=8,
        ),
        Column(
            header="\nposition",
            cells=[_position(one.positions) for one in shown],
            footer=f"{sum(len(one.positions) for one in everything)} open",
            rank=0,
            left=True,
            least=14,
        ),
    ]


def _name(one: SymbolSnapshot) -> Text:
    if one.retired:
        return Text(f"{one.symbol} retired", style="red")
    return Text(one.symbol, style="yellow" if one.quarantines else "")


class _Drawn:
    """Lines that were rendered before."""

    def __init__(self, lines: Sequence[Sequence[Segment]]) -> None:
        self._lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for number, line in enumerate(self._lines):
            if number:
                yield Segment.line()
            yield Segments(line)


def _position(positions: Sequence[Position]) -> str:
    """Return ``0.0077 a → b``: bought at a, sold at b."""
    if not positions:
        return "-"
    first = positions[0]
    more = f" +{len(positions) - 1}" if len(positions) > 1 else ""
    return f"{_short(first.quantity)} {first.route.buy_venue} → {first.route.sell_venue}{more}"


def _short(quantity: Decimal) -> str:
    return f"{float(quantity):.6g}"
