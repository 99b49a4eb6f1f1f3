"""HTML in which texts from outside can be nothing but texts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from typing import Any

from trioarb.report.visible import escaped, visible

__all__ = ["Markup", "data", "element", "joined", "trusted"]


class Markup(str):
    """HTML, as opposed to text, which is escaped where it gets into some."""

    __slots__ = ()


def element(tag: str, *children: str | Iterable[Markup] | None, **attributes: str | int | bool | None) -> Markup:
    """Return an element. Text in it and its attributes' values are escaped; an attribute that is ``None`` isn't there.

    An underscore at the end of an attribute's name is left out, others become hyphens.
    """
    shown = "".join(
        f" {name.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{_text(str(value))}"')
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    return Markup(f"<{tag}{shown}>{joined(*children)}</{tag}>")


def joined(*children: str | Iterable[Markup] | None) -> Markup:
    """Return what follows on each other; what isn't HTML yet is text."""
    parts: list[str] = []
    for child in children:
        if isinstance(child, Markup):
            parts.append(child)
        elif isinstance(child, str):
            parts.append(_text(child))
        elif child is not None:
            parts += child
    return Markup("".join(parts))


def trusted(text: str) -> Markup:
    """Take a text of our own, none from outside, as HTML."""
    return Markup(text)


def data(identifier: str, value: Any) -> Markup:
    """Return an element that holds JSON for scripts, and that nothing in it can end."""
    text = escaped(json.dumps(value, separators=(",", ":"), allow_nan=False))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(f'<script type="application/json" id="{_text(identifier)}">{text}</script>')


def _text(text: str) -> str:
    return escape(visible(text), quote=True)
