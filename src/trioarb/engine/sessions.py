"""Which tables of a venue share a session: those of one plugin with the same settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from trioarb.config.schema import PluginTable
from trioarb.plugin.registry import Plugins
from trioarb.plugin.spec import ExchangeSpec, MarketDataSpec, PluginSpec
from trioarb.plugin.venue_spec import VenueSpec

__all__ = ["Session", "Shared", "shared", "suits"]


@attrs.frozen(kw_only=True)
class Shared:
    """Tables of one venue that share a session. The first has all settings, if an account is among them.

    ``is_account``: an exchange is among them.
    """

    tables: tuple[PluginTable, ...]
    is_account: bool


@attrs.frozen(kw_only=True, eq=False)
class Session:
    """A session that is open, and what it is shared by."""

    shared: Shared
    opened: object


def shared(plugins: Plugins, exchange: PluginTable | None, market: PluginTable) -> list[Shared]:
    """Return the sessions that the tables of a venue take, what they wrap included; without its exchange, if that isn't
    opened.
    """
    found = [Shared(tables=(table,), is_account=True) for table in _parts(plugins, ExchangeSpec, exchange)]
    for table in _parts(plugins, MarketDataSpec, market):
        for number, one in enumerate(found):
            if suits(plugins, one.tables[0], table):
                found[number] = attrs.evolve(one, tables=(*one.tables, table))
                break
        else:
            found.append(Shared(tables=(table,), is_account=False))
    return found


def suits(plugins: Plugins, table: PluginTable, other: PluginTable) -> bool:
    """Return whether what is opened for a table does for another: it is the same venue, reached in the same way."""
    if table.plugin != other.plugin:
        return False
    names = [field.name for field in attrs.fields(plugins.get(VenueSpec, table.plugin).settings)]
    return all(getattr(table.settings, name) == getattr(other.settings, name) for name in names)


def _parts(plugins: Plugins, kind: type[PluginSpec[Any, Any]], table: PluginTable | None) -> Iterator[PluginTable]:
    while table is not None:
        if plugins.get(kind, table.plugin, key=table.key).is_part:
            yield table
        table = table.wraps
