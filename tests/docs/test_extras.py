"""The page of extras: each that pyproject.toml has, what it brings, and what needs it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from trioarb.plugin.extras import EXTRAS

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECLARED: dict[str, list[str]] = PROJECT["optional-dependencies"]
ROWS = {
    cells[0].strip("`"): cells
    for line in (ROOT / "docs" / "extras.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| `") and (cells := [cell.strip() for cell in line.strip("|").split(" | ")])
}


def test_the_page_has_every_extra_and_no_other() -> None:
    assert set(ROWS) == set(DECLARED)


@pytest.mark.parametrize("name", DECLARED)
def test_a_row_says_what_the_extra_brings(name: str) -> None:
    brings = {re.split(r"[\[>=<]", requirement)[0] for requirement in DECLARED[name]}
    assert set(re.findall(r"`([^`]+)`", ROWS[name][1])) == brings


@pytest.mark.parametrize("extra", EXTRAS, ids=lambda extra: extra.name)
def test_a_row_says_what_needs_it_and_how_a_checkout_has_it(extra: object) -> None:
    """As what says that something is missing says it."""
    one = next(known for known in EXTRAS if known is extra)
    _, _, needs, checkout = ROWS[one.name]
    for command in one.commands:
        assert f"trioarb {command}" in needs
    for plugin in one.plugins:
        assert f'"{plugin}"' in needs
    for folder in filter(None, (one.folder, *one.needs.split())):
        assert folder in checkout


def test_what_is_missing_is_known_of_every_extra() -> None:
    assert {extra.name for extra in EXTRAS} == set(DECLARED)
