"""`trioarb plugins new`: write a package for a plugin, to begin with."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from trioarb.cli.options import ANY_CASE
from trioarb.errors import ConfigError
from trioarb.plugin.new_package import NewPackage
from trioarb.plugin.registry import load_plugins
from trioarb.report.visible import say

__all__ = ["new_plugin"]


def new_plugin(
    kind: Annotated[
        Literal["exchange", "source", "market", "guard", "strategy", "alert"],
        ANY_CASE,
        Parameter(help="What the plugin is: a venue to trade at, symbols, quotes, a guard tier, …"),
    ],
    name: Annotated[str, Parameter(help="Name of the package and of the plugin: `acme-thing`, its module acme_thing.")],
    /,
    *,
    out: Annotated[
        Path | None, Parameter(help="Folder to write into, made if it isn't there; by default NAME.")
    ] = None,
) -> int:
    """Write a package for a plugin; return 0."""
    package = NewPackage(kind=kind, name=name)
    if (problem := package.problem(load_plugins())) is not None:
        raise ConfigError([problem])
    folder = out or Path(name)
    written = package.write(folder)
    say(f"{folder}: a package with {_AN.get(kind, 'a')} {kind}, {len(written)} files:")
    for path in written:
        say(f"  {os.path.relpath(path, folder)}")
    say("Next:")
    say(f"  cd {shlex.quote(str(folder))} && python -m pip install -e '.[test]'")
    say("  python -m pytest")
    say("  trioarb check example.toml")
    return 0


_AN = {"exchange": "an", "alert": "an"}
