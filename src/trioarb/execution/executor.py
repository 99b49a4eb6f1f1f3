"""Send both legs of a pair, even out what they leave, and record how it ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from math import inf

import structlog
import trio
from msgspec.structs import replace

from trioarb.config.schema import Execution, ResidualPolicy
from trioarb.errors import VenueError
from trioarb.execution.flight import Flight, order_of
from trioarb.execution.late import correct, pair_up, residual_of_reopened, settle_late
from trioarb.execution.liquidating import Liquidator
from trioarb.execution.lives import Lives
from trioarb.execution.loop import LoopEnd
from trioarb.execution.loops import Loops, is_loop
from trioarb.execution.netting import netted
from trioarb.execution.offering import is_offered, offer, taken_along
from trioarb.execution.pair import Finish, PairState, Quote, Send, Wait, Withdraw, balanced, next_step
from trioarb.execution.quoter import Quoted, Quoter
from trioarb.execution.sender import Sender, not_sent
from trioarb.execution.settle import EndedLeg, settle
from trioarb.execution.stages import Stages
from trioarb.execution.working import is_workable
from trioarb.journal.journal import Journal
from trioarb.model.event import (
    Event,
    Intent,
    OrderFilled,
    OrderReopened,
    PairOpened,
    ResidualLeft,
    ResidualOffered,
    ResidualResolved,
    ResidualWorked,
    TransactionLeg,
    TransactionOpened,
)
from trioarb.model.fx import FxState
from trioarb.model.liquidation import Liquidation
from trioarb.model.market import Instrument
from trioarb.model.number import EXACT, ZERO
from trioarb.model.order import Order, OrderReport, OrderUpdate, Purpose, Side, TimeInForce
from trioarb.model.trade import ExitReason, Opportunity, PairKind, PairOutcome, Position
from trioarb.plugin.exchange_border import CheckedExchange
from trioarb.state.trades import OpenOrder, PairFlows, Trades
from trioarb.strategy.market import Market
from trioarb.time.campaign_time import CampaignTime, Turn, seconds_to_ns

__all__ = ["Executor", "Rest", "entry_of"]

#: A pair is shielded from the campaign's end for this much longer than its own deadlines add up to.
_MARGIN_SECONDS = 5

#: What is left of a pair for which something has to be waited for: brings it to its end, whatever its caller does.
Rest = Callable[[], Awaitable[None]]


class Executor:
    """Opens pairs and executes them, each to its end in a shielded scope with a deadline, whatever the caller does."""

    def __init__(
        self,
        *,
        campaign_id: str,
        journal: Journal,
        trades: Trades,
        venues: Mapping[str, CheckedExchange],
        instruments: Mapping[str, Mapping[str, Instrument]],
        markets: Mapping[str, Market],
        time: CampaignTime,
        settings: Execution,
        fee_value_of: Callable[[OrderFilled], Decimal | None],
        stages: Stages | None = None,
    ) -> None:
        self.order_prefix: str = f"{campaign_id}-"
        self._journal = journal
        self._trades = trades
        self._time = time
        self._settings = settings
        self._venues = venues
        self._markets = markets
        self._lives = Lives(journal, trades, instruments, fee_value_of, self._rate_of)
        self._loops = Loops(trades=trades, markets=markets, settings=settings)
        self._sender = Sender(
            journal=journal,
            trades=trades,
            lives=self._lives,
            venues=venues,
            time=time,
            settings=settings,
            hear_more=self._hear,
            stages=stages,
        )
        self._liquidator = Liquidator(
            journal=journal, trades=trades, lives=self._lives, next_order_id=self._next_order_id, settle=self._settle
        )
        #: The pairs in flight.
        self._flights: dict[str, Flight] = {}
        #: The orders on their way that are to trade residuals away.
        self._working: set[str] = set()
        self._level_ns = seconds_to_ns(settings.hedge_deadline_seconds)
        self._retry_ns = seconds_to_ns(settings.hedge_retry_ms / 1000)
        self._shields: set[trio.CancelScope] = set()
        self.hurry_until: float = inf
        #: What is sent later would not be answered before the campaign has to end, even if nobody hurries that.
        self._last_at = inf
        #: The entries that are quoted, by their pair.
        self._quoted: dict[str, Quoted] = {}
        self._quoter = Quoter(
            sender=self._sender,
            time=time,
            shields=self._shields,
            next_step=lambda flight, out_of_time: self._next(flight, out_of_time=out_of_time),
            make=self._remedy,
            level_ns=self._level_ns,
            retry_ns=self._retry_ns,
            shield_seconds=float(3 * settings.leg_timeout_seconds + _MARGIN_SECONDS),
        )

    def _next_order_id(self) -> str:
        return f"{self.order_prefix}{self._trades.orders_submitted + 1}"

    def _rate_of(self, fill: OrderFilled) -> tuple[Decimal, FxState] | None:
        """Return by which rate a fill is counted, and how good that is; ``None`` if it needs none."""
        return self._markets[fill.symbol].rated(fill.venue, fill.side, self._time.now_ns())

    def hurry(self, seconds: float | None = None) -> float:
        """Shorten the deadlines of the pairs in flight; open no exit after the new one, which is returned.

        ``seconds`` are left of them, by default as many as the configuration says.
        """
        left = float(self._settings.hurry_seconds) if seconds is None else seconds
        self.hurry_until = min(self.hurry_until, trio.current_time() + left)
        for shield in self._shields:
            shield.deadline = min(shield.deadline, self.hurry_until)
        return self.hurry_until

    @property
    def next_pair_id(self) -> str:
        """The id of the pair that is opened next."""
        return f"p{self._trades.next_number}"

    def open_entry(self, opportunity: Opportunity, *, holds: bool) -> Intent:
        """Open the pair of an entry that the guards allowed, and reserve its exposure. Call it in the same step."""
        opened = entry_of(opportunity, self._trades.next_number, holds=holds)
        self._journal.record(opened)
        return opened

    def open_quote(self, opportunity: Opportunity) -> TransactionOpened:
        """Open an entry that is to be quoted, as `open_entry` does."""
        opened = _quote_of(opportunity, self._trades.next_number)
        self._journal.record(opened)
        return opened

    def quote(self, market: Market, quoted: Quoted) -> Rest:
        """Return what quotes an entry that was opened until it is to be withdrawn, and brings it to its end.

        Cancelled, it withdraws, and ends the entry all the same.
        """
        self._quoted[quoted.opened.pair_id] = quoted
        flight = self._flights[quoted.opened.pair_id] = Flight(market, quoted.opened)
        return partial(self._keep, flight, quoted)

    def withdraw(self, *, venue: str | None = None, symbol: str | None = None) -> None:
        """Withdraw what is quoted: all of it, or entries with a leg at a venue, or of a symbol."""
        for quoted in self._quoted.values():
            opened = quoted.opened
            is_there = venue is None or any(leg.venue == venue for leg in opened.legs)
            if is_there and symbol in (None, opened.symbol):
                quoted.withdraw()

    async def _keep(self, flight: Flight, quoted: Quoted) -> None:
        (leg,) = (leg for leg in quoted.opened.legs if leg.after is None)
        try:
            order = self._order(flight, leg.venue, leg.side, leg.quantity, leg.limit or ZERO, leg.symbol)
            order = replace(order, time_in_force=leg.time_in_force, post_only=leg.post_only)
            await self._quoter.keep(flight, quoted, order)
        finally:
            del self._quoted[quoted.opened.pair_id]
            await self._finish(flight, self._quoter.withdraw)

    def end_within(self, seconds: float) -> None:
        """Let nothing begin that couldn't end within so many seconds and what pairs and late orders may take."""
        settings = self._settings
        drain = 5 * settings.leg_timeout_seconds + settings.hedge_deadline_seconds + _MARGIN_SECONDS
        end_at = trio.current_time() + float(drain) + seconds
        self.hurry_until = min(self.hurry_until, end_at)
        self._last_at = end_at - 2 * float(settings.leg_timeout_seconds)

    @property
    def has_time(self) -> bool:
        """Whether an order that is sent now can be answered, or asked for, before the campaign has to end.

        Only who hurries that cuts off what was sent.
        """
        return trio.current_time() < min(self.hurry_until, self._last_at)

    def enter(self, market: Market, opened: Intent) -> Rest | None:
        """Execute an entry that was opened, as far as nothing has to be waited for; return the rest, to be awaited."""
        return self._execute(self._flight(market, opened))

    def _flight(self, market: Market, opened: Intent) -> Flight:
        return Flight(market, opened, along=self._loops.along(opened))

    def exit(self, market: Market, position: Position, plan: Opportunity, reason: ExitReason) -> Rest | None:
        """Close the planned quantity of a position, as `enter` does.

        Nothing is sent when there is no time left for it.
        """
        if not self.has_time:
            return None
        return self._execute(self._open_exit(market, position, plan, reason))

    def write_off(self, market: Market, position: Position, plan: Opportunity, reason: ExitReason) -> None:
        """Close a position that is too small for its venues to trade as dust, without an order."""
        flight = self._open_exit(market, position, plan, reason)
        self._settle(flight, Finish(PairOutcome.FLAT, ZERO, False))

    def give_up(self, market: Market, position: Position, plan: Opportunity, reason: ExitReason) -> None:
        """Leave both legs of a position that no venue would ever close as residuals, if these are worked off."""
        if self._settings.residual_policy is ResidualPolicy.WORK:
            flight = self._open_exit(market, position, plan, reason)
            self._settle(flight, Finish(PairOutcome.RESIDUAL, ZERO, False), gives_up=True)

    async def recover(self, market: Market, flows: PairFlows) -> None:
        """Bring a pair that a crash cut off to its end. Not ended by cancellation of the caller."""
        flight = self._flights[flows.opened.pair_id] = self._flight(market, flows.opened)
        for order in self._trades.orders.values():
            if order.pair is flows:
                self._sender.take_on(flight, order_of(order.submitted))
        is_quoted = any(one.rests for one in flight.unanswered.values())
        await self._finish(flight, self._quoter.withdraw if is_quoted else self._sender.ask_all)

    async def learn(self, order: OpenOrder, turn: int) -> None:
        """Ask once what became of an order that its pair ended without; record what is learnt, and what it changes.

        ``turn`` orders those that are asked about together. Cancellation leaves everything as it is.
        """
        submitted = order.submitted
        if submitted.rests:
            await self._sender.cancel(order_of(submitted))
        report = await self._sender.ask_once(order_of(submitted))
        await self._time.turn(Turn.VENUE.order(symbol=submitted.symbol, venue=submitted.venue, number=3 + turn))
        if report is not None and submitted.client_order_id in self._trades.orders:
            self._hear_answer(order, report)

    def hear(self, venue: str, update: OrderUpdate) -> bool:
        """Record what a venue says by itself of an order, and what that changes; return whether it is one of ours.

        One that was done long ago isn't known any more.

        Raises:
            VenueError: it can't be; nothing was recorded.
        """
        order = self._trades.order(update.client_order_id)
        if order is None or order.submitted.venue != venue:
            return False
        self._venues[venue].check_fees(update, order.submitted.symbol)
        self._hear(order, update)
        return True

    def stream_is_cut(self, venue: str) -> None:
        """Have whoever waits for what a venue tells of its orders ask for them, until `stream_is_up`."""
        self._sender.stream_is_cut(venue)

    def stream_is_up(self, venue: str) -> None:
        """Let what a venue tells of its orders be waited for again."""
        self._sender.stream_is_up(venue)

    async def ask(self, order: OpenOrder) -> bool:
        """Ask once what became of an order that was acknowledged; record it, and return whether the venue knew."""
        submitted = order.submitted
        report = await self._sender.ask_once(order_of(submitted))
        await self._time.turn(Turn.VENUE.order(symbol=submitted.symbol, venue=submitted.venue, number=3))
        return report is not None and self._hear_answer(order, report)

    def _hear_answer(self, order: OpenOrder, report: OrderReport) -> bool:
        """Record what a venue answers of an order; return whether that can be, by what was heard before."""
        try:
            self._hear(order, OrderUpdate.from_report(report))
        except VenueError as error:
            structlog.get_logger("trioarb.execution").warning("order not known yet", error=str(error))
            return False
        return True

    @property
    def missing_fills(self) -> frozenset[str]:
        """The orders of which a venue counts more as filled than it told of."""
        return frozenset(self._lives.missing())

    def _hear(self, order: OpenOrder, update: OrderUpdate) -> None:
        submitted, pair = order.submitted, order.pair
        market = self._markets[submitted.symbol]
        life, events = self._lives.listen(order, update)
        for event in events:
            self._journal.record(event)
            if not isinstance(event, OrderReopened):
                continue
            if not pair.ended:
                self._sender.take_on(self._flights[submitted.pair_id], order_of(submitted))
            elif self._loops.is_cross(order):
                self._journal.record(self._loops.reopened(order))
            else:
                fx_rate = market.fx_rate(submitted.venue, submitted.side)
                self._journal.record(residual_of_reopened(order, market.base, market.usd_per_quote, fx_rate))
        self._sender.heard(order, life.status, is_done=life.is_done)
        if pair.ended and events and life.is_done:
            self._settle_late(order)

    def _settle_late(self, order: OpenOrder) -> None:
        """Record what changes now that the last word of an order has come whose pair had ended without it."""
        submitted, market = order.submitted, self._markets[order.submitted.symbol]
        residuals = self._trades.residuals.values()
        residual = next((one for one in residuals if one.client_order_id == submitted.client_order_id), None)
        changes: Sequence[Event]
        if self._loops.is_cross(order):
            changes = self._loops.settle_late(order, residual)
        else:
            changes = settle_late(
                order,
                residual,
                market.instruments[submitted.venue if residual is None else residual.venue],
                market.valued,
                market.last_valued,
                usd_per_quote=market.usd_per_quote,
            )
        for change in changes:
            self._journal.record(change)
        if changes and isinstance(changes[0], ResidualResolved):
            self._correct_trade(order, changes[0])

    def _correct_trade(self, order: OpenOrder, resolved: ResidualResolved) -> None:
        """Record what the trade of an order has come to by what was just learnt, and the position that it opened."""
        flows, trades = order.pair, self._trades
        opened, market = flows.opened, self._markets[flows.opened.symbol]
        corrected = correct(order, resolved, trades.open_position(opened.trade_id), market.usd_per_quote)
        if corrected is not None:
            self._journal.record(corrected)
        if is_loop(opened) or order.submitted.purpose is Purpose.WORK:
            return
        free = [
            one
            for one in trades.residuals.values()
            if one.pair_id == opened.pair_id and is_workable(one) and not is_offered(trades, one)
        ]
        venues = market.instruments[opened.buy_venue], market.instruments[opened.sell_venue]
        for change in pair_up(flows, free, venues, now_ns=self._time.now_ns(), usd_per_quote=market.usd_per_quote):
            self._journal.record(change)

    def settle_learnt(self) -> None:
        """Resolve residuals whose orders have their last word, of which the journal broke off before it said so."""
        for residual in tuple(self._trades.residuals.values()):
            order = self._trades.order(residual.client_order_id) if residual.client_order_id else None
            if order is not None and order.is_done:
                self._settle_late(order)

    def is_sending(self, client_order_id: str) -> bool:
        """Return whether an order that is to trade a residual away is on its way, and its answer waited for."""
        return client_order_id in self._working

    def net(self, market: Market, long: ResidualLeft, short: ResidualLeft) -> None:
        """Record that two residuals hedge each other."""
        self._journal.record(netted(long, short, market.usd_per_quote))

    def liquidate(self, market: Market, venue: str, liquidation: Liquidation) -> None:
        """Record contracts that a venue closed by force, and what that leaves, in one step."""
        self._liquidator.record(market, venue, liquidation)

    async def work(self, market: Market, residual: ResidualLeft, step: Send) -> bool:
        """Send an order that is to trade away a residual; return whether it did, in part at least.

        Not ended by cancellation of the caller. Without an answer its fate is asked for later.
        """
        flight = Flight(market, self._trades.pair_of(residual))
        order = self._remedy(flight, step)
        order_id = order.client_order_id
        self._journal.record(
            ResidualWorked(residual_id=residual.residual_id, symbol=market.symbol, client_order_id=order_id)
        )
        self._sender.submit(flight, order, step.purpose)
        known = self._trades.orders[order_id]
        longest = 3 * self._settings.leg_timeout_seconds + _MARGIN_SECONDS
        deadline = min(trio.current_time() + float(longest), self.hurry_until)
        self._working.add(order_id)
        try:
            with trio.CancelScope(shield=True, deadline=deadline) as scope:
                self._shields.add(scope)
                await self._sender.recorded(order)
                await self._sender.send_one(flight, order)
            if scope.cancelled_caught:
                self._sender.call_unknown(flight, "no answer before its time was up")
        finally:
            self._shields.discard(scope)
            self._working.discard(order_id)
            self._sender.let_go(flight)
        if known.is_done and any(one.client_order_id == order_id for one in self._trades.residuals.values()):
            self._settle_late(known)
        return bool(known.filled)

    def _open_exit(self, market: Market, position: Position, plan: Opportunity, reason: ExitReason) -> Flight:
        opened = PairOpened(
            pair_id=self.next_pair_id,
            trade_id=position.trade_id,
            kind=PairKind.EXIT,
            symbol=market.symbol,
            buy_venue=plan.route.buy_venue,
            sell_venue=plan.route.sell_venue,
            quantity=plan.quantity,
            buy_limit=plan.buy_limit,
            sell_limit=plan.sell_limit,
            reserved_usd=ZERO,
            reason=reason,
            buy_fx=market.fx_rate(plan.route.buy_venue, Side.BUY),
            sell_fx=market.fx_rate(plan.route.sell_venue, Side.SELL),
        )
        self._journal.record(opened)
        return Flight(market, opened)

    def _settle(self, flight: Flight, finish: Finish | LoopEnd, *, gives_up: bool = False) -> None:
        """Record how the pair ended: in one step with its last fill, nothing comes between."""
        market, opened = flight.market, flight.opened
        self._flights.pop(opened.pair_id, None)
        self._sender.let_go(flight)
        if isinstance(finish, LoopEnd):
            for event in self._loops.settle(flight, finish, self._time.now_ns()):
                self._journal.record(event)
            return
        flows = self._trades.pairs[opened.pair_id]
        position = self._trades.position(opened.trade_id) if opened.kind is PairKind.EXIT else None
        for taken in tuple(taken_along(self._trades, flows, market.usd_per_quote)):
            self._journal.record(taken)
        for event in settle(
            flows,
            finish,
            _ended(market, flows, position),
            position=position,
            totals=self._trades.totals[opened.trade_id],
            unknown=tuple(market.counted(self._open_part(order)) for order in flight.unanswered.values()),
            now_ns=self._time.now_ns(),
            usd_per_quote=market.usd_per_quote,
            dust_usd=self._settings.dust_usd,
            gives_up=gives_up,
        ):
            self._journal.record(event)

    def _open_part(self, order: Order) -> Order:
        """Return an order of unknown fate as far as it isn't known to have filled."""
        known = self._trades.orders[order.client_order_id]
        return replace(order, quantity=known.unfilled) if known.filled else order

    async def _finish(self, flight: Flight, begin: Callable[[Flight], Awaitable[object]]) -> None:
        """Begin, then even out the legs and settle; the deadline of the shield is the last resort."""
        longest = 4 * self._settings.leg_timeout_seconds + self._settings.hedge_deadline_seconds + _MARGIN_SECONDS
        deadline = min(trio.current_time() + float(longest), self.hurry_until)
        with trio.CancelScope(shield=True, deadline=deadline) as shield:
            self._shields.add(shield)
            try:
                await begin(flight)
                await self._level(flight)
            finally:
                self._shields.discard(shield)
        if shield.cancelled_caught:
            self._sender.call_unknown(flight, "no answer before the pair had to end")
            # A short moment more to learn the fate of orders without an answer.
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                await self._sender.ask_all(flight)
        step = self._next(flight, out_of_time=True)
        if not isinstance(step, Finish | LoopEnd):
            raise AssertionError(f"a pair that is out of time must finish, not {step}")
        self._settle(flight, step)

    def _execute(self, flight: Flight) -> Rest | None:
        """Send all legs together, once their intent is in the journal, and bring the pair to its end.

        Where it is known when they are answered, and nobody else has to go on before, nothing is waited for. Otherwise
        return what is left to be awaited.
        """
        opened, sender = flight.opened, self._sender
        self._flights[opened.pair_id] = flight
        # What the pair itself needs is claimed until its first order is submitted.
        more = [self._offer(flight, leg) for leg in opened.legs]
        orders = []
        for leg, offered in zip(opened.legs, more, strict=True):
            orders.append(self._leg_order(flight, leg, offered))
            sender.submit(flight, orders[-1], Purpose.LEG)
        begin: Callable[[Flight], Awaitable[object]]
        if not self._journal.is_durable() or not sender.expect(flight, orders):
            begin = partial(self._send_legs, legs=orders)
        elif not sender.hear_at_once(flight) or not isinstance(
            step := self._next(flight, out_of_time=False), Finish | LoopEnd
        ):
            begin = sender.hear
        else:
            self._settle(flight, step)
            return None
        return partial(self._finish, flight, begin)

    async def _send_legs(self, flight: Flight, *, legs: Sequence[Order]) -> None:
        """Send all legs together, once their intent is in the journal; without that, no entry."""
        is_recorded = await self._sender.recorded(*legs)
        if flight.opened.kind is PairKind.ENTRY and not is_recorded:
            for order in legs:
                self._sender.conclude(flight, order, not_sent(order))
            return
        await self._sender.send(flight, *legs)

    async def _level(self, flight: Flight) -> None:
        """Send orders until both legs are equal, or what is left must be or may be left."""
        deadline_ns = self._time.now_ns() + self._level_ns
        while True:
            step = self._next(flight, out_of_time=self._time.now_ns() >= deadline_ns)
            if isinstance(step, Finish | LoopEnd):
                return
            filled = ZERO
            if isinstance(step, Send):
                order = self._remedy(flight, step)
                self._sender.submit(flight, order, step.purpose)
                await self._sender.recorded(order)
                filled = await self._sender.send(flight, order)
                if not filled:
                    flight.refusals[step.symbol or step.venue] += 1
            if isinstance(step, Wait) or not filled:
                await self._time.sleep(self._retry_ns, Turn.VENUE.order(symbol=flight.market.symbol))

    def _next(self, flight: Flight, *, out_of_time: bool) -> Send | Wait | Withdraw | Finish | LoopEnd:
        market, opened = flight.market, flight.opened
        if flight.along:
            return self._loops.next_step(flight, out_of_time=out_of_time)
        flows = self._trades.pairs[opened.pair_id]
        if flows.bought == flows.sold and not flight.unanswered:
            return balanced(opened.kind, flows.bought)
        state = PairState(
            kind=opened.kind,
            bought=flows.bought,
            sold=flows.sold,
            buy=market.leg(opened.buy_venue, Side.BUY),
            sell=market.leg(opened.sell_venue, Side.SELL),
            refusals=flight.refusals,
            out_of_time=out_of_time,
            fate_unknown=any(order_id != flight.quoted for order_id in flight.unanswered),
            quote=None if flight.quoted is None else Quote(flight.stays),
        )
        return next_step(
            state,
            slippage_bps=self._settings.unwind_slippage_bps,
            exit_bps=market.exit_bps,
            dust_usd=self._settings.dust_usd,
        )

    def _leg_order(self, flight: Flight, leg: TransactionLeg, more: Decimal) -> Order:
        """Return the order of a leg: what the pair wants, down to the venue's own lot, and so much more."""
        rules = flight.market_of(leg.symbol).instruments[leg.venue].rules
        assert leg.limit is not None
        quantity = EXACT.add(rules.floor_quantity(leg.quantity), more)
        order = self._order(flight, leg.venue, leg.side, quantity, leg.limit, leg.symbol)
        if more:
            self._journal.record(
                ResidualOffered(
                    pair_id=flight.opened.pair_id,
                    symbol=order.symbol,
                    venue=leg.venue,
                    client_order_id=order.client_order_id,
                    quantity=more,
                )
            )
        return order

    def _offer(self, flight: Flight, leg: TransactionLeg) -> Decimal:
        """Return how much more the order of a pair's leg may trade, of what was left at its venue."""
        trades = self._trades
        if (not trades.residuals and not trades.dust) or self._settings.residual_policy is not ResidualPolicy.WORK:
            return ZERO
        if not isinstance(flight.opened, PairOpened) or leg.limit is None:
            return ZERO
        here = flight.market.leg(leg.venue, leg.side)
        return offer(trades, here, leg.limit, here.lots(leg.quantity))

    def _remedy(self, flight: Flight, step: Send) -> Order:
        """Return the order that a pair's next step sends: it hedges, completes, unwinds or works off."""
        return self._order(flight, step.venue, step.side, step.quantity, step.limit_price, step.symbol, urgent=True)

    def _order(
        self,
        flight: Flight,
        venue: str,
        side: Side,
        quantity: Decimal,
        limit_price: Decimal,
        symbol: str = "",
        *,
        urgent: bool = False,
    ) -> Order:
        return Order(
            client_order_id=self._next_order_id(),
            venue=venue,
            symbol=symbol or flight.market.symbol,
            side=side,
            quantity=quantity,
            limit_price=limit_price,
            urgent=urgent or flight.opened.kind is PairKind.EXIT,
        )


