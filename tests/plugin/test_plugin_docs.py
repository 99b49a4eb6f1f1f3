"""The examples in docs/plugins.md do what the page says."""

from __future__ import annotations

import re
import sys
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import tomli

from trioarb.api import WireError
from trioarb.plugin.registry import load_plugins
from trioarb.plugin.spec import GuardTierSpec
from trioarb.testing import run_virtual, two_venues

PAGE = (Path(__file__).parent.parent.parent / "docs" / "plugins.md").read_text()


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", code, flags=re.MULTILINE) for indent, code in found]


def module(path: str) -> str:
    """The code that the page gives for a file."""
    (code,) = [code for code in blocks("python") if code.startswith(f"# {path}\n")]
    return code


@pytest.fixture
def edge_cap(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The plugin of the page, importable under the name that it has there."""
    package, plugin = ModuleType("acme_guards"), ModuleType("acme_guards.edge_cap")
    exec(compile(module("src/acme_guards/edge_cap.py"), "docs/plugins.md", "exec"), plugin.__dict__)
    monkeypatch.setattr(package, "edge_cap", plugin, raising=False)
    monkeypatch.setitem(sys.modules, "acme_guards", package)
    monkeypatch.setitem(sys.modules, "acme_guards.edge_cap", plugin)
    return plugin


def test_the_plugin_of_the_page_is_used_by_the_configuration_of_the_page(edge_cap: ModuleType) -> None:
    packaging, config, *_ = (tomli.loads(block) for block in blocks("toml"))
    assert packaging["project"]["entry-points"]["trioarb"] == {"edge-cap": edge_cap.__name__}
    assert load_plugins({"acme": edge_cap}).get(GuardTierSpec, "edge-cap").rank == 1000
    table = two_venues("dummy") | config
    table["session"]["max_iterations"] = 1
    assert run_virtual(table, plugins={"acme": edge_cap}).exit_code == 0


def test_the_plugin_of_the_page_is_enough_as_one_file(tmp_path: Path) -> None:
    (config,) = (tomli.loads(block) for block in blocks("toml") if "[plugins]" in block)
    (name,) = config["plugins"]["paths"]
    (tmp_path / name).write_text(module("src/acme_guards/edge_cap.py"))
    config["plugins"]["paths"] = [str(tmp_path / name)]
    table = two_venues("dummy") | config | {"guards": {"edge": {"plugin": "edge-cap"}}}
    table["session"]["max_iterations"] = 1
    assert run_virtual(table).exit_code == 0


def test_the_test_of_the_page_passes(edge_cap: ModuleType) -> None:
    names: dict[str, object] = {}
    exec(compile(module("tests/test_edge_cap.py"), "docs/plugins.md", "exec"), names)
    (test,) = (value for name, value in names.items() if name.startswith("test_"))
    assert callable(test)
    test()


def test_what_json_says_becomes_values_as_on_the_page() -> None:
    names: dict[str, Any] = {}
    exec(compile(module("src/acme_venues/orders.py"), "docs/plugins.md", "exec"), names)
    trade = {"id": 7, "size": "0.5", "px": 100.1, "fee": "0.05", "feeCoin": "USDT"}
    report = names["report_of"]({"id": 12, "state": "done", "trades": [trade]}, "ours")
    assert report.filled == Decimal("0.5")
    assert (report.venue_order_id, report.fills[0].price) == ("12", Decimal("100.1"))
    said = re.findall(r"`(Fill\.price = [^`]*)`", PAGE)
    with pytest.raises(WireError) as caught:
        names["report_of"]({"id": 12, "state": "done", "trades": [trade | {"px": "NaN"}]}, "ours")
    assert [str(caught.value)] == said


def test_the_wrapper_of_the_page_is_used_by_the_configuration_of_the_page() -> None:
    plugin = ModuleType("acme_venues.patient")
    code = compile(module("src/acme_venues/patient.py"), "docs/plugins.md", "exec", dont_inherit=True)
    exec(code, plugin.__dict__)
    table = two_venues("dummy")
    table["session"]["max_runtime_seconds"] = 30
    table["universe"] |= {"mode": "TOP_N", "top_n": 20}
    table["exchanges"] |= tomli.loads(next(one for one in blocks("toml") if "wraps" in one))["exchanges"]
    result = run_virtual(table, plugins={"acme": plugin})
    took = {
        (sent["venue"], answered["ts_ns"] - sent["ts_ns"])
        for sent in result.of_type("order_submitted")
        for answered in result.of_type("order_acknowledged")
        if answered["client_order_id"] == sent["client_order_id"]
    }
    assert result.exit_code == 0
    assert took == {("a", 60_000_000), ("b", 40_000_000)}
