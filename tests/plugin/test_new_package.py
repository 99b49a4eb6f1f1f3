"""`trioarb plugins new`: what it writes works as it is; and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import attrs
import pytest

from trioarb.cli.main import main
from trioarb.plugin.new_package import KINDS, NewPackage
from trioarb.plugin.registry import load_plugins

#: So long as a name may be: what its lines leave no room for would show.
NAMES = {kind: f"new-{kind}-".ljust(26, "x") for kind in KINDS}


@attrs.frozen
class Made:
    """Packages by kind, the folder in which they are installed, and the end of what pytest said of all their tests."""

    packages: Mapping[str, Path]
    site: Path
    code: int
    said: str

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.site)}


def install(package: Path, name: str, site: Path) -> None:
    """Make a package known as an editable install does: its module by a link, its entry point in its metadata."""
    (module,) = (package / "src").iterdir()
    (site / module.name).symlink_to(module)
    info = site / f"{module.name}-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    points = tomllib.loads((package / "pyproject.toml").read_text())["project"]["entry-points"]["trioarb"]
    (info / "entry_points.txt").write_text("[trioarb]\n" + "".join(f"{key} = {at}\n" for key, at in points.items()))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """One package of each kind. Their tests run in one process, for all of them: each for itself would take long."""
    folder = tmp_path_factory.mktemp("new")
    site = folder / "site"
    site.mkdir()
    plugins, packages = load_plugins(), {}
    for kind, name in NAMES.items():
        package = NewPackage(kind=kind, name=name)
        assert package.problem(plugins) is None
        packages[kind] = folder / name
        package.write(packages[kind])
        install(packages[kind], name, site)
    found = Made(packages, site, 0, "")
    options = ["-o", "trio_mode=true", "-W", "error", "--import-mode=importlib", "-p", "no:cacheprovider", "-rA", "-q"]
    paths = [f"pythonpath={packages['exchange'] / 'tests'}"]
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            *options,
            "-o",
            *paths,
            "--rootdir",
            str(folder),
            *map(str, packages.values()),
        ],
        cwd=folder,
        env=found.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return attrs.evolve(found, code=ran.returncode, said=ran.stdout + ran.stderr)


@pytest.mark.parametrize("kind", KINDS)
def test_its_own_tests_pass(made: Made, kind: str) -> None:
    assert made.code == 0, made.said
    assert f"PASSED {NAMES[kind]}/tests/" in made.said


@pytest.mark.parametrize("kind", KINDS)
def test_its_example_is_valid_and_its_plugin_is_listed(
    made: Made, kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(made.site))
    monkeypatch.chdir(made.packages[kind])

    assert main(["check", "example.toml"]) == 0
    assert " valid." in capsys.readouterr().out
    assert main(["plugins", NAMES[kind]]) == 0
    shown = capsys.readouterr().out
    assert f"{KINDS[kind].spec.kind} {NAMES[kind]}\n  {KINDS[kind].doc}\n  from {NAMES[kind]} 0.1.0" in shown


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_of_the_template(made: Made, kind: str) -> None:
    files = [path for path in made.packages[kind].rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    texts = [path.read_text() for path in files]

    assert not [path.name for path in files if path.suffix == ".tmpl"]
    assert not any("$" in text for text in texts)
    assert sum("TRIOARB_API = 1" in text for text in texts) == 1
    assert max(len(line) for text in texts for line in text.splitlines()) <= 170


def test_it_says_what_was_written_and_what_to_type_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["plugins", "new", "Guard", "acme-pause"]) == 0

    assert capsys.readouterr().out == (
        "acme-pause: a package with a guard, 9 files:\n"
        "  src/acme_pause/guard.py\n"
        "  tests/test_conformance.py\n"
        "  tests/test_guard.py\n"
        "  README.md\n"
        "  example.toml\n"
        "  src/acme_pause/__init__.py\n"
        "  src/acme_pause/py.typed\n"
        "  .gitignore\n"
        "  pyproject.toml\n"
        "Next:\n"
        "  cd acme-pause && python -m pip install -e '.[test]'\n"
        "  python -m pytest\n"
        "  trioarb check example.toml\n"
    )
    assert (tmp_path / "acme-pause" / "src" / "acme_pause" / "guard.py").is_file()


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        (
            "guard",
            "Acme_Guard",
            "letters and digits, with - between words, a letter first: Acme_Guard; such as acme-guard",
        ),
        ("guard", "9lives", "a letter first: 9lives; such as lives"),
        ("guard", "../x", "a letter first: ../x; such as x"),
        ("guard", "a--b", "a letter first: a--b; such as a-b"),
        ("guard", "größe", "a letter first: größe; such as gr-e"),
        ("guard", "x" * 27, "longer than 26 characters"),
        ("guard", "lambda", "a word of Python, or a module of its own: lambda; take another one, such as lambda-guard"),
        ("guard", "json", "a word of Python, or a module of its own: json; take another one, such as json-guard"),
        ("guard", "tests", "a module of its own: tests; take another one, such as tests-guard"),
        ("guard", "trioarb", "a module of this name is installed: trioarb; take another one, such as trioarb-guard"),
        ("exchange", "attrs", "a module of this name is installed: attrs"),
        ("exchange", "paper", "has exchange of this name already: paper; take another one, such as paper-exchange"),
        ("guard", "portfolio", "has guard tier of this name already: portfolio; take another one"),
    ],
)
def test_a_name_that_can_not_be_is_refused_with_what_to_do(
    kind: str, name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["plugins", "new", kind, name]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: NAME: ")
    assert said in error
    assert not list(tmp_path.iterdir())


def test_nothing_that_is_there_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    full, empty, file = tmp_path / "full", tmp_path / "empty", tmp_path / "file"
    full.mkdir()
    empty.mkdir()
    (full / "thesis.tex").write_text("mine")
    file.write_text("mine")

    for place in (full, file):
        assert main(["plugins", "new", "guard", "acme-pause", "--out", str(place)]) == 2
        assert f"{place}: is there already, and isn't an empty folder; take another name" in capsys.readouterr().err
    assert [path.name for path in full.iterdir()] == ["thesis.tex"]
    assert main(["plugins", "new", "guard", "acme-pause", "--out", str(empty)]) == 0


def test_an_unknown_kind_says_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "new", "gard", "acme-pause"]) == 2
    error = capsys.readouterr().err
    assert all(kind in error for kind in KINDS)
