"""Recompute a campaign's money, risk and results from its events alone, and list what they contradict.

The input is what ``--events FILE`` holds, one dict a line. Nothing of the engine is imported, and the arithmetic is
another one: exact fractions of the decimals in the events. What only the campaign's configuration knows is passed in:

- ``limits``: the tables of ``[guards]``, and ``max_concurrent_pairs``; what is absent is not checked.
- ``borrow_usd``: venue → ``max_borrow_usd`` of the venues with a margin account; all others are spot.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from fractions import Fraction
from typing import Any

__all__ = ["Books", "Broken", "Trade", "check", "recompute"]

Event = Mapping[str, Any]

_SECOND_NS = 10**9
_DAY_NS = 86_400 * _SECOND_NS
_NONE = Fraction(0)
_BPS = 10_000
_ORDER = "client_order_id"
#: Averages and shares are quotients, which the events can only show rounded.
_ROUNDED = Fraction(1, 10**12)


def common_multiple(first: Fraction, second: Fraction) -> Fraction:
    """Return the least number that is a whole multiple of both."""
    scale = math.lcm(first.denominator, second.denominator)
    return Fraction(math.lcm(int(first * scale), int(second * scale)), scale)


class Broken(AssertionError):
    """The events break a promise."""


@dataclass
class Asset:
    """One asset at one venue: initial + trades − fees = final, of which ``locked`` is locked."""

    initial: Fraction = _NONE
    trades: Fraction = _NONE
    fees: Fraction = _NONE
    locked: Fraction = _NONE

    @property
    def final(self) -> Fraction:
        return self.initial + self.trades - self.fees

    @property
    def free(self) -> Fraction:
        return self.final - self.locked


@dataclass
class Flow:
    """What was bought and sold somewhere; values and fees in quote asset."""

    bought: Fraction = _NONE
    buy_value: Fraction = _NONE
    buy_fees: Fraction = _NONE
    sold: Fraction = _NONE
    sell_value: Fraction = _NONE
    sell_fees: Fraction = _NONE

    def add(self, *, buying: bool, quantity: Fraction, value: Fraction, fee: Fraction) -> None:
        if buying:
            self.bought, self.buy_value, self.buy_fees = (
                self.bought + quantity,
                self.buy_value + value,
                self.buy_fees + fee,
            )
        else:
            self.sold, self.sell_value, self.sell_fees = (
                self.sold + quantity,
                self.sell_value + value,
                self.sell_fees + fee,
            )

    def add_all(self, other: Flow) -> None:
        """Count all of another."""
        self.add(buying=True, quantity=other.bought, value=other.buy_value, fee=other.buy_fees)
        self.add(buying=False, quantity=other.sold, value=other.sell_value, fee=other.sell_fees)

    @property
    def net(self) -> Fraction:
        return self.bought - self.sold

    @property
    def cash(self) -> Fraction:
        return self.sell_value - self.buy_value

    @property
    def fees(self) -> Fraction:
        return self.buy_fees + self.sell_fees


@dataclass
class Order:
    """``unknown``: no answer came in time. ``late``: what it filled after its pair had ended without it."""

    event: Event
    quantity: Fraction
    limit: Fraction
    locked: Fraction
    filled: Fraction = _NONE
    acknowledged: bool = False
    ended: bool = False
    unknown: bool = False
    late: Flow = field(default_factory=Flow)
    offered: Fraction = _NONE
    #: Where the residual is that it works off, if that is another venue.
    home: str = ""

    @property
    def works(self) -> bool:
        """Whether it is to trade a residual away."""
        return bool(self.event["purpose"] == "work")


@dataclass
class Rest:
    """What is left of a residual whose order's fate was learnt. It has to follow as a residual of its own.

    ``pnl`` (quote asset) is what the other one's end realised without the value of this one.
    """

    resolved: Event
    residual: Event
    quantity: Fraction
    pnl: Fraction

    def name(self, orders: Mapping[str, Order]) -> str:
        """Return the id that it has to have."""
        order_id, before = self.residual[_ORDER], self.residual["residual_id"]
        if not orders[order_id].works:
            return f"{before}.late"
        return f"{before.partition('.w')[0]}.w{order_id.rpartition('-')[2]}"


@dataclass
class Held:
    """The open part of a position, and what of its trade's money it holds."""

    quantity: Fraction = _NONE
    cash: Fraction = _NONE
    fees: Fraction = _NONE


@dataclass
class Pair:
    event: Event
    before: Held
    flows: dict[str, Flow]
    urgent_before: Mapping[tuple[str, str], Fraction]
    orders: list[str] = field(default_factory=list)
    residuals: list[Event] = field(default_factory=list)
    dust: defaultdict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    dust_value: Fraction = _NONE
    #: By how much the order that follows is larger, for what was left; and what was traded of that, by venue.
    offered: dict[str, Fraction] = field(default_factory=dict)
    taken: defaultdict[str, Flow] = field(default_factory=lambda: defaultdict(Flow))
    closed: Event | None = None
    ended: bool = False
    reopened: bool = False
    #: What was learnt of its orders after it had ended, by venue.
    late: defaultdict[str, Flow] = field(default_factory=lambda: defaultdict(Flow))

    def in_all(self, venue: str) -> Flow:
        """Return what it traded at a venue, late fills included."""
        own, late = self.flows[venue], self.late[venue]
        return Flow(*(getattr(own, one.name) + getattr(late, one.name) for one in fields(Flow)))

    @property
    def is_entry(self) -> bool:
        return bool(self.event["kind"] == "entry")

    @property
    def bought(self) -> Fraction:
        return self.flows[self.event["buy_venue"]].net

    @property
    def sold(self) -> Fraction:
        return -self.flows[self.event["sell_venue"]].net


@dataclass
class Trade:
    """All pairs of one trade.

    ``pnl_usd`` is what they realised, fees included, and what their orders did that was learnt later. What its
    residuals bring later is no part of it, but of the symbol's PnL.
    """

    symbol: str
    long_venue: str
    short_venue: str
    held: Held = field(default_factory=Held)
    opened: Event | None = None
    opened_ns: int = 0
    exits: Flow = field(default_factory=Flow)
    net: defaultdict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    left: defaultdict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    dust: defaultdict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    pnl_usd: Fraction = _NONE
    fees_usd: Fraction = _NONE
    is_closed: bool = False
    #: The residuals that were paired, until their position is opened, and how what was booked of them changed; the
    #: entry that they are of, if it is closed at once.
    paired: tuple[Event, Fraction] | None = None
    once: Pair | None = None


@dataclass
class Streak:
    """A symbol's results, for the circuit breaker."""

    losses: int = 0
    open_until_ns: int = -1
    allowed_ns: int | None = None
    closed_ns: int | None = None


