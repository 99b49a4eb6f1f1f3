"""`trioarb replay`: run a campaign on recorded quotes, in virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from trioarb.cli.options import SHOWN, ConfigFile, Iterations, NewJournal, Overrides, Runtime, Sensitive, Shown, pair
from trioarb.cli.run import run_anew
from trioarb.config.quotes import Quotes

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
    sensitivity: Sensitive = False,
    shown: Shown = SHOWN,
) -> int:
    """Run a campaign on recorded quotes; return its exit code."""
    exchanges = dict(pair("--exchange", text, "VENUE=NAME", "spot=BINANCE") for text in exchange or ())
    return run_anew(
        config,
        journal,
        shown,
        overrides=overrides,
        iterations=iterations,
        runtime=runtime,
        quotes=Quotes(paths=quotes, exchanges=exchanges),
        sensitivity=sensitivity,
    )
