"""Send one order, and learn what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import structlog
import trio

from trioarb.config.schema import Execution
from trioarb.errors import OrderRejected as VenueRejected
from trioarb.errors import PluginFault, VenueError
from trioarb.execution.flight import Flight
from trioarb.execution.lives import Lives
from trioarb.execution.stages import Stages
from trioarb.journal.journal import Journal
from trioarb.model.event import OrderSubmitted, OrderUnknown
from trioarb.model.market import Instrument
from trioarb.model.number import ZERO, text
from trioarb.model.order import Order, OrderReport, OrderStatus, OrderUpdate, Purpose, TimeInForce
from trioarb.model.trade import PairKind
from trioarb.plugin.exchange_border import CheckedExchange
from trioarb.state.funds import funds_needed
from trioarb.state.trades import OpenOrder, Trades
from trioarb.time.campaign_time import Bell, CampaignTime, Turn, seconds_to_ns

__all__ = ["Sender", "intent_of", "not_sent"]


class Sender:
    """Records orders before they go out, sends them, and records what the venues say of them.

    ``hear_more`` records what a venue says of an order that is done already, and what that changes. ``stages`` are told
    of how far orders are, in real time.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        trades: Trades,
        lives: Lives,
        venues: Mapping[str, CheckedExchange],
        time: CampaignTime,
        settings: Execution,
        hear_more: Callable[[OpenOrder, OrderUpdate], None],
        stages: Stages | None,
    ) -> None:
        self._hear_more = hear_more
        self._stages = stages
        self._journal = journal
        self._trades = trades
        self._lives = lives
        self._venues = venues
        self._time = time
        self._leg_timeout_seconds = settings.leg_timeout_seconds
        self._leg_timeout_ns = seconds_to_ns(settings.leg_timeout_seconds)
        self._retry_ns = seconds_to_ns(settings.hedge_retry_ms / 1000)
        #: The pairs in flight whose orders were not done yet, by order; and who waits for updates of which.
        self._flights: dict[str, Flight] = {}
        self._waiting: dict[str, Bell] = {}
        #: Venues whose streams are cut, and which orders' updates are waited for, at which venue.
        self._cut: set[str] = set()
        self._listened_for: dict[str, str] = {}
        self._log = structlog.get_logger("trioarb.execution")

    def submit(self, flight: Flight, order: Order, purpose: Purpose) -> None:
        """Record the order before it is sent."""
        instrument, durable = flight.market_of(order.symbol).instruments[order.venue], not self._journal.is_failing
        opens = flight.opened.kind is PairKind.ENTRY and purpose in (Purpose.LEG, Purpose.HEDGE)
        self._journal.record(intent_of(order, instrument, flight.opened.pair_id, purpose, durable=durable, opens=opens))
        self.take_on(flight, order)

    def take_on(self, flight: Flight, order: Order) -> None:
        """Count what is heard of an order that was recorded to its pair."""
        flight.unanswered[order.client_order_id] = order
        self._flights[order.client_order_id] = flight

    def let_go(self, flight: Flight) -> None:
        """Count nothing to a pair any more that has ended."""
        for order_id in flight.unanswered:
            self._flights.pop(order_id, None)

    async def recorded(self, *orders: Order) -> bool:
        """Wait until the intents of orders, and all before, are safely in the journal; return whether they are, within
        the time of an answer.
        """
        is_durable = self._journal.is_durable()
        if not is_durable:
            with self._answer_by(self._leg_timeout_ns):
                is_durable = await self._journal.durable()
        if is_durable and self._stages is not None:
            self._stages.durable(orders)
        return is_durable

    def expect(self, flight: Flight, orders: Sequence[Order]) -> bool:
        """Send recorded orders of which is known when they are answered, all or none; say whether it is."""
        now_ns = self._time.now_ns()
        expected = []
        for order in orders:
            at_ns = self._venues[order.venue].answers_at_ns(order)
            if at_ns is None or at_ns >= now_ns + self._leg_timeout_ns:
                return False
            expected.append((at_ns, order.venue, order))
        if self._stages is not None:
            self._stages.durable(orders)
            for order in orders:
                self._stages.sent(order)
        flight.expected = sorted(expected, key=lambda one: (one[0], one[2].symbol, one[1]))
        return True

    def hear_at_once(self, flight: Flight) -> bool:
        """Record the answers that are expected; say whether all came before anybody else had to go on."""
        expected = flight.expected
        while expected:
            at_ns, venue, order = expected[0]
            if not self._time.pass_to(at_ns, Turn.VENUE.order(symbol=order.symbol, venue=venue)):
                return False
            del expected[0]
            if self._hear(flight, order) is None:
                return False
        return True

    async def hear(self, flight: Flight) -> Decimal:
        """Wait for the answers that are expected, and record them; return what was filled. Asks for those that fail."""
        filled, expected = ZERO, flight.expected
        while expected:
            at_ns, venue, order = expected[0]
            turn = Turn.VENUE.order(symbol=order.symbol, venue=venue)
            if not self._time.pass_to(at_ns, turn):
                await self._time.sleep_until(at_ns, turn)
            del expected[0]
            filled += self._hear(flight, order) or ZERO
        for order in tuple(flight.unanswered.values()):
            await self.find_out(flight, order)
            filled += self._filled(order)
        return filled

    def _hear(self, flight: Flight, order: Order) -> Decimal | None:
        """Record an answer whose time has come; return what was filled, ``None`` if it was none."""
        try:
            try:
                report = self._venues[order.venue].answer(order)
            except VenueRejected as error:
                report = _rejection(order, str(error))
            return self.conclude(flight, order, report)
        except (VenueError, PluginFault) as error:
            # A bug in an exchange plugin must not leave a leg behind: its order may be at the venue.
            self._log.warning("no answer to an order", venue=order.venue, order=order.client_order_id, error=str(error))
            self._journal.record(OrderUnknown(client_order_id=order.client_order_id, reason=str(error)))
            return None

    async def send(self, flight: Flight, *orders: Order) -> Decimal:
        """Send recorded orders together and record their outcome; return what was filled.

        An order without an answer is never sent again: the venue is asked what became of it.
        """
        if self.expect(flight, orders):
            return await self.hear(flight)
        filled = ZERO

        async def send(order: Order) -> None:
            nonlocal filled
            part = await self._send(flight, order)
            filled += part

        async with trio.open_nursery() as nursery:
            for order in orders[:-1]:
                nursery.start_soon(send, order)
            await send(orders[-1])
        last = orders[-1]
        await self._time.pick_up(Turn.VENUE.order(symbol=last.symbol, venue=last.venue, number=5))
        return filled

    async def send_one(self, flight: Flight, order: Order) -> None:
        """Send a recorded order and record its outcome, as `send` does; nothing comes between that and the return."""
        if self.expect(flight, (order,)):
            await self.hear(flight)
        else:
            await self._send(flight, order)

    async def place(self, flight: Flight, order: Order, bell: Bell) -> bool:
        """Send a recorded order that is to rest; return whether its venue has it, and it is not done.

        From then on ``bell`` is rung at what is heard of it, until `let_rest`.
        """
        self._waiting[order.client_order_id] = bell
        report, problem = await self._place(order)
        if report is not None:
            try:
                self.conclude(flight, order, report)
            except VenueError as error:
                problem = str(error)
            else:
                return order.client_order_id in flight.unanswered
        if order.client_order_id in flight.unanswered:  # else its updates told all of it meanwhile
            self._journal.record(OrderUnknown(client_order_id=order.client_order_id, reason=problem))
        return False

    def let_rest(self, order: Order) -> None:
        """Ring nobody any more at what is heard of an order that rests."""
        self._waiting.pop(order.client_order_id, None)

    async def withdraw(self, flight: Flight, order: Order) -> None:
        """Have an order that rests cancelled, and learn its last word, or that its fate is unknown."""
        order_id, streams = order.client_order_id, self._venues[order.venue].streams
        turn = Turn.VENUE.order(symbol=order.symbol, venue=order.venue, number=2)
        until_ns = self._time.now_ns() + 2 * self._leg_timeout_ns
        await self._time.turn(turn)  # what the campaign's end wakes together goes to the venue in order
        while order_id in flight.unanswered and self._time.now_ns() < until_ns:
            is_asked = await self.cancel(order)
            await self._time.turn(turn)
            if is_asked and streams:
                await self._hear_on(flight, order, min(until_ns, self._time.now_ns() + self._leg_timeout_ns // 2))
            if order_id in flight.unanswered:
                report = await self.ask_once(order)
                await self._time.turn(turn)
                if report is not None:
                    self._conclude_asked(flight, order, report)
            if order_id in flight.unanswered:
                await self._time.sleep(self._retry_ns, turn)
        if order_id in flight.unanswered and not self._trades.orders[order_id].is_unknown:
            problem = f"no last word within {text(2 * self._leg_timeout_seconds)} s after it was to be cancelled"
            self._journal.record(OrderUnknown(client_order_id=order_id, reason=problem))

    async def cancel(self, order: Order) -> bool:
        """Ask a venue to cancel an order; return whether it took the request."""
        problem = f"no answer within {text(self._leg_timeout_seconds)} s"
        with self._answer_by(self._leg_timeout_ns):
            try:
                await self._venues[order.venue].cancel(order.client_order_id)
            except (VenueError, PluginFault) as error:
                problem = str(error)
            else:
                return True
        self._log.warning("order not cancelled yet", order=order.client_order_id, venue=order.venue, error=problem)
        return False

    async def _place(self, order: Order) -> tuple[OrderReport | None, str]:
        """Send an order; return what its venue says of it, or why there is no answer."""
        venue = self._venues[order.venue]
        problem = f"no answer within {text(self._leg_timeout_seconds)} s"
        report: OrderReport | None = None
        if self._stages is not None:
            self._stages.sent(order)
        with self._answer_by(self._leg_timeout_ns):
            try:
                report = await venue.place(order)
            except VenueRejected as error:
                report = _rejection(order, str(error))
            except VenueError as error:
                problem = str(error)
            except PluginFault as error:
                # A bug in an exchange plugin must not leave a leg behind: its order may be at the venue.
                self._log.exception("exchange plugin failed", venue=order.venue, order=order.client_order_id)
                problem = str(error)
        # Legs that are answered, or time out, together wake together; each takes its turn.
        await self._time.turn(Turn.VENUE.order(symbol=order.symbol, venue=order.venue, number=2))
        return report, problem

    async def _send(self, flight: Flight, order: Order) -> Decimal:
        until_ns = self._time.now_ns() + self._leg_timeout_ns
        report, problem = await self._place(order)
        if report is not None:
            try:
                self.conclude(flight, order, report)
            except VenueError as error:
                problem = str(error)
            else:
                problem = f"no last word within {text(self._leg_timeout_seconds)} s"
                if order.client_order_id in flight.unanswered and await self._says_itself(flight, order, until_ns):
                    await self.find_out(flight, order)
        if order.client_order_id in flight.unanswered:
            self._journal.record(OrderUnknown(client_order_id=order.client_order_id, reason=problem))
            await self.find_out(flight, order)
        return self._filled(order)

    def stream_is_cut(self, venue: str) -> None:
        """Wait for no updates of a venue's orders until `stream_is_up`: whoever does now asks instead."""
        self._cut.add(venue)
        for order_id, at in self._listened_for.items():
            if at == venue:
                self._waiting[order_id].ring()

    def stream_is_up(self, venue: str) -> None:
        """Wait for a venue's updates again."""
        self._cut.discard(venue)

    async def _says_itself(self, flight: Flight, order: Order, until_ns: int) -> bool:
        """Let the venue tell what becomes of an order that it has; return whether it is to be asked about the rest.

        That is so where it tells of no order by itself, where what it tells is cut, and where it counts more than it
        told. An order of which no last word comes in time has an unknown fate, and isn't done when this returns False
        either.
        """
        if not self._venues[order.venue].streams:
            return True
        await self._hear_on(flight, order, until_ns)
        return order.venue in self._cut or order.client_order_id in self._lives.missing()

    async def _hear_on(self, flight: Flight, order: Order, until_ns: int) -> None:
        """Wait for updates of an order that the venue has, until it is done, its time is over, or they are cut."""
        order_id = order.client_order_id
        bell = self._time.bell(Turn.VENUE.order(symbol=order.symbol, venue=order.venue, number=2))
        self._waiting[order_id] = bell
        self._listened_for[order_id] = order.venue
        try:
            while order_id in flight.unanswered and order.venue not in self._cut and self._time.now_ns() < until_ns:
                await bell.wait(until_ns)
                if order_id in self._lives.missing():
                    # What the venue counts and didn't tell may still come; it is asked for once it should have.
                    until_ns = min(until_ns, self._time.now_ns() + self._retry_ns)
        finally:
            del self._waiting[order_id], self._listened_for[order_id]

    async def find_out(self, flight: Flight, order: Order) -> None:
        """Ask what became of an order that has no last word, until it has one or the time for it is over."""
        until_ns, pause_ns = self._time.now_ns() + self._leg_timeout_ns, 0
        while order.client_order_id in flight.unanswered:
            report = await self._ask_in_time(order, until_ns, pause_ns)
            await self._time.turn(Turn.VENUE.order(symbol=order.symbol, venue=order.venue, number=2))
            if report is None:
                return
            self._conclude_asked(flight, order, report)
            pause_ns = self._retry_ns

    def call_unknown(self, flight: Flight, reason: str) -> None:
        """Record of the orders without an answer that there was none, where that is not recorded yet."""
        for order_id in flight.unanswered:
            if not self._trades.orders[order_id].is_unknown:
                self._journal.record(OrderUnknown(client_order_id=order_id, reason=reason))

    async def ask_all(self, flight: Flight) -> None:
        """Ask what became of the orders without an answer, one after the other; record what is learnt."""
        for order in tuple(flight.unanswered.values()):
            until_ns, pause_ns = self._time.now_ns() + self._leg_timeout_ns, 0
            while order.client_order_id in flight.unanswered:
                report = await self._ask_in_time(order, until_ns, pause_ns)
                if report is None:
                    break
                self._conclude_asked(flight, order, report)
                pause_ns = self._retry_ns

    async def ask_once(self, order: Order, *, again: bool = False) -> OrderReport | None:
        """Ask the venue what became of an order; ``None``: it doesn't know now.

        An order that never reached the venue comes back as a rejection. ``again``: the log has warned of it a moment
        ago.
        """
        problem = f"no answer within {text(self._leg_timeout_seconds)} s"
        with self._answer_by(self._leg_timeout_ns):
            try:
                report = await self._venues[order.venue].order(order.client_order_id, order)
            except (VenueError, PluginFault) as error:
                problem = str(error)
            else:
                return _rejection(order, "never reached the venue") if report is None else report
        say = self._log.debug if again else self._log.warning
        say("order not known yet", order=order.client_order_id, venue=order.venue, error=problem)
        return None

    async def _ask_in_time(self, order: Order, until_ns: int, pause_ns: int) -> OrderReport | None:
        """Ask the venue what became of an order, after a pause, until it knows; ``None``: time ran out."""
        turn = Turn.VENUE.order(symbol=order.symbol, venue=order.venue, number=1)
        with trio.CancelScope(deadline=self._time.deadline(until_ns)):
            if pause_ns:
                await self._time.sleep(pause_ns, turn)
            again = False
            while True:
                report = await self.ask_once(order, again=again)
                if report is not None:
                    return report
                again = True
                await self._time.sleep(self._retry_ns, turn)
        return None

    def _conclude_asked(self, flight: Flight, order: Order, report: OrderReport) -> None:
        try:
            self.conclude(flight, order, report)
        except VenueError as error:
            self._log.warning("order not known yet", order=order.client_order_id, venue=order.venue, error=str(error))

    def conclude(self, flight: Flight, order: Order, report: OrderReport) -> Decimal:
        """Record what a venue reports of an order, as far as the journal doesn't hold it yet; return what is filled.

        Raises:
            Contradiction: it can't be, by what was heard before.
        """
        known = self._trades.order(order.client_order_id)
        assert known is not None
        if known.is_done:
            # Its updates told its last word while this was asked for; with more fills it was not the last, and its pair
            # may have ended since.
            self._hear_more(known, OrderUpdate.from_report(report))
            return known.filled
        life = self._lives.hear(known, OrderUpdate.from_report(report))
        if life.is_done:
            self._end(flight, order.client_order_id, life.status)
        return life.filled

    def heard(self, order: OpenOrder, status: OrderStatus, *, is_done: bool) -> None:
        """Take note of what was recorded of an order whose venue said something by itself; wake who waits for it."""
        order_id = order.submitted.client_order_id
        flight = self._flights.get(order_id)
        if flight is not None and is_done:
            self._end(flight, order_id, status)
        if order_id in self._waiting:
            self._waiting[order_id].ring()

    def _end(self, flight: Flight, order_id: str, status: OrderStatus) -> None:
        """Note that an order of a pair in flight is done."""
        self._flights.pop(order_id, None)
        order = flight.unanswered.pop(order_id, None)
        if order is not None and status is OrderStatus.REJECTED:
            flight.refusals[order.venue] += 1

    def _filled(self, order: Order) -> Decimal:
        known = self._trades.order(order.client_order_id)
        return ZERO if known is None else known.filled

    def _answer_by(self, timeout_ns: int) -> trio.CancelScope:
        return trio.CancelScope(deadline=self._time.deadline(self._time.now_ns() + timeout_ns))


def intent_of(
    order: Order,
    instrument: Instrument,
    pair_id: str,
    purpose: Purpose,
    *,
    durable: bool = True,
    opens: bool = True,
) -> OrderSubmitted:
    """Return the event that records an order before it is sent, and locks what it may cost."""
    asset, locked = funds_needed(
        instrument, order.side, quantity=order.quantity, limit_price=order.limit_price, opens=opens
    )
    return OrderSubmitted(
        client_order_id=order.client_order_id,
        pair_id=pair_id,
        purpose=purpose,
        venue=order.venue,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        limit_price=order.limit_price,
        locked_asset=asset,
        locked=locked,
        durable=durable,
        time_in_force=None if order.time_in_force is TimeInForce.IOC else order.time_in_force,
        post_only=order.post_only or None,
    )


def not_sent(order: Order) -> OrderReport:
    """Return the report of an order that was kept back, since its intent can't be written down."""
    return _rejection(order, "not sent: the journal can't be written")


def _rejection(order: Order, reason: str) -> OrderReport:
    return OrderReport(
        client_order_id=order.client_order_id, venue_order_id="", status=OrderStatus.REJECTED, reason=reason
    )
