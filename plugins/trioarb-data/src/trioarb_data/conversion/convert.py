"""Convert quotes of other formats: read, sort, write, and move into place in one step."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from trioarb.errors import MarketDataError
from trioarb.quotes.part import in_groups
from trioarb.quotes.validity import verdicts
from trioarb_data.conversion.formats import Rules
from trioarb_data.conversion.names import Names
from trioarb_data.conversion.parquet import GROUP_ROWS, DayWriter, FileWriter
from trioarb_data.conversion.rows import LeftOut, rows_of
from trioarb_data.conversion.runs import Runs
from trioarb_data.conversion.source import open_sources

__all__ = ["Converted", "convert"]

#: A file in a conversion's hidden folder that says what it is.
_MARK = "a-conversion-of-trioarb-data"


@attrs.define
class Converted:
    """What a conversion wrote: rows by exchange and symbol, first and last time, and the number of files.

    Of the rows, ``withdrawn`` are quotes without a valid side, ``refused`` those that no campaign accepts.
    ``left_out``: rows that were not written, by the column that is empty in them. ``guessed``: native symbols that
    may be something else, what they were taken for, and what else they may be.
    """

    sources: int
    rows: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    withdrawn: int = 0
    refused: int = 0
    first_ns: int = 0
    last_ns: int = 0
    files: int = 1
    left_out: Mapping[str, LeftOut] = attrs.field(factory=dict)
    guessed: Mapping[str, tuple[str, tuple[str, ...]]] = attrs.field(factory=dict)

    def count(self, rows: Any, pairs: Sequence[tuple[str, str]]) -> None:
        """Count rows that were written, in order of their times."""
        if not self.rows:
            self.first_ns = int(rows["ts_ns"][0])
        self.last_ns = int(rows["ts_ns"][-1])
        found = verdicts(rows)
        self.withdrawn += int(found.withdrawn.sum())
        self.refused += int(found.refused.sum())
        for code, number in enumerate(np.bincount(rows["pair"])):
            if number:
                self.rows[pairs[code]] += int(number)


def convert(paths: Sequence[Path], out: Path, rules: Rules, on_progress: Callable[[str], None]) -> Converted:
    """Write the quotes of all sources, sorted by ``ts_ns``, to ``out``; equal times keep the sources' order.

    ``out`` is a file if it ends in ``.parquet``, else a folder as `trioarb record` writes them. It appears when it is
    whole: until then everything is in a hidden folder beside it, which is gone afterwards, or with
    the next conversion to this place, if this one is killed.

    Raises:
        MarketDataError: a source can't be read or makes no sense, nothing is in them, or ``out`` can't be written.
    """
    header = rules.format.header
    sources = [source for path in paths for source in open_sources(path, header)]
    names, left_out = Names(rules), dict[str, LeftOut]()
    converted = Converted(len(sources), left_out=left_out, guessed=names.guessed)

    def read() -> Iterator[Any]:
        count = 0
        for source in sources:
            for rows in rows_of(source, rules, names, left_out):
                count += len(rows)
                on_progress(f"reading {source.name}: {count:,} quotes so far")
                yield rows

    with _written(out) as work:
        runs = Runs(work)
        runs.fill(read())
        if not runs.rows:
            told = ", ".join(f"{one.rows:,} with an empty {name}" for name, one in left_out.items())
            why = f"; left out: {told}" if told else ""
            raise MarketDataError(f"{', '.join(map(str, paths))}: hold no quote{why}")
        building = work / out.name
        writer = FileWriter(building, names.met) if out.suffix == ".parquet" else DayWriter(building, names.met)
        for some in in_groups(runs.sorted(), GROUP_ROWS):
            rows = np.concatenate(some)
            writer.write(rows)
            converted.count(rows, names.met)
            on_progress(f"writing {out}: {converted.rows.total():,} of {runs.rows:,} quotes")
        writer.close()
        if isinstance(writer, DayWriter):
            converted.files = len(writer.paths)
        building.replace(out)
    return converted


@contextmanager
def _written(out: Path) -> Iterator[Path]:
    """Lend a folder beside ``out``, to be used up while that is made; first delete what killed conversions left."""
    try:
        for folder in out.parent.glob(f".{escape(out.name)}.*"):
            if _is_left(folder):
                shutil.rmtree(folder, ignore_errors=True)
        # Its name is known before it is there: wherever an interruption comes, it is deleted.
        work = out.parent / f".{out.name}.{os.getpid():x}-{time.monotonic_ns():x}"
        lock: int | None = None
        try:
            work.mkdir(mode=0o700)
            lock = os.open(work, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            (work / _MARK).touch()
            yield work
        finally:
            if lock is not None:
                os.close(lock)
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise MarketDataError(f"{out}: can't be written: {error.strerror or error}") from error


def _is_left(folder: Path) -> bool:
    """Return whether a folder is a conversion's that works no more."""
    if folder.is_symlink() or not (folder / _MARK).is_file():
        return False
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True
