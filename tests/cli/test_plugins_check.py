"""`trioarb plugins check`: exit codes, JSON, and what can't be judged."""

from __future__ import annotations

import json

from command import CommandLine

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
    report = json.loads(as_json.out)
    assert [(one["id"], one["outcome"]) for one in report["cases"]] == [("GU-01", "pass"), ("GU-02", "fail")]
    assert not report["conforms"]


def test_what_can_not_be_judged_is_said_in_a_line(trioarb: CommandLine) -> None:
    (trioarb.folder / "wrong.toml").write_text('stage = "nowhere:opened"\n[setings]\nlimit = 1\n')
    (trioarb.folder / "stage.toml").write_text('stage = "nowhere:opened"\n')
    for arguments, said in (
        (["symbl"], "did you mean 'symbol'?"),
        (["exchange", "--case", "EX-99"], 'there is no such case: "EX-99"'),
        (["dummy"], "--kind: missing; 'dummy' is the name of several plugins (allowed: market data or symbol source)"),
        (["symbol", "--config", "wrong.toml"], "wrong.toml: setings: unknown key"),
        (["symbol", "--config", "none.toml"], "none.toml: no such file"),
        (["symbol", "--config", "stage.toml"], "stage.toml: stage: can't be loaded"),
    ):
        ran = trioarb("plugins", "check", *arguments)
        assert ran.code == 2, arguments
        assert any(said in line for line in ran.errors), ran.err
