"""Play tapes: deliver every row at its time, in one task for all venues."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence

import trio

from trioarb.clock.service import CampaignTime, WakeOrder
from trioarb.errors import MarketDataError
from trioarb.plugin.contract import QuoteSink, Tape

__all__ = ["MARKET_FIRST", "play"]

#: Market data goes before everything else that is due at the same nanosecond.
MARKET_FIRST: WakeOrder = (0, "", "", 0)

#: Rows between two looks at signals and other tasks, should the tape never have to wait.
_BURST = 512

_Row = tuple[int, int, int, str, float, float, float, float]


async def play(
    tapes: Mapping[str, Tape],
    sinks: Mapping[str, Mapping[str, QuoteSink]],
    *,
    time: CampaignTime,
    start_ns: int,
) -> None:
    """Call ``sinks[venue][symbol]`` with the rows of all ``tapes`` (by venue), merged by time and file order.

    Raises:
        MarketDataError: a tape raised; names its venue.

    Returns at the end of the last tape. In virtual time rows are delivered without a checkpoint as long as nothing
    else is due before them.
    """
    merged = heapq.merge(
        *(
            _rows(venue, tape, tuple(sinks[venue]), start_ns, number)
            for number, (venue, tape) in enumerate(tapes.items())
        )
    )
    deliver: Sequence[Mapping[str, QuoteSink]] = [sinks[venue] for venue in tapes]
    burst = 0
    for ts_ns, _, tape, symbol, bid, bid_size, ask, ask_size in merged:
        burst += 1
        if not time.reach(ts_ns):
            await time.sleep_until(ts_ns, MARKET_FIRST)
            time.reach(ts_ns)
            burst = 0
        elif burst >= _BURST:
            await trio.lowlevel.checkpoint()
            burst = 0
        deliver[tape][symbol](bid, bid_size, ask, ask_size, ts_ns)


def _rows(venue: str, tape: Tape, symbols: Sequence[str], start_ns: int, number: int) -> Iterator[_Row]:
    try:
        for ts_ns, order, symbol, bid, bid_size, ask, ask_size in tape.rows(symbols, start_ns):
            yield ts_ns, order, number, symbol, bid, bid_size, ask, ask_size
    except Exception as error:
        detail = str(error) if isinstance(error, MarketDataError) else f"{type(error).__name__}: {error}"
        raise MarketDataError(f"[exchanges.{venue}.market]: {detail}") from error
