"""Take each guarantee out of the code, and see the tests fail that hold it.

    python benchmarks/taken_out.py [--list] [--only NAME ...] [--long] [--jobs N]

`removals` says for each promise of docs/guarantees.md what to take out, and which tests must notice. This checkout is
not changed, and no installed package of it is used: the tests run in copies, in environments of their own. First all of
them must pass as the code is; then, once for each removal, every one that it names must fail, by an assertion, or
because what it waits for does not come. A test that fails in any other way (an import, a name) has noticed nothing.
Exit code 1: a test did not notice, or a removal does not fit the code any more.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import site
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
from removals import REMOVALS, Removal

ROOT = Path(__file__).parents[1]
COPIED = (
    "src",
    "plugins",
    "tests",
    "configs",
    "docs",
    "benchmarks",
    "pyproject.toml",
    "noxfile.py",
    "conftest.py",
    "README.md",
)
NOT_COPIED = shutil.ignore_patterns("__pycache__", ".*", "*.egg-info", "node_modules")
#: What ends a test that has noticed: an assertion, pytest.fail and pytest.raises, or the end of its own patience.
NOTICES = frozenset({"AssertionError", "Failed", "TimeoutExpired", "TooSlowError"})
PATIENCE_SECONDS, LONG_PATIENCE_SECONDS = 300, 1_200
#: The end of what is promised; what follows is what isn't.
_NOT_PROMISED = "\n## What is not promised"

#: Tells how each test ended. Random tests try the same examples each time, and don't look for the smallest.
_REPORTER = """
import json, os
import pytest
from hypothesis import Phase, settings

settings.register_profile("taken-out", derandomize=True, database=None, phases=[Phase.explicit, Phase.generate])
settings.load_profile("taken-out")

def leaves(error):
    if isinstance(error, BaseExceptionGroup):
        return [leaf for one in error.exceptions for leaf in leaves(one)]
    return [error]

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    raised = [] if call.excinfo is None else leaves(call.excinfo.value)
    kinds = [[kind.__name__ for kind in type(one).__mro__] for one in raised]
    with open(os.environ["TAKEN_OUT_REPORT"], "a") as file:
        file.write(json.dumps({"id": report.nodeid, "outcome": report.outcome, "kinds": kinds}) + "\\n")
    return report
