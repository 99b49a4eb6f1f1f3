"""The quotes of the dummy market, computed from the seed, some thousands at a time.

Every price follows from (seed, venue, symbol, step) alone. Random streams are seeded by text, each step takes a fixed
number of draws from them, and floats meet only + − × ÷, one after the other as in a loop, so that every machine
computes the same rows however many are computed together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Context, Decimal
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from trioarb.api import RowBatch
from trioarb.builtin.dummy_samples import SAMPLE_OF, Sample, krw_symbols, money_symbols

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["Shape", "batches"]

#: The price that all venues share moves on this grid, whatever the venues' own steps: they agree about it.
_COMMON_STEP_NS = 250_000_000
_HOUR_NS = 3_600_000_000_000
_BPS = 0.0001
#: How far the common price may walk from where it began, up or down.
_WALK_LIMIT = 20.0
#: Rows that are computed together: few at first, so that a campaign begins at once.
_FIRST_ROWS, _MOST_ROWS = 256, 131_072
#: From so many columns on all are computed together, step by step; fewer one after the other.
_MANY_COLUMNS = 12

_LN_2 = Decimal("0.693147180559945309417232121458")
#: ln, exp and sqrt of a decimal are rounded alike everywhere; those of a float are the C library's.
_PORTABLE = Context(prec=28)

#: Worth of the quote assets, for sizes only.
_QUOTE_USD = {"USDT": 1.0, "BTC": 65_000.0, "EUR": 1.08, "KRW": 0.00072}


@attrs.frozen(kw_only=True)
class Shape:
    """How lively a market is; as in `DummySettings`, with ``step_ns`` for ``step_ms``."""

    step_ns: int
    volatility_bps: Decimal
    basis_bps: Decimal
    basis_half_life_seconds: Decimal
    dislocations_per_hour: int
    dislocation_bps: Decimal
    dislocation_excess_bps: Decimal
    dislocation_half_life_seconds: Decimal
    spread_bps: Decimal
    size_usd: Decimal
    level_bps: Decimal
    level_growth: Decimal
    crosses: bool
    premium_bps: Decimal | None


def batches(
    shape: Shape, *, seed: int, venue: str, symbols: Sequence[str], start_ns: int, beyond: int
) -> Iterator[RowBatch]:
    """Yield one row per symbol and step, for ever; a symbol that isn't in the table has no rows.

    Every symbol of a venue has a phase of its own within the step: real venues don't quote in unison. ``beyond``: how
    many levels there are beyond the best.
    """
    import numpy as np

    step_ns = shape.step_ns
    phases = sorted(
        (int(Random(f"{seed}/{venue}/{symbol}/phase").random() * step_ns), order, symbol)
        for order, symbol in enumerate(symbols)
        if symbol in SAMPLE_OF
    )
    if not phases:
        return
    traded = [SAMPLE_OF[symbol] for _, _, symbol in phases]
    quotes = _Quotes(shape, traded, seed, venue, [phase_ns for phase_ns, _, _ in phases])
    books = [_Levels(shape, sample, f"{seed}/{venue}/{sample.symbol}/levels", beyond) for sample in traded]
    firsts = np.array([start_ns + phase_ns for phase_ns, _, _ in phases], dtype=np.int64)
    orders = np.array([order for _, order, _ in phases], dtype=np.int64)
    first, most = 0, _FIRST_ROWS
    while True:
        steps = max(1, most // len(phases))
        # A step after the other, within it a symbol after the other: so the rows are in the order of their times.
        tops = quotes.take(first, steps)
        levels = None
        if beyond:
            deep = [book.below(tuple(top[:, number] for top in tops)) for number, book in enumerate(books)]
            levels = np.stack(deep, axis=3).reshape(4, beyond, -1)
        ts_ns = firsts[None, :] + step_ns * np.arange(first, first + steps, dtype=np.int64)[:, None]
        order = np.tile(orders, steps)
        bid, bid_size, ask, ask_size = (top.reshape(-1) for top in tops)
        yield RowBatch(
            ts_ns=ts_ns.reshape(-1),
            order=order,
            symbol=order,
            names=symbols,
            bid=bid,
            bid_size=bid_size,
            ask=ask,
            ask_size=ask_size,
            levels=levels,
        )
        first += steps
        most = min(2 * most, _MOST_ROWS)


class _Quotes:
    """The quotes of some symbols at one venue, from the first step on."""

    def __init__(
        self, shape: Shape, samples: Sequence[Sample], seed: int, venue: str, phases_ns: Sequence[int]
    ) -> None:
        import numpy as np

        self._commons = [_common_of(shape, sample, seed) for sample in samples]
        self._draws = [_Draws(f"{seed}/{venue}/{sample.symbol}") for sample in samples]
        self._step_ns, self._phases_ns = shape.step_ns, phases_ns
        step_seconds = Decimal(shape.step_ns).scaleb(-9)
        self._keep, stir = _decay(step_seconds, shape.basis_half_life_seconds)
        scales = np.array([float(shape.basis_bps) * _BPS * sample.basis * 2 for sample in samples])
        self._stir_scales = scales * stir
        first, second, third = np.array([draws.take(1, 3)[0] for draws in self._draws]).T
        self._bases = scales * (first + second + third - 1.5)
        seeds = [f"{seed}/{venue}/{sample.symbol}/dislocation" for sample in samples]
        self._dislocated = _Dislocations(shape, seeds, step_seconds)
        self._half_spread = float(shape.spread_bps) * _BPS / 2
        self._size_quote = np.array([float(shape.size_usd) / _QUOTE_USD[sample.quote] for sample in samples])
        # A whole number over a whole number is the float nearest to the price; a product of floats is not.
        ticks = [Decimal(sample.tick).as_integer_ratio() for sample in samples]
        lots = [Decimal(sample.lot).as_integer_ratio() for sample in samples]
        self._tick_up, self._tick_down = np.array(ticks, dtype=float).T
        self._lot_up, self._lot_down = np.array(lots, dtype=float).T

    def take(self, first: int, steps: int) -> tuple[Array, Array, Array, Array]:
        """Return bid, bid size, ask and ask size of the next steps, ``first`` being the number of the first of them.

        By step and symbol.
        """
        import numpy as np

        shape = steps, len(self._draws)
        price, stirs, spread, bid_draw, ask_draw = (np.empty(shape) for _ in range(5))
        times_ns = self._step_ns * np.arange(first, first + steps)
        for number, (common, draws) in enumerate(zip(self._commons, self._draws, strict=True)):
            price[:, number] = common.prices((self._phases_ns[number] + times_ns) // _COMMON_STEP_NS)
            drawn = draws.take(steps, 6)
            spread[:, number], bid_draw[:, number], ask_draw[:, number] = drawn[:, 0], drawn[:, 1], drawn[:, 2]
            stirs[:, number] = drawn[:, 3] + drawn[:, 4] + drawn[:, 5] - 1.5
        bases = _decaying(self._bases, self._keep, self._stir_scales * stirs)
        self._bases = bases[-1]
        middle = price * (1.0 + self._dislocated.moved(bases[:-1]))
        half = self._half_spread * (0.5 + spread)
        ticks_per_quote = self._tick_down / self._tick_up
        bid = np.maximum(np.floor(middle * (1.0 - half) * ticks_per_quote + 0.5), 1.0)
        ask = np.maximum(np.floor(middle * (1.0 + half) * ticks_per_quote + 0.5), bid + 1.0)
        lots = self._size_quote / price * (self._lot_down / self._lot_up)
        bid_size, ask_size = (
            # 0.1 + 2.7 u² has mean 1: mostly small sizes, some large.
            (np.floor(lots * (0.1 + 2.7 * draw * draw)) + 1.0) * self._lot_up / self._lot_down
            for draw in (bid_draw, ask_draw)
        )
        return bid * self._tick_up / self._tick_down, bid_size, ask * self._tick_up / self._tick_down, ask_size


def _decaying(start: Array, keep: float, added: Array) -> Array:
    """Return what is kept of columns that begin with ``start`` and get ``added`` at each step: one row more than that.

    One step after the other, so that it doesn't matter how many are computed together.
    """
    import numpy as np

    steps, columns = added.shape
    found = np.empty((steps + 1, columns))
    found[0] = start
    if columns < _MANY_COLUMNS:
        for column in range(columns):
            values = accumulate(
                added[:, column].tolist(), lambda value, new: keep * value + new, initial=float(start[column])
            )
            found[:, column] = np.fromiter(values, dtype=float, count=steps + 1)
        return found
    rows = list(found)
    for row, after, new in zip(rows, rows[1:], added, strict=False):
        np.multiply(row, keep, after)
        np.add(after, new, after)
    return found


class _Common(Protocol):
    """The price that all venues share."""

    def prices(self, moved: Array) -> Array:
        """Return it after so many moves, which are as many as before at least."""


class _Walk(_Common):
    """A price of its own."""

    def __init__(self, shape: Shape, sample: Sample, seed: int) -> None:
        self._draws = _Draws(f"{seed}/{sample.symbol}")
        self._price = float(sample.price)
        self._lowest, self._highest = self._price / _WALK_LIMIT, self._price * _WALK_LIMIT
        self._moves = 0
        # Uniforms are summed three at a time: variance 1/4, near enough to normal.
        walk_sd = float(shape.volatility_bps) * _BPS * sample.volatility
        self._scale = walk_sd * 2 * float(_PORTABLE.sqrt(Decimal(_COMMON_STEP_NS).scaleb(-9)))

    def prices(self, moved: Array) -> Array:
        import numpy as np

        draws = self._draws.take(int(moved[-1]) - self._moves, 3)
        factors = 1.0 + self._scale * (draws[:, 0] + draws[:, 1] + draws[:, 2] - 1.5)
        walk = np.multiply.accumulate(np.concatenate(([self._price], factors)))
        if not ((walk > self._lowest) & (walk < self._highest)).all():
            walk = np.array(list(accumulate(factors.tolist(), self._walk, initial=self._price)))
        prices: Array = walk[moved - self._moves]
        self._moves, self._price = int(moved[-1]), float(walk[-1])
        return prices

    def _walk(self, price: float, factor: float) -> float:
        moved = price * factor
        return moved if self._lowest < moved < self._highest else price


class _Cross(_Common):
    """What two symbols of one quote asset make of a third one: that of the one's base in the other's."""

    def __init__(self, base: _Common, quote: _Common) -> None:
        self._base, self._quote = base, quote

    def prices(self, moved: Array) -> Array:
        prices: Array = self._base.prices(moved) / self._quote.prices(moved)
        return prices


class _Converted(_Common):
    """What a price in USDT is in the asset that one USDT is priced in, and so much more."""

    def __init__(self, base: _Common, money: _Common, premium: float) -> None:
        self._base, self._money, self._factor = base, money, 1.0 + premium

    def prices(self, moved: Array) -> Array:
        prices: Array = self._base.prices(moved) * self._money.prices(moved) * self._factor
        return prices


def _common_of(shape: Shape, sample: Sample, seed: int) -> _Common:
    if shape.premium_bps is not None and (pair := krw_symbols(sample)) is not None:
        base, money = pair
        return _Converted(_Walk(shape, base, seed), _Walk(shape, money, seed), float(shape.premium_bps) * _BPS)
    crossed = money_symbols(sample) if shape.crosses else None
    if crossed is None:
        return _Walk(shape, sample, seed)
    base, quote = crossed
    return _Cross(_Walk(shape, base, seed), _Walk(shape, quote, seed))


class _Dislocations:
    """How far a venue's prices of some symbols leave the others' at once, and how they come back."""

    def __init__(self, shape: Shape, seeds: Sequence[str], step_seconds: Decimal) -> None:
        import numpy as np

        self._chance = shape.dislocations_per_hour * shape.step_ns / _HOUR_NS
        self._draws = [_Draws(seed) for seed in seeds] if self._chance else []
        self._least = float(shape.dislocation_bps) * _BPS
        self._excess = float(shape.dislocation_excess_bps) * _BPS
        self._keep, _ = _decay(step_seconds, shape.dislocation_half_life_seconds)
        self._moved = np.zeros(len(seeds))

    def moved(self, bases: Array) -> Array:
        """Return the bases of the next steps with what dislocations add to them."""
        import numpy as np

        if not self._chance:
            return bases
        begun = np.zeros(bases.shape)
        for number, own in enumerate(self._draws):
            draws = own.take(len(bases), 3)
            for step in (draws[:, 0] < self._chance).nonzero()[0].tolist():
                size = self._least - self._excess * float(_PORTABLE.ln(Decimal(1.0 - float(draws[step, 1]))))
                begun[step, number] = size if draws[step, 2] < 0.5 else -size
        added = _decaying(self._moved, self._keep, begun)
        self._moved = added[-1]
        moved: Array = bases + added[1:]
        return moved


class _Levels:
    """Price levels beyond the best, from a stream of their own: the best ones are the same with and without them.

    Level k, the best one being 0, has a mean size of ``size_usd`` · ``level_growth`` ᵏ.
    """

    def __init__(self, shape: Shape, sample: Sample, seed: str, beyond: int) -> None:
        self._draws, self._beyond = _Draws(seed), beyond
        self._distance, self._growth = float(shape.level_bps) * _BPS, float(shape.level_growth)
        self._size_quote = float(shape.size_usd) / _QUOTE_USD[sample.quote]
        self._tick, self._lot = Decimal(sample.tick).as_integer_ratio(), Decimal(sample.lot).as_integer_ratio()

    def below(self, top: Sequence[Array]) -> Array:
        """Return the levels beyond the best quotes of some steps: prices and sizes of the bids, and of the asks."""
        import numpy as np

        bid, _, ask, _ = top
        draws = self._draws.take(len(bid), 4 * self._beyond).reshape(len(bid), 2, self._beyond, 2)
        found = np.full((4, self._beyond, len(bid)), np.nan)
        for side, (best, sign) in enumerate(((bid, -1.0), (ask, 1.0))):
            found[2 * side : 2 * side + 2] = self._side(best, sign, draws[:, side])
        return found

    def _side(self, best: Array, sign: float, draws: Array) -> Array:
        import numpy as np

        (tick_up, tick_down), (lot_up, lot_down) = self._tick, self._lot
        ticks_per_quote = tick_down / tick_up
        ticks, lots = np.floor(best * ticks_per_quote + 0.5), self._size_quote / best * (lot_down / lot_up)
        mean = self._distance * best * ticks_per_quote
        found = np.full((2, self._beyond, len(best)), np.nan)
        for level in range(self._beyond):
            lots = lots * self._growth
            step, drawn = draws[:, level, 0], draws[:, level, 1]
            ticks = ticks + sign * (1.0 + np.floor(2.0 * step * mean))
            is_there = ticks >= 1.0
            sizes = (np.floor(lots * (0.1 + 2.7 * drawn * drawn)) + 1.0) * lot_up / lot_down
            found[0, level, is_there] = (ticks * tick_up / tick_down)[is_there]
            found[1, level, is_there] = sizes[is_there]
        return found


class _Draws:
    """The draws of a `random.Random`, many at a time."""

    def __init__(self, seed: str) -> None:
        import numpy as np

        _, state, _ = Random(seed).getstate()
        self._random = np.random.RandomState()
        self._random.set_state(("MT19937", np.array(state[:-1], dtype=np.uint32), state[-1], 0, 0.0))

    def take(self, rows: int, columns: int) -> Array:
        drawn: Array = self._random.random_sample((rows, columns))
        return drawn


def _decay(step_seconds: Decimal, half_life_seconds: Decimal) -> tuple[float, float]:
    """Return what is kept of a basis over a step, and the share of its standard deviation that is drawn anew.

    An Ornstein-Uhlenbeck process seen at equal steps: b' = a·b + √(1 − a²)·z with a = 2^(−step / half-life).
    """
    keep = _PORTABLE.exp(_PORTABLE.divide(_PORTABLE.multiply(-_LN_2, step_seconds), half_life_seconds))
    stir = _PORTABLE.sqrt(_PORTABLE.subtract(Decimal(1), _PORTABLE.multiply(keep, keep)))
    return float(keep), float(stir)
