"""What can be spent: what is free, less what entries that are allowed but not sent yet are about to lock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal

from trioarb.journal.ledger import Ledger
from trioarb.model.event import Event, OrderSubmitted, PairEnded, PairOpened, Record
from trioarb.model.market import Instrument
from trioarb.model.number import EXACT, ZERO
from trioarb.model.order import Side
from trioarb.strategy.sizing import funds_needed

__all__ = ["Funds"]


class Funds:
    """Folds pairs that were opened; their first order takes over what they claim. ``instruments`` by symbol, venue."""

    folds: frozenset[type[Event]] = frozenset({PairOpened, OrderSubmitted, PairEnded})

    def __init__(self, ledger: Ledger, instruments: Mapping[str, Mapping[str, Instrument]]) -> None:
        self._ledger = ledger
        self._instruments = instruments
        self._claims: dict[str, PairOpened] = {}
        self._claimed: defaultdict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)

    def spendable(self, venue: str, asset: str) -> Decimal:
        """Return what an order may lock."""
        claimed = self._claimed.get((venue, asset))
        free = self._ledger.free(venue, asset)
        return EXACT.subtract(free, claimed) if claimed else free

    def apply(self, record: Record) -> None:
        event = record.event
        if isinstance(event, PairOpened):
            self._claims[event.pair_id] = event
            for venue, asset, amount in self._needs(event):
                self._claimed[venue, asset] = EXACT.add(self._claimed[venue, asset], amount)
        elif isinstance(event, OrderSubmitted | PairEnded) and (opened := self._claims.pop(event.pair_id, None)):
            for venue, asset, amount in self._needs(opened):
                self._claimed[venue, asset] = EXACT.subtract(self._claimed[venue, asset], amount)

    def _needs(self, opened: PairOpened) -> Iterable[tuple[str, str, Decimal]]:
        for venue, side, limit in (
            (opened.buy_venue, Side.BUY, opened.buy_limit),
            (opened.sell_venue, Side.SELL, opened.sell_limit),
        ):
            instrument = self._instruments.get(opened.symbol, {}).get(venue)
            if instrument is not None:
                yield venue, *funds_needed(instrument, side, quantity=opened.quantity, limit_price=limit)
