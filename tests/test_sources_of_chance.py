"""Results depend on no clock, chance, address or order of a set: who may look at such things, and why.

ruff's banned-api stops most of it while one types; this also finds `id`, `hash` and sets whose order is gone through.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import trioarb

ROOT = Path(trioarb.__file__).parent

_OF_TODAY = "whether an earlier campaign in real time is of this day, for a warning"
_STAMPS = "the wall clock is only a record here, or names a file"
_PATIENCE = "how long the machine took is said, or when to say something; nothing follows from it"
_MEASURES = "how long something took, for telemetry; no event depends on it"
_SEEDED = "a random stream of a seed of the configuration"
#: What a module may use: (module, what) and the reason.
ALLOWED: Mapping[tuple[str, str], str] = {
    ("builtin.dummy_tape", "random"): _SEEDED,
    ("builtin.paper", "random"): _SEEDED,
    ("builtin.paper_latency", "random"): _SEEDED,
    ("cli.alerts", "time.time_ns"): "when a test message was sent",
    ("cli.carried", "time.time"): _OF_TODAY,
    ("cli.carried", "time.time_ns"): _OF_TODAY,
    ("cli.journal", "time.gmtime"): _STAMPS,
    ("cli.journal", "time.strftime"): _STAMPS,
    ("cli.journals", "time.time"): "how old a journal is that a user wants removed",
    ("cli.keys", "os.getpid"): "sends this process the signal that Ctrl-C does",
    ("cli.live", "time.time"): "whether the pre-flight was passed a short while ago",
    ("cli.output", "os.getpid"): "a name for a file that no other process writes",
    ("cli.progress", "time.monotonic"): _PATIENCE,
    ("cli.record", "time.time"): _STAMPS,
    ("cli.running", "time.time"): _STAMPS,
    ("cli.running", "time.time_ns"): "when a campaign could not begin, or had to leave, for an alert",
    ("cli.survey", "time.perf_counter"): "how long it took, said at its end",
    ("dashboard.fleet", "time.time_ns"): "when a message was put together, for whoever looks",
    ("dashboard.follower", "time.perf_counter"): "how long folding holds the thread at a time",
    ("dashboard.past", "time.perf_counter"): "how long reading holds the thread at a time",
    ("dashboard.view", "time.perf_counter"): "how long a verdict takes, which is not made anew all the time",
    ("dashboard.key", "os.getpid"): "a name for a file that no other process writes",
    ("dashboard.key", "secrets"): "makes a token that nobody can guess",
    ("quotes.stream", "time.monotonic"): _PATIENCE,
    ("report.live", "time.monotonic"): "when the view is drawn again; no event depends on it",
    ("report.live_screen", "os.getpid"): "sends this process a signal on, once the terminal is as it was",
    ("engine.reach", "os.getpid"): "which process it is that can be told something; no event depends on it",
    ("engine.symbol", "time.perf_counter_ns"): "the loop's latency, which is no part of the events",
    ("engine.clocks", "time.monotonic_ns"): "compares the clocks of the machine; a jump is an event, in real time only",
    ("engine.clocks", "time.time_ns"): "compares the clocks of the machine; a jump is an event, in real time only",
    ("engine.watchdog", "time.monotonic"): "how long a plugin has held the thread",
    ("engine.world", "time.time_ns"): "where the time of a campaign in real time starts",
    ("engine.telemetry", "time.process_time"): _MEASURES,
    ("execution.stages", "time.perf_counter_ns"): _MEASURES,
    ("execution.executor", "order of a set"): "every shield gets the same deadline, whichever comes first",
    ("time.campaign_time", "time.time_ns"): "what a plugin is given that is opened without a campaign",
    ("plugin.call", "id"): "tells calls apart while they are under way; nothing but the watchdog looks at them",
    ("plugin.call", "time.monotonic"): "how long a plugin has held the thread, for the watchdog",
    ("journal.writer", "time.perf_counter_ns"): _MEASURES,
    ("quotes.cache", "time.time_ns"): "whether columns were verified a short while ago; wrong only costs time",
    ("quotes.cache_folder", "os.getpid"): "a name for a file that no other process writes",
    ("quotes.exact", "time.time_ns"): "times of recorded quotes that lie in the future are refused",
    ("risk.guards", "time.perf_counter_ns"): _MEASURES,
    ("testing.conformance.patience", "time.monotonic"): "how long a plugin has held the thread, or not ended",
    ("testing.conformance.patience", "id"): "whether the call that has the thread is the same as before",
    ("testing.conformance.judging", "time.time_ns"): "where the time of a case starts that is tried in real time",
    ("venue.backoff", "random"): "how long until a real venue is connected to again; no event depends on it",
    ("venue.clock", "time.time_ns"): "how far the machine's clock is from a venue's, which requests are signed with",
    ("venue.ledger", "time.time"): "how old a budget is that nobody uses any more",
    ("venue.ledger", "time.monotonic"): "the clock that all processes share, for how much they have used lately",
    ("verify.books", "id"): "tells accounts apart while one event is looked at; their order is not gone through",
}

_MODULES = {"random", "secrets", "uuid"}
_CALLS = {
    *(f"time.{name}" for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")),
    *(f"time.{name}" for name in ("process_time", "gmtime", "localtime", "strftime", "ctime")),
    *(f"datetime.{name}" for name in ("now", "utcnow", "today")),
    *("date.today", "os.urandom", "os.getpid", "os.times", "id", "hash"),
}
#: Functions to which the order of what they are given is nothing.
_ORDERLESS = {"sorted", "len", "set", "frozenset", "min", "max", "sum", "any", "all", "bool", "Counter", "isdisjoint"}
#: Functions that go through what they are given.
_ORDERED = {"list", "tuple", "iter", "enumerate", "zip", "map", "filter", "dict", "chain", "join", "extend", "fromkeys"}


class _Finder(ast.NodeVisitor):
    def __init__(self, sets: set[str]) -> None:
        self.found: list[tuple[int, str]] = []
        self._sets = sets
        self._names: dict[str, str] = {}

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._names[alias.asname or alias.name] = alias.name
            if alias.name.partition(".")[0] in _MODULES:
                self._find(node, alias.name.partition(".")[0])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if module in _MODULES:
            self._find(node, module)
        for alias in node.names:
            self._names[alias.asname or alias.name] = alias.name if module == "datetime" else f"{module}.{alias.name}"

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.value, ast.Name):
            self._use(node, f"{self._names.get(node.value.id, node.value.id)}.{node.attr}")
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._use(node, self._names.get(node.id, node.id))

    def visit_For(self, node: ast.For) -> None:
        self._go_through(node.iter)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self._go_through(node.iter)
        self.generic_visit(node)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        # What comes out has no order either, so that of what goes in is nothing to it.
        for generator in node.generators:
            self.visit(generator.iter)
        self.visit(node.elt)

    def visit_Starred(self, node: ast.Starred) -> None:
        self._go_through(node.value)
        self.generic_visit(node)

    def visit_Set(self, node: ast.Set) -> None:
        for item in node.elts:
            self.visit(item.value if isinstance(item, ast.Starred) else item)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if name in _ORDERED:
            for argument in node.args:
                self._go_through(argument)
        if name in _ORDERLESS:
            self.visit(function)
            for argument in node.args:
                if isinstance(argument, ast.GeneratorExp | ast.ListComp):
                    for generator in argument.generators:
                        self.visit(generator.iter)
                    self.visit(argument.elt)
                else:
                    self.visit(argument.value if isinstance(argument, ast.Starred) else argument)
            for keyword in node.keywords:
                self.visit(keyword.value)
            return
        self.generic_visit(node)

    def _use(self, node: ast.AST, name: str) -> None:
        if name in _CALLS:
            self._find(node, name)

    def _go_through(self, node: ast.expr) -> None:
        if _is_set(node, self._sets):
            self._find(node, "order of a set")

    def _find(self, node: ast.AST, what: str) -> None:
        self.found.append((node.lineno, what))  # type: ignore[attr-defined]


def _is_set(node: ast.expr | None, sets: set[str]) -> bool:
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.Call(func=ast.Attribute(attr="union" | "intersection" | "difference" | "symmetric_difference")):
            return True
        case ast.BinOp(op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor(), left=left, right=right):
            return any(_is_set(one, sets) or _is_keys(one) for one in (left, right))
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in sets
        case _:
            return False


def _is_keys(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "keys"


def _set_names(tree: ast.Module) -> set[str]:
    """Return the names, of variables and attributes, that hold a set somewhere in the module."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(target=target, annotation=annotation):
                if _means_set(annotation):
                    names.add(getattr(target, "id", getattr(target, "attr", "")))
            case ast.arg(arg=name, annotation=annotation) if annotation is not None and _means_set(annotation):
                names.add(name)
            case ast.Assign(targets=targets, value=value) if _is_set(value, set()):
                names |= {getattr(target, "id", getattr(target, "attr", "")) for target in targets}
    return names - {""}


