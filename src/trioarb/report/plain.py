"""Values as JSON has them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from trioarb.model.number import text
from trioarb.time.campaign_time import SECOND_NS

__all__ = ["iso_time", "present", "to_plain"]


def to_plain(value: Any) -> Any:
    """Return the value in JSON's types: decimals as strings of plain digits, and what JSON can't say as text."""
    match value:
        case None | bool() | int() | str():
            return value
        case Decimal():
            return text(value) if value.is_finite() else str(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case Enum():
            return to_plain(value.value)
        case Mapping():
            return {str(to_plain(key)): to_plain(item) for key, item in value.items()}
        case list() | tuple():
            return [to_plain(item) for item in value]
        case set() | frozenset():
            return sorted((to_plain(item) for item in value), key=str)
        case _:
            return str(value)


def present(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row in JSON's types, without what was not measured (``None``)."""
    return {key: to_plain(value) for key, value in row.items() if value is not None}


def iso_time(ns: int) -> str:
    """Return nanoseconds since the Unix epoch as ISO 8601 in UTC, to the nanosecond."""
    seconds, rest = divmod(ns, SECOND_NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
