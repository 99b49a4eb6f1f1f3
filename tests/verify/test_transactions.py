"""Transactions of other legs than two immediate orders: what is written of them, and what is wrong."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from trioarb.model import event as model
from trioarb.model.event import OrderFilled, OrderSubmitted, PairOpened, Record, TransactionLeg, TransactionOpened
from trioarb.model.market import Instrument, TradingRules
from trioarb.model.order import Purpose, Side, TimeInForce
from trioarb.model.trade import PairKind, PairOutcome
from trioarb.model.wire import decode, encode, to_json_object
from trioarb.state.funds import Funds
from trioarb.state.ledger import Ledger
from trioarb.state.margins import Margins
from trioarb.state.trades import PairFlows, Trades
from trioarb.verify.verification import Verifier

D = Decimal
QUOTED = TransactionLeg(
    venue="a",
    symbol="BTCUSDT",
    side=Side.BUY,
    quantity=D("0.5"),
    limit=D(100),
    time_in_force=TimeInForce.GTC,
    post_only=True,
)
HEDGE = TransactionLeg(venue="b", symbol="BTCUSDT", side=Side.SELL, quantity=D("0.5"), limit=D(101), after=0)
MAKER = TransactionOpened(
    pair_id="p1",
    trade_id="t1",
    kind=PairKind.ENTRY,
    symbol="BTCUSDT",
    legs=(QUOTED, HEDGE),
    reserved_usd=D("50.5"),
)
ROUND = TransactionOpened(
    pair_id="p2",
    trade_id="t2",
    kind=PairKind.ENTRY,
    symbol="ETHUSDT",
    legs=(
        TransactionLeg(venue="a", symbol="BTCUSDT", side=Side.BUY, quantity=D(1), limit=D(100)),
        TransactionLeg(venue="a", symbol="ETHBTC", side=Side.BUY, quantity=D(20), after=0),
        TransactionLeg(venue="a", symbol="ETHUSDT", side=Side.SELL, quantity=D(20), limit=D("5.1"), after=1),
    ),
    reserved_usd=D(102),
)


def fill(order: str, venue: str, side: Side, quantity: str, symbol: str = "BTCUSDT", fill_id: str = "1") -> OrderFilled:
    return OrderFilled(
        client_order_id=order,
        fill_id=fill_id,
        venue=venue,
        symbol=symbol,
        side=side,
        base=symbol[:3],
        quote=symbol[3:],
        quantity=D(quantity),
        price=D(100),
        fee=D(0),
        fee_asset=symbol[3:],
    )


def submitted(leg: TransactionLeg, order: str = "c-1", **more: Any) -> OrderSubmitted:
    rests = leg.time_in_force is TimeInForce.GTC
    wanted: dict[str, Any] = {
        "client_order_id": order,
        "pair_id": "p1",
        "purpose": Purpose.LEG,
        "venue": leg.venue,
        "symbol": leg.symbol,
        "side": leg.side,
        "quantity": leg.quantity,
        "limit_price": leg.limit or D(1),
        "locked_asset": "USDT" if leg.side is Side.BUY else "BTC",
        "locked": leg.quantity * (leg.limit or D(1)) if leg.side is Side.BUY else leg.quantity,
        "time_in_force": leg.time_in_force if rests else None,
        "post_only": leg.post_only or None,
    }
    return OrderSubmitted(**(wanted | more))


@pytest.mark.parametrize("opened", [MAKER, ROUND])
def test_a_transaction_reads_back_as_it_was_written(opened: TransactionOpened) -> None:
    record = Record(7, 8, opened)

    assert decode(encode(record) + b"}") == record
    first, *others = to_json_object(record)["legs"]
    assert first.keys() >= {"venue", "symbol", "side", "quantity", "limit"}
    assert [one.get("after") for one in others] == list(range(len(others)))


def test_only_what_isnt_plain_is_written_of_an_order() -> None:
    plain = submitted(HEDGE, time_in_force=None, post_only=None)
    assert not {"time_in_force", "post_only"} & to_json_object(Record(1, 1, plain)).keys()
    resting = to_json_object(Record(1, 1, submitted(QUOTED)))
    assert (resting["time_in_force"], resting["post_only"]) == ("gtc", True)
    assert submitted(QUOTED).rests
    assert not plain.rests


def test_a_pair_is_a_transaction_of_two_legs_that_go_out_together() -> None:
    pair = PairOpened(
        pair_id="p1",
        trade_id="t1",
        kind=PairKind.ENTRY,
        symbol="BTCUSDT",
        buy_venue="a",
        sell_venue="b",
        quantity=D("0.5"),
        buy_limit=D(100),
        sell_limit=D(101),
        reserved_usd=D("50.5"),
    )
    told = ("buy_venue", "sell_venue", "quantity", "buy_limit", "sell_limit")
    assert [getattr(MAKER, name) for name in told] == [getattr(pair, name) for name in told]
    assert pair.legs == (replace(QUOTED, time_in_force=TimeInForce.IOC, post_only=False), replace(HEDGE, after=None))


def test_what_it_bought_and_sold_is_counted_by_instrument() -> None:
    trades = Trades()
    for seq, event in enumerate(
        (
            ROUND,
            submitted(ROUND.legs[0], "c-1", pair_id="p2"),
            fill("c-1", "a", Side.BUY, "1"),
            submitted(ROUND.legs[1], "c-2", pair_id="p2"),
            fill("c-2", "a", Side.BUY, "20", "ETHBTC"),
            submitted(ROUND.legs[2], "c-3", pair_id="p2"),
            fill("c-3", "a", Side.SELL, "12", "ETHUSDT"),
        ),
        1,
    ):
        trades.folds[type(event)](event, Record(seq, seq, event))

    flows = trades.pairs["p2"]
    assert {place: flow.net for place, flow in flows.legs.items()} == {
        ("BTCUSDT", "a"): 1,
        ("ETHBTC", "a"): 20,
        ("ETHUSDT", "a"): -12,
    }
    assert (flows.bought, flows.sold) == (0, 12)
    assert PairFlows(MAKER).legs.keys() == {("BTCUSDT", "a"), ("BTCUSDT", "b")}


def test_the_hedge_of_a_resting_order_stays_reserved_as_far_as_that_has_not_filled() -> None:
    rules = TradingRules(tick_size=D("0.1"), lot_size=D("0.1"), min_notional=None)
    fees = {"maker_fee_bps": D(0), "taker_fee_bps": D(0)}
    instruments = {
        "BTCUSDT": {
            venue: Instrument(
                symbol="BTCUSDT", venue=venue, native_id="x", base="BTC", quote="USDT", rules=rules, **fees
            )
            for venue in "ab"
        }
    }
    ledger = Ledger()
    funds = Funds(ledger, Margins(ledger, {}), instruments, D(25))

    def claimed() -> tuple[Decimal, Decimal]:
        return -funds.spendable("a", "USDT"), -funds.spendable("b", "BTC")

    def tell(event: model.Event) -> None:
        funds.folds[type(event)](event, Record(1, 1, event))

    tell(MAKER)
    assert claimed() == (50, D("0.5"))
    tell(submitted(QUOTED))
    assert claimed() == (0, D("0.5"))
    tell(fill("c-1", "a", Side.BUY, "0.2"))
    assert claimed() == (0, D("0.3"))
    tell(submitted(HEDGE, "c-2", purpose=Purpose.HEDGE, quantity=D("0.2")))
    assert claimed() == (0, D("0.3"))
    tell(
        model.PairEnded(
            pair_id="p1",
            trade_id="t1",
            symbol="BTCUSDT",
            kind=PairKind.ENTRY,
            outcome=PairOutcome.HEDGED,
            bought=D("0.2"),
            sold=D("0.2"),
            pnl_usd=D(0),
            fees_usd=D(0),
        )
    )
    assert claimed() == (0, 0)


@pytest.mark.parametrize(
    ("legs", "problem"),
    [
        ((QUOTED, replace(HEDGE, quantity=D(0))), "trades nothing"),
        ((QUOTED, replace(HEDGE, limit=D(0))), "at no price"),
        ((replace(QUOTED, time_in_force=TimeInForce.IOC), HEDGE), "post-only and doesn't rest"),
        ((QUOTED, replace(HEDGE, after=1)), "follows none before it"),
        ((QUOTED, replace(HEDGE, after=-1)), "follows none before it"),
        ((HEDGE, replace(QUOTED, after=0)), "follows none before it"),
        (
            (replace(QUOTED, time_in_force=TimeInForce.IOC, post_only=False), replace(HEDGE, after=None)),
            "opened as something else",
        ),
        ((QUOTED, replace(HEDGE, quantity=D("0.4"))), "don't even out"),
        ((QUOTED, replace(HEDGE, side=Side.BUY)), "other legs"),
    ],
)
def test_legs_that_cant_be_are_named(legs: tuple[TransactionLeg, ...], problem: str) -> None:
    assert problem in found(replace(MAKER, legs=legs))
    assert problem not in found(MAKER)


@pytest.mark.parametrize(
    "order",
    [
        submitted(QUOTED, limit_price=D(101)),
        submitted(QUOTED, quantity=D("0.4")),
        submitted(QUOTED, time_in_force=None, post_only=None),
        submitted(QUOTED, post_only=None),
        submitted(HEDGE),
        submitted(HEDGE, purpose=Purpose.COMPLETE),
        submitted(HEDGE, purpose=Purpose.HEDGE, time_in_force=TimeInForce.GTC),
    ],
)
def test_orders_that_a_transaction_didnt_announce_are_named(order: OrderSubmitted) -> None:
    is_named = ("is not a leg that p1 announced", "rests, and is to even out", "is a complete order of an entry")
    assert any(what in found(MAKER, order) for what in is_named)
    announced = found(MAKER, submitted(QUOTED), submitted(HEDGE, "c-2", purpose=Purpose.HEDGE))
    assert not any(what in announced for what in is_named)
    assert "is not a leg that p1 announced" in found(MAKER, submitted(QUOTED), submitted(QUOTED, "c-2"))


def found(*events: model.Event) -> str:
    verifier = Verifier()
    verifier.fold([Record(seq, seq, event) for seq, event in enumerate(events, 1)])
    return "\n".join(str(violation) for violation in verifier.result().violations)
