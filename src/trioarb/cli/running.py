"""Run a campaign in the foreground: log, view, files, summary, exit code."""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import structlog
import trio

from trioarb.alerting.alerting import Alerting, end_seconds_of
from trioarb.alerting.trial import last_word
from trioarb.cli.beside import with_dashboard
from trioarb.cli.keys import KeyHand, is_in_foreground, keyboard
from trioarb.cli.leaving import Leaving
from trioarb.cli.options import Shown
from trioarb.cli.output import EventsFile, abandon, write_json
from trioarb.cli.progress import Progress
from trioarb.cli.required import required
from trioarb.config.load import Loaded
from trioarb.config.schema import ClockKind, Config, LogLevel
from trioarb.control.runtime import runtime_folder
from trioarb.course.course import Course
from trioarb.course.kept import KeptCourse
from trioarb.course.told import ToldCourse
from trioarb.engine.campaign import Campaign
from trioarb.engine.keeping import Keeping
from trioarb.engine.reach import Reach
from trioarb.engine.run import RECORDING_SECONDS, run_campaign
from trioarb.engine.signals import Signals
from trioarb.engine.snapshot import snapshot_in_pieces, state_now
from trioarb.engine.telemetry import telemetry_of
from trioarb.engine.watchdog import Watchdog
from trioarb.errors import CampaignError, ControlError, TrioarbError, describe
from trioarb.model.trade import EndedBy, Phase
from trioarb.plugin.registry import Plugins
from trioarb.quotes.recorder import QuoteRecorder
from trioarb.report.console import LastingConsole
from trioarb.report.live import LiveView
from trioarb.report.log import LogFile, configure_logging
from trioarb.report.narrator import narrate
from trioarb.report.report import Report, tier_figures
from trioarb.report.summary import summarise
from trioarb.report.table import print_summary, print_why
from trioarb.survey.sensitivity import Sensitivity, sensitivity_of
from trioarb.time.virtual import VirtualClock

__all__ = [
    "Foreground",
    "clock_of",
    "leave_signals",
    "leave_uncollected",
    "report_of",
]


@attrs.frozen(kw_only=True)
class Foreground:
    """Where a campaign shows itself, and records its quotes. ``name`` is that of its log file.

    ``told`` is the course of a run that it goes through again.
    """

    name: str
    shown: Shown
    record: Path | None = None
    sensitivity: bool = False
    told: ToldCourse | None = None

    def run(self, loaded: Loaded, plugins: Plugins, keeping: Keeping, journal: Path) -> int:
        """Run the campaign; return its exit code."""
        shown, console = self.shown, LastingConsole(stderr=True)
        with ExitStack() as stack:
            log_file = stack.enter_context(LogFile(shown.log_dir, self.name, started=time.time()))
            configure_logging(loaded.config.log_level, console, log_file, loaded.config.redactor)
            is_virtual = loaded.config.session.clock is ClockKind.VIRTUAL
            # Virtual time has none for threads.
            recorder = None
            if self.record is not None:
                recorder = QuoteRecorder(self.record, inline=is_virtual, depth=loaded.config.engine.depth)
            course: Course | None = self.told
            if recorder is not None and not is_virtual:  # in virtual time the quotes say all of it
                course = kept = KeptCourse(recorder.folder, loaded.config.redactor)
                recorder.take_beside, recorder.close_beside = kept.take, kept.close
            events_file = EventsFile(shown.events) if shown.events else None
            is_reachable = not is_virtual and self.told is None
            view = None if shown.plain else _view(loaded.config, console, is_reachable=is_reachable)
            signals = Signals(explain=partial(_explain, console, None if view is None else view[0]))
            leaving = Leaving(
                journal=journal, summary=shown.summary, console=console, tell=partial(_tell, loaded.config, plugins)
            )
            if view is not None:
                leaving.give_back = view[0].close
            watchdog = Watchdog(
                loaded.config,
                leave=leaving.leave,
                exit_now=leaving.exit_now,
                signals=lambda: signals.received,
                extra_seconds=(0 if recorder is None else RECORDING_SECONDS) + end_seconds_of(loaded.config),
            )
            with watchdog, nullcontext() if view is None else view[0].held():
                reach = _reach(journal, loaded.table) if is_reachable else None
                campaign, figures = _run_in_trio(
                    loaded,
                    plugins,
                    keeping,
                    console,
                    events_file,
                    recorder,
                    course,
                    signals,
                    watchdog,
                    reach,
                    view,
                    journal if self.told is None else None,
                )
            if events_file is not None:
                try:
                    events_file.close()
                except CampaignError as error:
                    campaign.error = campaign.error or str(error)
            played = _sensitivity(loaded.config, plugins, console) if self.sensitivity and not campaign.error else ()
            if shown.summary is not None:
                try:
                    report = report_of(campaign, figures, played)
                    write_json(shown.summary, loaded.config.redactor.value(summarise(report)))
                except OSError as error:
                    campaign.error = (
                        campaign.error or f"{shown.summary}: the summary can't be written: {error.strerror}"
                    )
            output = LastingConsole()
            try:
                print_summary(output, report_of(campaign, figures, played))
                sys.stdout.flush()
            except BrokenPipeError:
                abandon(sys.stdout)
            except OSError as error:
                abandon(sys.stdout)
                campaign.error = campaign.error or f"stdout: the summary can't be written: {error.strerror}"
            if campaign.error and not output.is_terminal:
                console.say(f"error: {campaign.error}", style="red")
            console.say(f"log: {log_file.describe()}")
            console.say(f"journal: {journal}")
            console.say(f"head: {campaign.head}")
            if shown.require_verdict:
                return required(report_of(campaign, figures, played))
        return campaign.exit_code


