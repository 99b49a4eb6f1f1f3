"""What a paper venue remembers beyond its process, so that it can be asked after a crash as a real venue can."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import msgspec

from trioarb.api import Order, OrderReport, VenueError

__all__ = ["Executed", "Granted", "Line", "Opened", "PaperState"]


class Opened(msgspec.Struct, tag="opened", frozen=True):
    """The first line: what the account held."""

    venue: str
    balances: Mapping[str, Decimal]


class Granted(msgspec.Struct, tag="granted", frozen=True):
    """Inventory that was granted at a symbol's first quote."""

    symbol: str
    asset: str
    amount: Decimal


class Executed(msgspec.Struct, tag="executed", frozen=True):
    """An order that arrived, and what became of it. ``base`` and ``quote`` are the assets of its symbol."""

    ts_ns: int
    order: Order
    base: str
    quote: str
    report: OrderReport


Line = Opened | Granted | Executed


class PaperState:
    """JSON Lines, handed to the system line by line before the venue answers: a killed process loses none.

    They are not forced to the disk: after a power loss the last lines may be missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._encoder = msgspec.json.Encoder()
        self._file = -1
        self._unwritten = b""

    def create(self, opened: Opened) -> None:
        """Begin a new file.

        Raises:
            VenueError: there is one already, or it can't be made.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        except FileExistsError:
            raise VenueError(
                f"{self._path} holds the state of an earlier paper venue; resume its journal, or choose another one"
            ) from None
        except OSError as error:
            raise self._failed("made", error) from None
        self.append(opened)

    def resume(self) -> Iterator[Line]:
        """Yield what it holds, and go on after it. A last line that was cut off is removed.

        Raises:
            VenueError: there is none, or it is damaged.
        """
        try:
            data = self._path.read_bytes()
            self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
            whole = data.rfind(b"\n") + 1
            if whole < len(data):
                os.ftruncate(self._file, whole)
        except OSError as error:
            raise self._failed("read", error) from None
        decoder = msgspec.json.Decoder(Line)
        for number, line in enumerate(data[:whole].splitlines(), 1):
            try:
                yield decoder.decode(line)
            except msgspec.MsgspecError as error:
                raise VenueError(f"{self._path}: line {number} can't be read: {error}") from None

    def append(self, line: Line) -> None:
        """Write a line. What can't be written now is kept, and tried again with the next."""
        self._unwritten += self._encoder.encode(line) + b"\n"
        # If it stays like this, `close` says so.
        with suppress(OSError):
            self._write()

    def close(self) -> None:
        """Write what is left, and close.

        Raises:
            VenueError: it can't be written.
        """
        if self._file < 0:
            return
        try:
            self._write()
        except OSError as error:
            raise self._failed("written", error) from None
        finally:
            os.close(self._file)
            self._file = -1

    def _write(self) -> None:
        while self._unwritten:
            written = os.write(self._file, self._unwritten)
            self._unwritten = self._unwritten[written:]

    def _failed(self, what: str, error: OSError) -> VenueError:
        return VenueError(f"{self._path} can't be {what}: {error.strerror or error}")
