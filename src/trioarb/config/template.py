"""A commented configuration to start from."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from trioarb.config.alerts import AlertTable
from trioarb.config.assembly import TIERS
from trioarb.config.schema import (
    DashboardTable,
    Engine,
    ExchangeHead,
    Execution,
    Log,
    PluginsTable,
    Session,
    StrategyHead,
    Tables,
    Universe,
    WrapperHead,
)
from trioarb.plugin.registry import load_plugins
from trioarb.plugin.spec import ExchangeSpec, GuardTierSpec, MarketDataSpec, PluginSpec, StrategySpec
from trioarb.plugin.venue_spec import VenueSpec
from trioarb.settings.keydoc import KeyDoc, key_docs, toml_literal

__all__ = ["plugin_keys", "render_template"]

_WIDTH = 110

_HEAD = """\
# A campaign for trioarb:  trioarb check FILE  says what would run,  trioarb run FILE  runs it.
# A key behind a # is at its default; one with nothing after the = is absent unless given.
"""

#: What the default campaign says aloud of the core's keys, whether it is a default or not.
_SPOKEN: Mapping[str, Mapping[str, Any]] = {
    "session": {"max_runtime_seconds": 120, "max_iterations": 50, "loop_interval_ms": 500, "seed": 7},
    "universe": {
        "source": "dummy",
        "mode": "TOP_N",
        "top_n": 10,
        "base_quote": "USDT",
        "blacklist": ("BUSDUSDT", "USDCUSDT"),
    },
    "engine": {"mode": "multi", "max_concurrent_pairs": 10},
}
#: What the default campaign alerts of, and how others than the log would be told.
_ALERTS: Mapping[str, Any] = {
    "on": ("emergency_stop", "residual", "venue_down", "fx_disputed", "journal_failing", "campaign_failed")
}
_CHANNELS = """\
# How people are told. Without a table, the log is. docs/alerts.md says more; such as:
#   [channels.ops]
#   plugin = "webhook"
#   url = { env = "OPS_URL" }
"""


def render_template(plugin_files: Iterable[str] = ()) -> str:
    """Return a complete configuration: two paper venues with dummy markets, each key with its unit and meaning.

    ``plugin_files``: paths of plugins that are files, from the configuration's folder.

    Raises:
        PluginError: an installed plugin can't be loaded.
        ConfigError: a plugin that the default campaign needs isn't installed.
    """
    found, files = load_plugins(), tuple(plugin_files)
    exchange = found.get(ExchangeSpec, "paper")
    market = found.get(MarketDataSpec, "dummy")
    strategy = found.get(StrategySpec, "spread")
    venue = {"plugin": exchange.name, "market": {"plugin": market.name}, **exchange.example}
    top = {key.name: key for key in key_docs(Tables)}

    strategy_keys = [*key_docs(StrategyHead), *plugin_keys(strategy)]
    venue_keys = [*key_docs(ExchangeHead), *plugin_keys(exchange)]
    tables = [
        _HEAD,
        _lines([top["env"]], {"env": "development"}),
        _table("session", Session.__doc__, key_docs(Session), _SPOKEN["session"]),
        _table("universe", Universe.__doc__, key_docs(Universe), _SPOKEN["universe"]),
        _table("exchanges.a", "A venue; two or more, under any names.", venue_keys, venue),
        _market_keys(plugin_keys(market)),
        _again("exchanges.b", "The same keys as above.", venue),
        _table(
            "strategy",
            f"Strategy: {strategy.doc}.",
            strategy_keys,
            {"plugin": strategy.name, **strategy.example},
        ),
    ]
    for name in TIERS:
        tier = found.get(GuardTierSpec, name)
        keys = list(key_docs(tier.settings))
        tables.append(_table(f"guards.{name}", f"Guard tier: {tier.doc}.", keys, _defaults(tier.settings)))
    tables += [
        _table("engine", Engine.__doc__, key_docs(Engine), _SPOKEN["engine"]),
        _table("execution", Execution.__doc__, key_docs(Execution), {}),
        _comment(top["fx"].doc) + "[fx]\n# USDT = 1\n",
        _table("dashboard", DashboardTable.__doc__, key_docs(DashboardTable), {}),
        _table("plugins", PluginsTable.__doc__, key_docs(PluginsTable), {"paths": files} if files else {}),
        _table("log", Log.__doc__, key_docs(Log), {}),
        f"{_comment(AlertTable.__doc__ or '')}[[alerts]]\n{_lines(key_docs(AlertTable), _ALERTS)}",
        _CHANNELS,
    ]
    return "\n".join(tables)


def plugin_keys(spec: PluginSpec[Any, Any]) -> list[KeyDoc]:
    """Return the keys of a plugin's table: its settings, and what it wraps where it wraps another."""
    settings = spec.table if isinstance(spec, VenueSpec) else spec.settings
    return [*(key_docs(WrapperHead) if spec.wraps else ()), *key_docs(settings)]


def _defaults(settings: type[Any]) -> dict[str, Any]:
    return {name: value for name, value in attrs.asdict(settings(), recurse=False).items() if value is not None}


def _table(table: str, doc: str | None, keys: Iterable[KeyDoc], spoken: Mapping[str, Any]) -> str:
    return f"{_comment(doc or '')}[{table}]\n{_lines(keys, spoken)}"


def _again(table: str, doc: str, spoken: Mapping[str, Any]) -> str:
    values = "".join(f"{name} = {toml_literal(value)}\n" for name, value in spoken.items())
    return f"{_comment(doc)}[{table}]\n{values}"


def _lines(keys: Iterable[KeyDoc], spoken: Mapping[str, Any]) -> str:
    lines = []
    for key in keys:
        lines.append(_comment(f"{key.doc} ({key.type})"))
        if key.name in spoken:
            lines.append(f"{key.name} = {toml_literal(spoken[key.name])}\n")
        else:
            lines.append(f"# {key.name} = {key.default}".rstrip() + "\n")
    return "".join(lines)


def _market_keys(keys: Iterable[KeyDoc]) -> str:
    head = _comment('Inside the braces of market may stand, of plugin = "dummy":')
    return head + "".join(_comment(f"{key.name} = {key.default}: {key.doc} ({key.type})", indent=2) for key in keys)


def _comment(text: str, *, indent: int = 0) -> str:
    lines = textwrap.wrap(text, _WIDTH - indent, break_long_words=False, break_on_hyphens=False)
    return "".join(f"# {' ' * (indent if number == 0 else 2 * indent)}{line}\n" for number, line in enumerate(lines))
