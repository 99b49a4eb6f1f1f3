"""What strangers show and trade on a market: a price that wanders, with levels around it, the same in every process."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from itertools import cycle
from random import Random

import attrs
import trio
import trio.lowlevel

from trioarb.api import Side
from trioarb_sim.market import MarketRules
from trioarb_sim.venue import Venue

__all__ = ["Wandering", "show_strangers"]

_WAVES = 12
#: A price has so many steps at least.
_LEAST_TICKS = 100
#: So many books change at once; of more markets, each in its turn.
_AT_ONCE = 50
Level = tuple[Decimal, Decimal]


@attrs.frozen(kw_only=True)
class Wandering:
    """How prices wander. All is a function of time, seed and names, so two venues agree without talking.

    ``prices``: the middle around which a base asset wanders, by name, in dollars; one that isn't there has a price that
    follows from its name. ``of_quote``: what a dollar is in a quote asset, 1 where nothing is said. ``swing_bps``: how
    far, all venues together; ``basis_bps``: how far one venue from the others. ``spread_bps`` is the distance of best
    bid and ask, ``step_bps`` that of levels, ``size_value`` what a level is worth in dollars.
    """

    prices: Mapping[str, Decimal]
    of_quote: Mapping[str, Decimal] = attrs.field(factory=dict)
    seed: int = 0
    swing_bps: float = 60
    basis_bps: float = 20
    spread_bps: float = 2
    step_bps: float = 3
    size_value: Decimal = Decimal(2000)
    levels: int = 20

    def middle(self, rules: MarketRules) -> Decimal:
        """Return around which price a market wanders, in its quote asset."""
        known = self.prices.get(rules.base)
        dollars = known if known is not None else Decimal(repr(10 ** Random(rules.base).uniform(-2, 2)))
        price = dollars * self.of_quote.get(rules.quote, Decimal(1))
        tick = rules.tick_at(price)
        # Beside a step that is as wide, a price makes no book: it was recorded when another one was paid.
        return price if price >= tick * _LEAST_TICKS else tick * _LEAST_TICKS * 10

    def book(self, venue: str, rules: MarketRules, seconds: float) -> tuple[list[Level], list[Level]]:
        """Return bids and asks, best first, at a time."""
        common = _wave(f"{self.seed}/{rules.base}", seconds, 600) * self.swing_bps
        own = _wave(f"{self.seed}/{venue}/{rules.base}", seconds, 40) * self.basis_bps
        dollar = self.of_quote.get(rules.quote, Decimal(1))
        middle = float(self.middle(rules)) * (1 + (common + own) / 10_000)
        bids, asks = list[Level](), list[Level]()
        for number in range(self.levels):
            away = (self.spread_bps / 2 + number * self.step_bps) / 10_000
            size = 0.5 + (1 + _wave(f"{self.seed}/{venue}/{rules.name}/{number}", seconds, 15)) / 2
            for side, price in ((bids, middle * (1 - away)), (asks, middle * (1 + away))):
                at = _round(Decimal(repr(price)), rules.tick_at(Decimal(repr(price))))
                quantity = max(_round(self.size_value * dollar * Decimal(repr(size)) / at, rules.lot), rules.lot)
                if quantity > 0 and (not side or side[-1][0] != at):
                    side.append((at, quantity))
        if bids and asks and bids[0][0] >= asks[0][0]:  # a tick that is wider than the spread
            tick = rules.tick_at(asks[0][0])
            asks = [(price + tick + bids[0][0] - asks[0][0], size) for price, size in asks]
        return bids, asks

    def trade(self, venue: str, rules: MarketRules, seconds: float) -> tuple[Side, Decimal]:
        """Return what a stranger trades at a time: on which side, and how much; 0: nothing."""
        mood = _wave(f"{self.seed}/{venue}/{rules.name}/trades", seconds, 8)
        dollars = self.size_value * Decimal(repr(max(0.0, abs(mood) - 0.5)))
        quantity = _round(dollars * self.of_quote.get(rules.quote, Decimal(1)) / self.middle(rules), rules.lot)
        return (Side.BUY if mood > 0 else Side.SELL), quantity


async def show_strangers(
    venue: Venue, name: str, wandering: Wandering, markets: Iterable[str], *, every_seconds: float, start_seconds: float
) -> None:
    """Let strangers show what they want, each so often, until cancelled; ``start_seconds``: the time now.

    Of many markets each shows something at once, and from then on a few change in a turn.
    """
    names = list(markets)
    started = trio.current_time()
    for number, market in enumerate(names):
        if number % _AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
        venue.show(market, *wandering.book(name, venue.rules(market), start_seconds))
    for start in cycle(range(0, len(names), _AT_ONCE)):
        await trio.sleep(every_seconds)
        seconds = start_seconds + trio.current_time() - started
        for market in names[start : start + _AT_ONCE]:
            rules = venue.rules(market)
            venue.show(market, *wandering.book(name, rules, seconds))
            side, quantity = wandering.trade(name, rules, seconds)
            if quantity > 0:
                venue.strike(market, side, quantity)


def _wave(name: str, seconds: float, period: float) -> float:
    """Return a sum of sines with random phases, mostly between -1 and 1; ``period`` is that of the slowest."""
    total = 0.0
    for number, (phase, pace) in enumerate(_waves(name), start=1):
        total += math.sin(2 * math.pi * (pace * seconds / period + phase)) / math.sqrt(number)
    return total / 3


@lru_cache(maxsize=65_536)
def _waves(name: str) -> tuple[tuple[float, float], ...]:
    """Return phase and pace of each sine."""
    random = Random(name)
    return tuple((random.random(), number * (0.8 + 0.4 * random.random())) for number in range(1, _WAVES + 1))


def _round(value: Decimal, step: Decimal) -> Decimal:
    return (value / step).to_integral_value(ROUND_HALF_EVEN) * step
