"""An exchange that is open: sent orders, asked, held against its balances, and listened to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs
import trio

from trioarb.api import (
    EXACT,
    ZERO,
    Account,
    Fill,
    Instrument,
    Order,
    OrderRejected,
    OrderReport,
    OrderUpdate,
    Side,
    TimeInForce,
    VenueError,
    text,
)
from trioarb.plugin.exchange_border import CheckedExchange
from trioarb.testing.conformance.case import Failed, expect, not_offered
from trioarb.testing.conformance.stage import Level, Stage, Trouble
from trioarb.testing.conformance.subject import ANSWER_SECONDS

if TYPE_CHECKING:
    from trioarb.testing.conformance.exchange_trial import ExchangeTrial

__all__ = ["VENUE", "Desk", "Heard"]

VENUE = "judged"
_PRICE = Decimal(100)
#: What a quarter of an order is worth at least, in quote asset.
_QUARTER = Decimal(25)
#: How far bid and ask are from the price.
_HALF_SPREAD = Decimal("0.001")
#: How often it is asked what became of an order.
_PAUSE_SECONDS = 0.05


@attrs.define(eq=False)
class Heard:
    """What an exchange told of its orders by itself. ``ups``: how often it was subscribed, ``cuts``: how often cut."""

    updates: list[OrderUpdate] = attrs.field(factory=list)
    ups: int = 0
    cuts: int = 0

    def of(self, client_order_id: str) -> list[OrderUpdate]:
        return [one for one in self.updates if one.client_order_id == client_order_id]

    def fills(self, client_order_id: str) -> tuple[Fill, ...]:
        """Return an order's fills, each once, by their ids."""
        found = {fill.fill_id: fill for one in self.of(client_order_id) for fill in one.fills}
        return tuple(found.values())

    def last_word(self, client_order_id: str) -> OrderUpdate | None:
        return next((one for one in self.of(client_order_id) if one.status.is_final), None)


