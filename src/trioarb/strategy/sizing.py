"""The border between quotes and money: how much to trade, at which limits, and why not."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from itertools import chain

import msgspec

from trioarb.model.market import Instrument, Route
from trioarb.model.number import BPS, EXACT, ZERO, floor_to
from trioarb.model.trade import Opportunity, OrderSize
from trioarb.strategy.leg import Leg
from trioarb.strategy.walk import Step, edge_at, edge_over, steps

__all__ = ["NotSized", "both_take", "common_lots", "common_step", "size_entry", "size_exit"]


class NotSized(msgspec.Struct, frozen=True):
    """Why an edge over the threshold could not be sized; ``reason`` is a key to count under."""

    reason: str


def size_entry(
    route: Route, wanted: OrderSize, buy: Leg, sell: Leg, *, entry_bps: Decimal, slippage_bps: Decimal | None
) -> Opportunity | NotSized:
    """Return the opportunity with the numbers that would be sent, or what is in the way.

    Quantity is the least of what is wanted, displayed, and can be paid; rounded down to both venues' lots. The buy
    limit is rounded down to the tick and the sell limit up, and the edge is checked again at these limits.

    Of books with several levels it is the largest quantity whose last levels still earn ``entry_bps``. The limits are
    at these levels, the edge is that of the averages; an equal quantity takes no deeper limits.

    What is kept for closing other positions isn't spent. With ``slippage_bps``, closing this one, too, has to be
    payable as far beyond the touch; ``None``: it never will be closed.
    """
    buy, sell = buy.entering, sell.entering
    walk = steps(buy, sell, entry_bps)
    first = next(walk)
    if first.buy_limit <= 0:
        return NotSized("tick_size")
    if edge_at(buy, first.buy_limit, sell, first.sell_limit) < entry_bps:
        return NotSized("edge_after_rounding")
    closing: _Closing | None = None
    if slippage_bps is not None:
        back, out = sell.reversed, buy.reversed
        for leg in (back, out):
            if not leg.is_priced:
                return NotSized(f"no_price_to_close.{leg.venue}")
        closing = _Closing(back, back.limit_beyond(slippage_bps))
        if closing.limit < back.price or out.limit_beyond(slippage_bps) > out.price:
            return NotSized("tick_size_to_close")
    found: _Sized | None = None
    for step in chain((first,), walk):
        sized = _size_at(step, wanted, buy, sell, closing)
        if found is None or sized.quantity > found.quantity:
            found = sized
        if sized.is_bounded_by_others:
            break  # deeper levels have worse limits, at which no more can be had
    assert found is not None
    step, quantity = found.step, found.quantity
    if not buy.takes(quantity, step.buy_limit) or not sell.takes(quantity, step.sell_limit):
        return NotSized(f"{_scarce(found.bounds, buy, sell, slippage_bps is not None)}.below_minimum")
    return Opportunity(
        route=route,
        quantity=quantity,
        buy_limit=step.buy_limit,
        sell_limit=step.sell_limit,
        edge_bps=edge_over(buy, sell, step, quantity),
        notional_usd=EXACT.multiply(quantity, _higher_usd(step, buy, sell)),
        ask=buy.price,
        ask_size=buy.displayed,
        bid=sell.price,
        bid_size=sell.displayed,
        asks=step.bought if len(step.bought) > 1 else None,
        bids=step.sold if len(step.sold) > 1 else None,
    )


class _Sized(msgspec.Struct, frozen=True):
    """How much can be traded at a step's limits, and all that bounds it, what is displayed first."""

    step: Step
    quantity: Decimal
    bounds: Sequence[Decimal]

    @property
    def is_bounded_by_others(self) -> bool:
        """Whether something else than what is displayed is in the way."""
        return min(self.bounds[2:]) <= self.step.displayed


class _Closing(msgspec.Struct, frozen=True):
    """Where what is sold is bought back, and the limit of that."""

    leg: Leg
    limit: Decimal

    def closable(self, sell_limit: Decimal) -> Decimal:
        """Return how much could be bought back of what is sold at a limit, with its proceeds and what is free there."""
        instrument = self.leg.instrument
        if instrument.contract is not None:
            return Decimal("Infinity")  # with the margin that it binds
        fee_bps = max(instrument.taker_fee_bps, ZERO)
        cost = self.limit * (BPS + fee_bps) - sell_limit * (BPS - fee_bps)
        return self.leg.free_quote * BPS / cost if cost > 0 else Decimal("Infinity")


