"""Exchanges: one venue to trade at."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, Self

import attrs
import trio

from trioarb.errors import PluginError, VenueError
from trioarb.model.account import AccountStanding, LimitUsed
from trioarb.model.contract import Charge, Contracts
from trioarb.model.liquidation import Liquidation
from trioarb.model.market import Book, Instrument, Listing, Quote, TradingRules
from trioarb.model.order import Offer, Order, OrderReport, OrderUpdate, VenueOrder
from trioarb.model.trade import Account
from trioarb.plugin.contract.context import PluginContext

__all__ = ["Exchange", "ExchangeContext", "ExchangeWrapper", "OrderSink", "See", "answers_instead"]


class OrderSink(Protocol):
    """What `Exchange.updates` calls with every message about an order, in the order received."""

    def __call__(self, update: OrderUpdate, /) -> None:
        """Take a message, whosever order it is about. Late, early and repeated ones do no harm.

        Of an order without a client id, which somebody sent by hand perhaps, the venue's own id stands in its place.
        """


class Exchange(ABC):
    """One venue to trade at."""

    #: Whether a sell needs the base asset (spot), or may borrow it (margin), or contracts are traded (perpetual).
    account: Account = Account.SPOT
    #: Margin only: how far the base asset of one symbol may go below zero, in USD.
    max_borrow_usd: Decimal = Decimal(0)
    #: What it offers beyond immediate-or-cancel limit orders. What rests needs `cancel`, and `open_orders`.
    offers: frozenset[Offer] = frozenset()
    #: Whether `updates` tell of orders; true where a class has them.
    streams: bool
    #: Margin only: what interest is charged of what is borrowed; ``None``: none.
    borrow_bps_per_day: Decimal | None = None
    #: Whether `charges` tells what is charged for holding; true where a class has it.
    charging: bool
    #: Whether `liquidations` tells of contracts that were closed by force; true where a class has it.
    liquidating: bool
    #: How often both are asked while something is held; a simulated venue may want each second.
    charge_every_seconds: int = 60
    #: Whether `seed_inventory` may grant anything; where not, a replay need not show it each symbol's first quote.
    grants_inventory: bool = True

    #: What tells this account from others, and shows nothing of its key; '': it isn't known. Real venues have to say.
    account_id: str = ""

    #: How long after it was sent an order usually meets the quotes, in nanoseconds. Simulated venues only; ``None``: it
    #: isn't known.
    arrival_ns: int | None = None
    #: Whether `transfer` may be called. Simulated venues only.
    simulates_transfers: bool = False

    def __new__(cls, *args: Any, **options: Any) -> Self:
        """Refuse a plugin of before: nobody would call its `submit` any more.

        Raises:
            PluginError: the class has a `submit`.
        """
        if hasattr(cls, "submit"):
            raise PluginError(
                f"{cls.__module__}.{cls.__qualname__} has a method submit, which orders were sent by in earlier "
                "versions; name it place, or install a newer version of the plugin"
            )
        self = super().__new__(cls)
        self.streams = cls.updates is not Exchange.updates
        self.charging = cls.charges is not Exchange.charges
        self.liquidating = cls.liquidations is not Exchange.liquidations
        return self

    @abstractmethod
    async def instruments(self, listings: Sequence[Listing]) -> Mapping[str, Instrument]:
        """Return the instruments, by symbol, of those listings that the venue trades.

        Asked again, about further listings only, when the universe gets them while it runs.
        """

    @abstractmethod
    async def balances(self) -> Mapping[str, Decimal]:
        """Return what is owned, by asset, free and locked together. Of a perpetual account: its wallet."""

    async def standing(self) -> AccountStanding:
        """Return what the venue says of the account and its key. Asked before real orders are sent.

        Raises:
            VenueError: it isn't known, as where the key is wrong.
        """
        return AccountStanding()

    def limits_used(self) -> Sequence[LimitUsed]:
        """Return how much of the venue's limits is used now, as far as that is known here. Asks nobody, and is quick.

        Called every now and then while somebody watches; nothing depends on it.
        """
        return ()

    async def positions(self) -> Mapping[str, Contracts]:
        """Return what is held of contracts, by symbol, without those of which nothing is. Perpetual accounts only.

        What they cost has to be exact, not an average price that was rounded: together with the wallet it is compared
        with the ledger.
        """
        raise VenueError("this exchange plugin can't say which contracts it holds")

    async def charges(self, since_ns: int) -> Sequence[Charge]:
        """Return what the venue booked by itself since then, in that order: funding and interest.

        Asked every ``charge_every_seconds`` while contracts are held or something is borrowed, when a campaign is
        resumed, and at its end. What was told before is passed over, by its id.

        Raises:
            VenueError: not known now; it will be asked again.
        """
        return ()

    async def liquidations(self, since_ns: int) -> Sequence[Liquidation]:
        """Return which contracts the venue closed by force since then, in that order. Perpetual accounts only.

        Asked as `charges` is, after it. What was told before is passed over, by its id. Such an order is not among
        `orders`, nor told by `updates`: its id is none of ours.

        Raises:
            VenueError: not known now; it will be asked again.
        """
        return ()

    def seed_inventory(self, instrument: Instrument, quote: Quote | None) -> Decimal:
        """Return how much base asset the venue grants at the symbol's first quote. Simulated venues only.

        ``None`` asks, after a crash, what it granted before.
        """
        return Decimal(0)

    def transfer(self, transfer_id: str, asset: str, amount: Decimal) -> None:
        """Take note that so much left for another venue (below zero), or has arrived from one. Simulated venues only.

        It has happened: what is refused is told again. After a crash what a venue knows already is told again, too, and
        changes nothing then: an id leaves once, and arrives once.

        Raises:
            VenueError: less is free than is to leave, for now.
        """
        raise VenueError("this exchange plugin doesn't simulate transfers")

    @abstractmethod
    async def place(self, order: Order) -> OrderReport:
        """Send an order, and return what the venue says of it: the whole outcome, if it says that at once.

        With the status OPEN it is acknowledged, and `updates` tell what becomes of it, or, where there are none,
        `order`. When cancelled, the order may have been filled or not: the engine asks `order`. An order that needs
        what the venue doesn't offer is never sent.

        Raises:
            OrderRejected: the venue refused it; nothing was and nothing will be filled.
            VenueError: no answer, or none that makes sense; the order may have been filled.
        """

    async def cancel(self, client_order_id: str) -> None:
        """Ask the venue to cancel an order; return once it has taken the request.

        What became of the order, `updates` or `order` tell: it may have filled before. For one that is done there is
        nothing to do, which is no error.

        Raises:
            VenueError: it isn't known whether the venue took the request; it will be asked again.
        """
        raise VenueError("this exchange plugin can't cancel orders")

    async def open_orders(self, symbols: Sequence[str]) -> Sequence[OrderUpdate]:
        """Return what the venue says of this account's open orders of ``symbols`` now, as `updates` would.

        Asked when updates go on after they were cut, for orders that the venue may have filled meanwhile.

        Raises:
            VenueError: not known now; it will be asked again.
        """
        raise VenueError("this exchange plugin can't say which orders are open")

    async def updates(self, sink: OrderSink, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Call the sink with what the venue says of this account's orders, until cancelled; say ``started()`` when
        subscribed.

        Left out by venues whose `place` answers everything. Where the stream is cut, raise: entries with a leg at the
        venue are denied until it is called again, after a pause, and open orders were asked for. The sink is called in
        Trio's thread, and not after this has ended.

        Raises:
            VenueError: the stream was cut, or can't be had.
        """
        raise VenueError("this exchange plugin has no order updates")

    def answers_at_ns(self, order: Order) -> int | None:
        """Return when an order that is sent now is answered, if that is known. Simulated venues only.

        `answer` is called at that time then, instead of `place`: an order that the engine doesn't wait for costs less.
        Not so where a subclass has a `place` of its own, but no `answer`.
        """
        return None

    def answer(self, order: Order) -> OrderReport:
        """Return what `place` would have, of an order whose time has come; raises what that raises."""
        raise VenueError("this exchange plugin doesn't say when it answers")

    @abstractmethod
    async def order(self, client_order_id: str) -> OrderReport | None:
        """Return an order as it stands now, with every fill that it ever had; ``None``: the venue never got it, and
        never will.

        With the status OPEN it is asked about again. ``None`` is believed, and the order is over: only the venue's own
        "no such order", at a time at which it can't arrive any more, is one; anything else is a `VenueError`.

        Raises:
            VenueError: not known now; it will be asked again.
        """

    async def orders(self, symbols: Sequence[str], since_ns: int) -> Sequence[VenueOrder]:
        """Return this account's orders of ``symbols`` since then, in the order in which the venue got them.

        Asked when a campaign is resumed, each minute and at its end: the venue may know orders that the journal
        doesn't, and without it they can't be found. ``since_ns`` is Unix nanoseconds, campaign time.

        Raises:
            VenueError: not known now; it will be asked again.
        """
        raise VenueError("this exchange plugin can't say which orders there were")


