"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import attrs
import cyclopts
from cyclopts import Parameter

from trioarb.errors import ConfigError
from trioarb.settings.problem import Problem

__all__ = [
    "ANY_CASE",
    "SHOWN",
    "AsJson",
    "CarryLoss",
    "ConfigFile",
    "Iterations",
    "Live",
    "LogDir",
    "LogLevelFlag",
    "NewJournal",
    "Overrides",
    "PluginFiles",
    "RecordDir",
    "RequireVerdict",
    "Runtime",
    "Sensitive",
    "Shown",
    "pair",
]


def _as_known(kind: Any, tokens: Sequence[cyclopts.Token]) -> Any:
    known = {choice.casefold(): choice for choice in _choices(kind)}
    meant = [attrs.evolve(token, value=known.get(token.value.casefold(), token.value)) for token in tokens]
    return cyclopts.convert(kind, meant)


def _choices(kind: Any) -> Iterator[str]:
    for one in get_args(kind):
        if get_origin(kind) is Literal:
            yield one
        else:
            yield from _choices(one)


#: Beside a `Literal`: its choices are taken in letters of either case.
ANY_CASE = Parameter(converter=_as_known)

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

PluginFiles = Annotated[
    list[Path] | None,
    Parameter(
        name="--plugin",
        negative="",
        help="A plugin that is one file, `NAME.py`, beside the installed ones. Can be repeated; `[plugins] paths` says "
        "the same in a configuration.",
    ),
]

LogLevelFlag = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None, ANY_CASE, Parameter(help="Least level that is logged.")
]

LogDir = Annotated[Path, Parameter(help="Folder of the log files, one for each run.")]

RecordDir = Annotated[
    Path | None,
    Parameter(
        help="Record every quote, as it comes, in this folder, as `trioarb record` does. Trading comes first: if it "
        "can't be written, a warning says so, recording ends and the campaign goes on; the exit code is then 1."
    ),
]

AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for another program.")]

Iterations = Annotated[int | None, Parameter(help="Evaluations per symbol; overrides the file.")]

Runtime = Annotated[Decimal | None, Parameter(help="Longest campaign time in seconds; overrides the file.")]

Sensitive = Annotated[
    bool,
    Parameter(
        name="--sensitivity",
        negative="",
        help="When it has ended, play it again with 0, 1, 2 and 5 times the latency of its simulated venues, in "
        "virtual time, and say what it would have earned. For markets that can be played again; Ctrl-C leaves it out.",
    ),
]

CarryLoss = Annotated[
    Path | None,
    Parameter(
        help="Let what the campaign of this journal lost on the present UTC day count in the daily limits and the "
        "emergency stop of the new one. Its gains don't count."
    ),
]

Live = Annotated[
    bool,
    Parameter(
        negative="",
        help='Yes, orders are to be sent that cost money. session.mode = "live" does nothing without it.',
    ),
]

RequireVerdict = Annotated[
    bool,
    Parameter(
        negative="",
        help="Exit with 4 unless the verdict is PROFIT SHOWN; an exit code of 1, 2 or 3 stays what it is.",
    ),
]

NewJournal = Annotated[
    Path | None, Parameter(help="Keep the campaign in this new file; by default in one under journals/.")
]


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class Shown:
    """Where a campaign shows itself."""

    log_level: LogLevelFlag = None
    events: Annotated[Path | None, Parameter(help="Write every campaign event to this file, as JSON Lines.")] = None
    summary: Annotated[Path | None, Parameter(help="Write the summary to this file, as JSON.")] = None
    log_dir: LogDir = Path("logs")
    require_verdict: RequireVerdict = False
    plain: Annotated[bool, Parameter(negative="", help="Log lines and no view, in a terminal too.")] = False


#: Where a campaign shows itself unless told otherwise.
SHOWN = Shown()


def pair(flag: str, text: str, form: str, example: str) -> tuple[str, str]:
    """Split what stands before and behind ``=``.

    Raises:
        ConfigError: one of them is missing.
    """
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise ConfigError([Problem(file=flag, message=f"not {form}", value=repr(text), allowed=f"such as {example}")])
    return name, value
