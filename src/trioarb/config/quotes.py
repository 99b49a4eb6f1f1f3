"""Recorded quotes in place of the market data that a configuration names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from trioarb.config.assembly import Assembly
from trioarb.errors import ConfigError
from trioarb.settings.problem import Problem

__all__ = ["Quotes"]

_PLUGIN = "recorded"


@attrs.frozen(kw_only=True)
class Quotes:
    """Files of quotes, and what they call the venues where that is not the venue's own name."""

    paths: Sequence[Path]
    exchanges: Mapping[str, str] = attrs.field(factory=dict)

    def lay_over(self, assembly: Assembly) -> None:
        """Let every venue play its quotes of the files, and the campaign choose among their symbols.

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
            assembly.flag("--quotes", ("exchanges", name, "market"), recorded)
        universe = assembly.table.get("universe")
        if isinstance(universe, dict) and universe.get("source") != _PLUGIN:
            universe.pop("settings", None)
            assembly.flag("--quotes", ("universe", "source"), _PLUGIN)
        assembly.flag("--quotes", ("session", "clock"), "virtual")
        assembly.flag("--quotes", ("session", "speed"), 1)
