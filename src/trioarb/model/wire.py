"""Events as JSON objects: what `--events` writes, and what a journal's digest is made of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

import attrs

from trioarb.model.event import Event, Record
from trioarb.model.number import text

__all__ = ["event_type", "to_json_object"]


def event_type(cls: type[Event]) -> str:
    """Return the event's name on the wire: ``PositionOpened`` → ``position_opened``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


_WIRE: dict[type[Event], tuple[str, tuple[str, ...]]] = {}


def _wire(cls: type[Event]) -> tuple[str, tuple[str, ...]]:
    """Return the type's name and fields, worked out once."""
    if cls not in _WIRE:
        _WIRE[cls] = event_type(cls), tuple(field.name for field in attrs.fields(cls))
    return _WIRE[cls]


def to_json_object(record: Record) -> dict[str, Any]:
    """Return the record as JSON values: decimals as strings, enums by value, absent fields left out."""
    name, fields = _wire(type(record.event))
    row: dict[str, Any] = {"seq": record.seq, "ts_ns": record.ts_ns, "type": name}
    for field in fields:
        value = getattr(record.event, field)
        if value is not None:
            row[field] = _plain(value)
    return row


def _plain(value: Any) -> Any:
    match value:
        case Decimal():
            return text(value)
        case Enum():
            return value.value
        case tuple():
            return [_plain(item) for item in value]
        case Mapping():
            return {key: _plain(item) for key, item in value.items()}
        case _:
            return value
