"""`trioarb report`: what a campaign did, as one page, or as tables for other programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import attrs
from cyclopts import Parameter

from trioarb.cli.folded import report_on
from trioarb.cli.options import ANY_CASE, PluginFiles
from trioarb.cli.output import check_outputs, write_text
from trioarb.cli.reading import JournalPath
from trioarb.errors import ConfigError, ExportError
from trioarb.report.aligned import aligned
from trioarb.report.block import Chapter
from trioarb.report.block_json import chapter_json
from trioarb.report.block_tables import REPORT_TABLES, put_chapters
from trioarb.report.chapters import chapters_of
from trioarb.report.history import History
from trioarb.report.html.page import page_of
from trioarb.report.report import Report
from trioarb.report.summary import summarise
from trioarb.report.tabular import Export, Format
from trioarb.report.verdict import verdict_of
from trioarb.report.visible import escaped, say
from trioarb.settings.problem import Problem

__all__ = ["report"]

_SCHEMA_VERSION = 1


@attrs.frozen(kw_only=True)
class _Told:
    """What is told of one journal: the name it goes by, the chapters, and its summary."""

    name: str
    chapters: Sequence[Chapter]
    summary: Mapping[str, Any]


def report(
    journal: JournalPath,
    /,
    *,
    out: Annotated[
        Path, Parameter(help="The file to write; of `csv` and `parquet` a folder of tables, made if it isn't there.")
    ],
    compare: Annotated[
        Path | None, Parameter(help="Another journal, shown beside it with the differences: this one less the other.")
    ] = None,
    file_format: Annotated[
        Literal["html", "json", "csv", "parquet"],
        ANY_CASE,
        Parameter(name="--format", help="Parquet needs the extra `recorded`."),
    ] = "html",
    force: Annotated[bool, Parameter(negative="", help="Replace what is there already.")] = False,
    plugin: PluginFiles = None,
) -> int:
    """Write the report; return 0."""
    journals = [journal] if compare is None else [journal, compare]
    if file_format in ("html", "json"):
        check_outputs({"--out": out}, inputs=journals)
        if out.exists() and not force:
            raise ConfigError([Problem(file="--out", message="is there already; --force replaces it", value=str(out))])
        told = _tell(journals, plugin)
        text = _page(told) if file_format == "html" else _json(told)
        _write(out, text)
        say(f"{out}  {len(text.encode()):,} bytes")
        return 0
    tables = Export(out, Format(file_format), replace=force, tables=REPORT_TABLES)
    told = _tell(journals, plugin)
    with tables:
        for one in told:
            put_chapters(tables.put, one.name, one.chapters)
    lines = [(str(path), f"{tables.rows[name]:,}", "rows") for name, path in tables.paths.items()]
    for line in aligned(lines, right={1}):
        say(line)
    return 0


def _tell(journals: Sequence[Path], plugin: Sequence[Path] | None) -> list[_Told]:
    """Read the journals one after the other; of what is read, no more than chapters is kept."""
    told = []
    for path in journals:
        history = History()

        def tell(report: Report, history: History = history, path: Path = path) -> _Told:
            chapters = chapters_of(report, history, verdict_of(report))
            return _Told(name=str(path), chapters=chapters, summary=summarise(report))

        told.append(report_on(path, tell, plugin, has_figures=False, history=history))
    return told


def _page(told: Sequence[_Told]) -> str:
    return page_of(_titles([one.name for one in told]), [one.chapters for one in told])


def _titles(names: Sequence[str]) -> list[str]:
    """Return the names of the files, if that tells them apart, else their paths; of one journal twice, numbered."""
    short = [Path(name).name for name in names]
    if len(set(short)) == len(short):
        return short
    return list(names) if len(set(names)) == len(names) else [f"{name} ({at})" for at, name in enumerate(names, 1)]


def _json(told: Sequence[_Told]) -> str:
    journals = [
        {"journal": one.name, "summary": one.summary, "chapters": [chapter_json(chapter) for chapter in one.chapters]}
        for one in told
    ]
    value = {"schema_version": _SCHEMA_VERSION, "journals": journals}
    return escaped(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)) + "\n"


def _write(path: Path, text: str) -> None:
    """Write a file for its owner only.

    Raises:
        ExportError: it can't be written; says why.
    """
    try:
        write_text(path, text, mode=0o600)
    except OSError as error:
        raise ExportError(f"{path} can't be written: {error.strerror or error}") from error
