"""Find keys of the configuration that are meant to name a symbol or an asset, and name none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import attrs

from trioarb.config.schema import Config, PluginTable
from trioarb.model.market import Listing
from trioarb.settings.key import join_key
from trioarb.settings.problem import Problem, nearest

__all__ = ["unknown_names"]


def unknown_names(config: Config, listings: Iterable[Listing]) -> Iterator[Problem]:
    """Yield the keys that name what nobody lists; the settings of plugins say which of their tables have such keys."""
    known = {"symbols": set[str](), "assets": {*config.fx, *config.fee_assets}}
    for listing in listings:
        known["symbols"].add(listing.symbol)
        known["assets"] |= {listing.base, listing.quote, listing.venue_quote or listing.quote}
    for name in config.symbols:
        if name not in known["symbols"]:
            yield _unknown("symbols", name, "symbols", known["symbols"])
    for venue, by_asset in config.withdrawals.items():
        for asset in by_asset:
            if asset not in known["assets"]:
                yield _unknown(join_key("withdrawals", venue), asset, "assets", known["assets"])
    for table in config.plugin_tables():
        for key, what, name in _named(table):
            if name not in known[what]:
                yield _unknown(key, name, what, known[what])


def _unknown(key: str, name: str, what: str, known: Iterable[str]) -> Problem:
    return Problem(
        key=join_key(key, name),
        message=f"there is no such {what.removesuffix('s')} among what source and venues list",
        suggestion=nearest(name, sorted(known)),
    )


def _named(table: PluginTable) -> Iterator[tuple[str, str, str]]:
    """Yield key, kind and name of what the table's settings name."""
    cls = type(table.settings)
    for field in attrs.fields(cls) if attrs.has(cls) else ():
        what, value = field.metadata.get("names"), getattr(table.settings, field.name)
        if what and isinstance(value, Mapping):
            yield from ((join_key(table.key, field.name), what, str(name)) for name in value)
