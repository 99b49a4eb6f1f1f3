"""Cases of what exchanges offer beyond immediate-or-cancel limit orders."""

from __future__ import annotations

from decimal import Decimal

from trioarb.api import ZERO, Offer, Order, OrderRejected, OrderStatus, OrderType, SelfTrade, Side, TimeInForce, text
from trioarb.testing.conformance.case import expect, not_offered
from trioarb.testing.conformance.exchange_desk import Desk
from trioarb.testing.conformance.exchange_filling import SHOWS
from trioarb.testing.conformance.exchange_trial import CASES, on_desk


def require(desk: Desk, offer: Offer) -> None:
    """Go on if the exchange offers something."""
    if offer not in desk.exchange.offers:
        not_offered(f"`offers` has no {offer.name}")


@CASES("EX-30", "All or nothing", needs=("EX-10",), prerequisites=f"FOK; {SHOWS}")
@on_desk
async def all_or_nothing(desk: Desk) -> None:
    """A fill-or-kill order fills whole where enough is shown, and not at all where less is: then it is refused, or ends
    CANCELLED or EXPIRED.
    """
    require(desk, Offer.FOK)
    report = await desk.send(desk.order(Side.BUY, time_in_force=TimeInForce.FOK))
    expect(report.status is OrderStatus.FILLED, "FILLED where enough is shown", report.status.name)
    await desk.quote(asks=[(desk.ask, desk.unit * 2)])
    await _expect_nothing(desk, desk.order(Side.BUY, time_in_force=TimeInForce.FOK), "a fill-or-kill order for more")


@CASES("EX-31", "Orders at the market", needs=("EX-10",), prerequisites=f"MARKET; {SHOWS}")
@on_desk
async def at_the_market(desk: Desk) -> None:
    """A market order for a quantity fills it at the prices that are shown."""
    require(desk, Offer.MARKET)
    for side in Side:
        report = await desk.send(desk.order(side, price=ZERO, type=OrderType.MARKET))
        expect(report.filled == desk.unit * 4, f"{text(desk.unit * 4)} filled", text(report.filled))
        expect(report.status is OrderStatus.FILLED, f"FILLED of a {side.value}", report.status.name)


@CASES("EX-32", "Orders for an amount", needs=("EX-10",), prerequisites=f"MARKET_BY_AMOUNT; {SHOWS}")
@on_desk
async def for_an_amount(desk: Desk) -> None:
    """A market buy for an amount of quote asset spends no more than that, and less only by what a lot, or a fee that
    comes on top, costs.
    """
    require(desk, Offer.MARKET_BY_AMOUNT)
    amount = desk.unit * 4 * desk.ask
    order = desk.order(Side.BUY, ZERO, ZERO, type=OrderType.MARKET, amount=amount)
    report = await desk.send(order)
    spent = sum((fill.quantity * fill.price for fill in report.fills), ZERO)
    lot = (desk.instrument.rules.lot_size or ZERO) * desk.ask
    least = amount * Decimal("0.99") - lot
    expect(least <= spent <= amount, f"about {text(amount)} spent, and no more", text(spent))


@CASES("EX-33", "Post-only never takes", needs=("EX-10",), prerequisites=f"POST_ONLY; {SHOWS}")
@on_desk
async def post_only_never_takes(desk: Desk) -> None:
    """A post-only order that would fill at once is refused, or ends CANCELLED or EXPIRED without a fill; one that would
    not is taken.
    """
    require(desk, Offer.POST_ONLY)
    order = desk.resting(price=desk.ask, post_only=True)
    await _expect_nothing(desk, order, "a post-only order that would take")
    resting = desk.resting(post_only=True)
    report = await desk.place(resting)
    expect(report.status is OrderStatus.OPEN, "OPEN of a post-only order that rests", report.status.name)
    await desk.cancel(resting.client_order_id)
    await desk.known(resting)


@CASES("EX-34", "Doesn't trade with itself", needs=("EX-10",), prerequisites=f"SELF_TRADE, GTC; {SHOWS}")
@on_desk
async def does_not_trade_with_itself(desk: Desk) -> None:
    """With an order of its own at rest, one that would meet it and says `CANCEL_NEW` fills nothing; the one at rest
    stays.
    """
    require(desk, Offer.SELF_TRADE)
    require(desk, Offer.GTC)
    between = desk.instrument.rules.floor_price((desk.bid + desk.ask) / 2)
    own = desk.resting(Side.SELL, between)
    await desk.place(own)
    meeting = desk.order(Side.BUY, price=between, self_trade=SelfTrade.CANCEL_NEW)
    await _expect_nothing(desk, meeting, "an order that would meet one's own")
    kept = await desk.known(own, lambda report: True)
    expect(kept.status is OrderStatus.OPEN, "OPEN of what rested", kept.status.name)
    await desk.cancel(own.client_order_id)
    await desk.known(own)


@CASES("EX-35", "Only reduces", needs=("EX-10",), prerequisites=f"REDUCE_ONLY; {SHOWS}")
@on_desk
async def only_reduces(desk: Desk) -> None:
    """A reduce-only order fills nothing where nothing is held, and what it was sent for where as much is held."""
    require(desk, Offer.REDUCE_ONLY)
    await _expect_nothing(desk, desk.order(Side.SELL, reduce_only=True), "a reduce-only order where nothing is held")
    await desk.send(desk.order(Side.BUY))
    report = await desk.send(desk.order(Side.SELL, reduce_only=True))
    expect(report.filled == desk.unit * 4, f"{text(desk.unit * 4)} filled", text(report.filled))


async def _expect_nothing(desk: Desk, order: Order, what: str) -> None:
    """See that an order is refused, or ends without a fill."""
    try:
        report = await desk.place(order)
    except OrderRejected:
        return
    if not report.status.is_final:
        report = await desk.known(order)
    expect(not report.fills, f"no fill of {what}", f"{text(report.filled)} filled")
    ended = report.status in (OrderStatus.CANCELLED, OrderStatus.EXPIRED)
    expect(ended, f"OrderRejected, CANCELLED or EXPIRED of {what}", report.status.name)
