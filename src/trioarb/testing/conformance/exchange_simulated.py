"""Cases of simulated venues alone: answers known ahead, inventory that is granted, transfers; and contracts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import TypeVar

import trio

from trioarb.api import SECOND_NS, ZERO, Account, Charge, Liquidation, Quote, Side, VenueError, text
from trioarb.testing.conformance.case import Failed, expect, not_offered
from trioarb.testing.conformance.exchange_desk import Desk
from trioarb.testing.conformance.exchange_filling import SHOWS
from trioarb.testing.conformance.exchange_trial import CASES, on_desk

#: Longer than any time between two fundings.
_FUNDED_SECONDS = 25 * 3_600

_ToldT = TypeVar("_ToldT", Charge, Liquidation)


@CASES("EX-80", "Knows when it answers", needs=("EX-03", "EX-15"), prerequisites=f"`answers_at_ns`; {SHOWS}")
@on_desk
async def knows_when_it_answers(desk: Desk) -> None:
    """An order that is answered by `answer`, at the time that `answers_at_ns` said, comes to what `place` would have
    come to: it fills, it is known to `order`, and the account has paid for it.
    """
    order = desk.order(Side.BUY)
    at_ns = desk.exchange.answers_at_ns(order)
    if at_ns is None:
        wrong = desk.owner.trial.beside
        expect(not wrong, "a time, or None", "; ".join(wrong))
        not_offered("it doesn't say when it answers")
    time = desk.owner.trial.time
    expect(at_ns >= time.now_ns(), "a time that has not passed", f"{time.now_ns() - at_ns} ns ago")
    before = await desk.balances()
    await trio.sleep((at_ns - time.now_ns()) / SECOND_NS)
    report = desk.exchange.answer(order)
    expect(report.filled == order.quantity, f"{text(order.quantity)} filled", text(report.filled))
    later = await desk.known(order)
    expect(later.fills == report.fills, "the same fills by order", later.fills)
    await desk.expect_balances(before, "after an order was answered", (Side.BUY, report.fills))


@CASES("EX-81", "Grants inventory once", needs=("EX-03", "EX-10"), prerequisites="an exchange that grants inventory")
@on_desk
async def grants_once(desk: Desk) -> None:
    """What `seed_inventory` grants at a symbol's first quote is in the balances afterwards; at another quote it grants
    nothing; and asked without a quote it says what it granted.
    """
    if not desk.exchange.grants_inventory:
        not_offered("`grants_inventory` is False")
    quote = Quote(
        bid=float(desk.bid),
        bid_size=1.0,
        ask=float(desk.ask),
        ask_size=1.0,
        received_ns=desk.owner.trial.time.now_ns(),
        serial=1,
    )
    before = await desk.balances()
    granted = desk.exchange.seed_inventory(desk.instrument, quote)
    if not granted:
        not_offered("it grants nothing")
    base = desk.instrument.base
    got = (await desk.balances()).get(base, ZERO) - before.get(base, ZERO)
    expect(got == granted, f"{text(granted)} {base} more", text(got))
    again = desk.exchange.seed_inventory(desk.instrument, quote)
    expect(not again, "nothing granted a second time", text(again))
    said = desk.exchange.seed_inventory(desk.instrument, None)
    expect(said == granted, f"{text(granted)} as what was granted", text(said))


@CASES(
    "EX-82",
    "Takes note of transfers once",
    needs=("EX-02", "EX-03"),
    prerequisites="an exchange that simulates transfers",
)
@on_desk
async def transfers_once(desk: Desk) -> None:
    """What leaves by `transfer` is taken off the balances, what arrives is added, each id once each way; of more than
    is free it raises VenueError, and nothing changes.
    """
    if not desk.exchange.simulates_transfers:
        not_offered("`simulates_transfers` is False")
    before = await desk.balances()
    asset = desk.instrument.quote
    owned = before.get(asset, ZERO)
    amount = max(owned / 4, Decimal(1)).quantize(Decimal("0.01"))
    for given, change in ((-amount, -amount), (-amount, -amount), (amount, ZERO), (amount, ZERO)):
        desk.exchange.transfer("t1", asset, given)
        got = (await desk.balances()).get(asset, ZERO) - owned
        expect(got == change, f"{text(change)} {asset} after it was told {text(given)}", text(got))
    try:
        desk.exchange.transfer("t2", asset, -owned * 2)
    except VenueError:
        await desk.expect_balances(before, "after more was to leave than is free")
    else:
        raise Failed("VenueError of more than is free", "nothing said")


@CASES("EX-90", "Says what it holds of contracts", needs=("EX-10",), prerequisites=f"a perpetual account; {SHOWS}")
@on_desk
async def says_positions(desk: Desk) -> None:
    """After a buy, `positions` has what was bought and, exactly, what it cost; after as much was sold, nothing."""
    if desk.exchange.account is not Account.PERPETUAL:
        not_offered("its account is not perpetual")
    bought = await desk.send(desk.order(Side.BUY))
    with desk.owner.trial.in_time("positions"):
        held = await desk.exchange.positions()
    expect(desk.symbol in held, f"{text(bought.filled)} held", "nothing")
    contracts = held[desk.symbol]
    cost = sum((fill.quantity * fill.price for fill in bought.fills), ZERO)
    expect(contracts.quantity == bought.filled, f"{text(bought.filled)} held", text(contracts.quantity))
    expect(contracts.cost == cost, f"a cost of {text(cost)}", text(contracts.cost))
    await desk.send(desk.order(Side.SELL))
    with desk.owner.trial.in_time("positions"):
        held = await desk.exchange.positions()
    expect(desk.symbol not in held, "nothing held after as much was sold", held.get(desk.symbol))


@CASES("EX-91", "Tells what is charged for holding", needs=("EX-03", "EX-10"), prerequisites=f"`charges`; {SHOWS}")
@on_desk
async def tells_charges(desk: Desk) -> None:
    """What was charged since a time, `charges` tells in order, each with an id of its own, the same when it is asked
    again; nothing of before that time, and in all what the wallet has changed by.
    """
    if not desk.exchange.charging:
        not_offered("it has no `charges`")
    await desk.send(desk.order(Side.BUY))
    time = desk.owner.trial.time
    since_ns, before = time.now_ns(), await desk.balances()
    if time.jumps:
        await trio.sleep(_FUNDED_SECONDS)
    told = await _told_since(desk, "charges", desk.exchange.charges, since_ns, lambda one: one.charge_id)
    after = await desk.balances()
    for asset in sorted({*before, *after}):
        change = after.get(asset, ZERO) - before.get(asset, ZERO)
        charged = sum((one.amount for one in told if one.asset == asset), ZERO)
        expect(change == charged, f"{text(charged)} {asset} in the wallet, as is charged", text(change))


@CASES("EX-92", "Tells what was closed by force", needs=("EX-10",), prerequisites=f"`liquidations`; {SHOWS}")
@on_desk
async def tells_liquidations(desk: Desk) -> None:
    """Of what was closed by force since a time, `liquidations` tells each with an id of its own, the same when it is
    asked again, and nothing of before that time.
    """
    if not desk.exchange.liquidating:
        not_offered("it has no `liquidations`")
    await desk.send(desk.order(Side.BUY))
    since_ns = desk.owner.trial.time.now_ns()
    await _told_since(desk, "liquidations", desk.exchange.liquidations, since_ns, lambda one: one.liquidation_id)


async def _told_since(
    desk: Desk,
    method: str,
    ask: Callable[[int], Awaitable[Sequence[_ToldT]]],
    since_ns: int,
    id_of: Callable[[_ToldT], str],
) -> Sequence[_ToldT]:
    """Return what was told since a time, if that is told the same way again."""
    with desk.owner.trial.in_time(method):
        told = await ask(since_ns)
    with desk.owner.trial.in_time(method):
        again = await ask(since_ns)
    ids = [id_of(one) for one in told]
    expect(
        [id_of(one) for one in again] == ids, f"the ids {', '.join(ids) or 'of nothing'} again", list(map(id_of, again))
    )
    expect(len(set(ids)) == len(ids), "ids of their own", ", ".join(ids))
    early = [id_of(one) for one in told if one.ts_ns < since_ns]
    expect(not early, f"nothing of before {since_ns}", ", ".join(early))
    return told
