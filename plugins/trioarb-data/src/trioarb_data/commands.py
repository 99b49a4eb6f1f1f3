"""`trioarb data` and its commands, which are imported when they are called, so that their help stands here."""

from __future__ import annotations

import cyclopts

from trioarb.cli.commands import with_examples

__all__ = ["app"]

_COMMANDS = {
    "info": with_examples(
        "Say what recordings hold: files, venues, symbols, times. Times and names are checked on the way.",
        """
        trioarb data info quotes
        trioarb data info spot.parquet futures.parquet --json
        """,
    ),
    "check": with_examples(
        """Check recordings, and count what is noteworthy; exit code 1 if a file can't be played or no quote can
be used.

Withdrawn: a side is empty, NaN or 0, and leaves the board. Refused: negative, infinite, or crossed; a campaign drops
and counts them. Repeated: as the quote before; duplicates: at the same time too. Where the venue's own times are
recorded: how often they ran backwards, and how much later quotes were received.
""",
        """
        trioarb data check quotes
        trioarb data check quotes --gap-seconds 5
        """,
    ),
    "cache": with_examples(
        "List the aligned quotes that replays keep, so that the next one need not read the recordings again.",
        """
        trioarb data cache
        trioarb data cache --clear
        """,
    ),
    "sample": with_examples(
        """Have something to replay in the first minute: quotes that a script made up, and a campaign for them.

        They are synthetic, and say nothing of any market. Needs the extra `sample`; docs/sample-data.md says more.
        """,
        """
        trioarb data sample                                 # where they are
        trioarb data sample --out sample
        """,
    ),
    "convert": with_examples(
        """Import quotes from CSV or Parquet, as files that `trioarb replay` plays.

CSV may be plain, gzip, zstd, or in a zip archive. Rows may come in any order, also across files; the result is sorted
by receive time. Which column is which is said by `--format`, by `--column`, or by the columns' names, if those are a
recording's own: ts_ns, venue_ts_ns, exchange, symbol, bid, bid_size, ask, ask_size.

tardis-quotes: the "quotes" files of tardis.dev. binance-book-ticker: the bookTicker files of Binance's public data;
they have no receive time, so the event time stands for it, the symbol is in the file's name, and `--exchange` says
whose they are.

Rows with an empty time or name are left out, and counted. An empty price or size withdraws that side, as NaN and 0 do;
quotes that are crossed or negative are kept: a campaign refuses and counts them. Decimals become the nearest double,
shorter floats the double of their shortest decimal. Nothing is overwritten, and the result appears when it is whole.
""",
        """
        trioarb data convert ticks.csv --exchange mine --symbol BTC-EUR --out mine
        trioarb data convert BTC_2024-01-01.csv.gz --format tardis-quotes --out q
        trioarb data convert ticks.csv --column bid=b --column ask=a --out mine
        """,
    ),
}
#: Where those stand that aren't in ``trioarb_data.recordings``.
_MODULES = {"convert": "trioarb_data.convert", "sample": "trioarb_data.sample"}

app = cyclopts.App(
    name="data",
    help=with_examples(
        "Look at recorded quotes, import others, and see what replays keep of them.",
        """
        trioarb data info quotes
        trioarb data check quotes
        trioarb data convert --help
        """,
    ),
)
for _name, _help in _COMMANDS.items():
    app.command(f"{_MODULES.get(_name, 'trioarb_data.recordings')}:{_name}", name=_name, help=_help)
