"""What a route's edges and chances say about whether it can pay."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from trioarb.model.fx import FxState
from trioarb.model.market import Route
from trioarb.survey.depth import Depths, Side
from trioarb.survey.rates import STATES
from trioarb.survey.survey import Chances, Look, SurveyedRoute

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = [
    "QUANTILES",
    "BreakEven",
    "Figures",
    "Verdict",
    "break_evens",
    "figures_of",
    "net_levels",
    "one_way_levels",
    "overall",
]

#: With less than this nothing is said of a route: time with both quotes fresh, and quotes of each venue.
_LEAST_NS, _LEAST_QUOTES = 300 * 10**9, 1_000
#: So many chances that last long enough make a route one that pays; fewer can be luck.
_LEAST_CHANCES = 30
#: For this share of its time an order that rests would have to be worth it.
_MAKER_SHARE = 0.01
#: Of the gross edge, by time.
QUANTILES = (0.05, 0.5, 0.95, 0.99)


class Verdict(enum.Enum):
    """``NOT_ENOUGH`` data to say any of the others."""

    PAYS = "pays"
    MAKERS = "pays only for makers"
    NEVER = "can't pay"
    NOT_ENOUGH = "not enough data"


@attrs.frozen(kw_only=True)
class BreakEven:
    """What the gross edge has to be for a round trip to break even, in bps, and what that is made of.

    Both orders' fees on the way in and on the way out; ``crossing``: what the reversed route loses, gross, for half of
    the time; and where levels are known, the slippage of both orders each way at the size that is asked about, of half
    of the books that display so much. Where they aren't, it isn't in it. Where prices are converted, ``fx_in`` and
    ``fx_out``: what the rates' bids and asks take beside their middles, for half of the time.
    """

    fees_in: float
    fees_out: float
    crossing: float
    slippage_in: float | None = None
    slippage_out: float | None = None
    fx_in: float | None = None
    fx_out: float | None = None

    @property
    def gross_bps(self) -> float:
        return self.converted_bps + (self.fx_in or 0.0)

    @property
    def converted_bps(self) -> float:
        """The same of an edge that is taken at the bids and asks of rates already."""
        slippage = (self.slippage_in or 0.0) + (self.slippage_out or 0.0)
        return self.fees_in + self.fees_out + self.crossing + slippage + (self.fx_out or 0.0)

    @property
    def one_way_bps(self) -> float:
        """The same for who sells from stock and leaves it at that."""
        return self.one_way_converted_bps + (self.fx_in or 0.0)

    @property
    def one_way_converted_bps(self) -> float:
        return self.fees_in + (self.slippage_in or 0.0)


@attrs.frozen(kw_only=True)
class Figures:
    """A route as a whole. Edges in bps; shares are of the time in which both quotes were fresh; money in quote asset.

    ``chances``: times in which a round trip would have paid; ``lasting``: those that lasted as long as an order takes
    to arrive; ``half_life_ms``: half of them lasted longer; ``notional``: half of them had more of it at their best
    moment; ``profit``: what taking each once, at its best moment, would have earned. ``one_way``: the same above both
    fees and slippage of the way in, for who sells from stock and leaves it at that.

    ``buying`` and ``selling``: the books' depth where to buy and where to sell; absent where no levels are known.
    ``doubtful_seconds``: for how long both quotes were fresh and a rate couldn't be relied on, by its state; that is
    left out of all else.
    """

    route: Route
    quotes: tuple[int, int]
    fresh_seconds: float
    gross_bps: tuple[float, ...]
    highest_gross_bps: float | None
    break_even: BreakEven | None
    share_above_zero: float | None
    share_above_break_even: float | None
    maker_share: float | None
    chances: int
    lasting: int
    half_life_ms: float | None
    notional: float | None
    profit: float
    verdict: Verdict
    why: str
    one_way: int
    one_way_lasting: int
    one_way_half_life_ms: float | None
    one_way_profit: float
    one_way_verdict: Verdict
    one_way_why: str
    one_way_maker_share: float | None
    buying: Side | None = None
    selling: Side | None = None
    doubtful_seconds: Mapping[FxState, float] = attrs.field(factory=dict)


def break_evens(look: Look, routes: Sequence[SurveyedRoute], depths: Depths | None = None) -> list[BreakEven | None]:
    """Return of each route what it takes to break even; ``None`` where the way out was never quoted."""
    index = {one.route: number for number, one in enumerate(routes)}
    found: list[BreakEven | None] = []
    for one in routes:
        back = index.get(one.route.reversed)
        out = None if back is None else look.gross.quantile(back, 0.5)
        if back is None or out is None:
            found.append(None)
            continue
        way_in, way_out = (_slippage(way, depths) for way in (one, routes[back]))
        is_known = way_in is not None and way_out is not None
        found.append(
            BreakEven(
                fees_in=_fees_bps(one),
                fees_out=_fees_bps(routes[back]),
                crossing=-out,
                slippage_in=way_in if is_known else None,
                slippage_out=way_out if is_known else None,
                fx_in=None if look.fx is None else look.fx.quantile(len(found), 0.5),
                fx_out=None if look.fx is None else look.fx.quantile(back, 0.5),
            ),
        )
    return found


def _slippage(route: SurveyedRoute, depths: Depths | None) -> float | None:
    """Return what both orders of a route pay beyond the best prices; ``None`` where one of them isn't known."""
    if depths is None:
        return None
    bought, sold = depths.books(route.symbol, route.buy), depths.books(route.symbol, route.sell)
    if bought is None or sold is None:
        return None
    to_buy, to_sell = bought.asks.slippage_bps, sold.bids.slippage_bps
    return None if to_buy is None or to_sell is None else to_buy + to_sell


