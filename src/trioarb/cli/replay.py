"""`trioarb replay`: run a campaign on recorded quotes, in virtual time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from trioarb.cli.options import ConfigFile, Iterations, NewJournal, Overrides, Runtime, pair
from trioarb.cli.run import run_anew
from trioarb.cli.running import EventsPath, Foreground, LogDir, LogLevelFlag, Plain, SummaryPath
from trioarb.config.load import load_config
from trioarb.config.quotes import Quotes
from trioarb.plugin.registry import load_plugins

__all__ = ["replay"]


def replay(
    config: ConfigFile,
    /,
    *,
    quotes: Annotated[
        list[Path],
        Parameter(negative="", consume_multiple=True, help="Parquet files of quotes, or folders that hold such files."),
    ],
    exchange: Annotated[
        list[str] | None,
        Parameter(
            negative="",
            help="What the files call a venue: `VENUE=NAME`, as in `spot=BINANCE`. Can be repeated; "
            "without it the venue's own name, or the one in its table.",
        ),
    ] = None,
    overrides: Overrides = None,
    iterations: Iterations = None,
    runtime: Runtime = None,
    journal: NewJournal = None,
    log_level: LogLevelFlag = None,
    events: EventsPath = None,
    summary: SummaryPath = None,
    log_dir: LogDir = Path("logs"),
    plain: Plain = False,
) -> int:
    """Run a campaign on recorded quotes; return its exit code."""
    exchanges = dict(pair("--exchange", text, "VENUE=NAME", "spot=BINANCE") for text in exchange or ())
    plugins = load_plugins()
    loaded = load_config(
        config,
        plugins,
        overrides=overrides or (),
        iterations=iterations,
        runtime_seconds=runtime,
        log_level=log_level,
        environment=os.environ,
        quotes=Quotes(paths=quotes, exchanges=exchanges),
    )
    foreground = Foreground(name=config.stem, events=events, summary=summary, log_dir=log_dir, plain=plain)
    return run_anew(loaded, plugins, foreground, journal, inputs=[config, *quotes])[0]
