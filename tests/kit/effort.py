"""How much a run of the tests tries: a little of everything by default, all of it with ``--long``."""

from __future__ import annotations

import os

__all__ = ["LONG", "examples"]

#: Set by ``--long`` before the test modules are imported.
LONG = bool(os.environ.get("TRIOARB_LONG_TESTS"))


def examples(long: int, short: int) -> int:
    """Return how many random examples a test tries."""
    return long if LONG else short
