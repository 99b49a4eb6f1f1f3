"""How cases are run: their order, what keeps one from being tried, deadlines, and what a report says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from trioarb.api import GuardTier, GuardTierSpec, NoSettings, Opportunity, setting
from trioarb.errors import ConfigError
from trioarb.testing import plugin_of
from trioarb.testing.conformance import Case, Cases, Report, Verdict, judge, judging, kind_named, patience


@attrs.frozen(kw_only=True)
class Keyed:
    api_key: str = setting(doc="a key", secret=True)


class Plain(GuardTier):
    def check(self, opportunity: Opportunity, now_ns: int) -> None:
        return None


@asynccontextmanager
async def open_plain(settings: Any, context: Any) -> AsyncIterator[GuardTier]:
    yield Plain()


def guards(opened: Any = open_plain, settings: type[Any] = NoSettings) -> dict[str, object]:
    return {"mine": plugin_of(GuardTierSpec(name="mine", doc="", open=opened, settings=settings))}


def test_only_the_cases_that_were_asked_for_and_those_that_they_need_are_run() -> None:
    told: list[Case[Any]] = []

    report = judge(kind="guard", name="mine", plugins=guards(), cases=["GU-06"], tell=told.append)

    assert [one.case.id for one in report.outcomes] == ["GU-01", "GU-02", "GU-03", "GU-05", "GU-06"]
    assert told == [one.case for one in report.outcomes]


def test_what_needs_a_case_that_failed_is_blocked_also_at_second_hand() -> None:
    @asynccontextmanager
    async def fails(settings: Any, context: Any) -> AsyncIterator[GuardTier]:
        raise OSError("no such file")
        yield

    report = judge(kind="guard", name="mine", plugins=guards(fails))

    assert not report.conforms
    assert [one.case.id for one in report.failed] == ["GU-01"]
    assert re.search(r"OSError: no such file, at .*test_judging\.py:\d+$", report.failed[0].got)
    assert {one.verdict for one in report.outcomes[1:]} == {Verdict.BLOCKED}
    assert report.of("GU-06").why == "needs GU-03, which did not pass"


@pytest.mark.parametrize("when", ["open", "close"])
def test_a_plugin_that_hangs_is_named(when: str) -> None:
    @asynccontextmanager
    async def hangs(settings: Any, context: Any) -> AsyncIterator[GuardTier]:
        if when == "open":
            await trio.sleep_forever()
        yield Plain()
        await trio.sleep_forever()

    got = judge(kind="guard", name="mine", plugins=guards(hangs), cases=["GU-01"]).of("GU-01").got

    assert got.startswith(f"[guard tier]: plugin 'mine': {when} did not return within 10")


def test_a_plugin_that_asks_for_real_time_gets_it_and_its_secret_is_not_shown() -> None:
    clocks = []

    @asynccontextmanager
    async def fails(settings: Keyed, context: Any) -> AsyncIterator[GuardTier]:
        clocks.append(trio.lowlevel.current_clock())
        raise OSError(f"bad key {settings.api_key}")
        yield

    spec = GuardTierSpec(name="mine", doc="", open=fails, settings=Keyed, live=True)
    report = judge(kind="guard", name="mine", settings={"api_key": "hush-hush"}, plugins={"mine": plugin_of(spec)})

    assert [type(clock).__name__ for clock in clocks] == ["SystemClock"]
    assert "bad key ***" in str(report)
    assert "hush" not in str(report.to_json_object())


def test_what_can_not_be_judged_is_one_error() -> None:
    for wrong, said in (
        ({"kind": "gard"}, 'kind: there are no cases for plugins of this kind: "gard"'),
        ({"name": "main"}, "name: no guard tier plugin of this name is installed"),
        ({"cases": ["GU-99"]}, 'case: there is no such case: "GU-99"'),
        ({"settings": {"limit": 1}}, "guard tier.limit: unknown key"),
    ):
        with pytest.raises(ConfigError) as raised:
            judge(**{"kind": "guard", "name": "mine", "plugins": guards()} | wrong)  # type: ignore[arg-type]
        assert str(raised.value).startswith(said)


def test_cases_have_ids_of_their_own_and_need_what_stands_before_them() -> None:
    cases = Cases[None]()
    cases("XX-01", "One")(None)  # type: ignore[arg-type]
    for wrong in ({"case_id": "XX-01"}, {"case_id": "XX-02", "needs": ("XX-03",)}):
        with pytest.raises(ValueError, match="XX-0"):
            cases(title="Another", **wrong)  # type: ignore[arg-type]


def test_a_report_says_what_was_expected_and_got() -> None:
    case = kind_named("guard tier").cases[0]
    failed = attrs.evolve(
        judge(kind="guard", name="mine", plugins=guards(), cases=["GU-01"]).outcomes[0],
        verdict=Verdict.FAIL,
        expected="nothing left behind",
        got="2 open sockets",
    )
    report = Report(kind="guard tier", plugin="mine", outcomes=(failed,))

    assert str(report).splitlines() == [
        "guard tier mine: 1 fail",
        f"GU-01  {case.title}  fail",
        "       expected nothing left behind",
        "       got      2 open sockets",
    ]
    assert json.loads(json.dumps(report.to_json_object()))["cases"] == [
        {
            "id": "GU-01",
            "title": case.title,
            "outcome": "fail",
            "expected": "nothing left behind",
            "got": "2 open sockets",
        }
    ]


MODULE = """
from contextlib import asynccontextmanager
from trioarb.api import GuardTier, GuardTierSpec
from trioarb.testing import plugin_of

