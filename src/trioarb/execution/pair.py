"""What a pair has to do next, as a pure function of what was filled so far.

An entry whose legs filled unequally is hedged on the lagging venue or unwound on the leading one, whichever costs
less. An exit is only ever completed forward. What can't be evened out in time is a residual; what is too small for
any venue to trade is dust.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

import attrs

from trioarb.model.market import Instrument
from trioarb.model.number import BPS, EXACT, ZERO, ceil_to, floor_to
from trioarb.model.order import Purpose, Side
from trioarb.model.trade import PairKind, PairOutcome
from trioarb.quotes.board import Touch
from trioarb.strategy.sizing import affordable, leg_lots, tradable

__all__ = ["Finish", "PairState", "Send", "Venue", "Wait", "balanced", "next_step"]


@attrs.frozen(kw_only=True)
class Venue:
    """One venue of the pair: its instrument, its present touch if there is one, and what can be spent there.

    ``sellable``: base asset, borrowed included; ``free_quote``: quote asset.
    """

    instrument: Instrument
    touch: Touch | None
    sellable: Decimal
    free_quote: Decimal


@attrs.frozen(kw_only=True)
class PairState:
    """``bought`` and ``sold``: net base quantities on the buy and on the sell venue.

    ``refusals``: how often each venue refused an order of this pair, or filled nothing of one that was to even it out.
    ``fate_unknown``: an order never got an answer.
    """

    kind: PairKind
    bought: Decimal
    sold: Decimal
    buy: Venue
    sell: Venue
    refusals: Mapping[str, int]
    out_of_time: bool
    fate_unknown: bool


@attrs.frozen(kw_only=True)
class Send:
    """Send this IOC order."""

    venue: str
    side: Side
    quantity: Decimal
    limit_price: Decimal
    purpose: Purpose


@attrs.frozen
class Wait:
    """Nothing can be sent now, but there is time left."""


@attrs.frozen
class Finish:
    """The pair has ended. ``imbalance`` = bought − sold, zero unless it is a residual or dust."""

    outcome: PairOutcome
    imbalance: Decimal
    is_dust: bool


@attrs.frozen(kw_only=True)
class _Remedy:
    order: Send
    refusals: int
    cost: Decimal


def next_step(state: PairState, *, slippage_bps: Decimal, exit_bps: Decimal) -> Send | Wait | Finish:
    """Return the pair's next step.

    ``slippage_bps`` bounds how far beyond the touch an order may trade; ``exit_bps`` is the edge at which a hedged
    pair is expected to be closed later, which is part of the price of hedging.
    """
    imbalance = EXACT.subtract(state.bought, state.sold)
    if state.fate_unknown:
        return Finish(PairOutcome.RESIDUAL, imbalance, False)
    if not imbalance:
        return balanced(state.kind, state.bought)
    remedies = list(_remedies(state, imbalance, slippage_bps, exit_bps))
    if remedies:
        if state.out_of_time:
            return Finish(PairOutcome.RESIDUAL, imbalance, False)
        return min(remedies, key=lambda remedy: (remedy.refusals, remedy.cost)).order
    if state.buy.touch is not None and state.sell.touch is not None and _is_dust(state, imbalance):
        return Finish(_outcome(state.kind, min(state.bought, state.sold)), imbalance, True)
    return Finish(PairOutcome.RESIDUAL, imbalance, False) if state.out_of_time else Wait()


def balanced(kind: PairKind, quantity: Decimal) -> Finish:
    """Return how a pair ends that bought as much as it sold."""
    return Finish(_outcome(kind, quantity), ZERO, False)


def _outcome(kind: PairKind, hedged: Decimal) -> PairOutcome:
    return PairOutcome.HEDGED if kind is PairKind.ENTRY and hedged > 0 else PairOutcome.FLAT


def _remedies(state: PairState, imbalance: Decimal, slippage_bps: Decimal, exit_bps: Decimal) -> Iterator[_Remedy]:
    """Yield the orders that would even out the pair. Costs are per base unit, comparable among each other only."""
    side = Side.SELL if imbalance > 0 else Side.BUY
    lagging, leading = (state.sell, state.buy) if imbalance > 0 else (state.buy, state.sell)
    options = [(lagging, Purpose.COMPLETE if state.kind is PairKind.EXIT else Purpose.HEDGE)]
    if state.kind is PairKind.ENTRY:
        options.append((leading, Purpose.UNWIND))
    for venue, purpose in options:
        if venue.touch is None:
            continue
        rules = venue.instrument.rules
        if side is Side.SELL:
            price, displayed = venue.touch.bid, venue.touch.bid_size
            limit = floor_to(price * (BPS - slippage_bps) / BPS, rules.tick_size)
            cost = -price * (BPS - venue.instrument.taker_fee_bps) / BPS
        else:
            price, displayed = venue.touch.ask, venue.touch.ask_size
            limit = ceil_to(price * (BPS + slippage_bps) / BPS, rules.tick_size)
            cost = price * (BPS + venue.instrument.taker_fee_bps) / BPS
        if purpose is Purpose.HEDGE:
            cost -= price * exit_bps / BPS
        payable = venue.sellable if side is Side.SELL else affordable(venue.instrument, venue.free_quote, limit)
        quantity = floor_to(max(min(abs(imbalance), payable), ZERO), rules.lot_size)
        if side is Side.SELL and not tradable(quantity, limit, venue.instrument):
            limit = ceil_to(price, rules.tick_size)  # worth enough at the touch, but not so far below it
        quantity = _leave_no_crumb(quantity, limit, displayed, venue.instrument)
        if tradable(quantity, limit, venue.instrument):
            yield _Remedy(
                order=Send(
                    venue=venue.instrument.venue, side=side, quantity=quantity, limit_price=limit, purpose=purpose
                ),
                refusals=state.refusals.get(venue.instrument.venue, 0),
                cost=cost,
            )


def _leave_no_crumb(quantity: Decimal, price: Decimal, displayed: Decimal, instrument: Instrument) -> Decimal:
    """Return how much to send so that, if no more than ``displayed`` fills, the rest is still large enough to trade."""
    if displayed >= quantity or tradable(quantity - displayed, price, instrument):
        return quantity
    rules = instrument.rules
    smaller = floor_to(quantity - max(rules.lot_size, rules.min_notional / price), rules.lot_size)
    return smaller if tradable(smaller, price, instrument) else quantity


def _is_dust(state: PairState, imbalance: Decimal) -> bool:
    """Whether it is too small for every venue that could even it out: for an exit, the lagging one."""
    lagging = state.sell if imbalance > 0 else state.buy
    return not any(
        venue.touch is not None
        and tradable(leg_lots(abs(imbalance), venue.instrument), venue.touch.bid, venue.instrument)
        for venue in ((lagging,) if state.kind is PairKind.EXIT else (state.buy, state.sell))
    )
