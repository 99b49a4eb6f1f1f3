"""What happened in a campaign, from its events: an overview, and the timeline of one symbol."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal

import attrs
from msgspec.structs import replace

from trioarb.journal.fold import Folding, Folds
from trioarb.model.event import (
    CampaignOpened,
    CampaignResumed,
    Commanded,
    Decided,
    DecisionsRepeated,
    Intent,
    PairEnded,
    PositionClosed,
    PositionOpened,
    Record,
    ResidualLeft,
    ResidualResolved,
    ResidualsNetted,
    ResidualsPaired,
    ResidualTaken,
    SymbolQuarantined,
    SymbolRetired,
    TransferArrived,
    TransferSent,
)
from trioarb.model.number import EXACT, ZERO, text
from trioarb.model.trade import Answer, PairKind
from trioarb.report.aligned import aligned
from trioarb.report.figures import signed_usd, usd
from trioarb.report.funnel import funnel_of, route_figures, routes_of
from trioarb.report.plain import iso_time
from trioarb.state.statistics import Statistics

__all__ = ["Timeline", "describe_residual", "utc"]

_MOST_SYMBOLS = 6


def utc(ns: int) -> str:
    """Return a time to the millisecond, as people read it."""
    return iso_time(ns)[:23].replace("T", " ")


def describe_residual(left: ResidualLeft) -> str:
    """Return what was left, where and of which trade."""
    side = "long" if left.quantity > 0 else "short"
    known = ""
    if left.possible:
        known = f", if {left.client_order_id} filled"
    elif left.unknown:
        known = f", as far as is known: {left.client_order_id} got no answer"
    held = f"{side} {text(abs(left.quantity))} {left.asset} at {left.venue}"
    return f"{left.residual_id} ({left.symbol}, {left.trade_id}): {held}, {usd(left.cost_usd)} USD{known}"


@attrs.define
class _Trade:
    """One line of the overview. ``how`` it ended, or stands."""

    trade_id: str
    symbol: str
    route: str
    began_ns: int
    how: str = "in flight"
    quantity: Decimal = ZERO
    closed_ns: int | None = None
    pnl_usd: Decimal = ZERO

    @property
    def cells(self) -> tuple[str, ...]:
        closed = "" if self.closed_ns is None else utc(self.closed_ns)
        quantity, began = text(self.quantity), utc(self.began_ns)
        return self.trade_id, self.symbol, self.route, quantity, began, closed, signed_usd(self.pnl_usd).plain, self.how


@attrs.define
class _Refusal:
    """How often a rule refused a symbol; what it measured when that was last recorded."""

    decided: Decided
    first_ns: int
    last_ns: int
    count: int = 0


class Timeline(Folding):
    """Folds records; keeps a line for each trade and for each rule that refused a symbol."""

    def __init__(self) -> None:
        self._statistics = Statistics()
        self._folds = Folds([self._statistics, self])
        self._last: Record | None = None
        self._first_ns = 0
        self._events = 0
        self._resumed: list[tuple[int, CampaignResumed]] = []
        self._told: list[tuple[int, Commanded]] = []
        self._failures: list[tuple[int, SymbolQuarantined | SymbolRetired]] = []
        self._trades: dict[str, _Trade] = {}
        self._refusals: defaultdict[str, dict[str, _Refusal]] = defaultdict(dict)
        self._left: dict[str, ResidualLeft] = {}
        #: Transfers as they are told, and the symbols that they are counted to.
        self._moved: dict[str, str] = {}
        self._symbol_of: dict[str, str | None] = {}

    @property
    def trade_ids(self) -> Sequence[str]:
        """All trades, those included that opened no position, in the order in which they began."""
        return tuple(self._trades)

    @property
    def symbols(self) -> Sequence[str]:
        """The universe, and after it whatever else there was a decision about."""
        return tuple(dict.fromkeys((*self._statistics.universe, *filter(None, self._refusals))))

    def apply(self, record: Record) -> None:
        self._last = record
        self._events += 1
        self._folds.apply(record)

    # What it says

    def overview(self, journal: str) -> Iterator[str]:
        """Yield the campaign, its trades and refusals; ``journal`` is how hints name it."""
        yield from self._campaign()
        yield ""
        yield from self._trade_lines(list(self._trades.values()))
        yield ""
        yield from self._refusal_lines()
        if self._moved:
            yield ""
            yield from self._moved.values()
        if self._left:
            yield ""
        for left in self._left.values():
            yield f"Left: {describe_residual(left)}"
        yield ""
        if self._trades:
            yield f"One trade: trioarb explain {journal} --trade {next(iter(self._trades))}"
        if self.symbols:
            yield f"One symbol: trioarb explain {journal} --symbol {self.symbols[0]}"

    def of_symbol(self, symbol: str) -> Iterator[str]:
        """Yield the funnel, the refusals and the trades of one of the `symbols`."""
        yield symbol
        yield ""
        yield from self._funnel_lines(symbol)
        yield ""
        yield from self._trade_lines([trade for trade in self._trades.values() if trade.symbol == symbol])
        yield ""
        yield from self._refusals_of(symbol)
        for ts_ns, failure in self._failures:
            if failure.symbol == symbol:
                why = f"failed: {failure.error}" if isinstance(failure, SymbolQuarantined) else "retired"
                yield f"{utc(ts_ns)} {why} (failure {failure.failures})"
        for left in self._left.values():
            if left.symbol == symbol:
                yield f"Left: {describe_residual(left)}"
        for transfer_id, line in self._moved.items():
            if self._symbol_of.get(transfer_id) == symbol:
                yield line

    def _campaign(self) -> Iterator[str]:
        statistics, opened, last = self._statistics, self._statistics.opened, self._last
        if opened is None or last is None:
            yield "The journal does not begin with a campaign."
            return
        yield (
            f"Campaign {opened.campaign_id} ({opened.mode}, {opened.env}, {opened.clock} clock), "
            f"trioarb {opened.version}"
        )
        ended = (
            f"ended by {statistics.ended.ended_by.value}"
            if statistics.ended
            else "not ended: it still runs, or broke off"
        )
        yield f"{utc(self._first_ns)} to {utc(last.ts_ns)} UTC, {ended}"
        if statistics.ended is not None and statistics.ended.error:
            yield f"Error: {statistics.ended.error}"
        for ts_ns, resumed in self._resumed:
            closing = ", to close only" if resumed.close_only else ""
            yield f"Resumed at {utc(ts_ns)} UTC after event {resumed.last_seq:,}{closing}"
        for ts_ns, told in self._told:
            about = f" {told.symbol}" if told.symbol else f" {told.key} = {told.after}" if told.key else ""
            why = f": {told.why}" if told.why else ""
            yield f"Told at {utc(ts_ns)} UTC to {told.command.value}{about} by {told.who}{why}"
        yield f"{self._events:,} events; venues {', '.join(opened.venues)}; {len(opened.symbols):,} symbols"
        yield f"Realised PnL {signed_usd(statistics.pnl_usd).plain} USD, fees {usd(statistics.fees_usd)} USD"

    def _trade_lines(self, trades: Sequence[_Trade]) -> Iterator[str]:
        if not trades:
            yield "No trades."
            return
        positions = sum(bool(trade.quantity) for trade in trades)
        yield f"{len(trades):,} entries, {positions:,} of them opened a position"
        header = ("trade", "symbol", "route", "quantity", "opened (UTC)", "closed (UTC)", "PnL (USD)", "how it ended")
        yield from aligned([header, *(trade.cells for trade in trades)], right={3, 6})

    def _refusal_lines(self) -> Iterator[str]:
        by_rule: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for symbol, refusals in self._refusals.items():
            for rule, refusal in refusals.items():
                by_rule[rule][symbol] += refusal.count
        if not by_rule:
            yield "No refusals."
            return
        yield f"{sum(symbols.total() for symbols in by_rule.values()):,} refusals"
        rows = [("rule", "count", "symbols")]
        for rule, symbols in sorted(by_rule.items(), key=lambda item: (-item[1].total(), item[0])):
            ordered = sorted(symbols.items(), key=lambda item: (-item[1], item[0]))
            shown = [f"{symbol or 'none'} {count:,}" for symbol, count in ordered[:_MOST_SYMBOLS]]
            more = [f"and {len(ordered) - _MOST_SYMBOLS} more"] if len(ordered) > _MOST_SYMBOLS else []
            rows.append((rule, f"{symbols.total():,}", ", ".join([*shown, *more])))
        yield from aligned(rows, right={1})

    def _refusals_of(self, symbol: str) -> Iterator[str]:
        refusals = self._refusals.get(symbol)
        if not refusals:
            yield "No refusals."
            return
        yield f"{sum(refusal.count for refusal in refusals.values()):,} refusals; value and limit as last recorded"
        rows = [("rule", "answer", "count", "value", "limit", "first (UTC)", "last (UTC)")]
        for rule, one in sorted(refusals.items(), key=lambda item: (-item[1].count, item[0])):
            last = one.decided
            value, limit = last.value or "", last.limit or ""
            row = rule, last.answer.value, f"{one.count:,}", value, limit, utc(one.first_ns), utc(one.last_ns)
            rows.append(row)
        yield from aligned(rows, right={2})

    def _funnel_lines(self, symbol: str) -> Iterator[str]:
        one = self._statistics.symbols.get(symbol)
        if one is None or (counted := one.funnel) is None:
            yield "No counters were recorded."
            return
        yield "Counters" if counted.final else "Counters when they were last recorded"
        steps = list(funnel_of(self._statistics, symbol).items())
        behind = [step for step, _ in steps].index("sized") + 1
        steps[behind:behind] = [(f"not sized: {why}", count) for why, count in counted.not_sized.items()]
        yield from aligned([(step, f"{count:,}") for step, count in steps], right={1})
        yield from self._route_lines(symbol)

    def _route_lines(self, symbol: str) -> Iterator[str]:
        """Yield where each route stopped, if several were tried."""
        routes = [(name, route_figures(one)) for name, one in routes_of(self._statistics, symbol)]
        if len(routes) < 2:
            return
        rows = [("route", "over threshold", "sized", "allowed", "stopped by")]
        for name, of in routes:
            stopped = sorted({**of["not_sized"], **of["denied"]}.items(), key=lambda item: (-item[1], item[0]))
            reasons = ", ".join(f"{why} {count:,}" for why, count in stopped)
            rows.append((name, f"{of['over_threshold']:,}", f"{of['sized']:,}", f"{of['allowed']:,}", reasons))
        yield from aligned(rows, right={1, 2, 3})

    # What is folded

    def _open(self, _: CampaignOpened, record: Record) -> None:
        self._first_ns = record.ts_ns

    def _resume(self, event: CampaignResumed, record: Record) -> None:
        self._resumed.append((record.ts_ns, event))

    def _tell(self, event: Commanded, record: Record) -> None:
        self._told.append((record.ts_ns, event))

    def _fail(self, event: SymbolQuarantined | SymbolRetired, record: Record) -> None:
        self._failures.append((record.ts_ns, event))

    def _decide(self, event: Decided, record: Record) -> None:
        if event.answer in (Answer.ALLOW, Answer.REDUCE):
            return
        refusals, rule = self._refusals[event.symbol], f"{event.tier}.{event.rule}"
        one = refusals.setdefault(rule, _Refusal(event, record.ts_ns, record.ts_ns))
        one.decided, one.last_ns = event, record.ts_ns
        one.count += 1

    def _repeat(self, event: DecisionsRepeated, record: Record) -> None:
        one = self._refusals[event.symbol].get(f"{event.tier}.{event.rule}")
        if one is not None:
            one.last_ns = record.ts_ns
            one.count += event.count

    def _open_pair(self, event: Intent, record: Record) -> None:
        if event.kind is PairKind.ENTRY:
            route = f"{event.buy_venue} → {event.sell_venue}"
            self._trades[event.trade_id] = _Trade(event.trade_id, event.symbol, route, record.ts_ns)

    def _end_pair(self, event: PairEnded, _: Record) -> None:
        self._count(event.trade_id, event.pnl_usd)
        trade = self._trades.get(event.trade_id)
        if trade is not None and not trade.quantity:
            moved = event.pnl_usd or event.fees_usd
            trade.how = f"{event.outcome.value}, {'evened out' if moved else 'nothing filled'}"
            if event.outcome.value == "residual":
                trade.how = "residual"

    def _open_position(self, event: PositionOpened, _: Record) -> None:
        trade = self._trades.get(event.trade_id)
        if trade is not None:
            trade.quantity, trade.how = event.quantity, "open"

    def _close_position(self, event: PositionClosed, record: Record) -> None:
        trade = self._trades.get(event.trade_id)
        if trade is not None:
            trade.closed_ns, trade.how = record.ts_ns, event.reason.value

    def _send(self, event: TransferSent, record: Record) -> None:
        self._symbol_of[event.transfer_id] = event.symbol
        what = f"Transfer {event.transfer_id}: {text(event.amount)} {event.asset} from {event.source} to {event.target}"
        self._moved[event.transfer_id] = f"{what}, fee {text(event.fee)}, sent {utc(record.ts_ns)}"

    def _arrive(self, event: TransferArrived, record: Record) -> None:
        self._moved[event.transfer_id] += f", arrived {utc(record.ts_ns)}"

    def _leave(self, event: ResidualLeft, _: Record) -> None:
        self._left[event.residual_id] = event

    def _resolve(self, event: ResidualResolved, _: Record) -> None:
        left = self._left.pop(event.residual_id, None)
        self._count(left.trade_id if left is not None else "", event.pnl_usd)

    def _take(self, event: ResidualTaken, _: Record) -> None:
        left = self._left.get(event.residual_id or "")
        if not event.rest:
            self._left.pop(event.residual_id or "", None)
        self._count(left.trade_id if left is not None else "", event.pnl_usd)

    def _net(self, event: ResidualsNetted, _: Record) -> None:
        left = self._left.get(event.short_id)
        self._leave_less(event)
        self._count(left.trade_id if left is not None else "", event.pnl_usd)

    def _pair_up(self, event: ResidualsPaired, _: Record) -> None:
        self._leave_less(event)
        self._count(event.trade_id, event.pnl_usd)

    def _leave_less(self, event: ResidualsNetted | ResidualsPaired) -> None:
        for residual_id, rest, _booked, cost_usd in event.rests:
            left = self._left.pop(residual_id, None)
            if left is not None and rest:
                self._left[residual_id] = replace(left, quantity=rest, cost_usd=cost_usd)

    def _count(self, trade_id: str, pnl_usd: Decimal) -> None:
        trade = self._trades.get(trade_id)
        if trade is not None:
            trade.pnl_usd = EXACT.add(trade.pnl_usd, pnl_usd)
