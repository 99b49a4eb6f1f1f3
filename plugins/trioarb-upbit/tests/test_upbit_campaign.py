"""Whole campaigns with accounts at two venues like Upbit, over loopback and in real time."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from decimal import Decimal
from functools import partial
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import attrs
import pytest
import trio
from rest_server import Asked, http, rest_server
from venue_server import VenueServer, venue_server
from websockets.exceptions import ConnectionClosed
from websockets.trio.server import ServerConnection

from trioarb.api import Exchange, ExchangeContext, ExchangeSpec, setting
from trioarb.testing import CampaignResult, plugin_of, run_real
from trioarb.venue import Credentials, Endpoint
from trioarb_upbit import wire
from trioarb_upbit.client import open_client
from trioarb_upbit.exchange import UpbitExchange
from trioarb_upbit.settings import ConnectionSettings

FEE = Decimal("0.0005")


@attrs.frozen(kw_only=True)
class AccountSettings(ConnectionSettings):
    stream_url: str = setting(doc="address of the private stream")


@asynccontextmanager
async def open_account(settings: AccountSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
    numbers = count(1)
    async with open_client(settings, wire.MAIN_URL, context.venue, wire.LIMITS, can_trade=True) as client:
        yield UpbitExchange(
            client,
            Credentials(api_key="key", secret="secret"),
            Endpoint(url=settings.stream_url),
            venue=context.venue,
            new_nonce=lambda: f"nonce-{next(numbers)}",
            now_ns=lambda: context.time.now_ns(),
        )


ACCOUNT = ExchangeSpec(
    name="account", doc="an account at a venue like Upbit", open=open_account, settings=AccountSettings, live=True
)


@attrs.define
class Venue:
    """Fills every order at its limit. ``loses``: the answers to so many orders; ``is_mute``: it tells of no fill."""

    bid: float
    loses: int = 0
    is_mute: bool = False
    balances: dict[str, Decimal] = attrs.field(factory=lambda: {"KRW": Decimal(100_000_000), "BTC": Decimal(1)})
    orders: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    private: VenueServer | None = None
    asked: Counter[str] = attrs.field(factory=Counter)

    async def show(self, connection: ServerConnection, message: str | bytes) -> None:
        for number in count():
            bid, ask = self.bid - number % 2, self.bid + 1000.0
            unit = {"ap": ask, "bp": bid, "as": 1.0, "bs": 2.0}
            await connection.send(json.dumps({"ty": "orderbook", "cd": "KRW-BTC", "tms": 5, "obu": [unit]}).encode())
            await trio.sleep(0.02)

    async def greet(self, connection: ServerConnection, message: str | bytes) -> None:
        await connection.send('{"status":"UP"}')

    async def answer(self, asked: Asked) -> bytes | None:
        parts = urlsplit(asked.target)
        self.asked[f"{asked.method} {parts.path}"] += 1
        if asked.method == "POST":
            order = self.fill(json.loads(asked.body))
            await self.tell(order)
            if self.loses:
                self.loses -= 1
                return None
            return http(201, json.dumps({**order, "trades": None}).encode())
        return self.said(parts.path, dict(parse_qsl(parts.query)))

    def fill(self, body: dict[str, Any]) -> dict[str, Any]:
        number = len(self.orders)
        price, volume = Decimal(body["price"]), Decimal(body["volume"])
        value, sign = price * volume, 1 if body["side"] == "bid" else -1
        fee = value * FEE
        self.balances["BTC"] += sign * volume
        self.balances["KRW"] -= sign * value + fee
        trade = {"uuid": f"trade-{number}", "price": body["price"], "volume": body["volume"], "funds": str(value)}
        self.orders[body["identifier"]] = {
            **body,
            "uuid": f"order-{number}",
            "state": "done",
            "created_at": f"2026-11-29T12:00:{number:02}+09:00",
            "executed_volume": body["volume"],
            "remaining_volume": "0",
            "paid_fee": str(fee),
            "trades": [trade],
        }
        return self.orders[body["identifier"]]

    async def tell(self, order: dict[str, Any]) -> None:
        if self.is_mute or self.private is None:
            return
        head = {
            "type": "myOrder",
            "code": order["market"],
            "uuid": order["uuid"],
            "identifier": order["identifier"],
            "ask_bid": order["side"].upper(),
            "order_type": "limit",
            "time_in_force": order.get("time_in_force"),
            "executed_volume": order["executed_volume"],
            "remaining_volume": "0",
        }
        (trade,) = order["trades"]
        figures = {
            "trade_uuid": trade["uuid"],
            "price": trade["price"],
            "volume": trade["volume"],
            "trade_fee": order["paid_fee"],
        }
        for connection in self.private.subscribed:
            for message in ({**head, **figures, "state": "trade"}, {**head, "state": "done"}):
                try:
                    await connection.send(json.dumps(message).encode())
                except ConnectionClosed:
                    return

    def said(self, path: str, query: dict[str, str]) -> bytes:
        price = {"trade_price": self.bid, "timestamp": 1, "acc_trade_price_24h": 1, "acc_trade_volume_24h": 1}
        fees = {"bid_fee": str(FEE), "ask_fee": str(FEE)}
        sides = {side: {"currency": "KRW", "min_total": "5000"} for side in ("bid", "ask")}
        known: dict[str, Any] = {
            "/v1/market/all": [{"market": "KRW-BTC", "korean_name": "비트코인", "english_name": "Bitcoin"}],
            "/v1/orderbook/instruments": [{"market": "KRW-BTC", "quote_currency": "KRW", "tick_size": "1000"}],
            "/v1/ticker": [{"market": "KRW-BTC", **price}],
            "/v1/ticker/all": [{"market": "KRW-BTC", **price}],
            "/v1/orders/chance": {**fees, "market": {"id": "KRW-BTC", "state": "active", **sides}},
            "/v1/accounts": [
                {"currency": name, "balance": str(amount), "locked": "0"} for name, amount in self.balances.items()
            ],
            "/v1/orders/open": [],
            "/v1/orders/closed": list(self.orders.values()),
        }
        if path in known:
            return http(200, json.dumps(known[path]).encode())
        found = self.orders.get(query.get("identifier", ""))
        if found is None:
            return http(404, b'{"error":{"name":"order_not_found","message":"there is none"}}')
        return http(200, json.dumps(found).encode())


@contextmanager
def served(venue: Venue) -> Iterator[dict[str, Any]]:
    """Run a venue beside a campaign, which has Trio's loop for itself; give the campaign's table of it."""
    found: list[tuple[str, str, str]] = []
    is_up, is_over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with (
            venue_server(venue.show) as public,
            venue_server(venue.greet) as private,
            rest_server(venue.answer) as rest,
        ):
            venue.private = private
            found.append((rest.url, public.url, private.url))
            is_up.set()
            await trio.to_thread.run_sync(is_over.wait, abandon_on_cancel=True)

    thread = threading.Thread(target=partial(trio.run, serve))
    thread.start()
    try:
        assert is_up.wait(10)
        url, public_url, private_url = found[0]
        yield {
            "plugin": "account",
            "rest_url": url,
            "stream_url": private_url,
            "market": {"plugin": "upbit", "rest_url": url, "stream_url": public_url},
        }
    finally:
        is_over.set()
        thread.join(10)


def run(here: Venue, there: Venue) -> CampaignResult:
    with ExitStack() as stack:
        tables = {name: stack.enter_context(served(venue)) for name, venue in (("here", here), ("there", there))}
        table = {
            "universe": {
                "source": "upbit",
                "mode": "SINGLE",
                "symbol": "BTCKRW",
                "settings": {"rest_url": tables["here"]["rest_url"]},
            },
            "fx": {"KRW": {"rate": "0.0007"}},
            "exchanges": tables,
            "strategy": {"plugin": "inventory", "order_size_usd": 100, "entry_bps": 20},
            "guards": {"symbol": {"cooldown_seconds": 1}},
        }
        return run_real(table, seconds=3, plugins={"accounts": plugin_of(ACCOUNT)})


@pytest.mark.parametrize(
    ("loses", "is_mute"),
    [(0, False), (1, False), (1, True)],
    ids=["well", "an answer is lost", "an answer is lost and the stream is mute"],
)
def test_a_campaign_trades_and_its_ledger_is_what_the_venues_hold(loses: int, is_mute: bool) -> None:
    here, there = Venue(bid=90_000_000.0, loses=loses, is_mute=is_mute), Venue(bid=92_000_000.0)
    result = run(here, there)
    assert result.exit_code == 0
    filled = result.of_type("order_filled")
    assert {one["venue"] for one in filled} == {"here", "there"}
    assert len(filled) == len(here.orders) + len(there.orders) >= 2
    assert len({one["fill_id"] for one in filled if one["venue"] == "here"}) == len(here.orders)
    for one in filled:
        assert Decimal(one["fee"]) == Decimal(one["quantity"]) * Decimal(one["price"]) * FEE
    assert result.of_type("balance_differed") == []
    if is_mute:  # otherwise the stream tells of the order whose answer was lost
        assert result.of_type("order_unknown")
    assert here.balances["BTC"] + there.balances["BTC"] == Decimal(2)
