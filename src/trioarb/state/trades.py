"""Pairs and positions, and the money that flowed through them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from decimal import Decimal

import attrs
import msgspec

from trioarb.journal.fold import Folding
from trioarb.model.event import (
    DustLeft,
    FundingPaid,
    Intent,
    OrderAcknowledged,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReopened,
    OrderSubmitted,
    OrderUnknown,
    PairEnded,
    PairOpened,
    PositionClosed,
    PositionOpened,
    PositionReduced,
    Record,
    ResidualLeft,
    ResidualOffered,
    ResidualResolved,
    ResidualsNetted,
    ResidualsPaired,
    ResidualTaken,
    ResidualWorked,
    TradeCorrected,
)
from trioarb.model.market import Route
from trioarb.model.number import EXACT, ZERO, share
from trioarb.model.order import Purpose, Side
from trioarb.model.trade import PairKind, Position
from trioarb.time.campaign_time import SECOND_NS

__all__ = [
    "KNOWN_FOR_NS",
    "Dust",
    "Flow",
    "OpenOrder",
    "PairFlows",
    "Place",
    "TradeTotals",
    "Trades",
    "fee_of",
    "value_of",
]

#: For how long an order is known after it was submitted, at least.
KNOWN_FOR_NS = 20 * 60 * SECOND_NS

#: Symbol and venue of an instrument.
Place = tuple[str, str]

_add, _multiply = EXACT.add, EXACT.multiply


def fee_of(fill: OrderFilled) -> Decimal:
    """Return a fill's fee in the symbol's quote asset. One in base is valued at the fill's price, any other as it was
    booked.
    """
    if fill.fee_asset == fill.quote:
        fee = fill.fee
    elif fill.fee_asset == fill.base:
        fee = _multiply(fill.fee, fill.price)
    else:
        fee = ZERO if fill.fee_value is None else fill.fee_value
    return fee if fill.fx_rate is None else _multiply(fee, fill.fx_rate)


def value_of(fill: OrderFilled) -> Decimal:
    """Return what was paid or received for a fill, in the symbol's quote asset."""
    value = _multiply(fill.quantity, fill.price)
    return value if fill.fx_rate is None else _multiply(value, fill.fx_rate)


@attrs.define
class Flow:
    """What was bought and sold at one venue. Values and fees in quote asset, all of them positive."""

    bought: Decimal = ZERO
    buy_value: Decimal = ZERO
    buy_fees: Decimal = ZERO
    sold: Decimal = ZERO
    sell_value: Decimal = ZERO
    sell_fees: Decimal = ZERO

    @property
    def net(self) -> Decimal:
        return EXACT.subtract(self.bought, self.sold)

    @property
    def cash(self) -> Decimal:
        return EXACT.subtract(self.sell_value, self.buy_value)

    @property
    def fees(self) -> Decimal:
        return EXACT.add(self.buy_fees, self.sell_fees)

    def add(self, fill: OrderFilled) -> None:
        """Count a fill."""
        self.count(fill.side, fill.quantity, value_of(fill), fee_of(fill))

    def count(self, side: Side, quantity: Decimal, value: Decimal, fee: Decimal) -> None:
        """Count what was traded, at which value in quote asset."""
        if side is Side.BUY:
            self.bought = _add(self.bought, quantity)
            self.buy_value = _add(self.buy_value, value)
            self.buy_fees = _add(self.buy_fees, fee)
        else:
            self.sold = _add(self.sold, quantity)
            self.sell_value = _add(self.sell_value, value)
            self.sell_fees = _add(self.sell_fees, fee)

    def with_all(self, other: Flow) -> Flow:
        """Return the sum of both."""
        return Flow(*map(_add, attrs.astuple(self), attrs.astuple(other)))


