"""What was sent from venue to venue: how much of which asset, what that cost, and what is under way."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction

from recount.exact import NONE, Event, number
from recount.listing import Listings
from recount.postings import Postings

__all__ = ["Moved"]


@dataclass
class Asset:
    """All transfers of an asset."""

    sent: Fraction = NONE
    arrived: Fraction = NONE
    fees: Fraction = NONE


class Moved:
    """``under_way``: by id, what is to arrive."""

    def __init__(self, listings: Listings, postings: Postings) -> None:
        self._listings = listings
        self._postings = postings
        self.count = 0
        self.fees_usd = NONE
        self.assets: defaultdict[str, Asset] = defaultdict(Asset)
        self.under_way: dict[str, Fraction] = {}
        self._sent: dict[str, Event] = {}

    def apply(self, event: Event) -> None:
        if event["type"] == "transfer_sent":
            self._send(event)
        elif event["type"] == "transfer_arrived":
            self._arrive(event)

    def _send(self, event: Event) -> None:
        amount, fee, fee_usd = (number(event[key]) for key in ("amount", "fee", "fee_usd"))
        arrives, asset = amount - fee, self.assets[event["asset"]]
        rate = self._listings.usd.get(event["asset"])
        if rate is not None:
            self._postings.same("value_usd", arrives * rate)
        if number(event["value_usd"]) * fee != fee_usd * arrives:
            self._postings.problem("values what it sends and its fee at different prices")
        self.count += 1
        self.fees_usd += fee_usd
        asset.sent, asset.fees = asset.sent + amount, asset.fees + fee
        self.under_way[event["transfer_id"]] = arrives
        self._sent[event["transfer_id"]] = event

    def _arrive(self, event: Event) -> None:
        arrives, sent = self.under_way.pop(event["transfer_id"]), self._sent.pop(event["transfer_id"])
        self._postings.same("amount", arrives)
        if any(event[key] != sent[key] for key in ("asset", "source", "target")):
            self._postings.problem("arrives as another transfer than was sent")
        if event["ts_ns"] < sent["arrives_at_ns"]:
            self._postings.problem(f"arrives before {sent['arrives_at_ns']}")
        self.assets[sent["asset"]].arrived += arrives
