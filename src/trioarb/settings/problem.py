"""One thing that is wrong with a configuration."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import attrs

__all__ = ["Problem", "did_you_mean", "nearest"]


@attrs.frozen(kw_only=True)
class Problem:
    """Where (``file``, dotted ``key``), what (``value``), and what would be right.

    ``allowed`` and ``suggestion`` are values, ``remedy`` is what to do.
    """

    message: str
    file: str = ""
    key: str = ""
    value: str = ""
    allowed: str = ""
    suggestion: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.file, self.key) if part)
        line = f"{where}: {self.message}" if where else self.message
        if self.value:
            line += f": {self.value}"
        if self.allowed:
            line += f" (allowed: {self.allowed})"
        if self.suggestion:
            line += f"; did you mean {self.suggestion!r}?"
        if self.remedy:
            line += f"; {self.remedy}"
        return line


def nearest(word: str, names: Iterable[str]) -> str:
    """Return the name that ``word`` was probably meant to be, or ''."""
    folded = {name.lower(): name for name in names}
    matches = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else ""


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return the end of a message: what was probably meant, or ''."""
    name = nearest(word, names)
    return f"; did you mean {name!r}?" if name else ""
