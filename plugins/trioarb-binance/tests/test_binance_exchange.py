"""The exchange against the simulated Binance: what becomes of orders when things go wrong between them."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from itertools import count
from typing import Any

import attrs
import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from venue_server import VenueServer, venue_server
from websockets.trio.server import ServerConnection

from trioarb.api import (
    InstrumentStatus,
    Listing,
    Order,
    OrderRejected,
    OrderReport,
    OrderStatus,
    OrderType,
    OrderUpdate,
    Side,
    TimeInForce,
    VenueError,
)
from trioarb.errors import leaves
from trioarb.venue import (
    Backoff,
    Credentials,
    Endpoint,
    Host,
    Limits,
    Priority,
    Request,
    RequestFailed,
    Response,
    RestClient,
    VenueClock,
    open_rest,
)
from trioarb_binance.api_session import ApiSession
from trioarb_binance.budget import limit_rules
from trioarb_binance.exchange import BinanceExchange, server_time_ms
from trioarb_binance.heard import Heard
from trioarb_binance.wire import frames, spot
from trioarb_binance.wire.client_ids import CLIENT_IDS
from trioarb_binance.wire.signer import Signer, signer_of

simulated = pytest.importorskip("trioarb_sim.simulator", reason="trioarb-sim is not installed")
faults = pytest.importorskip("trioarb_sim.faults")
accounts = pytest.importorskip("trioarb_sim.account")
orders = pytest.importorskip("trioarb_sim.order")

D = Decimal
QUICK = Backoff(first_seconds=0.05, longest_seconds=0.3)
BTC = Listing(symbol="BTCUSDT", base="BTC", quote="USDT")
ETH = Listing(symbol="ETHUSDT", base="ETH", quote="USDT")
BIDS, ASKS = [(D(59_999), D(1)), (D(59_990), D(2))], [(D(60_001), D(1)), (D(60_010), D(2))]
NUMBERS = count(1)


@attrs.define
class Account:
    """An exchange, its venue, and what was told of its orders."""

    venue: Any
    exchange: BinanceExchange
    session: ApiSession
    rest: RestClient
    clock: VenueClock
    signer: Signer
    told: list[OrderUpdate] = attrs.field(factory=list)
    ends: list[str] = attrs.field(factory=list)

    async def listen(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen as the engine does: again, after a pause, where the stream was cut."""
        while True:
            try:
                await self.exchange.updates(self.told.append, task_status=task_status)
            except VenueError as error:
                self.ends.append(str(error))
            task_status = trio.TASK_STATUS_IGNORED
            await trio.sleep(0.02)

    def of(self, order: Order) -> list[OrderUpdate]:
        return [one for one in self.told if one.client_order_id == order.client_order_id]


def order(**changes: Any) -> Order:
    fields: dict[str, Any] = {
        "client_order_id": f"1816687ec0570000-90d316-{next(NUMBERS)}",
        "venue": "a",
        "symbol": "BTCUSDT",
        "side": Side.BUY,
        "quantity": D("0.5"),
        "limit_price": D(60_001),
    }
    return Order(**fields | changes)


def ed25519() -> tuple[str, str]:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return private, public


@asynccontextmanager
async def trading(
    kind: str = "ed25519", secret: str = "", ahead_ms: int = 0, listens: bool = True, **options: Any
) -> AsyncIterator[Account]:
    """Open an account at a venue where strangers show what the test says."""
    private, public = ed25519()
    key = (
        accounts.Key(api_key="a-key", public_key=public)
        if kind == "ed25519"
        else accounts.Key(api_key="a-key", secret="a-secret-of-hmac")
    )
    own_secret = secret or (private if kind == "ed25519" else "a-secret-of-hmac")
    signer = signer_of(Credentials(api_key="a-key", secret=own_secret))

    async with simulated.open_simulator("binance", every_seconds=0, key=key, **options) as venue:
        venue.venue.show("BTCUSDT", BIDS, ASKS)
        limits = Limits("Binance", limit_rules(()))
        host = Host(url=venue.rest_url)
        with trio.fail_after(30):
            async with open_rest("Binance", host, limits=limits, can_trade=False) as rest:
                clock = VenueClock(
                    "Binance", partial(server_time_ms, rest), wall_ms=lambda: time.time_ns() / 1e6 - ahead_ms
                )
                exchange = BinanceExchange("a", rest, signer, clock)
                session = ApiSession(
                    Endpoint(url=f"{venue.socket_url}/ws-api/v3"),
                    signer,
                    clock,
                    limits,
                    recv_window_ms=5_000,
                    on_event=exchange.hear,
                    on_down=exchange.down,
                    now_ns=time.time_ns,
                    backoff=QUICK,
                )
                exchange.session = session
                async with trio.open_nursery() as nursery:
                    await nursery.start(clock.run)
                    await nursery.start(session.run)
                    await exchange.instruments([BTC, ETH])
                    account = Account(venue, exchange, session, rest, clock, signer)
                    if listens:
                        await nursery.start(account.listen)
                    yield account
                    nursery.cancel_scope.cancel()
        assert venue.violations == {}


