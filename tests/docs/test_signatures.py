"""Where the documentation writes a signature of the API in its text, it is the one that there is."""

from __future__ import annotations

import ast
import inspect
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from markdown_links import repository_pages
from reference_api import public_names

ROOT = Path(__file__).parents[2]


@cache
def known() -> Mapping[str, list[inspect.Signature]]:
    """Signatures of what is public, by name: functions, classes, and methods, these also as ``Class.method``."""
    found = defaultdict[str, list[inspect.Signature]](list)
    for facade, name in public_names():
        thing = getattr(import_module(facade), name)
        if not callable(thing):
            continue
        found[name] += signatures(thing)
        for method, member in vars(thing).items() if inspect.isclass(thing) else ():
            plain = getattr(member, "__func__", member)
            if inspect.isfunction(plain) and not method.startswith("_"):
                drops_first = not isinstance(member, staticmethod)
                for signature in signatures(plain):
                    given = list(signature.parameters.values())[drops_first:]
                    found[method].append(signature.replace(parameters=given))
                    found[f"{name}.{method}"].append(found[method][-1])
        for field in getattr(thing, "__attrs_attrs__", ()):
            if str(field.type).startswith(("Callable", "collections.abc.Callable")):
                found[field.name].append(OPAQUE)  # a function in a field says nothing of its parameters' names
    return found


OPAQUE = inspect.Signature([inspect.Parameter("anything", inspect.Parameter.VAR_KEYWORD)])


def signatures(thing: Any) -> list[inspect.Signature]:
    try:
        return [inspect.signature(thing)]
    except (TypeError, ValueError):
        return []


def written(page: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, name and arguments of the calls that stand in a page's text as code."""
    fenced = False
    for number, line in enumerate(page.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            for name, arguments in re.findall(r"(?<!`)`((?:[A-Z]\w*\.)?[A-Za-z]\w*)\(([^`]*)\)`(?!`)", line):
                yield number, name, arguments


def arguments_of(text: str) -> tuple[list[str], list[str], bool] | None:
    """Return names by position, names by keyword, and whether some are left out (``…``); None: they are values."""
    items = [item.strip() for item in text.split(",")]
    partial = "…" in items
    kept = ", ".join(item.replace("=…", "=None") for item in items if item != "…")
    try:
        given = ast.parse(f"def f({kept}): ...").body[0]
    except SyntaxError:
        return None
    assert isinstance(given, ast.FunctionDef)
    plain = given.args.args[: len(given.args.args) - len(given.args.defaults)]
    named = given.args.args[len(plain) :] + given.args.kwonlyargs
    return [one.arg for one in plain], [one.arg for one in named], partial


def fits(signature: inspect.Signature, text: str) -> bool:
    given = arguments_of(text)
    if given is None or signature is OPAQUE:
        return True
    plain, named, partial = given
    parameters = signature.parameters.values()
    by_place = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    required = {one.name for one in by_place if one.default is one.empty}
    any_number = any(one.kind is one.VAR_POSITIONAL for one in parameters)
    in_order = any_number or [one.name for one in by_place][: len(plain)] == plain
    all_there = partial or required <= {*plain, *named}
    return in_order and all_there and set(named) <= set(signature.parameters)


def wrong(page: str) -> list[str]:
    found = []
    for line, name, text in written(page):
        there = known().get(name, [])
        if there and not any(fits(one, text) for one in there):
            shown = " or ".join(f"{name}{one}" for one in there)
            found.append(f"line {line}: {name}({text}) is {shown}")
    return found


@pytest.mark.parametrize("path", [path for path in repository_pages(ROOT) if path != "CHANGELOG.md"])
def test_signatures_in_the_text_are_those_of_the_code(path: str) -> None:
    assert wrong((ROOT / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("`place(order)`", True),
        ("`updates(sink, *, task_status)`", True),
        ("`Exchange.orders(symbols, since_ns)`", True),
        ("`entry(route, edge_bps, now_ns)`", True),
        ("`setting(…, secret=True)`", True),
        ("`place(order, now_ns)`", False),
        ("`place(orders)`", False),
        ("`orders(since_ns, symbols)`", False),
        ("`entry(route)`", False),
        ("`setting(…, hidden=True)`", False),
        ("`Quoting(venue=…, speed=…)`", False),
        ("`nothing.of_ours(x)`", True),
    ],
)
def test_a_signature_that_is_another_is_named(text: str, right: bool) -> None:
    assert (wrong(text) == []) is right
