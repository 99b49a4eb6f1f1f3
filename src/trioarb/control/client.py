"""Ask a campaign that runs, or tell it what to do."""

from __future__ import annotations

import os

import msgspec
import trio

from trioarb.control.message import LONGEST_ANSWER, Answer, Request
from trioarb.control.place import Place
from trioarb.errors import ControlError

__all__ = ["ask"]

_CHUNK = 65_536


async def ask(place: Place, request: Request, *, seconds: float) -> Answer | None:
    """Return what the campaign answers; ``None``: nobody is there.

    Raises:
        ControlError: it doesn't answer in time, or what comes is no answer.
    """
    with trio.move_on_after(seconds) as scope:
        try:
            stream = await trio.open_unix_socket(os.fspath(place.address))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except OSError as error:
            raise ControlError(f"{place.address} can't be connected to: {error.strerror or error}") from None
        async with stream:
            try:
                await stream.send_all(msgspec.json.encode(request) + b"\n")
                line = await _line(stream)
            except (trio.BrokenResourceError, OSError):
                line = b""
        try:
            return msgspec.json.decode(line, type=Answer)
        except msgspec.DecodeError:
            raise ControlError("the campaign closed the connection without an answer") from None
    assert scope.cancelled_caught
    raise ControlError(f"the campaign didn't answer within {seconds:g} s: its thread is held, or the machine is busy")


async def _line(stream: trio.abc.ReceiveStream) -> bytes:
    line = bytearray()
    while b"\n" not in line and len(line) < LONGEST_ANSWER:
        chunk = await stream.receive_some(_CHUNK)
        if not chunk:
            break
        line += chunk
    return bytes(line)
