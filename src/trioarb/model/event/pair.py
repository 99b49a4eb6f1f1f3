"""Events of the transactions: what was meant before anything was sent, and how it ended."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from trioarb.model.event.base import Event
from trioarb.model.number import ZERO
from trioarb.model.order import Side, TimeInForce
from trioarb.model.trade import ExitReason, PairKind, PairOutcome

__all__ = ["Intent", "PairEnded", "PairOpened", "TransactionLeg", "TransactionOpened"]


class PairOpened(Event, frozen=True, kw_only=True):
    """The intent to trade both legs. Reserves ``reserved_usd`` of exposure (0 for an exit) until the pair ends.

    ``holds``: an entry opens a position that is closed later; without it, its position is closed when the pair ends.
    ``buy_fx`` and ``sell_fx``: the rates of legs whose quote asset isn't the symbol's.
    """

    pair_id: str
    trade_id: str
    kind: PairKind
    symbol: str
    buy_venue: str
    sell_venue: str
    quantity: Decimal
    buy_limit: Decimal
    sell_limit: Decimal
    reserved_usd: Decimal
    reason: ExitReason | None = None
    holds: bool = True
    buy_fx: Decimal | None = None
    sell_fx: Decimal | None = None

    @property
    def legs(self) -> tuple[TransactionLeg, ...]:
        """What it is as a transaction."""
        both = (self.buy_venue, Side.BUY, self.buy_limit), (self.sell_venue, Side.SELL, self.sell_limit)
        return tuple(
            TransactionLeg(venue=venue, symbol=self.symbol, side=side, quantity=self.quantity, limit=limit)
            for venue, side, limit in both
        )


class TransactionLeg(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One leg of a transaction: what is to be bought or sold of an instrument.

    ``limit``: the worst price that is reckoned with; absent, where none is. ``time_in_force``: of an order that is not
    immediate or cancelled. ``after``: the place, from 0, of the leg whose fills it follows; its orders go out then, at
    the prices of that moment. Without it, a leg is one order, sent at once at its limit.
    """

    venue: str
    symbol: str
    side: Side
    quantity: Decimal
    limit: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.IOC
    post_only: bool = False
    after: int | None = None


class TransactionOpened(Event, frozen=True, kw_only=True):
    """The intent to trade ``legs`` together, where that is something else than what `PairOpened` tells.

    It is a pair in all that follows, which ends it by its ``pair_id``. ``symbol``: the one that it is counted to; its
    first leg that buys it, and its first that sells it, are what is said of a pair of two legs. Reserves
    ``reserved_usd`` of exposure, the most that it may come to, until it ends.
    """

    pair_id: str
    trade_id: str
    kind: PairKind
    symbol: str
    legs: tuple[TransactionLeg, ...]
    reserved_usd: Decimal
    reason: ExitReason | None = None
    holds: bool = False

    @property
    def buys(self) -> TransactionLeg:
        """The leg that stands for where it buys."""
        return self._first(Side.BUY)

    @property
    def sells(self) -> TransactionLeg:
        """The leg that stands for where it sells."""
        return self._first(Side.SELL)

    @property
    def buy_venue(self) -> str:
        return self.buys.venue

    @property
    def sell_venue(self) -> str:
        return self.sells.venue

    @property
    def quantity(self) -> Decimal:
        return self.legs[0].quantity

    @property
    def buy_limit(self) -> Decimal:
        return self.buys.limit or ZERO

    @property
    def sell_limit(self) -> Decimal:
        return self.sells.limit or ZERO

    def _first(self, side: Side) -> TransactionLeg:
        of_side = [leg for leg in self.legs if leg.side is side] or self.legs
        return next((leg for leg in of_side if leg.symbol == self.symbol), of_side[0])


#: What is recorded before the first order of a pair.
Intent = PairOpened | TransactionOpened


class PairEnded(Event, frozen=True, kw_only=True):
    """Both legs have had their last word: the pair is over.

    ``bought`` and ``sold``: net base quantity on the buy and the sell venue. ``pnl_usd``: what this pair realised.

    ``dust`` is what is too small for any venue to trade, and worth next to nothing: an imbalance, or a rest on both
    legs. It is valued at what it would bring, ``dust_value_usd``, which is part of ``pnl_usd``; where it is, each
    `DustLeft` says.
    """

    pair_id: str
    trade_id: str
    symbol: str
    kind: PairKind
    outcome: PairOutcome
    bought: Decimal
    sold: Decimal
    pnl_usd: Decimal
    fees_usd: Decimal
    dust: Decimal = ZERO
    dust_value_usd: Decimal = ZERO
