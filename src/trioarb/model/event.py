"""The campaign's events: what is recorded in order, and what all state is folded from.

Every event is an immutable value. `Record` puts it at its place (``seq``) and time (``ts_ns``) in the journal.
Quantities are in base asset, prices in quote asset per base, amounts of money in the asset or unit their name says.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from trioarb.model.contract import ChargeKind
from trioarb.model.fx import FxState
from trioarb.model.market import Instrument, InstrumentStatus, Level
from trioarb.model.number import ZERO, text
from trioarb.model.order import Purpose, Side, TimeInForce
from trioarb.model.trade import Answer, EndedBy, ExitReason, PairKind, PairOutcome, Phase

__all__ = [
    "BalanceDiffered",
    "CampaignEnded",
    "CampaignOpened",
    "CampaignResumed",
    "ClockJumped",
    "Decided",
    "DecisionsRepeated",
    "Deposited",
    "DustLeft",
    "EquityStated",
    "Event",
    "FillsMarkedOut",
    "FundingPaid",
    "FunnelCounted",
    "FxRated",
    "GuardTripped",
    "InstrumentChanged",
    "InstrumentListed",
    "Intent",
    "KillSwitchPulled",
    "LossCarried",
    "MarketDown",
    "MarketStale",
    "MarketUp",
    "MarketsMarked",
    "OrderAcknowledged",
    "OrderCancelled",
    "OrderExpired",
    "OrderFilled",
    "OrderRejected",
    "OrderReopened",
    "OrderSubmitted",
    "OrderUnknown",
    "PairEnded",
    "PairOpened",
    "PhaseEntered",
    "PositionClosed",
    "PositionMarked",
    "PositionOpened",
    "PositionReduced",
    "Record",
    "ResidualLeft",
    "ResidualOffered",
    "ResidualResolved",
    "ResidualTaken",
    "ResidualWorked",
    "ResidualsNetted",
    "RouteCounted",
    "StopCleared",
    "SymbolQuarantined",
    "SymbolRestarted",
    "SymbolRetired",
    "TransactionLeg",
    "TransactionOpened",
    "UniverseRefreshed",
    "UpdatesDown",
    "UpdatesUp",
    "terms_of",
]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all events."""


class CampaignOpened(Event, frozen=True, kw_only=True):
    """The first event. ``fx`` holds USD per unit of each quote asset, ``margin`` the venues that lend what is sold.

    ``warnings`` were given before it began. ``listed``: how many symbols passed the universe's filters.

    ``interest``: what those of them charge of it, in basis points a day; absent: nothing.

    ``loss_basis``: whether losses count what is open, at its marks (``marked``), or only what was ``realised``.
    """

    campaign_id: str
    version: str
    config_digest: str
    env: str
    mode: str
    clock: str
    seed: int
    universe_mode: str
    symbols: tuple[str, ...]
    venues: tuple[str, ...]
    fx: Mapping[str, Decimal]
    margin: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    listed: int | None = None
    loss_basis: str = "realised"
    interest: Mapping[str, Decimal] | None = None


class CampaignResumed(Event, frozen=True, kw_only=True):
    """The campaign goes on after a crash, or after it had ended. ``number`` counts from 1.

    ``last_seq`` and ``last_ts_ns`` are those of the last event that the journal held. ``config`` is the whole
    configuration that it goes on with, as JSON without secrets.
    """

    number: int
    version: str
    config_digest: str
    last_seq: int
    last_ts_ns: int
    close_only: bool
    warnings: tuple[str, ...] = ()
    durability: str = ""
    config: str = "{}"


class UniverseRefreshed(Event, frozen=True, kw_only=True):
    """The symbols were chosen anew: ``symbols`` are traded from now on, best first.

    Of those ``added`` were not before; those ``dropped`` take no entries, and what they hold is closed. ``listed``: how
    many symbols passed the universe's filters. Where the source has no answer, ``error`` says why, and nothing changes.
    """

    symbols: tuple[str, ...]
    added: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    listed: int | None = None
    error: str | None = None


