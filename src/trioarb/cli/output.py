"""Files that a run writes for other programs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trioarb.errors import ConfigError
from trioarb.model.event import Record, to_json_object
from trioarb.settings.problem import Problem

__all__ = ["EventsFile", "check_writable", "print_json", "write_json"]


class EventsFile:
    """JSON Lines, one campaign event a line. With ``flush`` every line is handed to the system at once."""

    def __init__(self, path: Path, *, flush: bool) -> None:
        try:
            self._file = path.open("w", encoding="utf-8")
        except OSError as error:
            raise _not_writable(path, "--events", error) from None
        self._flush = flush

    def observe(self, record: Record) -> None:
        """Write one record.

        Raises:
            OSError: it can't be written.
        """
        self._file.write(json.dumps(to_json_object(record), separators=(",", ":"), ensure_ascii=False) + "\n")
        if self._flush:
            self._file.flush()

    def close(self) -> None:
        """Write what is still buffered, and close.

        Raises:
            OSError: it can't be written.
        """
        self._file.close()


def print_json(value: Any) -> None:
    """Print a value for another program."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file in one step: whoever reads it sees the old one or the new one, whole.

    Raises:
        OSError: it can't be written.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def check_writable(path: Path | None, flag: str) -> None:
    """Complain before the campaign, not after it, about a file that can't be written.

    Raises:
        ConfigError: the folder is missing or not writable, or the path is a folder.
    """
    if path is None:
        return
    if path.is_dir():
        raise ConfigError([Problem(file=flag, message="is a folder; give a file", value=str(path))])
    if not path.parent.is_dir():
        raise ConfigError([Problem(file=flag, message="no such folder; make it first", value=str(path.parent))])
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ConfigError([Problem(file=flag, message="can't be written; choose another place", value=str(path))])


def _not_writable(path: Path, flag: str, error: OSError) -> ConfigError:
    return ConfigError([Problem(file=flag, message=f"can't be written ({error.strerror})", value=str(path))])
