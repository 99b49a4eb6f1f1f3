"""A small journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from small_journal import HEADER, fill, numbered, opening, settlement

from trioarb.journal.log import Log
from trioarb.journal.recorded import KIND
from trioarb.model.event import Record
from trioarb.model.wire import encode


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "campaign.journal"


@pytest.fixture
def steps() -> list[list[Record]]:
    """Return the steps of a small campaign."""
    return numbered([[opening(), fill(0)], [fill(1)], settlement(), [fill(2)]])


@pytest.fixture
def store(path: Path) -> Callable[[Sequence[Sequence[Record]]], None]:
    """Return a function that makes a journal of these steps at ``path``."""

    def write(steps: Sequence[Sequence[Record]]) -> None:
        log = Log.create(path, KIND, HEADER)
        for step in steps:
            log.append([encode(record) for record in step])
            log.write()
        log.close()

    return write
