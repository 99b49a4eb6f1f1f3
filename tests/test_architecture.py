"""The shape of the house: who may import whom, and what is loaded when."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

import trioarb
from trioarb.builtin import alert_log, dummy, guard_global, guard_portfolio, guard_symbol, paper, recorded, spread
from trioarb.config import schema
from trioarb.plugin import hookspec
from trioarb.plugin.registry import load_plugins

ROOT = Path(trioarb.__file__).parent
REPOSITORY = Path(__file__).parent.parent

#: The way of a quote. Each may import itself and what stands before it.
LAYERS = (
    "errors",
    "model",
    "settings",
    "time",
    "plugin",
    "config",
    "universe",
    "quotes",
    "course",
    "journal",
    "state",
    "strategy",
    "risk",
    "execution",
    "control",
    "engine",
    "survey",
    "verify",
    "report",
    "alerting",
    "dashboard",
    "cli",
)
FACADES = ("api", "testing", "venue", "pytest_plugin")
#: It runs the kit that plugin authors have.
RUNS_THE_KIT = "trioarb.cli.plugins_check"


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def layer(module: str) -> str:
    """Return what stands after ``trioarb.``: a folder, or a module beside the folders."""
    return f"{module}.".split(".")[1]


CORE = [name for name in MODULES if layer(name) not in ("builtin", *FACADES)]
BUILTIN = [name for name in MODULES if layer(name) == "builtin"]


def imports(module: str) -> Iterator[str]:
    """Yield the modules that a module imports anywhere in its code, except for type checkers."""
    path = MODULES[module]
    yield from _imported(ast.parse(path.read_text()), module if path.stem == "__init__" else module.rpartition(".")[0])


def _imported(node: ast.AST, package: str) -> Iterator[str]:
    children: Iterator[ast.AST]
    match node:
        case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
            children = iter(node.orelse)
        case ast.Import():
            yield from (alias.name for alias in node.names)
            return
        case ast.ImportFrom():
            source = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            for alias in node.names:
                # ``from trioarb import errors`` imports a module as well.
                yield f"{source}.{alias.name}" if f"{source}.{alias.name}" in MODULES else source
            return
        case _:
            children = ast.iter_child_nodes(node)
    for child in children:
        yield from _imported(child, package)


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def run_python(code: str) -> str:
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


def test_every_folder_has_its_place() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert folders <= {*LAYERS, "builtin", "testing", "venue"}


def test_the_core_imports_no_default_plugin() -> None:
    for module in CORE:
        assert not [name for name in imports(module) if within(name, "trioarb.builtin")], module


#: Names of settings that name something of an instrument, a fill or a file, too.
CORE_WORDS = {
    *("tick_size", "lot_size", "min_notional", "maker_fee_bps", "taker_fee_bps"),
    *("balances", "fee_asset", "path"),
}


def test_the_core_names_no_setting_of_a_default_plugin() -> None:
    of_core = {field.name for cls in vars(schema).values() if attrs.has(cls) for field in attrs.fields(cls)}
    of_plugins = {
        field.name
        for item in load_plugins().registered
        if item.distribution.startswith("trioarb ")
        for field in attrs.fields(item.spec.settings)
    }
    assert {"latency_ms", "reject_rate", "exit_bps", "circuit_breaker_loss_count"} <= of_plugins
    named = of_plugins - of_core - CORE_WORDS
    # `trioarb replay` puts recorded quotes in the place of whatever is configured, and has to say which. A first
    # campaign is made of default plugins, whose keys it writes.
    exempt = ("trioarb.config.quotes", "trioarb.config.first_campaign")
    for module in CORE:
        if layer(module) in ("config", "state", "report", "cli") and module not in exempt:
            nodes = ast.walk(ast.parse(MODULES[module].read_text()))
            assert not named.intersection(node.value for node in nodes if isinstance(node, ast.Constant)), module


def test_the_core_does_not_lean_on_what_is_for_plugin_authors() -> None:
    for module in CORE:
        leant_on = {name for name in imports(module) if layer(name) in FACADES and within(name, "trioarb")}
        assert leant_on == ({"trioarb.testing.conformance"} if module == RUNS_THE_KIT else set()), module


def test_default_plugins_need_the_public_api_only() -> None:
    for module in BUILTIN:
        ours = {name for name in imports(module) if within(name, "trioarb")}
        first = min((name for name in BUILTIN if f"{module}_".startswith(f"{name}_")), key=len)
        parts_of_the_same_plugin = {name for name in BUILTIN if name.startswith(f"{first}_")}
        assert ours <= {"trioarb.api"} | parts_of_the_same_plugin, module


def test_imports_point_one_way() -> None:
    for module in (name for name in CORE if layer(name) in LAYERS):
        used = {layer(name) for name in imports(module) if within(name, "trioarb")} & set(LAYERS)
        later = {name for name in used if LAYERS.index(name) > LAYERS.index(layer(module))}
        assert not later, f"{module} is part of {layer(module)} and imports from {', '.join(sorted(later))}"


def test_the_model_never_imports_trio() -> None:
    for module in (name for name in MODULES if layer(name) == "model"):
        assert not [name for name in imports(module) if within(name, "trio")], module


def test_the_command_line_starts_without_what_only_recordings_need() -> None:
    module = "trioarb.cli.main" if "trioarb.cli.main" in MODULES else "trioarb.engine.campaign"
    loaded = run_python(
        f"import sys, {module}, trioarb.plugin.registry as registry\n"
        "registry.load_plugins()\n"
        "print(*sorted({'numpy', 'pyarrow'} & set(sys.modules)))"
    )
    assert loaded == ""


def test_the_core_stands_without_any_plugin() -> None:
    modules = [name for name in CORE if name != "trioarb.__main__"]
    loaded = run_python(
        "import importlib, importlib.metadata, sys\n"
        "importlib.metadata.entry_points = lambda **_: ()\n"
        f"for name in {modules}: importlib.import_module(name)\n"
        "from trioarb.plugin.registry import load_plugins\n"
        "assert load_plugins().registered == ()\n"
        "print(*(name for name in sys.modules if name.startswith('trioarb.builtin')))"
    )
    assert loaded == ""


HOOKS = [name for name in hookspec.__all__ if name.startswith("trioarb_")]


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented(hook: str) -> None:
    assert f"`{hook}`" in (REPOSITORY / "docs" / "plugins.md").read_text()


# No venue is built in: those are packages of their own.
@pytest.mark.parametrize("hook", [hook for hook in HOOKS if hook != "trioarb_venues"])
def test_every_hook_is_implemented_by_a_default_plugin(hook: str) -> None:
    plugins = (alert_log, dummy, guard_global, guard_portfolio, guard_symbol, paper, recorded, spread)
    assert [plugin for plugin in plugins if hasattr(plugin, hook)]


DEFAULTS = [one.spec for one in load_plugins().registered if one.distribution.startswith("trioarb ")]


def test_the_core_knows_no_default_plugins_settings_or_rules_by_name() -> None:
    """Not even as text: what a report has to name says by itself what it concerns."""
    owned = {
        *(field.name for spec in DEFAULTS for field in attrs.fields(spec.settings)),
        *("circuit_breaker", "kill_switch", "position_size", "cooldown", "total_exposure", "allocation"),
    }
    # Words of the contracts and the model, which plugins use too.
    generic = {
        "symbol",
        "account",
        "seed",
        "balances",
        "instruments",
        "tick_size",
        "lot_size",
        "min_notional",
        "min_quantity",
        "fee_asset",
        "entry_bps",
        "exit_bps",
    }
    for module in CORE:
        if layer(module) in ("state", "strategy", "risk", "execution", "engine", "verify", "report"):
            texts = {
                node.value
                for node in ast.walk(ast.parse(MODULES[module].read_text()))
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            }
            assert not sorted(texts & (owned - generic)), module
