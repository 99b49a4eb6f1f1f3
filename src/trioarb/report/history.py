"""How a campaign went: figures over time, and how they are distributed, folded from its journal."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Mapping, Sequence
from decimal import Decimal

import attrs

from trioarb.journal.fold import Folding, Folds, Projection
from trioarb.model.event import (
    Decided,
    DecisionsRepeated,
    EquityStated,
    FundingPaid,
    Intent,
    MarketsMarked,
    OrderAcknowledged,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
    PairEnded,
    PositionClosed,
    PositionOpened,
    Record,
    ResidualLeft,
    ResidualResolved,
    ResidualsNetted,
    ResidualsPaired,
    ResidualTaken,
    ResidualWorked,
    TradeCorrected,
    TransferArrived,
    TransferSent,
)
from trioarb.model.market import Level
from trioarb.model.number import EXACT, ZERO
from trioarb.model.order import Purpose, Side
from trioarb.model.trade import Answer, ExitReason, PairKind
from trioarb.report.series import Distribution, Keep, Series, Tally
from trioarb.state.attribution import Attributed, Attributions
from trioarb.time.campaign_time import SECOND_NS

__all__ = ["History", "Place", "ResidualLine", "Route", "Slippage"]

#: Symbol, buy venue, sell venue.
Route = tuple[str, str, str]
#: Venue and side.
Place = tuple[str, Side]

HOUR_NS = 3_600 * SECOND_NS
_MS_NS = SECOND_NS // 1_000
_BPS = 10_000.0
_ONE = Decimal(1)
#: So many residuals and transfers that are over, routes with edges over time, and trades that may be corrected.
_LATEST, _ROUTES, _CORRECTED = 200, 100, 1_000


@attrs.define
class Slippage:
    """Of the fills of entries' legs at one place, against the price that was decided upon, in bps; above zero costs.

    ``limit``: how much worse the limit was that was sent; ``filled``: the price that was had.
    """

    limit: Distribution = attrs.field(factory=Distribution)
    filled: Distribution = attrs.field(factory=Distribution)


@attrs.define
class ResidualLine:
    """A residual from when it was left to when it was none any more. ``steps``: when, and what was done about it."""

    left: ResidualLeft
    left_ns: int
    route: Route | None
    ended_ns: int | None = None
    pnl_usd: Decimal = ZERO
    steps: list[tuple[int, str]] = attrs.field(factory=list)


@attrs.define
class _Leg:
    """The order of an entry's leg: where it trades, and the price that was decided upon."""

    place: Place
    price: float


