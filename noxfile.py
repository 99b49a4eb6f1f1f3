"""Sessions: tests, lint, types; and bench, swarm, foreign, taken-out, docs, ten-minutes, lowest, release, changelog."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import nox

nox.options.sessions = ["tests", "lint", "types"]
nox.options.reuse_existing_virtualenvs = True

PROJECT = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
#: Packages of their own beside the engine, as options of ``pip install``.
PLUGINS = [part for path in sorted(Path("plugins").glob("trioarb-*")) for part in ("-e", str(path))]

#: What plugins and their tests import from.
FACADES = ("trioarb.api", "trioarb.testing", "trioarb.testing.conformance", "trioarb.venue")

#: Two workers, who take over what the other has not begun.
WORKERS = ("-n", "2", "--dist", "worksteal")


def group(name: str) -> list[str]:
    """Return the requirements of one dependency group."""
    return list(PROJECT["dependency-groups"][name])


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, those of the plugin packages included: nox -s tests -- [-m quick] [--long] [-n 0] [pytest's]."""
    session.install("-e", ".[venue]", *PLUGINS, *group("test"))
    session.run("pytest", *WORKERS, *session.posargs)


def new_packages(session: nox.Session) -> Iterator[None]:
    """Write a package for a plugin of each kind, as `trioarb plugins new` does, and go there, one after the other."""
    with TemporaryDirectory() as folder:  # ruff passes over what is in .nox
        for kind in ("exchange", "source", "market", "guard", "strategy", "alert"):
            package = f"{folder}/{kind}"
            session.run("trioarb", "plugins", "new", kind, f"new-{kind}", "--out", package, silent=True)
            with session.chdir(package):
                yield


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting, those of new packages for plugins included."""
    session.install(".", *group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    for _ in new_packages(session):
        session.run("ruff", "check", ".")
        session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types, those of new packages for plugins included; what plugins import is typed completely."""
    session.install("-e", ".[venue,dashboard]", *PLUGINS, *group("types"), "pytest>=8.0")
    session.run("mypy")
    for path in sorted(Path("plugins").glob("trioarb-*/src")):
        session.run("mypy", "--strict", str(path))
    for _ in new_packages(session):
        session.run("mypy", env={"MYPYPATH": "src"})
    for facade in FACADES:
        session.run("pyright", "--verifytypes", facade, "--ignoreexternal")


@nox.session
def lowest(session: nox.Session) -> None:
    """Run the tests with the lowest versions that pyproject.toml allows."""
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *extras["recorded"], *extras["venue"]]
    requirements = [re.sub(r">=", "==", line) for line in needed]
    session.install("-e", ".[venue]", *PLUGINS, *requirements, *group("test"))
    session.run("pytest", *WORKERS, *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure, and print what was measured; or one benchmark alone: nox -s bench -- quotes [its options]."""
    session.install(".", *PLUGINS, *group("test"))
    everything = (
        "campaign",
        "day",
        "startup",
        "shutdown",
        "journal",
        "report",
        "page",
        "orders",
        "rest",
        "venues",
        "wire",
        "every_step",
        "kill_rounds",
        "quotes",
        "scale",
        "replay",
        "depth",
        "survey",
        "terminal",
        "peers",
        "alerts",
        "watching",
    )
    chosen = [session.posargs] if session.posargs else [[name] for name in everything]
    for name, *options in chosen:
        session.run("python", f"benchmarks/{name}.py", *options)


@nox.session
def swarm(session: nox.Session) -> None:
    """Run random campaigns and verify each: nox -s swarm -- --seeds N [--from S]."""
    session.install(".", *PLUGINS)
    session.run("python", "benchmarks/swarm.py", *session.posargs)


@nox.session
def live_swarm(session: nox.Session) -> None:
    """Run live campaigns on simulated venues, and audit each: nox -s live_swarm -- --seeds N [--from S]."""
    session.install(".[venue]", *PLUGINS)
    session.run("python", "benchmarks/live_swarm.py", *session.posargs)


@nox.session(name="taken-out")
def taken_out(session: nox.Session) -> None:
    """Take each guarantee out, and see its tests fail: nox -s taken-out -- [--list] [--only NAME ...] [--long]."""
    session.install("-e", ".[venue]", *PLUGINS, *group("test"))
    session.run("python", "benchmarks/taken_out.py", *session.posargs)


@nox.session
def release(session: nox.Session) -> None:
    """Build what is published, twice, compare it, try it, and write its SBOM: nox -s release [-- --out dist]."""
    session.install(*group("release"))
    session.run("python", "release/build.py", *session.posargs)


@nox.session
def changelog(session: nox.Session) -> None:
    """Put the fragments of changelog.d into CHANGELOG.md: nox -s changelog [-- --draft | --released DATE]."""
    session.run("python", "release/changelog.py", *session.posargs)


#: Clients that others wrote: the script that uses one, its venue, options of the judge, and what it needs.
FOREIGN = {
    "binance-ccxt": ("binance_ccxt.py", "binance", (), ("ccxt>=4.5",)),
    "binance-sdk-spot": ("binance_sdk.py", "binance", (), ("binance-sdk-spot>=13.0",)),
    "upbit-ccxt": ("korean_ccxt.py", "upbit", (), ("ccxt>=4.5",)),
    "bithumb-ccxt": ("korean_ccxt.py", "bithumb", (), ("ccxt>=4.5",)),
    "upbit-pyupbit": ("upbit_pyupbit.py", "upbit", ("--tls",), ("pyupbit>=0.2.34", "setuptools")),
}


@nox.session
def foreign(session: nox.Session) -> None:
    """Let clients that others wrote talk to the simulated venues: nox -s foreign [-- NAME ...]."""
    session.install(".", *PLUGINS)
    for name in session.posargs or FOREIGN:
        script, venue, options, needs = FOREIGN[name]
        folder = Path(session.create_tmp()) / name
        session.run("python", "-m", "venv", str(folder), silent=True)
        python = str(folder / "bin" / "python")
        session.run(python, "-m", "pip", "install", "--quiet", *needs, external=True)
        session.run("python", "foreign/judge.py", python, f"foreign/{script}", venue, *options)


@nox.session(name="ten-minutes")
def ten_minutes(session: nox.Session) -> None:
    """Type the how-tos of a source, an exchange and a guard in a new environment, and say how long each took."""
    session.run("python", "docs/ten_minutes.py", "--fresh")


@nox.session
def docs(session: nox.Session) -> None:
    """Write the generated part of the documentation, build the site (site/) without a warning, and check its links."""
    session.install("-e", ".[venue]", *PLUGINS, *group("docs"))
    session.run("python", "docs/configuration_reference.py")
    session.run("python", "docs/conformance_reference.py")
    session.run("mkdocs", "build", "--strict", env={"NO_MKDOCS_2_WARNING": "1"})
    session.run("python", "docs/site_check.py", "site")
