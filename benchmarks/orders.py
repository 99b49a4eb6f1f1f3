"""Measure how many order updates a second an order's life takes: the pure machine, without journal and scheduler.

Three ways of telling the same orders: as they happen; each message twice; and the last word first, so that it waits for
its fills. Time is that of the process, so that what else the machine does doesn't count.

Usage: python benchmarks/orders.py [ORDERS]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from decimal import Decimal
from statistics import median

from figures import Figures

from trioarb.api import Fill, OrderStatus, OrderUpdate, Side
from trioarb.execution.life import Life
from trioarb.model.event import OrderSubmitted
from trioarb.model.order import Purpose

RUNS = 5
FILLS = 4


def messages() -> list[OrderUpdate]:
    """Return what a venue says of an order that fills in four parts."""
    part = Decimal("0.25")
    said = [OrderUpdate(client_order_id="c-1", venue_order_id="v-1")]
    for number in range(1, FILLS + 1):
        fill = Fill(fill_id=f"f{number}", quantity=part, price=Decimal("99.5"), fee=Decimal("0.01"), fee_asset="USDT")
        status = OrderStatus.FILLED if number == FILLS else OrderStatus.OPEN
        said.append(
            OrderUpdate(client_order_id="c-1", venue_order_id="v-1", status=status, fills=(fill,), filled=number * part)
        )
    return said


def per_second(said: Sequence[OrderUpdate], orders: int) -> float:
    """Return how many updates a second are heard of so many orders."""
    submitted = OrderSubmitted(
        client_order_id="c-1",
        pair_id="p1",
        purpose=Purpose.LEG,
        venue="a",
        symbol="BTCUSDT",
        side=Side.BUY,
        quantity=Decimal(1),
        limit_price=Decimal(100),
        locked_asset="USDT",
        locked=Decimal(100),
    )
    rates = []
    for _ in range(RUNS):
        started = time.process_time()
        for _ in range(orders):
            life = Life(submitted, "t1", "BTC", "USDT")
            for update in said:
                life.hear(update)
        rates.append(orders * len(said) / (time.process_time() - started))
        assert life.is_done
    return median(rates)


def main() -> None:
    orders = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    figures, said = Figures("orders"), messages()
    for what, told in (
        ("updates of orders, as they happen", said),
        ("  each of them twice", [each for one in said for each in (one, one)]),
        ("  the last word first", said[::-1]),
    ):
        figures.add(what, per_second(told, orders), "/s", "≥ 200,000 /s")
    figures.store()


if __name__ == "__main__":
    main()
