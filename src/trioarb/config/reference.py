"""Documentation of every table and key, of the core and of plugins.

``python -m trioarb.config.reference > docs/configuration.md`` writes it anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from trioarb.config.schema import (
    Engine,
    ExchangeHead,
    Execution,
    GuardHead,
    Log,
    MarketHead,
    Session,
    StrategyHead,
    Tables,
    Universe,
    WrapperHead,
)
from trioarb.plugin.extras import EXTRAS, extra_with_plugin
from trioarb.plugin.registry import Plugins, load_plugins
from trioarb.plugin.spec import (
    ExchangeSpec,
    GuardTierSpec,
    MarketDataSpec,
    PluginSpec,
    StrategySpec,
    SymbolSourceSpec,
)
from trioarb.settings.keydoc import KeyDoc, key_docs

__all__ = ["plugin_keys", "render_page", "render_reference"]

_HEAD = """\
# Configuration

A campaign is one TOML file. `trioarb init` writes a commented one, `trioarb check CONFIG` says all that is wrong
with it and what would run. A small one:

```toml
[universe]
top_n = 10

[exchanges.a]
market = { plugin = "dummy" }
balances = { USDT = "100000" }
inventory_usd_per_symbol = 5_000

[exchanges.b]
market = { plugin = "dummy" }
balances = { USDT = "100000" }
inventory_usd_per_symbol = 5_000
```

- **Values.** Numbers may be written as `5_000`, `5000.0` or `"5000"`; they are read exactly, never through binary
  fractions. Everything else is taken only for what it is: `"false"` is not `false`, `1.0` is not a whole number.
- **Names** of venues and guard tiers are made of letters, digits, `_` and `-`. What order tables stand in changes
  nothing.
- **Overrides.** `--set table.key=value`, as often as needed, lays a value over the file: a TOML value where it is one,
  else plain text (`--set universe.mode=TOP_N`). Tables that are missing are made. `*` stands for every key that the
  file has in that place: `--set 'exchanges.*.market.path=quotes.parquet'`. A part with a dot in it stands in quotes.
  `--iterations`, `--runtime` and `--log-level` are short for `session.max_iterations`, `session.max_runtime_seconds`
  and `log.level`. Of several for one key the last holds; flags win over `--set`.
- **Variables.** `TRIOARB__EXCHANGES__A__LATENCY_MS=60` in the environment is laid over the file, too, before `--set`:
  the parts of the key in upper case, `-` as `_`, two underscores between them. Its tables have to be in the file; one
  that fits none, or two keys, is an error.
- **Secrets** (keys of the type "secret", at any depth) are written as `api_key = { env = "NAME" }`, an environment
  variable, or `{ keyring = "service/user" }`, which needs `pip install 'trioarb[keyring]'`. The journal keeps that
  reference, never the value, and `resume` reads it again. A secret in the file itself or in `--set` is warned of; the
  journal then keeps a reference to the variable that overrides it. Secrets of four characters or more are shown as
  `***` in everything that trioarb prints or writes, also URL-encoded, in base64 or hex, and as JSON and Python write
  them.
- **Problems.** All problems of a file are reported at once, each with file (or flag), key, the bad value, what is
  allowed, and the nearest right name. The exit code is 2.
- **Paths** are relative to the working directory, not to the file; `~` is the home directory.
- **Digest.** `config_digest` in the summary is the SHA-256 of the effective configuration: defaults and overrides
  included, secrets and the log level left out. Files that mean the same have the same digest.
"""

_CORE = (
    ("[session]", Session),
    ("[universe]", Universe),
    ("[engine]", Engine),
    ("[execution]", Execution),
    ("[log]", Log),
)

_PLUGINS: tuple[tuple[str, str, type[Any] | None, type[PluginSpec[Any, Any]]], ...] = (
    ("Symbol sources", "[universe.settings]", None, SymbolSourceSpec),
    ("Exchanges", "[exchanges.NAME]", ExchangeHead, ExchangeSpec),
    ("Market data", "exchanges.NAME.market", MarketHead, MarketDataSpec),
    ("Strategies", "[strategy]", StrategyHead, StrategySpec),
    ("Guard tiers", "[guards.NAME]", GuardHead, GuardTierSpec),
)

_GUARDS_NOTE = """\
The tiers `exchange`, `global`, `portfolio` and `symbol` are there, with their defaults where the file has no table for
them, unless a table says `enabled = false`. They are asked in this order, tiers of other packages after them.
`kill_switch` is there if the file has a table for it, and is asked first.
"""


def render_reference(plugins: Plugins) -> str:
    """Return markdown that documents every key of the core and of ``plugins``."""
    return "\n".join([*_core(), *_plugin_kinds(plugins)])


def render_page(plugins: Plugins) -> str:
    """Return the whole page: what holds for every file, then the reference of trioarb's plugins and its extras'."""
    packages = {"trioarb", *(extra.package for extra in EXTRAS)}
    ours = Plugins(tuple(item for item in plugins.registered if item.distribution.partition(" ")[0] in packages))
    return f"{_HEAD}\n{render_reference(ours)}"


def plugin_keys(spec: PluginSpec[Any, Any]) -> Iterator[KeyDoc]:
    """Yield the keys of a plugin's table: its settings, and what it wraps where it wraps another."""
    if spec.wraps:
        yield from key_docs(WrapperHead)
    yield from key_docs(spec.settings)


def _core() -> Iterator[str]:
    yield "## Tables of the core\n"
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
    # Bytes, so that the locale has no say in what is written.
    sys.stdout.buffer.write(render_page(load_plugins()).encode())
