"""The control socket: who is answered, what ends a connection, and whose the place is."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from trioarb.control.client import ask
from trioarb.control.message import LONGEST_REQUEST, Answer, Request
from trioarb.control.peer import name_of, uid_of
from trioarb.control.place import Place, Running, running_in
from trioarb.control.server import serve
from trioarb.errors import ControlError
from trioarb.model.command import Command

PAUSE = Request(command=Command.PAUSE, why="tried")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A runtime folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="tc") as made:
        yield Path(made)


@asynccontextmanager
async def served(folder: Path, journal: str = "c.journal", **options: Any) -> AsyncIterator[tuple[Place, list[str]]]:
    """Serve at the place of a journal; what was obeyed is in the list, as who and what."""
    place, obeyed = Place.of(folder / journal, folder), list[str]()

    async def obey(request: Request, who: str) -> Answer:
        obeyed.append(f"{who}: {request.command and request.command.value}")
        if request.command is Command.END:
            raise ControlError("not now")
        return Answer(said="done")

    running = Running(pid=os.getpid(), journal=str(folder / journal), accounts=("a",))
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve, place, running, obey, **options))
        yield place, obeyed
        nursery.cancel_scope.cancel()


async def send(place: Place, data: bytes, *, ends: bool = True) -> bytes:
    """Send bytes, and return all that comes back."""
    stream = await trio.open_unix_socket(str(place.address))
    async with stream:
        with trio.fail_after(10):
            try:
                await stream.send_all(data)
                if ends:
                    await stream.send_eof()
                answer = b""
                while chunk := await stream.receive_some(4096):
                    answer += chunk
            except trio.BrokenResourceError:
                return b""
            return answer


async def test_one_line_in_and_one_out(folder: Path) -> None:
    async with served(folder) as (place, obeyed):
        assert await ask(place, PAUSE, seconds=5) == Answer(said="done")
        refused = await ask(place, Request(command=Command.END), seconds=5)
        assert refused == Answer(said="not now", exit_code=1)
    me = name_of(os.getuid())
    assert obeyed == [f"{me}: pause", f"{me}: end"]
    assert await ask(place, PAUSE, seconds=5) is None, "nobody is there any more"
    assert os.listdir(folder) == []


async def test_the_socket_is_ours_alone(folder: Path) -> None:
    async with served(folder) as (place, _):
        assert stat.S_IMODE(place.address.stat().st_mode) == 0o600
        assert stat.S_IMODE(place.lock.stat().st_mode) == 0o600
        assert stat.S_ISSOCK(place.address.stat().st_mode)


@pytest.mark.parametrize("uid", [0, 1, 65_534])
async def test_another_user_gets_no_answer_and_changes_nothing(folder: Path, uid: int) -> None:
    """Also root: who may become us can do so."""
    other = uid + 1 if uid == os.getuid() else uid
    async with served(folder, uid_of=lambda connected: other) as (place, obeyed):
        assert await send(place, msgspec.json.encode(PAUSE) + b"\n") == b""
        with pytest.raises(ControlError, match="closed the connection without an answer"):
            await ask(place, PAUSE, seconds=5)
    assert obeyed == []


async def test_where_nobody_says_who_connects_the_folder_decides(folder: Path) -> None:
    async with served(folder, uid_of=lambda connected: None) as (place, obeyed):
        assert await ask(place, PAUSE, seconds=5) == Answer(said="done")
    assert obeyed


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="nobody says who connects")
def test_the_kernel_says_who_connects() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert uid_of(ours) == os.getuid()


NONSENSE = {
    "nothing": b"",
    "no line": b'{"command":"pause"}',
    "bytes": bytes(range(256)) + b"\n",
    "no JSON": b"pause\n",
    "another type": b"[1, 2]\n",
    "an unknown command": b'{"command":"sell"}\n',
    "an unknown field": b'{"command":"pause","sudo":true}\n',
    "a wrong type": b'{"command":"pause","why":5}\n',
    "too long a reason": b'{"command":"pause","why":"' + b"x" * 501 + b'"}\n',
    "a reason in two lines": b'{"command":"pause","why":"a\\nb"}\n',
    "a broken surrogate": b'{"command":"pause","why":"\\ud800"}\n',
    "too deep": b"[" * 4000 + b"\n",
    "too long": b'{"why":"' + b"x" * LONGEST_REQUEST + b'"}\n',
    "endless": b"x" * 1_000_000,
}


@pytest.mark.parametrize("name", NONSENSE)
async def test_nonsense_ends_its_own_connection_and_nothing_else(folder: Path, name: str) -> None:
    async with served(folder) as (place, obeyed):
        answer = await send(place, NONSENSE[name])
        if answer:
            refused = msgspec.json.decode(answer, type=Answer)
            assert refused.exit_code == 1
            assert "request" in refused.said
        assert obeyed == []
        assert await ask(place, PAUSE, seconds=5) == Answer(said="done")


async def test_who_says_nothing_is_let_go_and_keeps_nobody_waiting(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trioarb.control.server._SECONDS", 0.3)
    async with served(folder) as (place, _):
        silent = await trio.open_unix_socket(str(place.address))
        async with silent:
            assert await ask(place, PAUSE, seconds=5) == Answer(said="done")
            with trio.fail_after(5):
                assert await silent.receive_some(1) == b""


async def test_one_connection_too_many_is_closed_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trioarb.control.server._MOST_AT_ONCE", 2)
    async with served(folder) as (place, _):
        silent = [await trio.open_unix_socket(str(place.address)) for _ in range(2)]
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert await send(place, b"", ends=False) == b""
        for stream in silent:
            await stream.aclose()
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert await ask(place, PAUSE, seconds=5) == Answer(said="done")


async def test_a_campaign_that_does_not_answer_is_told_from_one_that_is_not_there(folder: Path) -> None:
    async with served(folder) as (place, _):
        pass
    deaf = socket.socket(socket.AF_UNIX)
    with deaf:
        deaf.bind(str(place.address))
        deaf.listen()
        with pytest.raises(ControlError, match=r"didn't answer within 0\.2 s"):
            await ask(place, PAUSE, seconds=0.2)


async def test_what_a_killed_process_left_is_replaced(folder: Path) -> None:
    place = Place.of(folder / "c.journal", folder)
    code = f"""
