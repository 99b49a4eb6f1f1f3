"""All campaigns that are shown: journals found in folders, folded in the background, and asked while somebody looks."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog
import trio

from trioarb.dashboard.asking import ask_how
from trioarb.dashboard.channel import Channel
from trioarb.dashboard.message import Fleet, View, encoded
from trioarb.dashboard.view import Viewed
from trioarb.errors import clean
from trioarb.journal.log import kind_of
from trioarb.journal.recorded import KIND
from trioarb.plugin.registry import Plugins

__all__ = ["Campaigns", "event_of", "now_ms"]

T = TypeVar("T")

#: How long folding holds the thread at a time.
_SLICE_SECONDS = 0.005
#: How often viewers get the newest state, journals that grow are read, and folders are looked through.
_SHOW_SECONDS, _READ_SECONDS, _LOOK_SECONDS = 0.5, 0.25, 2.0
#: A campaign answers for one part in so many of the time at most.
_ASK_SHARE = 10
#: The more viewers, the less often: by so much for each.
_MORE_SECONDS = 0.003
#: Who looked once is thought to look again for so long; waits so long for a campaign's answer, and so long for what is
#: still being read of a journal.
_WANTED_SECONDS, _PATIENCE_SECONDS, _FOLDING_SECONDS = 3.0, 1.0, 0.25
#: Of so many campaigns that have ended and nobody looks at all is kept that was folded; of the others only a row.
_KEPT = 8


def now_ms() -> int:
    """Return the wall clock's time."""
    return time.time_ns() // 1_000_000


def event_of(kind: str, message: msgspec.Struct) -> bytes:
    """Return a message as an event of an event stream."""
    return b"event: " + kind.encode() + b"\ndata: " + encoded(message) + b"\n\n"


