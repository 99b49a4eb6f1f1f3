"""Limits as the kit takes them: a bucket for each group of requests, and what an answer says is left of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from trioarb.venue import Limit, LimitRules, Request, Response, Told

__all__ = ["Remaining", "limit_rules", "remaining_of"]


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


def limit_rules(buckets: Mapping[str, Sequence[Limit]], *, by_key: Iterable[str] = ()) -> LimitRules:
    """Return the rules of a venue whose requests count in the group that each says; ``by_key``: not by address."""
    return LimitRules(buckets=buckets, costs=_costs, told=_told, by_key=frozenset(by_key))


def _costs(request: Request) -> Mapping[str, int]:
    return {request.group: request.weight}


def _told(response: Response) -> Sequence[Told]:
    remaining = remaining_of(response.headers)
    return [Told(bucket=remaining.group, left=remaining.requests)] if remaining else []
