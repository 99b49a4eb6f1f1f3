"""Account for a loop that has ended: what it earned, and what it left of which asset.

Everything is counted in the money that a loop begins and ends with. What it brought and cost of the other two assets
is left over, as residuals or dust of their markets in money: no rate is needed beside those.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, localcontext

import msgspec

from trioarb.execution.left import Left, side_of
from trioarb.execution.loop import LoopEnd, LoopFlows
from trioarb.execution.settle import closed_at_once
from trioarb.model.event import (
    Event,
    OrderSubmitted,
    PairEnded,
    PositionOpened,
    ResidualLeft,
    ResidualResolved,
    TransactionOpened,
)
from trioarb.model.number import EXACT, ZERO, per_unit
from trioarb.model.order import Order, Side
from trioarb.model.trade import PairOutcome
from trioarb.quotes.board import Touch
from trioarb.state.trades import OpenOrder, PairFlows

__all__ = ["Home", "residual_of_cross", "settle_cross_late", "settle_loop"]

_add, _multiply = EXACT.add, EXACT.multiply


class Home(msgspec.Struct, frozen=True, kw_only=True):
    """Where an asset that a loop leaves is at home: its symbol in money, and its prices at a venue, now and last."""

    symbol: str
    base: str
    touch: Callable[[str], Touch | None]
    last_touch: Callable[[str], Touch | None]

    def left(self, venue: str, quantity: Decimal, price: Decimal, client_order_id: str | None = None) -> Left:
        """Return so much of its asset, which cost or brought so much a unit."""
        mark = side_of(self.touch(venue), quantity)
        return Left(
            symbol=self.symbol,
            venue=venue,
            asset=self.base,
            quantity=quantity,
            price=price,
            mark=mark,
            last_mark=side_of(self.last_touch(venue), quantity) if mark is None else None,
            client_order_id=client_order_id,
        )


def settle_loop(
    flows: PairFlows,
    end: LoopEnd,
    homes: Mapping[str, Home],
    *,
    unknown: Sequence[Order],
    now_ns: int,
    usd_per_quote: Decimal,
) -> list[Event]:
    """Return the events that end a loop, in the order in which they are to be recorded.

    ``homes`` by symbol: its home and its other symbol. ``unknown``: orders whose fate could not be learnt; a residual
    stands for each. ``usd_per_quote``: of the money.
    """
    opened, loop = flows.opened, LoopFlows.of(flows)
    assert isinstance(opened, TransactionOpened)
    home, other = loop.home_leg, loop.other_leg
    left = [
        homes[leg.symbol].left(leg.venue, quantity, leg.limit or ZERO)
        for leg, quantity in ((home, loop.left_at_home), (other, loop.left_of_bridge))
        if quantity
    ]
    residuals, crumbs = list[Left](), list[Left]()
    for one in left:
        order = next((order for order in unknown if order.symbol == one.symbol), None)
        if order is not None:
            one = msgspec.structs.replace(one, client_order_id=order.client_order_id)
            unknown = [other for other in unknown if other is not order]
        is_kept = order is not None or one.symbol in end.residuals
        (residuals if is_kept else crumbs).append(one)
    residuals += [_possible(opened, homes, order) for order in unknown]
    with localcontext(EXACT):
        cash, fees = loop.home.cash + loop.other.cash, loop.home.fees + loop.other.fees
        dust_value = sum((one.value for one in crumbs), ZERO)
        values = dust_value + sum((one.value for one in residuals), ZERO)
        pnl = cash - fees + values
        fees_usd = (fees + loop.cross.fees * (other.limit or ZERO)) * usd_per_quote
    events: list[Event] = []
    prices = _prices(loop)
    if prices is not None and loop.through:
        position = _opened(opened, loop.through, prices, cash, fees, values, usd_per_quote)
        pnl_usd = _multiply(pnl, usd_per_quote)
        events = [position, closed_at_once(position, pnl_usd=pnl_usd, fees_usd=fees_usd, now_ns=now_ns)]
    outcome = PairOutcome.RESIDUAL if residuals else PairOutcome.HEDGED if events else PairOutcome.FLAT
    events += (
        one.residual(f"{opened.pair_id}.{number}", opened, usd_per_quote) for number, one in enumerate(residuals, 1)
    )
    events += (one.dust(opened, usd_per_quote) for one in crumbs)
    bought, sold = (loop.home.net, -loop.cross.net) if home.side is Side.BUY else (loop.cross.net, -loop.home.net)
    events.append(
        PairEnded(
            pair_id=opened.pair_id,
            trade_id=opened.trade_id,
            symbol=opened.symbol,
            kind=opened.kind,
            outcome=outcome,
            bought=bought,
            sold=sold,
            pnl_usd=_multiply(pnl, usd_per_quote),
            fees_usd=fees_usd,
            dust=sum((abs(one.quantity) for one in crumbs if one.symbol == opened.symbol), ZERO),
            dust_value_usd=_multiply(dust_value, usd_per_quote),
        )
    )
    return events


def _prices(loop: LoopFlows) -> tuple[Decimal, Decimal] | None:
    """Return at which prices it bought and sold what went around, on average; ``None``: not all legs filled."""
    sides = [
        (flow.buy_value, flow.bought) if leg.side is Side.BUY else (flow.sell_value, flow.sold)
        for leg, flow in ((loop.home_leg, loop.home), (loop.cross_leg, loop.cross), (loop.other_leg, loop.other))
    ]
    if not all(quantity for _, quantity in sides):
        return None
    direct, cross, other = (per_unit(value, quantity) for value, quantity in sides)
    through = _multiply(cross, other)
    return (direct, through) if loop.home_leg.side is Side.BUY else (through, direct)


def _opened(
    opened: TransactionOpened,
    quantity: Decimal,
    prices: tuple[Decimal, Decimal],
    cash: Decimal,
    fees: Decimal,
    realised: Decimal,
    usd_per_quote: Decimal,
) -> PositionOpened:
    buy_price, sell_price = prices
    return PositionOpened(
        trade_id=opened.trade_id,
        symbol=opened.symbol,
        buy_venue=opened.buy_venue,
        sell_venue=opened.sell_venue,
        quantity=quantity,
        buy_price=buy_price,
        sell_price=sell_price,
        cash=cash,
        fees=fees,
        realised=realised,
        exposure_usd=_multiply(_multiply(quantity, max(prices)), usd_per_quote),
    )


def _possible(opened: TransactionOpened, homes: Mapping[str, Home], order: Order | OrderSubmitted) -> Left:
    """Return what an order may have bought or sold; of the cross, at home."""
    symbol = order.symbol if order.symbol in homes else opened.symbol
    limits = {leg.symbol: leg.limit or ZERO for leg in opened.legs}
    quantity = order.quantity if order.side is Side.BUY else EXACT.minus(order.quantity)
    left = homes[symbol].left(order.venue, quantity, limits[symbol], order.client_order_id)
    return msgspec.structs.replace(left, possible=True)


def residual_of_cross(order: OpenOrder, homes: Mapping[str, Home], usd_per_quote: Decimal) -> ResidualLeft:
    """Return what stands for a cross order that its venue took up again after its loop had ended."""
    opened, submitted = order.pair.opened, order.submitted
    assert isinstance(opened, TransactionOpened)
    left = _possible(opened, homes, submitted)
    left = msgspec.structs.replace(left, quantity=order.unfilled.copy_sign(left.quantity))
    number = submitted.client_order_id.rpartition("-")[2]
    return left.residual(f"{opened.pair_id}.{number}.{order.reopened}", opened, usd_per_quote)


def settle_cross_late(
    order: OpenOrder, residual: ResidualLeft | None, homes: Mapping[str, Home], *, usd_per_quote: Decimal
) -> list[Event]:
    """Return what changes once the fate of a cross order is known whose loop had ended without it.

    What it moved is left over, of both its assets, each in its own market in money.
    """
    opened, late, submitted = order.pair.opened, order.late, order.submitted
    assert isinstance(opened, TransactionOpened)
    if residual is None:
        if not late.net:
            return []
        raise AssertionError(f"{submitted.client_order_id} filled late, but no residual stands for it")
    home, _, other = opened.legs
    moved = ((home, late.net), (other, EXACT.subtract(late.cash, late.fees)))
    left = [homes[leg.symbol].left(leg.venue, quantity, leg.limit or ZERO) for leg, quantity in moved if quantity]
    with localcontext(EXACT):
        pnl = sum((one.value for one in left), ZERO) - residual.booked_value
        fees = late.fees * (other.limit or ZERO)
    events: list[Event] = [
        ResidualResolved(
            residual_id=residual.residual_id,
            symbol=residual.symbol,
            reason="the fate of its order was learnt",
            pnl_usd=_multiply(pnl, usd_per_quote),
            fees_usd=_multiply(fees, usd_per_quote),
        )
    ]
    for one in left:
        what = "late" if one.symbol == home.symbol else "bridge"
        events.append(one.residual(f"{residual.residual_id}.{what}", opened, usd_per_quote))
    return events
