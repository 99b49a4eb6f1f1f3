"""The command line in a folder of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import CommandLine


@pytest.fixture
def trioarb(tmp_path: Path) -> CommandLine:
    return CommandLine(folder=tmp_path)
