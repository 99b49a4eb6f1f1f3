"""`trioarb data`: what is kept of recorded quotes."""

from __future__ import annotations

from typing import Annotated

import cyclopts
from cyclopts import Parameter
from rich import box
from rich.table import Table

from trioarb.cli.options import AsJson
from trioarb.cli.output import print_json
from trioarb.market import store
from trioarb.report.console import LastingConsole

__all__ = ["data"]

data = cyclopts.App(name="data", help="Look after recorded quotes.")


@data.command
def cache(
    *,
    clear: Annotated[bool, Parameter(negative="", help="Delete all of it, except what is being made.")] = False,
    as_json: AsJson = False,
) -> int:
    """List the aligned quotes that replays keep, so that the next one need not read the recordings again."""
    root = store.root()
    entries = [] if root is None else store.entries(root)
    deleted = [entry for entry in entries if clear and store.remove(entry)]
    if as_json:
        rows = [
            {
                "folder": str(entry.folder),
                "bytes": entry.size,
                "quotes": entry.rows,
                "symbols": entry.symbols,
                "venues": entry.venues,
                "sources": entry.sources,
                "deleted": entry in deleted,
            }
            for entry in entries
        ]
        print_json({"cache": None if root is None else str(root), "entries": rows})
        return 0
    console = LastingConsole()
    if root is None:
        console.say("Nothing is kept: TRIOARB_CACHE_DIR is empty.")
        return 0
    if entries:
        table = Table("folder", "MB", "quotes", "symbols", "from", box=box.SIMPLE_HEAD)
        for entry in entries:
            quotes = "not whole" if entry.rows is None else f"{entry.rows:,}"
            sources = "\n".join(entry.sources)
            table.add_row(entry.folder.name, f"{entry.size / 1e6:,.1f}", quotes, str(entry.symbols), sources)
        console.print(table)
    total = sum(entry.size for entry in entries) / 1e6
    console.say(f"{len(entries)} sets of quotes, {total:,.1f} MB in {root}")
    if clear:
        console.say(f"{len(deleted)} deleted")
    return 0
