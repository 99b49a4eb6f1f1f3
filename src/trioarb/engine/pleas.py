"""What plugins ask for by themselves: no entries at their venue, for a reason of their own."""

from __future__ import annotations

from collections.abc import Callable
from threading import get_ident

import attrs

from trioarb.errors import PluginFault
from trioarb.model.event import EntriesHeld, EntriesReleased, Event
from trioarb.model.market import VenuePart
from trioarb.plugin.answer import Nonsense, check_reason
from trioarb.risk.holds import Holds

__all__ = ["Plea", "Pleas"]

#: So many reasons one plugin may hold at a time.
_MOST_HELD = 100


@attrs.define(eq=False)
class Pleas:
    """What plugins hold of entries. It counts at once; it is recorded from the campaign's beginning until its end."""

    holds: Holds
    _record: Callable[[Event], object] | None = None
    _held: dict[tuple[str, VenuePart, str], None] = attrs.field(factory=dict)

    def begin(self, record: Callable[[Event], object]) -> None:
        """Record what is held, and what changes of it from now on."""
        self._record = record
        for venue, by, reason in self._held:
            record(EntriesHeld(venue=venue, by=by, reason=reason))

    def end(self) -> None:
        """Record nothing more: what plugins say while they are closed comes too late."""
        self._record = None

    def of(self, venue: str, by: VenuePart, key: str) -> Plea:
        """Return what a plugin of a venue says it by; ``key`` is its table."""
        return Plea(pleas=self, venue=venue, by=by, key=key)

    def hold(self, plea: Plea, reason: str) -> None:
        place = plea.venue, plea.by, reason
        if place in self._held:
            return
        if sum(one[:2] == place[:2] for one in self._held) >= _MOST_HELD:
            raise PluginFault(f"[{plea.key}]: hold was given more than {_MOST_HELD} reasons that are not released")
        self._held[place] = None
        self.holds.hold(plea.rule, reason, venue=plea.venue, name=reason)
        if self._record is not None:
            self._record(EntriesHeld(venue=plea.venue, by=plea.by, reason=reason))

    def release(self, plea: Plea, reason: str) -> None:
        place = plea.venue, plea.by, reason
        if place not in self._held:
            return
        del self._held[place]
        self.holds.release(plea.rule, venue=plea.venue, name=reason)
        if self._record is not None:
            self._record(EntriesReleased(venue=plea.venue, by=plea.by, reason=reason))


@attrs.frozen(kw_only=True, eq=False)
class Plea:
    """One plugin's way to say it. Both are called in Trio's thread, and raise `PluginFault` in the plugin otherwise."""

    pleas: Pleas
    venue: str
    by: VenuePart
    key: str
    thread: int = attrs.field(factory=get_ident)

    @property
    def rule(self) -> str:
        """By which rule entries are denied."""
        return f"held_by_{self.by.value}"

    def hold(self, reason: str) -> None:
        """Let nothing be entered with a leg at the venue, until the same reason is released."""
        self._check("hold", reason)
        self.pleas.hold(self, reason)

    def release(self, reason: str) -> None:
        """Take a reason back; nothing is done where it isn't held."""
        self._check("release", reason)
        self.pleas.release(self, reason)

    def _check(self, method: str, reason: str) -> None:
        if get_ident() != self.thread:
            raise PluginFault(f"[{self.key}]: {method} was called from another thread; use trio.from_thread.run_sync")
        try:
            check_reason(reason)
        except Nonsense as error:
            raise PluginFault(f"[{self.key}]: {method} was given {error}") from None
