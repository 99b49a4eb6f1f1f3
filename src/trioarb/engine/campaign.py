"""The state of a campaign: what it is made of, where it stands, and why it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

import attrs
import structlog
import trio

from trioarb.config.schema import Config
from trioarb.course.course import Course
from trioarb.engine.parts import Parts
from trioarb.engine.shadowing import Shadowing
from trioarb.engine.symbol import SymbolTask
from trioarb.engine.world import World
from trioarb.errors import TrioarbError, describe
from trioarb.model.event import PhaseEntered
from trioarb.model.trade import EndedBy, Phase
from trioarb.plugin.contract import GuardTier
from trioarb.quotes.player import Player
from trioarb.quotes.recorder import QuoteRecorder
from trioarb.state.state import State
from trioarb.state.telemetry import ChannelFigures
from trioarb.time.campaign_time import SECOND_NS, Bell

__all__ = ["Campaign", "describe"]


@attrs.define(eq=False)
class Campaign:
    """A campaign that runs or has run. Observers and reports read it; only the engine changes it.

    ``problems`` ask for the user's hand; ``findings`` are what its recovery found and mended. ``recorder`` is
    given every quote; ``course`` stands between it and the outside; ``shadowing`` compares orders, in shadow mode.
    ``arrivals`` are symbols that the universe got and nobody runs yet; ``arrived`` is rung for them.
    ``has_begun``: its first events are recorded.
    ``panics``: somebody wants it to end at once.
    ``channel_figures()`` says what became of alerts.
    ``market_scope``: of market data, cancelled to open it again; ``player`` plays it, where symbols look at it in
    rounds; ``data_is_over`` once recorded data has shown its last row. ``head`` is ``SEQ:HASH`` of the journal's last
    event, once it is closed.
    """

    config: Config
    world: World
    campaign_id: str
    parts: Parts
    state: State
    tiers: Mapping[str, GuardTier]
    symbols: dict[str, SymbolTask]
    warnings: tuple[str, ...]
    ending: Bell
    arrived: Bell
    recorder: QuoteRecorder | None = None
    course: Course = attrs.field(factory=Course)
    shadowing: Shadowing | None = None
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    phase: Phase = Phase.STARTING
    has_begun: bool = False
    panics: bool = False
    channel_figures: Callable[[], Mapping[str, ChannelFigures]] = dict
    ended_by: EndedBy | None = None
    error: str = ""
    head: str = ""
    problems: list[str] = attrs.field(factory=list)
    findings: list[str] = attrs.field(factory=list)
    signals: int = 0
    ended_ns: int | None = None
    closing: trio.CancelScope | None = None
    market_scope: trio.CancelScope | None = None
    player: Player | None = None
    data_is_over: bool = False
    arrivals: list[str] = attrs.field(factory=list)
    _draining: bool = False

    @property
    def exit_code(self) -> int:
        """0: ended as planned; 1: an error of ours; 3: emergency stop, residual, or a position that couldn't close.

        1 also if quotes are missing in a recording, and nothing worse is to be said.
        """
        code = self.state.exit_code(error=self.error, problems=self.problems)
        return code or int(self.recorder is not None and bool(self.recorder.error or self.recorder.lost))

    @property
    def runtime_seconds(self) -> Decimal:
        """Campaign time in which it ran, over all stretches."""
        end_ns = self.parts.time.now_ns() if self.ended_ns is None else self.ended_ns
        return Decimal(end_ns - self.started_ns) / SECOND_NS

    @property
    def started_ns(self) -> int:
        """When it began; for a campaign that was resumed, as if it had run without a break."""
        return self.world.start_ns - self.state.statistics.ran_before_ns

    def end(self, by: EndedBy, error: str = "") -> None:
        """Fence new entries and let the campaign end. The first cause is kept; the first error too."""
        if error and not self.error:
            self.error = self.config.redactor.text(error)
        if self.ended_by is None:
            self.ended_by = by
            self.phase = Phase.DRAINING
            for task in self.symbols.values():
                task.fence()
            self.ending.ring()
            self.scope.cancel()
            self.parts.time.yield_soon()

    def hurry(self, seconds: float | None = None) -> None:
        """Shorten the deadlines of the end, of closing positions and of closing plugins.

        ``seconds`` are left of them, by default as many as the configuration says.
        """
        self.parts.executor.hurry(seconds)
        left = float(self.config.execution.hurry_seconds) if seconds is None else seconds
        until = trio.current_time() + left
        if self.closing is not None:
            self.closing.deadline = min(self.closing.deadline, until)
        self.world.opener.hurry(until)

    def fail(self, what: str, error: Exception) -> None:
        """End the campaign with an error; its traceback goes to the log."""
        structlog.get_logger("trioarb.engine").error("campaign fails", what=what, exc_info=error)
        self.end(EndedBy.ERROR, str(error) if isinstance(error, TrioarbError) else f"{what}: {describe(error)}")

    def end_if_all_done(self) -> None:
        """End the campaign once no symbol will enter any more, and none has an entry in flight."""
        tasks = [task for task in self.symbols.values() if not task.dropped]
        if tasks and all(task.retired for task in tasks):
            self.end(EndedBy.ERROR, "every symbol failed too often")
        elif tasks and all(task.done for task in tasks):
            self.end(EndedBy.ITERATIONS)

    def drain(self) -> None:
        """Record once that nothing new begins any more."""
        if not self._draining:
            self._draining = True
            self.enter(Phase.DRAINING)

    def enter(self, phase: Phase) -> None:
        """Go on to the next phase."""
        self.phase = phase
        self.parts.journal.record(PhaseEntered(phase=phase, reason=self.ended_by.value if self.ended_by else ""))

    def count(self, *, final: bool) -> None:
        """Record every symbol's counters."""
        self.parts.guards.flush(tuple(self.symbols))
        for symbol, task in self.symbols.items():
            for event in task.funnel.events(symbol, final=final, highest_edge_bps=task.highest_edge_bps):
                self.parts.journal.record(event)
