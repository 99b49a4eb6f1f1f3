"""The reference of the command line: every command with arguments, options and examples, as its own help has them."""

from __future__ import annotations

import re

import cyclopts

from trioarb.cli import main
from trioarb.cli.installed import add_installed

__all__ = ["cli_page", "undocumented"]

_BEGINNING = """\
# Command line

What `trioarb --help` and `trioarb COMMAND --help` say, of the commands of its packages, too: `trioarb data` comes with
trioarb-data, `trioarb venue-sim` with trioarb-sim.

{epilogue}
"""

#: An argument or option, what is said of it, and its default or choices.
_PARAMETER = re.compile(r"\* `(?P<name>[^`]+)`:(?P<doc>.*?)(?: \*\*\[required\]\*\*| \*\[.*\]\*)*", re.DOTALL)


def cli_page() -> str:
    """Return the page, with the commands of the packages that are installed."""
    return _BEGINNING.format(epilogue=main.app.help_epilogue) + "\n" + _commands(_whole())


def undocumented(app: cyclopts.App | None = None) -> list[str]:
    """Return the commands and parameters (``run --set``) about which their help says nothing."""
    found, command, said = [], "", True
    for line in _commands(app or _whole()).splitlines():
        if line.startswith("#"):
            found += [] if said else [command]
            command, said = line.lstrip("# "), False
        elif parameter := _PARAMETER.fullmatch(line):
            found += [] if parameter["doc"].strip() else [f"{command} {parameter['name']}"]
        elif line and not line.startswith(("```", "trioarb ", "**")):
            said = True
    return found + ([] if said else [command])


def _whole() -> cyclopts.App:
    add_installed(main.app, (), [])
    return main.app


def _commands(app: cyclopts.App) -> str:
    """Return what help says of each command, without what it says of all."""
    text = app.generate_docs("markdown")
    begins = re.search(r"^## (?!Table of Contents)", text, flags=re.MULTILINE)
    return text[begins.start() :] if begins else ""
