"""What pairs left: residuals and dust, what becomes of them, and what venues charge for what is held."""

from __future__ import annotations

from fractions import Fraction

from recount.exact import NONE, Event, cut, number
from recount.holding import Dust, Holdings, Residual
from recount.listing import Listings, Place
from recount.pairs import Pairs, Trade
from recount.postings import Postings

__all__ = ["Left"]

_BPS = 10_000
_CHARGE_ROUNDED = Fraction(1, 10**8)


class Left:
    """``unassigned_usd``: what was charged or paid for what belongs to no trade that goes on."""

    def __init__(self, listings: Listings, holdings: Holdings, postings: Postings, pairs: Pairs) -> None:
        self._listings = listings
        self._holdings = holdings
        self._postings = postings
        self._pairs = pairs
        self.unassigned_usd = NONE
        #: The trade of which something was learnt late.
        self._learnt: Trade | None = None
        #: The symbol of what was resolved last: what is left of that follows, also in the bridge of a loop.
        self._resolved = ""

    def apply(self, event: Event) -> None:
        handler = getattr(self, f"_on_{event['type']}", None)
        if handler is not None:
            handler(event)

    def _usd(self, place: Place) -> Fraction:
        return self._listings.usd_of(*place) or NONE

    def _on_residual_left(self, event: Event) -> None:
        symbol, venue, quantity = event["symbol"], event["venue"], number(event["quantity"])
        pair, usd = self._pairs.pairs[event["pair_id"]], self._usd((symbol, venue))
        price = number(event["average_price"])
        mark = next((number(event[key]) for key in ("mark_price", "last_price") if event.get(key)), price)
        booked = NONE if event["possible"] else quantity * mark
        self._postings.same("booked_value", booked)
        self._postings.same("cost_usd", abs(quantity) * price * usd)
        self._holdings.residuals[event["residual_id"]] = Residual(
            trade_id=event["trade_id"],
            symbol=symbol,
            venue=venue,
            quantity=quantity,
            price=price,
            booked=booked,
            cost_usd=abs(quantity) * price * usd,
            is_possible=event["possible"],
            order_id=event.get("client_order_id"),
        )
        if not pair.ended:
            pair.left_usd += booked * usd
            pair.left[symbol, venue] += NONE if event["possible"] else quantity
        else:  # what is left of one that was resolved, whose PnL says so already
            self._postings.bring(self._resolved or symbol, booked * usd)
            if self._learnt is not None:
                self._learnt.due_usd += booked * usd

    def _on_dust_left(self, event: Event) -> None:
        place, quantity = (event["symbol"], event["venue"]), number(event["quantity"])
        pair, usd, booked = self._pairs.pairs[event["pair_id"]], self._usd(place), number(event["booked_value"])
        cost = quantity * number(event["price"]) * usd
        self._postings.same("cost_usd", abs(cost))
        dust = self._holdings.dust[place]
        dust.quantity, dust.booked = dust.quantity + quantity, dust.booked + booked
        dust.cost_usd += cost
        pair.left_usd += booked * usd
        pair.left[place] += quantity
        pair.dust_usd += booked * usd
        pair.dust[place] += quantity

    def _on_residual_worked(self, event: Event) -> None:
        self._holdings.residuals[event["residual_id"]].order_id = event["client_order_id"]

    def _on_residual_offered(self, event: Event) -> None:
        self._pairs.pairs[event["pair_id"]].offered[event["client_order_id"]] = number(event["quantity"])

    def _on_residual_resolved(self, event: Event) -> None:
        residual = self._holdings.residuals.pop(event["residual_id"])
        order = self._pairs.orders[residual.order_id or ""]
        pair, place = order.pair, (order.event["symbol"], order.event["venue"])
        late, usd = order.late, self._usd((residual.symbol, residual.venue))
        earned, fees = late.earned * usd, late.fees * usd
        if pair.is_loop and place == pair.legs[1]:  # what it moved is left, of both its assets
            earned, fees = NONE, late.fees * number(pair.opened["legs"][2]["limit"]) * usd
        self._postings.same("fees_usd", fees)
        self._postings.tell()
        self._postings.bring(event["symbol"], earned - residual.booked * usd, fees)
        self._learnt, self._resolved = None, event["symbol"]
        if order.event["purpose"] != "work":
            self._learnt = trade = self._pairs.trades[residual.trade_id]
            trade.due_usd, trade.due_fees_usd = earned - residual.booked * usd, fees
            pair.late[place] = pair.late[place].plus(late)

    def _on_residual_taken(self, event: Event) -> None:
        place, rest = (event["symbol"], event["venue"]), number(event["rest"])
        usd, residual_id = self._usd(place), event.get("residual_id")
        one = self._holdings.dust[place] if residual_id is None else self._holdings.residuals[residual_id]
        if number(event["quantity"]) + rest != one.quantity:
            self._postings.problem(f"takes {event['quantity']} of {float(one.quantity)} and leaves {event['rest']}")
        booked, cost = (
            amount - cut(amount, one.quantity - rest, one.quantity) for amount in (one.booked, one.cost_usd)
        )
        self._postings.same("booked_value", booked)
        self._postings.same("cost_usd", abs(cost))
        value, fee = number(event["value"]), number(event["fees"])
        self._pairs.pairs[event["pair_id"]].taken[event["venue"]].add(
            buying=value < 0, quantity=-abs(number(event["quantity"])), value=-abs(value), fee=-fee
        )
        pnl = (value - fee + booked - one.booked) * usd
        self._postings.same("pnl_usd", pnl)
        self._postings.tell()
        self._postings.bring(event["symbol"], pnl, fee * usd)
        one.quantity, one.booked, one.cost_usd = rest, booked, cost
        if residual_id is not None and not rest:
            del self._holdings.residuals[residual_id]

    def _on_residuals_netted(self, event: Event) -> None:
        long = self._holdings.residuals[event["long_id"]]
        before = long.booked
        pnl = self._shrink_both(event) * self._listings.usd_of_symbol(event["symbol"])
        self._postings.same("value", before - long.booked)
        self._postings.same("pnl_usd", pnl)
        self._postings.tell()
        self._postings.bring(event["symbol"], pnl, number(event["fees_usd"]))

    def _on_residuals_paired(self, event: Event) -> None:
        self._pairs.pair_up(event, self._shrink_both(event))

    def _shrink_both(self, event: Event) -> Fraction:
        """Take so much of a long and a short residual; return how what is booked of them changes."""
        change = NONE
        for name, sign in (("long", 1), ("short", -1)):
            residual_id = event[f"{name}_id"]
            one = self._holdings.residuals[residual_id]
            rest = one.quantity - sign * number(event["quantity"])
            self._postings.same(f"{name}_rest", rest)
            booked, cost = _rest_of(one, rest)
            self._postings.same(f"{name}_booked_value", booked)
            self._postings.same(f"{name}_cost_usd", cost)
            change += booked - one.booked
            one.quantity, one.booked, one.cost_usd = rest, booked, cost
            if not rest:
                del self._holdings.residuals[residual_id]
        return change

    # What venues charge, and what was lost before

    def _on_funding_paid(self, event: Event) -> None:
        self._check_charge(event)
        usd = number(event["amount"]) * self._usd((event["symbol"], event["venue"]))
        self._postings.same("amount_usd", usd)
        self._postings.post(event["symbol"], usd)
        self._postings.tell("amount_usd")
        trade = self._pairs.trades.get(event.get("trade_id") or "")
        if trade is None or trade.is_over:
            self.unassigned_usd += usd
        else:
            trade.pnl_usd, trade.funding_usd = trade.pnl_usd + usd, trade.funding_usd + usd

    def _check_charge(self, event: Event) -> None:
        """Hold what was charged against the rate, the mark, and what the trade held; venues round what they charge."""
        quantity = number(event["quantity"])
        worth = quantity * number(event["mark"]) * number(event["rate_bps"]) / _BPS
        due = -worth if event["kind"] == "funding" else worth
        if abs(number(event["amount"]) - due) > _CHARGE_ROUNDED:
            self._postings.problem(f"moves {event['amount']}, and {float(due)} are due")
        position = self._holdings.positions.get(event.get("trade_id") or "")
        place = event["symbol"], event["venue"]
        if any(place in pair.legs for pair in self._pairs.pairs.values() if not pair.ended):
            return  # its venue may have traded what isn't told yet
        if position is not None and event["kind"] == "funding" and position.since_ns <= event["charged_at_ns"]:
            held = position.quantity if position.buy_venue == event["venue"] else -position.quantity
            if quantity != held:
                self._postings.problem(f"is for {event['quantity']}, and {float(held)} were held")

    def _on_loss_carried(self, event: Event) -> None:
        self._postings.carry(number(event["total_usd"]))


def _rest_of(left: Residual | Dust, rest: Fraction) -> tuple[Fraction, Fraction]:
    """Return what is booked of a rest, and its cost: a part that goes is cut, and the remainder stays."""
    part, whole = left.quantity - rest, left.quantity
    return left.booked - cut(left.booked, part, whole), left.cost_usd - cut(left.cost_usd, part, whole)