def net_levels(routes: Sequence[SurveyedRoute], found: Sequence[BreakEven | None]) -> list[float]:
    """Return the edge net of the fees on the way in from which a round trip earns; ∞ where it isn't known."""
    return [
        float("inf") if one is None else _net(route, one.converted_bps)
        for route, one in zip(routes, found, strict=True)
    ]


def one_way_levels(routes: Sequence[SurveyedRoute], found: Sequence[BreakEven | None]) -> list[float]:
    """Return the edge net of fees from which one way earns: zero, or what slippage takes of it."""
    return [
        0.0 if one is None or one.slippage_in is None else _net(route, one.one_way_converted_bps)
        for route, one in zip(routes, found, strict=True)
    ]


def _net(route: SurveyedRoute, gross_bps: float) -> float:
    return 1e4 * ((1 + gross_bps / 1e4) * route.keep_taker / route.cost_taker - 1)


def figures_of(
    number: int,
    routes: Sequence[SurveyedRoute],
    look: Look,
    break_even: BreakEven | None,
    one_way: Chances,
    chances: Chances,
    *,
    latency_ns: int,
    depths: Depths | None = None,
) -> Figures:
    """Return a route's figures and verdict."""
    route, fresh_ns = routes[number], look.gross.total_ns(number)
    quotes = int(look.quotes[route.symbol, route.buy]), int(look.quotes[route.symbol, route.sell])
    maker_share = _maker_share(number, routes, look)
    bought = None if depths is None else depths.books(route.symbol, route.buy)
    sold = None if depths is None else depths.books(route.symbol, route.sell)
    missing = _missing(fresh_ns, quotes)
    verdict, why = (Verdict.NOT_ENOUGH, missing) if missing else _judge(chances, fresh_ns, latency_ns, maker_share)
    one_way_share = look.maker.share_from(number, 0.0)
    one_way_verdict, one_way_why = (
        (Verdict.NOT_ENOUGH, missing) if missing else _judge(one_way, fresh_ns, latency_ns, one_way_share)
    )
    return Figures(
        route=route.route,
        quotes=quotes,
        fresh_seconds=fresh_ns / 1e9,
        gross_bps=tuple(one for share in QUANTILES if (one := look.gross.quantile(number, share)) is not None),
        highest_gross_bps=look.gross.highest(number),
        break_even=break_even,
        share_above_zero=look.above_zero_ns[number] / fresh_ns if fresh_ns else None,
        share_above_break_even=int(chances.lasted_ns.sum()) / fresh_ns if fresh_ns and break_even else None,
        maker_share=maker_share,
        chances=len(chances.lasted_ns),
        lasting=_lasting(chances, latency_ns),
        half_life_ms=_median(chances.lasted_ns / 1e6),
        notional=_median(chances.notional),
        profit=float(chances.profit.sum()),
        verdict=verdict,
        why=why,
        one_way=len(one_way.lasted_ns),
        one_way_lasting=_lasting(one_way, latency_ns),
        one_way_half_life_ms=_median(one_way.lasted_ns / 1e6),
        one_way_profit=float(one_way.profit.sum()),
        one_way_verdict=one_way_verdict,
        one_way_why=one_way_why,
        one_way_maker_share=one_way_share,
        buying=None if bought is None else bought.asks,
        selling=None if sold is None else sold.bids,
        doubtful_seconds=_doubtful(number, look),
    )


