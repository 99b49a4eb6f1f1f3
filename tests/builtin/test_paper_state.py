"""What a paper venue remembers of an earlier process."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import attrs
import pytest
import trio

from trioarb.api import Book, ExchangeContext, Order, OrderRejected, OrderStatus, Quote, Side, VenueError, VenueOrder
from trioarb.builtin import paper_state
from trioarb.builtin.paper import PaperExchange
from trioarb.builtin.paper_settings import PaperSettings
from trioarb.testing import listing
from trioarb.time.campaign_time import CampaignTime, WakeOrder

LISTING = listing("BTC")
SETTINGS = PaperSettings(balances={"USDT": Decimal(1_000)}, inventory_usd_per_symbol=Decimal(100))


class Ticking(CampaignTime):
    """A second goes by with every wait."""

    def __init__(self) -> None:
        self.seconds = 0

    def now_ns(self) -> int:
        return self.seconds * 10**9

    async def sleep_until(self, at_ns: int, order: WakeOrder) -> None:
        self.seconds += 1

    async def turn(self, order: WakeOrder) -> None:
        raise AssertionError("a paper venue only sleeps")

    def reach(self, at_ns: int) -> bool:
        raise AssertionError("a paper venue only sleeps")

    bell = deadline = yield_soon = reach  # type: ignore[assignment]


def quote(serial: int) -> Quote:
    return Quote(bid=99.0, bid_size=1.0, ask=100.0, ask_size=1.0, received_ns=0, serial=serial)


def book(serial: int) -> Book:
    return Book(
        bids=(99.0,), bid_sizes=(1.0,), asks=(100.0,), ask_sizes=(1.0,), received_ns=serial * 10**9, serial=serial
    )


def opened(path: Path, time: Ticking, *, resumed: bool = False) -> PaperExchange:
    context = ExchangeContext(
        venue="a",
        seed=1,
        time=time,
        touch=lambda _: quote(time.seconds),
        book=lambda _: book(time.seconds),
        watch=lambda symbol, see: None,
        market_rules=lambda _: None,
        fx={"USDT": Decimal(1)},
        state=path,
        resumed=resumed,
    )
    venue = PaperExchange(SETTINGS, context)
    venue.open()
    return venue


async def trade(venue: PaperExchange, first: int, last: int) -> None:
    """Send orders: buys and sells in turn, of growing size, some of which are refused."""
    for number in range(first, last):
        side, limit = (Side.BUY, 100) if number % 2 else (Side.SELL, 99)
        quantity = Decimal(number) / 4
        order = Order(
            client_order_id=f"c{number}",
            venue="a",
            symbol=LISTING.symbol,
            side=side,
            quantity=quantity,
            limit_price=Decimal(limit),
        )
        with suppress(OrderRejected):
            await venue.place(order)


@attrs.frozen
class Said:
    balances: Mapping[str, Decimal]
    orders: tuple[VenueOrder, ...]
    late_orders: tuple[VenueOrder, ...]


async def said(venue: PaperExchange) -> Said:
    by_id = [await venue.order(f"c{number}") for number in range(1, 30)]
    orders = tuple(await venue.orders([LISTING.symbol], 0))
    assert [report for report in by_id if report is not None] == [one.report for one in orders]
    return Said(await venue.balances(), orders, tuple(await venue.orders([LISTING.symbol], 8 * 10**9)))


@pytest.mark.parametrize("held_every", [1, 3, 1_000])
@pytest.mark.parametrize("recent", [1, 4, 1_000])
def test_a_resumed_venue_knows_what_it_knew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held_every: int, recent: int
) -> None:
    """Also what it holds no longer in memory."""
    monkeypatch.setattr(paper_state, "_HELD_EVERY", held_every)
    monkeypatch.setattr(paper_state, "_RECENT", recent)

    async def main() -> None:
        time, path = Ticking(), tmp_path / "c.a.venue"
        venue = opened(path, time)
        (instrument,) = (await venue.instruments([LISTING])).values()
        granted = venue.seed_inventory(instrument, quote(0))
        await trade(venue, 1, 11)
        first = await said(venue)
        assert first.balances["USDT"] != 1_000
        statuses = {OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED}
        assert {one.report.status for one in first.orders} == statuses
        assert 0 < len(first.late_orders) < len(first.orders) == 10

        venue.close()
        again = opened(path, time, resumed=True)
        await again.instruments([LISTING])
        assert await said(again) == first
        assert again.seed_inventory(instrument, None) == granted > 0
        with pytest.raises(OrderRejected, match="was used before"):
            await again.place(first.orders[0].order)
        await trade(again, 11, 14)

        second = await said(again)
        again.close()
        assert await said(opened(path, time, resumed=True)) == second != first

    trio.run(main)


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "c.a.venue"
        venue = opened(path, Ticking())
        await venue.instruments([LISTING])
        await trade(venue, 1, 4)
        venue.close()
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join([*lines[:2], lines[2][:40] + b"\n", *lines[3:]]))

        with pytest.raises(VenueError, match=r"c\.a\.venue is damaged: line 3 is not what was written"):
            opened(path, Ticking(), resumed=True)

    trio.run(main)
