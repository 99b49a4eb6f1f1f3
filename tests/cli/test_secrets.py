"""No output shows a secret: not on stdout or stderr, not in the log, the journal, the events or the summary."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from command import CommandLine, Ran
from effort import examples

#: By environment variable: characters that every encoding treats in its own way, and a text of several lines.
PLANTED = {
    "KEY": 'pl/nted+key?"q"\\&=ä',
    "PASSWORD": "hunter2hunter2",
    "MIRROR": "mirror;secret%41",
    "EUROPE": "europe's secret",
    "PIN": "-----BEGIN-----\nMIIEvQIBADANBgkq\n-----END-----",
    "NUMBER": "4815162342108",
    "OVERRIDE": "given over the file",
    "WRAPPED": "an inner venue's own",
}

CONFIG = """
[session]
clock = "virtual"
max_iterations = 20
[universe]
top_n = 2
[exchanges.a]
plugin = "leaky"
api_key = { env = "KEY" }
login = { password = { env = "PASSWORD" } }
mirrors = [{ user = "you", password = { env = "MIRROR" } }]
regions.eu = { password = { env = "EUROPE" } }
pins = [{ env = "PIN" }]
number = { env = "NUMBER" }
market = { plugin = "dummy" }
[exchanges.a.wraps]
plugin = "leaky"
api_key = { env = "WRAPPED" }
wraps = { plugin = "paper", balances = { USDT = "100000" }, inventory_usd_per_symbol = 5_000 }
[exchanges.b]
balances = { USDT = "100000" }
inventory_usd_per_symbol = 5_000
market = { plugin = "dummy" }
"""

LEAKS = (
    *("rejected", "unknown", "bug", "log", "logging", "order", "instruments", "native_id", "open", "close"),
    *("warnings", "failing warnings", "settings"),
)


def forms() -> Iterator[str]:
    for value in (*PLANTED.values(), "planted-by-default"):
        yield from (value, *value.splitlines()[1:2], quote(value), quote(value, safe=""), quote_plus(value))
        yield from (json.dumps(value)[1:-1], repr(value)[1:-1], repr(value.encode())[2:-1])
        # In the middle of what is encoded together with something else.
        yield base64.b64encode(value.encode()).decode()[:-4]
        yield base64.b64encode(f"me:{value}".encode()).decode()[4:-4]


def shown(text: str) -> list[str]:
    return [form for form in forms() if len(form) > 5 and form in text]


@pytest.fixture
def leaky(trioarb: CommandLine, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    (trioarb.folder / "leaky.toml").write_text(CONFIG)
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)
    return trioarb.install("stranger", "leaky_plugins")


def left_behind(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield every file that the commands made."""
    for path in folder.rglob("*"):
        if path.is_file() and "site" not in path.parts and path.suffix not in (".toml", ".pyc"):
            yield path.name, path.read_bytes().decode("utf-8", errors="replace")


def assert_kept(ran: Ran) -> None:
    assert not shown(ran.out)
    assert not shown(ran.err)
    for name, text in left_behind(ran.folder):
        assert not shown(text), name


@pytest.mark.parametrize(
    ("where", "leak"),
    [*(("exchanges.a", leak) for leak in LEAKS), *(("exchanges.a.wraps", leak) for leak in LEAKS[:: examples(1, 3)])],
)
def test_what_a_plugin_lets_out_is_redacted(leaky: CommandLine, leak: str, where: str) -> None:
    ran = leaky.run("leaky.toml", "--set", f"{where}.leak={leak}", "--journal=c.journal")

    assert_kept(ran)
    assert "***" in ran.err + ran.out + "".join(text for _, text in left_behind(ran.folder))


@pytest.mark.parametrize("leak", ["cut", "cut error"])
def test_a_text_that_is_cut_inside_of_a_secret_shows_nothing_of_it(leaky: CommandLine, leak: str) -> None:
    ran = leaky.run("leaky.toml", "--set", f"exchanges.a.leak={leak}", "--journal=c.journal", "--log-level=DEBUG")

    left = "".join(text for _, text in left_behind(ran.folder)) + ran.out + ran.err
    assert "xx***" in left
    assert PLANTED["KEY"][:8] not in left
    assert len(max(left.splitlines(), key=len)) < 100_000


@pytest.mark.parametrize("leak", ["rejected", "unknown", "bug", "order", "cut", "cut error"])
def test_the_course_of_a_run_keeps_none(leaky: CommandLine, leak: str) -> None:
    real = ("--set=session.clock=real", "--set=session.loop_interval_ms=0")
    ran = leaky.run("leaky.toml", "--set", f"exchanges.a.leak={leak}", *real, "--journal=c.journal", "--record=quotes")

    (course,) = ran.folder.glob("quotes/*.course")
    text = course.read_text()
    assert "***" in text
    assert not shown(text)
    assert PLANTED["KEY"][:8] not in text
    assert all(json.loads(line) for line in text.splitlines())


