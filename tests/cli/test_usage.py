"""Help, version, and command lines that make no sense."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
from command import SPREAD, CommandLine, Ran, ahead


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_version(trioarb: CommandLine, flag: str) -> None:
    ran = trioarb(flag)

    assert ran.code == 0
    assert ran.out[0].isdigit()
    assert ran.err == ""


def test_help_names_commands_flags_and_exit_codes(trioarb: CommandLine) -> None:
    ran = trioarb("--help")

    assert ran.code == 0
    for command in ("run", "check", "symbols", "plugins", "init"):
        assert command in ran.out
    assert "Exit codes: 0 ended as planned" in ran.out


def test_help_of_run_names_its_flags(trioarb: CommandLine) -> None:
    ran = trioarb("run", "--help")

    assert ran.code == 0
    for flag in ("--set", "--iterations", "--runtime", "--log-level", "--events", "--summary", "--log-dir"):
        assert flag in ran.out


CASES = {
    "unknown command": (["walk"], '"walk"'),
    "unknown flag": (["run", str(SPREAD), "--bogus"], "--bogus"),
    "no configuration": (["run"], "config"),
    "no number": (["run", str(SPREAD), "--iterations=many"], "--iterations"),
    "a negative runtime": (["run", str(SPREAD), "--runtime=-1"], "--runtime: session.max_runtime_seconds"),
    "an override without a value": (["run", str(SPREAD), "--set", "session.clock"], "session.clock"),
}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Ran]]:
    def run(arguments: Sequence[str]) -> Ran:
        return CommandLine(folder=tmp_path_factory.mktemp("usage"))(*arguments)

    with ahead(run, {name: arguments for name, (arguments, _) in CASES.items()}) as outcome:
        yield outcome


@pytest.mark.parametrize("name", CASES)
def test_what_makes_no_sense_is_said_on_stderr(outcome: Callable[[str], Ran], name: str) -> None:
    ran = outcome(name)

    assert ran.code == 2
    assert CASES[name][1] in ran.error.lower()
    assert ran.out == ""
    assert not list(ran.folder.iterdir())
