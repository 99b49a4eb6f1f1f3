"""Getting books back that lack something: one snapshot after another, with patience, and not for ever."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import inf

import attrs
import trio

from trioarb.errors import VenueError, describe
from trioarb.venue.backoff import Backoff
from trioarb.venue.silence import Key

__all__ = ["Resync"]


@attrs.define
class _Past:
    """Tries of a key in a row, and when the last one brought the book back."""

    tries: int = 0
    mended_at: float = -inf


@attrs.define(kw_only=True, eq=False)
class Resync:
    """Fetches snapshots for books that need one: see `run`.

    Say `need` when a book has a gap or begins anew, and `stop` when the connection that its changes come by is lost:
    what is under way is older than what will come, and must not be shown.

    A book that breaks again soon after it was mended is waited with for longer each time, and given up in the end, as
    one whose checksum never agrees. Its quote stays withdrawn, since it was told so when the gap was found.

    Args:
        fetch: gets a snapshot of a key, gives it to the book and tells what came of it. That may raise `VenueError`.
        is_valid: whether a key's book lacks nothing.
        on_given_up: told of a key that is not tried for any more until `stop`, and why.
        backoff: how long to wait before each further try in a row. What held for its ``good_seconds`` ends the row.
        tries: so many in a row are made.
        try_seconds: how long one may take, waiting for the venue's limits included.
        at_once: so many keys are fetched at the same time.
    """

    fetch: Callable[[Key], Awaitable[None]]
    is_valid: Callable[[Key], bool]
    on_given_up: Callable[[Key, str], None]
    backoff: Backoff = attrs.field(factory=lambda: Backoff(first_seconds=0.5))
    tries: int = attrs.field(default=8, validator=attrs.validators.ge(1))
    try_seconds: float = 60.0
    at_once: int = attrs.field(default=4, validator=attrs.validators.ge(1))

    _past: dict[Key, _Past] = attrs.field(factory=dict, init=False)
    #: Keys that are being mended, and by what that can be stopped.
    _mending: dict[Key, trio.CancelScope] = attrs.field(factory=dict, init=False)
    _given_up: dict[Key, None] = attrs.field(factory=dict, init=False)
    _wanted: list[tuple[Key, trio.CancelScope]] = attrs.field(factory=list, init=False)
    _stirred: trio.Event = attrs.field(factory=trio.Event, init=False)

    def need(self, key: Key) -> None:
        """Have a key's snapshot fetched, unless that is under way, or was given up.

        Args:
            key: Whose.
        """
        if key not in self._mending and key not in self._given_up:
            self._mending[key] = trio.CancelScope()
            self._wanted.append((key, self._mending[key]))
            self._stirred.set()

    def stop(self) -> None:
        """Fetch nothing more of what was needed so far, and try again what was given up once it is needed."""
        for scope in self._mending.values():
            scope.cancel()
        self._mending.clear()
        self._wanted.clear()
        self._given_up.clear()
        self._past.clear()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Fetch what is needed until cancelled.

        Args:
            task_status: Says ``started()`` at once.

        Raises:
            ExceptionGroup: What ``fetch`` raised that is no `VenueError`, or another callback.
        """
        at_once = trio.CapacityLimiter(self.at_once)
        async with trio.open_nursery() as nursery:
            task_status.started()
            while True:
                await self._stirred.wait()
                self._stirred = trio.Event()
                for key, scope in self._wanted:
                    nursery.start_soon(self._mend, key, scope, at_once)
                self._wanted.clear()

    async def _mend(self, key: Key, scope: trio.CancelScope, at_once: trio.CapacityLimiter) -> None:
        past = self._past.setdefault(key, _Past())
        if trio.current_time() - past.mended_at >= self.backoff.good_seconds:
            past.tries = 0
        why = "it breaks again and again"
        with scope:
            while not self.is_valid(key):
                if past.tries == self.tries:
                    self._given_up[key] = None
                    del self._mending[key]
                    self.on_given_up(key, f"no book could be had in {self.tries} tries: {why}")
                    return
                if past.tries:
                    await trio.sleep(self.backoff.wait_seconds(past.tries - 1))
                past.tries += 1
                async with at_once:
                    why = await self._try(key)
            past.mended_at = trio.current_time()
            del self._mending[key]

    async def _try(self, key: Key) -> str:
        """Fetch a snapshot once; return why there may be no book after it."""
        why = f"no answer within {self.try_seconds:g} s"
        with trio.move_on_after(self.try_seconds):
            try:
                await self.fetch(key)
                why = "the snapshot doesn't fit what came since"
            except VenueError as error:
                why = describe(error)
        return why
