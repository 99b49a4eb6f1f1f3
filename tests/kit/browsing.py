"""A dashboard, campaigns beside it, and a browser that looks: each in a process of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import attrs

__all__ = [
    "PATIENCE_SECONDS",
    "TOKEN",
    "Dashboard",
    "campaign",
    "chromium",
    "dashboard",
    "journaled",
    "missing",
    "until",
]

TOKEN = "open-sesame-open-sesame"
#: Long, since a busy machine is slow.
PATIENCE_SECONDS = 60
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str | None:
    """Return the browser of this machine."""
    return next(filter(None, map(shutil.which, _BROWSERS)), None)


def missing() -> str:
    """Say what these tests need that isn't here; empty: nothing."""
    for package in ("playwright", "axe_playwright_python", "starlette", "hypercorn"):
        if find_spec(package) is None:
            return f"{package} is not installed"
    return "" if chromium() else f"none of {', '.join(_BROWSERS)} is installed"


def until(happens: Callable[[], Any]) -> Any:
    """Return what is true of ``happens()`` at last."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := happens()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found


def journaled(journal: Path, kind: str) -> list[dict[str, Any]]:
    """Return a journal's events of one type, so far as their lines are whole."""
    lines = [line for line in journal.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [event for event in map(json.loads, lines[1:]) if event.get("type") == kind]


@attrs.frozen
class Dashboard:
    """One that serves."""

    address: str
    process: subprocess.Popen[bytes] = attrs.field(repr=False)

    @property
    def port(self) -> int:
        return int(self.address.rstrip("/").rpartition(":")[2])


@contextmanager
def _process(*arguments: str, folder: Path, said: Path, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    with (
        said.open("w") as output,
        subprocess.Popen(
            [sys.executable, "-m", "trioarb", *arguments],
            cwd=folder,
            env={**os.environ, **more},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def dashboard(folder: Path, *, port: int = 0) -> Iterator[Dashboard]:
    """Serve the journals of a folder."""
    said, token = folder / f"dashboard-{port}.log", {"TRIOARB_DASHBOARD_TOKEN": TOKEN}
    with _process("dashboard", ".", f"--port={port}", folder=folder, said=said, **token) as process:
        serves = re.compile(r"http://\S+")
        until(lambda: process.poll() is not None or serves.search(said.read_text()))
        assert process.poll() is None, said.read_text()
        yield Dashboard(serves.findall(said.read_text())[0], process)
        assert process.poll() is None, said.read_text()


@contextmanager
def campaign(config: Path, journal: str, *options: str, folder: Path) -> Iterator[Path]:
    """Run a campaign until the block ends. Yields its journal, once it runs."""
    path, said = folder / journal, folder / f"{journal}.log"
    arguments = ("run", str(config), f"--journal={journal}", "--plain", *options)
    with _process(*arguments, folder=folder, said=said) as process:
        until(lambda: process.poll() is not None or (path.exists() and journaled(path, "phase_entered")))
        assert process.poll() is None, said.read_text()
        yield path
