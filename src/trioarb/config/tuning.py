"""The settings of single symbols: those of the plugins' tables, of the symbol's liquidity tier, and its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import cache, partial
from typing import Any

import attrs

from trioarb.config.schema import Config, Override, PluginTable
from trioarb.model.market import Listing
from trioarb.settings.key import join_key

__all__ = ["Tuning"]


@attrs.define(eq=False)
class Tuning:
    """Says which settings hold for a symbol. ``volumes``: 24 h volumes in quote asset, where they are known.

    A symbol's tier is that of the volume that it had when it was taken in.
    """

    config: Config
    volumes: dict[str, Decimal | None] = attrs.field(factory=dict)

    def take_in(self, listings: Iterable[Listing]) -> None:
        """Note the volumes of symbols; of those that are known already nothing changes."""
        for listing in listings:
            volume = listing.volume_24h_quote
            self.volumes.setdefault(listing.symbol, volume if volume is not None and volume.is_finite() else None)

    def overrides(self, symbol: str) -> Iterator[Override]:
        """Yield what is other for a symbol; of two values for a key the later one holds."""
        volume = self.volumes.get(symbol)
        fitting = (tier for tier in self.config.tiers if volume is None or volume < tier.below)
        if (tier := next(fitting, None)) is not None:
            yield from tier.overrides
        yield from self.config.symbols.get(symbol, ())

    def table(self, table: PluginTable, symbol: str) -> PluginTable:
        """Return a plugin's table as it is for a symbol."""
        values: dict[str, Any] = {}
        for override in self.overrides(symbol):
            if override.instead_of == table.key:
                values |= override.values
        return attrs.evolve(table, settings=attrs.evolve(table.settings, **values)) if values else table

    def settings_of(self, table: PluginTable) -> Callable[[str], Any] | None:
        """Return what says a tier's settings of a symbol; ``None`` if they are the same for all."""
        others = [override for tier in self.config.tiers for override in tier.overrides]
        others += [override for overrides in self.config.symbols.values() for override in overrides]
        if not any(override.instead_of == table.key for override in others):
            return None
        return cache(partial(_settings, self, table))

    def origins(self, symbol: str) -> dict[str, tuple[Any, str]]:
        """Return, by the dotted key that it stands for, what is other for a symbol and where that is written."""
        found: dict[str, tuple[Any, str]] = {}
        for override in self.overrides(symbol):
            for name, value in override.values.items():
                found[join_key(override.instead_of, name)] = value, join_key(override.key, name)
        return found


def _settings(tuning: Tuning, table: PluginTable, symbol: str) -> Any:
    return tuning.table(table, symbol).settings
