"""What a venue says of contracts that it closed by force."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from trioarb.model.number import EXACT, ZERO
from trioarb.model.order import Fill, Side

__all__ = ["Liquidation"]


class Liquidation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Contracts of ``symbol`` that a venue closed by force at ``ts_ns``: short ones by buying, long ones by selling.

    ``fills``: at which prices, with what it took for it. Where the venue says so: ``mark`` is the price that it went
    by, ``balance`` what the account was worth then, wallet and unrealised results together, and ``maintenance`` the
    maintenance margin that this was less than; both in the contract's quote asset.
    """

    liquidation_id: str
    ts_ns: int
    symbol: str
    side: Side
    fills: tuple[Fill, ...]
    mark: Decimal | None = None
    balance: Decimal | None = None
    maintenance: Decimal | None = None

    @property
    def quantity(self) -> Decimal:
        """Sum of the fills."""
        total = ZERO
        for fill in self.fills:
            total = EXACT.add(total, fill.quantity)
        return total
