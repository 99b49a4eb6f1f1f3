"""What is open: reservations, positions, residuals and dust; and what of it is at risk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from recount.exact import NONE
from recount.listing import Place

__all__ = ["Dust", "Holdings", "Position", "Residual"]


@dataclass
class Position:
    """``cash`` and ``fees``: what of its trade's money it holds, in what its symbol is counted in.

    ``since_ns``: since when it is as large as it is.
    """

    symbol: str
    buy_venue: str
    sell_venue: str
    quantity: Fraction
    cash: Fraction
    fees: Fraction
    higher_price: Fraction
    usd: Fraction
    since_ns: int

    @property
    def exposure_usd(self) -> Fraction:
        return self.quantity * self.higher_price * self.usd


@dataclass
class Residual:
    trade_id: str
    symbol: str
    venue: str
    quantity: Fraction
    price: Fraction
    booked: Fraction
    cost_usd: Fraction
    is_possible: bool
    order_id: str | None


@dataclass
class Dust:
    """``cost_usd`` is below zero where it was short."""

    quantity: Fraction = NONE
    booked: Fraction = NONE
    cost_usd: Fraction = NONE


class Holdings:
    def __init__(self) -> None:
        self.reserved: dict[str, tuple[str, Fraction]] = {}
        self.positions: dict[str, Position] = {}
        self.residuals: dict[str, Residual] = {}
        self.dust: defaultdict[Place, Dust] = defaultdict(Dust)

    def exposure_usd(self, symbol: str | None = None) -> Fraction:
        """Return what is at risk of a symbol, or of all. Residuals of a trade that hedge each other count once."""
        return sum((usd for one, usd in self._exposures() if symbol in (None, one)), NONE)

    def _exposures(self) -> Iterator[tuple[str, Fraction]]:
        yield from self.reserved.values()
        yield from ((one.symbol, one.exposure_usd) for one in self.positions.values())
        yield from ((symbol, abs(one.cost_usd)) for (symbol, _), one in self.dust.items())
        sides: defaultdict[tuple[str, str], list[Fraction]] = defaultdict(lambda: [NONE, NONE])
        for residual in self.residuals.values():
            sides[residual.trade_id, residual.symbol][residual.quantity > 0] += residual.cost_usd
        yield from ((symbol, max(both)) for (_, symbol), both in sides.items())

    @property
    def symbols(self) -> list[str]:
        """Return those of which anything is open that has a value."""
        names = {one.symbol for one in self.positions.values()} | {one.symbol for one in self.residuals.values()}
        return sorted(names | {symbol for (symbol, _), one in self.dust.items() if one.quantity})
