"""Cases of exchanges whose methods are cancelled at every step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import attrs
import trio

from trioarb.api import Fill, Side, VenueError
from trioarb.testing.conformance.exchange_desk import Desk
from trioarb.testing.conformance.exchange_filling import SHOWS
from trioarb.testing.conformance.exchange_resting import RESTS
from trioarb.testing.conformance.exchange_telling import expect_told
from trioarb.testing.conformance.exchange_trial import CASES, ExchangeTrial, on_desk
from trioarb.testing.conformance.steps import at_every_step


@CASES("EX-70", "Can be cancelled while it is asked", needs=("EX-02", "EX-03"))
async def cancelled_while_asked(trial: ExchangeTrial) -> None:
    """Cancelled at any step of `instruments`, `balances`, `order`, `orders`, `open_orders`, `cancel`, `standing`,
    `positions`, `charges` or `liquidations`, it ends at once, and answers what it is asked next.
    """
    async with trial.desk() as desk:
        asks: dict[str, Callable[[], Awaitable[object]]] = {
            "instruments": lambda: desk.exchange.instruments(trial.listings),
            "balances": desk.exchange.balances,
            "order": lambda: desk.exchange.order(trial.new_id()),
            "orders": lambda: desk.exchange.orders([desk.symbol], trial.trial.time.now_ns()),
            "open_orders": lambda: desk.exchange.open_orders([desk.symbol]),
            "cancel": lambda: desk.exchange.cancel(trial.new_id()),
            "standing": desk.exchange.standing,
            "positions": desk.exchange.positions,
            "charges": lambda: desk.exchange.charges(trial.trial.time.now_ns()),
            "liquidations": lambda: desk.exchange.liquidations(trial.trial.time.now_ns()),
        }
        for name, ask in asks.items():

            async def once(step: int, ask: Callable[[], Awaitable[object]] = ask) -> None:
                with suppress(VenueError):  # it has no such method, or nothing to say
                    await ask()

            await at_every_step(name, once, few=trial.is_live)
        await desk.balances()


@CASES("EX-71", "Can be cancelled while it sends", needs=("EX-03", "EX-15", "EX-21"), prerequisites=SHOWS)
@on_desk
async def cancelled_while_it_sends(desk: Desk) -> None:
    """Cancelled at any step of `place` it ends at once; `order` then says of each order what became of it, or None, and
    the account has paid for what it says.
    """
    before = await desk.balances()
    sent = {step: desk.order(Side.BUY, desk.unit) for step in range(1, 1_000)}
    begun = []

    async def once(step: int) -> None:
        begun.append(sent[step])
        with suppress(VenueError):
            await desk.place(sent[step])

    await at_every_step("place", once, few=desk.owner.is_live)
    fills: list[Fill] = []
    for order in begun:
        report = await desk.asked(order.client_order_id)
        if report is not None and not report.status.is_final:
            report = await desk.known(order)
        fills += report.fills if report is not None else ()
    await desk.expect_balances(before, "after orders were cancelled while they were sent", (Side.BUY, fills))


@CASES("EX-72", "Can be cancelled while it tells", needs=("EX-50",), prerequisites=f"`updates`; {RESTS}")
async def cancelled_while_it_tells(trial: ExchangeTrial) -> None:
    """Cancelled at any step of `updates` until it is subscribed, and after that, it ends at once; called again it tells
    what becomes of orders from then on.
    """
    async with trial.desk(listens=False) as desk:

        async def once(step: int) -> None:
            with trio.CancelScope() as subscribed:
                await desk.exchange.updates(lambda update: None, task_status=_Ends(subscribed))

        await at_every_step("updates", once, few=trial.is_live)
        async with trio.open_nursery() as nursery:
            with trial.trial.in_time("updates"):
                await nursery.start(desk.listen)
            await expect_told(desk)
            nursery.cancel_scope.cancel()


@attrs.frozen
class _Ends:
    """Ends what says that it has started."""

    scope: trio.CancelScope

    def started(self, value: None = None) -> None:
        self.scope.cancel()