def _view(config: Config, console: LastingConsole, *, is_reachable: bool) -> tuple[LiveView, KeyHand] | None:
    """Return a view on the campaign, and what does as its keys want; ``None`` where there is no terminal for it."""
    try:
        output = console.file.fileno()
    except (AttributeError, OSError, ValueError):  # it is closed, or none
        return None
    # rich takes a file for a terminal, too, where it is told to write colours.
    if not os.isatty(output) or not console.is_terminal or console.is_dumb_terminal or not is_in_foreground(output):
        return None
    hand = KeyHand(say=lambda text: view.say(text), is_reachable=is_reachable)
    view = LiveView(config, console, keys=keyboard(), acts=hand.acts)
    return view, hand


def _reach(journal: Path, table: Mapping[str, Any]) -> Reach | None:
    """Return where the campaign of a journal can be told what to do; nowhere, if there is no folder for that."""
    try:
        return Reach.of(journal, table, runtime_folder())
    except ControlError as error:
        log = structlog.get_logger("trioarb.control")
        log.warning("the campaign can't be told anything; signals end it", because=str(error))
        return None


def _tell(config: Config, plugins: Plugins, why: str, campaign: Campaign | None) -> None:
    """Tell of a process that has to leave, whose Trio thread can't."""
    name = "(not begun)" if campaign is None else campaign.campaign_id
    failed = last_word(config, plugins, why, campaign=name, at_ns=time.time_ns())
    pending = 0 if campaign is None else sum(one.pending for one in campaign.channel_figures().values())
    log = structlog.get_logger("trioarb.alerting")
    for channel, said in failed.items():
        if said:
            log.error("an alert could not be sent", channel=channel, because=said)
    if pending:
        log.error("alerts were not delivered before the end", pending=pending)


def _explain(console: LastingConsole, view: LiveView | None, campaign: Campaign) -> None:
    """Say why there is no trade: as a page of the view, where that is there."""
    report = Report(config=campaign.config, state=state_now(campaign), at_ns=campaign.parts.time.now_ns())
    if view is None or not view.is_shown:
        print_why(console, report)
        return
    page = io.StringIO()
    print_why(LastingConsole(file=page, width=view.width, color_system=None), report)
    view.turn_to(page.getvalue().splitlines())


