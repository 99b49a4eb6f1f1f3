"""`trioarb run`: run a campaign."""

from __future__ import annotations

import os
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import attrs

from trioarb.cli.carried import earlier_state, warning_of_earlier
from trioarb.cli.journal import discard_unbegun, keep_anew, new_path, require_free
from trioarb.cli.live import require_armed, require_live
from trioarb.cli.options import (
    SHOWN,
    CarryLoss,
    ConfigFile,
    Iterations,
    Live,
    NewJournal,
    Overrides,
    PluginFiles,
    RecordDir,
    Runtime,
    Sensitive,
    Shown,
)
from trioarb.cli.output import check_outputs
from trioarb.cli.running import Foreground
from trioarb.config.load import load_config
from trioarb.config.plugin_files import plugins_for
from trioarb.config.quotes import Quotes
from trioarb.config.schema import ClockKind
from trioarb.errors import CampaignError

__all__ = ["run", "run_anew"]

#: Where journals are kept, unless told otherwise.
_JOURNALS = Path("journals")


def run(
    config: ConfigFile,
    /,
    *,
    overrides: Overrides = None,
    plugin: PluginFiles = None,
    iterations: Iterations = None,
    runtime: Runtime = None,
    journal: NewJournal = None,
    record: RecordDir = None,
    sensitivity: Sensitive = False,
    carry_loss: CarryLoss = None,
    live: Live = False,
    shown: Shown = SHOWN,
) -> int:
    """Run a campaign; return its exit code."""
    return run_anew(
        config,
        journal,
        shown,
        overrides=overrides,
        plugin=plugin,
        iterations=iterations,
        runtime=runtime,
        record=record,
        sensitivity=sensitivity,
        carry_loss=carry_loss,
        live=live,
    )


def run_anew(
    config: Path,
    journal: Path | None,
    shown: Shown,
    *,
    overrides: Sequence[str] | None,
    plugin: Sequence[Path] | None,
    iterations: int | None,
    runtime: Decimal | None,
    record: Path | None = None,
    quotes: Quotes | None = None,
    sensitivity: bool = False,
    carry_loss: Path | None = None,
    live: bool = False,
) -> int:
    """Run a new campaign, on recorded ``quotes`` if there are any; return its exit code.

    ``carry_loss`` is the journal of one whose loss of the day counts in it.

    Raises:
        TrioarbError: the configuration is wrong, something can't be opened, or one of the files that it writes is
            there already, another of them, or what it reads.
    """
    plugins = plugins_for(config, plugin)
    loaded = load_config(
        config,
        plugins,
        overrides=overrides or (),
        iterations=iterations,
        runtime_seconds=runtime,
        log_level=shown.log_level,
        environment=os.environ,
        quotes=quotes,
    )
    require_live(loaded.config, flag=live)
    require_armed(loaded.config, config)
    path = journal or loaded.config.session.journal
    read = [one for one in (path, carry_loss) if one is not None]
    taken = [config, *(() if quotes is None else quotes.paths), *read]
    check_outputs({"--events": shown.events, "--summary": shown.summary}, inputs=taken)
    earlier = None if carry_loss is None else earlier_state(carry_loss)
    if path is None:
        path = new_path(_JOURNALS, config.stem)
    else:
        require_free(path)
    if earlier is None and loaded.config.session.clock is ClockKind.REAL and quotes is None:
        warning = warning_of_earlier(_JOURNALS, config.stem, path)
        loaded = attrs.evolve(loaded, warnings=(*loaded.warnings, warning)) if warning else loaded
    if sensitivity and loaded.live:
        raise CampaignError(f"--sensitivity: {', '.join(loaded.live)} talk to the outside, and can't be played again")
    foreground = Foreground(name=config.stem, shown=shown, record=record, sensitivity=sensitivity)
    try:
        with loaded.config.redactor.in_errors():
            return foreground.run(loaded, plugins, keep_anew(path, loaded, earlier), path)
    finally:
        discard_unbegun(path, loaded.config.exchanges)