async def until(condition: Callable[[], object], seconds: float = 12.0) -> None:
    with trio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for happens at the venue
            await trio.sleep(0.01)


def fills(report: OrderReport | OrderUpdate) -> list[tuple[str, Decimal, Decimal]]:
    return [(one.fill_id, one.quantity, one.price) for one in report.fills]


@pytest.mark.parametrize("kind", ["ed25519", "hmac"])
async def test_an_order_is_placed_told_of_and_found(kind: str) -> None:
    async with trading(kind) as account:
        one = order()
        report = await account.exchange.place(one)
        assert (report.client_order_id, report.status, report.filled) == (
            one.client_order_id,
            OrderStatus.FILLED,
            D("0.5"),
        )
        assert report.fills[0].fee == D("0.0005")
        assert report.fills[0].fee_asset == "BTC"
        await until(lambda: any(update.status is OrderStatus.FILLED for update in account.of(one)))
        # Each way tells the same fill, by the same id.
        assert [fills(update) for update in account.of(one) if update.fills] == [fills(report)]
        asked = await account.exchange.order(one.client_order_id)
        assert asked is not None
        assert fills(asked) == fills(report)
        [remembered] = await account.exchange.orders(["BTCUSDT", "ETHUSDT"], time.time_ns() - 60 * 10**9)
        assert (remembered.order, remembered.report) == (one, None)  # its fills are asked for where they are missed


async def test_rules_fees_and_balances() -> None:
    async with trading(listens=False) as account:
        found = await account.exchange.instruments([BTC, Listing(symbol="XYZUSDT", base="XYZ", quote="USDT")])
        assert list(found) == ["BTCUSDT"]
        btc = found["BTCUSDT"]
        assert (btc.native_id, btc.status) == ("BTCUSDT", InstrumentStatus.TRADING)
        assert (btc.rules.tick_size, btc.rules.lot_size, btc.rules.min_notional) == (D("0.01"), D("0.00001"), 5)
        assert (btc.maker_fee_bps, btc.taker_fee_bps) == (10, 10)
        before = await account.exchange.balances()
        resting = order(limit_price=D(50_000), time_in_force=TimeInForce.GTC)
        await account.exchange.place(resting)
        # What an order locks is owned all the same.
        assert await account.exchange.balances() == before
        await account.exchange.place(order())
        after = await account.exchange.balances()
        assert after["USDT"] == before["USDT"] - D("30000.5")
        assert after["BTC"] == before["BTC"] + D("0.4995")


@pytest.mark.parametrize(
    ("changes", "status", "filled"),
    [
        ({"quantity": D(2)}, OrderStatus.EXPIRED, 1),
        ({"quantity": D(2), "time_in_force": TimeInForce.FOK}, OrderStatus.EXPIRED, 0),
        ({"time_in_force": TimeInForce.GTC, "limit_price": D(59_000)}, OrderStatus.OPEN, 0),
        (
            {"time_in_force": TimeInForce.GTC, "post_only": True, "limit_price": D(59_000)},
            OrderStatus.OPEN,
            0,
        ),
        ({"type": OrderType.MARKET, "limit_price": D(0)}, OrderStatus.FILLED, D("0.5")),
        ({"side": Side.SELL, "limit_price": D(59_999)}, OrderStatus.FILLED, D("0.5")),
    ],
    ids=["IOC", "FOK", "GTC", "post-only", "market", "sell"],
)
async def test_each_kind_of_order(changes: dict[str, Any], status: OrderStatus, filled: Decimal) -> None:
    async with trading(owned={"USDT": D(1_000_000), "BTC": D(10)}) as account:
        one = order(**changes)
        report = await account.exchange.place(one)
        assert (report.status, report.filled) == (status, filled)
        asked = await account.exchange.order(one.client_order_id)
        assert asked is not None
        assert (asked.status, asked.filled) == (status, filled)


