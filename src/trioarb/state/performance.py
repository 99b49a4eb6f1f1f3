"""How a campaign's trades did, one after the other: wins and losses, turnover, what each route brought, and when."""

from __future__ import annotations

from collections import OrderedDict
from decimal import Decimal

import attrs

from trioarb.journal.fold import Folding
from trioarb.model.event import (
    CampaignOpened,
    FundingPaid,
    InstrumentListed,
    Intent,
    OrderFilled,
    PairEnded,
    PositionClosed,
    PositionOpened,
    Record,
    ResidualResolved,
    ResidualsNetted,
    ResidualsPaired,
    ResidualTaken,
    TradeCorrected,
)
from trioarb.model.market import Route
from trioarb.model.number import EXACT, ZERO
from trioarb.model.trade import PairKind
from trioarb.state.series import Series
from trioarb.state.trades import fee_of, value_of
from trioarb.time.campaign_time import SECOND_NS

__all__ = ["Outcomes", "Performance"]

_MINUTE_NS = 60 * SECOND_NS
#: How many sums are kept of all trades, and of those of a route.
_MOST, _MOST_OF_ROUTE = 2_048, 256
#: So many trades that are over can still be told what they came to by what is learnt late.
_CORRECTABLE = 1_000


@attrs.define
class Outcomes:
    """Trades that are over, in the order in which they ended, in USD. ``series`` sums to what they came to.

    ``won`` earned something, ``lost`` cost something; ``won_usd`` and ``lost_usd`` (not above zero) are their sums.
    ``least_win_usd`` and ``most_win_usd`` are of wins as they were when their trades ended.
    """

    series: Series
    trades: int = 0
    won: int = 0
    lost: int = 0
    won_usd: Decimal = ZERO
    lost_usd: Decimal = ZERO
    least_win_usd: Decimal | None = None
    most_win_usd: Decimal | None = None

    def end(self, pnl_usd: Decimal) -> int:
        """Take a trade that has ended; return its number."""
        self.trades += 1
        self._count(pnl_usd, 1)
        if pnl_usd > 0:
            least, most = self.least_win_usd, self.most_win_usd
            self.least_win_usd = pnl_usd if least is None else min(least, pnl_usd)
            self.most_win_usd = pnl_usd if most is None else max(most, pnl_usd)
        return self.series.add(pnl_usd)

    def correct(self, number: int, before_usd: Decimal, pnl_usd: Decimal) -> None:
        """Let what a trade came to take the place of what it was said to have come to."""
        self._count(before_usd, -1)
        self._count(pnl_usd, 1)
        self.series.amend(number, EXACT.subtract(pnl_usd, before_usd))

    def forget(self, number: int, pnl_usd: Decimal) -> None:
        """Take out a trade that isn't over after all."""
        self.trades -= 1
        self._count(pnl_usd, -1)
        self.series.amend(number, EXACT.minus(pnl_usd))

    def _count(self, pnl_usd: Decimal, one: int) -> None:
        amount = EXACT.multiply(pnl_usd, one)
        if pnl_usd > 0:
            self.won += one
            self.won_usd = EXACT.add(self.won_usd, amount)
        elif pnl_usd < 0:
            self.lost += one
            self.lost_usd = EXACT.add(self.lost_usd, amount)


@attrs.define
class _Over:
    """A trade that is over: its route, and its number among all and among those of its route."""

    route: Route
    number: int
    number_of_route: int


@attrs.define
class _Pace:
    """How many trades of a symbol ended in the latest minute in which one did."""

    minute: int = -1
    count: int = 0


