"""TLS read in one go: what was sent arrives, of whom it should be, and its end is the end."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import trio
import trio.testing
import trustme

from trioarb.venue.tls_stream import TlsStream, secured


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A client's and a server's."""
    authority = trustme.CA()
    client, server = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(client)
    authority.issue_cert("localhost").configure_cert(server)
    return client, server


class Wire(trio.abc.Stream):
    """A way between both, on which what comes may be changed."""

    def __init__(self, inner: trio.abc.Stream) -> None:
        self.inner = inner
        self.spoils = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        data = bytearray(await self.inner.receive_some(max_bytes))
        if self.spoils and data:
            data[-1] ^= 1
        return bytes(data)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.inner.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self.inner.aclose()


@asynccontextmanager
async def both(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], name: str = "localhost"
) -> AsyncIterator[tuple[TlsStream, trio.SSLStream[trio.abc.Stream], Wire]]:
    """Give both ends, after their handshake."""
    here, there = trio.testing.memory_stream_pair()
    wire, server = Wire(here), trio.SSLStream[trio.abc.Stream](there, contexts[1], server_side=True)
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.do_handshake)
            client = await secured(wire, contexts[0], name)
        yield client, server, wire


async def test_many_records_are_read_at_once(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with both(contexts) as (client, server, _):
        for number in range(100):
            await server.send_all(b"%03d" % number)
        assert await client.receive_some() == b"".join(b"%03d" % number for number in range(100))


async def test_all_of_it_arrives_both_ways_at_once(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    data, back = bytes(range(256)) * 4_000, bytearray()

    async def echo(server: trio.SSLStream[trio.abc.Stream]) -> None:
        left = len(data)
        while left:
            part = await server.receive_some()
            left -= len(part)
            await server.send_all(part)

    async def send(client: TlsStream) -> None:
        for start in range(0, len(data), 50_000):
            await client.send_all(data[start : start + 50_000])

    async with both(contexts) as (client, server, _), trio.open_nursery() as nursery:
        nursery.start_soon(echo, server)
        nursery.start_soon(send, client)
        while len(back) < len(data):
            back += await client.receive_some()
    assert bytes(back) == data


async def test_what_came_before_a_spoilt_record_is_given_and_nothing_after_it(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    async with both(contexts) as (client, server, wire):
        await server.send_all(b"good")
        await server.send_all(b"spoilt")
        wire.spoils = True
        assert await client.receive_some() == b"good"
        for _ in range(2):
            with pytest.raises(trio.BrokenResourceError) as caught:
                await client.receive_some()
            assert isinstance(caught.value.__cause__, ssl.SSLError)
        await server.send_all(b"after")
        with pytest.raises(trio.BrokenResourceError):
            await client.receive_some()


@pytest.mark.parametrize("is_said", [True, False])
async def test_the_end_is_the_end_said_or_not(contexts: tuple[ssl.SSLContext, ssl.SSLContext], is_said: bool) -> None:
    async with both(contexts) as (client, server, _):
        await server.send_all(b"last")
        await (server.aclose() if is_said else server.transport_stream.aclose())
        assert await client.receive_some() == b"last"
        assert await client.receive_some() == b""
        assert await client.receive_some() == b""


async def test_another_host_is_not_talked_to(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    here, there = trio.testing.memory_stream_pair()
    server = trio.SSLStream(there, contexts[1], server_side=True)

    async def serve() -> None:
        with suppress(trio.BrokenResourceError):
            await server.do_handshake()
            await server.receive_some()

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            with pytest.raises(trio.BrokenResourceError) as caught:
                await secured(here, contexts[0], "elsewhere.example")
            await here.aclose()
    assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)


async def test_nobody_who_speaks_tls(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    here, there = trio.testing.memory_stream_pair()
    await there.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with trio.fail_after(10), pytest.raises(trio.BrokenResourceError) as caught:
        await secured(here, contexts[0], "localhost")
    assert isinstance(caught.value.__cause__, ssl.SSLError)


async def test_cancelled_while_it_waits_it_reads_on_later(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with both(contexts) as (client, server, _):
        with trio.move_on_after(0.01) as waiting:
            await client.receive_some()
        assert waiting.cancelled_caught
        await server.send_all(b"later")
        assert await client.receive_some() == b"later"
