"""Run the command line as a user does: in a process of its own, with real files, signals and terminals.

No process may ever show a traceback; that is checked of each.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any, TypeVar

import attrs

__all__ = ["KIMCHI", "SPREAD", "CommandLine", "OnTerminal", "Process", "Ran", "ahead"]

SPREAD = Path(__file__).parents[2] / "configs" / "spread.toml"
KIMCHI = SPREAD.with_name("kimchi.toml")

T = TypeVar("T")

_KIT = Path(__file__).parent
#: A process that takes longer hangs, and is killed.
_PATIENCE_SECONDS = 60
_STYLES = re.compile(r"\x1b\[([0-9;]*)m")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
#: Makes the terminal on its stdin the one that Ctrl-C comes from, then becomes the command.
_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
_LIMIT_FILES = (
    "import os, resource as r, sys; n = int(sys.argv[1]); "
    "r.setrlimit(r.RLIMIT_FSIZE, (n, n)); os.execv(sys.argv[2], sys.argv[2:])"
)


@attrs.frozen(kw_only=True)
class Ran:
    """A process that has ended, and the files it left in its folder."""

    code: int
    out: str
    err: str
    folder: Path

    @property
    def errors(self) -> list[str]:
        """The lines on stderr that say why the command failed; the log's lines begin with a time."""
        return [line.removeprefix("error: ") for line in self.err.splitlines() if line.startswith("error: ")]

    @property
    def error(self) -> str:
        """The only such line."""
        (line,) = self.errors
        return line

    @property
    def warnings(self) -> str:
        return "\n".join(line for line in self.err.splitlines() if re.match(r"\d\d:\d\d:\d\d warning ", line))

    @property
    def summary(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "summary.json").read_text()))

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "events.jsonl").read_text().splitlines()]

    def of_type(self, name: str, **fields: Any) -> list[dict[str, Any]]:
        wanted = {"type": name, **fields}.items()
        return [event for event in self.events if wanted <= event.items()]

    @property
    def log(self) -> list[dict[str, Any]]:
        (path,) = (self.folder / "logs").iterdir()
        return [json.loads(line) for line in path.read_text().splitlines()]


@attrs.define
class Process:
    """A command that runs. What it says on stderr is read line by line, up to what is waited for."""

    _popen: subprocess.Popen[bytes]
    _folder: Path
    _said: list[bytes] = attrs.field(factory=list)

    def wait_for(self, text: str) -> str:
        """Return the next line of stderr with this text."""
        assert self._popen.stderr is not None
        while line := self._popen.stderr.readline():
            self._said.append(line)
            if text.encode() in line:
                return line.decode()
        raise AssertionError(f"it ended without {text!r}:\n{b''.join(self._said).decode()}")

    def signal(self, number: int) -> None:
        self._popen.send_signal(number)

    def finish(self) -> Ran:
        """Wait for the end."""
        out, err = self._popen.communicate()
        ran = Ran(
            code=self._popen.returncode,
            out=(out or b"").decode(),
            err=b"".join([*self._said, err or b""]).decode(),
            folder=self._folder,
        )
        assert "Traceback" not in ran.out + ran.err, ran.err
        assert "Exception ignored" not in ran.err, ran.err
        return ran


@attrs.define
class OnTerminal:
    """A command whose terminal we are."""

    _popen: subprocess.Popen[bytes]
    _terminal: int
    _shown: bytes = b""

    @property
    def shown(self) -> str:
        """What came to the terminal, without colours and movements of the cursor."""
        return _ESCAPES.sub("", self._shown.decode(errors="replace"))

    @property
    def styles(self) -> list[str]:
        """The codes of colours and styles that came to it, but for those that end one."""
        return [code for code in _STYLES.findall(self._shown.decode(errors="replace")) if code not in ("", "0")]

    def wait_for(self, *texts: str) -> None:
        while not all(text in self.shown for text in texts):
            assert self._read(), f"it ended without {texts!r}:\n{self.shown}"

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def finish(self) -> int:
        while self._read():
            pass
        assert "Traceback" not in self.shown, self.shown
        return self._popen.wait()

    def _read(self) -> bool:
        try:
            more = os.read(self._terminal, 65536)
        except OSError:  # Linux: nobody has the other end open any more
            more = b""
        self._shown += more
        return bool(more)


@attrs.frozen(kw_only=True)
class CommandLine:
    """The program in a folder, with a given environment. Files are read and written in the folder."""

    folder: Path
    site: Path | None = None

    def __call__(self, *arguments: str | Path, **options: Any) -> Ran:
        """Run a command to its end."""
        with self.started(*arguments, **options) as process:
            return process.finish()

    def run(self, config: str | Path, *arguments: str | Path, **options: Any) -> Ran:
        """Run a campaign that writes events and summary."""
        return self("run", config, *arguments, "--events=events.jsonl", "--summary=summary.json", **options)

    @contextmanager
    def started(
        self, *arguments: str | Path, largest_file: int | None = None, stdout: Any = None, stderr: Any = None
    ) -> Iterator[Process]:
        """Start a command. ``largest_file``: bytes beyond which no file can grow."""
        limit = [] if largest_file is None else [sys.executable, "-c", _LIMIT_FILES, str(largest_file)]
        with (
            subprocess.Popen(
                [*limit, *self._command(arguments)],
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if stdout is None else stdout,
                stderr=subprocess.PIPE if stderr is None else stderr,
                bufsize=0,
            ) as popen,
            _patience(popen),
        ):
            yield Process(popen, self.folder)

    @contextmanager
    def on_terminal(
        self,
        *arguments: str | Path,
        columns: int = 120,
        lines: int = 40,
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[OnTerminal]:
        """Start a command on a terminal of its own."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        try:
            with (
                subprocess.Popen(
                    [sys.executable, "-c", _TAKE_TERMINAL, *self._command(arguments)],
                    cwd=self.folder,
                    env={**self._environment(), "TERM": "xterm", **(environment or {})},
                    stdin=theirs,
                    stdout=theirs,
                    stderr=theirs,
                    start_new_session=True,
                ) as popen,
                _patience(popen),
            ):
                os.close(theirs)
                yield OnTerminal(popen, ours)
        finally:
            os.close(ours)

    def install(self, distribution: str, module: str, body: str | None = None) -> CommandLine:
        """Return the command line where a package of one module is installed too. It is in the kit if not given."""
        site = self.site or self.folder / "site"
        info = site / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[trioarb]\nmain = {module}\n")
        if body is not None:
            (site / f"{module}.py").write_text(body)
        return attrs.evolve(self, site=site)

    def _command(self, arguments: Sequence[str | Path]) -> list[str]:
        return [sys.executable, "-m", "trioarb", *map(str, arguments)]

    def _environment(self) -> Mapping[str, str]:
        ours = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "PYTHONPATH"}
        kept = {name: value for name, value in os.environ.items() if name not in ours}
        return kept if self.site is None else {**kept, "PYTHONPATH": f"{self.site}{os.pathsep}{_KIT}"}


@contextmanager
def ahead(run: Callable[[T], Ran], cases: Mapping[str, T]) -> Iterator[Callable[[str], Ran]]:
    """Run all cases, some at a time, ahead of the tests that ask for them by name."""
    pool = ThreadPoolExecutor(max(2, os.cpu_count() or 1))
    try:
        running = {name: pool.submit(run, case) for name, case in cases.items()}
        yield lambda name: running[name].result()
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _patience(popen: subprocess.Popen[bytes]) -> Iterator[None]:
    """Kill what hangs; and, after a failure, what would run on."""
    timer = Timer(_PATIENCE_SECONDS, popen.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        popen.kill()
