"""What an order, a pair or a trade bought and sold."""

from __future__ import annotations

from decimal import Decimal

import attrs

from trioarb.model.number import ZERO

__all__ = ["Flow"]


@attrs.define(eq=False)
class Flow:
    """Quantities in base asset; values and fees in quote asset."""

    bought: Decimal = ZERO
    buy_value: Decimal = ZERO
    buy_fees: Decimal = ZERO
    sold: Decimal = ZERO
    sell_value: Decimal = ZERO
    sell_fees: Decimal = ZERO

    def add(self, *, is_buy: bool, quantity: Decimal, value: Decimal, fee: Decimal) -> None:
        if is_buy:
            self.bought += quantity
            self.buy_value += value
            self.buy_fees += fee
        else:
            self.sold += quantity
            self.sell_value += value
            self.sell_fees += fee

    def with_all(self, other: Flow) -> Flow:
        """Return the sum of both."""
        both = zip(attrs.astuple(self), attrs.astuple(other), strict=True)
        return Flow(*(one + more for one, more in both))

    @property
    def net(self) -> Decimal:
        return self.bought - self.sold

    @property
    def fees(self) -> Decimal:
        return self.buy_fees + self.sell_fees

    @property
    def earned(self) -> Decimal:
        """Cash less fees."""
        return self.sell_value - self.buy_value - self.buy_fees - self.sell_fees
