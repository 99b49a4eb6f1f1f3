"""What can be spent: what is free, less what entries that are allowed but not sent yet are about to lock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from trioarb.journal.fold import Folding
from trioarb.model.event import OrderSubmitted, PairEnded, PairOpened, Record
from trioarb.model.market import Instrument
from trioarb.model.number import BPS, EXACT, ZERO
from trioarb.model.order import Side
from trioarb.state.ledger import Ledger

__all__ = ["Funds", "funds_needed"]


class Funds(Folding):
    """Folds pairs that were opened; their first order takes over what they claim. ``instruments`` by symbol, venue."""

    def __init__(self, ledger: Ledger, instruments: Mapping[str, Mapping[str, Instrument]]) -> None:
        self._ledger = ledger
        self._instruments = instruments
        self._claims: dict[str, Sequence[tuple[str, str, Decimal]]] = {}
        self._claimed: defaultdict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)

    def spendable(self, venue: str, asset: str) -> Decimal:
        """Return what an order may lock."""
        claimed = self._claimed.get((venue, asset))
        free = self._ledger.free(venue, asset)
        return EXACT.subtract(free, claimed) if claimed else free

    def _claim(self, opened: PairOpened, _: Record) -> None:
        needs = self._claims[opened.pair_id] = tuple(self._needs(opened))
        for venue, asset, amount in needs:
            self._claimed[venue, asset] = EXACT.add(self._claimed[venue, asset], amount)

    def _let_go(self, event: OrderSubmitted | PairEnded, _: Record) -> None:
        for venue, asset, amount in self._claims.pop(event.pair_id, ()):
            self._claimed[venue, asset] = EXACT.subtract(self._claimed[venue, asset], amount)

    def _needs(self, opened: PairOpened) -> Iterator[tuple[str, str, Decimal]]:
        for venue, side, limit in (
            (opened.buy_venue, Side.BUY, opened.buy_limit),
            (opened.sell_venue, Side.SELL, opened.sell_limit),
        ):
            instrument = self._instruments.get(opened.symbol, {}).get(venue)
            if instrument is not None:
                yield venue, *funds_needed(instrument, side, quantity=opened.quantity, limit_price=limit)


def funds_needed(instrument: Instrument, side: Side, *, quantity: Decimal, limit_price: Decimal) -> tuple[str, Decimal]:
    """Return what an order locks until it is done: the asset, and how much of it (a buy's fee included)."""
    if side is Side.SELL:
        return instrument.base, quantity
    fee = EXACT.divide(max(instrument.taker_fee_bps, ZERO), BPS)
    value = EXACT.multiply(quantity, limit_price)
    return instrument.quote, EXACT.multiply(value, EXACT.add(1, fee))
