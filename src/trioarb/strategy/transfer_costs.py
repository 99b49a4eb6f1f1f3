"""What moving an asset from venue to venue costs, and what trading it back would cost instead."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import attrs

from trioarb.model.event import InstrumentChanged, InstrumentListed
from trioarb.model.fx import Said
from trioarb.model.market import Instrument
from trioarb.model.number import BPS
from trioarb.strategy.rebalance import Transfer

__all__ = ["Listed", "TransferCosts"]

Listed = Instrument | InstrumentListed | InstrumentChanged


@attrs.frozen(kw_only=True)
class TransferCosts:
    """``fx``: USD for one unit of assets with a constant rate; ``said``: what one unit brings and costs in USD of those
    whose rate is at markets. ``instruments`` by symbol and venue; ``prices``: bid and ask by symbol and venue, where
    known.
    """

    fx: Mapping[str, Decimal]
    instruments: Mapping[str, Mapping[str, Listed]]
    prices: Mapping[tuple[str, str], tuple[Decimal | None, Decimal | None]]
    said: Mapping[str, Said] = attrs.field(factory=dict)

    def usd_per(self, asset: str, *, is_bought: bool = False) -> Decimal | None:
        """Return what one unit of an asset brings in USD, or costs; ``None``: it isn't known."""
        constant, said = self.fx.get(asset), self.said.get(asset)
        if constant is not None or said is None:
            return constant
        return said.ask if is_bought else said.bid

    def price(self, transfer: Transfer) -> Decimal | None:
        """Return what one of the asset is worth in USD where it leaves: a rate, or the bid there; ``None``: unknown."""
        rate = self.usd_per(transfer.asset)
        if rate is not None:
            return rate
        for symbol, by_venue in self.instruments.items():
            listed = by_venue.get(transfer.source)
            if listed is not None and listed.base == transfer.asset:
                bid, _ = self.prices.get((symbol, transfer.source), (None, None))
                rate = self.usd_per(listed.quote)
                if bid is not None and rate is not None:
                    return bid * rate
        return None

    def traded_back(self, transfer: Transfer) -> Decimal | None:
        """Return what it costs in USD to sell it where there is too much and buy it where it is missing, at the known
        prices.
        """
        for symbol, by_venue in self.instruments.items():
            sold, bought = by_venue.get(transfer.source), by_venue.get(transfer.target)
            if sold is None or bought is None or sold.base != transfer.asset:
                continue
            bid, _ = self.prices.get((symbol, transfer.source), (None, None))
            _, ask = self.prices.get((symbol, transfer.target), (None, None))
            # Money that is had for the one pays for the other: only where they differ, one is sold, the other bought.
            brings = self.usd_per(sold.quote)
            costs = brings if sold.quote == bought.quote else self.usd_per(bought.quote, is_bought=True)
            if bid is not None and ask is not None and brings is not None and costs is not None:
                paid, received = ask * (BPS + bought.taker_fee_bps), bid * (BPS - sold.taker_fee_bps)
                return transfer.amount * (paid * costs - received * brings) / BPS
        return None

    def symbol_of(self, transfer: Transfer) -> str | None:
        """Return the first symbol that the asset is the base of where it leaves."""
        found = (name for name, at in self.instruments.items() if transfer.source in at)
        return next((name for name in found if self.instruments[name][transfer.source].base == transfer.asset), None)

    def is_worth_it(self, transfer: Transfer, *, most_fee_bps: Decimal, least_gain_bps: Decimal) -> bool:
        """Return whether the fee is no more than this share of the amount, and trading it back costs so much more.

        Money, which can't be traded back, is only asked about its fee. An asset without a known price is not moved.
        """
        price = self.price(transfer)
        if price is None or transfer.fee * BPS > transfer.amount * most_fee_bps:
            return False
        if transfer.asset in self.fx:
            return True
        back = self.traded_back(transfer)
        return back is not None and (back - transfer.fee * price) * BPS >= least_gain_bps * transfer.amount * price
