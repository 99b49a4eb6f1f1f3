"""When a strategy wants to be asked: the edge of a route and the net of a position, held against its bands.

Every formula stands here once. It takes floats and whole columns alike, with the same operations in the same order, so
that what is found in columns is what one quote after the other would give, to the last bit.
"""

from __future__ import annotations

from math import isfinite, ulp
from typing import TYPE_CHECKING, TypeVar

import attrs

from trioarb.model.market import Route
from trioarb.model.trade import Position
from trioarb.plugin.contract import ExitBand

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Mask = npt.NDArray[np.bool_]

__all__ = ["Held", "Path", "edge_bps", "exit_asked", "net_bps", "ratio_below", "ratio_up_to"]

Number = TypeVar("Number", float, "npt.NDArray[np.float64]")

#: What rounding could add to an edge, in bps; far more than it does.
_SLACK_BPS = 1e-7

#: The step of floats below 1, and of what is the difference of a smaller one to 1.
_STEP = 2.0**-53


@attrs.frozen
class Path:
    """A route and what its edge is made of: indices of the venues, fees as factors."""

    route: Route
    buy: int
    sell: int
    cost_buy: float
    keep_sell: float


@attrs.frozen
class Held:
    """A position, the band of its exit, the way out, and its figures as floats: ``notional`` = quantity × buy price."""

    position: Position
    band: ExitBand
    out: Path
    quantity: float
    cash: float
    notional: float

    @classmethod
    def of(cls, position: Position, band: ExitBand, out: Path) -> Held:
        quantity = float(position.quantity)
        notional = quantity * float(position.buy_price)
        return cls(position, band, out, quantity, float(position.cash - position.fees), notional)


def edge_bps(bid_sell: Number, keep_sell: float, ask_buy: Number, cost_buy: float) -> Number:
    """Return 10⁴ · (bid_sell · (1 − fee_sell) ÷ (ask_buy · (1 + fee_buy)) − 1).

    ``keep_sell`` = 1 − fee_sell and ``cost_buy`` = 1 + fee_buy, fees as fractions.
    """
    return 1e4 * (bid_sell * keep_sell / (ask_buy * cost_buy) - 1.0)


def net_bps(held: Held, bid: Number, ask: Number) -> Number:
    """Return PnL if closed at a bid where it is long and an ask where it is short, fees paid, of its notional."""
    mark = bid * held.out.keep_sell - ask * held.out.cost_buy
    return 1e4 * (held.cash + held.quantity * mark) / held.notional


def exit_asked(held: Held, bid: Number, ask: Number) -> bool | Mask:
    """Return whether prices are within a position's band. Its time is another matter, and the quotes' age too."""
    band, out = held.band, held.out
    asked: bool | Mask = edge_bps(bid, out.keep_sell, ask, out.cost_buy) >= band.edge_from_bps
    if band.has_net:
        net = net_bps(held, bid, ask)
        asked = asked | (net >= band.net_from_bps) | (net <= band.net_to_bps)
    return asked


def ratio_below(bps: float) -> float:
    """Return a ratio of what is received to what is paid that is below an edge for certain, however it was rounded."""
    return 1.0 + (bps - _SLACK_BPS) / 1e4


def ratio_up_to(bps: float) -> float:
    """Return the highest ratio of what is received to what is paid whose edge, as `edge_bps` rounds it, is ≤ ``bps``.

    Below 0.5 it may be one of the next lower ones.
    """
    if not isfinite(bps):
        return bps
    ratio = 1.0 + bps / 1e4
    while 1e4 * (ratio - 1.0) > bps:
        ratio -= max(ulp(ratio), _STEP)
    while 1e4 * ((higher := ratio + max(ulp(ratio), _STEP)) - 1.0) <= bps:
        ratio = higher
    return ratio
