"""Random tests look for new examples on a developer's machine, and try the same ones every time where CI is set.

Nothing is kept in the user's cache. Ctrl-C is as in a terminal also where the tests run in the background, which would
hand it on to the processes that they start as ignored.
"""

import os
import signal

import pytest
from hypothesis import settings

settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

os.environ["TRIOARB_CACHE_DIR"] = ""
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _folder_of_all(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Make the tests' common folder before any test does, as some do in several threads at once."""
    tmp_path_factory.getbasetemp()
