"""The page of a report: its chapters, its style, its charts, all in one file that asks for nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any

from trioarb.report.block import Chapter
from trioarb.report.html.blocks import Sides, block_of
from trioarb.report.html.markup import Markup, data, element, trusted

__all__ = ["page_of"]

#: Drawn by uPlot, which the dashboard's page uses too.
_UPLOT = "dashboard", "static"


def page_of(titles: Sequence[str], chapters: Sequence[Sequence[Chapter]]) -> str:
    """Return the page of one campaign, or of two beside each other; ``titles`` say which.

    Its policy lets a browser run our own scripts only, by their hashes, and load nothing.
    """
    styles = [_file(*_UPLOT, "uPlot.min.css"), _file("report", "html", "report.css")]
    scripts = [_file(*_UPLOT, "uPlot.iife.min.js"), _file("report", "html", "report.js")]
    sides = titles if len(titles) > 1 else ()
    charts: dict[str, Any] = {}
    sections = list(_sections(chapters, sides, charts))
    title = f"trioarb report: {' and '.join(titles)}"
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(map(_hash, scripts))}",
            f"style-src {' '.join(map(_hash, styles))}",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    head = element(
        "head",
        trusted('<meta charset="utf-8">'),
        trusted(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        trusted('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        trusted('<meta name="color-scheme" content="light dark">'),
        trusted('<meta name="referrer" content="no-referrer">'),
        element("title", title),
        [element("style", trusted(style)) for style in styles],
    )
    body = element(
        "body",
        element("header", element("p", title), _contents(chapters)),
        element("main", sections),
        element("noscript", element("p", "Charts over time need JavaScript; all other figures are here.")),
        data("charts", charts),
        [element("script", trusted(script)) for script in scripts],
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _contents(chapters: Sequence[Sequence[Chapter]]) -> Markup:
    names = _names(chapters)
    return element(
        "nav", [element("a", title, href=f"#{name}") for name, title in names.items()], aria_label="Chapters"
    )


def _sections(chapters: Sequence[Sequence[Chapter]], sides: Sides, charts: dict[str, Any]) -> Iterator[Markup]:
    of_side = [{chapter.name: chapter for chapter in side} for side in chapters]
    for name in _names(chapters):
        found = [side.get(name) for side in of_side]
        yield element("section", _heading(found, sides), _blocks(found, sides, charts), id=name, class_="chapter")


def _heading(found: Sequence[Chapter | None], sides: Sides) -> Markup:
    titles = list(dict.fromkeys(chapter.title for chapter in found if chapter is not None))
    level = "h1" if _is_first(found) else "h2"
    if len(titles) == 1:
        return element(level, titles[0])
    named = [f"{side}: {chapter.title}" for side, chapter in zip(sides, found, strict=True) if chapter is not None]
    return element(level, " · ".join(named))


def _is_first(found: Sequence[Chapter | None]) -> bool:
    """Whether it is the verdict, whose heading is that of the page."""
    return any(chapter is not None and chapter.name == "verdict" for chapter in found)


def _blocks(found: Sequence[Chapter | None], sides: Sides, charts: dict[str, Any]) -> Iterator[Markup]:
    for side, chapter in enumerate(found):
        for note in () if chapter is None else chapter.notes:
            yield element("p", f"{sides[side]}: {note}" if sides else note)
    chapter_title = next(chapter.title for chapter in found if chapter is not None)
    blocks = [{} if chapter is None else {block.name: block for block in chapter.blocks} for chapter in found]
    for name in dict.fromkeys(name for side in blocks for name in side):
        level = 2 if _is_first(found) else 3
        yield block_of([side.get(name) for side in blocks], sides, charts, chapter=chapter_title, level=level)


def _names(chapters: Sequence[Sequence[Chapter]]) -> dict[str, str]:
    """Return the names of chapters and their titles, in the order of the side that has more of them."""
    names: dict[str, str] = {}
    for side in sorted(chapters, key=len, reverse=True):
        for chapter in side:
            names.setdefault(chapter.name, "Verdict" if chapter.name == "verdict" else chapter.title)
    return names


def _file(*path: str) -> str:
    return files("trioarb").joinpath(*path).read_text("utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
