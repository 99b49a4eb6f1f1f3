"""Events as JSON and back, exactly: the lines of a journal, and what `--events` writes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from json.encoder import encode_basestring
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from trioarb.model import event as events
from trioarb.model.event import Event, Look, Record, TransactionLeg
from trioarb.model.market import Level
from trioarb.model.number import text
from trioarb.model.order import TimeInForce

__all__ = ["decode", "encode", "event_type", "event_types", "to_json_object"]


def event_type(cls: type[Event]) -> str:
    """Return the event's name on the wire: ``PositionOpened`` → ``position_opened``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


@cache
def event_types() -> Mapping[str, type[Event]]:
    """Return all events by their names on the wire."""
    values = (getattr(events, name) for name in events.__all__)
    return {
        event_type(cls): cls for cls in values if isinstance(cls, type) and issubclass(cls, Event) and cls is not Event
    }


def to_json_object(record: Record) -> dict[str, Any]:
    """Return the record as JSON values: decimals as strings, enums by value, absent fields left out."""
    row: dict[str, Any] = json.loads(encode(record) + b"}")
    return row


def encode(record: Record) -> bytes:
    """Return the record as a JSON object without its closing brace. Text that is no valid Unicode is escaped.

    Raises:
        TypeError: a field holds something else than its event declares.
    """
    cls = type(record.event)
    encoder = _ENCODERS.get(cls)
    if encoder is None:
        encoder = _ENCODERS[cls] = _encoder(cls)
    try:
        return encoder(record.seq, record.ts_ns, record.event).encode("utf-8", "backslashreplace")
    except (TypeError, AttributeError) as error:
        raise TypeError(f"{cls.__name__} can't be written down: {error} ({record.event})") from error


def decode(line: bytes) -> Record:
    """Return the record of a line; fields that no event has are passed over.

    Raises:
        ValueError: it is no event, or one of no such type.
    """
    try:
        head = _HEAD.decode(line)
        decoder = _DECODERS.get(head.type) or _decoder(head.type)
        return Record(head.seq, head.ts_ns, decoder(line))
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except msgspec.DecodeError as error:
        # A lone surrogate is no Unicode, but what a file system may call a file; json takes it.
        if b"\\ud" not in line or isinstance(error, msgspec.ValidationError):
            raise ValueError(str(error)) from error
        try:
            row = json.loads(line)
            head = msgspec.convert(row, _Head)
            event: Event = msgspec.convert(row, event_types()[head.type])
            return Record(head.seq, head.ts_ns, event)
        except (KeyError, TypeError, RecursionError, msgspec.ValidationError) as problem:
            raise ValueError(f"no event: {problem}") from problem


class _Head(msgspec.Struct):
    seq: int
    ts_ns: int
    type: str


_HEAD = msgspec.json.Decoder(_Head)
_DECODERS: dict[str, Callable[[bytes], Event]] = {}
_ENCODERS: dict[type[Event], Callable[[int, int, Event], str]] = {}


def _decoder(type_name: str) -> Callable[[bytes], Event]:
    cls = event_types().get(type_name)
    if cls is None:
        raise ValueError(f"there is no event type {type_name!r}")
    return _DECODERS.setdefault(type_name, msgspec.json.Decoder(cls).decode)


def _encoder(cls: type[Event]) -> Callable[[int, int, Event], str]:
    """Compile the one expression that writes an event of a class; a loop over its fields takes five times as long."""
    names = {
        "quote": encode_basestring,
        "text": text,
        "number": int.__repr__,
        "measured": float.__repr__,
        "mapping": _mapping,
        "listed": _listed,
        "levels": _levels,
        "legs": _legs,
        "looks": _looks,
    }
    source, hints = f'{{{{"seq":{{seq}},"ts_ns":{{ts_ns}},"type":"{event_type(cls)}"', get_type_hints(cls)
    for name in cls.__struct_fields__:
        value, hint = f"event.{name}", hints[name]
        kinds = [kind for kind in get_args(hint) if kind is not NoneType] if isinstance(hint, UnionType) else [hint]
        of = get_args(kinds[0])[:1]
        kind = _OF_OTHERS.get(of[0] if of else None) or get_origin(kinds[0]) or kinds[0]
        key, json_text = f',"{name}":', _JSON_TEXTS.get(kind, "quote({}._value_)")
        source += f"{{'' if {value} is None else '{key}' + " if kinds != [hint] else f"{key}{{"
        source += json_text.format(value) + "}"
    compiled: Callable[[int, int, Event], str] = eval(f"lambda seq, ts_ns, event: f'''{source}'''", names)
    return compiled


#: The source of a value's JSON text, by its declared type; the rest are enums.
_JSON_TEXTS: Mapping[Any, str] = {
    str: "quote({})",
    int: "number({})",
    float: "measured({})",
    bool: "('true' if {} else 'false')",
    Decimal: "'\"' + text({}) + '\"'",
    tuple: "listed({})",
    Mapping: "mapping({})",
    "levels": "levels({})",
    "legs": "legs({})",
    "looks": "looks({})",
}
#: Tuples of something else than text.
_OF_OTHERS: Mapping[Any, str] = {Level: "levels", TransactionLeg: "legs", Look: "looks"}


def _listed(values: tuple[str, ...]) -> str:
    return f"[{','.join(map(encode_basestring, values))}]"


def _levels(values: tuple[Level, ...]) -> str:
    pairs = (f'["{text(price)}","{text(size)}"]' for price, size in values)
    return f"[{','.join(pairs)}]"


def _legs(legs: tuple[TransactionLeg, ...]) -> str:
    return f"[{','.join(map(_leg, legs))}]"


def _leg(leg: TransactionLeg) -> str:
    """Return a leg without what it has by default."""
    fields = {
        "venue": encode_basestring(leg.venue),
        "symbol": encode_basestring(leg.symbol),
        "side": f'"{leg.side.value}"',
        "quantity": f'"{text(leg.quantity)}"',
        "limit": None if leg.limit is None else f'"{text(leg.limit)}"',
        "time_in_force": None if leg.time_in_force is TimeInForce.IOC else f'"{leg.time_in_force.value}"',
        "post_only": "true" if leg.post_only else None,
        "after": None if leg.after is None else int.__repr__(leg.after),
    }
    return "{" + ",".join(f'"{name}":{value}' for name, value in fields.items() if value is not None) + "}"


def _looks(looks: tuple[Look, ...]) -> str:
    return f"[{','.join(map(_look, looks))}]"


def _look(look: Look) -> str:
    """Return a look without what it has by default."""
    fields = {
        "at": encode_basestring(look.at),
        "after_ns": int.__repr__(look.after_ns),
        "levels": _levels(look.levels) if look.levels else None,
        "taken": None if look.taken is None else f'"{text(look.taken)}"',
        "beyond": None if look.beyond is None else f'"{text(look.beyond)}"',
        "unmeasured": None if look.unmeasured is None else f'"{look.unmeasured.value}"',
    }
    return "{" + ",".join(f'"{name}":{value}' for name, value in fields.items() if value is not None) + "}"


def _mapping(values: Mapping[str, Decimal | int]) -> str:
    items = (
        f"{encode_basestring(key)}:" + (f'"{text(value)}"' if isinstance(value, Decimal) else int.__repr__(value))
        for key, value in values.items()
    )
    return f"{{{','.join(items)}}}"
