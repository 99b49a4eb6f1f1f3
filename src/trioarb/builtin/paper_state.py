"""What a paper venue remembers, beyond its process too: so that it can be asked after a crash as a real venue can."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal
from itertools import chain
from pathlib import Path

import msgspec
from msgspec import structs

from trioarb.api import (
    Charge,
    Fill,
    Liquidation,
    Log,
    LogReader,
    Order,
    OrderReport,
    OrderStatus,
    SeenIds,
    Side,
    TrioarbError,
    VenueError,
)
from trioarb.builtin.paper_transfers import Moved

__all__ = ["Charged", "Executed", "Granted", "Held", "Line", "Liquidated", "Opened", "PaperState", "Rested"]

#: After so many orders all balances are written down, so that not every order has to be added up again.
_HELD_EVERY = 1_000
#: So many of the latest orders are in memory.
_RECENT = 1_000


class Opened(msgspec.Struct, frozen=True):
    """The header: what the account held."""

    venue: str
    balances: Mapping[str, Decimal]


class Granted(msgspec.Struct, tag="granted", frozen=True):
    """Inventory that was granted at a symbol's first quote."""

    symbol: str
    asset: str
    amount: Decimal


class Charged(msgspec.Struct, tag="charged", frozen=True):
    """What the venue booked by itself."""

    charge: Charge


class Liquidated(msgspec.Struct, tag="liquidated", frozen=True):
    """Contracts that the venue closed by force. ``base`` and ``quote`` are the assets of their symbol."""

    liquidation: Liquidation
    base: str
    quote: str


class Held(msgspec.Struct, tag="held", frozen=True, omit_defaults=True):
    """All that the account held at this place; of contracts, by symbol, how many and what they cost."""

    balances: Mapping[str, Decimal]
    contracts: Mapping[str, tuple[Decimal, Decimal]] = {}


class Executed(msgspec.Struct, tag="executed", frozen=True):
    """An order that arrived, and what became of it. ``base`` and ``quote`` are the assets of its symbol."""

    ts_ns: int
    order: Order
    base: str
    quote: str
    report: OrderReport


class Rested(msgspec.Struct, tag="rested", frozen=True, kw_only=True, omit_defaults=True):
    """What became of an order that rested: more fills, and its status after them."""

    ts_ns: int
    client_order_id: str
    side: Side
    base: str
    quote: str
    fills: tuple[Fill, ...]
    status: OrderStatus
    symbol: str = ""


Line = Granted | Charged | Liquidated | Held | Executed | Rested | Moved

_KIND = "trioarb_paper"
_NOUN = "paper venue's memory"
_TAG = b'{"type":"%s"'
_EXECUTED, _HELD, _RESTED = _TAG % b"executed", _TAG % b"held", _TAG % b"rested"


class _Name(msgspec.Struct):
    client_order_id: str


class _Status(msgspec.Struct):
    status: OrderStatus


class _Named(msgspec.Struct):
    """An `Executed` of which nothing is wanted but its name, and whether it rests."""

    order: _Name
    report: _Status


