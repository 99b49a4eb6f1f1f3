"""What can be spent: what is free, less what entries that are allowed but not sent yet are about to lock.

And what of it is kept back: what closing the open positions, and those that entries in flight are to open, may cost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import attrs

from trioarb.journal.fold import Folding
from trioarb.model.event import (
    Intent,
    OrderFilled,
    OrderSubmitted,
    PairEnded,
    PairOpened,
    PositionClosed,
    PositionOpened,
    PositionReduced,
    Record,
    TransactionLeg,
    TransactionOpened,
)
from trioarb.model.market import Instrument
from trioarb.model.number import BPS, EXACT, ZERO, per_unit
from trioarb.model.order import Side
from trioarb.model.trade import PairKind
from trioarb.state.ledger import Ledger
from trioarb.state.margins import Margins

__all__ = ["Funds", "funds_needed"]

#: Venue, asset, and how much of it.
_Need = tuple[str, str, Decimal]


@attrs.define
class _LegClaims:
    """What the legs of a transaction claim (still)."""

    legs: Sequence[tuple[TransactionLeg, _Need]]
    orders: list[str] = attrs.field(factory=list)


class Funds(Folding):
    """Folds pairs and positions. ``instruments`` by symbol, venue; ``slippage_bps``: how far beyond its price a
    position may have to be closed.

    The first order of a pair takes over what it claims. Of a transaction each leg claims for itself: the order that
    is sent for it takes that over; what follows another leg goes on claiming for what that has not filled.
    """

    def __init__(
        self,
        ledger: Ledger,
        margins: Margins,
        instruments: Mapping[str, Mapping[str, Instrument]],
        slippage_bps: Decimal,
    ) -> None:
        self._ledger = ledger
        self._margins = margins
        self._instruments = instruments
        self._slippage_bps = slippage_bps
        self._claims: dict[str, Sequence[_Need]] = {}
        self._legs: dict[str, _LegClaims] = {}
        #: Of the orders that others follow: their transaction.
        self._led: dict[str, str] = {}
        self._claimed: defaultdict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
        #: What is kept back, by the trade that it is for; and what the open ones among them are.
        self._keeps: dict[str, Sequence[_Need]] = {}
        self._kept: defaultdict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
        self._positions: dict[str, PositionOpened] = {}
        #: By symbol and venue, at which rate the venue's quote asset was last counted in the symbol's.
        self._rates: dict[tuple[str, str], Decimal] = {}

    def spendable(self, venue: str, asset: str) -> Decimal:
        """Return what an order may lock."""
        claimed = self._claimed.get((venue, asset))
        free = self._ledger.free(venue, asset)
        return EXACT.subtract(free, claimed) if claimed else free

    def held(self, venue: str, instrument: Instrument) -> Decimal:
        """Return what can be sold of an instrument: its base asset, or how many contracts are held, as signed."""
        if instrument.contract is None:
            return self.spendable(venue, instrument.base)
        contracts = self._ledger.contracts(venue, instrument.symbol)
        return ZERO if contracts is None else contracts.quantity

    def payable(self, venue: str, instrument: Instrument) -> Decimal:
        """Return what can be spent on an instrument: its quote asset, or what of the collateral is not bound yet.

        Of collateral, less what positions may lose while an order is on its way: the slippage bound of their value.
        """
        if instrument.contract is None:
            return self.spendable(venue, instrument.quote)
        standing = self._margins.standing(venue, instrument.quote)
        bound = EXACT.divide(EXACT.multiply(standing.value, self._slippage_bps), BPS)
        free = EXACT.subtract(standing.free, bound)
        return EXACT.subtract(free, self._claimed.get((venue, instrument.quote), ZERO))

    def kept(self, venue: str, asset: str) -> Decimal:
        """Return what of it no entry may spend: positions could not be closed without."""
        return self._kept.get((venue, asset), ZERO)

    def _claim(self, opened: Intent, _: Record) -> None:
        if isinstance(opened, TransactionOpened):
            claims = self._legs[opened.pair_id] = _LegClaims(tuple(self._needs_of_legs(opened)))
            _add(self._claimed, [need for _, need in claims.legs])
        else:
            needs = self._claims[opened.pair_id] = tuple(self._needs(opened))
            _add(self._claimed, needs)
        if (
            opened.kind is PairKind.ENTRY
            and opened.holds
            and (sold := self._instrument(opened.symbol, opened.sell_venue)) is not None
            and sold.contract is None
        ):
            # What is sold comes in first; until then only what closing costs beyond it is needed.
            cost = EXACT.subtract(self._to_buy_back(sold, opened.sell_limit), opened.sell_limit)
            self._keep(opened.trade_id, [(sold.venue, sold.quote, EXACT.multiply(opened.quantity, cost))])

    def _let_go(self, event: OrderSubmitted | PairEnded, _: Record) -> None:
        _subtract(self._claimed, self._claims.pop(event.pair_id, ()))
        if isinstance(event, PairEnded):
            claims = self._legs.pop(event.pair_id, None)
            if claims is not None:
                _subtract(self._claimed, [need for _, need in claims.legs])
                for order_id in claims.orders:
                    del self._led[order_id]
            if event.trade_id not in self._positions:
                self._keep(event.trade_id, ())
        elif event.pair_id in self._legs:
            self._take_over(self._legs[event.pair_id], event)

    def _take_over(self, claims: _LegClaims, order: OrderSubmitted) -> None:
        """Let go what the leg of an order claims; it locks that itself. What follows it is told by its fills."""
        for leg, need in claims.legs:
            if leg.after is None and (leg.symbol, leg.venue, leg.side) == (order.symbol, order.venue, order.side):
                _subtract(self._claimed, [need])
                claims.legs = tuple(one for one in claims.legs if one[0] is not leg)
                self._led[order.client_order_id] = order.pair_id
                claims.orders.append(order.client_order_id)
                return

    def _fill(self, fill: OrderFilled, _: Record) -> None:
        """Let go what the legs that follow claim for so much: the orders for it are sent now."""
        if fill.fx_rate is not None:
            self._rates[fill.symbol, fill.venue] = fill.fx_rate
        pair_id = self._led.get(fill.client_order_id)
        if pair_id is None:
            return
        claims = self._legs[pair_id]
        after = []
        for leg, (venue, asset, amount) in claims.legs:
            instrument = self._instrument(leg.symbol, leg.venue)
            if leg.after is None or leg.limit is None or instrument is None:
                after.append((leg, (venue, asset, amount)))
                continue
            needed = funds_needed(instrument, leg.side, quantity=fill.quantity, limit_price=leg.limit)[1]
            let_go = min(amount, needed)
            _subtract(self._claimed, [(venue, asset, let_go)])
            after.append((leg, (venue, asset, EXACT.subtract(amount, let_go))))
        claims.legs = tuple(after)

    def _open_position(self, opened: PositionOpened, _: Record) -> None:
        self._positions[opened.trade_id] = opened
        self._keep(opened.trade_id, self._to_close(opened, opened.quantity))

    def _reduce_position(self, reduced: PositionReduced, _: Record) -> None:
        opened = self._positions[reduced.trade_id]
        self._keep(reduced.trade_id, self._to_close(opened, reduced.quantity))

    def _close_position(self, closed: PositionClosed, _: Record) -> None:
        del self._positions[closed.trade_id]
        self._keep(closed.trade_id, ())

    def _keep(self, trade_id: str, needs: Sequence[_Need]) -> None:
        """Keep so much back for a trade, instead of what was kept for it before."""
        _subtract(self._kept, self._keeps.pop(trade_id, ()))
        if needs:
            self._keeps[trade_id] = needs
            _add(self._kept, needs)

    def _to_close(self, opened: PositionOpened, quantity: Decimal) -> Sequence[_Need]:
        """Return what is sold where a position is long, and spent where it is short: at its price, and beyond.

        Contracts are closed with the margin that they bind.
        """
        bought = self._instrument(opened.symbol, opened.buy_venue)
        sold = self._instrument(opened.symbol, opened.sell_venue)
        if bought is None or sold is None:
            return ()
        price, rate = opened.sell_price, self._rates.get((opened.symbol, opened.sell_venue))
        if rate is not None:
            price = per_unit(price, rate)
        cost = EXACT.multiply(quantity, self._to_buy_back(sold, price))
        needs = (bought, bought.base, quantity), (sold, sold.quote, cost)
        return [(one.venue, asset, amount) for one, asset, amount in needs if one.contract is None]

    def _to_buy_back(self, instrument: Instrument, price: Decimal) -> Decimal:
        """Return what one unit may cost, the fee included, that was sold at a price."""
        beyond = EXACT.multiply(price, EXACT.divide(EXACT.add(BPS, self._slippage_bps), BPS))
        return EXACT.multiply(beyond, EXACT.divide(BPS + max(instrument.taker_fee_bps, ZERO), BPS))

    def _needs_of_legs(self, opened: TransactionOpened) -> Iterator[tuple[TransactionLeg, _Need]]:
        """Yield what each leg needs that isn't paid with what the leg before it brings to its venue."""
        for leg in opened.legs:
            instrument = self._instrument(leg.symbol, leg.venue)
            is_paid = leg.after is not None and opened.legs[leg.after].venue == leg.venue
            if instrument is None or is_paid or (leg.limit is None and leg.side is Side.BUY):
                continue
            needed = funds_needed(instrument, leg.side, quantity=leg.quantity, limit_price=leg.limit or ZERO)
            yield leg, (leg.venue, *needed)

    def _needs(self, opened: PairOpened) -> Iterator[_Need]:
        for venue, side, limit in (
            (opened.buy_venue, Side.BUY, opened.buy_limit),
            (opened.sell_venue, Side.SELL, opened.sell_limit),
        ):
            instrument = self._instrument(opened.symbol, venue)
            if instrument is not None:
                yield (
                    venue,
                    *funds_needed(
                        instrument,
                        side,
                        quantity=opened.quantity,
                        limit_price=limit,
                        opens=opened.kind is PairKind.ENTRY,
                    ),
                )

    def _instrument(self, symbol: str, venue: str) -> Instrument | None:
        return self._instruments.get(symbol, {}).get(venue)


