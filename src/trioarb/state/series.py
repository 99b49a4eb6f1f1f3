"""Amounts in a row, in bounded memory."""

from __future__ import annotations

from decimal import Decimal

import attrs

from trioarb.model.number import EXACT, ZERO

__all__ = ["Series"]


@attrs.define
class Series:
    """Amounts in the order in which they came. No more than ``most`` sums are kept (an even number).

    ``sums`` are those of ``each`` amounts in a row, the last one of as many as came since. Once there are too many,
    every two become one. ``count`` is how many amounts came; they sum to ``total``, to the last digit.
    """

    most: int
    sums: list[Decimal] = attrs.field(factory=list)
    each: int = 1
    count: int = 0
    total: Decimal = ZERO

    def add(self, amount: Decimal) -> int:
        """Take the next amount; return its number, from 0."""
        number = self.count
        if number // self.each == self.most:
            self.sums = [EXACT.add(*two) for two in zip(self.sums[::2], self.sums[1::2], strict=True)]
            self.each *= 2
        if number // self.each == len(self.sums):
            self.sums.append(ZERO)
        self.count += 1
        self.amend(number, amount)
        return number

    def amend(self, number: int, amount: Decimal) -> None:
        """Add to an amount that came before; to the last one, if ``number`` is -1."""
        place = -1 if number == -1 else number // self.each
        self.sums[place] = EXACT.add(self.sums[place], amount)
        self.total = EXACT.add(self.total, amount)
