"""Who is told of every quote of a symbol at a venue: simulated venues with orders that rest, loops, and rates."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Followed"]


class Followed:
    """Of one symbol, by index of the venue. ``on_change`` is called when somebody begins to follow, or ends."""

    __slots__ = ("_is_held", "_told", "on_change")

    def __init__(self) -> None:
        #: By venue, of everybody who follows it.
        self._told: dict[int, dict[str, Callable[[], None]]] = {}
        self._is_held = False
        self.on_change: Callable[[], None] = lambda: None

    def __bool__(self) -> bool:
        """Return whether every quote has to be shown."""
        return self._is_held or bool(self._told)

    def hold(self, is_held: bool) -> None:
        """Have every quote shown, though nobody is told of one."""
        self._is_held = is_held
        self.on_change()

    def follow(self, venue: int, told: Callable[[], None] | None, *, who: str = "") -> None:
        """Call ``told`` after each quote of a venue that is on the board, as ``who`` follows it; ``None``: no more."""
        followers = self._told.setdefault(venue, {})
        if told is None:
            followers.pop(who, None)
        else:
            followers[who] = told
        if not followers:
            del self._told[venue]
        self.on_change()

    def tell(self, venue: int) -> None:
        """Tell who follows a venue that a quote of it is on the board."""
        for told in tuple(self._told.get(venue, {}).values()):
            told()
