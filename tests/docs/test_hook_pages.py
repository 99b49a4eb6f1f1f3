"""Each hook has a page, whose plugin does what its configuration asks for in a campaign."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import tomli
import trio
from page import blocks_of

from trioarb import api
from trioarb.alerting.trial import send_at_once
from trioarb.api import Alert, Severity
from trioarb.config.load import load_table
from trioarb.plugin import hookspec
from trioarb.plugin.registry import load_plugins
from trioarb.plugin.spec import PluginSpec
from trioarb.testing import CampaignResult, run_virtual, two_venues

FOLDER = Path(__file__).parents[2] / "docs" / "reference" / "hooks"
HOOKS = [name for name in hookspec.__all__ if name.startswith("trioarb_")]


def page_of(hook: str) -> Path:
    return FOLDER / f"{hook.removeprefix('trioarb_').replace('_', '-')}.md"


def plugin_of(page: Path) -> ModuleType:
    (code,) = [block.code for block in blocks_of(page.read_text(encoding="utf-8")) if block.language == "python"]
    plugin = ModuleType(page.stem)
    exec(compile(code, str(page), "exec", dont_inherit=True), plugin.__dict__)
    return plugin


def table_of(page: Path) -> dict[str, Any]:
    """The page's configuration, with what it leaves out from a small campaign on the dummy market."""
    (config,) = [block.code for block in blocks_of(page.read_text(encoding="utf-8")) if block.language == "toml"]
    table = two_venues("dummy")
    table["universe"] |= {"mode": "TOP_N", "top_n": 2}
    table["session"]["max_runtime_seconds"] = 60
    for key, value in tomli.loads(config).items():
        table[key] = table.get(key, {}) | value if isinstance(value, dict) and key != "strategy" else value
    return table


def symbols_of(result: CampaignResult) -> object:
    return result.of_type("campaign_opened")[0]["symbols"]


def lists(result: CampaignResult) -> object:
    return symbols_of(result) == ["BTCUSDT", "ETHUSDT"]


def swings(result: CampaignResult) -> object:
    listed = {one["symbol"] for one in result.of_type("instrument_listed")}
    return listed == {"BTCUSDT"} and result.of_type("order_filled")


def fills_at_limits(result: CampaignResult) -> object:
    limits = {one["client_order_id"]: one["limit_price"] for one in result.of_type("order_submitted")}
    fills = result.of_type("order_filled")
    return fills and all(fill["price"] == limits[fill["client_order_id"]] for fill in fills)


def refuses(result: CampaignResult) -> object:
    return result.refusals.get("believable.edge")


def holds_so_long(result: CampaignResult) -> object:
    return {one["reason"] for one in result.of_type("position_closed")} - {"campaign_end"} == {"max_holding"}


def shares(result: CampaignResult) -> object:
    opened = [(one["buy_venue"], one["buy_price"], one["sell_price"]) for one in result.of_type("position_opened")]
    return symbols_of(result) == ["BTCUSDT"] and opened == [("a", "100.01", "100.49")]


DOES: Mapping[str, Callable[[CampaignResult], object]] = {
    "trioarb_venues": shares,
    "trioarb_symbol_sources": lists,
    "trioarb_market_data": swings,
    "trioarb_exchanges": fills_at_limits,
    "trioarb_guard_tiers": refuses,
    "trioarb_strategies": holds_so_long,
}


@pytest.mark.parametrize("hook", [hook for hook in HOOKS if hook != "trioarb_alert_channels"])
def test_the_plugin_of_the_page_does_what_the_page_says(hook: str) -> None:
    page = page_of(hook)
    result = run_virtual(table_of(page), plugins={page.stem: plugin_of(page)})
    assert result.exit_code == 0
    assert DOES[hook](result)


def test_the_alert_channel_of_the_page_delivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `trioarb alerts test` does: channels stand beside a campaign."""
    monkeypatch.chdir(tmp_path)
    page = page_of("trioarb_alert_channels")
    plugins = load_plugins({page.stem: plugin_of(page)})
    config = load_table(table_of(page), plugins).config
    alert = Alert(rule="test", incident="test", severity=Severity.INFO, about="", text="nothing", at_ns=0)
    failed = trio.run(send_at_once, config, plugins, config.channels, alert, "a test")
    assert failed == {"diary": ""}
    assert Path("diary.txt").read_text(encoding="utf-8").startswith("info: ")


@pytest.mark.parametrize("hook", HOOKS)
def test_the_page_documents_hook_spec_and_contract(hook: str) -> None:
    page = page_of(hook)
    text = page.read_text(encoding="utf-8")
    (spec,) = {type(spec) for spec in getattr(plugin_of(page), hook)()}
    documented = {line.removeprefix("::: ") for line in text.splitlines() if line.startswith("::: ")}
    assert f"trioarb.plugin.hookspec.{hook}" in documented
    wanted = {spec, *spec.opens} - {object}
    assert {f"trioarb.api.{cls.__name__}" for cls in wanted} <= documented
    assert f"`{hook}`" in (FOLDER / "index.md").read_text(encoding="utf-8")


def test_the_index_says_what_each_hook_returns() -> None:
    rows = (FOLDER / "index.md").read_text(encoding="utf-8").splitlines()
    for hook in HOOKS:
        returned = inspect.signature(getattr(hookspec, hook), eval_str=True).return_annotation.__args__[0]
        (row,) = [row for row in rows if row.startswith(f"| [`{hook}`]")]
        assert f"| `{returned.__name__}` |" in row
        assert issubclass(returned, PluginSpec)
        assert returned.__name__ in api.__all__
