"""The recorded market: quotes from Parquet files, and the symbols that such files hold."""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import attrs

from trioarb.api import (
    FileContents,
    Listing,
    MarketContext,
    MarketData,
    MarketDataError,
    MarketDataSpec,
    NoSettings,
    QuoteFile,
    RowBatch,
    SourceContext,
    Stored,
    SymbolSource,
    SymbolSourceSpec,
    Tape,
    TapeRow,
    UniverseError,
    hookimpl,
    quote_files,
    scan_quotes,
    setting,
)

__all__ = ["RecordedSettings", "trioarb_market_data", "trioarb_symbol_sources"]


@attrs.frozen(kw_only=True)
class RecordedSettings:
    """Settings of the recorded market."""

    path: Path = setting(doc="Parquet file of quotes, sorted by ts_ns; or a folder that holds such files")
    more: tuple[Path, ...] = setting((), doc="further files or folders; one of the venue's files follows the other")
    exchange: str = setting(doc="which rows are this venue's: the value of the files' exchange column")


@attrs.frozen(kw_only=True)
class _Part:
    """A file, and the place of its first row among those of all files."""

    path: Path
    offset: int
    contents: FileContents


class _RecordedTape(Tape):
    """The rows of one exchange in files of quotes."""

    def __init__(self, paths: Sequence[Path], exchange: str) -> None:
        self._exchange = exchange
        self._parts = _parts(paths, exchange)
        self._listings = _listings(self._parts)

    @property
    def start_ns(self) -> int:
        return self._parts[0].contents.start_ns

    def listings(self) -> Sequence[Listing]:
        """Return the exchange's symbols, in the order in which they first appear."""
        return list(self._listings.values())

    def stored(self) -> Stored:
        names = [str(part.path.resolve()) for part in self._parts]
        stamps = [part.path.stat() for part in self._parts]
        what = [
            self._exchange,
            # A corrected copy may have the size and the modification time of what it replaces.
            *(
                (name, one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns)
                for name, one in zip(names, stamps, strict=True)
            ),
        ]
        rows = sum(part.contents.rows for part in self._parts)
        return Stored(fingerprint=repr(what), source=f"{self._exchange}: {', '.join(names)}", rows=rows)

    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        """Yield the rows of ``symbols``; ``order`` is the row's place in the files, so tapes of the same files merge in
        their order. A symbol that the files don't hold has no rows.

        Raises:
            MarketDataError: while iterating; a part of a file is damaged.
        """
        import numpy as np

        for batch in self.batches(symbols, start_ns):
            yield from zip(
                batch.ts_ns.tolist(),
                batch.order.tolist(),
                np.array(batch.names, dtype=object)[batch.symbol].tolist(),
                *(column.tolist() for column in (batch.bid, batch.bid_size, batch.ask, batch.ask_size)),
                strict=True,
            )

    def batches(self, symbols: Sequence[str], start_ns: int) -> Iterator[RowBatch]:
        """Yield the same rows as columns."""
        wanted = {name: listing.symbol for name, listing in self._listings.items() if listing.symbol in symbols}
        codes, names = {name: code for code, name in enumerate(wanted)}, tuple(wanted.values())
        for part in self._parts:
            if part.contents.end_ns < start_ns:
                continue
            with closing(QuoteFile(part.path)) as file:
                for columns in file.rows_of(self._exchange, codes, start_ns):
                    columns["order"] += part.offset
                    yield RowBatch(names=names, **columns)


def _parts(paths: Sequence[Path], exchange: str) -> Sequence[_Part]:
    """Return the files that hold anything of an exchange, in the order of their times."""
    files = [file for path in paths for file in quote_files(path)]
    scanned = sorted(
        ((scan_quotes(file), file) for file in dict.fromkeys(files)), key=lambda one: (one[0].start_ns, one[1])
    )
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
        names = sorted({name for found, _ in scanned for name in found.exchanges})
        raise MarketDataError(f"{', '.join(map(str, paths))}: {_unknown_exchange(exchange, names)}")
    return parts


def _listings(parts: Sequence[_Part]) -> Mapping[str, Listing]:
    """Return the symbols by the files' names for them, in the order in which they first appear."""
    listings: dict[str, Listing] = {}
    for part in parts:
        for name in part.contents.symbols:
            base, dash, quote = name.partition("-")
            if not (base and dash and quote) or "-" in quote:
                raise MarketDataError(
                    f'{part.path}: symbol "{name}" is not BASE-QUOTE, such as "BTC-USDT"; rename it in the file'
                )
            listing = Listing(symbol=base + quote, base=base, quote=quote)
            for other, known in listings.items():
                if known.symbol == listing.symbol and other != name:
                    raise MarketDataError(
                        f'{part.path}: symbols "{other}" and "{name}" would both be {listing.symbol}; '
                        "rename one in the file"
                    )
            listings.setdefault(name, listing)
    return listings


def _unknown_exchange(exchange: str, present: Sequence[str]) -> str:
    folded = {name.lower(): name for name in present}
    near = difflib.get_close_matches(exchange.lower(), folded, n=1)
    guess = (
        f'; did you mean "{folded[near[0]]}"?'
        if near
        else "; set `exchange` to one of them, or replay with --exchange VENUE=NAME"
    )
    return f'no rows of exchange "{exchange}"; the file has {", ".join(present)}{guess}'


class _RecordedSource(SymbolSource):
    """Whatever the venues' markets can quote."""

    def __init__(self, markets: Mapping[str, MarketData]) -> None:
        self._markets = markets

    async def listings(self) -> Sequence[Listing]:
        """Return the symbols of all venues in the venues' order, each once; volumes are unknown."""
        found: dict[str, Listing] = {}
        for market in self._markets.values():
            for listing in market.listings():
                found.setdefault(listing.symbol, attrs.evolve(listing, volume_24h_quote=None))
        return list(found.values())


@asynccontextmanager
async def _open_source(settings: NoSettings, context: SourceContext) -> AsyncIterator[SymbolSource]:
    if not context.markets:
        raise UniverseError(
            'the source "recorded" lists what the exchanges\' markets hold, and no market is configured; '
            'add exchanges with market = { plugin = "recorded", path = …, exchange = … }'
        )
    yield _RecordedSource(context.markets)


@asynccontextmanager
async def _open_market(settings: RecordedSettings, context: MarketContext) -> AsyncIterator[MarketData]:
    yield _RecordedTape([settings.path, *settings.more], settings.exchange)


@hookimpl
def trioarb_symbol_sources() -> Sequence[SymbolSourceSpec]:
    return [SymbolSourceSpec(name="recorded", doc="the symbols that the venues' markets hold", open=_open_source)]


@hookimpl
def trioarb_market_data() -> Sequence[MarketDataSpec]:
    return [
        MarketDataSpec(
            name="recorded",
            doc="quotes from Parquet files, in file order; rules and fees come from the venue",
            open=_open_market,
            settings=RecordedSettings,
        )
    ]