class Sound(GuardTier):
    def check(self, opportunity, now_ns):
        return None

class Broken(GuardTier):
    def check(self, opportunity, now_ns):
        return "no"

def opened(kind):
    @asynccontextmanager
    async def open_tier(settings, context):
        yield kind()
    return open_tier

plugin = plugin_of(*[GuardTierSpec(name=kind.__name__.lower(), doc="", open=opened(kind)) for kind in (Sound, Broken)])

def test_it_conforms(conformance):
    conformance(kind="guard tier", name="sound", plugins={"mine": plugin})

def test_that_one_too(conformance):
    conformance(kind="guard tier", name="broken", plugins={"mine": plugin})
"""
LOADED = """
import sys
assert not {'trio', 'attrs', 'trioarb.api', 'trioarb.testing'} & set(sys.modules)
"""
#: As an installed package has it, whatever is installed here; and nothing else that would load what is looked for.
OTHERS = ("trioarb", "pytest_trio", "trio", "anyio", "hypothesispytest", "cacheprovider")
ARGUMENTS = ("-q", "-W", "error", *(f"-pno:{name}" for name in OTHERS), "-p", "trioarb.pytest_plugin")


def test_the_fixture_fails_a_test_with_the_cases_that_failed_and_loads_nothing_before(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(LOADED)
    (tmp_path / "test_mine.py").write_text(MODULE)

    command = [sys.executable, "-m", "pytest", *ARGUMENTS]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)

    assert "1 failed, 1 passed" in ran.stdout, ran.stdout + ran.stderr
    assert "GU-02  Answers every entry" in ran.stdout
    assert "check returned 'no'; expected a Refusal" in ran.stdout


def test_a_plugin_that_cannot_be_ended_does_not_hold_up_the_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is opened so that nothing cancels it, or holds the thread, which is named."""
    monkeypatch.setattr(judging, "_HELD_SECONDS", 0.3)

    @asynccontextmanager
    async def waits(settings: Any, context: Any) -> AsyncIterator[GuardTier]:
        with trio.CancelScope(shield=True):
            await trio.sleep_forever()
        yield Plain()

    @asynccontextmanager
    async def holds(settings: Any, context: Any) -> AsyncIterator[GuardTier]:
        time.sleep(2)  # noqa: ASYNC251  what it is about
        yield Plain()

    waiting, holding = (judge(kind="guard", name="mine", plugins=guards(opened)) for opened in (waits, holds))

    assert waiting.of("GU-01").got == "something waits, and doesn't let itself be cancelled"
    assert holding.of("GU-01").got.startswith("holds holds the thread, at ")
    assert {one.verdict for one in waiting.outcomes[1:]} == {Verdict.BLOCKED}


def test_a_call_that_holds_the_thread_fails_though_its_answer_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_MOST_HELD_SECONDS", 0.2)

    class Slow(Plain):
        def check(self, opportunity: Opportunity, now_ns: int) -> None:
            if not held:
                held.append(True)
                time.sleep(0.6)  # what it is about

    @asynccontextmanager
    async def opened(settings: Any, context: Any) -> AsyncIterator[GuardTier]:
        yield Slow()

    held = list[bool]()
    report = judge(kind="guard", name="mine", plugins=guards(opened), cases=["GU-02"])

    assert report.of("GU-01").verdict is Verdict.PASS
    assert report.of("GU-02").verdict is Verdict.FAIL
    assert report.of("GU-02").got.startswith("check holds the thread, at ")
