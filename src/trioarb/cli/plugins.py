"""`trioarb plugins`: what is installed; and the commands below it."""

from __future__ import annotations

from typing import Any

import attrs
import cyclopts
from rich.table import Table

from trioarb.cli.commands import with_examples
from trioarb.cli.options import AsJson
from trioarb.cli.output import print_json
from trioarb.config.template import plugin_keys
from trioarb.plugin.registry import load_plugins
from trioarb.plugin.spec import PluginSpec
from trioarb.plugin.venue_spec import VenueSpec
from trioarb.report.console import LastingConsole
from trioarb.settings.keydoc import KeyDoc

__all__ = ["plugins"]

plugins = cyclopts.App(
    name="plugins", help="List the installed plugins: kind, name, the distribution they come from, and their settings."
)
plugins.command(
    "trioarb.cli.plugins_check:check_plugin",
    name="check",
    help=with_examples(
        """Judge a plugin by numbered cases.

        Each says when it is passed; docs/conformance.md lists them. Nothing is traded where that costs money.

        Exit codes: 0 every case passes or is not offered; 1 one has failed; 2 it can't be judged.
        """,
        """
        trioarb plugins check edge-cap --config edge-cap.toml
        trioarb plugins check acme --kind exchange --config acme.toml --case EX-21
        """,
    ),
)


@plugins.default
def list_plugins(*, as_json: AsJson = False) -> int:
    """List the installed plugins: kind, name, the distribution they come from, and their settings."""
    found = (item for item in load_plugins().registered if not item.spec.is_part)
    registered = sorted(found, key=lambda item: (item.spec.kind, item.spec.name))
    if as_json:
        rows = [
            {
                "kind": item.spec.kind,
                "name": item.spec.name,
                "doc": item.spec.doc,
                "gives": _given(item.spec),
                "distribution": item.distribution,
                "settings": [attrs.asdict(key) for key in plugin_keys(item.spec)],
            }
            for item in registered
        ]
        print_json(rows)
        return 0
    console = LastingConsole()
    table = Table("kind", "name", "distribution", "what it is")
    for item in registered:
        gives = _given(item.spec)
        doc = f"{item.spec.doc} ({', '.join(gives)})" if gives else item.spec.doc
        table.add_row(item.spec.kind, item.spec.name, item.distribution, doc)
    console.print(table)
    for item in registered:
        keys = plugin_keys(item.spec)
        if keys:
            console.print(f"\n{item.spec.kind} {item.spec.name}", style="bold")
            console.print(_settings(keys))
    return 0


def _given(spec: PluginSpec[Any, Any]) -> list[str]:
    """Return the kinds of what a venue gives."""
    return [part.kind for part in spec.parts()] if isinstance(spec, VenueSpec) else []


def _settings(keys: list[KeyDoc]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, overflow="ignore")
    for key in keys:
        default = "required" if key.required else f"default {key.default}" if key.default else "absent"
        grid.add_row(f"  {key.name}", key.type, default, key.doc)
    return grid
