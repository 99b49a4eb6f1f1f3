"""The examples in docs/plugins.md do what the page says."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import tomli

from trioarb.plugin.registry import load_plugins
from trioarb.plugin.spec import GuardTierSpec
from trioarb.testing import run_virtual, two_venues

PAGE = (Path(__file__).parent.parent.parent / "docs" / "plugins.md").read_text()


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", code, flags=re.MULTILINE) for indent, code in found]


@pytest.fixture
def edge_cap(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The plugin of the page, importable under the name that it has there."""
    package, module = ModuleType("acme_guards"), ModuleType("acme_guards.edge_cap")
    exec(compile(blocks("python")[0], "docs/plugins.md", "exec"), module.__dict__)
    monkeypatch.setattr(package, "edge_cap", module, raising=False)
    monkeypatch.setitem(sys.modules, "acme_guards", package)
    monkeypatch.setitem(sys.modules, "acme_guards.edge_cap", module)
    return module


def test_the_plugin_of_the_page_is_used_by_the_configuration_of_the_page(edge_cap: ModuleType) -> None:
    packaging, config = (tomli.loads(block) for block in blocks("toml"))
    assert packaging["project"]["entry-points"]["trioarb"] == {"edge-cap": edge_cap.__name__}
    assert load_plugins({"acme": edge_cap}).get(GuardTierSpec, "edge-cap").rank == 1000
    table = two_venues("dummy") | config
    table["session"]["max_iterations"] = 1
    assert run_virtual(table, plugins={"acme": edge_cap}).exit_code == 0


def test_the_test_of_the_page_passes(edge_cap: ModuleType) -> None:
    names: dict[str, object] = {}
    exec(compile(blocks("python")[1], "docs/plugins.md", "exec"), names)
    (test,) = (value for name, value in names.items() if name.startswith("test_"))
    assert callable(test)
    test()
