"""Blocks of code that no page's own test runs can at least be read, and import what is there."""

from __future__ import annotations

import ast
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
import tomli
from markdown_links import repository_pages
from page import Block, blocks_of

ROOT = Path(__file__).parents[2]
PAGES = {path: list(blocks_of(text)) for path, text in repository_pages(ROOT).items()}


def of(language: str) -> list[object]:
    return [
        pytest.param(block, id=f"{path}:{block.line}")
        for path, blocks in PAGES.items()
        for block in blocks
        if block.language == language
    ]


def missing(code: str) -> list[str]:
    """Return what a block imports from trioarb, or from a package of it, that isn't there."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("trioarb"):
            found += [f"{node.module}.{one.name}" for one in node.names if not is_there(str(node.module), one.name)]
    return found


def is_there(module: str, name: str) -> bool:
    package = import_module(module)
    return hasattr(package, name) or (hasattr(package, "__path__") and find_spec(f"{module}.{name}") is not None)


@pytest.mark.parametrize("block", of("python"))
def test_python_can_be_read_and_imports_what_is_there(block: Block) -> None:
    assert missing(block.code) == []


@pytest.mark.parametrize("block", of("toml"))
def test_toml_can_be_read(block: Block) -> None:
    tomli.loads(block.code)


def test_what_is_not_there_is_named() -> None:
    assert missing("from trioarb.api import Order, Ordre\nfrom acme import anything") == ["trioarb.api.Ordre"]