def entry_of(opportunity: Opportunity, number: int, *, holds: bool = True) -> Intent:
    """Return the entry that an opportunity becomes, as the pair of this number."""
    route = opportunity.route
    if opportunity.legs is not None:
        return TransactionOpened(
            pair_id=f"p{number}",
            trade_id=f"t{number}",
            kind=PairKind.ENTRY,
            symbol=route.symbol,
            legs=tuple(
                TransactionLeg(
                    venue=route.buy_venue, symbol=leg.symbol, side=leg.side, quantity=leg.quantity, limit=leg.limit
                )
                for leg in opportunity.legs
            ),
            reserved_usd=opportunity.notional_usd,
            holds=False,
        )
    return PairOpened(
        pair_id=f"p{number}",
        trade_id=f"t{number}",
        kind=PairKind.ENTRY,
        symbol=route.symbol,
        buy_venue=route.buy_venue,
        sell_venue=route.sell_venue,
        quantity=opportunity.quantity,
        buy_limit=opportunity.buy_limit,
        sell_limit=opportunity.sell_limit,
        reserved_usd=opportunity.notional_usd,
        holds=holds,
        buy_fx=None if opportunity.fx is None else opportunity.fx.buy,
        sell_fx=None if opportunity.fx is None else opportunity.fx.sell,
    )


