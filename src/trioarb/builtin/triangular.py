"""The triangular strategy: around three symbols of one venue, once, from stock of what each leg spends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

import attrs
from msgspec import structs

from trioarb.api import (
    Bps,
    Loosens,
    OrderSize,
    PositiveDecimal,
    PositiveMilliseconds,
    Route,
    SizedSettings,
    Strategy,
    StrategyContext,
    StrategySpec,
    Triangle,
    UniverseError,
    hookimpl,
    seconds_to_ns,
    setting,
    text,
)

__all__ = ["TriangularSettings", "TriangularStrategy"]


@attrs.frozen(kw_only=True)
class TriangularSettings(SizedSettings):
    entry_bps: Bps = setting(
        Decimal(5), doc="least edge of a loop, net of its three taker fees", concerns="entry_edge", loosens=Loosens.LESS
    )
    order_size_base: PositiveDecimal | None = setting(
        None,
        doc="largest loop in the base asset of its home symbol (ETH of ETHUSDT, ETHBTC, BTCUSDT)",
        concerns="order_size",
        loosens=Loosens.MORE,
    )
    max_quote_age_ms: PositiveMilliseconds = setting(
        Decimal(1_000), doc="a loop with an older quote is not acted upon", concerns="quote_age"
    )
    triangles: tuple[tuple[str, ...], ...] = setting(
        (),
        doc='the loops, such as [["BTCUSDT", "ETHBTC", "ETHUSDT"]], in any order; absent: all that the symbols make',
    )


class TriangularStrategy(Strategy):
    """Goes around every triangle whose home is its symbol, at each venue and in both ways, once the edge is there."""

    holds = False

    def __init__(self, settings: TriangularSettings, context: StrategyContext) -> None:
        wanted = _chosen(settings.triangles, context.triangles)
        self.triangles = tuple(one for one in wanted if one.home == context.symbol)
        self.retune(settings)

    def retune(self, settings: TriangularSettings) -> None:
        self.entry_bps = settings.entry_bps
        self.max_quote_age_ns = seconds_to_ns(settings.max_quote_age_ms / 1000)
        size = settings.order_size
        # Guards and sizes count what a loop may leave one-sided: two legs of it.
        self._size = structs.replace(size, usd=None if size.usd is None else 2 * size.usd)
        self._entry = float(settings.entry_bps)

    def entry_from_bps(self, route: Route) -> float:
        return self._entry

    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        return self._size if edge_bps >= self._entry else None


def _chosen(named: Sequence[Sequence[str]], there: Sequence[Triangle]) -> Sequence[Triangle]:
    """Return the triangles that are named, or all that there are.

    Raises:
        UniverseError: one that is named is none of them, or there are none at all.
    """
    known = {frozenset(one.symbols): one for one in there}
    listed = ", ".join("/".join(one.symbols) for one in there) or "none"
    for names in named:
        if frozenset(names) not in known or len(names) != 3:
            raise UniverseError(
                f"strategy.triangles: {'/'.join(names)} is no loop of three symbols that are loaded; these are: "
                f"{listed}. Three symbols make one if each asset is in two of them, such as BTCUSDT, ETHBTC, ETHUSDT; "
                "[universe] says which are loaded"
            )
    if not there:
        raise UniverseError(
            "the triangular strategy has nothing to go around: no three of the campaign's symbols make a loop; "
            '[universe] mode = "FIXED_LIST" with whitelist = ["BTCUSDT", "ETHBTC", "ETHUSDT"] would'
        )
    return [known[frozenset(names)] for names in named] if named else there


def _warnings(settings: TriangularSettings) -> Iterable[str]:
    if settings.entry_bps < 0:
        yield f"entry_bps = {text(settings.entry_bps)}: loops may cost more than they bring"


@asynccontextmanager
async def _open(settings: TriangularSettings, context: StrategyContext) -> AsyncIterator[Strategy]:
    yield TriangularStrategy(settings, context)


@hookimpl
def trioarb_strategies() -> list[StrategySpec]:
    return [
        StrategySpec(
            name="triangular",
            doc="around three symbols of one venue, once, from stock of three assets; no exit",
            settings=TriangularSettings,
            open=_open,
            warnings=_warnings,
            loops=True,
            example={"order_size_usd": 500, "entry_bps": 5},
        )
    ]
