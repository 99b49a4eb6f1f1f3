"""The fixture ``conformance`` of pytest. Nothing else of trioarb is imported before a test uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from typing import Any

    from trioarb.api import Listing
    from trioarb.testing.conformance import Report

__all__ = ["Conformance", "conformance"]


class Conformance(Protocol):
    """Judges a plugin, as `trioarb.testing.conformance.judge`."""

    def __call__(
        self,
        *,
        kind: str,
        name: str,
        settings: Mapping[str, Any] | None = None,
        symbols: Sequence[Listing] = (),
        stage: Callable[[], AbstractAsyncContextManager[Any]] | None = None,
        plugins: Mapping[str, object] | None = None,
        cases: Collection[str] = (),
    ) -> Report:
        """Return the report of a plugin that conforms.

        Raises:
            AssertionError: it doesn't; with a table of the cases that failed.
            TrioarbError: it can't be judged.
        """


@pytest.fixture
def conformance() -> Conformance:
    """Judge a plugin by the numbered cases of its kind, and fail the test if one of them does."""
    from trioarb.testing.conformance import judge

    def conform(**options: Any) -> Report:
        __tracebackhide__ = True
        report = judge(**options)
        if not report.conforms:
            raise AssertionError(str(report))
        return report

    return conform
