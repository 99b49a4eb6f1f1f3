"""Open a configuration's world for a moment, to look at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

import attrs
import trio

from trioarb.cli.running import clock_of
from trioarb.config.load import Loaded
from trioarb.engine.campaign import Campaign
from trioarb.engine.opening import open_campaign
from trioarb.errors import CampaignError, OrderRejected, VenueError
from trioarb.model.order import Order, OrderReport
from trioarb.plugin.contract import Exchange, ExchangeContext, ExchangeWrapper, VenueContext
from trioarb.plugin.registry import Plugins
from trioarb.plugin.spec import ExchangeSpec, PluginSpec
from trioarb.plugin.venue_spec import VenueSpec
from trioarb.time.virtual import VirtualClock

__all__ = ["ask_at", "look_at", "without_orders"]

T = TypeVar("T")

#: How long opening everything may take.
_OPEN_SECONDS = 120


def look_at(loaded: Loaded, plugins: Plugins, look: Callable[[Campaign], T]) -> T:
    """Open everything a configuration names, in its own time, and return what ``look`` makes of it, as `ask_at`."""

    async def ask(campaign: Campaign) -> T:
        return look(campaign)

    return ask_at(loaded, plugins, ask)


def ask_at(loaded: Loaded, plugins: Plugins, ask: Callable[[Campaign], Awaitable[T]]) -> T:
    """Open everything a configuration names, in its own time, and return what ``ask`` makes of it.

    Nothing is traded: exchanges that talk to the outside refuse every order.

    Raises:
        TrioarbError: something can't be opened, or not within two minutes.
    """
    clock = clock_of(loaded.config)
    virtual = clock if isinstance(clock, VirtualClock) else None

    async def main() -> T:
        with trio.move_on_after(_OPEN_SECONDS):
            async with open_campaign(
                loaded.config, without_orders(plugins), clock=virtual, warnings=loaded.warnings
            ) as campaign:
                return await ask(campaign)
        raise CampaignError(f"not everything could be opened within {_OPEN_SECONDS} s")

    with loaded.config.redactor.in_errors():
        return trio.run(main, clock=clock)


def without_orders(plugins: Plugins) -> Plugins:
    """Return the plugins, exchanges that talk to the outside refusing every order."""

    def observed(spec: ExchangeSpec) -> ExchangeSpec:
        @asynccontextmanager
        async def open_exchange(settings: Any, context: ExchangeContext) -> AsyncIterator[Exchange]:
            async with spec.open(settings, attrs.evolve(context, can_trade=False)) as exchange:
                # What isn't an exchange is for the engine to complain of.
                yield _Observed(exchange) if isinstance(exchange, Exchange) else exchange

        return attrs.evolve(spec, open=open_exchange)

    def asked(spec: VenueSpec) -> VenueSpec:
        def open_session(settings: Any, context: VenueContext) -> AbstractAsyncContextManager[Any]:
            return spec.open(settings, attrs.evolve(context, can_trade=False))

        return attrs.evolve(spec, open=open_session)

    def without(spec: PluginSpec[Any, Any]) -> PluginSpec[Any, Any]:
        if not spec.live:
            return spec
        return (
            observed(spec) if isinstance(spec, ExchangeSpec) else asked(spec) if isinstance(spec, VenueSpec) else spec
        )

    registered = tuple(attrs.evolve(item, spec=without(item.spec)) for item in plugins.registered)
    return attrs.evolve(plugins, registered=registered)


class _Observed(ExchangeWrapper):
    """An exchange that is asked, and gets no orders."""

    async def place(self, order: Order) -> OrderReport:
        raise OrderRejected("nothing is traded while a configuration is looked at")

    async def cancel(self, client_order_id: str) -> None:
        raise VenueError("nothing is cancelled while a configuration is looked at")