class StopCleared(Event, frozen=True, kw_only=True):
    """The user lifted a latched stop."""


class BalanceDiffered(Event, frozen=True, kw_only=True):
    """A venue holds something else than the ledger says. The difference is deposited (or, below zero, withdrawn)."""

    venue: str
    asset: str
    held: Decimal
    booked: Decimal


class InstrumentListed(Event, frozen=True, kw_only=True):
    """How a venue lists a symbol. A rule that is absent is none; ``ticks`` are steps by the price where they begin.

    ``counts_as``: the quote asset of the symbol, where the venue's is another. What pairs, positions and residuals of
    it come to is counted in that one; limits, fills and marks are as the venue has them.

    ``leverage`` and ``maintenance_margin_bps`` are those of a perpetual contract. ``funding_bps``: what is to be paid
    for it each ``funding_interval_hours``; absent: no funding.
    """

    symbol: str
    venue: str
    native_id: str
    base: str
    quote: str
    taker_fee_bps: Decimal
    tick_size: Decimal | None = None
    ticks: Mapping[str, Decimal] | None = None
    lot_size: Decimal | None = None
    min_notional: Decimal | None = None
    min_quantity: Decimal | None = None
    status: InstrumentStatus = InstrumentStatus.TRADING
    counts_as: str | None = None
    leverage: Decimal | None = None
    maintenance_margin_bps: Decimal | None = None
    funding_bps: Decimal | None = None
    funding_interval_hours: Decimal | None = None


class InstrumentChanged(Event, frozen=True, kw_only=True):
    """A venue's rules for a symbol, or its status there, are others from now on: all of them, as they are now."""

    symbol: str
    venue: str
    native_id: str
    base: str
    quote: str
    taker_fee_bps: Decimal
    tick_size: Decimal | None = None
    ticks: Mapping[str, Decimal] | None = None
    lot_size: Decimal | None = None
    min_notional: Decimal | None = None
    min_quantity: Decimal | None = None
    status: InstrumentStatus = InstrumentStatus.TRADING
    counts_as: str | None = None
    leverage: Decimal | None = None
    maintenance_margin_bps: Decimal | None = None
    funding_bps: Decimal | None = None
    funding_interval_hours: Decimal | None = None


def terms_of(instrument: Instrument) -> dict[str, Any]:
    """Return the fields of the events that say how a venue lists a symbol."""
    rules, contract = instrument.rules, instrument.contract
    return {
        "symbol": instrument.symbol,
        "venue": instrument.venue,
        "native_id": instrument.native_id,
        "base": instrument.base,
        "quote": instrument.quote,
        "taker_fee_bps": instrument.taker_fee_bps,
        "tick_size": rules.tick_size,
        "ticks": {text(one.at_least): one.step for one in rules.ticks} or None,
        "lot_size": rules.lot_size,
        "min_notional": rules.min_notional,
        "min_quantity": rules.min_quantity,
        "status": instrument.status,
        "counts_as": instrument.counts_as,
        "leverage": None if contract is None else contract.leverage,
        "maintenance_margin_bps": None if contract is None else contract.maintenance_margin_bps,
        "funding_bps": None if contract is None else contract.funding_bps,
        "funding_interval_hours": None if contract is None else contract.funding_interval_hours,
    }


