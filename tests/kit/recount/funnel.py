"""Where symbols and their routes stopped: from the guards' answers, orders and positions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recount.exact import Event

__all__ = ["Funnel", "Route"]

#: Buy and sell venue.
Venues = tuple[str, str]
_ORDERS = {
    "order_submitted": "submitted",
    "order_filled": "fills",
    "order_cancelled": "cancelled",
    "order_expired": "cancelled",
    "order_rejected": "rejected",
    "order_unknown": "unanswered",
}


@dataclass
class Route:
    """``decided``: how often it was answered once it was sized, ``doubted``: before, by the rule."""

    allowed: int = 0
    denied: Counter[str] = field(default_factory=Counter)
    reduced: Counter[str] = field(default_factory=Counter)
    counted: Event = field(default_factory=dict)
    decided: int = 0
    doubted: Counter[str] = field(default_factory=Counter)


class Funnel:
    """``is_whole``: nothing that was counted got lost between two processes."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.answers: Counter[str] = Counter()
        self.by_rule: Counter[str] = Counter()
        self.orders: Counter[str] = Counter()
        self.of: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.routes: defaultdict[str, dict[Venues, Route]] = defaultdict(dict)
        self.counted: dict[str, Event] = {}
        self.is_whole = True
        self._unsent: dict[str, str] = {}
        self._denials: dict[int, tuple[Route | None, bool]] = {}

    def apply(self, event: Event) -> None:
        kind = event["type"]
        if kind in _ORDERS:
            self.orders[_ORDERS[kind]] += 1
        if kind == "decided":
            self._decide(event)
        elif kind == "decisions_repeated":
            route, is_sized = self._denials[event["decision_seq"]]
            self._answer(event, route, event["count"], is_sized=is_sized)
        elif kind in ("pair_opened", "transaction_opened") and event["kind"] == "entry":
            if event.get("reason") == "liquidated":  # nobody sent it
                return
            self._unsent[event["pair_id"]] = event["symbol"]
        elif kind == "order_submitted" and event["pair_id"] in self._unsent:
            self.of[self._unsent.pop(event["pair_id"])]["sent"] += 1
        elif kind == "position_opened":
            self.of[event["symbol"]]["filled"] += 1
        elif kind == "position_closed":
            self.of[event["symbol"]]["closed"] += 1
        elif kind == "funnel_counted":
            self.counted[event["symbol"]] = event
        elif kind == "route_counted":
            self._route(event["symbol"], event["buy_venue"], event["sell_venue"]).counted = event
        elif kind == "campaign_resumed":
            self.is_whole = False

    def _route(self, symbol: str, buy: str, sell: str) -> Route:
        return self.routes[symbol].setdefault((buy, sell), Route())

    def _decide(self, event: Event) -> None:
        route = self._route(event["symbol"], event["buy_venue"], event["sell_venue"]) if "buy_venue" in event else None
        self._denials[event["seq"]] = route, "quantity" in event
        self._answer(event, route, 1, is_sized="quantity" in event)

    def _answer(self, event: Event, route: Route | None, count: int, *, is_sized: bool) -> None:
        answer, one = event["answer"], Route() if route is None else route
        self.answers[answer] += count
        rule = f"{event.get('tier')}.{event.get('rule')}"
        if answer == "ALLOW":
            self.of[event["symbol"]]["allowed"] += count
            one.allowed += count
        elif answer == "REDUCE":
            one.reduced[rule] += count
            return  # the ALLOW of what is left of it follows, or the next to reduce it
        else:
            self.of[event["symbol"]]["rejected"] += count
            self.by_rule[rule] += count
            one.denied[rule] += count
        if is_sized:
            one.decided += count
        else:
            one.doubted[rule] += count

    def finish(self) -> None:
        """Hold counters against the answers, and routes against their symbols."""
        for symbol, event in self.counted.items():
            sums: Counter[str] = Counter()
            for venues, route in self.routes[symbol].items():
                counted = route.counted
                tries = counted.get("over_threshold", 0), counted.get("sized", 0)
                not_sized = counted.get("not_sized", {})
                sums.update({"over_threshold": tries[0], "sized": tries[1], **not_sized})
                if tries[0] != tries[1] + sum(not_sized.values()):
                    self.problems.append(f"{symbol} {venues}: a try was neither sized nor not: {counted}")
                if self.is_whole and event["final"] and tries[1] != route.decided:
                    self.problems.append(f"{symbol} {venues}: sized {tries[1]}, and {route.decided} decided on")
                for rule in route.denied.keys() if self.is_whole and event["final"] else ():
                    told, ours = not_sized.get(rule, 0), route.doubted[rule]
                    if told != ours:
                        self.problems.append(f"{symbol} {venues}: {told} not sized by {rule}, and {ours} doubted")
            if event["iterations"] != event["evaluated"]:
                self.problems.append(f"{symbol}: {event['iterations']} iterations, and {event['evaluated']} evaluated")
            told = Counter({"over_threshold": event["over_threshold"], "sized": event["sized"], **event["not_sized"]})
            if event["final"] and sums != told:
                self.problems.append(f"{symbol}: its routes sum to {dict(sums)}, and it counts {dict(told)}")

    def of_route(self, symbol: str, venues: Venues) -> Mapping[str, Any]:
        """Return it as a summary has it."""
        route = self.routes[symbol][venues]
        return {
            "over_threshold": route.counted.get("over_threshold", 0),
            "sized": route.counted.get("sized", 0),
            "not_sized": route.counted.get("not_sized", {}),
            "denied": dict(route.denied),
            "allowed": route.allowed,
            **({"reduced": dict(route.reduced)} if route.reduced else {}),
        }
