"""The paper exchange: fills orders against the venue's quotes, with latency, and keeps its own balances."""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from itertools import pairwise

import attrs
import msgspec
import trio

from trioarb.api import (
    BPS,
    EXACT,
    SECOND_NS,
    ZERO,
    Account,
    Amount,
    Bps,
    Charge,
    ChargeKind,
    Contracts,
    ContractTerms,
    Exchange,
    ExchangeContext,
    ExchangeSpec,
    FeeBps,
    Fill,
    Instrument,
    InstrumentStatus,
    IntervalHours,
    Leverage,
    Listing,
    MarginBps,
    Milliseconds,
    Money,
    NonNegativeBps,
    Offer,
    Order,
    OrderRejected,
    OrderReport,
    OrderSink,
    OrderStatus,
    OrderType,
    OrderUpdate,
    PositiveDecimal,
    PositiveMoney,
    Probability,
    Quote,
    Side,
    TickRange,
    TimeInForce,
    TradingRules,
    Turn,
    VenueOrder,
    ceil_to,
    check_ticks,
    exact_decimal,
    floor_to,
    hookimpl,
    per_unit,
    seconds_to_ns,
    setting,
    text,
)
from trioarb.builtin.paper_charges import Rates
from trioarb.builtin.paper_latency import Latency
from trioarb.builtin.paper_margin import MarginAccount, Marks
from trioarb.builtin.paper_matching import Consumed, Level, Matching, bought_for, matched, own_side, within
from trioarb.builtin.paper_resting import Resting, RestingFills
from trioarb.builtin.paper_state import Charged, Executed, Granted, Held, Opened, PaperState, Rested
from trioarb.builtin.paper_updates import Updates

__all__ = ["PaperExchange", "PaperSettings", "SymbolRules"]


_PER_BPS = Decimal("1e-4")

#: Where neither the configuration nor the market data says anything.
_RULES = TradingRules(tick_size=Decimal("1e-8"), lot_size=Decimal("1e-8"), min_notional=Decimal(5))


#: Values of `fee_asset` beside names of assets.
_QUOTE, _RECEIVED = "quote", "received"
_FEE_STEP = Decimal("1e-8")
_VOLUME_NS = 30 * 86_400 * SECOND_NS


@attrs.frozen(kw_only=True)
class FeeTier:
    volume_usd: PositiveMoney = setting(doc="from this volume of the account's own trades in 30 days on")
    taker_fee_bps: FeeBps = setting(doc="fee of every fill then")


@attrs.frozen(kw_only=True)
class PriceStep:
    at_least: Amount = setting(doc="from this price on")
    below: PositiveDecimal | None = setting(None, doc="below this price; absent: that of the last range")
    step: PositiveDecimal = setting(doc="price step there")


@attrs.frozen(kw_only=True)
class SymbolRules:
    tick_size: PositiveDecimal | None = setting(None, doc="price step")
    ticks: tuple[PriceStep, ...] = setting(
        (), doc="price steps that differ with the price, instead of tick_size; from 0 on, without holes"
    )
    lot_size: PositiveDecimal | None = setting(None, doc="size step in base asset")
    min_notional: Amount | None = setting(None, doc="least quote value of an order")
    min_quantity: Amount | None = setting(None, doc="least size of an order in base asset")
    halted: bool = setting(False, doc="true: not traded at this venue, and only listed")

    def __attrs_post_init__(self) -> None:
        if self.ticks:
            check_ticks(self.tick_ranges, self.tick_size)

    @property
    def tick_ranges(self) -> tuple[TickRange, ...]:
        return tuple(TickRange(at_least=one.at_least, below=one.below, step=one.step) for one in self.ticks)


