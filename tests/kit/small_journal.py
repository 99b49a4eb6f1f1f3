"""The steps of a small campaign, for journals to write, read, cut and damage."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from trioarb.model.event import CampaignOpened, Event, OrderFilled, PairEnded, PositionOpened, Record
from trioarb.model.order import Side
from trioarb.model.trade import PairKind, PairOutcome

__all__ = ["HEADER", "fill", "numbered", "opening", "settlement"]

HEADER = {"version": "0", "campaign_id": "c", "config_digest": "d", "durability": "batch", "config": "{}"}


def fill(number: int) -> Event:
    return OrderFilled(
        client_order_id=f"c-{number}",
        fill_id=f"f-{number}",
        venue="a",
        symbol="BTCUSDT",
        side=Side.BUY,
        base="BTC",
        quote="USDT",
        quantity=Decimal(number + 1) / 1000,
        price=Decimal("67001.2"),
        fee=Decimal("1E-8"),
        fee_asset="USDT",
    )


def settlement() -> list[Event]:
    """Return what one step records when an entry is hedged."""
    one, none = Decimal(1), Decimal(0)
    opened = PositionOpened(
        trade_id="t1",
        symbol="BTCUSDT",
        buy_venue="a",
        sell_venue="b",
        quantity=one,
        buy_price=one,
        sell_price=one,
        cash=none,
        fees=none,
        realised=none,
        exposure_usd=one,
    )
    ended = PairEnded(
        pair_id="p1",
        trade_id="t1",
        symbol="BTCUSDT",
        kind=PairKind.ENTRY,
        outcome=PairOutcome.HEDGED,
        bought=one,
        sold=one,
        pnl_usd=none,
        fees_usd=none,
    )
    return [fill(7), opened, ended]


def opening() -> Event:
    return CampaignOpened(
        campaign_id="c",
        version="0",
        config_digest="d",
        env="π",
        mode="paper",
        clock="virtual",
        seed=7,
        universe_mode="SINGLE",
        symbols=("BTCUSDT",),
        venues=("a", "b"),
        fx={"USDT": Decimal(1)},
    )


def numbered(steps: Sequence[Sequence[Event]], first: int = 1) -> list[list[Record]]:
    """Return the steps' records."""
    made, seq = list[list[Record]](), first
    for step in steps:
        made.append([Record(seq + place, 10**18 + seq + place, event) for place, event in enumerate(step)])
        seq += len(step)
    return made
