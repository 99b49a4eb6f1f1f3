"""Write quotes to Parquet files, so that a crash costs no more than the last second.

Rows go to a growing part file first (an Arrow stream, readable up to where it breaks off). When the UTC day ends, when
a part has become large, and at the end, it becomes a Parquet file of the format that the recorded market plays, while
the rows that follow go to the next part.
"""

from __future__ import annotations

import fcntl
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from trioarb.errors import MarketDataError
from trioarb.model.market import Listing
from trioarb.plugin.contract import QuoteSink
from trioarb.plugin.extras import require
from trioarb.quotes.levels import looked_up
from trioarb.quotes.part import DAY_NS, Part, Row, recover, to_parquet

__all__ = ["QuoteRecorder"]

#: A part file with so many rows becomes a Parquet file.
_ROTATE_ROWS = 5_000_000
#: Rows of a venue that may wait to be written; what comes beyond them is lost, and counted.
_MOST_WAITING = 2_000_000
#: Rows of a venue that wait until an inline recorder writes them.
_INLINE_ROWS = 65_536
#: Rows that are written in one go. Between two of them a thread that trades gets its turn.
_SLICE_ROWS = 4_096


class QuoteRecorder:
    """Takes quotes from any number of sinks, and writes them. A sink does no more than an append.

    Others write what waits: `flush` and `convert`, each in a thread, and beside one another. An ``inline`` recorder
    writes by itself, in the sinks, whenever much is waiting: for virtual time, which would go on while a thread works.

    Files are ``<folder>/<UTC day>/<venue>.<time of the first row>.parquet``, with a ``depth`` above 1 also
    ``….levels.parquet`` (see `quotes.levels_file`). ``rows`` counts what was written, by venue
    and symbol. The first failure ends the recording for good: ``error`` says why, nothing more is taken, and what was
    written before stays in its part files. ``on_failure`` is called when an inline recorder fails.

    Raises:
        MarketDataError: the folder can't be made or written to, or another recorder writes there.
    """

    def __init__(self, folder: Path, *, inline: bool = False, depth: int = 1) -> None:
        # Loaded now: later it would hold up whatever goes on beside the recording.
        require("pyarrow.parquet", "recording quotes")

        self.folder = folder
        self.inline = inline
        self._beyond = depth - 1
        self._lock = _held(folder)
        self.rows: Counter[tuple[str, str]] = Counter()
        self.files: list[Path] = []
        self.error: MarketDataError | None = None
        self.on_failure: Callable[[MarketDataError], None] = lambda error: None
        #: Takes what came beside the quotes, and returns what writes it; and what closes that. They raise OSError.
        self.take_beside: Callable[[], Callable[[], None]] = lambda: _nothing
        self.close_beside: Callable[[], None] = _nothing
        #: Whether all that came is in files, and nothing more will be.
        self.complete: bool = False
        self._room = _INLINE_ROWS if inline else _MOST_WAITING
        #: Filled by the sinks, emptied by `flush`, perhaps in another thread: both ends of a deque may be used at once.
        self._waiting: dict[str, deque[Row]] = {}
        self._parts: dict[str, Part] = {}
        #: Parts that get no more rows, to be made Parquet files.
        self._ended: deque[Part] = deque()
        #: Counted by the sinks, and by who writes.
        self._refused = self._unwritten = 0
        self._is_hurried = False
        self._writing, self._converting = Lock(), Lock()

    @property
    def waiting(self) -> int:
        return sum(map(len, list(self._waiting.values())))

    @property
    def lost(self) -> int:
        """How many quotes are in no file: the disk could not keep up, or recording has ended before them."""
        return self._refused + self._unwritten + (0 if self.error is None else self.waiting)

    @property
    def unconverted(self) -> int:
        """How many parts are to be made Parquet files."""
        return len(self._ended)

    @property
    def left(self) -> list[Path]:
        """The part files that there are."""
        return [part.path for part in (*self._ended, *self._parts.values())]

    def tap(self, venue: str, listing: Listing, sink: QuoteSink | None = None) -> QuoteSink:
        """Return a sink that records every quote, by the venue's own names as replays expect them, and passes it on."""
        waiting = self._waiting.setdefault(venue, deque())
        name = listing.venue_name or f"{listing.base}-{listing.quote}"

        def on_quote(
            bid: float,
            bid_size: float,
            ask: float,
            ask_size: float,
            received_ns: int,
            venue_ts_ns: int | None = None,
            levels: Any = None,  # Levels | InColumn | None; what else a feed may give is one of these past the border
            /,
        ) -> None:
            levels = looked_up(levels, bid, ask)
            if len(waiting) < self._room or self._make_room():
                waiting.append((received_ns, name, bid, bid_size, ask, ask_size, venue_ts_ns, levels))
            else:
                self._refused += 1
            if sink is not None:
                sink(bid, bid_size, ask, ask_size, received_ns, venue_ts_ns, levels)

        return on_quote

    def flush(self) -> None:
        """Hand everything that has come to the system.

        Raises:
            MarketDataError: it can't be written; recording has ended.
        """
        with self._writing:
            # What was taken speaks of quotes that came before: these are written first, so that none is missing.
            write_beside = self.take_beside()
            for venue, waiting in list(self._waiting.items()):
                while waiting and self.error is None:
                    self._write(venue, [waiting.popleft() for _ in range(min(len(waiting), _SLICE_ROWS))])
            if self.error is None:
                with self._failing():
                    write_beside()

    def convert(self) -> None:
        """Make Parquet files of the parts that get no more rows.

        Raises:
            MarketDataError: it can't be written; recording has ended.
        """
        with self._converting:
            while self._ended and self.error is None and not self._is_hurried:
                part = self._ended[0]
                with self._failing():
                    written = to_parquet(part.path, is_hurried=lambda: self._is_hurried)
                    if written is None:
                        return
                    part.remove()
                self.files.append(written[0])
                self._ended.popleft()

    def recover(self) -> list[tuple[Path, int]]:
        """Do what `recover` does in the recorder's folder; as `convert`, it can be hurried.

        Raises:
            MarketDataError: it can't be written; recording goes on.
        """
        with self._converting:
            return recover(self.folder, is_hurried=lambda: self._is_hurried or self.complete)

    def hurry(self) -> None:
        """Make no more Parquet files; let whoever makes some in another thread return."""
        self._is_hurried = True

    def close(self) -> None:
        """Write what is left, and make Parquet files of all parts; after a failure, or in a hurry, leave them.

        Raises:
            MarketDataError: it can't be written.
        """
        try:
            self.flush()
            with self._writing:
                self._room = 0
                if self.error is None:
                    with self._failing():
                        self.close_beside()
                for venue in list(self._parts) if self.error is None else ():
                    self._end(venue)
                self.complete = self.error is None
            self.convert()
        finally:
            for part in (*self._ended, *self._parts.values()):
                part.leave()
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def _make_room(self) -> bool:
        """Write what waits, if that is done inline; return whether there is room now."""
        if not self.inline or self.error is not None or self.complete:
            return False
        try:
            self.flush()
            self.convert()
        except MarketDataError as error:
            self.on_failure(error)
        return self.error is None

    def _write(self, venue: str, rows: Sequence[Row]) -> None:
        unwritten = len(rows)
        try:
            with self._failing():
                for day_rows in _by_day(rows):
                    part = self._parts.get(venue)
                    if part is not None and (part.day != day_rows[0][0] // DAY_NS or part.rows >= _ROTATE_ROWS):
                        self._end(venue)
                        part = None
                    if part is None:
                        part = self._parts[venue] = Part.begin(self.folder, venue, day_rows[0][0], self._beyond)
                    part.write(day_rows)
                    unwritten -= len(day_rows)
                    self.rows.update((venue, row[1]) for row in day_rows)
        finally:
            self._unwritten += unwritten

    def _end(self, venue: str) -> None:
        with self._failing():
            self._parts[venue].end()
        self._ended.append(self._parts.pop(venue))

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Take and write nothing more if anything is raised, and say why."""
        try:
            yield
        except MarketDataError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            if isinstance(error, OSError):
                reason = error.strerror or str(error)
            self._room = 0
            failure = MarketDataError(f"{self.folder}: can't be written: {reason}")
            self.error = self.error or failure
            raise failure from error


def _held(folder: Path) -> int | None:
    """Make a folder, and hold it until the descriptor is closed: two recordings of one market would count it twice."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise MarketDataError(f"{folder}: can't be written: {error.strerror or error}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        os.close(lock)
        raise MarketDataError(f"{folder}: can't be written; record somewhere else")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise MarketDataError(
            f"{folder}: another recording is written there; end it, or record in another folder"
        ) from error
    except OSError:  # a file system without locks
        os.close(lock)
        return None
    return lock


def _nothing() -> None:
    pass


def _by_day(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Yield the rows of each UTC day."""
    first = 0
    for place in range(1, len(rows)):
        if rows[place][0] // DAY_NS != rows[first][0] // DAY_NS:
            yield rows[first:place]
            first = place
    if rows:
        yield rows[first:]
