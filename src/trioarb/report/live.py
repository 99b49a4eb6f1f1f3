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

from trioarb.engine.campaign import Campaign
from trioarb.engine.watch import newest_quote_ns
from trioarb.model.number import ZERO
from trioarb.model.trade import Phase, Position
from trioarb.report.columns import Column, fitted_table
from trioarb.report.figures import bps, count, duration, number_of, signed_usd, usd
from trioarb.state.statistics import SymbolStatistics
from trioarb.time.campaign_time import SECOND_NS, seconds_to_ns

__all__ = ["LiveFrames", "live_view"]

_FRAMES_PER_SECOND = 4
#: What a frame needs beside its rows: title, header, rules, total, "… and N more"; and a line for the log above it.
_OTHER_LINES = 9
_TRIES = 3


@contextmanager
def live_view(campaign: Campaign, console: Console) -> Iterator[None]:
    """Show the campaign at the bottom of the terminal until the context ends. Enter it inside the campaign's Trio run.

    Frames are made in a thread of rich's, so that the campaign does not wait for them.
    """
    frames = LiveFrames(campaign, console, elapsed_ns=_elapsed_ns(campaign))
    with Live(
        get_renderable=frames.latest,
        console=console,
        refresh_per_second=_FRAMES_PER_SECOND,
        transient=True,
        vertical_overflow="crop",
    ):
        frames.shown = True
        try:
            yield
        finally:
            frames.shown = False


