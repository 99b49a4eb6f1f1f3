"""What the site has beside the files of docs/: generated pages of the reference, and pages from elsewhere.

A hook of mkdocs, which mkdocs.yml names.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from urllib.parse import urlsplit

from generated_pages import generated_pages
from markdown_links import rewritten
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_DOCS = Path(__file__).parent
_ROOT = _DOCS.parent

#: Page of the repository → where the site has it.
_ELSEWHERE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "deploy/README.md": "deploy.md",
    **{
        f"plugins/{path.parent.name}/README.md": f"packages/{path.parent.name}.md"
        for path in _ROOT.glob("plugins/*/README.md")
    },
}
_FROM = {place: path for path, place in _ELSEWHERE.items()}


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    for place, text in generated_pages().items():
        files.append(File.generated(config, place, content=text))
    for path, place in _ELSEWHERE.items():
        if files.get_file_from_path(place) is None:
            files.append(File.generated(config, place, content=(_ROOT / path).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Have links lead to where the site has a page; what it doesn't have, such as code, is no link there."""
    place = page.file.src_uri
    by_hand = (_DOCS / place).exists()
    source = f"docs/{place}" if by_hand else _FROM.get(place, f"docs/{place}")

    def change(target: str) -> str | None:
        parts = urlsplit(target)
        if parts.scheme or not parts.path:
            return target
        there = normpath(str(PurePosixPath(source).parent / parts.path))
        if (_ROOT / there).is_dir():
            there += "/README.md"
        if there in _ELSEWHERE:
            there = _ELSEWHERE[there]
        elif there.startswith("docs/"):
            there = there.removeprefix("docs/")
        elif (_ROOT / there).exists() or there.endswith("/README.md"):
            return None
        else:
            return target
        return relpath(there, str(PurePosixPath(place).parent)) + (f"#{parts.fragment}" if parts.fragment else "")

    return rewritten(markdown, change)
