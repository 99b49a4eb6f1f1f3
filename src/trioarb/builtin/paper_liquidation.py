"""How a paper venue closes contracts by force, once an account can't hold them any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from trioarb.api import EXACT, Fill, Instrument, Liquidation, Side
from trioarb.builtin.paper_margin import MarginAccount, Standing
from trioarb.builtin.paper_matching import Level, matched

__all__ = ["Liquidations"]


class Liquidations:
    """Closes contracts while what their account is worth is less than its maintenance margin:

        wallet + Σ (quantity · mark − cost) < Σ |quantity| · mark · rate

    The same as Binance's (https://www.binance.com/en/support/faq/binance-futures-liquidation-protocols-360033525271),
    with the middle of the venue's own bid and ask as mark, without tiers and without an insurance fund. The contract
    that needs the most margin goes first, all of it that the book shows; then it is reckoned again. What is left
    waits for the next look.
    """

    def __init__(
        self,
        margin: MarginAccount,
        fee: Decimal,
        left: Callable[[str, Side], Sequence[Level]],
        instrument: Callable[[str], Instrument],
    ) -> None:
        """``fee``: what of a value it takes; ``left``: what an order of a side could be matched with now."""
        self._margin = margin
        self._fee = fee
        self._left = left
        self._instrument = instrument
        #: All that there were, an earlier process's included.
        self.told: list[Liquidation] = []

    def due(self, now_ns: int) -> Iterator[Liquidation]:
        """Yield what is closed now; each has to be booked, and told, before the next is asked for."""
        for quote in self._margin.quotes:
            tried = set[str]()
            while (stands := self._margin.standing(quote)).is_short:
                one = self._next(quote, stands, tried, now_ns)
                if one is None:
                    break
                yield one

    def _next(self, quote: str, stands: Standing, tried: set[str], now_ns: int) -> Liquidation | None:
        """Return the next one; ``None``: no contract that wasn't tried can be traded now."""
        while (symbol := self._margin.heaviest(quote, tried)) is not None:
            tried.add(symbol)
            quantity = self._margin.contracts[symbol].quantity
            side = Side.SELL if quantity > 0 else Side.BUY
            lot = self._instrument(symbol).rules.lot
            liquidation_id = f"liquidation-{len(self.told) + 1}"
            fills = tuple(
                Fill(
                    fill_id=f"{liquidation_id}-{number}",
                    quantity=part,
                    price=price,
                    fee=EXACT.multiply(EXACT.multiply(part, price), self._fee),
                    fee_asset=quote,
                )
                for number, (price, part) in enumerate(matched(self._left(symbol, side), abs(quantity), lot), 1)
            )
            if fills:
                return Liquidation(
                    liquidation_id=liquidation_id,
                    ts_ns=now_ns,
                    symbol=symbol,
                    side=side,
                    fills=fills,
                    mark=self._margin.mark(symbol),
                    balance=stands.balance,
                    maintenance=stands.maintenance,
                )
        return None
