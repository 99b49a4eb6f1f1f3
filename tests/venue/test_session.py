"""A WebSocket session over loopback, in real time: sockets don't wait for a virtual clock."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from http import HTTPStatus
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trustme
from venue_server import VenueServer, venue_server
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Response
from websockets.trio.server import ServerConnection

from trioarb.errors import VenueError
from trioarb.venue import Backoff, Endpoint, Heartbeat, Key, NotSent, Pace, WebSocketSession, tls_context

QUICK = Backoff(first_seconds=0.02, longest_seconds=0.1)
Message = str | bytes


@attrs.define
class Owner:
    """Who a session tells, in the order told."""

    told: list[tuple[Any, ...]] = attrs.field(factory=list)
    received_ns: list[int] = attrs.field(factory=list)

    def on_message(self, message: bytes, received_ns: int) -> Key | None:
        self.told.append(("message", message))
        self.received_ns.append(received_ns)
        return message.partition(b" ")[0].decode("latin-1")

    def on_connected(self) -> None:
        self.told.append(("connected",))

    def on_disconnected(self, why: str) -> None:
        self.told.append(("disconnected", why))

    def on_silent(self, key: Key) -> None:
        self.told.append(("silent", key))

    @property
    def messages(self) -> list[bytes]:
        return [one[1] for one in self.told if one[0] == "message"]

    @property
    def kinds(self) -> list[str]:
        return [one[0] for one in self.told if one[0] != "message"]

    @property
    def reasons(self) -> list[str]:
        return [one[1] for one in self.told if one[0] == "disconnected"]


def session_of(server: VenueServer | Endpoint, owner: Owner, **settings: Any) -> WebSocketSession:
    endpoint = server if isinstance(server, Endpoint) else Endpoint(url=server.url)
    return WebSocketSession(
        endpoint=endpoint,
        on_message=owner.on_message,
        on_connected=owner.on_connected,
        on_disconnected=owner.on_disconnected,
        on_silent=owner.on_silent,
        now_ns=time.time_ns,
        **{
            "keys": {"a": None},
            "subscribe": lambda keys: [f"subscribe {' '.join(map(str, keys))}"],
            "backoff": QUICK,
            "linger_seconds": 0.02,
            "can_trade": True,
            **settings,
        },
    )


@asynccontextmanager
async def running(session: WebSocketSession) -> AsyncIterator[None]:
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            await nursery.start(session.run)
            yield
            nursery.cancel_scope.cancel()


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    with trio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for happens at a server
            await trio.sleep(0.005)


async def echo(connection: ServerConnection, message: Message) -> None:
    """Answer a subscription with a message of each of its keys."""
    for key in str(message).split()[1:]:
        await connection.send(f"{key} 1")


def answer(status: int, body: bytes = b"", **headers: str) -> Response:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, HTTPStatus(status).phrase, Headers({"Content-Length": str(len(body)), **headers}), body)


async def test_all_keys_are_subscribed_to_in_batches_before_it_has_started() -> None:
    owner = Owner()
    async with venue_server(echo) as server:
        session = session_of(server, owner, keys=dict.fromkeys("abcde"), keys_per_message=2)
        before = time.time_ns()
        async with running(session):
            await until(lambda: len(owner.messages) == 5)
            assert server.messages() == ["subscribe a b", "subscribe c d", "subscribe e"]

    assert owner.told[0] == ("connected",)
    assert owner.messages == [b"a 1", b"b 1", b"c 1", b"d 1", b"e 1"]
    assert all(before <= received_ns <= time.time_ns() for received_ns in owner.received_ns)


async def test_without_keys_it_is_asked_once_what_to_send() -> None:
    async with venue_server() as server, running(session_of(server, Owner(), keys={}, subscribe=lambda _: ["log on"])):
        await until(server.messages)
        assert server.messages() == ["log on"]


async def test_text_binary_and_fragmented_messages_come_as_bytes_in_their_order() -> None:
    async def send_all(connection: ServerConnection, message: Message) -> None:
        await connection.send("text é")
        await connection.send(b"\x00binary")
        await connection.send(["in ", "three ", "pieces"])
        await connection.send("last")

    owner = Owner()
    async with venue_server(send_all) as server, running(session_of(server, owner)):
        await until(lambda: len(owner.messages) == 4)

    assert owner.messages == ["text é".encode(), b"\x00binary", b"in three pieces", b"last"]


async def test_headers_are_asked_for_at_each_handshake_and_none_names_an_origin() -> None:
    numbers = count()
    owner = Owner()
    async with venue_server(echo) as server:
        endpoint = Endpoint(url=server.url, headers=lambda: {"Authorization": f"Bearer {next(numbers)}"})
        async with running(session_of(endpoint, owner)):
            await server.open[0].aclose()
            await until(lambda: owner.kinds.count("connected") == 2)

    assert [request.headers["Authorization"] for request in server.requests] == ["Bearer 0", "Bearer 1"]
    assert not [request for request in server.requests if "Origin" in request.headers]


async def test_a_cut_is_told_and_followed_by_a_connection_with_all_subscriptions() -> None:
    owner = Owner()
    async with venue_server(echo) as server, running(session_of(server, owner, keys={"a": None, "b": None})):
        await trio.aclose_forcefully(server.open[0].stream)
        await until(lambda: len(server.messages()) == 2)
        assert server.messages(1) == ["subscribe a b"]
        await until(lambda: len(owner.messages) >= 2)

    assert owner.kinds == ["connected", "disconnected", "connected"]
    assert owner.reasons == [f"the connection to localhost:{server.port} was cut"]


@pytest.mark.parametrize(("code", "said"), [(1008, "policy violation"), (1012, "service restart"), (4001, "4001")])
async def test_why_a_venue_closes_a_connection_is_told(code: int, said: str) -> None:
    owner = Owner()
    async with venue_server() as server, running(session_of(server, owner)):
        await server.open[0].aclose(code, "because \a")
        await until(lambda: len(server.connected) == 2)

    assert f"localhost:{server.port} closed the connection" in owner.reasons[0]
    assert said in owner.reasons[0]
    assert r"because \x07" in owner.reasons[0]


async def test_a_farewell_that_leaves_the_line_open_is_an_end_all_the_same() -> None:
    owner = Owner()
    async with venue_server() as server:
        endpoint = Endpoint(url=server.url, close_seconds=0.05)
        async with running(session_of(endpoint, owner)):
            connection = server.open[0]
            # The close frame alone: what follows of the farewell is never carried out.
            await connection.stream.send_all(b"\x88\x02\x03\xf4")
            connection.send_data = trio.sleep_forever  # type: ignore[method-assign]
            await until(lambda: len(server.connected) == 2)

    assert "closed the connection: 1012 (service restart)" in owner.reasons[0]


@pytest.mark.parametrize("is_compressed", [False, True])
async def test_a_message_that_is_too_long_ends_the_connection(is_compressed: bool) -> None:
    async def flood(connection: ServerConnection, message: Message) -> None:
        await connection.send("a" * (500_000 if len(server.connected) == 1 else 5))

    owner = Owner()
    async with venue_server(flood, compression="deflate" if is_compressed else None) as server:
        endpoint = Endpoint(url=server.url, max_message_bytes=100_000, is_compressed=is_compressed)
        async with running(session_of(endpoint, owner)):
            await until(lambda: owner.messages)

    assert owner.kinds == ["connected", "disconnected", "connected"]
    assert "given up: 1009 (message too big)" in owner.reasons[0]
    assert owner.messages == [b"aaaaa"]


async def test_a_message_in_pieces_without_end_ends_the_connection() -> None:
    async def dribble(connection: ServerConnection, message: Message) -> None:
        if len(server.connected) == 1:
            await connection.stream.send_all(b"\x01\x00" + b"\x00\x00" * 10_000)

    owner = Owner()
    async with venue_server(dribble) as server, running(session_of(server, owner)):
        await until(lambda: owner.kinds == ["connected", "disconnected", "connected"])

    assert "in more than 4096 pieces" in owner.reasons[0]
    assert owner.messages == []


async def test_a_server_is_waited_for_that_is_not_there_yet() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}"
        owner = Owner()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session_of(Endpoint(url=url), owner).run)
            await until(lambda: len(owner.reasons) == 3)
            nursery.cancel_scope.cancel()

    assert owner.kinds == ["disconnected"] * 3
    assert "can't be reached: ConnectionRefusedError" in owner.reasons[0]


async def test_a_first_handshake_that_is_refused_for_good_is_an_error() -> None:
    async with venue_server() as server:
        server.refusals.append(answer(401, b'{"error":{"name":"INVALID_AUTH"}}'))
        with trio.fail_after(5), pytest.raises(VenueError, match=r"answered the handshake with 401.*INVALID_AUTH"):
            await session_of(server, Owner()).run()

    assert len(server.requests) == 1


async def test_a_refusal_that_may_pass_is_waited_for_as_long_as_the_venue_says() -> None:
    owner = Owner()
    async with venue_server() as server:
        server.refusals += [answer(503), answer(429, Retry_After="1")]
        began = trio.current_time()
        async with running(session_of(server, owner)):
            assert trio.current_time() - began > 1.0

    assert owner.kinds == ["disconnected", "disconnected", "connected"]
    assert "handshake with 503" in owner.reasons[0]


async def test_a_refusal_after_it_was_connected_is_no_error() -> None:
    owner = Owner()
    async with venue_server() as server, running(session_of(server, owner)):
        server.refusals += [answer(401), answer(404)]
        await server.open[0].aclose()
        await until(lambda: owner.kinds == ["connected", "disconnected", "disconnected", "disconnected", "connected"])


async def test_no_redirect_is_followed() -> None:
    async with venue_server() as other, venue_server() as server:
        server.refusals.append(answer(302, Location=other.url))
        with trio.fail_after(5), pytest.raises(VenueError, match="handshake with 302"):
            await session_of(server, Owner()).run()

    assert other.requests == []


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


async def test_an_authority_of_a_file_is_trusted(authority: trustme.CA, tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    owner = Owner()
    tls = tls_context(ca_file)
    async with venue_server(echo, tls=server_tls(authority)) as server:
        endpoint = Endpoint(url=server.url, tls=tls)
        async with running(session_of(endpoint, owner)):
            await until(lambda: owner.messages)

    assert owner.messages == [b"a 1"]


async def test_an_authority_that_nobody_named_is_not_trusted(authority: trustme.CA) -> None:
    async with venue_server(tls=server_tls(authority)) as server:
        endpoint = Endpoint(url=server.url, tls=tls_context())
        with trio.fail_after(5), pytest.raises(VenueError, match=r"not who it says it is.*ca_file") as caught:
            await session_of(endpoint, Owner()).run()

    assert "secret" not in str(caught.value)
    assert server.connected == []


def test_a_file_that_holds_no_certificate_is_named(tmp_path: Path) -> None:
    with pytest.raises(VenueError, match=r"ca_file .*missing.pem can't be used"):
        tls_context(tmp_path / "missing.pem")
    (tmp_path / "empty.pem").write_text("nothing")
    with pytest.raises(VenueError, match="expected certificates as PEM text"):
        tls_context(tmp_path / "empty.pem")


async def stream_numbers(server: VenueServer) -> None:
    """Send rising numbers by all connections that have subscribed, for ever."""
    for number in count():
        for connection in tuple(server.subscribed):
            with suppress(ConnectionClosed):
                await connection.send(f"a {number}")
        await trio.sleep(0.002)


@pytest.mark.parametrize("lifetime_seconds", [None, 0.2])
async def test_another_connection_takes_over_without_a_hole(lifetime_seconds: float | None) -> None:
    owner = Owner()
    async with venue_server() as server, trio.open_nursery() as nursery:
        nursery.start_soon(stream_numbers, server)
        session = session_of(server, owner, keys={"a": 5.0}, lifetime_seconds=lifetime_seconds)
        async with running(session):
            for connections in (2, 3):
                wanted = len(owner.messages) + 20
                while len(owner.messages) < wanted:  # noqa: ASYNC110 - what is waited for happens at a server
                    await trio.sleep(0.005)
                if lifetime_seconds is None:
                    session.renew()
                while len(server.connected) < connections or len(server.open) > 1:  # noqa: ASYNC110 - the same
                    await trio.sleep(0.005)
        nursery.cancel_scope.cancel()

    numbers = sorted({int(message.split()[1]) for message in owner.messages})
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert owner.kinds == ["connected"]
    assert server.most_open == 2
    assert server.farewells[:2] == [1000, 1000]


async def test_the_old_connection_stays_until_the_new_one_delivers_each_key() -> None:
    async def deliver(connection: ServerConnection, message: Message) -> None:
        await connection.send("a 1")
        if len(server.connected) == 1:
            await connection.send("b 1")

    owner = Owner()
    keys = {"a": 5.0, "b": 5.0, "c": None}
    async with venue_server(deliver) as server:
        session = session_of(server, owner, keys=keys, overlap_seconds=10.0)
        async with running(session):
            await until(lambda: len(owner.messages) == 2)
            session.renew()
            await until(lambda: len(owner.messages) == 3)
            await trio.sleep(0.1)
            assert len(server.open) == 2, "the new one has delivered a only"
            await server.open[1].send("b 2")
            await until(lambda: len(server.open) == 1)
            await server.open[0].send("a 3")
            await until(lambda: b"a 3" in owner.messages)

    assert owner.kinds == ["connected"]


async def test_a_connection_that_cannot_be_replaced_is_kept() -> None:
    owner = Owner()
    async with venue_server() as server:
        session = session_of(server, owner, overlap_seconds=0.02)
        async with running(session):
            server.refusals += [answer(503), answer(401), answer(503)]
            session.renew()
            await until(lambda: len(server.requests) == 5)
            await until(lambda: len(server.open) == 1 and len(server.connected) == 2)

    assert owner.kinds == ["connected"]


async def test_a_connection_that_ends_before_another_has_taken_over_is_a_loss() -> None:
    owner = Owner()
    async with venue_server() as server:
        session = session_of(server, owner, keys={"a": 5.0}, overlap_seconds=10.0)
        async with running(session):
            session.renew()
            await until(lambda: len(server.subscribed) == 2)
            old, new = server.open
            await old.aclose()
            await until(lambda: len(server.connected) == 3 and len(server.open) == 1)
            assert old not in server.open
            assert new not in server.open
            await server.open[0].send("a 1")
            await until(lambda: owner.messages)

    assert owner.kinds == ["connected", "disconnected", "connected"]


async def test_a_venue_that_announces_each_shutdown_at_once_is_not_run_into() -> None:
    owner = Owner()
    backoff = Backoff(first_seconds=0.05, longest_seconds=10.0, chance=lambda: 0.0)
    async with venue_server() as server:
        session = session_of(server, owner, overlap_seconds=0.0, backoff=backoff)
        async with running(session), trio.open_nursery() as nursery:

            async def announce() -> None:
                while True:
                    session.renew()
                    await trio.sleep(0.001)

            nursery.start_soon(announce)
            await until(lambda: len(server.connected) == 5)
            nursery.cancel_scope.cancel()

    gaps = [later - earlier for earlier, later in pairwise(server.connected)]
    for wanted, gap in zip((0.0, 0.2, 0.4, 0.8), gaps, strict=True):
        assert gap >= wanted


async def test_messages_keep_a_pace_that_the_venue_sees() -> None:
    keys = dict.fromkeys(map(str, range(12)))
    async with venue_server() as server:
        session = session_of(
            server,
            Owner(),
            keys=keys,
            keys_per_message=1,
            sends=lambda: Pace((3, 0.15), jitter_seconds=0.05),
            heartbeat=Heartbeat(message="PING", message_seconds=0.01),
        )
        async with running(session):
            await until(lambda: len(server.messages()) > 12)

    assert [one for one in server.messages() if one != "PING"] == [f"subscribe {key}" for key in keys]

    times = [at for _, at, _ in server.sent]
    assert len(times) >= 12
    assert all(later - earlier > 0.15 for earlier, later in zip(times, times[3:], strict=False))


async def test_where_a_venue_ends_connections_for_their_messages_fewer_are_sent() -> None:
    owner = Owner()
    times: dict[ServerConnection, list[float]] = {}

    async def answer(connection: ServerConnection, message: str | bytes) -> None:
        now = trio.current_time()
        times.setdefault(connection, []).append(now)
        if sum(at > now - 0.2 for at in times[connection]) > 2:
            await connection.aclose(1008, "too many messages")

    async with venue_server(answer) as server:
        keys: dict[Key, None] = {str(number): None for number in range(8)}
        session = session_of(
            server,
            owner,
            keys=keys,
            keys_per_message=1,
            sends=lambda: Pace((5, 0.2), jitter_seconds=0.05),
        )
        async with running(session):
            await until(lambda: any(len(each) == len(keys) for each in times.values()))
            await trio.sleep(0.1)
    # From 5 at once to 2, within the limit.
    assert [reason.partition("1008")[1] for reason in owner.reasons] == ["1008"]
    assert len(times) == 2


async def test_connections_keep_a_pace_that_sessions_share() -> None:
    pace = Pace((2, 0.15), jitter_seconds=0.05)

    async def hang_up(connection: ServerConnection, message: Message) -> None:
        await connection.aclose(1013)

    async with venue_server(hang_up) as server, trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(session_of(server, Owner(), connects=pace).run)
        await until(lambda: len(server.connected) >= 7)
        nursery.cancel_scope.cancel()

    assert all(later - earlier > 0.15 for earlier, later in zip(server.connected, server.connected[2:], strict=False))


async def test_waits_double_until_a_connection_has_held() -> None:
    async def hang_up(connection: ServerConnection, message: Message) -> None:
        if len(server.connected) == 5:
            await trio.sleep(0.2)
        await connection.aclose(1013)

    backoff = Backoff(first_seconds=0.04, longest_seconds=5.0, good_seconds=0.15, chance=lambda: 0.0)
    async with venue_server(hang_up) as server, trio.open_nursery() as nursery:
        nursery.start_soon(session_of(server, Owner(), backoff=backoff).run)
        await until(lambda: len(server.connected) == 6)
        nursery.cancel_scope.cancel()

    gaps = [later - earlier for earlier, later in pairwise(server.connected)]
    for wanted, gap in zip((0.08, 0.16, 0.32, 0.64), gaps, strict=False):
        assert gap >= wanted
    assert 0.2 + 0.04 <= gaps[4] < 0.2 + 1.28


async def test_a_ping_is_answered() -> None:
    async with venue_server() as server, running(session_of(server, Owner())):
        with trio.fail_after(5):
            answered = await server.open[0].ping(b"payload")
            await answered.wait()


async def test_a_line_by_which_nothing_comes_is_given_up() -> None:
    owner = Owner()
    heartbeat = Heartbeat(ping_seconds=None)
    async with venue_server() as server, running(session_of(server, owner, idle_seconds=0.1, heartbeat=heartbeat)):
        await until(lambda: len(server.connected) == 2)

    assert f"nothing came from localhost:{server.port} for 0.1 s" in owner.reasons[0]


async def _read_nothing(max_bytes: int | None = None) -> bytes:
    await trio.sleep_forever()
    raise AssertionError


async def test_a_venue_that_reads_nothing_is_given_up_though_a_message_is_under_way() -> None:
    owner = Owner()
    async with venue_server() as server:
        session = session_of(server, owner, idle_seconds=0.3, heartbeat=Heartbeat(ping_seconds=0.1))
        async with running(session):
            server.open[0].stream.receive_some = _read_nothing  # type: ignore[method-assign]
            await session.send("what it reads last")
            # A ping that is sent at the same time may take the message along, and the failure, too.
            with suppress(VenueError):
                await session.send(b"x" * 100_000_000)
            await until(lambda: owner.kinds == ["connected", "disconnected", "connected"])


async def test_answers_to_pings_are_a_sign_of_life() -> None:
    owner = Owner()
    heartbeat = Heartbeat(ping_seconds=0.05)
    async with venue_server() as server, running(session_of(server, owner, idle_seconds=0.4, heartbeat=heartbeat)):
        await trio.sleep(1.0)

    assert owner.kinds == ["connected"]


async def test_pings_that_are_not_answered_end_the_connection() -> None:
    owner = Owner()
    async with venue_server() as server:
        endpoint = Endpoint(url=server.url, close_seconds=0.05)
        async with running(session_of(endpoint, owner, heartbeat=Heartbeat(ping_seconds=0.1))):
            server.open[0].send_data = trio.sleep_forever  # type: ignore[method-assign]
            await until(lambda: len(server.connected) == 2)

    assert "keepalive ping timeout" in owner.reasons[0]


async def test_a_message_can_be_the_heartbeat() -> None:
    heartbeat = Heartbeat(ping_seconds=None, message="PING", message_seconds=0.02)
    async with venue_server() as server, running(session_of(server, Owner(), heartbeat=heartbeat)):
        await until(lambda: server.messages().count("PING") == 3)


async def test_a_key_that_falls_silent_is_told_and_subscribed_to_again() -> None:
    """Connected, one key goes on, the other doesn't: V-5."""
    owner = Owner()
    keys = {"a": 0.2, "b": 0.2, "quiet": None}
    async with venue_server(echo_once) as server, trio.open_nursery() as nursery:
        session = session_of(server, owner, keys=keys, idle_seconds=0.3)

        async def go_on() -> None:
            for number in count():
                await server.open[0].send(f"a {number}")
                await trio.sleep(0.02)

        async with running(session):
            nursery.start_soon(go_on)
            await until(lambda: owner.kinds.count("silent") == 1)
            told_at = trio.current_time()
            await until(lambda: server.messages()[1:] == ["subscribe b"])
            await until(lambda: owner.kinds.count("silent") == 2)
            assert trio.current_time() - told_at > 0.3, "told again after twice the time"
            await server.open[0].send("b 2")
            await until(lambda: b"b 2" in owner.messages)
            await until(lambda: owner.kinds.count("silent") == 3)
            nursery.cancel_scope.cancel()

    assert owner.kinds == ["connected", "silent", "silent", "silent"]
    assert {one[1] for one in owner.told if one[0] == "silent"} == {"b"}


