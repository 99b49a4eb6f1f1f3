"""How far long work is, on a terminal."""

from __future__ import annotations

import os
import sys
from time import monotonic
from types import TracebackType

from trioarb.report.visible import visible

__all__ = ["Progress"]

_PAUSE_SECONDS = 0.2


class Progress:
    """One line on stderr, if that is a terminal, of what takes longer than a second; gone at the end."""

    def __init__(self) -> None:
        self._is_seen = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._show_at = monotonic() + 1
        self._shown = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def show(self, text: str) -> None:
        """Show a text, unless another one was shown a moment ago."""
        if self._is_seen and (now := monotonic()) >= self._show_at:
            print(f"\r\x1b[K{visible(text)}", end="", file=sys.stderr, flush=True)
            self._show_at, self._shown = now + _PAUSE_SECONDS, True
