"""A journal of a campaign that has ended, and a runtime folder of the test's own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import SPREAD, CommandLine

pytest.importorskip("starlette")
pytest.importorskip("hypercorn")


@pytest.fixture(autouse=True)
def runtime_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="td") as made:
        monkeypatch.setenv("XDG_RUNTIME_DIR", made)
        yield Path(made) / "trioarb"


@pytest.fixture(scope="session")
def ended_journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of a campaign with some trades."""
    folder = tmp_path_factory.mktemp("ended")
    ran = CommandLine(folder=folder)(
        *("run", str(SPREAD), "--set=session.clock=virtual", "--runtime=40", "--journal=a.journal")
    )
    assert ran.code in (0, 3), ran.err
    return folder / "a.journal"


@pytest.fixture
def journals(tmp_path: Path, ended_journal: Path) -> Path:
    """A folder with a copy of it."""
    folder = tmp_path / "journals"
    folder.mkdir()
    shutil.copy(ended_journal, folder / "a.journal")
    return folder


@pytest.fixture
def trioarb(tmp_path: Path) -> CommandLine:
    return CommandLine(folder=tmp_path)