@attrs.define
class PairFlows:
    """An opened pair and the flows of its instruments, by symbol and venue.

    ``totals`` are those of its trade. ``late``: what orders without an answer did there after it had ended.

    ``buy`` and ``sell`` are those of them that are told of a pair of two legs: where it buys its symbol, and where it
    sells it. One that it has no leg for stays empty.
    """

    opened: Intent
    totals: TradeTotals = attrs.field(factory=lambda: TradeTotals())
    ended: bool = False
    buy: Flow = attrs.field(factory=Flow)
    sell: Flow = attrs.field(factory=Flow)
    legs: dict[Place, Flow] = attrs.field(init=False)
    #: By how much orders are larger for what was left at their venues; and what they traded away of it, by venue.
    offered: dict[str, ResidualOffered] = attrs.field(factory=dict)
    taken: dict[str, Flow] = attrs.field(factory=dict)
    late: dict[Place, Flow] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        opened = self.opened
        if isinstance(opened, PairOpened):
            symbol = opened.symbol
            self.legs = {(symbol, opened.buy_venue): self.buy, (symbol, opened.sell_venue): self.sell}
            return
        self.legs = {(leg.symbol, leg.venue): Flow() for leg in opened.legs}
        self.buy, self.sell = self._first(Side.BUY), self._first(Side.SELL)

    def _first(self, side: Side) -> Flow:
        opened = self.opened
        found = (leg for leg in opened.legs if leg.side is side and leg.symbol == opened.symbol)
        leg = next(found, None)
        return Flow() if leg is None else self.legs[leg.symbol, leg.venue]

    def at(self, symbol: str, venue: str) -> Flow:
        """Return the flow of an instrument that it has a leg for."""
        return self.legs[symbol, venue]

    def in_all(self, symbol: str, venue: str) -> Flow:
        """Return the flow of an instrument, with what was learnt late."""
        flow, late = self.legs[symbol, venue], self.late.get((symbol, venue))
        return flow if late is None else flow.with_all(late)

    @property
    def bought(self) -> Decimal:
        """Net base quantity where it buys its symbol."""
        return self.buy.net

    @property
    def sold(self) -> Decimal:
        """Net base quantity sold where it sells its symbol."""
        return EXACT.minus(self.sell.net)


@attrs.define
class Dust:
    """The dust of a symbol at a venue: long if positive, and what it is booked at, in quote asset."""

    asset: str
    quantity: Decimal = ZERO
    booked_value: Decimal = ZERO
    cost_usd: Decimal = ZERO
    """Below zero where it was short."""


@attrs.define
class TradeTotals:
    """What all exits of a trade bought and sold, and the fees of its entry and exits, in quote asset.

    ``pnl_usd`` and ``fees_usd`` are what it has come to, as far as its pairs and corrections say. ``had_position``: it
    has opened one.
    """

    exit_buy: Flow = attrs.field(factory=Flow)
    exit_sell: Flow = attrs.field(factory=Flow)
    fees: Decimal = ZERO
    pnl_usd: Decimal = ZERO
    fees_usd: Decimal = ZERO
    had_position: bool = False

    def learn(self, late: Flow, kind: PairKind) -> None:
        """Count what an order of the trade did that was learnt after its pair had ended."""
        self.fees = _add(self.fees, late.fees)
        if kind is PairKind.EXIT:
            self.exit_buy.count(Side.BUY, late.bought, late.buy_value, late.buy_fees)
            self.exit_sell.count(Side.SELL, late.sold, late.sell_value, late.sell_fees)


@attrs.define
class OpenOrder:
    """An order, of late or without a last word. ``late``: what it filled after its pair had ended without it."""

    submitted: OrderSubmitted
    pair: PairFlows
    filled: Decimal = ZERO
    is_acknowledged: bool = False
    is_unknown: bool = False
    is_done: bool = False
    reopened: int = 0
    #: Few: a tuple is a third of the memory of a set, and orders of the last time are many.
    fill_ids: tuple[str, ...] = ()
    late: Flow = attrs.field(factory=Flow)

    @property
    def unfilled(self) -> Decimal:
        return EXACT.subtract(self.submitted.quantity, self.filled)


