"""Send both legs of a pair, even out what they leave, and record how it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from math import inf

import attrs
import structlog
import trio

from trioarb.clock.service import CampaignTime, seconds_to_ns
from trioarb.config.schema import Execution
from trioarb.errors import OrderRejected as VenueRejected
from trioarb.errors import VenueError
from trioarb.execution.pair import Finish, PairState, Send, Venue, Wait, next_step
from trioarb.execution.settlement import Marks, settle_entry, settle_exit
from trioarb.journal.journal import Journal
from trioarb.journal.ledger import Ledger
from trioarb.journal.trades import Trades
from trioarb.market.book import QuoteBoard, Touch
from trioarb.model.event import (
    OrderAcknowledged,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
    OrderUnknown,
    PairOpened,
)
from trioarb.model.market import Instrument
from trioarb.model.number import EXACT, ZERO
from trioarb.model.order import Order, OrderReport, OrderStatus, Purpose, Side
from trioarb.model.trade import Account, ExitReason, Opportunity, PairKind, PairOutcome, Position
from trioarb.plugin.contract import Exchange
from trioarb.strategy.sizing import common_step, funds_needed

__all__ = ["Executor", "Market"]

#: Orders act after market data and before symbol tasks that are due at the same nanosecond.
_ORDER = 1

#: A pair is shielded from the campaign's end for this much longer than its own deadlines add up to.
_MARGIN_SECONDS = 5


@attrs.frozen(kw_only=True)
class Market:
    """One symbol: its instruments by venue, its quotes, and the value of its quote asset."""

    symbol: str
    instruments: Mapping[str, Instrument]
    board: QuoteBoard
    usd_per_quote: Decimal
    exit_bps: Decimal

    @property
    def base(self) -> str:
        return next(iter(self.instruments.values())).base


@attrs.define
class _Pair:
    """A pair in flight: what the venues refused, and the orders whose fate is not known (yet)."""

    market: Market
    opened: PairOpened
    refusals: Counter[str] = attrs.field(factory=Counter)
    unanswered: dict[str, Order] = attrs.field(factory=dict)


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
        self._campaign_id = campaign_id
        self._journal = journal
        self._ledger = ledger
        self._trades = trades
        self._venues = venues
        self._time = time
        self._settings = settings
        self._leg_timeout_ns = seconds_to_ns(settings.leg_timeout_seconds)
        self._level_ns = seconds_to_ns(settings.hedge_deadline_seconds)
        self._retry_ns = seconds_to_ns(settings.hedge_retry_ms / 1000)
        self._shields: set[trio.CancelScope] = set()
        self.hurry_until = inf
        self._log = structlog.get_logger("trioarb.execution")

    def hurry(self) -> float:
        """Shorten the deadlines of the pairs in flight; open no exit after the new one, which is returned."""
        self.hurry_until = min(self.hurry_until, trio.current_time() + float(self._settings.hurry_seconds))
        for shield in self._shields:
            shield.deadline = min(shield.deadline, self.hurry_until)
        return self.hurry_until

    async def enter(self, market: Market, opened: PairOpened) -> None:
        """Execute an entry that the guards allowed. Not ended by cancellation of the caller."""
        pair = _Pair(market, opened)
        finish = await self._run(pair)
        for event in settle_entry(
            self._trades.pairs[opened.pair_id],
            finish,
            self._marks(pair),
            unknown=tuple(pair.unanswered.values()),
            least_tradable=_least_tradable(market, opened),
            base=market.base,
            usd_per_quote=market.usd_per_quote,
        ):
            self._journal.record(event)

    async def exit(self, market: Market, position: Position, plan: Opportunity, reason: ExitReason) -> None:
        """Close the planned quantity of a position. Not ended by cancellation of the caller.

        Nothing is sent when a hurry has no time left for it.
        """
        if trio.current_time() >= self.hurry_until:
            return
        pair = self._open_exit(market, position, plan, reason)
        finish = await self._run(pair)
        self._settle_exit(pair, position, finish, reason)

    def write_off(self, market: Market, position: Position, plan: Opportunity, reason: ExitReason) -> None:
        """Close a position that is too small for its venues to trade as dust, without an order."""
        pair = self._open_exit(market, position, plan, reason)
        self._settle_exit(pair, position, Finish(PairOutcome.FLAT, ZERO, False), reason)

    def _open_exit(self, market: Market, position: Position, plan: Opportunity, reason: ExitReason) -> _Pair:
        opened = PairOpened(
            pair_id=f"p{self._trades.pairs_opened + 1}",
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
        return _Pair(market, opened)

    def _settle_exit(self, pair: _Pair, position: Position, finish: Finish, reason: ExitReason) -> None:
        market = pair.market
        for event in settle_exit(
            position,
            self._trades.totals[position.trade_id],
            self._trades.pairs[pair.opened.pair_id],
            finish,
            self._marks(pair),
            unknown=tuple(pair.unanswered.values()),
            reason=reason,
            least_tradable=_least_tradable(market, pair.opened),
            base=market.base,
            usd_per_quote=market.usd_per_quote,
        ):
            self._journal.record(event)

    async def _run(self, pair: _Pair) -> Finish:
        """Send the legs and even them out; the deadline of the shield is the last resort."""
        longest = 4 * self._settings.leg_timeout_seconds + self._settings.hedge_deadline_seconds + _MARGIN_SECONDS
        deadline = min(trio.current_time() + float(longest), self.hurry_until)
        with trio.CancelScope(shield=True, deadline=deadline) as shield:
            self._shields.add(shield)
            try:
                legs = (
                    self._submit(pair, self._leg(pair, Side.BUY), Purpose.LEG),
                    self._submit(pair, self._leg(pair, Side.SELL), Purpose.LEG),
                )
                async with trio.open_nursery() as nursery:
                    for order in legs:
                        nursery.start_soon(self._send, pair, order)
                await self._level(pair)
            finally:
                self._shields.discard(shield)
        if shield.cancelled_caught:
            await self._ask_a_last_time(pair)
        step = self._next(pair, out_of_time=True)
        if not isinstance(step, Finish):
            raise AssertionError(f"a pair that is out of time must finish, not {step}")
        return step

    async def _level(self, pair: _Pair) -> None:
        """Send orders until both legs are equal, or what is left must be or may be left."""
        deadline_ns = self._time.now_ns() + self._level_ns
        while True:
            step = self._next(pair, out_of_time=self._time.now_ns() >= deadline_ns)
            if isinstance(step, Finish):
                return
            filled = ZERO
            if isinstance(step, Send):
                order = self._submit(
                    pair,
                    Order(
                        client_order_id=self._next_order_id(),
                        venue=step.venue,
                        symbol=pair.market.symbol,
                        side=step.side,
                        quantity=step.quantity,
                        limit_price=step.limit_price,
                    ),
                    step.purpose,
                )
                filled = await self._send(pair, order)
                if not filled:
                    pair.refusals[step.venue] += 1
            if isinstance(step, Wait) or not filled:
                await self._time.sleep(self._retry_ns, (_ORDER, pair.market.symbol, "", 0))

    def _next(self, pair: _Pair, *, out_of_time: bool) -> Send | Wait | Finish:
        flows = self._trades.pairs[pair.opened.pair_id]
        market, opened = pair.market, pair.opened
        state = PairState(
            kind=opened.kind,
            bought=flows.bought,
            sold=flows.sold,
            buy=self._venue(market, opened.buy_venue),
            sell=self._venue(market, opened.sell_venue),
            refusals=pair.refusals,
            out_of_time=out_of_time,
            fate_unknown=bool(pair.unanswered),
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

    def _leg(self, pair: _Pair, side: Side) -> Order:
        opened = pair.opened
        return Order(
            client_order_id=self._next_order_id(),
            venue=opened.buy_venue if side is Side.BUY else opened.sell_venue,
            symbol=opened.symbol,
            side=side,
            quantity=opened.quantity,
            limit_price=opened.buy_limit if side is Side.BUY else opened.sell_limit,
        )

    def _next_order_id(self) -> str:
        return f"{self._campaign_id}-{self._trades.orders_submitted + 1}"

    def _submit(self, pair: _Pair, order: Order, purpose: Purpose) -> Order:
        """Record the order before it is sent."""
        instrument = pair.market.instruments[order.venue]
        asset, locked = funds_needed(instrument, order.side, quantity=order.quantity, limit_price=order.limit_price)
        self._journal.record(
            OrderSubmitted(
                client_order_id=order.client_order_id,
                pair_id=pair.opened.pair_id,
                purpose=purpose,
                venue=order.venue,
                symbol=order.symbol,
                side=order.side,
                quantity=order.quantity,
                limit_price=order.limit_price,
                locked_asset=asset,
                locked=locked,
            )
        )
        pair.unanswered[order.client_order_id] = order
        return order

    async def _send(self, pair: _Pair, order: Order) -> Decimal:
        """Send a recorded order and record its outcome; return what was filled.

        An order without an answer is never sent again: the venue is asked what became of it.
        """
        venue = self._venues[order.venue]
        problem = f"no answer within {self._settings.leg_timeout_seconds:f} s"
        report: OrderReport | None = None
        with self._answer_by(self._leg_timeout_ns):
            try:
                report = await venue.submit(order)
            except VenueRejected as error:
                report = _rejection(order, str(error))
            except VenueError as error:
                problem = str(error)
            except Exception as error:
                # A bug in an exchange plugin must not leave a leg behind: its order may be at the venue.
                self._log.exception("exchange plugin raised", venue=order.venue, order=order.client_order_id)
                problem = f"{type(error).__name__}: {error}"
        if report is not None and (nonsense := self._nonsense(pair, order, report)):
            report, problem = None, nonsense
        # Legs that are answered, or time out, together wake together; each takes its turn.
        await self._time.sleep(0, (_ORDER, order.symbol, order.venue, 2))
        if report is None:
            self._journal.record(OrderUnknown(client_order_id=order.client_order_id, reason=problem))
            report = await self._ask(pair, order, until_ns=self._time.now_ns() + self._leg_timeout_ns)
            await self._time.sleep(0, (_ORDER, order.symbol, order.venue, 2))
        return ZERO if report is None else self._conclude(pair, order, report)

    async def _ask(self, pair: _Pair, order: Order, *, until_ns: int) -> OrderReport | None:
        """Ask the venue what became of an order until it knows; ``None``: time ran out."""
        venue = self._venues[order.venue]
        with trio.CancelScope(deadline=self._time.deadline(until_ns)):
            while True:
                try:
                    report = await venue.order(order.client_order_id)
                except Exception as error:
                    problem = str(error)
                else:
                    if report is None:
                        return _rejection(order, "never reached the venue")
                    problem = self._nonsense(pair, order, report)
                    if not problem:
                        return report
                self._log.warning("order not known yet", order=order.client_order_id, venue=order.venue, error=problem)
                await self._time.sleep(self._retry_ns, (_ORDER, order.symbol, order.venue, 1))
        return None

    async def _ask_a_last_time(self, pair: _Pair) -> None:
        """After the shield's deadline: a short moment to learn the fate of orders without an answer."""
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
            for order in tuple(pair.unanswered.values()):
                report = await self._ask(pair, order, until_ns=self._time.now_ns() + self._leg_timeout_ns)
                if report is not None:
                    self._conclude(pair, order, report)

    def _conclude(self, pair: _Pair, order: Order, report: OrderReport) -> Decimal:
        """Record the final report of an order."""
        order_id, instrument = order.client_order_id, pair.market.instruments[order.venue]
        del pair.unanswered[order_id]
        if report.status is OrderStatus.REJECTED:
            pair.refusals[order.venue] += 1
            self._journal.record(OrderRejected(client_order_id=order_id, reason=report.reason))
            return ZERO
        self._journal.record(OrderAcknowledged(client_order_id=order_id, venue_order_id=report.venue_order_id))
        for fill in report.fills:
            self._journal.record(
                OrderFilled(
                    client_order_id=order_id,
                    fill_id=fill.fill_id,
                    venue=order.venue,
                    symbol=order.symbol,
                    side=order.side,
                    base=instrument.base,
                    quote=instrument.quote,
                    quantity=fill.quantity,
                    price=fill.price,
                    fee=fill.fee,
                    fee_asset=fill.fee_asset,
                )
            )
        unfilled = EXACT.subtract(order.quantity, report.filled)
        if unfilled:
            self._journal.record(OrderCancelled(client_order_id=order_id, unfilled=unfilled))
        return report.filled

    def _nonsense(self, pair: _Pair, order: Order, report: OrderReport) -> str:
        """Return why a venue's report can't be true of the order, or ''."""
        instrument = pair.market.instruments[order.venue]
        if report.client_order_id != order.client_order_id:
            return f"the venue answered for another order, {report.client_order_id}"
        if report.filled > order.quantity:
            return f"the venue reports {report.filled} filled of {order.quantity}"
        if report.status is OrderStatus.REJECTED and report.fills:
            return "the venue reports fills of an order that it rejected"
        if len({fill.fill_id for fill in report.fills}) < len(report.fills):
            return "the venue reports one fill twice"
        for fill in report.fills:
            if fill.quantity <= 0 or fill.price <= 0:
                return f"the venue reports a fill of {fill.quantity} at {fill.price}"
            if fill.fee_asset not in (instrument.base, instrument.quote):
                return f"the venue took a fee in {fill.fee_asset}, which is neither base nor quote asset"
        return ""

    def _answer_by(self, timeout_ns: int) -> trio.CancelScope:
        return trio.CancelScope(deadline=self._time.deadline(self._time.now_ns() + timeout_ns))

    def _marks(self, pair: _Pair) -> Marks:
        buy: Touch | None = pair.market.board.touch(pair.opened.buy_venue)
        sell: Touch | None = pair.market.board.touch(pair.opened.sell_venue)
        return Marks(
            buy_bid=buy.bid if buy else None,
            buy_ask=buy.ask if buy else None,
            sell_bid=sell.bid if sell else None,
            sell_ask=sell.ask if sell else None,
        )


def _rejection(order: Order, reason: str) -> OrderReport:
    return OrderReport(
        client_order_id=order.client_order_id, venue_order_id="", status=OrderStatus.REJECTED, reason=reason
    )


def _least_tradable(market: Market, opened: PairOpened) -> Decimal:
    """Return the smallest quantity that both venues would take at the pair's limits."""
    buy, sell = market.instruments[opened.buy_venue], market.instruments[opened.sell_venue]
    return max(
        common_step(buy, sell),
        buy.rules.min_notional / opened.buy_limit,
        sell.rules.min_notional / opened.sell_limit,
    )
