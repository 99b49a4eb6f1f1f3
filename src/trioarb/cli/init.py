"""`trioarb init`: write a configuration to start from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from trioarb.cli.options import PluginFiles
from trioarb.config.plugin_files import plugins_named
from trioarb.config.template import render_template
from trioarb.errors import ConfigError
from trioarb.report.visible import say
from trioarb.settings.problem import Problem

__all__ = ["init"]


def init(
    path: Annotated[Path, Parameter(help="File to write.")] = Path("trioarb.toml"),
    *,
    wizard: Annotated[
        bool, Parameter(negative="", help="Ask five questions, and write a short configuration of the answers.")
    ] = False,
    plugin: PluginFiles = None,
    force: Annotated[bool, Parameter(negative="", help="Replace the file if there is one.")] = False,
) -> int:
    """Write a commented configuration: every key, its default and its unit."""
    if path.is_dir():
        raise ConfigError([Problem(file=str(path), message="is a folder; name the file to write")])
    if path.exists() and not force:  # before anybody is asked anything
        raise ConfigError([Problem(file=str(path), message="exists already; --force replaces it")])
    plugins = plugins_named(plugin)
    named = [os.path.relpath(file.path, path.parent) for file in plugins.files]
    if wizard:
        from trioarb.cli.wizard import first_campaign

        template = first_campaign(plugins, str(path), named)
    else:
        template = render_template(named)
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(template)
    except FileExistsError:
        raise ConfigError([Problem(file=str(path), message="exists already; --force replaces it")]) from None
    except OSError as error:
        raise ConfigError([Problem(file=str(path), message=f"can't be written ({error.strerror})")]) from None
    say(f"{path} written; next: trioarb check {path}, trioarb run {path}")
    return 0
