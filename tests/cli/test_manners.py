"""What other programs of a command line do without being asked: readers that go away, an early Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command import SPREAD, CommandLine


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of a campaign that traded, with more events than a pipe holds."""
    folder = tmp_path_factory.mktemp("played")
    ran = CommandLine(folder=folder).run(
        SPREAD, "--set=session.clock=virtual", "--runtime=20", "--journal=some.journal"
    )
    assert ran.code == 0
    return folder / "some.journal"


@pytest.fixture(autouse=True)
def buffered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output is kept back by Python, as it is by default: what is written last is where things go wrong."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)


@contextmanager
def nobody_reads() -> Iterator[int]:
    """The end of a pipe for writing; the other end is closed."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        yield writer
    finally:
        os.close(writer)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["--version"],
        ["plugins"],
        ["plugins", "--json"],
        ["events", "JOURNAL"],
        ["explain", "JOURNAL"],
        ["summary", "JOURNAL"],
        ["residuals", "JOURNAL"],  # so little that it is written at the very end
    ],
    ids=" ".join,
)
def test_output_that_nobody_reads_ends_a_command_without_a_word(
    trioarb: CommandLine, journal: Path, arguments: list[str]
) -> None:
    with (
        nobody_reads() as stdout,
        trioarb.started(*(str(journal) if one == "JOURNAL" else one for one in arguments), stdout=stdout) as process,
    ):
        ran = process.finish()

    assert (ran.code, ran.err) == (141, "")


def test_a_reader_that_goes_away_ends_a_command_without_a_word(trioarb: CommandLine, journal: Path) -> None:
    command = f'{sys.executable} -m trioarb events "{journal}" | head -n 1; echo "${{PIPESTATUS[0]}}"'
    ran = subprocess.run(["bash", "-c", command], cwd=trioarb.folder, capture_output=True, text=True, check=False)

    assert ran.stdout.splitlines()[0].startswith("{")
    assert (ran.stdout.splitlines()[1:], ran.stderr) == (["141"], "")


def test_an_error_that_nobody_reads_keeps_its_exit_code(trioarb: CommandLine) -> None:
    with nobody_reads() as stderr, trioarb.started("run", "nothing.toml", stderr=stderr) as process:
        assert process.finish().code == 2


def test_a_campaign_that_nobody_watches_is_run_to_its_end(trioarb: CommandLine) -> None:
    limits = ("--set=session.clock=virtual", "--runtime=5", "--summary=summary.json")
    with nobody_reads() as pipe, trioarb.started("run", SPREAD, *limits, stdout=pipe, stderr=pipe) as process:
        ran = process.finish()

    assert ran.code == ran.summary["exit_code"] == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_output_that_can_not_be_written_is_an_error(trioarb: CommandLine, journal: Path) -> None:
    with open("/dev/full", "wb") as full, trioarb.started("explain", journal, stdout=full) as process:
        ran = process.finish()

    assert ran.code == 1
    assert ran.error == "output can't be written: No space left on device"


@pytest.mark.parametrize(
    "module", ["cyclopts", "trioarb.cli.main", "attrs", "trioarb.plugin.registry", "trio", "trioarb.cli.running"]
)
def test_ctrl_c_while_the_program_is_imported_says_so_in_one_line(
    trioarb: CommandLine, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """Python tells on stderr of each module that it has imported."""
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    with trioarb.started("run", SPREAD, "--runtime=20") as process:
        while process.wait_for(f" {module}\n").split("|")[-1].strip() != module:
            pass
        process.signal(signal.SIGINT)
        ran = process.finish()

    assert (ran.code, ran.error) == (130, "interrupted; no campaign was begun")
    assert not (trioarb.folder / "journals").exists()
