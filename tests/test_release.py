"""What is published: which packages, by which workflow, and with which lines in the changelog."""

from __future__ import annotations

import datetime
import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
WORKFLOW = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"release_{name}", ROOT / "release" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_package_that_an_extra_brings_is_published() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    published = {path.name for path in script("build").packages(ROOT)}
    brought = {name for needs in project["optional-dependencies"].values() for name in needs if "trioarb" in name}
    assert brought <= published
    assert "trioarb-example" not in published


def test_what_differs_between_two_builds_is_named(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        (folder / "same.whl").write_bytes(b"same")
        (folder / "another.whl").write_bytes(folder.name.encode())
    (one / "alone.whl").touch()
    assert script("build").compare(one, other) == ["alone.whl", "another.whl"]


def test_the_workflow_runs_only_what_is_pinned() -> None:
    used = re.findall(r"uses: (\S+)", WORKFLOW)
    assert len(used) >= 6
    for action in used:
        assert re.fullmatch(r"[\w./-]+@(v\d+\.\d+\.\d+|[0-9a-f]{40})", action), action
    assert re.search(r"pip install nox==\S+", WORKFLOW)


def test_the_workflow_signs_and_holds_no_secret() -> None:
    top, _, jobs = WORKFLOW.partition("\njobs:")
    assert "permissions:\n  contents: read\n" in top
    assert "write" not in top
    assert "secrets." not in WORKFLOW
    assert "attest-build-provenance" in jobs
    assert "id-token: write" in jobs


LOG = "# Changelog\n\n## 0.1.0 (unreleased)\n\nThe first.\n\n- One\n  more.\n"


def test_fragments_become_points_of_the_present_version(tmp_path: Path) -> None:
    (tmp_path / "changelog.d").mkdir()
    (tmp_path / "src/trioarb").mkdir(parents=True)
    (tmp_path / "src/trioarb/__init__.py").write_text('__version__ = "0.1.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(LOG)
    for name, text in {
        "README.md": "How.",
        "b.md": "- Three.\n",
        "a.md": "- Two\n  and a half.\n- Two more.\n",
    }.items():
        (tmp_path / "changelog.d" / name).write_text(text)
    main = script("changelog").main

    assert main(tmp_path, ["--draft"]) == 0
    assert (tmp_path / "CHANGELOG.md").read_text() == LOG
    assert main(tmp_path, []) == 0
    assert (tmp_path / "CHANGELOG.md").read_text() == LOG + "- Two\n  and a half.\n- Two more.\n- Three.\n"
    assert [path.name for path in (tmp_path / "changelog.d").iterdir()] == ["README.md"]


def test_another_version_has_a_section_of_its_own_and_a_release_a_day() -> None:
    assembled = script("changelog").assembled
    text = assembled(LOG, "0.2.0", ["- New."], datetime.date(2027, 1, 31))
    assert text == LOG.replace("## 0.1.0", "## 0.2.0 (2027-01-31)\n\n- New.\n\n## 0.1.0")
    assert assembled(text, "0.2.0", [], None) == text


@pytest.mark.parametrize("text", ["A sentence.", "- One\nno indent", "* star", "-none"])
def test_a_fragment_that_would_spoil_the_list_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "some.md").write_text(text)
    with pytest.raises(SystemExit, match=r"some\.md"):
        script("changelog").fragments(tmp_path)


def test_the_fragments_that_are_here_can_be_taken() -> None:
    script("changelog").fragments(ROOT / "changelog.d")