class LiveFrames:
    """Frames of a running campaign. Only reads, from whatever thread, and leaves no trace in what it reads."""

    def __init__(self, campaign: Campaign, console: Console, *, elapsed_ns: Callable[[], int]) -> None:
        self.shown = False
        self._campaign = campaign
        self._console = console
        self._elapsed_ns = elapsed_ns
        self._last: RenderableType = ""

    def latest(self) -> RenderableType:
        """Return a frame of now, or the one before if the campaign changes too fast to be read."""
        if not self.shown:
            return ""
        for _ in range(_TRIES):
            try:
                frame = self.frame(self._console.width, self._console.height)
            except RuntimeError:  # a dict grew while it was read
                continue
            # Rendered here and now: a log line printed above has the frame drawn again in the thread that prints.
            options = self._console.options.update(height=None)
            self._last = _Drawn(self._console.render_lines(frame, options, pad=False))
            break
        return self._last

    def frame(self, width: int, height: int) -> RenderableType:
        """Return the campaign as it is now, in less than ``height`` lines if there is room for one row."""
        campaign = self._campaign
        rows = max(1, height - _OTHER_LINES)
        symbols = list(campaign.symbols)
        hidden = max(0, len(symbols) - rows)
        if hidden:
            # Stable: only a position or a first trade moves a symbol.
            symbols = sorted(symbols, key=self._rank)[:rows]
        more = [Text(f"… and {hidden} more", style="dim")] if hidden else []
        return Group(self._title(width), "", fitted_table(self._columns(symbols), width), *more)

    def _title(self, width: int) -> Text:
        campaign, session = self._campaign, self._campaign.config.session
        elapsed = self._elapsed_ns() / SECOND_NS
        parts = [campaign.phase.value]
        if campaign.phase is Phase.RUNNING and session.max_runtime_seconds is not None:
            parts.append(f"{duration(float(session.max_runtime_seconds) - elapsed)} left")
        parts.append(f"{duration(elapsed)} elapsed")
        if session.max_iterations is not None:
            least = min((task.funnel.iterations for task in campaign.symbols.values()), default=0)
            parts.append(f"iteration {least:,} of {session.max_iterations:,}")
        if campaign.ended_by is not None:
            parts.append(f"ended by {campaign.ended_by.value.replace('_', ' ')}")
        elif campaign.phase is Phase.RUNNING:
            parts += self._silent()
        title = Text(" · ".join(parts), style="bold", no_wrap=True, overflow="ellipsis")
        title.truncate(width, overflow="ellipsis")
        return title

    def _silent(self) -> Iterator[str]:
        """Yield the venues whose quotes are missing."""
        world = self._campaign.world
        now_ns = world.start_ns + self._elapsed_ns()
        stale_ns = seconds_to_ns(self._campaign.config.engine.market_stale_seconds)
        for venue in world.markets:
            silent_ns = now_ns - max(newest_quote_ns(world.boards.values(), venue), world.start_ns)
            if silent_ns >= stale_ns:
                yield f"{venue}: no quotes for {duration(silent_ns / SECOND_NS)}"

    def _rank(self, symbol: str) -> tuple[int, int]:
        return -len(self._campaign.parts.trades.positions(symbol)), -self._of(symbol).filled

    def _of(self, symbol: str) -> SymbolStatistics:
        return self._campaign.statistics.symbols.get(symbol) or SymbolStatistics()

    def _denied(self, symbol: str) -> int:
        """Whatever was sized was allowed or denied; repeated denials are booked late."""
        booked = self._of(symbol)
        return max(booked.rejected, self._campaign.symbols[symbol].funnel.sized - booked.allowed)

    def _columns(self, symbols: Sequence[str]) -> list[Column]:
        campaign = self._campaign
        everything = tuple(campaign.symbols)
        booked = {symbol: self._of(symbol) for symbol in everything}
        positions = {symbol: campaign.parts.trades.positions(symbol) for symbol in everything}
        tasks = campaign.symbols

        def counted(header: str, rank: int, of: Callable[[str], int]) -> Column:
            return Column(
                header=header,
                cells=[count(of(symbol)) for symbol in symbols],
                footer=number_of(sum(map(of, everything))),
                rank=rank,
            )

        return [
            Column(header="\nsymbol", cells=[self._name(symbol) for symbol in symbols], footer="total", left=True),
            Column(
                header="edge\n(bps)",
                cells=[bps(tasks[symbol].best_edge_bps) for symbol in symbols],
                rank=1,
                least=7,
            ),
            Column(
                header="highest\n(bps)",
                cells=[bps(tasks[symbol].highest_edge_bps) for symbol in symbols],
                rank=7,
                least=7,
            ),
            counted("over\nthreshold", 6, lambda symbol: tasks[symbol].funnel.over_threshold),
            counted("\ndenied", 4, self._denied),
            counted("\nopened", 3, lambda symbol: booked[symbol].filled),
            counted("\nclosed", 5, lambda symbol: booked[symbol].closed),
            Column(
                header="PnL\n(USD)",
                cells=[signed_usd(booked[symbol].pnl_usd) if booked[symbol].sent else "-" for symbol in symbols],
                footer=signed_usd(sum((one.pnl_usd for one in booked.values()), ZERO)),
                rank=2,
                least=9,
            ),
            Column(
                header="fees\n(USD)",
                cells=[usd(booked[symbol].fees_usd) if booked[symbol].sent else "-" for symbol in symbols],
                footer=usd(sum((one.fees_usd for one in booked.values()), ZERO)),
                rank=8,
                least=8,
            ),
            Column(
                header="\nposition",
                cells=[_position(positions[symbol]) for symbol in symbols],
                footer=f"{sum(map(len, positions.values()))} open",
                rank=0,
                left=True,
                least=14,
            ),
        ]

    def _name(self, symbol: str) -> Text:
        booked = self._of(symbol)
        if booked.retired:
            return Text(f"{symbol} retired", style="red")
        return Text(symbol, style="yellow" if booked.quarantines else "")


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


def _elapsed_ns(campaign: Campaign) -> Callable[[], int]:
    """Return how to read campaign time from another thread, where Trio can't be asked."""
    clock = trio.lowlevel.current_clock()
    begun, already_ns = clock.current_time(), campaign.parts.time.now_ns() - campaign.world.start_ns

    def elapsed_ns() -> int:
        if campaign.ended_ns is not None:
            return campaign.ended_ns - campaign.world.start_ns
        return already_ns + round((clock.current_time() - begun) * SECOND_NS)

    return elapsed_ns
