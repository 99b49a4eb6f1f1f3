"""Look at every route of recorded markets: how its edge was distributed, and which chances there were.

Two looks at the same rows. The first (`look`) finds the distributions, from which follows what it takes to break even;
the second (`find_chances`) finds the times above that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import attrs

from trioarb.model.market import Route
from trioarb.quotes.window import Window
from trioarb.survey.distribution import Distribution
from trioarb.survey.rates import STATES, Courses
from trioarb.survey.spans import Spans, spans

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["Chances", "Look", "SurveyedRoute", "find_chances", "look"]


@attrs.frozen(kw_only=True)
class SurveyedRoute:
    """A route and its fees as factors: what is kept of a sale, what a purchase costs.

    ``symbol``, ``buy`` and ``sell`` are indices; ``max_age_ns``: when a quote is too old.
    """

    route: Route
    symbol: int
    buy: int
    sell: int
    keep_taker: float
    cost_taker: float
    keep_maker: float
    cost_maker: float


@attrs.frozen(kw_only=True)
class Look:
    """What a first look found; routes by their index.

    ``gross``: 10⁴ · (bid where to sell ÷ ask where to buy − 1) while both are fresh. ``maker``: what it would be, net
    of fees, if one of the orders rested at the touch and the other took; the better of both ways. ``above_zero_ns``:
    how long the edge net of both taker fees was above zero. ``quotes`` by symbol and venue; ``first_ns`` and
    ``last_ns`` of all rows.

    Where prices are converted, ``gross`` is at the middle of the rates, and all else at their bids and asks; ``fx`` is
    the difference: how much dearer a route is by them. ``doubtful_ns`` by route and state of the rate (its place among
    `rates.STATES`): for how long both quotes were fresh, and what they would be worth wasn't sure; that is left out.
    """

    gross: Distribution
    maker: Distribution
    above_zero_ns: Sequence[int]
    quotes: Array
    rows: int
    first_ns: int
    last_ns: int
    fx: Distribution | None = None
    doubtful_ns: Array | None = None


@attrs.frozen(kw_only=True)
class Chances:
    """Times in which a route stood above its level, one after the other.

    ``lasted_ns`` from its first to its last moment; ``profit`` at its best moment, fees paid, and ``notional`` then
    (what is bought, at its price), both in quote asset, of the size that both venues displayed.
    """

    lasted_ns: Array
    profit: Array
    notional: Array


def look(
    windows: Iterable[Window],
    routes: Sequence[SurveyedRoute],
    *,
    venues: int,
    max_age_ns: Sequence[int],
    courses: Courses | None = None,
) -> Look:
    """Return distributions of all routes; with ``courses`` prices are converted by them."""
    import numpy as np

    pairs = _Pairs(routes, len(max_age_ns))
    gross, maker = Distribution(len(routes)), Distribution(len(routes))
    above_zero_ns = np.zeros(len(routes), dtype=np.int64)
    quotes = np.zeros(len(max_age_ns) * venues, dtype=np.int64)
    rows, first_ns, last_ns = 0, 0, 0
    fx = None if courses is None else Distribution(len(routes))
    doubtful_ns = None if courses is None else np.zeros((len(routes), len(STATES)), dtype=np.int64)

    def counted(found: Iterable[Window]) -> Iterable[Window]:
        nonlocal rows, first_ns, last_ns
        for window in found:
            if len(window):
                first_ns, last_ns = first_ns if rows else int(window.ts_ns[0]), int(window.ts_ns[-1])
                rows += len(window)
                quotes[:] += np.bincount(window.cell, minlength=len(quotes))
            yield window

    pieces = spans(counted(windows), venues=venues, max_age_ns=max_age_ns)
    for piece in pieces if courses is None else courses.convert(pieces):
        for sell, buy, of_symbol in pairs.all:
            seen = _Fresh.of(piece, sell, buy, of_symbol, pairs, doubtful_ns)
            if seen is None:
                continue
            ns = seen.ns.astype(np.float64)
            may_be = (seen.ratio > pairs.least_ratio).nonzero()[0]
            if len(may_be):
                is_above = may_be[seen.net(may_be) > 0]
                summed = np.bincount(seen.route[is_above], weights=ns[is_above], minlength=len(routes))
                above_zero_ns += summed.astype(np.int64)
            if fx is None:
                gross.add(seen.route, seen.ratio, ns)
            else:
                gross.add(seen.route, seen.ratio * seen.dearer, ns)
                fx.add(seen.route, seen.dearer, ns)
            maker.add(seen.route, seen.resting(), ns)
    return Look(
        gross=gross,
        maker=maker,
        above_zero_ns=above_zero_ns.tolist(),
        quotes=quotes.reshape(-1, venues),
        rows=rows,
        first_ns=first_ns,
        last_ns=last_ns,
        fx=fx,
        doubtful_ns=doubtful_ns,
    )


def find_chances(
    windows: Iterable[Window],
    routes: Sequence[SurveyedRoute],
    net_from_bps: Sequence[float],
    *,
    venues: int,
    max_age_ns: Sequence[int],
    courses: Courses | None = None,
) -> list[Chances]:
    """Return the times in which each route's edge, net of both taker fees, was above its level between fresh quotes.

    One that still lasts when the rows of its symbol end, ends with them.
    """
    import numpy as np

    pairs, level = _Pairs(routes, len(max_age_ns)), np.array(net_from_bps)
    lasting = _Lasting(len(routes))
    ended: list[tuple[Array, Array, Array]] = []
    pieces = spans(windows, venues=venues, max_age_ns=max_age_ns)
    for piece in pieces if courses is None else courses.convert(pieces):
        # Rows of one time have no span between them, and interrupt nothing.
        real = (piece.until_ns > piece.from_ns).nonzero()[0]
        if not len(real):
            continue
        for sell, buy, of_symbol in pairs.all:
            is_on = np.zeros(len(piece), dtype=bool)
            seen = _Fresh.of(piece, sell, buy, of_symbol, pairs)
            if seen is not None:
                is_on[seen.at] = (seen.net() > level[seen.route]) & (seen.ns > 0)
            if is_on.any() or lasting.is_any:
                ended += _runs(piece, real, is_on[real], of_symbol, lasting, pairs, sell, buy)
    ended.append(lasting.end((lasting.since_ns >= 0).nonzero()[0]))
    row = np.concatenate([one[0] for one in ended])
    lasted_ns = np.concatenate([one[1] for one in ended])
    best = np.concatenate([one[2] for one in ended], axis=1)
    order = np.argsort(row, kind="stable")
    cuts = row[order].searchsorted(np.arange(len(routes) + 1))
    return [
        Chances(lasted_ns=lasted_ns[mine], profit=best[0, mine], notional=best[1, mine])
        for mine in (order[first:end] for first, end in pairwise(cuts))
    ]


class _Pairs:
    """The routes by ordered pair of venues: (sell, buy, index of the route by symbol or −1); and their fees."""

    def __init__(self, routes: Sequence[SurveyedRoute], symbols: int) -> None:
        import numpy as np

        found: dict[tuple[int, int], Array] = {}
        for index, one in enumerate(routes):
            found.setdefault((one.sell, one.buy), np.full(symbols, -1, dtype=np.int64))[one.symbol] = index
        self.all = [(sell, buy, of_symbol) for (sell, buy), of_symbol in sorted(found.items())]
        self.keep_taker, self.cost_taker, self.keep_maker, self.cost_maker = (
            np.array([getattr(one, name) for one in routes])
            for name in ("keep_taker", "cost_taker", "keep_maker", "cost_maker")
        )
        #: No ratio up to this one pays both taker fees of any route.
        self.least_ratio = float((self.cost_taker / self.keep_taker).min()) * (1 - 1e-12)

    def of(self, fees: Array, route: Array) -> Any:
        """Return the fees of routes; a single one, if it is the same of all."""
        return fees[0] if (fees == fees[0]).all() else fees.take(route)


def _fresh_ns(piece: Spans, sell: int, buy: int) -> Array:
    """Return for how long of each span both quotes are fresh; 0 or less where they aren't."""
    import numpy as np

    until: Array = np.minimum(piece.came_ns[sell], piece.came_ns[buy])
    until += piece.max_age_ns
    np.minimum(until, piece.until_ns, out=until)
    until -= piece.from_ns
    return until


