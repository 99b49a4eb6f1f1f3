"""How markets went on after our fills: whether what filled us knew better."""

from __future__ import annotations

from collections import defaultdict
from decimal import Context, Decimal

import attrs

from trioarb.journal.fold import Folding
from trioarb.model.event import CampaignOpened, FillsMarkedOut, InstrumentListed, Record
from trioarb.model.number import BPS, EXACT, ZERO, per_unit
from trioarb.model.order import Purpose, Side
from trioarb.model.trade import HORIZONS

__all__ = ["Markout", "Markouts", "gains_of", "in_bps"]

_STEP, _ROUNDED = Decimal("0.0001"), Context(prec=40)


@attrs.define
class Markout:
    """Fills whose market was looked at after some time: how many, their value, and what holding them had gained then.

    In USD; above zero is good for us.
    """

    fills: int = 0
    value_usd: Decimal = ZERO
    gain_usd: Decimal = ZERO

    @property
    def bps(self) -> Decimal | None:
        """The gain in bps of the value; ``None`` without any."""
        return in_bps(self.gain_usd, self.value_usd)


class Markouts(Folding):
    """Folds markouts by venue, side, purpose and whether the orders rested, and there by seconds after the fill.

    Those of an instrument whose quote asset has no rate are left out; their mids are in the journal.
    """

    def __init__(self) -> None:
        self.of: defaultdict[tuple[str, Side, Purpose, bool], dict[int, Markout]] = defaultdict(dict)
        self._fx: dict[str, Decimal] = {}
        self._usd: dict[tuple[str, str], Decimal] = {}

    def _begin(self, opened: CampaignOpened, _: Record) -> None:
        self._fx = dict(opened.fx)

    def _list(self, listed: InstrumentListed, _: Record) -> None:
        if listed.quote in self._fx:
            self._usd[listed.symbol, listed.venue] = self._fx[listed.quote]

    def _mark_out(self, marked: FillsMarkedOut, _: Record) -> None:
        usd = self._usd.get((marked.symbol, marked.venue))
        if usd is None:
            return
        by_horizon = self.of[marked.venue, marked.side, marked.purpose, marked.rests]
        value = EXACT.multiply(marked.value, usd)
        for seconds, gain in gains_of(marked).items():
            one = by_horizon.setdefault(seconds, Markout())
            one.fills += 1
            one.value_usd = EXACT.add(one.value_usd, value)
            one.gain_usd = EXACT.add(one.gain_usd, EXACT.multiply(gain, usd))


def gains_of(marked: FillsMarkedOut) -> dict[int, Decimal]:
    """Return by seconds after the fills what they had gained at the mid, in quote asset, where there was one."""
    found = {}
    for seconds, mid in zip(HORIZONS, (marked.mid_1s, marked.mid_10s, marked.mid_60s), strict=True):
        if mid is not None:
            gain = EXACT.subtract(EXACT.multiply(marked.quantity, mid), marked.value)
            found[seconds] = gain if marked.side is Side.BUY else EXACT.minus(gain)
    return found


def in_bps(gain: Decimal, value: Decimal) -> Decimal | None:
    """Return a gain in bps of a value, to four digits; ``None`` without a value."""
    return _ROUNDED.quantize(BPS * per_unit(gain, value), _STEP) if value else None
