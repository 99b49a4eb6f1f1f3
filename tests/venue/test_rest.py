"""Requests over loopback: what goes over the wire, what is sent again and what never, and how failures are told."""

from __future__ import annotations

import gzip
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import trio
import trustme
from rest_server import Answer, Asked, RestServer, http, proxy_server, rest_server, server_tls, well
from structlog.testing import capture_logs
from trio.testing import MockClock

from trioarb import __version__
from trioarb.errors import OrderRejected, VenueError
from trioarb.venue import (
    Backoff,
    Host,
    Limit,
    LimitReached,
    LimitRules,
    Limits,
    NotSent,
    Priority,
    Request,
    RequestFailed,
    Response,
    RestClient,
    Told,
    open_rest,
    tls_context,
)
from trioarb.venue.dial import dial
from trioarb.venue.line import Line
from trioarb.venue.lines import Lines
from trioarb.venue.reader import _unpacked

READ = Request(method="GET", path="/v1/depth", query="symbol=A%2FB&limit=5", is_read=True)
ORDER = Request(
    method="POST",
    path="/v1/order",
    query="timestamp=1&signature=5ec2e75195a1",
    headers={"X-KEY": "top-secret-key"},
    body=b'{"a":1}',
)


def limits(count: int = 1000, told: Callable[[Response], list[Told]] = lambda response: []) -> Limits:
    buckets = {"all": [Limit(count=count, seconds=60)]}
    return Limits("here", LimitRules(buckets=buckets, costs=lambda request: {"all": 1}, told=told))


@asynccontextmanager
async def client(
    server: RestServer | None,
    *,
    host: Host | None = None,
    can_trade: bool = True,
    of: Limits | None = None,
    connections: int = 2,
) -> AsyncIterator[RestClient]:
    if host is None:
        assert server is not None
        host = host_of(server)
    async with open_rest("here", host, limits=of or limits(), can_trade=can_trade, connections=connections) as rest:
        yield rest


def host_of(server: RestServer, *, answer_seconds: float = 2.0, max_body_bytes: int = 100_000) -> Host:
    return Host(url=server.url, answer_seconds=answer_seconds, max_body_bytes=max_body_bytes)


@asynccontextmanager
async def served(answer: Answer, connections: int = 2) -> AsyncIterator[tuple[RestServer, RestClient]]:
    async with rest_server(answer) as server, client(server, connections=connections) as rest:
        yield server, rest


@pytest.mark.parametrize("request_", [READ, ORDER], ids=["read", "order"])
async def test_what_goes_over_the_wire(request_: Request) -> None:
    async def answer(asked: Asked) -> bytes:
        return http(200, b'{"ok":true}', X_Used="7", x_Used="8")

    async with served(answer) as (server, rest):
        response = await rest.send(request_)
    assert response == Response(
        status=200, headers={"content-length": "11", "x-used": response.headers["x-used"]}, body=b'{"ok":true}'
    )
    (asked,) = server.asked
    assert (asked.method, asked.target, asked.body) == (request_.method, request_.target, request_.body)
    assert asked.headers["user-agent"] == f"trioarb/{__version__}"
    assert asked.headers["host"] == f"localhost:{server.port}"
    assert "origin" not in asked.headers
    if request_ is ORDER:
        assert asked.headers["x-key"] == "top-secret-key"
        assert asked.headers["content-type"] == "application/json"
        assert asked.headers["content-length"] == "7"


@pytest.mark.parametrize("is_read", [True, False])
async def test_the_query_goes_out_as_it_was_signed(is_read: bool) -> None:
    query = "a='b'&c=%5b\"|`{}^[]~!*()&d=%c3%a9&e=+%20&f=%zz"
    async with rest_server() as server, client(server) as rest:
        await rest.send(Request(method="GET", path="/p", query=query, is_read=is_read))
    assert server.asked[0].target == f"/p?{query}"


@pytest.mark.parametrize("is_read", [True, False])
async def test_an_origin_is_never_sent(is_read: bool) -> None:
    async with rest_server() as server, client(server) as rest:
        await rest.send(Request(method="GET", path="/p", headers={"Origin": "http://a"}, is_read=is_read))
    assert "origin" not in server.asked[0].headers