@attrs.frozen(kw_only=True, eq=False)
class _Fresh:
    """The spans ``at`` which the route of two venues has quotes with both sides, which, and for how long fresh ones."""

    at: Any
    route: Array
    ns: Array
    bid_sell: Array
    ask_buy: Array
    ratio: Array
    #: How much dearer it is at the bids and asks of rates than at their middles.
    dearer: Any
    _ask_sell: Array
    _bid_buy: Array
    _pairs: _Pairs

    @classmethod
    def of(
        cls,
        piece: Spans,
        sell: int,
        buy: int,
        of_symbol: Array,
        pairs: _Pairs,
        doubtful_ns: Array | None = None,
    ) -> _Fresh | None:
        """Look at two venues; add to ``doubtful_ns`` for how long what they quote isn't known in one money."""
        import numpy as np

        ns, route = _fresh_ns(piece, sell, buy), of_symbol.take(piece.symbol)
        np.maximum(ns, 0, out=ns)
        at: Any = slice(None)
        bid_sell, ask_buy = piece.bid[sell], piece.ask[buy]
        ratio = bid_sell / ask_buy
        total, rates = ratio.sum(), piece.conversion
        if total != total or of_symbol.min() < 0 or rates is not None:
            # A side isn't there, or not all symbols have the route, or prices are converted.
            is_known = (ratio == ratio) & (route >= 0) & (ns > 0)
            if rates is not None:
                doubt = np.maximum(rates.doubt[sell], rates.doubt[buy])
                if doubtful_ns is not None and doubt.any():
                    left_out = (is_known & (doubt > 0)).nonzero()[0]
                    np.add.at(doubtful_ns, (route[left_out], doubt[left_out]), ns[left_out])
                is_known &= doubt == 0
            at = is_known.nonzero()[0]
            if not len(at):
                return None
        return cls(
            at=at,
            route=route[at],
            ns=ns[at],
            bid_sell=bid_sell[at],
            ask_buy=ask_buy[at],
            ratio=ratio[at],
            dearer=1.0 if rates is None else rates.to_sell[sell][at] * rates.to_buy[buy][at],
            # An order that rests pays and brings the other side of the rate.
            ask_sell=piece.ask[sell][at] / (1.0 if rates is None else rates.spread(sell)[at]),
            bid_buy=piece.bid[buy][at] * (1.0 if rates is None else rates.spread(buy)[at]),
            pairs=pairs,
        )

    def net(self, at: Any = slice(None)) -> Array:
        """Return edges net of both taker fees, in bps: the formula of `quotes.band`, with the fees of each route."""
        pairs, route = self._pairs, self.route[at]
        received = self.bid_sell[at] * pairs.of(pairs.keep_taker, route)
        paid = self.ask_buy[at] * pairs.of(pairs.cost_taker, route)
        net: Array = 1e4 * (received / paid - 1.0)
        return net

    def resting(self) -> Array:
        """Return what is received over what is paid, fees off, if one side rests at its touch: the better of both.

        NaN where neither can.
        """
        import numpy as np

        pairs, route = self._pairs, self.route
        to_buy = self.bid_sell / self._bid_buy
        to_buy *= pairs.of(pairs.keep_taker / pairs.cost_maker, route)
        to_sell = self._ask_sell / self.ask_buy
        to_sell *= pairs.of(pairs.keep_maker / pairs.cost_taker, route)
        best: Array = np.fmax(to_buy, to_sell, out=to_buy)
        return best


