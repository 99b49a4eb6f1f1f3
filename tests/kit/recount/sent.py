"""Orders as they were sent: by whose leave, what they lock, and whether fills and last words keep to them."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from recount.exact import NONE, Event, number, optional
from recount.listing import Listings
from recount.pairs import Order, Pairs
from recount.postings import Postings

__all__ = ["Sent"]

_BPS = 10_000
#: Margins are rounded up here.
_MARGIN_STEP = Fraction(1, 10**8)
_FEE_STEP = Fraction(1, 10**8)
_EDGE_ROUNDED = Fraction(1, 2 * 10**6)
_OPENS = ("leg", "hedge")


class Sent:
    """Comes after the pairs."""

    def __init__(self, listings: Listings, postings: Postings, pairs: Pairs) -> None:
        self._listings = listings
        self._postings = postings
        self._pairs = pairs
        #: The opportunity that was allowed last, and what a venue closed by force that no fill accounts for yet.
        self._allowed: Event | None = None
        self._forced: dict[str, Fraction] = {}

    def apply(self, event: Event) -> None:
        handler = getattr(self, f"_on_{event['type']}", None)
        if handler is not None:
            handler(event)

    # Entries

    def _on_decided(self, event: Event) -> None:
        self._allowed = event if event["answer"] == "ALLOW" and event.get("quantity") else None

    def _on_transaction_opened(self, event: Event) -> None:
        self._enter(event)

    def _on_pair_opened(self, event: Event) -> None:
        if event["kind"] == "entry" and event.get("reason") != "liquidated":
            allowed = self._enter(event)
            if allowed is not None:
                self._check_edge(event, allowed)

    def _enter(self, event: Event) -> Event | None:
        """Hold what was allowed against what is opened by that."""
        allowed, self._allowed = self._allowed, None
        if allowed is None:
            self._postings.problem("is opened, and was not allowed")
            return None
        if event["type"] == "pair_opened" and number(event["quantity"]) != number(allowed["quantity"]):
            self._postings.problem(f"trades {event['quantity']} of {allowed['quantity']} that were allowed")
        if number(event["reserved_usd"]) != number(allowed["notional_usd"]):
            self._postings.problem(f"reserves {event['reserved_usd']}, and {allowed['notional_usd']} were allowed")
        return allowed

    def _check_edge(self, opened: Event, allowed: Event) -> None:
        """Compute the edge of the averages over the levels that were taken, at prices that orders may have."""
        bought, sold = self._average(opened, allowed, "ask", "buy"), self._average(opened, allowed, "bid", "sell")
        fees = [self._listings.fee_bps(opened["symbol"], opened[f"{side}_venue"]) / _BPS for side in ("buy", "sell")]
        edge = (sold * (1 - fees[1]) / (bought * (1 + fees[0])) - 1) * _BPS
        said = number(allowed["edge_bps"])
        if abs(said - edge) > _EDGE_ROUNDED:
            self._postings.problem(f"was allowed for {allowed['edge_bps']} bps, which are {float(edge)}")

    def _average(self, opened: Event, allowed: Event, shown: str, side: str) -> Fraction:
        levels = allowed.get(f"{shown}s") or [[allowed[shown], allowed[f"{shown}_size"]]]
        place = opened["symbol"], opened[f"{side}_venue"]
        quantity = rest = number(opened["quantity"])
        value = NONE
        for price, size in levels:
            part = min(rest, number(size)) if len(levels) > 1 else rest
            value, rest = value + part * self._listings.to_tick(place, number(price), up=side == "sell"), rest - part
        if rest:
            self._postings.problem(f"takes {float(rest)} more than the levels of {place[1]} show")
        return value / quantity * (optional(opened, f"{side}_fx") or 1)

    # Orders

    def _on_order_submitted(self, event: Event) -> None:
        order = self._pairs.orders[event["client_order_id"]]
        if event["purpose"] != "liquidation":
            self._postings.same("locked", self._locked(event, order))
        if event["purpose"] == "leg":
            self._check_leg(event, order)

    def _locked(self, event: Event, order: Order) -> Fraction:
        place = event["symbol"], event["venue"]
        listed, quantity = self._listings.of[place], number(event["quantity"])
        fee = max(NONE, self._listings.fee_bps(*place)) / _BPS
        value = quantity * number(event["limit_price"])
        is_contract = self._listings.is_contract(*place)
        spends = listed["base"] if event["side"] == "sell" and not is_contract else listed["quote"]
        if event["locked_asset"] != spends:
            self._postings.problem(f"locks {event['locked_asset']} and not {spends}")
        if is_contract:
            opens = order.pair.is_entry and event["purpose"] in _OPENS
            steps = value / number(listed["leverage"]) / _MARGIN_STEP if opens else 0
            return ceil(steps) * _MARGIN_STEP + value * fee
        return quantity if event["side"] == "sell" else value * (1 + fee)

    def _check_leg(self, event: Event, order: Order) -> None:
        """Its limit is that of the pair's leg, its quantity that one down to the lot, and what is taken along."""
        opened, place = order.pair.opened, (event["symbol"], event["venue"])
        if opened["type"] == "pair_opened":
            limit, quantity = opened[f"{event['side']}_limit"], number(opened["quantity"])
        else:
            leg = next(leg for leg in opened["legs"] if (leg["symbol"], leg["venue"]) == place)
            limit, quantity = leg.get("limit"), number(leg["quantity"])
            if leg.get("after") is not None:
                return
        lot = number(self._listings.of[place]["lot_size"])
        wanted = quantity // lot * lot + order.pair.offered.get(event["client_order_id"], NONE)
        self._postings.same("quantity", wanted)
        if limit is not None:
            self._postings.same("limit_price", number(limit))

    def _on_order_filled(self, event: Event) -> None:
        order = self._pairs.orders[event["client_order_id"]]
        limit, price = number(order.event["limit_price"]), number(event["price"])
        if order.filled > number(order.event["quantity"]):
            self._postings.problem(f"fills {float(order.filled)} of {order.event['quantity']}")
        if limit and (price > limit if event["side"] == "buy" else price < limit):
            self._postings.problem(f"fills at {event['price']}, worse than {order.event['limit_price']}")
        if order.event["purpose"] != "liquidation" and not order.event.get("post_only"):
            self._check_fee(event)
        if order.event["purpose"] == "liquidation":
            quantity = number(event["quantity"])
            self._account({"quantity": quantity, "value": quantity * price, "fees": number(event["fee"])})

    def _check_fee(self, event: Event) -> None:
        """Compute the fee of who takes; one in an asset of its own is rounded up, and worth as much at that moment."""
        quantity, fee = number(event["quantity"]), number(event["fee"])
        rate = self._listings.fee_bps(event["symbol"], event["venue"]) / _BPS
        value = quantity * number(event["price"])
        if event["fee_asset"] in (event["base"], event["quote"]):
            self._postings.same("fee", (quantity if event["fee_asset"] == event["base"] else value) * rate)
        elif fee and event.get("fee_value") is not None:
            worth = number(event["fee_value"])
            if not 0 <= worth - value * rate < _FEE_STEP * worth / fee:
                self._postings.problem(f"takes a fee worth {float(worth)} instead of {float(value * rate)}")

    def _on_order_cancelled(self, event: Event) -> None:
        order = self._pairs.orders[event["client_order_id"]]
        self._postings.same("unfilled", number(order.event["quantity"]) - order.filled)

    _on_order_expired = _on_order_reopened = _on_order_cancelled

    # What venues closed by force

    def _on_contracts_liquidated(self, event: Event) -> None:
        self._end_forced()
        self._forced = {key: number(event[key]) for key in ("quantity", "value", "fees")}

    def _account(self, filled: dict[str, Fraction]) -> None:
        for key, amount in filled.items():
            self._forced[key] = self._forced.get(key, NONE) - amount

    def _on_campaign_ended(self, _: Event) -> None:
        self._end_forced()

    def _end_forced(self) -> None:
        for key, rest in self._forced.items():
            if rest:
                self._postings.problem(f"comes after a liquidation of which {float(rest)} {key} no fill accounts for")
        self._forced = {}