def test_warnings_of_other_libraries_stand_in_the_log(leaky: CommandLine) -> None:
    ran = leaky.run("leaky.toml", "--set", "exchanges.a.leak=logging", "--journal=c.journal")

    logged = [json.loads(line) for path in ran.folder.rglob("*.jsonl") for line in path.read_text().splitlines()]
    assert [line["level"] for line in logged if line.get("logger") == "http.client"][:1] == ["warning"]


def test_commands_that_look_show_none(leaky: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said of a journal needs no secret."""
    ran = leaky.run("leaky.toml", "--set", "exchanges.a.leak=rejected", "--journal=c.journal", "--log-level=DEBUG")
    assert ran.of_type("order_rejected")
    commands = [
        *(("check", "leaky.toml"), ("check", "leaky.toml", "--json"), ("symbols", "leaky.toml")),
        *(("plugins",), ("plugins", "--json"), ("explain", "c.journal"), ("explain", "c.journal", "--trade", "t1")),
        *(("events", "c.journal"), ("verify", "c.journal"), ("summary", "c.journal", "--json")),
    ]
    for command in commands:
        assert_kept(leaky(*command))
    for name in PLANTED:
        monkeypatch.delenv(name)
    assert leaky("summary", "c.journal").code == 0


def test_the_journal_keeps_references_and_resume_reads_them_again(
    leaky: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaky.run("leaky.toml", "--journal=c.journal")
    kept = b"".join(path.read_bytes() for path in leaky.folder.glob("c.journal*"))
    for name in ("KEY", "PASSWORD", "MIRROR", "EUROPE", "PIN", "NUMBER", "WRAPPED"):
        assert f'{{"env":"{name}"}}'.encode() in kept.replace(b'\\"', b'"'), name

    resumed = leaky("resume", "c.journal", "--iterations=40")
    monkeypatch.delenv("MIRROR")
    refused = leaky("resume", "c.journal", "--iterations=60")

    assert resumed.code == 0, resumed.err
    assert refused.code == 2
    assert refused.error == (
        "c.journal: exchanges.a.mirrors[0].password: its environment variable is not set: MIRROR; "
        "set MIRROR and start again"
    )


def test_a_variable_overrides_the_file_and_is_kept_as_a_reference(
    leaky: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIOARB__EXCHANGES__A__API_KEY", PLANTED["OVERRIDE"])
    monkeypatch.setenv("TRIOARB__SESSION__MAX_ITERATIONS", "5")
    ran = leaky.run("leaky.toml", "--set", "exchanges.a.leak=rejected", "--journal=c.journal")

    assert_kept(ran)
    assert "stands in the file" not in ran.err
    kept = b"".join(path.read_bytes() for path in leaky.folder.glob("c.journal*")).replace(b'\\"', b'"')
    assert b'"api_key":{"env":"TRIOARB__EXCHANGES__A__API_KEY"}' in kept
    assert b'"max_iterations":5' in kept
    assert leaky("resume", "c.journal", "--iterations=10").code in (0, 3)


def test_secrets_in_the_open_are_warned_of_and_never_kept(leaky: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    path = leaky.folder / "leaky.toml"
    path.write_text(CONFIG.replace('{ env = "PASSWORD" }', f'"{PLANTED["PASSWORD"]}"'))
    ran = leaky.run("leaky.toml", f"--set=exchanges.a.pins=['{PLANTED['OVERRIDE']}']", "--journal=c.journal")

    assert_kept(ran)
    said = " ".join(ran.err.split())
    remedy = 'write { env = "NAME" } or { keyring = "service/user" } instead'
    assert f"exchanges.a.login.password: a secret stands in the file; {remedy}" in said
    assert f"exchanges.a.pins[0]: a secret that is given by --set can be read by others; {remedy}" in said
    refused = leaky("resume", "c.journal", "--iterations=40")
    assert refused.code == 2
    assert "set TRIOARB__EXCHANGES__A__LOGIN__PASSWORD and start again" in refused.err
    monkeypatch.setenv("TRIOARB__EXCHANGES__A__LOGIN__PASSWORD", PLANTED["PASSWORD"])
    monkeypatch.setenv("TRIOARB__EXCHANGES__A__PINS__0", PLANTED["OVERRIDE"])
    assert leaky("resume", "c.journal", "--iterations=40").code == 0