class Campaigns:
    """Follows the journals at ``places``: files, or folders, in which others may come. Start `run`."""

    def __init__(self, places: Sequence[Path], plugins: Plugins) -> None:
        #: Folders stay folders when they are gone for a while.
        self._folders = [place for place in places if place.is_dir()]
        self._files = [place for place in places if place not in self._folders]
        self._plugins = plugins
        self._viewed: dict[str, Viewed] = {}
        self._names: dict[Path, str] = {}
        self._channels: dict[str, Channel] = {}
        self.fleet_channel = Channel()
        self.is_closed = False
        #: Whom we fail at: said once.
        self._broken: set[str] = set()
        #: Files of folders that are no journals, as they looked then.
        self._others: dict[Path, tuple[int, int]] = {}
        #: The campaigns that are being asked.
        self._asked: dict[str, trio.Event] = {}

    @property
    def viewers(self) -> int:
        """How many event streams are open."""
        return self.fleet_channel.viewers + sum(one.viewers for one in self._channels.values())

    def find(self, name: str) -> Viewed | None:
        return self._viewed.get(name)

    def channel(self, name: str) -> Channel:
        return self._channels.setdefault(name, Channel())

    def __iter__(self) -> Iterator[Viewed]:
        return iter(self._viewed.values())

    def fleet(self) -> Fleet:
        """Return the rows of all, those that run first, then the latest first."""
        rows = [row for one in list(self) if (row := self.guarded(one, one.row)) is not None]
        rows.sort(key=lambda row: (row.state != "running", -(row.last_ms or 0), row.name))
        return Fleet(at_ms=now_ms(), campaigns=tuple(rows))

    def view(self, viewed: Viewed, *, with_series: bool) -> View:
        return viewed.view(now_ms(), with_series=with_series)

    def guarded(self, viewed: Viewed, work: Callable[[], T]) -> T | None:
        """Do something for a campaign; a defect of ours that it brings to light is logged, and costs that one only."""
        try:
            return work()
        except Exception:
            self._complain(viewed)
            return None

    def _complain(self, viewed: Viewed) -> None:
        if viewed.name not in self._broken:
            self._broken.add(viewed.name)
            log = structlog.get_logger("trioarb.dashboard")
            log.exception("a campaign can't be shown; please report this as a defect", journal=str(viewed.path))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Follow, until cancelled; say ``started()`` once the journals that there are have been found."""
        self._look()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_looking)
            nursery.start_soon(self._fold)
            nursery.start_soon(self._ask)
            nursery.start_soon(self._show)
            task_status.started()

    def close(self) -> None:
        """End all event streams."""
        self.is_closed = True
        for channel in (self.fleet_channel, *self._channels.values()):
            channel.close()

    def _look(self) -> None:
        """Find journals that weren't there before, and forget those that a folder holds no more."""
        for path in self._files:
            self._take(path)
        for folder in self._folders:
            with suppress(OSError):  # one that is gone, or closed to us, may come again
                self._look_into(folder)

    def _look_into(self, folder: Path) -> None:
        with os.scandir(folder) as entries:
            found = {Path(entry.path): entry for entry in entries}
        for path in sorted(found.keys() - self._names.keys()):
            with suppress(OSError):
                status = found[path].stat(follow_symlinks=False)
                looks = status.st_mtime_ns, status.st_size
                if self._others.get(path) != looks:
                    self._others[path] = looks
                    if stat.S_ISREG(status.st_mode) and kind_of(path) == KIND:
                        self._take(path)
        for path in [one for one in self._names if one.parent == folder and one not in found]:
            self._viewed.pop(self._names.pop(path)).follower.close()

    def _take(self, path: Path) -> None:
        if path not in self._names:
            name = self._names[path] = self._name(path)
            self._viewed[name] = Viewed(name, path, self._plugins)

    def _name(self, path: Path) -> str:
        """Return what it goes by in addresses: text, whatever bytes the file's name has, and no step to a folder."""
        short = path.name.removesuffix(".journal")
        name = own = clean(short if short.strip(".") else path.name)
        number = 2
        while name in self._viewed:
            name, number = f"{own}~{number}", number + 1
        return name

    async def _keep_looking(self) -> None:
        while True:
            await trio.sleep(_LOOK_SECONDS)
            self._look()
            for viewed in self:
                if viewed.is_shelved and viewed.has_changed():
                    viewed.wake()
            self._shelve()

    def _shelve(self) -> None:
        """Keep the rows only of campaigns that have ended and nobody looks at, but for the last ones that were seen."""
        resting = [
            one
            for one in self
            if one.follower.is_current
            and not one.is_shelved
            and not one.follower.is_running
            and not self._is_looked_at(one)
        ]
        resting.sort(key=lambda one: one.wanted_at, reverse=True)
        for viewed in resting[_KEPT:]:
            self.guarded(viewed, viewed.shelve)

    async def _fold(self) -> None:
        """Fold what people look at, then what runs, then the others, one after the other; then what is appended."""
        while True:
            more, awake = False, [one for one in self if not one.is_shelved]
            for viewed in sorted(awake, key=self._rank):
                if self.guarded(viewed, partial(viewed.follower.advance, _SLICE_SECONDS)):
                    more = True
                    break
                await trio.lowlevel.checkpoint()
            self._shelve_beyond(awake)
            if more:
                await trio.lowlevel.checkpoint()
            else:
                await trio.sleep(_READ_SECONDS)

    def _rank(self, viewed: Viewed) -> tuple[bool, bool]:
        return not self._is_looked_at(viewed), not viewed.follower.is_running

    def _shelve_beyond(self, awake: Sequence[Viewed]) -> None:
        """Don't wait with that until the next look where many were folded one after the other."""
        if sum(one.follower.is_current for one in awake) > 2 * _KEPT:
            self._shelve()

    async def _ask(self) -> None:
        """Ask the campaigns that somebody looks at, each once for all who look."""
        async with trio.open_nursery() as nursery:
            while True:
                for viewed in self:
                    is_due = trio.current_time() >= viewed.ask_at and viewed.name not in self._asked
                    if is_due and not viewed.is_shelved and self._is_wanted(viewed):
                        self._asked[viewed.name] = trio.Event()
                        nursery.start_soon(self._ask_one, viewed)
                await trio.sleep(_SHOW_SECONDS)

    async def _ask_one(self, viewed: Viewed) -> None:
        """Ask one that is noted as being asked: the longer its answer takes, the less often."""
        began = trio.current_time()
        try:
            await ask_how(viewed, now_ms())
            viewed.ask_at = began + _ASK_SHARE * (trio.current_time() - began)
        except Exception:
            viewed.answer(None, now_ms(), "the dashboard failed at asking it")
            self._complain(viewed)
        finally:
            self._asked.pop(viewed.name).set()

    def _is_wanted(self, viewed: Viewed) -> bool:
        """Say whether somebody wants to know how it stands."""
        return bool(self.fleet_channel.viewers) or self._is_looked_at(viewed)

    def _is_looked_at(self, viewed: Viewed) -> bool:
        """Say whether somebody looks at it alone."""
        channel = self._channels.get(viewed.name)
        is_watched = channel is not None and channel.viewers > 0
        return is_watched or trio.current_time() - viewed.wanted_at < _WANTED_SECONDS

    async def freshen(self, viewed: Viewed) -> None:
        """See that what is shown next is what journal and campaign say now: wait for that, though not for long."""
        is_fresh = self._is_wanted(viewed)
        viewed.wanted_at = trio.current_time()
        if viewed.is_shelved:
            viewed.wake()
        with trio.move_on_after(_FOLDING_SECONDS):
            while not viewed.follower.is_current:  # noqa: ASYNC110  # a slice later it may be
                await trio.sleep(_SLICE_SECONDS)
        self.guarded(viewed, partial(viewed.follower.advance, _SLICE_SECONDS))
        if is_fresh and viewed.name not in self._asked:
            return
        with trio.move_on_after(_PATIENCE_SECONDS):
            if viewed.name in self._asked:
                await self._asked[viewed.name].wait()
            else:
                self._asked[viewed.name] = trio.Event()
                await self._ask_one(viewed)

    async def renew(self, viewed: Viewed) -> None:
        """See that what is shown next was asked for after this."""
        with trio.move_on_after(_PATIENCE_SECONDS):
            while (asked := self._asked.get(viewed.name)) is not None:
                await asked.wait()
            self._asked[viewed.name] = trio.Event()
            await self._ask_one(viewed)

    async def freshen_all(self) -> None:
        """The same for all that run."""
        async with trio.open_nursery() as nursery:
            for viewed in self:
                if viewed.follower.is_running:
                    nursery.start_soon(self.freshen, viewed)

    async def _show(self) -> None:
        """Send everybody who looks the newest state, encoded once for all of them."""
        while True:
            if self.fleet_channel.viewers:
                self.fleet_channel.put(event_of("fleet", self.fleet()))
            for name, channel in list(self._channels.items()):
                viewed = self.find(name)
                if channel.viewers and viewed is not None:
                    view = self.guarded(viewed, partial(self.view, viewed, with_series=False))
                    if view is not None:
                        channel.put(event_of("view", view))
                    await trio.lowlevel.checkpoint()
            await trio.sleep(_SHOW_SECONDS + self.viewers * _MORE_SECONDS)
