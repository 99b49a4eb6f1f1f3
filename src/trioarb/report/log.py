"""The log: a readable console, and a file of JSON lines for each run."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Self

import structlog
from structlog.typing import EventDict, WrappedLogger

from trioarb.config.schema import LogLevel
from trioarb.errors import ConfigError, cut, describe
from trioarb.report.console import LastingConsole
from trioarb.report.visible import escaped, in_line
from trioarb.settings.problem import Problem
from trioarb.settings.redact import Redactor

__all__ = ["LogFile", "configure_logging"]

_STYLES = {"debug": "dim", "info": "", "warning": "yellow", "error": "red"}


class LogFile:
    """One run's log file, ``NAME_YYYYMMDD_HHMMSS.jsonl``.

    A disk that is full must not stop a campaign from closing its positions: lines that can't be written are counted
    and the run goes on; `describe` says how many are missing.
    """

    def __init__(self, folder: Path, name: str, *, started: float) -> None:
        stamp = datetime.fromtimestamp(started, UTC).strftime("%Y%m%d_%H%M%S")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.path, self._file = _create(folder, f"{name}_{stamp}")
        except OSError as error:
            raise ConfigError(
                [
                    Problem(
                        file="--log-dir",
                        message=f"log files can't be written here ({error.strerror}); choose another folder",
                        value=str(folder),
                    )
                ]
            ) from None
        self._lost = 0
        self._reason = ""

    def write(self, row: EventDict) -> bool:
        """Append a line. Return False at the first one that can't be written, for a warning on the console."""
        if self._lost:
            self._lost += 1
            return True
        try:
            self._file.write(escaped(json.dumps(row, default=str, ensure_ascii=False)) + "\n")
            self._file.flush()
        except OSError as error:
            self._lost, self._reason = 1, error.strerror or str(error)
            return False
        return True

    def describe(self) -> str:
        """Return the path, and what is missing."""
        return f"{self.path} (incomplete: {self._lost} lines lost, {self._reason})" if self._lost else str(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._file.close()
        except OSError as error:
            self._lost, self._reason = self._lost + 1, error.strerror or str(error)


def configure_logging(level: LogLevel, console: LastingConsole, file: LogFile | None, redactor: Redactor) -> None:
    """Send what is logged from now on, from ``level`` up, to the console and to the file; without secrets."""

    def to_file(_: WrappedLogger, __: str, row: EventDict) -> EventDict:
        error, full = row.pop("exc_info", None), row
        if isinstance(error, BaseException):
            row["error"] = describe(error)
            full = {**row, "traceback": "\n".join(map(cut, "".join(traceback.format_exception(error)).split("\n")))}
        if file is not None and not file.write(redactor.value(full)):
            console.say(f"the log file can't be written: {file.describe()}", style="red")
        return dict(redactor.value(row))

    def to_console(_: WrappedLogger, method: str, row: EventDict) -> tuple[tuple[str, str], dict[str, object]]:
        time = str(row.pop("time"))[11:19]
        row.pop("level", None)
        message = row.pop("event")
        details = " ".join(f"{key}={value}" for key, value in row.items())
        style = _STYLES.get(method, "red")
        line = f"{time} {method:<7} {message}" + (f"  {details}" if details else "")
        return (in_line(line), style), {}

    structlog.configure(
        processors=[
            _exception_in_flight,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            to_file,
            to_console,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.value)),
        logger_factory=lambda *_: _ConsoleLogger(console),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, _FromLogging)]:
        root.removeHandler(handler)
    root.addHandler(_FromLogging(logging.WARNING))


class _FromLogging(logging.Handler):
    """Hands warnings of Python's `logging`, which HTTP libraries use, to this log: they may hold secrets, too."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            said = record.getMessage()
        except Exception:  # its arguments don't fit
            said = str(record.msg)
        log = structlog.get_logger()
        say = log.error if record.levelno >= logging.ERROR else log.warning
        say(said, logger=record.name, exc_info=record.exc_info[1] if record.exc_info else None)


class _ConsoleLogger:
    """What structlog hands its rendered lines to."""

    def __init__(self, console: LastingConsole) -> None:
        self._console = console

    def msg(self, line: str, style: str) -> None:
        self._console.say(line, style=style)

    debug = info = warning = error = critical = msg


def _exception_in_flight(_: WrappedLogger, __: str, row: EventDict) -> EventDict:
    """Replace ``exc_info=True`` by the exception that is being handled."""
    if row.get("exc_info") is True:
        row["exc_info"] = sys.exception()
    return row


def _create(folder: Path, name: str) -> tuple[Path, IO[str]]:
    """Create a new file; two runs that start in the same second get two files."""
    number = 1
    while True:
        path = folder / (f"{name}.jsonl" if number == 1 else f"{name}_{number}.jsonl")
        try:
            return path, path.open("x", encoding="utf-8")
        except FileExistsError:
            number += 1
