"""Orders, and what venues say of them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from enum import Enum

import msgspec

from trioarb.model.given import Given, Maybe, MaybeText, Number
from trioarb.model.number import ZERO

__all__ = [
    "Fill",
    "Offer",
    "Order",
    "OrderReport",
    "OrderStatus",
    "OrderType",
    "OrderUpdate",
    "Purpose",
    "SelfTrade",
    "Side",
    "TimeInForce",
    "VenueOrder",
]


class Side(Enum):
    """Which way an order goes, as who sends it sees it."""

    BUY = "buy"
    SELL = "sell"


class Purpose(Enum):
    """Why an order was sent."""

    LEG = "leg"
    HEDGE = "hedge"
    UNWIND = "unwind"
    COMPLETE = "complete"
    WORK = "work"
    """To trade away what a pair left."""
    LIQUIDATION = "liquidation"
    """Nobody sent it: the venue closed contracts by force."""


class OrderType(Enum):
    """Whether an order has a limit."""

    LIMIT = "limit"
    MARKET = "market"


class TimeInForce(Enum):
    """What becomes of what doesn't fill at once."""

    IOC = "ioc"
    """The rest is cancelled."""
    FOK = "fok"
    """All of it fills at once, or nothing."""
    GTC = "gtc"
    """The rest stays at the venue until it fills or is cancelled."""


class SelfTrade(Enum):
    """Which order goes where one would trade with another of the same account."""

    CANCEL_NEW = "cancel_new"
    CANCEL_OLD = "cancel_old"
    CANCEL_BOTH = "cancel_both"


class Offer(Enum):
    """What a venue may offer beyond immediate-or-cancel limit orders, which every venue has to."""

    FOK = "fok"
    GTC = "gtc"
    POST_ONLY = "post_only"
    MARKET = "market"
    MARKET_BY_AMOUNT = "market_by_amount"
    REDUCE_ONLY = "reduce_only"
    SELF_TRADE = "self_trade"


