"""`trioarb data convert`: import quotes of other formats."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from trioarb.cli.options import ANY_CASE, AsJson, pair
from trioarb.cli.output import print_json
from trioarb.cli.progress import Progress
from trioarb.cli.reading import require_known
from trioarb.errors import ConfigError
from trioarb.plugin.extras import require
from trioarb.report.visible import say
from trioarb.settings.problem import Problem
from trioarb_data.conversion.formats import FORMATS, QUOTE_COLUMNS, RECORDING, Rules, utc
from trioarb_data.conversion.native_symbol import is_base_and_quote

if TYPE_CHECKING:
    from trioarb_data.conversion.convert import Converted

__all__ = ["convert"]


def convert(
    sources: Annotated[list[Path], Parameter(help="CSV, zip or Parquet files, or folders that hold such files.")],
    /,
    *,
    out: Annotated[
        Path,
        Parameter(help="New file, if it ends in .parquet; else a new folder, in it a folder a UTC day, as recordings."),
    ],
    format_name: Annotated[
        Literal["tardis-quotes", "binance-book-ticker"] | None,
        ANY_CASE,
        Parameter(name="--format", help="Whose files they are; without it, columns are found by name."),
    ] = None,
    column: Annotated[
        list[str] | None,
        Parameter(
            negative="",
            help="Which column is which: `NAME=SOURCE_COLUMN`, as in `bid=best_bid`. Can be repeated; NAME is one of "
            "ts_ns, venue_ts_ns, exchange, symbol, bid, bid_size, ask, ask_size.",
        ),
    ] = None,
    time_unit: Annotated[
        Literal["s", "ms", "us", "ns"] | None,
        ANY_CASE,
        Parameter(help="What times count, where they are numbers; by default the format's, else ns."),
    ] = None,
    exchange: Annotated[str | None, Parameter(help="Whose quotes they are, whatever the sources say.")] = None,
    symbol: Annotated[str | None, Parameter(help="What is quoted, as `BASE-QUOTE`, whatever the sources say.")] = None,
    symbol_map: Annotated[
        list[str] | None,
        Parameter(
            negative="",
            help="What a symbol is: `NATIVE=BASE-QUOTE`, as in `XBTUSD=BTC-USD`. Can be repeated; others are split "
            "at well-known quote assets.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Import quotes; return 0, or 130 if it was interrupted."""
    require("pyarrow.parquet", "`trioarb data convert`")
    from trioarb_data.conversion.convert import convert as convert_quotes

    columns = dict(pair("--column", text, "NAME=SOURCE_COLUMN", "bid=best_bid") for text in column or ())
    for name in columns:
        require_known("--column", name, QUOTE_COLUMNS, "not a column of quotes")
    rules = Rules(
        format=RECORDING if format_name is None else FORMATS[format_name],
        columns=columns,
        time_unit=time_unit or "",
        exchange=exchange or "",
        symbol=symbol or "",
        symbol_map=_symbols(symbol, symbol_map or ()),
    )
    _check_new(out)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Progress() as progress:
            converted = convert_quotes(sources, out, rules, progress.show)
    except KeyboardInterrupt:
        say("error: interrupted; nothing was written", file=sys.stderr)
        return 130
    if as_json:
        print_json(_json(converted, out))
    else:
        _print(converted, out)
    return 0


def _symbols(symbol: str | None, symbol_map: Sequence[str]) -> Mapping[str, str]:
    """Return the symbol map.

    Raises:
        ConfigError: a symbol is not BASE-QUOTE.
    """
    mapped = dict(pair("--symbol-map", text, "NATIVE=BASE-QUOTE", "XBTUSD=BTC-USD") for text in symbol_map)
    given = [("--symbol", symbol)] * (symbol is not None) + [("--symbol-map", name) for name in mapped.values()]
    problems = [
        Problem(file=flag, message="not BASE-QUOTE", value=repr(name), allowed="such as BTC-USDT")
        for flag, name in given
        if not is_base_and_quote(str(name))
    ]
    if problems:
        raise ConfigError(problems)
    return mapped


def _check_new(out: Path) -> None:
    """Complain about a place where nothing new can be made.

    Raises:
        ConfigError: something is there, or its folder isn't.
    """
    problem = ""
    if out.suffix != ".parquet" and out.is_dir() and out.resolve() != Path.cwd() and not any(out.iterdir()):
        return
    if out.is_symlink() or out.exists():
        problem = "is there already, and is not overwritten; give a new file or folder"
    elif not out.parent.is_dir():
        problem = "there is no such folder; make it first"
    if problem:
        raise ConfigError([Problem(file="--out", message=problem, value=str(out))])


def _print(converted: Converted, out: Path) -> None:
    for (exchange, symbol), rows in sorted(converted.rows.items()):
        say(f"{exchange:<16} {symbol:<16} {rows:>14,}")
    files = "1 file" if converted.files == 1 else f"{converted.files:,} files"
    where = f"in {out}" if out.suffix == ".parquet" else f"in {files} under {out}"
    say(f"{converted.rows.total():,} quotes {where}, {utc(converted.first_ns)} to {utc(converted.last_ns)} UTC")
    for name, one in converted.left_out.items():
        say(f"left out: {one.rows:,} with an empty {name}, the first at {one.first}")
    for native, (symbol, others) in converted.guessed.items():
        say(
            f"noteworthy: {native} was taken for {symbol}, and may be {' or '.join(others)}; "
            f"if so: --symbol-map {native}={others[0]}"
        )
    if converted.withdrawn:
        say(f"noteworthy: {converted.withdrawn:,} quotes that withdraw a side: its price or size is empty, NaN or 0")
    if converted.refused:
        say(
            f"noteworthy: {converted.refused:,} quotes that a campaign refuses: negative, infinite, or crossed; "
            f"see trioarb data check {out}"
        )


def _json(converted: Converted, out: Path) -> dict[str, object]:
    return {
        "out": str(out),
        "sources": converted.sources,
        "files": converted.files,
        "quotes": [
            {"exchange": exchange, "symbol": symbol, "quotes": rows}
            for (exchange, symbol), rows in sorted(converted.rows.items())
        ],
        "first": utc(converted.first_ns),
        "last": utc(converted.last_ns),
        "left_out": {name: {"rows": one.rows, "first": one.first} for name, one in converted.left_out.items()},
        "guessed": {
            native: {"symbol": symbol, "others": list(others)} for native, (symbol, others) in converted.guessed.items()
        },
        "withdrawn": converted.withdrawn,
        "refused": converted.refused,
    }
