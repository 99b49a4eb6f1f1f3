"""Recorded quotes in place of the market data that a configuration names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from trioarb.config.assembly import Assembly
from trioarb.config.schema import ChannelHead, Mode
from trioarb.errors import ConfigError
from trioarb.plugin.spec import AlertChannelSpec, ExchangeSpec, MarketDataSpec, PluginSpec
from trioarb.settings.key import join_key
from trioarb.settings.problem import Problem

__all__ = ["Quotes"]

_PLUGIN = "recorded"
#: What stands in for exchanges that talk to the outside.
_SIMULATED = "paper"
#: What stands in for alert channels that do: nobody is to be woken by what happened once.
_TOLD = "log"


@attrs.frozen(kw_only=True)
class Quotes:
    """Files of quotes, and what they call the venues where that is not the venue's own name."""

    paths: Sequence[Path]
    exchanges: Mapping[str, str] = attrs.field(factory=dict)

    def lay_over(self, assembly: Assembly) -> None:
        """Let every venue play its quotes of the files, and the campaign choose among their symbols.

        An exchange that talks to the outside becomes a simulated one with the keys that it knows, which is warned of.

        Raises:
            ConfigError: ``exchanges`` names a venue that isn't there.
        """
        tables = assembly.table.get("exchanges")
        venues = tables if isinstance(tables, dict) else {}
        for name in self.exchanges:
            if name not in venues:
                allowed = ", ".join(venues) or "none"
                raise ConfigError(
                    [Problem(file="--exchange", message="no such venue", value=repr(name), allowed=allowed)]
                )
        first, *more = map(str, self.paths)
        for name, table in venues.items():
            market = table.get("market") if isinstance(table, dict) else None
            named = market.get("exchange") if isinstance(market, dict) and market.get("plugin") == _PLUGIN else None
            recorded = {"plugin": _PLUGIN, "path": first, "more": more}
            recorded["exchange"] = self.exchanges.get(name) or named or name
            if isinstance(market, dict) and _live(assembly, MarketDataSpec, market):
                assembly.warnings.append(
                    f"exchanges.{name}.market: {market.get('plugin')!r} talks to the outside; its venue plays the "
                    f"recorded quotes instead"
                )
            assembly.flag("--quotes", ("exchanges", name, "market"), recorded)
            if isinstance(table, dict):
                _simulate(assembly, table, join_key("exchanges", name))
        _leave_alone(assembly)
        universe = assembly.table.get("universe")
        if isinstance(universe, dict) and universe.get("source") != _PLUGIN:
            universe.pop("settings", None)
            assembly.flag("--quotes", ("universe", "source"), _PLUGIN)
        assembly.flag("--quotes", ("session", "clock"), "virtual")
        assembly.flag("--quotes", ("session", "speed"), 1)
        assembly.flag("--quotes", ("session", "mode"), Mode.PAPER.value)


def _live(assembly: Assembly, kind: type[PluginSpec[Any, Any]], table: Mapping[str, Any]) -> bool:
    """Return whether the plugin of the table, or one that it wraps, talks to the outside."""
    name, wrapped = table.get("plugin"), table.get("wraps")
    specs = (item.spec for item in assembly.plugins.registered if isinstance(item.spec, kind))
    is_live = any(spec.live for spec in specs if spec.name == name)
    return is_live or (isinstance(wrapped, dict) and _live(assembly, kind, wrapped))


def _simulate(assembly: Assembly, table: dict[str, Any], key: str) -> None:
    """Put a simulated exchange in the place of the one that talks to the outside, inside of what wraps it."""
    if not _live(assembly, ExchangeSpec, table) or isinstance(table.get("paper"), dict):
        return
    wrapped = table.get("wraps")
    if isinstance(wrapped, dict) and _live(assembly, ExchangeSpec, wrapped):
        _simulate(assembly, wrapped, f"{key}.wraps")
        return
    known = {field.name for field in attrs.fields(assembly.plugins.get(ExchangeSpec, _SIMULATED, key=key).settings)}
    was, kept = table.get("plugin"), {name: value for name, value in table.items() if name in {*known, "market"}}
    table.clear()
    table.update({"plugin": _SIMULATED, **kept})
    shown = ", ".join(name for name in kept if name != "market") or "none"
    assembly.warnings.append(
        f"{key}: {was!r} talks to the outside; {_SIMULATED!r} stands in for it (keys that it knows: {shown})"
    )


def _leave_alone(assembly: Assembly) -> None:
    """Let the log be told what channels would tell that talk to the outside."""
    channels = assembly.table.get("channels")
    for name, table in channels.items() if isinstance(channels, dict) else ():
        if isinstance(table, dict) and _live(assembly, AlertChannelSpec, table):
            was, heads = table["plugin"], attrs.fields_dict(ChannelHead)
            kept = {key: value for key, value in table.items() if key in heads}
            table.clear()
            table.update(kept | {"plugin": _TOLD})
            assembly.warnings.append(
                f"{join_key('channels', name)}: {was!r} talks to the outside; its alerts go to the log instead"
            )
