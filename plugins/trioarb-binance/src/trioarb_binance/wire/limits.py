"""What Binance says of its limits: which there are, and how much of each is used."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum

import attrs
from msgspec import UnsetType

from trioarb.venue import Response
from trioarb_binance.wire.listing_body import RateLimit

__all__ = ["LimitKind", "Used", "VenueLimit", "limits_of", "retry_after_seconds", "used_in_answer", "used_of"]

_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3_600, "DAY": 86_400}
_LETTERS = {name[0].lower(): seconds for name, seconds in _SECONDS.items()}
_HEADER = re.compile(r"x-mbx-(used-weight|order-count)-(\d{1,6})([smhd])", re.ASCII)


class LimitKind(Enum):
    """What is counted: weight and requests by IP address, unfilled orders by account."""

    WEIGHT = "REQUEST_WEIGHT"
    ORDERS = "ORDERS"
    REQUESTS = "RAW_REQUESTS"


@attrs.frozen(kw_only=True)
class VenueLimit:
    """``count`` in each window of ``seconds``."""

    kind: LimitKind
    seconds: int
    count: int


@attrs.frozen(kw_only=True)
class Used:
    """``used`` in the present window of ``seconds``, as Binance counts it; ``limit``: of how much, if it says so."""

    kind: LimitKind
    seconds: int
    used: int
    limit: int | None = None


def limits_of(rate_limits: Iterable[RateLimit]) -> tuple[VenueLimit, ...]:
    """Return the limits that are told; those of another kind, or with another interval, are passed over."""
    return tuple(
        VenueLimit(kind=kind, seconds=seconds, count=one.limit)
        for one in rate_limits
        if (kind := _kind(one.rate_limit_type)) is not None and (seconds := _seconds(one)) and one.limit > 0
    )


def used_in_answer(rate_limits: Iterable[RateLimit] | UnsetType) -> tuple[Used, ...]:
    """Return what an answer of the WebSocket API says is used."""
    if isinstance(rate_limits, UnsetType):
        return ()
    return tuple(
        Used(kind=kind, seconds=seconds, used=one.count, limit=one.limit if one.limit > 0 else None)
        for one in rate_limits
        if (kind := _kind(one.rate_limit_type)) is not None
        and (seconds := _seconds(one))
        and not isinstance(one.count, UnsetType)
    )


def used_of(response: Response) -> tuple[Used, ...]:
    """Return what the headers of an answer say is used; what can't be read says nothing.

    ``X-MBX-USED-WEIGHT-1M``, ``X-MBX-ORDER-COUNT-10S`` and the like; rejected orders needn't have the latter.
    """
    found = list[Used]()
    for name, value in response.headers.items():
        header = _HEADER.fullmatch(name.lower())
        if header is None or not (value.isascii() and value.isdigit()):
            continue
        kind = LimitKind.WEIGHT if header[1] == "used-weight" else LimitKind.ORDERS
        seconds = int(header[2]) * _LETTERS[header[3]]
        if seconds:
            found.append(Used(kind=kind, seconds=seconds, used=int(value)))
    return tuple(found)


def retry_after_seconds(response: Response) -> int | None:
    """Return for how long nothing may be sent after a 429 (or it becomes a ban) or 418 (the ban), if it is said."""
    value = response.headers.get("retry-after", "")
    return int(value) if value.isascii() and value.isdigit() else None


def _kind(name: str) -> LimitKind | None:
    return next((kind for kind in LimitKind if kind.value == name), None)


def _seconds(limit: RateLimit) -> int:
    return _SECONDS.get(limit.interval, 0) * max(limit.interval_num, 0)
