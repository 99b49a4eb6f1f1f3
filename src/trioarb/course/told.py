"""Tell the course of a run again: quotes of its recording, answers, and who went on when, in one order."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import attrs
import msgspec
import trio

from trioarb.course.course import Course
from trioarb.course.entry import CALLED, FORMAT, Began, Entry, Key, Noted, Said, Shown, decode_entries, value_of
from trioarb.course.kept import SUFFIX
from trioarb.course.told_exchange import ToldExchange
from trioarb.course.told_market import ToldFeed, ToldSource
from trioarb.course.told_rows import RecordedRow, recorded_rows
from trioarb.course.told_time import Over, ToldClock, ToldTime
from trioarb.errors import MarketDataError, PluginFault
from trioarb.model.event import ClockJumped
from trioarb.model.market import Listing, VenuePart
from trioarb.plugin.contract import Exchange, MarketData, QuoteSink, SymbolSource
from trioarb.time.campaign_time import CampaignTime

__all__ = ["CourseFile", "ToldCourse", "courses_in"]

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class CourseFile:
    """A file that holds the course of a campaign from after an event of its journal on."""

    path: Path
    campaign_id: str
    start_ns: int
    after_seq: int

    @classmethod
    def at(cls, path: Path) -> CourseFile:
        """Look into a file.

        Raises:
            MarketDataError: it can't be read, or is no course.
        """
        for entry in entries_of(path):
            if isinstance(entry, Began):
                return cls(path=path, campaign_id=entry.campaign_id, start_ns=entry.start_ns, after_seq=entry.after_seq)
        raise MarketDataError(f"{path}: its run never began")

    def entries(self) -> Iterator[Entry]:
        """Yield what it holds, up to where it was cut off."""
        return entries_of(self.path)


def courses_in(paths: Sequence[Path], campaign_id: str) -> Sequence[CourseFile]:
    """Return the courses of a campaign in files and folders, in their order.

    Raises:
        MarketDataError: one can't be read.
    """
    files = [file for path in paths for file in (path.rglob(f"*{SUFFIX}") if path.is_dir() else [path])]
    found = [CourseFile.at(file) for file in sorted(set(files)) if file.name.startswith(f"{campaign_id}.")]
    return sorted((one for one in found if one.campaign_id == campaign_id), key=lambda one: one.after_seq)


def entries_of(path: Path) -> Iterator[Entry]:
    """Yield the entries of a file, up to where it was cut off.

    Raises:
        MarketDataError: it can't be read, or a line of it is no entry.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                if number == 1:
                    if msgspec.json.decode(line) != FORMAT:
                        raise ValueError("not of the form that this version reads")
                    continue
                yield from decode_entries(line)
    except OSError as error:
        raise MarketDataError(f"{path}: can't be read: {error.strerror or error}") from error
    except ValueError as error:
        raise MarketDataError(
            f"{path}: line {number} is no entry of a course ({error}); record the run again"
        ) from error


