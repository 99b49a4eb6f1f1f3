"""Loops through three symbols of one venue: what legs they may have, and what their fills come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import attrs

from trioarb.model.event import (
    DustLeft,
    OrderSubmitted,
    PairEnded,
    PositionOpened,
    ResidualLeft,
    TransactionLeg,
    TransactionOpened,
)
from trioarb.model.number import ZERO, text
from trioarb.model.order import Purpose, Side
from trioarb.verify.flow import Flow
from trioarb.verify.listings import Listed

__all__ = ["Loop", "is_loop", "problem_of_loop"]

#: An average price is cut after 20 digits; one that is a product of two, or held against one, is as near as this.
_NEAR = Decimal("1e-17")


def is_loop(event: TransactionOpened) -> bool:
    """Return whether a transaction goes through several symbols."""
    return len({leg.symbol for leg in event.legs}) > 1


def problem_of_loop(event: TransactionOpened, symbols: Mapping[str, Listed]) -> str:
    """Return what is wrong with the legs of a loop that is opened, or ''."""
    if len(event.legs) != 3 or len({leg.symbol for leg in event.legs}) != 3:
        return "goes through other than three symbols"
    home, cross, other = event.legs
    if len({leg.venue for leg in event.legs}) != 1 or home.symbol != event.symbol:
        return "is a loop of several venues, or begins at another symbol than it is counted to"
    if any(leg.symbol not in symbols for leg in event.legs):
        return "goes through a symbol that isn't listed"
    at_home, crossed, elsewhere = (symbols[leg.symbol] for leg in event.legs)
    if (crossed.base, crossed.quote, elsewhere.quote) != (at_home.base, elsewhere.base, at_home.quote):
        return "goes through symbols that don't lead back to where it began"
    if not at_home.is_valued:
        return "begins and ends with an asset without a rate"
    if cross.side is home.side or other.side is not cross.side:
        return "has legs that don't go around"
    if event.holds or any(leg.quantity <= 0 or leg.limit is None or leg.limit <= 0 for leg in event.legs):
        return "is a loop that holds, or has a leg that trades nothing or has no limit"
    if any(leg.after is not None or leg.post_only for leg in event.legs):
        return "is a loop whose legs don't go out together"
    return ""


@attrs.define(eq=False)
class Loop:
    """A loop in flight, and what it traded of each of its symbols. Decimal arithmetic has to be exact around it."""

    opened: TransactionOpened
    listed: Mapping[str, Listed]
    flows: dict[str, Flow] = attrs.field(init=False)
    _sent: set[str] = attrs.field(factory=set)

    def __attrs_post_init__(self) -> None:
        self.flows = {leg.symbol: Flow() for leg in self.opened.legs}

    @property
    def usd(self) -> Decimal:
        """What one of its money is worth."""
        return self.listed[self.opened.symbol].usd_per_quote

    @property
    def homes(self) -> tuple[str, str]:
        """The symbols in whose markets what is left is worth something: its home, and that of the bridge."""
        home, _, other = self.opened.legs
        return home.symbol, other.symbol

    def left_by(self, late: Flow) -> dict[str, Decimal]:
        """Return what a cross order leaves by what it filled late, by those symbols."""
        home, other = self.homes
        return {home: late.net, other: late.earned}

    def fees_usd_of(self, late: Flow) -> Decimal:
        """Return what the late fees of a cross order are counted at."""
        return late.fees * _limit(self.opened.legs[2]) * self.usd

    @property
    def reserved_usd(self) -> Decimal:
        """The most that may be left: of what is traded at home, and of the bridge."""
        home, _, other = self.opened.legs
        return (home.quantity * _limit(home) + other.quantity * _limit(other)) * self.usd

    def problem_of_order(self, event: OrderSubmitted) -> str:
        """Return what is wrong with an order of it, or ''."""
        home, cross, other = self.opened.legs
        if event.purpose is Purpose.UNWIND:
            is_at_home = event.symbol in (home.symbol, other.symbol)
            return "" if is_at_home else "evens out what a loop left elsewhere than in its markets in money"
        leg = next((leg for leg in (home, cross, other) if leg.symbol == event.symbol), None)
        announced = None if leg is None else (leg.venue, leg.side, leg.quantity, leg.limit)
        wanted = event.venue, event.side, event.quantity, event.limit_price
        if event.purpose is not Purpose.LEG or announced != wanted or event.symbol in self._sent:
            return f"is not a leg that {self.opened.pair_id} announced"
        self._sent.add(event.symbol)
        return ""

    @property
    def earned(self) -> Decimal:
        """Money less fees: what it moved of the other two assets is left over."""
        home, _, other = self.opened.legs
        return self.flows[home.symbol].earned + self.flows[other.symbol].earned

    def left(self) -> dict[str, Decimal]:
        """Return what there is to be told of, by the symbol in whose market it is worth something."""
        home, cross, other = self.opened.legs
        crossed = self.flows[cross.symbol]
        return {
            home.symbol: self.flows[home.symbol].net + crossed.net,
            other.symbol: self.flows[other.symbol].net + crossed.earned,
        }

    def problems(
        self, event: PairEnded, residuals: Sequence[ResidualLeft], dust: Sequence[DustLeft]
    ) -> Iterator[tuple[bool, str]]:
        """Yield what is wrong with its end, and whether that is about money."""
        home, cross, _ = self.opened.legs
        bought, sold = self.flows[home.symbol].net, -self.flows[cross.symbol].net
        if home.side is Side.SELL:
            bought, sold = -sold, -bought
        if (event.bought, event.sold) != (bought, sold):
            yield (
                False,
                f"says {text(event.bought)} bought and {text(event.sold)} sold; its fills come to {text(bought)} and "
                f"{text(sold)}",
            )
        for symbol, left in self.left().items():
            told = sum((one.quantity for one in residuals if one.symbol == symbol and not one.possible), ZERO)
            told += sum((one.quantity for one in dust if one.symbol == symbol), ZERO)
            if told != left:
                yield False, f"leaves {text(left)} of the base asset of {symbol}, and tells of {text(told)}"
        at_home = sum((abs(one.quantity) for one in dust if one.symbol == home.symbol), ZERO)
        if event.dust != at_home:
            yield False, f"says that {text(event.dust)} is dust; {text(at_home)} were left of {home.symbol}"
        value_usd = sum((one.booked_value for one in dust), ZERO) * self.usd
        if event.dust_value_usd != value_usd:
            yield True, f"values its dust at {text(event.dust_value_usd)} USD; what was left comes to {text(value_usd)}"
        fees_usd = self.fees_usd
        if event.fees_usd != fees_usd:
            yield True, f"says fees of {text(event.fees_usd)} USD; its fills paid {text(fees_usd)}"
        pnl_usd = self.earned * self.usd + value_usd + sum((one.booked_value for one in residuals), ZERO) * self.usd
        if event.pnl_usd != pnl_usd:
            yield (
                True,
                f"says a PnL of {text(event.pnl_usd)} USD; money, fees and what is left come to {text(pnl_usd)}",
            )

    @property
    def fees_usd(self) -> Decimal:
        """Fees of the cross leg are counted at the limit of the leg in which the bridge was to be traded."""
        home, cross, other = self.opened.legs
        in_money = self.flows[home.symbol].fees + self.flows[other.symbol].fees
        return (in_money + self.flows[cross.symbol].fees * _limit(other)) * self.usd

    @property
    def went_around(self) -> Decimal:
        """How much was bought at home and sold on the cross, or the other way round; 0 unless all legs filled."""
        home, cross, other = self.opened.legs
        bought, sold = self.flows[home.symbol].net, -self.flows[cross.symbol].net
        if home.side is Side.SELL:
            bought, sold = -sold, -bought
        has_all = all(_of_side(leg, self.flows[leg.symbol])[1] for leg in (home, cross, other))
        return max(ZERO, min(bought, sold)) if has_all else ZERO

    def problem_of_position(self, event: PositionOpened) -> str:
        """Return what is wrong with the position that says what went around, or ''."""
        home, cross, other = self.opened.legs
        if event.quantity != self.went_around:
            return f"says that {text(event.quantity)} went around; its fills come to {text(self.went_around)}"
        value, quantity = _of_side(home, self.flows[home.symbol])
        (cross_value, crossed), (other_value, elsewhere) = (
            _of_side(leg, self.flows[leg.symbol]) for leg in (cross, other)
        )
        at_home, through = (
            (event.buy_price, event.sell_price) if home.side is Side.BUY else (event.sell_price, event.buy_price)
        )
        product = cross_value * other_value
        if abs(at_home * quantity - value) > value * _NEAR:
            return "has another price at home than it was filled at"
        if abs(through * crossed * elsewhere - product) > product * _NEAR:
            return "has another price through the bridge than it was filled at"
        cash = sum(
            (self.flows[leg.symbol].sell_value - self.flows[leg.symbol].buy_value for leg in (home, other)), ZERO
        )
        if (event.cash, event.fees) != (cash, cash - self.earned):
            return "tells of other money or fees than its fills"
        return ""


def _limit(leg: TransactionLeg) -> Decimal:
    return ZERO if leg.limit is None else leg.limit


def _of_side(leg: TransactionLeg, flow: Flow) -> tuple[Decimal, Decimal]:
    """Return value and quantity of what was traded in a leg's direction."""
    return (flow.buy_value, flow.bought) if leg.side is Side.BUY else (flow.sell_value, flow.sold)
