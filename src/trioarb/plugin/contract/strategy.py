"""Strategies: when to enter and when to leave."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from math import inf
from typing import Any

import attrs

from trioarb.model.market import Instrument, Quote, Route, Triangle
from trioarb.model.order import Offer
from trioarb.model.trade import ExitReason, OrderSize, Position
from trioarb.plugin.contract.context import PluginContext

__all__ = ["ALWAYS", "ExitBand", "Strategy", "StrategyContext"]


#: The least edge of a strategy that wants to be asked at every evaluation.
ALWAYS = -inf


@attrs.frozen(kw_only=True)
class ExitBand:
    """When `Strategy.exit` wants to be asked about a position; each end is part of the band.

    ``edge_from_bps``: from this edge of the reversed route on. ``net_from_bps``, ``net_to_bps``: when so much of the
    entry notional, fees paid, is earned or more; or is earned or less (negative: lost). ``from_ns``: from this campaign
    time on, whatever the prices are, and even if no quote comes or those there are are too old.
    """

    edge_from_bps: float = inf
    net_from_bps: float = inf
    net_to_bps: float = -inf
    from_ns: int | None = None

    @property
    def has_net(self) -> bool:
        return self.net_from_bps < inf or self.net_to_bps > -inf


class Strategy(ABC):
    """Decides for one symbol when to enter and when to leave. Called at every evaluation; keep it fast."""

    #: Quotes older than this are not acted upon.
    max_quote_age_ns: int
    #: Least edge of an entry, checked again with the rounded numbers that would be sent.
    entry_bps: Decimal
    #: The edge at which a position is expected to be closed (normally negative): the price of hedging.
    exit_bps: Decimal = Decimal(0)
    #: Whether an entry opens a position that is closed later. If not, what both legs traded is earned when the pair
    #: ends: there is no exit, nothing is kept back for one, and `exit` is never asked.
    holds: bool = True
    #: Of a strategy whose spec says ``loops``: the triangles with this symbol as home that it goes around, at each
    #: venue that lists all three, in both ways. `entry_from_bps` and `entry` are asked about them by a route that buys
    #: and sells at one venue; a route between venues is none to it. It must not hold.
    triangles: Sequence[Triangle] = ()

    @abstractmethod
    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        """Return how much to trade on a route, or ``None``.

        Asked where the route's edge is at least `entry_from_bps`; of several routes in the order of their edges, until
        one can be sized and is allowed.
        """

    def exit(self, position: Position, edge_bps: float, net_bps: float, now_ns: int) -> ExitReason | None:
        """Return why to close the position, or ``None``.

        ``edge_bps``: edge of the reversed route. ``net_bps``: PnL if closed now, fees paid, of the entry notional
        (quantity × buy price). While one of the quotes is too old, it is asked for the time of its band only, and no
        reason but ``MAX_HOLDING`` is acted upon.
        """
        return None

    def needs(self, venue: str) -> frozenset[Offer]:
        """Return what a venue has to offer beyond immediate-or-cancel limit orders, for what is sent there.

        Asked once, of each venue that lists the symbol; where one doesn't offer it, no campaign begins.
        """
        return frozenset()

    def retune(self, settings: Any) -> None:
        """Take other settings from now on: a user has set a key while the campaign runs.

        Only keys differ whose `setting` says what ``loosens`` them; without any this is never called. Bands are read
        again after it; ``max_quote_age_ns``, ``exit_bps``, ``holds`` and ``triangles`` have to stay. One that raises
        fails its symbol.
        """
        raise NotImplementedError(f"{type(self).__name__} has keys that say what loosens them, and no retune")

    def entry_from_bps(self, route: Route) -> float:
        """Return from which edge of a route on `entry` wants to be asked about it; `ALWAYS`: at every evaluation.

        Quotes below it cost next to nothing, and of recorded ones only those within are looked at one by one. Read
        again after each event of the symbol, and after each `entry` that was wanted.
        """
        return ALWAYS

    def exit_band(self, position: Position) -> ExitBand:
        """Return when `exit` wants to be asked about a position; at every evaluation, unless a strategy says less.

        Read again after each event of the symbol, and after each `entry` that was wanted.
        """
        return _ALWAYS_ASKED


_ALWAYS_ASKED = ExitBand(edge_from_bps=ALWAYS)


@attrs.frozen(kw_only=True)
class StrategyContext(PluginContext):
    """``venues`` list the symbol; ``touch(venue)`` is its latest accepted quote there.

    ``stock(venue)``: how much of its base asset is held there, what orders lock included; below zero: borrowed.
    ``triangles``: all that the campaign's symbols make, whichever symbol is their home.
    ``instruments``: how each of the venues lists it, with its fees; ``rests_at`` are those where an order can rest
    post-only.
    """

    symbol: str
    venues: Sequence[str]
    touch: Callable[[str], Quote | None]
    stock: Callable[[str], Decimal]
    triangles: Sequence[Triangle] = ()
    instruments: Mapping[str, Instrument] = attrs.field(factory=dict)
    rests_at: frozenset[str] = frozenset()
