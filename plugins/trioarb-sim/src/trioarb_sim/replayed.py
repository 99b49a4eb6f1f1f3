"""What strangers showed on a recorded market, at the pace at which they did."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import trio

from trioarb.api import TrioarbError
from trioarb_sim.market import MarketRules
from trioarb_sim.venue import Venue

__all__ = ["BookError", "Replayed", "replayed_books", "show_replayed"]

Level = tuple[Decimal, Decimal]
_COLUMNS = ("ts_ns", "exchange", "symbol", "bid", "bid_size", "ask", "ask_size")
#: So many rows that are due are shown before others get to do something.
_AT_ONCE = 200


class BookError(TrioarbError):
    """A file holds no recorded market that could be shown."""

    exit_code = 2


@attrs.frozen(kw_only=True)
class Replayed:
    """Rows of recorded quotes: nanoseconds, market, best bid and ask with sizes; ``markets``: those that have some."""

    rows: Sequence[tuple[int, str, float, float, float, float]] = attrs.field(repr=False)
    markets: frozenset[str]

    @property
    def seconds(self) -> float:
        return (self.rows[-1][0] - self.rows[0][0]) / 1e9


def replayed_books(path: Path, exchange: str, listed: Sequence[MarketRules]) -> Replayed:
    """Read recorded quotes of an exchange, in Parquet as `trioarb record` writes them, of markets that are listed.

    Raises:
        BookError: there are none, the file can't be read, or pyarrow isn't installed.
    """
    by_symbol = {f"{rules.base}-{rules.quote}": rules.name for rules in listed}
    rows = list(_rows(path, exchange, by_symbol))
    if not rows:
        raise BookError(f"{path} has no quotes of {exchange} for a market that is listed; see `trioarb data info`")
    return Replayed(rows=rows, markets=frozenset(row[1] for row in rows))


def _rows(
    path: Path, exchange: str, by_symbol: Mapping[str, str]
) -> Iterator[tuple[int, str, float, float, float, float]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise BookError("a recorded book needs pyarrow: pip install 'trioarb[recorded]'") from None
    try:
        file = pq.ParquetFile(path)
        missing = [name for name in _COLUMNS if name not in file.schema_arrow.names]
        if missing:
            raise BookError(f"{path} has no column {missing[0]}; expected {', '.join(_COLUMNS)}")
        for batch in file.iter_batches(columns=list(_COLUMNS)):
            columns: list[list[Any]] = [batch.column(name).to_pylist() for name in _COLUMNS]
            for at, of, symbol, *prices in zip(*columns, strict=True):
                market = by_symbol.get(symbol)
                if market is not None and of.casefold() == exchange.casefold():
                    yield int(at), market, *(math.nan if price is None else float(price) for price in prices)  # type: ignore[misc]
    except (OSError, pa.ArrowException, TypeError, ValueError) as error:
        raise BookError(f"{path} can't be read as recorded quotes: {error}") from None


async def show_replayed(venue: Venue, replayed: Replayed) -> None:
    """Let strangers show what they did, when they did, counted from now; what came last stays. Until cancelled."""
    first_ns, began = replayed.rows[0][0], trio.current_time()
    shown = 0
    for at_ns, market, bid, bid_size, ask, ask_size in replayed.rows:
        due = began + (at_ns - first_ns) / 1e9
        if due > trio.current_time() or shown >= _AT_ONCE:
            shown = 0
            await trio.sleep_until(due)
        shown += 1
        venue.show(market, _side(bid, bid_size), _side(ask, ask_size))
    await trio.sleep_forever()


def _side(price: float, size: float) -> list[Level]:
    """Return a side's level; none where it is withdrawn."""
    return [(Decimal(repr(price)), Decimal(repr(size)))] if price > 0 and size > 0 else []
