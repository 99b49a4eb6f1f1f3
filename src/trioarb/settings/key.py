"""Dotted keys, as TOML writes them: ``exchanges.a.balances.USDT``, parts that are not bare words in quotes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

import attrs

__all__ = ["KeyPart", "join_key", "split_key", "stands_at"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PART = re.compile(r"""\s*(?:"(?P<double>[^"]+)"|'(?P<single>[^']+)'|(?P<bare>[^\s."'=\[\]]+))\s*""")


@attrs.frozen
class KeyPart:
    """One part of a dotted key; ``is_any`` is the ``*`` that stands for every key of a table."""

    name: str
    is_any: bool = False


def join_key(table: str, *names: str) -> str:
    """Return the dotted key of ``names`` below ``table`` ('' is the file itself)."""
    parts = [name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False) for name in names]
    return ".".join([table, *parts] if table else parts)


def split_key(text: str) -> tuple[tuple[KeyPart, ...], str]:
    """Return the parts of the dotted key that ``text`` begins with, and what follows it.

    Raises:
        ValueError: a part is empty, or a quote isn't closed.
    """
    parts: list[KeyPart] = []
    rest = text
    while True:
        match = _PART.match(rest)
        if match is None:
            raise ValueError("a part of the key is empty, or a quote is not closed")
        name = match["double"] or match["single"] or match["bare"]
        parts.append(KeyPart(name, is_any=match["bare"] == "*"))
        rest = rest[match.end() :]
        if not rest.startswith("."):
            return tuple(parts), rest
        rest = rest[1:]


def stands_at(key: str, places: Iterable[str]) -> bool:
    """Return whether ``key`` is one of ``places`` or lies below one of them."""
    return any(key == place or key.startswith((f"{place}.", f"{place}[")) for place in places)