def overall(found: Sequence[Verdict]) -> Verdict:
    """Return what the verdicts of routes come to: one that lacks data may still be one that pays."""
    order = (Verdict.PAYS, Verdict.MAKERS, Verdict.NOT_ENOUGH, Verdict.NEVER)
    return next((one for one in order if one in found), Verdict.NOT_ENOUGH)


def _doubtful(number: int, look: Look) -> dict[FxState, float]:
    if look.doubtful_ns is None:
        return {}
    return {state: int(ns) / 1e9 for state, ns in zip(STATES, look.doubtful_ns[number], strict=True) if ns}


def _fees_bps(route: SurveyedRoute) -> float:
    """Return the gross edge that both takers' fees use up."""
    return 1e4 * (route.cost_taker / route.keep_taker - 1)


def _maker_share(number: int, routes: Sequence[SurveyedRoute], look: Look) -> float | None:
    """Return the share of time in which a resting order, if filled, would earn more than half of the ways out cost."""
    back = next((n for n, one in enumerate(routes) if one.route == routes[number].route.reversed), None)
    out = None if back is None else look.maker.quantile(back, 0.5)
    return None if out is None else look.maker.share_from(number, -out)


def _missing(fresh_ns: int, quotes: tuple[int, int]) -> str:
    """Return what is missing to say anything, or ''."""
    missing = []
    if fresh_ns < _LEAST_NS:
        missing.append(f"both quotes were fresh for {fresh_ns / 1e9:,.0f} of {_LEAST_NS / 1e9:,.0f} s")
    if min(quotes) < _LEAST_QUOTES:
        missing.append(f"a venue brought {min(quotes):,} of {_LEAST_QUOTES:,} quotes")
    return "; ".join(missing)


def _judge(chances: Chances, fresh_ns: int, latency_ns: int, maker_share: float | None) -> tuple[Verdict, str]:
    count, lasting, latency = len(chances.lasted_ns), _lasting(chances, latency_ns), f"{latency_ns / 1e6:g} ms"
    hours = fresh_ns / 3.6e12
    if lasting >= _LEAST_CHANCES:
        return Verdict.PAYS, f"{lasting:,} chances of {latency} and longer, {lasting / hours:,.1f} an hour"
    if lasting:
        needed = hours * _LEAST_CHANCES / lasting
        return (
            Verdict.NOT_ENOUGH,
            f"{lasting:,} chance{'s' * (lasting > 1)} of {latency} and longer; "
            f"{_LEAST_CHANCES} take about {needed:,.1f} h of such data",
        )
    if maker_share is not None and maker_share >= _MAKER_SHARE:
        return Verdict.MAKERS, f"a resting order would be worth it for {maker_share:.1%} of the time, if it is filled"
    if count:
        return Verdict.NEVER, f"{count:,} chance{'s' * (count > 1)}, all shorter than {latency}"
    # Of what didn't happen at all, fewer than three are to be expected (95 %) in as much time.
    return Verdict.NEVER, f"no chance; with 95 % certainty fewer than {3 / hours:,.1f} an hour"


def _lasting(chances: Chances, latency_ns: int) -> int:
    return int((chances.lasted_ns >= latency_ns).sum())


def _median(values: npt.NDArray[Any]) -> float | None:
    import numpy as np

    return float(np.median(values)) if len(values) else None
