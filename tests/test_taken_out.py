"""What is taken out for each guarantee fits the code and the page that promises it; the tool is not easily content."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def taken_out(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import taken_out

    return taken_out


def test_each_promise_has_a_removal_that_fits_the_code_and_tests_that_hold_it() -> None:
    command = [sys.executable, BENCHMARKS / "taken_out.py", "--list", "--long"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{ran.stderr}\n" + "\n".join(ran.stdout.splitlines()[-20:])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"text": "what never stood there"}, "its text stands 0 times"),
        ({"text": "\n"}, "it has to stand there once"),
        ({"promise": "what nobody promised"}, "docs/guarantees.md says 0 times: what nobody promised"),
        ({"tests": ("tests/settings/test_redact.py::test_of_old",)}, "there is no tests/settings/test_redact.py"),
        ({"tests": ("tests/test_referee.py::test_a_digit_is_noticed",)}, "tests/test_referee.py is not what"),
    ],
)
def test_what_does_not_fit_is_said(taken_out: ModuleType, changes: dict[str, Any], said: str) -> None:
    (removal,) = (one for one in taken_out.REMOVALS if one.name == "short secrets")
    others = [one for one in taken_out.REMOVALS if one != removal]
    assert list(taken_out.misfits([removal, *others])) == []
    assert said in "\n".join(taken_out.misfits([attrs.evolve(removal, **changes), *others]))


def test_a_promise_of_which_nothing_is_taken_out_is_named(taken_out: ModuleType) -> None:
    others = [one for one in taken_out.REMOVALS if one.name != "reserve on allow"]
    (said,) = taken_out.misfits(others)
    assert said.startswith('"A trade is a transaction": nothing is taken out for: **Reserve on allow.** Between')


@pytest.mark.parametrize(
    ("outcome", "kinds", "reason"),
    [
        ("failed", [["AssertionError", "Exception"]], ""),
        ("failed", [["KeyError", "Exception"], ["AssertionError", "Exception"]], ""),
        ("failed", [["ModuleNotFoundError", "ImportError"]], "raised ModuleNotFoundError instead of failing"),
        ("passed", [], "did not notice"),
    ],
)
def test_only_an_assertion_has_noticed(taken_out: ModuleType, outcome: str, kinds: Any, reason: str) -> None:
    assert taken_out.without_reason([{"outcome": outcome, "kinds": kinds}]) == reason
    assert taken_out.without_reason([]) == "was not run"


@pytest.mark.long
@pytest.mark.parametrize(
    ("instead", "problem"),
    [
        ("_SHORTEST = 1", ""),
        ("_SHORTEST = 4 ", "did not notice"),
        ("import no_such_module", "was not run"),
        ("def", "what is put in its place is no Python"),
    ],
)
def test_a_removal_is_judged(taken_out: ModuleType, tmp_path: Path, instead: str, problem: str) -> None:
    (removal,) = (one for one in taken_out.REMOVALS if one.name == "short secrets")
    unchanged = taken_out.Copy.of(taken_out.ROOT, tmp_path / "unchanged", set())
    assert list(taken_out.failing_unchanged(unchanged, removal.tests)) == []
    found = taken_out.judge(attrs.evolve(removal, instead=instead), unchanged, tmp_path / "changed").problem
    assert problem in found
    assert bool(found) == bool(problem)
