"""`trioarb venue-sim`: one simulated venue, until somebody ends it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from trioarb.cli.commands import with_examples

__all__ = ["app"]

_HELP = with_examples(
    """Simulate a venue on this machine: its protocol, an account, a matching engine, limits, faults on request.

It listens on 127.0.0.1 until Ctrl-C, and says where. Prices wander by time and seed, so two simulated venues agree on
them. Nothing is kept: account and orders are gone with the process. Keys are worth nothing, and are printed.

Faults: lost_acknowledgement, late_fill, gap, cut, cut_private, too_many_requests, banned, server_error, malformed and
shutdown happen so many times, once if nothing is said; silent, duplicate, skewed_clock, retired, unknown, slow and
halved last.
""",
    """
    trioarb venue-sim binance --port 8080
    trioarb venue-sim binance --tls --dir sim           # sim/ca.pem, sim/port
    trioarb venue-sim binance --listing exchangeInfo.json
    trioarb venue-sim binance --book quotes.parquet --book-exchange BINANCE
    trioarb venue-sim binance --fault cut=3 --fault silent@BTCUSDT
    """,
)

app = cyclopts.App(name="venue-sim", help=_HELP)


@app.default
def venue_sim(
    venue: Annotated[str, Parameter(help="Which venue: binance, binance_usdm, upbit or bithumb.")],
    *,
    port: Annotated[int, Parameter(help="Where to listen; 0: any free port.")] = 0,
    tls: Annotated[
        bool, Parameter(negative="", help="Speak TLS, with a certificate authority of this run's own.")
    ] = False,
    dir: Annotated[Path | None, Parameter(help="Where to write `port`, and with TLS `ca.pem`.")] = None,
    seed: Annotated[int, Parameter(help="Of the prices; venues of one seed wander together.")] = 0,
    every: Annotated[float, Parameter(help="Seconds between two changes of each book.")] = 0.2,
    listing: Annotated[
        list[Path] | None,
        Parameter(
            help="What the venue itself listed, recorded: exchangeInfo, or market/all and orderbook/instruments."
        ),
    ] = None,
    markets: Annotated[
        int | None, Parameter(help="Only so many markets of the listing, the first of those that trade.")
    ] = None,
    book: Annotated[
        Path | None,
        Parameter(
            help="Recorded quotes (Parquet) that strangers show instead of prices that wander; the last ones stay."
        ),
    ] = None,
    book_exchange: Annotated[
        str, Parameter(help="What the venue is called in that file; absent: as here, in letters of either case.")
    ] = "",
    fault: Annotated[
        list[str] | None,
        Parameter(help="What is to go wrong: NAME, NAME=TIMES, NAME@MARKET or NAME=TIMES@MARKET."),
    ] = None,
) -> int:
    """Run a simulated venue; return 0."""
    # Imported where it is needed: the command line lists this command whenever it is asked for help.
    from trioarb_sim.command import run

    return run(
        venue.lower(),
        port=port,
        tls=tls,
        folder=dir,
        seed=seed,
        every_seconds=every,
        faults=fault or [],
        listing=listing or [],
        most_markets=markets,
        book=book,
        book_exchange=book_exchange,
    )
