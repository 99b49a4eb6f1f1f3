"""Links and anchors of Markdown pages: what a page leads to, and whether that is there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

__all__ = ["Link", "anchors", "links", "problems", "repository_pages", "rewritten", "slug"]

#: Pages that stand beside docs/.
_BESIDE = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "deploy/README.md")

_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
_CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
_INLINE = re.compile(r"(?P<before>\]\()(?P<target>[^()\s]*(?:\([^()\s]*\)[^()\s]*)*)(?=[\s)])")
_NAMED = re.compile(r"(?P<before>^ {0,3}\[[^\]^]+\]:\s+)(?P<target>\S+)")
_HTML = re.compile(r"(?P<before><(?:a|img|source)\b[^>]*?\s(?:href|src|srcset)=\")(?P<target>[^\"]*)(?=\")")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*\s*$")
_EXPLICIT = re.compile(r"\{[^}]*#([\w.-]+)[^}]*\}\s*$")
_OBJECT = re.compile(r"^::: ([\w.]+)")


class Link(NamedTuple):
    line: int
    target: str


def slug(heading: str) -> str:
    """Return the anchor of a heading, as code forges make it; mkdocs.yml has the site make the same."""
    shown = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", shown).strip().lower().replace(" ", "-")


def anchors(page: str) -> frozenset[str]:
    """Return what a link to the page can end in: its headings, anchors that it sets, and what `:::` documents."""
    found = set(re.findall(r"\bid=\"([^\"]+)\"", page))
    for _, line in _prose(page, keep_code=True):
        if heading := _HEADING.match(line):
            explicit = _EXPLICIT.search(heading[1])
            found.add(explicit[1] if explicit else slug(heading[1]))
        elif documented := _OBJECT.match(line):
            found.add(documented[1])
    return frozenset(found)


def links(page: str) -> Iterator[Link]:
    """Yield the links and images of a page, but for what stands in code."""
    for number, line in _prose(page):
        for pattern in (_INLINE, _NAMED, _HTML):
            yield from (Link(number, match["target"]) for match in pattern.finditer(line))


def rewritten(page: str, change: Callable[[str], str | None]) -> str:
    """Return the page with each target changed; where ``change`` returns None, with the link's text alone."""
    lines = page.split("\n")
    for number, _ in _prose(page):
        lines[number - 1] = _outside_code(lines[number - 1], lambda text: _changed(text, change))
    return "\n".join(lines)


def repository_pages(root: Path) -> dict[str, str]:
    """Return all pages that are written by hand: path from the root of the repository → text."""
    paths = [*root.glob("docs/**/*.md"), *root.glob("plugins/*/README.md"), *(root / name for name in _BESIDE)]
    return {str(PurePosixPath(path.relative_to(root))): path.read_text(encoding="utf-8") for path in sorted(paths)}


def problems(root: Path, pages: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the links of ``pages``, by path from ``root``; those of the web are only parsed."""
    known = {path: anchors(text) for path, text in pages.items()}
    found = []
    for path, text in pages.items():
        for link in links(text):
            if wrong := _wrong(root, path, link.target, known):
                found.append(f"{path}:{link.line}: {link.target}: {wrong}")
    return found


def _wrong(root: Path, path: str, target: str, known: Mapping[str, frozenset[str]]) -> str:
    """Return why a link leads nowhere; '': it doesn't."""
    parts = urlsplit(target)
    if parts.scheme == "mailto":
        return "" if "@" in parts.path else "no address"
    if parts.scheme or target.startswith("//"):
        ok = parts.scheme in ("http", "https") and re.fullmatch(r"[\w.-]+(:\d+)?", parts.netloc)
        return "" if ok else "no address of the web"
    if target.startswith("/"):
        return "starts at the root of a server; write it relative to the page"
    place = unquote(parts.path)
    page = normpath(str(PurePosixPath(path).parent / place)) if place else path
    if page.startswith(".."):
        return "is outside of the repository"
    if page not in known:
        there = root / page
        if there.is_dir() and f"{page}/README.md" in known:
            page = f"{page}/README.md"
        elif there.is_dir() and page.startswith("docs"):
            return "is a folder without a README.md"
        elif not there.exists():
            return "is not there"
        else:
            return "has no anchors" if parts.fragment else ""
    anchor = unquote(parts.fragment)
    return "" if not anchor or _has(known[page], anchor) else f"{page} has no such heading"


def _has(there: frozenset[str], anchor: str) -> bool:
    """Return whether an anchor is set; a member of what is documented (`trioarb.api.Order.symbol`) counts as such."""
    return anchor in there or any(anchor.startswith(f"{name}.") for name in there if name.startswith("trioarb."))


def _changed(text: str, change: Callable[[str], str | None]) -> str:
    def replaced(match: re.Match[str]) -> str:
        target = change(match["target"])
        return match[0] if target is None else match["before"] + target

    for pattern in (_INLINE, _NAMED, _HTML):
        text = pattern.sub(replaced, text)
    return re.sub(
        r"(?<!!)\[([^\[\]]*)\]\(([^()\s]*)\)", lambda match: match[1] if change(match[2]) is None else match[0], text
    )


def _outside_code(line: str, change: Callable[[str], str]) -> str:
    """Return the line changed, its code but left as it is. Links whose text is code are changed, too."""
    kept: list[str] = []

    def hide(match: re.Match[str]) -> str:
        kept.append(match[0])
        return f"\0{len(kept) - 1}\0"

    return re.sub(r"\0(\d+)\0", lambda match: kept[int(match[1])], change(_CODE.sub(hide, line)))


def _prose(page: str, *, keep_code: bool = False) -> Iterator[tuple[int, str]]:
    """Yield number and text of the lines outside of fenced code, without code between backticks."""
    fence = ""
    for number, line in enumerate(page.splitlines(), 1):
        begins = _FENCE.match(line)
        if fence:
            if begins and begins[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif begins:
            fence = begins[1]
        else:
            yield number, line if keep_code else _CODE.sub("", line)
