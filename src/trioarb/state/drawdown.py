"""How far a figure fell from its highest, and for how long it stayed below."""

from __future__ import annotations

from decimal import Decimal

import attrs

from trioarb.model.number import EXACT, ZERO

__all__ = ["Drawdown"]


@attrs.define
class Drawdown:
    """Takes a figure as it goes on, from a ``highest`` that it begins with.

    ``most`` is the furthest that it fell from its highest so far, ``longest_ns`` the longest that it took from a
    highest until that was reached again, or that it has been below it.
    """

    highest: Decimal
    most: Decimal = ZERO
    longest_ns: int = 0
    _since_ns: int | None = None
    _is_below: bool = False

    def take(self, figure: Decimal, at_ns: int) -> None:
        since_ns = at_ns if self._since_ns is None else self._since_ns
        was_below, self._is_below = self._is_below, figure < self.highest
        if was_below or self._is_below:
            self.longest_ns = max(self.longest_ns, at_ns - since_ns)
        if self._is_below:
            self.most = max(self.most, EXACT.subtract(self.highest, figure))
            self._since_ns = since_ns
        else:
            self.highest, self._since_ns = figure, at_ns
