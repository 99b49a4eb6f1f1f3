"""The recorded market: quotes from a Parquet file, and the symbols that such files hold.

One row is one quote; the columns are ``ts_ns``, ``exchange``, ``symbol`` (``BASE-QUOTE``), ``bid``, ``bid_size``,
``ask`` and ``ask_size``, sorted by ``ts_ns``. The file is checked as a whole when it is opened, except for the quotes:
those are passed on as they are, a null as NaN, for the engine to refuse and count.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from trioarb.api import (
    Listing,
    MarketContext,
    MarketData,
    MarketDataError,
    MarketDataSpec,
    NoSettings,
    RowBatch,
    SourceContext,
    SymbolSource,
    SymbolSourceSpec,
    Tape,
    TapeRow,
    UniverseError,
    hookimpl,
    setting,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Integers = npt.NDArray[np.integer[Any]]

__all__ = ["RecordedSettings", "trioarb_market_data", "trioarb_symbol_sources"]

_NAMES = ("exchange", "symbol")
_NUMBERS = ("bid", "bid_size", "ask", "ask_size")
_COLUMNS = ("ts_ns", *_NAMES, *_NUMBERS)
_BATCH_ROWS = 65_536
_BUFFER_BYTES = 1 << 20
_MAGIC = b"PAR1"


@attrs.frozen(kw_only=True)
class RecordedSettings:
    """Settings of the recorded market."""

    path: Path = setting(doc="Parquet file of quotes, sorted by ts_ns")
    exchange: str = setting(doc="which rows are this venue's: the value of the file's exchange column")


class _QuoteFile:
    """An open Parquet file of quotes. Whatever is wrong with it is raised as MarketDataError, on one line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._parquet = self._open()

    def error(self, what: str) -> MarketDataError:
        return MarketDataError(f"{self.path}: {what}")

    def close(self) -> None:
        self._parquet.close()

    def batches(self, columns: Sequence[str]) -> Iterator[Any]:
        """Yield record batches of these columns, in file order."""
        with self._translated():
            batches = self._parquet.iter_batches(batch_size=_BATCH_ROWS, columns=list(columns))
        while True:
            with self._translated():
                batch = next(batches, None)
            if batch is None:
                return
            if batch.num_rows:
                yield batch

    def names(self, column: Any) -> tuple[Integers, list[str]]:
        """Return a column of text as codes per row, and the text of each code."""
        with self._translated():
            # Damage without a checksum may decode to codes that stand for nothing.
            column.validate(full=True)
            return column.indices.to_numpy(), column.dictionary.to_pylist()

    def _open(self) -> Any:
        import pyarrow.parquet as pq

        self._check_file()
        with self._translated():
            schema = pq.read_schema(self.path)
        self._check_columns(schema)
        with self._translated():
            return pq.ParquetFile(
                self.path,
                # Text as codes: a file repeats a handful of names millions of times.
                read_dictionary=list(_NAMES),
                # A file can be one row group: without these two, pyarrow holds whole row groups in memory.
                buffer_size=_BUFFER_BYTES,
                pre_buffer=False,
                page_checksum_verification=True,
            )

    def _check_file(self) -> None:
        try:
            if self.path.is_dir():
                raise self.error("is a directory; `path` must name one Parquet file")
            if not self.path.exists():
                raise self.error(
                    f"no such file; a relative `path` starts at the current directory, {os.getcwd()}; "
                    'for all venues: --set "exchanges.*.market.path=FILE"'
                )
            # Opening a pipe would wait for its writer.
            if not self.path.is_file():
                raise self.error("not a regular file; `path` must name one Parquet file")
            with self.path.open("rb") as file:
                head = file.read(len(_MAGIC))
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - len(_MAGIC)))
                tail = file.read()
        except (OSError, ValueError) as error:
            raise self.error(f"can't be read: {_first_line(error)}") from error
        if not head:
            raise self.error("the file is empty; record or copy it again")
        if head != _MAGIC:
            raise self.error("not a Parquet file; `path` must name a Parquet file of quotes")
        if tail != _MAGIC or size < 3 * len(_MAGIC):
            raise self.error(f"truncated: the end of the Parquet file is missing at {size} bytes; copy it again")

    def _check_columns(self, schema: Any) -> None:
        import pyarrow as pa

        needs = "a file of quotes needs " + ", ".join(_COLUMNS)
        missing = [name for name in _COLUMNS if name not in schema.names]
        if missing:
            has = ", ".join(schema.names) or "no columns"
            raise self.error(f"lacks {_columns(missing)} (it has {has}); {needs}")
        double = [name for name in _COLUMNS if schema.names.count(name) > 1]
        if double:
            raise self.error(f"has {_columns(double)} more than once; {needs}, once each")
        expected = {"ts_ns": pa.int64()} | dict.fromkeys(_NAMES, pa.string()) | dict.fromkeys(_NUMBERS, pa.float64())
        wrong = []
        for name, expected_type in expected.items():
            found = schema.field(name).type
            if name in _NAMES and pa.types.is_dictionary(found):
                found = found.value_type
            if found != expected_type and not (name in _NAMES and pa.types.is_large_string(found)):
                wrong.append(f"{name} is {found}, must be {expected_type}")
        if wrong:
            raise self.error(f"wrong column types: {'; '.join(wrong)}; write the file again with these types")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        # pyarrow answers damage with whatever error it runs into: of its own, OSError, KeyError, UnicodeDecodeError.
        try:
            yield
        except Exception as error:
            raise self.error(f"damaged Parquet file ({_first_line(error)}); record or copy it again") from error


