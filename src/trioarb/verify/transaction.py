"""Transactions: what legs they may have, and which orders."""

from __future__ import annotations

from trioarb.model.event import OrderSubmitted, TransactionOpened
from trioarb.model.order import Purpose, Side, TimeInForce

__all__ = ["problem_of", "problem_of_order"]


def problem_of(event: TransactionOpened) -> str:
    """Return what is wrong with the legs of a transaction that is opened, or ''."""
    legs = event.legs
    if any(leg.quantity <= 0 or (leg.limit is not None and leg.limit <= 0) for leg in legs):
        return "has a leg that trades nothing, or at no price"
    if any(leg.post_only and leg.time_in_force is not TimeInForce.GTC for leg in legs):
        return "has a leg that is post-only and doesn't rest"
    if any(leg.after is not None and not 0 <= leg.after < place for place, leg in enumerate(legs)):
        return "has a leg that follows none before it"
    if all(leg.after is None and leg.time_in_force is TimeInForce.IOC for leg in legs):
        return "is a pair of two legs that go out together, and is opened as something else"
    sides = sorted(leg.side.value for leg in legs)
    if sides != [Side.BUY.value, Side.SELL.value] or {leg.symbol for leg in legs} != {event.symbol}:
        return "has other legs than one that buys and one that sells its symbol"
    if len({leg.quantity for leg in legs}) > 1 or any(leg.limit is None for leg in legs):
        return "has legs that don't even out, or without a limit to reckon with"
    return ""


def problem_of_order(opened: TransactionOpened, event: OrderSubmitted, sent: set[int]) -> str:
    """Return what is wrong with an order of a transaction, or ''. ``sent``: the legs that had one; it is added to."""
    if event.purpose in (Purpose.HEDGE, Purpose.UNWIND):
        return "rests, and is to even out" if event.rests else ""
    if event.purpose is not Purpose.LEG:
        return f"is a {event.purpose.value} order of an entry"
    for place, leg in enumerate(opened.legs):
        if (leg.symbol, leg.venue, leg.side) != (event.symbol, event.venue, event.side) or leg.after is not None:
            continue
        is_known = place in sent
        sent.add(place)
        tif = TimeInForce.IOC if event.time_in_force is None else event.time_in_force
        if is_known or (event.quantity, event.limit_price) != (leg.quantity, leg.limit):
            break
        if (tif, bool(event.post_only)) == (leg.time_in_force, leg.post_only):
            return ""
        break
    return f"is not a leg that {opened.pair_id} announced"
