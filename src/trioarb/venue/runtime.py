"""The runtime folder, for plugins of venues."""

from __future__ import annotations

from pathlib import Path

from trioarb.control import runtime
from trioarb.errors import ControlError, VenueError

__all__ = ["runtime_folder"]


def runtime_folder(base: Path | None = None) -> Path:
    """Return the folder in which campaigns of one user meet, and which nobody else can look into; make it if need be.

    Args:
        base: Stands for where the operating system has such folders.

    Raises:
        VenueError: It can't be made, belongs to somebody else, or is open to others.
    """
    try:
        return runtime.runtime_folder(base)
    except ControlError as error:
        raise VenueError(str(error)) from None
