"""A tape around another one, some of whose quotes go wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from trioarb.api import Listing, MarketContext, Tape, TapeRow, TradingRules
from trioarb_faults.chance import layer_around
from trioarb_faults.quotes import QuoteFaults
from trioarb_faults.settings import FaultyMarketSettings

__all__ = ["FaultyTape"]

#: After so many rows of a tape that are swallowed one is passed on without prices (withdrawn): an endless tape of which
#: nothing remains would hold up time itself.
_MOST_SWALLOWED = 4096
_WITHOUT_PRICES = (math.nan, math.nan, math.nan, math.nan)


class FaultyTape(Tape):
    """A tape, some of whose quotes go wrong."""

    def __init__(self, settings: FaultyMarketSettings, context: MarketContext, inner: Tape) -> None:
        self.layer = layer_around(inner, FaultyTape)
        self._inner = inner
        self._faults = QuoteFaults(settings, context, self.layer)

    @property
    def start_ns(self) -> int | None:
        return self._inner.start_ns

    def listings(self) -> Sequence[Listing]:
        return self._inner.listings()

    def rules(self, symbol: str) -> TradingRules | None:
        return self._inner.rules(symbol)

    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        skew_ns, spoil = self._faults.skew_ns, self._faults.spoil
        swallowed = 0
        # What was quoted a little earlier comes now; before the first row there is nothing.
        first_ns = start_ns if self._inner.start_ns is None else start_ns - skew_ns
        for ts_ns, order, symbol, bid, bid_size, ask, ask_size in self._inner.rows(symbols, first_ns):
            quote = spoil((bid, bid_size, ask, ask_size), ts_ns)
            if quote is None:
                swallowed += 1
                if swallowed < _MOST_SWALLOWED:
                    continue
            swallowed = 0
            yield ts_ns + skew_ns, order, symbol, *(quote or _WITHOUT_PRICES)
