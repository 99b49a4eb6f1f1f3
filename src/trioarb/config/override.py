"""Values from the command line, laid over the tables of a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import attrs
import tomli

from trioarb.errors import ConfigError
from trioarb.settings.key import KeyPart, join_key, split_key, stands_at
from trioarb.settings.problem import Problem

__all__ = ["Overrides", "parse_value"]

_FLAG = "--set"


@attrs.define
class Overrides:
    """Lays values over ``table``, in place, and remembers which of its keys came from which flag."""

    table: dict[str, Any]
    _origins: dict[str, str] = attrs.field(factory=dict, init=False)

    def origin(self, key: str) -> str:
        """Return the flag that gave the value at ``key``, or ''."""
        for place, flag in reversed(self._origins.items()):
            if stands_at(key, [place]):
                return flag
        return ""

    def apply(self, text: str) -> None:
        """Lay one ``table.key=value`` over the table; a part ``*`` stands for every key that is there.

        Raises:
            ConfigError: it isn't of that form, or its key leads nowhere.
        """
        try:
            parts, rest = split_key(text)
            if not rest.startswith("="):
                raise ValueError("no = after the key")
        except ValueError as error:
            allowed = "table.key=value"
            raise ConfigError([Problem(file=_FLAG, message=str(error), value=repr(text), allowed=allowed)]) from None
        paths = list(_expand(parts, self.table))
        if not paths:
            raise ConfigError([Problem(file=_FLAG, message="* matches nothing", value=repr(text))])
        for names in paths:
            self.set(names, parse_value(rest[1:]), flag=_FLAG)

    def set(self, names: Sequence[str], value: Any, *, flag: str) -> None:
        """Set the value at the path ``names``, making the tables on its way.

        Raises:
            ConfigError: the path runs through something that is not a table.
        """
        table, key = self.table, ""
        for name in names[:-1]:
            key = join_key(key, name)
            if name not in table:
                table[name] = {}
                self._origins[key] = flag
            table = table[name]
            if not isinstance(table, dict):
                raise ConfigError([Problem(file=flag, key=join_key("", *names), message=f"{key} is not a table")])
        table[names[-1]] = value
        place = join_key(key, names[-1])
        # Moved to the end, because the last flag wins.
        self._origins.pop(place, None)
        self._origins[place] = flag


def parse_value(text: str) -> Any:
    """Return ``text`` as the TOML value that it is, else as plain text."""
    try:
        table = tomli.loads(f"value = {text}", parse_float=Decimal)
    except (ValueError, RecursionError):
        return text.strip()
    return table["value"] if len(table) == 1 else text.strip()


def _expand(parts: Sequence[KeyPart], table: Any) -> Iterator[tuple[str, ...]]:
    if not parts:
        yield ()
        return
    first, rest = parts[0], parts[1:]
    below = table if isinstance(table, dict) else {}
    for name in list(below) if first.is_any else [first.name]:
        yield from ((name, *tail) for tail in _expand(rest, below.get(name)))
