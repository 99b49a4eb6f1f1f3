"""One order's life: whatever way its venue's messages take, it ends in the same state, and no fill counts twice."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioarb.execution.life import Contradiction, Life
from trioarb.model.event import (
    Event,
    OrderAcknowledged,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReopened,
    OrderSubmitted,
)
from trioarb.model.order import Fill, OrderReport, OrderStatus, OrderUpdate, Purpose, Side

D = Decimal
ORDER = OrderSubmitted(
    client_order_id="c-1",
    pair_id="p1",
    purpose=Purpose.LEG,
    venue="a",
    symbol="BTCUSDT",
    side=Side.BUY,
    quantity=D(10),
    limit_price=D(100),
    locked_asset="USDT",
    locked=D(1000),
)


def life() -> Life:
    return Life(ORDER, "t1", "BTC", "USDT")


def fill(number: int, quantity: int | str, price: int = 99) -> Fill:
    return Fill(fill_id=f"f{number}", quantity=D(quantity), price=D(price), fee=D("0.01"), fee_asset="USDT")


def update(
    status: OrderStatus = OrderStatus.OPEN,
    *fills: Fill,
    filled: int | str | None = None,
    quantity: int | None = None,
    venue_order_id: str = "v-1",
    reason: str = "",
) -> OrderUpdate:
    return OrderUpdate(
        client_order_id="c-1",
        venue_order_id=venue_order_id,
        status=status,
        fills=fills,
        filled=None if filled is None else D(filled),
        quantity=None if quantity is None else D(quantity),
        reason=reason,
    )


def heard(*updates: OrderUpdate) -> tuple[Life, list[Event]]:
    one = life()
    return one, [event for said in updates for event in one.hear(said)]


def kinds(events: Sequence[Event]) -> list[type[Event]]:
    return [type(event) for event in events]


@st.composite
def histories(draw: st.DrawFn) -> list[OrderUpdate]:
    """Return what a venue says of an order's whole life, in the order in which it happens there."""
    parts = draw(st.lists(st.integers(1, 4), max_size=4).filter(lambda found: sum(found) <= 10))
    last = draw(st.sampled_from([OrderStatus.CANCELLED, OrderStatus.EXPIRED]))
    counts, names = draw(st.booleans()), draw(st.booleans())
    venue_order_id = "v-1" if names else ""
    if not parts and draw(st.booleans()):
        return [update(OrderStatus.REJECTED, venue_order_id="", reason="no")]
    said, filled = [update(venue_order_id=venue_order_id)], 0
    for number, part in enumerate(parts):
        filled += part
        status = OrderStatus.FILLED if filled == 10 else OrderStatus.OPEN
        count = filled if counts or status is OrderStatus.FILLED else None
        said.append(update(status, fill(number, part), filled=count, venue_order_id=venue_order_id))
    if filled < 10:
        smaller = draw(st.booleans()) and filled > 0
        if smaller:
            said.append(update(quantity=filled, venue_order_id=venue_order_id))
        status = OrderStatus.FILLED if smaller else last
        # A cancellation that raced fills counts those that it knew of.
        known = filled if smaller else draw(st.sampled_from([filled, max(0, filled - (parts[-1] if parts else 0))]))
        said.append(update(status, filled=known, venue_order_id=venue_order_id))
    return said


def state(one: Life) -> tuple[object, ...]:
    return one.filled, one.is_done, one.missing, one.venue_order_id, one.status


@given(histories(), st.data())
def test_whatever_way_the_messages_take_the_order_ends_alike(said: list[OrderUpdate], data: st.DataObject) -> None:
    """Each message comes once at least: late, early, or again."""
    again = data.draw(st.lists(st.sampled_from(said), max_size=4))
    straight, _ = heard(*said)
    shuffled, events = heard(*data.draw(st.permutations(said + again)))

    assert straight.is_done
    assert state(shuffled) == state(straight)
    check(events, straight.filled)


@given(histories(), st.data())
def test_what_was_cut_out_is_found_by_asking_and_counts_once(said: list[OrderUpdate], data: st.DataObject) -> None:
    """Of what a stream didn't say, the report tells; what the stream says after it is old."""
    straight, _ = heard(*said)
    fills = tuple(one for each in said for one in each.fills)
    status = said[-1].status
    report = OrderReport(client_order_id="c-1", venue_order_id="v-1", status=status, fills=fills, reason="no")
    heard_before = data.draw(st.lists(st.sampled_from(said), unique=True, max_size=len(said)))
    heard_after = data.draw(st.permutations(said))
    cut, events = heard(*heard_before, OrderUpdate.from_report(report), *heard_after)

    assert cut.is_done
    assert (cut.filled, cut.missing, cut.status) == (straight.filled, straight.missing, straight.status)
    check(events, straight.filled)


