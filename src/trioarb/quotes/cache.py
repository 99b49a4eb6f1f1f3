"""Windows kept on disk, so that the next replay of the same data need not make them again.

One folder per set of data: ``columns.bin``, which is mapped into memory, and a manifest, which says what is where in
it, and is written last. A folder is made under another name and renamed once it is whole, so that readers and other
writers never see half of one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import attrs
import msgspec
import structlog

from trioarb.errors import TrioarbError
from trioarb.quotes.cache_folder import (
    BUILDING,
    COLUMNS_FILE,
    MADE_BY,
    VERSION,
    Manifest,
    Place,
    clean,
    delete,
    mark,
    read_note,
    whole_manifest,
    write_manifest,
    write_note,
)
from trioarb.quotes.window import ZONE_ROWS, Extremes, Window

__all__ = ["StoreError", "Writer", "bytes_for", "key_of", "load", "save"]

_ALIGNMENT = 64
_PAGE_BYTES = 4_096
#: What was verified so short a while ago is not verified again, unless the file was written to since.
_VERIFIED_NS = 86_400 * 10**9
#: So much is left free on the disk.
_RESERVE_BYTES = 256 << 20
_EXTREMES = tuple(one.name for one in attrs.fields(Extremes))


class StoreError(TrioarbError):
    """Aligned quotes can't be kept. A replay goes on without."""


def key_of(
    fingerprints: Sequence[str],
    symbols: Sequence[str],
    traded: Sequence[Sequence[str]],
    start_ns: int,
    depth: int = 1,
) -> str:
    """Return the name of what is made of tapes of these fingerprints, in the venues' order, and what they trade."""
    parts = msgspec.json.encode([VERSION, list(fingerprints), list(symbols), list(traded), start_ns, depth])
    return hashlib.sha256(parts).hexdigest()[:24]


def bytes_for(rows: int, venues: int, depth: int = 1) -> int:
    """Return about how many bytes the windows of so many rows take."""
    return rows * (46 + 24 * venues + 32 * (depth - 1))


def load(folder: Path) -> Generator[Window, None, None] | None:
    """Map what is kept in a folder; ``None`` if there is nothing that can be used. What is damaged is deleted."""
    manifest = whole_manifest(folder)
    if manifest is None:
        return None
    try:
        data = _mapped(folder, manifest.size)
    except (OSError, ValueError):
        return None
    if data.nbytes != manifest.size:
        return None
    if not _is_verified(folder, data, manifest.checksum):
        structlog.get_logger("trioarb.quotes").warning("aligned quotes are damaged, and deleted", folder=str(folder))
        delete(folder)
        return None
    venues = len(manifest.venues)
    return (_window(data, place, venues) for place in manifest.windows)


def _mapped(folder: Path, size: int) -> Any:
    import numpy as np

    # As a plain array: cutting columns out of a memmap takes ten times as long.
    return np.asarray(np.memmap(folder / COLUMNS_FILE, np.uint8, "r") if size else np.empty(0, np.uint8))


def _is_verified(folder: Path, data: Any, checksum: str) -> bool:
    """Return whether the columns are what was written; at once, if they were a short while ago, and nobody wrote."""
    status = (folder / COLUMNS_FILE).stat()
    what = f"verified {folder.resolve()} {checksum} {status.st_ino} {status.st_mtime_ns} {status.st_ctime_ns}"
    seen_ns, now_ns = read_note(what, int), time.time_ns()
    if seen_ns is not None and 0 <= now_ns - seen_ns < _VERIFIED_NS:
        return True
    if _checksum(data) != checksum:
        return False
    write_note(what, now_ns)
    return True