async def echo_once(connection: ServerConnection, message: Message) -> None:
    if message == "subscribe a b quiet":
        await echo(connection, message)


async def test_keys_that_fall_silent_together_are_asked_for_together_and_in_the_venues_way() -> None:
    owner = Owner()
    keys = dict.fromkeys("abcd", 0.1)
    async with venue_server() as server:
        session = session_of(
            server, owner, keys=keys, resubscribe=lambda some: [f"off {' '.join(some)}", f"on {' '.join(some)}"]
        )
        async with running(session):
            await until(lambda: len(server.messages()) == 3)
            assert server.messages()[1:] == ["off a b c d", "on a b c d"]
            assert owner.kinds.count("silent") == 4


async def test_a_key_can_be_asked_for_again() -> None:
    owner = Owner()
    async with venue_server(echo) as server:
        session = session_of(server, owner, keys={"a": None, "b": None})
        async with running(session):
            await until(lambda: len(owner.messages) == 2)
            session.ask_again("b")
            await until(lambda: len(owner.messages) == 3)

    assert server.messages() == ["subscribe a b", "subscribe b"]
    assert owner.kinds == ["connected"]


async def test_what_was_to_be_asked_for_again_is_not_after_all_is_subscribed_to_anew() -> None:
    owner = Owner()
    async with venue_server() as server:
        session = session_of(
            server,
            owner,
            keys={"a": None, "b": None},
            sends=lambda: Pace((1, 0.3), jitter_seconds=0.0),
            backoff=Backoff(first_seconds=0.1, chance=lambda: 0.0),
        )
        async with running(session):
            session.ask_again("b")
            await trio.sleep(0.05)
            session.ask_again("b")
            await server.open[0].aclose()
            await until(lambda: owner.kinds == ["connected", "disconnected"])
            session.ask_again("b")
            await until(lambda: len(server.connected) == 2 and server.messages(1))
            session.ask_again("a")
            await until(lambda: len(server.messages(1)) == 2)

    assert server.messages() == ["subscribe a b", "subscribe a b", "subscribe a"]


