"""What every venue holds: from deposits, fills, fees, and what venues charged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from recount.exact import NONE, Event, cut, number
from recount.listing import Listings

__all__ = ["Account", "Ledger"]

_ENDS = ("order_cancelled", "order_expired", "order_rejected")


@dataclass
class Account:
    """One asset at one venue. ``realised``: of what contracts were traded for, that which reached the wallet."""

    initial: Fraction = NONE
    trades: Fraction = NONE
    fees: Fraction = NONE
    funding: Fraction = NONE
    carried: Fraction = NONE
    moved: Fraction = NONE
    locked: Fraction = NONE

    @property
    def final(self) -> Fraction:
        return self.initial + self.trades - self.fees + self.funding + self.moved - self.carried

    @property
    def free(self) -> Fraction:
        return self.final - self.locked


@dataclass
class Contract:
    """What is held of a contract, and what it cost; both below zero if short."""

    quantity: Fraction = NONE
    cost: Fraction = NONE

    def trade(self, signed: Fraction, price: Fraction) -> Fraction:
        """Count a fill, and return what it realised."""
        realised = NONE
        if self.quantity * signed < 0:
            closed = signed if abs(signed) < abs(self.quantity) else -self.quantity
            had_cost = cut(self.cost, abs(closed), abs(self.quantity))
            realised = -had_cost - closed * price
            self.quantity, self.cost, signed = self.quantity + closed, self.cost - had_cost, signed - closed
        self.quantity, self.cost = self.quantity + signed, self.cost + signed * price
        return realised


@dataclass
class _Order:
    event: Event
    locked: Fraction
    unfilled: Fraction


class Ledger:
    """``accounts`` by venue and asset, ``orders`` by id those without a last word."""

    def __init__(self, listings: Listings) -> None:
        self._listings = listings
        self.accounts: defaultdict[tuple[str, str], Account] = defaultdict(Account)
        self.contracts: defaultdict[tuple[str, str], Contract] = defaultdict(Contract)
        self.orders: dict[str, _Order] = {}
        self.in_transit: dict[str, Event] = {}

    def apply(self, event: Event) -> None:
        kind = event["type"]
        if kind == "deposited":
            self._deposit(event)
        elif kind == "order_submitted":
            order = _Order(event, number(event["locked"]), number(event["quantity"]))
            self.orders[event["client_order_id"]] = order
            self.accounts[event["venue"], event["locked_asset"]].locked += order.locked
        elif kind == "order_reopened":
            again = {**event, "locked_asset": ""}
            self.orders[event["client_order_id"]] = _Order(again, NONE, number(event["unfilled"]))
        elif kind == "order_filled":
            self._fill(event, self.orders[event["client_order_id"]])
        elif kind in _ENDS:
            self._end(event["client_order_id"])
        elif kind == "transfer_sent":
            left, fee = self.accounts[event["source"], event["asset"]], number(event["fee"])
            left.fees, left.moved = left.fees + fee, left.moved - number(event["amount"]) + fee
            self.in_transit[event["transfer_id"]] = event
        elif kind == "transfer_arrived":
            sent = self.in_transit.pop(event["transfer_id"])
            self.accounts[sent["target"], sent["asset"]].moved += number(sent["amount"]) - number(sent["fee"])
        elif kind == "funding_paid":
            self.accounts[event["venue"], event["asset"]].funding += number(event["amount"])

    @property
    def in_transit_usd(self) -> Fraction:
        """What is under way, at the prices at which it was sent."""
        return sum((number(one["value_usd"]) for one in self.in_transit.values()), NONE)

    def under_way(self) -> Iterator[tuple[str, str, Fraction]]:
        """Yield venue, asset and amount of what is to arrive."""
        for sent in self.in_transit.values():
            yield sent["target"], sent["asset"], number(sent["amount"]) - number(sent["fee"])

    def _deposit(self, event: Event) -> None:
        amount = number(event["amount"])
        self.accounts[event["venue"], event["asset"]].initial += amount
        symbol = event["asset"].removesuffix("-PERP")
        place = symbol, event["venue"]
        if symbol != event["asset"] and place in self._listings.of and self._listings.is_contract(*place):
            self.contracts[place].quantity += amount

    def _fill(self, event: Event, order: _Order) -> None:
        symbol, venue, fee = event["symbol"], event["venue"], number(event["fee"])
        quantity, price = number(event["quantity"]), number(event["price"])
        signed = quantity if event["side"] == "buy" else -quantity
        quote = self.accounts[venue, event["quote"]]
        spends = event["quote"] if signed > 0 else event["base"]
        quote.trades -= signed * price
        if self._listings.is_contract(symbol, venue):
            self.accounts[venue, f"{symbol}-PERP"].trades += signed
            quote.carried -= signed * price + self.contracts[symbol, venue].trade(signed, price)
            spends = event["quote"]
        else:
            self.accounts[venue, event["base"]].trades += signed
            self._pay(order, signed * price if signed > 0 else quantity)
        self.accounts[venue, event["fee_asset"]].fees += fee
        if event["fee_asset"] == spends:
            self._pay(order, fee)
        order.unfilled -= quantity
        if not order.unfilled:
            self._end(event["client_order_id"])

    def _pay(self, order: _Order, amount: Fraction) -> None:
        """Take it from what the order has locked, as far as that goes."""
        taken = min(order.locked, amount)
        order.locked -= taken
        if taken:
            self.accounts[order.event["venue"], order.event["locked_asset"]].locked -= taken

    def _end(self, order_id: str) -> None:
        order = self.orders.pop(order_id)
        if order.locked:
            self.accounts[order.event["venue"], order.event["locked_asset"]].locked -= order.locked
