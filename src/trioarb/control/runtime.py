"""Where campaigns of one user on this machine meet while they run."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from trioarb.errors import ControlError

__all__ = ["private_folder", "runtime_folder"]

_NAME = "trioarb"
_TEMPORARY = Path("/tmp")  # what is made there is seen to be ours alone


def runtime_folder(base: Path | None = None) -> Path:
    """Return the folder, which nobody else can look into; make it where it isn't.

    ``base`` stands for where the operating system has such folders: ``XDG_RUNTIME_DIR``, else ``/run/user/UID``, as far
    as they are the user's alone. Where there is none, it is a folder in ``/tmp``.

    Raises:
        ControlError: it can't be made, belongs to somebody else, or is open to others.
    """
    return private_folder(_in_the_system() if base is None else base / _NAME)


def private_folder(folder: Path) -> Path:
    """Return a folder that nobody else can look into; make it where it isn't.

    Raises:
        ControlError: it can't be made, belongs to somebody else, or is open to others.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise ControlError(f"the folder {folder} can't be made: {error.strerror}") from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise ControlError(f"{folder} is no folder of yours; remove it")
    if found.st_mode & 0o077:
        raise ControlError(f"the folder {folder} is open to others; make it yours alone: chmod 700 {folder}")
    return folder


def _in_the_system() -> Path:
    uid = os.getuid()
    for base in filter(None, (os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{uid}")):
        try:
            found = os.lstat(base)
        except OSError:
            continue
        if os.path.isabs(base) and stat.S_ISDIR(found.st_mode) and found.st_uid == uid and not found.st_mode & 0o077:
            return Path(base) / _NAME
    return _TEMPORARY / f"{_NAME}-{uid}"