def _sensitivity(config: Config, plugins: Plugins, console: LastingConsole) -> Sequence[Sensitivity]:
    """Play the campaign again with other latencies; Ctrl-C leaves that out."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with Progress() as progress:
            return sensitivity_of(
                config, plugins, on_progress=lambda factor: progress.show(f"again, with {factor} times the latency")
            )
    except KeyboardInterrupt:
        console.say("sensitivity: interrupted, so it isn't known", style="yellow")
    except TrioarbError as error:
        console.say(f"sensitivity: not known; {error}", style="yellow")
    finally:
        signal.signal(signal.SIGINT, before)
    return ()


def report_of(
    campaign: Campaign,
    figures: Mapping[str, Mapping[str, Any]] | None = None,
    sensitivity: Sequence[Sensitivity] = (),
) -> Report:
    """Return what reports of a campaign of this process are made of; ``figures``: what its guard tiers said already."""
    at_ns = campaign.parts.time.now_ns() if campaign.ended_ns is None else campaign.ended_ns
    return Report(
        config=campaign.config,
        state=campaign.state,
        at_ns=at_ns,
        tier_figures=tier_figures(campaign.tiers, at_ns) if figures is None else figures,
        telemetry=telemetry_of(campaign, has_venues=campaign.ended_ns is None),
        sensitivity=sensitivity,
        head=campaign.head,
        error=campaign.error,
        exit_code=None if campaign.ended_by is None else campaign.exit_code,
    )


def _run_in_trio(
    loaded: Loaded,
    plugins: Plugins,
    keeping: Keeping,
    console: LastingConsole,
    events_file: EventsFile | None,
    recorder: QuoteRecorder | None,
    course: Course | None,
    signals: Signals,
    watchdog: Watchdog,
    reach: Reach | None,
    view: tuple[LiveView, KeyHand] | None,
    shown: Path | None,
) -> tuple[Campaign, Mapping[str, Mapping[str, Any]]]:
    """Run it; return it, ended, and what its guard tiers say: asked here, where a plugin that blocks is noticed.

    ``shown`` is the journal that a dashboard may show meanwhile.
    """
    config = loaded.config
    clock = course.clock if isinstance(course, ToldCourse) else clock_of(config)
    in_detail = config.log_level is LogLevel.DEBUG
    # Nobody is to be woken by what happened once.
    told_of = attrs.evolve(config, alerts=(), channels=()) if isinstance(course, ToldCourse) else config
    alerting = Alerting(told_of, plugins, now_ns=time.time_ns)
    observers = [narrate(structlog.get_logger("trioarb.campaign"), in_detail=in_detail), alerting.observe]

    async def main() -> tuple[Campaign, Mapping[str, Mapping[str, Any]]]:
        try:

            def on_open(campaign: Campaign) -> None:
                watchdog.campaign = campaign
                alerting.attach(campaign)
                if isinstance(course, ToldCourse):
                    course.end_with(
                        lambda: campaign.phase is Phase.CLOSED,
                        lambda: campaign.parts.journal.seq,
                        lambda: campaign.end(EndedBy.SIGNAL),
                    )
                leave_uncollected()
                if view is not None:
                    live, hand = view
                    hand.explain = partial(signals.explain, campaign)
                    live.begin(partial(snapshot_in_pieces, campaign), hand.want)
                log = structlog.get_logger("trioarb")
                for warning in campaign.warnings:
                    log.warning(warning)

            def end_seconds() -> float:
                hurries = signals.received > 1 or (watchdog.campaign is not None and watchdog.campaign.panics)
                longest = end_seconds_of(config)
                return min(longest, float(config.execution.hurry_seconds)) if hurries else longest

            run = partial(
                run_campaign,
                config,
                plugins,
                clock=clock if isinstance(clock, VirtualClock) else None,
                observers=observers,
                on_open=on_open,
                signals=signals,
                warnings=loaded.warnings,
                keeping=keeping,
                copy=None if events_file is None else events_file.write,
                recorder=recorder,
                reach=reach,
                course=course,
                hand=None if view is None else view[1].run,
            )
            work = run if shown is None else partial(with_dashboard, config, shown, run)
            campaign = await signals.heard_in(partial(alerting.around, work, end_seconds=end_seconds))
            return campaign, report_of(campaign).tier_figures
        finally:
            if view is not None:
                view[0].close()

    leave_signals()
    try:
        return trio.run(main, clock=clock, instruments=[watchdog])
    except trio.TrioInternalError as error:
        # A plugin's own system task has failed, which cancels everything: the campaign has ended in order.
        why = f"a task that a plugin started beside the campaign raised {describe(error.__cause__ or error)}"
        if watchdog.campaign is None or watchdog.campaign.ended_ns is None:
            raise CampaignError(config.redactor.text(why)) from error
        watchdog.campaign.error = config.redactor.text(why)
        return watchdog.campaign, {}


def leave_signals() -> None:
    """Let no signal end the process from now on: what runs listens to them, and what comes after it is written too."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def leave_uncollected() -> None:
    """Keep the garbage collector from going through modules and what was opened over and over while a campaign runs."""
    gc.collect()
    gc.freeze()


def clock_of(config: Config) -> trio.abc.Clock | None:
    if config.session.clock is ClockKind.VIRTUAL:
        return VirtualClock()
    if config.session.speed != 1:
        from trio.testing import MockClock

        return MockClock(rate=float(config.session.speed))
    return None
