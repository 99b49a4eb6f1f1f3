"""The shape of what a plugin opened: what may wait is ``async``, as its contract has it, and what is called in between
isn't."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence

__all__ = ["shape_flaw"]


def shape_flaw(opened: object, contracts: Sequence[type]) -> str:
    """Return which of its methods is ``async`` where the contract's isn't, or the other way round; '': none is."""
    kind = type(opened)
    contract = next(one for one in contracts if isinstance(opened, one))
    for name, is_async in _methods(contract):
        method = inspect.unwrap(getattr(kind, name))
        if not inspect.isfunction(method) or inspect.iscoroutinefunction(method) == is_async:
            continue
        owner = f"{kind.__module__}.{kind.__qualname__}"
        if is_async:
            return (
                f"the method {name} of {owner} isn't async, and it may wait now; write `async def {name}`, or install "
                "a newer version of the plugin"
            )
        if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
            return f"the method {name} of {owner} is async, and nobody waits for it; write `def {name}`"
    return ""


def _methods(contract: type) -> Iterator[tuple[str, bool]]:
    """Yield the methods that a contract names, and whether each is ``async``."""
    for name in dir(contract):
        if not name.startswith("_") and inspect.isfunction(method := getattr(contract, name)):
            yield name, inspect.iscoroutinefunction(method)
