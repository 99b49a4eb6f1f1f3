"""`trioarb resume`: go on with a campaign that was cut off, or that had ended."""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from trioarb.cli.journal import keep_on
from trioarb.cli.live import require_live
from trioarb.cli.options import SHOWN, Live, Overrides, PluginFiles, RecordDir, Shown
from trioarb.cli.output import check_outputs
from trioarb.cli.running import Foreground
from trioarb.config.change import laid_over
from trioarb.config.load import Loaded, load_config, load_table
from trioarb.config.plugin_files import changed_files, plugins_for, plugins_of_journal
from trioarb.config.stored import differences, from_text
from trioarb.errors import JournalError
from trioarb.journal.recorded import ClaimedJournal, claim
from trioarb.plugin.registry import Plugins

__all__ = ["resume"]


def resume(
    journal: Annotated[Path, Parameter(help="The journal of the campaign.")],
    /,
    *,
    config: Annotated[
        Path | None, Parameter(help="Go on with this configuration; by default with the one in the journal.")
    ] = None,
    overrides: Overrides = None,
    plugin: PluginFiles = None,
    force: Annotated[
        bool, Parameter(negative="", help="Go on although limits, thresholds or pace differ from before.")
    ] = False,
    close_only: Annotated[bool, Parameter(negative="", help="Close what is open, and end.")] = False,
    clear_stop: Annotated[bool, Parameter(negative="", help="Lift an emergency stop or a pulled kill switch.")] = False,
    iterations: Annotated[int | None, Parameter(help="Evaluations per symbol, all in all.")] = None,
    runtime: Annotated[Decimal | None, Parameter(help="Longest campaign time in seconds, all in all.")] = None,
    record: RecordDir = None,
    live: Live = False,
    shown: Shown = SHOWN,
) -> int:
    """Go on with a campaign; return its exit code."""
    inputs = [journal] if config is None else [journal, config]
    check_outputs({"--events": shown.events, "--summary": shown.summary}, inputs=inputs)
    with claim(journal) as claimed:
        table = _table(claimed)
        plugins = plugins_of_journal(table, journal, plugin) if config is None else plugins_for(config, plugin)
        stored = _stored(claimed, table, plugins, force=force)
        loaded = load_table(
            stored.table if config is None else load_config(config, plugins, environment=os.environ).table,
            plugins,
            file=str(config or journal),
            overrides=overrides or (),
            iterations=iterations,
            runtime_seconds=runtime,
            log_level=shown.log_level,
            environment=os.environ,
            variables=True,
        )
        require_live(loaded.config, flag=live)
        _compare(journal, stored, loaded, force=force)
        keeping = keep_on(claimed, loaded, close_only=close_only, clear_stop=clear_stop)
        foreground = Foreground(name=journal.stem, shown=shown, record=record)
        with loaded.config.redactor.in_errors():
            return foreground.run(loaded, plugins, keeping, journal)


def _table(journal: ClaimedJournal) -> dict[str, Any]:
    """Return the table of the configuration that the journal was last written with.

    Raises:
        JournalError: there is none.
    """
    try:
        return from_text(journal.config)
    except ValueError as error:
        raise JournalError(f"{journal.path} holds no configuration that can be read; it can't be resumed") from error


def _stored(journal: ClaimedJournal, table: Mapping[str, Any], plugins: Plugins, *, force: bool) -> Loaded:
    """Return the journal's configuration, and what was set while its campaign ran.

    Raises:
        JournalError: it means something else than it did when it was stored.
    """
    if (changes := changed_files(table, plugins)) and not force:
        lines = "".join(f"\n  {change}" for change in changes)
        raise JournalError(f"{journal.path}: a plugin is not what it was:{lines}\n--force goes on with it as it is now")
    stored = load_table(table, plugins, file=str(journal.path))
    if stored.config.digest != journal.config_digest and not force:
        raise JournalError(
            f"{journal.path}: the configuration in it has digest {stored.config.digest[:12]}, and its campaign ran "
            f"with {journal.config_digest[:12]}: it was changed, or trioarb or a plugin has other settings now; "
            "--force goes on with it as it reads now"
        )
    return (
        load_table(laid_over(table, journal.settings), plugins, file=str(journal.path)) if journal.settings else stored
    )


def _compare(journal: Path, stored: Loaded, given: Loaded, *, force: bool) -> None:
    """Raise `JournalError` if the campaign can't go on with this configuration; names every key that differs."""
    found = differences(stored.config, given.config)
    harmful = [difference for difference in found if not difference.harmless]
    harmless = [difference for difference in found if difference.harmless]
    if harmful:
        lines = "".join(f"\n  {difference}" for difference in harmful)
        raise JournalError(
            f"{journal} belongs to another configuration; its books mean something else with these keys:{lines}\n"
            "resume without them, or start a new campaign"
        )
    if harmless and not force:
        lines = "".join(f"\n  {difference}" for difference in harmless)
        raise JournalError(
            f"{journal} was written with other values of these keys:{lines}\n--force goes on with the new ones"
        )