class OrderStatus(Enum):
    """Where an order stands."""

    OPEN = "open"
    """It is at the venue, and may fill (further)."""
    FILLED = "filled"
    CANCELLED = "cancelled"
    """The rest was cancelled; there may be fills."""
    EXPIRED = "expired"
    """As cancelled, but by its own terms."""
    REJECTED = "rejected"

    @property
    def is_final(self) -> bool:
        """Whether the order can't fill any more."""
        return self is not OrderStatus.OPEN


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An order; an immediate-or-cancel limit order, unless it says otherwise.

    Attributes:
        client_order_id: Ours, of characters that few venues take as they are: see `ClientIds`.
        venue: Where it goes.
        symbol: Ours of the instrument.
        side: Which way.
        quantity: In base asset; 0 where an ``amount`` stands instead.
        limit_price: In quote asset per base; 0: a market order, which has none.
        amount: Of a market buy: so much quote asset is to be spent, instead of a quantity.
        type: Whether it has a limit.
        time_in_force: What becomes of what doesn't fill at once.
        post_only: It is refused where it would take.
        reduce_only: It never makes the account's position larger.
        self_trade: Which order goes where one would trade with another of the same account; ``None``: as the venue has
            it.
        urgent: It hedges, closes or works off, so within a venue's limits it goes before entries; venues know nothing
            of that.
    """

    client_order_id: str
    venue: str
    symbol: str
    side: Side
    quantity: Decimal = ZERO
    limit_price: Decimal = ZERO
    amount: Decimal = ZERO
    type: OrderType = OrderType.LIMIT
    time_in_force: TimeInForce = TimeInForce.IOC
    post_only: bool = False
    reduce_only: bool = False
    self_trade: SelfTrade | None = None
    urgent: bool = False

    @classmethod
    def of(
        cls,
        *,
        client_order_id: str | int,
        venue: str,
        symbol: str,
        side: Side | str,
        quantity: Maybe = None,
        limit_price: Maybe = None,
        amount: Maybe = None,
        type: OrderType | str = OrderType.LIMIT,
        time_in_force: TimeInForce | str = TimeInForce.IOC,
        post_only: bool = False,
        reduce_only: bool = False,
        self_trade: SelfTrade | None = None,
    ) -> Order:
        """Return an order that a venue tells of, from what JSON gives; numbers that are absent are 0.

        Raises:
            WireError: a field can't be; names it.
        """
        given = Given(cls.__name__)
        return cls(
            client_order_id=given.name("client_order_id", client_order_id),
            venue=given.name("venue", venue),
            symbol=given.name("symbol", symbol),
            side=given.member("side", side, Side),
            quantity=given.maybe("quantity", quantity, at_least=0) or ZERO,
            limit_price=given.maybe("limit_price", limit_price, at_least=0) or ZERO,
            amount=given.maybe("amount", amount, at_least=0) or ZERO,
            type=given.member("type", type, OrderType),
            time_in_force=given.member("time_in_force", time_in_force, TimeInForce),
            post_only=post_only,
            reduce_only=reduce_only,
            self_trade=self_trade,
        )

    @property
    def needs(self) -> frozenset[Offer]:
        """What its venue has to offer; nothing for an immediate-or-cancel limit order."""
        needed = {
            Offer.FOK: self.time_in_force is TimeInForce.FOK,
            Offer.GTC: self.time_in_force is TimeInForce.GTC,
            Offer.POST_ONLY: self.post_only,
            Offer.MARKET: self.type is OrderType.MARKET and not self.amount,
            Offer.MARKET_BY_AMOUNT: bool(self.amount),
            Offer.REDUCE_ONLY: self.reduce_only,
            Offer.SELF_TRADE: self.self_trade is not None,
        }
        return frozenset(offer for offer, is_needed in needed.items() if is_needed)

    @property
    def rests(self) -> bool:
        """Whether it stays at its venue until it fills or is cancelled."""
        return self.time_in_force is TimeInForce.GTC

    @property
    def is_plain(self) -> bool:
        """Whether it is an immediate-or-cancel limit order without anything else; seen at little cost."""
        return (
            self.time_in_force is TimeInForce.IOC
            and self.type is OrderType.LIMIT
            and not (self.post_only or self.reduce_only or self.amount)
            and self.self_trade is None
        )

    def problem(self) -> str:
        """Return what contradicts itself in the order, or ''."""
        if (self.limit_price > 0) != (self.type is OrderType.LIMIT):
            return "a limit order has a limit above 0, a market order has none"
        if (self.quantity > 0) == (self.amount > 0) or self.quantity < 0 or self.amount < 0:
            return "an order has either a quantity or an amount above 0"
        if self.amount and (self.type is not OrderType.MARKET or self.side is not Side.BUY):
            return "only a market buy has an amount"
        if self.post_only and (self.type is not OrderType.LIMIT or self.time_in_force is not TimeInForce.GTC):
            return "only a limit order that rests is post-only"
        if self.type is OrderType.MARKET and self.time_in_force is TimeInForce.GTC:
            return "a market order doesn't rest"
        return ""


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution.

    Attributes:
        fill_id: The venue's; tells the fills of an order apart, and is the same whenever it is told.
        quantity: In base asset.
        price: In quote asset per base.
        fee: What the venue took, in ``fee_asset``; below zero: a rebate.
        fee_asset: Whichever asset that is.
    """

    fill_id: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str

    @classmethod
    def of(cls, *, fill_id: str | int, quantity: Number, price: Number, fee: Number = 0, fee_asset: str) -> Fill:
        """Return a fill from what JSON gives.

        Raises:
            WireError: a field can't be; names it.
        """
        given = Given(cls.__name__)
        return cls(
            fill_id=given.name("fill_id", fill_id),
            quantity=given.factor("quantity", quantity, above=0),
            price=given.factor("price", price, above=0),
            fee=given.amount("fee", fee),
            fee_asset=given.name("fee_asset", fee_asset),
        )