def _quote_of(opportunity: Opportunity, number: int) -> TransactionOpened:
    """Return the entry that an opportunity which is to be quoted becomes, as the pair of this number."""
    route, quoting, quantity = opportunity.route, opportunity.quoting, opportunity.quantity
    assert quoting is not None
    leg = partial(TransactionLeg, symbol=route.symbol, quantity=quantity)
    buy = partial(leg, venue=route.buy_venue, side=Side.BUY, limit=opportunity.buy_limit)
    sell = partial(leg, venue=route.sell_venue, side=Side.SELL, limit=opportunity.sell_limit)
    first, second = (buy, sell) if quoting.venue == route.buy_venue else (sell, buy)
    return TransactionOpened(
        pair_id=f"p{number}",
        trade_id=f"t{number}",
        kind=PairKind.ENTRY,
        symbol=route.symbol,
        legs=(first(time_in_force=TimeInForce.GTC, post_only=True), second(after=0)),
        reserved_usd=opportunity.notional_usd,
    )


def _ended(market: Market, flows: PairFlows, position: Position | None) -> tuple[EndedLeg, EndedLeg]:
    """Return the legs at the end of a pair, the long one first: an exit sells where its position is long."""
    opened = flows.opened
    leg = partial(EndedLeg, touch=market.valued, last_touch=market.last_valued)
    buy = partial(
        leg,
        instrument=market.instruments[opened.buy_venue],
        flow=flows.buy,
        limit=opened.buy_limit,
        fx_rate=market.fx_rate(opened.buy_venue, Side.BUY),
    )
    sell = partial(
        leg,
        instrument=market.instruments[opened.sell_venue],
        flow=flows.sell,
        limit=opened.sell_limit,
        fx_rate=market.fx_rate(opened.sell_venue, Side.SELL),
    )
    if position is None:
        return buy(sign=1), sell(sign=-1)
    return (
        sell(sign=1, before=position.quantity, price=position.buy_price),
        buy(sign=-1, before=EXACT.minus(position.quantity), price=position.sell_price),
    )
