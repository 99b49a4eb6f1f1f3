"""The sample: it is what its script makes, it says what it is, and it can be replayed at once."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow.parquet as pq
import pytest
from command import CommandLine, Ran

import trioarb_sample

PACKAGE = Path(__file__).parents[1]
FOLDER = trioarb_sample.FOLDER
MANIFEST: dict[str, Any] = json.loads((FOLDER / "manifest.json").read_text())


@pytest.fixture
def trioarb(tmp_path: Path) -> CommandLine:
    return CommandLine(folder=tmp_path)


@pytest.fixture(scope="module")
def make() -> ModuleType:
    """The script that makes the sample."""
    spec = importlib.util.spec_from_file_location("make_sample", PACKAGE / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    trioarb = CommandLine(folder=tmp_path_factory.mktemp("replayed"))
    said = trioarb("data", "sample", "--out", "some sample")
    assert (said.code, said.err) == (0, "")
    command = said.out.splitlines()[-1].removeprefix("next: trioarb ")
    assert command == "replay 'some sample/sample.toml' --quotes 'some sample/quotes'"
    return trioarb(
        *("replay", "some sample/sample.toml", "--quotes", "some sample/quotes"),
        *("--summary=summary.json", "--events=events.jsonl"),
    )


def test_the_files_are_what_the_script_makes(make: ModuleType) -> None:
    """Compared is what they hold: how it is packed may change with pyarrow."""
    for venue, table in make.make().items():
        shipped = pq.read_table(FOLDER / "quotes" / f"{venue}.parquet")
        assert shipped.column_names == table.column_names
        for name in table.column_names:
            # As text: a withdrawn price is no number, and so equals none.
            assert list(map(str, shipped[name].to_pylist())) == list(map(str, table[name].to_pylist())), (venue, name)


def test_the_manifest_lists_the_files_and_says_what_they_are(make: ModuleType) -> None:
    assert MANIFEST["label"] == "SYNTHETIC"
    assert {file["file"] for file in MANIFEST["files"]} == {
        f"quotes/{path.name}" for path in (FOLDER / "quotes").iterdir()
    }
    for file in MANIFEST["files"]:
        assert file["exchange"].startswith("SYNTHETIC_")
        assert hashlib.sha256((FOLDER / file["file"]).read_bytes()).hexdigest() == file["sha256"]
    for name in ("SEED", "SYMBOLS", "VENUES", "SECONDS"):
        assert MANIFEST[name.lower()] == getattr(make, name)


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 3_000_000


def test_a_replay_says_that_its_prices_are_synthetic(replayed: Ran) -> None:
    assert replayed.code == 0
    (simulated,) = (one for one in replayed.summary["verdict"]["findings"] if one["code"] == "SIMULATED")
    assert "Prices are SYNTHETIC, made up by a program" in simulated["text"]
    assert "SAME_OPERATOR" not in {one["code"] for one in replayed.summary["verdict"]["findings"]}


def test_it_has_chances_that_pay_and_others(replayed: Ran) -> None:
    pnls = [float(event["pnl_usd"]) for event in replayed.of_type("position_closed")]
    assert min(pnls) < 0 < max(pnls)
    assert len(pnls) > 100
    assert replayed.of_type("order_cancelled")
    assert {event["symbol"] for event in replayed.of_type("position_closed")} == {
        symbol.replace("-", "") for symbol in MANIFEST["symbols"]
    }


def test_its_campaign_can_also_be_checked_where_it_was_written(replayed: Ran) -> None:
    checked = CommandLine(folder=replayed.folder)("check", "some sample/sample.toml")
    assert checked.code == 0
    assert "5 listed, 5 loaded" in checked.out


def test_it_can_be_replayed_from_where_it_is_installed(trioarb: CommandLine) -> None:
    said = trioarb("data", "sample")
    assert said.code == 0
    assert said.out.startswith("SYNTHETIC: ")
    assert f"trioarb replay {FOLDER / 'sample.toml'} --quotes {FOLDER / 'quotes'}" in said.out
    assert not list(trioarb.folder.iterdir())


def test_nothing_is_overwritten(trioarb: CommandLine) -> None:
    (trioarb.folder / "here").mkdir()
    said = trioarb("data", "sample", "--out", "here")
    assert said.code == 2
    assert said.error == "--out: is there already; name a new folder: here"
    assert not list((trioarb.folder / "here").iterdir())


def test_a_place_that_can_not_be_written_is_named(trioarb: CommandLine) -> None:
    (trioarb.folder / "file").touch()
    said = trioarb("data", "sample", "--out", "file/sample")
    assert said.code == 2
    assert said.error == "--out: can't be written (Not a directory): file/sample"


_WITHOUT = "import sys; sys.modules['trioarb_sample'] = None; from trioarb.cli.main import main; sys.exit(main())"


def test_without_the_package_the_command_says_how_to_get_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WITHOUT, "data", "sample"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert "pip install 'trioarb[sample]'" in said.stderr
    assert "plugins/trioarb-sample" in said.stderr
