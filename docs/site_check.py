"""What a built site leads to: ``python docs/site_check.py site`` names what is missing, or fetched from elsewhere."""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from os.path import normpath
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["site_problems"]

#: What makes a browser fetch something, rather than offer to go there.
_FETCHED = {("script", "src"), ("img", "src"), ("source", "src"), ("iframe", "src"), ("link", "href")}


class _Built(HTMLParser):
    """Anchors of a page, and what it leads to: tag, attribute, target."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors = {""}
        self.targets: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors.update(given[name] for name in ("id", "name") if name in given)
        self.targets += [(tag, name, given[name]) for name in ("href", "src") if name in given]


def site_problems(folder: Path) -> list[str]:
    """Return every link of a built site that leads to nothing in it, and whatever a page fetches from elsewhere."""
    folder = folder.resolve()
    pages = {path: _parsed(path) for path in sorted(folder.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        if path.name == "404.html":  # its links start at the root of whatever server has the site
            continue
        for tag, name, target in page.targets:
            if wrong := _wrong(path, tag, name, target, pages):
                found.append(f"{path.relative_to(folder)}: {target}: {wrong}")
    return found


def _wrong(path: Path, tag: str, name: str, target: str, pages: dict[Path, _Built]) -> str:
    parts = urlsplit(target)
    if parts.scheme == "data":
        return ""
    if parts.scheme or parts.netloc:
        return "is fetched from elsewhere" if (tag, name) in _FETCHED else ""
    there = Path(normpath(path.parent / unquote(parts.path))) if parts.path else path
    built = pages.get(there) or pages.get(there / "index.html")
    if built is None:
        return "" if there.is_file() else "is not there"
    return "" if unquote(parts.fragment) in built.anchors else "there is no such place on that page"


def _parsed(path: Path) -> _Built:
    built = _Built()
    built.feed(path.read_text(encoding="utf-8"))
    return built


if __name__ == "__main__":
    problems = site_problems(Path(sys.argv[1]))
    sys.exit("\n".join(problems) or 0)
