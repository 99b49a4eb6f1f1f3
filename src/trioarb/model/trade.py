"""Opportunities, the guards' answers to them, and the trades that come of it."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

import msgspec

from trioarb.model.market import Level, Route
from trioarb.model.number import text
from trioarb.model.order import Side

__all__ = [
    "HORIZONS",
    "Account",
    "Answer",
    "EndedBy",
    "ExitReason",
    "FxUsed",
    "LegPlan",
    "Opportunity",
    "OrderSize",
    "PairKind",
    "PairOutcome",
    "Phase",
    "Position",
    "Quoting",
    "Refusal",
]


#: So many seconds after a fill it is held against the market again.
HORIZONS = (1, 10, 60)


class Account(Enum):
    """How a venue lets us sell: what we own (spot), or also what we borrow (margin); or contracts (perpetual)."""

    SPOT = "spot"
    MARGIN = "margin"
    PERPETUAL = "perpetual"


class Answer(Enum):
    """What guards say of an opportunity."""

    ALLOW = "ALLOW"
    REDUCE = "REDUCE"
    """Not all of it: no more than the refusal's ``largest``."""
    DENY = "DENY"
    STOP = "STOP"
    """It is denied, and the campaign ends."""


class PairKind(Enum):
    """Whether a pair of orders opens a position, or closes one."""

    ENTRY = "entry"
    EXIT = "exit"


class PairOutcome(Enum):
    """What a pair of orders came to."""

    HEDGED = "hedged"
    """As much was bought as sold."""
    FLAT = "flat"
    """Nothing is left of it."""
    RESIDUAL = "residual"
    """Something is left one-sided, or unknown."""


class Phase(Enum):
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    DRAINING = "DRAINING"
    CLOSED = "CLOSED"


class EndedBy(Enum):
    ITERATIONS = "iterations"
    RUNTIME = "runtime"
    SIGNAL = "signal"
    EMERGENCY_STOP = "emergency_stop"
    END_OF_DATA = "end_of_data"
    CLOSE_ONLY = "close_only"
    CONTROL = "control"
    """Somebody told it to end."""
    PANIC = "panic"
    """Somebody told it to close everything and end at once."""
    ERROR = "error"


class ExitReason(Enum):
    """Why a position is closed. Strategies answer the first four; the others are the engine's."""

    EDGE = "edge"
    TAKE_PROFIT = "take_profit"
    STOP_LOSS = "stop_loss"
    MAX_HOLDING = "max_holding"
    ONCE = "once"
    """Nothing is left to be closed: stock on both venues was bought and sold, once."""
    CAMPAIGN_END = "campaign_end"
    EMERGENCY_STOP = "emergency_stop"
    QUARANTINE = "quarantine"
    DROPPED = "dropped"
    BLACKLISTED = "blacklisted"
    FLATTENED = "flattened"
    """Somebody told the campaign to close everything."""
    LIQUIDATED = "liquidated"
    """A venue closed its contracts by force."""

    @property
    def forced(self) -> bool:
        """Whether the position has to go whatever the edge: it may be closed beyond the touch."""
        return self is not ExitReason.EDGE and self is not ExitReason.TAKE_PROFIT


class Quoting(msgspec.Struct, frozen=True, kw_only=True):
    """How an entry is quoted: a post-only order rests at one venue of the route, and fills are hedged at the other.

    Its price is that from which the hedge at the other venue's touch earns ``entry_bps``, maker and taker fee paid. It
    is withdrawn once the price that it should have differs by more than ``requote_bps``.

    Attributes:
        venue: Where the order rests.
        entry_bps: What the hedge has to earn, in basis points.
        reach_bps: It rests no further than this away from what ``venue`` asks a buyer or bids a seller.
        requote_bps: A smaller change of the price doesn't move it.
        least_ns: It is not withdrawn sooner than so many nanoseconds after it was placed.
    """

    venue: str
    entry_bps: Decimal
    reach_bps: Decimal
    requote_bps: Decimal
    least_ns: int


class OrderSize(msgspec.Struct, frozen=True, kw_only=True):
    """How much a strategy wants to trade: in USD or in base asset, whichever is set; the least of both.

    Attributes:
        usd: In USD. Of a loop: the most that it may leave one-sided, which is about twice what goes around.
        base: In base asset.
        entry_bps: The least edge of this very entry, in basis points, if it isn't the strategy's.
        quoting: It isn't taken, but quoted; only by a strategy that holds nothing.
    """

    usd: Decimal | None = None
    base: Decimal | None = None
    entry_bps: Decimal | None = None
    quoting: Quoting | None = None

    def no_more_than(self, largest: OrderSize) -> OrderSize:
        """Return the least of this and another size, for an entry with the least edge of this one.

        Args:
            largest: That other size.
        """
        usd = [size for size in (self.usd, largest.usd) if size is not None]
        base = [size for size in (self.base, largest.base) if size is not None]
        return OrderSize(
            usd=min(usd, default=None),
            base=min(base, default=None),
            entry_bps=self.entry_bps,
            quoting=self.quoting,
        )


class LegPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One leg of an opportunity that is more than a purchase and a sale of one symbol."""

    symbol: str
    side: Side
    quantity: Decimal
    limit: Decimal


class FxUsed(msgspec.Struct, frozen=True, kw_only=True):
    """The rates of an opportunity's legs whose quote asset isn't the symbol's: what one unit of it is bought, and sold,
    for.

    ``age_ns`` is that of the oldest quote in them, ``sources`` (``ASSET@VENUE``) are those that counted; constants have
    neither.
    """

    buy: Decimal | None = None
    sell: Decimal | None = None
    age_ns: int | None = None
    sources: tuple[str, ...] = ()


class Opportunity(msgspec.Struct, frozen=True, kw_only=True):
    """A route whose edge passes the threshold, with the very numbers that would be sent.

    Attributes:
        route: Where would be bought and sold.
        quantity: In base asset. Of a loop: that of its first leg, in the route's symbol.
        buy_limit: Limit of the purchase, in quote asset: that of the last level that it takes.
        sell_limit: Limit of the sale.
        edge_bps: Net of both taker fees, at these limits, or at the averages of several levels; in basis points.
        notional_usd: quantity × the higher limit, in USD. Of a loop: the most that may be left one-sided.
        ask: What stood at the buy venue.
        ask_size: How much was offered there, in base asset.
        bid: What stood at the sell venue.
        bid_size: How much was bid there.
        asks: Where it takes more levels than the best: those that it takes, the best one first.
        bids: The same of the sale.
        quoting: It is to rest at that venue at its limit there, and the maker fee counts in its edge. The other limit
            is how far its hedge may have to go.
        legs: Of a loop through several symbols of one venue: all its legs, the first one in the route's symbol. The
            limits are those of this symbol and of what it is made of by the others.
        fx: By which rates its legs were compared, if by any.
    """

    route: Route
    quantity: Decimal
    buy_limit: Decimal
    sell_limit: Decimal
    edge_bps: Decimal
    notional_usd: Decimal
    ask: Decimal | None = None
    ask_size: Decimal | None = None
    bid: Decimal | None = None
    bid_size: Decimal | None = None
    asks: tuple[Level, ...] | None = None
    bids: tuple[Level, ...] | None = None
    quoting: Quoting | None = None
    legs: tuple[LegPlan, ...] | None = None
    fx: FxUsed | None = None


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """A route that the strategy wants to enter, as it is seen before it is sized.

    ``edge_bps`` is that of the best prices, absent where it is beyond all numbers. ``ask`` stands at the buy venue,
    ``bid`` at the sell venue; a loop has neither. ``fx``: by which rates they were compared, if by any.
    """

    route: Route
    edge_bps: Decimal | None
    ask: Decimal | None = None
    ask_size: Decimal | None = None
    bid: Decimal | None = None
    bid_size: Decimal | None = None
    fx: FxUsed | None = None


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """What a guard says against an opportunity, as its rule, what was measured, and what is allowed.

    Attributes:
        answer: DENY or STOP; or REDUCE: up to ``largest`` nothing is in the way.
        rule: The rule's name, counted as ``TIER.rule``.
        value: What was measured, as text.
        limit: What is allowed, as text.
        largest: Of a REDUCE: a size above 0, and below what was asked about.
    """

    answer: Answer
    rule: str
    value: str
    limit: str
    largest: OrderSize | None = None

    @classmethod
    def beyond(cls, rule: str, value: Decimal, limit: Decimal, *, left_usd: Decimal | None) -> Refusal:
        """Return the answer to a size that goes beyond a limit: REDUCE to what is left, or DENY where nothing is.

        Args:
            rule: The rule's name.
            value: What the size would come to.
            limit: What is allowed.
            left_usd: What is left of it, in USD; ``None``: nothing is to be reduced.
        """
        reduces = left_usd is not None and left_usd > 0
        return cls(
            answer=Answer.REDUCE if reduces else Answer.DENY,
            rule=rule,
            value=text(value),
            limit=text(limit),
            largest=OrderSize(usd=left_usd) if reduces else None,
        )


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """An open pair: long on the route's buy venue, short as much on its sell venue.

    Attributes:
        trade_id: Tells trades of a campaign apart.
        route: Where it was bought and sold.
        opened_quantity: What it was opened with, in base asset; exits may have closed a part.
        quantity: What is open.
        buy_price: Average price of the purchase, in quote asset.
        sell_price: Average price of the sale.
        cash: What its open quantity brought and cost so far, in quote asset; buys negative.
        fees: What it cost in fees so far, valued in quote asset.
        realised: What parts that are closed already earned, in quote asset.
        opened_ns: When, campaign time in nanoseconds.
    """

    trade_id: str
    route: Route
    opened_quantity: Decimal
    quantity: Decimal
    buy_price: Decimal
    sell_price: Decimal
    cash: Decimal
    fees: Decimal
    realised: Decimal
    opened_ns: int
