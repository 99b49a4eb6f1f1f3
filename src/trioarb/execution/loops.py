"""Loops in flight: what is next with them, and how they end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from trioarb.config.schema import Execution
from trioarb.execution.flight import Flight
from trioarb.execution.loop import LoopEnd, LoopFlows, LoopState, next_step_of_loop
from trioarb.execution.loop_end import Home, residual_of_cross, settle_cross_late, settle_loop
from trioarb.execution.pair import Send, Wait
from trioarb.model.event import Event, Intent, ResidualLeft, TransactionOpened
from trioarb.model.number import EXACT, ZERO
from trioarb.model.order import Side
from trioarb.state.trades import OpenOrder, Trades
from trioarb.strategy.market import Market

__all__ = ["Loops", "is_loop"]


def is_loop(opened: Intent) -> bool:
    """Return whether a pair is a loop: its legs go through several symbols."""
    return isinstance(opened, TransactionOpened) and len({leg.symbol for leg in opened.legs}) > 1


@attrs.define(kw_only=True, eq=False)
class Loops:
    """``markets`` by symbol. A loop is counted to its home symbol, and its money is that symbol's quote asset."""

    trades: Trades
    markets: Mapping[str, Market]
    settings: Execution

    def along(self, opened: Intent) -> Mapping[str, Market]:
        """Return the markets that a pair goes through; none but its own, unless it is a loop."""
        return {leg.symbol: self.markets[leg.symbol] for leg in opened.legs} if is_loop(opened) else {}

    def next_step(self, flight: Flight, *, out_of_time: bool) -> Send | Wait | LoopEnd:
        """Return what is next with a loop in flight."""
        loop = LoopFlows.of(self.trades.pairs[flight.opened.pair_id])
        left, legs = {}, {}
        for leg, quantity in ((loop.home_leg, loop.left_at_home), (loop.other_leg, loop.left_of_bridge)):
            # A loop takes up the dust of those before it: what is left of both together is to be evened out.
            dust = self.trades.dust.get((leg.symbol, leg.venue))
            quantity = EXACT.add(quantity, ZERO if dust is None else dust.quantity)
            left[leg.symbol] = quantity
            legs[leg.symbol] = self.markets[leg.symbol].leg(leg.venue, Side.SELL if quantity > 0 else Side.BUY)
        return next_step_of_loop(
            LoopState(
                left=left,
                legs=legs,
                refusals=flight.refusals,
                out_of_time=out_of_time,
                fate_unknown=bool(flight.unanswered),
            ),
            slippage_bps=self.settings.unwind_slippage_bps,
            dust_usd=self.settings.dust_usd,
        )

    def settle(self, flight: Flight, end: LoopEnd, now_ns: int) -> Sequence[Event]:
        """Return the events that end a loop."""
        return settle_loop(
            self.trades.pairs[flight.opened.pair_id],
            end,
            self._homes(flight.opened),
            unknown=tuple(flight.unanswered.values()),
            now_ns=now_ns,
            usd_per_quote=flight.market.usd_per_quote,
        )

    def is_cross(self, order: OpenOrder) -> bool:
        """Return whether an order is of a loop's cross leg, which moves two assets that are no money."""
        return is_loop(order.pair.opened) and order.submitted.symbol == order.pair.opened.legs[1].symbol

    def reopened(self, order: OpenOrder) -> ResidualLeft:
        """Return what stands for a cross order that its venue took up again after its loop had ended."""
        opened = order.pair.opened
        return residual_of_cross(order, self._homes(opened), self.markets[opened.symbol].usd_per_quote)

    def settle_late(self, order: OpenOrder, residual: ResidualLeft | None) -> Sequence[Event]:
        """Return what changes once the fate of a cross order is known whose loop had ended without it."""
        opened = order.pair.opened
        usd_per_quote = self.markets[opened.symbol].usd_per_quote
        return settle_cross_late(order, residual, self._homes(opened), usd_per_quote=usd_per_quote)

    def _homes(self, opened: Intent) -> Mapping[str, Home]:
        home, _, other = opened.legs
        return {
            leg.symbol: Home(
                symbol=leg.symbol,
                base=self.markets[leg.symbol].base,
                touch=self.markets[leg.symbol].board.touch,
                last_touch=self.markets[leg.symbol].last_touch,
            )
            for leg in (home, other)
        }
