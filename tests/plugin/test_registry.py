"""Loading plugins: what is found, and what is said of broken packages. The packages are real ones, made here."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import pytest

from trioarb.api import API_VERSION, NoSettings, hookimpl
from trioarb.errors import ConfigError, PluginError
from trioarb.plugin.extras import EXTRAS, Extra
from trioarb.plugin.registry import Plugins, load_plugins
from trioarb.plugin.spec import ExchangeSpec, GuardTierSpec, SymbolSourceSpec

Install = Callable[..., None]

HEAD = """
    from contextlib import asynccontextmanager
    from trioarb.api import ExchangeSpec, GuardTierSpec, SymbolSourceSpec, hookimpl

    @asynccontextmanager
    async def open_it(settings, context):
        yield None
"""

SOURCE = """
    @hookimpl
    def trioarb_symbol_sources():
        return [SymbolSourceSpec(name="papaya", doc="a test", open=open_it)]
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a distribution of one module: its metadata and entry points, found as those of any package are."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(
        distribution: str, body: str | None, *, module: str = "", points: Mapping[str, str] | None = None
    ) -> None:
        module = module or distribution.replace("-", "_")
        if body is not None:
            (tmp_path / f"{module}.py").write_text(dedent(HEAD) + dedent(body))
        info = tmp_path / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        lines = [f"{name} = {value}" for name, value in (points or {"main": module}).items()]
        (info / "entry_points.txt").write_text("\n".join(["[trioarb]", *lines, ""]))
        # Modules of one name are made by several tests.
        monkeypatch.delitem(sys.modules, module, raising=False)

    return install


def problems() -> list[str]:
    with pytest.raises(PluginError) as caught:
        load_plugins()
    return str(caught.value).splitlines()


def test_a_package_is_found_by_its_entry_point(install: Install) -> None:
    install("acme-fruit", SOURCE)
    plugins = load_plugins()
    assert plugins.get(SymbolSourceSpec, "papaya").name == "papaya"
    assert [one.distribution for one in plugins.registered if one.spec.name == "papaya"] == ["acme-fruit 1.2"]
    assert {"dummy", "recorded"} < set(plugins.names(SymbolSourceSpec))


def test_an_entry_point_may_name_an_object(install: Install) -> None:
    body = "class Fruit:\n    @hookimpl\n    def trioarb_symbol_sources(self):\n"
    body += '        return [SymbolSourceSpec(name="papaya", doc="a test", open=open_it)]\nfruit = Fruit()\n'
    install("acme-fruit", body, points={"fruit": "acme_fruit:fruit"})
    assert "papaya" in load_plugins().names(SymbolSourceSpec)


def test_a_name_may_be_used_once_per_kind(install: Install) -> None:
    install(
        "acme-fruit",
        SOURCE
        + """
    @hookimpl
    def trioarb_guard_tiers():
        return [GuardTierSpec(name="papaya", doc="a test", open=open_it)]
""",
    )
    plugins = load_plugins()
    assert plugins.get(GuardTierSpec, "papaya").kind == "guard tier"
    assert plugins.get(SymbolSourceSpec, "papaya").kind == "symbol source"


def test_entry_points_of_one_name_in_two_packages(install: Install) -> None:
    install("acme-fruit", SOURCE)
    install("bolt-fruit", SOURCE.replace("papaya", "mango"))
    assert {"papaya", "mango"} <= set(load_plugins().names(SymbolSourceSpec))


def test_a_generator_is_a_list_too(install: Install) -> None:
    install("acme-fruit", SOURCE.replace("return [", "yield from ["))
    assert "papaya" in load_plugins().names(SymbolSourceSpec)


def test_an_unknown_name_says_what_there_is(install: Install) -> None:
    install("acme-fruit", SOURCE)
    with pytest.raises(ConfigError, match=r"no symbol source plugin .*dummy, papaya, recorded.*did you mean 'papaya'"):
        load_plugins().get(SymbolSourceSpec, "papya")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("import module_that_is_not_there", "ModuleNotFoundError: No module named 'module_that_is_not_there'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit('no licence')", "SystemExit: no licence"),
        ("def broken(:", "SyntaxError"),
    ],
)
def test_a_package_that_can_not_be_imported_is_named(install: Install, body: str, said: str) -> None:
    install("acme-fruit", body)
    (problem,) = problems()
    assert problem.startswith("acme-fruit 1.2: plugin 'main = acme_fruit' can't be loaded: ")
    assert said in problem
    assert problem.endswith("; repair or uninstall it")


def test_an_entry_point_that_leads_nowhere(install: Install) -> None:
    install("acme-fruit", None)
    install("bolt-fruit", SOURCE, points={"main": "bolt_fruit:missing"})
    first, second = problems()
    assert first.startswith("acme-fruit 1.2: plugin 'main = acme_fruit' can't be loaded: ModuleNotFoundError")
    assert second.startswith("bolt-fruit 1.2: plugin 'main = bolt_fruit:missing' can't be loaded: AttributeError")


