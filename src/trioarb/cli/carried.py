"""An earlier campaign's loss of the day: carried into a new one when asked, warned of otherwise."""

from __future__ import annotations

import time
from pathlib import Path

from trioarb.cli.folded import contradiction
from trioarb.engine.carrying import carried_loss
from trioarb.errors import JournalError, TrioarbError
from trioarb.journal.journal import uncollected
from trioarb.journal.recorded import open_journal
from trioarb.model.number import text
from trioarb.state.state import State

__all__ = ["earlier_state", "warning_of_earlier"]

_DAY_SECONDS = 86_400


def earlier_state(journal: Path) -> State:
    """Return what a campaign came to. Its journal may still be written.

    Raises:
        JournalError: it can't be read, holds no campaign, or an event contradicts what is before it.
    """
    state = State()
    with open_journal(journal) as stored, uncollected():
        for record in stored.records():
            try:
                state.apply(record)
            except (LookupError, ArithmeticError) as error:
                raise contradiction(journal, record, error) from error
    if state.statistics.opened is None:
        raise JournalError(f"{journal} holds no campaign, so nothing of it can be carried")
    return state


def warning_of_earlier(folder: Path, name: str, own: Path) -> str:
    """Return what is to be said of the last campaign of the same configuration on this UTC day, if it lost; or ''.

    Its journal is looked for where journals are kept by default, under the configuration's ``name``.
    """
    now_ns, today = time.time_ns(), time.time() // _DAY_SECONDS
    others = [path for path in folder.glob(f"{name}-*.journal") if path != own and path.stat().st_size]
    of_today = [path for path in others if path.stat().st_mtime // _DAY_SECONDS == today]
    if not of_today:
        return ""
    last = max(of_today, key=lambda path: (path.stat().st_mtime_ns, path.name))
    try:
        lost = -carried_loss(earlier_state(last), now_ns).total_usd
    except TrioarbError as error:
        return f"an earlier campaign of today can't be read, so its loss counts in no limit of this one: {error}"
    if not lost:
        return ""
    return (
        f"an earlier campaign of today lost {text(lost)} USD, which counts in no limit of this one; "
        f"with --carry-loss {last} it does"
    )
