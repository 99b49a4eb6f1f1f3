"""One simulated venue that listens on a port: for tests, and for `trioarb venue-sim`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Protocol

import attrs
import trio

from trioarb_sim.account import Key
from trioarb_sim.binance.api import WEIGHT
from trioarb_sim.binance.app import HOSTS, BinanceApp
from trioarb_sim.connects import Connects
from trioarb_sim.faults import Fault, Faults
from trioarb_sim.limits import Limit
from trioarb_sim.listing import OF_QUOTE, PRICES, binance_markets, owned_at, upbit_markets, usdm_markets
from trioarb_sim.market import MarketRules, MarketState
from trioarb_sim.replayed import Replayed, show_replayed
from trioarb_sim.server import App, serve
from trioarb_sim.strangers import Wandering, show_strangers
from trioarb_sim.tls import Authority
from trioarb_sim.traffic import Traffic
from trioarb_sim.upbit.app import UpbitApp
from trioarb_sim.upbit.dialect import BITHUMB, UPBIT, Dialect
from trioarb_sim.usdm.app import USDM_HOSTS, USDM_WEIGHT, UsdmApp
from trioarb_sim.venue import Venue

__all__ = ["VENUES", "Simulator", "open_simulator"]

_HOUR_MS = 3_600_000


class _Running(App, Protocol):
    """An app with something to do besides answering."""

    connects: Connects

    @property
    def violations(self) -> Mapping[str, int]: ...

    @property
    def open_sockets(self) -> int: ...

    async def run(self) -> None: ...


@attrs.frozen(kw_only=True)
class _Kind:
    """A venue that can be simulated. ``hosts``: under which names clients know it."""

    hosts: tuple[str, ...]
    markets: Callable[[], list[MarketRules]]
    app: Callable[[Venue, Faults, Callable[[], int], Limit | None], _Running]
    ids_for_ever: bool


def _upbit(dialect: Dialect) -> _Kind:
    return _Kind(
        hosts=dialect.hosts,
        markets=lambda: upbit_markets(dialect),
        app=lambda venue, faults, now_ms, _: UpbitApp(venue, faults, dialect, now_ms=now_ms),
        ids_for_ever=True,
    )


#: By name.
VENUES: Mapping[str, _Kind] = {
    "binance": _Kind(
        hosts=HOSTS,
        markets=binance_markets,
        app=lambda venue, faults, now_ms, weight: BinanceApp(venue, faults, now_ms=now_ms, weight=weight or WEIGHT),
        ids_for_ever=False,
    ),
    "binance_usdm": _Kind(
        hosts=USDM_HOSTS,
        markets=usdm_markets,
        app=lambda venue, faults, now_ms, weight: UsdmApp(venue, faults, now_ms=now_ms, weight=weight or USDM_WEIGHT),
        ids_for_ever=False,
    ),
    "upbit": _upbit(UPBIT),
    "bithumb": _upbit(BITHUMB),
}


@attrs.frozen(kw_only=True)
class Simulator:
    """A venue that runs. ``authority`` is who its certificate is from, where it speaks TLS.

    ``violations``: which limits were broken, and how often.
    """

    name: str
    port: int
    venue: Venue
    faults: Faults
    key: Key
    authority: Authority | None
    violations: Mapping[str, int]
    traffic: Traffic
    app: _Running = attrs.field(repr=False)

    @property
    def open_sockets(self) -> int:
        """How many WebSockets are open now."""
        return self.app.open_sockets

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def rest_url(self) -> str:
        return f"{'https' if self.authority else 'http'}://{self.host}"

    @property
    def socket_url(self) -> str:
        return f"{'wss' if self.authority else 'ws'}://{self.host}"


@asynccontextmanager
async def open_simulator(
    name: str,
    *,
    port: int = 0,
    tls: bool = False,
    seed: int = 0,
    key: Key | None = None,
    owned: Mapping[str, Decimal] | None = None,
    markets: Sequence[MarketRules] | None = None,
    wandering: Wandering | None = None,
    book: Replayed | None = None,
    faults: Mapping[Fault, int] | None = None,
    every_seconds: float = 0.2,
    weight: Limit | None = None,
) -> AsyncIterator[Simulator]:
    """Run a simulated venue; everything of it ends with the context.

    ``wandering``: what strangers show; ``None``: prices of their own with that ``seed``. ``every_seconds`` 0: nothing,
    a test shows what it wants. ``book``: they show what was recorded instead. ``weight``: another limit than the
    venue's own, where it has weights.

    Raises:
        KeyError: there is no venue of this name.
        OSError: the port is taken.
    """
    kind = VENUES[name]
    rules = list(markets) if markets is not None else kind.markets()
    switched = Faults.of(faults or {})

    def now_ms() -> int:
        ahead = _HOUR_MS if switched.happens(Fault.SKEWED_CLOCK) else 0
        return time.time_ns() // 1_000_000 + ahead

    venue = Venue(rules, now_ms=now_ms, ids_for_ever=kind.ids_for_ever)
    key = key or Key(api_key=f"{name}-key", secret=f"{name}-secret")
    venue.add_account("main", owned if owned is not None else owned_at(rules), [key])
    app = kind.app(venue, switched, now_ms, weight)
    authority = Authority() if tls else None
    traffic = Traffic()
    prices = wandering or Wandering(prices={**PRICES, "USDT": Decimal(1)}, of_quote=OF_QUOTE, seed=seed)
    async with trio.open_nursery() as nursery:
        context = authority.server(*kind.hosts) if authority is not None else None

        async def listen(*, task_status: trio.TaskStatus[int]) -> None:
            await serve(app, port=port, tls=context, traffic=traffic, task_status=task_status)

        found_port: int = await nursery.start(listen)
        nursery.start_soon(app.run)
        if book is not None:
            nursery.start_soon(show_replayed, venue, book)
        elif every_seconds:

            async def strangers() -> None:
                names = [one.name for one in rules if one.state is MarketState.TRADING]
                await show_strangers(venue, name, prices, names, every_seconds=every_seconds, start_seconds=time.time())

            nursery.start_soon(strangers)
        yield Simulator(
            name=name,
            port=found_port,
            venue=venue,
            faults=switched,
            key=key,
            authority=authority,
            violations=app.violations,
            traffic=traffic,
            app=app,
        )
        nursery.cancel_scope.cancel()
