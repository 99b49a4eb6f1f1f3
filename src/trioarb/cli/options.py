"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

__all__ = ["AsJson", "ConfigFile", "Overrides"]

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
