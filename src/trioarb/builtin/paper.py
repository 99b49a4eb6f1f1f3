"""The paper exchange: fills orders against the venue's quotes, with latency, and keeps its own balances."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial

import msgspec
import trio

from trioarb.api import (
    BPS,
    EXACT,
    ZERO,
    Account,
    Charge,
    ChargeKind,
    Contracts,
    Exchange,
    ExchangeContext,
    ExchangeSpec,
    Fill,
    Instrument,
    InstrumentStatus,
    Liquidation,
    Listing,
    Offer,
    Order,
    OrderRejected,
    OrderReport,
    OrderSink,
    OrderStatus,
    OrderType,
    OrderUpdate,
    Quote,
    Side,
    TimeInForce,
    Turn,
    VenueOrder,
    exact_decimal,
    floor_to,
    hookimpl,
    per_unit,
    seconds_to_ns,
    text,
)
from trioarb.builtin.paper_charges import Rates
from trioarb.builtin.paper_fees import Fees
from trioarb.builtin.paper_latency import Latency
from trioarb.builtin.paper_liquidation import Liquidations
from trioarb.builtin.paper_margin import MarginAccount, Marks
from trioarb.builtin.paper_matching import Consumed, Level, Matching, bought_for, matched, own_side, within
from trioarb.builtin.paper_resting import Resting, RestingFills
from trioarb.builtin.paper_settings import PaperSettings, settings_warnings
from trioarb.builtin.paper_state import Charged, Executed, Granted, Held, Liquidated, Opened, PaperState, Rested
from trioarb.builtin.paper_transfers import Moved, PaperTransfers
from trioarb.builtin.paper_updates import Updates

__all__ = ["PaperExchange"]


_PER_BPS = Decimal("1e-4")
#: Why an order is cancelled for which there would have been more, had we not taken it before.
_TAKEN = "orders of ours had taken what is displayed there before"


class _Terms(msgspec.Struct, frozen=True):
    """How a symbol trades here. ``with_fee``: what a buyer pays of the value, ``fee``: what of it is the fee.

    ``maker_fee``: what of it is that of an order at rest.
    """

    instrument: Instrument
    with_fee: Decimal
    fee: Decimal
    maker_fee: Decimal

    @classmethod
    def of(cls, instrument: Instrument) -> _Terms:
        fee_bps = instrument.taker_fee_bps
        paid_bps = EXACT.add(BPS, max(fee_bps, ZERO))
        maker_fee = EXACT.multiply(instrument.maker_fee_bps, _PER_BPS)
        return cls(instrument, EXACT.multiply(paid_bps, _PER_BPS), EXACT.multiply(fee_bps, _PER_BPS), maker_fee)


class PaperExchange(Exchange):
    """Simulates one venue from its own quotes.

    An order arrives after the latency. It is matched with the levels that are displayed at that moment, within its
    limit, as far as they are left for us (see `Matching`). The rest is cancelled.
    An order whose sending is cancelled before it arrived never existed. What rests is filled as `Resting` says, and
    told of by `updates`. With a journal, what the venue did is kept in a file beside it, and outlives the process; what
    rested then stands last in its queue again.
    """

    charge_every_seconds = 1
    offers = frozenset({Offer.FOK, Offer.GTC, Offer.POST_ONLY, Offer.MARKET, Offer.MARKET_BY_AMOUNT})

    def __init__(self, settings: PaperSettings, context: ExchangeContext) -> None:
        self.account = settings.account
        self.max_borrow_usd = settings.max_borrow_usd
        self.grants_inventory = settings.inventory_usd_per_symbol > 0
        self._settings = settings
        self._context = context
        self._latency_ns = seconds_to_ns(settings.latency_ms * context.latency_factor / 1000)
        self._draw_order = self._drawing("order", settings.order_latency, settings.latency_ms)
        self._draw_cancel = self._drawing(
            "cancel", settings.cancel_latency or settings.order_latency, settings.latency_ms
        )
        self._draw_answer = self._drawing("answer", settings.answer_latency, ZERO)
        self._draw_data = self._drawing("data", settings.data_latency, ZERO)
        self.arrival_ns = sum(
            one.median_ns(context.latency_factor)
            for one in (settings.order_latency or Latency(ms=settings.latency_ms), settings.data_latency)
            if one is not None
        )
        self._answers_at_once = settings.answer_latency is None or settings.answer_latency.is_nothing
        #: How long the orders take that were asked about by `answers_at_ns`.
        self._drawn: dict[str, int] = {}
        self._resting: dict[str, Resting] = {}
        self._locked: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        self._updates = Updates(context.time, context.venue)
        self._balances: dict[str, Decimal] = dict(settings.balances)
        self._terms: dict[str, _Terms] = {}
        self._mids = Marks(context.book)
        self._margin: MarginAccount | None = None
        if (terms := settings.contract_terms) is not None:
            self._margin = MarginAccount(terms, lambda asset: self._balances.get(asset, ZERO), self._mids)
        self._granted: dict[str, Decimal] = {}
        self._fees = Fees(settings, context, lambda asset: self._balances.get(asset, ZERO))
        self._matching = Matching(settings.consumed, seconds_to_ns(settings.max_quote_age_ms / 1000))
        self._chance = random.Random(f"{context.seed}:{context.venue}:reject")
        self._reject_rate = float(settings.reject_rate)
        self._state = PaperState(context.state)
        self.simulates_transfers = self.account is Account.SPOT
        self._transfers = PaperTransfers(
            context.venue, free=self._free, credit=self._credit, remember=self._state.append
        )
        self.borrow_bps_per_day = settings.borrow_bps_per_day if self.account is Account.MARGIN else None
        self._rates: Rates | None = None
        if self._margin is not None and settings.funding_rates:
            self._rates = Rates(settings.funding_rates, settings.funding_interval_hours)
        elif self.borrow_bps_per_day:
            self._rates = Rates((per_unit(self.borrow_bps_per_day, Decimal(24)),), Decimal(1))
        self.charging = self._margin is not None or self._rates is not None
        self._charges: list[Charge] = []
        self._liquidations: Liquidations | None = None
        if self._margin is not None:
            fee = EXACT.multiply(settings.liquidation_fee_bps, _PER_BPS)
            self._liquidations = Liquidations(
                self._margin, fee, self._left, lambda symbol: self._terms[symbol].instrument
            )
        self.liquidating = self._liquidations is not None

    def open(self) -> None:
        """Begin the venue's memory, or take up what it remembers.

        Raises:
            VenueError: its file can't be used.
        """
        if self._rates is not None:
            self._rates.begin(self._context.time.now_ns())
        if not self._context.resumed:
            self._state.create(Opened(venue=self._context.venue, balances=self._balances))
            return
        for line in self._state.resume():
            match line:
                case Opened(balances=balances):
                    self._balances = dict(balances)
                case Held(balances=balances, contracts=contracts):
                    self._balances = dict(balances)
                    if self._margin is not None:
                        self._margin.take_up(contracts)
                case Granted(symbol=symbol, asset=asset, amount=amount):
                    self._granted[symbol] = amount
                    self._credit(asset, amount)
                case Moved():
                    self._transfers.take_up(line)
                case Charged(charge=charge):
                    self._charges.append(charge)
                    self._credit(charge.asset, charge.amount)
                    if self._rates is not None:  # a campaign in virtual time goes on where its journal ended
                        self._rates.begin(max(charge.ts_ns, self._context.time.now_ns()))
                case Liquidated(liquidation=one, base=base, quote=quote):
                    if self._liquidations is not None:
                        self._liquidations.told.append(one)
                    self._book(one.symbol, one.side, base, quote, one.fills, one.ts_ns)
                case Executed(order=order, base=base, quote=quote, report=report, ts_ns=ts_ns):
                    self._book(order.symbol, order.side, base, quote, report.fills, ts_ns)
                case Rested(symbol=symbol, side=side, base=base, quote=quote, fills=fills, ts_ns=ts_ns):
                    self._book(symbol, side, base, quote, fills, ts_ns)

    def close(self) -> None:
        """Close the venue's memory.

        Raises:
            VenueError: not all of it could be written.
        """
        self._state.close()

    async def instruments(self, listings: Sequence[Listing]) -> Mapping[str, Instrument]:
        maker_fee_bps = self._settings.maker_fee_bps
        for listing in listings:
            instrument = Instrument(
                symbol=listing.symbol,
                venue=self._context.venue,
                native_id=listing.symbol,
                base=listing.base,
                quote=listing.quote,
                rules=self._settings.rules(listing.symbol, self._context.market_rules(listing.symbol)),
                maker_fee_bps=self._settings.taker_fee_bps if maker_fee_bps is None else maker_fee_bps,
                taker_fee_bps=self._settings.taker_fee_bps,
                fee_asset=self._settings.own_fee_asset,
                status=self._settings.status(listing.symbol),
                contract=self._settings.contract_terms,
            )
            terms = self._terms[listing.symbol] = _Terms.of(instrument)
            if self._margin is not None:
                self._margin.list(instrument, terms.fee)
        self._rest_again()
        return {listing.symbol: self._terms[listing.symbol].instrument for listing in listings}

    def _rest_again(self) -> None:
        """Let rest what rested when an earlier process ended, as soon as it is known how that trades."""
        for executed in self._state.open:
            order, report = executed.order, executed.report
            if order.symbol in self._terms and order.client_order_id not in self._resting:
                self._rest(Resting(order, report.venue_order_id, report.fills))

    async def balances(self) -> Mapping[str, Decimal]:
        return dict(self._balances)

    async def positions(self) -> Mapping[str, Contracts]:
        return {} if self._margin is None else self._margin.positions

    async def charges(self, since_ns: int) -> Sequence[Charge]:
        self._accrue()
        return [one for one in self._charges if one.ts_ns >= since_ns]

    def _accrue(self) -> None:
        """Book the funding and the interest that have become due, for what is held."""
        if self._rates is None:
            return
        kind = ChargeKind.INTEREST if self._margin is None else ChargeKind.FUNDING
        for at_ns, rate_bps in self._rates.due(self._context.time.now_ns()):
            for symbol, quantity, mark in tuple(self._charged_for()):
                quote = self._terms[symbol].instrument.quote
                self._charge(
                    Charge.reckoned(kind, at_ns, symbol, quantity=quantity, mark=mark, rate_bps=rate_bps, asset=quote)
                )

    def _charged_for(self) -> Iterator[tuple[str, Decimal, Decimal]]:
        """Yield symbol, quantity and mark of contracts that are held, or of what is borrowed (by its first symbol)."""
        if self._margin is not None:
            for symbol, held in self._margin.contracts.items():
                mark = self._margin.mark(symbol)
                yield symbol, held.quantity, per_unit(held.cost, held.quantity) if mark is None else mark
            return
        seen = set[str]()
        for symbol, terms in self._terms.items():
            base = terms.instrument.base
            quantity, mid = self._balances.get(base, ZERO), self._mids.mark(symbol)
            if quantity < 0 and mid is not None and base not in seen:
                seen.add(base)
                yield symbol, quantity, mid

    def _charge(self, charge: Charge) -> None:
        self._credit(charge.asset, charge.amount)
        self._charges.append(charge)
        self._state.append(Charged(charge=charge))

    async def liquidations(self, since_ns: int) -> Sequence[Liquidation]:
        self._liquidate()
        told = () if self._liquidations is None else self._liquidations.told
        return [one for one in told if one.ts_ns >= since_ns]

    def _liquidate(self) -> None:
        """Close by force what the account can't hold any more; nothing of it rests then."""
        if self._liquidations is None:
            return
        for one in self._liquidations.due(self._context.time.now_ns()):
            instrument = self._terms[one.symbol].instrument
            for resting in tuple(self._resting.values()):
                if self._terms[resting.order.symbol].instrument.quote == instrument.quote:
                    self._change(resting, (), OrderStatus.CANCELLED)
            self._take(one.symbol, one.side, [Level(fill.price, fill.quantity) for fill in one.fills])
            self._book(one.symbol, one.side, instrument.base, instrument.quote, one.fills, one.ts_ns)
            self._liquidations.told.append(one)
            self._state.append(Liquidated(liquidation=one, base=instrument.base, quote=instrument.quote))

    def seed_inventory(self, instrument: Instrument, quote: Quote | None) -> Decimal:
        if quote is None:
            return self._granted.get(instrument.symbol, ZERO)
        if instrument.symbol in self._granted:
            return ZERO
        if instrument.quote not in self._context.fx:
            return (
                ZERO  # what it is worth is not known; its base asset is that of another symbol, which is granted some
            )
        mid = (exact_decimal(quote.bid) + exact_decimal(quote.ask)) / 2
        price_usd = mid * self._context.fx[instrument.quote]
        granted = instrument.rules.floor_quantity(self._settings.inventory_usd_per_symbol / price_usd)
        self._granted[instrument.symbol] = granted
        self._state.append(Granted(symbol=instrument.symbol, asset=instrument.base, amount=granted))
        self._credit(instrument.base, granted)
        return granted

    def transfer(self, transfer_id: str, asset: str, amount: Decimal) -> None:
        self._transfers.book(Moved(transfer_id, asset, amount))

    def _free(self, asset: str) -> Decimal:
        return EXACT.subtract(self._balances.get(asset, ZERO), self._locked[asset])

    async def place(self, order: Order) -> OrderReport:
        turn = Turn.VENUE.order(symbol=order.symbol, venue=self._context.venue)
        data_ns = self._draw_data()
        delay_ns = self._drawn.pop(order.client_order_id, None)
        await self._context.time.sleep((self._draw_order() if delay_ns is None else delay_ns) + data_ns, turn)
        answer_ns = max(0, self._draw_answer() - data_ns)
        try:
            return self.answer(order)
        finally:
            if answer_ns:
                await self._context.time.sleep(answer_ns, turn)

    def answers_at_ns(self, order: Order) -> int | None:
        if not self._answers_at_once or order.time_in_force is TimeInForce.GTC:
            return None
        delay_ns = self._drawn.get(order.client_order_id)
        if delay_ns is None:
            delay_ns = self._drawn[order.client_order_id] = self._draw_order()
        return self._context.time.now_ns() + delay_ns + self._draw_data()

    async def cancel(self, client_order_id: str) -> None:
        await self._context.time.sleep(self._draw_cancel(), Turn.VENUE.order(venue=self._context.venue, number=1))
        resting = self._resting.get(client_order_id)
        if resting is not None:
            self._change(resting, (), OrderStatus.CANCELLED)

    async def open_orders(self, symbols: Sequence[str]) -> Sequence[OrderUpdate]:
        await self._context.time.sleep(self._latency_ns, Turn.VENUE.order(venue=self._context.venue, number=1))
        return [OrderUpdate.from_report(one.report()) for one in self._resting.values() if one.order.symbol in symbols]

    async def updates(self, sink: OrderSink, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        await self._updates.run(sink, task_status)

    async def order(self, client_order_id: str) -> OrderReport | None:
        await self._context.time.sleep(self._latency_ns, Turn.VENUE.order(venue=self._context.venue, number=1))
        executed = self._state.find(client_order_id)
        return None if executed is None else executed.report

    async def orders(self, symbols: Sequence[str], since_ns: int) -> Sequence[VenueOrder]:
        await self._context.time.sleep(self._latency_ns, Turn.VENUE.order(venue=self._context.venue, number=1))
        return [
            VenueOrder(order=one.order, report=one.report)
            for one in self._state.since(since_ns)
            if one.order.symbol in symbols
        ]

    def answer(self, order: Order) -> OrderReport:
        self._drawn.pop(order.client_order_id, None)
        if not self._state.arrive(order.client_order_id):
            raise OrderRejected(f"{self._context.venue}: client order id {order.client_order_id} was used before")
        terms = self._terms.get(order.symbol)
        report = self._execute(order, terms)
        executed = Executed(
            ts_ns=self._context.time.now_ns(),
            order=order,
            base=terms.instrument.base if terms else "",
            quote=terms.instrument.quote if terms else "",
            report=report,
        )
        self._book(order.symbol, order.side, executed.base, executed.quote, report.fills, executed.ts_ns)
        self._state.add(executed, self._held)
        if report.status is OrderStatus.REJECTED:
            raise OrderRejected(f"{self._context.venue}: {report.reason}")
        if report.status is OrderStatus.OPEN:
            self._rest(Resting(order, report.venue_order_id, report.fills))
        return report

    def _held(self) -> Held:
        contracts = {} if self._margin is None else self._margin.written()
        return Held(balances=self._balances, contracts=contracts)

    def _drawing(self, way: str, latency: Latency | None, otherwise_ms: Decimal) -> Callable[[], int]:
        """Return what says how long the next one takes."""
        drawn = latency or Latency(ms=otherwise_ms)
        seed = f"{self._context.seed}:{self._context.venue}:latency:{way}"
        return drawn.drawn(seed, self._context.latency_factor)

    def _execute(self, order: Order, terms: _Terms | None) -> OrderReport:
        self._accrue()
        self._liquidate()
        venue_order_id = f"{self._context.venue}-{len(self._state)}"
        problem = self._refuse(order, terms)
        matches = self._matches(order, terms) if terms and not problem else ()
        if order.post_only and matches:
            matches, problem = (), "a post-only order would take"
        filled = sum((match.quantity for match in matches), ZERO)
        status, reason = OrderStatus.REJECTED if problem else OrderStatus.CANCELLED, problem
        if filled and filled == order.quantity:
            status = OrderStatus.FILLED
        elif order.time_in_force is TimeInForce.FOK:
            matches = ()
        elif order.time_in_force is TimeInForce.GTC and not problem:
            status = OrderStatus.OPEN
        if status is OrderStatus.CANCELLED and order.type is OrderType.LIMIT:
            book = self._context.book(order.symbol)
            if self._matching.has_taken(order.symbol, order.side, book, order.limit_price):
                reason = _TAKEN
        fills = self._taken(order, terms, matches, venue_order_id) if terms else ()
        return OrderReport(
            client_order_id=order.client_order_id,
            venue_order_id=venue_order_id,
            status=status,
            fills=fills,
            reason=reason,
        )

    def _refuse(self, order: Order, terms: _Terms | None) -> str:
        """Return why a venue would not take the order, or ''."""
        if self._reject_rate and self._chance.random() < self._reject_rate:
            return "rejected by reject_rate"
        if terms is None:
            return f"{order.symbol} is not listed"
        instrument, quantity, limit_price = terms.instrument, order.quantity, order.limit_price
        rules = instrument.rules
        if instrument.status is InstrumentStatus.HALTED:
            return f"{order.symbol} is halted"
        if order.type is OrderType.MARKET:
            return self._refuse_market(order, terms)
        if not rules.has_quantity(quantity):
            return f"quantity {text(quantity)} is no multiple of the lot size {text(rules.lot)}"
        if not rules.has_price(limit_price):
            return f"limit {text(limit_price)} is no multiple of the tick size {text(rules.tick_at(limit_price))}"
        value = EXACT.multiply(quantity, limit_price)
        if rules.min_notional is not None and value < rules.min_notional:
            return f"order value {text(value)} is below the minimum of {text(rules.min_notional)}"
        if rules.min_quantity is not None and quantity < rules.min_quantity:
            return f"quantity {text(quantity)} is below the minimum of {text(rules.min_quantity)}"
        if self._margin is not None:
            return self._margin.refusal(order.symbol, order.side, quantity, value)
        if order.side is Side.BUY:
            asset, needed = instrument.quote, EXACT.multiply(value, terms.with_fee)
        else:
            asset, needed = instrument.base, quantity
        available = self._balances.get(asset, ZERO)
        if locked := self._locked.get(asset):
            available = EXACT.subtract(available, locked)
        if order.side is Side.SELL and self.account is Account.MARGIN and instrument.quote in self._context.fx:
            available += self.max_borrow_usd / (limit_price * self._context.fx[instrument.quote])
        return f"insufficient {asset}: {text(needed)} needed, {text(available)} available" if needed > available else ""

    def _refuse_market(self, order: Order, terms: _Terms) -> str:
        """Return why a market order would not be taken, or ''."""
        instrument, matches = terms.instrument, self._matches(order, terms)
        rules = instrument.rules
        if order.quantity and not rules.has_quantity(order.quantity):
            return f"quantity {text(order.quantity)} is no multiple of the lot size {text(rules.lot)}"
        value = sum((EXACT.multiply(*match) for match in matches), ZERO)
        if matches and rules.min_notional is not None and value < rules.min_notional:
            return f"order value {text(value)} is below the minimum of {text(rules.min_notional)}"
        if self._margin is not None:
            quantity = sum((match.quantity for match in matches), ZERO)
            return self._margin.refusal(order.symbol, order.side, quantity, value) if quantity else ""
        asset, needed = instrument.quote, EXACT.multiply(value, terms.with_fee)
        if order.side is Side.SELL:
            asset, needed = instrument.base, sum((match.quantity for match in matches), ZERO)
            if self.account is Account.MARGIN:
                return ""
        available = EXACT.subtract(self._balances.get(asset, ZERO), self._locked[asset])
        return f"insufficient {asset}: {text(needed)} needed, {text(available)} available" if needed > available else ""

    def _matches(self, order: Order, terms: _Terms) -> Sequence[Level]:
        """Return what an order is matched with of what is displayed and left for us."""
        levels = self._left(order.symbol, order.side)
        lot = terms.instrument.rules.lot
        if order.amount:
            return bought_for(levels, order.amount, lot)
        if order.type is OrderType.LIMIT:
            levels = within(levels, order.side, order.limit_price)
        return matched(levels, order.quantity, lot)

    def _left(self, symbol: str, side: Side) -> Sequence[Level]:
        """Return what an order of this side could be matched with now."""
        return self._matching.left(symbol, side, self._context.book(symbol), self._context.time.now_ns())

    def _take(self, symbol: str, side: Side, matches: Sequence[Level]) -> None:
        """Keep in mind what is matched with the venue's book of this moment."""
        book = self._context.book(symbol)
        assert book is not None
        self._matching.take(symbol, side, book, matches)
        if self._settings.consumed is Consumed.UNTIL_CHANGED:
            self._context.watch(symbol, partial(self._matching.see, symbol))

    def _taken(self, order: Order, terms: _Terms, matches: Sequence[Level], venue_order_id: str) -> tuple[Fill, ...]:
        """Take what an order is matched with; return its fills."""
        if not matches:
            return ()
        self._take(order.symbol, order.side, matches)
        instrument, rate = terms.instrument, self._fees.rate(terms.fee)
        return tuple(
            self._fees.fill(instrument, order.side, match, f"{venue_order_id}-{number}", rate)
            for number, match in enumerate(matches, 1)
        )

    def _rest(self, resting: Resting) -> None:
        """Let an order rest: lock what it may cost, and watch the market."""
        order = resting.order
        self._resting[order.client_order_id] = resting
        self._lock(order, resting.unfilled)
        self._look(resting)
        self._context.follow(order.symbol, partial(self._see, order.symbol))

    def _lock(self, order: Order, quantity: Decimal) -> None:
        """Lock what so much of an order may cost; below zero: let go of it."""
        terms = self._terms[order.symbol]
        if self._margin is not None:
            self._margin.rest(order.symbol, EXACT.multiply(quantity, order.limit_price))
            return
        if order.side is Side.SELL:
            asset, amount = terms.instrument.base, quantity
        else:
            asset, amount = (
                terms.instrument.quote,
                EXACT.multiply(EXACT.multiply(quantity, order.limit_price), terms.with_fee),
            )
        self._locked[asset] = EXACT.add(self._locked[asset], amount)

    def _see(self, symbol: str) -> None:
        """Fill what rests of a symbol, as far as its new quote does: what came first is first."""
        for resting in tuple(self._resting.values()):
            if resting.order.symbol == symbol:
                self._meet(resting)

    def _meet(self, resting: Resting) -> None:
        self._accrue()
        order, terms = resting.order, self._terms[resting.order.symbol]
        book = self._context.book(order.symbol)
        by_place = self._look(resting)
        now_ns = self._context.time.now_ns()
        levels = within(self._matching.left(order.symbol, order.side, book, now_ns), order.side, order.limit_price)
        through = matched(levels, resting.unfilled, terms.instrument.rules.lot)
        if through and book is not None:
            self._matching.take(order.symbol, order.side, book, through)
        quantity = max(by_place, sum((match.quantity for match in through), ZERO))
        if quantity > 0:
            fill_id = f"{resting.venue_order_id}-{len(resting.fills) + 1}"
            fill = self._fees.fill(
                terms.instrument, order.side, Level(order.limit_price, quantity), fill_id, terms.maker_fee
            )
            status = OrderStatus.FILLED if quantity == resting.unfilled else OrderStatus.OPEN
            self._change(resting, (fill,), status)

    def _look(self, resting: Resting) -> Decimal:
        """Return how much of an order its place in the queue fills, where that counts."""
        if self._settings.resting is not RestingFills.QUEUE:
            return ZERO
        order, book = resting.order, self._context.book(resting.order.symbol)
        if book is None:
            return ZERO
        reached = resting.advance(own_side(order.side, book))
        return floor_to(reached, self._terms[order.symbol].instrument.rules.lot) if reached else reached

    def _change(self, resting: Resting, fills: tuple[Fill, ...], status: OrderStatus) -> None:
        """Book what became of an order that rests, remember it, and tell of it."""
        order, instrument = resting.order, self._terms[resting.order.symbol].instrument
        before = resting.unfilled
        resting.fills += fills
        self._lock(order, EXACT.minus(before if status.is_final else EXACT.subtract(before, resting.unfilled)))
        if status.is_final:
            del self._resting[order.client_order_id]
            if not any(one.order.symbol == order.symbol for one in self._resting.values()):
                self._context.follow(order.symbol, None)
        base, quote, now_ns = instrument.base, instrument.quote, self._context.time.now_ns()
        self._book(order.symbol, order.side, base, quote, fills, now_ns)
        self._state.rest(
            Rested(
                ts_ns=now_ns,
                client_order_id=order.client_order_id,
                side=order.side,
                base=base,
                quote=quote,
                fills=fills,
                status=status,
                symbol="" if self._margin is None else order.symbol,
            )
        )
        update = OrderUpdate(
            client_order_id=order.client_order_id,
            venue_order_id=resting.venue_order_id,
            status=status,
            fills=fills,
            filled=resting.filled,
        )
        self._updates.tell(update, max(0, self._draw_answer() - self._draw_data()))

    def _book(self, symbol: str, side: Side, base: str, quote: str, fills: Sequence[Fill], ts_ns: int) -> None:
        """Book fills. What became due before is booked for what was held then."""
        buying = side is Side.BUY
        for fill in fills:
            value = EXACT.multiply(fill.quantity, fill.price)
            if self._margin is not None:
                self._credit(quote, self._margin.trade(symbol, side, fill.quantity, fill.price))
            else:
                self._credit(base, fill.quantity if buying else EXACT.minus(fill.quantity))
                self._credit(quote, EXACT.minus(value) if buying else value)
            self._credit(fill.fee_asset, EXACT.minus(fill.fee))
            self._fees.count(quote, value, ts_ns)

    def _credit(self, asset: str, amount: Decimal) -> None:
        if amount:
            self._balances[asset] = EXACT.add(self._balances.get(asset, ZERO), amount)


@asynccontextmanager
async def _open(settings: PaperSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
    venue = PaperExchange(settings, context)
    venue.open()
    try:
        yield venue
    finally:
        venue.close()


@hookimpl
def trioarb_exchanges() -> list[ExchangeSpec]:
    return [
        ExchangeSpec(
            name="paper",
            doc="simulated fills against the venue's quotes",
            settings=PaperSettings,
            open=_open,
            warnings=settings_warnings,
            example={
                "account": "spot",
                "taker_fee_bps": Decimal(4),
                "latency_ms": Decimal(40),
                "inventory_usd_per_symbol": Decimal(5_000),
                "balances": {"USDT": "100000"},
            },
        )
    ]
