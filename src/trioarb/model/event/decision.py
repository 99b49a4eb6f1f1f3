"""Events of what was seen, decided and counted before an order is sent."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from trioarb.model.event.base import Event
from trioarb.model.market import Level
from trioarb.model.trade import Answer

__all__ = ["Decided", "DecisionsRepeated", "FunnelCounted", "GuardTripped", "RouteCounted"]


class Decided(Event, frozen=True, kw_only=True):
    """The guards' answer to an opportunity.

    ``tier``, ``rule``, ``value`` and ``limit`` are absent from an ALLOW, ``pair_id`` from others. A REDUCE names the
    largest size that its rule leaves, ``largest_usd`` or ``largest_base``; in the same step the ALLOW of what was made
    of that follows, or another REDUCE. A STOP that a loss calls, without an opportunity at hand, has no route, quantity
    or edge. A DENY of prices that are doubted before anything is sized has no quantity or notional; ``edge_bps`` is
    that of the best prices then. ``ask`` stood at the buy venue, ``bid`` at the sell venue. Where the quantity takes
    more levels than the best, ``asks`` and ``bids`` are those that it takes, as prices and sizes, the best one first;
    ``edge_bps`` is that of the averages over them then. ``buy_fx`` and ``sell_fx``: the rates of legs whose quote asset
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


class GuardTripped(Event, frozen=True, kw_only=True):
    """A guard changed its state: a breaker that denies for a while, or a latch that stops the campaign.

    Attributes:
        tier: The tier's name, `GuardContext.name`.
        rule: The rule's.
        answer: What it gives from now on; ALLOW where it recovered.
        value: What was measured, as text.
        limit: What is allowed, as text.
        symbol: It concerns that symbol only.
        venue: It concerns that venue only.
        until_ns: Until when it denies, campaign time in nanoseconds.
    """

    tier: str
    rule: str
    answer: Answer
    value: str
    limit: str
    symbol: str | None = None
    venue: str | None = None
    until_ns: int | None = None


class FunnelCounted(Event, frozen=True, kw_only=True):
    """A symbol's counters since the campaign's start (running totals, not differences).

    Of an evaluation, all routes over the threshold may be tried, best first, until one is entered: each is counted as
    ``over_threshold``, and as ``sized`` or ``not_sized``; what a guard doubts isn't, by ``TIER.RULE``.
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
