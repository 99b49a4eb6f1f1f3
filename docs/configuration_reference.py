"""Documentation of every table and key, of the core and of plugins: the second part of ``configuration.md``.

``python docs/configuration_reference.py`` writes it anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from trioarb.config.alerts import AlertTable
from trioarb.config.schema import (
    ChannelHead,
    DashboardTable,
    Engine,
    ExchangeHead,
    Execution,
    FeeAssetTable,
    FxTable,
    GuardHead,
    Log,
    PluginHead,
    PluginsTable,
    Session,
    StrategyHead,
    SymbolTable,
    Tables,
    TierTable,
    Transfers,
    Universe,
    Withdrawal,
)
from trioarb.config.template import plugin_keys
from trioarb.plugin.extras import EXTRAS, extra_with_plugin
from trioarb.plugin.registry import Plugins, load_plugins
from trioarb.plugin.spec import (
    AlertChannelSpec,
    ExchangeSpec,
    GuardTierSpec,
    MarketDataSpec,
    PluginSpec,
    StrategySpec,
    SymbolSourceSpec,
)
from trioarb.settings.keydoc import KeyDoc, key_docs

PAGE = Path(__file__).with_name("configuration.md")
#: What stands before it on the page is written by hand.
_BEGINNING = "## Tables of the core\n"

_CORE = (
    ("[session]", Session),
    ("[universe]", Universe),
    ("[engine]", Engine),
    ("[execution]", Execution),
    ("[withdrawals.VENUE.ASSET]", Withdrawal),
    ("[transfers]", Transfers),
    ("[dashboard]", DashboardTable),
    ("[plugins]", PluginsTable),
    ("[log]", Log),
    ("[fx.ASSET]", FxTable),
    ("[fee_assets.ASSET]", FeeAssetTable),
    ("[tiers.NAME]", TierTable),
    ("[symbols.SYMBOL]", SymbolTable),
    ("[[alerts]]", AlertTable),
)

_PLUGINS: tuple[tuple[str, str, type[Any] | None, type[PluginSpec[Any, Any]]], ...] = (
    ("Symbol sources", "[universe.settings]", None, SymbolSourceSpec),
    ("Exchanges", "[exchanges.NAME]", ExchangeHead, ExchangeSpec),
    ("Market data", "exchanges.NAME.market", PluginHead, MarketDataSpec),
    ("Strategies", "[strategy]", StrategyHead, StrategySpec),
    ("Guard tiers", "[guards.NAME]", GuardHead, GuardTierSpec),
    ("Alert channels", "[channels.NAME]", ChannelHead, AlertChannelSpec),
)

_GUARDS_NOTE = """\
The tiers `exchange`, `global`, `portfolio` and `symbol` are there, with their defaults where the file has no table for
them, unless a table says `enabled = false`. They are asked in this order, tiers of other packages after them.
`kill_switch` is there if the file has a table for it, and is asked first.
"""


def render_reference(plugins: Plugins) -> str:
    """Return markdown that documents every key of the core and of ``plugins``."""
    return "\n".join([*_core(), *_plugin_kinds(plugins)])


def render_page(page: str, plugins: Plugins) -> str:
    """Return the page with the reference of trioarb's plugins, and of its extras', written anew."""
    packages = {"trioarb", *(extra.package for extra in EXTRAS)}
    ours = Plugins(tuple(item for item in plugins.registered if item.distribution.partition(" ")[0] in packages))
    return page.partition(_BEGINNING)[0] + render_reference(ours)


def _core() -> Iterator[str]:
    yield _BEGINNING
    yield "`env` stands before the first table; `[fx]` is a table of assets.\n"
    yield from _table(key for key in key_docs(Tables) if key.name in ("env", "fx"))
    for title, cls in _CORE:
        yield f"### `{title}`\n\n{cls.__doc__}\n"
        yield from _table(key_docs(cls))


def _plugin_kinds(plugins: Plugins) -> Iterator[str]:
    for title, table, head, kind in _PLUGINS:
        yield f"## {title}: `{table}`\n"
        if kind is GuardTierSpec:
            yield _GUARDS_NOTE
        if head is not None:
            yield from _table(key_docs(head))
        for name in plugins.names(kind):
            spec = plugins.get(kind, name)
            yield f'### `plugin = "{name}"`\n' if head else f'### `source = "{name}"`\n'
            yield f"{spec.doc[:1].upper()}{spec.doc[1:].rstrip('.')}.\n"
            extra = extra_with_plugin(name)
            if extra is not None:
                yield f"Comes with the package {extra.package}: {extra.install}.\n"
            keys = list(plugin_keys(spec))
            yield from _table(keys) if keys else ["It has no settings.\n"]


def _table(keys: Iterable[KeyDoc]) -> Iterator[str]:
    yield "| key | type, unit | default | meaning |"
    yield "|---|---|---|---|"
    for key in keys:
        default = "required" if key.required else f"`{key.default}`" if key.default else "absent"
        yield f"| `{key.name}` | {_cell(key.type)} | {_cell(default)} | {_cell(key.doc)} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(render_page(PAGE.read_text(encoding="utf-8"), load_plugins()), encoding="utf-8")
