"""What was bought and sold somewhere, in what it is counted in."""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction

from recount.exact import NONE, Event, number

__all__ = ["Flow", "counted_fee", "counted_price"]


def counted_price(fill: Event) -> Fraction:
    """Return a fill's price in what its symbol is counted in."""
    return number(fill["price"]) * number(fill.get("fx_rate") or "1")


def counted_fee(fill: Event) -> Fraction:
    """Return what a fill's fee was worth at that moment, in what its symbol is counted in."""
    fee = number(fill["fee"])
    if fill["fee_asset"] == fill["base"]:
        fee *= number(fill["price"])
    elif fill["fee_asset"] != fill["quote"]:
        fee = number(fill.get("fee_value") or "0")
    return fee * number(fill.get("fx_rate") or "1")


@dataclass
class Flow:
    """Quantities, values and fees, by side."""

    bought: Fraction = NONE
    buy_value: Fraction = NONE
    buy_fees: Fraction = NONE
    sold: Fraction = NONE
    sell_value: Fraction = NONE
    sell_fees: Fraction = NONE

    def add(self, *, buying: bool, quantity: Fraction, value: Fraction, fee: Fraction) -> None:
        if buying:
            self.bought, self.buy_value = self.bought + quantity, self.buy_value + value
            self.buy_fees += fee
        else:
            self.sold, self.sell_value = self.sold + quantity, self.sell_value + value
            self.sell_fees += fee

    def plus(self, other: Flow) -> Flow:
        """Return the sum of both."""
        return Flow(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(Flow)))

    @property
    def net(self) -> Fraction:
        return self.bought - self.sold

    @property
    def cash(self) -> Fraction:
        return self.sell_value - self.buy_value

    @property
    def fees(self) -> Fraction:
        return self.buy_fees + self.sell_fees

    @property
    def earned(self) -> Fraction:
        return self.cash - self.fees
