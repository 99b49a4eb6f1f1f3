"""Environment variables that are laid over the tables of a file: ``TRIOARB__EXCHANGES__A__API_KEY``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from trioarb.errors import ConfigError
from trioarb.settings.key import split_key
from trioarb.settings.problem import Problem
from trioarb.settings.secret import is_reference

__all__ = ["overriding", "variable"]

_PREFIX = "TRIOARB__"
_INDEX = re.compile(r"\[(\d+)\]")
_OTHER = re.compile(r"[^A-Za-z0-9_]+")


def variable(key: str) -> str:
    """Return the variable that overrides the dotted ``key``: upper case, ``_`` for all but letters and digits."""
    parts, _ = split_key(_INDEX.sub(r".\1", key))
    return _PREFIX + "__".join(_name(part.name) for part in parts)


def overriding(environment: Mapping[str, str], table: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the variables that override a key of ``table``, and the path of each. Its tables have to be there.

    A variable that a secret of the table refers to overrides nothing.

    Raises:
        ConfigError: a variable fits no table, or more than one key.
    """
    referred = {*_referred(table)}
    for name in sorted(environment):
        if not name.startswith(_PREFIX) or name in referred:
            continue
        paths = list(_paths(name.removeprefix(_PREFIX), table))
        if len(paths) != 1:
            raise ConfigError([_problem(name, paths, table)])
        yield name, paths[0]


def _paths(rest: str, table: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the paths of keys that ``rest`` may mean; a last part that isn't there yet means a new key."""
    is_there = False
    for key, value in table.items():
        name = _name(key)
        if rest == name:
            is_there = True
            yield (key,)
        elif rest.startswith(f"{name}__") and isinstance(value, dict):
            yield from ((key, *tail) for tail in _paths(rest[len(name) + 2 :], value))
    if rest and not is_there and "__" not in rest:
        yield (rest.lower(),)


def _referred(value: Any) -> Iterator[str]:
    if is_reference(value):
        yield value.get("env", "")
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _referred(item)


def _problem(name: str, paths: list[tuple[str, ...]], table: Mapping[str, Any]) -> Problem:
    if paths:
        return Problem(file=name, message=f"may mean {' or '.join('.'.join(path) for path in paths)}; rename one")
    tables = ", ".join(f"{_PREFIX}{place}__…" for place in _tables(table, ""))
    return Problem(file=name, message="fits no table of the configuration", allowed=tables)


def _tables(table: Mapping[str, Any], place: str) -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, dict):
            inner = f"{place}__{_name(key)}" if place else _name(key)
            yield inner
            yield from _tables(value, inner)


def _name(key: str) -> str:
    return _OTHER.sub("_", key).upper()
