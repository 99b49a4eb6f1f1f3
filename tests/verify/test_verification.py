"""A journal that is sound has no violations; one that breaks a rule has one, from the check whose rule it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest
import tomli
from command import SPREAD
from msgspec.structs import replace
from streams import STREAMS, Stream, changed, dropped, inserted, moved, places, renumbered, stream

from trioarb.journal.fold import Fold
from trioarb.model.event import (
    BalanceDiffered,
    CampaignEnded,
    CampaignOpened,
    CampaignResumed,
    Commanded,
    ContractsLiquidated,
    Decided,
    DecisionsRepeated,
    Deposited,
    EntriesHeld,
    EntriesReleased,
    EquityStated,
    Event,
    FundingPaid,
    FunnelCounted,
    FxRated,
    GuardTripped,
    InstrumentChanged,
    InstrumentListed,
    LossCarried,
    MarketsMarked,
    MarketUp,
    OrderAcknowledged,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReopened,
    OrderShadowed,
    OrderSubmitted,
    OrderUnknown,
    PairEnded,
    PairOpened,
    PhaseEntered,
    PositionClosed,
    PositionMarked,
    PositionOpened,
    PositionReduced,
    Record,
    ResidualLeft,
    ResidualOffered,
    ResidualResolved,
    ResidualsPaired,
    ResidualTaken,
    RouteCounted,
    StopCleared,
    TransactionOpened,
    TransferArrived,
    TransferSent,
    UniverseRefreshed,
    UpdatesDown,
    UpdatesUp,
)
from trioarb.model.fx import FxState
from trioarb.model.number import EXACT
from trioarb.model.order import Purpose
from trioarb.model.seen import SeenIds
from trioarb.model.trade import Answer, EndedBy, PairKind, PairOutcome, Phase
from trioarb.state.exposure import Exposure
from trioarb.state.ledger import Ledger
from trioarb.testing import run_virtual
from trioarb.verify import verification
from trioarb.verify.findings import Check
from trioarb.verify.verification import Verification, Verifier

ONE = Decimal(1)


def verified(records: Stream) -> Verification:
    verifier = Verifier()
    verifier.fold(records)
    return verifier.result()


def event(records: Stream, index: int) -> Any:
    return records[index].event


@pytest.mark.parametrize("name", STREAMS)
def test_a_sound_journal_has_no_violations(name: str) -> None:
    result = verified(stream(name))

    assert [str(violation) for violation in result.violations] == []
    assert result.is_sound
    assert result.facts.is_finished


@pytest.mark.parametrize("name", STREAMS)
def test_a_journal_that_breaks_off_anywhere_has_no_violations(name: str) -> None:
    records = stream(name)
    for length in range(1, len(records)):
        result = verified(records[:length])
        assert [str(violation) for violation in result.violations] == [], f"cut after {length} events"
        assert not result.facts.is_finished or isinstance(event(records, length - 1), CampaignEnded)


def test_the_streams_have_what_is_to_be_verified() -> None:
    seen = {type(record.event) for name in STREAMS for record in stream(name)}
    # A universe that is chosen anew is verified where it is made: tests/engine/test_refresh.py; what streams of orders
    # tell, in tests/engine/test_order_updates.py; rules that change, in tests/engine/test_instruments.py; transactions
    # of other legs than a pair's, in tests/verify/test_transactions.py; a loss that is carried, in
    # tests/cli/test_carry_loss.py.
    told = {InstrumentChanged, LossCarried, OrderExpired, OrderReopened, TransactionOpened}
    told |= {UpdatesDown, UpdatesUp, TransferArrived, TransferSent}  # the latter two: tests/engine/test_transfers.py
    told |= {EntriesHeld, EntriesReleased, Commanded}  # tests/engine/test_pleas.py, tests/engine/test_desk.py
    told |= {OrderShadowed}  # tests/engine/test_shadow.py
    assert Verifier().looks_at - seen == {BalanceDiffered, StopCleared, UniverseRefreshed, *told}
    assert any(one.event.dust for one in stream("dust") if isinstance(one.event, PairEnded))


def test_the_facts_of_a_journal() -> None:
    records = stream("entry learnt late")
    facts = verified(records).facts

    opened = event(records, 0)
    assert (facts.campaign_id, facts.stretches, facts.ended_by) == (opened.campaign_id, 1, "end_of_data")
    assert (facts.first_ns, facts.last_ns, facts.events) == (records[0].ts_ns, records[-1].ts_ns, len(records))
    assert facts.trades == len(places(records, PositionOpened))
    assert facts.closed == len(places(records, PositionClosed))
    assert facts.orders == len(places(records, OrderSubmitted))
    assert facts.fills == len(places(records, OrderFilled))
    results = [
        one.event.pnl_usd for one in records if isinstance(one.event, PairEnded | ResidualResolved | ResidualsPaired)
    ]
    assert facts.pnl_usd == sum(results)
    assert [left.residual_id for left in facts.residuals] == []
    assert verified(records[: places(records, ResidualsPaired)[0]]).facts.residuals != ()
    assert facts.open_positions == facts.in_flight == facts.unknown_orders == ()
    assert verified(stream("resumed")).facts.stretches == 2
    assert verified(stream("position kept")).facts.open_positions == ("t1", "t2")
    assert len(verified(stream("entry of unknown fate")).facts.unknown_orders) == 3


def test_what_was_looked_at_is_counted() -> None:
    records = stream("partial fills")
    looked_at = {one.check: one.looked_at for one in verified(records).checks}

    assert set(looked_at) == set(Check)
    assert looked_at[Check.SEQUENCE] == len(records)
    assert looked_at[Check.PAIRS] == len(places(records, PairEnded))
    assert looked_at[Check.INTENTS] == len(places(records, PairOpened)) + len(places(records, OrderSubmitted))


def test_an_empty_journal_has_nothing_to_verify() -> None:
    result = verified([])

    assert result.is_sound
    assert result.facts.events == 0


def test_what_raises_while_it_is_read_leaves_what_was_read() -> None:
    records = stream("partial fills")

    def broken() -> Any:
        yield from records[:20]
        raise OSError("gone")

    verifier = Verifier()
    with pytest.raises(OSError, match="gone"):
        verifier.fold(broken())
    assert verifier.result().facts.events == 20


def test_a_violation_names_the_event() -> None:
    records = stream("partial fills")
    index = places(records, OrderFilled)[0]
    fill = event(records, index)
    spoilt = changed(records, index, price=fill.price * 2)

    violation = next(one for one in verified(spoilt).violations if one.check is Check.ANSWERS)

    assert (violation.seq, violation.type) == (index + 1, "order_filled")
    assert violation.ids["client_order_id"] == fill.client_order_id
    assert str(violation).startswith(f"seq {index + 1}: order_filled (client_order_id {fill.client_order_id}")


def test_a_journal_that_is_wrong_altogether_is_counted_and_not_kept() -> None:
    records = [record._replace(seq=3 * record.seq) for record in stream("residual")] * 5
    result = verified(records)

    assert len(result.violations) == 1000
    assert sum(one.violations for one in result.checks) > 1000


# Each rule, broken once. What spoils a stream returns it; the check has to find fault with it.

Spoil = Callable[[Stream], Stream]
BROKEN: list[tuple[str, str, Check, Spoil]] = []


def breaks(check: Check, *, on: str = "partial fills") -> Callable[[Spoil], Spoil]:
    def add(spoil: Spoil) -> Spoil:
        BROKEN.append((spoil.__name__, on, check, spoil))
        return spoil

    return add


@breaks(Check.SEQUENCE)
def a_hole(records: Stream) -> Stream:
    return [*records[:30], *records[31:]]


@breaks(Check.SEQUENCE)
def an_event_twice(records: Stream) -> Stream:
    return [*records[:30], records[29], *records[30:]]


@breaks(Check.SEQUENCE)
def time_falls(records: Stream) -> Stream:
    return [*records[:30], records[30]._replace(ts_ns=records[29].ts_ns - 1), *records[31:]]


@breaks(Check.SEQUENCE)
def no_beginning(records: Stream) -> Stream:
    return dropped(records, 0)


@breaks(Check.SEQUENCE)
def two_beginnings(records: Stream) -> Stream:
    return inserted(records, 20, event(records, 0))


@breaks(Check.SEQUENCE)
def more_after_the_end(records: Stream) -> Stream:
    return [*records, Record(len(records) + 1, records[-1].ts_ns, MarketUp(venue="a"))]


@breaks(Check.SEQUENCE, on="resumed")
def resumed_after_another_event(records: Stream) -> Stream:
    return changed(records, places(records, CampaignResumed)[0], last_seq=3)


@breaks(Check.PHASES)
def phases_swapped(records: Stream) -> Stream:
    running, draining, _ = places(records, PhaseEntered)
    return changed(changed(records, running, phase=Phase.DRAINING), draining, phase=Phase.RUNNING)


@breaks(Check.PHASES)
def never_closed(records: Stream) -> Stream:
    return dropped(records, places(records, PhaseEntered, phase=Phase.CLOSED)[0])


@breaks(Check.PHASES, on="resumed")
def resumed_a_second_time(records: Stream) -> Stream:
    return changed(records, places(records, CampaignResumed)[0], number=2)


@breaks(Check.LEDGER)
def nothing_deposited(records: Stream) -> Stream:
    return changed(records, places(records, Deposited)[0], amount=Decimal(0))


@breaks(Check.LEDGER)
def a_difference_out_of_nowhere(records: Stream) -> Stream:
    return changed(records, places(records, Deposited)[0], reason="difference")


@breaks(Check.LEDGER)
def another_difference(records: Stream) -> Stream:
    differed = BalanceDiffered(venue="a", asset="USDT", held=ONE, booked=Decimal(100_000))
    deposited = Deposited(venue="a", asset="USDT", amount=-ONE, reason="difference")
    return inserted(records, places(records, PhaseEntered)[0], differed, deposited)


@breaks(Check.LEDGER)
def another_balance_booked(records: Stream) -> Stream:
    differed = BalanceDiffered(venue="a", asset="USDT", held=ONE, booked=ONE)
    return inserted(records, places(records, PhaseEntered)[0], differed)


@breaks(Check.LEDGER)
def figures_beyond_reckoning(records: Stream) -> Stream:
    return changed(records, places(records, OrderFilled)[0], fee=Decimal("1E-300"))


@breaks(Check.INTENTS)
def an_order_without_its_pair(records: Stream) -> Stream:
    return dropped(records, places(records, PairOpened)[0])


@breaks(Check.INTENTS)
def an_order_of_a_pair_that_ended(records: Stream) -> Stream:
    order = replace(event(records, places(records, OrderSubmitted)[0]), client_order_id="late-1")
    return inserted(records, places(records, PairEnded)[1] + 1, order)


@breaks(Check.INTENTS)
def an_order_id_twice(records: Stream) -> Stream:
    first, *_, last = places(records, OrderSubmitted)
    return changed(records, last, client_order_id=event(records, first).client_order_id)


@breaks(Check.INTENTS)
def a_pair_twice(records: Stream) -> Stream:
    pair = event(records, places(records, PairOpened)[0])
    return inserted(records, places(records, PairEnded)[0] + 1, pair)


@breaks(Check.INTENTS)
def a_trade_twice(records: Stream) -> Stream:
    first, *_, last = places(records, PairOpened, kind=PairKind.ENTRY)
    return changed(records, last, trade_id=event(records, first).trade_id)


@breaks(Check.INTENTS)
def two_pairs_of_a_symbol_at_once(records: Stream) -> Stream:
    index = places(records, PairOpened)[0]
    return inserted(records, index + 1, replace(event(records, index), pair_id="p900", trade_id="t900"))


@breaks(Check.INTENTS)
def a_symbol_that_is_not_listed(records: Stream) -> Stream:
    return dropped(records, places(records, InstrumentListed, venue="a")[0])


@breaks(Check.INTENTS)
def a_leg_of_another_size(records: Stream) -> Stream:
    index = places(records, OrderSubmitted, purpose=Purpose.LEG)[0]
    return changed(records, index, quantity=event(records, index).quantity * 2)


@breaks(Check.INTENTS)
def a_leg_that_says_that_it_hedges(records: Stream) -> Stream:
    exits = {event(records, index).pair_id for index in places(records, PairOpened, kind=PairKind.EXIT)}
    index = next(i for i in places(records, OrderSubmitted) if event(records, i).pair_id in exits)
    return changed(records, index, purpose=Purpose.HEDGE)


@breaks(Check.INTENTS)
def an_order_elsewhere(records: Stream) -> Stream:
    return changed(records, places(records, OrderSubmitted)[0], venue="c")


@breaks(Check.INTENTS)
def more_locked_than_needed(records: Stream) -> Stream:
    index = places(records, OrderSubmitted)[0]
    return changed(records, index, locked=event(records, index).locked + ONE)


@breaks(Check.INTENTS)
def an_exit_of_more_than_is_open(records: Stream) -> Stream:
    index = places(records, PairOpened, kind=PairKind.EXIT)[0]
    return changed(records, index, quantity=event(records, index).quantity * 2)


@breaks(Check.INTENTS)
def an_exit_of_nothing(records: Stream) -> Stream:
    return changed(records, places(records, PairOpened, kind=PairKind.EXIT)[0], trade_id="t900")


@breaks(Check.INTENTS)
def an_exit_the_wrong_way(records: Stream) -> Stream:
    index = places(records, PairOpened, kind=PairKind.EXIT)[0]
    pair = event(records, index)
    return changed(records, index, buy_venue=pair.sell_venue, sell_venue=pair.buy_venue)


@breaks(Check.ANSWERS)
def an_answer_to_no_order(records: Stream) -> Stream:
    return changed(records, places(records, OrderAcknowledged)[0], client_order_id="nobody-1")


@breaks(Check.ANSWERS)
def a_fill_of_no_order(records: Stream) -> Stream:
    return changed(records, places(records, OrderFilled)[0], client_order_id="nobody-1")


@breaks(Check.ANSWERS)
def an_answer_after_the_last_word(records: Stream) -> Stream:
    index = places(records, OrderCancelled)[0]
    return inserted(records, index + 1, event(records, index))


@breaks(Check.ANSWERS)
def a_fill_beyond_the_order(records: Stream) -> Stream:
    index = places(records, OrderFilled)[0]
    return changed(records, index, quantity=event(records, index).quantity * 2)


@breaks(Check.ANSWERS)
def a_fill_beyond_the_limit(records: Stream) -> Stream:
    index = places(records, OrderFilled)[0]
    return changed(records, index, price=event(records, index).price * 2)


@breaks(Check.ANSWERS)
def a_fill_twice(records: Stream) -> Stream:
    index = next(i for i in places(records, OrderFilled) if isinstance(event(records, i + 1), OrderCancelled))
    half = changed(records, index, quantity=event(records, index).quantity / 2)
    return inserted(half, index, event(half, index))


@breaks(Check.ANSWERS)
def a_fill_on_the_other_side(records: Stream) -> Stream:
    first, second = places(records, OrderSubmitted)[:2]
    index = places(records, OrderFilled, client_order_id=event(records, first).client_order_id)[0]
    return changed(records, index, side=event(records, second).side)


@breaks(Check.ANSWERS)
def a_fill_in_other_assets(records: Stream) -> Stream:
    index = places(records, OrderFilled)[0]
    return changed(records, index, base="XYZ")


@breaks(Check.ANSWERS)
def more_cancelled_than_is_left(records: Stream) -> Stream:
    index = places(records, OrderCancelled)[0]
    return changed(records, index, unfilled=event(records, index).unfilled * 2)


@breaks(Check.ANSWERS)
def a_rejection_of_what_filled(records: Stream) -> Stream:
    index = next(i for i in places(records, OrderCancelled) if isinstance(event(records, i - 1), OrderFilled))
    rejected = OrderRejected(client_order_id=event(records, index).client_order_id, reason="")
    return [*records[:index], records[index]._replace(event=rejected), *records[index + 1 :]]


@breaks(Check.ANSWERS)
def an_order_under_way_at_the_end(records: Stream) -> Stream:
    end = places(records, PairEnded)[-1]
    return dropped(records, end, max(i for i in places(records, OrderFilled) if i < end))


@breaks(Check.PAIRS)
def a_pair_ends_twice(records: Stream) -> Stream:
    index = places(records, PairEnded)[0]
    return inserted(records, index + 1, event(records, index))


@breaks(Check.PAIRS)
def a_pair_never_ends(records: Stream) -> Stream:
    return dropped(records, places(records, PairEnded)[-1])


@breaks(Check.PAIRS)
def a_pair_bought_more_than_it_filled(records: Stream) -> Stream:
    index = places(records, PairEnded)[0]
    return changed(records, index, bought=event(records, index).bought + ONE)


@breaks(Check.PAIRS)
def another_pair_ends(records: Stream) -> Stream:
    return changed(records, places(records, PairEnded)[0], symbol="XYZUSDT")


@breaks(Check.PAIRS)
def hedged_without_a_position(records: Stream) -> Stream:
    return dropped(records, places(records, PositionOpened)[0])


@breaks(Check.PAIRS)
def flat_with_a_position(records: Stream) -> Stream:
    return changed(records, places(records, PairEnded, outcome=PairOutcome.HEDGED)[0], outcome=PairOutcome.FLAT)


@breaks(Check.PAIRS)
def a_residual_that_is_not_named(records: Stream) -> Stream:
    return changed(records, places(records, PairEnded)[0], outcome=PairOutcome.RESIDUAL)


@breaks(Check.PAIRS, on="dust")
def flat_with_quantities_and_no_dust(records: Stream) -> Stream:
    index = next(i for i in places(records, PairEnded, kind=PairKind.ENTRY) if event(records, i).bought)
    without = dropped(records, places(records, PositionOpened, trade_id=event(records, index).trade_id)[0])
    return changed(without, index - 1, outcome=PairOutcome.FLAT)


@breaks(Check.PAIRS, on="entry of unknown fate")
def an_order_left_behind(records: Stream) -> Stream:
    return changed(records, places(records, ResidualLeft, unknown=True)[0], unknown=False)


@breaks(Check.POSITIONS)
def a_position_beyond_its_legs(records: Stream) -> Stream:
    index = places(records, PositionOpened)[0]
    return changed(records, index, quantity=event(records, index).quantity * 2)


@breaks(Check.POSITIONS)
def a_position_below_its_legs(records: Stream) -> Stream:
    index = places(records, PositionOpened)[0]
    return changed(records, index, quantity=event(records, index).quantity / 2)


@breaks(Check.POSITIONS)
def a_position_without_an_entry(records: Stream) -> Stream:
    index = places(records, PositionOpened)[0]
    return inserted(records, index + 2, event(records, index))


@breaks(Check.POSITIONS)
def a_position_at_another_price(records: Stream) -> Stream:
    index = places(records, PositionOpened)[0]
    return changed(records, index, sell_price=event(records, index).sell_price + ONE)


@breaks(Check.POSITIONS)
def a_position_closed_twice(records: Stream) -> Stream:
    index = places(records, PositionClosed)[0]
    return inserted(records, index + 1, event(records, index))


@breaks(Check.POSITIONS)
def a_position_closed_that_was_never_opened(records: Stream) -> Stream:
    return changed(records, places(records, PositionClosed)[0], trade_id="t900")


@breaks(Check.POSITIONS)
def another_quantity_closed(records: Stream) -> Stream:
    index = places(records, PositionClosed)[0]
    return changed(records, index, quantity=event(records, index).quantity * 2)


@breaks(Check.POSITIONS)
def another_exit_price(records: Stream) -> Stream:
    return changed(records, places(records, PositionClosed)[0], exit_buy_price=ONE)


@breaks(Check.POSITIONS)
def an_exit_price_without_fills(records: Stream) -> Stream:
    return changed(records, places(records, PositionClosed)[0], exit_buy_price=None)


@breaks(Check.POSITIONS, on="spread")
def reduced_to_more(records: Stream) -> Stream:
    index = places(records, PositionReduced)[0]
    return changed(records, index, quantity=event(records, index).quantity * 100)


@breaks(Check.POSITIONS)
def an_exit_that_closes_nothing(records: Stream) -> Stream:
    return dropped(records, places(records, PositionClosed)[0])


@breaks(Check.POSITIONS)
def dust_that_is_not_there(records: Stream) -> Stream:
    return changed(records, places(records, PairEnded)[0], dust=ONE)


@breaks(Check.POSITIONS, on="position kept")
def a_mark_of_another_quantity(records: Stream) -> Stream:
    return changed(records, places(records, PositionMarked)[0], quantity=ONE)


@breaks(Check.ENTRIES)
def an_entry_without_an_allow(records: Stream) -> Stream:
    return dropped(records, places(records, Decided, answer=Answer.ALLOW)[0])


@breaks(Check.ENTRIES)
def an_entry_that_was_denied(records: Stream) -> Stream:
    index = places(records, Decided, answer=Answer.ALLOW)[0]
    return changed(records, index, answer=Answer.DENY, pair_id=None, tier="symbol", rule="x", value="1", limit="1")


@breaks(Check.ENTRIES)
def an_entry_of_another_size(records: Stream) -> Stream:
    index = places(records, Decided, answer=Answer.ALLOW)[0]
    return changed(records, index, quantity=event(records, index).quantity * 2)


@breaks(Check.ENTRIES)
def allowed_and_never_opened(records: Stream) -> Stream:
    index = places(records, Decided, answer=Answer.ALLOW)[-1]
    pair_id = event(records, index).pair_id
    of_pair = {i for kind in (PairOpened, OrderSubmitted, PairEnded) for i in places(records, kind, pair_id=pair_id)}
    return dropped(records, *of_pair)


@breaks(Check.ENTRIES)
def an_entry_while_draining(records: Stream) -> Stream:
    entry = places(records, PairOpened, kind=PairKind.ENTRY)[-1]
    return moved(records, places(records, PhaseEntered, phase=Phase.DRAINING)[0], entry)


@breaks(Check.ENTRIES)
def a_leg_while_draining(records: Stream) -> Stream:
    entry = places(records, PairOpened, kind=PairKind.ENTRY)[-1]
    return moved(records, places(records, PhaseEntered, phase=Phase.DRAINING)[0], entry + 1)


@breaks(Check.ENTRIES)
def an_entry_after_a_stop(records: Stream) -> Stream:
    index = places(records, Decided, answer=Answer.ALLOW)[-1]
    stop = Decided(symbol="BTCUSDT", answer=Answer.STOP, tier="global", rule="stop", value="1", limit="1")
    return inserted(records, index, stop)


@breaks(Check.ENTRIES)
def an_entry_when_only_to_close(records: Stream) -> Stream:
    index = places(records, PairEnded, kind=PairKind.ENTRY)[0] + 1
    resumed = CampaignResumed(
        number=1, version="", config_digest="", last_seq=index, last_ts_ns=records[index - 1].ts_ns, close_only=True
    )
    return inserted(records, index, resumed)


@breaks(Check.ENTRIES)
def a_refusal_without_a_rule(records: Stream) -> Stream:
    return changed(records, places(records, Decided, answer=Answer.DENY)[0], rule=None)


@breaks(Check.EXPOSURE)
def too_little_reserved(records: Stream) -> Stream:
    index = places(records, PairOpened, kind=PairKind.ENTRY)[0]
    return changed(records, index, reserved_usd=ONE)


@breaks(Check.EXPOSURE)
def an_exit_that_reserves(records: Stream) -> Stream:
    return changed(records, places(records, PairOpened, kind=PairKind.EXIT)[0], reserved_usd=ONE)


@breaks(Check.EXPOSURE)
def a_position_exposed_to_less(records: Stream) -> Stream:
    return changed(records, places(records, PositionOpened)[0], exposure_usd=ONE)


@breaks(Check.EXPOSURE, on="residual")
def a_residual_that_costs_less(records: Stream) -> Stream:
    return changed(records, places(records, ResidualLeft)[0], cost_usd=ONE)


@breaks(Check.PNL)
def a_pair_that_earned_more(records: Stream) -> Stream:
    index = places(records, PairEnded)[0]
    return changed(records, index, pnl_usd=event(records, index).pnl_usd + Decimal("1e-15"))


@breaks(Check.PNL)
def a_pair_without_fees(records: Stream) -> Stream:
    return changed(records, places(records, PairEnded)[0], fees_usd=Decimal(0))


@breaks(Check.PNL)
def a_position_that_keeps_more(records: Stream) -> Stream:
    index = places(records, PositionOpened)[0]
    return changed(records, index, cash=event(records, index).cash + Decimal("1e-14"))


@breaks(Check.PNL)
def a_position_that_realised_more(records: Stream) -> Stream:
    return changed(records, places(records, PositionOpened)[0], realised=ONE)


@breaks(Check.PNL)
def a_trade_that_earned_more(records: Stream) -> Stream:
    index = places(records, PositionClosed)[0]
    return changed(records, index, pnl_usd=event(records, index).pnl_usd + Decimal("1e-15"))


@breaks(Check.PNL, on="spread")
def a_rest_that_keeps_more(records: Stream) -> Stream:
    index = places(records, PositionReduced)[0]
    return changed(records, index, fees=event(records, index).fees + Decimal("1e-14"))


@breaks(Check.PNL, on="dust")
def dust_of_gold(records: Stream) -> Stream:
    index = next(i for i in places(records, PairEnded) if event(records, i).dust)
    pair = event(records, index)
    return changed(records, index, pnl_usd=pair.pnl_usd + 1000, dust_value_usd=pair.dust_value_usd + 1000)


@breaks(Check.PNL, on="residual")
def a_residual_worth_more(records: Stream) -> Stream:
    index = places(records, ResidualLeft)[0]
    return changed(records, index, booked_value=event(records, index).booked_value + ONE)


@breaks(Check.PNL, on="entry learnt late")
def late_fills_that_earned_more(records: Stream) -> Stream:
    index = places(records, ResidualResolved)[0]
    return changed(records, index, pnl_usd=event(records, index).pnl_usd + Decimal("1e-15"))


@breaks(Check.INTENTS, on="crumbs")
def a_leg_that_is_larger_without_an_offer(records: Stream) -> Stream:
    return dropped(records, places(records, ResidualOffered)[0])


@breaks(Check.RESIDUALS, on="crumbs")
def what_goes_along_is_forgotten(records: Stream) -> Stream:
    return dropped(records, places(records, ResidualTaken)[0])


@breaks(Check.RESIDUALS, on="crumbs")
def more_goes_along_than_was_there(records: Stream) -> Stream:
    index = places(records, ResidualTaken)[0]
    return changed(records, index, quantity=event(records, index).quantity * 2)


@breaks(Check.RESIDUALS, on="crumbs")
def what_goes_along_brings_more_than_was_filled(records: Stream) -> Stream:
    index = places(records, ResidualTaken)[0]
    taken = event(records, index)
    return changed(records, index, value=taken.value + ONE, pnl_usd=taken.pnl_usd + ONE)


@breaks(Check.PNL, on="crumbs")
def what_goes_along_earned_more(records: Stream) -> Stream:
    index = places(records, ResidualTaken)[0]
    return changed(records, index, pnl_usd=event(records, index).pnl_usd + Decimal("1e-15"))


@breaks(Check.RESIDUALS, on="entry learnt late")
def a_residual_resolved_twice(records: Stream) -> Stream:
    index = places(records, ResidualResolved)[0]
    return inserted(records, index + 2, event(records, index))


@breaks(Check.RESIDUALS, on="entry learnt late")
def a_residual_resolved_that_was_never_left(records: Stream) -> Stream:
    return changed(records, places(records, ResidualResolved)[0], residual_id="p900.1")


@breaks(Check.RESIDUALS, on="entry learnt late")
def a_residual_resolved_too_early(records: Stream) -> Stream:
    index = places(records, ResidualResolved)[0]
    return moved(records, index, index - 2)


@breaks(Check.RESIDUALS, on="entry learnt late")
def late_fills_without_a_word(records: Stream) -> Stream:
    return dropped(records, *places(records, ResidualResolved), places(records, ResidualLeft)[-1])


@breaks(Check.RESIDUALS, on="entry learnt late")
def what_is_left_is_forgotten(records: Stream) -> Stream:
    return dropped(records, places(records, ResidualLeft)[-1])


@breaks(Check.RESIDUALS, on="residual")
def a_residual_of_no_pair(records: Stream) -> Stream:
    index = places(records, ResidualLeft)[0]
    return inserted(records, index + 2, replace(event(records, index), residual_id="p1.9"))


@breaks(Check.RESIDUALS, on="entry of unknown fate")
def a_residual_twice(records: Stream) -> Stream:
    first, second = places(records, ResidualLeft)[:2]
    return changed(records, second, residual_id=event(records, first).residual_id)


@breaks(Check.RESIDUALS, on="residual")
def a_residual_in_another_asset(records: Stream) -> Stream:
    return changed(records, places(records, ResidualLeft)[0], asset="USDT")


@breaks(Check.RESIDUALS, on="residual")
def a_residual_at_another_venue(records: Stream) -> Stream:
    return changed(records, places(records, ResidualLeft)[0], venue="c")


@breaks(Check.RESIDUALS, on="entry of unknown fate")
def an_unknown_fate_that_is_known(records: Stream) -> Stream:
    return changed(records, places(records, ResidualLeft, unknown=True)[0], client_order_id="nobody-1")


@breaks(Check.COUNTERS)
def counters_that_fall(records: Stream) -> Stream:
    index = places(records, FunnelCounted)[0]
    return inserted(records, index, replace(event(records, index), final=False, seen=10**6))


@breaks(Check.COUNTERS)
def fewer_sized_than_decided(records: Stream) -> Stream:
    index = places(records, FunnelCounted)[0]
    return changed(records, index, sized=event(records, index).sized - 1)


@breaks(Check.COUNTERS)
def fewer_sized_than_decided_of_a_route(records: Stream) -> Stream:
    index = places(records, RouteCounted)[0]
    return changed(records, index, sized=event(records, index).sized - 1)


@breaks(Check.COUNTERS)
def a_route_that_counts_more_than_its_symbol(records: Stream) -> Stream:
    index = places(records, RouteCounted)[-1]
    return changed(records, index, over_threshold=event(records, index).over_threshold + 1)


@breaks(Check.COUNTERS)
def a_route_tried_more_often_than_anything_was_evaluated(records: Stream) -> Stream:
    return changed(records, places(records, RouteCounted)[0], over_threshold=10**6)


@breaks(Check.COUNTERS)
def a_route_that_was_counted_is_gone(records: Stream) -> Stream:
    index = places(records, RouteCounted)[-1]
    return renumbered([*records[:index], *records[index + 1 :]])


@breaks(Check.COUNTERS)
def more_fresh_than_evaluated(records: Stream) -> Stream:
    index = places(records, FunnelCounted)[0]
    return changed(records, index, fresh=event(records, index).evaluated + 1)


@breaks(Check.COUNTERS)
def more_refused_than_seen(records: Stream) -> Stream:
    index = places(records, FunnelCounted)[0]
    return changed(records, index, refused=event(records, index).seen + 1)


@breaks(Check.COUNTERS)
def more_sized_and_not_than_wanted(records: Stream) -> Stream:
    return changed(records, places(records, FunnelCounted)[0], not_sized={"pair_in_flight": 10**6})


@breaks(Check.COUNTERS)
def a_refusal_repeated_that_was_none(records: Stream) -> Stream:
    return changed(records, places(records, DecisionsRepeated)[0], decision_seq=1)


@breaks(Check.COUNTERS)
def another_rule_repeated(records: Stream) -> Stream:
    return changed(records, places(records, DecisionsRepeated)[0], rule="position_count")


@breaks(Check.COUNTERS, on="resumed")
def fewer_sized_since_it_was_resumed(records: Stream) -> Stream:
    index = places(records, FunnelCounted)[0]
    return changed(records, index, sized=0)


@breaks(Check.EQUITY)
def equity_that_is_not_there(records: Stream) -> Stream:
    index = places(records, EquityStated)[0]
    return changed(records, index, now_usd=event(records, index).now_usd + ONE)


@breaks(Check.EQUITY)
def a_gain_of_inventory_that_is_called_arbitrage(records: Stream) -> Stream:
    index = places(records, EquityStated)[0]
    stated = event(records, index)
    return changed(records, index, arbitrage_usd=stated.arbitrage_usd + ONE, inventory_usd=stated.inventory_usd - ONE)


@breaks(Check.RATES, on="two monies")
def a_rate_that_is_not_what_its_sources_say(records: Stream) -> Stream:
    index = places(records, FxRated, state=FxState.GOOD)[-1]
    return changed(records, index, bid=event(records, index).bid * Decimal("0.999"))


@breaks(Check.RATES, on="two monies")
def a_source_that_counts_and_is_too_old(records: Stream) -> Stream:
    index = places(records, FxRated, state=FxState.GOOD)[-1]
    return changed(records, index, old=tuple(event(records, index).bids))


@breaks(Check.RATES, on="two monies")
def an_entry_at_a_rate_that_was_disputed(records: Stream) -> Stream:
    index = places(records, FxRated, state=FxState.GOOD)[0]
    return changed(records, index, state=FxState.DISPUTED, bids={}, asks={})


@breaks(Check.RATES, on="two monies")
def an_entry_at_other_rates_than_were_decided_on(records: Stream) -> Stream:
    index = places(records, PairOpened, kind=PairKind.ENTRY)[0]
    return changed(records, index, sell_fx=event(records, index).sell_fx * Decimal("1.001"))


@breaks(Check.RATES, on="two monies")
def a_fill_without_the_rate_that_it_needs(records: Stream) -> Stream:
    index = next(one for one in places(records, OrderFilled, quote="KRW"))
    return changed(records, index, fx_rate=None)


@breaks(Check.RATES, on="two monies")
def a_fill_at_a_rate_that_it_calls_old(records: Stream) -> Stream:
    index = places(records, OrderFilled, quote="KRW")[0]
    return changed(records, index, fx_state=FxState.OLD)


@breaks(Check.PNL, on="two monies")
def a_fill_that_is_counted_at_another_rate(records: Stream) -> Stream:
    index = places(records, OrderFilled, quote="KRW")[0]
    return changed(records, index, fx_rate=event(records, index).fx_rate * Decimal("1.001"))


@breaks(Check.EQUITY, on="two monies")
def a_gain_by_rates_that_is_called_arbitrage(records: Stream) -> Stream:
    index = places(records, EquityStated)[0]
    stated = event(records, index)
    return changed(records, index, arbitrage_usd=stated.arbitrage_usd + ONE, fx_usd=stated.fx_usd - ONE)


@breaks(Check.MARKS, on="position kept")
def what_is_open_is_worth_something_else(records: Stream) -> Stream:
    index = places(records, MarketsMarked)[-1]
    return changed(records, index, unrealised_usd={"BTCUSDT": ONE})


@pytest.mark.parametrize(("name", "on", "check", "spoil"), BROKEN, ids=[case[0] for case in BROKEN])
def test_every_rule_that_is_broken_is_found(name: str, on: str, check: Check, spoil: Spoil) -> None:
    result = verified(spoil(stream(on)))

    assert not result.is_sound
    found = [str(violation) for violation in result.violations]
    assert any(violation.check is check for violation in result.violations), found
    assert next(one.violations for one in result.checks if one.check is check)


def test_every_check_has_a_rule_that_is_broken() -> None:
    assert {case[2] for case in BROKEN} == set(Check)


# Whatever is taken away or changed

#: What can be missing, or another figure, without contradicting anything.
_DISPENSABLE = (Deposited, FunnelCounted, GuardTripped, InstrumentListed, MarketUp, OrderAcknowledged, OrderUnknown)
_DISPENSABLE_TOO = (DecisionsRepeated, EquityStated, MarketsMarked, PhaseEntered, PositionMarked)
_FREE_FIGURES = {
    CampaignOpened: {"fx"},
    Decided: {"edge_bps", "ask", "ask_size", "bid", "bid_size"},
    PositionMarked: {"unrealised_usd"},
}


@pytest.mark.parametrize("name", ["partial fills", "spread", "residual", "entry learnt late", "exit of unknown fate"])
def test_no_event_can_be_missing(name: str) -> None:
    records = stream(name)
    for index, record in enumerate(records):
        is_refusal = isinstance(record.event, Decided) and record.event.answer is not Answer.ALLOW
        if is_refusal or isinstance(record.event, _DISPENSABLE + _DISPENSABLE_TOO):
            continue
        if isinstance(record.event, CampaignEnded):
            assert not verified(dropped(records, index)).facts.is_finished
            continue
        assert not verified(dropped(records, index)).is_sound, f"without {record}"


@pytest.mark.parametrize(
    "name", ["partial fills", "spread", "dust", "residual", "entry learnt late", "exit learnt late"]
)
@pytest.mark.parametrize("by", [Decimal("1.01"), Decimal("-1")])
def test_no_figure_can_be_another(name: str, by: Decimal) -> None:
    records = stream(name)
    for index, record in enumerate(records):
        if isinstance(record.event, Deposited | InstrumentListed | DecisionsRepeated):
            continue
        if isinstance(record.event, Decided) and record.event.answer is not Answer.ALLOW:
            continue
        free = _FREE_FIGURES.get(type(record.event), set())
        for field in record.event.__struct_fields__:
            figure = getattr(record.event, field)
            if not isinstance(figure, Decimal) or not figure or field in free:
                continue
            if _is_free(records, record.event, field):
                continue
            spoilt = changed(records, index, **{field: figure * by})
            assert not verified(spoilt).is_sound, f"{field} of {record}"


def _is_free(records: Stream, event: Event, field: str) -> bool:
    """Return whether nothing depends on a figure."""
    match event:
        case OrderSubmitted(purpose=purpose):
            return purpose is not Purpose.LEG and field == "limit_price"
        case PairOpened(kind=PairKind.EXIT, pair_id=pair_id):
            # Legs go down to whole lots; what is too small to trade is written off without any.
            return field == "quantity" or not places(records, OrderSubmitted, pair_id=pair_id)
        case _:
            return False


# What a journal may hold


def test_a_difference_of_balances_can_be_booked() -> None:
    records = stream("partial fills")
    differed = BalanceDiffered(venue="a", asset="USDT", held=Decimal(99_999), booked=Decimal(100_000))
    deposited = Deposited(venue="a", asset="USDT", amount=-ONE, reason="difference")

    records = dropped(records, places(records, EquityStated)[0])  # it would come to something else
    assert verified(inserted(records, places(records, PhaseEntered)[0], differed, deposited)).is_sound


def test_after_a_stop_was_cleared_entries_are_allowed_again() -> None:
    records = stream("partial fills")
    index = places(records, Decided, answer=Answer.ALLOW)[-1]
    stop = Decided(symbol="BTCUSDT", answer=Answer.STOP, tier="global", rule="stop", value="1", limit="1")

    assert not verified(inserted(records, index, stop)).is_sound
    assert verified(inserted(records, index, stop, StopCleared())).is_sound


def test_a_campaign_can_be_resumed_after_its_end() -> None:
    records = stream("position kept")
    resumed = CampaignResumed(
        number=1, version="", config_digest="", last_seq=len(records), last_ts_ns=records[-1].ts_ns, close_only=True
    )
    phases = [PhaseEntered(phase=phase) for phase in (Phase.RUNNING, Phase.DRAINING, Phase.CLOSED)]
    events = [resumed, *phases, CampaignEnded(ended_by=EndedBy.RUNTIME)]
    more = [Record(len(records) + number, records[-1].ts_ns, one) for number, one in enumerate(events, 1)]

    result = verified([*records, *more])

    assert result.is_sound
    assert result.facts.stretches == 2


def test_guards_may_trip_between_a_resolution_and_what_is_left() -> None:
    records = stream("entry learnt late")
    tripped = GuardTripped(tier="symbol", rule="circuit_breaker", answer=Answer.DENY, value="3", limit="3")

    assert verified(inserted(records, places(records, ResidualResolved)[0] + 1, tripped)).is_sound


def test_counters_may_fall_when_a_campaign_is_resumed() -> None:
    records = stream("resumed")
    index = places(records, CampaignResumed)[0]
    counted = event(records, places(records, FunnelCounted)[0])
    before = replace(counted, final=False, seen=counted.seen + 100)
    resumed = inserted(records, index, before)
    at = places(resumed, CampaignResumed)[0]

    assert verified(changed(resumed, at, last_seq=at)).is_sound


# The journal's own ledger and exposure


def test_a_ledger_that_loses_a_fee_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(Ledger):
        @property
        def folds(self) -> Mapping[type[Event], Fold]:
            folds = super().folds
            fill, nothing = folds[OrderFilled], Decimal(0)
            return {
                **folds,
                OrderFilled: lambda event, record: fill(replace(event, fee=nothing), record),
            }

    monkeypatch.setattr(verification, "Ledger", Forgetful)
    result = verified(stream("partial fills"))

    assert {violation.check for violation in result.violations} == {Check.LEDGER}
    assert "in the journal's ledger" in result.violations[0].what


def test_a_ledger_that_does_not_release_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clinging(Ledger):
        @property
        def folds(self) -> Mapping[type[Event], Fold]:
            return {**super().folds, OrderCancelled: lambda event, record: None}

    monkeypatch.setattr(verification, "Ledger", Clinging)

    assert {violation.check for violation in verified(stream("partial fills")).violations} == {Check.LEDGER}


def test_an_exposure_that_keeps_a_reservation_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clinging(Exposure):
        @property
        def folds(self) -> Mapping[type[Event], Fold]:
            return {**super().folds, PairEnded: lambda event, record: None}

    monkeypatch.setattr(verification, "Exposure", Clinging)

    assert {violation.check for violation in verified(stream("partial fills")).violations} == {Check.EXPOSURE}


def test_figures_are_exact_whatever_their_size() -> None:
    records = list(stream("partial fills"))
    result = verified(records)
    expected = Decimal(0)
    for record in records:
        if isinstance(record.event, PairEnded):
            expected = EXACT.add(expected, record.event.pnl_usd)
    assert result.facts.pnl_usd == expected


@pytest.mark.parametrize(
    ("ids", "new"),
    [
        (["p1", "p2", "p2", "p1"], [True, True, False, False]),
        (["p1", "t1", "p01", "p001", "p1"], [True, True, True, True, False]),
        (["x-99999999", "x-1", "x-99999999", "x-1"], [True, True, False, False]),
        (["", "", "x", "x", "1" * 40, "1" * 40], [True, False, True, False, True, False]),
        (["x-70000000", *(f"x-{number}" for number in range(1, 4)), "x-70000000"], [True] * 4 + [False]),
    ],
)
def test_ids_are_seen_once(ids: list[str], new: list[bool]) -> None:
    seen = SeenIds()
    for one, is_new in zip(ids, new, strict=True):
        assert (one in seen) is not is_new
        assert seen.add(one) is is_new
        assert one in seen


def test_many_ids_take_little_memory() -> None:
    seen = SeenIds()
    assert all(seen.add(f"campaign-{number}") for number in range(100_000))
    assert not any(seen.add(f"campaign-{number}") for number in range(0, 100_000, 997))
    assert sum(map(len, seen._bits.values())) < 20_000
    assert not seen._others


def test_renumbering_keeps_a_sound_stream_sound() -> None:
    records: Mapping[str, Stream] = {name: stream(name) for name in ("partial fills", "spread")}
    assert all(verified(renumbered(one)).is_sound for one in records.values())


BASIS = SPREAD.with_name("basis.toml")
FUNDED = "contracts, with funding"


@pytest.mark.parametrize("number", range(8))
def test_a_funding_that_is_missing_in_part_or_whole_is_unsound(number: int) -> None:
    records = stream(FUNDED)
    at = places(records, FundingPaid)[number]

    found = [str(one) for one in verified(dropped(records, at)).violations]
    assert any("comes after the funding of" in one for one in found), found


def test_funding_that_is_paid_twice_is_unsound_under_another_id_too() -> None:
    records = stream(FUNDED)
    at = places(records, FundingPaid)[0]
    again = replace(event(records, at), charge_id="another")

    found = [str(one) for one in verified(inserted(records, at + 1, again)).violations]
    assert any("comes after the funding of" in one for one in found), found


def test_a_liquidation_without_its_fills_twice_or_without_a_reason_is_unsound() -> None:
    records = stream("contracts, liquidated")
    at = places(records, ContractsLiquidated)[0]
    told = event(records, at)

    for spoilt, said in (
        (dropped(records, at), "no contracts_liquidated tells of it"),
        (changed(records, at, quantity=told.quantity * 2), "no fill accounts for"),
        (changed(records, at, fees=told.fees + 1), "no fill accounts for"),
        (changed(records, at, balance=told.maintenance), "liquidates an account worth"),
        (inserted(records, at + 1, told), "is liquidated a second time"),
    ):
        found = [str(one) for one in verified(spoilt).violations]
        assert any(said in one for one in found), (said, found)


def test_a_distance_to_liquidation_that_the_books_do_not_come_to_is_unsound() -> None:
    """An account with two contracts: a third is refused, since the nearest of all would be too near."""
    result = run_virtual(tight())
    records = list(result.records)
    found = [
        at
        for at in places(records, Decided, rule="liquidation_distance")
        if isinstance(records[at - 1].event, MarketsMarked | Decided)
    ]
    assert found
    assert not verified(records).violations
    for at in found:
        value = event(records, at).value
        far, _, where = value.partition(" ")
        wrong = changed(records, at, value=f"{Decimal(far) + Decimal('0.1')} {where}")
        assert any("to liquidation; the books come to" in str(one) for one in verified(wrong).violations)


def tight() -> dict[str, Any]:
    """Return a campaign whose account can't hold many contracts."""
    table = tomli.loads(BASIS.read_text(encoding="utf-8"), parse_float=Decimal)
    table["session"] |= {"max_runtime_seconds": 200, "seed": 3}
    table["exchanges"]["perp"] |= {"leverage": 20, "maintenance_margin_bps": 250, "balances": {"USDT": "120"}}
    for venue in table["exchanges"].values():
        venue["market"] |= {"volatility_bps": 15, "size_usd": 600, "step_ms": 500}
    table["exchanges"]["perp"]["market"] |= {"basis_bps": 40, "basis_half_life_seconds": 30}
    table["strategy"] |= {"exit_bps": 900}
    table["guards"]["global"] |= {"min_liquidation_distance_pct": 5}
    return table
