"""Keep a configuration with its journal, and compare it with another one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import attrs
import msgspec

from trioarb.config.digest import canonical
from trioarb.config.schema import Config
from trioarb.config.secrets import with_references
from trioarb.settings.key import join_key

__all__ = ["Difference", "differences", "from_text", "to_text"]

#: What may differ when a campaign goes on: pace, limits and thresholds, not what money and orders mean.
_HARMLESS = (
    "alerts",
    "channels.",
    "env",
    "engine.",
    "execution.",
    "guards.",
    "live.",
    "plugins.",
    "strategy.",
    "session.",
    "symbols.",
    "tiers.",
    "transfers.",
    "withdrawals.",
)
_HARMFUL = ("session.mode", "session.clock", "session.seed")
#: What is meant to be changed, and where a campaign is kept.
_IGNORED = ("session.max_runtime_seconds", "session.max_iterations", "session.journal", "session.durability")


@attrs.frozen(kw_only=True)
class Difference:
    """A key whose value differs; ``None`` where it is absent. ``harmless``: the books still mean the same."""

    key: str
    stored: str | None
    given: str | None
    harmless: bool

    def __str__(self) -> str:
        return f"{self.key}: {self.given or 'absent'} instead of {self.stored or 'absent'}"


def to_text(table: Mapping[str, Any], config: Config) -> str:
    """Return the table as JSON, numbers exact, and references in the place of secrets."""
    kept = json.loads(msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode(table), parse_float=Decimal)
    for plugin_table in config.plugin_tables():
        *parents, name = plugin_table.key.split(".")
        around = kept
        for parent in parents:
            around = around.get(parent, {})
        if name in around:
            around[name] = with_references(around[name], type(plugin_table.settings), plugin_table.key)
    return msgspec.json.Encoder(decimal_format="number").encode(kept).decode()


def from_text(text: str) -> dict[str, Any]:
    """Return the table that `to_text` wrote.

    Raises:
        ValueError: it is none.
    """
    try:
        table = json.loads(text, parse_float=Decimal)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(table, dict):
        raise ValueError("not a table")
    return table


def differences(stored: Config, given: Config) -> list[Difference]:
    """Return what differs in effect, defaults included, sorted by key."""
    before, after = dict(_flat(stored)), dict(_flat(given))
    return [
        Difference(key=key, stored=before.get(key), given=after.get(key), harmless=_is_harmless(key))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key) and key not in _IGNORED
    ]


def _is_harmless(key: str) -> bool:
    return key.startswith(_HARMLESS) and key not in _HARMFUL


def _flat(config: Config) -> Iterator[tuple[str, str]]:
    for name in ("session", "engine", "execution"):
        yield from _leaves(name, canonical(getattr(config, name)))
    yield "env", config.env
    yield from _leaves("universe", canonical(attrs.evolve(config.universe, settings={})))
    yield from _leaves("fx", canonical(config.fx))
    yield from _leaves("fx", canonical(config.fx_markets))
    for name, venue in config.exchanges.items():
        yield from _leaves(join_key("exchanges", name, "aliases"), canonical(venue.aliases))
        yield from _leaves(join_key("exchanges", name, "same_as"), canonical(venue.same_as))
    yield from _leaves("withdrawals", canonical(config.withdrawals))
    yield from _leaves("transfers", canonical(config.transfers))
    yield from _leaves("live", canonical(config.live))
    yield from _leaves("plugins.sha256", canonical(config.plugin_files))
    yield from _leaves("fee_assets", canonical(config.fee_assets))
    for number, rule in enumerate(config.alerts):
        yield from _leaves(f"alerts[{number}]", canonical(rule))
    for channel in config.channels:
        yield from _leaves(channel.table.key, canonical(channel.head))
    for tier in config.tiers:
        yield from _leaves(join_key("tiers", tier.name, "below_24h_quote_volume"), canonical(tier.below))
    overrides = [one for tier in config.tiers for one in tier.overrides]
    for override in (*overrides, *(one for symbol in config.symbols.values() for one in symbol)):
        yield from _leaves(override.key, canonical(override.values))
    for table in config.plugin_tables():
        yield join_key(table.key, "plugin"), table.plugin
        yield from _leaves(table.key, canonical(table.settings))


def _leaves(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(join_key(key, name), item)
    elif value is not None:
        yield key, value if isinstance(value, str) else json.dumps(value)
