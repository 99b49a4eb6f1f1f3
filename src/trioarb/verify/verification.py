"""Verify a journal: fold its events once, and hold every one of them against the rules that all of them keep."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, DecimalException, localcontext

import attrs

from trioarb.journal.fold import Fold, Folds, Projection
from trioarb.model import event as model
from trioarb.model.event import Event, Record, ResidualLeft
from trioarb.model.number import EXACT, ZERO, text
from trioarb.state.exposure import Exposure
from trioarb.state.ledger import Ledger
from trioarb.verify.books import Books
from trioarb.verify.commands import Commands
from trioarb.verify.counters import Counters
from trioarb.verify.course import Course
from trioarb.verify.depth import Depths
from trioarb.verify.entries import Entries
from trioarb.verify.equity import Equity
from trioarb.verify.findings import Check, Findings, Violation
from trioarb.verify.funding import Funding
from trioarb.verify.funding_times import FundingTimes
from trioarb.verify.late import Late
from trioarb.verify.liquidation_distance import LiquidationDistance
from trioarb.verify.liquidations import Liquidations
from trioarb.verify.listings import Listings
from trioarb.verify.markouts import Markouts
from trioarb.verify.marks import Marks
from trioarb.verify.orders import Orders
from trioarb.verify.pairs import Pairs
from trioarb.verify.positions import Positions
from trioarb.verify.rates import Rates
from trioarb.verify.residuals import Residuals
from trioarb.verify.shadow import Shadow
from trioarb.verify.taken import Taken
from trioarb.verify.transfers import Transfers
from trioarb.verify.universe import Universe

__all__ = ["CheckResult", "Facts", "Verification", "Verifier"]

_ORDER_EVENTS = (
    model.OrderAcknowledged,
    model.OrderFilled,
    model.OrderCancelled,
    model.OrderExpired,
    model.OrderRejected,
    model.OrderReopened,
    model.OrderUnknown,
)
_POSITION_EVENTS = (model.PositionOpened, model.PositionReduced, model.PositionClosed)
_POSTED, _EXPOSED = tuple(Ledger().folds), tuple(Exposure().folds)

#: May stand between a residual's resolution and what is left of it: guards answer to the loss.
_BETWEEN = frozenset({model.ResidualLeft, model.GuardTripped, model.Decided, model.MarketsMarked})

#: What each check looks at, and how that is called.
_LOOKS_AT: Mapping[Check, tuple[str, tuple[type[Event], ...]]] = {
    Check.SEQUENCE: ("events", ()),
    Check.PHASES: ("phases", (model.PhaseEntered, model.CampaignResumed, model.UniverseRefreshed, model.CampaignEnded)),
    Check.LEDGER: ("postings", _POSTED),
    Check.INTENTS: ("pairs and orders", (model.PairOpened, model.TransactionOpened, model.OrderSubmitted)),
    Check.ANSWERS: ("answers", _ORDER_EVENTS),
    Check.PAIRS: ("pairs that ended", (model.PairEnded,)),
    Check.POSITIONS: ("changes", (*_POSITION_EVENTS, model.PositionMarked, model.TradeCorrected)),
    Check.ENTRIES: ("decisions", (model.Decided,)),
    Check.EXPOSURE: ("changes", _EXPOSED),
    Check.PNL: (
        "results",
        (
            model.PairEnded,
            model.ResidualResolved,
            model.ResidualTaken,
            model.ResidualsNetted,
            model.ResidualsPaired,
            model.TradeCorrected,
        ),
    ),
    Check.RESIDUALS: (
        "left and resolved",
        (
            model.ResidualLeft,
            model.ResidualWorked,
            model.ResidualOffered,
            model.ResidualTaken,
            model.ResidualsNetted,
            model.ResidualsPaired,
            model.ResidualResolved,
        ),
    ),
    Check.RATES: ("rates", (model.FxRated,)),
    Check.MARKS: ("marks", (model.MarketsMarked, model.FillsMarkedOut, model.OrderShadowed)),
    Check.EQUITY: ("statements", (model.EquityStated,)),
    Check.COUNTERS: ("counts", (model.FunnelCounted, model.DecisionsRepeated)),
}


@attrs.frozen(kw_only=True)
class CheckResult:
    """What a check looked at, and how many violations it found."""

    check: Check
    looked_at: int
    unit: str
    violations: int


@attrs.frozen(kw_only=True)
class Facts:
    """What a journal tells, as far as it was read.

    ``trades`` were opened, ``closed`` of them. ``unknown_orders`` have no last word; ``in_flight`` are pairs that the
    journal breaks off in. ``orders_without_journal`` were sent although their intent could not be written to disk.
    """

    campaign_id: str
    stretches: int
    is_finished: bool
    ended_by: str
    first_ns: int
    last_ns: int
    events: int
    trades: int
    closed: int
    orders: int
    fills: int
    orders_without_journal: int
    pnl_usd: Decimal
    open_positions: tuple[str, ...]
    in_flight: tuple[str, ...]
    unknown_orders: tuple[str, ...]
    residuals: tuple[ResidualLeft, ...]


@attrs.frozen(kw_only=True)
class Verification:
    """``violations`` are in the order of the journal, and no more than a thousand; the checks count all of them."""

    checks: tuple[CheckResult, ...]
    violations: Sequence[Violation]
    facts: Facts

    @property
    def is_sound(self) -> bool:
        return not any(one.violations for one in self.checks)


class Verifier:
    """Folds records, as they come; the memory it takes depends on what is open, not on the journal's length."""

    def __init__(self) -> None:
        self._findings = findings = Findings()
        self._course = Course(findings)
        self._listings = Listings(findings)
        self._books = Books(findings, self._listings)
        self._pairs = Pairs(findings, self._course, self._listings)
        self._positions = Positions(findings, self._pairs)
        self._orders = Orders(findings, self._books, self._pairs)
        self._liquidations = Liquidations(findings, self._books, self._orders)
        self._funding_times = FundingTimes(findings, self._books, self._orders)
        self._residuals = Residuals(findings, self._listings, self._pairs, self._orders)
        self._funding = Funding(findings, self._listings, self._pairs)
        self._marks = Marks(findings, self._listings, self._pairs, self._residuals)
        self._distance = LiquidationDistance(findings, self._listings, self._books, self._pairs, self._marks)
        self._taken = Taken(findings, self._listings, self._pairs, self._residuals, self._marks)
        self._late = Late(findings, self._pairs, self._orders, self._residuals, self._taken)
        self._transfers = Transfers(findings, self._listings, self._books)
        self._equity = Equity(findings, self._listings, self._books, self._marks, self._residuals, self._transfers)
        self._markouts = Markouts(findings, self._orders.submitted)
        self._commands = Commands(findings)
        self._entries = Entries(findings, self._course, self._listings, self._commands)
        self._shadow = Shadow(findings)
        self._universe = Universe(findings, self._listings)
        self._depths = Depths(findings, self._listings)
        self._rates = Rates(findings, self._listings)
        self._counters = Counters(findings, self._entries.decided)
        #: What the journal's own state makes of the events, to be compared; none once it could not go on.
        self._ledger: Ledger | None = Ledger()
        self._exposure: Exposure | None = Exposure()
        self._counts: Counter[type[Event]] = Counter()
        #: For one event: where it stands, then the books, then what the journal's own state makes of it.
        self._folds = Folds([*self._aspects, self._ledger, self._exposure, self])

    @property
    def _aspects(self) -> Sequence[Projection]:
        return (
            self._course,
            self._listings,
            self._books,
            self._transfers,
            self._commands,
            self._entries,
            self._universe,
            self._depths,
            self._liquidations,
            self._funding_times,
            self._pairs,
            self._positions,
            self._orders,
            self._late,
            self._residuals,
            self._taken,
            self._funding,
            self._marks,
            self._distance,
            self._markouts,
            self._shadow,
            self._equity,
            self._rates,
            self._counters,
        )

    @property
    def looks_at(self) -> frozenset[type[Event]]:
        """The types of events that some rule is about."""
        return frozenset(kind for aspect in self._aspects for kind in aspect.folds)

    @property
    def folds(self) -> Mapping[type[Event], Fold]:
        """What has to hold at an end."""
        return {model.CampaignEnded: self._end}

    def fold(self, records: Iterable[Record]) -> None:
        """Fold records in their order. What iterating over them raises goes through; what was folded stays so."""
        counts, folds, course, residuals = self._counts, self._folds, self._course, self._residuals
        seq, ts_ns, record = course.seq, course.ts_ns, course.last
        try:
            with localcontext(EXACT):
                for record in records:
                    if record.seq != seq + 1 or record.ts_ns < ts_ns or course.expects is not None:
                        course.complain(record, seq, ts_ns)
                    seq, ts_ns, event = record
                    kind = type(event)
                    if residuals.pending is not None and kind not in _BETWEEN:
                        residuals.settle()
                    counts[kind] += 1
                    for fold in folds[kind]:
                        try:
                            fold(event, record)
                        except (KeyError, DecimalException) as error:
                            if not self._goes_on_without(fold, record, error):
                                break
        finally:
            course.seq, course.ts_ns, course.last = seq, ts_ns, record

    def _goes_on_without(self, fold: Fold, record: Record, error: Exception) -> bool:
        """Note what a fold could not fold. Return whether it is the journal's own, which is left out from then on."""
        failed: Projection | None = getattr(fold, "__self__", None)
        if failed is self._ledger:
            self._ledger, check, what = None, Check.LEDGER, "booked in the journal's ledger"
        elif failed is self._exposure:
            self._exposure, check, what = None, Check.EXPOSURE, "counted as exposure"
        elif isinstance(error, DecimalException):
            what = f"has figures that can't be computed with ({type(error).__name__})"
            self._findings.add(Check.LEDGER, record, what)
            return False
        else:
            raise error
        assert failed is not None
        self._folds.remove(failed)
        self._findings.add(check, record, f"can't be {what} ({type(error).__name__}: {error})")
        return True

    def result(self) -> Verification:
        """Check what has to hold after the last event, and return everything that was found. To be called once."""
        last = self._course.last
        with localcontext(EXACT):
            if last is not None:
                self._check_totals(last)
            facts = self._facts()
        counts = self._findings.counts
        return Verification(
            checks=tuple(
                CheckResult(check=check, looked_at=self._looked_at(check), unit=unit, violations=counts[check])
                for check, (unit, _) in _LOOKS_AT.items()
            ),
            violations=tuple(sorted(self._findings.kept, key=lambda violation: violation.seq)),
            facts=facts,
        )

    def _end(self, _: model.CampaignEnded, record: Record) -> None:
        """Check that nothing is under way at an end of the campaign."""
        for pair_id in self._pairs.in_flight:
            self._findings.add(Check.PAIRS, record, f"ends the campaign while pair {pair_id} is in flight")
        for order_id, order in self._orders.open.items():
            if order.pair is None or not order.pair.has_ended:
                self._findings.add(Check.ANSWERS, record, f"ends the campaign while order {order_id} is under way")
        for order_id in self._orders.late:
            if order_id not in self._orders.open:
                what = f"ends the campaign, but no residual was resolved for order {order_id}, whose last word came"
                self._findings.add(Check.RESIDUALS, record, what)
        self._entries.finish()
        self._counters.finish(record)
        self._check_exposure(record)

    def _check_totals(self, last: Record) -> None:
        self._books.check(last, self._orders.locks)
        self._transfers.check(last)
        if self._ledger is not None:
            self._books.compare(last, self._ledger)
        self._check_exposure(last)
        self._check_pnl(last)

    def _check_exposure(self, record: Record) -> None:
        """Exposure is that of positions, of residuals, and what pairs in flight reserve.

        What is long and what is short of one trade and symbol hedge each other: the larger counts.
        """
        reserved = sum((pair.opened.reserved_usd for pair in self._pairs.in_flight.values()), ZERO)
        positions = sum((trade.exposure_usd for _, trade in self._pairs.positions()), ZERO)
        sides: defaultdict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
        for residual in self._residuals.open.values():
            sides[residual.trade_id, residual.symbol][residual.quantity > 0] += residual.cost_usd
        left = sum(map(max, sides.values()), ZERO)
        dust = sum((abs(cost) for cost in self._pairs.dust_cost_usd.values()), ZERO)
        moved = self._transfers.exposure_usd()
        exposure = self._exposure
        if exposure is not None and exposure.exposure_usd() != reserved + positions + left + dust + moved:
            what = (
                f"leaves an exposure of {text(exposure.exposure_usd())} USD; positions come to {text(positions)}, "
                f"residuals to {text(left)}, dust to {text(dust)}, pairs in flight to {text(reserved)}, transfers to "
                f"{text(moved)}"
            )
            self._findings.add(Check.EXPOSURE, record, what)

    def _check_pnl(self, record: Record) -> None:
        """All PnL together is what all fills earned, except what open positions hold of it; and the rest's value."""
        symbols, pairs, residuals = self._listings.symbols, self._pairs, self._residuals
        fx = {listed.quote: listed.usd_per_quote for listed in symbols.values() if listed.is_valued}
        earned = sum((amount * fx.get(quote, ZERO) for quote, amount in self._orders.earned.items()), ZERO)
        held = {trade_id: trade.cash - trade.fees for trade_id, trade in pairs.trades.items()}
        booked = dict(residuals.open)
        for pair in pairs.in_flight.values():
            held[pair.opened.trade_id] = pair.earned_before + pair.earned
            for left in pair.residuals:
                booked.pop(left.residual_id, None)
        for trade_id, amount in held.items():
            listed = symbols.get(pairs.trades[trade_id].entry.symbol) if trade_id in pairs.trades else None
            earned -= amount * (listed.usd_per_quote if listed else ZERO)
        for order in self._orders.late.values():
            if order.late is not None and order.pair is not None:
                listed = order.pair.listed_as(order.submitted.symbol)
                earned -= order.late.earned * (listed.usd_per_quote if listed.is_valued else ZERO)
        for residual in booked.values():
            listed = symbols.get(residual.symbol)
            earned += residual.booked_value * (listed.usd_per_quote if listed else ZERO)
        for trade in pairs.trades.values():
            if trade.paired is not None:  # the position that keeps the rest is to follow
                earned += trade.paired.pnl_usd - trade.paired_usd
        expected = earned + pairs.dust_usd + residuals.awaited_usd()
        pnl_usd = pairs.pnl_usd + residuals.pnl_usd
        if pnl_usd != expected:
            what = f"leaves a PnL of {text(pnl_usd)} USD in all; cash, fees and what is left come to {text(expected)}"
            self._findings.add(Check.PNL, record, what)

    @property
    def _events(self) -> int:
        return self._counts.total()

    def _looked_at(self, check: Check) -> int:
        _, kinds = _LOOKS_AT[check]
        return self._events if check is Check.SEQUENCE else sum(self._counts[kind] for kind in kinds)

    def _facts(self) -> Facts:
        course, orders, pairs, counts = self._course, self._orders, self._pairs, self._counts
        return Facts(
            campaign_id=course.opened.campaign_id if course.opened else "",
            stretches=course.stretches,
            is_finished=course.ended is not None,
            ended_by=course.ended.ended_by.value if course.ended else "",
            first_ns=course.first_ns,
            last_ns=course.ts_ns,
            events=self._events,
            trades=counts[model.PositionOpened],
            closed=counts[model.PositionClosed],
            orders=counts[model.OrderSubmitted],
            fills=counts[model.OrderFilled],
            orders_without_journal=orders.without_journal,
            pnl_usd=pairs.pnl_usd + self._residuals.pnl_usd + self._funding.pnl_usd,
            open_positions=tuple(trade_id for trade_id, _ in pairs.positions()),
            in_flight=tuple(pairs.in_flight),
            unknown_orders=tuple(orders.open),
            residuals=tuple(self._residuals.open.values()),
        )