@attrs.define(eq=False, kw_only=True)
class Desk:
    """An exchange that is open, with the prices of one symbol."""

    owner: ExchangeTrial
    exchange: CheckedExchange
    stage: Stage
    instruments: Mapping[str, Instrument]
    symbol: str
    heard: Heard

    @property
    def instrument(self) -> Instrument:
        return self.instruments[self.symbol]

    @property
    def bid(self) -> Decimal:
        return self.instrument.rules.floor_price(self._price * (1 - _HALF_SPREAD))

    @property
    def ask(self) -> Decimal:
        return self.instrument.rules.ceil_price(self._price * (1 + _HALF_SPREAD))

    @property
    def _price(self) -> Decimal:
        return self.stage.prices.get(self.symbol, _PRICE)

    @property
    def unit(self) -> Decimal:
        """A quarter of a usual order, in base asset: large enough to be an order of its own."""
        rules = self.instrument.rules
        return max(rules.least(self.bid) * 2, rules.floor_quantity(_QUARTER / self.bid))

    # What stands at the venue

    async def quote(self, bids: Sequence[Level] = (), asks: Sequence[Level] = ()) -> None:
        """Show these levels; a side that isn't given has its usual price, and more than anybody here wants."""
        plenty = self.unit * 400
        await self.stage.show(
            self.symbol,
            bids or [(self.bid, plenty)],
            asks or [(self.ask, plenty)],
        )

    async def trouble(self, trouble: Trouble, times: int = 1) -> None:
        if trouble not in self.stage.troubles:
            not_offered(f"the stage can't make the venue {trouble.value}")
        await self.stage.trouble(trouble, times)

    # Orders

    def order(self, side: Side, quantity: Decimal | None = None, price: Decimal | None = None, **terms: Any) -> Order:
        """Return an order that crosses, unless it is told another price."""
        crossing = self.ask if side is Side.BUY else self.bid
        return Order(
            client_order_id=self.owner.new_id(),
            venue=VENUE,
            symbol=self.symbol,
            side=side,
            quantity=self.unit * 4 if quantity is None else quantity,
            limit_price=crossing if price is None else price,
            **terms,
        )

    def resting(self, side: Side = Side.BUY, price: Decimal | None = None, **terms: Any) -> Order:
        """Return an order that rests."""
        own = self.bid if side is Side.BUY else self.ask
        return self.order(side, price=own if price is None else price, time_in_force=TimeInForce.GTC, **terms)

    async def place(self, order: Order) -> OrderReport:
        """Send an order, and return what is answered.

        Raises:
            OrderRejected, VenueError: as the contract has it.
            Failed: nothing is answered within ten seconds.
        """
        self.owner.submitted[order.client_order_id] = self.owner.trial.time.now_ns()
        with self.owner.trial.in_time("place"):
            return await self.exchange.place(order)
        raise AssertionError

    async def send(self, order: Order) -> OrderReport:
        """Send an order, and return what became of it in the end.

        Raises:
            Failed: it was refused, or nobody knows.
        """
        try:
            report = await self.place(order)
        except OrderRejected as error:
            raise Failed(f"that {_said(order)} is taken", f"OrderRejected: {error}") from None
        except VenueError as error:
            raise Failed(f"an answer to {_said(order)}", f"VenueError: {error}") from None
        return report if report.status.is_final else await self.known(order)

    async def refused(self, order: Order, why: str) -> OrderRejected:
        """Send an order that has to be refused, and see that nothing of it was filled."""
        before = await self.balances()
        try:
            report = await self.place(order)
        except OrderRejected as error:
            expect(bool(str(error).strip()), f"an OrderRejected that says why, of {why}", "one that says nothing")
            await self.expect_balances(before, f"after {why} was refused")
            return error
        except VenueError as error:
            raise Failed(f"OrderRejected of {why}", f"VenueError: {error}") from None
        raise Failed(f"OrderRejected of {why}", f"{report.status.name}, {text(report.filled)} filled")

    async def asked(self, client_order_id: str) -> OrderReport | None:
        """Return what `order` says, once it says something.

        Raises:
            Failed: it raises VenueError for ten seconds.
        """
        said = ""
        with trio.move_on_after(ANSWER_SECONDS * 2):
            while True:
                try:
                    with self.owner.trial.in_time("order"):
                        return await self.exchange.order(client_order_id)
                except VenueError as error:
                    said = str(error)
                await trio.sleep(_PAUSE_SECONDS)
        raise Failed(f"that order says in the end what became of {client_order_id}", f"VenueError: {said}")

    async def known(
        self, order: Order, when: Callable[[OrderReport], bool] = lambda report: report.status.is_final
    ) -> OrderReport:
        """Ask about an order until what is said of it is enough: a last word, unless told otherwise."""
        report = None
        with trio.move_on_after(ANSWER_SECONDS):
            while True:
                report = await self.asked(order.client_order_id)
                if report is not None and when(report):
                    return report
                await trio.sleep(_PAUSE_SECONDS)
        got = "None" if report is None else f"{report.status.name}, {text(report.filled)} filled"
        raise Failed(f"that order says within {ANSWER_SECONDS:g} s what became of {_said(order)}", got)

    async def cancel(self, client_order_id: str) -> None:
        with self.owner.trial.in_time("cancel"):
            await self.exchange.cancel(client_order_id)

    # Money

    async def balances(self) -> Mapping[str, Decimal]:
        with self.owner.trial.in_time("balances"):
            return await self.exchange.balances()
        raise AssertionError

    async def expect_balances(
        self, before: Mapping[str, Decimal], when: str, *trades: tuple[Side, Sequence[Fill]]
    ) -> None:
        """See that the balances are those of before and what these trades brought and cost, to the last digit.

        Not so of contracts, where a trade is in the wallet once it is closed.
        """
        if trades and self.exchange.account is Account.PERPETUAL:
            return
        wanted = dict(before)
        for side, fills in trades:
            for asset, amount in self.changes(side, fills).items():
                wanted[asset] = EXACT.add(wanted.get(asset, ZERO), amount)
        said = ""
        with trio.move_on_after(ANSWER_SECONDS / 2 if self.owner.is_live else 1):
            while True:
                got = await self.balances()
                other = [one for one in sorted({*wanted, *got}) if wanted.get(one, ZERO) != got.get(one, ZERO)]
                if not other:
                    return
                said = ", ".join(
                    f"{text(got.get(one, ZERO))} {one} instead of {text(wanted.get(one, ZERO))}" for one in other
                )
                await trio.sleep(_PAUSE_SECONDS)
        raise Failed(f"balances {when} as the fills and fees come to", said)

    def changes(self, side: Side, fills: Sequence[Fill]) -> Mapping[str, Decimal]:
        """Return what fills change of the balances, by asset."""
        instrument, found = self.instrument, dict[str, Decimal]()

        def add(asset: str, amount: Decimal) -> None:
            found[asset] = EXACT.add(found.get(asset, ZERO), amount)

        for fill in fills:
            value = EXACT.multiply(fill.quantity, fill.price)
            add(instrument.base, fill.quantity if side is Side.BUY else EXACT.minus(fill.quantity))
            add(instrument.quote, EXACT.minus(value) if side is Side.BUY else value)
            add(fill.fee_asset, EXACT.minus(fill.fee))
        return found

    # What is told

    async def listen(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hear its updates; when they are cut, again."""
        while True:
            status = Up(self.heard, task_status)
            try:
                await self.exchange.updates(self.heard.updates.append, task_status=status)
            except VenueError:
                self.heard.cuts += 1
            await trio.sleep(_PAUSE_SECONDS)

    async def until(self, holds: Callable[[], bool], expected: str, got: Callable[[], object]) -> None:
        """Wait until something holds.

        Raises:
            Failed: it doesn't within ten seconds.
        """
        with trio.move_on_after(ANSWER_SECONDS):
            while not holds():  # noqa: ASYNC110  # it is the venue's doing
                await trio.sleep(_PAUSE_SECONDS)
            return
        raise Failed(f"{expected} within {ANSWER_SECONDS:g} s", str(got()))


@attrs.define(eq=False)
class Up:
    """Counts that a stream is up, and says so to who waits for the first time."""

    heard: Heard
    status: trio.TaskStatus[None]

    def started(self, value: None = None) -> None:
        self.heard.ups += 1
        if self.heard.ups == 1:
            self.status.started()


def _said(order: Order) -> str:
    at = f" at {text(order.limit_price)}" if order.limit_price else ""
    size = f"for {text(order.amount)}" if order.amount else f"of {text(order.quantity)}"
    return f"an order to {order.side.value} {size}{at} ({order.time_in_force.value})"