def test_two_plugins_of_one_name_name_both_packages(install: Install) -> None:
    install("acme-fruit", SOURCE)
    install("bolt-fruit", SOURCE)
    assert problems() == [
        "two plugins claim the symbol source 'papaya': acme-fruit 1.2 and bolt-fruit 1.2; "
        "uninstall one of them, leave it out, or rename its plugin"
    ]


def test_a_built_in_name_can_not_be_taken(install: Install) -> None:
    install("acme-fruit", SOURCE.replace("papaya", "dummy"))
    (problem,) = problems()
    assert "acme-fruit 1.2 and trioarb " in problem


def test_one_module_registered_by_two_packages(install: Install) -> None:
    install("acme-fruit", SOURCE)
    install("bolt-fruit", None, points={"fruit": "acme_fruit"})
    assert problems() == [
        "bolt-fruit 1.2: plugin 'fruit = acme_fruit' is the one that acme-fruit 1.2 registers already; register it once"
    ]


TIER = "[GuardTierSpec(name='papaya', doc='a test', open=open_it)]"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (f"async def trioarb_guard_tiers(): return {TIER}", "trioarb_guard_tiers is async; hooks are plain functions"),
        (f"async def trioarb_guard_tiers(): yield {TIER}", "trioarb_guard_tiers is async; hooks are plain functions"),
        ("def trioarb_guard_tiers(): return 1 / 0", "hook trioarb_guard_tiers raised ZeroDivisionError"),
        ("def trioarb_guard_tiers(): yield 1 / 0", "hook trioarb_guard_tiers raised ZeroDivisionError"),
        ("def trioarb_guard_tiers(): return None", "returned None; expected a list of GuardTierSpec objects"),
        ("def trioarb_guard_tiers(): return 'papaya'", "returned 'papaya'; expected a list of GuardTierSpec objects"),
        (f"def trioarb_guard_tiers(): return {TIER}[0]", "expected a list of GuardTierSpec objects"),
        ("def trioarb_guard_tiers(): return open_it(1, 2).__aenter__()", "expected a list of GuardTierSpec objects"),
        ("def trioarb_guard_tiers(): return [3]", "returned 3; expected GuardTierSpec objects"),
        (f"def trioarb_exchanges(): return {TIER}", "expected ExchangeSpec objects"),
        (f"def trioarb_guard_tiers(config): return {TIER}", "doesn't fit its hook"),
        (
            "def trioarb_guard_tiers(): return [GuardTierSpec(name='papaya', doc='', open=open_it, settings=dict)]",
            "the settings of 'papaya' must be an attrs class; put @attrs.frozen(kw_only=True) before it",
        ),
        (
            "def trioarb_guard_tiers(): return [GuardTierSpec(name='', doc='', open=open_it)]",
            "a plugin's name must be printable text, not ''",
        ),
        (
            "def trioarb_guard_tiers():\n    return [GuardTierSpec(name='papaya', doc='', open=open_it.__wrapped__)]",
            "put @contextlib.asynccontextmanager before it",
        ),
        (
            "def trioarb_guard_tiers():\n"
            "    async def opens(settings, context): return None\n"
            "    return [GuardTierSpec(name='papaya', doc='', open=asynccontextmanager(opens))]",
            "`open` of 'papaya' has no yield; write `yield` where it has `return`",
        ),
    ],
)
def test_a_hook_that_is_wrong_is_named_with_its_package(install: Install, body: str, said: str) -> None:
    install("acme-fruit", f"@hookimpl\n{body}\n")
    (problem,) = problems()
    assert problem.startswith("acme-fruit 1.2: ")
    assert said in problem


def test_an_unknown_hook_is_named_and_the_right_one_proposed(install: Install) -> None:
    install("acme-fruit", "@hookimpl\ndef trioarb_exchange(): return []\n")
    assert problems() == [
        "acme-fruit 1.2: plugin 'main = acme_fruit' implements an unknown hook 'trioarb_exchange'; "
        "did you mean 'trioarb_exchanges'?"
    ]


def test_an_unknown_hook_is_blamed_on_its_own_package_only(install: Install) -> None:
    install("acme-fruit", SOURCE + "    @hookimpl\n    def trioarb_weather(): return []\n")
    install("bolt-fruit", SOURCE.replace("papaya", "mango"))
    (problem,) = problems()
    assert problem.startswith("acme-fruit 1.2: ")
    assert "'trioarb_weather'; the hooks are trioarb_venues, trioarb_symbol_sources, " in problem


def test_a_hook_without_its_marker_is_not_passed_over(install: Install) -> None:
    install("acme-fruit", SOURCE.replace("@hookimpl", ""))
    assert problems() == [
        "acme-fruit 1.2: plugin 'main = acme_fruit' has a function trioarb_symbol_sources that is not marked; "
        "put @hookimpl of trioarb.api before it"
    ]


def test_a_package_without_hooks_is_not_passed_over(install: Install) -> None:
    install("acme-fruit", "")
    (problem,) = problems()
    assert problem.startswith("acme-fruit 1.2: plugin 'main = acme_fruit' implements no hook; ")