"""


class NoFit(Exception):
    """The table of removals and what it is about are no longer of one mind."""


@attrs.frozen
class Verdict:
    """What the tests said of a removal; ``problem`` is empty if each of them noticed."""

    removal: Removal
    seconds: float
    problem: str
    told: str = ""


def text_without(removal: Removal, root: Path = ROOT) -> str:
    """Return the file of a removal without the guarantee.

    Raises:
        NoFit: the text to take out does not stand there exactly once.
    """
    before = (root / removal.file).read_text(encoding="utf-8")
    if (times := before.count(removal.text)) != 1:
        raise NoFit(f"{removal.name}: its text stands {times} times in {removal.file}; it has to stand there once")
    return before.replace(removal.text, removal.instead)


def sections(root: Path = ROOT) -> Mapping[str, str]:
    """Return the sections of docs/guarantees.md that promise something, by their titles."""
    page, _, _ = (root / "docs" / "guarantees.md").read_text(encoding="utf-8").partition(_NOT_PROMISED)
    return {title: body for title, _, body in (part.partition("\n") for part in page.split("\n## ")[1:])}


def promises(root: Path = ROOT) -> Iterator[tuple[str, str]]:
    """Yield title and text of each promise: the paragraphs and list items of a section, on one line."""
    for title, body in sections(root).items():
        for part in re.split(r"\n\n|\n(?=- |\d\. )", body.strip()):
            promise = flat(re.sub(r"^(- |\d\. )", "", part))
            if not promise.startswith("Held by") and not promise.endswith(":"):
                yield title, promise


def flat(text: str) -> str:
    return " ".join(text.split())


def misfits(removals: Sequence[Removal] = REMOVALS, root: Path = ROOT) -> Iterator[str]:
    """Yield what is wrong with the table: a text or a test that is gone, a promise that has no removal."""
    for removal in removals:
        try:
            text_without(removal, root)
        except NoFit as error:
            yield str(error)
        titles = [title for title, body in sections(root).items() if removal.promise in flat(body)]
        if len(titles) != 1:
            yield f"{removal.name}: docs/guarantees.md says {len(titles)} times: {removal.promise}"
            continue
        for test in removal.tests:
            path, _, function = test.partition("::")
            code = (root / path).read_text(encoding="utf-8") if (root / path).exists() else ""
            if f"def {function.partition('[')[0]}(" not in code:
                yield f"{removal.name}: there is no {test}"
            if f"`{path}`" not in sections(root)[titles[0]]:
                yield f'{removal.name}: {path} is not what "{titles[0]}" is held by, as docs/guarantees.md has it'
    for path in sorted(set(re.findall(r"`(tests/[\w/]+\.py)`", " ".join(sections(root).values())))):
        if not (root / path).exists():
            yield f"docs/guarantees.md names {path}, which is not there"
    for title, promise in promises(root):
        if not any(removal.promise in promise for removal in removals):
            yield f'"{title}": nothing is taken out for: {promise}'
    names = [removal.name for removal in removals]
    yield from (f"{name}: two removals of this name" for name in sorted({n for n in names if names.count(n) > 1}))


@attrs.frozen
class Copy:
    """A copy of this checkout, with an environment in which its packages stand before those that are installed."""

    folder: Path
    #: The processes that run in it and in its copies, to be ended with all that they started.
    running: set[int]

    @classmethod
    def of(cls, origin: Path, folder: Path, running: set[int]) -> Copy:
        folder.mkdir()
        for name in COPIED:
            if (origin / name).is_dir():
                # What was compiled in a copy is good for copies of it: they keep the times of its files.
                shutil.copytree(origin / name, folder / name, ignore=NOT_COPIED if origin == ROOT else None)
            else:
                shutil.copy2(origin / name, folder)
        venv.create(folder / "env", symlinks=True, with_pip=False)
        (packages,) = (folder / "env" / "lib").glob("python*/site-packages")
        ours = [folder / "src", *sorted((folder / "plugins").glob("*/src"))]
        outer = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
        (packages / "taken_out.pth").write_text("\n".join([*map(str, ours), *outer]) + "\n")
        (packages / "taken_out_reporter.py").write_text(_REPORTER)
        return cls(folder, running)

    def test(
        self, tests: Sequence[str], patience: float, *, workers: int = 0
    ) -> tuple[Mapping[str, list[dict[str, Any]]], str]:
        """Run tests; return the reports of each, and what pytest said.

        Raises:
            TimeoutExpired: they took too long.
        """
        report = self.folder / "report.jsonl"
        report.unlink(missing_ok=True)
        command = [self.folder / "env" / "bin" / "python", "-m", "pytest", "-q", "--tb=short"]
        command += ["-p", "taken_out_reporter", "-p", "no:cacheprovider", "-n", str(workers), "--dist", "worksteal"]
        command += tests
        environment = {name: value for name, value in os.environ.items() if name not in ("CI", "PYTHONPATH")}
        environment |= {"TAKEN_OUT_REPORT": str(report), "TMPDIR": str(self.folder)}
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            self.running.add(process.pid)
            try:
                said, _ = process.communicate(timeout=patience)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
            finally:
                self.running.discard(process.pid)
        rows = [json.loads(line) for line in report.read_text().splitlines()] if report.exists() else []
        return {test: [row for row in rows if is_of(row["id"], test)] for test in tests}, said


def is_of(case: str, test: str) -> bool:
    """Whether the id of a case is that of a test, or of one of its parameters."""
    return case == test or case.startswith((f"{test}[", f"{test}::"))


def has_noticed(row: Mapping[str, Any]) -> bool:
    return row["outcome"] == "failed" and any(not NOTICES.isdisjoint(kind) for kind in row["kinds"])


def without_reason(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return why a test has not noticed anything; nothing if it has."""
    if any(map(has_noticed, rows)):
        return ""
    if not rows:
        return "was not run"
    raised = sorted({kind[0] for row in rows if row["outcome"] == "failed" for kind in row["kinds"]})
    return f"raised {', '.join(raised)} instead of failing" if raised else "did not notice"


