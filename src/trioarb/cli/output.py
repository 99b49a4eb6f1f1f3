"""Files that a run writes for other programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from trioarb.errors import CampaignError, ConfigError
from trioarb.journal.log import kind_of
from trioarb.report.visible import escaped
from trioarb.settings.problem import Problem

__all__ = ["EventsFile", "abandon", "check_outputs", "print_json", "write_json", "write_text"]


class EventsFile:
    """A second place for a journal's lines.

    The file is opened for the first of them: a campaign that never began leaves the last one's file alone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    def write(self, lines: bytes) -> None:
        """Hand lines to the system.

        Raises:
            CampaignError: they can't be written; says which file and why.
        """
        try:
            if self._file is None:
                self._file = self._path.open("wb", buffering=0)
            while lines:
                lines = lines[self._file.write(lines) :]
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Close the file.

        Raises:
            CampaignError: it can't be written; says which file and why.
        """
        try:
            if self._file is not None:
                self._file.close()
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> CampaignError:
        return CampaignError(f"{self._path}: events can't be written: {error.strerror or error}")


def abandon(stream: TextIO) -> None:
    """Write no more to a stdout or stderr that nobody reads; Python would complain when it flushes it at the end."""
    with suppress(OSError, ValueError):  # it is closed, or no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def print_json(value: Any) -> None:
    """Print a value for another program; to a stream that isn't UTF-8 in ASCII."""
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    print(escaped(json.dumps(value, indent=2, ensure_ascii=not is_utf8)))


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file as `write_text` does.

    Raises:
        OSError: it can't be written.
    """
    write_text(path, escaped(json.dumps(value, indent=2, ensure_ascii=False)) + "\n")


def write_text(path: Path, text: str, *, mode: int = 0o666) -> None:
    """Write a file in one step: whoever reads it sees the old one or the new one, whole.

    What is no file, such as a device or a pipe, is written to, and stays what it is. ``mode`` is that of a new file.

    Raises:
        OSError: it can't be written.
    """
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
        with os.fdopen(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def check_outputs(outputs: Mapping[str, Path | None], *, inputs: Sequence[Path]) -> None:
    """Complain before the campaign, not after it, about files that can't be written or would spoil each other.

    ``outputs`` are the paths by their flags.

    Raises:
        ConfigError: with every problem.
    """
    taken = {path.resolve(): str(path) for path in inputs}
    problems: list[Problem] = []
    for flag, path in outputs.items():
        if path is None:
            continue
        why = _not_writable(path)
        if not why and path.resolve() in taken and not path.is_char_device():
            why = "is in use for something else; give another file"
        if not why and path.is_file() and kind_of(path):
            why = "is a journal or a venue's memory, which would be lost; give another file"
        if why:
            problems.append(Problem(file=flag, message=why, value=str(path)))
        taken[path.resolve()] = flag
    if problems:
        raise ConfigError(problems)


def _not_writable(path: Path) -> str:
    if path.is_dir():
        return "is a folder; give a file"
    if not path.parent.is_dir():
        return "there is no such folder; make it first"
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        return "can't be written; choose another place"
    return ""
