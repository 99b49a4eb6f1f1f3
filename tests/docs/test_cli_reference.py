"""The reference of the command line."""

from __future__ import annotations

from typing import Annotated

import cyclopts
import pytest
from cyclopts import Parameter
from reference_cli import cli_page, undocumented

from trioarb.cli.main import app

pytestmark = pytest.mark.skipif(
    int(cyclopts.__version__.split(".")[0]) < 5,
    reason="earlier versions write other Markdown; the site asks for this one",
)


@pytest.fixture(scope="module")
def page() -> str:
    return cli_page()


def test_help_says_something_of_every_command_and_option() -> None:
    assert undocumented() == []


def test_a_command_or_option_of_which_help_says_nothing_is_named() -> None:
    one = cyclopts.App(name="trioarb")

    @one.command
    def said(path: Annotated[str, Parameter(help="Which.")], /, *, size: int = 1, deep: bool = False) -> None:
        """Say something."""

    @one.command
    def unsaid(*, there: Annotated[bool, Parameter(help="Whether.")] = False) -> None: ...

    assert undocumented(one) == ["trioarb said --size INT", "trioarb said --deep, --no-deep", "trioarb unsaid"]


def test_every_command_is_on_the_page(page: str) -> None:
    for name in app:
        if not name.startswith("-"):
            assert f"\n## trioarb {name}\n" in page


def test_commands_are_code_on_the_page(page: str) -> None:
    example = "trioarb survey my.toml --quotes quotes\n"
    assert f"```console\n{example}" in page
    assert not [line for line in page.splitlines() if line.startswith("    trioarb")]