@attrs.frozen(kw_only=True)
class _Contents:
    """What a file holds of one exchange: when it starts, and its symbols (by the file's name for them)."""

    start_ns: int
    listings: Mapping[str, Listing]


def _scan(file: _QuoteFile, exchange: str) -> _Contents:
    """Check times and names of the whole file, in one pass and in constant memory."""
    import numpy as np

    offset = 0
    last_ns: int | None = None
    start_ns: int | None = None
    exchanges: set[str] = set()
    listings: dict[str, Listing] = {}
    for batch in file.batches(("ts_ns", *_NAMES)):
        for name in ("ts_ns", *_NAMES):
            if batch.column(name).null_count:
                row = offset + int(np.argmax(batch.column(name).is_null().to_numpy(zero_copy_only=False)))
                raise file.error(f"row {row} has no {name}; every row needs one, remove it or record the file again")
        ts = batch.column("ts_ns").to_numpy()
        _check_order(file, ts, last_ns, offset)
        last_ns = int(ts[-1])
        offset += len(ts)

        exchange_codes, exchange_names = file.names(batch.column("exchange"))
        exchanges.update(exchange_names[code] for code in np.flatnonzero(np.bincount(exchange_codes)))
        if exchange not in exchange_names:
            continue
        mine = np.flatnonzero(exchange_codes == exchange_names.index(exchange))
        if not len(mine):
            continue
        if start_ns is None:
            start_ns = int(ts[mine[0]])
        symbol_codes, symbol_names = file.names(batch.column("symbol"))
        symbol_codes = symbol_codes[mine]
        found = np.flatnonzero(np.bincount(symbol_codes))
        new = [code for code in found if symbol_names[code] not in listings]
        for code in sorted(new, key=lambda code: int(np.argmax(symbol_codes == code))):
            _add_listing(file, listings, symbol_names[code])

    if not offset:
        raise file.error("holds no rows; record it again or name another file")
    if start_ns is None:
        raise file.error(_unknown_exchange(exchange, exchanges))
    return _Contents(start_ns=start_ns, listings=listings)


def _check_order(file: _QuoteFile, ts: Integers, last_ns: int | None, offset: int) -> None:
    if last_ns is not None and ts[0] < last_ns:
        row, before = offset, last_ns
    else:
        falls = ts[1:] < ts[:-1]
        if not falls.any():
            return
        index = int(falls.argmax()) + 1
        row, before = offset + index, int(ts[index - 1])
    raise file.error(
        f"not sorted by ts_ns: row {row} has {int(ts[row - offset])}, the row before it {before} "
        "(rows count from 0); sort the file by ts_ns"
    )


