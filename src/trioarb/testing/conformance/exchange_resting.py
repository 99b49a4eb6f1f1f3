"""Cases of orders that rest: seen, filled, cancelled, and all three at once."""

from __future__ import annotations

from contextlib import suppress

from trioarb.api import Offer, Order, OrderReport, OrderStatus, Side, VenueError, text
from trioarb.testing.conformance.case import Failed, expect
from trioarb.testing.conformance.exchange_desk import Desk
from trioarb.testing.conformance.exchange_filling import SHOWS
from trioarb.testing.conformance.exchange_offering import require
from trioarb.testing.conformance.exchange_trial import CASES, on_desk

RESTS = f"GTC; {SHOWS}"


async def rest(desk: Desk, order: Order | None = None) -> Order:
    """Let an order rest; return it."""
    require(desk, Offer.GTC)
    order = order or desk.resting()
    report = await desk.place(order)
    expect(report.status is OrderStatus.OPEN and not report.fills, "OPEN of an order that rests", report.status.name)
    return order


async def meet(desk: Desk, order: Order, units: int = 400) -> None:
    """Let others come to meet an order to buy that rests, with so much."""
    rules = desk.instrument.rules
    price = rules.floor_price(order.limit_price - rules.tick_at(order.limit_price) * 3)
    below = rules.floor_price(price - rules.tick_at(price) * 3)
    await desk.quote(bids=[(below, desk.unit * 400)], asks=[(price, desk.unit * units)])


@CASES("EX-40", "Shows what rests", needs=("EX-02", "EX-21"), prerequisites=RESTS)
@on_desk
async def shows_what_rests(desk: Desk) -> None:
    """An order that rests is OPEN for `place` and for `order`, and among `open_orders` of its symbol, with nothing
    filled, until it is cancelled.
    """
    order = await rest(desk)
    report = await desk.known(order, lambda report: True)
    expect(report.status is OrderStatus.OPEN, "OPEN of what rests, by order", report.status.name)
    await _expect_open(desk, order, is_open=True)
    await desk.cancel(order.client_order_id)
    await desk.known(order)
    await _expect_open(desk, order, is_open=False)


@CASES("EX-41", "Cancels what rests", needs=("EX-03", "EX-40"), prerequisites=RESTS)
@on_desk
async def cancels(desk: Desk) -> None:
    """An order that rests and is cancelled ends CANCELLED without a fill; the balances stay, and what it had set apart
    can be used again.
    """
    before = await desk.balances()
    order = await rest(desk)
    await desk.cancel(order.client_order_id)
    report = await desk.known(order)
    expect(report.status is OrderStatus.CANCELLED, "CANCELLED", report.status.name)
    expect(not report.fills, "no fill", f"{text(report.filled)} filled")
    await desk.expect_balances(before, "after an order was cancelled")
    quantity = desk.instrument.rules.floor_quantity(before.get(desk.instrument.quote, desk.unit) / desk.bid * 6 / 10)
    for _ in range(2):  # two of them would be more than there is
        again = await rest(desk, desk.order(Side.BUY, quantity, desk.bid, time_in_force=order.time_in_force))
        await desk.cancel(again.client_order_id)
        await desk.known(again)


@CASES("EX-42", "Fills what rests", needs=("EX-03", "EX-40"), prerequisites=RESTS)
@on_desk
async def fills_what_rests(desk: Desk) -> None:
    """An order that rests fills once others come to meet it: FILLED, at its limit or better, with fills that come to
    its quantity; the balances follow, and it is open no more.
    """
    before = await desk.balances()
    order = await rest(desk)
    await meet(desk, order)
    report = await desk.known(order)
    expect(report.status is OrderStatus.FILLED, "FILLED", report.status.name)
    expect(report.filled == order.quantity, f"{text(order.quantity)} filled", text(report.filled))
    await _expect_open(desk, order, is_open=False)
    await desk.expect_balances(before, "after what rested was filled", (Side.BUY, report.fills))


@CASES("EX-43", "Cancels what is filled in part", needs=("EX-15", "EX-41", "EX-42"), prerequisites=RESTS)
@on_desk
async def cancels_what_is_filled_in_part(desk: Desk) -> None:
    """An order that rests, was filled in part and is cancelled ends CANCELLED with that part, which `order` told of
    before; nothing is filled afterwards, though others come to meet it.
    """
    order = await rest(desk)
    await meet(desk, order, 1)
    part = await desk.known(order, lambda report: report.filled > 0)
    expect(part.status is OrderStatus.OPEN, "OPEN of an order that was filled in part", part.status.name)
    expect(part.filled == desk.unit, f"{text(desk.unit)} filled", text(part.filled))
    await desk.cancel(order.client_order_id)
    report = await desk.known(order)
    expect(report.status is OrderStatus.CANCELLED, "CANCELLED", report.status.name)
    await meet(desk, order)
    _expect_as(await desk.known(order), part)


@CASES("EX-44", "Cancel of a filled order", needs=("EX-15", "EX-42"), prerequisites=RESTS)
@on_desk
async def cancel_of_a_filled_order(desk: Desk) -> None:
    """To cancel an order that has filled is no error, and changes nothing: it stays FILLED, with the same fills."""
    order = await rest(desk)
    await meet(desk, order)
    filled = await desk.known(order)
    await _cancel_in_vain(desk, order.client_order_id, "an order that has filled")
    _expect_as(await desk.known(order), filled)


@CASES("EX-45", "Cancel that comes twice", needs=("EX-41",), prerequisites=RESTS)
@on_desk
async def cancel_twice(desk: Desk) -> None:
    """To cancel an order a second time is no error, and it stays CANCELLED."""
    order = await rest(desk)
    await desk.cancel(order.client_order_id)
    ended = await desk.known(order)
    await _cancel_in_vain(desk, order.client_order_id, "an order that was cancelled")
    _expect_as(await desk.known(order), ended)


@CASES("EX-46", "Cancel of an unknown order", needs=("EX-40",), prerequisites=RESTS)
@on_desk
async def cancel_of_an_unknown_order(desk: Desk) -> None:
    """To cancel an id that nobody sent ends without an error or in a VenueError, and touches no order that rests."""
    order = await rest(desk)
    with suppress(VenueError):
        await desk.cancel(desk.owner.new_id())
    report = await desk.known(order, lambda report: True)
    expect(report.status is OrderStatus.OPEN, "OPEN of what rests", report.status.name)
    await desk.cancel(order.client_order_id)
    await desk.known(order)


async def _cancel_in_vain(desk: Desk, client_order_id: str, what: str) -> None:
    try:
        await desk.cancel(client_order_id)
    except VenueError as error:
        raise Failed(f"no error of the cancel of {what}", f"{type(error).__name__}: {error}") from None


async def _expect_open(desk: Desk, order: Order, *, is_open: bool) -> None:
    with desk.owner.trial.in_time("open_orders"):
        listed = await desk.exchange.open_orders([desk.symbol])
    found = [one for one in listed if one.client_order_id == order.client_order_id and not one.status.is_final]
    named = ", ".join(one.client_order_id for one in listed) or "none"
    expect(bool(found) == is_open, f"{order.client_order_id} {'' if is_open else 'not '}among open_orders", named)
    for one in found:
        expect(not one.filled, "nothing filled of it", one.filled)


def _expect_as(got: OrderReport, wanted: OrderReport) -> None:
    status = wanted.status if wanted.status.is_final else OrderStatus.CANCELLED
    expect(got.status is status, f"{status.name} still", got.status.name)
    expect(set(got.fills) == set(wanted.fills), f"{text(wanted.filled)} filled still", text(got.filled))