class Books:
    """Everything that follows from the events. Figures are exact fractions."""

    def __init__(self, limits: Mapping[str, Any], borrow_usd: Mapping[str, Any]) -> None:
        self.problems: list[str] = []
        self.assets: defaultdict[str, defaultdict[str, Asset]] = defaultdict(lambda: defaultdict(Asset))
        self.trades: dict[str, Trade] = {}
        self.decisions: Counter[str] = Counter()
        self.by_rule: Counter[str] = Counter()
        self.pnl_usd: defaultdict[str, Fraction] = defaultdict(Fraction)
        self.fees_usd: defaultdict[str, Fraction] = defaultdict(Fraction)
        self.exposures: list[tuple[int, Fraction]] = []
        self._limits = limits
        self._borrow_usd = {venue: number(amount) for venue, amount in borrow_usd.items()}
        self._filled_at: defaultdict[tuple[str, int], Fraction] = defaultdict(Fraction)
        self._event: Event = {}
        self._seq = 0
        self._ts_ns = 0
        self._phases: list[str] = []
        self._campaign: Event = {}
        self._instruments: dict[tuple[str, str], Event] = {}
        self._assets_by_symbol: dict[str, tuple[str, str]] = {}
        self._orders: dict[str, Order] = {}
        #: Locked so far by exits, hedges and unwinding, which no entry that was allowed before can hold up.
        self._urgent: defaultdict[tuple[str, str], Fraction] = defaultdict(Fraction)
        self._fill_ids: set[tuple[str, str]] = set()
        self._pairs: dict[str, Pair] = {}
        self._flying: dict[str, Pair] = {}
        self._reserved: dict[str, Fraction] = {}
        self._positions: dict[str, Fraction] = {}
        self._residuals: dict[str, Event] = {}
        #: What dust cost in USD, by symbol and venue; below zero where it is short.
        self._dust_cost: defaultdict[tuple[str, str], Fraction] = defaultdict(Fraction)
        #: Quantity and booked value of dust, by symbol and venue.
        self._dust: defaultdict[tuple[str, str], list[Fraction]] = defaultdict(lambda: [_NONE, _NONE])
        self._residual_ids: set[str] = set()
        #: A balance that differed, of which the deposit is to follow.
        self._differed: Event | None = None
        #: The order whose late word is being recorded, and the residual that has to follow what it resolves.
        self._learning: str | None = None
        #: The order of which something was learnt, until it is known what that brought; and, by trade, the order and
        #: the PnL of which a correction is to tell.
        self._learnt: Order | None = None
        self._due: dict[str, tuple[Order, Fraction]] = {}
        #: An order that was taken up again after its pair had ended; and the venues whose updates are down.
        self._reopened: str | None = None
        self._unheard: set[str] = set()
        #: What venues' plugins hold: venue, which plugin, and why.
        self._held: set[tuple[str, str, str]] = set()
        #: What people have told the campaign.
        self._paused = False
        self._blacklisted: set[str] = set()
        #: The transfers under way.
        self._moved: dict[str, Event] = {}
        self._rest: Rest | None = None
        self._pnl_of_day: defaultdict[tuple[int, str], Fraction] = defaultdict(Fraction)
        #: What all fills brought, less all fees, and what dust was valued at.
        self._cash_usd: defaultdict[str, Fraction] = defaultdict(Fraction)
        self._streaks: defaultdict[str, Streak] = defaultdict(Streak)
        self._allowed: Event | None = None
        self._allowing: Event | None = None
        self._denials: dict[int, Event] = {}
        self._routed: Counter[str] = Counter()
        self._sized: dict[str, int] = {}
        #: By symbol and venues: how often a route was decided on, and what was counted of it last.
        self._decided_on: Counter[tuple[str, str, str]] = Counter()
        self._doubted: defaultdict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
        self._counted: dict[tuple[str, str, str], Event] = {}
        self._marked: set[str] = set()
        self._stopped = False
        #: A loss calls for a STOP, which has to follow at once.
        self._stop_is_due = False
        self._ended = False

    # What is asked afterwards

    @property
    def total_pnl_usd(self) -> Fraction:
        return sum(self.pnl_usd.values(), _NONE)

    @property
    def total_fees_usd(self) -> Fraction:
        return sum(self.fees_usd.values(), _NONE)

    @property
    def open_positions(self) -> list[str]:
        return list(self._positions)

    @property
    def closed_trades(self) -> list[str]:
        return [trade_id for trade_id, trade in self.trades.items() if trade.is_closed]

    @property
    def open_residuals(self) -> list[str]:
        """The residuals that are not resolved."""
        return list(self._residuals)

    @property
    def unanswered(self) -> set[str]:
        """The orders without a last word."""
        return {order_id for order_id, order in self._orders.items() if not order.ended}

    def orders(self, order_ids: Iterable[str]) -> list[Event]:
        """Return what was submitted under these ids."""
        return [self._orders[order_id].event for order_id in order_ids]

    def exposure_usd(self, symbol: str | None = None) -> Fraction:
        """Return positions, reservations, residuals and dust of a symbol, or of all."""
        sides: defaultdict[tuple[str, str], list[Fraction]] = defaultdict(lambda: [_NONE, _NONE])
        for residual in self._residuals.values():
            if symbol in (None, residual["symbol"]):
                side = sides[residual["trade_id"], residual["symbol"]]
                side[number(residual["quantity"]) > 0] += number(residual["cost_usd"])
        total = sum(map(max, sides.values()), _NONE)
        for sent in self._moved.values():
            total += number(sent["value_usd"]) if symbol in (None, sent.get("symbol")) else 0
        for pair_id, part in self._reserved.items():
            total += part if symbol in (None, self._pairs[pair_id].event["symbol"]) else 0
        for trade_id, part in self._positions.items():
            total += part if symbol in (None, self.trades[trade_id].symbol) else 0
        return total + sum((abs(cost) for (one, _), cost in self._dust_cost.items() if symbol in (None, one)), _NONE)

    def daily_loss_usd(self, symbol: str | None = None) -> Fraction:
        """Return the loss of the UTC day of the last event."""
        today = self._ts_ns // _DAY_NS
        parts = (pnl for (day, one), pnl in self._pnl_of_day.items() if day == today and symbol in (None, one))
        return max(_NONE, -sum(parts, _NONE))

    # The fold

    def apply(self, event: Event) -> None:
        self._event = event
        handler = getattr(self, f"_on_{event['type']}", None)
        if handler is None:
            self._problem("is of an unknown type")
            return
        if event["seq"] != self._seq + 1:
            self._problem(f"follows seq {self._seq}")
        if event["ts_ns"] < self._ts_ns:
            self._problem(f"is earlier than the event before it, at {self._ts_ns}")
        if self._ended:
            self._problem("comes after campaign_ended")
        if (self._seq == 0) != (event["type"] == "campaign_opened"):
            self._problem("is no first event, or a second campaign_opened")
        self._seq, self._ts_ns = event["seq"], event["ts_ns"]
        self._allowed, self._allowing = None, self._allowed
        self._check_late_word(event)
        if self._stop_is_due and event["type"] not in ("guard_tripped", "markets_marked"):
            self._stop_is_due = False
            self._problem("comes after a loss that should have stopped the campaign")
        handler(event)
        if self._allowing is not None:
            self._problem(f"comes between the ALLOW of seq {self._allowing['seq']} and its reservation")

    def _check_late_word(self, event: Event) -> None:
        """An order's late word, what it resolves and what is left come in one step; only guards may answer in it."""
        kind = event["type"]
        if kind in ("guard_tripped", "markets_marked") or (kind == "decided" and event["answer"] == "STOP"):
            return
        if self._rest is not None:
            if kind != "residual_left" or event["residual_id"] != self._rest.name(self._orders):
                self._problem(f"comes before what is left of {self._rest.residual['residual_id']}")
        elif self._learning is not None and kind != "residual_resolved" and event.get(_ORDER) != self._learning:
            self._problem(f"comes between the late word of {self._learning} and what it changes")

    def finish(self) -> None:
        """Check what has to hold once the campaign has ended."""
        if not self._ended:
            self._problem("is the last event, not campaign_ended")
        if self._phases not in (["RUNNING", "DRAINING", "CLOSED"], ["DRAINING", "CLOSED"]):
            self._problem(f"ends a campaign with the phases {self._phases}")
        for pair_id in self._flying:
            self._problem(f"is the last event, but pair {pair_id} has not ended")
        for pair_id in self._reserved:
            self._problem(f"is the last event, but pair {pair_id} still reserves exposure")
        waiting = {residual[_ORDER] for residual in self._residuals.values() if _ORDER in residual}
        for order_id in waiting ^ self.unanswered:
            self._problem(f"is the last event; order {order_id} has not ended, or a residual waits for it in vain")
        for trade_id in self._due:
            self._problem(f"is the last event, and nothing says what {trade_id} came to with what was learnt of it")
        for trade_id in set(self._positions) ^ self._marked:
            self._problem(f"is the last event, and {trade_id} is either open and not marked, or marked and not open")
        if self._sized and self._sized != {symbol: self._routed[symbol] for symbol in self._sized}:
            self._problem(f"is the last event; sized {self._sized}, but decided {dict(self._routed)}")
        for symbol in self._assets_by_symbol:
            self._check_pnl(symbol)
        for venue, assets in self.assets.items():
            for name, asset in assets.items():
                locked = sum(
                    (
                        order.locked
                        for order in self._orders.values()
                        if not order.ended and (order.event["venue"], order.event["locked_asset"]) == (venue, name)
                    ),
                    _NONE,
                )
                if asset.locked != locked:
                    self._problem(f"is the last event, and {float(asset.locked)} {name} are locked at {venue}")

    def _check_pnl(self, symbol: str) -> None:
        """PnL is the cash of all fills, less fees and what open positions hold, plus what is left at its value."""
        held = sum(
            (one.held.cash - one.held.fees for one in self.trades.values() if one.symbol == symbol),
            _NONE,
        )
        left = (number(one["booked_value"]) for one in self._residuals.values() if one["symbol"] == symbol)
        pnl = self._cash_usd[symbol] + (sum(left, _NONE) - held) * self._fx(symbol)
        if self.pnl_usd[symbol] != pnl:
            self._problem(f"is the last event; {symbol} made {float(self.pnl_usd[symbol])}, its fills {float(pnl)}")

    # The campaign

    def _on_campaign_opened(self, event: Event) -> None:
        self._campaign = event

    def _on_instrument_listed(self, event: Event) -> None:
        self._instruments[event["symbol"], event["venue"]] = event
        assets = event["base"], event["quote"]
        if self._assets_by_symbol.setdefault(event["symbol"], assets) != assets:
            self._problem("lists a symbol with other assets than on another venue")

    def _on_deposited(self, event: Event) -> None:
        amount = number(event["amount"])
        differed, self._differed = self._differed, None
        if (event["reason"] == "difference") != (differed is not None):
            self._problem("deposits a difference that nothing names, or follows one that it isn't")
        elif differed is not None:
            self._same(event["amount"], number(differed["held"]) - number(differed["booked"]), "amount")
        elif amount <= 0:
            self._problem("deposits nothing")
        self.assets[event["venue"]][event["asset"]].initial += amount

    def _on_balance_differed(self, event: Event) -> None:
        self._same(event["booked"], self.assets[event["venue"]][event["asset"]].final, "booked")
        self._differed = event

    def _on_phase_entered(self, event: Event) -> None:
        self._phases.append(event["phase"])

    def _on_campaign_ended(self, event: Event) -> None:
        self._ended = True

    def _on_funnel_counted(self, event: Event) -> None:
        if event["final"]:
            self._sized[event["symbol"]] = event["sized"]

    def _on_route_counted(self, event: Event) -> None:
        key = event["symbol"], event["buy_venue"], event["sell_venue"]
        self._counted[key] = event
        if event["over_threshold"] != event["sized"] + sum(event["not_sized"].values()):
            self._problem("counts a try that was neither sized nor not")
        if event["final"] and event["sized"] != self._decided_on[key]:
            self._problem(f"counts {event['sized']} sized, but {self._decided_on[key]} were decided on")
        for rule, count in self._doubted[key].items():
            if event["final"] and event["not_sized"].get(rule) != count:
                self._problem(f"counts {event['not_sized'].get(rule)} not sized by {rule}, but {count} were doubted")

    def _on_symbol_quarantined(self, event: Event) -> None:
        pass

    _on_symbol_restarted = _on_symbol_retired = _on_symbol_quarantined
    _on_market_up = _on_market_stale = _on_market_down = _on_kill_switch_pulled = _on_symbol_quarantined

    # Decisions

    def _on_decided(self, event: Event) -> None:
        answer = event["answer"]
        self.decisions[answer] += 1
        if "buy_venue" in event:
            self._count_route(event, event, 1)
        if answer == "ALLOW":
            self._allowed = event
            if "rule" in event or "tier" in event:
                self._problem("allows and refuses")
            return
        if "pair_id" in event or not {"tier", "rule", "value", "limit"} <= set(event):
            self._problem("refuses without a full reason, or with a pair")
        self.by_rule[f"{event['tier']}.{event['rule']}"] += 1
        if answer == "STOP":
            self._stopped = True
        else:
            self._denials[event["seq"]] = event

    def _on_decisions_repeated(self, event: Event) -> None:
        first = self._denials.get(event["decision_seq"])
        if first is None or any(first[key] != event[key] for key in ("symbol", "answer", "tier", "rule")):
            self._problem(f"repeats another decision than {first}")
        if event["count"] < 1:
            self._problem("repeats nothing")
        self.decisions[event["answer"]] += event["count"]
        self.by_rule[f"{event['tier']}.{event['rule']}"] += event["count"]
        if first is not None:
            self._count_route(first, event, event["count"])

    def _count_route(self, decided: Event, event: Event, count: int) -> None:
        key = decided["symbol"], decided["buy_venue"], decided["sell_venue"]
        if "quantity" in decided:
            self._routed[event["symbol"]] += count
            self._decided_on[key] += count
        else:
            self._doubted[key][f"{decided['tier']}.{decided['rule']}"] += count

    def _on_markets_marked(self, event: Event) -> None:
        """What prices say of losses is the verification's."""

    def _on_equity_stated(self, event: Event) -> None:
        """The verification holds it against books of its own."""

    def _on_fills_marked_out(self, event: Event) -> None:
        """It is about what an order filled at one moment."""
        if self._filled_at.pop((event[_ORDER], event["filled_ns"]), None) != number(event["value"]):
            self._problem("marks out other fills than there were")

    def _on_guard_tripped(self, event: Event) -> None:
        if event["answer"] == "STOP":
            self._stopped, self._stop_is_due = True, False

    def _check_allow(self, opened: Event) -> None:
        """Hold an ALLOW against every limit, before its own reservation is counted."""
        if {opened["buy_venue"], opened["sell_venue"]} & self._unheard:
            self._problem("is allowed at a venue whose order updates are down")
        if any(venue in (opened["buy_venue"], opened["sell_venue"]) for venue, _, _ in self._held):
            self._problem("is allowed at a venue whose plugin wants no entries")
        if self._paused or opened["symbol"] in self._blacklisted:
            self._problem("is allowed although somebody told the campaign not to enter")
        allowed, self._allowing = self._allowing, None
        symbol, buy, sell = opened["symbol"], number(opened["buy_limit"]), number(opened["sell_limit"])
        quantity, fx = number(opened["quantity"]), self._fx(symbol)
        notional = quantity * max(buy, sell) * fx
        if allowed is None:
            self._problem("opens an entry without an ALLOW")
            return
        for key in ("pair_id", "symbol", "buy_venue", "sell_venue", "quantity"):
            if opened[key] != allowed[key]:
                self._problem(f"differs from its ALLOW in {key}")
        if not number(opened["reserved_usd"]) == number(allowed["notional_usd"]) == notional:
            self._problem(f"reserves {opened['reserved_usd']} USD for a notional of {float(notional)}")
        paid, received = self._check_levels(opened, allowed)
        received *= _BPS - self._fee_bps(symbol, opened["sell_venue"])
        paid *= _BPS + self._fee_bps(symbol, opened["buy_venue"])
        if abs(_BPS * (received / paid - 1) - number(allowed["edge_bps"])) > Fraction(1, 10**6):
            self._problem("has another edge over its levels than its ALLOW says")
        if self._stopped or "DRAINING" in self._phases:
            self._problem("opens an entry after a STOP, or while the campaign drains")
        if any(pair.event["symbol"] == symbol for pair in self._flying.values()):
            self._problem(f"opens a second pair of {symbol} at the same time")
        streak, limits = self._streaks[symbol], self._limits
        in_flight = sum(pair.is_entry for pair in self._flying.values())
        total, own = self.exposure_usd() + notional, self.exposure_usd(symbol) + notional
        loss, own_loss = self.daily_loss_usd(), self.daily_loss_usd(symbol)
        count = sum(self.trades[trade_id].symbol == symbol for trade_id in self._positions)
        tier = limits.get("global", {})
        self._limit(in_flight + 1, limits, "max_concurrent_pairs")
        self._limit(total, tier, "max_total_exposure_usd")
        if self._is_realised:
            self._limit(loss, tier, "max_daily_loss_usd", reached=True)
            self._limit(loss, tier, "emergency_stop_loss_usd", reached=True)
        tier = limits.get("portfolio", {})
        if "total_capital_usd" in tier:
            capital, weights = number(tier["total_capital_usd"]), tier.get("weights", {})
            sum_of_weights = sum((number(weights.get(one, 1)) for one in self._campaign["symbols"]), _NONE)
            allocation = min(
                capital * number(weights.get(symbol, 1)) / sum_of_weights,
                capital * number(tier["max_symbol_allocation_pct"]),
            )
            self._limit(own, {"allocation": allocation}, "allocation")
        tier = limits.get("symbol", {})
        self._limit(notional, tier, "max_position_size_usd")
        self._limit(count, tier, "max_position_count", reached=True)
        if self._is_realised:
            self._limit(own_loss, tier, "max_symbol_daily_loss_usd", reached=True)
        if "cooldown_seconds" in tier and streak.allowed_ns is not None:
            elapsed = Fraction(self._ts_ns - streak.allowed_ns, _SECOND_NS)
            if elapsed < number(tier["cooldown_seconds"]):
                self._problem(f"is allowed {float(elapsed)} s after the ALLOW before it")
        if "rest_seconds" in tier and streak.closed_ns is not None:
            elapsed = Fraction(self._ts_ns - streak.closed_ns, _SECOND_NS)
            if elapsed < number(tier["rest_seconds"]):
                self._problem(f"is allowed {float(elapsed)} s after a position was closed")
        if self._ts_ns < streak.open_until_ns:
            self._problem("is allowed although the circuit breaker is open")
        streak.allowed_ns = self._ts_ns
        self._check_funds(opened, notional)

    def _check_levels(self, opened: Event, allowed: Event) -> tuple[Fraction, Fraction]:
        """An entry's limits are the touch or the last level that it takes, to the tick and never worse; it takes no
        more than stands there, and no level in vain. Return what it comes to, bought and sold.
        """
        sides = (("ask", "buy_venue", "buy_limit", -1), ("bid", "sell_venue", "sell_limit", 1))
        values = []
        for side, venue, limit, better in sides:
            tick = number(self._instruments[opened["symbol"], opened[venue]]["tick_size"])
            levels = allowed.get(f"{side}s", [[allowed[side], allowed[f"{side}_size"]]])
            if levels[0] != [allowed[side], allowed[f"{side}_size"]]:
                self._problem(f"takes levels that don't begin with the {side}")
            value, rest = _NONE, number(opened["quantity"])
            for place, (price, size) in enumerate(levels):
                if place and (number(price) - number(levels[place - 1][0])) * better >= 0:
                    self._problem(f"takes a {side} that is not behind the one before it")
                if rest <= 0:
                    self._problem(f"names {len(levels)} levels of the {side}, and takes {place}")
                part = min(rest, number(size))
                at = number(price) // tick * tick if side == "ask" else -(-number(price) // tick) * tick
                value, rest = value + part * at, rest - part
            if rest > 0:
                self._problem(f"trades {opened['quantity']} of the {float(number(opened['quantity']) - rest)} there")
            last = levels[-1][0]
            if not 0 <= (number(opened[limit]) - number(last)) * better < tick:
                self._problem(f"has a {limit} of {opened[limit]} where the last {side} is {last}")
            values.append(value)
        return values[0], values[1]

    def _check_funds(self, opened: Event, notional: Fraction) -> None:
        """An entry can be paid for on both sides with what no order has locked."""
        symbol, quantity = opened["symbol"], number(opened["quantity"])
        buy, sell = opened["buy_venue"], opened["sell_venue"]
        base, quote = self._assets_of(symbol)
        cost = quantity * number(opened["buy_limit"]) * (_BPS + max(_NONE, self._fee_bps(symbol, buy))) / _BPS
        if cost > self.assets[buy][quote].free:
            self._problem(f"costs {float(cost)} {quote}, but {float(self.assets[buy][quote].free)} are free at {buy}")
        lendable = self._borrow_usd.get(sell, _NONE) * quantity / notional
        if quantity > self.assets[sell][base].free + lendable:
            self._problem(f"sells {float(quantity)} {base}, but {sell} has {float(self.assets[sell][base].free)}")

    def _limit(self, value: Fraction | int, tier: Mapping[str, Any], key: str, *, reached: bool = False) -> None:
        """Report a value above its limit, or (``reached``) at it."""
        if key not in tier:
            return
        limit = number(tier[key])
        if value > limit or (reached and value == limit):
            self._problem(f"is allowed although {key} is {float(limit)} and it comes to {float(value)}")

    def _result(self, symbol: str, pnl_usd: Fraction) -> None:
        """Count a closed trade or an unwound entry towards the circuit breaker."""
        streak, tier = self._streaks[symbol], self._limits.get("symbol", {})
        if 0 <= streak.open_until_ns <= self._ts_ns:
            streak.open_until_ns, streak.losses = -1, 0
        streak.losses = streak.losses + 1 if pnl_usd < 0 else 0
        most = int(tier.get("circuit_breaker_loss_count", 0))
        if most and streak.losses >= most and streak.open_until_ns < 0:
            duration = number(tier.get("circuit_breaker_duration", 0))
            streak.open_until_ns = self._ts_ns + int(duration * _SECOND_NS)

    # Pairs

    def _on_pair_opened(self, event: Event) -> None:
        pair_id, trade_id, entry = event["pair_id"], event["trade_id"], event["kind"] == "entry"
        buy, sell = event["buy_venue"], event["sell_venue"]
        if pair_id in self._pairs:
            self._problem("opens a pair twice")
        if entry:
            self._check_allow(event)
            if trade_id in self.trades:
                self._problem("opens a trade twice")
            trade = self.trades[trade_id] = Trade(symbol=event["symbol"], long_venue=buy, short_venue=sell)
            self._reserved[pair_id] = number(event["reserved_usd"])
        else:
            trade = self.trades[trade_id]
            if trade_id not in self._positions:
                self._problem("closes a position that isn't open")
            if (trade.long_venue, trade.short_venue) != (sell, buy) or number(event["reserved_usd"]):
                self._problem("is no exit of its position")
            if number(event["quantity"]) > trade.held.quantity:
                self._problem("closes more than is open")
        before = Held(trade.held.quantity, trade.held.cash, trade.held.fees)
        pair = Pair(event=event, before=before, flows={buy: Flow(), sell: Flow()}, urgent_before=self._urgent.copy())
        self._pairs[pair_id] = self._flying[pair_id] = pair
        self._sample()

    def _on_pair_ended(self, event: Event) -> None:
        pair = self._flying.pop(event["pair_id"], None)
        if pair is None:
            self._problem("ends a pair that is not in flight")
            return
        pair.ended = True
        self._reserved.pop(event["pair_id"], None)
        trade, symbol = self.trades[event["trade_id"]], event["symbol"]
        fx = self._fx(symbol)
        if any(event[key] != pair.event[key] for key in ("trade_id", "symbol", "kind")):
            self._problem("ends another pair than was opened")
        open_orders = [order_id for order_id in pair.orders if not self._orders[order_id].ended]
        for order_id in open_orders:
            if not self._orders[order_id].unknown:
                self._problem(f"ends a pair whose order {order_id} is under way")
        if sorted(open_orders) != sorted(residual[_ORDER] for residual in pair.residuals if _ORDER in residual):
            self._problem(f"ends a pair without the last word of {open_orders}, for which no residual stands")
        for venue, flow in pair.taken.items():
            if flow.net or flow.cash or flow.fees:
                self._problem(f"ends a pair that traded {float(flow.net)} at {venue} for what was left there, untold")
        self._same(event["bought"], pair.bought, "bought")
        self._same(event["sold"], pair.sold, "sold")
        fees = sum((flow.fees for flow in pair.flows.values()), _NONE)
        cash = sum((flow.cash for flow in pair.flows.values()), _NONE)
        self._same(event["fees_usd"], fees * fx, "fees_usd")
        pnl = cash - fees + (pair.before.cash - pair.before.fees) - (trade.held.cash - trade.held.fees)
        pnl += sum((number(residual["booked_value"]) for residual in pair.residuals), _NONE)
        dust_value = self._dust_value(event, pair, pnl * fx)
        pnl = pnl * fx + dust_value
        self._same(event["pnl_usd"], pnl, "pnl_usd")
        trade.pnl_usd += pnl
        trade.fees_usd += fees * fx
        for venue, quantity in pair.dust.items():
            trade.dust[venue] += quantity
        self._cash_usd[symbol] += dust_value
        self._realise(symbol, pnl, fees * fx)
        self._check_outcome(event, pair, trade)
        self._check_base(trade)
        if pair.closed is not None:
            self._check_closed(pair.closed, trade)
            self._result(symbol, trade.pnl_usd)
        elif pair.is_entry and trade.opened is None and pnl:
            self._result(symbol, pnl)
        self._sample()

    @property
    def _is_realised(self) -> bool:
        """Whether losses are what was realised, and not what marks say, which are recorded with denials only."""
        return bool(self._campaign["loss_basis"] == "realised")

    def _realise(self, symbol: str, pnl_usd: Fraction, fees_usd: Fraction) -> None:
        self.pnl_usd[symbol] += pnl_usd
        self.fees_usd[symbol] += fees_usd
        self._pnl_of_day[self._ts_ns // _DAY_NS, symbol] += pnl_usd
        limit = self._limits.get("global", {}).get("emergency_stop_loss_usd")
        self._stop_is_due = (
            self._is_realised and not self._stopped and limit is not None and self.daily_loss_usd() >= number(limit)
        )

    def _dust_value(self, event: Event, pair: Pair, other_pnl_usd: Fraction) -> Fraction:
        """Return what dust adds to ``pnl_usd``: what the event says, if it can be true."""
        dust, value = number(event["dust"]), number(event.get("dust_value_usd", "0"))
        symbol = event["symbol"]
        self._same(event.get("dust_value_usd", "0"), pair.dust_value * self._fx(symbol), "dust_value_usd")
        self._same(event["dust"], max(map(abs, pair.dust.values()), default=_NONE), "dust")
        if not dust:
            if value:
                self._problem("values dust that isn't there")
            return _NONE
        if "dust_value_usd" not in event:
            self._problem("has dust whose value is part of pnl_usd, but the event does not say it (dust_value_usd)")
            return number(event["pnl_usd"]) - other_pnl_usd
        price = max(number(pair.event["buy_limit"]), number(pair.event["sell_limit"]))
        if abs(value) > dust * price * self._fx(symbol) * Fraction(3, 2):
            self._problem("values its dust at more than it can be worth")
        imbalance = pair.bought - pair.sold if event["outcome"] != "residual" else _NONE
        least = {venue: self._least_value(symbol, venue, price) for venue in pair.flows}
        if imbalance:
            # An exit is only evened out on the side that lags behind.
            lagging = pair.event["sell_venue" if imbalance > 0 else "buy_venue"]
            too_much = min(least.values()) if pair.is_entry else least[lagging]
            if abs(imbalance) * price > too_much:
                self._problem(f"calls {float(abs(imbalance))} dust, which a venue would trade")
        # A pair is closed in quantities that are whole lots of both venues.
        step = common_multiple(*(number(self._instruments[symbol, venue]["lot_size"]) for venue in pair.flows))
        if not 0 <= (dust - abs(imbalance)) * price <= max(Fraction(3, 2) * step * price, *least.values()):
            self._problem(f"calls {float(dust - abs(imbalance))} on both legs dust, which both venues would trade")
        return value

    def _least_value(self, symbol: str, venue: str, price: Fraction) -> Fraction:
        """Return what a venue takes in any case, in quote asset, where ``price`` is about the market's."""
        rules = self._instruments[symbol, venue]
        return Fraction(3, 2) * (number(rules["min_notional"]) + number(rules["lot_size"]) * price)

    def _check_outcome(self, event: Event, pair: Pair, trade: Trade) -> None:
        """HEDGED opened a position, FLAT left nothing, RESIDUAL left what it says; there is no other ending."""
        outcome, opened = event["outcome"], pair.is_entry and trade.opened is not None
        if bool(pair.residuals) != (outcome == "residual"):
            self._problem(f"is {outcome} with {len(pair.residuals)} residuals")
        if outcome == "hedged" and not opened:
            self._problem("is hedged without a position")
        if outcome == "flat" and opened:
            self._problem("is flat with a position")
        if pair.is_entry and not opened and pair.bought and pair.sold and not number(event["dust"]):
            self._problem("filled both legs, but has neither position nor dust")

    def _check_base(self, trade: Trade) -> None:
        """What was bought and sold on each venue is held by the position, is a residual, or is dust."""
        for venue, sign in ((trade.long_venue, 1), (trade.short_venue, -1)):
            rest = trade.net[venue] - sign * trade.held.quantity - trade.left[venue]
            if rest != trade.dust[venue]:
                self._problem(f"leaves {float(rest)} at {venue}, which is neither position, residual nor dust")

    # Residuals

    def _on_dust_left(self, event: Event) -> None:
        """Dust is named by a pair that is about to end, on the side that its position has there."""
        symbol, venue, quantity = event["symbol"], event["venue"], number(event["quantity"])
        pair = self._flying.get(event["pair_id"])
        if pair is None or not quantity or event["asset"] != self._assets_of(symbol)[0]:
            self._problem("is no dust of a pair in flight")
            return
        pair.dust[venue] += quantity
        pair.dust_value += number(event["booked_value"])
        cost = abs(quantity) * number(event["price"]) * self._fx(symbol)
        self._same(event["cost_usd"], cost, "cost_usd")
        self._dust_cost[symbol, venue] += cost if quantity > 0 else -cost
        dust = self._dust[symbol, venue]
        dust[0], dust[1] = dust[0] + quantity, dust[1] + number(event["booked_value"])
        self._sample()

    def _on_residual_left(self, event: Event) -> None:
        residual_id, quantity, price = event["residual_id"], number(event["quantity"]), number(event["average_price"])
        if residual_id in self._residual_ids:
            self._problem(f"leaves {residual_id} twice")
        if not quantity:
            self._problem("leaves nothing")
        if event["asset"] != self._assets_of(event["symbol"])[0]:
            self._problem("leaves something else than the base asset")
        self._same(event["cost_usd"], abs(quantity) * price * self._fx(event["symbol"]), "cost_usd")
        mark = number(event.get("mark_price", event.get("last_price", event["average_price"])))
        self._same(event["booked_value"], _NONE if event["possible"] else quantity * mark, "booked_value")
        if event["unknown"] != (_ORDER in event):
            self._problem("doesn't name the order that is unknown, or names one that isn't")
        self._residual_ids.add(residual_id)
        self._residuals[residual_id] = event
        trade = self.trades[event["trade_id"]]
        trade.left[event["venue"]] += _held(event)
        if self._rest is not None:
            self._leave_late(event, self._rest)
        elif self._reopened is not None and event.get(_ORDER) == self._reopened:
            self._leave_reopened(event)
        elif event["pair_id"] in self._flying:
            self._leave_at_end(event, self._flying[event["pair_id"]], trade)
        else:
            self._problem("is left by no pair in flight")
        self._sample()

    def _on_residual_worked(self, event: Event) -> None:
        residual = self._residuals.get(event["residual_id"])
        if residual is None or _ORDER in residual or residual["symbol"] != event["symbol"]:
            self._problem("works off a residual that isn't open, or waits for an order")
            return
        self._residuals[event["residual_id"]] = {**residual, _ORDER: event[_ORDER]}

    def _on_residual_offered(self, event: Event) -> None:
        pair, quantity = self._flying.get(event["pair_id"]), number(event["quantity"])
        if pair is None or event["venue"] not in pair.flows or event["symbol"] != pair.event["symbol"]:
            self._problem("offers what was left to no pair in flight")
            return
        here = [number(one["quantity"]) for one in self._workable(event)]
        here.append(self._dust[event["symbol"], event["venue"]][0])
        sign = 1 if event["venue"] == pair.event["sell_venue"] else -1
        if not 0 < quantity <= sum((sign * one for one in here if sign * one > 0), _NONE):
            self._problem(f"offers {event['quantity']}, which isn't left there")
        pair.offered[event[_ORDER]] = quantity

    def _workable(self, place: Event) -> list[Event]:
        """Return the residuals at a place that wait for no order."""
        return [
            one
            for one in self._residuals.values()
            if (one["symbol"], one["venue"]) == (place["symbol"], place["venue"]) and _ORDER not in one
        ]

    def _on_residual_taken(self, event: Event) -> None:
        pair, symbol, venue = self._flying.get(event["pair_id"]), event["symbol"], event["venue"]
        quantity, rest, fx = number(event["quantity"]), number(event["rest"]), self._fx(symbol)
        residual_id, booked_rest = event.get("residual_id"), number(event["booked_value"])
        if pair is None:
            self._problem("is taken by no pair in flight")
            return
        flow = pair.taken[venue]
        flow.add(
            buying=quantity < 0, quantity=-abs(quantity), value=-abs(number(event["value"])), fee=-number(event["fees"])
        )
        if residual_id is None:
            held, booked = self._dust[symbol, venue]
            cost = self._dust_cost[symbol, venue]
            self._dust[symbol, venue] = [rest, booked_rest]
            self._dust_cost[symbol, venue] = number(event["cost_usd"]) * (1 if cost > 0 else -1)
            self._cash_usd[symbol] += (booked_rest - booked) * fx
        else:
            residual = self._residuals.pop(residual_id, None)
            if residual is None or (residual["symbol"], residual["venue"]) != (symbol, venue) or _ORDER in residual:
                self._problem(f"takes {residual_id}, which is not open there")
                return
            held, booked, cost = (number(residual[key]) for key in ("quantity", "booked_value", "cost_usd"))
            self._shrink(residual, event["rest"], event["booked_value"], event["cost_usd"])
        self._check_rest(event, held, quantity, rest)
        self._close_to(event["booked_value"], booked * rest / held, "booked_value", abs(booked))
        self._close_to(event["cost_usd"], abs(cost) * rest / held, "cost_usd", abs(cost))
        pnl = (number(event["value"]) - number(event["fees"]) + booked_rest - booked) * fx
        self._same(event["pnl_usd"], pnl, "pnl_usd")
        self._same(event["fees_usd"], number(event["fees"]) * fx, "fees_usd")
        self._realise(symbol, pnl, number(event["fees_usd"]))
        self._sample()

    def _on_residuals_netted(self, event: Event) -> None:
        long, short = self._residuals.pop(event["long_id"], None), self._residuals.pop(event["short_id"], None)
        if long is None or short is None or _ORDER in long or _ORDER in short:
            self._problem("nets residuals that are not open, or wait for an order")
            return
        if long["symbol"] != short["symbol"] or not number(long["quantity"]) > 0 > number(short["quantity"]):
            self._problem("nets residuals that don't hedge each other")
        quantity, change = number(event["quantity"]), _NONE
        for name, one, sign in (("long", long, 1), ("short", short, -1)):
            rest, booked, cost = (event[f"{name}_{key}"] for key in ("rest", "booked_value", "cost_usd"))
            held = number(one["quantity"])
            self._check_rest(event, held, sign * quantity, number(rest))
            before = number(one["booked_value"])
            self._close_to(booked, before * number(rest) / held, f"{name}_booked_value", abs(before))
            self._close_to(cost, number(one["cost_usd"]) * number(rest) / held, f"{name}_cost_usd")
            change += number(booked) - before
            self._shrink(one, rest, booked, cost)
        pnl = change * self._fx(event["symbol"])
        self._same(event["pnl_usd"], pnl, "pnl_usd")
        self._realise(event["symbol"], pnl, _NONE)
        self._sample()

    def _check_rest(self, event: Event, held: Fraction, quantity: Fraction, rest: Fraction) -> None:
        if not quantity or quantity + rest != held or rest * quantity < 0:
            self._problem(f"takes {float(quantity)} of {float(held)} and leaves {float(rest)}")

    def _shrink(self, residual: Event, rest: str, booked_value: str, cost_usd: str) -> None:
        if number(rest):
            left = {"quantity": rest, "booked_value": booked_value, "cost_usd": cost_usd}
            self._residuals[residual["residual_id"]] = {**residual, **left}

    def _leave_at_end(self, event: Event, pair: Pair, trade: Trade) -> None:
        """A pair is about to end and leaves this: what is uneven, or what an order without an answer may fill."""
        pair.residuals.append(event)
        venue, quantity = event["venue"], number(event["quantity"])
        if event["residual_id"] != f"{pair.event['pair_id']}.{len(pair.residuals)}":
            self._problem(f"leaves {event['residual_id']} as residual number {len(pair.residuals)} of its pair")
        uneven = pair.bought - pair.sold
        stands_for_leg = uneven != 0 and venue == pair.event["buy_venue" if uneven > 0 else "sell_venue"]
        if event["possible"] != (event["unknown"] and pair.is_entry and not stands_for_leg):
            self._problem("is not certain, or is certain although it isn't known")
        order = self._orders.get(event.get(_ORDER, ""))
        if event["unknown"] and (
            order is None
            or order.ended
            or not order.unknown
            or (order.event["pair_id"], order.event["venue"]) != (event["pair_id"], venue)
        ):
            self._problem("calls an order unknown that is known, or is another pair's or venue's")
        elif event["possible"] and order is not None:
            sign = 1 if order.event["side"] == "buy" else -1
            self._same(event["quantity"], sign * (order.quantity - order.filled), "quantity")
            self._same(event["average_price"], order.limit, "average_price")
        elif pair.is_entry:
            imbalance, flow = pair.bought - pair.sold, pair.flows[venue]
            if quantity != imbalance or venue != pair.event["buy_venue" if imbalance > 0 else "sell_venue"]:
                self._problem(f"is no imbalance of {float(pair.bought)} bought and {float(pair.sold)} sold")
                return
            paid = (flow.buy_value, flow.bought) if quantity > 0 else (flow.sell_value, flow.sold)
            self._close_to(event["average_price"], paid[0] / paid[1], "average_price")
        else:
            is_long = venue == trade.long_venue
            price = (trade.opened or {})["buy_price" if is_long else "sell_price"]
            # An order that was taken up again may trade more than there was, on both legs.
            fits = venue in (trade.long_venue, trade.short_venue) and ((quantity > 0) == is_long or pair.reopened)
            if not fits or event["average_price"] != price:
                self._problem("is no leg of its position")

    def _leave_late(self, event: Event, rest: Rest) -> None:
        """An order's fate is known now, and this is what it left: no residual of before, but worth as much as it is."""
        before, late, self._rest = rest.residual, self._orders[rest.residual[_ORDER]].late, None
        if any(event[key] != before[key] for key in ("pair_id", "trade_id", "symbol", "venue")):
            self._problem(f"is not what is left of {before['residual_id']}")
        if event["unknown"] or event["possible"]:
            self._problem("is not known, although its order's fate is")
        self._same(event["quantity"], rest.quantity, "quantity")
        price = number(before["average_price"]) if _held(before) else abs(late.cash / late.net)
        if abs(rest.quantity) > abs(_held(before)) > 0:  # it was made larger
            price = (abs(_held(before)) * price + abs(late.cash)) / abs(rest.quantity)
        self._close_to(event["average_price"], price, "average_price")
        self._resolve(rest.resolved, rest.pnl + number(event["booked_value"]))

    def _on_residual_resolved(self, event: Event) -> None:
        residual = self._residuals.pop(event["residual_id"], None)
        if residual is None:
            self._problem(f"resolves {event['residual_id']}, which is not open")
            return
        trade, order = self.trades[residual["trade_id"]], self._orders.get(residual.get(_ORDER, ""))
        if event["symbol"] != residual["symbol"]:
            self._problem("resolves a residual of another symbol")
        if order is None or not order.ended or (residual[_ORDER] != self._learning and not order.works):
            self._problem("resolves a residual whose order's fate was not learnt")
            return
        if not order.works:
            self._learning = None
            self._learnt = order
            pair = self._pairs[residual["pair_id"]]
            pair.late[residual["venue"]].add_all(order.late)
            trade.fees_usd += order.late.fees * self._fx(residual["symbol"])
            if not pair.is_entry:
                trade.exits.add_all(order.late)
        trade.left[residual["venue"]] -= _held(residual)
        self._same(event["fees_usd"], order.late.fees * self._fx(residual["symbol"]), "fees_usd")
        pnl = order.late.cash - order.late.fees - number(residual["booked_value"])
        rest = _held(residual) + order.late.net
        if rest:
            self._rest = Rest(event, residual, rest, pnl)
        else:
            # A pair of the trade that is in flight has filled, but not settled yet; its end is checked too.
            if not any(pair.event["trade_id"] == residual["trade_id"] for pair in self._flying.values()):
                self._check_base(trade)
            self._resolve(event, pnl)
        self._sample()

    def _resolve(self, resolved: Event, pnl: Fraction) -> None:
        """Count what the end of a residual realised."""
        symbol = resolved["symbol"]
        self._same(resolved["pnl_usd"], pnl * self._fx(symbol), f"pnl_usd of {resolved['residual_id']}")
        self._realise(symbol, pnl * self._fx(symbol), number(resolved["fees_usd"]))
        order, self._learnt = self._learnt, None
        if order is not None and (pnl or order.late.fees):
            self._due[self._pairs[order.event["pair_id"]].event["trade_id"]] = order, pnl * self._fx(symbol)

    def _on_trade_corrected(self, event: Event) -> None:
        due, trade = self._due.pop(event["trade_id"], None), self.trades[event["trade_id"]]
        if due is None or (event[_ORDER], event["pair_id"]) != (due[0].event[_ORDER], due[0].event["pair_id"]):
            self._problem("corrects a trade of which nothing was learnt, or something else")
            return
        self._same(event["before_usd"], trade.pnl_usd, "before_usd")
        trade.pnl_usd += due[1]
        self._same(event["pnl_usd"], trade.pnl_usd, "pnl_usd")
        self._same(event["fees_usd"], trade.fees_usd, "fees_usd")
        self._same(event["late_fees_usd"], due[0].late.fees * self._fx(trade.symbol), "late_fees_usd")
        if event["had_position"] != (trade.opened is not None):
            self._problem("is wrong about whether its trade opened a position")
        if ("realised" in event) != (event["trade_id"] in self._positions):
            self._problem("is wrong about whether its position is open")
        elif "realised" in event:
            self._same(event["realised"], trade.pnl_usd / self._fx(trade.symbol), "realised")
        self._check_exit_prices(event, trade.exits)

    def _on_residuals_paired(self, event: Event) -> None:
        pair, trade = self._pairs[event["pair_id"]], self.trades[event["trade_id"]]
        long, short = self._residuals.pop(event["long_id"], None), self._residuals.pop(event["short_id"], None)
        if long is None or short is None or not pair.ended or not pair.is_entry or trade.opened is not None:
            self._problem("opens a position of residuals that are not open, or of no entry")
            return
        quantity, change = number(event["quantity"]), _NONE
        for name, one, sign, venue in (("long", long, 1, trade.long_venue), ("short", short, -1, trade.short_venue)):
            rest, booked, cost = (event[f"{name}_{key}"] for key in ("rest", "booked_value", "cost_usd"))
            if _ORDER in one or (one["venue"], one["pair_id"]) != (venue, event["pair_id"]):
                self._problem("opens a position of residuals that wait for an order, or are elsewhere")
            held, before = number(one["quantity"]), number(one["booked_value"])
            self._check_rest(event, held, sign * quantity, number(rest))
            self._close_to(booked, before * number(rest) / held, f"{name}_booked_value", abs(before))
            self._close_to(cost, number(one["cost_usd"]) * number(rest) / held, f"{name}_cost_usd")
            change += number(booked) - before
            self._shrink(one, rest, booked, cost)
            trade.left[venue] -= sign * quantity
        self._same(event["before_usd"], trade.pnl_usd, "before_usd")
        trade.paired = event, change
        trade.pnl_usd += number(event["pnl_usd"])
        self._realise(event["symbol"], number(event["pnl_usd"]), _NONE)

    def _open_paired(self, event: Event, trade: Trade, paired: Event, change: Fraction) -> None:
        """Two residuals are a position, with its share of what its entry paid and got, late fills included."""
        pair, fx = self._pairs[paired["pair_id"]], self._fx(trade.symbol)
        quantity, holds = number(event["quantity"]), pair.event["holds"]
        long, short = pair.in_all(trade.long_venue), pair.in_all(trade.short_venue)
        self._same(paired["quantity"], quantity, "quantity")
        self._close_to(event["buy_price"], long.buy_value / long.bought, "buy_price")
        self._close_to(event["sell_price"], short.sell_value / short.sold, "sell_price")
        kept = quantity / short.sold, quantity / long.bought
        self._close_to(event["cash"], short.sell_value * kept[0] - long.buy_value * kept[1], "cash", long.buy_value)
        self._close_to(event["fees"], short.sell_fees * kept[0] + long.buy_fees * kept[1], "fees", long.buy_value)
        kept_usd = (number(event["cash"]) - number(event["fees"])) * fx
        self._same(paired["pnl_usd"], change * fx - (kept_usd if holds else 0), "pnl_usd of what was paired")
        self._same(event["realised"], (trade.pnl_usd - (0 if holds else kept_usd)) / fx, "realised")
        trade.paired, trade.once = None, None if holds else pair
        trade.opened, trade.opened_ns = event, self._ts_ns
        self._hold(event, trade, event["symbol"])

    # Positions

    def _on_position_opened(self, event: Event) -> None:
        trade, symbol = self.trades[event["trade_id"]], event["symbol"]
        pair = next((one for one in self._flying.values() if one.event["trade_id"] == event["trade_id"]), None)
        if trade.paired is not None:
            self._open_paired(event, trade, *trade.paired)
            return
        if pair is None or trade.opened is not None or not pair.is_entry:
            self._problem("opens a position without its entry")
            return
        quantity = number(event["quantity"])
        long, short = pair.flows[trade.long_venue], pair.flows[trade.short_venue]
        if quantity <= 0 or quantity != min(long.net, -short.net):
            self._problem(f"opens {event['quantity']} on legs of {float(long.net)} and {float(-short.net)}")
        self._close_to(event["buy_price"], long.buy_value / long.bought, "buy_price")
        self._close_to(event["sell_price"], short.sell_value / short.sold, "sell_price")
        kept = quantity / short.sold, quantity / long.bought
        self._close_to(event["cash"], short.sell_value * kept[0] - long.buy_value * kept[1], "cash", long.buy_value)
        self._close_to(event["fees"], short.sell_fees * kept[0] + long.buy_fees * kept[1], "fees", long.buy_value)
        trade.opened, trade.opened_ns = event, self._ts_ns
        self._hold(event, trade, symbol)

    def _on_position_reduced(self, event: Event) -> None:
        trade = self.trades[event["trade_id"]]
        if event["trade_id"] not in self._positions:
            self._problem("reduces a position that isn't open")
        before, rest = trade.held, number(event["quantity"])
        if not 0 < rest < before.quantity:
            self._problem(f"reduces {float(before.quantity)} to {event['quantity']}")
        scale = abs(before.cash) + before.fees
        self._close_to(event["cash"], before.cash * rest / before.quantity, "cash", scale)
        self._close_to(event["fees"], before.fees * rest / before.quantity, "fees", scale)
        self._hold(event, trade, trade.symbol)

    def _hold(self, event: Event, trade: Trade, symbol: str) -> None:
        opened = trade.opened or event
        trade.held = Held(number(event["quantity"]), number(event["cash"]), number(event["fees"]))
        higher = max(number(opened["buy_price"]), number(opened["sell_price"]))
        exposure = trade.held.quantity * higher * self._fx(symbol)
        self._same(event["exposure_usd"], exposure, "exposure_usd")
        self._positions[event["trade_id"]] = exposure

    def _on_position_closed(self, event: Event) -> None:
        self._streaks[event["symbol"]].closed_ns = self._ts_ns
        trade = self.trades[event["trade_id"]]
        pair = next((one for one in self._flying.values() if one.event["trade_id"] == event["trade_id"]), None)
        pair = trade.once or pair
        once = pair is not None and pair.is_entry and not pair.event["holds"]
        if pair is None or (pair.is_entry and not once) or event["trade_id"] not in self._positions:
            self._problem("closes a position without its exit")
            return
        if once != (event["reason"] == "once"):
            self._problem(f"closes for the reason {event['reason']}")
        if once:  # what was bought stays in stock, and what was sold is gone
            trade.left[trade.long_venue] += trade.held.quantity
            trade.left[trade.short_venue] -= trade.held.quantity
        del self._positions[event["trade_id"]]
        trade.held, trade.is_closed, pair.closed = Held(), True, event
        if trade.once is not None:
            self._check_closed(event, trade)

    def _check_closed(self, closed: Event, trade: Trade) -> None:
        opened, exits = trade.opened or {}, trade.exits
        self._same(closed["pnl_usd"], trade.pnl_usd, "pnl_usd of its trade")
        self._same(closed["fees_usd"], trade.fees_usd, "fees_usd of its trade")
        for of_entry, of_trade in (
            ("symbol", "symbol"),
            ("buy_venue", "buy_venue"),
            ("sell_venue", "sell_venue"),
            ("buy_price", "entry_buy_price"),
            ("sell_price", "entry_sell_price"),
            ("quantity", "quantity"),
        ):
            if opened[of_entry] != closed[of_trade]:
                self._problem(f"closes {closed[of_trade]} as {of_trade}, but {opened[of_entry]} was opened")
        if closed["opened_at_ns"] != trade.opened_ns:
            self._problem("closes a trade that was opened at another time")
        self._check_exit_prices(closed, exits)

    def _check_exit_prices(self, event: Event, exits: Flow) -> None:
        for key, value, quantity in (
            ("exit_buy_price", exits.buy_value, exits.bought),
            ("exit_sell_price", exits.sell_value, exits.sold),
        ):
            if (key in event) != bool(quantity):
                self._problem(f"has {key} without fills, or fills without it")
            elif quantity:
                self._close_to(event[key], value / quantity, key)

    def _on_position_marked(self, event: Event) -> None:
        self._marked.add(event["trade_id"])
        if event["trade_id"] not in self._positions:
            self._problem("marks a position that isn't open")
        else:
            self._same(event["quantity"], self.trades[event["trade_id"]].held.quantity, "quantity")

    # Orders

    def _on_order_submitted(self, event: Event) -> None:
        order_id, pair = event["client_order_id"], self._flying.get(event["pair_id"])
        if order_id in self._orders:
            self._problem("submits an order twice")
        order = Order(
            event=event,
            quantity=number(event["quantity"]),
            limit=number(event["limit_price"]),
            locked=number(event["locked"]),
        )
        self._orders[order_id] = order
        symbol, venue, side = event["symbol"], event["venue"], event["side"]
        base, quote = self._assets_of(symbol)
        rules = self._instruments[symbol, venue]
        if order.quantity <= 0 or order.quantity % number(rules["lot_size"]):
            self._problem(f"orders {event['quantity']} in lots of {rules['lot_size']}")
        if order.limit <= 0 or order.limit % number(rules["tick_size"]):
            self._problem(f"has a limit of {event['limit_price']} in ticks of {rules['tick_size']}")
        if order.quantity * order.limit < number(rules["min_notional"]):
            self._problem(f"is worth less than {rules['min_notional']}")
        fee = max(_NONE, self._fee_bps(symbol, venue))
        locked = order.quantity * order.limit * (_BPS + fee) / _BPS if side == "buy" else order.quantity
        if event["locked_asset"] != (quote if side == "buy" else base):
            self._problem("locks the wrong asset")
        self._same(event["locked"], locked, "locked")
        asset = self.assets[venue][event["locked_asset"]]
        asset.locked += order.locked
        lendable = self._borrow_usd.get(venue, _NONE) / (order.limit * self._fx(symbol)) if side == "sell" else _NONE
        short_of = -asset.free - lendable
        if event["purpose"] != "leg" or pair is None or not pair.is_entry:
            self._urgent[venue, event["locked_asset"]] += order.locked
        elif short_of > self._urgent[venue, event["locked_asset"]] - pair.urgent_before[venue, event["locked_asset"]]:
            self._problem(f"is an entry's leg that locks {float(short_of)} {event['locked_asset']} more than is free")
        if order.works:
            self._check_work(order)
            return
        if pair is None:
            self._problem("submits an order of a pair that is not in flight")
            return
        order.offered = pair.offered.get(order_id, _NONE)
        pair.orders.append(order_id)
        opened = pair.event
        if venue not in pair.flows or symbol != opened["symbol"]:
            self._problem("submits an order to a venue that is not its pair's")
        if event["purpose"] == "leg":
            leg = ("buy", "buy_limit") if venue == opened["buy_venue"] else ("sell", "sell_limit")
            announced, lot = number(opened["quantity"]), number(rules["lot_size"])
            own = order.quantity - order.offered
            if (side, event["limit_price"], own) != (leg[0], opened[leg[1]], announced - announced % lot):
                self._problem("is not the leg that its pair announced")
            if pair.is_entry and "DRAINING" in self._phases:
                self._problem("submits an entry while the campaign drains")
        elif pair.is_entry == (event["purpose"] == "complete"):
            self._problem("completes an entry, or hedges or unwinds an exit")
        elif (side == "buy") != (pair.bought < pair.sold) or order.quantity > abs(pair.bought - pair.sold):
            self._problem(f"doesn't even out {float(pair.bought)} bought and {float(pair.sold)} sold")

    def _check_work(self, order: Order) -> None:
        """It trades away what a pair left, or at the end makes that larger first."""
        event = order.event
        residual = next((one for one in self._residuals.values() if one.get(_ORDER) == event[_ORDER]), None)
        if residual is None or (residual["symbol"], residual["pair_id"]) != (event["symbol"], event["pair_id"]):
            self._problem("is to work off a residual that no residual_worked names")
            return
        order.home, quantity = residual["venue"], number(residual["quantity"])
        if (event["side"] == "sell") != (quantity > 0):
            if "DRAINING" not in self._phases:
                self._problem("makes a residual larger before the end")
        elif order.quantity > abs(quantity):
            self._problem("trades away more than is left")

    def _fee_value(self, event: Event, quantity: Fraction, value: Fraction) -> Fraction:
        """Check a fill's fee, and return what it is worth in quote asset."""
        fee, rate = number(event["fee"]), self._fee_bps(event["symbol"], event["venue"]) / _BPS
        if event["fee_asset"] in (event["base"], event["quote"]):
            is_base = event["fee_asset"] == event["base"]
            self._same(event["fee"], (quantity if is_base else value) * rate, "fee")
            return fee * number(event["price"]) if is_base else fee
        worth = number(event["fee_value"])
        # Of an asset of its own, the fee is rounded up to eight digits.
        if fee and not 0 <= worth - value * rate < Fraction(1, 10**8) * worth / fee:
            self._problem(f"takes a fee worth {float(worth)} instead of {float(value * rate)}")
        return worth

    def _on_order_filled(self, event: Event) -> None:
        order = self._live(event)
        if order is None:
            return
        submitted, buying = order.event, event["side"] == "buy"
        symbol, venue, base, quote = (event[key] for key in ("symbol", "venue", "base", "quote"))
        quantity, price, fee = number(event["quantity"]), number(event["price"]), number(event["fee"])
        value = quantity * price
        if any(event[key] != submitted[key] for key in ("symbol", "venue", "side")):
            self._problem("fills another order than was submitted")
        if (base, quote) != self._assets_of(symbol):
            self._problem("moves assets that are not the symbol's")
        if (venue, event["fill_id"]) in self._fill_ids:
            self._problem("is counted twice")
        self._fill_ids.add((venue, event["fill_id"]))
        if not order.acknowledged:
            self._problem("fills an order that its venue has not acknowledged")
        if quantity <= 0 or price <= 0 or order.filled + quantity > order.quantity:
            self._problem(f"fills beyond the order's {submitted['quantity']}")
        if price > order.limit if buying else price < order.limit:
            self._problem(f"fills at a worse price than {submitted['limit_price']}")
        fee_value = self._fee_value(event, quantity, value)
        self._filled_at[event[_ORDER], event["ts_ns"]] += value
        books = self.assets[venue]
        books[base].trades += quantity if buying else -quantity
        books[quote].trades -= value if buying else -value
        books[event["fee_asset"]].fees += fee
        order.filled += quantity
        for asset in (base, quote):
            if books[asset].final < 0 and not (asset == base and venue in self._borrow_usd):
                self._problem(f"leaves {float(books[asset].final)} {asset} at {venue}")
        pair = self._pairs[submitted["pair_id"]]
        trade = self.trades[pair.event["trade_id"]]
        self._cash_usd[symbol] += ((-value if buying else value) - fee_value) * self._fx(symbol)
        beyond = min(max(order.filled - (order.quantity - order.offered), _NONE), quantity)
        if beyond and not pair.ended:
            # What is filled beyond the pair's own; its part of the fee is cut after fifteen digits.
            paid = fee_value if beyond == quantity else Fraction(round(fee_value * beyond / quantity * 10**15), 10**15)
            pair.taken[venue].add(buying=buying, quantity=beyond, value=beyond * price, fee=paid)
            quantity, value, fee_value = quantity - beyond, value - beyond * price, fee_value - paid
        flow = order.late if pair.ended else pair.flows[venue]
        flow.add(buying=buying, quantity=quantity, value=value, fee=fee_value)
        trade.net[order.home or venue] += quantity if buying else -quantity
        if not pair.is_entry and not pair.ended:
            trade.exits.add(buying=buying, quantity=quantity, value=value, fee=fee_value)
        if order.filled == order.quantity:
            self._end(order)

    def _on_order_acknowledged(self, event: Event) -> None:
        order = self._live(event)
        if order is not None:
            if order.acknowledged:
                self._problem("acknowledges an order twice")
            order.acknowledged = True

    def _on_order_cancelled(self, event: Event) -> None:
        order = self._live(event)
        if order is not None:
            self._same(event["unfilled"], order.quantity - order.filled, "unfilled")
            self._end(order)

    _on_order_expired = _on_order_cancelled

    def _on_order_reopened(self, event: Event) -> None:
        """An order that had ended goes on. Where its pair has ended, what may come of it has to be named next."""
        order = self._orders.get(event[_ORDER])
        if order is None or not order.ended:
            self._problem("takes up an order that has not ended")
            return
        pair = self._pairs[order.event["pair_id"]]
        said = {key: order.event[key] for key in ("pair_id", "venue", "symbol", "side")}
        if any(event[key] != value for key, value in said.items()) or event["trade_id"] != pair.event["trade_id"]:
            self._problem("takes up another order than was submitted")
        self._same(event["unfilled"], order.quantity - order.filled, "unfilled")
        order.ended, order.locked, order.late = False, _NONE, Flow()
        pair.reopened = True
        if pair.ended:
            self._reopened = event[_ORDER]

    def _leave_reopened(self, event: Event) -> None:
        """This stands for an order that its venue took up again, until its last word."""
        order = self._orders[self._reopened or ""]
        self._reopened = None
        sign = 1 if order.event["side"] == "buy" else -1
        self._same(event["quantity"], sign * (order.quantity - order.filled), "quantity")
        if not event["possible"] or not event["unknown"] or event["venue"] != order.event["venue"]:
            self._problem("is not what may come of an order that was taken up again")

    def _on_updates_down(self, event: Event) -> None:
        self._unheard.add(event["venue"])

    def _on_updates_up(self, event: Event) -> None:
        self._unheard.discard(event["venue"])

    def _on_entries_held(self, event: Event) -> None:
        self._held.add((event["venue"], event["by"], event["reason"]))

    def _on_entries_released(self, event: Event) -> None:
        self._held.remove((event["venue"], event["by"], event["reason"]))

    def _on_commanded(self, event: Event) -> None:
        command = event["command"]
        if command in ("pause", "flatten", "panic", "resume"):
            self._paused = command != "resume"
        elif command == "blacklist":
            self._blacklisted.add(event["symbol"])
        elif command == "unblacklist":
            self._blacklisted.remove(event["symbol"])

    def _on_order_rejected(self, event: Event) -> None:
        order = self._live(event)
        if order is not None:
            if order.filled:
                self._problem("rejects an order that has filled")
            self._end(order)

    def _on_order_unknown(self, event: Event) -> None:
        order = self._live(event)
        if order is not None:
            if order.unknown:
                self._problem("has no answer a second time")
            order.unknown = True

    def _live(self, event: Event) -> Order | None:
        """Return the order that an event is about. Where its pair has ended, its late word begins or goes on."""
        order_id = event[_ORDER]
        order = self._orders.get(order_id)
        if order is None:
            self._problem("is about an order that was never submitted")
        elif order.ended:
            self._problem("is about an order that has ended")
        elif self._pairs[order.event["pair_id"]].ended and not order.works:
            if event["type"] == "order_unknown" or order_id not in (
                one.get(_ORDER) for one in self._residuals.values()
            ):
                self._problem("comes after its pair, which did not wait for it")
            self._learning = order_id
        return order

    def _end(self, order: Order) -> None:
        if not order.ended:
            self.assets[order.event["venue"]][order.event["locked_asset"]].locked -= order.locked
        order.ended = True

    # Look-ups and comparisons

    # Transfers

    def _on_transfer_sent(self, event: Event) -> None:
        account, fee = self.assets[event["source"]][event["asset"]], number(event["fee"])
        amount = number(event["amount"])
        if not 0 <= fee < amount or amount > account.free:
            self._problem(f"sends {float(amount)} for {float(fee)}, and {float(account.free)} are free")
        account.fees += fee
        account.trades -= amount - fee
        self._moved[event["transfer_id"]] = event
        self._sample()

    def _on_transfer_arrived(self, event: Event) -> None:
        sent = self._moved.pop(event["transfer_id"], None)
        if sent is None or event["ts_ns"] < sent["arrives_at_ns"]:
            self._problem("arrives without having been sent, or too early")
            return
        self._same(event["amount"], number(sent["amount"]) - number(sent["fee"]), "amount")
        self.assets[event["target"]][event["asset"]].trades += number(event["amount"])
        self._sample()

    def _assets_of(self, symbol: str) -> tuple[str, str]:
        return self._assets_by_symbol[symbol]

    def _fx(self, symbol: str) -> Fraction:
        return number(self._campaign["fx"][self._assets_of(symbol)[1]])

    def _fee_bps(self, symbol: str, venue: str) -> Fraction:
        return number(self._instruments[symbol, venue]["taker_fee_bps"])

    def _sample(self) -> None:
        self.exposures.append((self._seq, self.exposure_usd()))

    def _same(self, said: str, is_: Fraction, what: str) -> None:
        if number(said) != is_:
            self._problem(f"says {what} {said}, which is {float(is_)} (off by {float(number(said) - is_):g})")

    def _close_to(self, said: str, is_: Fraction, what: str, scale: Fraction | None = None) -> None:
        """Compare a quotient, which can't be said exactly."""
        if abs(number(said) - is_) > _ROUNDED * (abs(is_) if scale is None else max(scale, Fraction(1, 10**3))):
            self._problem(f"says {what} {said}, which is {float(is_)}")

    def _problem(self, what: str) -> None:
        event = self._event
        name = next((event[key] for key in ("client_order_id", "pair_id", "trade_id", "symbol") if key in event), "")
        self.problems.append(f"seq {event.get('seq')}: {event.get('type')} {name} {what}")


def _held(residual: Event) -> Fraction:
    """Return what of a residual is certain to exist."""
    return _NONE if residual["possible"] else number(residual["quantity"])


def number(text: Any) -> Fraction:
    """Return a number of an event (always text there), or of the limits, exactly."""
    if isinstance(text, float):
        raise Broken(f"{text!r}: an amount is written as a binary float")
    return Fraction(text if isinstance(text, Fraction) else Decimal(text))


def recompute(
    events: Iterable[Event], *, limits: Mapping[str, Any] | None = None, borrow_usd: Mapping[str, Any] | None = None
) -> Books:
    """Return the books of a whole campaign; what is wrong is in their ``problems``."""
    books = Books(limits or {}, borrow_usd or {})
    for event in events:
        books.apply(event)
    books.finish()
    return books


def check(events: Sequence[Event], **options: Any) -> Books:
    """Return the books of a campaign that keeps every promise.

    Raises:
        Broken: it doesn't; the message has the first ten problems.
    """
    books = recompute(events, **options)
    if books.problems:
        raise Broken("\n".join([f"{len(books.problems)} problems:", *books.problems[:10]]))
    return books
