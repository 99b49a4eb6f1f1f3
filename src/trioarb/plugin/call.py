"""A call of a plugin: whose it is and since when, and what its errors become.

`trio.Cancelled` always passes, also out of a group; so do the errors that a contract names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from types import TracebackType
from typing import NoReturn

import attrs
import trio

from trioarb.errors import (
    Interrupt,
    MarketDataError,
    OrderRejected,
    PluginError,
    PluginFault,
    TrioarbError,
    UniverseError,
    VenueError,
    describe,
    leaves,
    said_by,
)
from trioarb.plugin.answer import Nonsense

__all__ = ["Call", "Calls", "Where"]

#: Errors that contracts name, the narrower ones first: a plugin's text in them is made printable.
_NAMED = (OrderRejected, VenueError, MarketDataError, UniverseError)


@attrs.define(eq=False)
class Calls:
    """The calls of plugins that wait, and how long they may.

    ``seconds``: how long a plugin may take to open, to list, and to say balances or orders; Trio's time.
    ``most_rows``: so many rows of one time a tape may have.
    ``depth``: so many levels a side are taken of market data.
    ``beside``: what plugins did wrong where nobody waited for it: together with a cancellation, which passes alone.
    ``now_ns``: the campaign's time, once there is one.
    """

    seconds: float
    most_rows: int = 1_000_000
    depth: int = 1
    under_way: dict[int, Call] = attrs.field(factory=dict)
    beside: list[str] = attrs.field(factory=list)
    now_ns: Callable[[], int] | None = None


@attrs.frozen(kw_only=True, eq=False)
class Where:
    """Whose call it is: the table's key, the plugin's name, and the symbol of a strategy.

    ``names``: the errors of ours that what is called may raise; any other one of them is the plugin's fault, too.
    """

    key: str
    plugin: str
    calls: Calls
    about: str = ""
    names: tuple[type[TrioarbError], ...] = (TrioarbError,)

    def __str__(self) -> str:
        return f"[{self.key}]: plugin {self.plugin!r}" + (f" ({self.about})" if self.about else "")

    def call(self, method: str) -> Call:
        """Return the scope of a call that may wait."""
        return Call(self, method)

    def error(self, method: str, error: BaseException) -> BaseException:
        """Return what goes on in the place of what a plugin raised: `error` itself, if that may pass."""
        if isinstance(error, trio.Cancelled | Interrupt):
            return error
        if isinstance(error, BaseExceptionGroup):
            passing, own = error.split((trio.Cancelled, Interrupt))
            if own is None:
                return error
            if passing is not None:
                self.calls.beside.append(f"{self}: {method} raised {describe(own)}")
                return passing
            first, *others = leaves(own)
            return PluginFault(f"{self}: {method} raised {describe(own)}") if others else self.error(method, first)
        if isinstance(error, Nonsense):
            return PluginFault(f"{self}: {method} returned {error}")
        if isinstance(error, TrioarbError) and isinstance(error, (PluginFault, *self.names)):
            return self._named(error)
        return PluginFault(f"{self}: {method} raised {describe(error)}")

    def _named(self, error: TrioarbError) -> TrioarbError:
        said = said_by(error)
        if isinstance(error, MarketDataError) and not said.startswith("["):
            return MarketDataError(f"[{self.key}]: {said}")
        if type(error) is VenueError and self.names == (TrioarbError,) and not said.startswith("["):
            # Nothing is traded yet: who reads it has to know in which table to look.
            return VenueError(f"[{self.key}]: {said}")
        if isinstance(error, PluginError):
            return PluginError(f"{self}: {said}")
        kind = next((kind for kind in _NAMED if isinstance(error, kind)), None)
        if said == str(error):
            return error
        return (kind or PluginFault)(said)

    def fail(self, method: str, error: BaseException) -> NoReturn:
        """Raise what goes on in the place of what a plugin raised."""
        instead = self.error(method, error)
        if instead is error:
            raise error
        raise instead from error

    def late(self, method: str) -> str:
        return f"{self}: {method} did not return within {self.calls.seconds:g} s"


class Call:
    """A call of a plugin that may wait, and can be seen from outside while it does. Entered, it is the border, too."""

    __slots__ = ("method", "since", "where")

    def __init__(self, where: Where, method: str) -> None:
        self.where: Where = where
        self.method: str = method
        self.since: float = 0.0

    @contextmanager
    def seen(self) -> Iterator[None]:
        """Show the call as under way, and let pass what it raises."""
        self.since = monotonic()
        self.where.calls.under_way[id(self)] = self
        try:
            yield
        finally:
            del self.where.calls.under_way[id(self)]

    def __enter__(self) -> None:
        self.since = monotonic()
        self.where.calls.under_way[id(self)] = self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        del self.where.calls.under_way[id(self)]
        if error is not None:
            self.where.fail(self.method, error)
