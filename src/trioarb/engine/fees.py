"""What fees in other assets than a symbol's own are worth: at the market of the moment, or as configured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

import attrs

from trioarb.config.schema import Config
from trioarb.model.event import OrderFilled
from trioarb.model.market import Instrument
from trioarb.model.number import EXACT, per_unit
from trioarb.quotes.board import QuoteBoard
from trioarb.settings.problem import Problem

__all__ = ["FeePrices"]


@attrs.define(eq=False)
class FeePrices:
    """``instruments`` by symbol and venue, and ``boards`` by symbol, are the campaign's own, and may grow. ``usd``: for
    one unit of a quote asset, as of now.
    """

    config: Config
    instruments: Mapping[str, Mapping[str, Instrument]]
    boards: Mapping[str, QuoteBoard]
    usd: Mapping[str, Decimal]
    _last: dict[str, Decimal] = attrs.field(factory=dict)

    def price(self, asset: str, quote: str) -> Decimal | None:
        """Return what one unit of an asset is worth in a quote asset, to 20 digits; ``None``: that isn't known.

        Where its market has withdrawn a side, it is what it was worth when it was asked about before.
        """
        table, fx = self.config.fee_assets.get(asset), self.usd
        twice_of_quote = self._twice_usd(quote)
        if table is not None and table.usd is not None:
            twice: Decimal | None = EXACT.multiply(2, table.usd)
        elif table is None and asset in fx:
            twice = EXACT.multiply(2, fx[asset])
        else:
            symbol = self._market(asset)
            if symbol is None:
                return None
            twice = self._twice_the_middle_usd(symbol)
        if twice is None or twice_of_quote is None:
            return self._last.get(f"{asset}/{quote}")
        price = self._last[f"{asset}/{quote}"] = per_unit(twice, twice_of_quote)
        return price

    def _twice_usd(self, quote: str) -> Decimal | None:
        """Return twice the rate of a quote asset; of one that has none, at its market: loops go through it."""
        rate = self.usd.get(quote)
        if rate is not None:
            return EXACT.multiply(2, rate)
        symbol = self._market(quote)
        return None if symbol is None else self._twice_the_middle_usd(symbol)

    def valued(self, fill: OrderFilled) -> Decimal | None:
        """Return what the fee of a fill is worth in the symbol's quote asset, if it is neither in that nor in base."""
        if fill.fee_asset in (fill.base, fill.quote):
            return None
        price = self.price(fill.fee_asset, fill.quote)
        return None if price is None else EXACT.multiply(fill.fee, price)

    def missing(self) -> Iterator[Problem]:
        """Yield the assets in which venues say that they take fees, and that have no price."""
        asked = {
            (one.fee_asset, venue)
            for by_venue in self.instruments.values()
            for venue, one in by_venue.items()
            if one.fee_asset is not None and one.fee_asset not in (one.base, one.quote)
        }
        for asset, venue in sorted(asked):
            table = self.config.fee_assets.get(asset)
            has_price = (
                asset in self.config.fx or asset in self.config.fx_markets if table is None else table.usd is not None
            )
            if not has_price and self._market(asset) is None:
                symbol = "" if table is None else table.symbol or ""
                yield Problem(
                    key=f"fee_assets.{asset}",
                    message=f"the symbol {symbol} is not traded, so it has no price"
                    if symbol
                    else f"missing; exchanges.{venue} takes fees in {asset}, which has no price",
                    allowed='{ usd = … }, or { symbol = "…" } of a symbol that is traded',
                )

    def _market(self, asset: str) -> str | None:
        """Return the symbol whose price is that of an asset: the one that was named, or the first with that base."""
        table = self.config.fee_assets.get(asset)
        if table is not None:
            return table.symbol if table.symbol in self.boards and table.symbol in self.instruments else None
        for symbol, by_venue in self.instruments.items():
            instruments = by_venue.values() if symbol in self.boards else ()
            if any(one.base == asset and one.quote in self.config.fx for one in instruments):
                return symbol
        return None

    def _twice_the_middle_usd(self, symbol: str) -> Decimal | None:
        board, listed = self.boards[symbol], self.instruments[symbol]
        for venue in board.venues:
            touch, rate = board.touch(venue), self.usd.get(listed[venue].quote) if venue in listed else None
            if rate is not None and touch is not None and touch.bid is not None and touch.ask is not None:
                return EXACT.multiply(EXACT.add(touch.bid, touch.ask), rate)
        return None
