"""What a person sees in a terminal while a campaign runs: a view that is drawn beside it, and what its keys want."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from time import monotonic, thread_time

import structlog
import trio

from trioarb.config.schema import Config
from trioarb.model.trade import Phase
from trioarb.report.console import LastingConsole
from trioarb.report.live_frame import frame
from trioarb.report.live_look import Act, Look
from trioarb.report.live_panels import Panels
from trioarb.report.live_past import Past
from trioarb.report.live_screen import Screen
from trioarb.state.snapshot import Snapshot

__all__ = ["LiveView", "Spent"]

#: The least pause between frames, and the share of the time that they and their snapshots may take: with what switching
#: between threads costs beside, that is less than a hundredth.
_LEAST_PAUSE, _SHARE, _LONGEST_PAUSE = 0.25, 0.006, 60.0
#: So long an answer is shown, and so long the campaign may take for a snapshot before the view says so.
_NOTICE_SECONDS, _HELD_SECONDS = 6.0, 2.0
#: So long who closes the view waits for a frame that is being drawn.
_WAIT_SECONDS = 1.0
#: So many lines of the log are kept while the view is there, to be printed when it is gone.
_MOST_LINES = 500


#: A snapshot that is taken in pieces: between them whatever else there is to do may be done.
Taking = Generator[None, None, Snapshot]


class Spent:
    """What a view took so far, in seconds of processor time: of the campaign's thread for snapshots, of its own for
    frames. ``longest``: the longest piece of a snapshot."""

    def __init__(self) -> None:
        self.snapshots = self.frames = 0
        self.taking = self.drawing = self.longest = 0.0

    @property
    def each(self) -> float:
        """What a snapshot and a frame of it took in the mean."""
        return self.taking / max(1, self.snapshots) + self.drawing / max(1, self.frames)


class LiveView:
    """A view on a campaign. ``take`` goes on in its thread, between its steps, piece by piece; all else happens in
    another.

    So a terminal that takes nothing more holds the view, and nothing else. The log goes into the view while that is
    shown; when it is gone, the last lines are printed. ``act`` is called in Trio's thread with what keys want.
    """

    def __init__(
        self,
        config: Config,
        console: LastingConsole,
        *,
        keys: int | None = None,
        acts: frozenset[Act] = frozenset(),
    ) -> None:
        self.spent = Spent()
        self.look = Look(acts=acts if keys is not None else frozenset(), has_keys=keys is not None)
        self._config = config
        self._console = console
        self._log: deque[tuple[str, str]] = deque(maxlen=_MOST_LINES)
        self._lines = 0
        self._past = Past()
        self._snapshot: Snapshot | None = None
        self._notice, self._notice_until = "", 0.0
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._screen = Screen(console, keys, on_change=self._draw_anew)
        self._is_over, self._is_drawn = False, True
        self._closed = threading.Lock()
        self._take: Callable[[], Taking] = _nothing
        self._taking: Taking | None = None
        self._act: Callable[[Act], None] = lambda act: None
        self._token: trio.lowlevel.TrioToken | None = None
        self._thread = threading.Thread(target=self._run, name="trioarb view", daemon=True)

    @contextmanager
    def held(self) -> Iterator[LiveView]:
        """Have the terminal from `begin` until the context ends. Enter it around the campaign's Trio run."""
        with self._screen.held():
            try:
                yield self
            finally:
                self.close()

    def begin(self, take: Callable[[], Taking], act: Callable[[Act], None] = lambda act: None) -> None:
        """Show a campaign from now on. Called in its thread, before it does anything: the first snapshot is taken at
        once."""
        self._take, self._act = take, act
        self._token = trio.lowlevel.current_trio_token()
        self._taking = self._take()
        while self._taking is not None:
            self._go_on()
        self._console.aside = self._tell
        self._thread.start()

    def say(self, text: str) -> None:
        """Show an answer for a while. Any thread may call it."""
        self._notice, self._notice_until = text, monotonic() + _NOTICE_SECONDS
        self._draw_anew()

    def turn_to(self, lines: Sequence[str]) -> None:
        """Show a page until a key is pressed. Any thread may call it."""
        self.look.first, self.look.page = 0, tuple(lines)
        self._draw_anew()

    @property
    def is_shown(self) -> bool:
        return self._thread.is_alive() and not self._is_over

    @property
    def width(self) -> int:
        return self._screen.size[0]

    def close(self) -> None:
        """Give the terminal back, and print the last lines of the log. Any thread may call it, and again."""
        is_first = self._closed.acquire(blocking=False)
        self._is_over = True
        self._wake()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(timeout=_WAIT_SECONDS)
        if not is_first:
            return
        self._screen.leave()
        self._console.aside = None
        left_out = self._lines - len(self._log)
        if left_out > 0:
            self._console.say(f"({left_out:,} lines before these are in the log file)", style="dim")
        for line, style in self._log:
            self._console.say(line, style=style or None)

    def _tell(self, line: str, style: str | None) -> None:
        self._log.append((line, style or ""))
        self._lines += 1

    def _draw_anew(self) -> None:
        self._is_drawn = False
        self._wake()

    def _wake(self) -> None:
        with suppress(OSError):  # it is full of wishes to be woken, or over
            os.write(self._wake_write, b"\0")

    # In the campaign's thread

    def _take_piece(self) -> None:
        """Take the next piece of a snapshot; the others come between the campaign's next steps."""
        if self._is_over:
            return
        if self._taking is None:
            self._taking = self._take()
        self._go_on()
        if self._taking is not None:
            assert self._token is not None
            self._token.run_sync_soon(self._try, self._take_piece)

    def _go_on(self) -> None:
        """Take a piece; let the snapshot be drawn if it was the last."""
        assert self._taking is not None
        begun = thread_time()
        try:
            next(self._taking)
        except StopIteration as taken:
            self._taking = None
            self._took(begun)
            self._show_next(taken.value)
        else:
            self._took(begun)

    def _took(self, begun: float) -> None:
        took = thread_time() - begun
        self.spent.taking += took
        self.spent.longest = max(self.spent.longest, took)

    def _show_next(self, snapshot: Snapshot) -> None:
        self.spent.snapshots += 1
        self._past.see(snapshot.elapsed_ns, snapshot.equity.change)
        self._snapshot = snapshot
        self._wake()

    def _try(self, work: Callable[[], None]) -> None:
        """Do something that must not end what trades: if it fails, the view is over."""
        try:
            work()
        except Exception as error:
            self.close()
            structlog.get_logger("trioarb.view").error("the view fails; the log goes on in lines", exc_info=error)

    # In its own

    def _run(self) -> None:
        self._try(self._show)

    def _show(self) -> None:
        taken: Snapshot | None = None
        ask_at = monotonic()
        asked_at: float | None = None
        while not self._is_over:
            now, snapshot = monotonic(), self._snapshot
            if snapshot is not taken:
                taken, asked_at = snapshot, None
                ask_at = now + max(_LEAST_PAUSE, min(self.spent.each / _SHARE, _LONGEST_PAUSE))
                self._is_drawn = False
            held = 0.0 if asked_at is None else now - asked_at
            if taken is not None and (not self._is_drawn or held >= _HELD_SECONDS):
                self._is_drawn = True  # who wants another one meanwhile gets it
                self._draw(taken, held if held >= _HELD_SECONDS else 0.0)
            if asked_at is None and now >= ask_at:
                self._ask()
                asked_at = now
            wait = 1.0 if asked_at is not None else ask_at - monotonic()
            for key in self._screen.read(self._wake_read, wait):
                act = self.look.press(key)
                if act is not None:
                    self._do(act)
                self._is_drawn = False

    def _ask(self) -> None:
        assert self._token is not None
        try:
            self._token.run_sync_soon(self._try, self._take_piece)
        except trio.RunFinishedError:
            self._is_over = True

    def _do(self, act: Act) -> None:
        assert self._token is not None
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._try, partial(self._act, act))

    def _draw(self, snapshot: Snapshot, held_seconds: float) -> None:
        spent, begun = self.spent, thread_time()
        width, height = self._screen.size
        notice = self._notice if monotonic() < self._notice_until else ""
        panels = Panels(
            config=self._config,
            snapshot=snapshot,
            look=self.look,
            past=self._past,
            log=list(self._log),
            notice=notice,
            held_seconds=0 if snapshot.phase is Phase.CLOSED else held_seconds,
        )
        self._screen.draw(frame(panels, width, height))
        spent.drawing += thread_time() - begun
        spent.frames += 1


def _nothing() -> Taking:
    raise AssertionError("nothing is shown before it begins")