class Trades(Folding):
    """Folds pairs in flight, orders without a last word, open positions and residuals."""

    def __init__(self) -> None:
        self.pairs: dict[str, PairFlows] = {}
        self.totals: dict[str, TradeTotals] = {}
        self.orders: dict[str, OpenOrder] = {}
        self.residuals: dict[str, ResidualLeft] = {}
        #: The pairs that ended, and left something that is still there.
        self._left: dict[str, PairFlows] = {}
        #: The orders that were done after their pairs had ended, until the residuals that stand for them are resolved.
        self._learnt: dict[str, OpenOrder] = {}
        #: By symbol and venue.
        self.dust: dict[tuple[str, str], Dust] = {}
        self.orders_submitted: int = 0
        self._pairs_opened = 0
        #: The orders of the last time, and when they were submitted. The eldest is first, and found at once: a dict
        #: looks for it past all that were taken from its front.
        self._recent: OrderedDict[str, tuple[int, OpenOrder]] = OrderedDict()
        self._unsent: dict[str, Intent] = {}
        self.entries_in_flight: int = 0
        self._positions: dict[str, Position] = {}
        #: The open positions of each symbol that has any; another tuple once one of them is another.
        self._held: dict[str, tuple[Position, ...]] = {}

    def positions(self, symbol: str | None = None) -> tuple[Position, ...]:
        """Return the open positions of a symbol, or all, in the order they were opened."""
        return tuple(self._positions.values()) if symbol is None else self._held.get(symbol, ())

    def open_position(self, trade_id: str) -> Position | None:
        """Return the position of a trade, if it is open."""
        return self._positions.get(trade_id)

    def position(self, trade_id: str) -> Position:
        """Return an open position."""
        return self._positions[trade_id]

    @property
    def next_number(self) -> int:
        """The number of the next pair that is opened, and of the trade that an entry begins."""
        return self._pairs_opened + 1

    @property
    def unsent(self) -> Iterable[Intent]:
        """The pairs that were opened, and whose orders are not submitted yet."""
        return self._unsent.values()

    @property
    def late_orders(self) -> Sequence[OpenOrder]:
        """The orders without a last word whose pair has ended without them."""
        return tuple(order for order in self.orders.values() if order.pair.ended)

    def ended_short(self, venue: str) -> Sequence[OpenOrder]:
        """Return the orders of a venue that were submitted lately and ended with less than all filled; newest first."""
        recent = (order for _, order in reversed(self._recent.values()))
        return tuple(one for one in recent if one.submitted.venue == venue and one.is_done and one.unfilled)

    def knows(self, client_order_id: str) -> bool:
        """Return whether an order was submitted lately, or has no last word yet."""
        return client_order_id in self._recent or client_order_id in self.orders

    def submitted_ns(self, client_order_id: str) -> int | None:
        """Return when an order was submitted; ``None``: it was longer ago than orders are remembered, or never."""
        recent = self._recent.get(client_order_id)
        return None if recent is None else recent[0]

    def order(self, client_order_id: str) -> OpenOrder | None:
        """Return an order that was submitted lately, or has no last word yet."""
        recent = self._recent.get(client_order_id)
        return self.orders.get(client_order_id) if recent is None else recent[1]

    def _open_pair(self, opened: Intent, _: Record) -> None:
        if opened.trade_id not in self.totals:
            self.totals[opened.trade_id] = TradeTotals()
        self.pairs[opened.pair_id] = PairFlows(opened, self.totals[opened.trade_id])
        self._unsent[opened.pair_id] = opened
        self._pairs_opened += 1
        self.entries_in_flight += opened.kind is PairKind.ENTRY

    def _submit(self, order: OrderSubmitted, record: Record) -> None:
        self.orders_submitted += 1
        pair = self.pairs.get(order.pair_id) or self._left[order.pair_id]
        opened = self.orders[order.client_order_id] = OpenOrder(order, pair)
        self._recent[order.client_order_id] = record.ts_ns, opened
        while record.ts_ns - self._recent[eldest := next(iter(self._recent))][0] > KNOWN_FOR_NS:
            del self._recent[eldest]
        self._unsent.pop(order.pair_id, None)

    def _acknowledge(self, acknowledged: OrderAcknowledged, _: Record) -> None:
        self.orders[acknowledged.client_order_id].is_acknowledged = True

    def _miss_answer(self, unknown: OrderUnknown, _: Record) -> None:
        self.orders[unknown.client_order_id].is_unknown = True

    def _fill(self, fill: OrderFilled, _: Record) -> None:
        order, side, quantity = self.orders[fill.client_order_id], fill.side, fill.quantity
        order.filled = _add(order.filled, quantity)
        order.fill_ids += (fill.fill_id,)
        if order.filled == order.submitted.quantity:
            self._finish(fill.client_order_id)
        pair = order.pair
        if pair.ended:
            order.late.add(fill)
            return
        fee = fee_of(fill)
        price = fill.price if fill.fx_rate is None else _multiply(fill.price, fill.fx_rate)
        if pair.offered and (part := _beyond(pair.offered.get(fill.client_order_id), order, quantity)):
            paid = share(fee, part, quantity)
            taken = pair.taken.setdefault(fill.venue, Flow())
            taken.count(side, part, _multiply(part, price), paid)
            quantity, fee = EXACT.subtract(quantity, part), EXACT.subtract(fee, paid)
        value = _multiply(quantity, price)
        pair.at(fill.symbol, fill.venue).count(side, quantity, value, fee)
        totals = pair.totals
        totals.fees = _add(totals.fees, fee)
        if pair.opened.kind is PairKind.EXIT:
            (totals.exit_buy if side is Side.BUY else totals.exit_sell).count(side, quantity, value, fee)

    def _conclude(self, event: OrderCancelled | OrderExpired | OrderRejected, _: Record) -> None:
        self._finish(event.client_order_id)

    def _finish(self, client_order_id: str) -> None:
        order = self.orders.pop(client_order_id)
        order.is_done = True
        if order.pair.ended and order.submitted.purpose is not Purpose.WORK:
            self._learnt[client_order_id] = order

    def _reopen(self, event: OrderReopened, record: Record) -> None:
        order = self._recent[event.client_order_id][1]
        order.is_done, order.late = False, Flow()
        order.reopened += 1
        if order.pair.ended:  # what comes of it is a residual that its pair left
            self._left[event.pair_id] = order.pair
        self.orders[event.client_order_id] = order

    def _open_position(self, opened: PositionOpened, record: Record) -> None:
        self.totals[opened.trade_id].had_position = True
        self._put(
            Position(
                trade_id=opened.trade_id,
                route=Route(symbol=opened.symbol, buy_venue=opened.buy_venue, sell_venue=opened.sell_venue),
                opened_quantity=opened.quantity,
                quantity=opened.quantity,
                buy_price=opened.buy_price,
                sell_price=opened.sell_price,
                cash=opened.cash,
                fees=opened.fees,
                realised=opened.realised,
                opened_ns=record.ts_ns,
            )
        )

    def _reduce_position(self, reduced: PositionReduced, _: Record) -> None:
        self._put(
            msgspec.structs.replace(
                self._positions[reduced.trade_id],
                quantity=reduced.quantity,
                cash=reduced.cash,
                fees=reduced.fees,
                realised=reduced.realised,
            )
        )

    def _fund(self, paid: FundingPaid, _: Record) -> None:
        position = self._positions.get(paid.trade_id or "")
        if position is not None:
            realised = _add(position.realised, paid.amount)
            totals = self.totals[position.trade_id]
            totals.pnl_usd = _add(totals.pnl_usd, paid.amount_usd)
            self._put(msgspec.structs.replace(position, realised=realised))

    def _close_position(self, closed: PositionClosed, _: Record) -> None:
        del self._positions[closed.trade_id], self.totals[closed.trade_id]
        self._hold(closed.symbol)

    def _end_pair(self, ended: PairEnded, _: Record) -> None:
        pair = self.pairs.pop(ended.pair_id)
        pair.ended = True
        totals = pair.totals
        totals.pnl_usd = _add(totals.pnl_usd, ended.pnl_usd)
        totals.fees_usd = _add(totals.fees_usd, ended.fees_usd)
        self._unsent.pop(ended.pair_id, None)
        self.entries_in_flight -= ended.kind is PairKind.ENTRY
        if ended.trade_id not in self._positions:
            self.totals.pop(ended.trade_id, None)

    def _correct(self, corrected: TradeCorrected, _: Record) -> None:
        totals = self._left[corrected.pair_id].totals
        totals.pnl_usd, totals.fees_usd = corrected.pnl_usd, corrected.fees_usd
        position = self._positions.get(corrected.trade_id)
        if position is not None and corrected.realised is not None:
            self._put(msgspec.structs.replace(position, realised=corrected.realised))

    def _pair_up(self, paired: ResidualsPaired, _: Record) -> None:
        for rest in paired.rests:
            self._shrink(*rest)
        totals = self.totals[paired.trade_id] = self._left[paired.pair_id].totals
        totals.pnl_usd = _add(totals.pnl_usd, paired.pnl_usd)

    def pair_of(self, residual: ResidualLeft) -> Intent:
        """Return the pair that left a residual."""
        return self._left[residual.pair_id].opened

    def _leave_residual(self, left: ResidualLeft, _: Record) -> None:
        self.residuals[left.residual_id] = left
        if left.pair_id in self.pairs:
            self._left[left.pair_id] = self.pairs[left.pair_id]

    def _work_residual(self, worked: ResidualWorked, _: Record) -> None:
        residual = self.residuals[worked.residual_id]
        self.residuals[worked.residual_id] = msgspec.structs.replace(residual, client_order_id=worked.client_order_id)

    def _offer_residual(self, offered: ResidualOffered, _: Record) -> None:
        self.pairs[offered.pair_id].offered[offered.client_order_id] = offered

    def _take_residual(self, taken: ResidualTaken, _: Record) -> None:
        if taken.residual_id is None:
            dust = self.dust[taken.symbol, taken.venue]
            dust.quantity, dust.booked_value = taken.rest, taken.booked_value
            dust.cost_usd = taken.cost_usd.copy_sign(dust.cost_usd)
        else:
            self._shrink(taken.residual_id, taken.rest, taken.booked_value, taken.cost_usd)

    def _net_residuals(self, netted: ResidualsNetted, _: Record) -> None:
        for rest in netted.rests:
            self._shrink(*rest)

    def _shrink(self, residual_id: str, rest: Decimal, booked_value: Decimal, cost_usd: Decimal) -> None:
        residual = self.residuals.pop(residual_id)
        if rest:
            self.residuals[residual_id] = msgspec.structs.replace(
                residual, quantity=rest, booked_value=booked_value, cost_usd=cost_usd
            )

    def _leave_dust(self, left: DustLeft, _: Record) -> None:
        dust = self.dust.setdefault((left.symbol, left.venue), Dust(left.asset))
        dust.quantity = _add(dust.quantity, left.quantity)
        dust.booked_value = _add(dust.booked_value, left.booked_value)
        dust.cost_usd = _add(dust.cost_usd, left.cost_usd.copy_sign(left.quantity))

    def _resolve_residual(self, resolved: ResidualResolved, _: Record) -> None:
        residual = self.residuals.pop(resolved.residual_id)
        order = self._learnt.pop(residual.client_order_id or "", None)
        if order is not None:
            order.pair.totals.learn(order.late, order.pair.opened.kind)
            submitted = order.submitted
            place = submitted.symbol, submitted.venue
            order.pair.late[place] = order.pair.late.get(place, Flow()).with_all(order.late)

    def _put(self, position: Position) -> None:
        self._positions[position.trade_id] = position
        self._hold(position.route.symbol, position)

    def _hold(self, symbol: str, position: Position | None = None) -> None:
        """Note which positions a symbol has now; a new one is the last."""
        held = dict.fromkeys(one.trade_id for one in self._held.pop(symbol, ()))
        if position is not None:
            held[position.trade_id] = None
        if now := tuple(self._positions[trade_id] for trade_id in held if trade_id in self._positions):
            self._held[symbol] = now


def _beyond(offered: ResidualOffered | None, order: OpenOrder, quantity: Decimal) -> Decimal:
    """Return how much of what was filled just now is beyond what the order's pair wanted."""
    if offered is None:
        return ZERO
    beyond = EXACT.subtract(order.filled, EXACT.subtract(order.submitted.quantity, offered.quantity))
    return min(max(beyond, ZERO), quantity)
