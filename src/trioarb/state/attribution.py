"""What a trade's PnL is made of: what its edge was when it was decided, and what became of that until it was over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal, localcontext

import attrs

from trioarb.journal.fold import Folding
from trioarb.model.event import (
    CampaignOpened,
    Decided,
    FundingPaid,
    InstrumentChanged,
    InstrumentListed,
    Intent,
    OrderFilled,
    OrderSubmitted,
    PairEnded,
    PairOpened,
    PositionClosed,
    PositionOpened,
    Record,
    ResidualLeft,
    ResidualResolved,
    ResidualsNetted,
    ResidualsPaired,
    ResidualTaken,
    TradeCorrected,
)
from trioarb.model.market import Level
from trioarb.model.number import EXACT, ZERO
from trioarb.model.order import Side
from trioarb.model.trade import Answer, PairKind, PairOutcome
from trioarb.state.entry import EntryLeg, EntryOfLoop, EntryOfTwo
from trioarb.state.trades import value_of

__all__ = ["PARTS", "Attributed", "AttributionTotals", "Attributions", "late_usd_of"]

#: The parts that a trade's PnL is the sum of.
PARTS = (
    "entry_usd",
    "decided_usd",
    "unfilled_usd",
    "latency_usd",
    "slippage_usd",
    "uneven_usd",
    "exit_usd",
    "fees_usd",
    "left_usd",
)
#: Three more: where something was paid for holding, where what an order did was learnt after its pair had ended, and
#: where prices were converted.
_FUNDING, _LATE, _FX = "funding_usd", "late_usd", "fx_usd"


@attrs.frozen(kw_only=True)
class Attributed:
    """A trade that is over. ``pnl_usd`` is the sum of the parts above it, to the last digit; costs are below zero.

    ``decided``: what the quantity that was decided upon would have brought before fees at the prices of the decision,
    its levels included. ``unfilled``: what of that was missed, since less was filled on both legs. ``latency``: how the
    best prices had moved until the legs' orders arrived, by the best price that each was filled at. ``slippage``: what
    the legs' orders paid beyond that more than their levels had promised. ``uneven``: what it took to even out legs
    that filled unequally. ``exit``: what closing brought, before fees. ``left``: residuals and dust, at the value that
    they were booked at. ``funding``: what was got or paid for holding it, and ``late``: by how much what was learnt of
    orders after their pairs had ended has changed what it came to; absent where nothing was. ``fx``: how the rates by
    which the entry's fills were counted had moved since the decision, absent where no price was converted; all other
    parts of the entry are at the rates of the decision.

    An entry that is quoted is decided upon at the limit at which it rests, and at the touch at which it was to be
    hedged: all its hedges are orders of that leg. A loop is decided upon at the limits of its legs, and everything is
    in the money that it begins and ends with, what it trades for the bridge at the limit of the bridge's own market.
    What lots leave of it is in ``uneven``, and at its worth in ``left``.

    Where no prices of a decision are known ``entry`` stands for the first five and ``fx``: what the entry brought
    before fees.

    Edges are net of fees: ``decided_bps`` as decided, ``sent_bps`` at the limits that were sent, absent where an order
    rests, and ``filled_bps`` at the averages of the legs' fills and the fees that were really taken, absent where a leg
    filled nothing.
    """

    trade_id: str
    decided_bps: Decimal | None = None
    sent_bps: Decimal | None = None
    filled_bps: Decimal | None = None
    entry_usd: Decimal | None = None
    decided_usd: Decimal | None = None
    unfilled_usd: Decimal | None = None
    latency_usd: Decimal | None = None
    slippage_usd: Decimal | None = None
    uneven_usd: Decimal | None = None
    exit_usd: Decimal
    fees_usd: Decimal
    left_usd: Decimal
    funding_usd: Decimal | None = None
    late_usd: Decimal | None = None
    fx_usd: Decimal | None = None
    pnl_usd: Decimal

    @property
    def parts(self) -> dict[str, Decimal]:
        """What is known of what `pnl_usd` is the sum of."""
        names = (*PARTS, _FUNDING, _LATE, _FX)
        return {name: amount for name in names if (amount := getattr(self, name)) is not None}

    def corrected(self, corrected: TradeCorrected) -> Attributed:
        """Return it with what it came to in the end."""
        with localcontext(EXACT):
            late_usd = (self.late_usd or ZERO) + late_usd_of(corrected)
            fees_usd = self.fees_usd - corrected.late_fees_usd
        return attrs.evolve(self, late_usd=late_usd, fees_usd=fees_usd, pnl_usd=corrected.pnl_usd)


@attrs.define
class AttributionTotals:
    """Sums over the entries that are over, whether they opened a position or not. ``parts`` and the rest sum to PnL; a
    part that none of them has isn't there.

    ``residuals_usd``: what residuals brought, when they were resolved, beyond what they were booked at.
    """

    trades: int = 0
    parts: dict[str, Decimal] = attrs.field(factory=dict)
    residuals_usd: Decimal = ZERO

    def add(self, trade: Attributed) -> None:
        self.trades += 1
        for name, amount in trade.parts.items():
            self.count(name, amount)

    def subtract(self, trade: Attributed) -> None:
        """Take out a trade that turns out not to be over."""
        self.trades -= 1
        for name, amount in trade.parts.items():
            self.count(name, EXACT.minus(amount))

    def count(self, name: str, amount: Decimal) -> None:
        self.parts[name] = EXACT.add(self.parts.get(name, ZERO), amount)


@attrs.define
class _Trade:
    """A trade that isn't over. ``entry``: its entry's legs; none where what they were to bring isn't known, or they are
    counted in different assets.

    ``orders`` are those of its pair in flight.
    """

    opened: Intent
    decided: Decided | None
    entry: EntryOfTwo | EntryOfLoop | None
    usd: Decimal
    orders: list[str] = attrs.field(factory=list)
    exit_usd: Decimal = ZERO
    fees_usd: Decimal = ZERO
    left_usd: Decimal = ZERO
    funding_usd: Decimal | None = None
    late_usd: Decimal | None = None
    pnl_usd: Decimal = ZERO
    is_held: bool = False
    is_taken_up: bool = False

    def come_to(self, *, is_over: bool) -> Attributed:
        """Return what it came to, or to so far. In exact arithmetic."""
        parts, entry = dict[str, Decimal](), self.entry
        if entry is not None and entry.is_known:
            parts = {f"{name}_usd": amount * self.usd for name, amount in entry.parts().items()}
        elif is_over:
            others = self.exit_usd + self.left_usd + (self.funding_usd or ZERO) + (self.late_usd or ZERO)
            parts["entry_usd"] = self.pnl_usd + self.fees_usd - others
        return Attributed(
            trade_id=self.opened.trade_id,
            decided_bps=None if self.decided is None else self.decided.edge_bps,
            sent_bps=None if entry is None else entry.sent_bps,
            filled_bps=None if entry is None else entry.filled_bps,
            **parts,
            exit_usd=self.exit_usd,
            fees_usd=-self.fees_usd,
            left_usd=self.left_usd,
            funding_usd=self.funding_usd,
            late_usd=self.late_usd,
            pnl_usd=self.pnl_usd,
        )


class Attributions(Folding):
    """Folds trades from their decision to their end. ``on_over`` is told of each that is over."""

    def __init__(self, on_over: Callable[[Attributed], None] = lambda trade: None) -> None:
        self.totals: AttributionTotals = AttributionTotals()
        self._on_over = on_over
        self._fx: dict[str, Decimal] = {}
        #: By symbol and venue.
        self._counted: dict[tuple[str, str], str] = {}
        self._fee_bps: dict[tuple[str, str], Decimal] = {}
        #: The latest entry of each symbol that was allowed: its pair comes next.
        self._decided: dict[str, Decided] = {}
        self._trades: dict[str, _Trade] = {}
        #: Entries that are over as far as is known, and left residuals: they may turn out to have opened a position.
        self._left: dict[str, _Trade] = {}
        #: The pairs in flight, and the orders that belong to them.
        self._pairs: dict[str, _Trade] = {}
        self._orders: dict[str, OrderSubmitted] = {}

    def of(self, trade_id: str) -> Attributed | None:
        """Return what a trade that isn't over has come to so far: exits may follow."""
        trade = self._trades.get(trade_id)
        if trade is None:
            return None
        with localcontext(EXACT):
            return trade.come_to(is_over=False)

    @property
    def open_usd(self) -> Decimal:
        """What trades that aren't over have realised so far."""
        total = ZERO
        for trade in self._trades.values():
            total = EXACT.add(total, trade.pnl_usd)
        return total

    def _begin(self, opened: CampaignOpened, _: Record) -> None:
        self._fx = dict(opened.fx)

    def _list(self, listed: InstrumentListed | InstrumentChanged, _: Record) -> None:
        place = listed.symbol, listed.venue
        self._fee_bps[place] = listed.taker_fee_bps
        self._counted[place] = listed.counts_as or listed.quote

    def _decide(self, decided: Decided, _: Record) -> None:
        if decided.answer is Answer.ALLOW:
            self._decided[decided.symbol] = decided

    def _open_pair(self, opened: Intent, _: Record) -> None:
        if opened.kind is PairKind.ENTRY:
            self._trades[opened.trade_id] = self._entered(opened)
        trade = self._trades.get(opened.trade_id)
        if trade is not None:
            self._pairs[opened.pair_id] = trade

    def _entered(self, opened: Intent) -> _Trade:
        decided = self._decided.pop(opened.symbol, None)
        if decided is not None and decided.pair_id != opened.pair_id:
            decided = None
        return _Trade(opened, decided, self._entry(opened, decided), self._usd(opened.symbol, opened.buy_venue))

    def _entry(self, opened: Intent, decided: Decided | None) -> EntryOfTwo | EntryOfLoop | None:
        legs, symbols = opened.legs, {leg.symbol for leg in opened.legs}
        fees = [self._fee_bps.get((leg.symbol, leg.venue), ZERO) for leg in legs]
        if len(legs) == len(symbols) == 3:
            return None if decided is None else EntryOfLoop(legs, fees)
        counted = {self._counted.get((leg.symbol, leg.venue)) for leg in legs}
        if len(legs) != 2 or len(symbols) != 1 or len(counted) != 1:
            return None
        rates = (opened.buy_fx, opened.sell_fx) if isinstance(opened, PairOpened) else (None, None)
        asks = () if decided is None else _levels(decided.asks, decided.ask, decided.ask_size)
        bids = () if decided is None else _levels(decided.bids, decided.bid, decided.bid_size)
        is_known = bool(asks and bids)
        of_side = {Side.BUY: (asks, rates[0]), Side.SELL: (bids, rates[1])}
        return EntryOfTwo(
            [EntryLeg.of(leg, *of_side[leg.side], fee_bps=fee) for leg, fee in zip(legs, fees, strict=True)], is_known
        )

    def _usd(self, symbol: str, venue: str) -> Decimal:
        """Return what the asset is worth that is counted in there."""
        return self._fx.get(self._counted.get((symbol, venue), ""), ZERO)

    def _submit(self, order: OrderSubmitted, _: Record) -> None:
        trade = self._pairs.get(order.pair_id)
        if trade is not None:
            trade.orders.append(order.client_order_id)
            self._orders[order.client_order_id] = order

    def _fill(self, fill: OrderFilled, _: Record) -> None:
        order = self._orders.get(fill.client_order_id)
        trade = None if order is None else self._pairs.get(order.pair_id)
        if order is None or trade is None:
            return  # late, or to work off a residual
        with localcontext(EXACT):
            if order.pair_id != trade.opened.pair_id:
                is_buy, counted = fill.side is Side.BUY, value_of(fill)
                trade.exit_usd += (-counted if is_buy else counted) * self._usd(fill.symbol, fill.venue)
                return
            if trade.entry is not None:
                trade.entry.fill(order, fill)

    def _fund(self, paid: FundingPaid, _: Record) -> None:
        trade = self._trades.get(paid.trade_id or "")
        if trade is None:
            self.totals.count(_FUNDING, paid.amount_usd)
            return
        trade.funding_usd = EXACT.add(trade.funding_usd or ZERO, paid.amount_usd)
        trade.pnl_usd = EXACT.add(trade.pnl_usd, paid.amount_usd)

    def _leave(self, left: ResidualLeft, _: Record) -> None:
        trade = self._pairs.get(left.pair_id)
        if trade is not None:
            value = EXACT.multiply(left.booked_value, self._usd(left.symbol, left.venue))
            trade.left_usd = EXACT.add(trade.left_usd, value)

    def _take(self, taken: ResidualTaken, _: Record) -> None:
        """What a pair traded away of what was left is none of its own."""
        self._bring(taken.pnl_usd)
        trade = self._pairs.get(taken.pair_id)
        if trade is None:
            return
        with localcontext(EXACT):
            if taken.pair_id != trade.opened.pair_id:
                trade.exit_usd -= taken.value * self._usd(taken.symbol, taken.venue)
            elif trade.entry is not None:
                trade.entry.take(taken)

    def _resolve(self, resolved: ResidualResolved | ResidualsNetted, _: Record) -> None:
        self._bring(resolved.pnl_usd)

    def _bring(self, pnl_usd: Decimal) -> None:
        self.totals.residuals_usd = EXACT.add(self.totals.residuals_usd, pnl_usd)

    def _correct(self, corrected: TradeCorrected, _: Record) -> None:
        """What an order did late is its trade's, not that of the residual that stood for it."""
        change, late_usd = EXACT.subtract(corrected.pnl_usd, corrected.before_usd), late_usd_of(corrected)
        self._bring(EXACT.minus(change))
        for trade in (self._trades.get(corrected.trade_id), self._left.get(corrected.trade_id)):
            if trade is not None:
                trade.late_usd = EXACT.add(trade.late_usd or ZERO, late_usd)
                trade.fees_usd = EXACT.add(trade.fees_usd, corrected.late_fees_usd)
                trade.pnl_usd = EXACT.add(trade.pnl_usd, change)
        if corrected.trade_id not in self._trades:
            self.totals.count(_LATE, late_usd)
            self.totals.count("fees_usd", EXACT.minus(corrected.late_fees_usd))

    def _pair_up(self, paired: ResidualsPaired, _: Record) -> None:
        """Take up a trade again that was over: exits follow."""
        trade = self._left.pop(paired.trade_id, None)
        if trade is None:
            self.totals.count(_LATE, paired.pnl_usd)
            return
        with localcontext(EXACT):
            self.totals.subtract(trade.come_to(is_over=True))
            trade.late_usd = (trade.late_usd or ZERO) + paired.pnl_usd
            trade.pnl_usd += paired.pnl_usd
        trade.is_taken_up = trade.opened.holds
        self._trades[paired.trade_id] = trade

    def _open_position(self, opened: PositionOpened, _: Record) -> None:
        trade = self._trades.get(opened.trade_id)
        if trade is None:
            return
        trade.is_held = True
        if trade.is_taken_up:  # what the position keeps of its entry's cash is in the entry's parts
            trade.is_taken_up = False
            usd = self._usd(opened.symbol, opened.buy_venue)
            with localcontext(EXACT):
                trade.late_usd = (trade.late_usd or ZERO) + (opened.cash - opened.fees) * usd

    def _close_position(self, closed: PositionClosed, _: Record) -> None:
        trade = self._trades.get(closed.trade_id)
        if trade is None:
            return
        trade.is_held = False
        if all(one is not trade for one in self._pairs.values()):  # its entry had ended before
            with localcontext(EXACT):
                self._end(trade)

    def _end_pair(self, ended: PairEnded, _: Record) -> None:
        trade = self._pairs.pop(ended.pair_id, None)
        if trade is None:
            return
        for client_order_id in trade.orders:
            del self._orders[client_order_id]
        trade.orders.clear()
        with localcontext(EXACT):
            trade.pnl_usd += ended.pnl_usd
            trade.fees_usd += ended.fees_usd
            trade.left_usd += ended.dust_value_usd
            if not trade.is_held:
                self._end(trade)
                if ended.kind is PairKind.ENTRY and ended.outcome is PairOutcome.RESIDUAL:
                    self._left[ended.trade_id] = trade

    def _end(self, trade: _Trade) -> None:
        """Count a trade that is over. In exact arithmetic."""
        del self._trades[trade.opened.trade_id]
        over = trade.come_to(is_over=True)
        self.totals.add(over)
        self._on_over(over)


def late_usd_of(corrected: TradeCorrected) -> Decimal:
    """Return what was learnt of a trade, before fees."""
    change = EXACT.subtract(corrected.pnl_usd, corrected.before_usd)
    return EXACT.add(change, corrected.late_fees_usd)


def _levels(levels: Sequence[Level] | None, price: Decimal | None, size: Decimal | None) -> tuple[Level, ...]:
    """Return the levels of one side that a decision was made by, the best one first; none if they aren't known."""
    if levels:
        return tuple(levels)
    return () if price is None else (Level(price, ZERO if size is None else size),)
