"""The notebook of the documentation runs on what `export` and `report` write."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import CommandLine

DOCS = Path(__file__).parent.parent / "docs"
CHAOS = DOCS.parent / "configs" / "chaos.toml"

nbclient = pytest.importorskip("nbclient", reason="the notebook is run by nbclient")
nbformat = pytest.importorskip("nbformat", reason="the notebook is run by nbclient")
for package in ("ipykernel", "pandas", "polars", "pyarrow"):
    pytest.importorskip(package, reason=f"the notebook needs {package}")

# What it is run by warns of itself: of its event loop, and of files that it leaves to be closed.
pytestmark = pytest.mark.filterwarnings("ignore")


def test_the_notebook_runs_from_its_first_cell_to_its_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trioarb = CommandLine(folder=tmp_path)
    ran = trioarb.run(CHAOS, "--set=session.clock=virtual", "--runtime=300", "--journal=run.journal")
    assert ran.code in (0, 3), ran.err
    for command, folder in (("export", "tables"), ("report", "report")):
        assert trioarb(command, "run.journal", "--format=parquet", "--out", folder).code == 0
    notebook = nbformat.read(DOCS / "notebook.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "it is kept without outputs"
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))

    client = nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()

    shown = "".join(str(output) for cell in notebook.cells for output in cell.get("outputs", ()))
    assert " trades, " in shown
    assert "realised PnL" in shown
    assert "median_edge_bps" in shown
