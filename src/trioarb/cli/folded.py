"""Fold a journal into what reports are made of."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import trio

from trioarb.cli.reading import with_progress
from trioarb.config.change import laid_over
from trioarb.config.load import Loaded, load_table
from trioarb.config.plugin_files import changed_files, plugins_of_journal
from trioarb.config.schema import LogLevel
from trioarb.config.stored import from_text
from trioarb.config.tuning import Tuning
from trioarb.engine.opener import Opener
from trioarb.engine.opening import open_tiers
from trioarb.errors import JournalError
from trioarb.journal.fold import Fold, Folds, Projection
from trioarb.journal.journal import uncollected
from trioarb.journal.recorded import RecordedJournal, open_journal
from trioarb.model.event import CampaignOpened, Event, Record
from trioarb.plugin.contract import GuardTier
from trioarb.plugin.registry import Plugins
from trioarb.report.console import LastingConsole
from trioarb.report.history import History
from trioarb.report.log import configure_logging
from trioarb.report.report import Report, tier_figures
from trioarb.report.visible import say
from trioarb.settings.redact import Redactor
from trioarb.state.state import State
from trioarb.time.campaign_time import RealTime

__all__ = ["contradiction", "report_on"]

T = TypeVar("T")


class _TierFolds:
    """Folds events into a guard tier. One that raises has lost its state, and gets no more."""

    def __init__(self, tier: GuardTier) -> None:
        self._tier = tier
        self._is_broken = False

    @property
    def folds(self) -> Mapping[type[Event], Fold]:
        wanted = self._tier.folds
        return {kind: self._fold for kind in Event.__subclasses__() if wanted is None or kind in wanted}

    def _fold(self, _: Event, record: Record) -> None:
        if not self._is_broken:
            try:
                self._tier.apply(record)
            except Exception:
                self._is_broken = True


def report_on(
    journal: Path,
    tell: Callable[[Report], T],
    plugin: Sequence[Path] | None = None,
    *,
    has_figures: bool = True,
    history: History | None = None,
) -> T:
    """Return what ``tell`` makes of the report on a journal, which may still be written. Changes nothing.

    What is read goes into the ``history``, too. ``plugin`` are files of plugins, as the command line names them.

    The guard tiers are opened as the journal's configuration has them, since their figures are folded from it too;
    but for those that talk to the outside, whose figures are absent. Without ``has_figures`` no plugin is called.

    Raises:
        JournalError: it can't be read, or an event contradicts what is before it.
        TrioarbError: a plugin that the configuration names is missing, or can't be opened.
    """
    configure_logging(LogLevel.WARNING, LastingConsole(stderr=True), None, Redactor())
    state = State() if history is None else State(on_over=history.end_trade)
    projections = [*state.projections, *(() if history is None else (history,))]
    with open_journal(journal) as stored:
        if has_figures:
            config, _, settings = stored.last_config()
            loaded, plugins = _loaded(journal, config, settings, plugin)
            at_ns, figures = trio.run(_fold_with_tiers, journal, stored, loaded, plugins, state, projections)
        else:
            configured = stored.configured()
            records = _records(journal, stored)
            at_ns, figures = _fold(journal, next(records), records, [*projections, configured]), {}
            loaded, _ = _loaded(journal, configured.config, configured.settings, plugin)
        return tell(
            Report(
                config=loaded.config,
                state=state,
                at_ns=at_ns,
                tier_figures=figures,
                head=stored.head,
                journaled=loaded.table,
                torn=stored.torn,
            )
        )


async def _fold_with_tiers(
    journal: Path,
    stored: RecordedJournal,
    loaded: Loaded,
    plugins: Plugins,
    state: State,
    projections: Sequence[Projection],
) -> tuple[int, Mapping[str, Mapping[str, Any]]]:
    """Fold all events, into guard tiers too; return the time of the last one, and what the tiers say of themselves."""
    records = _records(journal, stored)
    async with AsyncExitStack() as stack:
        opener = Opener.on(stack, plugins, loaded.config)
        opened = next(records)
        assert isinstance(opened.event, CampaignOpened)
        tables = [table for table in loaded.config.guards if table.key not in loaded.live]
        tiers = await open_tiers(
            opener, tables, opened.event.symbols, state.marks, Tuning(loaded.config), RealTime(opened.ts_ns)
        )
        at_ns = _fold(journal, opened, records, [*projections, *map(_TierFolds, tiers.values())])
        return at_ns, tier_figures(tiers, at_ns)


def _records(journal: Path, stored: RecordedJournal) -> Iterator[Record]:
    """Yield the events, of which the first opens the campaign.

    Raises:
        JournalError: it doesn't, or there is none.
    """
    records = with_progress(stored.records(), stored.last_seq, f"reading {journal}")
    first = next(records)
    if not isinstance(first.event, CampaignOpened):
        raise JournalError(f"{journal} does not begin with a campaign's opening; `trioarb verify` says more")
    yield first
    yield from records


def _fold(journal: Path, record: Record, records: Iterator[Record], projections: Iterable[Projection]) -> int:
    """Fold a record and those that follow; return the time of the last one."""
    folds = Folds(projections)
    try:
        with uncollected():
            folds.apply(record)
            for record in records:
                event = record.event
                for fold in folds[type(event)]:
                    fold(event, record)
    except (LookupError, ArithmeticError) as error:
        raise contradiction(journal, record, error) from error
    return record.ts_ns


def contradiction(journal: Path, record: Record, error: Exception) -> JournalError:
    """Return what to raise where an event can't be folded."""
    return JournalError(
        f"event {record.seq} of {journal} contradicts what is before it ({type(error).__name__}: {error}); "
        "`trioarb verify` says more"
    )


def _loaded(
    journal: Path, config: str, settings: Mapping[str, str], plugin: Sequence[Path] | None
) -> tuple[Loaded, Plugins]:
    """Return the configuration that a journal holds, as text, with what was set after that, and its plugins."""
    try:
        table = laid_over(from_text(config), settings)
    except ValueError as error:
        raise JournalError(f"{journal} holds no configuration that can be read") from error
    plugins = plugins_of_journal(table, journal, plugin)
    for change in changed_files(table, plugins):
        say(f"warning: {change}", file=sys.stderr)
    return load_table(table, plugins, file=str(journal)), plugins
