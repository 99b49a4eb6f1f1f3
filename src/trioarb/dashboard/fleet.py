"""All campaigns that are shown: journals found in folders, folded in the background, and asked while somebody looks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import trio

from trioarb.dashboard.asking import ask_how
from trioarb.dashboard.channel import Channel
from trioarb.dashboard.message import Fleet, View
from trioarb.dashboard.view import Viewed
from trioarb.journal.log import kind_of
from trioarb.journal.recorded import KIND
from trioarb.plugin.registry import Plugins

__all__ = ["Campaigns", "event_of", "now_ms"]

#: How long folding holds the thread at a time.
_SLICE_SECONDS = 0.015
#: How often viewers get the newest state, journals that grow are read, and folders are looked through.
_SHOW_SECONDS, _READ_SECONDS, _LOOK_SECONDS = 0.5, 0.25, 2.0
#: Who looked once is thought to look again for so long; and waits so long for a campaign's answer.
_WANTED_SECONDS, _PATIENCE_SECONDS = 3.0, 1.0


def now_ms() -> int:
    """Return the wall clock's time."""
    return time.time_ns() // 1_000_000


def event_of(kind: str, message: msgspec.Struct) -> bytes:
    """Return a message as an event of an event stream."""
    return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode(message) + b"\n\n"


class Campaigns:
    """Follows the journals at ``places``: files, or folders, in which others may come. Start `run`."""

    def __init__(self, places: Sequence[Path], plugins: Plugins) -> None:
        self._places = places
        self._plugins = plugins
        self._viewed: dict[str, Viewed] = {}
        self._names: dict[Path, str] = {}
        self._channels: dict[str, Channel] = {}
        self.fleet_channel = Channel()
        self.is_closed = False
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
        rows = [one.row() for one in self]
        rows.sort(key=lambda row: (row.state != "running", -(row.last_ms or 0), row.name))
        return Fleet(at_ms=now_ms(), campaigns=tuple(rows))

    def view(self, viewed: Viewed, *, with_series: bool) -> View:
        return viewed.view(now_ms(), with_series=with_series)

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
        """Find journals that weren't there before."""
        for place in self._places:
            found = sorted(place.iterdir()) if place.is_dir() else [place]
            for path in found:
                if path not in self._names and (path == place or _is_journal(path)):
                    name = self._name(path)
                    self._names[path] = name
                    self._viewed[name] = Viewed(name, path, self._plugins)

    def _name(self, path: Path) -> str:
        name, number = path.name.removesuffix(".journal"), 2
        while name in self._viewed:
            name, number = f"{path.name.removesuffix('.journal')}~{number}", number + 1
        return name

    async def _keep_looking(self) -> None:
        while True:
            await trio.sleep(_LOOK_SECONDS)
            self._look()

    async def _fold(self) -> None:
        """Fold what there is, a little of each in turn; then what is appended."""
        while True:
            more = False
            for viewed in list(self):
                more |= viewed.follower.advance(_SLICE_SECONDS)
                await trio.lowlevel.checkpoint()
            if not more:
                await trio.sleep(_READ_SECONDS)

    async def _ask(self) -> None:
        """Ask the campaigns that somebody looks at, each once for all who look."""
        async with trio.open_nursery() as nursery:
            while True:
                for viewed in self:
                    if self._is_wanted(viewed) and viewed.name not in self._asked:
                        nursery.start_soon(self._ask_one, viewed)
                await trio.sleep(_SHOW_SECONDS)

    async def _ask_one(self, viewed: Viewed) -> None:
        self._asked[viewed.name] = asked = trio.Event()
        try:
            await ask_how(viewed, now_ms())
        finally:
            del self._asked[viewed.name]
            asked.set()

    def _is_wanted(self, viewed: Viewed) -> bool:
        channel = self._channels.get(viewed.name)
        return bool(
            self.fleet_channel.viewers
            or (channel is not None and channel.viewers)
            or trio.current_time() - viewed.wanted_at < _WANTED_SECONDS
        )

    async def freshen(self, viewed: Viewed) -> None:
        """See that what is shown next is what the campaign answers now: wait for that, though not for long."""
        is_fresh = self._is_wanted(viewed)
        viewed.wanted_at = trio.current_time()
        if is_fresh and viewed.name not in self._asked:
            return
        with trio.move_on_after(_PATIENCE_SECONDS):
            if viewed.name in self._asked:
                await self._asked[viewed.name].wait()
            else:
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
                    channel.put(event_of("view", self.view(viewed, with_series=False)))
                    await trio.lowlevel.checkpoint()
            await trio.sleep(_SHOW_SECONDS)


def _is_journal(path: Path) -> bool:
    """Say whether a file in a folder is a journal by its first line; never what a link leads to."""
    return not path.is_symlink() and path.is_file() and kind_of(path) == KIND
