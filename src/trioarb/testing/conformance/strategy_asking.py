"""A strategy that is tried: what it sees of the market, and what it is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import product
from math import inf, isfinite, nan, nextafter

import attrs

from trioarb.api import (
    SECOND_NS,
    ZERO,
    ExitBand,
    Instrument,
    Listing,
    Position,
    Quote,
    Route,
    Strategy,
    StrategyContext,
    TradingRules,
    Triangle,
)
from trioarb.plugin.border import CheckedStrategy
from trioarb.strategy.triangle import triangles_in
from trioarb.testing.conformance.case import expect
from trioarb.testing.conformance.subject import START_NS, Trial
from trioarb.testing.tapes import listing

__all__ = [
    "EDGES",
    "PRICES",
    "Sight",
    "StrategyTrial",
    "expect_entry_in_band",
    "expect_exit_in_band",
    "outside",
    "positions",
]

VENUES = ("a", "b")
_PRICE = 100.0
#: Of coins there are some of a hundred thousand and some of millionths.
PRICES = (_PRICE, 0.000_01, 250_000.0)
#: What routes earn, in bps, around the usual thresholds and far from them.
EDGES = (
    -1e9, -1e6, -500.0, -80.0, -40.5, -20.0, -10.0, -6.0, -5.5, -1.0, -1e-9, 0.0, 1e-9, 0.5, 1.0, 2.5, 4.999, 5.0, 7.0,
    9.999, 10.0, 10.001, 15.0, 25.0, 60.0, 100.0, 480.0, 5_000.0, 1e6, 1e9,
)  # fmt: skip
#: What of the base asset the two venues hold.
STOCKS = tuple(
    (Decimal(one), Decimal(other)) for one, other in ((5, 5), (10, 0), (0, 10), (6, 2), (0, 0), (-1, 5), (1_000, 1_000))
)
_QUANTITIES = tuple(map(Decimal, ("0.2", "0.5", "0.001")))
_HELD_NS = (0, 1, SECOND_NS, 60 * SECOND_NS, 3_600 * SECOND_NS, 10 * 86_400 * SECOND_NS)


@attrs.define(eq=False)
class Sight:
    """What a strategy sees by its context: each venue's latest quote, if there is one, and its stock."""

    quotes: Mapping[str, Quote] = attrs.field(factory=dict)
    stock: Mapping[str, Decimal] = attrs.field(factory=dict)

    @classmethod
    def usual(cls, price: float = _PRICE) -> Sight:
        return cls(
            quotes={venue: quote(price * gap) for venue, gap in zip(VENUES, (1.0, 1.003), strict=True)},
            stock=dict(zip(VENUES, STOCKS[0], strict=True)),
        )


def quote(price: float, *, bid: bool = True, ask: bool = True, received_ns: int = START_NS) -> Quote:
    """Return a quote around a price, or with a side that was withdrawn."""
    return Quote(
        bid=price * 0.9995 if bid else nan,
        bid_size=5.0 if bid else 0.0,
        ask=price * 1.0005 if ask else nan,
        ask_size=5.0 if ask else 0.0,
        received_ns=received_ns,
        serial=1,
    )


@attrs.define(eq=False, kw_only=True)
class StrategyTrial:
    """A strategy that can be opened, more than once. ``triangles``: what there is to go around."""

    trial: Trial
    listings: tuple[Listing, ...]
    triangles: tuple[Triangle, ...]

    @classmethod
    def of(cls, trial: Trial) -> StrategyTrial:
        """Make one. For a strategy that goes around loops there is one, with two symbols more if need be."""
        listings = trial.subject.listings
        if getattr(trial.subject.spec, "loops", False) and not triangles_in(listings):
            home = listings[0]
            bridge = "BTC" if home.base != "BTC" else "ETH"
            listings = (*listings, listing(home.base, bridge), listing(bridge, home.quote))
        return cls(trial=trial, listings=listings, triangles=triangles_in(listings))

    @property
    def loops(self) -> bool:
        return bool(getattr(self.trial.subject.spec, "loops", False))

    @property
    def symbol(self) -> str:
        """Where it trades: of loops their home."""
        return self.triangles[0].home if self.loops else self.listings[0].symbol

    @property
    def routes(self) -> tuple[Route, ...]:
        """What it is asked about: between two venues, or around a loop at one."""
        pairs = zip(VENUES, VENUES, strict=True) if self.loops else (VENUES, VENUES[::-1])
        return tuple(Route(symbol=self.symbol, buy_venue=buy, sell_venue=sell) for buy, sell in pairs)

    @asynccontextmanager
    async def strategy(
        self, sight: Sight | None = None, *, trial: Trial | None = None
    ) -> AsyncIterator[CheckedStrategy]:
        """Open it, with what it sees; ``trial``: with other settings."""
        seen = sight or Sight.usual()
        own = next(one for one in self.listings if one.symbol == self.symbol)
        context = StrategyContext(
            symbol=self.symbol,
            venues=VENUES,
            touch=lambda venue: seen.quotes.get(venue),
            stock=lambda venue: seen.stock.get(venue, ZERO),
            triangles=self.triangles,
            instruments={venue: _instrument(own, venue) for venue in VENUES},
            rests_at=frozenset(VENUES),
        )
        async with (trial or self.trial).open(context) as opened:
            yield opened

    def answers(self, strategy: Strategy, sight: Sight) -> Iterator[object]:
        """Ask it what it wants to be asked, and yield what it answers, in order; it sees other stock each time."""
        for one, other in STOCKS:
            sight.stock = dict(zip(VENUES, (one, other), strict=True))
            for route, edge in product(self.routes, EDGES):
                least = strategy.entry_from_bps(route)
                yield least
                if edge >= least:
                    yield strategy.entry(route, edge, START_NS)
        for venue in VENUES:
            yield strategy.needs(venue)
        if strategy.holds:
            for position, held_ns, edge in product(positions(self.routes), _HELD_NS, EDGES):
                band, now_ns = strategy.exit_band(position), position.opened_ns + held_ns
                yield band
                if _asks(band, edge, edge / 2) or (band.from_ns is not None and now_ns >= band.from_ns):
                    yield strategy.exit(position, edge, edge / 2, now_ns)


