"""PnL and fees as they are counted, and what events say of them."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

from recount.exact import NONE, Event, number

__all__ = ["Postings"]

_DAY_NS = 86_400 * 10**9


class Postings:
    """``pnl_usd`` and ``fees_usd`` by symbol, as fills have it; ``told_usd`` as the events say.

    ``residuals_usd``: what of it residuals and dust brought after they were left.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.pnl_usd: defaultdict[str, Fraction] = defaultdict(Fraction)
        self.told_usd: defaultdict[str, Fraction] = defaultdict(Fraction)
        self.fees_usd: defaultdict[str, Fraction] = defaultdict(Fraction)
        self.residuals_usd = NONE
        self._day = -1
        self._of_day: defaultdict[str, Fraction] = defaultdict(Fraction)
        self._event: Event = {}

    @property
    def total_usd(self) -> Fraction:
        return sum(self.pnl_usd.values(), NONE)

    def daily_loss_usd(self, now_ns: int) -> Fraction:
        """Return what was lost and realised in the UTC day."""
        return max(NONE, -sum(self._of_day.values(), NONE)) if now_ns // _DAY_NS == self._day else NONE

    def begin(self, event: Event) -> None:
        """Whatever is said next is said of this event."""
        self._event = event

    def problem(self, what: str) -> None:
        event = self._event
        self.problems.append(f"seq {event['seq']}: {event['type']} {event.get('pair_id', '')} {what}")

    def same(self, key: str, is_: Fraction) -> None:
        """Hold what the event says against what it is."""
        said = number(self._event[key])
        if said != is_:
            self.problem(f"says {key} {self._event[key]}, which is {float(is_)} (off by {float(said - is_):g})")

    def post(self, symbol: str, pnl_usd: Fraction, fees_usd: Fraction = NONE) -> None:
        self._turn()
        self.pnl_usd[symbol] += pnl_usd
        self.fees_usd[symbol] += fees_usd
        self._of_day[symbol] += pnl_usd

    def bring(self, symbol: str, pnl_usd: Fraction, fees_usd: Fraction = NONE) -> None:
        """Post what something that was left has brought."""
        self.post(symbol, pnl_usd, fees_usd)
        self.residuals_usd += pnl_usd

    def tell(self, key: str = "pnl_usd") -> None:
        """Count what the event says that it brought."""
        self.told_usd[self._event["symbol"]] += number(self._event[key])

    def carry(self, total_usd: Fraction) -> None:
        """Count a loss of an earlier campaign of the day."""
        self._turn()
        self._of_day[""] += total_usd

    def _turn(self) -> None:
        day = self._event["ts_ns"] // _DAY_NS
        if day != self._day:
            self._day = day
            self._of_day.clear()