async def test_a_silence_is_none_while_it_is_not_connected() -> None:
    owner = Owner()
    async with venue_server(echo) as server:
        session = session_of(server, owner, keys={"a": 0.1}, backoff=Backoff(first_seconds=0.5, chance=lambda: 0.0))
        async with running(session):
            await server.open[0].aclose()
            await until(lambda: owner.kinds == ["connected", "disconnected"])
            await trio.sleep(0.3)
            assert owner.kinds == ["connected", "disconnected"]


async def test_messages_are_sent_by_the_connection_of_the_moment() -> None:
    async with venue_server() as server:
        session = session_of(server, Owner())
        with pytest.raises(VenueError, match="while it is not connected"):
            await session.send("early")
        async with running(session):
            await session.send("text")
            await session.send(b"bytes")
            await until(lambda: server.messages() == ["subscribe a", "text", b"bytes"])


async def test_without_leave_to_trade_it_sends_subscriptions_only() -> None:
    async with venue_server() as server:
        session = session_of(server, Owner(), can_trade=False)
        async with running(session):
            with pytest.raises(NotSent, match="nothing else is sent by it"):
                await session.send("an order")
            session.ask_again("a")
            await until(lambda: server.messages() == ["subscribe a", "subscribe a"])


async def test_what_a_callback_raises_ends_the_session_and_nothing_more_is_told() -> None:
    taken: list[bytes] = []

    def refuse(message: bytes, received_ns: int) -> Key | None:
        taken.append(message)
        raise LookupError("no such thing")

    async def send_two_at_once(connection: ServerConnection, message: Message) -> None:
        await connection.stream.send_all(b"\x81\x01a\x81\x01b")

    async with venue_server(send_two_at_once) as server:
        session = session_of(server, Owner())
        session.on_message = refuse
        with trio.fail_after(5), pytest.raises(ExceptionGroup) as caught:
            await session.run()
        await until(lambda: not server.open)

    assert caught.group_contains(LookupError, match="no such thing")
    assert taken == [b"a"]


