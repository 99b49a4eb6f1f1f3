"""How deep an entry goes into two books: held against trying every quantity."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from trioarb.api import OrderSize, Route, Side
from trioarb.model.market import Instrument, TradingRules
from trioarb.model.trade import Account, Opportunity
from trioarb.quotes.board import QuoteBoard
from trioarb.strategy.leg import Leg
from trioarb.strategy.sizing import NotSized, size_entry, size_exit

ROUTE = Route(symbol="BTCUSDT", buy_venue="a", sell_venue="b")
#: Distances in ticks, sizes in lots.
SIDE = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 30)), min_size=1, max_size=5)
TICK, LOT, FEE_BPS, MINIMUM = Decimal("0.01"), Decimal("0.1"), Decimal(4), Decimal(5)


def book(first: int, steps: list[tuple[int, int]], sign: int) -> list[tuple[float, float]]:
    """Return levels from a price in ticks on; the best has the first one's size."""
    price, levels = first, []
    for number, (distance, lots) in enumerate(steps):
        price += sign * distance if number else 0
        levels.append((price / 100, lots / 10))
    return levels


def legs(
    asks: list[tuple[float, float]], bids: list[tuple[float, float]], *, free_quote: Decimal = Decimal(10**6)
) -> tuple[Leg, Leg]:
    board = QuoteBoard(("a", "b"))
    (ask, ask_size), (bid, bid_size) = asks[0], bids[0]
    board.put(0, ask - 1, 5.0, ask, ask_size, 1, 1)
    board.levels[0] = ((), (), [price for price, _ in asks[1:]], [size for _, size in asks[1:]])
    board.put(1, bid, bid_size, bid + 1, 5.0, 1, 1)
    board.levels[1] = ([price for price, _ in bids[1:]], [size for _, size in bids[1:]], (), ())
    made = []
    for venue, side in (("a", Side.BUY), ("b", Side.SELL)):
        instrument = Instrument(
            symbol="BTCUSDT",
            venue=venue,
            native_id="BTCUSDT",
            base="BTC",
            quote="USDT",
            rules=TradingRules(tick_size=TICK, lot_size=LOT, min_notional=MINIMUM),
            maker_fee_bps=FEE_BPS,
            taker_fee_bps=FEE_BPS,
        )
        made.append(
            Leg(
                side=side,
                instrument=instrument,
                touch=board.touch(venue),
                free_base=Decimal(10**6),
                free_quote=free_quote,
                account=Account.SPOT,
                max_borrow_usd=Decimal(0),
                usd_per_quote=Decimal(1),
            )
        )
    return made[0], made[1]


def edge(sell: Fraction, buy: Fraction) -> Fraction:
    fee = Fraction(FEE_BPS)
    return 10_000 * (sell * (10_000 - fee) / (buy * (10_000 + fee)) - 1)


def last_and_value(levels: list[tuple[float, float]], lots: int) -> tuple[Fraction, Fraction] | None:
    """Return the price of the last level that so many lots take, and the value of all; ``None``: there are fewer."""
    value, rest = Fraction(0), lots
    for price, size in levels:
        part = min(rest, round(size * 10))
        value, rest = value + Fraction(part, 10) * Fraction(str(price)), rest - part
        if not rest:
            return Fraction(str(price)), value
    return None


@given(
    asks=SIDE,
    bids=SIDE,
    gap=st.integers(-50, 150),
    wanted=st.integers(1, 200),
    free_quote=st.sampled_from([Decimal(10**6), Decimal(300)]),
    entry_bps=st.sampled_from([0, 10, 40]),
)
def test_an_entry_is_the_largest_quantity_whose_last_levels_still_earn_enough(
    asks: list[tuple[int, int]],
    bids: list[tuple[int, int]],
    gap: int,
    wanted: int,
    free_quote: Decimal,
    entry_bps: int,
) -> None:
    to_buy, to_sell = book(10_000, asks, 1), book(10_000 + gap, bids, -1)
    buy, sell = legs(to_buy, to_sell, free_quote=free_quote)
    size = OrderSize(usd=None, base=Decimal(wanted) / 10)

    found = size_entry(ROUTE, size, buy, sell, entry_bps=Decimal(entry_bps), slippage_bps=None)

    best: tuple[int, Fraction, Fraction, Fraction] | None = None
    for lots in range(1, wanted + 1):
        bought, sold = last_and_value(to_buy, lots), last_and_value(to_sell, lots)
        if bought is None or sold is None or edge(sold[0], bought[0]) < entry_bps:
            break
        if Fraction(lots, 10) * bought[0] * (10_000 + Fraction(FEE_BPS)) > Fraction(free_quote) * 10_000:
            break
        best = lots, bought[0], sold[0], edge(sold[1], bought[1])
    if best is None or Fraction(best[0], 10) * min(best[1], best[2]) < MINIMUM:
        assert isinstance(found, NotSized)
        return
    assert isinstance(found, Opportunity)
    assert (found.quantity, found.buy_limit, found.sell_limit) == (
        Decimal(best[0]) / 10,
        Decimal(best[1].numerator) / best[1].denominator,
        Decimal(best[2].numerator) / best[2].denominator,
    )
    assert abs(Fraction(found.edge_bps) - best[3]) <= Fraction(1, 10**6)
    taken = [sum(Fraction(str(size)) for _, size in to_buy[:count]) for count in range(len(to_buy) + 1)]
    levels = next(count for count, total in enumerate(taken) if total >= Fraction(best[0], 10))
    assert len(found.asks or (None,)) == levels


def test_of_one_level_a_side_the_numbers_are_those_of_the_touch() -> None:
    buy, sell = legs([(100.0, 2.0)], [(101.0, 3.0)])
    deeper = legs([(100.0, 2.0), (110.0, 9.0)], [(101.0, 3.0), (90.0, 9.0)])
    wanted = OrderSize(usd=Decimal(10_000), base=None)

    touch = size_entry(ROUTE, wanted, buy, sell, entry_bps=Decimal(10), slippage_bps=None)

    assert isinstance(touch, Opportunity)
    assert (touch.quantity, touch.buy_limit, touch.sell_limit) == (2, 100, 101)
    assert touch.asks is touch.bids is None
    assert size_entry(ROUTE, wanted, *deeper, entry_bps=Decimal(10), slippage_bps=None) == touch


def test_exits_go_as_deep_as_they_may() -> None:
    buy, sell = legs([(100.0, 2.0), (100.1, 3.0), (103.0, 9.0)], [(101.0, 1.0), (100.95, 2.0), (99.0, 9.0)])

    touch = size_exit(Decimal(8), buy, sell, slippage_bps=None)
    by_edge = size_exit(Decimal(8), buy, sell, slippage_bps=None, least_bps=Decimal(50))
    forced = size_exit(Decimal(8), buy, sell, slippage_bps=Decimal(20))

    assert (touch.quantity, touch.buy_limit, touch.sell_limit) == (1, 100, 101)
    assert (by_edge.quantity, by_edge.buy_limit, by_edge.sell_limit) == (3, Decimal("100.1"), Decimal("100.95"))
    assert (forced.quantity, forced.buy_limit, forced.sell_limit) == (3, Decimal("100.2"), Decimal("100.80"))
