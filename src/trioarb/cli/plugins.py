"""`trioarb plugins`: what there is, and one of them with its settings; and the commands below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import attrs
import cyclopts
from cyclopts import Parameter
from rich.padding import Padding
from rich.table import Table

from trioarb.cli.commands import with_examples
from trioarb.cli.options import AsJson, PluginFiles
from trioarb.cli.output import print_json
from trioarb.config.plugin_files import plugins_named
from trioarb.config.template import plugin_keys
from trioarb.errors import ConfigError
from trioarb.plugin.extras import extra_with_plugin
from trioarb.plugin.registry import Registered
from trioarb.plugin.spec import PluginSpec
from trioarb.plugin.venue_spec import VenueSpec
from trioarb.report.console import LastingConsole
from trioarb.settings.keydoc import KeyDoc
from trioarb.settings.problem import Problem, nearest

__all__ = ["plugins"]

#: What stands in its help: `trioarb.cli.commands`.
plugins = cyclopts.App(name="plugins")
plugins.command(
    "trioarb.cli.plugins_new:new_plugin",
    name="new",
    help=with_examples(
        """Write a package for a plugin: it works, has tests, and is for you to change.

        Settings, an implementation, its entry point, tests that hold it to the numbered cases of its kind, a
        configuration that uses it, and what to do next.
        """,
        """
        trioarb plugins new guard acme-hours
        trioarb plugins new exchange acme-venue --out work/acme
        """,
    ),
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
def list_plugins(
    name: Annotated[str | None, Parameter(help="Show the plugins of this name, of whatever kind.")] = None,
    /,
    *,
    plugin: PluginFiles = None,
    as_json: AsJson = False,
) -> int:
    """List the plugins, or show one; return 0."""
    found = (item for item in plugins_named(plugin).registered if not item.spec.is_part)
    registered = sorted(found, key=lambda item: (item.spec.kind, item.spec.name))
    chosen = registered if name is None else _of_name(name, registered)
    if as_json:
        print_json([_row(item) for item in chosen])
        return 0
    console = LastingConsole()
    if name is not None:
        for item in chosen:
            _show(console, item)
        return 0
    table = Table("kind", "name", "comes from", "what it is")
    for item in chosen:
        table.add_row(item.spec.kind, item.spec.name, item.distribution, _doc(item.spec))
    console.print(table)
    for item in chosen:
        if keys := plugin_keys(item.spec):
            console.print(f"\n{item.spec.kind} {item.spec.name}", style="bold")
            _show_settings(console, keys)
    return 0


def _of_name(name: str, registered: Sequence[Registered]) -> list[Registered]:
    """Return the plugins of a name: there may be one of each kind.

    Raises:
        ConfigError: there is none.
    """
    found = [item for item in registered if item.spec.name == name]
    if not found:
        names = sorted({item.spec.name for item in registered})
        extra = extra_with_plugin(name)
        problem = Problem(
            file="plugins",
            message="no plugin of this name is installed",
            value=name,
            allowed=", ".join(names),
            suggestion="" if extra else nearest(name, names),
            remedy=f"it comes with {extra.install}" if extra else "",
        )
        raise ConfigError([problem])
    return found


def _row(item: Registered) -> dict[str, Any]:
    return {
        "kind": item.spec.kind,
        "name": item.spec.name,
        "doc": item.spec.doc,
        "gives": _given(item.spec),
        "distribution": item.distribution,
        "settings": [attrs.asdict(key) for key in plugin_keys(item.spec)],
    }


def _show(console: LastingConsole, item: Registered) -> None:
    console.print(f"{item.spec.kind} {item.spec.name}", style="bold")
    console.print(f"  {_doc(item.spec)}", soft_wrap=True)
    console.print(f"  from {item.distribution}{_manners(item)}", soft_wrap=True)
    keys = plugin_keys(item.spec)
    if keys:
        _show_settings(console, keys)
    else:
        console.print("  It has no settings.")


def _manners(item: Registered) -> str:
    """Return what of its spec its user has to know."""
    spec = item.spec
    said = [
        "wraps another of its kind" if spec.wraps else "",
        "orders cost money" if getattr(spec, "real", False) else "",
        "talks to the outside" if spec.live else "",
    ]
    return "".join(f"; {one}" for one in said if one)


def _given(spec: PluginSpec[Any, Any]) -> list[str]:
    """Return the kinds of what a venue gives."""
    return [part.kind for part in spec.parts()] if isinstance(spec, VenueSpec) else []


def _doc(spec: PluginSpec[Any, Any]) -> str:
    gives = _given(spec)
    return f"{spec.doc} ({', '.join(gives)})" if gives else spec.doc


def _show_settings(console: LastingConsole, keys: Sequence[KeyDoc]) -> None:
    """Print a line with name, type and default for each key, and below it what it is."""
    for key in keys:
        default = "required" if key.required else f"default {key.default}" if key.default else "absent"
        console.print(f"  {key.name}  {key.type}  {default}", soft_wrap=True)
        console.print(Padding(key.doc, (0, 0, 0, 6)))
