"""How large a trade a strategy wants: keys that strategies share."""

from __future__ import annotations

from decimal import Decimal

import attrs

from trioarb.model.trade import OrderSize
from trioarb.settings.types import Loosens, PositiveDecimal, PositiveMoney, setting

__all__ = ["SizedSettings"]

_DEFAULT_USD = Decimal(500)


@attrs.frozen(kw_only=True)
class SizedSettings:
    """What settings of a strategy may derive from, to have these keys.

    Attributes:
        order_size_usd: Largest trade in USD.
        order_size_base: Largest trade in base asset.
    """

    order_size_usd: PositiveMoney | None = setting(
        None,
        doc="largest trade in USD; absent, and order_size_base absent too: 500",
        concerns="order_size",
        loosens=Loosens.MORE,
    )
    order_size_base: PositiveDecimal | None = setting(
        None, doc="largest trade in base asset", concerns="order_size", loosens=Loosens.MORE
    )

    @property
    def order_size(self) -> OrderSize:
        """What the keys come to: a usual amount of USD, if neither is set."""
        default = _DEFAULT_USD if self.order_size_base is None else None
        return OrderSize(usd=self.order_size_usd or default, base=self.order_size_base)