def answers_instead(kind: type[Exchange]) -> bool:
    """Return whether `answer` may stand for `place`: not where a subclass has a `place` of its own, but no `answer`."""
    return _depth(kind, "answer") >= max(_depth(kind, "place"), 1)


def _depth(kind: type[Exchange], method: str) -> int:
    """Return how deep the class is that defines a method: 0 for the contract's own, the more the further from it."""
    below = kind.__mro__[: kind.__mro__.index(Exchange)]
    return next((len(below) - place for place, one in enumerate(below) if method in vars(one)), 0)


class ExchangeWrapper(Exchange):
    """Passes everything on to the exchange that it wraps. A subclass has what it means to change, and nothing else.

    One with a `place` of its own gets every order by that: `answer` isn't asked then.
    """

    def __init__(self, inner: Exchange) -> None:
        self.inner = inner
        self._inner_answers = answers_instead(type(inner))
        for name in Exchange.__annotations__:  # what it is and offers
            setattr(self, name, getattr(inner, name))

    async def instruments(self, listings: Sequence[Listing]) -> Mapping[str, Instrument]:
        return await self.inner.instruments(listings)

    async def balances(self) -> Mapping[str, Decimal]:
        return await self.inner.balances()

    async def standing(self) -> AccountStanding:
        return await self.inner.standing()

    def limits_used(self) -> Sequence[LimitUsed]:
        return self.inner.limits_used()

    async def positions(self) -> Mapping[str, Contracts]:
        return await self.inner.positions()

    async def charges(self, since_ns: int) -> Sequence[Charge]:
        return await self.inner.charges(since_ns)

    async def liquidations(self, since_ns: int) -> Sequence[Liquidation]:
        return await self.inner.liquidations(since_ns)

    def seed_inventory(self, instrument: Instrument, quote: Quote | None) -> Decimal:
        return self.inner.seed_inventory(instrument, quote)

    def transfer(self, transfer_id: str, asset: str, amount: Decimal) -> None:
        self.inner.transfer(transfer_id, asset, amount)

    async def place(self, order: Order) -> OrderReport:
        return await self.inner.place(order)

    async def cancel(self, client_order_id: str) -> None:
        await self.inner.cancel(client_order_id)

    async def open_orders(self, symbols: Sequence[str]) -> Sequence[OrderUpdate]:
        return await self.inner.open_orders(symbols)

    async def updates(self, sink: OrderSink, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        await self.inner.updates(sink, task_status=task_status)

    def answers_at_ns(self, order: Order) -> int | None:
        return self.inner.answers_at_ns(order) if self._inner_answers else None

    def answer(self, order: Order) -> OrderReport:
        return self.inner.answer(order)

    async def order(self, client_order_id: str) -> OrderReport | None:
        return await self.inner.order(client_order_id)

    async def orders(self, symbols: Sequence[str], since_ns: int) -> Sequence[VenueOrder]:
        return await self.inner.orders(symbols, since_ns)


class See(Protocol):
    """Is told the best prices and sizes of quotes that came; returns whether it wants to be told of more."""

    def __call__(
        self,
        bids: Sequence[float],
        bid_sizes: Sequence[float],
        asks: Sequence[float],
        ask_sizes: Sequence[float],
        /,
    ) -> bool: ...


@attrs.frozen(kw_only=True)
class ExchangeContext(PluginContext):
    """``touch(symbol)`` is this venue's latest accepted quote, ``book(symbol)`` the same with all levels that came with
    it; ``market_rules(symbol)`` what its data says. ``watch(symbol, see)``: from now on, at the latest before ``book``
    returns, ``see`` is told the best prices and sizes of all accepted quotes in their order, some at a time (bids, bid
    sizes, asks, ask sizes; NaN where a side isn't there), until it says that it wants no more. One a symbol.
    ``follow(symbol, told)`` has ``told`` called at each quote of it that is accepted here (``None``: no more), for a
    simulated venue where an order rests; it costs the symbol that quotes are skipped.

    ``seed`` is the session's, for whatever is drawn. ``fx``: USD for one unit of the quote assets, as of now.
    ``latency_factor``: by how much a simulated venue's latencies are to be multiplied.

    ``state`` is where a simulated venue keeps what a real one would remember, ``None``: nowhere; ``resumed``: it is
    there already. ``inner`` is what the table's ``wraps`` names, for a plugin that wraps another; ``session`` what its
    venue's `VenueSpec.open` gave, if it is a part of one.
    ``changed``: what a venue calls, in Trio's thread, with an instrument that has other rules, or another status
    (halted, trading), from now on; before the campaign has begun, too. Fees can't change. ``fee_price(asset,
    quote)`` is what an asset in which fees are taken is worth in a quote asset, by the campaign's own prices.
    ``hold(reason)`` lets nothing be entered with a leg at this venue, until ``release(reason)`` takes that back; exits
    and hedges go on. Several reasons stand beside each other. Both are called in Trio's thread; the reason is recorded:
    a short text of what is wrong, the same in both, of which no number changes from time to time.
    ``aliases``: our names of assets by the venue's own, where these are others; listings have ours.
    ``can_trade``: whether orders may be sent; where not, a real venue's plugin opens nothing that could send one.
    ``submitted_ns(client_order_id)``: the campaign time at which an order was submitted, by an earlier process perhaps,
    and ``None`` of one of long ago: until what was sent then can't arrive any more, that there is no such order says
    nothing.
    """

    venue: str
    seed: int
    touch: Callable[[str], Quote | None]
    book: Callable[[str], Book | None]
    watch: Callable[[str, See], None]
    market_rules: Callable[[str], TradingRules | None]
    fx: Mapping[str, Decimal]
    latency_factor: Decimal = Decimal(1)
    follow: Callable[[str, Callable[[], None] | None], None] = lambda symbol, told: None
    state: Path | None = None
    resumed: bool = False
    inner: Exchange | None = None
    session: Any = None
    changed: Callable[[Instrument], None] = lambda instrument: None
    aliases: Mapping[str, str] = attrs.field(factory=dict)
    fee_price: Callable[[str, str], Decimal | None] = lambda asset, quote: None
    hold: Callable[[str], None] = lambda reason: None
    release: Callable[[str], None] = lambda reason: None
    can_trade: bool = False
    submitted_ns: Callable[[str], int | None] = lambda client_order_id: None
