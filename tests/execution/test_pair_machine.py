"""Random venues, and whatever becomes of each order: what a pair does next never goes too far, and it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trioarb.execution.pair import Finish, PairState, Quote, Send, Wait, Withdraw, next_step
from trioarb.model.market import Instrument, TradingRules
from trioarb.model.order import Purpose, Side
from trioarb.model.trade import Account, PairKind, PairOutcome
from trioarb.quotes.board import Touch
from trioarb.strategy.leg import Leg

BPS = 10_000
#: Nested or not, and one that nothing of these prices fits into.
LOTS = ("0.1", "0.03", "1", "0.5", "0.02", "0.3", "0.007", "0.00001", "7")


def decimals(*texts: str) -> st.SearchStrategy[Decimal]:
    return st.sampled_from([Decimal(text) for text in texts])


def sizes(most: int = 400) -> st.SearchStrategy[Decimal]:
    return st.integers(1, most * 1000).map(lambda thousandths: Decimal(thousandths) / 1000)


def lots(most: Decimal, lot: Decimal) -> st.SearchStrategy[Decimal]:
    """Return whole lots up to a quantity; nothing and all of it more often than the rest."""
    count = int(most / lot)
    return st.one_of(st.just(0), st.just(count), st.integers(0, count)).map(lambda number: number * lot)


@st.composite
def instruments(draw: st.DrawFn, venue: str) -> Instrument:
    rules = TradingRules(
        tick_size=draw(decimals("0.1", "0.01", "0.05", "0.003", "4")),
        lot_size=draw(decimals(*LOTS)),
        min_notional=draw(decimals("0", "5", "10", "50", "700")),
    )
    fee = draw(decimals("4", "0", "-2", "30"))
    return Instrument(
        symbol="BTCUSDT",
        venue=venue,
        native_id="BTCUSDT",
        base="BTC",
        quote="USDT",
        rules=rules,
        maker_fee_bps=fee,
        taker_fee_bps=fee,
    )


@st.composite
def touches(draw: st.DrawFn) -> Touch:
    """Return a touch around 100, not always on the venue's grid, often with less than a lot."""
    bid = Decimal(draw(st.integers(95_000, 105_000))) / 1000
    return Touch(
        bid=bid,
        bid_size=draw(sizes() | decimals("0.001", "0.05")),
        ask=bid + draw(decimals("0", "0.001", "0.1", "3")),
        ask_size=draw(sizes() | decimals("0.001", "0.05")),
    )


FUNDS = st.one_of(st.just(Decimal(0)), sizes(3), st.just(Decimal(10**6)))


@attrs.define
class Play:
    """A pair, as its venues see it."""

    kind: PairKind
    buy: Instrument
    sell: Instrument
    slippage_bps: Decimal
    exit_bps: Decimal
    bought: Decimal
    sold: Decimal
    refusals: Counter[str] = attrs.field(factory=Counter)
    fate_unknown: bool = False

    def next(self, buy: Leg, sell: Leg, *, out_of_time: bool) -> Send | Wait | Finish:
        """Ask for the next step, and check that it may be taken."""
        state = PairState(
            kind=self.kind,
            bought=self.bought,
            sold=self.sold,
            buy=buy,
            sell=sell,
            refusals=self.refusals,
            out_of_time=out_of_time,
            fate_unknown=self.fate_unknown,
        )
        step = next_step(state, slippage_bps=self.slippage_bps, exit_bps=self.exit_bps, dust_usd=Decimal(10**9))
        if out_of_time or self.fate_unknown:
            assert isinstance(step, Finish)
        if isinstance(step, Send):
            check_send(self, step, buy, sell)
        if isinstance(step, Finish):
            check_finish(self, step, buy, sell, out_of_time=out_of_time)
        return step

    def fill(self, sent: Send, quantity: Decimal) -> None:
        """Count what a venue filled of what was sent."""
        signed = quantity if sent.side is Side.BUY else -quantity
        if sent.venue == self.buy.venue:
            self.bought += signed
        else:
            self.sold -= signed


@st.composite
def plays(draw: st.DrawFn) -> Play:
    """Return a pair whose legs have filled, each up to as many of its venue's lots as were sent."""
    kind = draw(st.sampled_from(PairKind))
    buy, sell = draw(instruments("a")), draw(instruments("b"))
    quantity = draw(sizes(30))
    return Play(
        kind=kind,
        buy=buy,
        sell=sell,
        slippage_bps=draw(decimals("20", "0", "200", "9999")),
        exit_bps=draw(decimals("-6", "0", "-40", "10")),
        bought=draw(lots(quantity, buy.rules.lot_size)),
        sold=draw(lots(quantity, sell.rules.lot_size)),
    )


@st.composite
def markets(draw: st.DrawFn, play: Play) -> tuple[Leg, Leg]:
    """Return what both venues quote now, if anything, and what can be spent there."""
    return tuple(
        leg(
            side,
            instrument,
            draw(st.none() | touches() | touches()),
            free_base=draw(FUNDS),
            free_quote=draw(FUNDS.map(lambda amount: amount * 100)),
            borrow=draw(st.none() | sizes(3)),
        )
        for side, instrument in ((Side.BUY, play.buy), (Side.SELL, play.sell))
    )  # type: ignore[return-value]


