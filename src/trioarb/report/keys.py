"""Name the keys of the configuration that something depends on, with their values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs

from trioarb.config.schema import Config, PluginTable
from trioarb.report.plain import to_plain

__all__ = ["key", "keys", "listed", "rule_keys", "venue_keys"]

#: Settings that a rule's limit also comes from, without having the rule's name in theirs.
_BEHIND_RULE = {"allocation": ("total_capital_usd",)}


def key(table: PluginTable, name: str) -> str | None:
    """Return ``table.name = value`` if the plugin has such a setting and it is set."""
    value: Any = getattr(table.settings, name, None)
    return None if value is None else f"{table.key}.{name} = {to_plain(value)}"


def keys(table: PluginTable, *names: str) -> list[str]:
    """Return those of the settings that the plugin has and that are set."""
    return [found for name in names if (found := key(table, name)) is not None]


def venue_keys(config: Config, name: str, venues: Iterable[str]) -> list[str]:
    """Return one setting of several venues, where their exchange plugin has it."""
    return [found for venue in venues for found in keys(config.exchanges[venue].exchange, name)]


def rule_keys(config: Config, tier: str, rule: str) -> list[str]:
    """Return the settings that a guard rule's limit comes from: those that have its name in theirs."""
    if tier == "engine":
        return [f"engine.{rule} = {to_plain(getattr(config.engine, rule, None))}"]
    return [
        found
        for table in config.guards
        if table.key == f"guards.{tier}"
        for found in keys(table, *_named_like(rule, table.settings))
    ]


def listed(found: Sequence[str]) -> str:
    """Return ``a, b``."""
    return ", ".join(found)


def _named_like(rule: str, settings: object) -> Iterator[str]:
    cls: type[Any] = type(settings)
    if attrs.has(cls):
        for field in attrs.fields(cls):
            if rule in field.name or field.name in _BEHIND_RULE.get(rule, ()):
                yield field.name
