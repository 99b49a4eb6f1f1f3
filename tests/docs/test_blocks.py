"""Blocks of code that no page's own test runs can at least be read, and import what is there."""

from __future__ import annotations

import ast
from decimal import Decimal
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
import tomli
from markdown_links import repository_pages
from page import Block, blocks_of

from trioarb.config.load import load_table
from trioarb.errors import ConfigError
from trioarb.plugin.registry import load_plugins
from trioarb.testing import two_venues

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


#: Beginnings of what is said of keys and values; the rest of a configuration, or a page's own plugin, mends the others.
_WRONG = ("unknown key", "wrong")


def wrong_keys(code: str) -> list[str]:
    """Return what a piece of a configuration says that no configuration may, whatever its plugins are."""
    table = tomli.loads(code, parse_float=Decimal)
    if "project" in table or "settings" in table:  # of a package; or of a plugin alone
        return []
    whole = two_venues("dummy") | {"session": {"clock": "real"}}
    for key, value in table.items():
        whole[key] = whole.get(key, {}) | value if isinstance(value, dict) else value
    try:
        load_table(whole, load_plugins())
    except ConfigError as error:
        return [f"{one.key}: {one.message}" for one in error.problems if one.message.startswith(_WRONG)]
    return []


@pytest.mark.parametrize("block", of("toml"))
def test_toml_says_what_a_configuration_may(block: Block) -> None:
    assert wrong_keys(block.code) == []


def test_a_key_that_no_configuration_has_is_named() -> None:
    assert wrong_keys("[engine]\nopen_seconds = 3\nspeed = 4\n[guards.edge]\nplugin = 'edge-cap'") == [
        "engine.speed: unknown key"
    ]


def test_what_is_not_there_is_named() -> None:
    assert missing("from trioarb.api import Order, Ordre\nfrom acme import anything") == ["trioarb.api.Ordre"]
