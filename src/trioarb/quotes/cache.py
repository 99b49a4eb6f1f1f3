"""Aligned quotes kept on disk, so that the next replay of the same data need not align them again.

One folder per set of data: ``columns.bin``, which is mapped into memory, and ``manifest.json``, which says what is
where in it and is written last. A folder is made under another name and renamed once it is whole, so that readers and
other writers never see half of one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from trioarb.errors import TrioarbError
from trioarb.quotes.columns import QuoteBlock, QuoteColumns, Refused, VenueTimes

if TYPE_CHECKING:
    from trioarb.quotes.align import Aligned

__all__ = [
    "CacheEntry",
    "StoreError",
    "bytes_for",
    "entries",
    "forget",
    "key_of",
    "load",
    "note",
    "remove",
    "root",
    "save",
]

#: Changes with the layout; what was written with another one is not read.
_VERSION = 1
_ENVIRONMENT = "TRIOARB_CACHE_DIR"
_ALIGNMENT = 64
#: So much is left free on the disk.
_RESERVE_BYTES = 256 << 20
_BUILDING = ".building-"
#: Below the cache: what was found out about single files.
_NOTES = "notes"


class StoreError(TrioarbError):
    """Aligned quotes can't be kept. A replay goes on without."""


class _Block(msgspec.Struct, array_like=True, frozen=True):
    """Where a block is in the file, and what is known of it."""

    offset: int
    rows: int
    first: int
    oldest_ns: tuple[int, ...]
    best_ratio: tuple[tuple[float, ...], ...]


class _Symbol(msgspec.Struct, frozen=True):
    blocks: list[_Block]
    refused_offset: int
    refused: int


class _Times(msgspec.Struct, frozen=True):
    last: tuple[int, int] | None
    first_ns: int
    newest_ns: int
    silences: list[tuple[int, int]]


class _Manifest(msgspec.Struct, frozen=True):
    version: int
    size: int
    venues: list[str]
    sources: list[str]
    symbols: dict[str, _Symbol]
    times: list[_Times]

    @property
    def rows(self) -> int:
        return sum(block.rows for symbol in self.symbols.values() for block in symbol.blocks)


def root() -> Path | None:
    """Return the folder of the cache: ``$TRIOARB_CACHE_DIR``, else the user's; ``None`` if that is set, but empty."""
    named = os.environ.get(_ENVIRONMENT)
    if named is not None:
        return Path(named) if named else None
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "trioarb" / "aligned"


def note(name: str) -> Path | None:
    """Return where something small is kept, by what it depends on; ``None``: nowhere."""
    cache = root()
    return None if cache is None else cache / _NOTES / f"{hashlib.sha256(name.encode()).hexdigest()[:24]}.json"


def key_of(fingerprints: Sequence[str], symbols: Sequence[Sequence[str]], start_ns: int) -> str:
    """Return the name of what is aligned from tapes of these fingerprints, in the venues' order, and their symbols."""
    parts = msgspec.json.encode([_VERSION, list(fingerprints), list(symbols), start_ns])
    return hashlib.sha256(parts).hexdigest()[:24]


def bytes_for(rows: int, venues: int) -> int:
    """Return about how many bytes aligned rows take."""
    return rows * (37 + 20 * venues)


def load(folder: Path) -> tuple[dict[str, QuoteColumns], list[VenueTimes]] | None:
    """Map what is kept in a folder; ``None`` if there is nothing that can be used."""
    import numpy as np

    manifest = _manifest(folder)
    if manifest is None:
        return None
    try:
        # As a plain array: cutting columns out of a memmap takes ten times as long.
        data = np.asarray(np.memmap(folder / "columns.bin", np.uint8, "r") if manifest.size else np.empty(0, np.uint8))
    except (OSError, ValueError):
        return None
    if data.nbytes != manifest.size:
        return None
    columns = {
        name: QuoteColumns(
            [_block(data, block, len(manifest.venues)) for block in symbol.blocks],
            Refused(*_read(data, symbol.refused_offset, [("i8", (symbol.refused,)), ("i8", (symbol.refused,))])),
        )
        for name, symbol in manifest.symbols.items()
    }
    times = [VenueTimes(one.last, one.first_ns, one.newest_ns, one.silences) for one in manifest.times]
    return columns, times


class Writer:
    """Writes aligned quotes into a folder that is still being made."""

    def __init__(self, folder: Path, venues: Sequence[str], sources: Sequence[str], symbols: Sequence[str]) -> None:
        self._folder = folder
        self._venues = list(venues)
        self._sources = list(sources)
        self._blocks: dict[str, list[_Block]] = {symbol: [] for symbol in symbols}
        self._refused: dict[str, list[Refused]] = {symbol: [] for symbol in symbols}
        self._file: BinaryIO = (folder / "columns.bin").open("wb")

    def add(self, one: Aligned) -> None:
        """Write a block.

        Raises:
            OSError: it can't be written.
        """
        if one.refused is not None:
            self._refused[one.symbol].append(one.refused)
        if one.block is not None:
            block = one.block
            offset = self._write([getattr(block, name) for name, _ in _layout(len(block), len(self._venues))])
            self._blocks[one.symbol].append(_Block(offset, len(block), block.first, block.oldest_ns, block.best_ratio))

    def close(self, times: Sequence[VenueTimes]) -> None:
        """Write what is left, and last the manifest."""
        symbols = {}
        for symbol, parts in self._refused.items():
            offset = self._write([part.ts_ns for part in parts]) if parts else self._file.tell()
            for part in parts:
                self._file.write(part.rank.tobytes())
            symbols[symbol] = _Symbol(self._blocks[symbol], offset, sum(len(part.ts_ns) for part in parts))
        size = self._file.tell()
        self._file.flush()
        # After a power loss a file may have its size, but not what was in it; that would go unnoticed.
        os.fsync(self._file.fileno())
        self._file.close()
        manifest = _Manifest(
            version=_VERSION,
            size=size,
            venues=self._venues,
            sources=self._sources,
            symbols=symbols,
            times=[_Times(one.last, one.first_ns, one.newest_ns, one.silences) for one in times],
        )
        (self._folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))

    def abandon(self) -> None:
        self._file.close()

    def _write(self, arrays: Sequence[Any]) -> int:
        self._file.write(bytes(-self._file.tell() % _ALIGNMENT))
        offset = self._file.tell()
        for array in arrays:
            self._file.write(memoryview(array.reshape(-1)).cast("B"))
        return offset


