"""`trioarb export`: write a journal as tables for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from trioarb.cli.folded import contradiction
from trioarb.cli.options import ANY_CASE
from trioarb.cli.reading import JournalPath, with_progress
from trioarb.journal.fold import Folds
from trioarb.journal.recorded import open_journal
from trioarb.report.aligned import aligned
from trioarb.report.rows import Rows
from trioarb.report.tabular import Export, Format
from trioarb.report.visible import say
from trioarb.state.ledger import Ledger

__all__ = ["export"]


def export(
    journal: JournalPath,
    /,
    *,
    out: Annotated[Path, Parameter(help="Folder of the tables, one file each; it is made if it isn't there.")],
    file_format: Annotated[
        Literal["parquet", "csv"], ANY_CASE, Parameter(name="--format", help="Parquet needs the extra `recorded`.")
    ] = "csv",
    decimals: Annotated[
        Literal["decimal128", "text"],
        ANY_CASE,
        Parameter(help="How Parquet keeps exact numbers; CSV has plain digits."),
    ] = "decimal128",
    force: Annotated[bool, Parameter(negative="", help="Replace tables that are there already.")] = False,
) -> int:
    """Write the tables; return 0."""
    ledger = Ledger()
    with open_journal(journal) as stored:
        tables = Export(out, Format(file_format), as_text=decimals == "text", replace=force)
        with tables:
            rows = Rows(tables.put)
            folds = Folds([ledger, *rows.projections])
            for record in with_progress(stored.records(), stored.last_seq, f"exporting {journal}"):
                try:
                    folds.apply(record)
                except (LookupError, ArithmeticError) as error:
                    raise contradiction(journal, record, error) from error
            rows.finish(ledger)
    lines = [(str(path), f"{tables.rows[name]:,}", "rows") for name, path in tables.paths.items()]
    for line in aligned(lines, right={1}):
        say(line)
    return 0
