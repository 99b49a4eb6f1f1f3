"""The recorded quotes of one venue, one by one, as they came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from trioarb.plugin.contract import Levels
from trioarb.quotes.levels import at_row, up_to_the_last
from trioarb.quotes.recording import Recording

__all__ = ["RecordedRow", "recorded_rows"]


class RecordedRow(NamedTuple):
    """A quote; ``name`` is BASE-QUOTE, as the venue calls the symbol."""

    ts_ns: int
    name: str
    bid: float
    bid_size: float
    ask: float
    ask_size: float
    levels: Levels | None


def recorded_rows(paths: Sequence[Path], exchange: str, *, depth: int) -> Iterator[RecordedRow]:
    """Yield all quotes of an exchange in files or folders, in their order.

    Raises:
        MarketDataError: a file can't be read, or the exchange is in none.
    """
    recording = Recording(paths, exchange, depth=depth)
    name_of = {one.symbol: f"{one.base}-{one.quote}" for one in recording.listings()}
    for batch in recording.batches(list(name_of), recording.start_ns):
        names = [name_of[symbol] for symbol in batch.names]
        numbers = (column.tolist() for column in (batch.bid, batch.bid_size, batch.ask, batch.ask_size))
        rows = zip(batch.ts_ns.tolist(), batch.symbol.tolist(), *numbers, strict=True)
        for place, (ts_ns, code, bid, bid_size, ask, ask_size) in enumerate(rows):
            levels = None if batch.levels is None else _as_they_came(at_row(batch.levels, place))
            yield RecordedRow(ts_ns, names[code], bid, bid_size, ask, ask_size, levels)


def _as_they_came(levels: Levels) -> Levels:
    bids, bid_sizes, asks, ask_sizes = levels
    return *up_to_the_last(bids, bid_sizes), *up_to_the_last(asks, ask_sizes)
