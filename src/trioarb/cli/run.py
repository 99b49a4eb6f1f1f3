"""`trioarb run`: run a campaign."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from trioarb.cli.journal import keep_anew, new_path
from trioarb.cli.options import ConfigFile, Overrides
from trioarb.cli.output import check_outputs
from trioarb.cli.running import EventsPath, Foreground, LogDir, LogLevelFlag, Plain, SummaryPath
from trioarb.config.load import load_config
from trioarb.journal.file import require_free
from trioarb.plugin.registry import load_plugins

__all__ = ["JOURNALS", "run"]

#: Where journals are kept, unless told otherwise.
JOURNALS = Path("journals")


def run(
    config: ConfigFile,
    /,
    *,
    overrides: Overrides = None,
    iterations: Annotated[int | None, Parameter(help="Evaluations per symbol; overrides the file.")] = None,
    runtime: Annotated[Decimal | None, Parameter(help="Longest campaign time in seconds; overrides the file.")] = None,
    journal: Annotated[
        Path | None, Parameter(help="Keep the campaign in this new file; by default in one under journals/.")
    ] = None,
    log_level: LogLevelFlag = None,
    events: EventsPath = None,
    summary: SummaryPath = None,
    log_dir: LogDir = Path("logs"),
    plain: Plain = False,
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
    check_outputs({"--events": events, "--summary": summary}, inputs=[config])
    path = journal or loaded.config.session.journal or new_path(JOURNALS, config.stem)
    require_free(path)
    foreground = Foreground(name=config.stem, events=events, summary=summary, log_dir=log_dir, plain=plain)
    return foreground.run(loaded, plugins, keep_anew(path, loaded), path)
