"""What a pair has to do next, as a pure function of what was filled so far.

An entry whose legs filled unequally is hedged on the lagging venue or unwound on the leading one, whichever costs
less. An exit is only ever completed forward. What can't be evened out in time is a residual; what is too small for
any venue to trade is dust.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

import msgspec

from trioarb.model.number import BPS, EXACT, ZERO
from trioarb.model.order import Purpose, Side
from trioarb.model.trade import PairKind, PairOutcome
from trioarb.strategy.leg import Leg

__all__ = ["Finish", "PairState", "Quote", "Send", "Wait", "Withdraw", "balanced", "evening", "next_step"]


class PairState(msgspec.Struct, frozen=True, kw_only=True):
    """``bought`` and ``sold``: net base quantities on the buy and on the sell venue.

    ``refusals``: how often each venue refused an order of this pair, or filled nothing of one that was to even it out.
    ``fate_unknown``: an order never got an answer. ``quote``: an order of it rests at its venue.
    """

    kind: PairKind
    bought: Decimal
    sold: Decimal
    buy: Leg
    sell: Leg
    refusals: Mapping[str, int]
    out_of_time: bool
    fate_unknown: bool
    quote: Quote | None = None


class Quote(msgspec.Struct, frozen=True):
    """An order that rests; ``stays``: it should."""

    stays: bool


class Withdraw(msgspec.Struct, frozen=True):
    """Cancel what rests, and learn its last word."""


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """Send this IOC order. ``symbol``: of what, where that isn't the pair's own symbol."""

    venue: str
    side: Side
    quantity: Decimal
    limit_price: Decimal
    purpose: Purpose
    symbol: str = ""


class Wait(msgspec.Struct, frozen=True):
    """Nothing can be sent now, but there is time left."""


class Finish(msgspec.Struct, frozen=True):
    """The pair has ended. ``imbalance`` = bought − sold, zero unless it is a residual or dust."""

    outcome: PairOutcome
    imbalance: Decimal
    is_dust: bool


class _Remedy(msgspec.Struct, frozen=True, kw_only=True):
    order: Send
    refusals: int
    cost: Decimal


def next_step(
    state: PairState, *, slippage_bps: Decimal, exit_bps: Decimal, dust_usd: Decimal
) -> Send | Wait | Withdraw | Finish:
    """Return the pair's next step.

    While a quote rests, what it filled is hedged, and never unwound, which might trade with what rests. It is withdrawn
    where that can't be, and where it shouldn't rest and a hedge has failed; the pair ends after its last word only.

    ``slippage_bps`` bounds how far beyond the touch an order may trade; ``exit_bps`` is the edge at which a hedged
    pair is expected to be closed later, which is part of the price of hedging. What is worth ``dust_usd`` or more is
    no dust.
    """
    imbalance = EXACT.subtract(state.bought, state.sold)
    if state.quote is not None:
        return _while_quoted(state, state.quote, imbalance, slippage_bps, exit_bps)
    if state.fate_unknown:
        return Finish(PairOutcome.RESIDUAL, imbalance, False)
    if not imbalance:
        return balanced(state.kind, state.bought)
    remedies = list(_remedies(state, imbalance, slippage_bps, exit_bps))
    if remedies:
        if state.out_of_time:
            return Finish(PairOutcome.RESIDUAL, imbalance, False)
        return min(remedies, key=lambda remedy: (remedy.refusals, remedy.cost)).order
    if _bid(state.buy) is not None and _bid(state.sell) is not None and _is_dust(state, imbalance, dust_usd):
        return Finish(_outcome(state.kind, min(state.bought, state.sold)), imbalance, True)
    return Finish(PairOutcome.RESIDUAL, imbalance, False) if state.out_of_time else Wait()


def _while_quoted(
    state: PairState, quote: Quote, imbalance: Decimal, slippage_bps: Decimal, exit_bps: Decimal
) -> Send | Wait | Withdraw:
    if not imbalance:
        return Wait() if quote.stays else Withdraw()
    if state.out_of_time or state.fate_unknown:
        return Withdraw()
    remedies = _remedies(state, imbalance, slippage_bps, exit_bps)
    hedge = next((one for one in remedies if one.order.purpose is Purpose.HEDGE), None)
    if hedge is not None and (quote.stays or not hedge.refusals):
        return hedge.order
    lagging = state.sell if imbalance > 0 else state.buy
    is_small = lagging.is_priced and not lagging.takes(lagging.lots(abs(imbalance)), lagging.price)
    return Wait() if quote.stays and is_small else Withdraw()


def balanced(kind: PairKind, quantity: Decimal) -> Finish:
    """Return how a pair ends that bought as much as it sold."""
    return Finish(_outcome(kind, quantity), ZERO, False)


def _outcome(kind: PairKind, hedged: Decimal) -> PairOutcome:
    return PairOutcome.HEDGED if kind is PairKind.ENTRY and hedged > 0 else PairOutcome.FLAT


def _remedies(state: PairState, imbalance: Decimal, slippage_bps: Decimal, exit_bps: Decimal) -> Iterator[_Remedy]:
    """Yield the orders that would even out the pair. Costs are per base unit, comparable among each other only."""
    lagging, leading = (state.sell, state.buy) if imbalance > 0 else (state.buy, state.sell)
    options = [(lagging, Purpose.COMPLETE if state.kind is PairKind.EXIT else Purpose.HEDGE)]
    if state.kind is PairKind.ENTRY:
        options.append((leading.reversed, Purpose.UNWIND))
    for leg, purpose in options:
        if not leg.is_priced:
            continue
        price, fee_bps, selling = leg.in_common(leg.price), leg.instrument.taker_fee_bps, leg.side is Side.SELL
        cost = -price * (BPS - fee_bps) / BPS if selling else price * (BPS + fee_bps) / BPS
        if purpose is Purpose.HEDGE:
            cost -= price * exit_bps / BPS
        quantity, limit = evening(leg, abs(imbalance), slippage_bps)
        if leg.takes(quantity, limit):
            yield _Remedy(
                order=Send(venue=leg.venue, side=leg.side, quantity=quantity, limit_price=limit, purpose=purpose),
                refusals=state.refusals.get(leg.venue, 0),
                cost=cost,
            )


def evening(leg: Leg, imbalance: Decimal, slippage_bps: Decimal) -> tuple[Decimal, Decimal]:
    """Return how much of an imbalance a leg that has a price can trade away, perhaps too little, and at which limit."""
    limit = leg.limit_beyond(slippage_bps)
    quantity = leg.lots(min(imbalance, leg.payable(limit)))
    if leg.side is Side.SELL and not leg.takes(quantity, limit):
        limit = leg.limit  # worth enough at the touch, but not so far below it
        quantity = leg.lots(min(imbalance, leg.payable(limit)))
    return _leave_no_crumb(leg, quantity, limit), limit


def _leave_no_crumb(leg: Leg, quantity: Decimal, price: Decimal) -> Decimal:
    """Return how much to send so that, if no more than is displayed fills, the rest is still large enough to trade."""
    displayed, rules = leg.displayed_within(price), leg.instrument.rules
    if displayed >= quantity or leg.takes(quantity - displayed, price):
        return quantity
    smaller = leg.lots(quantity - rules.least(price))
    return smaller if leg.takes(smaller, price) else quantity


def _is_dust(state: PairState, imbalance: Decimal, dust_usd: Decimal) -> bool:
    """Whether it is worth too little, and too small for every venue that could even it out: for an exit, the lagging
    one.
    """
    lagging = state.sell if imbalance > 0 else state.buy
    return not any(
        (bid := _bid(leg)) is not None
        and (abs(imbalance) * bid * leg.usd_per_quote >= dust_usd or leg.takes(leg.lots(abs(imbalance)), bid))
        for leg in ((lagging,) if state.kind is PairKind.EXIT else (state.buy, state.sell))
    )


def _bid(leg: Leg) -> Decimal | None:
    return None if leg.touch is None else leg.touch.bid
