"""Walk the books of both legs at once: how deep a trade can go, and what its averages are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec

from trioarb.model.market import Level
from trioarb.model.number import EXACT, per_unit
from trioarb.strategy.edge import exact_edge_bps
from trioarb.strategy.leg import Leg

__all__ = ["Step", "edge_at", "edge_over", "steps"]


class Step(msgspec.Struct, frozen=True):
    """So far both books were walked: the levels of each, how much they display together, and the limit at the last."""

    bought: tuple[Level, ...]
    sold: tuple[Level, ...]
    displayed_to_buy: Decimal
    displayed_to_sell: Decimal
    buy_limit: Decimal
    sell_limit: Decimal

    @property
    def displayed(self) -> Decimal:
        """How much both display."""
        return min(self.displayed_to_buy, self.displayed_to_sell)


def steps(buy: Leg, sell: Leg, least_bps: Decimal | None) -> Iterator[Step]:
    """Yield the best levels first, whatever their edge, and then one level more where less is displayed, on both sides
    if that is the same: as long as the last levels earn ``least_bps``, fees paid, at prices that orders may have.
    ``None``: no further than the best.
    """
    asks, bids = buy.levels, sell.levels
    ask, bid = next(asks), next(bids)
    step = Step((ask,), (bid,), ask.size, bid.size, buy.limit, sell.limit)
    yield step
    while least_bps is not None:
        bought, sold = step.bought, step.sold
        to_buy, to_sell, buy_limit, sell_limit = (
            step.displayed_to_buy,
            step.displayed_to_sell,
            step.buy_limit,
            step.sell_limit,
        )
        if step.displayed_to_buy <= step.displayed_to_sell:
            level = next(asks, None)
            if level is None:
                return
            bought, to_buy, buy_limit = (*bought, level), EXACT.add(to_buy, level.size), buy.limit_at(level.price)
        if step.displayed_to_sell <= step.displayed_to_buy:
            level = next(bids, None)
            if level is None:
                return
            sold, to_sell, sell_limit = (*sold, level), EXACT.add(to_sell, level.size), sell.limit_at(level.price)
        if sell_limit <= 0 or edge_at(buy, buy_limit, sell, sell_limit) < least_bps:
            return
        step = Step(bought, sold, to_buy, to_sell, buy_limit, sell_limit)
        yield step


def edge_over(buy: Leg, sell: Leg, step: Step, quantity: Decimal) -> Decimal:
    """Return the edge of a quantity that is displayed at a step: that of the averages over the levels, at prices that
    orders may have.
    """
    buy_price, sell_price = step.buy_limit, step.sell_limit
    if len(step.bought) > 1:
        buy_price = _average(buy, step.bought, quantity)
    if len(step.sold) > 1:
        sell_price = _average(sell, step.sold, quantity)
    return edge_at(buy, buy_price, sell, sell_price)


def edge_at(buy: Leg, buy_price: Decimal, sell: Leg, sell_price: Decimal) -> Decimal:
    """Return the edge at two prices, fees paid; each is of the leg's own venue."""
    return exact_edge_bps(
        sell_price=sell.in_common(sell_price),
        sell_fee_bps=sell.instrument.taker_fee_bps,
        buy_price=buy.in_common(buy_price),
        buy_fee_bps=buy.instrument.taker_fee_bps,
    )


def _average(leg: Leg, levels: Sequence[Level], quantity: Decimal) -> Decimal:
    value, rest = Decimal(0), quantity
    for level in levels:
        part = min(rest, level.size)
        value = EXACT.add(value, EXACT.multiply(part, leg.limit_at(level.price)))
        rest = EXACT.subtract(rest, part)
    return per_unit(value, quantity)
