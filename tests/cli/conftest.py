"""The command line in a folder of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import CommandLine


@pytest.fixture
def trioarb(tmp_path: Path) -> CommandLine:
    return CommandLine(folder=tmp_path)


@pytest.fixture
def with_stranger(trioarb: CommandLine) -> CommandLine:
    """The command line where a stranger's package with the faulty plugins is installed."""
    return trioarb.install("stranger", "faulty_plugins")
