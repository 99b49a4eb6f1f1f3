"""One market's book: what strangers show, and orders of accounts that rest, matched by price, then time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import attrs

from trioarb.api import ZERO, OrderType, SelfTrade, Side, TimeInForce
from trioarb_sim.order import OrderState, Refusal, Refused, VenueOrder

__all__ = ["Book", "LevelChange", "Match", "Outcome"]

Levels = Sequence[tuple[Decimal, Decimal]]


@attrs.frozen
class Match:
    """A taker met what was shown. ``maker`` is the order that rested there; ``None``: a stranger's.

    ``taker`` is ``None`` where a stranger came.
    """

    price: Decimal
    quantity: Decimal
    side: Side
    taker: VenueOrder | None
    maker: VenueOrder | None


@attrs.frozen
class LevelChange:
    """What stands at a price from now on; 0: nothing."""

    side: Side
    price: Decimal
    size: Decimal


@attrs.define
class Outcome:
    """What became of one request: matches in their order, orders that ended by it, and levels that changed."""

    matches: list[Match] = attrs.field(factory=list)
    ended: list[tuple[VenueOrder, OrderState, str]] = attrs.field(factory=list)
    changes: list[LevelChange] = attrs.field(factory=list)


class Book:
    """Price-time priority. At one price strangers come first: they were there before any order that rests.

    What an order took of a stranger's level stays taken until strangers show something else.
    """

    def __init__(self) -> None:
        self._strangers: dict[Side, dict[Decimal, Decimal]] = {Side.BUY: {}, Side.SELL: {}}
        self._resting: dict[Side, list[VenueOrder]] = {Side.BUY: [], Side.SELL: []}
        self._shown: dict[Side, dict[Decimal, Decimal]] = {Side.BUY: {}, Side.SELL: {}}

    def levels(self, side: Side, depth: int | None = None) -> list[tuple[Decimal, Decimal]]:
        """Return price levels, best first: strangers' sizes and those of orders that rest, together."""
        return sorted(self._shown[side].items(), reverse=side is Side.BUY)[:depth]

    def best(self, side: Side) -> Decimal | None:
        """Return the best price of a side; ``None``: nothing is there."""
        prices = self._shown[side]
        return (max if side is Side.BUY else min)(prices) if prices else None

    def show(self, bids: Levels, asks: Levels) -> Outcome:
        """Replace what strangers show; those who come to an order that rests, trade with it at its price."""
        outcome = Outcome()
        self._strangers = {Side.BUY: dict(bids), Side.SELL: dict(asks)}
        for side in Side:
            for order in list(self._resting[side]):
                self._meet_strangers(order, outcome)
        return self._done(outcome)

    def strike(self, side: Side, quantity: Decimal) -> Outcome:
        """Let a stranger take at the best price: what strangers show there, then what rests there."""
        outcome = Outcome()
        against = _other(side)
        price = self.best(against)
        if price is not None:
            there = self._strangers[against].get(price, ZERO)
            if there:
                self._match(Match(price, min(quantity, there), side, None, None), outcome)
            quantity -= min(quantity, there)
            for maker in [one for one in self._resting[against] if one.terms.price == price]:
                if quantity:
                    taken = min(quantity, maker.rest)
                    quantity -= taken
                    self._match(Match(price, taken, side, None, maker), outcome)
        return self._done(outcome)

    def place(self, order: VenueOrder) -> Outcome:
        """Match an order, and let what is left rest, or end, as its terms say.

        Raises:
            Refused: it is post-only and would take.
        """
        terms = order.terms
        if terms.post_only and next(self._offers(order), None) is not None:
            raise Refused(Refusal.WOULD_TAKE)
        outcome = Outcome()
        if terms.time_in_force is TimeInForce.FOK and not self._fills_whole(order):
            outcome.ended.append((order, OrderState.EXPIRED, "it can't be filled whole"))
            return self._done(outcome)
        is_stopped = self._take(order, outcome)
        if order.is_sated:
            outcome.ended.append((order, OrderState.FILLED, ""))
        elif is_stopped:
            outcome.ended.append((order, OrderState.EXPIRED, "it would trade with an order of the same account"))
        elif terms.type is OrderType.MARKET or terms.time_in_force is not TimeInForce.GTC:
            outcome.ended.append((order, OrderState.EXPIRED, ""))
        else:
            self._resting[terms.side].append(order)
        return self._done(outcome)

    def cancel(self, order: VenueOrder) -> Outcome:
        """Take an order off the book."""
        self._resting[order.terms.side].remove(order)
        return self._done(Outcome(ended=[(order, OrderState.CANCELLED, "")]))

    # Matching

    def _take(self, order: VenueOrder, outcome: Outcome) -> bool:
        """Match an order with what stands against it; return whether one of the same account stopped it."""
        against = _other(order.terms.side)
        for price, maker in list(self._offers(order)):
            wanted = order.wanted_at(price)
            if not wanted:
                break
            if maker is not None and maker.account == order.account and order.terms.self_trade is not None:
                if order.terms.self_trade is not SelfTrade.CANCEL_NEW:
                    self._resting[against].remove(maker)
                    outcome.ended.append((maker, OrderState.EXPIRED, "an order of the same account came to it"))
                if order.terms.self_trade is not SelfTrade.CANCEL_OLD:
                    return True
                continue
            there = self._strangers[against][price] if maker is None else maker.rest
            quantity = min(wanted, there)
            self._match(Match(price, quantity, order.terms.side, order, maker), outcome)
        return False

    def _meet_strangers(self, order: VenueOrder, outcome: Outcome) -> None:
        """Let strangers' new offers that an order at rest would have taken come to it, at its own price."""
        against = _other(order.terms.side)
        for price, maker in list(self._offers(order)):
            if maker is None and order.rest:
                quantity = min(order.rest, self._strangers[against][price])
                self._match(Match(order.terms.price, quantity, against, None, order), outcome)
                self._reduce(against, price, quantity)

    def _match(self, match: Match, outcome: Outcome) -> None:
        outcome.matches.append(match)
        for order in (match.taker, match.maker):
            if order is not None:
                order.filled += match.quantity
                order.value += match.quantity * match.price
        if match.maker is None:
            self._reduce(_other(match.side), match.price, match.quantity)
        if match.maker is not None and match.maker.is_sated:
            self._resting[match.maker.terms.side].remove(match.maker)
            outcome.ended.append((match.maker, OrderState.FILLED, ""))

    def _offers(self, order: VenueOrder) -> Iterator[tuple[Decimal, VenueOrder | None]]:
        """Yield what stands against an order within its limit, in the order of its matching."""
        against = _other(order.terms.side)
        found: list[tuple[Decimal, VenueOrder | None]] = [(price, None) for price in self._strangers[against]]
        found += [(one.terms.price, one) for one in self._resting[against]]
        sign = 1 if against is Side.SELL else -1
        # The sort keeps the order of equals: strangers, then those that rest, by their arrival.
        for price, maker in sorted(found, key=lambda one: sign * one[0]):
            if order.terms.type is OrderType.LIMIT and sign * price > sign * order.terms.price:
                return
            yield price, maker

    def _fills_whole(self, order: VenueOrder) -> bool:
        strangers = self._strangers[_other(order.terms.side)]
        sizes = (strangers[price] if maker is None else maker.rest for price, maker in self._offers(order))
        return sum(sizes, ZERO) >= order.rest

    def _reduce(self, side: Side, price: Decimal, quantity: Decimal) -> None:
        left = self._strangers[side][price] - quantity
        if left:
            self._strangers[side][price] = left
        else:
            del self._strangers[side][price]

    def _done(self, outcome: Outcome) -> Outcome:
        """Find which levels stand otherwise now, in a stable order."""
        for side in Side:
            now = dict(self._strangers[side])
            for order in self._resting[side]:
                now[order.terms.price] = now.get(order.terms.price, ZERO) + order.rest
            outcome.changes += _changes(side, self._shown[side], now)
            self._shown[side] = now
        return outcome


def _changes(side: Side, before: Mapping[Decimal, Decimal], now: Mapping[Decimal, Decimal]) -> Iterator[LevelChange]:
    for price in sorted(before.keys() | now.keys(), reverse=side is Side.BUY):
        size = now.get(price, ZERO)
        if before.get(price, ZERO) != size:
            yield LevelChange(side, price, size)


def _other(side: Side) -> Side:
    return Side.SELL if side is Side.BUY else Side.BUY
