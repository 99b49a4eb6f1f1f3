"""Commands that the documentation shows are commands of trioarb, with options that they have."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import cyclopts
import pytest
from markdown_links import repository_pages
from reference_cli import cli_page

from trioarb.cli.installed import add_installed
from trioarb.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = {path: text for path, text in repository_pages(ROOT).items() if path != "CHANGELOG.md"}

add_installed(app, (), ())


def typed(page: str) -> Iterator[tuple[int, list[str]]]:
    """Yield line and arguments of each command of trioarb in a page's blocks of code, as a shell would cut them."""
    fenced, language, begun = False, "", ""
    for number, line in enumerate(page.splitlines(), 1):
        if fence := re.match(r"\s*```(\w*)", line):
            fenced, language = not fenced, fence[1]
        elif fenced and language in ("", "sh", "bash", "console"):
            command = begun + re.sub(r"^\s*(\$ )?(\.venv/bin/)?", "", line)
            begun = command[:-1] if command.endswith("\\") else ""
            if command.startswith("trioarb ") and not begun:
                yield number, arguments(command)


def arguments(command: str) -> list[str]:
    cut = shlex.shlex(command, posix=True, punctuation_chars=True)
    cut.whitespace_split = True
    found: list[str] = []
    for word in cut:
        if set(word) <= set("();<>|&"):
            return found[1:-1] if found[-1].isdigit() else found[1:]  # a digit before > is a stream's
        found.append(word)
    return found[1:]


def mentioned(page: str) -> Iterator[tuple[int, list[str]]]:
    """Yield line and words of each command of trioarb that stands as code in a page's text."""
    fenced = False
    for number, line in enumerate(page.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield from ((number, code.split()[1:]) for code in re.findall(r"(?<!`)`(trioarb [^`]*)`(?!`)", line))


def wrong(words: list[str]) -> str:
    """Return why that can't be typed; '': it can, if what it names is there."""
    if any(word.startswith(("…", "[", "COMMAND")) for word in words):
        return ", ".join(unknown([word.strip("[]") for word in words]))
    try:
        app.parse_args(words, exit_on_error=False, print_error=False)
    except cyclopts.CycloptsError as error:
        return str(error).strip()
    return ""


@cache
def _page() -> str:
    return cli_page()


def unknown(words: list[str]) -> list[str]:
    """Return what of a command that isn't written out is no command, or no option of it."""
    command, path = app, ["trioarb"]
    for word in words:
        if word not in command:
            break
        command, path = command[word], [*path, word]
    if len(path) == 1 and words and words[0].islower() and words[0].isalpha():
        return [words[0]]
    text = _page()
    section = text.partition(f" {' '.join(path)}\n")[2].partition("\n#")[0] if len(path) > 1 else "--help --version"
    options = {word.partition("=")[0] for word in words if word.startswith("--") and word not in path}
    return sorted(
        option for option in options - {"--help"} if not re.search(rf"`[^`]*{option}(?![\w-])[^`]*`", section)
    )


@pytest.mark.parametrize("path", [path for path, text in PAGES.items() if list(typed(text))])
def test_commands_in_blocks_can_be_typed(path: str) -> None:
    found = [
        f"line {line}: trioarb {shlex.join(words)}: {wrong(words)}"
        for line, words in typed(PAGES[path])
        if wrong(words)
    ]
    assert found == []


def test_commands_in_the_text_are_there() -> None:
    found = [
        f"{path}, line {line}: trioarb {' '.join(words)}: {', '.join(unknown(words))}"
        for path, text in PAGES.items()
        for line, words in mentioned(text)
        if unknown(words)
    ]
    assert found == []


def test_what_can_not_be_typed_is_named() -> None:
    page = "```sh\ntrioarb run my.toml --speed 3 | less\ntrioarb walk\ntrioarb verify \\\n  a.journal 2>&1\n```\n"
    assert [bool(wrong(words)) for _, words in typed(page)] == [True, True, False]
    assert [words for _, words in typed(page)][2] == ["verify", "a.journal"]
    text = "`trioarb walk`, `trioarb run --speed`, `trioarb data check`, `trioarb run --set`, `trioarb data --clear`"
    assert [unknown(words) for _, words in mentioned(text)] == [["walk"], ["--speed"], [], [], ["--clear"]]
