"""How sources say a quote: known formats by name, and what a user says of others."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

import attrs

__all__ = ["FORMATS", "QUOTE_COLUMNS", "RECORDING", "Rules", "SourceFormat", "format_like", "utc"]

QUOTE_COLUMNS = ("ts_ns", "venue_ts_ns", "exchange", "symbol", "bid", "bid_size", "ask", "ask_size")


@attrs.frozen(kw_only=True)
class SourceFormat:
    """Which source column is which column of a quote. ``time_unit``: what times are counted in.

    ``header`` are the columns of a CSV file that has no header line, where that occurs; ``symbol_in_name`` finds the
    symbol in the file's name, where no column says it.
    """

    columns: Mapping[str, str]
    time_unit: str
    header: tuple[str, ...] = ()
    symbol_in_name: re.Pattern[str] | None = None


RECORDING = SourceFormat(columns={name: name for name in QUOTE_COLUMNS}, time_unit="ns")
#: Sources: docs.tardis.dev/downloadable-csv-files, and the files of github.com/binance/binance-public-data.
FORMATS = {
    "tardis-quotes": SourceFormat(
        columns={
            "ts_ns": "local_timestamp",
            "venue_ts_ns": "timestamp",
            "exchange": "exchange",
            "symbol": "symbol",
            "bid": "bid_price",
            "bid_size": "bid_amount",
            "ask": "ask_price",
            "ask_size": "ask_amount",
        },
        time_unit="us",
    ),
    "binance-book-ticker": SourceFormat(
        columns={
            "ts_ns": "event_time",
            "venue_ts_ns": "transaction_time",
            "bid": "best_bid_price",
            "bid_size": "best_bid_qty",
            "ask": "best_ask_price",
            "ask_size": "best_ask_qty",
        },
        time_unit="ms",
        header=(
            "update_id",
            "best_bid_price",
            "best_bid_qty",
            "best_ask_price",
            "best_ask_qty",
            "transaction_time",
            "event_time",
        ),
        symbol_in_name=re.compile(r"([^/]+?)-bookTicker"),
    ),
}


@attrs.frozen(kw_only=True)
class Rules:
    """How to read the sources of one conversion.

    ``columns`` come before those of ``format``; ``exchange`` and ``symbol`` stand for whatever the sources say;
    ``symbol_map`` says what native symbols are, as BASE-QUOTE.
    """

    format: SourceFormat = RECORDING
    columns: Mapping[str, str] = attrs.field(factory=dict)
    time_unit: str = ""
    exchange: str = ""
    symbol: str = ""
    symbol_map: Mapping[str, str] = attrs.field(factory=dict)

    def source_columns(self, present: Collection[str]) -> tuple[Mapping[str, str], list[str]]:
        """Return which of the ``present`` columns to read for which of a quote, and which are missing.

        The venue's time may be absent, exchange and symbol where they are said otherwise; not so what the user named.
        """
        wanted = {**self.format.columns, **self.columns}
        found = {name: column for name, column in wanted.items() if column in present}
        optional = {"venue_ts_ns"}
        if self.exchange:
            optional.add("exchange")
        if self.symbol or self.format.symbol_in_name:
            optional.add("symbol")
        missing = [
            name for name in QUOTE_COLUMNS if name not in found and (name not in optional or name in self.columns)
        ]
        return found, [wanted.get(name, name) for name in missing]


def format_like(present: Collection[str]) -> str:
    """Return the name of the known format that has these columns, or ''."""
    return next((name for name, one in FORMATS.items() if set(one.columns.values()) <= set(present)), "")


def utc(ts_ns: int) -> str:
    """Return a time to the second, as people read it."""
    return f"{datetime.fromtimestamp(ts_ns // 10**9, UTC):%Y-%m-%d %H:%M:%S}"
