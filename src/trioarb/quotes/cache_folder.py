"""The folder of the cache: what in it is ours, what that holds, and how it is deleted.

Everything of ours says so in its first bytes: a note, and the ``manifest.json`` of a set of aligned quotes, which is
there from the moment its folder is. Whatever doesn't say so belongs to somebody else, is not listed, and is never
deleted.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import msgspec

__all__ = [
    "BUILDING",
    "COLUMNS_FILE",
    "MADE_BY",
    "CacheEntry",
    "Manifest",
    "Place",
    "clean",
    "delete",
    "entries",
    "forget",
    "mark",
    "read_note",
    "remove",
    "root",
    "whole_manifest",
    "write_manifest",
    "write_note",
]

T = TypeVar("T")

#: Changes with the layout; what was written with another one is not read.
VERSION = 5
MADE_BY = "trioarb: aligned quotes"
_MANIFEST_HEAD = b'{"made_by":"trioarb: aligned quotes"'
COLUMNS_FILE = "columns.bin"
BUILDING = ".building-"
_MANIFEST_FILE, _UNFINISHED_FILE = "manifest.json", "manifest.building"
_ENVIRONMENT = "TRIOARB_CACHE_DIR"
#: Below the cache: what was found out about single files.
_NOTES = "notes"
_NOTE_NAME = re.compile(r"[0-9a-f]{24}\.(json|[0-9]+)")
_NOTE_HEAD = b'{"made_by":"trioarb: a note","value":'


class Place(msgspec.Struct, array_like=True, frozen=True):
    """Where a window is in the file, and how large it is: rows, present symbols, first quotes, levels beyond the best
    (0 if it has none).
    """

    offset: int
    rows: int
    present: int
    firsts: int
    levels: int
    is_all_accepted: bool
    ended: list[tuple[int, int]]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is where in a set. While it is being made there are no windows, and ``is_whole`` is false."""

    made_by: str
    version: int = VERSION
    is_whole: bool = False
    size: int = 0
    checksum: str = ""
    venues: list[str] = []
    sources: list[str] = []
    symbols: list[str] = []
    windows: list[Place] = []

    @property
    def rows(self) -> int:
        return sum(window.rows for window in self.windows)


def root() -> Path | None:
    """Return the folder of the cache: ``$TRIOARB_CACHE_DIR``, else the user's; ``None`` if that is set, but empty, or
    the user has no home.
    """
    named = os.environ.get(_ENVIRONMENT)
    if named is not None:
        return Path(named) if named else None
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "trioarb" / "aligned"
    except RuntimeError:  # a user that the system doesn't know, without HOME
        return None


def read_note(name: str, kind: type[T]) -> T | None:
    """Return what was noted under a name, which says all that it depends on; ``None`` if nothing can be read."""
    path = _note(name)
    with suppress(OSError, msgspec.MsgspecError):
        if path is not None:
            data = path.read_bytes()
            if data.startswith(_NOTE_HEAD) and data.endswith(b"}"):
                return msgspec.json.decode(data[len(_NOTE_HEAD) : -1], type=kind)
    return None


def write_note(name: str, value: object) -> None:
    """Note something under a name, where that can be done."""
    path = _note(name)
    if path is None:
        return
    building = path.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        building.write_bytes(_NOTE_HEAD + msgspec.json.encode(value) + b"}")
        building.replace(path)


def forget() -> None:
    """Delete all notes."""
    cache = root()
    if cache is None:
        return
    with suppress(OSError):
        for path in (cache / _NOTES).iterdir():
            is_named_so = _NOTE_NAME.fullmatch(path.name) and path.is_file() and not path.is_symlink()
            if is_named_so and _begins_with(path, _NOTE_HEAD):
                path.unlink()
        (cache / _NOTES).rmdir()  # fails where anything else is in it


class CacheEntry(msgspec.Struct, frozen=True):
    """A set of quotes in the cache. ``rows`` of a set that can't be used are absent."""

    folder: Path
    size: int
    rows: int | None
    symbols: int
    venues: list[str]
    sources: list[str]


def entries(cache: Path) -> list[CacheEntry]:
    """Return the sets that the cache holds, the latest first."""
    try:
        folders = [one for one in cache.iterdir() if _is_ours(one)]
        folders.sort(key=lambda one: one.stat().st_mtime, reverse=True)
    except OSError:
        return []
    return [_entry(folder) for folder in folders]


def remove(entry: CacheEntry) -> bool:
    """Delete a set, unless a process is making it; return whether it is gone."""
    with _held(entry.folder) as is_free:
        if is_free:
            delete(entry.folder)
    return not entry.folder.exists()


def delete(folder: Path) -> None:
    """Delete what we put into a folder of ours, and the folder, if nothing else is in it."""
    if not _is_ours(folder):
        return
    with suppress(OSError):
        for name in (COLUMNS_FILE, _UNFINISHED_FILE):
            (folder / name).unlink(missing_ok=True)
        # Last: whatever stops this, what is there stays ours.
        (folder / _MANIFEST_FILE).unlink()
        folder.rmdir()


def clean(cache: Path) -> None:
    """Delete sets that a process was making, and doesn't make any more."""
    for folder in cache.glob(f"{BUILDING}*"):
        with _held(folder) as is_free:
            if is_free:
                delete(folder)


def mark(folder: Path) -> None:
    """Make a new folder ours."""
    write_manifest(folder, Manifest(made_by=MADE_BY))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    building = folder / _UNFINISHED_FILE
    with building.open("wb") as file:
        encoded = msgspec.json.encode(manifest)
        file.write(encoded + b"\n" + _digest(encoded))
        file.flush()
        # After a power loss a file may have its size, but not what was in it.
        os.fsync(file.fileno())
    building.replace(folder / _MANIFEST_FILE)


def whole_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of a set that can be used."""
    try:
        if not _is_ours(folder):
            return None
        encoded, _, digest = (folder / _MANIFEST_FILE).read_bytes().rpartition(b"\n")
        if _digest(encoded) != digest:
            return None
        manifest = msgspec.json.decode(encoded, type=Manifest)
        has_size = (folder / COLUMNS_FILE).stat().st_size == manifest.size
    except (OSError, msgspec.MsgspecError):
        return None
    return manifest if manifest.is_whole and has_size and manifest.version == VERSION else None


def _digest(encoded: bytes) -> bytes:
    return hashlib.blake2b(encoded, digest_size=16).hexdigest().encode()


def _is_ours(folder: Path) -> bool:
    manifest = folder / _MANIFEST_FILE
    if folder.is_symlink() or manifest.is_symlink() or not manifest.is_file():
        return False
    try:
        return _begins_with(manifest, _MANIFEST_HEAD)
    except OSError:
        return False


def _begins_with(path: Path, head: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(head)) == head


def _entry(folder: Path) -> CacheEntry:
    manifest = whole_manifest(folder)
    size = 0
    for name in (COLUMNS_FILE, _MANIFEST_FILE):
        with suppress(OSError):
            size += (folder / name).stat().st_size
    if manifest is None:
        return CacheEntry(folder, size, None, 0, [], [])
    return CacheEntry(folder, size, manifest.rows, len(manifest.symbols), manifest.venues, manifest.sources)


def _note(name: str) -> Path | None:
    cache = root()
    return None if cache is None else cache / _NOTES / f"{hashlib.sha256(name.encode()).hexdigest()[:24]}.json"


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