def _has_none_open(server: VenueServer) -> bool:
    return not server.open


async def test_it_can_be_cancelled_wherever_it_waits() -> None:
    """While it opens, subscribes, listens, waits to connect again, and has two connections."""
    owner = Owner()
    for step in range(60):
        async with venue_server(echo) as server:
            server.refusals += [answer(503)] * (step % 2)
            session = session_of(
                server,
                owner,
                keys={"a": 5.0, "b": 5.0},
                keys_per_message=1,
                sends=lambda: Pace((1, 0.005), jitter_seconds=0.0),
                lifetime_seconds=0.02,
            )
            with trio.fail_after(2), trio.move_on_after(step * 0.001):
                await session.run()
            told = len(owner.told)
            await until(partial(_has_none_open, server))
            assert len(owner.told) == told


async def test_it_can_be_run_again() -> None:
    owner = Owner()
    async with venue_server(echo) as server:
        session = session_of(server, owner)
        for times in (1, 2):
            async with running(session):
                with trio.fail_after(5):
                    while len(owner.messages) < times:  # noqa: ASYNC110 - what is waited for happens at a server
                        await trio.sleep(0.005)
            with pytest.raises(VenueError, match="while it is not connected"):
                await session.send("late")

    assert owner.kinds == ["connected", "connected"]


