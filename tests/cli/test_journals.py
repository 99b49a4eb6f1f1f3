"""`journals`: what a folder keeps, and that pruning removes what is ours, old, and not running; nothing else."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from command import SPREAD, CommandLine

from trioarb.cli.main import main

VIRTUAL = "--set=session.clock=virtual"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two campaigns that have ended, and the second one's name goes on where the first one's ends."""
    folder = tmp_path_factory.mktemp("made")
    trioarb = CommandLine(folder=folder)
    for name, more in (("run", "session.max_iterations=50"), ("run.2", "session.close_positions_at_end=false")):
        ran = trioarb.run(SPREAD, VIRTUAL, f"--set={more}", f"--journal=kept/{name}.journal")
        assert ran.code == 0, ran.err
        shutil.copy(folder / "summary.json", folder / f"{name}.json")
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy in which the first is two days old, beside what is none of ours."""
    folder = tmp_path / "kept"
    shutil.copytree(made / "kept", folder)
    (folder / "photos").mkdir()
    (folder / "photos" / "a.jpg").write_bytes(b"\xff\xd8")
    (folder / "notes.journal").write_text("dear diary\n")
    (folder / "run.b.venue.txt").write_text("mine\n")
    shutil.copy(folder / "run.a.venue", folder / "run.a.venue.bak")
    shutil.copy(folder / "run.a.venue", folder / "run.backup.venue")
    (folder / "empty.journal").touch()
    (folder / "link.journal").symlink_to(made / "kept" / "run.journal")
    old = (folder / "run.journal").stat().st_mtime - 2 * 86_400
    os.utime(folder / "run.journal", (old, old))
    return folder


def listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    assert main(["journals", str(folder), "--json"]) == 0
    return list(json.loads(capsys.readouterr().out))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_it_lists_how_each_campaign_ended(made: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = listed(folder, capsys)
    assert [Path(row["path"]).name for row in rows] == ["run.journal", "run.2.journal"]
    for row, name in zip(rows, ("run", "run.2"), strict=True):
        summary = json.loads((made / f"{name}.json").read_text())
        for key in ("campaign_id", "ended_by", "closed_trades", "pnl_usd"):
            assert row[key] == summary[key]
        assert row["open_positions"] == len(summary["open_positions"])
        assert row["state"] == "iterations"
        venues = [folder / f"{name}.{venue}.venue" for venue in "ab"]
        assert row["venues"] == [str(path) for path in venues]
        assert row["size_bytes"] == sum(path.stat().st_size for path in (Path(row["path"]), *venues))
    assert main(["journals", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "run.2.journal" in lines[2]
    assert "2025-01-01 00:00:00" in lines[2]


@pytest.mark.parametrize("which", [["--keep", "1"], ["--older-than", "1"], ["--keep=1", "--older-than=1"]])
def test_pruning_says_first_what_it_would_remove(
    folder: Path, capsys: pytest.CaptureFixture[str], which: list[str]
) -> None:
    before = names(folder)
    assert main(["journals", str(folder), "--prune", *which]) == 0
    said = capsys.readouterr().out
    assert "run.journal" in said
    assert "--yes" in said
    assert names(folder) == before

    assert main(["journals", str(folder), "--prune", *which, "--yes"]) == 0
    assert before - names(folder) == {"run.journal", "run.a.venue", "run.b.venue"}
    capsys.readouterr()
    assert [Path(row["path"]).name for row in listed(folder, capsys)] == ["run.2.journal"]


@pytest.mark.parametrize("which", [["--keep", "2"], ["--older-than", "3"], ["--keep=2", "--older-than=0"]])
def test_what_is_not_old_stays(folder: Path, capsys: pytest.CaptureFixture[str], which: list[str]) -> None:
    before = names(folder)
    assert main(["journals", str(folder), "--prune", *which, "--yes"]) == 0
    assert "Nothing" in capsys.readouterr().out
    assert names(folder) == before


def test_a_running_or_damaged_one_is_never_removed(
    made: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = bytearray((folder / "run.journal").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (folder / "run.journal").write_bytes(damaged)
    trioarb = CommandLine(folder=folder)
    # Its name begins like that of another, and doesn't end like one.
    with trioarb.started("run", SPREAD, "--journal=run.live", "--runtime=50") as running:
        running.wait_for("position opened")
        states = {Path(row["path"]).name: row["state"] for row in listed(folder, capsys)}
        assert states == {"run.journal": "damaged", "run.2.journal": "iterations", "run.live": "running"}
        assert main(["journals", str(folder), "--prune", "--keep=0", "--yes"]) == 0
        assert {"run.live", "run.journal", "run.live.a.venue"} <= names(folder)
        assert "run.2.journal" not in names(folder)
        running.signal(signal.SIGKILL)
        running.finish()
    capsys.readouterr()
    states = {Path(row["path"]).name: row["state"] for row in listed(folder, capsys)}
    assert states == {"run.journal": "damaged", "run.live": "cut off"}
    assert main(["journals", str(folder), "--prune", "--keep=0", "--yes"]) == 0
    assert {"photos", "notes.journal", "run.b.venue.txt", "empty.journal", "link.journal"} < names(folder)
    assert not {"run.live", "run.live.a.venue"} & names(folder)
    assert (made / "kept" / "run.journal").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "no such folder"),
        ([".", "--prune"], "--keep N, or --older-than DAYS"),
        ([".", "--keep=1"], "--prune"),
        ([".", "--prune", "--keep=-1"], "a number from 0 on"),
    ],
)
def test_what_makes_no_sense_is_named(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["journals", *arguments]) == 2
    assert message in capsys.readouterr().err
