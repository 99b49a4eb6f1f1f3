"""Commands and libraries that are installed beside the core, and the core without them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

CONFIGS = Path(__file__).parents[2] / "configs"

#: Makes a package look as if it were not installed, then runs the command line.
WITHOUT = """
import importlib.metadata, sys
missing, arguments = sys.argv[1], sys.argv[2:]
if missing == "pyarrow":
    sys.modules["pyarrow"] = None
else:
    found = importlib.metadata.entry_points
    importlib.metadata.entry_points = lambda **of: [
        point for point in found(**of) if point.dist.name != missing
    ]
from trioarb.cli.main import main
sys.exit(main(arguments))
"""


def without(missing: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT, missing, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def quotes(folder: Path) -> Path:
    columns = {
        "ts_ns": [1_735_689_600 * 10**9],
        "exchange": ["a"],
        "symbol": ["BTC-USDT"],
        **{name: [1.0] for name in ("bid", "bid_size", "ask", "ask_size")},
    }
    pq.write_table(pa.table(columns), folder / "quotes.parquet")
    return folder / "quotes.parquet"


def test_a_command_of_a_package_that_is_not_installed_says_how_to_install_it(tmp_path: Path) -> None:
    for arguments in (["data"], ["data", "info", "quotes"]):
        ran = without("trioarb-data", tmp_path, *arguments)
        assert ran.returncode == 2
        assert ran.stderr.strip() == (
            "error: `trioarb data` is in trioarb-data, which is not installed: "
            "pip install 'trioarb[data]' (in a checkout: pip install plugins/trioarb-data)"
        )
    assert "│ data " not in without("trioarb-data", tmp_path, "--help").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["replay", str(CONFIGS / "replay.toml"), "--quotes", "quotes.parquet"],
        ["record", str(CONFIGS / "spread.toml"), "--out", "recorded"],
        ["run", str(CONFIGS / "spread.toml"), "--record", "recorded"],
    ],
)
def test_a_command_that_needs_pyarrow_says_how_to_install_it(tmp_path: Path, arguments: list[str]) -> None:
    quotes(tmp_path)
    ran = without("pyarrow", tmp_path, *arguments)
    assert ran.returncode == 2, ran.stderr
    (line,) = [line for line in ran.stderr.splitlines() if line.startswith("error: ")]
    assert (
        "needs pyarrow, which is not installed: pip install 'trioarb[recorded]' "
        "(in a checkout: pip install '.[recorded]')"
    ) in line


def test_a_paper_campaign_needs_no_pyarrow(tmp_path: Path) -> None:
    limits = ("--set", "session.clock=virtual", "--runtime", "2")
    ran = without("pyarrow", tmp_path, "run", str(CONFIGS / "spread.toml"), *limits)
    assert ran.returncode == 0, ran.stderr


COMMANDS = """
import importlib.metadata, sys
point = importlib.metadata.EntryPoint(sys.argv[1], sys.argv[2], "trioarb.commands")
importlib.metadata.entry_points = lambda group: [point] if group == "trioarb.commands" else []
from trioarb.cli.main import main
sys.exit(main(sys.argv[3:]))
"""


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("run", "cyclopts:App", "the command 'run' is trioarb's own; uninstall the package"),
        ("more", "nowhere:app", "the command 'more' can't be loaded: ModuleNotFoundError: No module named 'nowhere'"),
        ("more", "os:path", "the command 'more' is no cyclopts.App, but <module"),
    ],
)
def test_a_command_that_can_not_be_loaded_names_its_package(tmp_path: Path, name: str, value: str, said: str) -> None:
    command = [sys.executable, "-c", COMMANDS, name, value]
    ran = subprocess.run([*command, "more"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, said in ran.stderr) == (2, True), ran.stderr
    ran = subprocess.run([*command, "run", "--help"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
