"""What a venue says of contracts that it closed by force."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from trioarb.model.given import Given, Maybe
from trioarb.model.number import EXACT, ZERO
from trioarb.model.order import Fill, Side

__all__ = ["Liquidation"]


class Liquidation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Contracts that a venue closed by force: short ones by buying, long ones by selling.

    Attributes:
        liquidation_id: The venue's, the same whenever it is told.
        ts_ns: When, Unix nanoseconds.
        symbol: Whose contracts.
        side: Which way the venue traded.
        fills: At which prices, with what it took for it.
        mark: The price that it went by, if it says so.
        balance: What the account was worth then, wallet and unrealised results together, in the contract's quote asset,
            if it says so.
        maintenance: The maintenance margin that this was less than, in the same asset, if it says so.
    """

    liquidation_id: str
    ts_ns: int
    symbol: str
    side: Side
    fills: tuple[Fill, ...]
    mark: Decimal | None = None
    balance: Decimal | None = None
    maintenance: Decimal | None = None

    @classmethod
    def of(
        cls,
        *,
        liquidation_id: str | int,
        ts_ns: int | str,
        symbol: str,
        side: Side | str,
        fills: Iterable[Fill],
        mark: Maybe = None,
        balance: Maybe = None,
        maintenance: Maybe = None,
    ) -> Liquidation:
        """Return a liquidation from what JSON gives.

        Raises:
            WireError: a field can't be; names it.
        """
        given = Given(cls.__name__)
        return cls(
            liquidation_id=given.name("liquidation_id", liquidation_id),
            ts_ns=given.time("ts_ns", ts_ns),
            symbol=given.name("symbol", symbol),
            side=given.member("side", side, Side),
            fills=given.all_of("fills", fills, Fill),
            mark=given.maybe("mark", mark, above=0),
            balance=given.maybe("balance", balance),
            maintenance=given.maybe("maintenance", maintenance),
        )

    @property
    def quantity(self) -> Decimal:
        """Sum of the fills."""
        total = ZERO
        for fill in self.fills:
            total = EXACT.add(total, fill.quantity)
        return total
