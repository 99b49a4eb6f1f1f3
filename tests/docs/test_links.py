"""Links of the documentation: those of files and headings lead somewhere, those of the web can be addresses."""

from __future__ import annotations

from pathlib import Path

import pytest
from generated_pages import generated_pages
from markdown_links import Link, anchors, links, problems, repository_pages, rewritten, slug

ROOT = Path(__file__).parents[2]


def test_every_link_leads_somewhere() -> None:
    pages = repository_pages(ROOT) | {f"docs/{path}": text for path, text in generated_pages().items()}
    assert problems(ROOT, pages) == []


def test_every_page_has_its_place_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    pages = [path.removeprefix("docs/") for path in repository_pages(ROOT) if path.startswith("docs/")]
    missing = [page for page in (*pages, *generated_pages()) if not navigation.count(f" {page}\n")]
    assert missing == [], "name them in mkdocs.yml"


@pytest.mark.parametrize(
    ("target", "wrong"),
    [
        ("b.md", ""),
        ("b.md#market-data-tape-or-feed", ""),
        ("b.md#set-by-hand", ""),
        ("api.md#trioarb.api.Order.symbol", ""),
        ("#here", ""),
        ("https://example.org/a", ""),
        ("folder", ""),
        ("c.md", "is not there"),
        ("b.md#elsewhere", "docs/b.md has no such heading"),
        ("api.md#trioarb.api.Orders", "docs/api.md has no such heading"),
        ("#there", "docs/a.md has no such heading"),
        ("/b.md", "starts at the root of a server; write it relative to the page"),
        ("../../b.md", "is outside of the repository"),
        ("htps://example.org", "no address of the web"),
        ("https://", "no address of the web"),
        ("empty", "is a folder without a README.md"),
    ],
)
def test_a_link_that_leads_nowhere_is_named(tmp_path: Path, target: str, wrong: str) -> None:
    for folder in ("docs/folder", "docs/empty"):
        (tmp_path / folder).mkdir(parents=True)
    pages = {
        "docs/a.md": f"# Here\n\n[text]({target})\n",
        "docs/b.md": "## Market data: `Tape` or `Feed`\n\n### By hand { #set-by-hand }\n",
        "docs/api.md": "::: trioarb.api.Order\n",
        "docs/folder/README.md": "",
    }
    found = problems(tmp_path, pages)
    assert found == ([f"docs/a.md:3: {target}: {wrong}"] if wrong else [])


def test_links_are_those_that_a_reader_sees() -> None:
    page = (
        '[a](a.md) and ![b](b.png "title"), not `[c](c.md)`\n```\n[d](d.md)\n```\n'
        '<img src="e.png"> [`f`](f.md) [![g](g.png)](h.md)\n\n[i]: i.md\n'
    )
    assert [link.target for link in links(page)] == ["a.md", "b.png", "f.md", "g.png", "h.md", "e.png", "i.md"]
    assert next(links(page)) == Link(1, "a.md")


def test_headings_in_code_are_no_anchors() -> None:
    assert anchors("# One\n```sh\n# Two\n```\n## One: [two](three.md)\n") == {"one", "one-two"}
    assert slug("`[exchanges.NAME]`, and what's_there") == "exchangesname-and-whats_there"


def test_targets_are_changed_where_they_are_links() -> None:
    def change(target: str) -> str | None:
        return None if target == "code.py" else f"up/{target}"

    page = "[a](a.md), [`b`](code.py), `[c](c.md)`\n```\n[d](d.md)\n```"
    assert rewritten(page, change) == "[a](up/a.md), `b`, `[c](c.md)`\n```\n[d](d.md)\n```"