class OrderReport(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it stands at its venue: its status, and every fill that it ever had.

    Attributes:
        client_order_id: Ours.
        venue_order_id: The venue's; '': it has said none.
        status: OPEN is an acknowledgement, of an order that may fill (further); any other is its last word.
        fills: All of them.
        reason: Why it ended, for people, as the venue says it.
    """

    client_order_id: str
    venue_order_id: str
    status: OrderStatus
    fills: tuple[Fill, ...] = ()
    reason: str = ""

    @classmethod
    def of(
        cls,
        *,
        client_order_id: str | int,
        venue_order_id: MaybeText = None,
        status: OrderStatus | str,
        fills: Iterable[Fill] = (),
        reason: MaybeText = None,
    ) -> OrderReport:
        """Return a report from what JSON gives.

        Raises:
            WireError: a field can't be; names it.
        """
        given = Given(cls.__name__)
        return cls(
            client_order_id=given.name("client_order_id", client_order_id),
            venue_order_id=given.maybe_name("venue_order_id", venue_order_id, ""),
            status=given.member("status", status, OrderStatus),
            fills=given.all_of("fills", fills, Fill),
            reason=given.maybe_name("reason", reason, ""),
        )

    @property
    def filled(self) -> Decimal:
        """Sum of the fills, in base asset."""
        return sum((fill.quantity for fill in self.fills), ZERO)


class OrderUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a venue's stream: what it says of an order now. It may come late, early, or again.

    Attributes:
        client_order_id: Ours; of an order without one, the venue's.
        venue_order_id: The venue's; '': the message has none.
        status: Where the order stands.
        fills: Those that this message reports, none or one as a rule.
        filled: How much was filled in all, in base asset, as far as the venue says so; with a last word other than
            REJECTED it has to.
        quantity: What the order is for now, in base asset, where the venue made it smaller.
        reason: Why it ended, for people, as the venue says it.
    """

    client_order_id: str
    venue_order_id: str = ""
    status: OrderStatus = OrderStatus.OPEN
    fills: tuple[Fill, ...] = ()
    filled: Decimal | None = None
    quantity: Decimal | None = None
    reason: str = ""

    @classmethod
    def of(
        cls,
        *,
        client_order_id: str | int,
        venue_order_id: MaybeText = None,
        status: OrderStatus | str = OrderStatus.OPEN,
        fills: Iterable[Fill] = (),
        filled: Maybe = None,
        quantity: Maybe = None,
        reason: MaybeText = None,
    ) -> OrderUpdate:
        """Return a message from what JSON gives.

        Raises:
            WireError: a field can't be; names it.
        """
        given = Given(cls.__name__)
        return cls(
            client_order_id=given.name("client_order_id", client_order_id),
            venue_order_id=given.maybe_name("venue_order_id", venue_order_id, ""),
            status=given.member("status", status, OrderStatus),
            fills=given.all_of("fills", fills, Fill),
            filled=given.maybe("filled", filled, at_least=0),
            quantity=given.maybe("quantity", quantity, at_least=0),
            reason=given.maybe_name("reason", reason, ""),
        )

    @classmethod
    def from_report(cls, report: OrderReport) -> OrderUpdate:
        """Return a report as the message that tells all of it.

        Args:
            report: The order as it stands.
        """
        return cls(
            client_order_id=report.client_order_id,
            venue_order_id=report.venue_order_id,
            status=report.status,
            fills=report.fills,
            filled=report.filled,
            reason=report.reason,
        )


class VenueOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order as its venue remembers it.

    Attributes:
        order: What was sent.
        report: What became of it; ``None`` where the venue doesn't say that.
    """

    order: Order
    report: OrderReport | None
