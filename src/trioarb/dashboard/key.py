"""The dashboard's token: a secret that whoever may act has, from the environment or a file that only they can read."""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from hashlib import sha256
from pathlib import Path

import attrs

from trioarb.control.runtime import runtime_folder
from trioarb.errors import ConfigError
from trioarb.settings.problem import Problem

__all__ = ["VARIABLE", "Token", "token_of"]

#: The environment's.
VARIABLE = "TRIOARB_DASHBOARD_TOKEN"
_FILE = "dashboard-token"
_SHORTEST, _LONGEST = 16, 4_096
_BYTES = 24


@attrs.frozen
class Token:
    """``source``: the file, or the variable, that it is from. ``is_new``: it was made now."""

    _secret: bytes = attrs.field(repr=False)
    source: str
    is_new: bool = False

    def is_held_by(self, authorization: str) -> bool:
        """Say whether an ``Authorization`` header has the token. Takes as long whatever is wrong with it."""
        scheme, _, given = authorization.partition(" ")
        is_right = hmac.compare_digest(sha256(given.strip().encode()).digest(), sha256(self._secret).digest())
        return is_right and scheme.lower() == "bearer"


def token_of(file: Path | None, given: str | None) -> Token:
    """Return the token: that of ``file``, else ``given`` by the environment, else that of a file in the runtime folder.

    A file that isn't there is made, with a token that nobody knows yet.

    Raises:
        ConfigError: the file is open to others, no file of ours, or what stands there is no token.
        ControlError: the runtime folder can't be had.
    """
    if file is None and given is not None:
        return Token(_checked(given, VARIABLE), VARIABLE)
    path = file or runtime_folder() / _FILE
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return _made(path)
    except OSError as error:
        raise _wrong(path, f"can't be read: {error.strerror}", "name a file of yours, which is no link") from None
    with os.fdopen(fd, "rb") as opened:
        found = os.fstat(opened.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid():
            raise _wrong(path, "is no file of yours", "name another, which is made if it isn't there")
        if found.st_mode & 0o077:
            raise _wrong(path, "can be read by others", f"chmod 600 {path}, and let it hold another token")
        return Token(_checked(opened.read(_LONGEST).decode("utf-8", "replace"), str(path)), str(path))


def _made(path: Path) -> Token:
    secret = secrets.token_urlsafe(_BYTES)
    begun = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        fd = os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(fd, "w") as opened:
                opened.write(secret + "\n")
            os.link(begun, path)  # whole, or not at all
        finally:
            begun.unlink()
    except FileExistsError:  # by another dashboard, just now
        return token_of(path, None)
    except OSError as error:
        raise _wrong(path, f"can't be made: {error.strerror}", "name a file in a folder of yours") from None
    return Token(secret.encode(), str(path), is_new=True)


def _checked(text: str, source: str) -> bytes:
    secret = text.strip()
    if len(secret) < _SHORTEST or not secret.isascii() or not secret.isprintable() or " " in secret:
        remedy = "remove the file, and one is made" if source != VARIABLE else f"unset {VARIABLE}, and one is made"
        raise _wrong(source, f"holds no token: at least {_SHORTEST} printable characters without a space", remedy)
    return secret.encode()


def _wrong(source: Path | str, message: str, remedy: str) -> ConfigError:
    return ConfigError([Problem(file=str(source), message=message, remedy=remedy)])
