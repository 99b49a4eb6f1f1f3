"""What becomes of quotes that pass through."""

from __future__ import annotations

from collections.abc import Callable

from trioarb.api import MarketContext, seconds_to_ns
from trioarb_faults.chance import stream
from trioarb_faults.settings import FaultyMarketSettings

__all__ = ["QuoteFaults"]

#: The bid of a crossed quote stands this far above its ask.
_CROSSED = 1.001
#: bid, bid_size, ask, ask_size
_Numbers = tuple[float, float, float, float]


class QuoteFaults:
    """What becomes of one venue's quotes, in their order."""

    def __init__(self, settings: FaultyMarketSettings, context: MarketContext, layer: int) -> None:
        self.skew_ns = seconds_to_ns(settings.skew_ms / 1000)
        self._stale_ns = seconds_to_ns(settings.stale_seconds)
        self._stale_until_ns: int | None = None

        def chance(name: str) -> Callable[[], bool]:
            probability = float(getattr(settings, name))
            draw = stream(context.seed, context.venue, layer, name).random
            return lambda: probability > 0 and draw() < probability

        self._stale, self._drop, self._crossed = chance("stale"), chance("drop"), chance("crossed")

    def spoil(self, quote: _Numbers, ts_ns: int) -> _Numbers | None:
        """Return what comes of a quote; ``None``: nothing does."""
        # Every quote draws from all streams: what one fault does must not shift another.
        stale, drop, crossed = self._stale(), self._drop(), self._crossed()
        if self._stale_until_ns is not None and ts_ns < self._stale_until_ns:
            return None
        if stale:
            self._stale_until_ns = ts_ns + self._stale_ns
        if stale or drop:
            return None
        bid, bid_size, ask, ask_size = quote
        return (ask * _CROSSED, bid_size, bid, ask_size) if crossed else quote
