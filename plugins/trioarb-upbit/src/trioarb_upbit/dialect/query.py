"""Requests as both venues take them: a query that is percent-encoded, or a flat JSON body."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from trioarb.venue import Request

__all__ = ["get", "parameters", "post"]

Values = Mapping[str, str | Sequence[str] | None]

_JSON = "application/json; charset=utf-8"


def parameters(values: Values) -> str:
    """Return a query, percent-encoded; ``None`` and empty lists are left out, a list's key is written ``key[]``."""
    pairs = [pair for key, value in values.items() for pair in _pairs(key, value)]
    return "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in pairs)


def get(path: str, values: Values, *, group: str, method: str = "GET", is_read: bool = True) -> Request:
    """Return a request with a query."""
    return Request(method=method, path=path, query=parameters(values), group=group, is_read=is_read)


def post(path: str, values: Values, *, group: str, is_read: bool = False) -> Request:
    """Return a request with a JSON body. It changes something, unless it is said to be a read."""
    body = {key: value if isinstance(value, str) else list(value) for key, value in values.items() if value is not None}
    return Request(
        method="POST",
        path=path,
        headers={"Content-Type": _JSON},
        body=json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode(),
        group=group,
        is_read=is_read,
    )


def _pairs(key: str, value: str | Sequence[str] | None) -> list[tuple[str, str]]:
    if value is None:
        return []
    return [(key, value)] if isinstance(value, str) else [(f"{key}[]", one) for one in value]
