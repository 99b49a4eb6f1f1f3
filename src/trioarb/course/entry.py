"""What the course of a run is made of, as lines of JSON.

A line is an array; its first element says what it is. Times are campaign time in integer nanoseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

import attrs
import msgspec

from trioarb.errors import (
    MarketDataError,
    OrderRejected,
    PluginError,
    PluginFault,
    TrioarbError,
    UniverseError,
    VenueError,
    leaves,
    said_by,
)
from trioarb.model.account import AccountStanding
from trioarb.model.contract import Charge, Contracts
from trioarb.model.event import ClockJumped
from trioarb.model.liquidation import Liquidation
from trioarb.model.market import Instrument, Listing
from trioarb.model.order import Offer, OrderReport, OrderUpdate, VenueOrder
from trioarb.model.trade import Account, Refusal
from trioarb.time.campaign_time import WakeOrder

__all__ = [
    "CALLED",
    "FORMAT",
    "Began",
    "Entry",
    "ExchangeTerms",
    "Key",
    "Noted",
    "Said",
    "Shown",
    "Woken",
    "decode_entries",
    "encode_entries",
    "error_of",
    "problem_of",
    "value_of",
]

#: So many quotes stand in one line.
_MOST_IN_LINE = 1_000
#: The first line of a file says which form the others have.
FORMAT = {"trioarb_course": 1}

#: Who says something, what, and about what: a venue (or nobody), a method, and an order, say.
Key = tuple[str, str, str]

#: Of all that plugins say by calling something of ours.
CALLED: Key = ("", "call", "")
_CALLS = frozenset({"changed", "hold", "release"})

#: What was raised instead of an answer: the names of the errors, and what they say; of a cancellation none.
Problem = tuple[tuple[str, str], ...]


class Began(msgspec.Struct, frozen=True, array_like=True, tag="began"):
    """Whose course it is, and after which event of its journal it begins. ``start_ns``: what its time began with."""

    campaign_id: str
    start_ns: int
    after_seq: int


class Woken(msgspec.Struct, frozen=True, array_like=True, tag="woken"):
    """A task of the campaign went on that waited for a time or a bell, at this place among others that were due; or,
    where it ``is_cancelled``, gave up. ``number``: as which of all that ever waited at this place; several may at once.
    """

    at_ns: int
    order: WakeOrder
    number: int
    is_cancelled: bool = False


class Shown(NamedTuple):
    """The next quote of a venue came; the recording beside this has it, with the same ``received_ns``."""

    at_ns: int
    venue: str
    received_ns: int

    @property
    def key(self) -> Key:
        return self.venue, "market", ""


class Quotes(msgspec.Struct, frozen=True, array_like=True, tag="quotes"):
    """Quotes that came with nothing between them, in few bytes: of each the place of its venue in ``venues``, by how
    much it came later than the one before it (the first: than ``at_ns``), and how long ago it had been received then.
    """

    at_ns: int
    venues: tuple[str, ...]
    numbers: tuple[int, ...]

    @classmethod
    def of(cls, shown: Sequence[Shown]) -> Quotes:
        places = {venue: place for place, venue in enumerate(dict.fromkeys(one.venue for one in shown))}
        numbers, before_ns = list[int](), shown[0].at_ns
        for at_ns, venue, received_ns in shown:
            numbers += (places[venue], at_ns - before_ns, at_ns - received_ns)
            before_ns = at_ns
        return cls(shown[0].at_ns, tuple(places), tuple(numbers))

    def shown(self) -> Iterator[Shown]:
        at_ns, numbers = self.at_ns, iter(self.numbers)
        for place, later_ns, age_ns in zip(numbers, numbers, numbers, strict=True):
            at_ns += later_ns
            yield Shown(at_ns, self.venues[place], at_ns - age_ns)


class Said(msgspec.Struct, frozen=True, array_like=True, tag="said"):
    """Something came from outside, and whoever waited for it went on; or gave up, where it ``is_cancelled``.

    ``number``: as which of all that ever asked for it; 0, where it came without being asked for.
    """

    at_ns: int
    who: str
    what: str
    about: str
    number: int
    value: msgspec.Raw
    problem: Problem | None = None

    @property
    def key(self) -> Key:
        return CALLED if self.what in _CALLS else (self.who, self.what, self.about)

    @property
    def is_cancelled(self) -> bool:
        return self.problem == ()


class Noted(msgspec.Struct, frozen=True, array_like=True, tag="noted"):
    """Something from outside was looked at, without waiting."""

    who: str
    what: str
    about: str
    value: msgspec.Raw
    problem: Problem | None = None

    @property
    def key(self) -> Key:
        return self.who, self.what, self.about


Entry = Began | Woken | Shown | Said | Noted

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Began | Woken | Quotes | Said | Noted)


def encode_entries(entries: Sequence[Entry]) -> bytes:
    """Return entries as lines, quotes that follow each other in one."""
    lines = list[Began | Woken | Quotes | Said | Noted]()
    for is_quote, some in groupby(entries, key=lambda entry: type(entry) is Shown):
        if is_quote:
            shown = [entry for entry in some if isinstance(entry, Shown)]
            lines += (Quotes.of(shown[first : first + _MOST_IN_LINE]) for first in range(0, len(shown), _MOST_IN_LINE))
        else:
            lines += (entry for entry in some if not isinstance(entry, Shown))
    return _ENCODER.encode_lines(lines)


def decode_entries(line: bytes) -> Iterator[Entry]:
    """Yield the entries of a line.

    Raises:
        ValueError: it is none.
    """
    found: Began | Woken | Quotes | Said | Noted = _DECODER.decode(line)
    if isinstance(found, Quotes):
        try:
            yield from found.shown()
        except IndexError as error:
            raise ValueError("a quote of no venue") from error
    else:
        yield found


@attrs.frozen(kw_only=True)
class ExchangeTerms:
    """What an exchange says of itself, as `Exchange` has it."""

    account: Account
    max_borrow_usd: Decimal
    offers: frozenset[Offer]
    streams: bool
    borrow_bps_per_day: Decimal | None
    charging: bool
    liquidating: bool
    charge_every_seconds: int
    grants_inventory: bool
    simulates_transfers: bool
    account_id: str = ""
    arrival_ns: int | None = None


#: What each method answers; those that aren't here answer nothing.
_ANSWERS: Mapping[str, Any] = {
    "answer": OrderReport,
    "answers_at_ns": int | None,
    "balances": dict[str, Decimal],
    "changed": Instrument,
    "charges": tuple[Charge, ...],
    "claim": Refusal | None,
    "clock": ClockJumped,
    "command": tuple[str, str],
    "end": str,
    "hold": str,
    "instruments": dict[str, Instrument],
    "liquidations": tuple[Liquidation, ...],
    "listings": tuple[Listing, ...],
    "open_orders": tuple[OrderUpdate, ...],
    "order": OrderReport | None,
    "orders": tuple[VenueOrder, ...],
    "place": OrderReport,
    "positions": dict[str, Contracts],
    "release": str,
    "round_trips": dict[str, int],
    "seed_inventory": Decimal,
    "signal": str,
    "standing": AccountStanding,
    "terms": ExchangeTerms,
    "updates": OrderUpdate | None,
}

#: Errors that a plugin may raise and that mean something, by their names.
_NAMED: Mapping[str, type[TrioarbError]] = {
    kind.__name__: kind
    for kind in (OrderRejected, VenueError, MarketDataError, UniverseError, PluginFault, PluginError)
}


def value_of(entry: Entry) -> Any:
    """Return what was answered; nothing is by other entries.

    Raises:
        Exception: what was raised instead.
        ValueError: it can't be read.
    """
    if not isinstance(entry, Said | Noted):
        return None
    if entry.problem is not None:
        raise error_of(entry.problem)
    kind = _ANSWERS.get(entry.what)
    return None if kind is None else msgspec.json.decode(entry.value, type=kind)


def problem_of(error: Exception) -> Problem:
    """Return an error as it is kept."""
    return tuple((_name_of(one), said_by(one)) for one in leaves(error))


def error_of(problem: Problem) -> Exception:
    """Return an error as it was: one that contracts name, or one of its name."""
    found = [_error(name, said) for name, said in problem]
    return found[0] if len(found) == 1 else ExceptionGroup("several errors", found)


def _name_of(error: BaseException) -> str:
    return next((name for name, kind in _NAMED.items() if isinstance(error, kind)), type(error).__name__)


def _error(name: str, said: str) -> Exception:
    kind: type[Exception] = _NAMED.get(name) or type(name, (Exception,), {})
    return kind(said)
