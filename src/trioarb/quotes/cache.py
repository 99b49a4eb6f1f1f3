"""Aligned quotes kept on disk, so that the next replay of the same data need not align them again.

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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec
import structlog

from trioarb.errors import TrioarbError
from trioarb.quotes.cache_folder import (
    BUILDING,
    COLUMNS_FILE,
    MADE_BY,
    VERSION,
    Block,
    Manifest,
    Symbol,
    Times,
    clean,
    delete,
    mark,
    read_note,
    whole_manifest,
    write_manifest,
    write_note,
)
from trioarb.quotes.columns import QuoteBlock, QuoteColumns, Refused, VenueTimes

if TYPE_CHECKING:
    from trioarb.quotes.align import Aligned

__all__ = ["StoreError", "Writer", "bytes_for", "key_of", "load", "save"]

_ALIGNMENT = 64
_PAGE_BYTES = 4_096
#: What was verified so short a while ago is not verified again, unless the file was written to since.
_VERIFIED_NS = 86_400 * 10**9
#: So much is left free on the disk.
_RESERVE_BYTES = 256 << 20


class StoreError(TrioarbError):
    """Aligned quotes can't be kept. A replay goes on without."""


def key_of(fingerprints: Sequence[str], symbols: Sequence[Sequence[str]], start_ns: int) -> str:
    """Return the name of what is aligned from tapes of these fingerprints, in the venues' order, and their symbols."""
    parts = msgspec.json.encode([VERSION, list(fingerprints), list(symbols), start_ns])
    return hashlib.sha256(parts).hexdigest()[:24]


def bytes_for(rows: int, venues: int) -> int:
    """Return about how many bytes aligned rows take."""
    return rows * (37 + 20 * venues)


def load(folder: Path) -> tuple[dict[str, QuoteColumns], list[VenueTimes]] | None:
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
    columns = {
        name: QuoteColumns(
            [_block(data, block, len(manifest.venues)) for block in symbol.blocks],
            Refused(*_read(data, symbol.refused_offset, [("i8", (symbol.refused,)), ("i8", (symbol.refused,))])),
        )
        for name, symbol in manifest.symbols.items()
    }
    times = [VenueTimes(one.last, one.first_ns, one.newest_ns, one.silences) for one in manifest.times]
    return columns, times


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
    """Writes aligned quotes into a folder that is still being made."""

    def __init__(self, folder: Path, venues: Sequence[str], sources: Sequence[str], symbols: Sequence[str]) -> None:
        self._folder = folder
        self._venues = list(venues)
        self._sources = list(sources)
        self._blocks: dict[str, list[Block]] = {symbol: [] for symbol in symbols}
        self._refused: dict[str, list[Refused]] = {symbol: [] for symbol in symbols}
        self._file: BinaryIO = (folder / COLUMNS_FILE).open("wb")

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
            self._blocks[one.symbol].append(Block(offset, len(block), block.first, block.oldest_ns, block.best_ratio))

    def close(self, times: Sequence[VenueTimes]) -> None:
        """Write what is left, and last the manifest."""
        symbols = {}
        for symbol, parts in self._refused.items():
            offset = self._write([part.ts_ns for part in parts]) if parts else self._file.tell()
            for part in parts:
                self._file.write(part.rank.tobytes())
            symbols[symbol] = Symbol(self._blocks[symbol], offset, sum(len(part.ts_ns) for part in parts))
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
            symbols=symbols,
            times=[Times(one.last, one.first_ns, one.newest_ns, one.silences) for one in times],
        )
        write_manifest(self._folder, manifest)

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


def _block(data: Any, block: Block, venues: int) -> QuoteBlock:
    layout = _layout(block.rows, venues)
    arrays: Mapping[str, Any] = dict(
        zip((name for name, _ in layout), _read(data, block.offset, [one for _, one in layout]), strict=True)
    )
    return QuoteBlock(first=block.first, oldest_ns=block.oldest_ns, best_ratio=block.best_ratio, **arrays)
