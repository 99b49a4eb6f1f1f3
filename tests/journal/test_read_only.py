"""What may not be written can be read all the same."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

#: Reads the journal and tries to go on with it, as a user whom permissions concern.
_PLAIN_USER = """
import os, sys
import urllib.parse  # what is imported late may be out of this user's reach
from pathlib import Path
from trioarb.errors import JournalError
from trioarb.journal.file import JournalFile
from trioarb.journal.stored import open_journal

path = Path(sys.argv[1])
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    with open_journal(path) as journal:
        print(sum(1 for _ in journal.records()))
    JournalFile.resume(path, synchronous=False)
except JournalError as error:
    print(error)
"""


@pytest.fixture
def path() -> Iterator[Path]:
    """Return a place that every user can reach."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder / "campaign.journal"
    folder.chmod(0o777)
    shutil.rmtree(folder)


def as_plain_user(path: Path) -> list[str]:
    ran = subprocess.run([sys.executable, "-c", _PLAIN_USER, str(path)], capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    return ran.stdout.splitlines()


@pytest.fixture(params=["closed", "killed", "in use"])
def kept(
    request: pytest.FixtureRequest,
    path: Path,
    stored: Callable[[int], object],
    campaign: Callable[[int], subprocess.Popen[str]],
) -> str:
    """Make a journal of 500 events in one of these states; return which."""
    state: str = request.param
    if state == "closed":
        stored(500)
    else:
        child = campaign(500)
        if state == "killed":
            child.kill()
            child.wait()
    return state


def reading_parts(path: Path, files: dict[str, bytes], state: str) -> dict[str, bytes]:
    """Return what no reader may change: with a writer, all but the memory it shares with them."""
    return {name: content for name, content in files.items() if state != "in use" or not name.endswith("-shm")}


def test_a_read_only_folder(path: Path, kept: str, snapshot: Callable[[Path], dict[str, bytes]]) -> None:
    path.chmod(0o666)
    path.parent.chmod(0o555)
    before = snapshot(path.parent)

    count, refusal = as_plain_user(path)

    assert count == "500"
    assert f"{path} can't be resumed: {path.parent} is read-only; make it writable, or copy it" in refusal
    assert reading_parts(path, snapshot(path.parent), kept) == reading_parts(path, before, kept)


def test_a_read_only_file(path: Path, kept: str, snapshot: Callable[[Path], dict[str, bytes]]) -> None:
    path.chmod(0o444)
    before = snapshot(path.parent)

    count, refusal = as_plain_user(path)

    assert count == "500"
    assert f"{path} can't be resumed: {path} is read-only; make it writable, or copy it" in refusal
    assert reading_parts(path, snapshot(path.parent), kept) == reading_parts(path, before, kept)


def test_a_file_that_may_not_be_read(path: Path, stored: Callable[[int], object]) -> None:
    stored(3)
    path.chmod(0o000)
    assert as_plain_user(path) == [f"{path} can't be read: you lack the permission to"]


def test_a_folder_that_may_not_be_entered(path: Path, stored: Callable[[int], object]) -> None:
    stored(3)
    path.parent.chmod(0o000)
    (refusal,) = as_plain_user(path)
    assert f"{path} can't be read: [Errno 13] Permission denied" in refusal