class FxRated(Event, frozen=True, kw_only=True):
    """What one unit of ``asset`` is sold (``bid``) and bought (``ask``) for in ``common``, and whether entries may rely
    on it from now on.

    ``reason``: the ``start``, another ``state``, or a ``minute`` that has gone by. ``bids`` and ``asks`` are those of
    the sources that count, of which the rate has the medians; ``outliers`` are too far from the others, ``old`` too
    old. Where ``state`` is not good, the rate is that of the last time, absent before the first. ``age_ns`` is that of
    the oldest quote in it. ``premiums`` (``SYMBOL@VENUE``): how far, in bps, the middle of a venue's prices, converted,
    stands above those of the venues that quote in ``common``.
    """

    asset: str
    common: str
    reason: str
    state: FxState
    bid: Decimal | None = None
    ask: Decimal | None = None
    age_ns: int | None = None
    bids: Mapping[str, Decimal]
    asks: Mapping[str, Decimal]
    outliers: tuple[str, ...] = ()
    old: tuple[str, ...] = ()
    premiums: Mapping[str, Decimal]


class Deposited(Event, frozen=True, kw_only=True):
    """Assets that the campaign starts with (``configured``) or was seeded with (``inventory``).

    ``symbol`` is that whose inventory it is. ``difference``: what a venue turned out to hold beyond the ledger, below
    zero if it is less.
    """

    venue: str
    asset: str
    amount: Decimal
    reason: str
    symbol: str | None = None


class PhaseEntered(Event, frozen=True, kw_only=True):
    phase: Phase
    reason: str = ""


class Decided(Event, frozen=True, kw_only=True):
    """The guards' answer to an opportunity.

    ``tier``, ``rule``, ``value`` and ``limit`` are absent from an ALLOW, ``pair_id`` from others. A REDUCE names the
    largest size that its rule leaves, ``largest_usd`` or ``largest_base``; in the same step the ALLOW of what was made
    of that follows, or another REDUCE. A STOP that a loss calls, without an opportunity at hand, has no route, quantity
    or edge. ``ask`` stood at the buy venue, ``bid`` at the sell venue. Where the quantity takes more levels than the
    best, ``asks`` and ``bids`` are those that it takes, as prices and sizes, the best one first; ``edge_bps`` is that
    of the averages over them then. ``buy_fx`` and ``sell_fx``: the rates of legs whose quote asset
    isn't the symbol's; ``fx_age_ns`` is that of the oldest quote in them, ``fx_sources`` (``ASSET@VENUE``) are those
    that counted.
    """

    symbol: str
    answer: Answer
    buy_venue: str | None = None
    sell_venue: str | None = None
    quantity: Decimal | None = None
    notional_usd: Decimal | None = None
    edge_bps: Decimal | None = None
    ask: Decimal | None = None
    ask_size: Decimal | None = None
    bid: Decimal | None = None
    bid_size: Decimal | None = None
    asks: tuple[Level, ...] | None = None
    bids: tuple[Level, ...] | None = None
    tier: str | None = None
    rule: str | None = None
    value: str | None = None
    limit: str | None = None
    pair_id: str | None = None
    largest_usd: Decimal | None = None
    largest_base: Decimal | None = None
    buy_fx: Decimal | None = None
    sell_fx: Decimal | None = None
    fx_age_ns: int | None = None
    fx_sources: tuple[str, ...] | None = None


class DecisionsRepeated(Event, frozen=True, kw_only=True):
    """The DENY recorded as ``decision_seq`` was given ``count`` more times.

    Its route had no other answer in between, and its symbol no ALLOW.
    """

    symbol: str
    answer: Answer
    tier: str
    rule: str
    decision_seq: int
    count: int


class PairOpened(Event, frozen=True, kw_only=True):
    """The intent to trade both legs. Reserves ``reserved_usd`` of exposure (0 for an exit) until the pair ends.

    ``holds``: an entry opens a position that is closed later; without it, its position is closed when the pair ends.
    ``buy_fx`` and ``sell_fx``: the rates of legs whose quote asset isn't the symbol's.
    """

    pair_id: str
    trade_id: str
    kind: PairKind
    symbol: str
    buy_venue: str
    sell_venue: str
    quantity: Decimal
    buy_limit: Decimal
    sell_limit: Decimal
    reserved_usd: Decimal
    reason: ExitReason | None = None
    holds: bool = True
    buy_fx: Decimal | None = None
    sell_fx: Decimal | None = None

    @property
    def legs(self) -> tuple[TransactionLeg, ...]:
        """What it is as a transaction."""
        both = (self.buy_venue, Side.BUY, self.buy_limit), (self.sell_venue, Side.SELL, self.sell_limit)
        return tuple(
            TransactionLeg(venue=venue, symbol=self.symbol, side=side, quantity=self.quantity, limit=limit)
            for venue, side, limit in both
        )


