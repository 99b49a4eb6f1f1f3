"""What a paper venue remembers, beyond its process too: so that it can be asked after a crash as a real venue can."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import msgspec

from trioarb.api import Order, OrderReport, VenueError

__all__ = ["Executed", "Granted", "Held", "Line", "Opened", "PaperState"]

#: After so many orders all balances are written down, so that not every order has to be added up again.
_HELD_EVERY = 1_000


class Opened(msgspec.Struct, tag="opened", frozen=True):
    """The first line: what the account held."""

    venue: str
    balances: Mapping[str, Decimal]


class Granted(msgspec.Struct, tag="granted", frozen=True):
    """Inventory that was granted at a symbol's first quote."""

    symbol: str
    asset: str
    amount: Decimal


class Held(msgspec.Struct, tag="held", frozen=True):
    """All that the account held at this place."""

    balances: Mapping[str, Decimal]


class Executed(msgspec.Struct, tag="executed", frozen=True):
    """An order that arrived, and what became of it. ``base`` and ``quote`` are the assets of its symbol."""

    ts_ns: int
    order: Order
    base: str
    quote: str
    report: OrderReport


Line = Opened | Granted | Held | Executed

_TAG = b'{"type":"%s"'
_EXECUTED, _HELD = _TAG % b"executed", _TAG % b"held"


class _Name(msgspec.Struct):
    client_order_id: str


class _Named(msgspec.Struct):
    """An `Executed` of which nothing is wanted but its name and time."""

    ts_ns: int
    order: _Name


class PaperState:
    """The orders that arrived at a venue. With a path, also JSON Lines of all that happened there.

    A line is handed to the system before the venue answers: a killed process loses none. They are not forced to the
    disk: after a power loss the last lines may be missing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(Line)
        self._file = -1
        self._unwritten = b""
        #: Those of an earlier process as their lines.
        self._orders: dict[str, Executed | bytes] = {}
        self._arrived_ns: dict[str, int] = {}

    def __len__(self) -> int:
        """Return how many orders arrived."""
        return len(self._orders)

    def __contains__(self, client_order_id: str) -> bool:
        return client_order_id in self._orders

    def find(self, client_order_id: str) -> Executed | None:
        """Return an order that arrived."""
        stored = self._orders.get(client_order_id)
        return None if stored is None else self._read(stored)

    def since(self, ts_ns: int) -> Sequence[Executed]:
        """Return the orders that arrived then or later."""
        return [self._read(self._orders[name]) for name, arrived_ns in self._arrived_ns.items() if arrived_ns >= ts_ns]

    def add(self, executed: Executed, balances: Mapping[str, Decimal]) -> None:
        """Remember an order, after which the account holds ``balances``."""
        self._orders[executed.order.client_order_id] = executed
        self._arrived_ns[executed.order.client_order_id] = executed.ts_ns
        self.append(executed)
        if len(self._orders) % _HELD_EVERY == 0:
            self.append(Held(balances=balances))

    def create(self, opened: Opened) -> None:
        """Begin a new file, if there is to be one.

        Raises:
            VenueError: there is one already, or it can't be made.
        """
        if self._path is None:
            return
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
        """Take up the orders of the file, and go on after it; yield what changed the balances since they were held.

        Inventory that was granted is yielded from the file's start on. A last line that was cut off is removed.

        Raises:
            VenueError: there is none, or it is damaged.
        """
        if self._path is None:
            return
        try:
            data = self._path.read_bytes()
            self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
            whole = data.rfind(b"\n") + 1
            if whole < len(data):
                os.ftruncate(self._file, whole)
        except OSError as error:
            raise self._failed("read", error) from None
        lines = data[:whole].splitlines()
        held = max((place for place, line in enumerate(lines) if line.startswith(_HELD)), default=0)
        named = msgspec.json.Decoder(_Named)
        for place, line in enumerate(lines):
            try:
                if line.startswith(_EXECUTED):
                    executed = named.decode(line)
                    self._orders[executed.order.client_order_id] = line
                    self._arrived_ns[executed.order.client_order_id] = executed.ts_ns
                    if place < held:
                        continue
                yield self._decoder.decode(line)
            except msgspec.MsgspecError as error:
                raise VenueError(f"{self._path}: line {place + 1} can't be read: {error}") from None

    def _read(self, stored: Executed | bytes) -> Executed:
        if isinstance(stored, bytes):
            try:
                line = self._decoder.decode(stored)
            except msgspec.MsgspecError as error:
                raise VenueError(f"{self._path}: the line {stored!r} can't be read: {error}") from None
            assert isinstance(line, Executed)
            return line
        return stored

    def append(self, line: Line) -> None:
        """Write a line. What can't be written now is kept, and tried again with the next."""
        if self._path is None:
            return
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
