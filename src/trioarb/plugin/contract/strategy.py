"""Strategies: when to enter and when to leave."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import attrs

from trioarb.model.market import Quote, Route
from trioarb.model.trade import ExitReason, OrderSize, Position

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

__all__ = ["Screen", "Strategy", "StrategyContext"]


class Screen(ABC):
    """Says at which rows of recorded market data a strategy could act, so that the others need not be shown to it.

    One row too many costs time; one too few changes the result. It has to hold whatever the ages of the quotes are.
    """

    @abstractmethod
    def entries(self, received: Floats, paid: Floats) -> npt.NDArray[np.bool_]:
        """Return at which rows `Strategy.entry` could answer for a route.

        ``received`` = bid · (1 − fee) where it sells, ``paid`` = ask · (1 + fee) where it buys; NaN without a quote.
        Its edge is 10⁴ · (received ÷ paid − 1) bps.
        """

    @abstractmethod
    def exits(self, position: Position, received: Floats, paid: Floats) -> npt.NDArray[np.bool_]:
        """Return at which rows `Strategy.exit` could answer, given the same for the reversed route.

        From `Strategy.wake_at_ns` on every row is shown.
        """


class Strategy(ABC):
    """Decides for one symbol when to enter and when to leave. Called at every evaluation; keep it fast."""

    #: Quotes older than this are not acted upon.
    max_quote_age_ns: int
    #: Least edge of an entry, checked again with the rounded numbers that would be sent.
    entry_bps: Decimal
    #: The edge at which a position is expected to be closed (normally negative): the price of hedging.
    exit_bps: Decimal

    #: Below this edge (bps) `entry` answers ``None`` in any case, and is not asked; ``None``: it always is. A subclass
    #: whose `entry` answers at other edges has to set its own.
    asked_from_bps: float | None = None

    @abstractmethod
    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        """Return how much to trade on the symbol's best route, or ``None``."""

    @abstractmethod
    def exit(self, position: Position, edge_bps: float, net_bps: float, now_ns: int) -> ExitReason | None:
        """Return why to close the position, or ``None``.

        ``edge_bps``: edge of the reversed route. ``net_bps``: PnL if closed now, fees paid, of the entry notional
        (quantity × buy price). While one of the quotes is too old, no reason but ``MAX_HOLDING`` is acted upon.
        """

    def wake_at_ns(self, position: Position) -> int | None:
        """Return when `exit` has to be asked even if no quote comes, or ``None``."""
        return None

    def screen(self) -> Screen | None:
        """Return what tells beforehand at which rows of recorded data it could act; ``None``: it has to see them all.

        Only for a strategy whose answers depend on nothing but what it is asked with.
        """
        return None


@attrs.frozen(kw_only=True)
class StrategyContext:
    """``venues`` list the symbol; ``touch(venue)`` is its latest accepted quote there."""

    symbol: str
    venues: Sequence[str]
    touch: Callable[[str], Quote | None]
