"""Fold one journal, and go on with what its campaign appends: state, what happened last, and where events stand."""

from __future__ import annotations

import time
from array import array
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trioarb.dashboard.recent import RECENT, Recent
from trioarb.errors import JournalError, TrioarbError, cut, describe
from trioarb.journal.fold import Folding, Folds
from trioarb.journal.log import DamagedLog, is_in_use
from trioarb.journal.recorded import DamagedJournal
from trioarb.journal.tail import CutJournal, JournalTail
from trioarb.model.event import (
    CampaignOpened,
    CampaignResumed,
    Commanded,
    Intent,
    PositionClosed,
    PositionOpened,
    Record,
)
from trioarb.model.trade import PairKind
from trioarb.model.wire import decode
from trioarb.report.history import History
from trioarb.report.narrator import is_told, told
from trioarb.state.state import State

__all__ = ["Follower"]

#: The place of every event with such a number is known.
_EVERY = 512
#: So many lines are folded between two looks at the clock.
_SLICE = 64
_LOCK_SECONDS = 1.0
#: What people follow, frequent, and never a warning.
_CALM = (PositionOpened, PositionClosed)


class Follower(Folding):
    """``problem`` says why what follows isn't shown, or that it was read anew; all that is shown is sound.

    ``config``: the text of the configuration that it was last written with, and ``settings`` what was set after that.
    ``trades``: the ids of all trades in the order in which they began, and their places in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem = ""
        #: What follows can't be read, whatever comes.
        self.is_damaged = False
        self.is_readable = True
        self._looked_at, self._is_running = -_LOCK_SECONDS, False
        self._begin()

    def restart(self) -> None:
        """Forget all that was folded, and begin anew when it is asked to."""
        self.close()
        self.is_damaged, self.is_readable, self.problem = False, True, ""
        self._begin()

    def _begin(self) -> None:
        self.history, self.recent = History(), Recent()
        self.state = State(on_over=self.history.end_trade)
        self._folds = Folds([*self.state.projections, self.history, self.recent, self])
        self.first_ns = self.last_ns = 0
        self.seq = 0
        self.config, self.settings = "", dict[str, str]()
        self.trades: dict[str, int] = {}
        #: What people may want to follow: the latest; and the last of it that was a warning or an error.
        self.news: deque[Record] = deque(maxlen=RECENT)
        self.warnings: deque[tuple[Record, str]] = deque(maxlen=5)
        self._tail: JournalTail | None = None
        self._block: Iterator[bytes] = iter(())
        self._places = array("q")
        self._last: Record | None = None
        #: The file was read to its end.
        self.is_current = False

    @property
    def header(self) -> Mapping[str, Any]:
        return {} if self._tail is None else self._tail.header

    @property
    def head(self) -> str:
        return "" if self._tail is None or not self.is_current else self._tail.head

    @property
    def size(self) -> int:
        return 0 if self._tail is None else self._tail.size

    @property
    def folded(self) -> float:
        """The share of the file that was folded, from 0 to 1."""
        if self._tail is None or not self._tail.size:
            return float(not self.is_readable)
        return 1.0 if self.is_current else min(self._tail.position / self._tail.size, 0.999)

    @property
    def is_running(self) -> bool:
        """A process writes it now, or did a second ago: whoever looks holds its lock for a moment."""
        now = time.perf_counter()
        if now - self._looked_at >= _LOCK_SECONDS:
            self._looked_at, self._is_running = now, is_in_use(self.path)
        return self._is_running

    def advance(self, seconds: float) -> bool:
        """Fold for about so long; return whether there is more already."""
        if self.is_damaged:
            return False
        until = time.perf_counter() + seconds
        try:
            while time.perf_counter() < until:
                if not self._some():
                    self.is_current = True
                    return False
        except CutJournal as error:
            self.close()
            self._begin()
            self.problem = f"{error}; what stands there now was read anew"
        except (DamagedJournal, DamagedLog) as error:
            self.problem, self.is_damaged, self.is_current = str(error), True, True
            self.is_readable = self.seq > 0
        except (LookupError, ArithmeticError) as error:
            self.problem = (
                f"event {self.seq + 1} of {self.path} contradicts what is before it ({describe(error)}); "
                "`trioarb verify` says more"
            )
            self.is_damaged = self.is_current = True
        except TrioarbError as error:  # it may be begun, or readable, later
            self.problem, self.is_current, self.is_readable = str(error), True, self.seq > 0
            return False
        return not self.is_damaged

    def _some(self) -> bool:
        """Fold some events; return whether there were any."""
        if self._tail is None:
            self._tail = JournalTail(self.path)
            if not self.is_readable:  # it wasn't begun when it was first looked at
                self.is_readable, self.problem = True, ""
            self.config = str(self._tail.header.get("config", ""))
        apply = self._folds.apply
        count = 0
        for line in self._block:
            try:
                record = decode(line)
            except ValueError as error:
                raise self._damaged(f"event {self.seq + 1} can't be read ({cut(str(error))})") from None
            if record.seq != self.seq + 1:
                raise self._damaged(f"event {record.seq} follows event {self.seq}")
            apply(record)
            self.seq, self.last_ns, self._last = record.seq, record.ts_ns, record
            kind = type(record.event)
            if is_told(kind):
                self.news.append(record)
                if kind not in _CALM and (line_of := told(record)) is not None and line_of[0] != "info":
                    self.warnings.append((record, line_of[1]))
            count += 1
            if count >= _SLICE:
                return True
        position, seq = self._tail.position, self._tail.seq
        lines = self._tail.read()
        if not lines:
            return count > 0
        self.is_current = False
        for number, line in enumerate(lines, seq + 1):
            if (number - 1) % _EVERY == 0:
                self._places.append(position)
            position += len(line) + 1
        self._block = iter(lines)
        return True

    def _damaged(self, what: str) -> DamagedJournal:
        sound = f"its events 1 to {self.seq} are sound" if self.seq else "not one of its events can be read"
        return DamagedJournal(f"{self.path} is damaged: {what}; {sound}", readable=self.seq)

    # Events by their numbers

    def records(self, first: int, before: int | None = None) -> Iterator[list[Record]]:
        """Yield the events that were folded, from the one with a number on, before another; some hundreds at a time.

        Raises:
            JournalError: they can't be read any more.
        """
        tail, last = self._tail, self.seq if before is None else min(self.seq, before - 1)
        number = max(0, (first - 1) // _EVERY)
        while tail is not None and number < len(self._places) and number * _EVERY < last:
            at = self._places[number]
            end = self._places[number + 1] if number + 1 < len(self._places) else tail.position
            found = []
            for seq, line in enumerate(tail.lines_at(at, end - at), number * _EVERY + 1):
                if not first <= seq <= last:  # what follows was read, but may not be readable
                    continue
                try:
                    found.append(decode(line))
                except ValueError as error:
                    raise JournalError(f"{self.path} was changed ({cut(str(error))})") from None
            yield found
            number += 1

    def close(self) -> None:
        if self._tail is not None:
            self._tail.close()

    # What is folded

    def _open(self, _: CampaignOpened, record: Record) -> None:
        self.first_ns = record.ts_ns

    def _resume(self, event: CampaignResumed, _: Record) -> None:
        self.config = event.config
        self.settings.clear()

    def _set(self, event: Commanded, _: Record) -> None:
        if event.key is not None and event.after is not None:
            self.settings[event.key] = event.after

    def _begin_trade(self, event: Intent, _: Record) -> None:
        if event.kind is PairKind.ENTRY:
            self.trades.setdefault(event.trade_id, len(self.trades))
