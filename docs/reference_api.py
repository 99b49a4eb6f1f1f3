"""The reference of what plugins import: every public name, on a page of its topic."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, NamedTuple, get_origin

from trioarb.settings.types import describe_type

__all__ = ["FACADES", "api_pages", "public_names"]

_DOCS = Path(__file__).parent

#: What plugins and their tests import from.
FACADES = ("trioarb.api", "trioarb.testing", "trioarb.testing.conformance", "trioarb.venue")


class Topic(NamedTuple):
    """A page, and which modules define what stands on it; what no other topic of the facade names is on its first."""

    page: str
    title: str
    facade: str
    modules: tuple[str, ...]
    says: str


TOPICS = (
    Topic(
        "plugins",
        "What plugins share",
        "trioarb.api",
        ("trioarb.plugin", "trioarb.errors", "trioarb.journal", "trioarb.model.event", "trioarb.time"),
        "Markers, contexts, errors, time, and what is kept. Contracts and specs are on the pages of their hooks.",
    ),
    Topic(
        "settings",
        "Settings",
        "trioarb.api",
        ("trioarb.settings",),
        "Types whose constraint a configuration is held to, and `setting`, which makes a key of a field.",
    ),
    Topic(
        "markets",
        "Markets",
        "trioarb.api",
        ("trioarb.model.market", "trioarb.model.rules", "trioarb.model.number", "trioarb.quotes"),
        "Listings, instruments and their rules, quotes, books, routes, and exact numbers.",
    ),
    Topic(
        "orders",
        "Orders and accounts",
        "trioarb.api",
        (
            "trioarb.model.order",
            "trioarb.model.account",
            "trioarb.model.contract",
            "trioarb.model.liquidation",
            "trioarb.model.seen",
            "trioarb.plugin.client_ids",
        ),
        "What is sent to a venue, what it says of it, what an account holds, and ids.",
    ),
    Topic(
        "trades",
        "Trades and alerts",
        "trioarb.api",
        ("trioarb.model.trade", "trioarb.model.alert"),
        "What is decided, held and told: opportunities, answers, positions, alerts.",
    ),
    Topic(
        "testing",
        "trioarb.testing",
        "trioarb.testing",
        (),
        "Whole campaigns in a test, scripted markets, and stand-ins for the engine.",
    ),
    Topic(
        "conformance",
        "trioarb.testing.conformance",
        "trioarb.testing.conformance",
        (),
        "The kit that judges plugins, of which [conformance](../../conformance.md) tells.",
    ),
    Topic(
        "venue",
        "trioarb.venue: connections",
        "trioarb.venue",
        (),
        "Connections that follow one another, the venue's clock. [The venue kit](../../venue-kit.md) shows all of it.",
    ),
    Topic(
        "venue-books",
        "trioarb.venue: books",
        "trioarb.venue",
        ("trioarb.venue.book", "trioarb.venue.book_rule", "trioarb.venue.resync", "trioarb.venue.number"),
        "Books from snapshots and changes.",
    ),
    Topic(
        "venue-requests",
        "trioarb.venue: requests",
        "trioarb.venue",
        tuple(f"trioarb.venue.{name}" for name in ("request", "rest", "sign", "host", "failure", "refusal", "tls")),
        "Requests over HTTP, and signatures.",
    ),
    Topic(
        "venue-limits",
        "trioarb.venue: limits",
        "trioarb.venue",
        tuple(f"trioarb.venue.{name}" for name in ("limits", "limit_rules", "window", "budget", "ledger", "runtime")),
        "Who may send now, by one budget for all that ask a venue from a machine.",
    ),
)

_OBJECT = re.compile(r"^::: (trioarb\.[\w.]+)", re.MULTILINE)


def public_names() -> Iterator[tuple[str, str]]:
    """Yield facade and name of all that is public."""
    for facade in FACADES:
        for name in import_module(facade).__all__:
            yield facade, name


def api_pages() -> dict[str, str]:
    """Return a page for each topic, and one that names everything, by their paths below docs/."""
    placed = _placed_by_hand()
    pages = {}
    for topic in TOPICS:
        names = [name for facade, name in public_names() if facade == topic.facade and f"{facade}.{name}" not in placed]
        here = [name for name in names if _topic(topic.facade, name) is topic]
        if here:
            pages[f"reference/api/{topic.page}.md"] = _page(topic, here)
            placed |= {f"{topic.facade}.{name}": f"{topic.page}.md" for name in here}
    return {"reference/api/index.md": _index(placed), **pages}


def _placed_by_hand() -> dict[str, str]:
    """Return what pages of docs/ document by themselves, with the page as the index links to it."""
    return {
        name: f"../{path.relative_to(_DOCS / 'reference').as_posix()}"
        for path in sorted(_DOCS.glob("reference/**/*.md"))
        for name in _OBJECT.findall(path.read_text(encoding="utf-8"))
    }


def _topic(facade: str, name: str) -> Topic:
    module = _module_of(facade, name)
    ours = [topic for topic in TOPICS if topic.facade == facade]
    fitting = [(len(one), topic) for topic in ours for one in topic.modules if f"{module}.".startswith(f"{one}.")]
    return max(fitting, key=lambda pair: pair[0])[1] if fitting else ours[0]


def _page(topic: Topic, names: list[str]) -> str:
    facade = import_module(topic.facade)
    values = [name for name in names if not _is_object(name, getattr(facade, name))]
    lines = [f"# {topic.title}\n", f"{topic.says}\n"]
    if values:
        lines += ["| name | what it is |", "|---|---|"]
        lines += [
            f'| <span id="{topic.facade}.{name}"></span>`{name}` | {_cell(_says(topic.facade, name))} |'
            for name in values
        ]
        lines.append("")
    return "\n".join(lines + [f"::: {topic.facade}.{name}\n" for name in names if name not in values])


def _index(placed: Mapping[str, str]) -> str:
    lines = [
        "# API\n",
        "All that a plugin and its tests import. Whatever isn't named here is internal, and may change at any time.\n",
    ]
    for facade in FACADES:
        lines += [f"## {facade}\n", "| name | what it is |", "|---|---|"]
        for name in import_module(facade).__all__:
            where = placed.get(f"{facade}.{name}", "")
            shown = f"[`{name}`]({where}#{facade}.{name})" if where else f"`{name}`"
            lines.append(f"| {shown} | {_cell(_says(facade, name))} |")
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|")


def _is_object(name: str, thing: Any) -> bool:
    """Return whether it is a function or class of that name, and not a value, or another name of a type."""
    return (inspect.isroutine(thing) or inspect.isclass(thing)) and thing.__name__ == name


def _says(facade: str, name: str) -> str:
    """Return in a line what a name is: the first paragraph of its docstring, or the comment above a value."""
    thing = getattr(import_module(facade), name)
    if get_origin(thing) is Annotated:
        return describe_type(thing)
    if not _is_object(name, thing) and not isinstance(thing, ModuleType):
        return _comments(import_module(_module_of(facade, name))).get(name, "")
    # A class without a docstring has that of its base, which is another class's.
    doc = vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__
    return " ".join(inspect.cleandoc(doc or "").partition("\n\n")[0].split())


@cache
def _comments(module: ModuleType) -> Mapping[str, str]:
    """Return what stands above the values of a module, in comments that begin with ``#:``."""
    found: dict[str, str] = {}
    above: list[str] = []
    for line in inspect.getsource(module).splitlines():
        if line.startswith("#: "):
            above.append(line.removeprefix("#: "))
        elif above and line.startswith("# "):
            above.append(line.removeprefix("# "))
        else:
            if above and (named := re.match(r"(\w+)\b.*?=", line)):
                found[named[1]] = " ".join(above)
            above = []
    return found


def _module_of(facade: str, name: str) -> str:
    """Return the module that defines a name, through those that only pass it on."""
    module = _imported(facade).get(name)
    return facade if module is None else _module_of(module, name)


@cache
def _imported(module: str) -> Mapping[str, str]:
    tree = ast.parse(inspect.getsource(import_module(module)))
    return {
        one.asname or one.name: f"{node.module}.{one.name}" if _is_module(node.module, one.name) else node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("trioarb")
        for one in node.names
    }


def _is_module(package: str, name: str) -> bool:
    return isinstance(getattr(import_module(package), name, None), ModuleType)