def leg(
    side: Side,
    instrument: Instrument,
    touch: Touch | None,
    *,
    free_base: Decimal,
    free_quote: Decimal,
    borrow: Decimal | None = None,
) -> Leg:
    """Return one side of a trade; ``borrow`` USD of base asset on margin, each worth half a quote asset."""
    return Leg(
        side=side,
        instrument=instrument,
        touch=touch,
        free_base=free_base,
        free_quote=free_quote,
        account=Account.SPOT if borrow is None else Account.MARGIN,
        max_borrow_usd=borrow or Decimal(0),
        usd_per_quote=Decimal(2),
    )


def check_send(play: Play, sent: Send, buy: Leg, sell: Leg) -> None:
    imbalance = Fraction(play.bought) - Fraction(play.sold)
    lagging, leading = (sell, buy) if imbalance > 0 else (buy, sell)
    venue = {play.buy.venue: buy, play.sell.venue: sell}[sent.venue]
    rules, touch = venue.instrument.rules, venue.touch
    quantity, limit = Fraction(sent.quantity), Fraction(sent.limit_price)
    assert sent.side is (Side.SELL if imbalance > 0 else Side.BUY)
    if play.kind is PairKind.EXIT:
        assert (sent.purpose, venue) == (Purpose.COMPLETE, lagging), "an exit is never reopened"
    else:
        assert (sent.purpose, venue) in ((Purpose.HEDGE, lagging), (Purpose.UNWIND, leading))
    assert 0 < quantity <= abs(imbalance)
    assert quantity % Fraction(rules.lot_size) == 0
    assert limit % Fraction(rules.tick_size) == 0
    assert quantity * limit >= rules.min_notional
    assert touch is not None
    # To the venue's grid a limit goes outwards, by less than a tick.
    slippage, tick = Fraction(play.slippage_bps) / BPS, Fraction(rules.tick_size)
    if sent.side is Side.SELL:
        assert quantity <= Fraction(venue.free_base) + Fraction(venue.max_borrow_usd) / (limit * 2)
        assert limit > Fraction(touch.bid) * (1 - slippage) - tick
    else:
        fee = max(Fraction(venue.instrument.taker_fee_bps), Fraction(0)) / BPS
        assert quantity * limit * (1 + fee) <= venue.free_quote
        assert limit < Fraction(touch.ask) * (1 + slippage) + tick


def is_tradable(quantity: Fraction, venue: Leg, *, at: Fraction) -> bool:
    """Whether the venue takes what whole lots there are in a quantity, at a price."""
    whole = quantity - quantity % Fraction(venue.instrument.rules.lot_size)
    return bool(whole) and whole * at >= venue.instrument.rules.min_notional


def best_limit(play: Play, venue: Leg, imbalance: Fraction) -> Fraction:
    """Return the limit at which an order that evens out is worth most to the venue, or a little more than that."""
    assert venue.touch is not None
    if imbalance > 0:
        return Fraction(venue.touch.bid) + Fraction(venue.instrument.rules.tick_size)
    slipped = Fraction(venue.touch.ask) * (1 + Fraction(play.slippage_bps) / BPS)
    return slipped + Fraction(venue.instrument.rules.tick_size)


def check_finish(play: Play, finish: Finish, buy: Leg, sell: Leg, *, out_of_time: bool) -> None:
    imbalance = Fraction(play.bought) - Fraction(play.sold)
    assert finish.imbalance == imbalance
    if finish.outcome is PairOutcome.RESIDUAL:
        assert not finish.is_dust
        assert play.fate_unknown or (out_of_time and imbalance)
    else:
        assert not play.fate_unknown
        assert finish.is_dust == bool(imbalance)
        is_hedged = play.kind is PairKind.ENTRY and min(play.bought, play.sold) > 0
        assert finish.outcome is (PairOutcome.HEDGED if is_hedged else PairOutcome.FLAT)
    # An exit can only be evened out on the side that lags behind.
    venues = [sell if imbalance > 0 else buy] if play.kind is PairKind.EXIT else [buy, sell]
    is_quoted = buy.touch is not None and sell.touch is not None
    if finish.is_dust:
        assert is_quoted
        assert not any(is_tradable(abs(imbalance), one, at=Fraction(one.touch.bid)) for one in venues if one.touch)
    elif finish.outcome is PairOutcome.RESIDUAL and not play.fate_unknown and is_quoted:
        assert any(is_tradable(abs(imbalance), one, at=best_limit(play, one, imbalance)) for one in venues)