def _add_listing(file: _QuoteFile, listings: dict[str, Listing], name: str) -> None:
    base, dash, quote = name.partition("-")
    if not (base and dash and quote) or "-" in quote:
        raise file.error(f'symbol "{name}" is not BASE-QUOTE, such as "BTC-USDT"; rename it in the file')
    symbol = base + quote
    for other, listing in listings.items():
        if listing.symbol == symbol:
            raise file.error(f'symbols "{other}" and "{name}" would both be {symbol}; rename one in the file')
    listings[name] = Listing(symbol=symbol, base=base, quote=quote)


def _unknown_exchange(exchange: str, exchanges: set[str]) -> str:
    present = sorted(exchanges)
    folded = {name.lower(): name for name in present}
    near = difflib.get_close_matches(exchange.lower(), folded, n=1)
    guess = f'; did you mean "{folded[near[0]]}"?' if near else "; set `exchange` to one of them"
    return f'no rows of exchange "{exchange}"; the file has {", ".join(present)}{guess}'


def _columns(names: Sequence[str]) -> str:
    return f"the column{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _first_line(error: Exception) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return text.strip().split("\n", 1)[0].rstrip(".") or type(error).__name__


class _RecordedTape(Tape):
    """The rows of one exchange in a file of quotes."""

    def __init__(self, file: _QuoteFile, exchange: str) -> None:
        self._file = file
        self._exchange = exchange
        self._contents = _scan(file, exchange)

    @property
    def start_ns(self) -> int:
        return self._contents.start_ns

    def listings(self) -> Sequence[Listing]:
        """Return the exchange's symbols, in the order in which they first appear."""
        return list(self._contents.listings.values())

    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        """Yield the rows of ``symbols``; ``order`` is the row's place in the file, so tapes of one file merge in its
        order. A symbol that the file doesn't hold has no rows.

        Raises:
            MarketDataError: while iterating; a part of the file is damaged.
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
        import numpy as np

        wanted = {
            name: listing.symbol for name, listing in self._contents.listings.items() if listing.symbol in symbols
        }
        offset = 0
        for batch in self._file.batches(_COLUMNS):
            ts = batch.column("ts_ns").to_numpy()
            first, offset = offset, offset + len(ts)
            if ts[-1] < start_ns:
                continue
            exchange_codes, exchange_names = self._file.names(batch.column("exchange"))
            symbol_codes, symbol_names = self._file.names(batch.column("symbol"))
            if self._exchange not in exchange_names:
                continue
            taken = np.array([name in wanted for name in symbol_names], dtype=bool)[symbol_codes]
            taken &= exchange_codes == exchange_names.index(self._exchange)
            taken &= ts >= start_ns
            index = np.flatnonzero(taken)
            if not len(index):
                continue
            codes = {name: code for code, name in enumerate(wanted)}
            code_of = np.array([codes.get(name, 0) for name in symbol_names], dtype=np.int64)
            yield RowBatch(
                ts_ns=ts[index],
                order=index + first,
                symbol=code_of[symbol_codes[index]],
                names=tuple(wanted.values()),
                # Nulls become NaN here.
                **{name: batch.column(name).to_numpy(zero_copy_only=False)[index] for name in _NUMBERS},
            )


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
    file = _QuoteFile(settings.path)
    try:
        yield _RecordedTape(file, settings.exchange)
    finally:
        file.close()


@hookimpl
def trioarb_symbol_sources() -> Sequence[SymbolSourceSpec]:
    return [SymbolSourceSpec(name="recorded", doc="the symbols that the venues' markets hold", open=_open_source)]


@hookimpl
def trioarb_market_data() -> Sequence[MarketDataSpec]:
    return [
        MarketDataSpec(
            name="recorded",
            doc="quotes from a Parquet file, in file order; rules and fees come from the venue",
            open=_open_market,
            settings=RecordedSettings,
        )
    ]
