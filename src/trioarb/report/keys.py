"""Name the keys of the configuration that something depends on, with their values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from trioarb.config.schema import Config, PluginTable
from trioarb.report.plain import to_plain
from trioarb.settings.key import join_key

__all__ = ["fx_keys", "keys", "listed", "rule_keys", "value_of", "venue_keys"]


def keys(table: PluginTable, *concerns: str, of: str | None = None) -> list[str]:
    """Return ``table.name = value`` of the settings that concern one of these and are set.

    With ``of``, a setting that is itself a table stands for its key of that name: ``table.name.of``.
    """
    return [shown for concern in concerns for key, value in _set(table, concern) if (shown := _shown(key, value, of))]


def value_of(table: PluginTable, concern: str) -> Any:
    """Return the value of the first setting that concerns this and is set; ``None`` without one."""
    return next((value for _, value in _set(table, concern)), None)


def venue_keys(config: Config, concern: str, venues: Iterable[str], *, nonzero: bool = False) -> list[str]:
    """Return the settings of several venues' exchange plugins; ``nonzero`` leaves out those that are 0."""
    tables = [config.exchanges[venue].exchange for venue in venues]
    return [key for table in tables if not nonzero or value_of(table, concern) for key in keys(table, concern)]


def fx_keys(config: Config, asset: str) -> list[str]:
    """Return where it comes from what a quote asset is worth, and how many sources that takes."""
    table = config.fx_markets[asset]
    return [
        f"{join_key('fx', asset, name)} = {to_plain(getattr(table, name))}" for name in ("markets", "least_sources")
    ]


def rule_keys(config: Config, tier: str, rule: str) -> list[str]:
    """Return the settings that a guard rule's limit comes from, and what they are: those that say so, or have its name
    in theirs.
    """
    if tier == "engine":
        tables = [("engine", config.engine), *((join_key("fx", one), fx) for one, fx in config.fx_markets.items())]
    else:
        tables = [(table.key, table.settings) for table in config.guards if table.key == f"guards.{tier}"]
    return [told for key, settings in tables for told in _told(settings, key, rule)]


def _told(settings: Any, table: str, rule: str) -> Iterator[str]:
    docs = {join_key(table, field.name): field.metadata.get("doc", "") for field in attrs.fields(type(settings))}
    for key, value in _chosen_in(settings, table, lambda one: rule == one.metadata.get("concerns") or rule in one.name):
        yield f"{key} = {to_plain(value)}" + (f" ({docs[key]})" if docs.get(key) else "")


def listed(found: Sequence[str]) -> str:
    """Return ``a, b``."""
    return ", ".join(found)


def _set(table: PluginTable, concern: str) -> Iterator[tuple[str, Any]]:
    """Yield key and value of settings, those included of a plugin that the table's own wraps."""
    wrapped: PluginTable | None = table
    while wrapped is not None:
        yield from _chosen(wrapped, lambda field: field.metadata.get("concerns") == concern)
        wrapped = wrapped.wraps


def _chosen(table: PluginTable, choose: Callable[[Any], bool]) -> Iterator[tuple[str, Any]]:
    yield from _chosen_in(table.settings, table.key, choose)


def _chosen_in(settings: Any, key: str, choose: Callable[[Any], bool]) -> Iterator[tuple[str, Any]]:
    """Yield keys with values; of a table that is chosen, those inside of it that are."""
    cls: type[Any] = type(settings)
    for field in attrs.fields(cls) if attrs.has(cls) else ():
        value = getattr(settings, field.name)
        if value is None or not choose(field):
            continue
        if attrs.has(type(value)):
            yield from _chosen_in(value, join_key(key, field.name), choose)
        else:
            yield join_key(key, field.name), value


def _shown(key: str, value: Any, of: str | None) -> str:
    if isinstance(value, Mapping):
        return "" if of is None else join_key(key, of)
    return f"{key} = {to_plain(value)}"
