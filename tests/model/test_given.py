"""Values made of what JSON gives: exact numbers, or one error that names class, field, value and what is allowed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from math import inf, isnan, nan
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioarb.api import (
    Book,
    Charge,
    ChargeKind,
    Contracts,
    ContractTerms,
    Fill,
    Instrument,
    InstrumentStatus,
    Liquidation,
    Listing,
    Order,
    OrderReport,
    OrderStatus,
    OrderUpdate,
    Quote,
    Side,
    TickRange,
    TradingRules,
    VenueError,
    WireError,
    decimal_of,
)

FILL = {"fill_id": 17, "quantity": "0.5", "price": 100, "fee": 0.1, "fee_asset": "USDT"}
A_FILL = Fill.of(**FILL)

#: Of each class the fields that are enough, and what is a number in it.
WHOLE: Mapping[Callable[..., Any], tuple[Mapping[str, Any], tuple[str, ...]]] = {
    Fill.of: (FILL, ("quantity", "price", "fee")),
    Order.of: (
        {"client_order_id": 5, "venue": "a", "symbol": "BTCUSDT", "side": "BUY"},
        ("quantity", "limit_price", "amount"),
    ),
    OrderUpdate.of: ({"client_order_id": "x"}, ("filled", "quantity")),
    TradingRules.of: ({}, ("tick_size", "lot_size", "min_notional", "min_quantity")),
    TickRange.of: ({"at_least": 0, "step": "0.1"}, ("at_least", "below", "step")),
    Listing.of: ({"base": "BTC", "quote": "USDT"}, ("volume_24h_quote", "price_step")),
    Instrument.of: (
        {
            "symbol": "BTCUSDT",
            "venue": "a",
            "native_id": 3,
            "base": "BTC",
            "quote": "USDT",
            "rules": TradingRules(),
            "maker_fee_bps": 1,
            "taker_fee_bps": "4.5",
        },
        ("maker_fee_bps", "taker_fee_bps"),
    ),
    ContractTerms.of: (
        {"leverage": 20, "maintenance_margin_bps": 40},
        ("leverage", "maintenance_margin_bps", "funding_bps", "funding_interval_hours"),
    ),
    Contracts.of: ({"quantity": -1, "cost": "-100.5"}, ("quantity", "cost")),
    Charge.of: (
        {
            "charge_id": 7,
            "kind": "funding",
            "ts_ns": "1700000000000000000",
            "symbol": "BTCUSDT",
            "quantity": "1",
            "mark": 100.5,
            "asset": "USDT",
            "amount": "-0.01",
            "rate_bps": 1,
        },
        ("quantity", "mark", "amount", "rate_bps"),
    ),
    Liquidation.of: (
        {"liquidation_id": 1, "ts_ns": 5, "symbol": "BTCUSDT", "side": Side.SELL, "fills": [A_FILL]},
        ("mark", "balance", "maintenance"),
    ),
    Quote.of: (
        {"bid": "1", "bid_size": 2, "ask": 1.5, "ask_size": "3", "received_ns": 5},
        ("bid", "bid_size", "ask", "ask_size"),
    ),
}
NUMBERS = [(make, field) for make, (_, fields) in WHOLE.items() for field in fields]
#: Nobody gives these for a number and means one.
NONE_ARE_NUMBERS = [nan, inf, -inf, True, "", "1e400", "NaN", "inf", " 1", "1_000", "1,5", "٣", "0x10", [1], {}, b"1"]
TOO_LONG = ["1" * 31, 10**30, 10**5000, 1e300, "1e-90", "0." + "1" * 90, "9" * 10_000, Decimal("1e31")]


@pytest.mark.parametrize(("make", "field"), NUMBERS, ids=lambda one: getattr(one, "__qualname__", one))
def test_what_is_no_number_is_refused_with_class_and_field(make: Any, field: str) -> None:
    fields, _ = WHOLE[make]
    made = make(**{**fields, field: "2"})
    for value in (*NONE_ARE_NUMBERS, *TOO_LONG):
        with pytest.raises(WireError) as caught:
            make(**{**fields, field: value})
        said = str(caught.value)
        assert said.startswith(f"{type(made).__name__}.{field} = ")
        assert "; expected " in said
        assert len(said) < 250


@pytest.mark.parametrize(("make", "field"), NUMBERS, ids=lambda one: getattr(one, "__qualname__", one))
def test_each_form_of_a_number_means_the_same(make: Any, field: str) -> None:
    fields, _ = WHOLE[make]
    forms = ["2.5", 2.5, Decimal("2.5"), "25e-1", "+2.50"]
    made = [getattr(make(**{**fields, field: form}), field) for form in forms]
    assert made == [2.5 if make == Quote.of else Decimal("2.5")] * len(forms)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**20), max_value=10**20))
def test_text_of_json_loses_nothing(number: Decimal) -> None:
    row = json.loads(json.dumps({"x": str(number)}))
    assert decimal_of(row["x"], "x") == number


@given(st.floats(allow_nan=False, min_value=1e-30, max_value=1e25))
def test_a_float_is_its_shortest_decimal(number: float) -> None:
    made = decimal_of(number, "x")
    assert float(made) == number
    assert made == Decimal(repr(number))


def test_a_number_that_is_missing_is_named() -> None:
    with pytest.raises(WireError, match=r"^Fill\.price = None; expected a number above 0"):
        Fill.of(**{**FILL, "price": None})  # type: ignore[arg-type]
    # It is a venue's error: where an order was sent, what became of it is unknown then.
    assert issubclass(WireError, VenueError)


def test_what_may_be_absent_is_said_in_json_or_by_msgspec() -> None:
    for absent in (None, msgspec.UNSET):
        assert TradingRules.of(tick_size="0.1", min_notional=absent) == TradingRules(tick_size=Decimal("0.1"))
        assert OrderUpdate.of(client_order_id="x", filled=absent, reason=absent) == OrderUpdate(client_order_id="x")
        assert Listing.of(base="BTC", quote="USDT", volume_24h_quote=absent).volume_24h_quote is None
    assert TradingRules.of(tick_size="0.00", min_quantity=0) == TradingRules()  # venues say so that they have no rule


def test_bounds_are_said() -> None:
    with pytest.raises(WireError, match=r"^Fill\.quantity = '0'; expected a number above 0$"):
        Fill.of(**{**FILL, "quantity": "0"})  # type: ignore[arg-type]
    with pytest.raises(WireError, match=r"^OrderUpdate\.filled = -1; expected a number, 0 or more$"):
        OrderUpdate.of(client_order_id="x", filled=-1)
    with pytest.raises(WireError, match=r"^TradingRules\.lot_size = -0\.1; expected a number, 0 or more$"):
        TradingRules.of(lot_size=-0.1)
    assert Fill.of(**{**FILL, "fee": "-0.25"}).fee == Decimal("-0.25")  # type: ignore[arg-type]


def test_ids_and_words_are_taken_as_venues_write_them() -> None:
    assert A_FILL.fill_id == "17"
    report = OrderReport.of(client_order_id="x", venue_order_id=998877, status="FILLED", fills=[A_FILL])
    assert report == OrderReport(
        client_order_id="x", venue_order_id="998877", status=OrderStatus.FILLED, fills=(A_FILL,)
    )
    for wrong, said in (
        ({"status": "DONE"}, r"^OrderReport\.status = 'DONE'; expected OrderStatus, one of open, filled, "),
        ({"client_order_id": ""}, r"^OrderReport\.client_order_id = ''; expected text that isn't empty"),
        ({"client_order_id": True}, r"^OrderReport\.client_order_id = True; "),
        ({"fills": [FILL]}, r"^OrderReport\.fills\[0\] = .*; expected a Fill, as Fill\.of makes it$"),
        ({"fills": "none"}, r"^OrderReport\.fills = 'none'; expected a list$"),
    ):
        given: dict[str, Any] = {"client_order_id": "x", "status": "filled", **wrong}
        with pytest.raises(WireError, match=said):
            OrderReport.of(**given)
    assert Instrument.of(**WHOLE[Instrument.of][0], status="halted").status is InstrumentStatus.HALTED  # type: ignore[arg-type]
    assert Charge.of(**WHOLE[Charge.of][0]).kind is ChargeKind.FUNDING  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [1.7e18, True, -1, "1.7e18", "", None, 2**63])
def test_a_time_is_a_whole_number_of_nanoseconds(wrong: Any) -> None:
    with pytest.raises(WireError, match=r"^Quote\.received_ns = .*; expected Unix nanoseconds, a whole number$"):
        Quote.of(received_ns=wrong)


def test_a_side_without_price_or_size_is_withdrawn() -> None:
    quote = Quote.of(bid="1.5", bid_size="0", ask=2, ask_size="3", received_ns=5)
    assert isnan(quote.bid)
    assert (quote.bid_size, quote.ask, quote.ask_size) == (0.0, 2.0, 3.0)
    assert isnan(Quote.of(bid="1.5", received_ns=5).bid)


def test_a_book_is_made_of_levels_as_venues_list_them() -> None:
    row = json.loads('{"bids": [["100.1", "2", 1700000000], [99, 0.5]], "asks": [["100.2", "0"], ["100.3", 1.5]]}')
    book = Book.of(**row, received_ns=5)
    assert (book.bids, book.bid_sizes) == ((100.1, 99.0), (2.0, 0.5))
    assert (book.asks, book.ask_sizes) == ((100.3,), (1.5,))
    for wrong, said in (
        ({"bids": [["1", "2"], ["3"]]}, r"^Book\.bids\[1\] = \['3'\]; expected a price and a size$"),
        ({"asks": [["x", "2"]]}, r"^Book\.asks\[0\]\[0\] = 'x'; expected a number above 0"),
        ({"asks": [["1", -2]]}, r"^Book\.asks\[0\]\[1\] = -2; expected a number, 0 or more$"),
        ({"asks": "none"}, r"^Book\.asks = 'none'; expected a list$"),
        ({"asks": {"100": "1"}}, r"^Book\.asks = .*; expected a list$"),
    ):
        with pytest.raises(WireError, match=said):
            Book.of(**{**row, **wrong}, received_ns=5)


def test_steps_that_leave_holes_are_refused() -> None:
    table = [TickRange.of(at_least=0, below=10, step="0.1"), TickRange.of(at_least=20, step=1)]
    with pytest.raises(WireError, match=r"^TradingRules: ticks: there is no step for prices from 10 to 20$"):
        TradingRules.of(ticks=table)