async def test_an_order_that_rests_is_cancelled_once() -> None:
    async with trading() as account:
        one = order(limit_price=D(59_000), time_in_force=TimeInForce.GTC)
        await account.exchange.place(one)
        [resting] = await account.exchange.open_orders(["BTCUSDT"])
        assert (resting.client_order_id, resting.status, resting.filled) == (one.client_order_id, OrderStatus.OPEN, 0)
        assert await account.exchange.open_orders(["ETHUSDT"]) == []
        await account.exchange.cancel(one.client_order_id)
        await account.exchange.cancel(one.client_order_id)  # there is nothing to do, which is no error
        await until(lambda: account.of(one)[-1:] and account.of(one)[-1].status is OrderStatus.CANCELLED)
        assert account.of(one)[-1].filled == 0
        assert await account.exchange.open_orders(["BTCUSDT", "ETHUSDT"]) == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"quantity": D("0.00001")}, "-1013"),
        ({"quantity": D(100_000)}, "-2010|-1013"),
        ({"time_in_force": TimeInForce.GTC, "post_only": True}, "-2010"),
        ({"limit_price": D("60001.001")}, "-1013|-1111"),
    ],
    ids=["too small", "too dear", "would take", "off the tick"],
)
async def test_what_binance_refuses_never_fills(changes: dict[str, Any], why: str) -> None:
    async with trading() as account:
        with pytest.raises(OrderRejected, match=why):
            await account.exchange.place(order(**changes))


async def test_an_answer_that_is_lost_leaves_the_order_unknown_and_it_is_found() -> None:
    """V-2."""
    async with trading() as account:
        account.venue.faults.switch_on(faults.Fault.LOST_ACKNOWLEDGEMENT)
        one = order()
        errors = list[VenueError]()

        async def place() -> None:
            try:
                await account.exchange.place(one)
            except VenueError as error:
                errors.append(error)

        # Sooner than if it waited for an answer that can't come any more.
        with trio.fail_after(6.0):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(place)
                await until(lambda: account.venue.venue.orders("main"))
                account.venue.faults.switch_on(faults.Fault.CUT)
        [error] = errors
        assert not isinstance(error, OrderRejected)
        assert "the connection was cut" in str(error)
        assert "the venue may have got the message" in str(error)
        found = await account.exchange.order(one.client_order_id)
        assert found is not None
        assert found.filled == D("0.5")
        assert len(account.venue.venue.orders("main")) == 1  # it was never sent again


async def test_a_cut_while_an_order_is_under_way() -> None:
    """V-6: what was filled meanwhile is found after, each fill once."""
    async with trading() as account:
        one = order(limit_price=D(59_000), time_in_force=TimeInForce.GTC)
        await account.exchange.place(one)
        account.venue.faults.switch_on(faults.Fault.CUT)
        await until(lambda: not account.session.is_up)
        # It fills while nobody hears of it, and nothing can be sent.
        account.venue.venue.show("BTCUSDT", [], [(D(58_000), D(5))])
        with pytest.raises(OrderRejected, match="not connected"):
            await account.exchange.place(order())
        await until(lambda: account.ends)
        await until(lambda: account.session.is_up)
        assert await account.exchange.open_orders(["BTCUSDT"]) == []
        found = await account.exchange.order(one.client_order_id)
        assert found is not None
        assert (found.status, found.filled) == (OrderStatus.FILLED, D("0.5"))


