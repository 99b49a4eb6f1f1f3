"""What runs by default, and how.

Random tests look for new examples on a developer's machine, and try the same ones every time where CI is set.

Nothing is kept in the user's cache. Processes that tests start keep compiled modules, also where
PYTHONDONTWRITEBYTECODE is set: compiling all of them anew took a quarter of each process's time. Errors are logged
without what variables held: a campaign's took seconds to print. Ctrl-C is as in a terminal also where the tests run in
the background, which would hand it on to the processes that they start as ignored.
"""

import os
import signal
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

#: What a first look takes, in about a minute: what is pure, and a few campaigns of each kind.
QUICK = (
    *("test_architecture.py", "test_testing_kit.py", "plugin/test_registry.py", "config", "settings"),
    *("strategy", "state", "time"),
    *("risk", "report", "verify", "universe", "execution/test_pair_machine.py", "execution/test_settle.py"),
    *("builtin/test_dummy.py", "builtin/test_paper_rules.py", "engine/test_determinism.py", "engine/test_corners.py"),
    *("cli/test_outcomes.py", "cli/test_usage.py"),
)
HERE = Path(__file__).parent

# A busy machine makes an example slow, not wrong.
settings.register_profile("trioarb", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("trioarb")

os.environ["TRIOARB_CACHE_DIR"] = ""
if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    os.environ["PYTHONPYCACHEPREFIX"] = str(HERE.parent / ".pytest_cache" / "bytecode")
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the long tests, too, and try more random examples")


def pytest_configure(config: pytest.Config) -> None:
    *before, _ = structlog.get_config()["processors"]
    renderer = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*before, renderer])
    if config.getoption("--long"):
        os.environ["TRIOARB_LONG_TESTS"] = "1"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is quick; leave out what is long, unless it is asked for."""
    quick = {HERE / part for part in QUICK}
    for item in items:
        if quick & {item.path, *item.path.parents} and not item.get_closest_marker("long"):
            item.add_marker(pytest.mark.quick)
    if config.getoption("--long"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("long")]


@pytest.fixture(scope="session", autouse=True)
def _folder_of_all(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Make the tests' common folder before any test does, as some do in several threads at once."""
    tmp_path_factory.getbasetemp()