@contextmanager
def save(
    folder: Path, *, venues: Sequence[str], sources: Sequence[str], symbols: Sequence[str], rows: int
) -> Iterator[Writer]:
    """Make a folder; it is there as a whole once the ``with`` block is left without an error.

    Raises:
        StoreError: the place can't be written, or the disk has too little room for so many ``rows``.
    """
    needed = bytes_for(rows, len(venues)) + _RESERVE_BYTES
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _clean(folder.parent)
        free = shutil.disk_usage(folder.parent).free
        if free < needed:
            raise StoreError(f"{folder.parent} has {free >> 20:,} MB free; {needed >> 20:,} MB are needed")
        building = Path(tempfile.mkdtemp(prefix=f"{_BUILDING}{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise StoreError(f"{folder.parent} can't be written: {error.strerror or error}") from error
    lock = os.open(building, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        writer = Writer(building, venues, sources, symbols)
        try:
            yield writer
        finally:
            writer.abandon()
        if folder.exists() and _manifest(folder) is None:
            shutil.rmtree(folder, ignore_errors=True)
        try:
            os.rename(building, folder)
        except OSError:
            if _manifest(folder) is None:  # else another process was faster
                raise
    except OSError as error:
        raise StoreError(f"{folder.parent} can't be written: {error.strerror or error}") from error
    finally:
        os.close(lock)
        shutil.rmtree(building, ignore_errors=True)


class CacheEntry(msgspec.Struct, frozen=True):
    """What is kept in a folder of the cache. ``rows`` of a folder that can't be used are absent."""

    folder: Path
    size: int
    rows: int | None
    symbols: int
    venues: list[str]
    sources: list[str]


def entries(cache: Path) -> list[CacheEntry]:
    """Return what the cache holds, the latest first."""
    try:
        folders = [one for one in cache.iterdir() if one.is_dir() and one.name != _NOTES]
        folders.sort(key=lambda one: one.stat().st_mtime, reverse=True)
    except OSError:
        return []
    return [_entry(folder) for folder in folders]


def remove(entry: CacheEntry) -> bool:
    """Delete a folder of the cache, unless a process is making it; return whether it is gone."""
    with _held(entry.folder) as is_free:
        if is_free:
            shutil.rmtree(entry.folder, ignore_errors=True)
    return not entry.folder.exists()


def forget() -> None:
    """Delete what was found out about single files."""
    cache = root()
    if cache is not None:
        shutil.rmtree(cache / _NOTES, ignore_errors=True)


def _entry(folder: Path) -> CacheEntry:
    manifest = _manifest(folder)
    size = sum(one.stat().st_size for one in folder.iterdir())
    if manifest is None:
        return CacheEntry(folder, size, None, 0, [], [])
    return CacheEntry(folder, size, manifest.rows, len(manifest.symbols), manifest.venues, manifest.sources)


def _manifest(folder: Path) -> _Manifest | None:
    try:
        manifest = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=_Manifest)
        is_whole = (folder / "columns.bin").stat().st_size == manifest.size
    except (OSError, msgspec.MsgspecError):
        return None
    return manifest if is_whole and manifest.version == _VERSION else None


def _clean(cache: Path) -> None:
    """Delete folders that no process makes any more."""
    for folder in cache.glob(f"{_BUILDING}*"):
        with _held(folder) as is_free:
            if is_free:
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Hold a folder that is being made; yield whether nobody else does."""
    try:
        lock = os.open(folder, os.O_RDONLY)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(lock)


def _layout(rows: int, venues: int) -> list[tuple[str, tuple[str, tuple[int, ...]]]]:
    """Return the columns of a block, in their order in the file, with type and shape."""
    flat, wide = (rows,), (venues, rows)
    return [
        ("ts_ns", ("i8", flat)),
        ("rank", ("i8", flat)),
        ("bid", ("f8", wide)),
        ("ask", ("f8", wide)),
        ("bid_size", ("f8", flat)),
        ("ask_size", ("f8", flat)),
        ("latest", ("i4", wide)),
        ("number", ("i4", flat)),
        ("venue", ("u1", flat)),
    ]


def _read(data: Any, offset: int, layout: Sequence[tuple[str, tuple[int, ...]]]) -> Iterator[Any]:
    import numpy as np

    for kind, shape in layout:
        dtype = np.dtype(kind)
        size = dtype.itemsize * prod(shape)
        yield data[offset : offset + size].view(dtype).reshape(shape)
        offset += size


def _block(data: Any, block: _Block, venues: int) -> QuoteBlock:
    layout = _layout(block.rows, venues)
    arrays: Mapping[str, Any] = dict(
        zip((name for name, _ in layout), _read(data, block.offset, [one for _, one in layout]), strict=True)
    )
    return QuoteBlock(first=block.first, oldest_ns=block.oldest_ns, best_ratio=block.best_ratio, **arrays)
