"""Binance's limits as the kit keeps them: weight by IP address, unfilled orders by account."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from trioarb.venue import Costs, Limit, LimitRules, Request, Told
from trioarb_binance.wire.frames import Frame
from trioarb_binance.wire.limits import LimitKind, Used, VenueLimit, used_of
from trioarb_binance.wire.request import ORDERS, WALLET, WEIGHT

__all__ = ["costs_of", "limit_rules", "told_of", "told_of_limits"]

#: What the documents' examples say, where Binance itself doesn't.
_WEIGHT = VenueLimit(kind=LimitKind.WEIGHT, seconds=60, count=6_000)
_ORDERS = (
    VenueLimit(kind=LimitKind.ORDERS, seconds=10, count=50),
    VenueLimit(kind=LimitKind.ORDERS, seconds=86_400, count=160_000),
)
#: Endpoints below /sapi have limits of their own, far beyond what is asked of them here.
_WALLET = Limit(count=600, seconds=60)
_BUCKETS = {LimitKind.WEIGHT: WEIGHT, LimitKind.ORDERS: ORDERS}


def limit_rules(limits: Iterable[VenueLimit]) -> LimitRules:
    """Return the rules, given what `exchangeInfo` says of limits. Windows begin with the minute and the day [docs]."""
    known = tuple(limits)
    weight = [one for one in known if one.kind is LimitKind.WEIGHT] or [_WEIGHT]
    orders = [one for one in known if one.kind is LimitKind.ORDERS] or _ORDERS
    return LimitRules(
        buckets={
            WEIGHT: [Limit(count=one.count, seconds=one.seconds) for one in weight],
            ORDERS: [Limit(count=one.count, seconds=one.seconds) for one in orders],
            WALLET: [_WALLET],
        },
        costs=costs_of,
        told=lambda response: told_of(used_of(response)),
        by_key=frozenset({ORDERS}),
    )


def costs_of(request: Request | Frame) -> Costs:
    """Return what a request takes of which limit; an order takes weight, too."""
    if request.group == ORDERS:
        return {ORDERS: 1, WEIGHT: request.weight}
    return {request.group: request.weight}


def told_of(used: Iterable[Used]) -> Iterator[Told]:
    """Yield what an answer says of limits."""
    for one in used:
        bucket = _BUCKETS.get(one.kind)
        if bucket is not None:
            yield Told(bucket=bucket, seconds=one.seconds, used=one.used, count=one.limit)


def told_of_limits(limits: Iterable[VenueLimit]) -> Iterator[Told]:
    """Yield what `exchangeInfo` says that limits are."""
    for one in limits:
        bucket = _BUCKETS.get(one.kind)
        if bucket is not None:
            yield Told(bucket=bucket, seconds=one.seconds, count=one.count)
