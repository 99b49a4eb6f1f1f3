"""What orders a venue takes for a symbol: price steps, size steps, and least sizes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise

import attrs

from trioarb.errors import WireError
from trioarb.model.given import Given, Maybe, Number
from trioarb.model.number import EXACT, ZERO, ceil_to, floor_to, text

__all__ = ["TickRange", "TradingRules", "check_ticks"]

#: Quantities are cut here where a venue has no lot size, so that they are finite; prices where it has no tick size.
_FINEST = Decimal("1e-12")


@attrs.frozen(kw_only=True)
class TickRange:
    """The price step from a price on, up to and without another.

    Attributes:
        at_least: It begins at this price.
        below: It ends before this one; ``None``: it is the last range.
        step: Prices in it are multiples of this.
    """

    at_least: Decimal
    below: Decimal | None = None
    step: Decimal

    @classmethod
    def of(cls, *, at_least: Number, below: Maybe = None, step: Number) -> TickRange:
        """Return a range from what JSON gives.

        Raises:
            WireError: a field can't be; names it.
        """
        given = Given(cls.__name__)
        return cls(
            at_least=given.factor("at_least", at_least, at_least=0),
            below=given.maybe("below", below, above=0),
            step=given.factor("step", step, above=0),
        )


@attrs.frozen(kw_only=True)
class TradingRules:
    """A venue's rules for one symbol. Each may be absent: then the venue has no such rule.

    Attributes:
        tick_size: Step of prices, in quote asset.
        lot_size: Step of sizes, in base asset.
        min_notional: The least value of an order, in quote asset.
        min_quantity: The least size of an order, in base asset.
        ticks: Price steps that differ with the price, instead of one; they begin at 0 and have no holes.

    Raises:
        ValueError: ``ticks`` have holes, or stand beside a ``tick_size``.
    """

    tick_size: Decimal | None = None
    lot_size: Decimal | None = None
    min_notional: Decimal | None = None
    min_quantity: Decimal | None = None
    ticks: tuple[TickRange, ...] = ()

    def __attrs_post_init__(self) -> None:
        if self.ticks:
            check_ticks(self.ticks, self.tick_size)

    @classmethod
    def of(
        cls,
        *,
        tick_size: Maybe = None,
        lot_size: Maybe = None,
        min_notional: Maybe = None,
        min_quantity: Maybe = None,
        ticks: Iterable[TickRange] = (),
    ) -> TradingRules:
        """Return rules from what JSON gives. A step or a least size of 0 is none.

        Raises:
            WireError: a field can't be; names it.
        """
        given = Given(cls.__name__)
        rules = {
            "tick_size": given.rule("tick_size", tick_size),
            "lot_size": given.rule("lot_size", lot_size),
            "min_notional": given.rule("min_notional", min_notional),
            "min_quantity": given.rule("min_quantity", min_quantity),
        }
        table = given.all_of("ticks", ticks, TickRange)
        try:
            return cls(**rules, ticks=table)
        except ValueError as error:
            raise WireError(f"{cls.__name__}: {error}") from None

    @property
    def lot(self) -> Decimal:
        """The size step, or a very small one."""
        return self.lot_size or _FINEST

    def tick_at(self, price: Decimal) -> Decimal:
        """Return the price step at a price, or a very small one.

        Args:
            price: In quote asset.
        """
        if not self.ticks:
            return self.tick_size or _FINEST
        return self._range(price).step

    def floor_price(self, price: Decimal) -> Decimal:
        """Return the highest price of an order that is not above the given one.

        Args:
            price: In quote asset.
        """
        return floor_to(price, self.tick_at(price))

    def ceil_price(self, price: Decimal) -> Decimal:
        """Return the lowest price of an order that is not below the given one.

        Args:
            price: In quote asset.
        """
        return ceil_to(price, self.tick_at(price))  # a range's end is a multiple of its step, and of the next one's

    def has_price(self, price: Decimal) -> bool:
        """Return whether an order may have this price.

        Args:
            price: In quote asset.
        """
        return price > 0 and (
            (not self.ticks and self.tick_size is None) or not EXACT.remainder(price, self.tick_at(price))
        )

    def floor_quantity(self, quantity: Decimal) -> Decimal:
        """Return the largest size that is not above the given one, and not below 0.

        Args:
            quantity: In base asset.
        """
        return floor_to(max(quantity, ZERO), self.lot)

    def has_quantity(self, quantity: Decimal) -> bool:
        """Return whether an order may have this size, as far as its step goes.

        Args:
            quantity: In base asset.
        """
        return quantity > 0 and (self.lot_size is None or not EXACT.remainder(quantity, self.lot_size))

    def takes(self, quantity: Decimal, price: Decimal) -> bool:
        """Return whether an order of this size is large enough at this price.

        Args:
            quantity: In base asset.
            price: In quote asset.
        """
        return (
            quantity > 0
            and price > 0
            and (self.min_notional is None or quantity * price >= self.min_notional)
            and (self.min_quantity is None or quantity >= self.min_quantity)
        )

    def least(self, price: Decimal) -> Decimal:
        """Return the smallest size that is large enough at a price.

        Args:
            price: In quote asset.
        """
        smallest = max(self.lot, ceil_to(self.min_quantity or ZERO, self.lot))
        return max(smallest, ceil_to((self.min_notional or ZERO) / price, self.lot))

    def _range(self, price: Decimal) -> TickRange:
        return next((one for one in self.ticks if one.below is None or price < one.below), self.ticks[-1])


def check_ticks(ticks: Sequence[TickRange], tick_size: Decimal | None = None) -> None:
    """See that every price above 0 has one step.

    Args:
        ticks: Ranges of prices, in any order.
        tick_size: The one step for all prices, if there is one.

    Raises:
        ValueError: It has none, or two; says where.
    """
    if tick_size is not None:
        raise ValueError("ticks and tick_size exclude each other: one step for all prices, or a table of them")
    if ticks[0].at_least:
        raise ValueError(f"ticks: there is no step for prices below {text(ticks[0].at_least)}")
    for one, following in pairwise(ticks):
        if one.below is None or one.below > following.at_least:
            raise ValueError(f"ticks: there are two steps for prices from {text(following.at_least)} on")
        if one.below < following.at_least:
            raise ValueError(f"ticks: there is no step for prices from {text(one.below)} to {text(following.at_least)}")
        if EXACT.remainder(one.below, one.step) or EXACT.remainder(one.below, following.step):
            raise ValueError(
                f"ticks: {text(one.below)}, where one step follows the other, is no multiple of "
                f"{text(one.step)} and {text(following.step)}"
            )
    if ticks[-1].below is not None:
        raise ValueError(f"ticks: there is no step for prices from {text(ticks[-1].below)} on")
