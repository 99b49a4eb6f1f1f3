"""Pages of the documentation, run as their reader runs them: in an empty folder, block by block, in one shell.

What is done with a block is said by its language and its first line:

- ``bash``: its commands are run. One that fails, fails the page. Blocks of ``text`` after it are what they print.
- ``console``: what stands behind ``$`` is run, and what stands below is what it prints.
- A first line such as ``# my.toml`` or ``# src/acme/edge.py`` makes it that file; ``# at the end of my.toml`` adds it
  to a file that is there. ``toml`` has to load, with a file's name or without.
- ``python`` without a file's name is run.
- ``diff`` is what to change in files that are there, as ``git apply -p0`` takes it.
- Nothing is done with other languages.

In what a page shows, ``…`` stands for what is another thing each time: within a line for some of its text, alone in a
line for lines. A comment ``<!-- not run: REASON -->`` in the line before a block keeps it from all that.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer

import attrs
import tomli

__all__ = ["Block", "blocks_of", "is_shown", "run_page"]

#: A page that takes longer hangs.
_PATIENCE_SECONDS = 300
_FENCE = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+?) -->\n)?"
    r"(?P<indent> *)```(?P<language>\w+)[^\n]*\n(?P<code>.*?)^(?P=indent)``` *$",
    re.MULTILINE | re.DOTALL,
)
_FILE = re.compile(r"# (?P<added>at the end of )?(?P<name>[\w./-]+\.\w+)\n")
#: What would make a terminal of its own.
_NOT_KEPT = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "PYTHONPATH"}
#: Who reads a block without a file's name.
_READ_BY = {"python": "python", "diff": "git apply -p0"}
_END, _GONE = "~~ end of block ~~", "~~ shell has ended ~~"


@attrs.frozen(kw_only=True)
class Block:
    """A fenced block: its language, its text without the indent, and the line of the page at which it begins."""

    language: str
    code: str
    line: int
    not_run: str | None = None

    @property
    def file(self) -> tuple[str, bool] | None:
        """The file that it is or, where the second is true, that it is added to."""
        named = _FILE.match(self.code)
        return (
            None
            if named is None or self.language in ("bash", "console", "text")
            else (named["name"], bool(named["added"]))
        )

    @property
    def installs(self) -> bool:
        return self.not_run is None and self.language in ("bash", "console") and "pip install" in self.code

    def commands(self) -> list[tuple[str, str | None]]:
        """The scripts to run, each with what is shown of its output."""
        if self.language != "console":
            return [(self.code, None)]
        _, *parts = re.split(r"^\$ ", self.code, flags=re.MULTILINE)
        return [_split(part) for part in parts]


def _split(part: str) -> tuple[str, str]:
    """Cut a command, which may go on after a backslash, from what it prints."""
    command, more, rest = "", True, part
    while more:
        line, _, rest = rest.partition("\n")
        command, more = command + line + "\n", line.endswith("\\")
    return command, rest


def blocks_of(page: str) -> Iterator[Block]:
    """Yield the blocks of a page that name a language, in order."""
    for found in _FENCE.finditer(page):
        indent, code = found["indent"], found["code"]
        yield Block(
            language=found["language"],
            code=re.sub(rf"^{indent}", "", code, flags=re.MULTILINE) if indent else code,
            line=page.count("\n", 0, found.start("code")),
            not_run=found["reason"],
        )


def is_shown(shown: str, printed: str) -> bool:
    """Say whether that is what was printed, but for what ``…`` stands for."""
    return re.fullmatch(_pattern(shown), _plain(printed)) is not None


def _plain(text: str) -> str:
    return "".join(line.rstrip() + "\n" for line in text.strip("\n").splitlines())


def _pattern(shown: str) -> str:
    lines = _plain(shown).splitlines(keepends=True)
    return "".join(
        r"(?:[^\n]*\n)*?" if line.strip() == "…" else "[^\n]*?".join(re.escape(part) for part in line.split("…"))
        for line in lines
    )


def run_page(path: Path, folder: Path, *, programs: Path | None = None) -> None:
    """Run all blocks of a page in a folder.

    ``programs``: those of an environment that is the page's own, where it may install what it wants from an index;
    without it, it is run with ours, and offline.

    Raises:
        AssertionError: a block fails, doesn't load, or prints something else than the page shows; with its line.
    """
    blocks = list(blocks_of(path.read_text(encoding="utf-8")))
    printed: str | None = None
    environment = _environment(folder, programs, installs=any(block.installs for block in blocks))
    with _shell(environment, folder) as shell:
        for block in blocks:
            if block.not_run is not None:
                printed = None
                continue
            where = f"{path.name}:{block.line}"
            if block.language == "toml":
                tomli.loads(block.code)
            if block.language == "text":
                assert printed is not None, f"{where} shows what no command before it has printed"
                _compare(where, block.code, printed)
            elif block.file is not None:
                _write(shell.folder(), *block.file, block.code)
            elif block.language in _READ_BY:
                shell.run(f"{_READ_BY[block.language]} - <<'~~ end ~~'\n{block.code}~~ end ~~\n", where)
            elif block.language in ("bash", "console"):
                for script, shown in block.commands():
                    printed = shell.run(script, where)
                    if shown is not None:
                        _compare(where, shown, printed)
                        printed = None


def _write(folder: Path, name: str, is_added: bool, code: str) -> None:
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("a" if is_added else "w", encoding="utf-8") as file:
        file.write(f"\n{code}" if is_added else code)


def _compare(where: str, shown: str, printed: str) -> None:
    if is_shown(shown, printed):
        return
    lines = _plain(shown).splitlines()
    fitting = (count for count in range(len(lines)) if not is_shown("\n".join([*lines[: count + 1], "…"]), printed))
    odd = lines[next(fitting, -1)]
    raise AssertionError(f"{where} shows\n\n{odd}\n\nand what is printed is\n\n{_plain(printed)}")


@attrs.frozen
class _Shell:
    """One shell for all of a page: folders that are entered and variables that are set stay so."""

    _popen: subprocess.Popen[str]

    def run(self, script: str, where: str) -> str:
        """Run commands, up to the first that fails; return what they printed, on both streams."""
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        with suppress(BrokenPipeError):
            self._popen.stdin.write(f"{{\n{script}\n}} </dev/null\nprintf '%s\\n' '{_END}'\n")
            self._popen.stdin.flush()
        printed = ""
        for line in self._popen.stdout:
            if line == f"{_END}\n":
                return printed
            printed += line
            if line.endswith(f"{_END}\n"):
                return printed.removesuffix(f"{_END}\n") + "\n"
            if line == f"{_GONE}\n":
                break  # what it has left in the background may hold the pipe open
        printed = printed.removesuffix(f"{_GONE}\n")
        raise AssertionError(f"{where}: exit code {self._popen.wait()} of\n\n{script}\n{printed}")

    def folder(self) -> Path:
        return Path(self.run("pwd", "pwd").strip())


@contextmanager
def _shell(environment: Mapping[str, str], folder: Path) -> Iterator[_Shell]:
    with subprocess.Popen(
        ["bash", "-e", "-o", "pipefail"],
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as popen:

        def end() -> None:
            with suppress(ProcessLookupError):
                os.killpg(popen.pid, signal.SIGKILL)

        patience = Timer(_PATIENCE_SECONDS, end)
        patience.start()
        try:
            assert popen.stdin is not None
            popen.stdin.write(f"trap 'echo \"{_GONE}\"' EXIT\n")
            popen.stdin.flush()
            yield _Shell(popen)
        finally:
            patience.cancel()
            patience.join()
            end()


def _environment(folder: Path, programs: Path | None, *, installs: bool) -> Mapping[str, str]:
    """What a newcomer's terminal has: the installed programs, and nothing of ours.

    Where the page ``installs`` packages, they come into an environment of its own, on top of ours. What they need is
    here: pip asks no index.
    """
    home = folder.with_name(f"{folder.name}-home")
    home.mkdir(exist_ok=True)
    if programs is None:
        programs = _layered(folder.with_name(f"{folder.name}-venv")) if installs else Path(sys.executable).parent
        # Pip takes the second so: no isolation.
        alone = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PYTHONWARNINGS": "error"}
    else:
        alone = {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _NOT_KEPT and not name.startswith(("TRIOARB_", "PYTEST_"))
    }
    return {
        **kept,
        "HOME": str(home),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "TZ": "UTC",
        "TRIOARB_CACHE_DIR": "",
        **alone,
    }


def _layered(folder: Path) -> Path:
    """Make an environment that has all of ours, and return the folder of its programs."""
    venv.create(folder, symlinks=True)
    programs = folder / "bin"
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "ours.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    for name in ("pip", "pytest", "mypy", "trioarb"):
        program = programs / name
        # What pip is warned of is not our concern.
        unset = "unset PYTHONWARNINGS\n" if name == "pip" else ""
        program.write_text(f'#!/bin/sh\n{unset}exec "{programs}/python" -m {name} "$@"\n')
        program.chmod(0o755)
    return programs