class PaperState:
    """The orders that arrived at a venue. With a path, also a log of all that happened there.

    A line is handed to the system before the venue answers: a killed process loses none. They are not forced to the
    disk: after a power loss the last lines may be missing. The latest orders are in memory too, older ones are read
    from the log again when somebody asks for them; without a path all stay in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(Line)
        self._log: Log | None = None
        self._count = 0
        self._arrived = SeenIds()
        #: The latest ones; those of an earlier process as their lines.
        self._recent: OrderedDict[str, Executed | bytes] = OrderedDict()
        self._all_written = True
        #: The orders that rest.
        self._open: dict[str, Executed] = {}

    def __len__(self) -> int:
        """Return how many orders arrived."""
        return self._count

    def arrive(self, client_order_id: str) -> bool:
        """Count an order, of which `add` is to follow; return whether it is new: otherwise it isn't counted."""
        is_new = self._arrived.add(client_order_id)
        self._count += is_new
        return is_new

    def find(self, client_order_id: str) -> Executed | None:
        """Return an order that arrived.

        Raises:
            VenueError: it can't be read at present.
        """
        stored = self._open.get(client_order_id) or self._recent.get(client_order_id)
        if stored is not None:
            return self._read(stored)
        if client_order_id not in self._arrived:
            return None
        return next((one for one in self._stored() if one.order.client_order_id == client_order_id), None)

    def since(self, ts_ns: int) -> Sequence[Executed]:
        """Return the orders that arrived then or later.

        Raises:
            VenueError: they can't be read at present.
        """
        found: list[Executed] = []
        for stored in reversed(self._recent.values()):
            one = self._read(stored)
            if one.ts_ns < ts_ns:
                return found[::-1]
            found.append(one)
        older = list[Executed]()
        if len(found) < self._count:
            older = [
                one for one in self._stored() if one.ts_ns >= ts_ns and one.order.client_order_id not in self._recent
            ]
        return [*older, *reversed(found)]

    @property
    def open(self) -> Sequence[Executed]:
        """The orders that rest, as they stand."""
        return tuple(self._open.values())

    def rest(self, rested: Rested) -> None:
        """Remember what became of an order that rests."""
        self.append(rested)
        self._change(rested)

    def _change(self, rested: Rested) -> None:
        order_id = rested.client_order_id
        changed = _after(self._open[order_id], rested)
        if order_id in self._recent:
            self._recent[order_id] = changed
        self._open[order_id] = changed
        if rested.status.is_final:
            del self._open[order_id]

    def add(self, executed: Executed, held: Callable[[], Held]) -> None:
        """Remember an order that arrived, after which the account holds what is ``held``."""
        self.append(executed)
        self._keep(executed.order.client_order_id, executed)
        if not executed.report.status.is_final:
            self._open[executed.order.client_order_id] = executed
        if self._count % _HELD_EVERY == 0:
            self.append(held())

    def _keep(self, client_order_id: str, stored: Executed | bytes) -> None:
        self._recent[client_order_id] = stored
        if len(self._recent) > _RECENT and self._path is not None and self._all_written:
            del self._recent[next(iter(self._recent))]

    def _stored(self) -> Iterator[Executed]:
        """Yield the orders that the log holds, as they stand."""
        assert self._path is not None
        rested: defaultdict[str, list[Rested]] = defaultdict(list)
        with _translated(), closing(LogReader(self._path, _KIND, _NOUN)) as reader:
            for line in _lines(reader):
                if line.startswith(_RESTED):
                    one = self._decoder.decode(line)
                    assert isinstance(one, Rested)
                    rested[one.client_order_id].append(one)
        with _translated(), closing(LogReader(self._path, _KIND, _NOUN)) as reader:
            for line in _lines(reader):
                if line.startswith(_EXECUTED):
                    executed = self._read(line)
                    for one in rested.get(executed.order.client_order_id, ()):
                        executed = _after(executed, one)
                    yield executed

    def create(self, opened: Opened) -> None:
        """Begin a new log, if there is to be one.

        Raises:
            VenueError: there is one already that is not empty, or it can't be made.
        """
        if self._path is not None:
            with _translated():
                self._log = Log.create(self._path, _KIND, msgspec.to_builtins(opened))
                self._log.write()

    def resume(self) -> Iterator[Opened | Line]:
        """Take up the orders of the log, and go on after it; yield what changed the balances since they were held.

        Inventory that was granted is yielded from the log's start on. A last line that was cut off is removed.

        Raises:
            VenueError: there is none, or it is damaged.
        """
        if self._path is None:
            return
        named = msgspec.json.Decoder(_Named)
        with _translated(), closing(LogReader(self._path, _KIND, _NOUN, claimed=True)) as reader:
            held = max((place for place, line in enumerate(_lines(reader)) if line.startswith(_HELD)), default=-1)
            changed = list[bytes]()
            for place, line in enumerate(_lines(reader)):
                is_order, is_rested = line.startswith(_EXECUTED), line.startswith(_RESTED)
                if is_order:
                    found = named.decode(line)
                    client_order_id = found.order.client_order_id
                    self.arrive(client_order_id)
                    self._keep(client_order_id, line)
                    if not found.report.status.is_final:
                        self._open[client_order_id] = self._read(line)
                elif is_rested:
                    rested = self._decoder.decode(line)
                    assert isinstance(rested, Rested)
                    self._change(rested)
                if not (is_order or is_rested) or place > held:
                    changed.append(line)
            self._log = Log.resume(reader)
        yield msgspec.convert(reader.header, Opened)
        yield from map(self._decoder.decode, changed)

    def _read(self, stored: Executed | bytes) -> Executed:
        if isinstance(stored, Executed):
            return stored
        line = self._decoder.decode(stored)
        assert isinstance(line, Executed)
        return line

    def append(self, line: Line) -> None:
        """Write a line. What can't be written now is kept, and tried again with the next."""
        if self._log is None:
            return
        self._log.append([self._encoder.encode(line)[:-1]])
        try:
            self._log.write()
            self._all_written = True
        except TrioarbError:
            self._all_written = False  # if it stays like this, `close` says so

    def close(self) -> None:
        """Write what is missing, and close.

        Raises:
            VenueError: it can't be written.
        """
        if self._log is not None and (missing := self._log.close()):
            raise VenueError(f"{self._path} can't be written: its last {missing} lines are missing")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except TrioarbError as error:
        raise VenueError(f"what a paper venue remembers: {error}") from None


def _after(executed: Executed, rested: Rested) -> Executed:
    report = executed.report
    fills = (*report.fills, *rested.fills)
    return structs.replace(executed, report=structs.replace(report, fills=fills, status=rested.status))


def _lines(reader: LogReader) -> Iterator[bytes]:
    return chain.from_iterable(reader.blocks())
