"""Limits that are halved in the middle slow a client down: it is refused a few times at most, and never banned."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from itertools import count

import pytest
import trio
from simulated import KEY, Board, many, opened_account, opened_market

from trioarb.api import Exchange, Listing, Order, OrderRejected, Side, TimeInForce, VenueError
from trioarb_sim.faults import Fault
from trioarb_sim.limits import Limit
from trioarb_sim.simulator import Simulator, open_simulator

VENUES = ("binance", "upbit", "bithumb")
BITCOIN = {
    "binance": Listing(symbol="BTCUSDT", base="BTC", quote="USDT"),
    **dict.fromkeys(("upbit", "bithumb"), Listing(symbol="BTCKRW", base="BTC", quote="KRW")),
}
#: Far below what anybody asks for: the order rests.
LOW = {"binance": Decimal(40_000), "upbit": Decimal(40_000_000), "bithumb": Decimal(40_000_000)}
#: Refusals of those that were on their way, and of a few tries for how much it may be now.
MOST_REFUSED = 12
NUMBERS = count(1)


@asynccontextmanager
async def account(venue: str, *, can_trade: bool = False) -> AsyncIterator[tuple[Simulator, Exchange]]:
    pytest.importorskip(f"trioarb_{venue}")
    weight = Limit(most=600, seconds=2)
    async with (
        open_simulator(venue, key=KEY, every_seconds=1, weight=weight) as simulator,
        opened_account(simulator, can_trade=can_trade) as exchange,
    ):
        await exchange.instruments([BITCOIN[venue]])
        yield simulator, exchange


async def busy(simulator: Simulator, call: Callable[[], Awaitable[bool]], before: float, after: float) -> list[int]:
    """Call all the time, four at once; halve the limits after a while; return how many went through, a second each."""
    done: list[int] = []

    async def go_on() -> None:
        while True:
            if await call():
                done[-1] += 1
            else:
                await trio.sleep(0.02)

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(go_on)
        for second in range(int(before + after)):
            if second == before:
                simulator.faults.switch_on(Fault.HALVED)
            done.append(0)
            await trio.sleep(1)
        nursery.cancel_scope.cancel()
    return done


def assert_it_was_never_banned(simulator: Simulator) -> None:
    assert 418 not in simulator.traffic.statuses
    assert "asked while banned" not in simulator.violations
    assert sum(simulator.violations.values()) <= MOST_REFUSED


@pytest.mark.parametrize("venue", VENUES)
async def test_reads_are_slowed_down(venue: str) -> None:
    async with account(venue) as (simulator, exchange):

        async def read() -> bool:
            try:
                return bool(await exchange.balances())
            except VenueError:  # it was refused
                return False

        done = await busy(simulator, read, 5, 15)
        assert_it_was_never_banned(simulator)
        assert sum(done[-6:]) > 0
        # Bithumb's is more than one can ask of a slow machine.
        if venue != "bithumb":
            assert sum(done[-6:]) < 0.75 * 6 / 4 * sum(done[1:5])


@pytest.mark.parametrize("venue", VENUES)
async def test_orders_are_slowed_down(venue: str) -> None:
    async with account(venue, can_trade=True) as (simulator, exchange):

        async def place() -> bool:
            number = next(NUMBERS)
            order = Order(
                client_order_id=f"1816687ec0570000-90d316-{number}",
                venue="a",
                symbol=BITCOIN[venue].symbol,
                side=Side.BUY,
                quantity=Decimal("0.0002"),
                limit_price=LOW[venue],
                time_in_force=TimeInForce.GTC,
            )
            try:
                await exchange.place(order)
            except OrderRejected:
                return False
            with suppress(VenueError):  # it was refused
                await exchange.cancel(order.client_order_id)
            return True

        before, after = (11, 21) if venue == "binance" else (4, 10)
        done = await busy(simulator, place, before, after)
        assert_it_was_never_banned(simulator)
        placed = len(simulator.venue.orders("main"))
        assert placed == sum(done) or placed - sum(done) <= 4  # some were under way at the end
        if venue == "binance":
            assert 50 <= sum(done[:11]) <= 100
            assert 25 <= sum(done[11:]) <= 100
        else:
            assert sum(done[-5:]) > 0


async def test_subscriptions_are_slowed_down() -> None:
    pytest.importorskip("trioarb_binance")
    async with open_simulator("binance", markets=many("binance", 1000), every_seconds=0) as simulator:
        simulator.faults.switch_on(Fault.HALVED)
        async with opened_market(simulator) as feed, trio.open_nursery() as nursery:
            board, symbols = Board(), [one.symbol for one in await feed.listings()]
            nursery.start_soon(feed.run, {symbol: board.sink(symbol) for symbol in symbols})
            with trio.fail_after(60):
                number = 0
                while not board.has_all(symbols):
                    number += 1
                    for rules in simulator.venue.markets:
                        price = Decimal(100 + number % 7)
                        simulator.venue.show(rules.name, [(price, Decimal(1))], [(price + 1, Decimal(1))])
                    await trio.sleep(0.3)
            nursery.cancel_scope.cancel()
        assert set(simulator.violations) <= {"messages on a socket"}
        assert simulator.violations.get("messages on a socket", 0) <= 2
        assert simulator.traffic.refused == 0
