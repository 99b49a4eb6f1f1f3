"""The terminal while a view has it: a page of its own, keys without an echo; and everything as before afterwards."""

from __future__ import annotations

import os
import select
import signal
import termios
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import RLock, current_thread, main_thread
from types import FrameType
from typing import Any

from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style

from trioarb.report.line import Line

__all__ = ["Screen"]

#: Alternate page, no cursor, no wrapping at the right edge; and back. SGR first: nothing keeps a colour.
_ENTER = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[0m\x1b[2J"
_LEAVE = b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
#: How long who leaves waits for a frame that is being written: to a terminal that takes nothing more, for ever.
_WAIT_SECONDS = 1.0
_CURSOR = {"A": "up", "B": "down", "H": "home", "F": "end", "5~": "pgup", "6~": "pgdn", "1~": "home", "4~": "end"}
_CONTROL = {b"\x1b": "esc", b"\r": "enter", b"\n": "enter", b"\x7f": "backspace", b"\x08": "backspace"}
_KEYS = _CONTROL | {f"\x1b{lead}{code}".encode(): name for code, name in _CURSOR.items() for lead in "[O"}
#: Signals that stop the process, or end it without another word: the terminal is given back before.
_GIVES_BACK = (signal.SIGTSTP, signal.SIGQUIT)


class Screen:
    """Draws lines on the terminal of a console, and reads keys from ``keys``, a terminal's descriptor, if there is one.

    Nothing is drawn while the process is in the background. `held` has to be entered in the main thread; `leave` may
    be called by any thread, and again; `draw` and `read` are called by one thread.
    """

    def __init__(self, console: Console, keys: int | None, *, on_change: Callable[[], None] = lambda: None) -> None:
        self._output = console.file.fileno()
        self._keys = keys
        self._on_change = on_change
        self._codes: dict[str, tuple[str, str]] = {}
        self._system = None if console.color_system is None else ColorSystem[_SYSTEMS[console.color_system]]
        self._has_colours = not console.no_color
        self._lock = RLock()
        self._is_over = self._is_entered = False
        self._before: list[Any] | None = None
        self._shown: list[str] = []
        self._size = (0, 0)
        self._handlers: dict[int, Any] = {}

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have the terminal until the context ends, whatever ends it."""
        if self._keys is not None:
            self._before = termios.tcgetattr(self._keys)
        try:
            for number in (*_GIVES_BACK, signal.SIGCONT, signal.SIGWINCH):
                # What was ignored from the outside, as by nohup, stays so.
                if signal.getsignal(number) is signal.SIG_DFL:
                    self._handlers[number] = signal.signal(number, self._hear)
            yield
        finally:
            self.leave()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        try:
            columns, lines = os.get_terminal_size(self._output)
        except OSError:
            return 80, 24
        return (columns or 80), (lines or 24)

    def draw(self, lines: Sequence[Line]) -> None:
        """Show lines from the top of the terminal on; those that are the same as before are not written again."""
        with self._lock:
            if self._is_over or not self._in_foreground() or not self._enter():
                return
            size = self.size
            is_new = size != self._size
            out = ["\x1b[0m\x1b[2J"] if is_new else []
            before = [] if is_new else self._shown
            shown = [self._coded(line) for line in lines]
            for number, text in enumerate(shown):
                if number >= len(before) or before[number] != text:
                    # At the last column the rest is the last character itself.
                    rest = "\x1b[K" if lines[number].width < size[0] else ""
                    out.append(f"\x1b[{number + 1};1H{text}\x1b[0m{rest}")
            out += [f"\x1b[{number + 1};1H\x1b[K" for number in range(len(shown), len(before))]
            self._shown, self._size = shown, size
            if out:
                # A terminal that knows mode 2026 shows the whole frame at once.
                self._write(f"\x1b[?2026h{''.join(out)}\x1b[?2026l".encode(errors="replace"))

    def read(self, wake: int, seconds: float) -> list[str]:
        """Return the keys that were pressed, by character or name, within some time, or until ``wake`` can be read."""
        keys = None if self._keys is None or not self._is_entered or not self._in_foreground() else self._keys
        ready, _, _ = select.select([wake] if keys is None else [wake, keys], [], [], max(0.0, seconds))
        if wake in ready:
            os.read(wake, 4096)
        if keys is None or keys not in ready:
            return []
        try:
            typed = os.read(keys, 1024)
        except OSError:
            typed = b""
        if not typed:  # the terminal is gone
            self._keys = None
        return _named(typed)

    def leave(self) -> None:
        """Give the terminal back as it was. Nothing is drawn from now on."""
        self._is_over = True
        self._give_back()
        if current_thread() is main_thread():
            while self._handlers:
                number, handler = self._handlers.popitem()
                signal.signal(number, handler)

    def _enter(self) -> bool:
        """Take the terminal, unless it is ours already."""
        if self._is_entered:
            return True
        if self._keys is not None and self._before is not None:
            attributes: list[Any] = [*self._before]
            attributes[3] &= ~(termios.ECHO | termios.ICANON)
            attributes[0] &= ~termios.IXON  # Ctrl-S would stop the view without a word
            attributes[6] = [*attributes[6]]
            attributes[6][termios.VMIN], attributes[6][termios.VTIME] = 1, 0
            try:
                termios.tcsetattr(self._keys, termios.TCSANOW, attributes)
            except termios.error:
                self._keys = None
        self._is_entered, self._size = True, (0, 0)
        return self._write(_ENTER)

    def _give_back(self) -> None:
        has_lock = self._lock.acquire(timeout=_WAIT_SECONDS)
        try:
            if not self._is_entered:
                return
            self._is_entered = False
            if not self._in_foreground():
                return  # it is somebody else's now
            self._write(_LEAVE)
            if self._keys is not None and self._before is not None:
                with suppress(termios.error):
                    termios.tcflush(self._keys, termios.TCIFLUSH)  # what was typed for the view is nobody else's
                    termios.tcsetattr(self._keys, termios.TCSANOW, self._before)
        finally:
            if has_lock:
                self._lock.release()

    def _hear(self, number: int, _: FrameType | None) -> None:
        """Handle a signal in the main thread."""
        if number in _GIVES_BACK:
            self._give_back()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            signal.signal(number, self._hear)  # it was stopped, and goes on
        if number == signal.SIGCONT:
            self._is_entered = False
        self._on_change()

    def _in_foreground(self) -> bool:
        """Whether the terminal is ours to draw on: a job in the background must not touch it."""
        for descriptor in (self._output, *(() if self._keys is None else (self._keys,))):
            try:
                if os.tcgetpgrp(descriptor) != os.getpgrp():
                    return False
            except OSError:  # it isn't the terminal that this session has: nobody else's either
                continue
        return True

    def _write(self, data: bytes) -> bool:
        try:
            while data:
                data = data[os.write(self._output, data) :]
        except OSError:
            self._is_over = True  # the terminal is gone
            return False
        return True

    def _coded(self, line: Line) -> str:
        return "".join(f"{begin}{text}{end}" for text, style in line.parts for begin, end in (self._code(style),))

    def _code(self, name: str) -> tuple[str, str]:
        """Return what begins and ends a text of a style."""
        code = self._codes.get(name)
        if code is None:
            style = Style.parse(name) if name else Style.null()
            if not self._has_colours:
                style = style.without_color
            begin, _, end = style.render("\0", color_system=self._system).partition("\0")
            code = self._codes[name] = begin, end
        return code


_SYSTEMS = {"standard": "STANDARD", "256": "EIGHT_BIT", "truecolor": "TRUECOLOR", "windows": "WINDOWS"}


def _named(typed: bytes) -> list[str]:
    """Return the keys that bytes from a terminal stand for; sequences that nobody knows are none."""
    if typed in _KEYS:
        return [_KEYS[typed]]
    keys = list[str]()
    while typed:
        known = next((one for one in sorted(_KEYS, key=len, reverse=True) if typed.startswith(one)), None)
        if known == b"\x1b" and len(typed) > 1 and typed[1:2] in b"[O":
            rest = typed[2:].lstrip(b"0123456789;?")
            typed = rest[1:]
        elif known is not None:
            keys.append(_KEYS[known])
            typed = typed[len(known) :]
        else:
            length = next((n for n in range(1, 5) if _decodes(typed[:n])), 1)
            text = typed[:length].decode(errors="ignore")
            keys += [text] if text.isprintable() and text else []
            typed = typed[length:]
    return keys


def _decodes(typed: bytes) -> bool:
    try:
        typed.decode()
    except UnicodeDecodeError:
        return False
    return True