@attrs.frozen(kw_only=True)
class PaperSettings:
    account: Account = setting(
        Account.SPOT,
        doc="spot: sell what is owned; margin: also what is borrowed; perpetual: contracts, margined in quote asset",
    )
    max_borrow_usd: Money = setting(
        ZERO, doc="margin: how far a symbol's base asset may go below zero", concerns="borrowing"
    )
    leverage: Leverage = setting(
        Decimal(1), doc="perpetual: a position's value ÷ the margin that opening it needs", concerns="margin"
    )
    maintenance_margin_bps: MarginBps = setting(
        Decimal(50),
        doc="perpetual: of the value of all positions, what the account has to hold; distances to liquidation go by it",
    )
    funding_rate_bps: Bps | None = setting(
        None,
        doc="perpetual: of a position's value, what longs pay shorts each funding_interval_hours (below zero: shorts "
        "pay longs); absent: no funding",
    )
    funding_rates_bps: tuple[Bps, ...] = setting(
        (), doc="perpetual: the same, one rate an interval, again from the first after the last; counted from 1970 on"
    )
    funding_interval_hours: IntervalHours = setting(
        Decimal(8), doc="perpetual: time between two fundings; they are due at its multiples since 1970 (UTC)"
    )
    borrow_bps_per_day: NonNegativeBps | None = setting(
        None,
        doc="margin: interest on the value of what is borrowed, charged each hour in quote asset; absent: none",
        concerns="borrowing",
    )
    taker_fee_bps: FeeBps = setting(Decimal(4), doc="fee of every fill, of its quote value", concerns="taker_fee")
    maker_fee_bps: FeeBps | None = setting(None, doc="fee of what fills at rest; absent: taker_fee_bps")
    fee_tiers: tuple[FeeTier, ...] = setting(
        (),
        doc="lower fees for more volume, by rising volume; edges are taken at taker_fee_bps all the same",
    )
    fee_asset: str = setting(
        _QUOTE,
        doc='"quote"; "received": a buy\'s fee is taken in base asset; or an asset such as "BNB", of which fees are '
        "taken as long as the account holds enough, then of the quote asset; [fee_assets] says what it is worth",
    )
    latency_ms: Milliseconds = setting(Decimal(40), doc="time from sending an order to its arrival", concerns="latency")
    order_latency: Latency | None = setting(None, doc="the same, if it isn't always as long; absent: latency_ms")
    answer_latency: Latency | None = setting(
        None, doc="time from a deed of the venue to our hearing of it; absent: none"
    )
    cancel_latency: Latency | None = setting(None, doc="time of a cancellation to its arrival; absent: as of an order")
    data_latency: Latency | None = setting(
        None, doc="how old quotes are when we get them: an order meets those that we get so much later; absent: not"
    )
    resting: RestingFills = setting(
        RestingFills.THROUGH,
        doc="when an order that rests fills. through: once the other side reaches its price; queue: also by its place "
        "in the queue at its price, what vanishes there counting as traded from the front",
    )
    consumed: Consumed = setting(
        Consumed.UNTIL_CHANGED,
        doc="how long what was filled stays taken: until the size displayed at its price changes by more than that, "
        "or until the venue's next quote",
    )
    max_quote_age_ms: Milliseconds = setting(
        Decimal(10_000), doc="nothing is filled by a quote that came longer ago than this"
    )
    reject_rate: Probability = setting(ZERO, doc="share of orders that are rejected, for trials", concerns="rejection")
    balances: Mapping[str, Amount] = setting(
        factory=dict, doc="what the account holds at the start, by asset", concerns="balance", names="assets"
    )
    inventory_usd_per_symbol: Money = setting(
        ZERO,
        doc="base asset that is granted at each symbol's first quote, in USD at the mid price",
        concerns="inventory",
    )
    tick_size: PositiveDecimal | None = setting(
        None, doc="price step of all symbols; absent: what the market data says, else 0.00000001", concerns="tick_size"
    )
    lot_size: PositiveDecimal | None = setting(
        None, doc="size step of all symbols; absent: what the market data says, else 0.00000001"
    )
    min_notional: Amount | None = setting(
        None, doc="least quote value of an order; absent: what the market data says, else 5"
    )
    instruments: Mapping[str, SymbolRules] = setting(
        factory=dict, doc="rules by symbol, before those of all", names="symbols"
    )

    def __attrs_post_init__(self) -> None:
        if self.account is Account.PERPETUAL:
            self._check_perpetual()
        steps = [(ZERO, self.taker_fee_bps), *((tier.volume_usd, tier.taker_fee_bps) for tier in self.fee_tiers)]
        for (volume, fee), (more, lower) in pairwise(steps):
            if more <= volume or lower > fee:
                raise ValueError(
                    f"fee_tiers: {text(lower)} bps from {text(more)} USD on: volumes have to rise, and fees to fall"
                )

    def _check_perpetual(self) -> None:
        if self.funding_rate_bps is not None and self.funding_rates_bps:
            raise ValueError("funding_rates_bps: there is funding_rate_bps, too; leave one of them out")
        if self.inventory_usd_per_symbol:
            raise ValueError(
                'inventory_usd_per_symbol: an account = "perpetual" holds contracts, no base asset; leave it out, and '
                "say in balances what its wallet holds of the quote asset"
            )
        if self.fee_asset == _RECEIVED:
            raise ValueError('fee_asset = "received": nothing is received for contracts; use "quote", or name an asset')
        if self.maintenance_margin_bps * self.leverage >= BPS:
            raise ValueError(
                f"maintenance_margin_bps = {text(self.maintenance_margin_bps)}: with leverage = {text(self.leverage)} "
                f"a position is opened with {text((BPS / self.leverage).quantize(_FEE_STEP))} bps, and would be "
                "liquidated at once"
            )

    @property
    def contract_terms(self) -> ContractTerms | None:
        """How contracts are margined; ``None``: there are none."""
        if self.account is not Account.PERPETUAL:
            return None
        rates = self.funding_rates
        return ContractTerms(
            leverage=self.leverage,
            maintenance_margin_bps=self.maintenance_margin_bps,
            funding_bps=rates[0] if len(set(rates)) == 1 else None,
            funding_interval_hours=self.funding_interval_hours if rates else None,
        )

    @property
    def funding_rates(self) -> tuple[Decimal, ...]:
        """The rates of funding, one after the other; none: there is no funding."""
        return self.funding_rates_bps if self.funding_rate_bps is None else (self.funding_rate_bps,)


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
        #: The account's own trades of the last 30 days, by time, and their sum, where fees depend on it.
        self._traded: deque[tuple[int, Decimal]] = deque()
        self._volume_usd = ZERO
        self._matching = Matching(settings.consumed, seconds_to_ns(settings.max_quote_age_ms / 1000))
        self._chance = random.Random(f"{context.seed}:{context.venue}:reject")
        self._reject_rate = float(settings.reject_rate)
        self._state = PaperState(context.state)
        self.borrow_bps_per_day = settings.borrow_bps_per_day if self.account is Account.MARGIN else None
        self._rates: Rates | None = None
        if self._margin is not None and settings.funding_rates:
            self._rates = Rates(settings.funding_rates, settings.funding_interval_hours)
        elif self.borrow_bps_per_day:
            self._rates = Rates((per_unit(self.borrow_bps_per_day, Decimal(24)),), Decimal(1))
        self.charging = self._margin is not None or self._rates is not None
        self._charges: list[Charge] = []

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
                case Charged(charge=charge):
                    self._charges.append(charge)
                    self._credit(charge.asset, charge.amount)
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
                rules=self._rules(listing.symbol),
                maker_fee_bps=self._settings.taker_fee_bps if maker_fee_bps is None else maker_fee_bps,
                taker_fee_bps=self._settings.taker_fee_bps,
                fee_asset=self._settings.fee_asset if self._has_fee_asset else None,
                status=InstrumentStatus.HALTED if self._is_halted(listing.symbol) else InstrumentStatus.TRADING,
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
        return [OrderUpdate.of(one.report()) for one in self._resting.values() if one.order.symbol in symbols]

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

    def _is_halted(self, symbol: str) -> bool:
        own = self._settings.instruments.get(symbol)
        return own is not None and own.halted

    def _drawing(self, way: str, latency: Latency | None, otherwise_ms: Decimal) -> Callable[[], int]:
        """Return what says how long the next one takes."""
        drawn = latency or Latency(ms=otherwise_ms)
        seed = f"{self._context.seed}:{self._context.venue}:latency:{way}"
        return drawn.drawn(seed, self._context.latency_factor)

    def _rules(self, symbol: str) -> TradingRules:
        """Return the rules: the symbol's own come first, then the table's, then the market data's."""
        own = self._settings.instruments.get(symbol, SymbolRules())
        market = self._context.market_rules(symbol) or _RULES
        tables = (own, self._settings, market)
        tick_size = own.tick_size or self._settings.tick_size
        return TradingRules(
            tick_size=None if own.ticks else tick_size or market.tick_size,
            ticks=own.tick_ranges or (() if tick_size else market.ticks),
            lot_size=own.lot_size or self._settings.lot_size or market.lot_size,
            min_notional=next((one.min_notional for one in tables if one.min_notional is not None), None),
            min_quantity=market.min_quantity if own.min_quantity is None else own.min_quantity,
        )

    def _execute(self, order: Order, terms: _Terms | None) -> OrderReport:
        self._accrue()
        venue_order_id = f"{self._context.venue}-{len(self._state)}"
        problem = self._refuse(order, terms)
        matches = self._matches(order, terms) if terms and not problem else ()
        if order.post_only and matches:
            matches, problem = (), "a post-only order would take"
        filled = sum((match.quantity for match in matches), ZERO)
        status = OrderStatus.REJECTED if problem else OrderStatus.CANCELLED
        if filled and filled == order.quantity:
            status = OrderStatus.FILLED
        elif order.time_in_force is TimeInForce.FOK:
            matches = ()
        elif order.time_in_force is TimeInForce.GTC and not problem:
            status = OrderStatus.OPEN
        fills = self._taken(order, terms, matches, venue_order_id) if terms else ()
        return OrderReport(
            client_order_id=order.client_order_id,
            venue_order_id=venue_order_id,
            status=status,
            fills=fills,
            reason=problem,
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
        levels = self._matching.left(
            order.symbol, order.side, self._context.book(order.symbol), self._context.time.now_ns()
        )
        lot = terms.instrument.rules.lot
        if order.amount:
            return bought_for(levels, order.amount, lot)
        if order.type is OrderType.LIMIT:
            levels = within(levels, order.side, order.limit_price)
        return matched(levels, order.quantity, lot)

    def _taken(self, order: Order, terms: _Terms, matches: Sequence[Level], venue_order_id: str) -> tuple[Fill, ...]:
        """Take what an order is matched with; return its fills."""
        book = self._context.book(order.symbol)
        if book is None or not matches:
            return ()
        self._matching.take(order.symbol, order.side, book, matches)
        if self._settings.consumed is Consumed.UNTIL_CHANGED:
            self._context.watch(order.symbol, partial(self._matching.see, order.symbol))
        return tuple(
            self._fill(order, terms, match, f"{venue_order_id}-{number}", self._fee_rate(terms))
            for number, match in enumerate(matches, 1)
        )

    def _fill(self, order: Order, terms: _Terms, match: Level, fill_id: str, rate: Decimal) -> Fill:
        price, quantity = match
        instrument = terms.instrument
        fee, fee_asset = EXACT.multiply(EXACT.multiply(quantity, price), rate), instrument.quote
        if order.side is Side.BUY and self._settings.fee_asset == _RECEIVED:
            fee, fee_asset = EXACT.multiply(quantity, rate), instrument.base
        elif self._has_fee_asset:
            asset = self._settings.fee_asset
            in_base = EXACT.multiply(quantity, rate) if asset == instrument.base else None
            other = self._in_fee_asset(fee, instrument.quote) if in_base is None else in_base
            if other is not None and other <= self._balances.get(asset, ZERO):
                fee, fee_asset = other, asset
        return Fill(fill_id=fill_id, quantity=quantity, price=price, fee=fee, fee_asset=fee_asset)

    @property
    def _has_fee_asset(self) -> bool:
        return self._settings.fee_asset not in (_QUOTE, _RECEIVED)

    def _in_fee_asset(self, fee: Decimal, quote: str) -> Decimal | None:
        """Return a fee in the asset that fees are taken in, by its price; ``None`` if it has none."""
        price = self._context.fee_price(self._settings.fee_asset, quote)
        return None if price is None else ceil_to(fee / price, _FEE_STEP)

    def _fee_rate(self, terms: _Terms) -> Decimal:
        """Return the fee as a share of the value, by the volume of the last 30 days."""
        if not self._settings.fee_tiers:
            return terms.fee
        oldest_ns = self._context.time.now_ns() - _VOLUME_NS
        while self._traded and self._traded[0][0] < oldest_ns:
            self._volume_usd = EXACT.subtract(self._volume_usd, self._traded.popleft()[1])
        reached = [tier.taker_fee_bps for tier in self._settings.fee_tiers if tier.volume_usd <= self._volume_usd]
        return EXACT.multiply(reached[-1], _PER_BPS) if reached else terms.fee

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
            fill = self._fill(order, terms, Level(order.limit_price, quantity), fill_id, terms.maker_fee)
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
            if self._settings.fee_tiers:
                usd = EXACT.multiply(value, self._context.fx.get(quote, ZERO))
                self._traded.append((ts_ns, usd))
                self._volume_usd = EXACT.add(self._volume_usd, usd)

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


def _warnings(settings: PaperSettings) -> Iterable[str]:
    if settings.account is Account.MARGIN and not settings.max_borrow_usd:
        yield 'account = "margin" without max_borrow_usd: nothing can be borrowed; set how much in USD'
    if settings.account is not Account.MARGIN and settings.max_borrow_usd:
        yield f'max_borrow_usd has no effect with account = "{settings.account.value}"'
    if settings.account is not Account.MARGIN and settings.borrow_bps_per_day is not None:
        yield f'borrow_bps_per_day has no effect with account = "{settings.account.value}"; nothing is borrowed'
    if settings.account is not Account.PERPETUAL:
        given = {
            "leverage": settings.leverage != 1,
            "funding_rate_bps": settings.funding_rate_bps is not None,
            "funding_rates_bps": bool(settings.funding_rates_bps),
        }
        for key in (key for key, is_given in given.items() if is_given):
            yield f'{key} has no effect with account = "{settings.account.value}"; contracts need "perpetual"'


@hookimpl
def trioarb_exchanges() -> list[ExchangeSpec]:
    return [
        ExchangeSpec(
            name="paper",
            doc="simulated fills against the venue's quotes",
            settings=PaperSettings,
            open=_open,
            warnings=_warnings,
            example={
                "account": "spot",
                "taker_fee_bps": Decimal(4),
                "latency_ms": Decimal(40),
                "inventory_usd_per_symbol": Decimal(5_000),
                "balances": {"USDT": "100000"},
            },
        )
    ]
