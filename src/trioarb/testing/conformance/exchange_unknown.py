"""Cases of exchanges whose venue doesn't answer, or answers nonsense: what isn't known is asked for, never guessed."""

from __future__ import annotations

import trio

from trioarb.api import OrderRejected, OrderReport, Side, VenueError, text
from trioarb.testing.conformance.case import Failed, expect
from trioarb.testing.conformance.exchange_desk import Desk
from trioarb.testing.conformance.exchange_filling import SHOWS
from trioarb.testing.conformance.exchange_trial import CASES, on_desk
from trioarb.testing.conformance.stage import Trouble

_LONG = 1_000
#: How long an answer is waited for that never comes.
_LEG_SECONDS = 1.0


@CASES(
    "EX-60",
    "An answer that is lost",
    needs=("EX-03", "EX-10", "EX-15"),
    prerequisites=f"a stage that loses answers; {SHOWS}",
)
@on_desk
async def lost_answer(desk: Desk) -> None:
    """Where an order was taken and its answer is lost, `place` raises VenueError or waits, but doesn't raise
    OrderRejected nor send it again: `order` says what became of it, and the account has paid once.
    """
    before = await desk.balances()
    order = desk.order(Side.BUY)
    count = desk.stage.orders(desk.symbol)
    await desk.trouble(Trouble.LOST_ANSWER)
    try:
        with trio.move_on_after(_LEG_SECONDS):  # as the engine does
            await desk.place(order)
    except OrderRejected as error:
        raise Failed("VenueError: what became of it isn't known", f"OrderRejected: {error}") from None
    except VenueError:
        pass
    report = await desk.known(order)
    expect(report.filled == order.quantity, f"{text(order.quantity)} filled, by order", text(report.filled))
    after = desk.stage.orders(desk.symbol)
    if count is not None and after is not None:
        expect(after == count + 1, "one order at the venue", after - count)
    await desk.expect_balances(before, "after an answer was lost", (Side.BUY, report.fills))


@CASES(
    "EX-61",
    "An error is no answer",
    needs=("EX-21",),
    prerequisites=f"a stage whose venue can answer by errors; {SHOWS}",
)
@on_desk
async def an_error_is_no_answer(desk: Desk) -> None:
    """Where the venue answers `order` by an error of its own, that raises VenueError: only the venue's "no such order"
    is None.
    """
    name = desk.owner.new_id()
    await desk.trouble(Trouble.SERVER_ERROR, _LONG)
    try:
        with desk.owner.trial.in_time("order"):
            report = await desk.exchange.order(name)
    except VenueError:
        await desk.stage.calm()
    else:
        raise Failed("VenueError of an order, where the venue answers by errors", str(report))
    report = await desk.asked(name)
    expect(report is None, "None once it answers again", report)


@CASES(
    "EX-62",
    "Refused for too many requests",
    needs=("EX-03", "EX-10", "EX-15", "EX-21"),
    prerequisites=f"a stage that refuses requests; {SHOWS}",
)
@on_desk
async def too_many_requests(desk: Desk) -> None:
    """Where the venue refuses an order for too many requests, it raises OrderRejected and nothing of it is filled; or
    VenueError, and `order` tells; or is sent once more, later: the account has paid for what is told, and no more.
    """
    before = await desk.balances()
    order = desk.order(Side.BUY)
    await desk.trouble(Trouble.TOO_MANY)
    report: OrderReport | None = None
    try:
        report = await desk.place(order)
    except OrderRejected:
        pass
    except VenueError:
        report = await desk.asked(order.client_order_id)
    await desk.stage.calm()
    if report is not None and not report.status.is_final:
        report = await desk.known(order)
    fills = () if report is None else report.fills
    await desk.expect_balances(before, "after too many requests", (Side.BUY, fills))


@CASES(
    "EX-63",
    "Half a message",
    needs=("EX-02", "EX-03"),
    prerequisites="a stage whose venue can answer by half a message",
)
@on_desk
async def half_a_message(desk: Desk) -> None:
    """Where an answer can't be read, it raises VenueError, or asks again: never anything else, and never what was not
    said.
    """
    before = await desk.balances()
    await desk.trouble(Trouble.MALFORMED)
    try:
        again = await desk.balances()
    except VenueError:
        await desk.stage.calm()
        again = await desk.balances()
    expect(again == before, f"{dict(before)}, or VenueError", dict(again))
