"""What comes through a sieve is what comes by the library alone, in its order, whatever comes and however it is cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, PerMessageDeflate
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import Event
from websockets.uri import parse_uri
from websockets.utils import accept_key

from trioarb.venue.sieve import Sieve

LARGEST = 300
URI = parse_uri("ws://localhost/")
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


class Parts(trio.abc.Stream):
    """Gives what it was given, part by part, and then the end."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self.parts = list(parts)
        self.sent = b""

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        return self.parts.pop(0) if self.parts else b""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    async def wait_send_all_might_not_block(self) -> None: ...

    async def aclose(self) -> None: ...


@attrs.define
class Heard:
    """What somebody reads of a connection, in its order, and what is answered."""

    protocol: ClientProtocol
    told: list[tuple[str, bytes]] = attrs.field(factory=list)
    answered: list[bytes] = attrs.field(factory=list)

    def take(self, message: bytes) -> None:
        self.told.append(("message", message))

    def see(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, Frame):
                is_whole = event.fin and event.opcode in (Opcode.TEXT, Opcode.BINARY)
                self.told.append(("message" if is_whole else repr((event.opcode, event.fin)), bytes(event.data)))
            else:
                assert isinstance(event, Response)
                self.told.append((f"answer {event.status_code}", b""))
        self.answered += self.protocol.data_to_send()

    @property
    def end(self) -> tuple[object, ...]:
        protocol = self.protocol
        error = protocol.parser_exc
        return protocol.state, type(error), str(error), protocol.close_rcvd, protocol.close_sent, self.answered


def protocol(*, is_compressed: bool = False) -> ClientProtocol:
    """Return one that has asked."""
    extensions = [ClientPerMessageDeflateFactory()] if is_compressed else None
    made = ClientProtocol(URI, max_size=LARGEST, extensions=extensions)
    made.key = KEY
    made.send_request(made.connect())
    made.data_to_send()
    return made


def answer(status: str = "101 Switching Protocols", *more: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"Sec-WebSocket-Accept: {accept_key(KEY)}", *more, "", ""]
    return "\r\n".join(lines).encode()


async def opened(
    parts: Iterable[bytes], take: Callable[[bytes], None], on_failure: Callable[[Exception], None] = pytest.fail
) -> Sieve:
    """Return a sieve whose library has got the answer already."""
    one = protocol()
    sieve = Sieve(Parts([answer(), *parts]), one, on_failure)
    one.receive_data(await sieve.receive_some())
    sieve.hand_on(take, largest=LARGEST)
    return sieve


def by_library(one: ClientProtocol, data: bytes) -> Heard:
    heard = Heard(one)
    one.receive_data(data)
    heard.see(one.events_received())
    one.receive_eof()
    heard.see(one.events_received())
    return heard


async def by_sieve(one: ClientProtocol, parts: Iterable[bytes], *, from_event: int = 0) -> Heard:
    """Read as the library's own task does; messages are taken once it has seen so many events."""
    heard = Heard(one)
    sieve = Sieve(Parts(parts), one, lambda error: pytest.fail(repr(error)))
    if from_event == 0:
        sieve.hand_on(heard.take, largest=LARGEST)
    while data := await sieve.receive_some():
        one.receive_data(data)
        heard.see(one.events_received())
        if len(heard.told) >= from_event:
            sieve.hand_on(heard.take, largest=LARGEST)
    one.receive_eof()
    heard.see(one.events_received())
    return heard


def framed(first: int, data: bytes, *, form: int = 0, mask: bytes = b"", length: int | None = None) -> bytes:
    """Return a frame as it may come, its length in a form that is long enough: 2 or 8 bytes, or as it should be."""
    size = len(data) if length is None else length
    if form == 0:
        form = 1 if size < 126 else 2 if size < 65_536 else 8
    if form == 1 and size >= 126:
        form = 2
    head = size.to_bytes(1, "big") if form == 1 else bytes([126 if form == 2 else 127]) + size.to_bytes(form, "big")
    return bytes([first, head[0] | (0x80 if mask else 0)]) + head[1:] + mask + data


