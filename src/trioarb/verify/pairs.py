"""Pairs: what they intend, and how they end."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from trioarb.journal.fold import Folding
from trioarb.model.event import (
    DustLeft,
    Intent,
    OrderSubmitted,
    PairEnded,
    PairOpened,
    PositionClosed,
    PositionOpened,
    Record,
    ResidualLeft,
    ResidualOffered,
    TransactionOpened,
)
from trioarb.model.number import BPS, ZERO, text
from trioarb.model.order import Purpose, Side
from trioarb.model.seen import SeenIds
from trioarb.model.trade import ExitReason, PairKind, PairOutcome
from trioarb.verify.course import Course
from trioarb.verify.findings import Check, Findings
from trioarb.verify.listings import Listed, Listings
from trioarb.verify.loop import Loop, is_loop, problem_of_loop
from trioarb.verify.pair import Pair, Trade, is_average
from trioarb.verify.transaction import problem_of, problem_of_order

__all__ = ["Pairs"]

_ONE = Decimal(1)
#: Margins are rounded up to this.
_MARGIN = Decimal("1e-8")
#: The size step where a venue has no lot size.
_FINEST = Decimal("1e-12")
#: Beyond what its limits say, dust may be worth this much more: prices move while a pair is in flight.
_DUST = 2


class Pairs(Folding):
    """Folds pairs. Decimal arithmetic has to be exact around it.

    ``of_trade``: the pair in flight of each trade. ``pnl_usd`` and ``dust_usd`` are sums over the pairs that ended.
    """

    def __init__(self, findings: Findings, course: Course, listings: Listings) -> None:
        self._findings = findings
        self._course = course
        self._listings = listings
        self._pair_ids = SeenIds()
        self._trade_ids = SeenIds()
        self._by_instrument: dict[tuple[str, str], Pair] = {}
        self.in_flight: dict[str, Pair] = {}
        self.of_trade: dict[str, Pair] = {}
        self.trades: dict[str, Trade] = {}
        self.pnl_usd = ZERO
        self.dust_usd = ZERO
        #: Pairs that ended and left residuals; and what orders that are to follow trade away.
        self.left: dict[str, Pair] = {}
        self.worked: dict[str, ResidualLeft] = {}
        #: What dust cost by symbol and venue; below zero where it is short.
        self.dust_cost_usd: dict[tuple[str, str], Decimal] = {}

    def why_not_in_flight(self, pair_id: str) -> str:
        return f"pair {pair_id} has ended" if pair_id in self._pair_ids else f"there is no pair {pair_id}"

    def positions(self) -> Iterator[tuple[str, Trade]]:
        """Yield the trades with an open position."""
        return ((trade_id, trade) for trade_id, trade in self.trades.items() if trade.quantity)

    def _open(self, event: Intent, record: Record) -> None:
        is_new = self._pair_ids.add(event.pair_id)
        if not is_new:
            self._findings.add(Check.INTENTS, record, "opens a pair that there was already")
        loop = None
        if isinstance(event, TransactionOpened):
            symbols = self._listings.symbols
            if problem := problem_of_loop(event, symbols) if is_loop(event) else problem_of(event):
                self._findings.add(Check.INTENTS, record, problem)
            elif is_loop(event):
                loop = Loop(event, {leg.symbol: symbols[leg.symbol] for leg in event.legs})
        places = tuple(dict.fromkeys((leg.symbol, leg.venue) for leg in event.legs))
        is_forced = event.reason is ExitReason.LIQUIDATED  # whatever else is in flight
        other = next((self._by_instrument[place] for place in places if place in self._by_instrument), None)
        if is_forced:
            places = tuple(place for place in places if place not in self._by_instrument)
        elif other is not None:
            self._findings.add(
                Check.INTENTS, record, f"opens a pair while {other.opened.pair_id} of that symbol is in flight"
            )
        listed = self._listings.symbols.get(event.symbol)
        if listed is None or not {event.buy_venue, event.sell_venue} <= listed.at.keys():
            self._findings.add(Check.INTENTS, record, "opens a pair of what is not listed at both its venues")
        elif loop is None and (event.buy_venue == event.sell_venue or event.quantity <= 0):
            self._findings.add(Check.INTENTS, record, "opens a pair that trades nothing, or between one venue")
        listed = listed or Listed("", "", _ONE)
        is_entry = event.kind is PairKind.ENTRY
        trade = self._enter(record, event, listed, loop) if is_entry else self._exit(record, event)
        pair = Pair(event, trade, listed, trade.quantity, trade.cash - trade.fees, is_entry, loop=loop)
        self.in_flight[event.pair_id] = self.of_trade[event.trade_id] = pair
        self._by_instrument.update(dict.fromkeys(places, pair))

    def _enter(self, record: Record, event: Intent, listed: Listed, loop: Loop | None) -> Trade:
        if not self._trade_ids.add(event.trade_id):
            self._findings.add(Check.INTENTS, record, "enters a trade that there was already")
        reserved = event.quantity * _higher_limit(event) * listed.usd_per_quote
        if event.reason is ExitReason.LIQUIDATED:
            reserved = ZERO
        if loop is not None:
            reserved = loop.reserved_usd
        if event.reserved_usd != reserved:
            what = f"reserves {text(event.reserved_usd)} USD for {text(reserved)}"
            self._findings.add(Check.EXPOSURE, record, what)
        trade = self.trades[event.trade_id] = Trade(event)
        return trade

    def _exit(self, record: Record, event: Intent) -> Trade:
        trade = self.trades.get(event.trade_id)
        if trade is None or not trade.quantity:
            self._findings.add(Check.INTENTS, record, "exits a trade that has no open position")
            trade = trade or self.trades.setdefault(event.trade_id, Trade(event))
        elif (event.symbol, event.buy_venue, event.sell_venue) != (
            trade.entry.symbol,
            trade.entry.sell_venue,
            trade.entry.buy_venue,
        ):
            self._findings.add(Check.INTENTS, record, "exits on another route than the position was opened on")
        elif event.quantity > trade.quantity:
            what = f"exits {text(event.quantity)}, but {text(trade.quantity)} are open"
            self._findings.add(Check.INTENTS, record, what)
        if event.reserved_usd:
            self._findings.add(Check.EXPOSURE, record, "reserves exposure for an exit")
        return trade

    def _offer(self, event: ResidualOffered, record: Record) -> None:
        pair = self.in_flight.get(event.pair_id)
        if pair is None:
            what = f"offers to a pair: {self.why_not_in_flight(event.pair_id)}"
            self._findings.add(Check.RESIDUALS, record, what)
            return
        pair.offered[event.client_order_id] = event
        if event.symbol != pair.opened.symbol or event.quantity <= 0:
            self._findings.add(Check.RESIDUALS, record, f"offers nothing that {pair.opened.pair_id} trades")

    def send(self, record: Record, event: OrderSubmitted) -> Pair | None:
        """Count an order to its pair, which has to be in flight and to want such an order."""
        if event.purpose is Purpose.WORK:
            return self._work(record, event)
        pair = self.in_flight.get(event.pair_id)
        if pair is None:
            what = f"is an order without an intent: {self.why_not_in_flight(event.pair_id)}"
            self._findings.add(Check.INTENTS, record, what)
            return None
        pair.undone[event.client_order_id] = event
        opened, purpose, is_buy = pair.opened, event.purpose, event.side is Side.BUY
        if (purpose is Purpose.LIQUIDATION) or opened.reason is ExitReason.LIQUIDATED:
            wanted = Purpose.LIQUIDATION, opened.buy_venue if is_buy else opened.sell_venue, opened.quantity, ZERO
            if (purpose, event.venue, event.quantity, event.locked) != wanted or event.symbol != opened.symbol:
                self._findings.add(Check.INTENTS, record, "is no order by which a venue closed this pair's contracts")
            return pair
        opens = pair.is_entry and purpose in (Purpose.LEG, Purpose.HEDGE)
        if not _locks_enough(event, pair.listed_as(event.symbol), is_buy, opens=opens):
            self._findings.add(Check.INTENTS, record, "locks something else than it may cost")
        if pair.loop is not None:
            if what := pair.loop.problem_of_order(event):
                self._findings.add(Check.INTENTS, record, what)
            elif purpose is Purpose.LEG and self._course.is_draining:
                self._findings.add(Check.ENTRIES, record, "sends an entry's leg while the campaign drains")
        elif event.symbol != opened.symbol or event.venue not in (opened.buy_venue, opened.sell_venue):
            self._findings.add(Check.INTENTS, record, f"is an order for something else than {opened.pair_id} trades")
        elif isinstance(opened, TransactionOpened):
            if what := problem_of_order(opened, event, pair.sent_legs):
                self._findings.add(Check.INTENTS, record, what)
            elif purpose is Purpose.LEG and self._course.is_draining:
                self._findings.add(Check.ENTRIES, record, "sends an entry's leg while the campaign drains")
        elif event.rests or event.time_in_force is not None:
            self._findings.add(Check.INTENTS, record, f"is an order that rests, which {opened.pair_id} has none of")
        elif purpose is Purpose.LEG:
            venue, limit = (opened.buy_venue, opened.buy_limit) if is_buy else (opened.sell_venue, opened.sell_limit)
            if (event.venue, event.limit_price) != (venue, limit) or not _is_leg_of(pair, event):
                self._findings.add(Check.INTENTS, record, f"is not a leg that {opened.pair_id} announced")
            if self._course.is_draining and pair.is_entry:
                self._findings.add(Check.ENTRIES, record, "sends an entry's leg while the campaign drains")
        elif pair.is_entry == (purpose is Purpose.COMPLETE):
            self._findings.add(Check.INTENTS, record, f"is a {purpose.value} order of an {opened.kind.value}")
        return pair

    def _work(self, record: Record, event: OrderSubmitted) -> Pair | None:
        """Count an order to the pair whose residual it is to trade away."""
        pair, residual = self.left.get(event.pair_id), self.worked.pop(event.client_order_id, None)
        if pair is None or residual is None:
            self._findings.add(Check.INTENTS, record, "is to trade away a residual that no residual_worked names")
            return pair
        if not _locks_enough(event, pair.listed_as(event.symbol), event.side is Side.BUY, opens=False):
            self._findings.add(Check.INTENTS, record, "locks something else than it may cost")
        is_opposite = (event.side is Side.SELL) == (residual.quantity > 0)
        # At the end, where no other pair takes it along, one that is too small is made larger first.
        fits = event.quantity <= abs(residual.quantity) if is_opposite else self._course.is_draining
        if (event.symbol, event.pair_id) != (residual.symbol, residual.pair_id) or not fits:
            self._findings.add(Check.INTENTS, record, f"doesn't trade away {residual.residual_id}, or more than it")
        return pair

    def _leave_dust(self, event: DustLeft, record: Record) -> None:
        pair, add = self.in_flight.get(event.pair_id), self._findings.add
        if pair is None:
            add(Check.POSITIONS, record, f"is dust of no pair: {self.why_not_in_flight(event.pair_id)}")
            return
        pair.dust.append(event)
        cost_usd = abs(event.quantity) * event.price * pair.listed.usd_per_quote
        if event.cost_usd != cost_usd:
            add(Check.EXPOSURE, record, f"counts {text(event.cost_usd)} USD of exposure instead of {text(cost_usd)}")
        key = event.symbol, event.venue
        self.dust_cost_usd[key] = self.dust_cost_usd.get(key, ZERO) + (cost_usd if event.quantity > 0 else -cost_usd)

    def _end(self, event: PairEnded, record: Record) -> None:
        pair = self.in_flight.pop(event.pair_id, None)
        self.pnl_usd += event.pnl_usd
        self.dust_usd += event.dust_value_usd
        if pair is None:
            what = f"ends a pair that is not in flight: {self.why_not_in_flight(event.pair_id)}"
            self._findings.add(Check.PAIRS, record, what)
            return
        pair.has_ended = True
        if pair.residuals:
            self.left[event.pair_id] = pair
        opened, trade = pair.opened, pair.trade
        for leg in opened.legs:
            if self._by_instrument.get((leg.symbol, leg.venue)) is pair:
                del self._by_instrument[leg.symbol, leg.venue]
        if self.of_trade.get(opened.trade_id) is pair:
            del self.of_trade[opened.trade_id]
        if (event.trade_id, event.symbol, event.kind) != (opened.trade_id, opened.symbol, opened.kind):
            self._findings.add(Check.PAIRS, record, "ends another pair than was opened")
        if pair.undone:
            self._check_undone(record, pair)
        self._check_outcome(record, event, pair)
        if pair.loop is not None:
            self._check_loop(record, event, pair, pair.loop)
        else:
            self._check_both_legs(record, event, pair)
        if not trade.quantity:
            self.trades.pop(opened.trade_id, None)

    def _check_both_legs(self, record: Record, event: PairEnded, pair: Pair) -> None:
        bought, sold = pair.buy.net, -pair.sell.net
        if event.bought != bought or event.sold != sold:
            what = (
                f"says {text(event.bought)} bought and {text(event.sold)} sold; "
                f"its fills come to {text(bought)} and {text(sold)}"
            )
            self._findings.add(Check.PAIRS, record, what)
        for venue, flow in pair.taken.items():
            if flow.bought or flow.sold or flow.earned:
                what = f"ends, and no residual_taken says what became of {text(flow.net)} at {venue} beyond its own"
                self._findings.add(Check.RESIDUALS, record, what)
        self._check_legs(record, event, pair, bought, sold)
        self._check_pnl(record, event, pair)

    def _check_loop(self, record: Record, event: PairEnded, pair: Pair, loop: Loop) -> None:
        pair.trade.pnl_usd += event.pnl_usd
        pair.trade.fees_usd += event.fees_usd
        for is_money, what in loop.problems(event, pair.residuals, pair.dust):
            self._findings.add(Check.PNL if is_money else Check.POSITIONS, record, what)
        position = pair.position
        if isinstance(position, PositionClosed):
            said = position.pnl_usd, position.fees_usd, position.exit_buy_price, position.exit_sell_price
            if said != (event.pnl_usd, event.fees_usd, None, None):
                self._findings.add(Check.PNL, record, "ends a loop whose position_closed says something else of it")
        elif loop.went_around:
            what = f"went around with {text(loop.went_around)}, and no position was opened and closed"
            self._findings.add(Check.POSITIONS, record, what)

    def _check_undone(self, record: Record, pair: Pair) -> None:
        """An order may only be left behind if a residual stands for it."""
        named = {left.client_order_id for left in pair.residuals if left.unknown}
        for order_id in pair.undone:
            if order_id not in named:
                self._findings.add(Check.PAIRS, record, f"ends while {order_id} is under way, and no residual names it")

    def _check_outcome(self, record: Record, event: PairEnded, pair: Pair) -> None:
        outcome, opened = event.outcome, isinstance(pair.position, PositionOpened) or bool(pair.traded_once)
        if (outcome is PairOutcome.RESIDUAL) != bool(pair.residuals):
            what = f"is {outcome.value}, but left {len(pair.residuals)} residuals"
        elif outcome is PairOutcome.HEDGED and not opened:
            what = "is hedged, but opened no position"
        elif outcome is PairOutcome.FLAT and opened:
            what = "is flat, but opened a position"
        elif (
            outcome is PairOutcome.FLAT
            and pair.is_entry
            and pair.loop is None
            and not event.dust
            and (event.bought or event.sold)
        ):
            what = f"is flat and left no dust, but bought {text(event.bought)} and sold {text(event.sold)}"
        else:
            return
        self._findings.add(Check.PAIRS, record, what)

    def _check_legs(self, record: Record, event: PairEnded, pair: Pair, bought: Decimal, sold: Decimal) -> None:
        """What was bought and sold is held by the position, was held by it before, is a residual, or is dust."""
        held, before = pair.trade.quantity or pair.traded_once, pair.quantity_before
        on_buy, on_sell = (bought - held, sold - held) if pair.is_entry else (before - bought, before - sold)
        if not pair.is_entry:
            on_buy, on_sell = on_buy - held, on_sell - held
        for left in pair.residuals:
            if left.possible:
                continue
            # Long is positive: on an entry's buy venue, and on an exit's sell venue.
            if left.venue == pair.opened.buy_venue:
                on_buy -= left.quantity if pair.is_entry else -left.quantity
            else:
                on_sell -= -left.quantity if pair.is_entry else left.quantity
        self._check_dust(record, event, pair, on_buy, on_sell)
        rest = on_buy if on_buy >= on_sell else on_sell
        if on_buy < 0 or on_sell < 0 or rest != event.dust:
            what = (
                f"leaves {text(on_buy)} of its buy leg and {text(on_sell)} of its sell leg, which is neither position "
                f"nor residual, and says that {text(event.dust)} is dust"
            )
            self._findings.add(Check.POSITIONS, record, what)

    def _check_dust(self, record: Record, event: PairEnded, pair: Pair, on_buy: Decimal, on_sell: Decimal) -> None:
        """Dust is named where it is, with its sign, and its values sum to what the pair says."""
        opened, sign = pair.opened, 1 if pair.is_entry else -1
        held = {opened.buy_venue: sign * on_buy, opened.sell_venue: -sign * on_sell}
        for left in pair.dust:
            held[left.venue] = held.get(left.venue, ZERO) - left.quantity
        if any(held.values()):
            wrong = ", ".join(f"{text(quantity)} at {venue}" for venue, quantity in held.items() if quantity)
            self._findings.add(Check.POSITIONS, record, f"leaves {wrong} that no dust_left tells of")
        value_usd = sum((left.booked_value for left in pair.dust), ZERO) * pair.listed.usd_per_quote
        if event.dust_value_usd != value_usd:
            what = (
                f"values its dust at {text(event.dust_value_usd)} USD; what was left of it comes to {text(value_usd)}"
            )
            self._findings.add(Check.PNL, record, what)

    def _check_pnl(self, record: Record, event: PairEnded, pair: Pair) -> None:
        """Realised is all cash less fees, except what the position holds of it; and what was left, at its value."""
        opened, trade, fx = pair.opened, pair.trade, pair.listed.usd_per_quote
        add = self._findings.add
        fees_usd = (pair.buy.fees + pair.sell.fees) * fx
        if event.fees_usd != fees_usd:
            add(Check.PNL, record, f"says fees of {text(event.fees_usd)} USD; its fills paid {text(fees_usd)}")
        earned = pair.earned + pair.earned_before - (trade.cash - trade.fees)
        for left in pair.residuals:
            earned += left.booked_value
        pnl_usd = earned * fx + event.dust_value_usd
        if event.pnl_usd != pnl_usd:
            what = f"says a PnL of {text(event.pnl_usd)} USD; cash, fees and what is left come to {text(pnl_usd)}"
            add(Check.PNL, record, what)
        worth = event.dust * _higher_limit(opened) * fx * _DUST
        if abs(event.dust_value_usd) > worth:
            add(Check.PNL, record, f"values {text(event.dust)} of dust at {text(event.dust_value_usd)} USD")
        trade.pnl_usd += event.pnl_usd
        trade.fees_usd += fees_usd
        position = pair.position
        if position is None:
            return
        if not isinstance(position, PositionClosed):
            if trade.realised * fx != trade.pnl_usd:
                what = f"brings its trade to {text(trade.pnl_usd)} USD; the position says {text(trade.realised * fx)}"
                add(Check.PNL, record, what)
            return
        if position.pnl_usd != trade.pnl_usd or position.fees_usd != trade.fees_usd:
            what = (
                f"brings its trade to a PnL of {text(trade.pnl_usd)} and fees of {text(trade.fees_usd)} USD; "
                f"position_closed says {text(position.pnl_usd)} and {text(position.fees_usd)}"
            )
            add(Check.PNL, record, what)
        exits = trade.exits
        for price, value, quantity, side in (
            (position.exit_buy_price, exits.buy_value, exits.bought, "buy"),
            (position.exit_sell_price, exits.sell_value, exits.sold, "sell"),
        ):
            if (price is not None) != bool(quantity) or (price is not None and not is_average(price, value, quantity)):
                add(Check.POSITIONS, record, f"ends a trade whose exit_{side}_price is not that of its fills")


def _higher_limit(opened: Intent) -> Decimal:
    """Return the higher limit of a pair, in its symbol's quote asset."""
    buying, selling = opened.buy_limit, opened.sell_limit
    if isinstance(opened, PairOpened):
        buying = buying if opened.buy_fx is None else buying * opened.buy_fx
        selling = selling if opened.sell_fx is None else selling * opened.sell_fx
    return max(buying, selling)


