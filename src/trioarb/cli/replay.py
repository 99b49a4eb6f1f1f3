"""`trioarb replay`: run a campaign on recorded quotes, in virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from trioarb.cli.answers import replay_answered
from trioarb.cli.options import (
    SHOWN,
    ConfigFile,
    Iterations,
    NewJournal,
    Overrides,
    PluginFiles,
    Runtime,
    Sensitive,
    Shown,
    pair,
)
from trioarb.cli.run import run_anew
from trioarb.config.quotes import Quotes
from trioarb.errors import CampaignError

__all__ = ["replay"]


def replay(
    config: ConfigFile | None = None,
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
    answers: Annotated[
        Path | None,
        Parameter(
            help="The journal of a run that was recorded beside these quotes. The replay goes through that run again, "
            "with the answers that it got from its exchanges, and ends with a comparison: the exit code is 0 if it "
            "came to the same, and 1 if not. Without CONFIG it has the run's configuration."
        ),
    ] = None,
    overrides: Overrides = None,
    plugin: PluginFiles = None,
    iterations: Iterations = None,
    runtime: Runtime = None,
    journal: NewJournal = None,
    sensitivity: Sensitive = False,
    shown: Shown = SHOWN,
) -> int:
    """Run a campaign on recorded quotes; return its exit code."""
    exchanges = dict(pair("--exchange", text, "VENUE=NAME", "spot=BINANCE") for text in exchange or ())
    if answers is not None:
        if iterations is not None or runtime is not None or sensitivity:
            raise CampaignError(
                "--answers: leave out --iterations, --runtime and --sensitivity; the run ends as it did"
            )
        if shown.require_verdict:
            raise CampaignError(
                "--answers: leave out --require-verdict; the exit code says whether it came to the same"
            )
        return replay_answered(
            answers, quotes, exchanges, shown, config=config, overrides=overrides, plugin=plugin, journal=journal
        )
    if config is None:
        raise CampaignError("which configuration is to be replayed? Name its file, or the journal of a run: --answers")
    return run_anew(
        config,
        journal,
        shown,
        overrides=overrides,
        plugin=plugin,
        iterations=iterations,
        runtime=runtime,
        quotes=Quotes(paths=quotes, exchanges=exchanges),
        sensitivity=sensitivity,
    )
