"""Of which symbols the account's stream told something: of the others there is no order to ask for."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Heard"]


class Heard:
    """What was heard, by Binance's symbols. ``now_ns``: campaign time.

    To ask for the orders of a symbol takes 20 of the limits, whether there are any; the stream tells of every order of
    the account, whoever sent it, unless it is cut.
    """

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._last_ns: dict[str, int] = {}
        #: Since when nothing was missed; ``None``: something may be missing now.
        self._since_ns: int | None = None

    def begin(self) -> None:
        """Take note that everything is told from now on."""
        if self._since_ns is None:
            self._since_ns = self._now_ns()

    def end(self) -> None:
        """Take note that something may be missing from now on."""
        self._since_ns = None

    def note(self, native_id: str) -> None:
        """Take note that there is an order of this symbol."""
        self._last_ns[native_id] = self._now_ns()

    def is_quiet(self, native_id: str, since_ns: int) -> bool:
        """Return whether it is certain that there was no order of a symbol since then."""
        if self._since_ns is None or since_ns < self._since_ns:
            return False
        return self._last_ns.get(native_id, -1) < since_ns
