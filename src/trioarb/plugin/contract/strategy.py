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

    Attributes:
        edge_from_bps: From this edge of the reversed route on.
        net_from_bps: When so much of the entry notional, fees paid, is earned or more.
        net_to_bps: When so much of it is earned or less (negative: lost).
        from_ns: From this campaign time on, in nanoseconds, whatever the prices are, and even if no quote comes or
            those there are are too old; ``None``: time alone is no reason.
    """

    edge_from_bps: float = inf
    net_from_bps: float = inf
    net_to_bps: float = -inf
    from_ns: int | None = None

    @property
    def has_net(self) -> bool:
        """Whether what would be earned matters."""
        return self.net_from_bps < inf or self.net_to_bps > -inf


class Strategy(ABC):
    """Decides for one symbol when to enter and when to leave. Called at every evaluation; keep it fast.

    What one raises, or answers that can't be, puts its symbol into quarantine: nothing is entered, and its positions
    can still be closed. Attributes are read when it is opened, ``entry_bps`` also after `retune`.

    Attributes:
        max_quote_age_ns: Quotes older than this are not acted upon, in nanoseconds.
        entry_bps: Least edge of an entry, in basis points, checked again with the rounded numbers that would be sent.
        exit_bps: The edge at which a position is expected to be closed (normally negative): the price of hedging.
        holds: Whether an entry opens a position that is closed later. If not, what both legs traded is earned when the
            pair ends: there is no exit, nothing is kept back for one, and `exit` is never asked.
        triangles: Of a strategy whose spec says ``loops``: the triangles with this symbol as home that it goes around,
            at each venue that lists all three, in both ways. `entry_from_bps` and `entry` are asked about them by a
            route that buys and sells at one venue; a route between venues is none to it. It must not hold.
    """

    max_quote_age_ns: int
    entry_bps: Decimal
    exit_bps: Decimal = Decimal(0)
    holds: bool = True
    triangles: Sequence[Triangle] = ()

    @abstractmethod
    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        """Return how much to trade on a route, or ``None``.

        Asked where the route's edge is at least `entry_from_bps`; of several routes in the order of their edges, until
        one can be sized and is allowed.

        Args:
            route: Where would be bought and sold.
            edge_bps: What the best prices there are apart, fees paid, in basis points.
            now_ns: Campaign time in nanoseconds.

        Returns:
            The size that is wanted, which funds, books and guards may make smaller; ``None``: nothing.
        """

    def exit(self, position: Position, edge_bps: float, net_bps: float, now_ns: int) -> ExitReason | None:
        """Return why to close the position, or ``None``.

        While one of the quotes is too old, it is asked for the time of its band only, and no reason but ``MAX_HOLDING``
        is acted upon.

        Args:
            position: One of the symbol's, open.
            edge_bps: Edge of the reversed route, in basis points.
            net_bps: PnL if closed now, fees paid, in basis points of the entry notional (quantity × buy price).
            now_ns: Campaign time in nanoseconds.

        Returns:
            The reason, which is recorded; ``None``: it stays open.
        """
        return None

    def needs(self, venue: str) -> frozenset[Offer]:
        """Return what a venue has to offer beyond immediate-or-cancel limit orders, for what is sent there.

        Asked once, of each venue that lists the symbol; where one doesn't offer it, no campaign begins (exit code 2).

        Args:
            venue: One of `StrategyContext.venues`.

        Returns:
            What is needed; nothing, unless a strategy says so.
        """
        return frozenset()

    def retune(self, settings: Any) -> None:
        """Take other settings from now on: a user has set a key while the campaign runs.

        Only keys differ whose `setting` says what ``loosens`` them; without any this is never called. Bands are read
        again after it; ``max_quote_age_ns``, ``exit_bps``, ``holds`` and ``triangles`` have to stay. One that raises
        fails its symbol.

        Args:
            settings: All of them, as `StrategyContext.settings` was.
        """
        raise NotImplementedError(f"{type(self).__name__} has keys that say what loosens them, and no retune")

    def entry_from_bps(self, route: Route) -> float:
        """Return from which edge of a route on `entry` wants to be asked about it; `ALWAYS`: at every evaluation.

        Quotes below it cost next to nothing, and of recorded ones only those within are looked at one by one. Read
        again after each event of the symbol, and after each `entry` that was wanted. Below it `entry` has to answer
        nothing.

        Args:
            route: Where would be bought and sold.

        Returns:
            An edge in basis points, part of the band.
        """
        return ALWAYS

    def exit_band(self, position: Position) -> ExitBand:
        """Return when `exit` wants to be asked about a position; at every evaluation, unless a strategy says less.

        Read again after each event of the symbol, and after each `entry` that was wanted. Outside of it `exit` has to
        answer nothing.

        Args:
            position: One of the symbol's, open.

        Returns:
            The band.
        """
        return _ALWAYS_ASKED


_ALWAYS_ASKED = ExitBand(edge_from_bps=ALWAYS)


@attrs.frozen(kw_only=True)
class StrategyContext(PluginContext):
    """What a strategy is opened with, once a symbol.

    Attributes:
        symbol: What it trades.
        venues: Those that list the symbol.
        touch: ``touch(venue)`` is the latest accepted quote there; ``None``: there is none.
        stock: ``stock(venue)``: how much of the base asset is held there, what orders lock included; below zero:
            borrowed.
        triangles: All that the campaign's symbols make, whichever symbol is their home; of strategies that go around
            them.
        instruments: How each of the venues lists the symbol, with its fees.
        rests_at: The venues where an order can rest post-only.
    """

    symbol: str
    venues: Sequence[str]
    touch: Callable[[str], Quote | None]
    stock: Callable[[str], Decimal]
    triangles: Sequence[Triangle] = ()
    instruments: Mapping[str, Instrument] = attrs.field(factory=dict)
    rests_at: frozenset[str] = frozenset()
