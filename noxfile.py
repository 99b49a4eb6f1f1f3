"""Sessions: tests, lint, types; and bench, swarm, docs, lowest."""

import re
import tomllib
from pathlib import Path

import nox

nox.options.sessions = ["tests", "lint", "types"]
nox.options.reuse_existing_virtualenvs = True

PROJECT = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
EXAMPLE = "plugins/trioarb-example"
FAULTS = "plugins/trioarb-faults"


def group(name: str) -> list[str]:
    """Return the requirements of one dependency group."""
    return list(PROJECT["dependency-groups"][name])


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, those of the packages in plugins/ included."""
    session.install("-e", ".", "-e", EXAMPLE, "-e", FAULTS, *group("test"))
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types, strictly."""
    session.install("-e", ".", "-e", EXAMPLE, "-e", FAULTS, *group("types"))
    session.run("mypy")
    session.run("mypy", "--strict", f"{EXAMPLE}/src")
    session.run("mypy", "--strict", f"{FAULTS}/src")


@nox.session
def lowest(session: nox.Session) -> None:
    """Run the tests with the lowest versions that pyproject.toml allows."""
    requirements = [re.sub(r">=", "==", line) for line in PROJECT["project"]["dependencies"]]
    session.install("-e", ".", "-e", EXAMPLE, "-e", FAULTS, *requirements, *group("test"))
    session.run("pytest", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure, and print what was measured; or one benchmark alone: nox -s bench -- quotes [its options]."""
    session.install(".", FAULTS, *group("test"))
    everything = (
        "campaign",
        "startup",
        "shutdown",
        "journal",
        "every_step",
        "kill_rounds",
        "quotes",
        "scale",
        "replay",
        "peers",
    )
    chosen = [session.posargs] if session.posargs else [[name] for name in everything]
    for name, *options in chosen:
        session.run("python", f"benchmarks/{name}.py", *options)


@nox.session
def swarm(session: nox.Session) -> None:
    """Run random campaigns and verify each: nox -s swarm -- --seeds N [--from S]."""
    session.install(".", FAULTS)
    session.run("python", "benchmarks/swarm.py", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Write the generated part of the documentation."""
    session.install("-e", ".", "-e", FAULTS)
    page = session.run("python", "-m", "trioarb.config.reference", silent=True)
    Path("docs/configuration.md").write_text(str(page), encoding="utf-8")
