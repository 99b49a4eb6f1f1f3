"""A shell in a terminal that tmux makes: what a person would see of it, and what they would type."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import attrs

__all__ = ["Terminal", "tmux_terminal", "why_no_tmux"]

_PATIENCE_SECONDS = 60
#: Of the machine that runs the tests, and nobody's default.
_OURS = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "TMUX", "PYTHONPATH"}


def why_no_tmux() -> str:
    """Return why there can be no such terminal; '' if there can."""
    missing = [name for name in ("tmux", "bash", "stty") if shutil.which(name) is None]
    return f"{', '.join(missing)}: not installed" if missing else ""


@attrs.frozen(kw_only=True)
class Terminal:
    """One window, in which an interactive shell runs."""

    socket: Path
    environment: Mapping[str, str]

    def type(self, text: str) -> None:
        """Type characters as they are."""
        self._tmux("send-keys", "-t", "t", "-l", text)

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names, such as ``Enter`` and ``C-c``."""
        self._tmux("send-keys", "-t", "t", *keys)

    def resize(self, columns: int, lines: int) -> None:
        self._tmux("resize-window", "-t", "t", "-x", str(columns), "-y", str(lines))

    def lines(self, *, colours: bool = False, history: bool = False) -> list[str]:
        """Return what is to be seen now; with ``history``, what was scrolled away, too."""
        flags = [*(["-e"] if colours else []), *(["-S", "-5000"] if history else [])]
        return self._tmux("capture-pane", "-p", "-t", "t", *flags).splitlines()

    def text(self) -> str:
        return "\n".join(self.lines())

    @property
    def is_given_back(self) -> bool:
        """Whether the usual page is shown, with its cursor."""
        return self._tmux("display-message", "-p", "-t", "t", "#{alternate_on} #{cursor_flag}").split() == ["0", "1"]

    def wait_for(self, *texts: str) -> str:
        """Wait until all of these are to be seen; return what is."""
        return self.wait_until(lambda shown: all(text in shown for text in texts), f"{texts!r}")

    def wait_until(self, is_so: Callable[[str], bool], what: str = "it") -> str:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not is_so(shown := self.text()):
            assert time.monotonic() < deadline, f"{what} never came:\n{shown}"
            time.sleep(0.02)
        return shown

    def modes(self) -> str:
        """Return how the shell's terminal stands, as stty says it."""
        path = self.socket.with_name("modes")
        path.unlink(missing_ok=True)
        self.type(f" stty -a > {path}.part; mv {path}.part {path}")
        self.press("Enter")
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not path.exists():
            assert time.monotonic() < deadline, f"the shell doesn't take what is typed:\n{self.text()}"
            time.sleep(0.02)
        return path.read_text()

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-S", str(self.socket), "-f", os.devnull, *arguments]
        ran = subprocess.run(command, env=dict(self.environment), capture_output=True, text=True, check=True)
        return ran.stdout


@contextmanager
def tmux_terminal(
    folder: Path, environment: Mapping[str, str] | None = None, *, columns: int = 100, lines: int = 30
) -> Iterator[Terminal]:
    """Open a terminal whose shell is in a folder; what it runs is ended with it."""
    kept = {name: value for name, value in os.environ.items() if name not in _OURS}
    kept |= {"LC_ALL": "C.UTF-8", "TERM": "xterm-256color", **(environment or {})}
    # Each has a server of its own: one that is just ending would take no session.
    terminal = Terminal(socket=folder / f"tmux{len([*folder.glob('tmux*')])}", environment=kept)
    shell = "env PS1='$ ' HISTFILE= bash --norc --noprofile -i"
    size = ("-x", str(columns), "-y", str(lines))
    terminal._tmux("new-session", "-d", "-s", "t", "-c", str(folder), *size, shell)
    try:
        terminal.wait_for("$")
        yield terminal
    finally:
        terminal._tmux("kill-server")
