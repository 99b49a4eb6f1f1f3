"""What a journal and its venues' memories hold otherwise than each other is noticed; what they agree about is not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from streams import Stream, changed, dropped, inserted, places, stream
from venue_memory import Told, contradictions, doubled, lost

from trioarb.model.event import Deposited, OrderCancelled, OrderFilled, OrderRejected, OrderSubmitted

CENT = Decimal("0.01")
Venues = dict[str, list[dict[str, Any]]]


def remembered(records: Stream) -> Venues:
    """Return what venues remember that a journal tells the truth about."""
    told = Told(records)
    venues: Venues = {"a": [], "b": []}
    for record in records:
        match record.event:
            case Deposited() as given:
                line = {"type": "granted", "asset": given.asset, "amount": str(given.amount)}
                venues[given.venue].append(line)
            case OrderSubmitted() as order:
                is_buy = order.side.value == "buy"
                venues[order.venue].append(
                    {
                        "type": "executed",
                        "base": order.symbol.removesuffix("USDT"),
                        "quote": "USDT",
                        "order": {
                            "client_order_id": order.client_order_id,
                            "symbol": order.symbol,
                            "side": "buy" if is_buy else "sell",
                            "quantity": str(order.quantity),
                            "limit_price": str(order.limit_price),
                        },
                        "report": {
                            "status": "rejected" if order.client_order_id in told.rejected else "filled",
                            "fills": [
                                {
                                    "fill_id": fill.fill_id,
                                    "fee_asset": fill.fee_asset,
                                    **{name: str(getattr(fill, name)) for name in ("quantity", "price", "fee")},
                                }
                                for fill in told.fills[order.client_order_id]
                            ],
                        },
                    }
                )
            case _:
                pass
    return venues


def found(records: Stream, venues: Venues, **options: bool) -> list[str]:
    told = Told(records)
    return [*lost(told, venues, **options), *doubled(venues), *contradictions(told, venues)]


@pytest.mark.parametrize("name", ["spread", "rejections", "fees in base asset"])
def test_a_journal_that_tells_the_truth(name: str) -> None:
    assert not found(stream(name), remembered(stream(name)))


def first(records: Stream, kind: type) -> int:
    return places(records, kind)[0]


IN_THE_JOURNAL: dict[str, Callable[[Stream], Stream]] = {
    "a fee": lambda s: changed(s, first(s, OrderFilled), fee=s[first(s, OrderFilled)].event.fee + CENT),
    "a price": lambda s: changed(s, first(s, OrderFilled), price=s[first(s, OrderFilled)].event.price + CENT),
    "a fill's id": lambda s: changed(s, first(s, OrderFilled), fill_id="another"),
    "a fill twice": lambda s: inserted(s, first(s, OrderFilled), s[first(s, OrderFilled)].event),
    "a fill missing": lambda s: dropped(s, first(s, OrderFilled)),
    "a limit": lambda s: changed(s, first(s, OrderSubmitted), limit_price=Decimal(1)),
    "a quantity": lambda s: changed(s, first(s, OrderSubmitted), quantity=Decimal(1_000_000)),
    "an order missing": lambda s: dropped(s, first(s, OrderSubmitted)),
    "an order that no venue got": lambda s: inserted(
        s, len(s) - 1, OrderCancelled(client_order_id="x-1", unfilled=Decimal(1))
    ),
    "a deposit": lambda s: changed(s, first(s, Deposited), amount=s[first(s, Deposited)].event.amount + CENT),
}


@pytest.mark.parametrize("change", IN_THE_JOURNAL.values(), ids=IN_THE_JOURNAL)
def test_a_journal_that_does_not(change: Callable[[Stream], Stream]) -> None:
    records = stream("spread")
    assert found(change(records), remembered(records))


def test_rejected_and_cancelled_are_not_the_same() -> None:
    records = stream("rejections")
    at = first(records, OrderRejected)
    order_id = records[at].event.client_order_id
    changed_word = inserted(dropped(records, at), at, OrderCancelled(client_order_id=order_id, unfilled=Decimal(1)))
    assert found(changed_word, remembered(records))


def test_an_order_that_was_executed_twice() -> None:
    records = stream("spread")
    venues = remembered(records)
    venues["a"].append(next(line for line in venues["a"] if line["type"] == "executed"))
    assert list(doubled(venues))


def test_only_what_stands_between_may_cut_orders_and_split_fills() -> None:
    records = stream("spread")
    venues = copy.deepcopy(remembered(records))
    line = next(one for one in venues["a"] if one["type"] == "executed" and one["report"]["fills"])
    fill = line["report"]["fills"].pop()
    half = str(Decimal(fill["quantity"]) / 2)
    fee = str(Decimal(fill["fee"]) / 2)
    line["report"]["fills"] += [{**fill, "fill_id": name, "quantity": half, "fee": fee} for name in ("x", "y")]
    assert found(records, venues)
    assert not found(records, venues, is_altered=True)
    line["order"]["quantity"] = str(Decimal(line["order"]["quantity"]) - Decimal("1e-6"))
    assert not found(records, venues, is_altered=True)
    assert list(lost(Told(records), venues))
