"""Cases of exchanges that refuse: used ids, numbers that don't fit, too little money; and what they remember."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from trioarb.api import SECOND_NS, Account, OrderReport, OrderStatus, Side, VenueError, VenueOrder, text
from trioarb.testing.conformance.case import Failed, expect, not_offered
from trioarb.testing.conformance.exchange_desk import Desk
from trioarb.testing.conformance.exchange_filling import SHOWS
from trioarb.testing.conformance.exchange_trial import CASES, ExchangeTrial, on_desk

_AN_HOUR_NS = 3_600 * SECOND_NS


@CASES("EX-20", "One client id is one order", needs=("EX-03", "EX-15"), prerequisites=SHOWS)
@on_desk
async def one_id_is_one_order(desk: Desk) -> None:
    """The same order sent a second time is refused, or answered as the first one was: its fills are the first one's,
    and the account has paid once.
    """
    before = await desk.balances()
    order = desk.order(Side.BUY)
    first = await desk.send(order)
    try:
        second = await desk.place(order)
        expect(set(second.fills) <= set(first.fills), "no other fill than the first time", _count(second))
    except VenueError:  # OrderRejected is one
        pass
    later = await desk.known(order)
    expect(set(later.fills) == set(first.fills), "the fills of the first time", _count(later))
    await desk.expect_balances(before, "after the same order was sent twice", (Side.BUY, first.fills))


@CASES("EX-21", "Knows that it never got an order", needs=("EX-02",), prerequisites=SHOWS)
@on_desk
async def never_got(desk: Desk) -> None:
    """Asked by `order` about an id that nobody sent, it answers None: not an error, and not a report."""
    report = await desk.asked(desk.owner.new_id())
    expect(report is None, "None of an id that nobody sent", report)


@CASES("EX-22", "Refuses a price between two steps", needs=("EX-03", "EX-10"), prerequisites=SHOWS)
@on_desk
async def refuses_prices(desk: Desk) -> None:
    """An order whose limit is no multiple of the price step raises OrderRejected, which says why; nothing is filled,
    and the balances stay.
    """
    rules = desk.instrument.rules
    if rules.tick_size is None and not rules.ticks:
        not_offered("the instrument has no price step")
    price = desk.ask + rules.tick_at(desk.ask) / 2
    await desk.refused(desk.order(Side.BUY, price=price), f"a limit of {text(price)}, between two steps")


@CASES("EX-23", "Refuses a size between two lots", needs=("EX-03", "EX-10"), prerequisites=SHOWS)
@on_desk
async def refuses_sizes(desk: Desk) -> None:
    """An order whose quantity is no multiple of the lot size raises OrderRejected, which says why; nothing is filled,
    and the balances stay.
    """
    lot = desk.instrument.rules.lot_size
    if lot is None:
        not_offered("the instrument has no lot size")
    quantity = desk.unit * 4 + lot / 2
    await desk.refused(desk.order(Side.BUY, quantity), f"a quantity of {text(quantity)}, between two lots")


@CASES("EX-24", "Refuses what is too small", needs=("EX-03", "EX-10"), prerequisites=SHOWS)
@on_desk
async def refuses_what_is_too_small(desk: Desk) -> None:
    """An order below the least size or the least value raises OrderRejected, which says why; nothing is filled, and the
    balances stay.
    """
    rules, least = desk.instrument.rules, desk.instrument.rules.least(desk.ask)
    small = least - rules.lot
    if (rules.min_quantity is None and rules.min_notional is None) or small <= 0:
        not_offered("the instrument has no least size beyond a lot")
    await desk.refused(desk.order(Side.BUY, small), f"a quantity of {text(small)}, where {text(least)} is the least")


@CASES("EX-25", "Refuses what can't be paid", needs=("EX-03", "EX-10"), prerequisites=SHOWS)
@on_desk
async def refuses_what_can_not_be_paid(desk: Desk) -> None:
    """An order to buy for twice what the account has raises OrderRejected, which says why; nothing is filled, and the
    balances stay.
    """
    if desk.exchange.account is not Account.SPOT:
        not_offered("its account may borrow")
    owned = (await desk.balances()).get(desk.instrument.quote, Decimal(0))
    quantity = desk.instrument.rules.floor_quantity(owned * 2 / desk.ask)
    await desk.quote(asks=[(desk.ask, quantity * 2)])
    await desk.refused(desk.order(Side.BUY, quantity), "an order for more than the account has")


@CASES("EX-26", "Refuses what is halted", needs=("EX-03", "EX-10"), prerequisites="a stage that halts a symbol")
@on_desk
async def refuses_what_is_halted(desk: Desk) -> None:
    """An order of a symbol that was halted raises OrderRejected, which says why; nothing is filled, and the balances
    stay.
    """
    await desk.stage.halt(desk.symbol)
    await desk.refused(desk.order(Side.BUY), "an order of a halted symbol")


@CASES("EX-27", "Lists the account's orders", needs=("EX-10", "EX-15"), prerequisites=SHOWS)
@on_desk
async def lists_orders(desk: Desk) -> None:
    """Asked by `orders` since before two orders, it returns both by their client ids, in the order in which they were
    sent, with side, quantity and, where it says them, fills as they were reported; since an hour later none.
    """
    since_ns = desk.owner.trial.time.now_ns() - SECOND_NS
    sent = [desk.order(Side.BUY), desk.order(Side.SELL)]
    reports = [await desk.send(order) for order in sent]
    try:
        with desk.owner.trial.in_time("orders"):
            told = await desk.exchange.orders([desk.symbol], since_ns)
    except VenueError as error:
        not_offered(f"it can't say: {error}")
    ids = [order.client_order_id for order in sent]
    ours = [one for one in told if one.order.client_order_id in ids]
    expect([one.order.client_order_id for one in ours] == ids, f"{', '.join(ids)} in this order", _ids(ours))
    for one, order, report in zip(ours, sent, reports, strict=True):
        got = (one.order.side, one.order.quantity)
        expect(got == (order.side, order.quantity), f"{order.side.value} {text(order.quantity)}", one.order)
        if one.report is not None:
            expect(set(one.report.fills) == set(report.fills), "the fills that were reported", _count(one.report))
    with desk.owner.trial.in_time("orders"):
        later = await desk.exchange.orders([desk.symbol], desk.owner.trial.time.now_ns() + _AN_HOUR_NS)
    expect(not later, "no order since an hour later", _ids(later))


@CASES("EX-28", "Remembers", needs=("EX-03", "EX-15"), prerequisites=SHOWS)
async def remembers(trial: ExchangeTrial) -> None:
    """Closed and opened again, as after a crash, it says of an order and of the balances what it said before."""
    with TemporaryDirectory(prefix="trioarb-") as folder:
        trial.folder = Path(folder)
        async with trial.desk() as desk:
            await desk.quote()
            order = desk.order(Side.BUY)
            report, balances = await desk.send(order), await desk.balances()
        async with trial.desk() as desk:
            again = await desk.asked(order.client_order_id)
            if again is None:
                raise Failed(f"what became of {order.client_order_id}, opened again", "None: it never got it")
            expect(again.status is OrderStatus.FILLED, "FILLED as before", again.status.name)
            expect(set(again.fills) == set(report.fills), "the fills of before", _count(again))
            await desk.expect_balances(balances, "when it is opened again")


def _count(report: OrderReport) -> str:
    return f"{len(report.fills)} fills that come to {text(report.filled)}"


def _ids(orders: Sequence[VenueOrder]) -> str:
    return ", ".join(one.order.client_order_id for one in orders) or "none"
