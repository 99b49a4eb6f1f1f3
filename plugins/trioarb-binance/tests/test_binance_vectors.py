"""Requests that ccxt made with a frozen clock and throw-away keys: ours are the same, parameter by parameter.

What ccxt adds by itself (a client id with its own prefix, a window of ten seconds) is handed to our functions.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from trioarb.api import Order, OrderType, Side, TimeInForce, TradingRules
from trioarb.venue import Credentials, Request
from trioarb_binance.wire import spot, usdm
from trioarb_binance.wire.signer import Stamp, signer_of

VECTORS = Path(__file__).parents[3].parent / "shared" / "data" / "wire" / "vectors"
pytestmark = pytest.mark.skipif(not VECTORS.exists(), reason="the shared vectors are not here")

#: The rules that the vectors were made with.
RULES = {
    "binance": TradingRules(tick_size=Decimal("0.01"), lot_size=Decimal("0.00001")),
    "binanceusdm": TradingRules(tick_size=Decimal("0.1"), lot_size=Decimal("0.001")),
}
WINDOW_MS = 10_000

#: Calls that this plugin has no use for. The rest of each file has to be built.
NOT_OURS = {"/sapi/v1/capital/config/getall": "networks for deposits and withdrawals: nothing here moves coins"}


def vectors(name: str) -> list[Any]:
    file = VECTORS / f"{name}.json"
    if not file.exists():
        return []
    return [
        pytest.param(name, one, id=f"{name}-{number}-{one['call']}")
        for number, one in enumerate(json.loads(file.read_text())["vectors"])
    ]


def stamp_of(name: str) -> Stamp:
    made = json.loads((VECTORS / f"{name}.json").read_text())
    credentials = Credentials(api_key=made["key"], secret=made["secret"])
    return Stamp(signer=signer_of(credentials), now_ms=made["clock_ms"], recv_window_ms=WINDOW_MS)


def parameters(encoded: str) -> dict[str, str]:
    pairs = parse_qsl(encoded, keep_blank_values=True, strict_parsing=bool(encoded))
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def order_in(name: str, args: list[Any]) -> Order:
    """Return the order that a call of ccxt means."""
    _, kind, side, amount, price, extra = args
    exact = RULES[name].floor_quantity(Decimal(str(amount)))
    is_market, by_amount = kind == "market", Decimal(0)
    if is_market and name == "binance":
        by_amount = Decimal(str(extra["cost"])) if "cost" in extra else Decimal(str(amount)) * Decimal(str(price))
    post_only = extra.get("postOnly", False)
    return Order(
        client_order_id="1-000000-1",
        venue=name,
        symbol="BTCUSDT",
        side=Side[side.upper()],
        quantity=Decimal(0) if by_amount else exact,
        amount=by_amount,
        limit_price=Decimal(0) if is_market else Decimal(str(price)),
        type=OrderType.MARKET if is_market else OrderType.LIMIT,
        time_in_force=TimeInForce.IOC if is_market else TimeInForce[extra.get("timeInForce", "GTC")],
        post_only=post_only,
    )


def built(name: str, call: str, args: list[Any], client_id: str) -> Request:
    """Return what our functions build for a call of ccxt."""
    venue: Any = spot if name == "binance" else usdm
    stamp, symbol = stamp_of(name), "BTCUSDT"
    if call == "create_order":
        order = order_in(name, args)
        assert not order.problem()
        request: Request = venue.new_order(order, native_id=symbol, client_id=client_id, stamp=stamp)
        return request
    if call in ("cancel_order", "fetch_order"):
        ask = venue.cancel_order if call == "cancel_order" else venue.query_order
        named = {"venue_order_id": args[0]} if args[0] else {"client_id": args[2]["clientOrderId"]}
        asked: Request = ask(symbol, stamp, **named)
        return asked
    since = args[1] if len(args) > 1 else None
    calls: dict[str, Callable[[], Request]] = {
        "fetch_open_orders": lambda: venue.open_orders(stamp, symbol),
        "fetch_closed_orders": lambda: venue.all_orders(symbol, stamp, start_ms=since),
        "fetch_my_trades": lambda: venue.user_trades(symbol, stamp, start_ms=since, limit=args[2]),
        "cancel_all_orders": lambda: venue.cancel_all(symbol, stamp),
        "fetch_trading_fee": lambda: (
            spot.trade_fees(stamp, symbol) if venue is spot else usdm.commission_rate(symbol, stamp)
        ),
        "fetch_balance": lambda: venue.account(stamp),
        "fetch_time": lambda: venue.server_time(),
        "fetch_markets": lambda: venue.exchange_info(),
        "fetch_tickers": lambda: venue.ticker_24h(),
        "fetch_status": lambda: spot.system_status(),
    }
    return calls[call]()


@pytest.mark.parametrize(("name", "vector"), vectors("binance") + vectors("binanceusdm"))
def test_a_request_is_as_others_make_it(name: str, vector: dict[str, Any]) -> None:
    expected = vector["request"]
    url = urlsplit(expected["url"])
    if url.path in NOT_OURS:
        pytest.skip(NOT_OURS[url.path])
    body = parameters(expected.get("body") or "")
    ours = built(name, vector["call"], vector["args"], body.get("newClientOrderId", ""))
    assert (ours.method, ours.path) == (expected["method"], url.path)
    assert dict(ours.headers) == expected["headers"]

    # The signature is over parameters in the order in which they are sent, which is free.
    sent, theirs = ours.query + ours.body.decode(), url.query + (expected.get("body") or "")
    unsigned = {key: value for key, value in parameters(sent).items() if key != "signature"}
    assert unsigned == {key: value for key, value in parameters(theirs).items() if key != "signature"}
    assert bool(ours.query) == bool(url.query)
    if "signature" in parameters(theirs):
        sign = stamp_of(name).signer.sign
        for text in (sent, theirs):
            payload, _, signature = text.rpartition("&signature=")
            assert sign(payload) == signature


@pytest.mark.parametrize("name", ["binance", "binanceusdm"])
def test_no_more_than_one_in_twenty_is_left_out(name: str) -> None:
    all_of_them = json.loads((VECTORS / f"{name}.json").read_text())["vectors"]
    left_out = [one for one in all_of_them if urlsplit(one["request"]["url"]).path in NOT_OURS]
    assert len(left_out) <= len(all_of_them) / 20


def test_what_only_reads_says_so() -> None:
    stamp = stamp_of("binance")
    assert spot.open_orders(stamp).is_read
    assert spot.ticker_24h().is_read
    assert not spot.cancel_all("BTCUSDT", stamp).is_read
    assert not spot.cancel_order("BTCUSDT", stamp, venue_order_id="1").is_read