def positions(routes: Sequence[Route]) -> Iterator[Position]:
    """Yield positions that are open: in both directions, one that was closed in part, one nearly, one of long ago."""
    for number, (route, opened_ns) in enumerate(product(routes, (START_NS, START_NS - 86_400 * SECOND_NS))):
        quantity = _QUANTITIES[number % len(_QUANTITIES)]
        yield Position(
            trade_id=f"t{number}",
            route=route,
            opened_quantity=Decimal("0.5"),
            quantity=quantity,
            buy_price=Decimal(100),
            sell_price=Decimal("100.5"),
            cash=quantity / 2,
            fees=Decimal("0.04"),
            realised=ZERO,
            opened_ns=opened_ns,
        )


def outside(edge: float) -> tuple[float, ...]:
    """Return numbers below an edge, the next one first."""
    return (nextafter(edge, -inf), edge - 0.01, edge - 3.0) if isfinite(edge) else ()


def expect_entry_in_band(strategy: Strategy, route: Route, now_ns: int, edges: Sequence[float] = EDGES) -> None:
    """See that it wants to enter a route at no edge below the one from which on it wants to be asked.

    Raises:
        Failed: it does.
    """
    for edge in (*edges, *outside(strategy.entry_from_bps(route))):
        least = strategy.entry_from_bps(route)  # it may be another after an entry that was wanted
        if edge < least:
            found = strategy.entry(route, edge, now_ns)
            expect(found is None, f"None at an edge of {edge:g} bps, below the {least:g} from which it asks", found)


def expect_exit_in_band(strategy: Strategy, position: Position, edges: Sequence[float] = EDGES) -> None:
    """See that it wants to leave a position at no prices and no time outside of the band that it declares.

    Raises:
        Failed: it does.
    """
    band = strategy.exit_band(position)
    nets = (*edges, *outside(band.net_from_bps), *(-one for one in outside(-band.net_to_bps)))
    times = [position.opened_ns + held_ns for held_ns in _HELD_NS]
    if band.from_ns is not None:
        times = [*(one for one in times if one < band.from_ns), band.from_ns - 1]
    for edge, net in product((*edges, *outside(band.edge_from_bps)), nets):
        if _asks(band, edge, net):
            continue
        for now_ns in times:
            found = strategy.exit(position, edge, net, now_ns)
            held = (now_ns - position.opened_ns) / SECOND_NS
            where = f"an edge of {edge:g} bps, {net:g} bps earned, after {held:g} s"
            expect(found is None, f"None outside of {band}: {where}", found)


def _asks(band: ExitBand, edge: float, net: float) -> bool:
    """Return whether a band has these prices in it."""
    return edge >= band.edge_from_bps or net >= band.net_from_bps or net <= band.net_to_bps


def _instrument(own: Listing, venue: str) -> Instrument:
    return Instrument(
        symbol=own.symbol,
        venue=venue,
        native_id=own.symbol,
        base=own.base,
        quote=own.quote,
        rules=TradingRules(tick_size=Decimal("0.01"), lot_size=Decimal("0.001"), min_notional=Decimal(5)),
        maker_fee_bps=Decimal(2),
        taker_fee_bps=Decimal(4),
    )
