"""Cases of exchanges with a stream of updates: complete, repeated, late, cut, and with what nobody knows."""

from __future__ import annotations

from trioarb.api import OrderStatus, text
from trioarb.testing.conformance.case import expect, not_offered
from trioarb.testing.conformance.exchange_desk import Desk
from trioarb.testing.conformance.exchange_resting import RESTS, meet, rest
from trioarb.testing.conformance.exchange_trial import CASES, on_desk
from trioarb.testing.conformance.stage import Trouble

_TELLS = f"`updates`; {RESTS}"


@CASES("EX-50", "Tells what becomes of orders", needs=("EX-42", "EX-43"), prerequisites=_TELLS)
@on_desk
async def tells(desk: Desk) -> None:
    """Of an order that rests, is filled in part, and then filled, `updates` tell each fill and the last word, with what
    was filled in all; the same fills, by their ids, as `order` says.
    """
    await expect_told(desk)


@CASES("EX-51", "Told twice is told once", needs=("EX-50",), prerequisites=f"a stage that tells twice; {_TELLS}")
@on_desk
async def told_twice(desk: Desk) -> None:
    """Where the venue tells everything twice, fills have the same id again: counted once each they come to what was
    filled.
    """
    await desk.trouble(Trouble.REPEATED)
    await expect_told(desk)


@CASES("EX-52", "Told late is told", needs=("EX-50",), prerequisites=f"a stage that tells late; {_TELLS}")
@on_desk
async def told_late(desk: Desk) -> None:
    """Where a fill is told late, after the last word perhaps, it comes nevertheless, and the last word says how much
    was filled in all.
    """
    await desk.trouble(Trouble.LATE)
    await expect_told(desk)


@CASES("EX-53", "A stream that is cut", needs=("EX-50",), prerequisites=f"a stage that cuts streams; {_TELLS}")
@on_desk
async def cut(desk: Desk) -> None:
    """Where the account's stream is cut, `updates` raises VenueError, and can be called again. What was filled
    meanwhile is found by `order`, each fill once; and what happens from then on is told.
    """
    order = await rest(desk)
    await desk.trouble(Trouble.CUT)
    await desk.until(lambda: desk.heard.cuts > 0, "VenueError of updates that were cut", lambda: "none")
    await meet(desk, order)
    report = await desk.known(order)
    expect(report.filled == order.quantity, f"{text(order.quantity)} filled, by order", text(report.filled))
    await desk.until(lambda: desk.heard.ups > 1, "updates that can be subscribed again", lambda: "not again")
    await expect_told(desk)


@CASES("EX-54", "What nobody knows", needs=("EX-50",), prerequisites=f"a stage that tells what nobody knows; {_TELLS}")
@on_desk
async def what_nobody_knows(desk: Desk) -> None:
    """Where messages have fields, and the stream messages, that no document names, orders are told of as ever."""
    await desk.trouble(Trouble.UNKNOWN)
    await expect_told(desk)
    expect(not desk.heard.cuts, "a stream that goes on", f"one that was cut {desk.heard.cuts} times")


async def expect_told(desk: Desk) -> None:
    """Let an order rest and be filled in two parts, and see that all of it is told."""
    if not desk.exchange.streams:
        not_offered("it has no `updates`")
    heard = desk.heard
    await desk.quote()
    order = await rest(desk)
    name = order.client_order_id
    await meet(desk, order, 1)
    await desk.known(order, lambda report: report.filled > 0)
    await meet(desk, order)
    report = await desk.known(order)
    await desk.until(
        lambda: heard.last_word(name) is not None,
        f"a last word of {name} by updates",
        lambda: ", ".join(one.status.name for one in heard.of(name)) or "nothing of it",
    )
    last = heard.last_word(name)
    assert last is not None
    expect(last.status is OrderStatus.FILLED, "FILLED", last.status.name)
    expect(last.filled == order.quantity, f"filled = {text(order.quantity)} with the last word", last.filled)
    await desk.until(
        lambda: {fill.fill_id for fill in heard.fills(name)} >= {fill.fill_id for fill in report.fills},
        f"the fills {', '.join(fill.fill_id for fill in report.fills)} by updates",
        lambda: ", ".join(fill.fill_id for fill in heard.fills(name)) or "none",
    )
    expect(
        set(heard.fills(name)) == set(report.fills),
        f"fills that come to {text(report.filled)}, as order says",
        f"{text(sum((fill.quantity for fill in heard.fills(name)), report.filled * 0))} by other fills",
    )
