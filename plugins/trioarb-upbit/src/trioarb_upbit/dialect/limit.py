"""The venue's limits as plain data: what its page says, and what an answer says."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

__all__ = ["Limit", "Remaining", "remaining_of"]


@attrs.frozen(kw_only=True)
class Limit:
    """So many requests of a group in so many seconds. ``scope``: what they are counted by, ``ip`` or ``account``."""

    group: str
    requests: int
    seconds: float
    scope: str


@attrs.frozen(kw_only=True)
class Remaining:
    """How many requests of a group are left in the venue's present second."""

    group: str
    requests: int


def remaining_of(headers: Mapping[str, str]) -> Remaining | None:
    """Return what ``Remaining-Req: group=default; min=1800; sec=29`` says; ``None``: nothing that can be read.

    Names of ``headers`` are in lower case. ``min`` is passed over: it is deprecated (Upbit's page on limits).
    """
    parts = dict[str, str]()
    for part in headers.get("remaining-req", "").split(";"):
        name, equals, value = part.partition("=")
        if equals:
            parts[name.strip()] = value.strip()
    group, requests = parts.get("group", ""), parts.get("sec", "")
    if not group or not (requests.isascii() and requests.isdigit()):
        return None
    return Remaining(group=group, requests=int(requests))