def _add(sums: defaultdict[tuple[str, str], Decimal], needs: Sequence[_Need]) -> None:
    for venue, asset, amount in needs:
        sums[venue, asset] = EXACT.add(sums[venue, asset], amount)


def _subtract(sums: defaultdict[tuple[str, str], Decimal], needs: Sequence[_Need]) -> None:
    for venue, asset, amount in needs:
        sums[venue, asset] = EXACT.subtract(sums[venue, asset], amount)


def funds_needed(
    instrument: Instrument, side: Side, *, quantity: Decimal, limit_price: Decimal, opens: bool = True
) -> tuple[str, Decimal]:
    """Return what an order locks until it is done: the asset, and how much of it (a buy's fee included).

    An order for contracts locks its fee, and if it ``opens`` a position its initial margin, whichever its side.
    """
    if side is Side.SELL and instrument.contract is None:
        return instrument.base, quantity
    fee = EXACT.divide(max(instrument.taker_fee_bps, ZERO), BPS)
    value = EXACT.multiply(quantity, limit_price)
    if instrument.contract is not None:
        margin = instrument.contract.initial_margin(value) if opens else ZERO
        return instrument.quote, EXACT.add(margin, EXACT.multiply(value, fee))
    return instrument.quote, EXACT.multiply(value, EXACT.add(1, fee))
