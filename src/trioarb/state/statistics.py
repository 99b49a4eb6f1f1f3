"""What the campaign did so far, counted from the journal."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import attrs
import msgspec

from trioarb.journal.fold import Folding
from trioarb.model.contract import ChargeKind
from trioarb.model.event import (
    CampaignEnded,
    CampaignOpened,
    CampaignResumed,
    ContractsLiquidated,
    Decided,
    DecisionsRepeated,
    Deposited,
    Event,
    FundingPaid,
    FunnelCounted,
    GuardTripped,
    InstrumentChanged,
    InstrumentListed,
    Intent,
    LossCarried,
    MarketUp,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
    OrderUnknown,
    PairEnded,
    PhaseEntered,
    PositionClosed,
    PositionMarked,
    PositionOpened,
    Record,
    ResidualResolved,
    ResidualsNetted,
    ResidualsPaired,
    ResidualTaken,
    RouteCounted,
    StopCleared,
    SymbolQuarantined,
    SymbolRetired,
    TradeCorrected,
    UniverseRefreshed,
)
from trioarb.model.number import EXACT, ZERO
from trioarb.model.trade import Answer, EndedBy, ExitReason, PairKind, PairOutcome, Phase

__all__ = [
    "ORDER_COUNTS",
    "RECENT_TRADES",
    "ClosedTrade",
    "Liquidated",
    "RouteStatistics",
    "Statistics",
    "SymbolStatistics",
    "Unwound",
]

#: So many closed trades are kept as they are. All of them are in the journal, and memory does not grow with them.
RECENT_TRADES = 1_000


_ANSWERS: Mapping[type[Event], str] = {
    OrderFilled: "fills",
    OrderCancelled: "cancelled",
    OrderExpired: "cancelled",
    OrderRejected: "rejected",
    OrderUnknown: "unanswered",
}
_REFUSED = (Answer.DENY, Answer.STOP)
#: What is counted of orders.
ORDER_COUNTS = ("submitted", *dict.fromkeys(_ANSWERS.values()))


@attrs.frozen(kw_only=True)
class ClosedTrade:
    closed: PositionClosed
    closed_at_ns: int

    def corrected(self, corrected: TradeCorrected) -> ClosedTrade:
        """Return it with what it came to."""
        closed = msgspec.structs.replace(
            self.closed,
            pnl_usd=corrected.pnl_usd,
            fees_usd=corrected.fees_usd,
            exit_buy_price=corrected.exit_buy_price,
            exit_sell_price=corrected.exit_sell_price,
        )
        return attrs.evolve(self, closed=closed)


@attrs.frozen(kw_only=True)
class Unwound:
    """An entry that cost or brought something without opening a position."""

    trade_id: str
    symbol: str
    outcome: PairOutcome
    pnl_usd: Decimal
    fees_usd: Decimal
    ended_at_ns: int

    @classmethod
    def of(cls, event: PairEnded | TradeCorrected, ended_at_ns: int) -> Unwound:
        return cls(
            trade_id=event.trade_id,
            symbol=event.symbol,
            outcome=event.outcome if isinstance(event, PairEnded) else PairOutcome.RESIDUAL,
            pnl_usd=event.pnl_usd,
            fees_usd=event.fees_usd,
            ended_at_ns=ended_at_ns,
        )


@attrs.define
class RouteStatistics:
    """What the guards answered on a route, by rule (``tier.rule``) where they denied, and its latest counters.

    ``reduced``: of what was allowed, how often each rule had made it smaller before.
    """

    allowed: int = 0
    denied: Counter[str] = attrs.field(factory=Counter)
    reduced: Counter[str] = attrs.field(factory=Counter)
    counted: RouteCounted | None = None
    #: Of the last answer, which `DecisionsRepeated` refers to.
    decided_seq: int = 0


@attrs.define
class Liquidated:
    """What a venue closed of a contract by force: how often, how many, at which value and fees in its quote asset."""

    asset: str
    count: int = 0
    quantity: Decimal = ZERO
    value: Decimal = ZERO
    fees: Decimal = ZERO


@attrs.define
class SymbolStatistics:
    """``pnl_usd`` is realised; ``funnel`` the latest counters; ``sent``, ``filled``, ``closed`` count entries.

    ``tripped``: how often each rule (``tier.rule``) tripped for the symbol and denied from then on. ``routes``, by buy
    and sell venue: those that were tried.
    """

    allowed: int = 0
    rejected: int = 0
    sent: int = 0
    filled: int = 0
    closed: int = 0
    pnl_usd: Decimal = ZERO
    fees_usd: Decimal = ZERO
    tripped: Counter[str] = attrs.field(factory=Counter)
    quarantines: int = 0
    retired: bool = False
    funnel: FunnelCounted | None = None
    routes: dict[tuple[str, str], RouteStatistics] = attrs.field(factory=dict)

    def of_route(self, buy_venue: str, sell_venue: str) -> RouteStatistics:
        return self.routes.setdefault((buy_venue, sell_venue), RouteStatistics())


class Statistics(Folding):
    """Totals over the campaign, and per symbol.

    A campaign began at ``opened_ns``. One that was resumed ran in several stretches: the present one since
    ``stretch_started_ns``, those before for ``ran_before_ns`` together. ``denied`` holds the decision that was last
    recorded for each rule that denies, ``recent`` the trades that were closed last, ``heard`` the venues whose quotes
    came.
    """

    unwound_count: int
    unwound_won: int
    stretch_started_ns: int
    opened_ns: int

    def __init__(self) -> None:
        self.opened: CampaignOpened | None = None
        self.universe: Sequence[str] = ()
        self.traded: Sequence[str] = ()
        self.listed: int | None = None
        self.version: str = ""
        self.warnings: Sequence[str] = ()
        #: What an earlier campaign of the day lost, if that counts.
        self.carried: LossCarried | None = None
        self.phase: Phase = Phase.STARTING
        self.instruments: dict[str, dict[str, InstrumentListed | InstrumentChanged]] = {}
        self.heard: set[str] = set()
        self.symbols: dict[str, SymbolStatistics] = {}
        self.decisions: Counter[Answer] = Counter()
        self.by_rule: Counter[str] = Counter()
        self.reduced: Counter[str] = Counter()
        self.pairs: Counter[tuple[str, str]] = Counter()
        self.orders: Counter[str] = Counter()
        #: What venues said why they cancelled orders, where they did.
        self.cancelled_for: Counter[str] = Counter()
        self.denied: dict[str, Decided] = {}
        self.unvalued_fees: dict[str, Decimal] = {}
        #: What was paid (below zero) or received for what was held, by its kind.
        self.funding_usd: dict[ChargeKind, Decimal] = {}
        #: What venues closed by force, by venue and symbol.
        self.liquidated: dict[tuple[str, str], Liquidated] = {}
        self.closed: int = 0
        self.won: int = 0
        self.unwound: deque[Unwound] = deque(maxlen=RECENT_TRADES)
        self.unwound_count = self.unwound_won = 0
        #: The entries in flight that opened a position.
        self._entered: set[str] = set()
        self.exits: Counter[str] = Counter()
        self.recent: deque[ClosedTrade] = deque(maxlen=RECENT_TRADES)
        self.marks: dict[str, PositionMarked] = {}
        self.ended: CampaignEnded | None = None
        self.ended_ns: int | None = None
        self.is_stopped: bool = False
        self.resumed: CampaignResumed | None = None
        self.stretch_started_ns = self.opened_ns = 0
        self.ran_before_ns: int = 0
        self._unsent_entries: dict[str, str] = {}

    def of(self, symbol: str) -> SymbolStatistics:
        one = self.symbols.get(symbol)
        if one is None:
            one = self.symbols[symbol] = SymbolStatistics()
        return one

    @property
    def pnl_usd(self) -> Decimal:
        """Realised PnL."""
        return _total(one.pnl_usd for one in self.symbols.values())

    @property
    def fees_usd(self) -> Decimal:
        return _total(one.fees_usd for one in self.symbols.values())

    @property
    def answers(self) -> Mapping[Answer, int]:
        """How often each answer was given; REDUCE, of which an ALLOW came, only where it was."""
        return {
            answer: self.decisions[answer] for answer in Answer if answer is not Answer.REDUCE or self.decisions[answer]
        }

    @property
    def ended_by(self) -> EndedBy | None:
        return None if self.ended is None else self.ended.ended_by

    @property
    def reported(self) -> Sequence[str]:
        """The universe, and after it whatever else a guard's answer was booked on."""
        return tuple(dict.fromkeys((*self.universe, *self.symbols)))

    def ran_ns(self, now_ns: int) -> int:
        """Return for how long the campaign ran until now, all stretches together."""
        return self.ran_before_ns + now_ns - self.stretch_started_ns

    def _open(self, opened: CampaignOpened, record: Record) -> None:
        self.opened, self.version, self.warnings = opened, opened.version, opened.warnings
        self.universe, self.traded, self.listed = opened.symbols, opened.symbols, opened.listed
        self.stretch_started_ns = self.opened_ns = record.ts_ns

    def _refresh(self, refreshed: UniverseRefreshed, _: Record) -> None:
        self.universe = tuple(dict.fromkeys((*self.universe, *refreshed.symbols)))
        self.traded = refreshed.symbols
        self.listed = self.listed if refreshed.listed is None else refreshed.listed

    def _resume(self, resumed: CampaignResumed, record: Record) -> None:
        """Begin another stretch; the time in which nothing ran does not count."""
        self.resumed, self.version, self.warnings = resumed, resumed.version, resumed.warnings
        self.ended = self.ended_ns = None
        self.phase = Phase.STARTING
        self.marks.clear()
        self.ran_before_ns += resumed.last_ts_ns - self.stretch_started_ns
        self.stretch_started_ns = record.ts_ns

    def _end(self, ended: CampaignEnded, record: Record) -> None:
        self.ended, self.ended_ns = ended, record.ts_ns

    def _enter(self, entered: PhaseEntered, _: Record) -> None:
        self.phase = entered.phase

    def _list(self, listed: InstrumentListed | InstrumentChanged, _: Record) -> None:
        self.instruments.setdefault(listed.symbol, {})[listed.venue] = listed

    def _hear(self, up: MarketUp, _: Record) -> None:
        self.heard.add(up.venue)

    def _deposit(self, deposited: Deposited, _: Record) -> None:
        if deposited.symbol is not None:  # granted at the first quote, before anybody looks at the markets
            self.heard.add(deposited.venue)

    def _carry(self, carried: LossCarried, _: Record) -> None:
        self.carried = carried

    def _clear_stop(self, _: StopCleared, __: Record) -> None:
        self.is_stopped = False

    def _count_funnel(self, funnel: FunnelCounted, _: Record) -> None:
        self.of(funnel.symbol).funnel = funnel

    def _count_route(self, counted: RouteCounted, _: Record) -> None:
        self.of(counted.symbol).of_route(counted.buy_venue, counted.sell_venue).counted = counted

    def _decide(self, decided: Decided, record: Record) -> None:
        self._answer(decided, 1)
        if decided.buy_venue is not None and decided.sell_venue is not None:
            route = self.of(decided.symbol).of_route(decided.buy_venue, decided.sell_venue)
            route.decided_seq = record.seq
            _answer_route(route, decided, 1)
        if decided.answer in _REFUSED:
            self.denied[f"{decided.tier}.{decided.rule}"] = decided

    def _repeat(self, repeated: DecisionsRepeated, _: Record) -> None:
        self._answer(repeated, repeated.count)
        for route in self.of(repeated.symbol).routes.values():
            if route.decided_seq == repeated.decision_seq:
                _answer_route(route, repeated, repeated.count)

    def _answer(self, event: Decided | DecisionsRepeated, count: int) -> None:
        self.decisions[event.answer] += count
        if event.answer is Answer.ALLOW:
            self.of(event.symbol).allowed += count
            return
        if event.answer is Answer.REDUCE:  # what is left of it is allowed, which is recorded next
            self.reduced[f"{event.tier}.{event.rule}"] += count
            return
        self.is_stopped |= event.answer is Answer.STOP
        self.of(event.symbol).rejected += count
        self.by_rule[f"{event.tier}.{event.rule}"] += count

    def _open_pair(self, opened: Intent, _: Record) -> None:
        if opened.kind is PairKind.ENTRY and opened.reason is not ExitReason.LIQUIDATED:
            self._unsent_entries[opened.pair_id] = opened.symbol

    def _submit(self, order: OrderSubmitted, _: Record) -> None:
        self.orders["submitted"] += 1
        entry_symbol = self._unsent_entries.pop(order.pair_id, "")
        if entry_symbol:
            self.of(entry_symbol).sent += 1

    def _count_order(self, event: OrderCancelled | OrderExpired | OrderRejected | OrderUnknown, _: Record) -> None:
        self.orders[_ANSWERS[type(event)]] += 1
        if isinstance(event, OrderCancelled) and event.reason:
            self.cancelled_for[event.reason] += 1

    def _fill(self, filled: OrderFilled, _: Record) -> None:
        self.orders[_ANSWERS[OrderFilled]] += 1
        if filled.fee_value is None and filled.fee and filled.fee_asset not in (filled.base, filled.quote):
            known = self.unvalued_fees.get(filled.fee_asset, ZERO)
            self.unvalued_fees[filled.fee_asset] = EXACT.add(known, filled.fee)

    def _open_position(self, opened: PositionOpened, _: Record) -> None:
        self.of(opened.symbol).filled += 1
        self._entered.add(opened.trade_id)

    def _close_position(self, closed: PositionClosed, record: Record) -> None:
        self.of(closed.symbol).closed += 1
        self.closed += 1
        self.won += closed.pnl_usd > 0
        self.exits[closed.reason.value] += 1
        self.recent.append(ClosedTrade(closed=closed, closed_at_ns=record.ts_ns))

    def _end_pair(self, ended: PairEnded, record: Record) -> None:
        has_entered = ended.trade_id in self._entered
        self._entered.discard(ended.trade_id)
        if ended.kind is PairKind.ENTRY and ended.pnl_usd and not has_entered:
            self._unwind(Unwound.of(ended, record.ts_ns))
        self._unsent_entries.pop(ended.pair_id, "")
        self._book(ended)
        self.pairs[ended.kind.value, ended.outcome.value] += 1

    def _resolve_residual(self, resolved: ResidualResolved | ResidualTaken | ResidualsNetted, _: Record) -> None:
        self._book(resolved)

    def _correct(self, corrected: TradeCorrected, record: Record) -> None:
        """Let what a trade came to take the place of what it was said to have come to; one still open says it then."""
        if corrected.realised is not None:
            return
        if not corrected.had_position:
            self._forget_unwound(corrected.trade_id, corrected.before_usd)
            if corrected.pnl_usd:
                self._unwind(Unwound.of(corrected, record.ts_ns))
            return
        self.won += (corrected.pnl_usd > 0) - (corrected.before_usd > 0)
        for at, trade in enumerate(self.recent):
            if trade.closed.trade_id == corrected.trade_id:
                self.recent[at] = trade.corrected(corrected)

    def _pair_up(self, paired: ResidualsPaired, _: Record) -> None:
        self._forget_unwound(paired.trade_id, paired.before_usd)
        self._book(paired)

    def _unwind(self, one: Unwound) -> None:
        self.unwound.append(one)
        self.unwound_count += 1
        self.unwound_won += one.pnl_usd > 0

    def _forget_unwound(self, trade_id: str, pnl_usd: Decimal) -> None:
        """An entry that was unwound, if it came to anything, has come to something else, or opened a position."""
        if not pnl_usd:
            return
        self.unwound_count -= 1
        self.unwound_won -= pnl_usd > 0
        kept = [one for one in self.unwound if one.trade_id != trade_id]
        self.unwound = deque(kept, maxlen=RECENT_TRADES)

    def _fund(self, paid: FundingPaid, _: Record) -> None:
        one = self.of(paid.symbol)
        one.pnl_usd = EXACT.add(one.pnl_usd, paid.amount_usd)
        self.funding_usd[paid.kind] = EXACT.add(self.funding_usd.get(paid.kind, ZERO), paid.amount_usd)

    def _liquidate(self, event: ContractsLiquidated, _: Record) -> None:
        one = self.liquidated.setdefault((event.venue, event.symbol), Liquidated(event.asset))
        one.count += 1
        one.quantity = EXACT.add(one.quantity, event.quantity)
        one.value, one.fees = EXACT.add(one.value, event.value), EXACT.add(one.fees, event.fees)

    def _book(self, event: PairEnded | ResidualResolved | ResidualTaken | ResidualsNetted | ResidualsPaired) -> None:
        one = self.of(event.symbol)
        one.pnl_usd = EXACT.add(one.pnl_usd, event.pnl_usd)
        one.fees_usd = EXACT.add(one.fees_usd, event.fees_usd)

    def _mark(self, mark: PositionMarked, _: Record) -> None:
        self.marks[mark.trade_id] = mark

    def _trip(self, tripped: GuardTripped, _: Record) -> None:
        if tripped.answer is not Answer.ALLOW and tripped.symbol is not None:
            self.of(tripped.symbol).tripped[f"{tripped.tier}.{tripped.rule}"] += 1

    def _quarantine(self, quarantined: SymbolQuarantined, _: Record) -> None:
        self.of(quarantined.symbol).quarantines += 1

    def _retire(self, retired: SymbolRetired, _: Record) -> None:
        self.of(retired.symbol).retired = True


def _answer_route(route: RouteStatistics, event: Decided | DecisionsRepeated, count: int) -> None:
    if event.answer is Answer.ALLOW:
        route.allowed += count
    elif event.answer is Answer.REDUCE:
        route.reduced[f"{event.tier}.{event.rule}"] += count
    else:
        route.denied[f"{event.tier}.{event.rule}"] += count


def _total(amounts: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total
