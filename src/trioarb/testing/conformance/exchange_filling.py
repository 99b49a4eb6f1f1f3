"""Cases of exchanges that fill orders: quantities, prices, fees, and what an account has afterwards."""

from __future__ import annotations

from decimal import Decimal

import trio

from trioarb.api import BPS, ZERO, Account, Order, OrderReport, OrderStatus, Side, text
from trioarb.testing.conformance.case import expect, not_offered
from trioarb.testing.conformance.exchange_desk import Desk
from trioarb.testing.conformance.exchange_trial import CASES, on_desk

_CANCELLED = (OrderStatus.CANCELLED, OrderStatus.EXPIRED)
#: How far a fee may be from what the instrument says: a hundredth part, or what a venue rounds to.
_FEE_SHARE, _FEE_STEP = Decimal("0.01"), Decimal("1e-8")
SHOWS = "a stage that shows prices"


@CASES("EX-10", "Fills what crosses", needs=("EX-02",), prerequisites=SHOWS)
@on_desk
async def fills(desk: Desk) -> None:
    """An immediate-or-cancel order at the other side's price, for less than is shown there, is FILLED: its fills come
    to its quantity, each with an id of its own.
    """
    for side in Side:
        order = desk.order(side)
        report = await desk.send(order)
        expect(report.status is OrderStatus.FILLED, f"FILLED of an order to {side.value}", report.status.name)
        expect(report.filled == order.quantity, f"{text(order.quantity)} filled", text(report.filled))
        ids = [fill.fill_id for fill in report.fills]
        expect(len(set(ids)) == len(ids), "fills with ids of their own", ", ".join(ids))


@CASES("EX-11", "Fills in part", needs=("EX-10",), prerequisites=SHOWS)
@on_desk
async def fills_in_part(desk: Desk) -> None:
    """An immediate-or-cancel order for more than is shown fills what is there; the rest is CANCELLED or EXPIRED, and
    the fills come to what was shown.
    """
    for side in Side:
        there = [(desk.ask if side is Side.BUY else desk.bid, desk.unit * 3)]
        await desk.quote(**{"asks" if side is Side.BUY else "bids": there})
        report = await desk.send(desk.order(side))
        _expect_cancelled(report, "a rest that nobody takes")
        expect(report.filled == desk.unit * 3, f"{text(desk.unit * 3)} filled, as is shown", text(report.filled))


@CASES("EX-12", "Leaves what doesn't cross", needs=("EX-02",), prerequisites=SHOWS)
@on_desk
async def leaves_what_does_not_cross(desk: Desk) -> None:
    """An immediate-or-cancel order that does not reach the other side ends CANCELLED or EXPIRED, without a fill."""
    for side in Side:
        report = await desk.send(desk.order(side, price=desk.bid if side is Side.BUY else desk.ask))
        _expect_cancelled(report, "an order that meets nobody")
        expect(not report.fills, "no fill", f"{text(report.filled)} filled")


@CASES("EX-13", "Takes the fees that it says", needs=("EX-10",), prerequisites=SHOWS)
@on_desk
async def takes_fees(desk: Desk) -> None:
    """Each fill's fee is in base asset, quote asset or the instrument's `fee_asset`; in the first two it is what the
    instrument's taker fee comes to, but for a hundredth part or a rounding in the eighth digit.
    """
    instrument = desk.instrument
    assets = [one for one in (instrument.base, instrument.quote, instrument.fee_asset) if one is not None]
    for side in Side:
        for fill in (await desk.send(desk.order(side))).fills:
            expect(fill.fee_asset in assets, f"a fee in {' or '.join(assets)}", fill.fee_asset)
            share = instrument.taker_fee_bps / BPS
            if fill.fee_asset == instrument.base:
                wanted = fill.quantity * share
            elif fill.fee_asset == instrument.quote:
                wanted = fill.quantity * fill.price * share
            else:
                continue
            near = abs(fill.fee - wanted) <= max(abs(wanted) * _FEE_SHARE, _FEE_STEP)
            expect(near, f"a fee of about {text(wanted)} {fill.fee_asset}", text(fill.fee))


@CASES("EX-14", "Keeps its balances", needs=("EX-03", "EX-10"), prerequisites=SHOWS)
@on_desk
async def keeps_balances(desk: Desk) -> None:
    """After a buy and after a sell the balances are those of before, and what the fills and fees of its reports come
    to, to the last digit.
    """
    if desk.exchange.account is Account.PERPETUAL:
        not_offered("its account is perpetual: what a trade does to the wallet is no sum of its fills")
    for side in Side:
        before = await desk.balances()
        report = await desk.send(desk.order(side))
        await desk.expect_balances(before, f"after a {side.value}", (side, report.fills))