class TransactionLeg(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One leg of a transaction: what is to be bought or sold of an instrument.

    ``limit``: the worst price that is reckoned with; absent, where none is. ``time_in_force``: of an order that is not
    immediate or cancelled. ``after``: the place, from 0, of the leg whose fills it follows; its orders go out then, at
    the prices of that moment. Without it, a leg is one order, sent at once at its limit.
    """

    venue: str
    symbol: str
    side: Side
    quantity: Decimal
    limit: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.IOC
    post_only: bool = False
    after: int | None = None


class TransactionOpened(Event, frozen=True, kw_only=True):
    """The intent to trade ``legs`` together, where that is something else than what `PairOpened` tells.

    It is a pair in all that follows, which ends it by its ``pair_id``. ``symbol``: the one that it is counted to; its
    first leg that buys it, and its first that sells it, are what is said of a pair of two legs. Reserves
    ``reserved_usd`` of exposure, the most that it may come to, until it ends.
    """

    pair_id: str
    trade_id: str
    kind: PairKind
    symbol: str
    legs: tuple[TransactionLeg, ...]
    reserved_usd: Decimal
    reason: ExitReason | None = None
    holds: bool = False

    @property
    def buys(self) -> TransactionLeg:
        """The leg that stands for where it buys."""
        return self._first(Side.BUY)

    @property
    def sells(self) -> TransactionLeg:
        """The leg that stands for where it sells."""
        return self._first(Side.SELL)

    @property
    def buy_venue(self) -> str:
        return self.buys.venue

    @property
    def sell_venue(self) -> str:
        return self.sells.venue

    @property
    def quantity(self) -> Decimal:
        return self.legs[0].quantity

    @property
    def buy_limit(self) -> Decimal:
        return self.buys.limit or ZERO

    @property
    def sell_limit(self) -> Decimal:
        return self.sells.limit or ZERO

    def _first(self, side: Side) -> TransactionLeg:
        of_side = [leg for leg in self.legs if leg.side is side] or self.legs
        return next((leg for leg in of_side if leg.symbol == self.symbol), of_side[0])


#: What is recorded before the first order of a pair.
Intent = PairOpened | TransactionOpened


class OrderSubmitted(Event, frozen=True, kw_only=True):
    """Recorded before the order is sent. ``locked`` of ``locked_asset`` stays locked until the order is done.

    ``durable`` is false for an order that had to go out although the journal could not be written. ``time_in_force``
    and ``post_only`` are absent from an immediate-or-cancel order.
    """

    client_order_id: str
    pair_id: str
    purpose: Purpose
    venue: str
    symbol: str
    side: Side
    quantity: Decimal
    limit_price: Decimal
    locked_asset: str
    locked: Decimal
    durable: bool = True
    time_in_force: TimeInForce | None = None
    post_only: bool | None = None

    @property
    def rests(self) -> bool:
        """Whether it stays at its venue until it fills or is cancelled."""
        return self.time_in_force is TimeInForce.GTC


class OrderAcknowledged(Event, frozen=True, kw_only=True):
    client_order_id: str
    venue_order_id: str


class OrderFilled(Event, frozen=True, kw_only=True):
    """``fee_value``: what a fee in neither base nor quote asset is worth in quote asset, at the price of that moment.

    It is absent where the asset had none; the fee is then in no figure but the ledger, and told at the end.

    ``fx_rate``: what one unit of ``quote`` cost (bought) or brought (sold) in the symbol's quote asset then, if that is
    another; ``fx_state``: why entries might not have relied on it, absent if they might.
    """

    client_order_id: str
    fill_id: str
    venue: str
    symbol: str
    side: Side
    base: str
    quote: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str
    fee_value: Decimal | None = None
    fx_rate: Decimal | None = None
    fx_state: FxState | None = None


class FillsMarkedOut(Event, frozen=True, kw_only=True):
    """Where the mid of an order's venue stood a second, ten and sixty after fills that came at ``filled_ns``.

    ``value``: Σ quantity × price of these fills, in quote asset. ``rests``: the order stayed at its venue. A mid is
    absent where a side was withdrawn, and where the campaign ended before.
    """

    client_order_id: str
    venue: str
    symbol: str
    side: Side
    purpose: Purpose
    rests: bool
    filled_ns: int
    quantity: Decimal
    value: Decimal
    mid_1s: Decimal | None = None
    mid_10s: Decimal | None = None
    mid_60s: Decimal | None = None


class OrderCancelled(Event, frozen=True, kw_only=True):
    """The unfilled rest of the order is gone."""

    client_order_id: str
    unfilled: Decimal


class OrderExpired(Event, frozen=True, kw_only=True):
    """The unfilled rest of the order is gone by the order's own terms."""

    client_order_id: str
    unfilled: Decimal


class OrderRejected(Event, frozen=True, kw_only=True):
    client_order_id: str
    reason: str


class OrderReopened(Event, frozen=True, kw_only=True):
    """A venue takes back its last word on an order: what it filled late follows, and another last word.

    ``unfilled`` is what may fill again; nothing is locked for it.
    """

    client_order_id: str
    pair_id: str
    trade_id: str
    venue: str
    symbol: str
    side: Side
    unfilled: Decimal


class OrderUnknown(Event, frozen=True, kw_only=True):
    """No answer came; the venue is asked by ``client_order_id`` what became of the order."""

    client_order_id: str
    reason: str


class UpdatesDown(Event, frozen=True, kw_only=True):
    """A venue's stream of order updates was cut. Until it is up again no entry has a leg there."""

    venue: str
    reason: str


class UpdatesUp(Event, frozen=True, kw_only=True):
    """A venue's stream of order updates goes on, and its open orders were asked for."""

    venue: str


class PairEnded(Event, frozen=True, kw_only=True):
    """``bought`` and ``sold``: net base quantity on the buy and the sell venue. ``pnl_usd``: what this pair realised.

    ``dust`` is what is too small for any venue to trade, and worth next to nothing: an imbalance, or a rest on both
    legs. It is valued at what it would bring, ``dust_value_usd``, which is part of ``pnl_usd``; where it is, each
    `DustLeft` says.
    """

    pair_id: str
    trade_id: str
    symbol: str
    kind: PairKind
    outcome: PairOutcome
    bought: Decimal
    sold: Decimal
    pnl_usd: Decimal
    fees_usd: Decimal
    dust: Decimal = ZERO
    dust_value_usd: Decimal = ZERO


class PositionOpened(Event, frozen=True, kw_only=True):
    """``cash`` and ``fees`` in quote asset; ``exposure_usd`` = quantity × the higher entry price, in USD."""

    trade_id: str
    symbol: str
    buy_venue: str
    sell_venue: str
    quantity: Decimal
    buy_price: Decimal
    sell_price: Decimal
    cash: Decimal
    fees: Decimal
    realised: Decimal
    exposure_usd: Decimal


class PositionReduced(Event, frozen=True, kw_only=True):
    """An exit closed a part; the figures are those of what stays open."""

    trade_id: str
    quantity: Decimal
    cash: Decimal
    fees: Decimal
    realised: Decimal
    exposure_usd: Decimal


class PositionClosed(Event, frozen=True, kw_only=True):
    """The whole trade: ``quantity`` as it was opened, prices averaged over all entries and exits."""

    trade_id: str
    symbol: str
    buy_venue: str
    sell_venue: str
    quantity: Decimal
    entry_buy_price: Decimal
    entry_sell_price: Decimal
    exit_buy_price: Decimal | None = None
    exit_sell_price: Decimal | None = None
    fees_usd: Decimal
    pnl_usd: Decimal
    opened_at_ns: int
    reason: ExitReason


class PositionMarked(Event, frozen=True, kw_only=True):
    """What an open position would bring now, at the executable prices net of fees, less what it cost.

    ``unrealised_usd`` is absent where a quote is missing.
    """

    trade_id: str
    symbol: str
    quantity: Decimal
    unrealised_usd: Decimal | None = None


class DustLeft(Event, frozen=True, kw_only=True):
    """What no venue takes of what a pair left, and worth next to nothing: long if positive, short if negative.

    ``booked_value`` (quote asset) is what it would bring now, or 0 where no price is known, and is part of the pair's
    PnL. ``cost_usd`` = |quantity| × ``price``, and counts as exposure.
    """

    pair_id: str
    trade_id: str
    symbol: str
    venue: str
    asset: str
    quantity: Decimal
    price: Decimal
    booked_value: Decimal
    cost_usd: Decimal


class FundingPaid(Event, frozen=True, kw_only=True):
    """What a venue paid, or below zero took, for what is held there: ``funding`` of contracts, or ``interest`` on what
    is borrowed (``kind``).

    ``quantity`` is that part of what was held (below zero: short, or borrowed) which belongs to the trade (one that
    holds stock makes the venue's interest less, by as much as it would pay for it borrowed); without
    one, to residuals, dust and pairs in flight. All parts have the same ``charge_id``, and were booked by the venue at
    ``charged_at_ns``. ``amount`` of ``asset``, about quantity × ``mark`` × ``rate_bps``, is realised at once.
    """

    charge_id: str
    charged_at_ns: int
    kind: ChargeKind
    venue: str
    symbol: str
    quantity: Decimal
    mark: Decimal
    rate_bps: Decimal
    asset: str
    amount: Decimal
    amount_usd: Decimal
    trade_id: str | None = None


class MarketsMarked(Event, frozen=True, kw_only=True):
    """At which prices what is open was valued, by ``SYMBOL@VENUE``, and what it is worth beyond what it is booked at.

    ``reason``: ``start`` and ``end`` of the campaign, each ``minute`` in which something is open, a ``day`` that
    begins with something open, an ``answer`` that said a loss and follows. ``last`` names the sides
    (``SYMBOL@VENUE bid``) that were withdrawn, and whose last price it is. ``unrealised_usd`` by symbol: positions if
    they were closed, fees paid; residuals and dust at their side's price. ``fx_bids`` and ``fx_asks``: by asset, at
    which rates prices and money in other quote assets were counted.
    """

    reason: str
    bids: Mapping[str, Decimal]
    asks: Mapping[str, Decimal]
    last: tuple[str, ...]
    unrealised_usd: Mapping[str, Decimal]
    fx_bids: Mapping[str, Decimal] | None = None
    fx_asks: Mapping[str, Decimal] | None = None


class ResidualLeft(Event, frozen=True, kw_only=True):
    """One-sided quantity that could not be hedged, unwound or completed: long if positive, short if negative.

    ``cost_usd`` = |quantity| × average price, and counts as exposure until the residual is resolved. ``unknown``: the
    fill state of the order ``client_order_id`` is not known; ``possible``: the quantity exists only if that order
    filled. ``mark_price`` is what its side stands at, absent where there is none; ``last_price`` is there if it was
    withdrawn, and is what it stood at when it was looked at last. ``booked_value`` (quote asset) is what PnL, and with
    it every loss, counts it as: at the one, the other, or at cost; 0 while it is only possible.
    """

    residual_id: str
    pair_id: str
    trade_id: str
    symbol: str
    venue: str
    asset: str
    quantity: Decimal
    average_price: Decimal
    cost_usd: Decimal
    unknown: bool
    possible: bool = False
    booked_value: Decimal = ZERO
    mark_price: Decimal | None = None
    last_price: Decimal | None = None
    client_order_id: str | None = None


class ResidualWorked(Event, frozen=True, kw_only=True):
    """An order, which follows, is to trade a residual away, or to make it large enough for that. Once it is done the
    residual is resolved, and what is left of it takes its place.
    """

    residual_id: str
    symbol: str
    client_order_id: str


class ResidualOffered(Event, frozen=True, kw_only=True):
    """A leg of a pair takes along what was left at its venue: its order, which follows, is larger by ``quantity``.

    What of the order is filled beyond the pair's own quantity belongs to residuals and dust there, not to the pair.
    """

    pair_id: str
    symbol: str
    venue: str
    client_order_id: str
    quantity: Decimal


class ResidualTaken(Event, frozen=True, kw_only=True):
    """A pair that ends has traded away what was left at a venue: of a residual, or (without a ``residual_id``) of dust.

    ``quantity`` is gone, ``rest`` is still there; both below zero where it is short. ``value`` in quote asset is what
    that brought, below zero where it was bought back, and ``fees`` what it cost. ``booked_value`` is what the rest is
    booked at, ``cost_usd`` what it counts as exposure. ``pnl_usd``: value − fees + the change of what is booked.
    """

    pair_id: str
    trade_id: str
    symbol: str
    venue: str
    quantity: Decimal
    rest: Decimal
    value: Decimal
    fees: Decimal
    booked_value: Decimal
    cost_usd: Decimal
    pnl_usd: Decimal
    fees_usd: Decimal
    residual_id: str | None = None


class ResidualResolved(Event, frozen=True, kw_only=True):
    """A residual is one no longer: its order's last word came, or it was traded away.

    What is left of it follows as another residual, whose value is part of ``pnl_usd``: what the fills brought and
    cost, and how the value that was booked has changed.
    """

    residual_id: str
    symbol: str
    reason: str
    pnl_usd: Decimal
    fees_usd: Decimal


class ResidualsNetted(Event, frozen=True, kw_only=True):
    """Two residuals of a symbol hedge each other: ``quantity`` of both is one no longer, and no order was needed.

    The long one goes for what it is booked at (``value``, in quote asset), so ``pnl_usd``, how the value that was
    booked has changed, is the short one's. What is left of them keeps its share of value and exposure.
    """

    symbol: str
    long_id: str
    short_id: str
    quantity: Decimal
    long_rest: Decimal
    long_booked_value: Decimal
    long_cost_usd: Decimal
    short_rest: Decimal
    short_booked_value: Decimal
    short_cost_usd: Decimal
    value: Decimal
    pnl_usd: Decimal
    fees_usd: Decimal = ZERO

    @property
    def rests(self) -> tuple[tuple[str, Decimal, Decimal, Decimal], ...]:
        """Of both: id, what is left, what that is booked at, and its exposure."""
        return (
            (self.long_id, self.long_rest, self.long_booked_value, self.long_cost_usd),
            (self.short_id, self.short_rest, self.short_booked_value, self.short_cost_usd),
        )


class GuardTripped(Event, frozen=True, kw_only=True):
    """A guard changed its state: a breaker that denies until ``until_ns``, or a latch that stops the campaign.

    ``answer`` is what it gives from now on; ALLOW where it recovered. ``venue``: it concerns that venue only.
    """

    tier: str
    rule: str
    answer: Answer
    value: str
    limit: str
    symbol: str | None = None
    venue: str | None = None
    until_ns: int | None = None


class LossCarried(Event, frozen=True, kw_only=True):
    """What an earlier campaign lost on the UTC day on which this one begins counts in its daily losses.

    ``total_usd`` of all its symbols, ``pnl_usd`` by symbol where it lost; none above zero: a gain is not carried.
    """

    campaign_id: str
    total_usd: Decimal
    pnl_usd: Mapping[str, Decimal]


class KillSwitchPulled(Event, frozen=True, kw_only=True):
    """Somebody wants it to stop: ``source`` is where that was seen."""

    source: str


class MarketUp(Event, frozen=True, kw_only=True):
    """A venue's market data has begun, or quotes come again."""

    venue: str


class MarketStale(Event, frozen=True, kw_only=True):
    """No accepted quote of any symbol came from the venue for too long; its connection may look sound."""

    venue: str
    last_quote_ns: int


class ClockJumped(Event, frozen=True, kw_only=True):
    """The process stood still, or a clock of the machine was set. Entries are denied until the venues were asked again.

    ``late_seconds``: by how much a wait of a second took longer. ``wall_step_seconds``: by how much the wall clock went
    on further than the monotonic one, below zero if it was set back.
    """

    late_seconds: Decimal
    wall_step_seconds: Decimal


class MarketDown(Event, frozen=True, kw_only=True):
    """A venue's market data has ended or failed."""

    venue: str
    reason: str


class SymbolQuarantined(Event, frozen=True, kw_only=True):
    symbol: str
    error: str
    failures: int
    restart_at_ns: int | None = None


class SymbolRestarted(Event, frozen=True, kw_only=True):
    symbol: str
    failures: int


class SymbolRetired(Event, frozen=True, kw_only=True):
    """The symbol failed too often: its positions are closed and it trades no more."""

    symbol: str
    failures: int


class EquityStated(Event, frozen=True, kw_only=True):
    """What is held, at the prices just marked, against what was put in; and what the difference is made of.

    Recorded at the end, and each minute where that is wanted.
    ``now_usd`` − ``start_usd`` = the sum of the parts. ``unpriced`` (``VENUE ASSET``) is in none of it. ``fx_usd``:
    what money in assets with a rate has gained by it since it came; absent where there are none.
    """

    start_usd: Decimal
    now_usd: Decimal
    arbitrage_usd: Decimal
    inventory_usd: Decimal
    fees_usd: Decimal
    funding_usd: Decimal
    residuals_usd: Decimal
    unpriced: tuple[str, ...] = ()
    fx_usd: Decimal | None = None


class FunnelCounted(Event, frozen=True, kw_only=True):
    """A symbol's counters since the campaign's start (running totals, not differences).

    Of an evaluation, all routes over the threshold may be tried, best first, until one is entered: each is counted as
    ``over_threshold``, and as ``sized`` or ``not_sized``.
    ``withdrawn``: quotes without one of their sides, or both; they are not ``refused``.
    ``highest_edge_bps``: the highest edge that was seen so far, absent before the first.
    """

    symbol: str
    iterations: int
    seen: int
    refused: int
    conflated: int
    evaluated: int
    fresh: int
    edge_positive: int
    over_threshold: int
    sized: int
    not_sized: Mapping[str, int]
    final: bool
    highest_edge_bps: float | None = None
    withdrawn: int = 0


class RouteCounted(Event, frozen=True, kw_only=True):
    """How often a route was tried since the campaign's start, and what became of it; those of a symbol sum to its own.

    Recorded behind the symbol's `FunnelCounted` if it was tried since the last time, and finally.
    """

    symbol: str
    buy_venue: str
    sell_venue: str
    over_threshold: int
    sized: int
    not_sized: Mapping[str, int]
    final: bool


class CampaignEnded(Event, frozen=True, kw_only=True):
    """The last event. ``problems`` ask for the user's hand; ``recovered`` is what was found and mended before."""

    ended_by: EndedBy
    error: str = ""
    problems: tuple[str, ...] = ()
    recovered: tuple[str, ...] = ()


class Record(NamedTuple):
    """An event at its place in the journal. A tuple, since it is made of every event that is read again."""

    seq: int
    ts_ns: int
    event: Event
