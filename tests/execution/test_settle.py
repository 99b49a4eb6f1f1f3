"""Every combination of what two legs can have filled by the end of their pair is accounted for, to the last digit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import partial
from itertools import product
from typing import TypeVar

import attrs
import pytest
from msgspec.structs import replace

from trioarb.execution.late import settle_late
from trioarb.execution.pair import Finish
from trioarb.execution.settle import EndedLeg, settle
from trioarb.model.event import (
    Event,
    OrderFilled,
    OrderSubmitted,
    PairEnded,
    PairOpened,
    PositionClosed,
    PositionOpened,
    PositionReduced,
    ResidualLeft,
    ResidualResolved,
)
from trioarb.model.market import Instrument, Route, TradingRules
from trioarb.model.order import Order, Purpose, Side
from trioarb.model.trade import ExitReason, PairKind, PairOutcome, Position
from trioarb.quotes.board import Touch
from trioarb.state.trades import Flow, OpenOrder, PairFlows, TradeTotals

E = TypeVar("E", bound=Event)
D = Decimal
ZERO = D(0)
USD = D("1.25")
LEAST = D("0.1")
#: One venue has a coarser lot, the other a least value that comes to as much.
AT = {
    venue: Instrument(
        symbol="BTCUSDT",
        venue=venue,
        native_id="BTCUSDT",
        base="BTC",
        quote="USDT",
        rules=TradingRules(tick_size=D("0.1"), lot_size=D(lot), min_notional=D(least)),
        maker_fee_bps=D(0),
        taker_fee_bps=D(0),
    )
    for venue, lot, least in (("a", "0.1", "1"), ("b", "0.01", "9.8"))
}
#: What a leg of 2 can have filled, and what one that evens out can have traded after it, the other way.
FILLED = [D(0), D("0.05"), D("0.1"), D("0.7"), D("1.3"), D(2)]
UNDONE = [D(0), D("0.05"), D("0.7")]
TOUCHES = [None, Touch(bid=D("99.9"), bid_size=D(5), ask=D("100.3"), ask_size=D(5))]


def fill(side: Side, quantity: Decimal, price: Decimal) -> OrderFilled:
    """Return a fill with a fee in quote asset of 10 bps when bought, or a rebate of 1 bps when sold."""
    fee = quantity * price * (D("0.001") if side is Side.BUY else D("-0.0001"))
    return OrderFilled(
        client_order_id="x",
        fill_id="x",
        venue="x",
        symbol="BTCUSDT",
        side=side,
        base="BTC",
        quote="USDT",
        quantity=quantity,
        price=price,
        fee=fee,
        fee_asset="USDT",
    )


def flow(side: Side, filled: Decimal, undone: Decimal = ZERO) -> Flow:
    """Return what a leg of a side has filled at two prices, and what was traded back of it."""
    result = Flow()
    first = min(filled, D("0.4"))
    other = Side.SELL if side is Side.BUY else Side.BUY
    for which, quantity, price in ((side, first, "100.1"), (side, filled - first, "100.7"), (other, undone, "98.3")):
        if quantity:
            result.add(fill(which, quantity, D(price)))
    return result


def opened(kind: PairKind, *, holds: bool = True) -> PairOpened:
    """Return a pair that buys 2 at a and sells as much at b; an exit then closes what is long at b and short at a."""
    return PairOpened(
        pair_id="p7",
        trade_id="t3",
        kind=kind,
        symbol="BTCUSDT",
        buy_venue="a",
        sell_venue="b",
        quantity=D(2),
        buy_limit=D(101),
        sell_limit=D(98),
        reserved_usd=D(0),
        reason=ExitReason.EDGE if kind is PairKind.EXIT else None,
        holds=holds,
    )


POSITION = Position(
    trade_id="t3",
    route=Route(symbol="BTCUSDT", buy_venue="b", sell_venue="a"),
    opened_quantity=D(3),
    quantity=D(2),
    buy_price=D("99.5"),
    sell_price=D("100.5"),
    cash=D("2.1"),
    fees=D("0.3"),
    realised=D("-0.7"),
    opened_ns=5,
)


def order(venue: str, side: Side, quantity: Decimal) -> Order:
    return Order(
        client_order_id=f"late-{venue}",
        venue=venue,
        symbol="BTCUSDT",
        side=side,
        quantity=quantity,
        limit_price=D("100.2"),
    )


UNKNOWN: list[tuple[Order, ...]] = [
    (),
    (order("a", Side.BUY, D("0.6")),),
    (order("b", Side.SELL, D("0.6")),),
    (order("a", Side.BUY, D(2)), order("b", Side.SELL, D(2))),
]


@attrs.frozen(kw_only=True)
class Case:
    kind: PairKind
    buy: Flow
    sell: Flow
    unknown: tuple[Order, ...]
    touches: tuple[Touch | None, Touch | None]
    last_touches: tuple[Touch | None, Touch | None] = (None, None)
    holds: bool = True
    #: What one of both legs' quote asset is worth; each leg its own, if that is asked for.
    has_own_rates: bool = False

    @property
    def imbalance(self) -> Decimal:
        return self.buy.net + self.sell.net

    def settle(self) -> list[Event]:
        is_exit = self.kind is PairKind.EXIT
        flows = PairFlows(opened(self.kind, holds=self.holds), buy=self.buy, sell=self.sell)
        leg = partial(
            EndedLeg,
            touch=dict(zip("ab", self.touches, strict=True)).get,
            last_touch=dict(zip("ab", self.last_touches, strict=True)).get,
            usd_per_quote=USD if self.has_own_rates else None,
        )
        buy = leg(instrument=AT["a"], sign=1, flow=self.buy, limit=D(101))
        sell = leg(instrument=AT["b"], sign=-1, flow=self.sell, limit=D(98))
        if is_exit:
            held = POSITION.quantity
            buy = replace(buy, sign=-1, before=-held, price=POSITION.sell_price)
            sell = replace(sell, sign=1, before=held, price=POSITION.buy_price)
        return settle(
            flows,
            self.finish,
            (sell, buy) if is_exit else (buy, sell),
            position=POSITION if is_exit else None,
            totals=TradeTotals(exit_buy=self.buy, exit_sell=self.sell, fees=self.buy.fees + self.sell.fees),
            unknown=self.unknown,
            now_ns=9,
            usd_per_quote=D(1) if self.has_own_rates else USD,
            dust_usd=D(10**9),
        )

    @property
    def finish(self) -> Finish:
        """How the machine would end it, out of time."""
        hedged = min(self.buy.net, -self.sell.net)
        even = PairOutcome.HEDGED if self.kind is PairKind.ENTRY and hedged > 0 else PairOutcome.FLAT
        if self.unknown:
            return Finish(PairOutcome.RESIDUAL, self.imbalance, False)
        if not self.imbalance:
            return Finish(even, D(0), False)
        if abs(self.imbalance) < LEAST:
            return Finish(even, self.imbalance, True)
        return Finish(PairOutcome.RESIDUAL, self.imbalance, False)


def cases(kind: PairKind) -> Iterator[Case]:
    for bought, sold, undone, unknown in product(FILLED, FILLED, UNDONE, UNKNOWN):
        # What evens out is traded where more was filled, or, in an exit, never.
        if undone and (kind is PairKind.EXIT or undone > abs(bought - sold)):
            continue
        for touches in product(TOUCHES, TOUCHES):
            yield Case(
                kind=kind,
                buy=flow(Side.BUY, bought, undone if bought > sold else D(0)),
                sell=flow(Side.SELL, sold, undone if sold > bought else D(0)),
                unknown=unknown,
                touches=touches,
            )


def of_type(events: Sequence[Event], kind: type[E]) -> list[E]:
    return [one for one in events if isinstance(one, kind)]


def held_by_residuals(events: Sequence[Event]) -> dict[str, Fraction]:
    """Return what certain residuals hold, by venue."""
    held = dict.fromkeys("ab", Fraction(0))
    for one in of_type(events, ResidualLeft):
        if not one.possible:
            held[one.venue] += Fraction(one.quantity)
    return held


def check(case: Case) -> None:
    """Hold quantity and cash of a settlement against each other, in fractions."""
    events = case.settle()
    (ended,) = of_type(events, PairEnded)
    assert events[-1] is ended
    residuals = of_type(events, ResidualLeft)
    kept = [one for one in events if isinstance(one, PositionOpened | PositionReduced)]
    assert len(kept) <= 1
    is_exit = case.kind is PairKind.EXIT
    before = Fraction(POSITION.quantity) if is_exit else Fraction(0)
    was_moved = bool(kept or of_type(events, PositionClosed))
    rest = Fraction(kept[0].quantity) if kept else before if not was_moved else Fraction(0)
    assert rest == 0 or rest >= LEAST or rest == before

    # What is long at one venue and short at the other: what was, and what flowed.
    sign = -1 if is_exit else 1
    at_a, at_b = sign * before + Fraction(case.buy.net), -sign * before + Fraction(case.sell.net)
    left = held_by_residuals(events)
    if ended.outcome is PairOutcome.RESIDUAL:
        both = Fraction(ended.dust)
        assert at_a - left["a"] == sign * (rest + both)
        assert at_b - left["b"] == -sign * (rest + both)
    else:
        assert not residuals
        assert max(abs(at_a - sign * rest), abs(at_b + sign * rest)) <= Fraction(ended.dust) < 2 * LEAST

    # Cash: all that flowed is kept, or realised, or stands in what is left at its value.
    total = Fraction(case.buy.cash) + Fraction(case.sell.cash) - Fraction(case.buy.fees) - Fraction(case.sell.fees)
    total += Fraction(POSITION.cash - POSITION.fees) if is_exit else 0
    held = Fraction(0)
    if kept:
        held = Fraction(kept[0].cash) - Fraction(kept[0].fees)
    elif not was_moved and is_exit:
        held = Fraction(POSITION.cash - POSITION.fees)
    values = sum((Fraction(one.booked_value) for one in residuals), Fraction(0))
    dust_value = Fraction(ended.dust_value_usd) / Fraction(USD)
    assert Fraction(ended.pnl_usd) / Fraction(USD) == total - held + values + dust_value
    assert Fraction(ended.fees_usd) == (Fraction(case.buy.fees) + Fraction(case.sell.fees)) * Fraction(USD)

    # A trade's realised PnL goes on from what it was.
    realised = Fraction(ended.pnl_usd) / Fraction(USD)
    for one in kept:
        assert Fraction(one.realised) == realised + (Fraction(POSITION.realised) if is_exit else 0)
    for closed in of_type(events, PositionClosed):
        assert Fraction(closed.pnl_usd) / Fraction(USD) == realised + Fraction(POSITION.realised)

    # Each order without an answer is named by one residual.
    assert {one.client_order_id for one in residuals if one.unknown} == {one.client_order_id for one in case.unknown}
    assert all(one.booked_value == 0 for one in residuals if one.possible)
    assert (ended.outcome is PairOutcome.RESIDUAL) == bool(residuals)


@pytest.mark.parametrize("kind", PairKind)
def test_whatever_was_filled_is_accounted_for(kind: PairKind) -> None:
    count = 0
    for case in cases(kind):
        check(case)
        count += 1
    assert count > 500


def test_an_entry_without_an_exit_earns_what_its_legs_differ_by_and_leaves_what_another_would() -> None:
    for case in cases(PairKind.ENTRY):
        events, held = attrs.evolve(case, holds=False).settle(), case.settle()
        assert of_type(events, ResidualLeft) == of_type(held, ResidualLeft)
        (ended,) = of_type(events, PairEnded)
        left = sum(Fraction(one.booked_value) for one in of_type(events, ResidualLeft))
        earned = sum(Fraction(one.cash) - Fraction(one.fees) for one in (case.buy, case.sell)) + left
        assert Fraction(ended.pnl_usd) == earned * Fraction(USD) + Fraction(ended.dust_value_usd)
        traded = max(D(0), min(case.buy.net, -case.sell.net))
        closed = of_type(events, PositionClosed)
        assert [one.quantity for one in of_type(events, PositionOpened)] == [traded] * bool(traded)
        # However little it is: nothing of it has to be traded again.
        assert [(one.quantity, one.pnl_usd, one.reason) for one in closed] == [
            (traded, ended.pnl_usd, ExitReason.ONCE)
        ] * bool(traded)


def test_an_exit_that_moved_nothing_changes_nothing() -> None:
    case = Case(kind=PairKind.EXIT, buy=Flow(), sell=Flow(), unknown=(), touches=(None, None))
    assert [type(one) for one in case.settle()] == [PairEnded]


def test_what_an_exit_realised_stays_with_its_position_even_if_it_closed_nothing() -> None:
    traded = flow(Side.BUY, D("0.7"), D("0.7"))
    case = Case(kind=PairKind.EXIT, buy=traded, sell=Flow(), unknown=(), touches=(None, None))
    (reduced,) = of_type(case.settle(), PositionReduced)
    assert (reduced.quantity, reduced.cash, reduced.fees) == (POSITION.quantity, POSITION.cash, POSITION.fees)
    assert reduced.realised == POSITION.realised + traded.cash - traded.fees
    check(case)


@pytest.mark.parametrize("sold", ["2.3", "2"])
def test_an_exit_that_sold_more_than_there_was_closes_the_position_and_leaves_the_rest_short(sold: str) -> None:
    case = Case(
        kind=PairKind.EXIT, buy=flow(Side.BUY, D(2)), sell=flow(Side.SELL, D(sold)), unknown=(), touches=(None, None)
    )
    events = case.settle()
    assert len(of_type(events, PositionClosed)) == 1
    assert [one.quantity for one in of_type(events, ResidualLeft)] == ([D("-0.3")] if sold == "2.3" else [])
    check(case)


def test_an_exit_that_traded_too_much_on_both_legs_ends_as_a_residual() -> None:
    """It bought as much as it sold, which looks even; but there was less to close."""
    case = Case(
        kind=PairKind.EXIT,
        buy=flow(Side.BUY, D("2.3")),
        sell=flow(Side.SELL, D("2.3")),
        unknown=(),
        touches=(None, None),
    )
    events = case.settle()
    assert case.finish.outcome is PairOutcome.FLAT
    (ended,) = of_type(events, PairEnded)
    assert ended.outcome is PairOutcome.RESIDUAL
    assert held_by_residuals(events) == {"a": Fraction(3, 10), "b": Fraction(-3, 10)}
    check(case)


WITHDRAWN = Touch(bid=None, bid_size=D(0), ask=None, ask_size=D(0))


@pytest.mark.parametrize("touch", [None, WITHDRAWN, Touch(bid=None, bid_size=D(0), ask=D("100.3"), ask_size=D(5))])
def test_what_is_left_where_its_side_was_withdrawn_is_worth_its_last_price_and_says_so(touch: Touch | None) -> None:
    case = Case(
        kind=PairKind.ENTRY,
        buy=flow(Side.BUY, D(2)),
        sell=Flow(),
        unknown=(),
        touches=(touch, None),
        last_touches=(Touch(bid=D("99.2"), bid_size=D(5), ask=D("100.3"), ask_size=D(5)), None),
    )
    check(case)
    (left,) = of_type(case.settle(), ResidualLeft)
    assert (left.mark_price, left.last_price, left.booked_value) == (None, D("99.2"), 2 * D("99.2"))
    (there,) = of_type(attrs.evolve(case, touches=(TOUCHES[1], None)).settle(), ResidualLeft)
    assert (there.mark_price, there.last_price, there.booked_value) == (D("99.9"), None, 2 * D("99.9"))
    (never,) = of_type(attrs.evolve(case, last_touches=(None, None)).settle(), ResidualLeft)
    assert (never.mark_price, never.last_price, never.booked_value) == (None, None, 2 * never.average_price)


def test_after_a_resume_what_a_late_order_leaves_is_worth_what_the_journal_says_of_it() -> None:
    unknown = order("a", Side.SELL, D("0.6"))
    case = Case(
        kind=PairKind.ENTRY,
        buy=flow(Side.BUY, D("0.7")),
        sell=Flow(),
        unknown=(unknown,),
        touches=(WITHDRAWN, None),
        last_touches=(TOUCHES[1], None),
    )
    (residual,) = of_type(case.settle(), ResidualLeft)
    submitted = OrderSubmitted(
        client_order_id=unknown.client_order_id,
        pair_id="p7",
        purpose=Purpose.UNWIND,
        venue="a",
        symbol="BTCUSDT",
        side=Side.SELL,
        quantity=unknown.quantity,
        limit_price=unknown.limit_price,
        locked_asset="x",
        locked=D(0),
    )
    late = OpenOrder(submitted, PairFlows(opened(PairKind.ENTRY), buy=case.buy, sell=case.sell))
    events = settle_late(late, residual, AT["a"], lambda _: WITHDRAWN, lambda _: None, usd_per_quote=USD)
    (resolved,), (left,) = of_type(events, ResidualResolved), of_type(events, ResidualLeft)
    assert (left.last_price, left.booked_value) == (D("99.9"), residual.booked_value)
    assert resolved.pnl_usd == 0


LATE_FILLS = [D(0), D("0.05"), D("0.6")]


@pytest.mark.parametrize("touch", TOUCHES)
@pytest.mark.parametrize("filled", LATE_FILLS)
@pytest.mark.parametrize("kind", PairKind)
@pytest.mark.parametrize("unknown", UNKNOWN[1:])
def test_late_fills_take_the_place_of_what_was_left_for_their_sake(
    unknown: tuple[Order, ...], kind: PairKind, filled: Decimal, touch: Touch | None
) -> None:
    case = Case(
        kind=kind, buy=flow(Side.BUY, D("0.7")), sell=flow(Side.SELL, D("1.3")), unknown=unknown, touches=(touch, None)
    )
    flows = PairFlows(opened(kind), buy=case.buy, sell=case.sell)
    for residual in of_type(case.settle(), ResidualLeft):
        sent = next((one for one in unknown if one.client_order_id == residual.client_order_id), None)
        if sent is None:
            continue
        submitted = OrderSubmitted(
            client_order_id=sent.client_order_id,
            pair_id="p7",
            purpose=Purpose.LEG,
            venue=sent.venue,
            symbol=sent.symbol,
            side=sent.side,
            quantity=sent.quantity,
            limit_price=sent.limit_price,
            locked_asset="x",
            locked=D(0),
        )
        late = OpenOrder(submitted, flows, late=flow(sent.side, filled))
        events = settle_late(late, residual, AT[sent.venue], lambda _: touch, lambda _: None, usd_per_quote=USD)
        (resolved,), left = of_type(events, ResidualResolved), of_type(events, ResidualLeft)
        held = D(0) if residual.possible else residual.quantity
        assert sum((one.quantity for one in left), D(0)) == held + late.late.net
        value = sum((one.booked_value for one in left), D(0))
        brought = (
            Fraction(late.late.cash) - Fraction(late.late.fees) + Fraction(value) - Fraction(residual.booked_value)
        )
        assert Fraction(resolved.pnl_usd) / Fraction(USD) == brought
        assert not any(one.unknown or one.possible for one in left)


def test_legs_with_rates_of_their_own_come_to_the_same_usd() -> None:
    """A position is then counted in USD, too."""
    for case in cases(PairKind.ENTRY):
        for holds in (True, False):
            together = attrs.evolve(case, holds=holds).settle()
            apart = attrs.evolve(case, holds=holds, has_own_rates=True).settle()
            assert len(apart) == len(together)
            for one, other in zip(apart, together, strict=True):
                if isinstance(other, PositionOpened):
                    amounts = {name: getattr(other, name) * USD for name in ("cash", "fees", "realised")}
                    assert one == replace(other, **amounts)
                elif isinstance(other, PositionClosed):
                    assert one == replace(other, fees_usd=other.fees_usd / USD)  # its totals are those of its flows
                else:
                    assert one == other


def nowhere(_: str) -> Touch | None:
    return None


def test_an_order_that_filled_nothing_late_and_left_nothing_changes_nothing() -> None:
    flows = PairFlows(opened(PairKind.ENTRY))
    submitted = OrderSubmitted(
        client_order_id="x",
        pair_id="p7",
        purpose=Purpose.LEG,
        venue="a",
        symbol="BTCUSDT",
        side=Side.BUY,
        quantity=D(1),
        limit_price=D(1),
        locked_asset="x",
        locked=D(0),
    )
    assert settle_late(OpenOrder(submitted, flows), None, AT["a"], nowhere, nowhere, usd_per_quote=USD) == []
    filled = OpenOrder(submitted, flows, late=flow(Side.BUY, D(1)))
    with pytest.raises(AssertionError, match="no residual stands for it"):
        settle_late(filled, None, AT["a"], nowhere, nowhere, usd_per_quote=USD)
