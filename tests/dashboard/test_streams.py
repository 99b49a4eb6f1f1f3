"""Event streams: the newest state, once for all; readers that stop reading, and the server's end."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing
from dashboard_server import dashboard, until_true

from trioarb.dashboard import serving
from trioarb.dashboard.channel import Channel
from trioarb.dashboard.message import View


async def test_a_viewer_gets_what_a_look_at_the_campaign_gives(journals: Path) -> None:
    async with dashboard([journals]) as shown:
        view = await shown.folded()
        async with shown.watching("/api/campaigns/a/events") as events:
            event = await events.next()
    assert event is not None
    kind, streamed = event
    assert kind == "view"
    assert streamed["series"] == []
    changing = {"at_ms", "series"}
    assert {k: v for k, v in streamed.items() if k not in changing} == {
        k: v for k, v in view.items() if k not in changing
    }
    msgspec.convert(streamed, View)


async def test_the_fleet_is_streamed_too(journals: Path) -> None:
    async with dashboard([journals]) as shown:
        await shown.folded()
        async with shown.watching("/api/events") as events:
            event = await events.next()
    assert event is not None
    kind, fleet = event
    assert kind == "fleet"
    assert [row["name"] for row in fleet["campaigns"]] == ["a"]


async def test_nobody_is_there_afterwards(journals: Path) -> None:
    async with dashboard([journals]) as shown:
        async with shown.watching("/api/campaigns/a/events") as events:
            await events.next()
            assert (await shown.get("/api/about"))["viewers"] == 1

        async def gone() -> bool:
            return (await shown.get("/api/about"))["viewers"] == 0

        await until_true(gone)


async def test_the_end_of_the_server_is_told(journals: Path) -> None:
    async with dashboard([journals]) as shown, shown.watching("/api/campaigns/a/events") as events:
        await events.next()
        shown.until.set()
        last = ""
        while (event := await events.next()) is not None:
            last = event[0]
    assert last == "end"


async def _stuck(address: str, path: str) -> trio.SocketStream:
    """Return a viewer that asks and never reads."""
    port = int(address.rsplit(":", 1)[1].rstrip("/"))
    connected = trio.socket.socket()
    connected.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 4_096)
    await connected.connect(("127.0.0.1", port))
    stream = trio.SocketStream(connected)
    await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return stream


async def test_a_viewer_that_stops_reading_is_given_up_and_nobody_else_waits(
    journals: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "_STUCK_SECONDS", 0.3)
    async with dashboard([journals]) as shown:
        await shown.folded()
        channel = shown.server.campaigns.channel("a")
        stuck = await _stuck(shown.server.address, "/api/campaigns/a/events")

        async def is_there() -> bool:
            return channel.viewers == 1

        await until_true(is_there)
        async with shown.watching("/api/campaigns/a/events") as events:
            for _ in range(50):  # far more than buffers take
                channel.put(b": " + b"x" * 500_000 + b"\n\n")
                await trio.sleep(0.001)
            assert await events.next() is not None, "the other one is served"

            async def is_given_up() -> bool:
                channel.put(b": " + b"x" * 500_000 + b"\n\n")
                return channel.viewers == 1

            await until_true(is_given_up)
        await stuck.aclose()


async def test_a_viewer_that_stops_reading_does_not_keep_the_server_from_ending(
    journals: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "_STUCK_SECONDS", 0.3)
    async with dashboard([journals]) as shown:
        await shown.folded()
        channel = shown.server.campaigns.channel("a")
        stuck = await _stuck(shown.server.address, "/api/campaigns/a/events")

        async def is_there() -> bool:
            channel.put(b": " + b"x" * 500_000 + b"\n\n")
            return channel.viewers == 1

        await until_true(is_there)
    await stuck.aclose()


async def test_the_newest_message_wins(autojump_clock: trio.testing.MockClock) -> None:
    channel = Channel()
    with channel.watched() as apart:
        channel.put(b"1")
        seen, message = await channel.next(0, apart=apart, quiet_seconds=10)
        assert message == b"1"
        for number in range(2, 100):
            channel.put(b"%d" % number)
        seen, message = await channel.next(seen, apart=apart, quiet_seconds=10)
        assert message == b"99", "those in between are gone"
        assert await channel.next(seen, apart=apart, quiet_seconds=10) == (seen, b"")


async def test_many_viewers_are_sent_one_group_after_the_other(autojump_clock: trio.testing.MockClock) -> None:
    channel, at = Channel(), list[float]()

    async def look(task_status: trio.TaskStatus[None]) -> None:
        with channel.watched() as apart:
            task_status.started()
            _, message = await channel.next(0, apart=apart, quiet_seconds=100)
            assert message == b"news"
            at.append(trio.current_time() - began)

    async with trio.open_nursery() as nursery:
        for _ in range(500):
            await nursery.start(look)
        began = trio.current_time()
        channel.put(b"news")
    assert len(at) == 500
    assert max(at.count(one) for one in set(at)) <= 40
    assert max(at) < 0.5


async def test_too_many_viewers_are_refused(journals: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trioarb.dashboard.site.MOST_VIEWERS", 1)
    async with dashboard([journals]) as shown, shown.watching("/api/events") as events:
        await events.next()
        assert (await shown.client.get("/api/campaigns/a/events")).status_code == 429


async def test_a_campaign_that_is_not_there(journals: Path) -> None:
    async with dashboard([journals]) as shown:
        for path in ("", "/events", "/log", "/edges", "/trades/t1"):
            assert (await shown.client.get(f"/api/campaigns/nobody{path}")).status_code == 404