import os, socket
from pathlib import Path
from trioarb.control.place import Place, Running
place = Place(folder=Path({str(folder)!r}), name={place.name!r})
with place.claimed(Running(pid=1, journal="x")):
    socket.socket(socket.AF_UNIX).bind(str(place.address))
    os.kill(os.getpid(), 9)
"""
    await trio.to_thread.run_sync(partial(subprocess.run, [sys.executable, "-c", code], check=False))
    assert place.address.exists()
    assert running_in(folder) == [], "nobody holds its lock"
    assert await ask(place, PAUSE, seconds=5) is None
    async with served(folder) as (_, obeyed):
        assert await ask(place, PAUSE, seconds=5) == Answer(said="done")
    assert obeyed


async def test_a_place_has_one_process(folder: Path) -> None:
    async with served(folder) as (place, _):
        taking = place.claimed(Running(pid=1, journal="x"))
        with pytest.raises(ControlError, match="is held by another process of this campaign"), taking:
            pass
        assert await ask(place, PAUSE, seconds=5) == Answer(said="done"), "whose socket is as it was"


async def test_two_campaigns_have_a_place_each(folder: Path) -> None:
    async with served(folder, "one.journal") as (one, of_one), served(folder, "two.journal") as (two, of_two):
        assert [running.journal for _, running in running_in(folder)] == [
            str(folder / "one.journal"),
            str(folder / "two.journal"),
        ]
        await ask(two, PAUSE, seconds=5)
        assert (len(of_one), len(of_two)) == (0, 1)
        assert one.address != two.address
    assert running_in(folder) == []


def test_a_journal_is_found_by_whatever_it_is_called(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "real").mkdir()
    (folder / "link").symlink_to(folder / "real")
    place = Place.of(folder / "real" / "c.journal", folder)
    assert Place.of(folder / "link" / "c.journal", folder) == place
    assert Place.of(folder / "real" / ".." / "real" / "c.journal", folder) == place
    monkeypatch.chdir(folder / "real")
    assert Place.of(Path("c.journal"), folder) == place
    assert Place.of(Path("d.journal"), folder) != place


def test_a_folder_too_deep_for_a_socket_is_said(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 90)
    deep.mkdir()
    taking = Place.of(tmp_path / "c.journal", deep).claimed(Running(pid=1, journal="x"))
    with pytest.raises(ControlError, match="is longer than a socket's path can be; set XDG_RUNTIME_DIR"), taking:
        pass


def test_what_is_no_lock_of_ours_is_passed_over(folder: Path) -> None:
    (folder / "control-0123.lock").write_text("nonsense")
    (folder / "control-4567.lock").symlink_to("/etc/passwd")
    (folder / "budget-1").touch()
    assert running_in(folder) == []