async def opened(rest: RestClient) -> None:
    with trio.fail_after(2):
        while not rest.is_line_open:  # noqa: ASYNC110
            await trio.sleep(0.001)


async def test_orders_go_over_connections_that_are_open_before() -> None:
    async with rest_server() as server, client(server) as rest:
        await opened(rest)
        assert server.connections == 2
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(rest.send, ORDER, Priority.ENTRY)
        assert {asked.connection for asked in server.asked} == {0, 1}
        assert len(server.asked) == 20


async def test_each_connection_has_one_request_at_a_time() -> None:
    busy: list[int] = []

    async def answer(asked: Asked) -> bytes:
        assert asked.connection not in busy
        busy.append(asked.connection)
        await trio.sleep(0.002)
        assert len(busy) <= 2
        busy.remove(asked.connection)
        return http()

    async with served(answer) as (server, rest):
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(rest.send, ORDER, Priority.ENTRY)
        assert len(server.asked) == 20


async def test_an_order_whose_answer_is_slow_holds_up_no_other() -> None:
    async def answer(asked: Asked) -> bytes:
        if asked.target == "/slow":
            await trio.sleep_forever()
        return http()

    async with served(answer) as (_, rest), trio.open_nursery() as nursery:
        nursery.start_soon(rest.send, Request(method="POST", path="/slow"))
        await trio.sleep(0.02)
        with trio.fail_after(1):
            for _ in range(3):
                await rest.send(ORDER)
        nursery.cancel_scope.cancel()


async def test_who_waits_for_a_connection_goes_by_priority() -> None:
    go_on = trio.Event()

    async def answer(asked: Asked) -> bytes:
        await go_on.wait()
        return http()

    async with served(answer) as (server, rest):
        async with trio.open_nursery() as nursery:
            for number in range(2):
                nursery.start_soon(rest.send, Request(method="POST", path=f"/first-{number}"), Priority.ENTRY)
            await trio.sleep(0.05)
            with trio.move_on_after(0.01):
                await rest.send(Request(method="POST", path="/given-up"), Priority.CANCEL)
            for name, priority in (("entry", Priority.ENTRY), ("hedge", Priority.HEDGE), ("cancel", Priority.CANCEL)):
                nursery.start_soon(rest.send, Request(method="POST", path=f"/{name}"), priority)
                await trio.sleep(0.005)
            assert len(server.asked) == 2
            go_on.set()
        assert {asked.target for asked in server.asked[2:4]} == {"/cancel", "/hedge"}
        assert [asked.target for asked in server.asked[4:]] == ["/entry"]


async def test_a_connection_that_the_venue_closes_is_opened_anew_at_once() -> None:
    async with rest_server() as server, client(server, connections=1) as rest:
        await rest.send(ORDER)
        await server.streams[0].aclose()
        with trio.fail_after(1):
            while server.connections < 2 or not rest.is_line_open:  # noqa: ASYNC110
                await trio.sleep(0.001)
        assert len(server.asked) == 1
        await rest.send(ORDER)
        assert [asked.connection for asked in server.asked] == [0, 1]


async def test_an_answer_that_closes_the_connection() -> None:
    async def answer(asked: Asked) -> bytes:
        return http(200, b"{}", Connection="close")

    async with served(answer, connections=1) as (server, rest):
        for _ in range(3):
            assert (await rest.send(ORDER)).body == b"{}"
        assert [asked.connection for asked in server.asked] == [0, 1, 2]


async def test_an_answer_in_chunks_and_one_that_ends_with_the_connection() -> None:
    said = [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end",
    ]

    async def answer(asked: Asked) -> bytes | None:
        await asked.stream.send_all(said[len(bodies)])
        return None if len(bodies) == 2 else b""

    bodies: list[bytes] = []
    async with served(answer) as (_, rest):
        for _ in said:
            bodies.append((await rest.send(ORDER)).body)
    assert bodies == [b"abcde", b"x", b"until the end"]


async def breaks(asked: Asked) -> bytes | None:
    return None


async def half(asked: Asked) -> bytes | None:
    await asked.stream.send_all(http(200, b'{"id":12345}')[:-4])
    return None