class _Lasting:
    """Chances that last beyond the spans so far, by route: since when (−1: none), up to when, and their best moment."""

    def __init__(self, routes: int) -> None:
        import numpy as np

        self.since_ns, self.until_ns = np.full(routes, -1, dtype=np.int64), np.zeros(routes, dtype=np.int64)
        self.best = np.zeros((2, routes))

    @property
    def is_any(self) -> bool:
        return bool((self.since_ns >= 0).any())

    def end(self, routes: Array) -> tuple[Array, Array, Array]:
        """Return routes, how long their chances lasted, and their best moments; they last no more."""
        found = routes, self.until_ns[routes] - self.since_ns[routes], self.best[:, routes]
        self.since_ns[routes] = -1
        return found


def _runs(
    piece: Spans, real: Array, is_on: Array, of_symbol: Array, lasting: _Lasting, pairs: _Pairs, sell: int, buy: int
) -> Iterator[tuple[Array, Array, Array]]:
    """Yield the chances that ended in some spans of a piece, as `_Lasting.end` does, and keep those that may go on.

    ``is_on``: at which of the ``real`` spans, which have a length, the route is above its level.
    """
    import numpy as np

    route = of_symbol[piece.symbol[real]]
    first = np.concatenate(([0], np.diff(route).nonzero()[0] + 1))
    last = np.append(first[1:] - 1, len(route) - 1)
    is_last = np.zeros(len(route), dtype=bool)
    is_last[last] = True
    from_ns, until_ns = piece.from_ns[real], piece.from_ns[real] + _fresh_ns(piece, sell, buy)[real]
    lasts = is_on & (until_ns == piece.until_ns[real])  # unless quotes become too old before the next row
    goes_on = np.zeros(len(route), dtype=bool)
    goes_on[1:] = is_on[1:] & lasts[:-1]
    was_open = (route[first] >= 0) & (lasting.since_ns[route[first]] >= 0)
    goes_on[first] = is_on[first] & was_open
    yield lasting.end(route[first][was_open & ~is_on[first]])
    on = is_on.nonzero()[0]
    if not len(on):
        return

    # Runs of spans: each begins where nothing goes on, or with its symbol's first span here.
    is_start = ~goes_on
    is_start[first] = True
    begins = is_start[on].nonzero()[0]
    starts, ends = on[begins], np.append(on[begins[1:] - 1], on[-1])
    row, at = route[starts], real[on]
    size = np.minimum(piece.size_of(at, sell, True), piece.size_of(at, buy, False))
    bought = size * piece.ask[buy][at]
    received = size * piece.bid[sell][at] * pairs.of(pairs.keep_taker, route[on])
    profit = received - bought * pairs.of(pairs.cost_taker, route[on])
    # The best span of each run: its last one, when sorted by run, then by profit.
    run = np.cumsum(is_start[on]) - 1
    order = np.lexsort((profit, run))
    best_at = order[np.append(np.diff(run[order]).nonzero()[0], len(order) - 1)]
    best, since_ns = np.array([profit[best_at], bought[best_at]]), from_ns[starts]
    # Those that go on from before have begun then, and may have been better.
    goes = goes_on[starts]
    since_ns[goes] = lasting.since_ns[row[goes]]
    was_better = lasting.best[0, row[goes]] > best[0, goes]
    best[:, goes] = np.where(was_better, lasting.best[:, row[goes]], best[:, goes])
    lasting.since_ns[row[goes]] = -1

    stays = lasts[ends] & is_last[ends]
    lasting.since_ns[row[stays]], lasting.until_ns[row[stays]] = since_ns[stays], until_ns[ends[stays]]
    lasting.best[:, row[stays]] = best[:, stays]
    yield row[~stays], until_ns[ends[~stays]] - since_ns[~stays], best[:, ~stays]
