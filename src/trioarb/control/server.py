"""The campaign's end of its control socket: one line in and one out for each connection, and nobody waits for long."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import structlog
import trio

from trioarb.control.message import LONGEST_REQUEST, Answer, Request, decode_request
from trioarb.control.peer import Connected, name_of, uid_of
from trioarb.control.place import Place, Running
from trioarb.errors import ControlError, TrioarbError

__all__ = ["Obey", "serve"]

#: How long one connection may take, and how many there may be at a time.
_SECONDS, _MOST_AT_ONCE = 5, 16
_CHUNK = 4_096

#: Does what a request says; who asks is named as `name_of` does. What it raises of ours is told as a refusal.
Obey = Callable[[Request, str], Awaitable[Answer]]


async def serve(
    place: Place,
    running: Running,
    obey: Obey,
    *,
    uid_of: Callable[[Connected], int | None] = uid_of,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer at a place until cancelled; say ``started()`` once it can be reached.

    Only the user of this process is answered. What strangers send ends their own connection, and nothing else.

    Raises:
        ControlError: another process has the place, or it can't be had.
    """
    with place.claimed(running):
        try:
            listening = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            await listening.bind(os.fspath(place.address))
            place.address.chmod(0o600)
            listening.listen(_MOST_AT_ONCE)
        except OSError as error:
            raise ControlError(f"{place.address} can't be listened at: {error.strerror or error}") from None
        limiter = trio.CapacityLimiter(_MOST_AT_ONCE)
        handle = partial(_handle, obey=obey, uid_of=uid_of, limiter=limiter)
        await trio.serve_listeners(handle, [trio.SocketListener(listening)], task_status=_Silently(task_status))


class _Silently(trio.TaskStatus[object]):
    """Says that it has started without saying where."""

    def __init__(self, status: trio.TaskStatus[None]) -> None:
        self._status = status

    def started(self, value: object = None) -> None:
        self._status.started()


async def _handle(
    stream: trio.SocketStream,
    *,
    obey: Obey,
    uid_of: Callable[[Connected], int | None],
    limiter: trio.CapacityLimiter,
) -> None:
    """Answer one connection. One too many is closed at once: nobody has to wait behind those who say nothing."""
    log = structlog.get_logger("trioarb.control")
    try:
        limiter.acquire_nowait()
    except trio.WouldBlock:
        await trio.aclose_forcefully(stream)
        return
    try:
        with trio.move_on_after(_SECONDS):
            uid = uid_of(stream.socket)
            if uid is not None and uid != os.getuid():
                log.warning("somebody else wanted to tell the campaign something", who=name_of(uid))
                return
            answer = await _answer(await _line(stream), name_of(os.getuid() if uid is None else uid), obey)
            await stream.send_all(msgspec.json.encode(answer) + b"\n")
    except (trio.BrokenResourceError, trio.ClosedResourceError, OSError) as error:
        log.debug("a control connection broke", error=str(error))
    finally:
        limiter.release()
        await trio.aclose_forcefully(stream)


async def _line(stream: trio.SocketStream) -> bytes:
    """Return the line that was sent, or all that came before it grew too long or was given up."""
    line = bytearray()
    while b"\n" not in line and len(line) <= LONGEST_REQUEST:
        chunk = await stream.receive_some(_CHUNK)
        if not chunk:
            break
        line += chunk
    return bytes(line)


async def _answer(line: bytes, who: str, obey: Obey) -> Answer:
    try:
        if len(line) > LONGEST_REQUEST or not line.endswith(b"\n"):
            raise ControlError(f"a request is one line of at most {LONGEST_REQUEST} bytes")
        return await obey(decode_request(line), who)
    except TrioarbError as error:
        return Answer(said=str(error), exit_code=error.exit_code)
