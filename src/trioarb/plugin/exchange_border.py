"""The border to exchanges: what they answer is checked here, and what they raise becomes the engine's errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import attrs
import structlog
import trio

from trioarb.errors import OrderRejected, PluginFault, TrioarbError, VenueError
from trioarb.model.account import AccountStanding, LimitUsed
from trioarb.model.contract import Charge, Contracts, contract_of
from trioarb.model.liquidation import Liquidation
from trioarb.model.market import Instrument, Listing, Quote
from trioarb.model.number import EXACT, ZERO
from trioarb.model.order import Offer, Order, OrderReport, OrderUpdate, VenueOrder
from trioarb.model.trade import Account
from trioarb.plugin import answer
from trioarb.plugin.call import Where
from trioarb.plugin.contract import Exchange, OrderSink, answers_instead
from trioarb.plugin.tap import Subscribed, Tap

__all__ = ["CheckedExchange"]


class CheckedExchange(Exchange):
    """A venue whose bad answer to `place` or `order` is an error like that of a venue that doesn't answer."""

    def __init__(self, inner: Exchange, where: Where, venue: str) -> None:
        self.account: Account = answer.is_a(inner.account, Account, "account")
        self.max_borrow_usd: Decimal = answer.check_amount(inner.max_borrow_usd, "max_borrow_usd", at_least=ZERO)
        self.grants_inventory: bool = answer.is_a(inner.grants_inventory, bool, "grants_inventory")
        self.offers: frozenset[Offer] = answer.check_offers(inner.offers)
        self.streams: bool = answer.is_a(inner.streams, bool, "streams")
        self.account_id: str = answer.check_account_id(inner.account_id)
        self.simulates_transfers: bool = answer.is_a(inner.simulates_transfers, bool, "simulates_transfers")
        self.charging: bool = answer.is_a(inner.charging, bool, "charging")
        self.liquidating: bool = answer.is_a(inner.liquidating, bool, "liquidating")
        self.charge_every_seconds: int = answer.check_whole(inner.charge_every_seconds, "charge_every_seconds")
        self.arrival_ns: int | None = (
            None if inner.arrival_ns is None else answer.check_whole(inner.arrival_ns, "arrival_ns")
        )
        borrow_bps = inner.borrow_bps_per_day
        if borrow_bps is not None:
            borrow_bps = answer.check_amount(borrow_bps, "borrow_bps_per_day", at_least=ZERO)
        self.borrow_bps_per_day = borrow_bps
        self._inner = inner
        #: Before anything is traded an error may say more: what the user can mend.
        self._listing = where
        self._where = attrs.evolve(where, names=(VenueError,))
        self._venue = venue
        self._instruments: dict[str, Instrument] = {}
        self._answers = answers_instead(type(inner))
        self._tells_limits = True

    async def instruments(self, listings: Sequence[Listing]) -> Mapping[str, Instrument]:
        with trio.move_on_after(self._where.calls.seconds), self._listing.call("instruments"):
            found = answer.check_instruments(await self._inner.instruments(listings), self._venue, listings)
            answer.check_contracts(found, self.account)
            self._instruments = {**self._instruments, **found}
            return found
        raise PluginFault(self._where.late("instruments"))

    async def balances(self) -> Mapping[str, Decimal]:
        with trio.move_on_after(self._where.calls.seconds), self._where.call("balances"):
            return answer.check_balances(await self._inner.balances(), self.account)
        raise VenueError(self._where.late("balances"))

    async def standing(self) -> AccountStanding:
        with trio.move_on_after(self._where.calls.seconds), self._where.call("standing"):
            return answer.check_standing(await self._inner.standing())
        raise VenueError(self._where.late("standing"))

    def limits_used(self) -> Sequence[LimitUsed]:
        """As in the contract. One that can't be relied on is not asked again; nothing else follows from that."""
        if not self._tells_limits:
            return ()
        try:
            with self._where.call("limits_used"):
                return answer.check_limits(self._inner.limits_used())
        except TrioarbError as error:
            self._tells_limits = False
            structlog.get_logger("trioarb.plugin").warning("what is used of limits isn't known", because=str(error))
            return ()

    async def positions(self) -> Mapping[str, Contracts]:
        with trio.move_on_after(self._where.calls.seconds), self._where.call("positions"):
            return answer.check_positions(await self._inner.positions(), self._instruments)
        raise VenueError(self._where.late("positions"))

    async def charges(self, since_ns: int) -> Sequence[Charge]:
        with trio.move_on_after(self._where.calls.seconds), self._where.call("charges"):
            return answer.check_charges(await self._inner.charges(since_ns), self._instruments)
        raise VenueError(self._where.late("charges"))

    async def liquidations(self, since_ns: int) -> Sequence[Liquidation]:
        with trio.move_on_after(self._where.calls.seconds), self._where.call("liquidations"):
            return answer.check_liquidations(await self._inner.liquidations(since_ns), self._instruments)
        raise VenueError(self._where.late("liquidations"))

    async def holdings(self) -> Mapping[str, Decimal]:
        """Return what the ledger has to know of: balances and, of a perpetual account, contracts by their names.

        What contracts cost that are open was traded for, and isn't paid before they are closed: it is taken off.

        Raises:
            VenueError: not known now.
            PluginFault: it makes no sense.
        """
        held = dict(await self.balances())
        if self.account is Account.PERPETUAL:
            for symbol, contracts in (await self.positions()).items():
                quote = self._instruments[symbol].quote
                held[quote] = EXACT.subtract(held.get(quote, ZERO), contracts.cost)
                held[contract_of(symbol)] = contracts.quantity
        return held

    def seed_inventory(self, instrument: Instrument, quote: Quote | None) -> Decimal:
        with self._where.call("seed_inventory"):
            return answer.check_amount(self._inner.seed_inventory(instrument, quote), at_least=ZERO)

    def transfer(self, transfer_id: str, asset: str, amount: Decimal) -> None:
        with self._where.call("transfer"):
            self._inner.transfer(transfer_id, asset, amount)

    async def place(self, order: Order) -> OrderReport:
        if not order.is_plain:
            self._require(order)
        with self._where.call("place"):
            report = await self._inner.place(order)
            return answer.check_report(report, order, self._instruments.get(order.symbol))

    def _require(self, order: Order) -> None:
        """See that an order is one, and that the venue offers what it needs.

        Raises:
            OrderRejected: it isn't sent.
        """
        if problem := order.problem():
            raise OrderRejected(problem)
        if lacking := order.needs - self.offers:
            names = ", ".join(sorted(one.value for one in lacking))
            raise OrderRejected(f"{self._where}: doesn't offer {names}")

    async def cancel(self, client_order_id: str) -> None:
        with self._where.call("cancel"):
            await self._inner.cancel(client_order_id)

    async def open_orders(self, symbols: Sequence[str]) -> Sequence[OrderUpdate]:
        with trio.move_on_after(self._where.calls.seconds), self._where.call("open_orders"):
            return answer.check_updates(await self._inner.open_orders(symbols))
        raise VenueError(self._where.late("open_orders"))

    async def updates(self, sink: OrderSink, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """As in the contract. A sink that is called wrongly ends it, even if the plugin catches what that raises."""
        tap = Tap(self._where, "updates")

        def on_update(update: OrderUpdate, /) -> None:
            tap.check_place("the sink")
            try:
                checked = answer.check_update(update)
            except answer.Nonsense as error:
                tap.fail(f"gave the sink {error}")
            sink(checked)

        try:
            with tap.scope, self._where.call("updates"):
                await self._inner.updates(on_update, task_status=Subscribed(task_status, tap.scope))
        finally:
            tap.has_ended = True
        if tap.fault is not None:
            raise tap.fault
        if tap.scope.cancelled_caught:
            raise PluginFault(f"{self._where}: updates did not say started() within {self._where.calls.seconds:g} s")
        raise VenueError(f"{self._where}: updates ended by itself")

    def check_fees(self, update: OrderUpdate, symbol: str) -> None:
        """See that the fees of a message can be those of its order's instrument."""
        with self._where.call("updates"):
            answer.check_fees(update.fills, self._instruments[symbol])

    def answers_at_ns(self, order: Order) -> int | None:
        """As in the contract; where it can't be known, `place` is asked, and what is wrong told at the end."""
        if not self._answers:
            return None
        try:
            at_ns = self._inner.answers_at_ns(order)
            return at_ns if at_ns is None else answer.check_whole(at_ns)
        except BaseException as error:
            instead = self._where.error("answers_at_ns", error)
            if not isinstance(instead, TrioarbError):
                raise
            self._answers = False
            self._where.calls.beside.append(str(instead))
            return None

    def answer(self, order: Order) -> OrderReport:
        try:
            return answer.check_report(self._inner.answer(order), order, self._instruments.get(order.symbol))
        except BaseException as error:
            self._where.fail("answer", error)

    async def order(self, client_order_id: str, sent: Order | None = None) -> OrderReport | None:
        """As in the contract; with the order that was ``sent`` the report is also held against that."""
        with self._where.call("order"):
            report = await self._inner.order(client_order_id)
            if report is None:
                return None
            return answer.check_report(report, sent, None if sent is None else self._instruments.get(sent.symbol))

    async def orders(self, symbols: Sequence[str], since_ns: int) -> Sequence[VenueOrder]:
        with trio.move_on_after(self._where.calls.seconds), self._where.call("orders"):
            return answer.check_orders(await self._inner.orders(symbols, since_ns), self._instruments)
        raise VenueError(self._where.late("orders"))