class History(Folding):
    """Folds records. All memory is bounded, but for what grows with symbols, venues, routes and rules.

    It is one of two things: a projection of its own, by `apply`; or, beside a `State` that tells it of trades
    (``State(on_over=history.end_trade)``), one of several in a `Folds`.

    Over time (`Series`; money in USD and exact):
    ``pnl`` realised; ``worth``: the same and what is open at its recorded marks; ``drawdown``: how far ``worth`` is
    below its highest; ``equity``: its change as it was stated; ``by_hour``: realised PnL of each UTC hour;
    ``fees``, by asset: in that asset, each UTC hour; ``denials``, by ``tier.rule``: how many; ``edges``: the highest
    edge in bps that guards were asked about, and ``edges_of``, by route, the same of the first hundred routes.

    Totals (`Tally`: how many bookings, and USD), of all that realises something:
    ``by_symbol``; ``by_route``; ``by_place``: each trade counts at the venue where it buys and at the one where it
    sells, so those of all buyers sum to the whole, and those of all sellers; ``by_hour_of_day``, 0 to 23 UTC;
    ``exits``, by reason: closed positions and what their trades came to; ``unassigned``, by symbol: what belongs to no
    route, which is in neither ``by_route`` nor ``by_place``.

    Distributions (`Distribution`, in bps net of taker fees): ``seen``: all edges that guards were asked about, those
    asked again included; ``allowed``; ``decided``, ``sent``, ``filled``: of entries that are over, as decided, at the
    limits that were sent, at the fills. ``slippage``, by `Place`. ``holding``: seconds that positions were held.
    ``answers``, by venue and what came first (``acknowledged``, ``filled``, ``done``): milliseconds of campaign time
    since an order was recorded, which is just before it is sent; simulated, where the venue is.

    ``residuals``: those that are open, by id; ``past_residuals``: the latest that are none any more. ``residuals_left``
    counts all. ``transfers``: the latest, when they were sent, and when they arrived.
    ``began_ns`` and ``at_ns`` are the times of the first and the last event that was folded here.
    """

    def __init__(self) -> None:
        self.began_ns = self.at_ns = 0
        self.pnl = Series(Keep.LAST)
        self.worth = Series(Keep.LAST)
        self.drawdown = Series(Keep.HIGHEST)
        self.equity = Series(Keep.LAST)
        self.by_hour = _hourly()
        self.fees: defaultdict[str, Series] = defaultdict(_hourly)
        self.denials: defaultdict[str, Series] = defaultdict(lambda: Series(Keep.SUM, most=120))
        self.edges = Series(Keep.HIGHEST)
        self.edges_of: dict[Route, Series] = {}
        self.by_route: defaultdict[Route, Tally] = defaultdict(Tally)
        self.unassigned: defaultdict[str, Tally] = defaultdict(Tally)
        self.by_hour_of_day: Sequence[Tally] = tuple(Tally() for _ in range(24))
        self.exits: defaultdict[ExitReason, Tally] = defaultdict(Tally)
        self.seen = Distribution()
        self.allowed = Distribution()
        self.decided = Distribution()
        self.sent = Distribution()
        self.filled = Distribution()
        self.slippage: defaultdict[Place, Slippage] = defaultdict(Slippage)
        self.holding = Distribution()
        self.answers: defaultdict[tuple[str, str], Distribution] = defaultdict(Distribution)
        self.residuals: dict[str, ResidualLine] = {}
        self.past_residuals: deque[ResidualLine] = deque(maxlen=_LATEST)
        self.residuals_left = 0
        self.transfers: deque[tuple[TransferSent, int, int | None]] = deque(maxlen=_LATEST)
        self._realised = self._open_usd = self._highest = ZERO
        #: The last decision of each route, whose edge those have that were given again: its number and edge.
        self._asked: dict[int, float] = {}
        self._asked_of: dict[Route, int] = {}
        #: Of pairs in flight: what was decided upon at each place; and their orders.
        self._prices: dict[str, dict[Place, float]] = {}
        self._legs: dict[str, _Leg] = {}
        #: The orders without an answer: where, and since when.
        self._unanswered: dict[str, tuple[str, int]] = {}
        self._orders_of: defaultdict[str, list[str]] = defaultdict(list)
        #: Of trades that aren't over: their routes, how many pairs are in flight, and whether a position is open.
        self._routes: dict[str, Route] = {}
        self._pairs: defaultdict[str, int] = defaultdict(int)
        self._held: set[str] = set()
        #: Of those that were over last: what they left is theirs, too.
        self._past_routes: OrderedDict[str, Route] = OrderedDict()
        #: Why those were closed that were closed last: they may be corrected.
        self._closed: OrderedDict[str, ExitReason] = OrderedDict()
        self._folds = Folds(self.projections)

    @property
    def projections(self) -> Sequence[Projection]:
        """What is to be folded, in this order, where no `State` tells of trades."""
        return Attributions(self.end_trade), self

    def apply(self, record: Record) -> None:
        """Fold a record that follows the one before.

        Raises:
            LookupError, ArithmeticError: it contradicts what is before it.
        """
        self._folds.apply(record)

    def end_trade(self, trade: Attributed) -> None:
        """Take in the edges of a trade that is over."""
        for edge, of in (
            (trade.decided_bps, self.decided),
            (trade.sent_bps, self.sent),
            (trade.filled_bps, self.filled),
        ):
            if edge is not None:
                of.add(float(edge))

    @property
    def by_symbol(self) -> Mapping[str, Tally]:
        found: defaultdict[str, Tally] = defaultdict(Tally)
        for symbol, one in (*((route[0], one) for route, one in self.by_route.items()), *self.unassigned.items()):
            found[symbol].add(one.usd, one.count)
        return found

    @property
    def by_place(self) -> Mapping[Place, Tally]:
        found: defaultdict[Place, Tally] = defaultdict(Tally)
        for (_, buy_venue, sell_venue), one in self.by_route.items():
            found[buy_venue, Side.BUY].add(one.usd, one.count)
            found[sell_venue, Side.SELL].add(one.usd, one.count)
        return found

    # What was decided

    def _decide(self, decided: Decided, record: Record) -> None:
        self._reach(record.ts_ns)
        if decided.answer in (Answer.DENY, Answer.STOP):
            self.denials[f"{decided.tier}.{decided.rule}"].put(record.ts_ns, _ONE)
        if decided.edge_bps is None or decided.buy_venue is None or decided.sell_venue is None:
            return
        route, edge = (decided.symbol, decided.buy_venue, decided.sell_venue), float(decided.edge_bps)
        if decided.answer is not Answer.REDUCE:  # what is left of it is asked about again
            self.seen.add(edge)
            self._ask(route, record, decided.edge_bps)
        if decided.answer is Answer.ALLOW:
            self.allowed.add(edge)
            if decided.pair_id is not None:
                self._prices[decided.pair_id] = _decided_prices(decided)
        self._asked.pop(self._asked_of.get(route, 0), None)
        self._asked[record.seq], self._asked_of[route] = edge, record.seq

    def _ask(self, route: Route, record: Record, edge_bps: Decimal) -> None:
        self.edges.put(record.ts_ns, edge_bps)
        series = self.edges_of.get(route)
        if series is None:
            if len(self.edges_of) == _ROUTES:
                return
            series = self.edges_of[route] = Series(Keep.HIGHEST, most=240)
        series.put(record.ts_ns, edge_bps)

    def _repeat(self, repeated: DecisionsRepeated, record: Record) -> None:
        self._reach(record.ts_ns)
        self.denials[f"{repeated.tier}.{repeated.rule}"].put(record.ts_ns, Decimal(repeated.count))
        edge = self._asked.get(repeated.decision_seq)
        if edge is not None:
            self.seen.add(edge, repeated.count)

    # What was sent and filled

    def _open_pair(self, opened: Intent, _: Record) -> None:
        self._pairs[opened.trade_id] += 1
        if opened.kind is PairKind.ENTRY:
            self._routes[opened.trade_id] = opened.symbol, opened.buy_venue, opened.sell_venue

    def _submit(self, order: OrderSubmitted, record: Record) -> None:
        self._unanswered[order.client_order_id] = order.venue, record.ts_ns
        prices = self._prices.get(order.pair_id)
        if prices is None or order.purpose is not Purpose.LEG:
            return
        place = order.venue, order.side
        price = prices.get(place)
        if price is None:
            return
        self._legs[order.client_order_id] = _Leg(place, price)
        self._orders_of[order.pair_id].append(order.client_order_id)
        self.slippage[place].limit.add(_cost_bps(order.side, price, order.limit_price))

    def _acknowledge(self, acknowledged: OrderAcknowledged, record: Record) -> None:
        self._answer(acknowledged.client_order_id, "acknowledged", record)

    def _end_order(self, ended: OrderCancelled | OrderExpired | OrderRejected, record: Record) -> None:
        self._answer(ended.client_order_id, "done", record)

    def _answer(self, client_order_id: str, what: str, record: Record) -> None:
        sent = self._unanswered.pop(client_order_id, None)
        if sent is not None:
            venue, sent_ns = sent
            self.answers[venue, what].add((record.ts_ns - sent_ns) / _MS_NS)

    def _fill(self, fill: OrderFilled, record: Record) -> None:
        self._reach(record.ts_ns)
        self._answer(fill.client_order_id, "filled", record)
        self.fees[fill.fee_asset].put(record.ts_ns, fill.fee)
        leg = self._legs.get(fill.client_order_id)
        if leg is not None:
            self.slippage[leg.place].filled.add(_cost_bps(fill.side, leg.price, fill.price))

    # What it came to

    def _end_pair(self, ended: PairEnded, record: Record) -> None:
        self._book(record, ended.symbol, ended.pnl_usd, self._routes.get(ended.trade_id))
        self._prices.pop(ended.pair_id, None)
        for client_order_id in self._orders_of.pop(ended.pair_id, ()):
            del self._legs[client_order_id]
        self._pairs[ended.trade_id] -= 1
        self._forget(ended.trade_id)

    def _open_position(self, opened: PositionOpened, _: Record) -> None:
        self._held.add(opened.trade_id)
        self._routes.setdefault(opened.trade_id, (opened.symbol, opened.buy_venue, opened.sell_venue))

    def _close_position(self, closed: PositionClosed, record: Record) -> None:
        self.holding.add((record.ts_ns - closed.opened_at_ns) / SECOND_NS)
        self.exits[closed.reason].add(closed.pnl_usd)
        self._closed[closed.trade_id] = closed.reason
        if len(self._closed) > _CORRECTED:
            self._closed.popitem(last=False)
        self._held.discard(closed.trade_id)
        self._forget(closed.trade_id)

    def _correct(self, corrected: TradeCorrected, _: Record) -> None:
        reason = self._closed.get(corrected.trade_id)
        if reason is not None and corrected.realised is None:
            self.exits[reason].add(EXACT.subtract(corrected.pnl_usd, corrected.before_usd), count=0)

    def _forget(self, trade_id: str) -> None:
        """Forget the route of a trade that is over."""
        if not self._pairs.get(trade_id):
            self._pairs.pop(trade_id, None)
            route = None if trade_id in self._held else self._routes.pop(trade_id, None)
            if route is not None:
                self._past_routes[trade_id] = route
                if len(self._past_routes) > _CORRECTED:
                    self._past_routes.popitem(last=False)

    def _fund(self, paid: FundingPaid, record: Record) -> None:
        route = None if paid.trade_id is None else self._routes.get(paid.trade_id)
        self._book(record, paid.symbol, paid.amount_usd, route)

    def _book(self, record: Record, symbol: str, usd: Decimal, route: Route | None) -> None:
        self._reach(record.ts_ns)
        self._realised = EXACT.add(self._realised, usd)
        self.by_hour.put(record.ts_ns, usd)
        self.by_hour_of_day[record.ts_ns // HOUR_NS % 24].add(usd)
        if route is None:
            self.unassigned[symbol].add(usd)
        else:
            self.by_route[route].add(usd)
        self.pnl.put(record.ts_ns, self._realised)

    def _mark(self, marked: MarketsMarked, record: Record) -> None:
        self._reach(record.ts_ns)
        open_usd = ZERO
        for usd in marked.unrealised_usd.values():
            open_usd = EXACT.add(open_usd, usd)
        worth = EXACT.add(self._realised, open_usd)
        self._highest = max(self._highest, worth)
        self.worth.put(record.ts_ns, worth)
        self.drawdown.put(record.ts_ns, EXACT.subtract(self._highest, worth))

    def _state(self, stated: EquityStated, record: Record) -> None:
        self._reach(record.ts_ns)
        self.equity.put(record.ts_ns, EXACT.subtract(stated.now_usd, stated.start_usd))

    def _reach(self, ts_ns: int) -> None:
        self.began_ns = self.began_ns or ts_ns
        self.at_ns = ts_ns

    # What was left, and moved

    def _leave(self, left: ResidualLeft, record: Record) -> None:
        self.residuals_left += 1
        route = self._routes.get(left.trade_id) or self._past_routes.get(left.trade_id)
        self.residuals[left.residual_id] = ResidualLine(left, record.ts_ns, route)

    def _work(self, worked: ResidualWorked, record: Record) -> None:
        line = self.residuals.get(worked.residual_id)
        if line is not None and len(line.steps) < _LATEST:
            line.steps.append((record.ts_ns, f"worked by {worked.client_order_id}"))

    def _resolve(self, resolved: ResidualResolved, record: Record) -> None:
        self._book(record, resolved.symbol, resolved.pnl_usd, self._route_of(resolved.residual_id))
        self._end_residual(resolved.residual_id, record.ts_ns, resolved.reason, resolved.pnl_usd)

    def _take(self, taken: ResidualTaken, record: Record) -> None:
        route = self._routes.get(taken.trade_id)
        self._book(record, taken.symbol, taken.pnl_usd, route)
        if taken.residual_id is not None:
            how = f"taken along by {taken.pair_id}"
            self._lessen(taken.residual_id, record.ts_ns, how, taken.rest, taken.pnl_usd)

    def _net(self, netted: ResidualsNetted, record: Record) -> None:
        self._book(record, netted.symbol, netted.pnl_usd, self._route_of(netted.short_id))
        self._lessen(netted.long_id, record.ts_ns, f"netted with {netted.short_id}", netted.long_rest, ZERO)
        self._lessen(netted.short_id, record.ts_ns, f"netted with {netted.long_id}", netted.short_rest, netted.pnl_usd)

    def _pair_up(self, paired: ResidualsPaired, record: Record) -> None:
        self._book(record, paired.symbol, paired.pnl_usd, self._route_of(paired.long_id))
        for residual_id, rest, *_ in paired.rests:
            self._lessen(residual_id, record.ts_ns, f"became a position of {paired.trade_id}", rest, ZERO)

    def _route_of(self, residual_id: str) -> Route | None:
        line = self.residuals.get(residual_id)
        return None if line is None else line.route

    def _lessen(self, residual_id: str, ts_ns: int, how: str, rest: Decimal, pnl_usd: Decimal) -> None:
        line = self.residuals.get(residual_id)
        if line is None:
            return
        if not rest:
            self._end_residual(residual_id, ts_ns, how, pnl_usd)
        elif len(line.steps) < _LATEST:
            line.steps.append((ts_ns, how))
            line.pnl_usd = EXACT.add(line.pnl_usd, pnl_usd)

    def _end_residual(self, residual_id: str, ts_ns: int, how: str, pnl_usd: Decimal) -> None:
        line = self.residuals.pop(residual_id, None)
        if line is not None:
            line.ended_ns = ts_ns
            line.steps.append((ts_ns, how))
            line.pnl_usd = EXACT.add(line.pnl_usd, pnl_usd)
            self.past_residuals.append(line)

    def _send(self, sent: TransferSent, record: Record) -> None:
        self.transfers.append((sent, record.ts_ns, None))

    def _arrive(self, arrived: TransferArrived, record: Record) -> None:
        for at, (sent, sent_ns, _) in enumerate(self.transfers):
            if sent.transfer_id == arrived.transfer_id:
                self.transfers[at] = sent, sent_ns, record.ts_ns


def _hourly() -> Series:
    return Series(Keep.SUM, step_ns=HOUR_NS)


def _decided_prices(decided: Decided) -> dict[Place, float]:
    """Return the average prices that a decision was made by, where they are known."""
    found = {}
    for venue, side, levels, best in (
        (decided.buy_venue, Side.BUY, decided.asks, decided.ask),
        (decided.sell_venue, Side.SELL, decided.bids, decided.bid),
    ):
        if venue is not None and best is not None:
            found[venue, side] = _average(levels, decided.quantity) if levels and decided.quantity else float(best)
    return found


def _average(levels: Sequence[Level], quantity: Decimal) -> float:
    """Return what a quantity costs at levels, by unit; what is beyond them at the last."""
    value, rest = 0.0, float(quantity)
    for price, size in levels:
        taken = min(float(size), rest)
        value, rest = value + float(price) * taken, rest - taken
    return (value + float(levels[-1].price) * rest) / float(quantity)


def _cost_bps(side: Side, decided: float, had: Decimal) -> float:
    """Return by how much a price is worse for us than the one decided upon."""
    worse = (float(had) / decided - 1) * _BPS
    return worse if side is Side.BUY else -worse
