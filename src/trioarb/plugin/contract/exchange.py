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

        Args:
            update: What the venue said. Of an order without a client id, which somebody sent by hand perhaps, the
                venue's own id stands in its place.

        Raises:
            PluginFault: It can't be, or this is called from another thread, or after `Exchange.updates` has ended. Let
                it pass: the stream counts as cut then, whatever is done with the error.
        """


class Exchange(ABC):
    """One venue to trade at, for one account.

    What it is and offers stands in attributes, of the class or set in ``__init__``; they are read once, when it is
    opened. Once it has listed its instruments, its methods may raise `VenueError` and `OrderRejected`; anything else
    that they raise, and any answer that can't be, is a fault of the plugin and is named as that.

    Attributes:
        account: Whether a sell needs the base asset (spot), or may borrow it (margin), or contracts are traded
            (perpetual).
        max_borrow_usd: Margin only: how far the base asset of one symbol may go below zero, in USD.
        offers: What it offers beyond immediate-or-cancel limit orders. What rests needs `cancel`, and `open_orders`.
        streams: Whether `updates` tell of orders. Set to whether a class has them.
        borrow_bps_per_day: Margin only: what interest is charged of what is borrowed; ``None``: none.
        charging: Whether `charges` tells what is charged for holding. Set to whether a class has it.
        liquidating: Whether `liquidations` tells of contracts that were closed by force. Set to whether a class has it.
        charge_every_seconds: How often both are asked while something is held; a simulated venue may want each second.
        grants_inventory: Whether `seed_inventory` may grant anything; where not, a replay need not show it each
            symbol's first quote.
        account_id: What tells this account from others, and shows nothing of its key; '': it isn't known. Real venues
            have to say.
        arrival_ns: How long after it was sent an order usually meets the quotes, in nanoseconds; ``None``: it isn't
            known. Simulated venues only.
        simulates_transfers: Whether `transfer` may be called. Simulated venues only.
    """

    account: Account = Account.SPOT
    max_borrow_usd: Decimal = Decimal(0)
    offers: frozenset[Offer] = frozenset()
    streams: bool
    borrow_bps_per_day: Decimal | None = None
    charging: bool
    liquidating: bool
    charge_every_seconds: int = 60
    grants_inventory: bool = True
    account_id: str = ""
    arrival_ns: int | None = None
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
        """Return the instruments of those listings that the venue trades.

        Asked at the start, and again, about further listings only, when the universe gets them while the campaign runs.
        That has ``engine.open_seconds``.

        Args:
            listings: What is wanted, with our names of assets: base and quote say which instrument is meant, not the
                symbol.

        Returns:
            Instruments by the listing's symbol; what the venue doesn't trade is left out.

        Raises:
            TrioarbError: They can't be had; the message says what to do, and is shown as it is. At the start nothing is
                traded; later the symbols stay as they are.
        """

    @abstractmethod
    async def balances(self) -> Mapping[str, Decimal]:
        """Return what is owned, free and locked together.

        Asked at the start, each minute, at a resume and at the end: the ledger is held against it to the last digit.
        That has ``engine.open_seconds``.

        Returns:
            Amounts by asset, exact; what isn't named counts as 0. Of a perpetual account: its wallet.

        Raises:
            VenueError: Not known now. At the start nothing is traded; in between the venue is left out until the next
                look; at the end it is asked again each second, for a while, and what couldn't be compared is named.
        """

    async def standing(self) -> AccountStanding:
        """Return what the venue says of the account and its key.

        Asked before real orders are sent: the pre-flight of live mode goes by it.

        Returns:
            What is known; what isn't is left at its default, which the pre-flight warns of.

        Raises:
            VenueError: It isn't known, as where the key is wrong. No real order is sent then.
        """
        return AccountStanding()

    def limits_used(self) -> Sequence[LimitUsed]:
        """Return how much of the venue's limits is used now, as far as that is known here. Asks nobody, and is quick.

        Called every now and then while somebody watches; nothing depends on it. If it raises, or answers what can't be,
        it is not called again.
        """
        return ()

    async def positions(self) -> Mapping[str, Contracts]:
        """Return what is held of contracts, without those of which nothing is. Perpetual accounts only.

        Asked whenever `balances` is. What they cost has to be exact, not an average price that was rounded: together
        with the wallet it is compared with the ledger.

        Returns:
            Contracts by symbol.

        Raises:
            VenueError: Not known now; the same follows as of `balances`.
        """
        raise VenueError("this exchange plugin can't say which contracts it holds")

    async def charges(self, since_ns: int) -> Sequence[Charge]:
        """Return what the venue booked by itself since then: funding and interest.

        Asked every ``charge_every_seconds`` while contracts are held or something is borrowed, when a campaign is
        resumed, and at its end. What was told before is passed over, by its id.

        Args:
            since_ns: Unix nanoseconds, by the venue's own times of its charges; that moment included.

        Returns:
            Charges in the order of their times.

        Raises:
            VenueError: Not known now; it is said in the log, and asked again.
        """
        return ()

    async def liquidations(self, since_ns: int) -> Sequence[Liquidation]:
        """Return which contracts the venue closed by force since then. Perpetual accounts only.

        Asked as `charges` is, after it. What was told before is passed over, by its id. Such an order is not among
        `orders`, nor told by `updates`: its id is none of ours.

        Args:
            since_ns: Unix nanoseconds, by the venue's own times; that moment included.

        Returns:
            Liquidations in the order of their times.

        Raises:
            VenueError: Not known now; it is said in the log, and asked again.
        """
        return ()

    def seed_inventory(self, instrument: Instrument, quote: Quote | None) -> Decimal:
        """Return how much base asset the venue grants at the symbol's first quote. Simulated venues only.

        Args:
            instrument: What is quoted.
            quote: That first quote; ``None`` asks, after a crash, what was granted before.

        Returns:
            An amount of the base asset, not below 0.
        """
        return Decimal(0)

    def transfer(self, transfer_id: str, asset: str, amount: Decimal) -> None:
        """Take note that so much left for another venue, or has arrived from one. Simulated venues only.

        It has happened: what is refused is told again. After a crash what a venue knows already is told again, too, and
        changes nothing then: an id leaves once, and arrives once.

        Args:
            transfer_id: Tells transfers apart, at both venues the same.
            asset: What is moved.
            amount: How much, in units of the asset; below zero: it leaves.

        Raises:
            VenueError: Less is free than is to leave, for now; it is told again.
        """
        raise VenueError("this exchange plugin doesn't simulate transfers")

    @abstractmethod
    async def place(self, order: Order) -> OrderReport:
        """Send an order, and return what the venue says of it: the whole outcome, if it says that at once.

        An order that needs what the venue doesn't offer is never sent. The engine never sends an order twice.

        Args:
            order: What to send. Prices and quantities lie on the instrument's steps already; its ``client_order_id`` is
                new.

        Returns:
            With the status OPEN it is acknowledged, and `updates` tell what becomes of it, or, where there are none,
            `order`. With any other status the report is the whole outcome, with every fill.

        Raises:
            OrderRejected: The venue refused it; nothing was and nothing will be filled. The pair goes on without it.
            VenueError: No answer, or none that makes sense; the order may have been filled. The engine asks `order`.

        Cancellation:
            The leg's time is up, or the campaign has to end. The order may have been filled or not: the engine asks
            `order`.
        """

    async def cancel(self, client_order_id: str) -> None:
        """Ask the venue to cancel an order; return once it has taken the request.

        What became of the order, `updates` or `order` tell: it may have filled before. For one that is done there is
        nothing to do, which is no error.

        Args:
            client_order_id: Ours, as in the order that was placed.

        Raises:
            VenueError: It isn't known whether the venue took the request; it will be asked again.
        """
        raise VenueError("this exchange plugin can't cancel orders")

    async def open_orders(self, symbols: Sequence[str]) -> Sequence[OrderUpdate]:
        """Return what the venue says of this account's open orders now, as `updates` would.

        Asked when updates go on after they were cut, for orders that the venue may have filled meanwhile, and by the
        pre-flight of live mode.

        Args:
            symbols: Which instruments are asked about.

        Returns:
            A message an open order, whosever it is, with every fill that it had.

        Raises:
            VenueError: Not known now; it is asked again each second, and until then no entry has a leg here.
        """
        raise VenueError("this exchange plugin can't say which orders are open")

    async def updates(self, sink: OrderSink, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Call the sink with what the venue says of this account's orders, until cancelled.

        Left out by venues whose `place` answers everything.

        Args:
            sink: What to call with each message, in Trio's thread and in the order received; not after this has ended.
            task_status: Say ``started()`` when subscribed; that has ``engine.open_seconds``. Saying it again does no
                harm.

        Raises:
            VenueError: The stream was cut, or can't be had: raise, don't connect again. Entries with a leg at the venue
                are denied until this was called again, after a pause that doubles up to 30 s, and open orders were
                asked for. To return counts as a cut, too.

        Cancellation:
            The campaign ends, or a sink was called wrongly. Close what is connected, and let it pass.

        Ownership:
            Tasks that this starts have to end with it: open a nursery inside.
        """
        raise VenueError("this exchange plugin has no order updates")

    def answers_at_ns(self, order: Order) -> int | None:
        """Return when an order that is sent now is answered, if that is known. Simulated venues only.

        `answer` is called at that time then, instead of `place`: an order that the engine doesn't wait for costs less.
        Not so where a subclass has a `place` of its own, but no `answer`.

        Args:
            order: What is sent now.

        Returns:
            Campaign time in nanoseconds; ``None``: it isn't known, and `place` is called.
        """
        return None

    def answer(self, order: Order) -> OrderReport:
        """Return what `place` would have, of an order whose time has come.

        Args:
            order: One of which `answers_at_ns` said when.

        Returns:
            As `place`.

        Raises:
            OrderRejected: As `place`.
            VenueError: As `place`.
        """
        raise VenueError("this exchange plugin doesn't say when it answers")

    @abstractmethod
    async def order(self, client_order_id: str) -> OrderReport | None:
        """Return an order as it stands now, with every fill that it ever had.

        ``None`` is believed, and the order is over: only the venue's own "no such order", at a time at which it can't
        arrive any more, is one; anything else is a `VenueError`. `ExchangeContext.submitted_ns` knows when it was
        submitted.

        Args:
            client_order_id: Ours, of this process or an earlier one.

        Returns:
            The order; with the status OPEN it is asked about again. ``None``: the venue never got it, and never will.

        Raises:
            VenueError: Not known now; it will be asked again, until the order's deadline. Then a residual stands for
                it.
        """

    async def orders(self, symbols: Sequence[str], since_ns: int) -> Sequence[VenueOrder]:
        """Return this account's orders since then, in the order in which the venue got them.

        Asked when a campaign is resumed, each minute and at its end: the venue may know orders that the journal
        doesn't, and without it they can't be found. One of ours that the journal doesn't know ends the campaign.

        Args:
            symbols: Which instruments are asked about.
            since_ns: Unix nanoseconds, campaign time; that moment included.

        Returns:
            Orders, whosever they are. One without a client id goes by the venue's own, as in `updates`.

        Raises:
            VenueError: Not known now; the venue is believed to have none, and asked again.
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

    Args:
        inner: What is wrapped: `ExchangeContext.inner`.

    Ownership:
        The wrapped exchange is opened before and closed after; a wrapper closes nothing of it.
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
    """What `ExchangeContext.watch` calls with the best prices and sizes of quotes that came."""

    def __call__(
        self,
        bids: Sequence[float],
        bid_sizes: Sequence[float],
        asks: Sequence[float],
        ask_sizes: Sequence[float],
        /,
    ) -> bool:
        """Take what came, some quotes at a time.

        Args:
            bids: Prices, NaN where a quote has no bid.
            bid_sizes: As many sizes, in units of the base asset.
            asks: Prices.
            ask_sizes: Sizes.

        Returns:
            Whether it wants to be told of more.
        """
        ...


@attrs.frozen(kw_only=True)
class ExchangeContext(PluginContext):
    """What an exchange is opened with.

    Attributes:
        venue: The venue's name, ``[exchanges.NAME]``.
        seed: The session's, for whatever is drawn.
        touch: ``touch(symbol)`` is this venue's latest accepted quote; ``None``: there is none.
        book: ``book(symbol)`` is the same with all levels that came with it.
        watch: ``watch(symbol, see)``: from now on, at the latest before ``book`` returns, ``see`` is told the best
            prices and sizes of all accepted quotes in their order, some at a time (bids, bid sizes, asks, ask sizes;
            NaN where a side isn't there), until it says that it wants no more. One a symbol.
        follow: ``follow(symbol, told)`` has ``told`` called at each quote of it that is accepted here (``None``: no
            more), for a simulated venue where an order rests; it costs the symbol that quotes are skipped.
        market_rules: ``market_rules(symbol)`` is what the venue's market data says of the rules, if it knows them.
        fx: USD for one unit of the quote assets, as of now.
        latency_factor: By how much a simulated venue's latencies are to be multiplied.
        state: Where a simulated venue keeps what a real one would remember; ``None``: nowhere.
        resumed: Whether it is there already.
        inner: What the table's ``wraps`` names, opened, for a plugin that wraps another.
        session: What its venue's `VenueSpec` opened, if it is a part of one.
        changed: What a venue calls, in Trio's thread, with an instrument that has other rules, or another status
            (halted, trading), from now on; before the campaign has begun, too. Fees can't change. What is wrong raises
            there.
        fee_price: ``fee_price(asset, quote)`` is what an asset in which fees are taken is worth in a quote asset, by
            the campaign's own prices; ``None``: there are none.
        hold: ``hold(reason)`` lets nothing be entered with a leg at this venue, until ``release(reason)`` takes that
            back; exits and hedges go on. Several reasons stand beside each other. Called in Trio's thread; the reason
            is recorded: a short text of what is wrong, the same in both, of which no number changes from time to time.
        release: ``release(reason)`` takes back what ``hold`` said, and does nothing where that wasn't said.
        aliases: Our names of assets by the venue's own, where these are others; listings have ours.
        can_trade: Whether orders are sent: where they cost nothing on paper, too; where they aren't, open nothing that
            could send one.
        submitted_ns: ``submitted_ns(client_order_id)`` is the campaign time at which an order was submitted, by an
            earlier process perhaps, and ``None`` of one of long ago: until what was sent then can't arrive any more,
            that there is no such order says nothing.
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
