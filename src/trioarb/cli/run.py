"""`trioarb run`: run a campaign."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import structlog
import trio
from cyclopts import Parameter

from trioarb.cli.options import ConfigFile, Overrides
from trioarb.cli.output import EventsFile, abandon_stdout, check_outputs, write_json
from trioarb.clock.virtual import VirtualClock
from trioarb.config.load import Loaded, load_config
from trioarb.config.schema import ClockKind, Config, LogLevel
from trioarb.engine.campaign import Campaign
from trioarb.engine.run import run_campaign
from trioarb.errors import CampaignError
from trioarb.plugin.registry import Plugins, load_plugins
from trioarb.report.console import LastingConsole
from trioarb.report.live import live_view
from trioarb.report.log import LogFile, configure_logging
from trioarb.report.narrator import narrate
from trioarb.report.summary import summarise
from trioarb.report.table import print_summary

__all__ = ["run"]

LogLevelName = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


def run(
    config: ConfigFile,
    /,
    *,
    overrides: Overrides = None,
    iterations: Annotated[int | None, Parameter(help="Evaluations per symbol; overrides the file.")] = None,
    runtime: Annotated[Decimal | None, Parameter(help="Longest campaign time in seconds; overrides the file.")] = None,
    log_level: Annotated[LogLevelName | None, Parameter(help="Least level that is logged.")] = None,
    events: Annotated[Path | None, Parameter(help="Write every campaign event to this file, as JSON Lines.")] = None,
    summary: Annotated[Path | None, Parameter(help="Write the summary to this file, as JSON.")] = None,
    log_dir: Annotated[Path, Parameter(help="Folder of the log files, one for each run.")] = Path("logs"),
    plain: Annotated[bool, Parameter(negative="", help="Log lines, no live table, in a terminal too.")] = False,
) -> int:
    """Run a campaign; return its exit code."""
    plugins = load_plugins()
    loaded = load_config(
        config,
        plugins,
        overrides=overrides or (),
        iterations=iterations,
        runtime_seconds=runtime,
        log_level=log_level,
    )
    console = LastingConsole(stderr=True)
    check_outputs({"--events": events, "--summary": summary}, inputs=[config])
    with ExitStack() as stack:
        log_file = stack.enter_context(LogFile(log_dir, config.stem, started=time.time()))
        configure_logging(loaded.config.log_level, console, log_file)
        events_file = EventsFile(events, flush=loaded.config.session.clock is ClockKind.REAL) if events else None
        campaign = _run_in_trio(loaded, plugins, console, events_file, live=console.is_terminal and not plain)
        if events_file is not None:
            try:
                events_file.close()
            except CampaignError as error:
                campaign.error = campaign.error or str(error)
        if summary is not None:
            try:
                write_json(summary, summarise(campaign))
            except OSError as error:
                campaign.error = campaign.error or f"{summary}: the summary can't be written: {error.strerror}"
        output = LastingConsole()
        try:
            print_summary(output, campaign)
            sys.stdout.flush()
        except BrokenPipeError:
            abandon_stdout()
        except OSError as error:
            abandon_stdout()
            campaign.error = campaign.error or f"stdout: the summary can't be written: {error.strerror}"
        if campaign.error and not output.is_terminal:
            console.say(f"error: {campaign.error}", style="red")
        console.say(f"log: {log_file.describe()}")
    return campaign.exit_code


def _run_in_trio(
    loaded: Loaded, plugins: Plugins, console: LastingConsole, events_file: EventsFile | None, *, live: bool
) -> Campaign:
    config, clock = loaded.config, _clock(loaded.config)
    in_detail = config.log_level is LogLevel.DEBUG
    observers = [narrate(structlog.get_logger("trioarb.campaign"), in_detail=in_detail)]
    if events_file is not None:
        observers.append(events_file.observe)

    async def main() -> Campaign:
        with ExitStack() as stack:

            def on_open(campaign: Campaign) -> None:
                _leave_signals_to_the_campaign()
                log = structlog.get_logger("trioarb")
                for warning in campaign.warnings:
                    log.warning(warning)
                if live:
                    stack.enter_context(live_view(campaign, console))

            return await run_campaign(
                config,
                plugins,
                clock=clock if isinstance(clock, VirtualClock) else None,
                observers=observers,
                on_open=on_open,
                handle_signals=True,
                warnings=loaded.warnings,
            )

    return trio.run(main, clock=clock)


def _leave_signals_to_the_campaign() -> None:
    """Let no signal end the process from now on: the campaign listens to them, and after it the summary is written."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _clock(config: Config) -> trio.abc.Clock | None:
    if config.session.clock is ClockKind.VIRTUAL:
        return VirtualClock()
    if config.session.speed != 1:
        from trio.testing import MockClock

        return MockClock(rate=float(config.session.speed))
    return None
