"""Where campaigns of one user on this machine meet while they run."""

from __future__ import annotations

import os
import stat
import warnings
from pathlib import Path

from trioarb.errors import ControlError

__all__ = ["runtime_folder"]


def runtime_folder(base: Path | None = None) -> Path:
    """Return the folder, which nobody else can look into; make it where it isn't.

    ``base`` stands for where the operating system has such folders.

    Raises:
        ControlError: it can't be made, belongs to somebody else, or is open to others.
    """
    if base is None:
        from platformdirs import user_runtime_path

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a variable that isn't set: there is a folder all the same
            folder = user_runtime_path("trioarb", appauthor=False)
    else:
        folder = base / "trioarb"
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