async def test_that_there_is_no_such_order_is_believed_only_when_it_can_not_arrive_any_more() -> None:
    async with trading() as account:
        never, ago = "1816687ec0570000-90d316-999999", [1.0, 14.9, 15.1]
        # An earlier process sent it, and was killed.
        account.exchange._sent_ago = lambda order_id: ago.pop(0) if order_id == never else None
        for _ in range(2):
            with pytest.raises(VenueError, match="may still arrive"):
                await account.exchange.order(never)
        assert await account.exchange.order(never) is None


@pytest.mark.parametrize("fault", ["SERVER_ERROR", "TOO_MANY_REQUESTS", "BANNED", "MALFORMED"])
async def test_no_other_answer_says_that_there_is_no_such_order(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """V-1, over sockets."""
    monkeypatch.setattr("trioarb_binance.exchange._ENGINE_SECONDS", -5.0)
    async with trading() as account:
        one = order()
        await account.exchange.place(one)
        account.venue.faults.switch_on(faults.Fault[fault], times=30)
        for _ in range(3):
            with trio.move_on_after(1.0), pytest.raises(VenueError):
                await account.exchange.order(one.client_order_id)


class Failing:
    """A client of REST whose answers are given."""

    def __init__(self, answer: Callable[[], Response]) -> None:
        self._answer = answer

    async def send(self, request: Request, priority: Priority = Priority.LISTING, *, patience: float = 0) -> Response:
        await trio.lowlevel.checkpoint()
        return self._answer()


def fail(why: str) -> Callable[[], Response]:
    def answer() -> Response:
        raise RequestFailed(why, was_sent=True)

    return answer


POLLS: dict[str, Callable[[], Response]] = {
    "name resolution": fail("the name can't be resolved"),
    "timeout": fail("no answer within 10 s"),
    "5xx": fail("answered with status 503"),
    "5xx that says so": lambda: Response(status=503, body=b'{"code":-2013,"msg":"Order does not exist."}'),
    "429": lambda: Response(status=429, body=b'{"code":-1003,"msg":"Too many requests"}'),
    "a proxy": lambda: Response(status=404, body=b"<html>Order does not exist.</html>"),
    "nothing": lambda: Response(status=200, body=b""),
    "another order": lambda: Response(status=200, body=b"{}"),
}


@pytest.mark.parametrize("kind", POLLS)
async def test_ten_polls_that_fail_leave_an_order_unknown(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """V-1."""
    monkeypatch.setattr("trioarb_binance.exchange._ENGINE_SECONDS", -5.0)
    one = order()
    async with trading(listens=False) as account:
        signer, clock = account.signer, account.clock
        exchange = BinanceExchange("a", Failing(POLLS[kind]), signer, clock)
        exchange._by_native = dict(account.exchange._by_native)
        for _ in range(10):
            with pytest.raises(VenueError) as raised:
                await exchange.order(one.client_order_id)
            assert not isinstance(raised.value, OrderRejected)
        said = Response(status=400, body=b'{"code":-2013,"msg":"Order does not exist."}')
        exchange._rest = Failing(lambda: said)
        assert await exchange.order(one.client_order_id) is None


async def test_orders_of_before_are_found_without_their_symbol() -> None:
    async with trading() as account:
        one = order()
        await account.exchange.place(one)
        again = BinanceExchange("a", account.rest, account.signer, account.clock)
        await again.instruments([ETH, BTC])
        found = await again.order(one.client_order_id)
        assert found is not None
        assert found.filled == D("0.5")


async def test_orders_are_asked_for_of_symbols_of_which_something_was_told() -> None:
    now_ns = [100]
    async with trading(listens=False) as account:
        exchange, there = account.exchange, account.venue
        exchange._heard = Heard(lambda: now_ns[0])

        async def asked(since_ns: int) -> tuple[int, list[str]]:
            before = there.traffic.requests
            found = await exchange.orders(["BTCUSDT", "ETHUSDT"], since_ns)
            return there.traffic.requests - before, [one.order.client_order_id for one in found]

        async with trio.open_nursery() as nursery:
            await nursery.start(account.listen)
            now_ns[0] = 200
            assert await asked(150) == (0, [])
            assert await asked(50) == (2, [])  # nothing is known of what was before
            one = order()
            await exchange.place(one)
            assert await asked(150) == (1, [one.client_order_id])
            by_hand = orders.OrderTerms(market="ETHUSDT", side=Side.BUY, price=D(2000), quantity=D(1), client_id="hand")
            there.venue.place("main", by_hand)
            await until(lambda: any(update.client_order_id == "hand" for update in account.told))
            assert await asked(150) == (2, [one.client_order_id, "hand"])
            now_ns[0] = 400
            assert await asked(300) == (0, [])
            exchange.down("a cut")
            assert (await asked(300))[0] == 2
            nursery.cancel_scope.cancel()


async def test_a_clock_that_is_some_seconds_off_is_corrected_for() -> None:
    async with trading(ahead_ms=30_000) as account:
        assert abs(account.clock.offset_ms - 30_000) < 1_000
        assert (await account.exchange.place(order())).status is OrderStatus.FILLED


async def test_a_clock_an_hour_off_is_a_clear_error() -> None:
    with pytest.raises((VenueError, ExceptionGroup)) as raised:
        async with trading(ahead_ms=3_600_000):
            pass
    [error] = leaves(raised.value)
    assert isinstance(error, VenueError)
    assert "NTP" in str(error)


async def test_while_the_time_of_binance_is_not_known_nothing_is_sent() -> None:
    async with trading() as account:
        account.venue.faults.switch_on(faults.Fault.SKEWED_CLOCK)
        with pytest.raises(OrderRejected, match="-1021"):
            await account.exchange.place(order())
        await until(lambda: account.clock.offset_ms > 3_000_000)
        with pytest.raises(OrderRejected, match="NTP"):
            await account.exchange.place(order())
        account.venue.faults.clear()
        account.clock.doubt()
        await until(lambda: account.clock.offset_ms < 1_000)


async def test_events_told_twice_or_unknown_do_no_harm() -> None:
    """V-7: unknown events are counted."""
    async with trading() as account:
        account.venue.faults.switch_on(faults.Fault.DUPLICATE)
        account.venue.faults.switch_on(faults.Fault.UNKNOWN)
        one = order()
        report = await account.exchange.place(one)
        await until(lambda: sum(bool(update.fills) for update in account.of(one)) == 2)
        assert all(fills(update) == fills(report) for update in account.of(one) if update.fills)
        assert account.session.unknown > 0
        assert account.ends == []


async def test_what_others_sent_by_hand_goes_by_its_own_id() -> None:
    async with trading() as account:
        client = CLIENT_IDS.encode("1816687ec0570000-90d316-777")
        stamp = account.exchange._stamp()
        by_hand = spot.new_order(order(), native_id="BTCUSDT", client_id="by-hand-1", stamp=stamp)
        assert client != "by-hand-1"
        host = Host(url=account.venue.rest_url)
        limits = Limits("Binance", limit_rules(()))
        async with open_rest("Binance", host, limits=limits, can_trade=True) as rest:
            assert (await rest.send(by_hand, Priority.ENTRY)).is_success
        await until(lambda: [one for one in account.told if one.client_order_id == "by-hand-1"])


@pytest.mark.parametrize("kind", ["ed25519", "hmac"])
async def test_a_wrong_key_is_a_clear_error(kind: str) -> None:
    wrong = ed25519()[0] if kind == "ed25519" else "another-secret"
    with pytest.raises((VenueError, ExceptionGroup)) as raised:
        async with trading(kind, secret=wrong):
            pass
    [error] = leaves(raised.value)
    assert isinstance(error, VenueError)
    assert "-1022" in str(error)
    assert wrong not in str(error)


# A session, against a server that says what a test wants


@asynccontextmanager
async def session_at(
    answer: Any, *, banned_seconds: float = 0.0
) -> AsyncIterator[tuple[VenueServer, ApiSession, list[str]]]:
    """Run a session that subscribes with a secret; ``downs`` are why events were missing."""
    downs = list[str]()
    signer = signer_of(Credentials(api_key="a-key", secret="a-secret"))

    async def now_ms() -> float:
        return time.time_ns() / 1e6

    clock = VenueClock("Binance", now_ms)
    await clock.measure()
    limits = Limits("Binance", limit_rules(()))
    async with venue_server(answer) as server:
        if banned_seconds:
            limits.close(banned_seconds, "HTTP 418")
        session = ApiSession(
            Endpoint(url=f"ws://localhost:{server.port}"),
            signer,
            clock,
            limits,
            recv_window_ms=5_000,
            on_event=lambda event: None,
            on_down=downs.append,
            now_ns=time.time_ns,
            backoff=QUICK,
        )
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                await nursery.start(session.run)
                yield server, session, downs
                nursery.cancel_scope.cancel()


async def welcome(connection: ServerConnection, message: str | bytes) -> None:
    await connection.send(json.dumps({"id": json.loads(message)["id"], "status": 200, "result": {"subscriptionId": 0}}))


async def test_while_binance_bans_a_session_says_nothing() -> None:
    came = list[float]()

    async def answer(connection: ServerConnection, message: str | bytes) -> None:
        came.append(trio.current_time())
        await welcome(connection, message)

    began = trio.current_time()
    async with session_at(answer, banned_seconds=0.6):
        assert len(came) == 1
        assert came[0] - began >= 0.6


async def test_a_shutdown_that_is_announced_leads_to_another_session_first() -> None:
    async with session_at(welcome) as (server, session, downs):
        await server.open[0].send('{"event":{"e":"serverShutdown","E":1}}')
        await until(lambda: len(server.subscribed) == 2)
        assert session.is_up
        assert downs == []


@pytest.mark.parametrize(
    "message", ['{"subscriptionId":0,"event":{"e":"eventStreamTerminated","E":1}}', '{"subscriptionId":0,"event":{"e"']
)
async def test_events_that_end_or_can_not_be_read_are_subscribed_to_again(message: str) -> None:
    async with session_at(welcome) as (server, session, downs):
        await server.open[0].send(message)
        await until(lambda: downs)
        await until(lambda: session.is_up and len(server.messages()) == 2)
        assert len(downs) == 1


async def test_a_session_that_was_refused_for_its_time_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trioarb_binance.api_session._RETRY_SECONDS", 0.05)
    answers = iter([{"status": 400, "error": {"code": -1021, "msg": "Timestamp"}}])

    async def late(connection: ServerConnection, message: str | bytes) -> None:
        rest = next(answers, {"status": 200, "result": {"subscriptionId": 0}})
        await connection.send(json.dumps({"id": json.loads(message)["id"], **rest}))

    async with session_at(late) as (server, session, _):
        assert session.is_up
        assert len(server.messages()) == 2


async def test_an_order_is_not_sent_beyond_the_limits() -> None:
    async with session_at(welcome) as (server, session, _):
        for _ in range(50):
            await session.ask(lambda number, stamp: frames.ping(number), {"orders": 1}, Priority.HEDGE)
        with pytest.raises(OrderRejected, match="not sent"):
            await session.ask(lambda number, stamp: frames.ping(number), {"orders": 1}, Priority.HEDGE)
        assert sum("ping" in str(message) for message in server.messages()) == 50


async def test_orders_that_fill_count_no_more_and_others_that_end_do() -> None:
    """Binance's limit of orders is one of those that don't fill."""
    async with trading() as account:

        def counted() -> int:
            return next(
                one.used for one in account.session._limits.usage() if (one.bucket, one.seconds) == ("orders", 10)
            )

        await account.exchange.place(order())  # fills at once
        assert counted() == 0
        resting = order(limit_price=D(59_000), time_in_force=TimeInForce.GTC)
        await account.exchange.place(resting)
        short = order(limit_price=D(58_000))  # IOC, and nothing is there
        await account.exchange.place(short)
        assert counted() == 2
        account.venue.venue.show("BTCUSDT", [(D(58_000), D(1))], [(D(58_900), D(1))])
        await until(lambda: any(update.fills for update in account.of(resting)))
        assert counted() == 1
        cancelled = order(limit_price=D(50_000), time_in_force=TimeInForce.GTC)
        await account.exchange.place(cancelled)
        await account.exchange.cancel(cancelled.client_order_id)
        await until(lambda: any(update.status.is_final for update in account.of(cancelled)))
        assert counted() == 2
