"""What is looked at in a built site: its links, its anchors, and that nothing is fetched from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from site_check import site_problems


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ('<a href="b.html#there">b</a>', ""),
        ('<a href="folder/">b</a>', ""),
        ('<img src="folder/c.png">', ""),
        ('<a href="https://example.org/x">elsewhere</a>', ""),
        ('<h1 id="here"></h1><a href="#here">here</a>', ""),
        ('<a href="c.html">c</a>', "a.html: c.html: is not there"),
        ('<a href="b.html#nowhere">b</a>', "a.html: b.html#nowhere: there is no such place on that page"),
        ('<img src="d.png">', "a.html: d.png: is not there"),
        ('<script src="//cdn.example.org/x.js"></script>', "a.html: //cdn.example.org/x.js: is fetched from elsewhere"),
        ('<link href="https://fonts.example.org/x">', "a.html: https://fonts.example.org/x: is fetched from elsewhere"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, body: str, wrong: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "index.html").write_text("")
    (tmp_path / "folder" / "c.png").write_bytes(b"")
    (tmp_path / "b.html").write_text('<h2 id="there"></h2>')
    (tmp_path / "a.html").write_text(body)
    assert site_problems(tmp_path) == ([wrong] if wrong else [])
