"""What the commands that read a journal share."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import monotonic
from typing import Annotated

from cyclopts import Parameter

from trioarb.errors import ConfigError
from trioarb.model.event import Record
from trioarb.settings.problem import Problem, nearest

__all__ = ["JournalPath", "require_known", "with_progress"]

JournalPath = Annotated[Path, Parameter(help="Journal of a campaign, as `trioarb run` keeps it.")]

_EVERY = 4096
_PAUSE_SECONDS = 0.2
_MOST_NAMES = 20


def with_progress(records: Iterable[Record], last_seq: int, doing: str) -> Iterator[Record]:
    """Pass records on; what takes longer than a second shows on a terminal how far it is."""
    if not sys.stderr.isatty():
        yield from records
        return
    show_at, shown = monotonic() + 1, False
    try:
        for number, record in enumerate(records):
            if not number % _EVERY and (now := monotonic()) >= show_at:
                print(f"\r{doing}: {number:,} of {last_seq:,} events", end="", file=sys.stderr, flush=True)
                show_at, shown = now + _PAUSE_SECONDS, True
            yield record
    finally:
        if shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


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
