"""What the commands that read a journal share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from trioarb.cli.progress import Progress
from trioarb.errors import ConfigError
from trioarb.model.event import Record
from trioarb.settings.problem import Problem, nearest

__all__ = ["JournalPath", "require_known", "with_progress"]

JournalPath = Annotated[Path, Parameter(help="Journal of a campaign, as `trioarb run` keeps it.")]

_EVERY = 4096
_MOST_NAMES = 20


def with_progress(records: Iterable[Record], last_seq: int, doing: str) -> Iterator[Record]:
    """Pass records on; what takes longer than a second shows on a terminal how far it is."""
    with Progress() as progress:
        remaining, number = iter(records), 0
        for record in remaining:
            progress.show(f"{doing}: {number:,} of {last_seq:,} events")
            yield record
            yield from islice(remaining, _EVERY - 1)
            number += _EVERY


def require_known(flag: str, name: str, known: Iterable[str], what: str) -> None:
    """Complain about a name that is not among those that there are.

    Raises:
        ConfigError: it isn't; lists them, or the first of many.
    """
    names = list(known)
    if name in names:
        return
    listed = ", ".join(names[:_MOST_NAMES]) + (f", … ({len(names):,} in all)" if len(names) > _MOST_NAMES else "")
    raise ConfigError(
        [Problem(file=flag, message=what, value=name, allowed=listed or "none", suggestion=nearest(name, names))]
    )
