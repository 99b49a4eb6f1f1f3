"""Send both legs of a pair, even out what they leave, and record how it ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from math import inf

import trio

from trioarb.config.schema import Execution
from trioarb.execution.flight import Flight, Market, order_of
from trioarb.execution.pair import Finish, PairState, Send, Venue, Wait, balanced, next_step
from trioarb.execution.sender import Sender, not_sent
from trioarb.execution.settlement import settle_entry, settle_exit, settle_late
from trioarb.journal.journal import Journal
from trioarb.model.event import PairOpened
from trioarb.model.number import ZERO, ceil_to
from trioarb.model.order import Order, Purpose, Side
from trioarb.model.trade import Account, ExitReason, Opportunity, PairKind, PairOutcome, Position
from trioarb.plugin.contract import Exchange
from trioarb.state.ledger import Ledger
from trioarb.state.trades import OpenOrder, PairFlows, Trades
from trioarb.strategy.sizing import leg_lots
from trioarb.time.campaign_time import CampaignTime, Turn, seconds_to_ns

__all__ = ["Executor"]

#: A pair is shielded from the campaign's end for this much longer than its own deadlines add up to.
_MARGIN_SECONDS = 5


class Executor:
    """Executes pairs. Each runs to its end in a shielded scope with a deadline, whatever becomes of the caller."""

    def __init__(
        self,
        *,
        campaign_id: str,
        journal: Journal,
        ledger: Ledger,
        trades: Trades,
        venues: Mapping[str, Exchange],
        time: CampaignTime,
        settings: Execution,
    ) -> None:
        self.order_prefix = f"{campaign_id}-"
        self._journal = journal
        self._ledger = ledger
        self._trades = trades
        self._venues = venues
        self._time = time
        self._settings = settings
        self._sender = Sender(journal=journal, trades=trades, venues=venues, time=time, settings=settings)
        self._level_ns = seconds_to_ns(settings.hedge_deadline_seconds)
        self._retry_ns = seconds_to_ns(settings.hedge_retry_ms / 1000)
        self._shields: set[trio.CancelScope] = set()
        self.hurry_until = inf

    def hurry(self) -> float:
        """Shorten the deadlines of the pairs in flight; open no exit after the new one, which is returned."""
        self.hurry_until = min(self.hurry_until, trio.current_time() + float(self._settings.hurry_seconds))
        for shield in self._shields:
            shield.deadline = min(shield.deadline, self.hurry_until)
        return self.hurry_until

    async def enter(self, market: Market, opened: PairOpened) -> None:
        """Execute an entry that the guards allowed. Not ended by cancellation of the caller."""
        flight = Flight(market, opened)
        self._settle(flight, await self._finish(flight, self._send_legs))

    async def exit(self, market: Market, position: Position, plan: Opportunity, reason: ExitReason) -> None:
        """Close the planned quantity of a position. Not ended by cancellation of the caller.

        Nothing is sent when a hurry has no time left for it.
        """
        if trio.current_time() >= self.hurry_until:
            return
        flight = self._open_exit(market, position, plan, reason)
        self._settle(flight, await self._finish(flight, self._send_legs))

    def write_off(self, market: Market, position: Position, plan: Opportunity, reason: ExitReason) -> None:
        """Close a position that is too small for its venues to trade as dust, without an order."""
        flight = self._open_exit(market, position, plan, reason)
        self._settle(flight, Finish(PairOutcome.FLAT, ZERO, False))

    async def recover(self, market: Market, flows: PairFlows) -> None:
        """Bring a pair that a crash cut off to its end. Not ended by cancellation of the caller."""
        flight = Flight(market, flows.opened)
        for order in self._trades.orders.values():
            if order.pair is flows:
                flight.unanswered[order.submitted.client_order_id] = order_of(order.submitted)
        self._settle(flight, await self._finish(flight, self._sender.ask_all))

    async def learn(self, market: Market, order: OpenOrder, turn: int) -> None:
        """Ask once what became of an order that its pair ended without; record what is learnt, and what it changes.

        ``turn`` orders those that are asked about together. Cancellation leaves everything as it is.
        """
        report = await self._sender.ask_once(market, order_of(order.submitted))
        submitted = order.submitted
        await self._time.turn(Turn.VENUE.order(symbol=submitted.symbol, venue=submitted.venue, number=3 + turn))
        if report is None or submitted.client_order_id not in self._trades.orders:
            return
        self._sender.record_report(market, order_of(submitted), report)
        residuals = self._trades.residuals.values()
        residual = next((one for one in residuals if one.client_order_id == submitted.client_order_id), None)
        marks = market.marks(submitted.venue, submitted.venue)
        for event in settle_late(order, residual, marks, base=market.base, usd_per_quote=market.usd_per_quote):
            self._journal.record(event)

    def _open_exit(self, market: Market, position: Position, plan: Opportunity, reason: ExitReason) -> Flight:
        opened = PairOpened(
            pair_id=f"p{self._trades.next_number}",
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
        )
        self._journal.record(opened)
        return Flight(market, opened)

    def _settle(self, flight: Flight, finish: Finish) -> None:
        """Record how the pair ended: in one step with its last fill, nothing comes between."""
        market, opened = flight.market, flight.opened
        flows, unknown = self._trades.pairs[opened.pair_id], tuple(flight.unanswered.values())
        if opened.kind is PairKind.ENTRY:
            events = settle_entry(
                flows,
                finish,
                flight.marks,
                unknown=unknown,
                least_tradable=_least_tradable(market, opened),
                base=market.base,
                usd_per_quote=market.usd_per_quote,
            )
        else:
            events = settle_exit(
                self._trades.position(opened.trade_id),
                self._trades.totals[opened.trade_id],
                flows,
                finish,
                flight.marks,
                unknown=unknown,
                least_tradable=_least_tradable(market, opened),
                base=market.base,
                usd_per_quote=market.usd_per_quote,
            )
        for event in events:
            self._journal.record(event)

    async def _finish(self, flight: Flight, begin: Callable[[Flight], Awaitable[None]]) -> Finish:
        """Begin, then even out the legs; the deadline of the shield is the last resort."""
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
        if not isinstance(step, Finish):
            raise AssertionError(f"a pair that is out of time must finish, not {step}")
        return step

    async def _send_legs(self, flight: Flight) -> None:
        """Send both legs together, once their intent is in the journal; without that, no entry."""
        opened = flight.opened
        instruments = flight.market.instruments
        bought = leg_lots(opened.quantity, instruments[opened.buy_venue])
        buy = self._order(flight, opened.buy_venue, Side.BUY, bought, opened.buy_limit)
        self._sender.submit(flight, buy, Purpose.LEG)
        sold = leg_lots(opened.quantity, instruments[opened.sell_venue])
        sell = self._order(flight, opened.sell_venue, Side.SELL, sold, opened.sell_limit)
        is_recorded = await self._sender.recorded(self._sender.submit(flight, sell, Purpose.LEG))
        if opened.kind is PairKind.ENTRY and not is_recorded:
            for order in (buy, sell):
                self._sender.conclude(flight, order, not_sent(order))
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._sender.send, flight, buy)
            await self._sender.send(flight, sell)

    async def _level(self, flight: Flight) -> None:
        """Send orders until both legs are equal, or what is left must be or may be left."""
        deadline_ns = self._time.now_ns() + self._level_ns
        while True:
            step = self._next(flight, out_of_time=self._time.now_ns() >= deadline_ns)
            if isinstance(step, Finish):
                return
            filled = ZERO
            if isinstance(step, Send):
                order = self._order(flight, step.venue, step.side, step.quantity, step.limit_price)
                await self._sender.recorded(self._sender.submit(flight, order, step.purpose))
                filled = await self._sender.send(flight, order)
                if not filled:
                    flight.refusals[step.venue] += 1
            if isinstance(step, Wait) or not filled:
                await self._time.sleep(self._retry_ns, Turn.VENUE.order(symbol=flight.market.symbol))

    def _next(self, flight: Flight, *, out_of_time: bool) -> Send | Wait | Finish:
        market, opened = flight.market, flight.opened
        flows = self._trades.pairs[opened.pair_id]
        if flows.bought == flows.sold and not flight.unanswered:
            return balanced(opened.kind, flows.bought)
        state = PairState(
            kind=opened.kind,
            bought=flows.bought,
            sold=flows.sold,
            buy=self._venue(market, opened.buy_venue),
            sell=self._venue(market, opened.sell_venue),
            refusals=flight.refusals,
            out_of_time=out_of_time,
            fate_unknown=bool(flight.unanswered),
        )
        return next_step(state, slippage_bps=self._settings.unwind_slippage_bps, exit_bps=market.exit_bps)

    def _venue(self, market: Market, name: str) -> Venue:
        instrument, touch, exchange = market.instruments[name], market.board.touch(name), self._venues[name]
        sellable = self._ledger.free(name, instrument.base)
        if exchange.account is Account.MARGIN and touch is not None:
            sellable += exchange.max_borrow_usd / (touch.bid * market.usd_per_quote)
        return Venue(
            instrument=instrument,
            touch=touch,
            sellable=sellable,
            free_quote=self._ledger.free(name, instrument.quote),
        )

    def _order(self, flight: Flight, venue: str, side: Side, quantity: Decimal, limit_price: Decimal) -> Order:
        return Order(
            client_order_id=f"{self.order_prefix}{self._trades.orders_submitted + 1}",
            venue=venue,
            symbol=flight.market.symbol,
            side=side,
            quantity=quantity,
            limit_price=limit_price,
        )


def _least_tradable(market: Market, opened: PairOpened) -> Decimal:
    """Return the smallest quantity of which both venues would take their leg at the pair's limits."""
    buy, sell = market.instruments[opened.buy_venue], market.instruments[opened.sell_venue]
    return max(
        buy.rules.lot_size,
        sell.rules.lot_size,
        ceil_to(buy.rules.min_notional / opened.buy_limit, buy.rules.lot_size),
        ceil_to(sell.rules.min_notional / opened.sell_limit, sell.rules.lot_size),
    )
