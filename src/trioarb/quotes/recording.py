"""The quotes of one exchange in files: in which order they are read, and what they quote.

The one definition of a good recording: a replay plays what can be opened here, and `trioarb data check` opens it too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import attrs

from trioarb.errors import MarketDataError
from trioarb.model.market import Listing
from trioarb.plugin.contract import RowBatch, Stored
from trioarb.quotes.levels_file import levels_path
from trioarb.quotes.parquet import FileContents, QuoteFile, Scanned, quote_files, scan_quotes, stamp_of
from trioarb.settings.problem import did_you_mean

__all__ = ["Recording"]


@attrs.frozen(kw_only=True)
class _Part:
    """A file, and the place of its first row among those of all files."""

    path: Path
    offset: int
    contents: FileContents


class Recording:
    """The rows of one exchange in files of quotes, one file after the other.

    Args:
        paths: Parquet files, or folders that hold such files.
        exchange: Which rows: the value of the files' ``exchange`` column.
        depth: So many levels a side, the best one included.

    Raises:
        MarketDataError: A file can't be read or breaks a rule, two of them overlap, the exchange is in none, or a
            symbol isn't BASE-QUOTE or stands for the same as another.
    """

    def __init__(self, paths: Sequence[Path], exchange: str, *, depth: int = 1) -> None:
        self.exchange = exchange
        self._depth = depth
        self._parts = _parts(paths, exchange)
        self._listings = _listings(self._parts)

    @property
    def start_ns(self) -> int:
        """Time of the first row."""
        return self._parts[0].contents.start_ns

    def listings(self) -> Sequence[Listing]:
        """Return the exchange's symbols, in the order in which they first appear."""
        return list(self._listings.values())

    def stored(self) -> Stored:
        """Return which files these are, as they are now."""
        names = [str(part.path.resolve()) for part in self._parts]
        what = [self.exchange, *((name, *stamp_of(part.path)) for name, part in zip(names, self._parts, strict=True))]
        if self._depth > 1:
            beside = [levels_path(part.path) for part in self._parts]
            what += [(str(path), *stamp_of(path)) for path in beside if path.is_file()]
        rows = sum(part.contents.rows for part in self._parts)
        return Stored(fingerprint=repr(what), source=f"{self.exchange}: {', '.join(names)}", rows=rows)

    def batches(self, symbols: Sequence[str], start_ns: int) -> Iterator[RowBatch]:
        """Yield the rows from a time on, as columns; ``order`` is a row's place in the files.

        Args:
            symbols: Which are wanted.
            start_ns: Unix nanoseconds, that moment included.

        Raises:
            MarketDataError: While iterating: a part of a file is damaged.
        """
        wanted = {name: listing.symbol for name, listing in self._listings.items() if listing.symbol in symbols}
        codes, names = {name: code for code, name in enumerate(wanted)}, tuple(wanted.values())
        for part in self._parts:
            if part.contents.end_ns < start_ns:
                continue
            with closing(QuoteFile(part.path)) as file:
                for columns in file.rows_of(self.exchange, codes, start_ns, depth=self._depth):
                    columns["order"] += part.offset
                    for column in columns.values():
                        column.flags.writeable = False  # so it needs no copy: nobody writes to it any more
                    yield RowBatch(names=names, **columns)


def _parts(paths: Sequence[Path], exchange: str) -> Sequence[_Part]:
    """Return the files that hold anything of an exchange, in the order of their times."""
    files = [file for path in paths for file in quote_files(path)]
    scanned = sorted(((scan_quotes(file), file) for file in _once(files)), key=lambda one: (one[0].start_ns, one[1]))
    parts: list[_Part] = []
    offset = 0
    for found, file in scanned:
        contents = found.exchanges.get(exchange)
        if contents is not None:
            if parts and contents.start_ns < parts[-1].contents.end_ns:
                raise MarketDataError(
                    f"{file}: its quotes of {exchange} begin before those of {parts[-1].path} end; one quote would "
                    "count twice: leave one of them out, or merge them into one file that is sorted by ts_ns"
                )
            parts.append(_Part(path=file, offset=offset, contents=contents))
        offset += found.rows
    if not parts:
        raise MarketDataError(
            f"{', '.join(map(str, paths))}: {_unknown_exchange(exchange, [one for one, _ in scanned])}"
        )
    return parts


def _once(files: Sequence[Path]) -> Sequence[Path]:
    """Return each file once, by whatever names it is reached."""
    return list({file.resolve(): file for file in reversed(files)}.values())


def _listings(parts: Sequence[_Part]) -> Mapping[str, Listing]:
    """Return the symbols by the files' names for them, in the order in which they first appear."""
    listings: dict[str, Listing] = {}
    name_of: dict[str, str] = {}
    for part in parts:
        for name, decimals in zip(part.contents.symbols, part.contents.decimals, strict=True):
            base, dash, quote = name.partition("-")
            if not (base and dash and quote) or "-" in quote:
                raise MarketDataError(
                    f'{part.path}: symbol "{name}" is not BASE-QUOTE, such as "BTC-USDT"; rename it in the file'
                )
            if not name.isprintable() or any(map(str.isspace, name)):
                raise MarketDataError(
                    f"{part.path}: symbol {name!r} has a space, or what can't be printed; rename it in the file"
                )
            step = Decimal(1).scaleb(-decimals)
            listing = Listing(symbol=base + quote, base=base, quote=quote, price_step=step)
            other = name_of.setdefault(listing.symbol, name)
            if other != name:
                raise MarketDataError(
                    f'{part.path}: symbols "{other}" and "{name}" would both be {listing.symbol}; '
                    "rename one in the file"
                )
            before = listings.setdefault(name, listing).price_step
            if before is not None and step < before:
                listings[name] = listing
    return listings


def _unknown_exchange(exchange: str, scanned: Sequence[Scanned]) -> str:
    present = sorted({name for found in scanned for name in found.exchanges})
    guess = did_you_mean(exchange, present) or "; set `exchange` to one of them, or replay with --exchange VENUE=NAME"
    return f"no rows of exchange {exchange!r}; the file has {', '.join(present)}{guess}"