class Performance(Folding):
    """Trades are positions that were closed, and entries that came to something without opening one.

    ``all`` has them with what else was realised, by residuals and what was paid for holding: its series sums to
    realised PnL but for that of trades that aren't over. ``turnover_usd``: the value of all fills, both legs, where
    their quote asset is worth something in USD; ``fills`` of which ``free`` had no fee. ``most_a_minute``: the most
    trades of a symbol that ended within one minute of the clock.
    """

    fills: int
    free: int

    def __init__(self) -> None:
        self.all: Outcomes = Outcomes(Series(_MOST))
        self.routes: dict[Route, Outcomes] = {}
        self.turnover_usd: Decimal = ZERO
        self.fills = self.free = 0
        self.most_a_minute: int = 0
        self._fx: dict[str, Decimal] = {}
        #: What the money is worth that an instrument is counted in, by symbol and venue.
        self._usd: dict[tuple[str, str], Decimal] = {}
        #: The routes of entries in flight, and which of them have opened a position.
        self._entries: dict[str, Route] = {}
        self._held: set[str] = set()
        self._over: OrderedDict[str, _Over] = OrderedDict()
        self._paces: dict[str, _Pace] = {}
        #: What was realised beside trades before the first of them was over.
        self._before_usd = ZERO

    def of(self, route: Route) -> Outcomes:
        one = self.routes.get(route)
        if one is None:
            one = self.routes[route] = Outcomes(Series(_MOST_OF_ROUTE))
        return one

    def _begin(self, opened: CampaignOpened, _: Record) -> None:
        self._fx = dict(opened.fx)

    def _list(self, listed: InstrumentListed, _: Record) -> None:
        usd = self._fx.get(listed.counts_as or listed.quote)
        if usd is not None:
            self._usd[listed.symbol, listed.venue] = usd

    def _fill(self, fill: OrderFilled, _: Record) -> None:
        self.fills += 1
        self.free += not fill.fee and not fee_of(fill)
        usd = self._usd.get((fill.symbol, fill.venue))
        if usd is not None:
            self.turnover_usd = EXACT.add(self.turnover_usd, EXACT.multiply(value_of(fill), usd))

    def _open_pair(self, opened: Intent, _: Record) -> None:
        if opened.kind is PairKind.ENTRY:
            self._entries[opened.trade_id] = Route(
                symbol=opened.symbol, buy_venue=opened.buy_venue, sell_venue=opened.sell_venue
            )

    def _open_position(self, opened: PositionOpened, _: Record) -> None:
        if opened.trade_id in self._entries:
            self._held.add(opened.trade_id)

    def _close_position(self, closed: PositionClosed, record: Record) -> None:
        route = Route(symbol=closed.symbol, buy_venue=closed.buy_venue, sell_venue=closed.sell_venue)
        self._end(closed.trade_id, route, closed.pnl_usd, record.ts_ns)

    def _end_pair(self, ended: PairEnded, record: Record) -> None:
        if ended.kind is not PairKind.ENTRY:
            return
        route, is_held = self._entries.pop(ended.trade_id, None), ended.trade_id in self._held
        self._held.discard(ended.trade_id)
        if route is not None and not is_held and ended.pnl_usd:
            self._end(ended.trade_id, route, ended.pnl_usd, record.ts_ns)

    def _end(self, trade_id: str, route: Route, pnl_usd: Decimal, at_ns: int) -> None:
        self._over[trade_id] = _Over(route, self.all.end(pnl_usd), self.of(route).end(pnl_usd))
        if len(self._over) > _CORRECTABLE:
            self._over.popitem(last=False)
        self._bring(self._before_usd)
        self._before_usd = ZERO
        pace = self._paces.setdefault(route.symbol, _Pace())
        minute = at_ns // _MINUTE_NS
        pace.count = pace.count + 1 if minute == pace.minute else 1
        pace.minute = minute
        self.most_a_minute = max(self.most_a_minute, pace.count)

    def _correct(self, corrected: TradeCorrected, record: Record) -> None:
        """What is learnt late is its trade's, not that of the residual that stood for it."""
        if corrected.realised is not None:
            self._bring(EXACT.subtract(corrected.before_usd, corrected.pnl_usd))
            return
        over = self._over.get(corrected.trade_id)
        if over is not None:
            self.all.correct(over.number, corrected.before_usd, corrected.pnl_usd)
            self.of(over.route).correct(over.number_of_route, corrected.before_usd, corrected.pnl_usd)
            self._bring(EXACT.subtract(corrected.before_usd, corrected.pnl_usd))

    def _pair_up(self, paired: ResidualsPaired, _: Record) -> None:
        """An entry that was over has opened a position after all."""
        over = self._over.pop(paired.trade_id, None)
        if over is not None and paired.before_usd:
            self.all.forget(over.number, paired.before_usd)
            self.of(over.route).forget(over.number_of_route, paired.before_usd)

    def _resolve(self, event: ResidualResolved | ResidualTaken | ResidualsNetted, _: Record) -> None:
        self._bring(event.pnl_usd)

    def _fund(self, paid: FundingPaid, _: Record) -> None:
        if paid.trade_id is None:  # what a trade paid is in what it came to
            self._bring(paid.amount_usd)

    def _bring(self, amount_usd: Decimal) -> None:
        """Count what was realised beside trades to the latest one."""
        if self.all.series.count:
            self.all.series.amend(-1, amount_usd)
        else:
            self._before_usd = EXACT.add(self._before_usd, amount_usd)