def check(events: Sequence[Event], filled: Decimal) -> None:
    """See that the events are those of one order: each fill once, and a last word that says what wasn't filled."""
    found = [event for event in events if isinstance(event, OrderFilled)]
    assert len({event.fill_id for event in found}) == len(found)
    assert sum((event.quantity for event in found), D(0)) == filled
    assert kinds(events).count(OrderAcknowledged) <= 1
    is_open, open_filled = True, D(0)
    for event in events:
        match event:
            case OrderReopened():
                assert not is_open
                is_open = True
            case OrderFilled(quantity=quantity):
                assert is_open
                open_filled += quantity
            case OrderCancelled(unfilled=unfilled) | OrderExpired(unfilled=unfilled):
                assert is_open
                assert unfilled == 10 - open_filled
                is_open = False
            case OrderRejected():
                assert is_open
                assert not open_filled
                is_open = False
    assert is_open == (filled == 10)


def test_a_plain_life_is_told_as_it_came() -> None:
    one, events = heard(
        update(),
        update(OrderStatus.OPEN, fill(1, 4), filled=4),
        update(OrderStatus.CANCELLED, filled=4),
    )

    assert kinds(events) == [OrderAcknowledged, OrderFilled, OrderCancelled]
    assert (one.filled, one.status, one.is_done) == (4, OrderStatus.CANCELLED, True)


def test_a_fill_before_its_acknowledgement_acknowledges() -> None:
    _, events = heard(update(OrderStatus.OPEN, fill(1, 4), filled=4), update())

    assert kinds(events) == [OrderAcknowledged, OrderFilled]


def test_a_full_fill_is_a_last_word() -> None:
    one, events = heard(update(OrderStatus.OPEN, fill(1, 10)), update(OrderStatus.CANCELLED, filled=0))

    assert kinds(events) == [OrderAcknowledged, OrderFilled]
    assert one.status is OrderStatus.FILLED


def test_a_last_word_waits_for_the_fills_that_it_counts() -> None:
    one, events = heard(update(OrderStatus.CANCELLED, filled=6))

    assert kinds(events) == [OrderAcknowledged]
    assert (one.is_done, one.missing) == (False, 6)
    assert kinds(one.hear(update(OrderStatus.OPEN, fill(1, 4)))) == [OrderFilled]
    assert (one.is_done, one.missing) == (False, 2)
    assert kinds(one.hear(update(OrderStatus.OPEN, fill(2, 2)))) == [OrderFilled, OrderCancelled]
    assert one.is_done


def test_a_fill_after_the_last_word_takes_that_back() -> None:
    one, events = heard(update(OrderStatus.CANCELLED, filled=0), update(OrderStatus.OPEN, fill(1, 4), filled=4))

    assert kinds(events) == [OrderAcknowledged, OrderCancelled, OrderReopened, OrderFilled, OrderCancelled]
    assert [event.unfilled for event in events if isinstance(event, OrderReopened | OrderCancelled)] == [10, 10, 6]
    assert one.is_done


def test_a_fill_that_a_rejection_denies_is_not_lost() -> None:
    for said in (
        [update(OrderStatus.REJECTED), update(OrderStatus.OPEN, fill(1, 4))],
        [update(OrderStatus.OPEN, fill(1, 4)), update(OrderStatus.REJECTED)],
    ):
        one, _ = heard(*said)
        assert (one.filled, one.status) == (4, OrderStatus.CANCELLED)


def test_what_an_earlier_process_heard_counts_once() -> None:
    one = life()
    one.remember(["f1"], D(4), is_acknowledged=True, last=OrderStatus.OPEN)

    assert one.hear(update(OrderStatus.OPEN, fill(1, 4), filled=4)) == []
    assert kinds(one.hear(update(OrderStatus.OPEN, fill(2, 6), filled=10))) == [OrderFilled]
    assert one.is_done


def test_more_than_the_quantity_is_never_filled() -> None:
    one, _ = heard(update(OrderStatus.OPEN, fill(1, 4), filled=4))

    for wrong in (update(OrderStatus.OPEN, fill(2, 7)), update(OrderStatus.OPEN, filled=11)):
        with suppress(Contradiction):
            one.hear(wrong)
    assert (one.filled, one.missing) == (4, 0)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (update(OrderStatus.OPEN, fill(2, 7)), "11 filled of 10"),
        (update(OrderStatus.OPEN, filled=11), "11 filled of 10"),
        (update(OrderStatus.OPEN, fill(2, 1, price=101)), "filled at 101, worse than its limit 100"),
        (update(OrderStatus.OPEN, fill(1, 5)), "fill f1 was 4 at 99, and now is 5 at 99"),
        (update(quantity=12), "its quantity is 12, of 10 sent"),
    ],
)
def test_what_can_not_be_is_refused_and_changes_nothing(wrong: OrderUpdate, says: str) -> None:
    one, _ = heard(update(OrderStatus.OPEN, fill(1, 4), filled=4))
    before = state(one)

    with pytest.raises(Contradiction, match=says):
        one.hear(wrong)

    assert state(one) == before
    assert kinds(one.hear(update(OrderStatus.CANCELLED, filled=4))) == [OrderCancelled]
