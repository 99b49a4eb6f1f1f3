"""`trioarb summary`: print of a journal what its campaign printed at its end."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from trioarb.cli.folded import report_on
from trioarb.cli.options import PluginFiles, RequireVerdict
from trioarb.cli.output import print_json
from trioarb.cli.reading import JournalPath
from trioarb.cli.required import required
from trioarb.report.console import LastingConsole
from trioarb.report.report import Report
from trioarb.report.summary import summarise
from trioarb.report.table import print_summary

__all__ = ["summary"]


def summary(
    journal: JournalPath,
    /,
    *,
    as_json: Annotated[
        bool, Parameter(name="--json", negative="", help="The figures for another program, as `--summary` has them.")
    ] = False,
    plugin: PluginFiles = None,
    require_verdict: RequireVerdict = False,
) -> int:
    """Print the summary; return 0."""

    def tell(report: Report) -> int:
        if as_json:
            print_json(summarise(report))
        else:
            print_summary(LastingConsole(), report)
        return required(report) if require_verdict else 0

    return report_on(journal, tell, plugin)