@settings(max_examples=400)
@given(data=st.data(), play=plays(), patience=st.integers(0, 12))
def test_a_pair_never_goes_too_far_and_ends_when_its_time_is_up(data: st.DataObject, play: Play, patience: int) -> None:
    for _ in range(patience):
        step = play.next(*data.draw(markets(play)), out_of_time=False)
        if isinstance(step, Finish):
            return
        if isinstance(step, Wait):
            continue
        lot = (play.buy if step.venue == play.buy.venue else play.sell).rules.lot_size
        filled = data.draw(lots(step.quantity, lot))
        play.fill(step, filled)
        if not filled:
            play.refusals[step.venue] += data.draw(st.sampled_from([1, 2]))
            play.fate_unknown = data.draw(st.sampled_from([False, False, False, True]))
    assert isinstance(play.next(*data.draw(markets(play)), out_of_time=True), Finish)


@settings(max_examples=400)
@given(play=plays(), quoted=st.tuples(touches(), touches()))
def test_where_everything_fills_a_pair_ends_even_or_as_dust_after_a_few_orders(
    play: Play, quoted: tuple[Touch, Touch]
) -> None:
    rich = Decimal(10**9)
    venues = [
        leg(side, instrument, touch, free_base=rich, free_quote=rich)
        for side, instrument, touch in zip((Side.BUY, Side.SELL), (play.buy, play.sell), quoted, strict=True)
    ]
    for _ in range(6):
        step = play.next(*venues, out_of_time=False)
        if isinstance(step, Finish):
            assert step.outcome is not PairOutcome.RESIDUAL
            return
        assert isinstance(step, Send), "nothing has to be waited for"
        play.fill(step, step.quantity)
    raise AssertionError("still uneven after 6 orders that filled")


def uneven(refusals: Mapping[str, int]) -> Play:
    """Return an entry that bought 2 and sold 1, at venues of the same rules."""
    a, b = (
        Instrument(
            symbol="BTCUSDT",
            venue=venue,
            native_id="BTCUSDT",
            base="BTC",
            quote="USDT",
            rules=TradingRules(tick_size=Decimal("0.1"), lot_size=Decimal("0.1"), min_notional=Decimal(5)),
            maker_fee_bps=Decimal(4),
            taker_fee_bps=Decimal(4),
        )
        for venue in "ab"
    )
    return Play(PairKind.ENTRY, a, b, Decimal(20), Decimal(-6), Decimal(2), Decimal(1), Counter(refusals))


def quoted(side: Side, instrument: Instrument, bid: str, ask: str) -> Leg:
    touch = Touch(bid=Decimal(bid), bid_size=Decimal(50), ask=Decimal(ask), ask_size=Decimal(50))
    return leg(side, instrument, touch, free_base=Decimal(100), free_quote=Decimal(10_000))


@pytest.mark.parametrize(
    ("bid_b", "refusals", "purpose"),
    [
        # At an exit edge of -6 bps a hedged pair is expected to cost 0.06 more than one that is unwound now.
        ("100.07", {}, Purpose.HEDGE),
        ("100.05", {}, Purpose.UNWIND),
        ("100.07", {"b": 1}, Purpose.UNWIND),
        ("99", {"a": 1}, Purpose.HEDGE),
        ("99", {"a": 1, "b": 1}, Purpose.UNWIND),
    ],
)
def test_an_entry_is_evened_out_where_it_was_not_refused_and_costs_least(
    bid_b: str, refusals: dict[str, int], purpose: Purpose
) -> None:
    play = uneven(refusals)
    buy, sell = quoted(Side.BUY, play.buy, "100", "100.1"), quoted(Side.SELL, play.sell, bid_b, "101")
    step = play.next(buy, sell, out_of_time=False)
    assert isinstance(step, Send)
    assert step.purpose is purpose


@given(data=st.data(), stays=st.booleans(), out_of_time=st.booleans(), fate_unknown=st.booleans())
def test_while_a_quote_rests_what_it_filled_is_hedged_and_nothing_else(
    data: st.DataObject, stays: bool, out_of_time: bool, fate_unknown: bool
) -> None:
    play = attrs.evolve(data.draw(plays()), kind=PairKind.ENTRY)
    buy, sell = data.draw(markets(play))
    refusals = Counter({venue: data.draw(st.integers(0, 2)) for venue in "ab"})
    state = PairState(
        kind=PairKind.ENTRY,
        bought=play.bought,
        sold=play.sold,
        buy=buy,
        sell=sell,
        refusals=refusals,
        out_of_time=out_of_time,
        fate_unknown=fate_unknown,
        quote=Quote(stays),
    )
    step = next_step(state, slippage_bps=play.slippage_bps, exit_bps=play.exit_bps, dust_usd=Decimal(10**9))

    assert not isinstance(step, Finish), "it ends nothing before its last word"
    if isinstance(step, Send):
        check_send(play, step, buy, sell)
        assert step.purpose is Purpose.HEDGE, "what is unwound might trade with what rests"
        assert stays or not refusals[step.venue]
        assert not out_of_time
        assert not fate_unknown
    elif play.bought == play.sold:
        assert isinstance(step, Wait if stays else Withdraw)
    elif isinstance(step, Wait):
        # What can't be hedged is too small for its venue now; the rest of the quote may still fill.
        lagging = sell if play.bought > play.sold else buy
        assert stays
        assert lagging.touch is not None
        assert not lagging.takes(lagging.lots(abs(play.bought - play.sold)), lagging.price)
