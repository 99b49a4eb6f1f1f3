"""Decisions without a campaign: a board, a strategy, what can be spent; and what comes of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest

from trioarb.api import ALWAYS, ExitBand, ExitReason, OrderSize, Position, Route, Strategy
from trioarb.model.market import Instrument, TradingRules
from trioarb.model.order import Side
from trioarb.model.trade import Account
from trioarb.quotes.board import QuoteBoard
from trioarb.strategy.decide import Decider, paths_of
from trioarb.strategy.leg import Leg
from trioarb.strategy.sizing import NotSized

NOW_NS = 10_000_000_000
AGE_NS = 2_000_000_000
A_TO_B = Route(symbol="BTCUSDT", buy_venue="a", sell_venue="b")


class Scripted(Strategy):
    """Answers what it is told to, and notes what it was asked."""

    entry_bps, exit_bps, max_quote_age_ns = Decimal(10), Decimal(-6), AGE_NS

    def __init__(self, *, entry_from: float = ALWAYS, band: ExitBand | None = None) -> None:
        self.entry_from = entry_from
        self.band = ExitBand(edge_from_bps=ALWAYS) if band is None else band
        self.reason: ExitReason | None = ExitReason.EDGE
        self.asked: list[str] = []

    def entry_from_bps(self, route: Route) -> float:
        return self.entry_from

    def exit_band(self, position: Position) -> ExitBand:
        return self.band

    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        self.asked.append("entry")
        return OrderSize(usd=None, base=Decimal(1)) if edge_bps >= 10 else None

    def exit(self, position: Position, edge_bps: float, net_bps: float, now_ns: int) -> ExitReason | None:
        self.asked.append("exit")
        return self.reason


@attrs.define
class Desk:
    """A symbol at two or three venues without fees, and a decider over it."""

    strategy: Scripted
    board: QuoteBoard
    decider: Decider
    free_quote: Decimal = Decimal(100_000)

    @classmethod
    def of(cls, strategy: Scripted, venues: str = "ab") -> Desk:
        rules = TradingRules(tick_size=Decimal("0.01"), lot_size=Decimal("0.01"), min_notional=Decimal(5))
        instruments = {venue: instrument(venue, rules) for venue in venues}
        board = QuoteBoard(venues)
        desk = cls(strategy, board, Any)  # type: ignore[arg-type]
        desk.decider = Decider(
            paths=paths_of("BTCUSDT", tuple(venues), instruments),
            instruments=instruments,
            board=board,
            strategy=strategy,
            leg=lambda venue, side: desk.leg(instruments[venue], side),
            slippage_bps=Decimal(20),
            exit_age_ns=10**18,
            dust_usd=Decimal(1),
        )
        return desk

    def leg(self, traded: Instrument, side: Side) -> Leg:
        return Leg(
            side=side,
            instrument=traded,
            touch=self.board.touch(traded.venue),
            free_base=Decimal(10),
            free_quote=self.free_quote,
            account=Account.SPOT,
            max_borrow_usd=Decimal(0),
            usd_per_quote=Decimal(1),
        )

    def quote(self, venue: int, bid: float, ask: float, *, at_ns: int = NOW_NS) -> None:
        board = self.board
        board.bid[venue], board.ask[venue] = bid, ask
        board.bid_size[venue] = board.ask_size[venue] = 5.0
        board.received_ns[venue] = at_ns
        board.serial[venue] += 1

    def hold(self) -> Position:
        position = Position(
            trade_id="t1",
            route=A_TO_B,
            opened_quantity=Decimal(1),
            quantity=Decimal(1),
            buy_price=Decimal(100),
            sell_price=Decimal(101),
            cash=Decimal(1),
            fees=Decimal(0),
            realised=Decimal(0),
            opened_ns=NOW_NS,
        )
        self.decider.declare([position])
        return position


def instrument(venue: str, rules: TradingRules) -> Instrument:
    return Instrument(
        symbol="BTCUSDT",
        venue=venue,
        native_id="BTCUSDT",
        base="BTC",
        quote="USDT",
        rules=rules,
        maker_fee_bps=Decimal(0),
        taker_fee_bps=Decimal(0),
    )


def test_routes_between_fresh_quotes_are_asked_for_in_the_order_of_their_edges() -> None:
    desk = Desk.of(Scripted(), "abc")
    desk.decider.declare(())
    assert desk.decider.look(NOW_NS) == (None, [])
    desk.quote(0, 99.9, 100.0)
    assert desk.decider.look(NOW_NS) == (None, [])
    desk.quote(1, 101.0, 101.1)
    desk.quote(2, 102.0, 102.1, at_ns=NOW_NS - AGE_NS)

    best, asked = desk.decider.look(NOW_NS)
    assert best == pytest.approx(200)
    assert [path.route.buy_venue + path.route.sell_venue for path, _ in asked[:3]] == ["ac", "ab", "bc"]
    assert [edge for _, edge in asked] == sorted((edge for _, edge in asked), reverse=True)
    best, asked = desk.decider.look(NOW_NS + 1)
    assert best == pytest.approx(100)
    assert asked[0][0].route == A_TO_B


@pytest.mark.parametrize(
    ("entry_from", "asked"),
    [(100.5, 0), (100.0, 1), (-500.0, 2)],
)
def test_a_route_is_asked_for_from_its_band_on_which_includes_its_end(entry_from: float, asked: int) -> None:
    desk = Desk.of(Scripted(entry_from=entry_from))
    desk.quote(0, 99.9, 100.0)
    desk.quote(1, 101.0, 101.1)
    desk.decider.declare(())
    assert len(desk.decider.look(NOW_NS)[1]) == asked


def test_what_keeps_an_entry_from_being_sized_is_said() -> None:
    desk = Desk.of(Scripted())
    desk.quote(0, 99.9, 100.0)
    desk.quote(1, 101.0, 101.1)
    desk.decider.declare(())
    path, wanted = desk.decider.paths[0], OrderSize(usd=Decimal(100))
    assert desk.decider.entry(path, wanted, is_busy=True) == NotSized("pair_in_flight")
    desk.free_quote = Decimal(1)
    assert desk.decider.entry(path, wanted, is_busy=False) == NotSized("balance.a.USDT.below_minimum")


#: Prices that close at an edge of −50 bps and a net of +50 bps: bid 100 where it is long, ask 100.5 where it is short.
@pytest.mark.parametrize(
    ("band", "is_asked"),
    [
        (ExitBand(edge_from_bps=-49.0), False),
        (ExitBand(edge_from_bps=-50.0), True),
        (ExitBand(net_from_bps=50.0), True),
        (ExitBand(net_from_bps=50.1), False),
        (ExitBand(net_to_bps=50.0), True),
        (ExitBand(net_to_bps=49.9), False),
        (ExitBand(from_ns=NOW_NS), True),
        (ExitBand(from_ns=NOW_NS + 1), False),
        (ExitBand(), False),
    ],
)
def test_an_exit_is_asked_for_within_its_band_which_includes_its_ends(band: ExitBand, *, is_asked: bool) -> None:
    desk = Desk.of(Scripted(band=band))
    # 10⁴ · (100 ÷ 100.50251256281407 − 1) is −50 to the last bit or a little more.
    desk.quote(0, 100.0, 100.1)
    desk.quote(1, 100.0, 100.5 if band.edge_from_bps == float("inf") else 100.50251256281406)
    desk.hold()
    found = desk.decider.exit(NOW_NS, {})
    assert (desk.strategy.asked, found is not None) == ((["exit"], True) if is_asked else ([], False))


def test_on_stale_quotes_only_time_asks_and_only_the_longest_holding_is_followed() -> None:
    desk = Desk.of(Scripted())
    desk.quote(0, 100.0, 100.1)
    desk.quote(1, 100.0, 100.1)
    desk.hold()
    later_ns = NOW_NS + AGE_NS + 1
    assert desk.decider.exit(later_ns, {}) is None
    assert not desk.strategy.asked

    desk.strategy.band = ExitBand(from_ns=later_ns)
    position = desk.hold()
    assert desk.decider.due_ns == later_ns
    assert desk.decider.exit(later_ns, {}) is None
    assert desk.strategy.asked == ["exit"]
    desk.strategy.reason = ExitReason.MAX_HOLDING
    found = desk.decider.exit(later_ns, {})
    assert found is not None
    assert (found.position, found.reason) == (position, ExitReason.MAX_HOLDING)
    assert desk.decider.exit(later_ns, {"t1": later_ns + 1}) is None


def test_a_position_without_quotes_waits() -> None:
    desk = Desk.of(Scripted(band=ExitBand(from_ns=0)))
    desk.hold()
    assert desk.decider.exit(NOW_NS, {}) is None
    assert not desk.strategy.asked
    desk.quote(0, 100.0, 100.1)
    desk.quote(1, 100.0, 100.5)
    desk.decider.exit(NOW_NS, {})
    assert desk.strategy.asked == ["exit"]
