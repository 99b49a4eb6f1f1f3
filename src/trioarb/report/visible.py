"""Texts from outside, such that a terminal shows them and obeys none of them."""

from __future__ import annotations

import re
import sys
from typing import TextIO

__all__ = ["escaped", "in_line", "say", "visible"]

#: Control characters but the end of a line, what turns the direction of writing, and halves of surrogate pairs.
_UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """Return the text with a picture, or the number, of each character that would do something else than be shown."""
    return text if text.isascii() and text.isprintable() else _UNSAFE.sub(_shown, text)


def in_line(text: str) -> str:
    """Return the same as one line: what stands in a list of lines must not look like another of them."""
    return visible(text).replace("\n", "\u240a")


def escaped(json_text: str) -> str:
    """Return JSON, as `json.dumps` made it, with such characters as JSON's own escapes."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", json_text)


def say(text: str = "", *, file: TextIO | None = None) -> None:
    """Print a text that holds what came from outside."""
    print(visible(text), file=sys.stdout if file is None else file)


def _shown(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code == 0x09:
        return " "
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"\\u{code:04x}"