PAYLOADS = st.one_of(
    st.binary(max_size=5),
    st.sampled_from([b"{}", b"x" * 125, b"y" * 126, b"z" * LARGEST, b"a" * (LARGEST + 1)]),
)
PLAIN = st.builds(framed, st.sampled_from([0x81, 0x82]), st.binary(max_size=200))
ODD = st.one_of(
    st.builds(framed, st.sampled_from([0x01, 0x02, 0x00, 0x80]), st.binary(max_size=40)),
    st.builds(framed, st.sampled_from([0x89, 0x8A]), st.binary(max_size=125)),
    st.builds(framed, st.just(0x88), st.sampled_from([b"", b"\x03\xe8", Close(1001, "over").serialize(), b"x"])),
    st.builds(framed, st.integers(0, 255), PAYLOADS, form=st.sampled_from([0, 2, 8])),
    st.builds(framed, st.just(0x81), PAYLOADS, form=st.sampled_from([0, 2, 8])),
    st.builds(framed, st.just(0x81), st.just(b"mask"), mask=st.just(b"1234")),
    st.builds(framed, st.just(0x81), st.just(b""), length=st.sampled_from([200, 2**63, 2**64 - 1]), form=st.just(8)),
    st.binary(max_size=20),
)
STREAMS = st.lists(st.one_of(PLAIN, PLAIN, ODD), max_size=12).map(b"".join)


@st.composite
def parts(draw: st.DrawFn, data: bytes) -> list[bytes]:
    cuts = draw(st.lists(st.integers(0, len(data)), max_size=8).map(sorted))
    found = [data[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    return [part for part in found if part]


def is_same(monkeypatch: pytest.MonkeyPatch, data: st.DataObject, raw: bytes, make: Callable[[], Any], at: int) -> None:
    # What is sent is masked with chance.
    monkeypatch.setattr("websockets.frames.secrets.token_bytes", lambda count: b"0" * count)
    expected = by_library(make(), raw)
    heard = trio.run(lambda: by_sieve(make(), data.draw(parts(raw)), from_event=at))
    assert heard.told == expected.told
    assert heard.end == expected.end


@pytest.fixture(scope="module")
def patched() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@settings(max_examples=400, deadline=None)
@given(data=st.data(), raw=STREAMS, at=st.integers(0, 3))
def test_any_frames_however_cut(patched: pytest.MonkeyPatch, data: st.DataObject, raw: bytes, at: int) -> None:
    is_same(patched, data, answer() + raw, protocol, at)


@settings(max_examples=100, deadline=None)
@given(data=st.data(), messages=st.lists(st.binary(max_size=60), max_size=6), odd=ODD)
def test_compressed_frames_beside_others(
    patched: pytest.MonkeyPatch, data: st.DataObject, messages: list[bytes], odd: bytes
) -> None:
    packer = PerMessageDeflate(False, False, 15, 15)
    pressed = [
        bytes(Frame(Opcode.TEXT, one).serialize(mask=False, extensions=[packer])) if number % 2 else framed(0x81, one)
        for number, one in enumerate(messages)
    ]
    raw = answer("101 x", "Sec-WebSocket-Extensions: permessage-deflate") + b"".join(pressed) + odd
    is_same(patched, data, raw, lambda: protocol(is_compressed=True), 0)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), raw=STREAMS, status=st.sampled_from(["429 Too Many", "200 OK", "101"]), length=st.booleans())
def test_an_answer_that_opens_nothing(
    patched: pytest.MonkeyPatch, data: st.DataObject, raw: bytes, status: str, length: bool
) -> None:
    more = [f"Content-Length: {len(raw)}"] if length else []
    is_same(patched, data, answer(status, *more) + raw, protocol, 0)


async def test_plain_messages_never_come_to_the_library() -> None:
    raw, taken = b"".join(framed(0x81, b"%d" % number) for number in range(1_000)), list[bytes]()
    sieve = await opened([raw[:777], raw[777:]], taken.append)
    assert await sieve.receive_some() == b""
    assert taken == [b"%d" % number for number in range(1_000)]


async def test_what_the_taker_raises_is_told_and_the_rest_is_dropped() -> None:
    raw, errors, taken = framed(0x81, b"a") + framed(0x81, b"b") + framed(0x81, b"c"), list[Exception](), list[bytes]()

    def take(message: bytes) -> None:
        taken.append(message)
        if message == b"b":
            raise ValueError("no")

    sieve = await opened([raw, framed(0x81, b"d")], take, errors.append)
    assert await sieve.receive_some() == b""
    assert taken == [b"a", b"b", b"d"]
    assert [str(error) for error in errors] == ["no"]


async def test_another_taker_gets_the_very_next_message() -> None:
    first, second = list[bytes](), list[bytes]()

    def take(message: bytes) -> None:
        first.append(message)
        if len(first) == 2:
            sieve.hand_on(second.append, largest=LARGEST)

    sieve = await opened([framed(0x81, b"a") * 5], take)
    await sieve.receive_some()
    assert (len(first), len(second)) == (2, 3)


async def test_an_answer_that_never_ends_is_left_to_the_library() -> None:
    sieve = Sieve(Parts([b"HTTP/1.1 101 x\r\n", *[b"a" * 65_536] * 40]), protocol(), pytest.fail)
    assert 1_048_576 <= len(await sieve.receive_some()) < 1_200_000
