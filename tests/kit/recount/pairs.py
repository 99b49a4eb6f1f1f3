"""Pairs, their orders, and the positions that they open and close: what they earned, from their fills."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from recount.exact import NONE, Event, average, cut, number, optional
from recount.flow import Flow, counted_fee, counted_price
from recount.holding import Holdings, Position
from recount.listing import Listings, Place
from recount.postings import Postings

__all__ = ["Order", "Pair", "Pairs", "Trade"]


@dataclass
class Trade:
    """``exit_usd`` and ``left_usd``: what exits brought before fees, and what its pairs left, at its value."""

    symbol: str
    began_ns: int
    pnl_usd: Fraction = NONE
    fees_usd: Fraction = NONE
    exit_usd: Fraction = NONE
    left_usd: Fraction = NONE
    funding_usd: Fraction = NONE
    #: What was learnt of its orders after their pairs had ended, before fees; what is to be said of it; and what was
    #: learnt of an entry that turned out to have opened a position, until that is.
    late_usd: Fraction = NONE
    due_usd: Fraction = NONE
    due_fees_usd: Fraction = NONE
    paired: Pair | None = None
    #: Its position as it was opened, and the pairs that closed it.
    opened: Event | None = None
    exits: list[Pair] = field(default_factory=list)
    entered: bool = False
    is_over: bool = False


@dataclass
class Pair:
    """``legs``: symbol and venue of each; of a loop, which has three, the second is not bought or sold in money."""

    opened: Event
    legs: tuple[Place, ...]
    flows: dict[Place, Flow]
    before: tuple[Fraction, Fraction]
    offered: dict[str, Fraction] = field(default_factory=dict)
    taken: defaultdict[str, Flow] = field(default_factory=lambda: defaultdict(Flow))
    left: defaultdict[Place, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    left_usd: Fraction = NONE
    #: Of that, what is dust.
    dust: defaultdict[Place, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    dust_usd: Fraction = NONE
    #: What was said of its position before it ended: opened, or reduced.
    said: Event | None = None
    late: defaultdict[Place, Flow] = field(default_factory=lambda: defaultdict(Flow))
    closed: Event | None = None
    ended: bool = False

    def in_all(self, place: Place) -> Flow:
        """Return what was traded at a place, with what was learnt late."""
        return self.flows[place].plus(self.late[place])

    @property
    def is_entry(self) -> bool:
        return bool(self.opened["kind"] == "entry")

    @property
    def is_loop(self) -> bool:
        return len(self.legs) > 2

    @property
    def holds(self) -> bool:
        return bool(self.opened.get("holds", self.opened["type"] == "pair_opened"))


@dataclass
class Order:
    event: Event
    pair: Pair
    filled: Fraction = NONE
    late: Flow = field(default_factory=Flow)


class Pairs:
    """``pairs`` holds those that have ended, too: what they left, and their late orders, come after them."""

    def __init__(self, listings: Listings, holdings: Holdings, postings: Postings) -> None:
        self._listings = listings
        self._holdings = holdings
        self._postings = postings
        self.pairs: dict[str, Pair] = {}
        self.orders: dict[str, Order] = {}
        self.trades: dict[str, Trade] = {}
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.closed = self.won = self.unwound = self.unwound_won = 0

    def apply(self, event: Event) -> None:
        handler = getattr(self, f"_on_{event['type']}", None)
        if handler is not None:
            handler(event)

    def _on_pair_opened(self, event: Event) -> None:
        symbol = event["symbol"]
        buy, sell = (symbol, event["buy_venue"]), (symbol, event["sell_venue"])
        pair = self._open(event, (buy, sell))
        if pair.is_entry:
            limits = (
                number(event[f"{side}_limit"]) * number(event.get(f"{side}_fx") or "1") for side in ("buy", "sell")
            )
            # What a venue closed by force has happened, and risks no more.
            quantity = NONE if event.get("reason") == "liquidated" else number(event["quantity"])
            self._reserve(event, quantity * max(limits) * self._usd(buy))
        else:
            self._postings.same("reserved_usd", NONE)

    def _on_transaction_opened(self, event: Event) -> None:
        legs = event["legs"]
        pair = self._open(event, tuple((leg["symbol"], leg["venue"]) for leg in legs))
        worth = [number(leg["quantity"]) * number(leg.get("limit") or "0") for leg in legs]
        most = worth[0] + worth[2] if pair.is_loop else max(worth)
        self._reserve(event, most * self._usd(pair.legs[0]))

    def _open(self, event: Event, legs: tuple[Place, ...]) -> Pair:
        held = self._holdings.positions.get(event["trade_id"])
        before = (NONE, NONE) if held is None else (held.quantity, held.cash - held.fees)
        pair = self.pairs[event["pair_id"]] = Pair(event, legs, {leg: Flow() for leg in legs}, before)
        if pair.is_entry:
            self.trades[event["trade_id"]] = Trade(event["symbol"], event["ts_ns"])
        else:
            self.trades[event["trade_id"]].exits.append(pair)
        return pair

    def _reserve(self, event: Event, usd: Fraction) -> None:
        self._postings.same("reserved_usd", usd)
        self._holdings.reserved[event["pair_id"]] = event["symbol"], usd

    def _usd(self, place: Place) -> Fraction:
        return self._listings.usd_of(*place) or NONE

    def _money(self, pair: Pair) -> Iterator[tuple[Place, Flow]]:
        """Yield the flows of a pair that are in money."""
        for number_, leg in enumerate(pair.legs):
            if not pair.is_loop or number_ != 1:
                yield leg, pair.flows[leg]

    def _fees_usd(self, pair: Pair) -> Fraction:
        fees = sum((flow.fees * self._usd(leg) for leg, flow in self._money(pair)), NONE)
        if pair.is_loop:
            _, cross, other = pair.legs
            at = number(pair.opened["legs"][2]["limit"])
            fees += pair.flows[cross].fees * at * self._usd(other)
        return fees

    def _on_pair_ended(self, event: Event) -> None:
        pair = self.pairs[event["pair_id"]]
        pair.ended = True
        trade, held = self.trades[event["trade_id"]], self._holdings.positions.get(event["trade_id"])
        self._holdings.reserved.pop(event["pair_id"], None)
        self._check_quantities(pair, NONE if held is None else held.quantity)
        after = NONE if held is None else held.cash - held.fees
        earned = sum((flow.earned * self._usd(leg) for leg, flow in self._money(pair)), NONE)
        pnl = earned + (pair.before[1] - after) * self._usd(pair.legs[0]) + pair.left_usd
        fees = self._fees_usd(pair)
        self._postings.same("pnl_usd", pnl)
        self._postings.same("fees_usd", fees)
        self._postings.tell()
        self._postings.post(event["symbol"], pnl, fees)
        self._check_net(pair)
        self.outcomes[event["kind"], event["outcome"]] += 1
        trade.pnl_usd, trade.fees_usd = trade.pnl_usd + pnl, trade.fees_usd + fees
        trade.left_usd += pair.left_usd
        if not pair.is_entry:
            trade.exit_usd += sum((flow.cash * self._usd(leg) for leg, flow in self._money(pair)), NONE)
        for venue, flow in pair.taken.items():
            if flow.net or flow.cash or flow.fees:
                self._postings.problem(f"traded {float(flow.net)} at {venue} of what was left there, untold")
        if pair.said is not None:
            self._check_realised(pair.said, trade.pnl_usd / self._usd(pair.legs[0]))
        self._count(pair, trade, pnl)
        trade.is_over = held is None

    def _check_net(self, pair: Pair) -> None:
        """Hold what a pair says that it bought, sold and left as dust against its fills and its dust."""
        if pair.is_loop:
            home, cross = pair.flows[pair.legs[0]].net, pair.flows[pair.legs[1]].net
            is_bought = pair.opened["legs"][0]["side"] == "buy"
            bought, sold = (home, -cross) if is_bought else (cross, -home)
            dust = abs(pair.dust[pair.legs[0]])
        else:
            bought, sold = (pair.flows[leg].net for leg in self._sides(pair))
            sold, dust = -sold, max(map(abs, pair.dust.values()), default=NONE)
        self._postings.same("bought", bought)
        self._postings.same("sold", sold)
        self._postings.same("dust", dust)
        self._postings.same("dust_value_usd", pair.dust_usd)

    def _check_realised(self, said: Event, realised: Fraction) -> None:
        """Hold what a position says that its trade has realised against that; ``realised`` in what it is counted in.

        What is closed at once has also realised what it would have kept, which its opening doesn't say.
        """
        if said["type"] == "position_opened" and said["trade_id"] not in self._holdings.positions:
            realised -= number(said["cash"]) - number(said["fees"])
        if number(said["realised"]) != realised:
            self._postings.problem(f"ends what said realised {said['realised']}, which is {float(realised)}")

    @staticmethod
    def _sides(pair: Pair) -> tuple[Place, Place]:
        """Return where a pair of two legs buys, and where it sells."""
        buy = next(leg for leg in pair.legs if leg[1] == _buy_venue(pair.opened))
        (sell,) = (leg for leg in pair.legs if leg != buy)
        return buy, sell

    def _count(self, pair: Pair, trade: Trade, pnl: Fraction) -> None:
        """Count what won and lost: closed trades, and entries that came to something without a position."""
        if pair.closed is not None:
            said = number(pair.closed["pnl_usd"]), number(pair.closed["fees_usd"])
            if said != (trade.pnl_usd, trade.fees_usd):
                self._postings.problem(f"closes a trade that made {float(trade.pnl_usd)}, and says {float(said[0])}")
            self.closed += 1
            self.won += trade.pnl_usd > 0
        elif pair.is_entry and not trade.entered:
            self.unwind(pnl)

    def unwind(self, pnl: Fraction, count: int = 1) -> None:
        """Count an entry that came to something without a position; or take it back."""
        if pnl:
            self.unwound += count
            self.unwound_won += count * (pnl > 0)

    def _on_trade_corrected(self, event: Event) -> None:
        """What was learnt late takes the place of what was said before."""
        trade, order = self.trades[event["trade_id"]], self.orders[event["client_order_id"]]
        before, change = trade.pnl_usd, trade.due_usd
        self._postings.same("before_usd", before)
        self._postings.same("late_fees_usd", trade.due_fees_usd)
        trade.pnl_usd, trade.fees_usd = before + change, trade.fees_usd + trade.due_fees_usd
        trade.late_usd += change + trade.due_fees_usd
        self._postings.same("pnl_usd", trade.pnl_usd)
        self._postings.same("fees_usd", trade.fees_usd)
        self._postings.residuals_usd -= change
        trade.due_usd = trade.due_fees_usd = NONE
        self._check_exit_prices(event, trade)
        if event["pair_id"] != order.event["pair_id"] or event["had_position"] != trade.entered:
            self._postings.problem("corrects another trade than the order is of")
        if not trade.entered:
            self.unwind(before, -1)
            self.unwind(trade.pnl_usd)
        elif event["trade_id"] in self._holdings.positions:
            self._postings.same("realised", trade.pnl_usd / self._usd(order.pair.legs[0]))
        else:
            self.won += (trade.pnl_usd > 0) - (before > 0)

    def pair_up(self, event: Event, change: Fraction) -> None:
        """An entry turns out to have opened a position, of two residuals; ``change``: of what was booked of them."""
        trade, pair = self.trades[event["trade_id"]], self.pairs[event["pair_id"]]
        self._postings.same("before_usd", trade.pnl_usd)
        self.unwind(trade.pnl_usd, -1)
        buys, sells = self._late_sides(pair)
        quantity, usd = number(event["quantity"]), self._usd(pair.legs[0])
        cash = cut(sells.sell_value, quantity, sells.sold) - cut(buys.buy_value, quantity, buys.bought)
        fees = cut(sells.sell_fees, quantity, sells.sold) + cut(buys.buy_fees, quantity, buys.bought)
        kept = (cash - fees) * usd if pair.holds else NONE
        pnl = change * usd - kept
        self._postings.same("pnl_usd", pnl)
        self._postings.tell()
        self._postings.post(event["symbol"], pnl)
        trade.pnl_usd += pnl
        trade.late_usd += change * usd
        trade.paired, trade.is_over = pair, False

    @staticmethod
    def _late_sides(pair: Pair) -> tuple[Flow, Flow]:
        """Return what an entry bought and sold in all."""
        buy, sell = Pairs._sides(pair)
        return pair.in_all(buy), pair.in_all(sell)

    def _check_quantities(self, pair: Pair, held: Fraction) -> None:
        """What was bought and sold is held, or stays in stock, or is named as left."""
        if pair.is_loop:
            home, cross, other = pair.legs
            crossed = pair.flows[cross]
            moved = {home: pair.flows[home].net + crossed.net, other: pair.flows[other].net + crossed.earned}
        else:
            moved = {leg: flow.net for leg, flow in pair.flows.items()}
            trades = number(pair.closed["quantity"]) if pair.closed is not None and pair.is_entry else NONE
            sides = {pair.opened.get("buy_venue"): 1, pair.opened.get("sell_venue"): -1}
            if pair.opened["type"] == "transaction_opened":
                sides = {leg["venue"]: 1 if leg["side"] == "buy" else -1 for leg in pair.opened["legs"]}
            change = held - pair.before[0] + trades
            for leg in pair.legs:
                moved[leg] -= sides[leg[1]] * (change if pair.is_entry else -change)
        for place in {*moved, *pair.left}:
            if moved.get(place, NONE) != pair.left[place]:
                rest = float(moved.get(place, NONE) - pair.left[place])
                self._postings.problem(f"leaves {rest} of {place}, which is neither held nor named")

    # Orders

    def _on_order_submitted(self, event: Event) -> None:
        self.orders[event["client_order_id"]] = Order(event, self.pairs[event["pair_id"]])

    def _on_order_filled(self, event: Event) -> None:
        order = self.orders[event["client_order_id"]]
        pair, buying = order.pair, event["side"] == "buy"
        quantity, price, fee = number(event["quantity"]), counted_price(event), counted_fee(event)
        order.filled += quantity
        if pair.ended:
            order.late.add(buying=buying, quantity=quantity, value=quantity * price, fee=fee)
            return
        own = number(order.event["quantity"]) - pair.offered.get(event["client_order_id"], NONE)
        beyond = min(max(order.filled - own, NONE), quantity)
        if beyond:
            paid = cut(fee, beyond, quantity)
            pair.taken[event["venue"]].add(buying=buying, quantity=beyond, value=beyond * price, fee=paid)
            quantity, fee = quantity - beyond, fee - paid
        flow = pair.flows[event["symbol"], event["venue"]]
        flow.add(buying=buying, quantity=quantity, value=quantity * price, fee=fee)

    def _on_order_reopened(self, event: Event) -> None:
        self.orders[event["client_order_id"]].late = Flow()

    # Positions

    def _on_position_opened(self, event: Event) -> None:
        trade = self.trades[event["trade_id"]]
        pair = trade.paired or self._flying(event)
        quantity = number(event["quantity"])
        trade.entered = True
        if pair.is_loop:
            home, cross, _ = (pair.flows[leg] for leg in pair.legs)
            is_bought = pair.opened["legs"][0]["side"] == "buy"
            around = min(home.net, -cross.net) if is_bought else min(cross.net, -home.net)
            self._postings.same("quantity", around)
            prices = self._loop_prices(pair)
            cash = sum((flow.cash for _, flow in self._money(pair)), NONE)
            fees = sum((flow.fees for _, flow in self._money(pair)), NONE)
        else:
            buys, sells = self._late_sides(pair)
            if trade.paired is None:
                self._postings.same("quantity", min(buys.net, -sells.net))
            prices = [average(buys.buy_value, buys.bought), average(sells.sell_value, sells.sold)]
            cash = cut(sells.sell_value, quantity, sells.sold) - cut(buys.buy_value, quantity, buys.bought)
            fees = cut(sells.sell_fees, quantity, sells.sold) + cut(buys.buy_fees, quantity, buys.bought)
        for key, amount in zip(("buy_price", "sell_price", "cash", "fees"), (*prices, cash, fees), strict=True):
            self._postings.same(key, amount)
        if trade.paired is None:
            pair.said = event
        else:
            kept = NONE if pair.holds else cash - fees
            self._postings.same("realised", trade.pnl_usd / self._usd(pair.legs[0]) - kept)
        trade.opened = event
        position = Position(
            event["symbol"],
            event["buy_venue"],
            event["sell_venue"],
            quantity,
            cash,
            fees,
            max(prices),
            self._usd(pair.legs[0]),
            event["ts_ns"],
        )
        self._holdings.positions[event["trade_id"]] = position
        self._postings.same("exposure_usd", position.exposure_usd)

    @staticmethod
    def _loop_prices(pair: Pair) -> list[Fraction]:
        """Return at which averages it bought and sold what went around, the one way over the bridge."""
        prices = []
        for leg, place in zip(pair.opened["legs"], pair.legs, strict=True):
            flow = pair.flows[place]
            is_buy = leg["side"] == "buy"
            value, quantity = (flow.buy_value, flow.bought) if is_buy else (flow.sell_value, flow.sold)
            prices.append(average(value, quantity))
        direct, through = prices[0], prices[1] * prices[2]
        return [direct, through] if pair.opened["legs"][0]["side"] == "buy" else [through, direct]

    def _on_position_reduced(self, event: Event) -> None:
        held = self._holdings.positions[event["trade_id"]]
        rest = number(event["quantity"])
        for key in ("cash", "fees"):
            amount: Fraction = getattr(held, key)
            setattr(held, key, amount - cut(amount, held.quantity - rest, held.quantity))
            self._postings.same(key, getattr(held, key))
        held.quantity, held.since_ns = rest, event["ts_ns"]
        self._postings.same("exposure_usd", held.exposure_usd)
        self._flying(event).said = event

    def _on_position_closed(self, event: Event) -> None:
        del self._holdings.positions[event["trade_id"]]
        trade = self.trades[event["trade_id"]]
        assert trade.opened is not None
        self._postings.same("quantity", number(trade.opened["quantity"]))
        for side in ("buy", "sell"):
            self._postings.same(f"entry_{side}_price", number(trade.opened[f"{side}_price"]))
        # In real time what is closed at once is opened a moment before that is recorded.
        if not trade.began_ns <= event["opened_at_ns"] <= trade.opened["ts_ns"]:
            self._postings.problem(f"was opened at {trade.opened['ts_ns']}, and says {event['opened_at_ns']}")
        self._check_exit_prices(event, trade)
        if trade.paired is not None and not trade.paired.holds:  # its entry had ended before
            trade.paired.closed, trade.is_over = event, True
            self._count(trade.paired, trade, NONE)
        else:
            self._flying(event).closed = event

    def _check_exit_prices(self, event: Event, trade: Trade) -> None:
        """Hold what exits say that they bought and sold at against what they did, on average."""
        bought = sold = Flow()
        for pair in trade.exits:
            buy, sell = self._sides(pair)
            bought, sold = bought.plus(pair.in_all(buy)), sold.plus(pair.in_all(sell))
        for side, quantity, value in (("buy", bought.bought, bought.buy_value), ("sell", sold.sold, sold.sell_value)):
            said = optional(event, f"exit_{side}_price")
            if said != (average(value, quantity) if quantity else None):
                self._postings.problem(f"says exit_{side}_price {said}, of {float(quantity)} worth {float(value)}")

    def _flying(self, event: Event) -> Pair:
        """Return the pair of a trade that is in flight."""
        trade_id = event["trade_id"]
        return next(one for one in self.pairs.values() if not one.ended and one.opened["trade_id"] == trade_id)


def _buy_venue(opened: Event) -> str:
    if opened["type"] == "pair_opened":
        return str(opened["buy_venue"])
    return str(next(leg["venue"] for leg in opened["legs"] if leg["side"] == "buy"))
