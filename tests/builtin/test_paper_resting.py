"""Orders that rest at a paper venue: when they fill, what they lock, what becomes of them over a crash."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from trioarb.api import (
    Book,
    ExchangeContext,
    Order,
    OrderRejected,
    OrderReport,
    OrderStatus,
    OrderType,
    OrderUpdate,
    Side,
    TimeInForce,
)
from trioarb.builtin.paper import PaperExchange
from trioarb.builtin.paper_latency import Distribution, Latency
from trioarb.builtin.paper_resting import RestingFills
from trioarb.builtin.paper_settings import PaperSettings
from trioarb.testing import listing
from trioarb.time.virtual import VirtualClock, VirtualTime

D = Decimal
GTC, FOK = TimeInForce.GTC, TimeInForce.FOK
OPEN, FILLED, CANCELLED = OrderStatus.OPEN, OrderStatus.FILLED, OrderStatus.CANCELLED
LISTING = listing("BTC")

SETTINGS = PaperSettings(
    latency_ms=D(0),
    taker_fee_bps=D(10),
    maker_fee_bps=D(2),
    tick_size=D("0.1"),
    lot_size=D("0.1"),
    balances={"USDT": D(1_000), "BTC": D(10)},
)

#: (price, size), best first.
Levels = Sequence[tuple[float, float]]


class Venue:
    """A paper venue, and the market that it sees."""

    def __init__(self, settings: PaperSettings, state: Path | None = None, *, resumed: bool = False) -> None:
        clock = VirtualClock()
        self.clock, self.serial, self.told = clock, 0, list[OrderUpdate]()
        self.watching: dict[str, Callable[[], None]] = {}
        self.book: Book | None = None
        self._settings, self._state, self._resumed = settings, state, resumed

    async def open(self) -> None:
        self.time = VirtualTime(self.clock, 10**18)
        context = ExchangeContext(
            venue="a",
            seed=1,
            time=self.time,
            touch=lambda _: None,
            book=lambda _: self.book,
            market_rules=lambda _: None,
            fx={"USDT": D(1)},
            watch=lambda symbol, see: None,
            follow=self._watch,
            state=self._state,
            resumed=self._resumed,
        )
        self.venue = PaperExchange(self._settings, context)
        self.venue.open()
        await self.venue.instruments([LISTING])

    def _watch(self, symbol: str, told: Callable[[], None] | None) -> None:
        if told is None:
            self.watching.pop(symbol, None)
        else:
            self.watching[symbol] = told

    def quote(self, bids: Levels, asks: Levels) -> None:
        """Show a book, and tell who watches."""
        self.serial += 1
        (bid_prices, bid_sizes), (ask_prices, ask_sizes) = (
            tuple(zip(*side, strict=True)) if side else ((), ()) for side in (bids, asks)
        )
        self.book = Book(
            bids=bid_prices,
            bid_sizes=bid_sizes,
            asks=ask_prices,
            ask_sizes=ask_sizes,
            received_ns=self.time.now_ns(),
            serial=self.serial,
        )
        for told in tuple(self.watching.values()):
            told()

    async def listen(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        await self.venue.updates(self.told.append, task_status=task_status)


def order(number: int, side: Side = Side.BUY, **fields: Any) -> Order:
    fields = {"quantity": D(1), "limit_price": D(100), "time_in_force": GTC} | fields
    return Order(client_order_id=f"c-{number}", venue="a", symbol="BTCUSDT", side=side, **fields)


def run(test: Callable[[Venue, trio.Nursery], Any], settings: PaperSettings = SETTINGS, **options: Any) -> Venue:
    """Run something beside a venue whose updates are listened to."""
    venue = Venue(settings, **options)

    async def main() -> None:
        await venue.open()
        async with trio.open_nursery() as nursery:
            await nursery.start(venue.listen)
            await test(venue, nursery)
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        venue.venue.close()

    trio.run(main, clock=venue.clock)
    return venue


def told(venue: Venue) -> list[tuple[OrderStatus, Decimal | None]]:
    return [(one.status, one.filled) for one in venue.told]


NEAR: tuple[Levels, Levels] = ([(99.9, 5.0)], [(100.5, 5.0)])


def test_it_fills_at_its_price_once_the_other_side_reaches_it() -> None:
    async def test(venue: Venue, _: trio.Nursery) -> None:
        venue.quote(*NEAR)
        report = await venue.venue.place(order(1))
        assert (report.status, report.fills) == (OPEN, ())
        assert (await venue.venue.balances())["USDT"] == 1_000
        venue.quote([(99.9, 5.0)], [(100.1, 5.0)])
        assert venue.watching
        venue.quote([(99.0, 5.0)], [(99.8, 0.4), (100.0, 0.3), (100.1, 9.0)])
        venue.quote([(99.0, 5.0)], [(99.7, 5.0)])
        assert not venue.watching
        found = await venue.venue.order("c-1")
        assert found is not None
        assert [(fill.quantity, fill.price, fill.fee) for fill in found.fills] == [
            (D("0.7"), D(100), D("0.014")),
            (D("0.3"), D(100), D("0.006")),
        ]
        assert await venue.venue.balances() == {"USDT": 1_000 - 100 - D("0.02"), "BTC": 11}

    assert told(run(test)) == [(OPEN, D("0.7")), (FILLED, D(1))]


def test_what_crosses_fills_at_once_and_the_rest_rests() -> None:
    async def test(venue: Venue, _: trio.Nursery) -> None:
        venue.quote([(99.0, 5.0)], [(99.5, 0.4), (100.5, 5.0)])
        report = await venue.venue.place(order(1))
        assert report.status is OPEN
        assert [(fill.quantity, fill.price) for fill in report.fills] == [(D("0.4"), D("99.5"))]
        (found,) = await venue.venue.open_orders(["BTCUSDT"])
        assert (found.status, found.filled) == (OPEN, D("0.4"))

    run(test)


def test_by_its_place_in_the_queue_it_fills_once_what_stood_before_it_is_gone() -> None:
    async def test(venue: Venue, _: trio.Nursery) -> None:
        venue.quote([(100.0, 2.0)], [(100.5, 5.0)])
        await venue.venue.place(order(1))
        venue.quote([(100.0, 3.0)], [(100.5, 5.0)])  # who comes stands behind it
        venue.quote([(100.0, 1.2)], [(100.5, 5.0)])  # 1.8 of the 2 before it are gone
        assert not venue.told
        venue.quote([(100.0, 0.5)], [(100.5, 5.0)])
        venue.quote([(99.9, 9.0)], [(100.4, 5.0)])

    settings = attrs.evolve(SETTINGS, resting=RestingFills.QUEUE)
    assert told(run(test, settings)) == [(OPEN, D("0.5")), (FILLED, D(1))]
    assert told(run(test)) == []


def test_a_better_price_than_the_best_stands_alone() -> None:
    async def test(venue: Venue, _: trio.Nursery) -> None:
        venue.quote(*NEAR)
        await venue.venue.place(order(1))
        venue.quote([(99.8, 1.0)], [(100.5, 5.0)])
        assert not venue.told

    run(test, attrs.evolve(SETTINGS, resting=RestingFills.QUEUE))


def test_post_only_is_refused_where_it_would_take() -> None:
    async def test(venue: Venue, _: trio.Nursery) -> None:
        venue.quote([(99.9, 5.0)], [(100.0, 5.0)])
        with pytest.raises(OrderRejected, match="a post-only order would take"):
            await venue.venue.place(order(1, post_only=True))
        assert (await venue.venue.balances())["BTC"] == 10
        venue.quote(*NEAR)
        assert (await venue.venue.place(order(2, post_only=True))).status is OPEN
        assert (await venue.venue.place(order(3, Side.SELL, limit_price=D(101), post_only=True))).status is OPEN

    run(test)


@pytest.mark.parametrize(("size", "filled"), [(0.9, 0), (1.0, 1)])
def test_all_or_nothing(size: float, filled: int) -> None:
    async def test(venue: Venue, _: trio.Nursery) -> None:
        venue.quote([(99.9, 5.0)], [(100.0, size), (100.1, 5.0)])
        report = await venue.venue.place(order(1, time_in_force=FOK))
        assert report.filled == filled
        assert report.status is (FILLED if filled else CANCELLED)

    run(test)


def test_market_orders_walk_the_book() -> None:
    def market(number: int, side: Side = Side.BUY, **fields: Any) -> Order:
        fields = {"quantity": D(0), "limit_price": D(0), "time_in_force": TimeInForce.IOC} | fields
        return order(number, side, type=OrderType.MARKET, **fields)

    async def fills(venue: Venue, one: Order) -> list[tuple[Decimal, Decimal]]:
        report: OrderReport = await venue.venue.place(one)
        return [(fill.quantity, fill.price) for fill in report.fills]

    async def test(venue: Venue, _: trio.Nursery) -> None:
        venue.quote([(99.0, 1.0), (98.0, 5.0)], [(100.0, 1.0), (101.0, 5.0)])
        assert await fills(venue, market(1, quantity=D(2))) == [(D(1), D(100)), (D(1), D(101))]
        assert await fills(venue, market(2, Side.SELL, quantity=D("1.5"))) == [(D(1), D(99)), (D("0.5"), D(98))]
        assert await fills(venue, market(3, amount=D("150"))) == [(D("1.4"), D(101))]
        with pytest.raises(OrderRejected, match="insufficient BTC"):
            await venue.venue.place(market(4, Side.SELL, quantity=D("4.5")))

    settings = attrs.evolve(SETTINGS, balances={"USDT": D(1_000), "BTC": D(2)})
    run(test, settings)


def test_what_rests_locks_what_it_may_cost() -> None:
    async def test(venue: Venue, _: trio.Nursery) -> None:
        venue.quote(*NEAR)
        await venue.venue.place(order(1, quantity=D(9)))
        with pytest.raises(OrderRejected, match=r"insufficient USDT: 100\.1 needed, 99\.1 available"):
            await venue.venue.place(order(2))
        await venue.venue.cancel("c-1")
        assert (await venue.venue.place(order(3))).status is OPEN

    venue = run(test)
    assert told(venue) == [(CANCELLED, D(0))]


def test_a_cancellation_takes_its_time_and_may_come_too_late() -> None:
    async def test(venue: Venue, nursery: trio.Nursery) -> None:
        venue.quote(*NEAR)
        await venue.venue.place(order(1))
        nursery.start_soon(venue.venue.cancel, "c-1")
        await trio.sleep(0.05)
        venue.quote([(99.0, 5.0)], [(99.5, 5.0)])
        await trio.sleep(0.1)
        await venue.venue.cancel("c-1")  # of one that is done there is nothing to cancel

    settings = attrs.evolve(SETTINGS, cancel_latency=Latency(ms=D(100)))
    assert told(run(test, settings)) == [(FILLED, D(1))]


def test_what_rests_outlives_the_process(tmp_path: Path) -> None:
    path = tmp_path / "c.a.venue"

    async def before(venue: Venue, _: trio.Nursery) -> None:
        venue.quote(*NEAR)
        await venue.venue.place(order(1))
        await venue.venue.place(order(2, limit_price=D("99.5")))
        await venue.venue.place(order(3, limit_price=D("99.6")))
        await venue.venue.cancel("c-3")
        venue.quote([(99.0, 5.0)], [(100.0, 0.4)])

    async def after(venue: Venue, _: trio.Nursery) -> None:
        assert await venue.venue.balances() == {"USDT": 1_000 - 40 - D("0.008"), "BTC": D("10.4")}
        found = await venue.venue.open_orders(["BTCUSDT"])
        assert [(one.client_order_id, one.filled) for one in found] == [("c-1", D("0.4")), ("c-2", D(0))]
        gone = await venue.venue.order("c-3")
        assert gone is not None
        assert gone.status is CANCELLED
        venue.quote([(99.0, 5.0)], [(99.5, 9.0)])
        with pytest.raises(OrderRejected, match="was used before"):
            await venue.venue.place(order(1))

    run(before, state=path)
    venue = run(after, state=path, resumed=True)
    assert [(one.client_order_id, one.status, one.filled) for one in venue.told] == [
        ("c-1", FILLED, D(1)),
        ("c-2", FILLED, D(1)),
    ]


def test_latencies_are_drawn_each_from_its_own_seed() -> None:
    uniform = Latency(distribution=Distribution.UNIFORM, ms=D(10), most_ms=D(30))
    log_normal = Latency(distribution=Distribution.LOG_NORMAL, ms=D(20), sigma=D("0.5"), most_ms=D(200))

    def drawn(latency: Latency, seed: str) -> list[int]:
        draw = latency.drawn(seed)
        return [draw() for _ in range(2_000)]

    assert drawn(Latency(ms=D("1.5")), "x") == [1_500_000] * 2_000
    assert drawn(uniform, "x") == drawn(uniform, "x") != drawn(uniform, "y")
    assert 10_000_000 <= min(drawn(uniform, "x")) < 10_100_000 < 29_900_000 < max(drawn(uniform, "x")) <= 30_000_000
    found = sorted(drawn(log_normal, "x"))
    assert 19_000_000 < found[1_000] < 21_000_000
    assert 1.55 < found[1_683] / found[1_000] < 1.75  # one standard deviation above the median: e to the 0.5
    assert found[-1] <= 200_000_000


def test_recorded_latencies_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "latency.txt"
    path.write_text("12.5\n\n40\n", encoding="utf-8")
    draw = Latency(distribution=Distribution.RECORDED, file=path).drawn("x")
    assert {draw() for _ in range(50)} == {12_500_000, 40_000_000}

    for wrong, says in (
        ("-1\n", "line 1: '-1'"),
        ("1\nnan\n", "line 2: 'nan'"),
        ("x", "expected milliseconds"),
        ("", "no latency"),
    ):
        path.write_text(wrong, encoding="utf-8")
        with pytest.raises(ValueError, match=says):
            Latency(distribution=Distribution.RECORDED, file=path)
    with pytest.raises(ValueError, match="can't be read"):
        Latency(distribution=Distribution.RECORDED, file=tmp_path / "none")
    with pytest.raises(ValueError, match="most_ms has to be there"):
        Latency(distribution=Distribution.UNIFORM, ms=D(5))


def test_old_data_lets_orders_meet_later_books_and_answers_take_their_time() -> None:
    async def test(venue: Venue, nursery: trio.Nursery) -> None:
        venue.quote([(99.0, 5.0)], [(100.0, 5.0)])
        started = trio.current_time()

        async def place() -> None:
            report = await venue.venue.place(order(1, time_in_force=TimeInForce.IOC))
            assert not report.fills
            assert trio.current_time() - started == pytest.approx(0.09)

        nursery.start_soon(place)
        await trio.sleep(0.05)
        venue.quote([(99.0, 5.0)], [(101.0, 5.0)])

    ways = {"order_latency": 40, "data_latency": 20, "answer_latency": 50}
    run(test, attrs.evolve(SETTINGS, **{way: Latency(ms=D(ms)) for way, ms in ways.items()}))