async def test_a_server_that_never_answers_is_given_up_and_can_be_cancelled() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    owner = Owner()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, _say_nothing, listeners)
        endpoint = Endpoint(url=f"ws://127.0.0.1:{port}", open_seconds=0.1)
        nursery.start_soon(session_of(endpoint, owner).run)
        await until(lambda: owner.reasons)
        nursery.cancel_scope.cancel()

    assert "timed out during opening handshake" in owner.reasons[0]


async def _say_nothing(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def test_it_goes_through_a_proxy() -> None:
    owner, asked = Owner(), []

    async def relay(stream: trio.SocketStream) -> None:
        request = await stream.receive_some()
        asked.append(bytes(request))
        async with await trio.open_tcp_stream("127.0.0.1", server.port) as there, trio.open_nursery() as nursery:
            await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
            nursery.start_soon(_copy, stream, there)
            nursery.start_soon(_copy, there, stream)

    async with venue_server(echo) as server, trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, relay, listeners)
        proxy = f"http://someone:password@127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        endpoint = Endpoint(url=server.url, proxy=proxy)
        async with running(session_of(endpoint, owner)):
            await until(lambda: owner.messages)
        nursery.cancel_scope.cancel()

    assert asked[0].startswith(f"CONNECT localhost:{server.port} HTTP/1.1".encode())
    assert "password" not in repr(endpoint)


