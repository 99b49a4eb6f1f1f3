"""`trioarb run`: run a campaign."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from trioarb.cli.journal import discard_unbegun, keep_anew, new_path, require_free
from trioarb.cli.options import ConfigFile, Iterations, NewJournal, Overrides, Runtime
from trioarb.cli.output import check_outputs
from trioarb.cli.running import EventsPath, Foreground, LogDir, LogLevelFlag, Plain, RecordDir, SummaryPath
from trioarb.config.load import Loaded, load_config
from trioarb.plugin.registry import Plugins, load_plugins

__all__ = ["run", "run_anew"]

#: Where journals are kept, unless told otherwise.
_JOURNALS = Path("journals")


def run(
    config: ConfigFile,
    /,
    *,
    overrides: Overrides = None,
    iterations: Iterations = None,
    runtime: Runtime = None,
    journal: NewJournal = None,
    log_level: LogLevelFlag = None,
    events: EventsPath = None,
    summary: SummaryPath = None,
    record: RecordDir = None,
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
        environment=os.environ,
    )
    foreground = Foreground(
        name=config.stem, events=events, summary=summary, log_dir=log_dir, plain=plain, record=record
    )
    code, _ = run_anew(loaded, plugins, foreground, journal, inputs=[config])
    return code


def run_anew(
    loaded: Loaded, plugins: Plugins, foreground: Foreground, journal: Path | None, *, inputs: Sequence[Path]
) -> tuple[int, Path]:
    """Run a new campaign; return its exit code and its journal, which must not overwrite anything.

    Raises:
        TrioarbError: one of its files is another of them or one of the ``inputs``, or it can't be opened.
    """
    path = journal or loaded.config.session.journal
    taken = inputs if path is None else [*inputs, path]
    check_outputs({"--events": foreground.events, "--summary": foreground.summary}, inputs=taken)
    if path is None:
        path = new_path(_JOURNALS, foreground.name)
    else:
        require_free(path)
    try:
        with loaded.config.redactor.in_errors():
            return foreground.run(loaded, plugins, keep_anew(path, loaded), path), path
    finally:
        discard_unbegun(path)