async def no_http(asked: Asked) -> bytes | None:
    await asked.stream.send_all(b"\x00\x01SSH-2.0\r\n\r\n\r\n")
    return b""


async def huge(asked: Asked) -> bytes | None:
    return http(200, b"x" * 100_001)


async def endless(asked: Asked) -> bytes | None:
    await asked.stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await asked.stream.send_all(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")


async def long_head(asked: Asked) -> bytes | None:
    await asked.stream.send_all(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200_000)
    return b""


async def down(asked: Asked) -> bytes | None:
    body = f"<p>maintenance {asked.target} {asked.headers.get('x-key')}\x1b[0m</p>"
    return http(503, body.encode())


async def moved(asked: Asked) -> bytes | None:
    return http(301, b"", Location="https://elsewhere")


async def slow(asked: Asked) -> bytes | None:
    await trio.sleep_forever()
    return None


UNUSABLE = [
    (breaks, "here: {} .*(closed before the answer was whole|disconnected)"),
    (half, "here: {} .*without sending complete message body"),
    (no_http, "here: {} .*illegal status line"),
    (huge, "here: {} .*longer than 100,000 bytes"),
    (endless, "here: {} .*longer than 100,000 bytes"),
    (long_head, "here: {} .*(Receive buffer too long|too large)"),
    (down, "here: {} .*status 503: <p>maintenance"),
    (moved, "here: {} .*status 301.*address of the venue's host may have changed"),
]


@pytest.mark.parametrize(("answer", "said"), UNUSABLE, ids=[one[0].__name__ for one in UNUSABLE])
async def test_an_order_without_a_usable_answer_is_unknown_and_never_sent_again(answer: Answer, said: str) -> None:
    async with rest_server(answer) as server, client(server) as rest:
        with pytest.raises(RequestFailed, match=said.format("POST /v1/order:")) as told:
            await rest.send(ORDER)
        await trio.sleep(0.05)
        assert len(server.asked) == 1
    assert told.value.was_sent
    assert isinstance(told.value, VenueError)
    assert not isinstance(told.value, OrderRejected)
    for secret in ("5ec2e75195a1", "top-secret-key", "signature", "\x1b"):
        assert secret not in str(told.value)
    assert ("unknown" if answer in (down, moved) else "the venue may have got it") in str(told.value)


@pytest.mark.parametrize(("answer", "said"), UNUSABLE, ids=[one[0].__name__ for one in UNUSABLE])
async def test_a_read_without_a_usable_answer_is_tried_again(
    answer: Answer, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trioarb.venue.rest._BACKOFF", Backoff(first_seconds=0.001))
    async with rest_server(answer) as server, client(server) as rest:
        with pytest.raises(RequestFailed, match=said.format("GET /v1/depth:")) as told:
            await rest.send(READ)
    assert len(server.asked) == (1 if answer is moved else 3)
    assert "symbol=" not in str(told.value)


async def test_a_read_that_succeeds_at_the_second_try_is_logged_once_in_our_words() -> None:
    async def answer(asked: Asked) -> bytes | None:
        return None if len(server.asked) == 1 else http()

    with capture_logs() as logged:
        async with rest_server(answer) as server, client(server) as rest:
            assert (await rest.send(READ)).status == 200
            assert len(server.asked) == 2
    assert [(one["event"], one["number"]) for one in logged] == [("a venue is asked again", 2)]
    assert "GET /v1/depth" in logged[0]["because"]
    assert "symbol=" not in logged[0]["because"]


async def test_what_the_venue_refuses_is_an_answer() -> None:
    async def answer(asked: Asked) -> bytes | None:
        return http(400, b'{"code":-2010}')

    async with served(answer) as (server, rest):
        for request in (ORDER, READ):
            assert (await rest.send(request)).body == b'{"code":-2010}'
        assert len(server.asked) == 2


async def test_no_answer_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trioarb.venue.rest._TRIES", 1)
    async with rest_server(slow) as server, client(server, host=host_of(server, answer_seconds=0.05)) as rest:
        for request in (ORDER, READ):
            with pytest.raises(RequestFailed, match=r"no answer from localhost:\d+ within 0.05 s"):
                await rest.send(request)


async def test_an_answer_that_comes_too_late_is_not_the_next_ones() -> None:
    async def answer(asked: Asked) -> bytes | None:
        if len(server.asked) == 1:
            await trio.sleep(0.1)
        return http(200, str(len(server.asked)).encode())

    async with (
        rest_server(answer) as server,
        client(server, host=host_of(server, answer_seconds=0.05), connections=1) as rest,
    ):
        with pytest.raises(RequestFailed, match="within"):
            await rest.send(ORDER)
        await trio.sleep(0.1)
        assert (await rest.send(ORDER)).body == b"2"
        assert [asked.connection for asked in server.asked] == [0, 1]


async def test_cancelled_while_it_waits_the_connection_is_not_used_again() -> None:
    async def answer(asked: Asked) -> bytes | None:
        if len(server.asked) == 1:
            await trio.sleep(0.05)
        return http(200, str(len(server.asked)).encode())

    async with rest_server(answer) as server, client(server, connections=1) as rest:
        with trio.move_on_after(0.02) as scope:
            await rest.send(ORDER)
        assert scope.cancelled_caught
        assert (await rest.send(ORDER)).body == b"2"


async def test_a_read_can_be_cancelled_between_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trioarb.venue.rest._BACKOFF", Backoff(first_seconds=20.0))
    async with rest_server(breaks) as server, client(server) as rest:
        with trio.fail_after(10), trio.move_on_after(1) as scope:
            await rest.send(READ)
        assert scope.cancelled_caught
        assert len(server.asked) == 1


async def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trioarb.venue.rest._TRIES", 1)
    async with rest_server() as server:
        pass
    async with client(server) as rest:
        with pytest.raises(
            NotSent, match=r"here: POST /v1/order: no answer from localhost:\d+.*it wasn't sent"
        ) as told:
            await rest.send(ORDER)
        assert isinstance(told.value, OrderRejected)
        with pytest.raises(RequestFailed, match=r"here: GET /v1/depth: no answer from localhost:\d+"):
            await rest.send(READ)


async def test_an_order_waits_for_no_pause_between_tries_to_connect() -> None:
    async with rest_server() as server:
        pass
    async with client(server) as rest:
        for _ in range(5):
            with pytest.raises(NotSent):
                await rest.send(ORDER)
        async with rest_server(port=server.port) as again:
            with trio.fail_after(1):
                await rest.send(ORDER)
            assert len(again.asked) == 1


async def test_a_name_that_nobody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trioarb.venue.rest._TRIES", 1)
    host = Host(url="http://no-such-host.invalid")
    async with client(None, host=host) as rest:
        for request in (ORDER, READ):
            with pytest.raises(
                VenueError, match=r"the name of no-such-host\.invalid can't be resolved.*check network and address"
            ):
                await rest.send(request)


async def test_without_leave_to_trade_nothing_but_reads_reaches_the_network() -> None:
    async with rest_server() as server, client(server, can_trade=False) as rest:
        for method in ("POST", "DELETE", "GET"):
            with pytest.raises(
                NotSent, match=rf"here: {method} /v1/order would change something.*may only read.*shadow"
            ):
                await rest.send(Request(method=method, path="/v1/order"), Priority.CANCEL)
        await trio.sleep(0.02)
        assert server.connections == 0
        await rest.send(READ)
        assert [asked.method for asked in server.asked] == ["GET"]


async def test_answers_are_what_the_limits_go_by() -> None:
    async def answer(asked: Asked) -> bytes | None:
        return http(200, b"{}", X_Left="0")

    def told(response: Response) -> list[Told]:
        return [Told(bucket="all", left=int(response.headers["x-left"]))]

    for request, error in ((ORDER, NotSent), (READ, LimitReached)):
        async with rest_server(answer) as server, client(server, of=limits(told=told)) as rest:
            await rest.send(request)
            with pytest.raises(error, match="here: not sent, since of its limits all"):
                await rest.send(request, Priority.ENTRY, patience=0.5)
            assert len(server.asked) == 1


async def test_a_refusal_for_being_asked_too_often_closes_the_limits() -> None:
    async def answer(asked: Asked) -> bytes | None:
        return http(429, b"{}", Retry_After="30")

    async with served(answer) as (server, rest):
        assert (await rest.send(READ)).status == 429
        with pytest.raises(NotSent, match="the venue refuses more for now"):
            await rest.send(ORDER, Priority.CANCEL, patience=1)
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (gzip.compress(b"x" * 100_000), None),
        (gzip.compress(b"x" * 100_001), "longer than 100,000 bytes"),
        (gzip.compress(b"x" * 50_000_000), "longer than 100,000 bytes"),
        (b"not packed", "isn't gzip, as it says"),
        (gzip.compress(b"x" * 1_000)[:-10], "isn't gzip, as it says"),
    ],
    ids=["whole", "a byte too much", "bomb", "not packed", "cut off"],
)
async def test_packed_answers(body: bytes, said: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trioarb.venue.rest._TRIES", 1)

    async def answer(asked: Asked) -> bytes | None:
        assert asked.headers["accept-encoding"] == "gzip"
        return http(200, body, Content_Encoding="gzip")

    async with served(answer) as (_, rest):
        if said is None:
            assert (await rest.send(READ)).body == b"x" * 100_000
        else:
            with pytest.raises(RequestFailed, match=said):
                await rest.send(READ)


async def test_nothing_is_logged_of_a_query_or_a_header(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    signed = Request(method="GET", path="/a", query="signature=5ec2e75195a1", headers=ORDER.headers, is_read=True)
    async with rest_server() as server, client(server) as rest:
        await rest.send(ORDER)
        await rest.send(signed)
    assert "5ec2e75195a1" not in caplog.text
    assert "top-secret-key" not in caplog.text


def ca_file(authority: trustme.CA, folder: Path) -> Path:
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


Opener = Callable[[ssl.SSLContext | None], AbstractAsyncContextManager[RestServer]]


@pytest.mark.parametrize("request_", [READ, ORDER], ids=["read", "order"])
@pytest.mark.parametrize("over", ["directly", "through a proxy"])
async def test_over_tls(request_: Request, over: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    tls = tls_context(ca_file(authority, tmp_path))
    async with rest_server(tls=server_tls(authority)) as server, proxy_server() as proxy:
        through = f"http://user:pass%20word@localhost:{proxy.port}" if over == "through a proxy" else None
        host = Host(url=server.url, tls=tls, proxy=through)
        assert "word" not in repr(host)
        async with client(None, host=host) as rest:
            for _ in range(3):
                assert (await rest.send(request_)).status == 200
        assert len(server.asked) == 3
        assert {asked.method for asked in proxy.asked} == ({"CONNECT"} if through else set())
        assert {asked.headers["proxy-authorization"] for asked in proxy.asked} <= {"Basic dXNlcjpwYXNzIHdvcmQ="}


async def test_a_proxy_that_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trioarb.venue.rest._TRIES", 1)
    authority = trustme.CA()
    tls = tls_context(ca_file(authority, tmp_path))
    async with rest_server(tls=server_tls(authority)) as server, proxy_server(refuses=True) as proxy:
        host = Host(url=server.url, tls=tls, proxy=f"http://user:password@localhost:{proxy.port}")
        async with client(None, host=host) as rest:
            for request in (ORDER, READ):
                with pytest.raises(VenueError, match=rf"through the proxy localhost:{proxy.port}.*407") as told:
                    await rest.send(request)
                assert "password" not in str(told.value)
        assert server.asked == []


@pytest.mark.parametrize("fault", ["authority", "name"])
async def test_a_certificate_that_is_not_trusted(fault: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    trusted = trustme.CA() if fault == "authority" else authority
    presented = server_tls(authority, "localhost" if fault == "authority" else "elsewhere.example")
    async with rest_server(tls=presented) as server:
        host = Host(url=server.url, tls=tls_context(ca_file(trusted, tmp_path)))
        async with client(None, host=host) as rest:
            for request in (ORDER, READ):
                with pytest.raises(VenueError, match=r"is not who it says it is: .*as ca_file"):
                    await rest.send(request)
        assert server.asked == []


async def test_errors_leave_the_block_as_they_were_raised() -> None:
    async with rest_server() as server:
        with pytest.raises(KeyError):
            async with client(server):
                raise KeyError
        with pytest.raises(RuntimeError, match="no group"):
            async with open_rest("here", host_of(server), limits=limits(), can_trade=True):
                raise RuntimeError("no group")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": "ftp://a"}, "the address of a host is https://NAME"),
        ({"url": "https://a/v1"}, "and no more"),
        ({"url": "https://user:pass@a"}, "and no more"),
        ({"url": "https://a"}, "needs a context for TLS"),
        ({"url": "http://a", "proxy": "socks5://b"}, "a proxy for requests is"),
        ({"url": "http://a", "proxy": "https://b"}, "needs a context for TLS"),
    ],
)
def test_a_host_that_makes_no_sense(options: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Host(**options)  # type: ignore[arg-type]


async def test_a_path_that_is_not_encoded() -> None:
    async with rest_server() as server, client(server) as rest:
        with pytest.raises(NotSent, match="can't be sent"):
            await rest.send(Request(method="POST", path="/é"))
        with pytest.raises(RequestFailed, match="can't be sent"):
            await rest.send(Request(method="GET", path="/é", is_read=True))
        await rest.send(ORDER)
        assert len(server.asked) == 1


async def test_the_system_watches_over_a_silent_connection() -> None:
    async with rest_server() as server:
        stream = await dial(host_of(server))
        assert isinstance(stream, trio.SocketStream)
        assert stream.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_KEEPIDLE"):
            assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 15
        await stream.aclose()


@pytest.mark.parametrize("when", ["while it waits", "as it is given"])
async def test_a_connection_is_not_lost_with_who_was_cancelled(when: str, autojump_clock: MockClock) -> None:
    scope = trio.CancelScope()

    class OneLine(Line):
        async def request(self, request: Request) -> Response:
            await trio.sleep(1)
            if when == "as it is given":
                scope.cancel()
            return Response(status=200)

    lines = Lines([OneLine("here", Host(url="http://localhost"))])

    async def cancelled() -> None:
        with scope:
            await lines.request(ORDER, Priority.CANCEL)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lines.request, ORDER, Priority.ENTRY)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(cancelled)
        if when == "while it waits":
            await trio.sleep(0.5)
            scope.cancel()
    assert scope.cancelled_caught
    with trio.fail_after(2):
        assert (await lines.request(ORDER, Priority.ENTRY)).status == 200


def test_a_bomb_is_not_unpacked_whole() -> None:
    body = _unpacked(gzip.compress(b"x" * 50_000_000), "gzip", 1_000)
    assert body is not None
    assert len(body) == 1_001


async def test_what_is_signed_is_made_anew_for_each_try() -> None:
    made = 0

    def make() -> Request:
        nonlocal made
        made += 1
        return Request(method="GET", path="/v1/orders", query=f"nonce={made}", is_read=True)

    async def answer(asked: Asked) -> bytes:
        return http(200 if asked.target.endswith("=3") else 503)

    async with served(answer) as (server, rest):
        assert (await rest.send(make)).is_success
    assert [asked.target for asked in server.asked] == [f"/v1/orders?nonce={number}" for number in (1, 2, 3)]


@pytest.mark.parametrize("is_read", [True, False])
async def test_what_had_to_wait_is_signed_as_it_is_sent(is_read: bool) -> None:
    made = 0

    def make() -> Request:
        nonlocal made
        made += 1
        return Request(method="GET" if is_read else "POST", path="/", query=f"number={made}", is_read=is_read)

    within = limits()
    async with rest_server(well) as server, client(server, of=within) as rest:
        await rest.send(make)
        within.close(0.2, "a while")
        await rest.send(make)
    assert [asked.target for asked in server.asked] == ["/?number=1", "/?number=3"]


async def test_what_can_not_be_signed_is_not_sent() -> None:
    def make() -> Request:
        raise VenueError("here: the venue's time isn't known")

    async with served(well) as (server, rest):
        with pytest.raises(NotSent, match=r"time isn't known; it wasn't sent"):
            await rest.send(make)
    assert server.asked == []
