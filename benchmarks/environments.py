"""Virtual environments for what can't be installed beside the project: made once, kept, and used again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["Unusable", "default_folder", "make", "run"]


class Unusable(Exception):
    """An environment can't be made, or what runs in it fails; the reason in one line."""


def default_folder() -> Path:
    """Return where environments are kept: in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "trioarb" / "peers"


def make(folder: Path, requirements: Sequence[str], *, seconds: float) -> Path:
    """Return the interpreter of the environment in a folder, which has these packages; make it where it isn't.

    Raises:
        Unusable: it can't be made; nothing is left of it.
    """
    python, mark = folder / "bin" / "python", folder / "installed"
    wanted = "\n".join((sys.version.split()[0], *requirements))
    if python.exists() and mark.is_file() and mark.read_text() == wanted:
        return python
    if folder.exists() and not (folder / "pyvenv.cfg").is_file():
        raise Unusable(f"{folder} is there, and no environment")
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        run([sys.executable, "-m", "venv", str(folder)], seconds=seconds)
        run([str(python), "-m", "pip", "install", "--quiet", *requirements], seconds=seconds)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    mark.write_text(wanted)
    return python


def run(command: Sequence[str], *, seconds: float, environment: Mapping[str, str] | None = None) -> str:
    """Run a command to its end, and return what it printed.

    Raises:
        Unusable: it failed, or took longer than ``seconds`` and was killed.
    """
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env = inherited | {"PYTHONDONTWRITEBYTECODE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"} | dict(environment or {})
    try:
        ran = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise Unusable(f"not done after {seconds:g} s") from None
    if ran.returncode:
        raise Unusable(_reason(ran.stderr) or f"exit code {ran.returncode}")
    return ran.stdout


def _reason(stderr: str) -> str:
    """Return the line of an error message that says what happened: pip's first, or a traceback's last."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines[-1:] or [""])[0]
