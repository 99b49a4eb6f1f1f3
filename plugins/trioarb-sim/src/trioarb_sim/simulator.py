"""One simulated venue that listens on a port: for tests, and for `trioarb venue-sim`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

import attrs
import trio

from trioarb_sim.account import Key
from trioarb_sim.binance.app import HOSTS, BinanceApp
from trioarb_sim.faults import Fault, Faults
from trioarb_sim.market import FeeIn, MarketRules
from trioarb_sim.server import serve
from trioarb_sim.strangers import Wandering, show_strangers
from trioarb_sim.tls import Authority
from trioarb_sim.venue import Venue

__all__ = ["VENUES", "Simulator", "open_simulator"]

_HOUR_MS = 3_600_000
_PRICES = {"BTC": "60000", "ETH": "3000", "SOL": "150", "XRP": "0.5", "DOGE": "0.12", "ADA": "0.4", "TRX": "0.15"}
_TICKS = {"BTC": "0.01", "ETH": "0.01", "SOL": "0.01", "XRP": "0.0001", "DOGE": "0.00001"}
_LOTS = {"BTC": "0.00001", "ETH": "0.0001", "SOL": "0.001", "XRP": "1", "DOGE": "1"}
_OWNED = {"USDT": Decimal(100_000), "KRW": Decimal(100_000_000)}
_OWNED_VALUE = Decimal(50_000)


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

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def rest_url(self) -> str:
        return f"{'https' if self.authority else 'http'}://{self.host}"

    @property
    def socket_url(self) -> str:
        return f"{'wss' if self.authority else 'ws'}://{self.host}"


def binance_markets() -> list[MarketRules]:
    """Return some markets of Binance, as they are listed there."""
    return [
        MarketRules(
            name=f"{base}USDT",
            base=base,
            quote="USDT",
            ticks=((Decimal(0), Decimal(_TICKS.get(base, "0.0001"))),),
            lot=Decimal(_LOTS.get(base, "0.1")),
            min_quantity=Decimal(_LOTS.get(base, "0.1")),
            min_value=Decimal(5),
            maker_fee=Decimal("0.001"),
            taker_fee=Decimal("0.001"),
            fee_in=FeeIn.RECEIVED,
            volume=Decimal(1_000_000) / Decimal(price),
        )
        for base, price in _PRICES.items()
    ]


#: By name: its markets, and the names under which clients know it.
VENUES: Mapping[str, tuple[Callable[[], list[MarketRules]], Sequence[str]]] = {"binance": (binance_markets, HOSTS)}


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
    faults: Mapping[Fault, int] | None = None,
    every_seconds: float = 0.2,
    weight_limit: int = 6000,
) -> AsyncIterator[Simulator]:
    """Run a simulated venue; everything of it ends with the context.

    ``wandering``: what strangers show; ``None``: prices of their own with that ``seed``. ``every_seconds`` 0: nothing,
    a test shows what it wants.

    Raises:
        KeyError: there is no venue of this name.
        OSError: the port is taken.
    """
    make_markets, hosts = VENUES[name]
    rules = list(markets) if markets is not None else make_markets()
    switched = Faults.of(faults or {})

    def now_ms() -> int:
        ahead = _HOUR_MS if switched.happens(Fault.SKEWED_CLOCK) else 0
        return time.time_ns() // 1_000_000 + ahead

    venue = Venue(rules, now_ms=now_ms)
    key = key or Key(api_key=f"{name}-key", secret=f"{name}-secret")
    venue.add_account("main", owned if owned is not None else _owned(rules), [key])
    app = BinanceApp(venue, switched, now_ms=now_ms, weight_limit=weight_limit)
    authority = Authority() if tls else None
    prices = wandering or Wandering(prices={base: Decimal(price) for base, price in _PRICES.items()}, seed=seed)
    async with trio.open_nursery() as nursery:
        context = authority.server(*hosts) if authority is not None else None

        async def listen(*, task_status: trio.TaskStatus[int]) -> None:
            await serve(app, port=port, tls=context, task_status=task_status)

        found_port: int = await nursery.start(listen)
        nursery.start_soon(app.run)
        if every_seconds:

            async def strangers() -> None:
                names = [one.name for one in rules if one.base in prices.prices]
                await show_strangers(venue, name, prices, names, every_seconds=every_seconds, start_seconds=time.time())

            nursery.start_soon(strangers)
        yield Simulator(
            name=name,
            port=found_port,
            venue=venue,
            faults=switched,
            key=key,
            authority=authority,
            violations=app.api.violations,
        )
        nursery.cancel_scope.cancel()


def _owned(rules: Sequence[MarketRules]) -> dict[str, Decimal]:
    """Return what an account owns to begin with: some of everything."""
    owned = {one.quote: _OWNED.get(one.quote, Decimal(10)) for one in rules}
    for one in rules:
        price = Decimal(_PRICES.get(one.base, "1"))
        owned.setdefault(one.base, (_OWNED_VALUE / price).quantize(Decimal("0.01")))
    return owned