class ToldCourse(Course):
    """Tells a course to a campaign that runs by its `clock`; nothing outside is opened.

    ``paths`` hold the recording of its quotes, ``exchanges`` say what that calls venues, where it isn't their name.
    """

    is_told = True

    def __init__(self, file: CourseFile, paths: Sequence[Path], exchanges: Mapping[str, str], *, depth: int) -> None:
        self.campaign_id = file.campaign_id
        self.start_ns = file.start_ns
        self.clock = ToldClock(self)
        self.head: Entry | None = None
        #: How many quotes were shown.
        self.shown = 0
        #: Why nothing more is told, where that isn't the end of the file.
        self.cut = ""
        #: Whether the campaign still ran when nothing more was told, and how many events it had recorded then.
        self.is_cut = False
        self.over_seq: int | None = None
        self._entries = file.entries()
        self._noted = defaultdict[Key, deque[Noted]](deque)
        self._feeds = set[str]()
        self._markets = dict[str, ToldFeed]()
        self._calls = dict[Key, Callable[[Any], None]]()
        #: Who hears the quotes of a venue, by the recording's names of symbols.
        self._sinks = dict[str, Mapping[str, QuoteSink]]()
        self._rows = dict[str, Iterator[RecordedRow]]()

        def open_rows(venue: str) -> Iterator[RecordedRow]:
            return recorded_rows(paths, exchanges.get(venue, venue), depth=depth)

        self._open_rows = open_rows
        for entry in file.entries():
            if isinstance(entry, Noted):
                self._noted[entry.key].append(entry)
            elif isinstance(entry, Said) and entry.what == "market":
                self._feeds.add(entry.who)
        self.take()

    def end_with(self, is_closed: Callable[[], bool], seq: Callable[[], int], end: Callable[[], None]) -> None:
        """Once nothing more is told, let a campaign that isn't closed ``end``; ``seq`` says what it has recorded."""

        def on_over() -> None:
            if not is_closed():
                self.is_cut, self.over_seq = True, seq()
                end()

        self.clock.on_over = on_over

    def take(self) -> None:
        """Go on to the next entry that somebody may wait for."""
        for entry in self._entries:
            if not isinstance(entry, Noted | Began):
                self.head = entry
                return
        self.head = None

    async def said(self, key: Key) -> Any:
        """Return what is said next of a key, once it is; or be cancelled, once it was.

        Raises:
            Exception: what was raised instead.
            Over: nothing will be.
        """
        return value_of(await self.clock.answer_to(key))

    async def heard(self, key: Key) -> Any:
        """Return what is said next of a key by itself, as `said`; cancelled at once."""
        return value_of(await self.clock.wait_for(key))

    def noted(self, key: Key) -> Any:
        """Return what was seen next of a key; ``None``: it wasn't looked at then.

        Raises:
            Exception: what was raised instead.
        """
        noted = self._noted.get(key)
        return value_of(noted.popleft()) if noted else None

    def is_feed(self, venue: str) -> bool:
        """Return whether a venue's data came when it came, and said when that began."""
        return venue in self._feeds

    def listen(self, venue: str, listings: Sequence[Listing], sinks: Mapping[str, QuoteSink]) -> None:
        """Have quotes of a venue shown to these sinks, by symbol, from now on."""
        names = {one.symbol: one.venue_name or f"{one.base}-{one.quote}" for one in listings}
        self._sinks[venue] = {names[symbol]: sink for symbol, sink in sinks.items()}

    def show(self, entry: Shown) -> None:
        """Show a quote, and those that follow as long as nobody has to go on before.

        Raises:
            MarketDataError: the recording hasn't the quote that the course tells of.
        """
        while True:
            row = self._row(entry)
            if row is None:
                return
            self.shown += 1
            sink = self._sinks[entry.venue].get(row.name)
            if sink is not None:
                sink(row.bid, row.bid_size, row.ask, row.ask_size, entry.received_ns, None, row.levels)
            following = self.head
            if not isinstance(following, Shown) or following.venue not in self._sinks:
                return
            if not self.clock.is_free_until(following):
                return
            self.take()
            self.clock.show(following.at_ns)
            entry = following

    def _row(self, entry: Shown) -> RecordedRow | None:
        """Return the quote of an entry; ``None``, and nothing more is told: the recording was cut off before it."""
        if entry.venue not in self._rows:
            rows = self._open_rows(entry.venue)
            # An earlier part of the run may have been recorded into the same files.
            first = next((row for row in rows if row.ts_ns >= entry.received_ns), None)
            self._rows[entry.venue] = rows if first is None else chain([first], rows)
        row = next(self._rows[entry.venue], None)
        if row is None:
            self.head, self._entries = None, iter(())
            self.cut = f"the recording has no further quotes of {entry.venue}"
        elif row.ts_ns != entry.received_ns:
            raise MarketDataError(
                f"the run was shown a quote of {entry.venue} that came at {entry.received_ns}; where it should be, the "
                f"recording has {row.name} of {row.ts_ns}: quotes are missing in it, or it was changed"
            )
        return row

    def time(self, time: CampaignTime) -> CampaignTime:
        return ToldTime(self.clock, time.now_ns() if self.start_ns is None else self.start_ns)

    def told_market(self, venue: str) -> MarketData:
        feed = self._markets[venue] = ToldFeed(self, venue)
        return feed

    def told_source(self) -> SymbolSource:
        return ToldSource(self)

    def told_exchange(self, venue: str) -> Exchange:
        return ToldExchange(self, venue)

    async def asked(self, venue: str, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        try:
            answer: T = await self.said((venue, what, ""))
        except Over:
            return await ask()
        if what == "listings":
            listed: Any = answer
            self._markets[venue].listed = listed
        return answer

    def seen(self, what: str, look: Callable[[], T]) -> T:
        value: T = self.noted(("", what, ""))
        return value

    def call(
        self, venue: str, what: str, call: Callable[[T], None], part: VenuePart | None = None
    ) -> Callable[[T], None]:
        self._calls[venue, what, "" if part is None else part.value] = call
        return call

    async def calls(self) -> None:
        try:
            while True:
                entry = await self.clock.wait_for(CALLED)
                if isinstance(entry, Said):
                    with suppress(PluginFault):  # the plugin was told so
                        self._calls.get((entry.who, entry.what, entry.about), _nobody)(value_of(entry))
        except Over:
            await trio.sleep_forever()

    async def coming(self, what: str, react: Callable[[Any], None]) -> None:
        await self._each(("", what, ""), react)

    async def ends(self, react: Callable[[str], None]) -> None:
        await self._each(("", "end", ""), react)

    async def jumps(self) -> ClockJumped:
        try:
            jump: ClockJumped = await self.heard(("", "clock", ""))
        except Over:
            await trio.sleep_forever()
        return jump

    async def _each(self, key: Key, react: Callable[[Any], None]) -> None:
        try:
            while True:
                react(await self.heard(key))
        except Over:
            await trio.sleep_forever()


def _nobody(said: object) -> None:
    """Nobody hears of it any more."""
