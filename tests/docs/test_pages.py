"""What a newcomer reads is true: every block of these pages is run, in order, and prints what the page shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from page import Block, blocks_of, run_page

ROOT = Path(__file__).parents[2]
#: Its steps go on where the one before them ended.
TUTORIAL = [ROOT / "docs" / "tutorial" / f"{step}.md" for step in ("run", "read", "replay", "plugin", "survey")]
ALONE = [ROOT / "README.md", *sorted(ROOT.glob("docs/how-to/*.md")), *sorted(ROOT.glob("docs/explanation/*.md"))]
PAGES = [*ALONE, *TUTORIAL]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def not_run() -> list[tuple[Path, Block]]:
    return [(path, block) for path in PAGES for block in blocks_of(path.read_text()) if block.not_run is not None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    empty = tmp_path / "empty"
    empty.mkdir()
    return empty


@pytest.mark.parametrize("path", ALONE, ids=named)
def test_every_block_of_the_page_runs_and_prints_what_it_shows(path: Path, folder: Path) -> None:
    run_page(path, folder)


def test_every_block_of_the_tutorial_runs_and_prints_what_it_shows(folder: Path) -> None:
    assert set(TUTORIAL) == set((ROOT / "docs" / "tutorial").glob("*.md"))
    for path in TUTORIAL:
        run_page(path, folder)


@pytest.mark.parametrize(
    ("path", "block"), not_run(), ids=lambda one: named(one) if isinstance(one, Path) else one.line
)
def test_a_block_that_is_not_run_says_why(path: Path, block: Block) -> None:
    pytest.skip(f"{named(path)}:{block.line} is not run: {block.not_run}")


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_no_block_escapes(path: Path) -> None:
    """A fence without a language would be run by nobody, and a comment that stands elsewhere keeps nothing."""
    text = path.read_text()
    fences = re.findall(r"^ *```", text, re.MULTILINE)
    assert len(fences) == 2 * len(list(blocks_of(text)))
    assert text.count("<!-- not run") == len([block for one, block in not_run() if one == path])
