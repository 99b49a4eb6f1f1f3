"""Pairs and positions, and the money that flowed through them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, localcontext

import attrs

from trioarb.model.event import (
    OrderFilled,
    OrderSubmitted,
    PairEnded,
    PairOpened,
    PositionClosed,
    PositionOpened,
    PositionReduced,
    Record,
)
from trioarb.model.market import Route
from trioarb.model.number import EXACT, ZERO
from trioarb.model.order import Side
from trioarb.model.trade import PairKind, Position

__all__ = ["Flow", "PairFlows", "TradeTotals", "Trades"]


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
        """Count a fill. A fee in base asset is valued at the fill's price."""
        with localcontext(EXACT):
            value = fill.quantity * fill.price
            fee = fill.fee * fill.price if fill.fee_asset == fill.base else fill.fee
            if fill.side is Side.BUY:
                self.bought += fill.quantity
                self.buy_value += value
                self.buy_fees += fee
            else:
                self.sold += fill.quantity
                self.sell_value += value
                self.sell_fees += fee


@attrs.define
class PairFlows:
    """An opened pair and the flows at its two venues."""

    opened: PairOpened
    orders: int = 0
    buy: Flow = attrs.field(factory=Flow)
    sell: Flow = attrs.field(factory=Flow)

    def at(self, venue: str) -> Flow:
        return self.buy if venue == self.opened.buy_venue else self.sell

    @property
    def bought(self) -> Decimal:
        """Net base quantity on the buy venue."""
        return self.buy.net

    @property
    def sold(self) -> Decimal:
        """Net base quantity sold on the sell venue."""
        return EXACT.minus(self.sell.net)


@attrs.define
class TradeTotals:
    """What all exits of a trade bought and sold, and the fees of its entry and exits."""

    exit_buy: Flow = attrs.field(factory=Flow)
    exit_sell: Flow = attrs.field(factory=Flow)
    fees: Decimal = ZERO


class Trades:
    """Folds pairs in flight, and open positions."""

    def __init__(self) -> None:
        self.pairs: dict[str, PairFlows] = {}
        self.totals: dict[str, TradeTotals] = {}
        self.orders_submitted = 0
        self.pairs_opened = 0
        self._positions: dict[str, Position] = {}
        self._by_symbol: dict[str, tuple[Position, ...]] = {}
        self._pair_of_order: dict[str, PairFlows] = {}

    def positions(self, symbol: str | None = None) -> tuple[Position, ...]:
        """Return the open positions of a symbol, or all, in the order they were opened."""
        return tuple(self._positions.values()) if symbol is None else self._by_symbol.get(symbol, ())

    @property
    def unsent(self) -> Iterator[PairOpened]:
        """The pairs that were opened, and whose orders are not submitted yet."""
        return (pair.opened for pair in self.pairs.values() if not pair.orders)

    @property
    def entries_in_flight(self) -> int:
        return sum(pair.opened.kind is PairKind.ENTRY for pair in self.pairs.values())

    def apply(self, record: Record) -> None:
        match record.event:
            case PairOpened() as opened:
                self.pairs[opened.pair_id] = PairFlows(opened)
                self.pairs_opened += 1
                self.totals.setdefault(opened.trade_id, TradeTotals())
            case OrderSubmitted() as order:
                self.orders_submitted += 1
                self._pair_of_order[order.client_order_id] = self.pairs[order.pair_id]
                self.pairs[order.pair_id].orders += 1
            case OrderFilled() as fill:
                self._fill(fill)
            case PositionOpened() as opened:
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
            case PositionReduced() as reduced:
                self._put(
                    attrs.evolve(
                        self._positions[reduced.trade_id],
                        quantity=reduced.quantity,
                        cash=reduced.cash,
                        fees=reduced.fees,
                        realised=reduced.realised,
                    )
                )
            case PositionClosed(trade_id=trade_id, symbol=symbol):
                del self._positions[trade_id]
                self._index(symbol)
            case PairEnded() as ended:
                self._end(ended)
            case _:
                pass

    def _fill(self, fill: OrderFilled) -> None:
        pair = self._pair_of_order[fill.client_order_id]
        flow = pair.at(fill.venue)
        fees_before = flow.fees
        flow.add(fill)
        totals = self.totals[pair.opened.trade_id]
        totals.fees = EXACT.add(totals.fees, EXACT.subtract(flow.fees, fees_before))
        if pair.opened.kind is PairKind.EXIT:
            (totals.exit_buy if fill.side is Side.BUY else totals.exit_sell).add(fill)

    def _end(self, ended: PairEnded) -> None:
        pair = self.pairs.pop(ended.pair_id)
        for order_id in [order_id for order_id, of in self._pair_of_order.items() if of is pair]:
            del self._pair_of_order[order_id]
        if ended.trade_id not in self._positions:
            del self.totals[ended.trade_id]

    def _put(self, position: Position) -> None:
        self._positions[position.trade_id] = position
        self._index(position.route.symbol)

    def _index(self, symbol: str) -> None:
        self._by_symbol[symbol] = tuple(self._of(symbol))

    def _of(self, symbol: str) -> Iterator[Position]:
        return (position for position in self._positions.values() if position.route.symbol == symbol)
