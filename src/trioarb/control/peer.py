"""Who is at the other end of a local socket."""

from __future__ import annotations

import os
import pwd
import socket
import struct
from typing import Protocol

__all__ = ["Connected", "name_of", "uid_of"]

#: Linux: pid, uid and gid of who connected.
_UCRED = struct.Struct("3i")
#: macOS and the BSDs, of <sys/un.h>: version and uid begin what is told; Python has no name for either number.
_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED = 0, 1, struct.Struct("2I")
_XUCRED_BYTES = 76


class Connected(Protocol):
    """A socket; Trio's are, too."""

    def getsockopt(self, level: int, option: int, buffer: int, /) -> bytes: ...


def uid_of(connected: Connected) -> int | None:
    """Return the user id of the process that connected; ``None``: this operating system doesn't say.

    Raises:
        OSError: it can't be known: the connection is gone.
    """
    if (linux := getattr(socket, "SO_PEERCRED", None)) is not None:
        _, uid, _ = _UCRED.unpack(connected.getsockopt(socket.SOL_SOCKET, linux, _UCRED.size))
        return int(uid)
    if os.uname().sysname in ("Darwin", "FreeBSD", "DragonFly"):
        told = connected.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED_BYTES)
        _, uid = _XUCRED.unpack(told[: _XUCRED.size])
        return int(uid)
    return None


def name_of(uid: int) -> str:
    """Return a user as a person knows them, such as ``ana (uid 1000)``."""
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"
