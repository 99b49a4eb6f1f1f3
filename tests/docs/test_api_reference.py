"""The reference of what plugins import."""

from __future__ import annotations

import re
from collections import Counter
from importlib import import_module
from pathlib import Path

from reference_api import api_pages, public_names

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def test_every_public_name_has_one_place() -> None:
    pages = [*api_pages().values(), *(path.read_text(encoding="utf-8") for path in REFERENCE.glob("**/*.md"))]
    places = Counter(
        name
        for page in pages
        for name in re.findall(r'^::: ([\w.]+)|<span id="([\w.]+)">', page, re.MULTILINE)
        for name in name
        if name
    )
    for facade, name in public_names():
        assert places[f"{facade}.{name}"] == 1, f"{facade}.{name} is on {places[f'{facade}.{name}']} pages"


def test_what_is_documented_is_there() -> None:
    for path in REFERENCE.glob("**/*.md"):
        for module, _, name in (
            found.rpartition(".") for found in re.findall(r"^::: ([\w.]+)", path.read_text(), re.M)
        ):
            assert hasattr(import_module(module), name), f"{path.name}: {module}.{name}"


def test_the_index_names_everything_with_its_place() -> None:
    index = api_pages()["reference/api/index.md"]
    for facade, name in public_names():
        (row,) = re.findall(rf"^\| \[?`{name}`.*$", index.partition(f"## {facade}\n")[2].partition("\n## ")[0], re.M)
        assert f"#{facade}.{name})" in row, f"{name} has no page"
        assert not row.endswith("|  |"), (
            f"{facade}.{name} says nothing of itself; a value does by a comment `#:` above it"
        )
