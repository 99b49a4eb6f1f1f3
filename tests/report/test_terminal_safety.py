"""What comes from outside is shown in a terminal, and not obeyed by it."""

from __future__ import annotations

import io
import json

import pytest
import structlog
from rich.table import Table
from rich.text import Text

from trioarb.config.schema import LogLevel
from trioarb.report.console import LastingConsole
from trioarb.report.log import configure_logging
from trioarb.report.visible import escaped, say, visible
from trioarb.settings.redact import Redactor

NASTY = "X[/nope] [bold]y[/] :smile: \x1b[31mred\x1b[0m \x9b2J \x07 \udcff \u202eabc \r\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("BTCUSDT", "BTCUSDT"),
        ("größer → 5 €", "größer → 5 €"),
        ("two\nlines", "two\nlines"),
        ("\x1b[31mred", "␛[31mred"),
        ("bell\x07 del\x7f tab\t cr\r", "bell␇ del␡ tab  cr␍"),
        ("\x9b2J", "\\u009b2J"),
        ("\udcff", "\\udcff"),
        ("\u202eabc", "\\u202eabc"),
    ],
)
def test_each_character_that_does_something_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_json_stays_json() -> None:
    text = escaped(json.dumps({"reason": NASTY}, ensure_ascii=False, indent=2))

    assert json.loads(text) == {"reason": NASTY}
    assert text.encode()
    assert not {"\x1b", "\x9b", "\u202e"} & {*text}


def rendered(*things: object) -> str:
    """Return what comes to a terminal with colours."""
    stream = io.StringIO()
    console = LastingConsole(file=stream, force_terminal=True, width=200, color_system="standard")
    for thing in things:
        console.print(thing)
    console.say(NASTY, style="red")
    return stream.getvalue()


def test_text_on_the_console_is_only_text() -> None:
    table = Table(NASTY, title=NASTY)
    table.add_row(NASTY)
    shown = rendered(NASTY, Text(NASTY), table)

    assert shown.encode()
    assert shown.count("X[/nope] [bold]y[/] :smile: ␛[31mred␛[0m \\u009b2J") == 6
    assert "\x1b[31mred" not in shown
    assert not {"\x9b", "\x07", "\u202e", "\udcff"} & {*shown}
    assert "\x1b[" in shown, "its own colours are there"


def test_what_is_said_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    say(NASTY)

    assert capsys.readouterr().out.startswith("X[/nope] [bold]y[/] :smile: ␛[31mred␛[0m")


def test_a_line_of_the_log_is_one_line() -> None:
    stream = io.StringIO()
    configure_logging(LogLevel.INFO, LastingConsole(file=stream, width=200), None, Redactor())
    try:
        structlog.get_logger().warning("market data is down", because="502\n12:00:00 info    campaign ended")
    finally:
        structlog.reset_defaults()
    (line,) = stream.getvalue().splitlines()
    assert line.endswith("market data is down  because=502\u240a12:00:00 info    campaign ended")
