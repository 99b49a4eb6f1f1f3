"""`trioarb data`: look at recorded quotes, and at what replays keep of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich import box
from rich.table import Table

from trioarb.cli.options import AsJson
from trioarb.cli.output import print_json
from trioarb.errors import MarketDataError
from trioarb.quotes import cache_folder
from trioarb.quotes.parquet import QuoteFile, Scanned, quote_files, scan_quotes
from trioarb.quotes.recording import Recording
from trioarb.report.console import LastingConsole
from trioarb_data.conversion.formats import utc
from trioarb_data.quality import Quality, VenueClock

__all__ = ["cache", "check", "info"]

_MOST_NAMED = 4
#: What is noteworthy, as `Quality` counts it.
_COUNTED = ("withdrawn", "refused", "crossed", "bad_levels", "locked", "repeated", "duplicates", "gaps")

QuotePaths = Annotated[list[Path], Parameter(help="Parquet files of quotes, or folders that hold such files.")]


def info(paths: QuotePaths, /, *, as_json: AsJson = False) -> int:
    """Say what recordings hold; return 0."""
    rows: list[dict[str, Any]] = []
    for file in _files(paths):
        scanned = scan_quotes(file)
        for exchange, contents in scanned.exchanges.items():
            rows.append(
                {
                    "file": str(file),
                    "exchange": exchange,
                    "symbols": list(contents.symbols),
                    "quotes": contents.rows,
                    "first": utc(contents.start_ns),
                    "last": utc(contents.end_ns),
                }
            )
    if as_json:
        print_json({"files": rows})
        return 0
    console = LastingConsole()
    for file in dict.fromkeys(row["file"] for row in rows):
        console.say(file)
        table = Table("exchange", "symbols", "quotes", "first (UTC)", "last", box=box.SIMPLE_HEAD)
        for row in rows:
            if row["file"] == file:
                names = row["symbols"]
                symbols = ", ".join(names[:_MOST_NAMED]) + (
                    f" and {len(names) - _MOST_NAMED} more" if names[_MOST_NAMED:] else ""
                )
                table.add_row(row["exchange"], symbols, f"{row['quotes']:,}", row["first"], row["last"])
        console.print(table)
    console.say(f"{sum(row['quotes'] for row in rows):,} quotes")
    return 0


def check(
    paths: QuotePaths,
    /,
    *,
    gap_seconds: Annotated[Decimal, Parameter(help="A time without a quote counts as a gap from here on.")] = Decimal(
        60
    ),
    as_json: AsJson = False,
) -> int:
    """Check recordings; return 1 if a file can't be played or no quote of a symbol can be used."""
    found: dict[tuple[str, str], Quality] = {}
    clocks: dict[str, VenueClock] = {}
    files = _files(paths)
    scanned, problems = _scanned(files)
    for exchange in dict.fromkeys(name for one in scanned.values() for name in one.exchanges):
        try:
            Recording(list(scanned), exchange)
        except MarketDataError as error:
            problems.append(str(error))
    for file, contents in sorted(scanned.items(), key=lambda one: one[1].start_ns):
        try:
            _count(file, contents, found, clocks, round(gap_seconds * 10**9))
        except MarketDataError as error:
            problems.append(str(error))
    problems += [
        f"{exchange} {symbol}: no quote of it can be used"
        for (exchange, symbol), one in found.items()
        if one.rows == one.refused + one.withdrawn
    ]
    if as_json:
        quality = [
            {"exchange": exchange, "symbol": symbol, **_counts(one)} for (exchange, symbol), one in found.items()
        ]
        times = [{"exchange": exchange, **_delays(clock)} for exchange, clock in clocks.items()]
        print_json({"files": len(files), "problems": problems, "quality": quality, "venue_times": times})
        return 1 if problems else 0
    table = Table("exchange", "symbol", "quotes", "noteworthy", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for (exchange, symbol), one in sorted(found.items()):
        counts = _counts(one)
        notes = [f"{name} {counts[name]:,}" for name in _COUNTED if counts[name]]
        if one.longest_gap_ns:
            notes.append(f"longest wait {counts['longest_wait_seconds']:.3f} s at {counts['longest_wait_at']}")
        table.add_row(exchange, symbol, f"{one.rows:,}", "; ".join(notes))
    console = LastingConsole()
    console.print(table)
    for exchange, clock in sorted(clocks.items()):
        delays = _delays(clock)
        console.say(
            f"venue time of {exchange}: ran backwards {clock.backwards:,} times in {clock.rows:,} quotes; received "
            f"{delays['median_delay_seconds']:.5f} s later (median), {delays['longest_delay_seconds']:.5f} s at most"
        )
    for problem in problems:
        console.say(f"error: {problem}", style="red")
    console.say(f"{len(files)} files, {len(problems)} problems; gaps are longer than {gap_seconds} s")
    return 1 if problems else 0


def cache(
    *,
    clear: Annotated[
        bool,
        Parameter(
            negative="",
            help="Delete trioarb's own sets of aligned quotes and its notes on recordings, except what is being made; "
            "whatever else is in that folder stays.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> int:
    """List what is kept; return 0."""
    root = cache_folder.root()
    entries = [] if root is None else cache_folder.entries(root)
    deleted = [entry for entry in entries if clear and cache_folder.remove(entry)]
    if clear:
        cache_folder.forget()
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


def _counts(one: Quality) -> dict[str, Any]:
    return {
        "quotes": one.rows,
        **{name: getattr(one, name) for name in _COUNTED},
        "longest_wait_seconds": one.longest_gap_ns / 1e9,
        "longest_wait_at": utc(one.longest_gap_at_ns) if one.longest_gap_ns else None,
    }


def _delays(clock: VenueClock) -> dict[str, Any]:
    return {
        "quotes": clock.rows,
        "backwards": clock.backwards,
        "median_delay_seconds": (clock.median_delay_ns or 0) / 1e9,
        "longest_delay_seconds": (clock.longest_delay_ns or 0) / 1e9,
    }


def _scanned(files: Sequence[Path]) -> tuple[dict[Path, Scanned], list[str]]:
    """Return what the files hold that can be read, and what is wrong with the others."""
    scanned, problems = {}, []
    for file in files:
        try:
            scanned[file] = scan_quotes(file)
        except MarketDataError as error:
            problems.append(str(error))
    return scanned, problems


def _count(
    file: Path,
    scanned: Scanned,
    found: dict[tuple[str, str], Quality],
    clocks: dict[str, VenueClock],
    gap_ns: int,
) -> None:
    """Count what is noteworthy in a file.

    Raises:
        MarketDataError: a part of it is damaged.
    """
    for exchange, contents in scanned.exchanges.items():
        with closing(QuoteFile(file)) as opened:
            codes, with_time = {name: code for code, name in enumerate(contents.symbols)}, opened.has_venue_time
            depth = opened.depth
            for columns in opened.rows_of(exchange, codes, 0, with_venue_time=with_time, depth=depth):
                for code, symbol in enumerate(contents.symbols):
                    here = columns["symbol"] == code
                    if here.any():
                        one = found.setdefault((exchange, symbol), Quality(gap_ns))
                        rows = {name: column[..., here] for name, column in columns.items()}
                        one.add(rows)
                        if with_time and (rows["venue_ts_ns"] >= 0).any():
                            clocks.setdefault(exchange, VenueClock()).add(symbol, rows)


def _files(paths: Sequence[Path]) -> list[Path]:
    return list(dict.fromkeys(file for path in paths for file in quote_files(path)))
