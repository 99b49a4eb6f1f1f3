"""Open plugins behind the border, and close them again, each within its time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from math import inf
from types import TracebackType
from typing import Any, TypeVar

import attrs
import structlog
import trio

from trioarb.config.schema import Config, PluginTable
from trioarb.engine.sessions import Session, shared, suits
from trioarb.errors import PluginError, PluginFault, describe, leaves
from trioarb.plugin.border import checked
from trioarb.plugin.call import Calls, Where
from trioarb.plugin.contract import PluginContext, VenueContext
from trioarb.plugin.registry import Plugins
from trioarb.plugin.shape import shape_flaw
from trioarb.plugin.spec import PluginSpec, SymbolSourceSpec
from trioarb.plugin.venue_spec import VenueSpec

__all__ = ["Opener"]

ContextT = TypeVar("ContextT", bound=PluginContext)
OpenedT = TypeVar("OpenedT")

#: What a hurry leaves a plugin at least to close.
_MOMENT_SECONDS = 0.1


async def _as_it_is(opened: OpenedT) -> OpenedT:
    return opened


def with_own(context: ContextT, kind: str, table: PluginTable, about: str = "") -> ContextT:
    """Return the context with what is a single plugin's own: its settings, and a log that says whose lines these are.

    ``about``: the symbol of a strategy.
    """
    symbol = {"symbol": about} if about else {}
    # With its values from the beginning, it asks at each line where the log goes; `bind` would ask once for all.
    log = structlog.get_logger("trioarb.plugin", plugin=table.plugin, kind=kind, table=table.key, **symbol)
    return attrs.evolve(context, settings=table.settings, log=log)


@attrs.define(kw_only=True, eq=False)
class Opener:
    """Opens plugins on a stack. What goes wrong when they are closed again is kept in ``errors``.

    Each is opened in a cancel scope of its own, which lasts until it is closed: a plugin's nurseries lie inside it.
    Seconds are Trio's.
    """

    stack: AsyncExitStack
    plugins: Plugins
    calls: Calls
    close_seconds: float
    errors: list[str] = attrs.field(factory=list)
    sessions: list[Session] = attrs.field(factory=list)
    _until: float = inf
    _checked: set[type] = attrs.field(factory=set)
    _closing: trio.CancelScope | None = None

    @classmethod
    def on(cls, stack: AsyncExitStack, plugins: Plugins, config: Config) -> Opener:
        """Return an opener that gives plugins the time that the configuration says."""
        speed = float(config.session.speed)
        return cls(
            stack=stack,
            plugins=plugins,
            calls=Calls(
                float(config.engine.open_seconds) * speed, config.engine.max_rows_of_one_time, config.engine.depth
            ),
            close_seconds=float(config.engine.close_seconds) * speed,
        )

    async def open(
        self,
        kind: type[PluginSpec[ContextT, OpenedT]],
        table: PluginTable,
        context: ContextT,
        *,
        venue: str = "",
        about: str = "",
        scope: trio.CancelScope | None = None,
        around: Callable[[OpenedT], Awaitable[OpenedT]] = _as_it_is,
        instead: OpenedT | None = None,
    ) -> Any:
        """Open a plugin, and before it the one that it wraps; return it behind the border.

        ``scope``: one that several plugins share, entered on the stack before. ``around`` wraps what it opened, and may
        ask it what it lists.
        ``instead``: what stands for it, and nothing is opened.

        Raises:
            TrioarbError: it raised, didn't open in time, or opened something that isn't of its kind.
        """
        if instead is not None:
            return checked(instead, Where(key=table.key, plugin=table.plugin, calls=self.calls, about=about), venue)
        opened, where = await self._open(kind, table, context, about, scope)
        with trio.move_on_after(self.calls.seconds) as asking, where.call("listings"):
            opened = await around(opened)
        if asking.cancelled_caught:
            raise PluginFault(where.late("listings"))
        return checked(opened, where, venue)

    async def share(self, exchange: PluginTable | None, market: PluginTable, context: VenueContext) -> None:
        """Open the sessions that plugins of a venue share, before they are opened. ``exchange``: if that will be, too.

        Raises:
            TrioarbError: as `open`.
        """
        for one in shared(self.plugins, exchange, market):
            table = one.tables[0]
            spec = self.plugins.get(VenueSpec, table.plugin, key=table.key)
            own = attrs.evolve(context, can_trade=context.can_trade and one.is_account)
            where = Where(key=table.key, plugin=table.plugin, calls=self.calls)
            opened = await self._enter(spec, table, with_own(own, spec.kind, table), where, None)
            if opened is None:
                raise PluginFault(f"{where}: open gave nothing to share; expected a session, which may be any object")
            self.sessions.append(Session(shared=one, opened=opened))

    def _session(self, kind: type[PluginSpec[Any, Any]], table: PluginTable) -> object | None:
        """Return the session that a part of a venue shares; a source that of the first venue which fits."""
        for one in self.sessions:
            if any(table is other for other in one.shared.tables) or (
                kind is SymbolSourceSpec and suits(self.plugins, table, one.shared.tables[0])
            ):
                return one.opened
        return None

    async def _open(
        self, kind: type[PluginSpec[Any, Any]], table: PluginTable, context: Any, about: str, scope: Any
    ) -> tuple[Any, Where]:
        spec: PluginSpec[Any, Any] = self.plugins.get(kind, table.plugin, key=table.key)
        where = Where(key=table.key, plugin=table.plugin, calls=self.calls, about=about)
        if table.wraps is not None:
            inner, _ = await self._open(kind, table.wraps, context, about, None)
            context = attrs.evolve(context, inner=inner)
        if spec.is_part:
            context = attrs.evolve(context, session=self._session(kind, table))
        opened = await self._enter(spec, table, with_own(context, spec.kind, table, about), where, scope)
        if not isinstance(opened, spec.opens):
            expected = " or ".join(cls.__name__ for cls in spec.opens)
            raise PluginFault(
                f"{where}: open gave a {type(opened).__name__}, not a {expected}; derive its class from it"
            )
        if type(opened) not in self._checked:
            if flaw := shape_flaw(opened, spec.opens):
                raise PluginError(f"{where}: {flaw}")
            self._checked.add(type(opened))
        return opened, where

    async def _enter(
        self, spec: PluginSpec[Any, Any], table: PluginTable, context: Any, where: Where, scope: Any
    ) -> Any:
        """Open what is closed again by the stack."""
        if scope is None:
            scope = self.scope()
        scope.deadline = trio.current_time() + self.calls.seconds
        try:
            with where.call("open"):
                manager = spec.open(table.settings, context)
                if not hasattr(type(manager), "__aenter__"):
                    raise PluginError(
                        f"`open` gave a {type(manager).__name__}, which is no async context manager; write an async "
                        "generator that yields what is opened, and put @contextlib.asynccontextmanager before it"
                    )
                opened = await manager.__aenter__()
        except BaseException as error:
            if scope.cancel_called and _is_cancellation(error):
                raise PluginFault(where.late("open")) from None
            raise
        self.stack.push_async_exit(partial(self._close, where, manager, scope))
        if scope.cancel_called:
            raise PluginFault(where.late("open"))
        scope.deadline = inf
        return opened

    def hurry(self, until: float) -> None:
        """Let no plugin take longer to close than ``until``, each a moment at least."""
        self._until = min(self._until, until)
        if self._closing is not None:
            self._closing.deadline = min(self._closing.deadline, until)

    async def _close(
        self,
        where: Where,
        manager: AbstractAsyncContextManager[Any],
        scope: trio.CancelScope,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Close a plugin, whatever ended the campaign: it can't swallow its error, only a cancellation of its own."""
        started = trio.current_time()
        until = max(self._until, started + _MOMENT_SECONDS)
        scope.shield, scope.deadline = True, min(started + self.close_seconds, until)
        self._closing = scope
        try:
            with where.call("close").seen():
                absorbed = await manager.__aexit__(kind, error, traceback)
        except BaseException as raised:
            found = [one for one in leaves(raised) if one is not error]
            own = [one for one in found if not isinstance(one, trio.Cancelled)]
            if own:
                self.errors.append(f"{where}: close raised {'; '.join(map(describe, own))}")
            absorbed = raised is not error and len(own) == len(found)
        if scope.cancel_called:
            self.errors.append(f"{where}: close did not return within {trio.current_time() - started:.1f} s")
        return bool(absorbed) and error is not None and _is_cancellation(error)

    def scope(self) -> trio.CancelScope:
        """Return a scope for what is opened from now on; it is left after that was closed."""
        scope = trio.CancelScope()
        self.stack.push(scope.__exit__)
        scope.__enter__()
        return scope


def _is_cancellation(error: BaseException) -> bool:
    return all(isinstance(leaf, trio.Cancelled) for leaf in leaves(error))
