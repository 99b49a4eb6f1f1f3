"""`trioarb record`: record quotes."""

from __future__ import annotations

import os
import sys
import time
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Annotated

import structlog
import trio
from cyclopts import Parameter

from trioarb.cli.options import ConfigFile, LogDir, LogLevelFlag, Overrides, PluginFiles
from trioarb.cli.running import clock_of, leave_signals
from trioarb.config.load import Loaded, load_config
from trioarb.config.plugin_files import plugins_for
from trioarb.engine.recording import record_quotes, recover_recordings
from trioarb.engine.world import Quoted
from trioarb.plugin.registry import Plugins
from trioarb.quotes.recorder import QuoteRecorder
from trioarb.report.console import LastingConsole
from trioarb.report.log import LogFile, configure_logging
from trioarb.report.visible import say
from trioarb.time.virtual import VirtualClock

__all__ = ["record"]


def record(
    config: ConfigFile,
    /,
    *,
    out: Annotated[Path, Parameter(help="Folder of the recording: a folder a UTC day, in it files of each venue.")],
    hours: Annotated[Decimal | None, Parameter(help="End after so many hours; by default with Ctrl-C.")] = None,
    overrides: Overrides = None,
    plugin: PluginFiles = None,
    log_level: LogLevelFlag = None,
    log_dir: LogDir = Path("logs"),
) -> int:
    """Record quotes; return 0, or 1 if some were lost."""
    plugins = plugins_for(config, plugin)
    loaded = load_config(config, plugins, overrides=overrides or (), log_level=log_level, environment=os.environ)
    with loaded.config.redactor.in_errors(), LogFile(log_dir, config.stem, started=time.time()) as log_file:
        configure_logging(loaded.config.log_level, LastingConsole(stderr=True), log_file, loaded.config.redactor)
        return _record(loaded, plugins, out, hours)


def _record(loaded: Loaded, plugins: Plugins, out: Path, hours: Decimal | None) -> int:
    log = structlog.get_logger("trioarb.record")
    clock = clock_of(loaded.config)
    recorder = QuoteRecorder(out, inline=isinstance(clock, VirtualClock), depth=loaded.config.engine.depth)
    recover_recordings(recorder)
    before = 0

    def on_open(quoted: Quoted, _: QuoteRecorder) -> None:
        leave_signals()
        symbols = len(quoted.selection.symbols)
        log.info("recording; Ctrl-C ends it", symbols=symbols, venues=len(quoted.markets), out=str(out))

    def on_progress(recorder: QuoteRecorder) -> None:
        nonlocal before
        rows = recorder.rows.total()
        log.info("recorded", rows=rows, since_the_last=rows - before, lost=recorder.lost)
        before = rows

    run = partial(
        record_quotes,
        clock=clock if isinstance(clock, VirtualClock) else None,
        hours=None if hours is None else float(hours),
        on_open=on_open,
        on_progress=on_progress,
        handle_signals=True,
    )
    trio.run(run, loaded.config, plugins, recorder, clock=clock)
    for (venue, symbol), rows in sorted(recorder.rows.items()):
        say(f"{venue:<16} {symbol:<16} {rows:>14,}")
    say(f"{recorder.rows.total():,} quotes in {len(recorder.files)} files under {out}")
    if recorder.lost:
        say(f"error: {recorder.lost:,} quotes were lost: the disk could not keep up", file=sys.stderr)
    return 1 if recorder.lost else 0
