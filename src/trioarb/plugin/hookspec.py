"""The hooks, and the two markers. Hooks are plain functions and return specs; they open nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import pluggy

from trioarb.plugin.spec import (
    AlertChannelSpec,
    ExchangeSpec,
    GuardTierSpec,
    MarketDataSpec,
    StrategySpec,
    SymbolSourceSpec,
)
from trioarb.plugin.venue_spec import VenueSpec

__all__ = [
    "PROJECT",
    "hookimpl",
    "trioarb_alert_channels",
    "trioarb_exchanges",
    "trioarb_guard_tiers",
    "trioarb_market_data",
    "trioarb_strategies",
    "trioarb_symbol_sources",
    "trioarb_venues",
]

PROJECT = "trioarb"

F = TypeVar("F", bound=Callable[..., object])

hookspec = pluggy.HookspecMarker(PROJECT)
_hookimpl = pluggy.HookimplMarker(PROJECT)


def hookimpl(function: F) -> F:
    """Mark a function of a plugin as the implementation of the hook of its name.

    Args:
        function: A plain function without arguments, which returns specs, opens nothing and is called once a load.
    """
    return _hookimpl(function)


@hookspec
def trioarb_venues() -> Sequence[VenueSpec]:  # type: ignore[empty-body]
    """Return the venues that may be named wherever a symbol source, market data or an exchange is."""


@hookspec
def trioarb_symbol_sources() -> Sequence[SymbolSourceSpec]:  # type: ignore[empty-body]
    """Return the sources of symbols that ``[universe] source`` may name."""


@hookspec
def trioarb_market_data() -> Sequence[MarketDataSpec]:  # type: ignore[empty-body]
    """Return the market data that ``[exchanges.NAME] market`` may name."""


@hookspec
def trioarb_exchanges() -> Sequence[ExchangeSpec]:  # type: ignore[empty-body]
    """Return the exchanges that ``[exchanges.NAME] plugin`` may name."""


@hookspec
def trioarb_guard_tiers() -> Sequence[GuardTierSpec]:  # type: ignore[empty-body]
    """Return the guard tiers that ``[guards.NAME]`` may name."""


@hookspec
def trioarb_strategies() -> Sequence[StrategySpec]:  # type: ignore[empty-body]
    """Return the strategies that ``[strategy] plugin`` may name."""


@hookspec
def trioarb_alert_channels() -> Sequence[AlertChannelSpec]:  # type: ignore[empty-body]
    """Return the channels that ``[channels.NAME] plugin`` may name."""
