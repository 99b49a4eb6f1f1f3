"""Options that several commands share."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from trioarb.errors import ConfigError
from trioarb.settings.problem import Problem

__all__ = ["AsJson", "ConfigFile", "Iterations", "NewJournal", "Overrides", "Runtime", "pair"]

ConfigFile = Annotated[Path, Parameter(help="TOML file; `trioarb init` writes one.")]

Overrides = Annotated[
    list[str] | None,
    Parameter(
        name="--set",
        negative="",
        help="Override a key: `table.key=value`. Can be repeated; `*` stands for every table, as in "
        '`"exchanges.*.market.path=quotes.parquet"`.',
    ),
]

AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for another program.")]

Iterations = Annotated[int | None, Parameter(help="Evaluations per symbol; overrides the file.")]

Runtime = Annotated[Decimal | None, Parameter(help="Longest campaign time in seconds; overrides the file.")]

NewJournal = Annotated[
    Path | None, Parameter(help="Keep the campaign in this new file; by default in one under journals/.")
]


def pair(flag: str, text: str, form: str, example: str) -> tuple[str, str]:
    """Split what stands before and behind ``=``.

    Raises:
        ConfigError: one of them is missing.
    """
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise ConfigError([Problem(file=flag, message=f"not {form}", value=repr(text), allowed=f"such as {example}")])
    return name, value