async def _copy(source: trio.SocketStream, target: trio.SocketStream) -> None:
    async for part in source:
        await target.send_all(part)


async def test_a_proxy_that_is_none_is_named_without_its_password() -> None:
    endpoint = Endpoint(url="ws://localhost:1/secret", proxy="gopher://someone:password@localhost:2")
    with pytest.raises(VenueError, match="proxy of localhost:1 can't be used") as caught:
        await session_of(endpoint, Owner()).run()
    assert "password" not in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_it_goes_over_ipv6() -> None:
    owner = Owner()
    try:
        probe = await trio.open_tcp_listeners(0, host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    await probe[0].aclose()
    async with venue_server(echo, host="::1") as server:
        endpoint = Endpoint(url=f"ws://[::1]:{server.port}")
        async with running(session_of(endpoint, owner)):
            await until(lambda: owner.messages)

    assert owner.messages == [b"a 1"]


@pytest.mark.parametrize("url", ["https://venue.example", "ws://", "venue.example", "ws://venue.example/#secret"])
def test_an_address_must_be_one(url: str) -> None:
    with pytest.raises(ValueError, match="begins with ws:// or wss://") as caught:
        Endpoint(url=url)
    assert "secret" not in str(caught.value)


def test_an_encrypted_address_needs_somebody_to_trust() -> None:
    with pytest.raises(ValueError, match="has a context for TLS"):
        Endpoint(url="wss://venue.example")
    with pytest.raises(ValueError, match="has a context for TLS"):
        Endpoint(url="ws://venue.example", tls=tls_context())


async def test_no_secret_of_an_address_or_a_header_is_shown() -> None:
    owner = Owner()
    async with venue_server() as server:
        endpoint = Endpoint(url=server.url, headers=lambda: {"X-Key": "some-secret-key"})
        session = session_of(endpoint, owner)
        async with running(session):
            server.refusals += [answer(503), answer(500)]
            await server.open[0].aclose()
            await until(lambda: len(owner.kinds) == 5)

    assert "secret" not in repr(endpoint)
    assert "secret" not in repr(session)
    assert "secret" not in repr(owner.told)