def _size_at(step: Step, wanted: OrderSize, buy: Leg, sell: Leg, closing: _Closing | None) -> _Sized:
    bounds = [step.displayed_to_buy, step.displayed_to_sell, buy.payable(step.buy_limit), sell.payable(step.sell_limit)]
    if closing is not None:
        bounds.append(closing.closable(step.sell_limit))
    if wanted.usd is not None:
        bounds.append(wanted.usd / _higher_usd(step, buy, sell))
    if wanted.base is not None:
        bounds.append(wanted.base)
    return _Sized(step, common_lots(min(bounds), buy.instrument, sell.instrument), bounds)


def _higher_usd(step: Step, buy: Leg, sell: Leg) -> Decimal:
    return max(EXACT.multiply(step.buy_limit, buy.usd_per_quote), EXACT.multiply(step.sell_limit, sell.usd_per_quote))


def _scarce(bounds: Sequence[Decimal], buy: Leg, sell: Leg, closes: bool) -> str:
    """Return what bounds the size; of several, the first by name."""
    names = [
        f"displayed_size.{buy.venue}",
        f"displayed_size.{sell.venue}",
        _funds_at(buy, buy.instrument.quote),
        _funds_at(sell, sell.instrument.base),
        *[f"to_close.{sell.venue}.{sell.instrument.quote}"] * closes,
        *["order_size"] * (len(bounds) - 4 - closes),
    ]
    return min(name for name, bound in zip(names, bounds, strict=True) if bound == min(bounds))


def _funds_at(leg: Leg, asset: str) -> str:
    """Return what a leg is paid with."""
    if leg.instrument.contract is not None:
        return f"margin.{leg.venue}.{leg.instrument.quote}"
    return f"balance.{leg.venue}.{asset}"


def size_exit(
    quantity: Decimal, buy: Leg, sell: Leg, *, slippage_bps: Decimal | None, least_bps: Decimal | None = None
) -> Opportunity:
    """Return how to close ``quantity``, or what of it can be paid for: buy back on one venue, sell on the other.

    At the touch, and as deep as the last levels earn ``least_bps``; or with ``slippage_bps`` up to that far beyond the
    touch. At most what both venues display there, so that the legs fill equally; unless the rest would be too small to
    close. A part is whole lots of both venues; all of it is as it is, and each leg of it goes down to its own venue's
    lot. The plan itself may be too small for the venues, see `both_take`.
    """
    if slippage_bps is not None:
        buy_limit, sell_limit = buy.limit_beyond(slippage_bps), sell.limit_beyond(slippage_bps)
        displayed = min(buy.displayed_within(buy_limit), sell.displayed_within(sell_limit))
        return _exit_at(quantity, buy, sell, buy_limit, sell_limit, displayed)
    found: Opportunity | None = None
    for step in steps(buy, sell, least_bps):
        plan = _exit_at(quantity, buy, sell, step.buy_limit, step.sell_limit, step.displayed)
        if found is None or plan.quantity > found.quantity:
            found = plan
        if plan.quantity < step.displayed or plan.quantity >= quantity:
            break
    assert found is not None
    return found


def _exit_at(
    quantity: Decimal, buy: Leg, sell: Leg, buy_limit: Decimal, sell_limit: Decimal, displayed: Decimal
) -> Opportunity:
    payable = min(quantity, buy.payable(buy_limit), sell.payable(sell_limit))
    part = common_lots(payable, buy.instrument, sell.instrument)
    plan = Opportunity(
        route=Route(symbol=buy.instrument.symbol, buy_venue=buy.venue, sell_venue=sell.venue),
        quantity=payable if not part or payable == quantity else part,
        buy_limit=buy_limit,
        sell_limit=sell_limit,
        edge_bps=edge_at(buy, buy_limit, sell, sell_limit),
        notional_usd=ZERO,
    )
    displayed = common_lots(displayed, buy.instrument, sell.instrument)
    if displayed >= plan.quantity:
        return plan
    is_split = both_take(displayed, plan, buy, sell) and both_take(plan.quantity - displayed, plan, buy, sell)
    return msgspec.structs.replace(plan, quantity=displayed) if is_split else plan


def both_take(quantity: Decimal, plan: Opportunity, buy: Leg, sell: Leg) -> bool:
    """Return whether both venues would take so much, down to their own lot, at the limits of a plan."""
    return buy.takes(buy.lots(quantity), plan.buy_limit) and sell.takes(sell.lots(quantity), plan.sell_limit)


def common_lots(quantity: Decimal, first: Instrument, second: Instrument) -> Decimal:
    """Return the largest quantity, not above the given one, that is whole lots on both venues."""
    return floor_to(max(quantity, ZERO), common_step(first, second))


def common_step(first: Instrument, second: Instrument) -> Decimal:
    """Return the least common multiple of both venues' lots."""
    a, b = first.rules.lot, second.rules.lot
    if a == b:
        return a
    with localcontext(EXACT):
        x, y = a, b
        while y:
            x, y = y, x % y
        return a * (b / x).to_integral_value()