def _checksum(data: Any) -> str:
    """Return a sum over bytes: words are added up page by page, which memory is slower to bring than numpy to add."""
    import numpy as np

    pages = len(data) // _PAGE_BYTES
    whole, rest = data[: pages * _PAGE_BYTES], data[pages * _PAGE_BYTES :]
    sums = np.add.reduce(whole.view(np.uint64).reshape(pages, _PAGE_BYTES // 8), axis=1)
    return hashlib.blake2b(sums.tobytes() + rest.tobytes(), digest_size=16).hexdigest()


class Writer:
    """Writes windows into a folder that is still being made."""

    def __init__(self, folder: Path, venues: Sequence[str], sources: Sequence[str], symbols: Sequence[str]) -> None:
        self._folder = folder
        self._venues = list(venues)
        self._sources = list(sources)
        self._symbols = list(symbols)
        self._windows: list[Place] = []
        self._file: BinaryIO = (folder / COLUMNS_FILE).open("wb")

    def add(self, window: Window) -> None:
        """Write a window.

        Raises:
            OSError: it can't be written.
        """
        self._file.write(bytes(-self._file.tell() % _ALIGNMENT))
        place = Place(
            offset=self._file.tell(),
            rows=len(window),
            present=len(window.present),
            firsts=len(window.firsts),
            levels=0 if window.levels is None else window.levels.shape[1],
            is_all_accepted=window.is_all_accepted,
            ended=list(window.ended),
        )
        for name, kind, shape in _layout(place, len(self._venues)):
            column = getattr(window.extremes if name in _EXTREMES else window, name)
            column = column.astype(kind, copy=False).reshape(shape)
            self._file.write(memoryview(column.reshape(-1)).cast("B") if column.size else b"")
        self._windows.append(place)

    def close(self) -> None:
        """Write what is left, and last the manifest."""
        size = self._file.tell()
        self._file.flush()
        # After a power loss a file may have its size, but not what was in it; that would go unnoticed.
        os.fsync(self._file.fileno())
        self._file.close()
        manifest = Manifest(
            checksum=_checksum(_mapped(self._folder, size)),
            made_by=MADE_BY,
            is_whole=True,
            size=size,
            venues=self._venues,
            sources=self._sources,
            symbols=self._symbols,
            windows=self._windows,
        )
        write_manifest(self._folder, manifest)

    def abandon(self) -> None:
        self._file.close()


@contextmanager
def save(
    folder: Path, *, venues: Sequence[str], sources: Sequence[str], symbols: Sequence[str], rows: int, depth: int = 1
) -> Iterator[Writer]:
    """Make a folder; it is there as a whole once the ``with`` block is left without an error.

    Raises:
        StoreError: the place can't be written, or the disk has too little room for so many ``rows``.
    """
    needed = bytes_for(rows, len(venues), depth) + _RESERVE_BYTES
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        clean(folder.parent)
        free = shutil.disk_usage(folder.parent).free
        if free < needed:
            raise StoreError(f"{folder.parent} has {free >> 20:,} MB free; {needed >> 20:,} MB are needed")
        building = Path(tempfile.mkdtemp(prefix=f"{BUILDING}{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise StoreError(f"{folder.parent} can't be written: {error.strerror or error}") from error
    lock = os.open(building, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        mark(building)
        writer = Writer(building, venues, sources, symbols)
        try:
            yield writer
        finally:
            writer.abandon()
        if whole_manifest(folder) is None:
            delete(folder)
            if folder.exists():
                raise StoreError(f"{folder} is in the way, and not of trioarb's making; move it")
        try:
            os.rename(building, folder)
        except OSError:
            if whole_manifest(folder) is None:  # else another process was faster
                raise
    except OSError as error:
        raise StoreError(f"{folder.parent} can't be written: {error.strerror or error}") from error
    finally:
        os.close(lock)
        shutil.rmtree(building, ignore_errors=True)


def _layout(place: Place, venues: int) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Yield the columns of a window, in their order in the file: name, type and shape. The widest types come first."""
    rows, zones, pairs = place.rows, -(-place.rows // ZONE_ROWS), venues * (venues - 1)
    flat, wide = (rows,), (venues, rows)
    yield from (("ts_ns", "i8", flat), ("came_ns", "i8", wide), ("bid", "f8", wide), ("ask", "f8", wide))
    yield from (("bid_size", "f8", flat), ("ask_size", "f8", flat))
    yield from (("zone_ratio", "f8", (pairs, zones)), ("zone_age_ns", "i8", (venues, zones)))
    yield ("best_ratio", "f8", (pairs, place.present))
    if place.levels:
        yield ("levels", "f8", (4, place.levels, rows))
    yield from ((name, "i4", flat) for name in ("cell", "place", "next_row", "row", "number"))
    yield from (("present", "i4", (place.present,)), ("starts", "i4", (place.present + 1,)))
    yield from (("firsts", "i4", (place.firsts,)), ("kind", "u1", flat))


def _window(data: Any, place: Place, venues: int) -> Window:
    import numpy as np

    columns, offset = dict[str, Any](levels=None), place.offset
    for name, kind, shape in _layout(place, venues):
        size = np.dtype(kind).itemsize * prod(shape)
        columns[name] = data[offset : offset + size].view(kind).reshape(shape)
        offset += size
    kept = Extremes(**{name: columns.pop(name) for name in _EXTREMES})
    return Window(is_all_accepted=place.is_all_accepted, ended=place.ended, kept=kept, **columns)