@CASES("EX-15", "Says of an order later what it said at once", needs=("EX-11",), prerequisites=SHOWS)
@on_desk
async def says_the_same_later(desk: Desk) -> None:
    """Asked by `order` about an order whose outcome it has told, it says that status and those fills, with the same ids
    and figures.
    """
    for quantity in (desk.unit * 4, desk.unit * 8):
        await desk.quote(asks=[(desk.ask, desk.unit * 6)])
        order = desk.order(Side.BUY, quantity)
        report = await desk.send(order)
        later = await desk.known(order)
        expect(later.status is report.status, f"{report.status.name} as before", later.status.name)
        wanted, got = sorted(report.fills, key=str), sorted(later.fills, key=str)
        expect(wanted == got, f"the fills {_listed(report)}", _listed(later))


@CASES("EX-16", "Never fills beyond the limit", needs=("EX-11",), prerequisites=SHOWS)
@on_desk
async def keeps_to_the_limit(desk: Desk) -> None:
    """Where several prices are shown, an order fills at each up to its limit, at that price or a better one, and
    nothing beyond it.
    """
    tick = desk.instrument.rules.tick_at(desk.ask)
    prices = [desk.ask + tick * number for number in range(3)]
    await desk.quote(asks=[(price, desk.unit) for price in prices])
    report = await desk.send(desk.order(Side.BUY, price=prices[1]))
    _expect_cancelled(report, "an order that meets too little within its limit")
    worst = max((fill.price for fill in report.fills), default=ZERO)
    expect(worst <= prices[1], f"no fill above {text(prices[1])}", f"one at {text(worst)}")
    value = sum((fill.quantity * fill.price for fill in report.fills), ZERO)
    wanted = desk.unit * (prices[0] + prices[1])
    expect(report.filled == desk.unit * 2, f"{text(desk.unit * 2)} filled", text(report.filled))
    expect(value == wanted, f"{text(wanted)} paid for it", text(value))


@CASES("EX-17", "Answers several orders at once", needs=("EX-03", "EX-15"), prerequisites=SHOWS)
@on_desk
async def answers_several_at_once(desk: Desk) -> None:
    """Sent four orders of different sizes at the same time, it answers each by its own report: filled with its own
    quantity, by fills that no other has; and the account has paid for all of them.
    """
    before = await desk.balances()
    orders = [desk.order(Side.BUY, desk.unit * number) for number in range(1, 5)]
    reports: dict[str, OrderReport] = {}

    async def send(order: Order) -> None:
        reports[order.client_order_id] = await desk.send(order)

    async with trio.open_nursery() as nursery:
        for order in orders:
            nursery.start_soon(send, order)
    for order in orders:
        report = reports[order.client_order_id]
        expect(report.client_order_id == order.client_order_id, order.client_order_id, report.client_order_id)
        expect(report.filled == order.quantity, f"{text(order.quantity)} filled", text(report.filled))
    fills = [fill for report in reports.values() for fill in report.fills]
    ids = [fill.fill_id for fill in fills]
    expect(len(set(ids)) == len(ids), "fills with ids of their own", ", ".join(ids))
    await desk.expect_balances(before, "after four orders at the same time", (Side.BUY, fills))


@CASES("EX-18", "Sends exact numbers", needs=("EX-10",), prerequisites=SHOWS)
@on_desk
async def sends_exact_numbers(desk: Desk) -> None:
    """An order whose quantity and limit have as many digits as the venue's steps allow is filled with just that
    quantity, at a price that has just those digits.
    """
    rules = desk.instrument.rules
    lot = rules.lot_size or Decimal("1e-8")
    tick = rules.tick_at(desk.ask) if rules.tick_size or rules.ticks else Decimal("1e-8")
    quantity, price = desk.unit * 4 + lot * 7, desk.ask + tick * 3
    await desk.quote(asks=[(price, quantity * 2)])
    report = await desk.send(desk.order(Side.BUY, quantity, price))
    expect(report.filled == quantity, f"{text(quantity)} filled", text(report.filled))
    other = [text(fill.price) for fill in report.fills if fill.price != price]
    expect(not other, f"a price of {text(price)}", ", ".join(other))


def _expect_cancelled(report: OrderReport, what: str) -> None:
    names = " or ".join(status.name for status in _CANCELLED)
    expect(report.status in _CANCELLED, f"{names} of {what}", report.status.name)


def _listed(report: OrderReport) -> str:
    return ", ".join(
        f"{fill.fill_id}: {text(fill.quantity)} at {text(fill.price)}, fee {text(fill.fee)} {fill.fee_asset}"
        for fill in report.fills
    )
