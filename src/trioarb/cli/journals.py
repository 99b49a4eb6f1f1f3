"""`trioarb journals`: list the campaigns that a folder keeps, and remove old ones on request."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import attrs
from cyclopts import Parameter

from trioarb.cli.journal import memories_of
from trioarb.cli.output import print_json
from trioarb.cli.reading import with_progress
from trioarb.errors import ConfigError, JournalError
from trioarb.journal.fold import Folds
from trioarb.journal.log import is_in_use, kind_of
from trioarb.journal.recorded import KIND, claim, open_journal
from trioarb.model.event import CampaignOpened
from trioarb.report.aligned import aligned
from trioarb.report.figures import signed_usd
from trioarb.report.plain import iso_time, present
from trioarb.report.timeline import utc
from trioarb.report.visible import say
from trioarb.settings.problem import Problem
from trioarb.state.statistics import Statistics
from trioarb.state.trades import Trades
from trioarb.time.campaign_time import SECOND_NS

__all__ = ["journals"]

_DAY_SECONDS = 86_400


@attrs.frozen(kw_only=True)
class _Kept:
    """A journal, what it says of its campaign, and the files beside it. ``problem``: why it can't be read to its end.

    ``written``: when the file was written last, in seconds since the Unix epoch.
    """

    path: Path
    memories: tuple[Path, ...]
    is_running: bool
    written: float
    size: int
    campaign_id: str
    ended_by: str
    events: int
    first_ns: int
    last_ns: int
    closed: int
    still_open: int
    pnl_usd: Decimal | None
    problem: str

    @property
    def state(self) -> str:
        if self.is_running:
            return "running"
        if self.problem:
            return "damaged"
        return self.ended_by or "cut off"

    @property
    def cells(self) -> tuple[str, ...]:
        began = utc(self.first_ns)[:19] if self.events else ""
        pnl = "" if self.pnl_usd is None else signed_usd(self.pnl_usd).plain
        figures = f"{self.events:,}", f"{self.closed:,}", f"{self.still_open:,}", pnl, _size(self.size)
        return self.path.name, began, self.state, *figures


def journals(
    folder: Annotated[Path, Parameter(help="Where the journals are.")] = Path("journals"),
    /,
    *,
    as_json: Annotated[bool, Parameter(name="--json", negative="", help="All of it for another program.")] = False,
    prune: Annotated[
        bool, Parameter(negative="", help="Remove old ones, of those that don't run; say first which they are.")
    ] = False,
    keep: Annotated[int | None, Parameter(help="With --prune: so many stay, those that were written last.")] = None,
    older_than: Annotated[
        float | None, Parameter(help="With --prune: what was written in the last so many days stays.")
    ] = None,
    yes: Annotated[bool, Parameter(negative="", help="With --prune: do remove them.")] = False,
) -> int:
    """List the journals, or remove old ones; return 0, or 1 if one could not be removed."""
    _check(folder, prune=prune, keep=keep, older_than=older_than, yes=yes)
    found = sorted(_kept(folder), key=lambda one: (one.written, one.path.name))
    if prune:
        return _prune(_old(found, keep=keep, older_than=older_than), yes=yes)
    if as_json:
        print_json([_row(one) for one in found])
        return 0
    if not found:
        say(f"{folder} holds no journals.")
        return 0
    header = ("journal", "began (UTC)", "ended by", "events", "closed", "open", "PnL (USD)", "size")
    for line in aligned([header, *(one.cells for one in found)], right={3, 4, 5, 6, 7}):
        say(line)
    for one in found:
        if one.problem:
            say(f"{one.path.name}: {one.problem}")
    return 0


def _check(folder: Path, *, prune: bool, keep: int | None, older_than: float | None, yes: bool) -> None:
    if not folder.is_dir():
        raise JournalError(f"{folder}: there is no such folder; name the one that journals are kept in")
    problems = []
    if prune and keep is None and older_than is None:
        problems.append(Problem(file="--prune", message="which ones? Give --keep N, or --older-than DAYS, or both"))
    if not prune and (keep is not None or older_than is not None or yes):
        problems.append(Problem(file="--keep, --older-than, --yes", message="they say what --prune removes; add it"))
    if (keep is not None and keep < 0) or (older_than is not None and not older_than >= 0):
        problems.append(Problem(file="--keep, --older-than", message="has to be a number from 0 on"))
    if problems:
        raise ConfigError(problems)


def _kept(folder: Path) -> Iterator[_Kept]:
    """Yield what is a journal of ours by what its first line says; never what a link leads to."""
    for path in folder.iterdir():
        if not path.is_symlink() and path.is_file() and kind_of(path) == KIND:
            yield _read(path)


def _read(path: Path) -> _Kept:
    is_running, status = is_in_use(path), path.stat()
    statistics, trades = Statistics(), Trades()
    folds = Folds([statistics, trades])
    events, first_ns, last_ns, problem, campaign_id, venues = 0, 0, 0, "", "", tuple[str, ...]()
    try:
        with open_journal(path) as journal:
            campaign_id = str(journal.header.get("campaign_id", ""))
            for record in with_progress(journal.records(), journal.last_seq, f"reading {path.name}"):
                folds.apply(record)
                if isinstance(record.event, CampaignOpened):
                    venues = record.event.venues
                events, last_ns = events + 1, record.ts_ns
                first_ns = first_ns or record.ts_ns
    except JournalError as error:
        problem = str(error)
    except (LookupError, ArithmeticError):
        problem = f"event {events + 1} contradicts what is before it; `trioarb verify` says more"
    memories = tuple(memory for memory in memories_of(path, venues) if kind_of(memory))
    return _Kept(
        path=path,
        memories=memories,
        is_running=is_running,
        written=status.st_mtime,
        size=status.st_size + sum(memory.stat().st_size for memory in memories),
        campaign_id=campaign_id,
        ended_by="" if statistics.ended_by is None else statistics.ended_by.value,
        events=events,
        first_ns=first_ns,
        last_ns=last_ns,
        closed=statistics.closed,
        still_open=len(trades.positions()),
        pnl_usd=statistics.pnl_usd if events else None,
        problem=problem,
    )


def _old(found: Sequence[_Kept], *, keep: int | None, older_than: float | None) -> list[_Kept]:
    """Return those to remove. What runs stays, and what is damaged: `trioarb repair` may save something of it."""
    chosen = list(found if keep is None else found[: max(0, len(found) - keep)])
    if older_than is not None:
        since = time.time() - older_than * _DAY_SECONDS
        chosen = [one for one in chosen if one.written < since]
    return [one for one in chosen if not one.is_running and not one.problem]


def _prune(old: Sequence[_Kept], *, yes: bool) -> int:
    if not old:
        say("Nothing is to be removed.")
        return 0
    failed = False
    for one in old:
        files = " ".join(str(path) for path in (one.path, *one.memories))
        left = f", {one.still_open} positions open" if one.still_open else ""
        what = f"{files} ({one.state}{left}, {_size(one.size)})"
        if not yes:
            say(f"would remove {what}")
            continue
        try:
            _remove(one)
        except (JournalError, OSError) as error:
            failed = True
            say(f"left {what}: {error}")
        else:
            say(f"removed {what}")
    total = _size(sum(one.size for one in old))
    if not yes:
        say(f"{len(old)} of the journals, {total}; add --yes to remove them. What is cut off could still be resumed.")
    return int(failed)


def _remove(one: _Kept) -> None:
    """Remove a journal and its venues' memories, while nobody else can go on with it.

    Raises:
        JournalError: it is in use, or something else by now.
        OSError: it can't be removed.
    """
    with claim(one.path):
        for memory in one.memories:
            if is_in_use(memory):
                raise JournalError(f"{memory} is in use")
        for memory in one.memories:
            memory.unlink(missing_ok=True)
        one.path.unlink()


def _row(one: _Kept) -> dict[str, Any]:
    return present(
        {
            "path": str(one.path),
            "venues": [str(path) for path in one.memories],
            "campaign_id": one.campaign_id or None,
            "state": one.state,
            "ended_by": one.ended_by or None,
            "began_at": iso_time(one.first_ns) if one.events else None,
            "last_at": iso_time(one.last_ns) if one.events else None,
            "written_at": iso_time(round(one.written * SECOND_NS)),
            "events": one.events,
            "closed_trades": one.closed,
            "open_positions": one.still_open,
            "pnl_usd": one.pnl_usd,
            "size_bytes": one.size,
            "problem": one.problem or None,
        }
    )


def _size(count: int) -> str:
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
