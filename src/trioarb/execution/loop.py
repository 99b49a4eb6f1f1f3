"""What a loop through three symbols has to do next, as a pure function of what was filled so far.

Its three legs go out together. Where they don't even out, what is left of either asset is traded away in its own market
in money, at the same venue, within the slippage bound. What can't be in time is a residual; what is too small for the
venue to trade, and worth next to nothing, is dust.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import msgspec

from trioarb.execution.pair import Send, Wait, evening
from trioarb.model.event import TransactionLeg, TransactionOpened
from trioarb.model.number import EXACT, ZERO
from trioarb.model.order import Purpose, Side
from trioarb.state.trades import Flow, PairFlows
from trioarb.strategy.leg import Leg

__all__ = ["LoopEnd", "LoopFlows", "LoopState", "next_step_of_loop"]


class LoopFlows(msgspec.Struct, frozen=True, kw_only=True):
    """What a loop traded in its three symbols, and what it was opened for."""

    home_leg: TransactionLeg
    cross_leg: TransactionLeg
    other_leg: TransactionLeg
    home: Flow
    cross: Flow
    other: Flow

    @classmethod
    def of(cls, flows: PairFlows) -> LoopFlows:
        """Return those of a pair that is a loop: its legs are home, cross and other one, in this order."""
        assert isinstance(flows.opened, TransactionOpened)
        home, cross, other = flows.opened.legs
        return cls(
            home_leg=home,
            cross_leg=cross,
            other_leg=other,
            home=flows.at(home.symbol, home.venue),
            cross=flows.at(cross.symbol, cross.venue),
            other=flows.at(other.symbol, other.venue),
        )

    @property
    def left_at_home(self) -> Decimal:
        """How much more of what is traded at home was bought than sold."""
        return EXACT.add(self.home.net, self.cross.net)

    @property
    def left_of_bridge(self) -> Decimal:
        """How much more of the bridge came in than was spent, fees of the cross leg included."""
        return EXACT.add(self.other.net, EXACT.subtract(self.cross.cash, self.cross.fees))

    @property
    def through(self) -> Decimal:
        """How much went around: bought at home and sold on the cross, or the other way round."""
        home, cross = self.home.net, self.cross.net
        if self.home_leg.side is Side.SELL:
            home, cross = cross, home
        return max(ZERO, min(home, EXACT.minus(cross)))


class LoopState(msgspec.Struct, frozen=True, kw_only=True):
    """``left`` by symbol: what is one-sided of its base asset, earlier dust included; below zero: it is lacking.

    ``legs`` by symbol, on the side that trades it away. ``refusals``: how often an order there filled nothing.
    """

    left: Mapping[str, Decimal]
    legs: Mapping[str, Leg]
    refusals: Mapping[str, int]
    out_of_time: bool
    fate_unknown: bool


class LoopEnd(msgspec.Struct, frozen=True):
    """The loop has ended; in the market of these symbols it leaves residuals, else dust."""

    residuals: Sequence[str]


def next_step_of_loop(state: LoopState, *, slippage_bps: Decimal, dust_usd: Decimal) -> Send | Wait | LoopEnd:
    """Return the loop's next step; bounds are as in `pair.next_step`."""
    left = {symbol: quantity for symbol, quantity in state.left.items() if quantity}
    if state.fate_unknown:
        return LoopEnd(tuple(symbol for symbol in left if not _is_dust(state, symbol, dust_usd)))
    remedies = list(_remedies(state, left, slippage_bps))
    if remedies and not state.out_of_time:
        return min(remedies, key=lambda one: (state.refusals.get(one[0], 0), one[0]))[1]
    kept = tuple(symbol for symbol in left if not _is_dust(state, symbol, dust_usd))
    return LoopEnd(kept) if state.out_of_time or not kept else Wait()


def _remedies(state: LoopState, left: Mapping[str, Decimal], slippage_bps: Decimal) -> Iterator[tuple[str, Send]]:
    for symbol, quantity in left.items():
        leg = state.legs[symbol]
        if not leg.is_priced:
            continue
        wanted, limit = evening(leg, abs(quantity), slippage_bps)
        if leg.takes(wanted, limit):
            yield (
                symbol,
                Send(
                    venue=leg.venue,
                    side=leg.side,
                    quantity=wanted,
                    limit_price=limit,
                    purpose=Purpose.UNWIND,
                    symbol=symbol,
                ),
            )


def _is_dust(state: LoopState, symbol: str, dust_usd: Decimal) -> bool:
    """Whether what is left there is worth too little, and too small for the venue; no, where no price is known."""
    leg, quantity = state.legs[symbol], abs(state.left[symbol])
    bid = None if leg.touch is None else leg.touch.bid
    if bid is None:
        return False
    return quantity * bid * leg.usd_per_quote < dust_usd and not leg.takes(leg.lots(quantity), bid)
