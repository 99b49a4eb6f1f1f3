"""`trioarb plugins check`: exit codes, JSON, and what can't be judged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from command import CommandLine

from trioarb.cli.main import main

BROKEN = """
from contextlib import asynccontextmanager
import attrs
from trioarb.api import GuardTier, GuardTierSpec, hookimpl, setting

@attrs.frozen(kw_only=True)
class Settings:
    answer: str = setting(doc="what it answers")
    token: str = setting("", doc="a key", secret=True)

class Broken(GuardTier):
    def __init__(self, settings):
        self.settings = settings

    def check(self, opportunity, now_ns):
        return self.settings.answer + self.settings.token

@asynccontextmanager
async def open_tier(settings, context):
    context.log.error("opened", token=settings.token)
    yield Broken(settings)

@hookimpl
def trioarb_guard_tiers():
    return [GuardTierSpec(name="half-done", doc="answers what it is told", settings=Settings, open=open_tier)]
"""


def test_a_plugin_that_conforms(trioarb: CommandLine) -> None:
    ran = trioarb("plugins", "check", "symbol")

    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[-1] == "guard tier symbol: 8 pass, 2 not offered"
    assert "it has no poll" in ran.out


def test_one_that_does_not(trioarb: CommandLine) -> None:
    trioarb = trioarb.install("half", "half_done", BROKEN)
    (trioarb.folder / "half.toml").write_text('[settings]\nanswer = "yes"\ntoken = "hush-hush"\n')
    arguments = ["plugins", "check", "half-done", "--config", "half.toml", "--case", "GU-02"]

    ran, as_json = trioarb(*arguments), trioarb(*arguments, "--json")

    assert (ran.code, as_json.code) == (1, 1)
    assert "GU-02  Answers every entry  fail" in ran.out
    assert "yes***" in ran.out
    assert "token=***" in ran.err
    assert "hush" not in ran.out + ran.err + as_json.out + as_json.err
    report = json.loads(as_json.out)
    assert [(one["id"], one["outcome"]) for one in report["cases"]] == [("GU-01", "pass"), ("GU-02", "fail")]
    assert not report["conforms"]


@pytest.fixture
def _log_as_it_was() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("_log_as_it_was")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["symbl"], "did you mean 'symbol'?"),
        (["exchange", "--kind", "guard", "--case", "EX-99"], 'there is no such case: "EX-99"'),
        (["dummy"], "--kind: missing; 'dummy' is the name of several plugins (allowed: market data or symbol source)"),
        (["symbol", "--config", "wrong.toml"], "wrong.toml: setings: unknown key"),
        (["symbol", "--config", "none.toml"], "none.toml: no such file"),
        (["symbol", "--config", "stage.toml"], "stage.toml: stage: can't be loaded"),
    ],
)
def test_what_can_not_be_judged_is_said_in_a_line(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "wrong.toml").write_text("[setings]\nlimit = 1\n")
    (tmp_path / "stage.toml").write_text('stage = "nowhere:opened"\n')
    monkeypatch.chdir(tmp_path)

    code = main(["plugins", "check", *arguments])

    out, err = capsys.readouterr()
    assert code == 2, arguments
    assert not out
    assert said in err
    assert "Traceback" not in err


def test_a_setting_that_is_missing_says_where_it_belongs(trioarb: CommandLine) -> None:
    trioarb = trioarb.install("half", "half_done", BROKEN)
    ran = trioarb("plugins", "check", "half-done")
    assert ran.code == 2
    assert "guard tier.answer: missing" in ran.err
    assert "write it into the table [settings] of a file, and name that by --config FILE" in ran.err

    (trioarb.folder / "half.toml").write_text("[settings]\n")
    ran = trioarb("plugins", "check", "half-done", "--config", "half.toml")
    assert "its place is the table [settings] of half.toml" in ran.err


def test_a_campaigns_configuration_is_told_from_a_plugins(trioarb: CommandLine) -> None:
    (trioarb.folder / "my.toml").write_text('[universe]\nsource = "dummy"\n[exchanges.a]\n')
    ran = trioarb("plugins", "check", "symbol", "--config", "my.toml")
    assert ran.code == 2
    (line,) = ran.err.splitlines()
    assert line == (
        "error: my.toml: it is a campaign's configuration; "
        "--config takes a file of its own, with the plugin's table as [settings]"
    )


def test_what_a_case_expected_fits_a_terminal(trioarb: CommandLine) -> None:
    trioarb = trioarb.install("half", "half_done", BROKEN)
    (trioarb.folder / "half.toml").write_text('[settings]\nanswer = "yes, but not today"\n')
    ran = trioarb("plugins", "check", "half-done", "--config", "half.toml", "--case", "GU-02")
    assert all(len(line) <= 80 for line in ran.out.splitlines())
    assert "\n       got      [guard tier]" in ran.out