def judge(removal: Removal, unchanged: Copy, folder: Path) -> Verdict:
    """Take a guarantee out of a copy, and run its tests there."""
    started = time.monotonic()
    copy = Copy.of(unchanged.folder, folder, unchanged.running)
    told, problem = "", ""
    try:
        without = text_without(removal, folder)
        if removal.file.endswith(".py"):
            compile(without, removal.file, "exec")
        (folder / removal.file).write_text(without, encoding="utf-8")
        reports, told = copy.test(removal.tests, LONG_PATIENCE_SECONDS if removal.is_long else PATIENCE_SECONDS)
        reasons = ((test, without_reason(rows)) for test, rows in reports.items())
        problem = "; ".join(f"{test} {reason}" for test, reason in reasons if reason)
    except subprocess.TimeoutExpired:
        problem = "its tests took too long to say anything"
    except SyntaxError as error:
        problem = f"what is put in its place is no Python: {error}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Verdict(removal, time.monotonic() - started, problem, told)


def failing_unchanged(unchanged: Copy, tests: Sequence[str], *, workers: int = 0) -> Iterator[str]:
    """Yield what is wrong with tests before anything is taken out, and then what pytest said of it."""
    reports, said = unchanged.test(tests, LONG_PATIENCE_SECONDS, workers=workers)
    wrong = []
    for test, rows in reports.items():
        if not rows or any(row["outcome"] == "failed" for row in rows):
            wrong.append(f"{test} {'fails' if rows else 'was not run'} though nothing is taken out")
        elif all(row["outcome"] == "skipped" for row in rows):
            wrong.append(f"{test} is skipped")
    yield from [*wrong, said] if wrong else ()


def main() -> int:
    parser = argparse.ArgumentParser(description="take each guarantee out, and see its tests fail")
    parser.add_argument("--list", action="store_true", help="list the removals, and take nothing out")
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[], help="these removals")
    parser.add_argument("--long", action="store_true", help="also those whose tests take more than a minute")
    parser.add_argument("--jobs", type=int, default=2, help="so many at a time")
    parser.add_argument("--show", action="store_true", help="show what pytest said where a test did not notice")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if unknown := set(arguments.only) - {removal.name for removal in REMOVALS}:
        parser.error(f"no such removal: {', '.join(sorted(unknown))}")
    chosen = [
        one for one in REMOVALS if (one.name in arguments.only if arguments.only else arguments.long or not one.is_long)
    ]
    if arguments.list:
        for one in chosen:
            print(f"{one.name:28} {one.promise}\n{'':28} {one.file}: {', '.join(one.tests)}")
    if wrong := list(misfits()):
        print("\n".join(wrong))
        return 1
    return 0 if arguments.list else run(chosen, jobs=arguments.jobs, show=arguments.show)


def run(chosen: Sequence[Removal], *, jobs: int, show: bool) -> int:
    """Take the chosen guarantees out, some at a time; return the exit code. Leaves no process, whatever ends it."""
    running: set[int] = set()
    with tempfile.TemporaryDirectory(prefix="taken-out-", ignore_cleanup_errors=True) as name:
        workers = ThreadPoolExecutor(jobs)
        try:
            return _run(chosen, Path(name), workers, running, jobs=jobs, show=show)
        finally:
            workers.shutdown(wait=False, cancel_futures=True)
            for process in tuple(running):
                os.killpg(process, signal.SIGKILL)
            workers.shutdown()


def _run(
    chosen: Sequence[Removal], folder: Path, workers: Executor, running: set[int], *, jobs: int, show: bool
) -> int:
    unchanged = Copy.of(ROOT, folder / "unchanged", running)
    tests = sorted({test for removal in chosen for test in removal.tests})
    if failing := list(failing_unchanged(unchanged, tests, workers=jobs)):
        print("\n".join(failing))
        return 1
    print(f"{len(tests)} tests pass as the code is", flush=True)
    failed = 0
    for verdict in workers.map(lambda one: judge(one, unchanged, folder / one.name), chosen):
        failed += bool(verdict.problem)
        what = f"NOT NOTICED: {verdict.problem}" if verdict.problem else "noticed"
        one = verdict.removal
        print(f"{one.name:28} {verdict.seconds:5.1f} s  {what}  ({one.promise})", flush=True)
        if verdict.problem and show:
            print(verdict.told)
    print(f"{len(chosen) - failed} of {len(chosen)} removals were noticed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
