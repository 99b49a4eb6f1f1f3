"""What every plugin has to bear while it is opened and closed, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

from trioarb.testing.conformance.leaks import Footprint
from trioarb.testing.conformance.steps import at_every_step

__all__ = ["expect_cancellable", "expect_closed"]

Open = Callable[[], AbstractAsyncContextManager[Any]]


class _Broken(Exception):
    """What a plugin was open for has failed."""


async def expect_closed(open_it: Open, *, patient: bool) -> None:
    """Open and close it, and once more because of an error; see that nothing is left.

    Raises:
        Failed: something is.
    """
    before = Footprint.now()
    async with open_it():
        pass
    await before.expect_again("once it is closed", patient=patient)
    with suppress(_Broken):
        async with open_it():
            raise _Broken
    await before.expect_again("once it is closed because of an error", patient=patient)


async def expect_cancellable(open_it: Open, *, patient: bool) -> None:
    """Open it again and again, cancelled at each of its steps; see that nothing is left.

    Raises:
        Failed: it goes on, or something is left.
    """
    before = Footprint.now()

    async def once(step: int) -> None:
        async with open_it():
            pass

    await at_every_step("open", once, few=patient)
    await before.expect_again("once it was cancelled while it opened", patient=patient)