def _locks_enough(event: OrderSubmitted, listed: Listed, is_buy: bool, *, opens: bool) -> bool:
    """Return whether an order locks what it sells, or the most that it may cost, a fee included.

    One for contracts locks its fee, and the initial margin of what it opens, rounded up.
    """
    instrument = listed.at.get(event.venue)
    leverage = None if instrument is None else instrument.leverage
    if not is_buy and leverage is None:
        return event.locked_asset == listed.base and event.locked == event.quantity
    fee_bps = instrument.taker_fee_bps if instrument is not None and instrument.taker_fee_bps > 0 else ZERO
    value = event.quantity * event.limit_price
    cost = value * (BPS + fee_bps)
    if leverage is not None:
        margin = event.locked - value * fee_bps / BPS
        beyond = margin * leverage - value if opens else margin
        return event.locked_asset == listed.quote_at(event.venue) and 0 <= beyond < (
            _MARGIN * leverage if opens else _MARGIN
        )
    return event.locked_asset == listed.quote_at(event.venue) and event.locked * BPS == cost


def _is_leg_of(pair: Pair, event: OrderSubmitted) -> bool:
    """Return whether a leg has its pair's quantity; that of an exit may have a rest that is no whole lot."""
    offered = pair.offered.get(event.client_order_id)
    more = ZERO if offered is None or offered.venue != event.venue else offered.quantity
    rest = pair.opened.quantity - (event.quantity - more)
    if not rest:
        return True
    instrument = pair.listed.at.get(event.venue)
    return not pair.is_entry and instrument is not None and 0 < rest < (instrument.lot_size or _FINEST)
