"""Price levels beyond the best of the dummy market, from streams of their own: the best ones stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from trioarb.api import TapeRow

__all__ = ["deepened"]


def deepened(
    rows: Iterator[TapeRow],
    *,
    draw: Callable[[], float],
    beyond: int,
    distance: float,
    growth: float,
    size_quote: float,
    tick: tuple[int, int],
    lot: tuple[int, int],
) -> Iterator[TapeRow]:
    """Yield rows with ``beyond`` levels more a side.

    ``distance``: mean distance of a level to the one before it, as a share of the price, at least a tick. Level k, the
    best one being 0, has the mean size ``size_quote`` · ``growth`` ᵏ in quote asset. ``tick`` and ``lot`` are ratios of
    whole numbers, as the row's own prices and sizes are made.
    """
    (tick_up, tick_down), (lot_up, lot_down) = tick, lot
    ticks_per_quote, lots_per_base = tick_down / tick_up, lot_down / lot_up

    def side(price: float, sign: int) -> tuple[list[float], list[float]]:
        prices, sizes = list[float](), list[float]()
        ticks, lots = int(price * ticks_per_quote + 0.5), size_quote / price * lots_per_base
        mean = distance * price * ticks_per_quote
        for _ in range(beyond):
            lots *= growth
            step, drawn = 1 + int(2 * draw() * mean), draw()
            ticks += sign * step
            if ticks >= 1:
                prices.append(ticks * tick_up / tick_down)
                sizes.append((int(lots * (0.1 + 2.7 * drawn * drawn)) + 1) * lot_up / lot_down)
        return prices, sizes

    for row in rows:
        ts_ns, order, symbol, bid, bid_size, ask, ask_size = row[:7]
        levels = (*side(bid, -1), *side(ask, 1))
        yield ts_ns, order, symbol, bid, bid_size, ask, ask_size, levels
