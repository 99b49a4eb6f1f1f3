"""Keep the course of a run in a file beside the recording of its quotes."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import msgspec

from trioarb.course.course import Course
from trioarb.course.entry import (
    FORMAT,
    Began,
    Entry,
    Key,
    Noted,
    Problem,
    Said,
    Shown,
    Woken,
    encode_entries,
    problem_of,
)
from trioarb.course.kept_exchange import KeptExchange
from trioarb.course.kept_market import KeptFeed, KeptSource
from trioarb.course.kept_time import KeptTime
from trioarb.model.event import ClockJumped
from trioarb.model.market import VenuePart
from trioarb.plugin.contract import Exchange, Feed, MarketData, QuoteSink, SymbolSource
from trioarb.settings.redact import Redactor
from trioarb.time.campaign_time import CampaignTime, WakeOrder

__all__ = ["SUFFIX", "KeptCourse"]

T = TypeVar("T")

SUFFIX = ".course"

#: So many entries may wait to be written.
_MOST_WAITING = 2_000_000

_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC

_encode = msgspec.json.Encoder()
_NOTHING = msgspec.Raw(b"null")


class KeptCourse(Course):
    """Takes what comes, and writes it into ``<folder>/<campaign>.<event>.course``, where the course goes on after that
    event of the campaign's journal.

    What comes costs an append; what waits is taken and written, perhaps in another thread. Secrets are kept as
    ``redactor`` shows them, and nobody else may read the file: what accounts hold stands there. Should so much wait
    that memory runs short, nothing more is kept.
    """

    def __init__(self, folder: Path, redactor: Redactor) -> None:
        self._folder = folder
        self._redactor = redactor
        self._time: KeptTime | None = None
        #: Filled by the campaign, emptied by `take`: both ends of a deque may be used at once.
        self._waiting = deque[Entry]()
        self._file: BinaryIO | None = None
        self._path: Path | None = None
        self._asked = Counter[Key]()
        self._is_closed = False
        self._is_lost = False

    def time(self, time: CampaignTime) -> CampaignTime:
        self._time = KeptTime(time, self._woken)
        return self._time

    def begin(self, campaign_id: str, start_ns: int, after_seq: int) -> None:
        self._keep(Began(campaign_id, start_ns, after_seq))
        self._path = self._folder / f"{campaign_id}.{after_seq}{SUFFIX}"

    def take(self) -> Callable[[], None]:
        """Take everything that has come; return what hands it to the system, which raises OSError if it can't."""
        waiting = self._waiting
        if self._path is None or self._is_closed:
            return lambda: None
        return partial(self._write, [waiting.popleft() for _ in range(len(waiting))])

    def _write(self, entries: Sequence[Entry]) -> None:
        assert self._path is not None
        if self._file is None:
            self._file = os.fdopen(os.open(self._path, _NEW, 0o600), "wb")
            self._file.write(_encode.encode(FORMAT) + b"\n")
        self._file.write(encode_entries(entries))
        self._file.flush()

    def close(self) -> None:
        """Write what is left, and close the file."""
        try:
            self.take()()
        finally:
            self._is_closed = True
            if self._file is not None:
                self._file.close()

    async def answered(self, key: Key, answer: Awaitable[T]) -> T:
        """Wait for an answer from outside, and keep it; or that whoever waited for it gave up.

        Questions of one kind are numbered: two may be under way.
        """
        self._asked[key] += 1
        number = self._asked[key]
        try:
            value = await answer
        except Exception as error:
            self.said(key, error=error, number=number)
            raise
        except BaseException:
            self._keep(Said(self._at_ns(), *key, number, _NOTHING, ()))
            raise
        self.said(key, value, number=number)
        return value

    def said(self, key: Key, value: Any = None, error: Exception | None = None, *, number: int = 0) -> None:
        """Keep what came from outside; whoever waited for it goes on after this."""
        self._keep(Said(self._at_ns(), *key, number, *self._kept(value, error)))

    def noted(self, key: Key, value: Any = None, error: Exception | None = None) -> None:
        """Keep what was seen outside without waiting."""
        self._keep(Noted(*key, *self._kept(value, error)))

    async def market(self, venue: str, opened: MarketData) -> MarketData:
        self.noted((venue, "listings", ""), await opened.listings())
        return KeptFeed(self, venue, opened) if isinstance(opened, Feed) else opened

    async def source(self, opened: SymbolSource) -> SymbolSource:
        return KeptSource(self, opened)

    async def exchange(self, venue: str, opened: Exchange) -> Exchange:
        return KeptExchange(self, venue, opened)

    async def asked(self, venue: str, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        return await self.answered((venue, what, ""), ask())

    def seen(self, what: str, look: Callable[[], T]) -> T:
        value = look()
        self.noted(("", what, ""), value)
        return value

    def call(
        self, venue: str, what: str, call: Callable[[T], None], part: VenuePart | None = None
    ) -> Callable[[T], None]:
        key = venue, what, "" if part is None else part.value

        def tell(said: T) -> None:
            self.said(key, said)
            call(said)

        return tell

    def sink(self, venue: str, sink: QuoteSink) -> QuoteSink:
        keep, time = self._keep, self._time
        assert time is not None
        go_on = time.go_on

        def on_quote(
            bid: float,
            bid_size: float,
            ask: float,
            ask_size: float,
            received_ns: int,
            venue_ts_ns: int | None = None,
            levels: Any = None,
            /,
        ) -> None:
            keep(Shown(go_on(), venue, received_ns))
            sink(bid, bid_size, ask, ask_size, received_ns, venue_ts_ns, levels)

        return on_quote

    def came(self, what: str, value: object) -> None:
        self.said(("", what, ""), value)

    def ended(self, venue: str) -> None:
        self.said(("", "end", ""), venue)

    def jump(self, jump: ClockJumped) -> None:
        self.said(("", "clock", ""), jump)

    def _woken(self, at_ns: int, order: WakeOrder, number: int, is_cancelled: bool) -> None:
        self._keep(Woken(at_ns, order, number, is_cancelled))

    def _keep(self, entry: Entry) -> None:
        """Take an entry; once one was lost, those that follow would be told wrongly."""
        if self._is_lost or len(self._waiting) >= _MOST_WAITING:
            self._is_lost = True
        else:
            self._waiting.append(entry)

    def _kept(self, value: Any, error: Exception | None) -> tuple[msgspec.Raw, Problem | None]:
        """Return an answer as it is kept: now, since it may change. One that makes no sense is kept as an error."""
        if error is None:
            try:
                return msgspec.Raw(self._encoded(value)), None
            except (TypeError, ValueError) as nonsense:
                error = nonsense
        return _NOTHING, tuple((name, self._redactor.text(said)) for name, said in problem_of(error))

    def _encoded(self, value: Any) -> bytes:
        encoded = _encode.encode(value)
        if not self._redactor or self._redactor.text(text := encoded.decode()) == text:
            return encoded
        return _encode.encode(self._redactor.value(msgspec.json.decode(encoded)))

    def _at_ns(self) -> int:
        return 0 if self._time is None else self._time.go_on()