def _means_set(annotation: ast.expr) -> bool:
    match annotation:
        case ast.Subscript(value=ast.Name(id="set" | "frozenset" | "AbstractSet" | "Set")):
            return True
        case ast.BinOp(left=left, right=right):
            return _means_set(left) or _means_set(right)
        case _:
            return False


def sources(code: str) -> list[tuple[int, str]]:
    """Return the lines at which code looks at something that another run may see otherwise, and at what."""
    tree = ast.parse(code)
    finder = _Finder(_set_names(tree))
    finder.visit(tree)
    return finder.found


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(ROOT.rglob("*.py")):
        yield ".".join(path.relative_to(ROOT).with_suffix("").parts), path


def test_only_who_may_looks_at_clocks_chance_addresses_and_sets() -> None:
    found = {(name, line, what) for name, path in modules() for line, what in sources(path.read_text())}
    stray = sorted(f"{name}:{line}: {what}" for name, line, what in found if (name, what) not in ALLOWED)

    assert not stray, "\n".join(stray)


def test_nobody_is_allowed_what_is_not_needed() -> None:
    used = {(name, what) for name, path in modules() for _, what in sources(path.read_text())}

    assert ALLOWED.keys() <= used


@pytest.mark.parametrize(
    "code",
    [
        "import time\ntime.time()",
        "import time as wall\nwall.time_ns()",
        "from time import monotonic\nmonotonic()",
        "from datetime import datetime\ndatetime.now()",
        "import random",
        "from random import Random",
        "import os\nos.urandom(4)",
        "{id(x): 1}",
        "sorted(xs, key=hash)",
        "for x in {1, 2}: pass",
        "[x for x in set(xs)]",
        "list(a.keys() & b.keys())",
        "seen: set[int] = f()\nfor x in seen: pass",
        "self.seen = set()\ndef f(): return [*self.seen]",
        "def f(names: frozenset[str]): return ','.join(names)",
        "tuple(x for x in {1, 2})",
        "{x: 1 for x in set(y)}",
    ],
)
def test_each_source_is_found(code: str) -> None:
    assert sources(code)


@pytest.mark.parametrize(
    "code",
    [
        "sorted({1, 2})",
        "max(x for x in {1, 2})",
        "{x + 1 for x in set(y)}",
        "{*a, *set(b)}",
        "x in {1, 2}",
        "any(one for one in set(y))",
        "sorted(x for x in set(y) - {1})",
        "for key in table.keys(): pass",
        "event.time",
    ],
)
def test_what_depends_on_none_is_left_alone(code: str) -> None:
    assert not sources(code)
