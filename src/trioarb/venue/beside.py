"""Tasks that run beside a block of code, for as long as it lasts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

from trioarb.errors import leaves

__all__ = ["run_beside"]


@asynccontextmanager
async def run_beside(*runs: Callable[..., Awaitable[None]]) -> AsyncIterator[None]:
    """Start tasks one after the other, and cancel them at the end of the block.

    Args:
        *runs: Each takes ``task_status`` and says ``started()`` once it does its work.

    Yields:
        Once all have started.

    Raises:
        BaseException: What the block raises is raised as it is, in no group; so is what the tasks raise, if it is one
            error. Where one fails, the block is cancelled.
    """
    failure: Exception | None = None
    try:
        async with trio.open_nursery() as nursery:
            for run in runs:
                await nursery.start(run)
            try:
                yield
            except Exception as error:
                failure = error
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        if failure is not None:
            raise
        alone = leaves(group)
        if len(alone) != 1:
            raise
        raise alone[0] from None
    if failure is not None:
        raise failure