def of_version(version: str) -> str:
    return f"TRIOARB_API = {version}\n" + dedent(SOURCE)


def test_a_plugin_of_this_version_of_the_api_is_loaded(install: Install) -> None:
    assert API_VERSION == 1
    install("acme-source", of_version(f"{API_VERSION}"))
    assert load_plugins().get(SymbolSourceSpec, "papaya")


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("2", "is written for version 2 of the plugin API, and this trioarb has version 1; upgrade trioarb, or install "
         "an earlier version of that package"),
        ("0", "says TRIOARB_API = 0; write the major version as a whole number, TRIOARB_API = 1"),
        ("'1'", "says TRIOARB_API = '1'; write the major version as a whole number, TRIOARB_API = 1"),
        ("True", "says TRIOARB_API = True; write the major version as a whole number, TRIOARB_API = 1"),
    ],
)  # fmt: skip
def test_a_plugin_of_another_version_of_the_api_is_refused(install: Install, version: str, said: str) -> None:
    """And nothing is made of its hooks, which may mean something else there."""
    install("acme-source", of_version(version) + "\n@hookimpl\ndef trioarb_dreams():\n    raise RuntimeError\n")
    with pytest.raises(PluginError) as error:
        load_plugins()
    assert str(error.value) == f"acme-source 1.2: plugin 'main = acme_source' {said}"


def test_an_object_with_hooks_may_say_its_version_too() -> None:
    plugin = SimpleNamespace(TRIOARB_API=7)
    with pytest.raises(PluginError, match=r"^mine: plugin 'mine' is written for version 7 of the plugin API"):
        load_plugins({"mine": plugin})


def test_a_plugin_that_imports_what_this_version_has_not(install: Install) -> None:
    install("acme-source", "from trioarb.api import Telepathy\n")
    with pytest.raises(PluginError, match=r"name 'Telepathy'.*; install a version of it for this trioarb, or another"):
        load_plugins()


def test_all_problems_are_reported_at_once(install: Install) -> None:
    install("acme-fruit", "1 / 0")
    install("bolt-fruit", "@hookimpl\ndef trioarb_exchange(): return []\n")
    install("cord-fruit", "@hookimpl\nasync def trioarb_guard_tiers(): return []\n")
    install("dual-fruit", SOURCE)
    install("echo-fruit", SOURCE)
    found = "\n".join(problems())
    assert found.count("\n") == 3
    for name in ("acme-fruit 1.2", "bolt-fruit 1.2", "cord-fruit 1.2", "dual-fruit 1.2 and echo-fruit 1.2"):
        assert name in found


def guard_plugin(name: str) -> Any:
    @asynccontextmanager
    async def open_it(settings: NoSettings, context: Any) -> Any:
        yield None

    @hookimpl
    def trioarb_guard_tiers() -> list[GuardTierSpec]:
        return [GuardTierSpec(name=name, doc="a test", open=open_it)]

    return SimpleNamespace(trioarb_guard_tiers=trioarb_guard_tiers)


def test_plugins_by_hand_stand_beside_the_installed_ones() -> None:
    plugins = load_plugins({"mine": guard_plugin("papaya")})
    assert {"global", "papaya"} <= set(plugins.names(GuardTierSpec))
    assert "papaya" not in load_plugins().names(GuardTierSpec)


def test_a_plugin_by_hand_is_named_by_its_key() -> None:
    with pytest.raises(PluginError, match=r"'global': trioarb .* and mine; "):
        load_plugins({"mine": guard_plugin("global")})


def test_a_plugin_of_an_extra_that_is_missing_is_named_with_the_line_that_installs_it() -> None:
    others = ("binance", "bithumb", "faulty", "upbit")
    installed = Plugins(tuple(item for item in load_plugins().registered if item.spec.name not in others))
    with pytest.raises(ConfigError) as caught:
        installed.get(ExchangeSpec, "faulty", key="exchanges.a.plugin")

    assert str(caught.value) == (
        'exchanges.a.plugin: no exchange plugin of this name is installed: "faulty" (allowed: paper); '
        "it comes with pip install 'trioarb[faults]' (in a checkout: pip install plugins/trioarb-faults)"
    )


@pytest.mark.parametrize("extra", EXTRAS, ids=lambda extra: extra.name)
def test_every_extra_is_what_the_project_says(extra: Extra) -> None:
    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]

    assert extra.name in project["optional-dependencies"]
    if extra.folder:
        package = tomllib.loads((root / extra.folder / "pyproject.toml").read_text())["project"]
        needed = [extra.needs.rpartition("/")[2]] * bool(extra.needs)
        ours = [one for one in package["dependencies"] if one.startswith("trioarb-")]
        brought = project["optional-dependencies"][extra.name]
        assert extra.package == package["name"]
        # What it needs comes with the package, or with the extra.
        assert (ours, brought) in ((needed, [extra.package]), ([], [*needed, extra.package]))
        points = package.get("entry-points", {})
        assert {*extra.plugins} <= points.get("trioarb", {}).keys()
        assert {*extra.commands} <= points.get("trioarb.commands", {}).keys()
