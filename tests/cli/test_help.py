"""Every command's help: examples that can be typed, and nothing that a terminal would have to be clever for."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import cyclopts
import pytest
from command import CommandLine

from trioarb.cli.installed import add_installed
from trioarb.cli.main import app

#: What is printed in 80 columns has a column of space on both sides.
_WIDTH = 78


def commands(command: cyclopts.App, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of a command, and of those below it."""
    yield path
    for name in command:
        if name not in {*command.help_flags, *command.version_flags}:
            yield from commands(command[name], (*path, name))


add_installed(app, (), ())
COMMANDS = list(commands(app))


def examples(command: tuple[str, ...]) -> list[str]:
    """The lines of code in a command's help."""
    found = app
    for name in command:
        found = found[name]
    (block,) = re.findall(r"\*\*Examples\*\*\n\n```console\n(.*?)\n```", found.help, flags=re.DOTALL)
    return str(block).splitlines()


def test_all_commands_are_looked_at() -> None:
    assert {("run",), ("data", "convert"), ("venue-sim",), ("--install-completion",)} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda path: " ".join(path) or "trioarb")
def test_every_help_has_examples_that_can_be_typed(command: tuple[str, ...]) -> None:
    lines = examples(command)

    assert lines
    for line in lines:
        assert len(line) <= _WIDTH, line
        name, *arguments = shlex.split(line.partition("|")[0], comments=True)
        assert name == "trioarb"
        assert tuple(arguments[: len(command)]) == command
        app.parse_args(arguments, exit_on_error=False, print_error=False)


def test_examples_are_shown_line_by_line(trioarb: CommandLine) -> None:
    ran = trioarb("control", "--help")

    shown = [line.strip() for line in ran.out.splitlines()]
    assert "Examples" in shown
    assert set(examples(("control",))) <= set(shown)


@pytest.mark.parametrize("variable", ["NO_COLOR=1", "TERM=dumb"])
def test_help_on_a_terminal_without_colours_has_none(
    trioarb: CommandLine, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    name, _, value = variable.partition("=")
    with trioarb.on_terminal("run", "--help", environment={name: value}) as terminal:
        assert terminal.finish() == 0

    assert "Examples" in terminal.shown
    colours = [code for codes in terminal.styles for code in codes.split(";") if 30 <= int(code or 0) <= 107]
    assert not colours
    assert name == "NO_COLOR" or not terminal.styles


@pytest.mark.parametrize(
    ("arguments", "as_if"),
    [
        (["run", "my.toml", "--log-level", "debug"], ["run", "my.toml", "--log-level", "DEBUG"]),
        (["report", "J", "--out", "o", "--format", "HTML"], ["report", "J", "--out", "o", "--format", "html"]),
        (["export", "J", "--out", "o", "--decimals", "Text"], ["export", "J", "--out", "o", "--decimals", "text"]),
        (["alerts", "LIST", "my.toml"], ["alerts", "list", "my.toml"]),
        (
            ["data", "convert", "f", "--out", "o", "--time-unit", "MS"],
            ["data", "convert", "f", "--out", "o", "--time-unit", "ms"],
        ),
    ],
    ids=lambda arguments: arguments[0],
)
def test_choices_are_taken_in_letters_of_either_case(arguments: list[str], as_if: list[str]) -> None:
    options = {"exit_on_error": False, "print_error": False}
    assert app.parse_args(arguments, **options)[1].arguments == app.parse_args(as_if, **options)[1].arguments  # type: ignore[arg-type]


def test_what_is_no_choice_is_refused_with_those_that_there_are(trioarb: CommandLine) -> None:
    ran = trioarb("run", "my.toml", "--log-level", "loud")

    assert ran.code == 2
    assert all(level in ran.error for level in ("--log-level", "loud", "DEBUG", "WARNING"))
