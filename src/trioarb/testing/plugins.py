"""Plugins without a package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import attrs

from trioarb.api import (
    AlertChannelSpec,
    ExchangeSpec,
    GuardTierSpec,
    MarketDataSpec,
    StrategySpec,
    SymbolSourceSpec,
    VenueSpec,
    hookimpl,
)
from trioarb.plugin.spec import PluginSpec

__all__ = ["plugin_of"]

SpecT = TypeVar("SpecT", bound=PluginSpec[Any, Any])


def plugin_of(*specs: PluginSpec[Any, Any]) -> object:
    """Return a plugin whose hooks return these specs.

    Args:
        *specs: Of any kinds.
    """
    return _SpecPlugin(specs)


@attrs.define(eq=False)
class _SpecPlugin:
    _specs: Sequence[PluginSpec[Any, Any]]

    @hookimpl
    def trioarb_venues(self) -> list[VenueSpec]:
        return self._of(VenueSpec)

    @hookimpl
    def trioarb_symbol_sources(self) -> list[SymbolSourceSpec]:
        return self._of(SymbolSourceSpec)

    @hookimpl
    def trioarb_market_data(self) -> list[MarketDataSpec]:
        return self._of(MarketDataSpec)

    @hookimpl
    def trioarb_exchanges(self) -> list[ExchangeSpec]:
        return self._of(ExchangeSpec)

    @hookimpl
    def trioarb_guard_tiers(self) -> list[GuardTierSpec]:
        return self._of(GuardTierSpec)

    @hookimpl
    def trioarb_strategies(self) -> list[StrategySpec]:
        return self._of(StrategySpec)

    @hookimpl
    def trioarb_alert_channels(self) -> list[AlertChannelSpec]:
        return self._of(AlertChannelSpec)

    def _of(self, kind: type[SpecT]) -> list[SpecT]:
        return [spec for spec in self._specs if isinstance(spec, kind)]
