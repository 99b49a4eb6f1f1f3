"""Orders as a venue keeps them, and what becomes of them."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from enum import Enum

import attrs

from trioarb.api import ZERO, OrderType, SelfTrade, Side, TimeInForce

__all__ = ["Execution", "OrderState", "OrderTerms", "Refusal", "Refused", "VenueOrder"]

#: The last digit of quantities at every venue that is simulated.
_UNIT = Decimal("1e-8")


class Refusal(Enum):
    """Why a venue takes no order, or finds none. Each venue has codes and words of its own for them."""

    NO_SUCH_MARKET = "no such market"
    HALTED = "the market does not trade"
    CANCEL_ONLY = "the market takes cancellations only"
    OFF_TICK = "the price is no multiple of the tick"
    PRICE_OUT_OF_RANGE = "the price is too far away"
    OFF_LOT = "the quantity is no multiple of the lot"
    TOO_SMALL = "below the minimum quantity"
    TOO_LARGE = "above the maximum quantity"
    BELOW_MINIMUM_VALUE = "below the minimum value"
    NO_FUNDS = "not enough funds"
    DUPLICATE_ID = "the client id was used before"
    WOULD_TAKE = "a post-only order would take"
    UNKNOWN_ORDER = "no such order"
    ENDED_ORDER = "the order has ended"
    TOO_MANY_ORDERS = "too many open orders"
    NOT_OFFERED = "the venue has no such orders"


class Refused(Exception):
    """The venue refuses a request; nothing has changed."""

    def __init__(self, why: Refusal) -> None:
        super().__init__(why.value)
        self.why = why


class OrderState(Enum):
    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    """Its own terms ended it: what didn't fill at once, or would have met an order of the same account."""


@attrs.frozen(kw_only=True)
class OrderTerms:
    """What an account asks for. ``price`` is 0 in a market order; a market buy may have an ``amount`` to spend."""

    market: str
    side: Side
    type: OrderType = OrderType.LIMIT
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    price: Decimal = ZERO
    quantity: Decimal = ZERO
    amount: Decimal = ZERO
    client_id: str = ""
    self_trade: SelfTrade | None = None


@attrs.define(kw_only=True, eq=False)
class VenueOrder:
    """An order that a venue took. ``value``: what its fills came to, in quote asset; ``fees`` by asset.

    ``cancelled_by``: the client id of the request that cancelled it, where such requests have ids.
    """

    order_id: int
    account: str
    terms: OrderTerms
    created_ms: int
    updated_ms: int
    state: OrderState = OrderState.OPEN
    why: str = ""
    cancelled_by: str = ""
    filled: Decimal = ZERO
    value: Decimal = ZERO
    locked: Decimal = ZERO
    fees: dict[str, Decimal] = attrs.field(factory=dict)
    executions: list[Execution] = attrs.field(factory=list)

    @property
    def rest(self) -> Decimal:
        """What of its quantity isn't filled yet."""
        return self.terms.quantity - self.filled

    @property
    def is_sated(self) -> bool:
        """Whether it has all that it wanted; of an amount to be spent, but for what buys nothing any more."""
        if not self.terms.amount:
            return not self.rest
        return bool(self.filled) and not self.wanted_at(self.value / self.filled)

    def wanted_at(self, price: Decimal) -> Decimal:
        """Return how much it still wants at a price, in base asset."""
        if not self.terms.amount:
            return self.rest
        return ((self.terms.amount - self.value) / price).quantize(_UNIT, rounding=ROUND_DOWN)

    @property
    def is_open(self) -> bool:
        return self.state is OrderState.OPEN


@attrs.frozen(kw_only=True)
class Execution:
    """One fill of one order."""

    trade_id: int
    price: Decimal
    quantity: Decimal
    is_maker: bool
    fee: Decimal
    fee_asset: str
    at_ms: int
