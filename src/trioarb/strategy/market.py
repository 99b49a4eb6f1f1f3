"""One symbol as it can be traded: its instruments, its quotes, and what is free to be spent on them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import attrs

from trioarb.model.market import Instrument
from trioarb.model.order import Side
from trioarb.plugin.contract import Exchange
from trioarb.quotes.board import QuoteBoard, Touch
from trioarb.state.funds import Funds
from trioarb.strategy.leg import Leg

__all__ = ["Market"]


@attrs.frozen(kw_only=True)
class Market:
    """One symbol: its instruments by venue, its quotes, and the value of its quote asset.

    ``exit_bps`` is the edge at which its positions are expected to be closed. Of the touches that legs were looked at
    with, when they were sized, planned and evened out, it remembers each venue's last with both sides.
    """

    symbol: str
    instruments: Mapping[str, Instrument]
    board: QuoteBoard
    exchanges: Mapping[str, Exchange]
    funds: Funds
    usd_per_quote: Decimal
    exit_bps: Decimal
    _seen: dict[str, Touch] = attrs.field(factory=dict, init=False, repr=False)

    @property
    def base(self) -> str:
        return next(iter(self.instruments.values())).base

    def leg(self, venue: str, side: Side) -> Leg:
        """Return one side of a trade at a venue, as it stands now."""
        instrument, exchange, funds = self.instruments[venue], self.exchanges[venue], self.funds
        touch = self.board.touch(venue)
        if touch is not None and touch.bid is not None and touch.ask is not None:
            self._seen[venue] = touch
        return Leg(
            side=side,
            instrument=instrument,
            touch=touch,
            free_base=funds.spendable(venue, instrument.base),
            free_quote=funds.spendable(venue, instrument.quote),
            account=exchange.account,
            max_borrow_usd=exchange.max_borrow_usd,
            usd_per_quote=self.usd_per_quote,
            kept_base=funds.kept(venue, instrument.base),
            kept_quote=funds.kept(venue, instrument.quote),
        )

    def last_touch(self, venue: str) -> Touch | None:
        """Return the last touch with both sides that a leg was looked at with; ``None``: there was none."""
        return self._seen.get(venue)
