"""One symbol as it can be traded: its instruments, its quotes, and what is free to be spent on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

import attrs
import msgspec

from trioarb.model.fx import FxState
from trioarb.model.market import Instrument, Route
from trioarb.model.number import EXACT, text
from trioarb.model.order import Order, Side
from trioarb.model.trade import Answer, FxUsed, Opportunity, Refusal, Sighting
from trioarb.plugin.contract import Exchange
from trioarb.quotes.band import Path
from trioarb.quotes.board import QuoteBoard, Touch
from trioarb.quotes.rate import Rate
from trioarb.state.funds import Funds
from trioarb.strategy.leg import Leg
from trioarb.time.campaign_time import SECOND_NS

__all__ = ["Market"]

FoundT = TypeVar("FoundT", Opportunity, Sighting)


@attrs.frozen(kw_only=True)
class Market:
    """One symbol: its instruments by venue, its quotes, and the value of its quote asset.

    ``rates``: of the venues whose quote asset is another, what that is worth in the symbol's.
    ``exit_bps`` is the edge at which its positions are expected to be closed. Of the touches that legs were looked at
    with, when they were sized, planned and evened out, it remembers each venue's last with both sides.
    """

    symbol: str
    instruments: Mapping[str, Instrument]
    board: QuoteBoard
    exchanges: Mapping[str, Exchange]
    funds: Funds
    usd_per_quote: Decimal
    exit_bps: Decimal
    rates: Mapping[str, Rate] = attrs.field(factory=dict)
    _seen: dict[str, Touch] = attrs.field(factory=dict, init=False, repr=False)

    @property
    def base(self) -> str:
        return next(iter(self.instruments.values())).base

    def leg(self, venue: str, side: Side) -> Leg:
        """Return one side of a trade at a venue, as it stands now."""
        instrument, exchange, funds = self.instruments[venue], self.exchanges[venue], self.funds
        touch = self.board.touch(venue)
        if touch is not None and touch.bid is not None and touch.ask is not None:
            self._seen[venue] = touch
        usd_per_quote, said = self.usd_per_quote, None
        if (rate := self.rates.get(venue)) is not None and rate.said is not None:
            said = rate.said
            usd_per_quote = EXACT.multiply(usd_per_quote, rate.of(is_bought=side is Side.BUY))
        return Leg(
            side=side,
            instrument=instrument,
            touch=touch,
            free_base=funds.held(venue, instrument),
            free_quote=funds.payable(venue, instrument),
            account=exchange.account,
            max_borrow_usd=exchange.max_borrow_usd,
            usd_per_quote=usd_per_quote,
            kept_base=funds.kept(venue, instrument.base),
            kept_quote=funds.kept(venue, instrument.quote),
            said=said,
        )

    def look(self, now_ns: int) -> None:
        """See to it that all rates are as of now."""
        for rate in self.rates.values():
            rate.look(now_ns)

    def priced(self, paths: Sequence[Path]) -> tuple[Path, ...]:
        """Return paths whose factors hold the rates, too; NaN where one isn't known."""
        return tuple(
            attrs.evolve(
                path,
                cost_buy=path.cost_buy * self._number(path.route.buy_venue, 1),
                keep_sell=path.keep_sell * self._number(path.route.sell_venue, 0),
            )
            for path in paths
        )

    def _number(self, venue: str, is_bought: int) -> float:
        rate = self.rates.get(venue)
        return 1.0 if rate is None else rate.numbers[is_bought]

    def fx_rate(self, venue: str, side: Side) -> Decimal | None:
        """Return what a venue's quote asset costs (bought with it) or brings (sold for it), if it is another."""
        rate = self.rates.get(venue)
        return None if rate is None else rate.of(is_bought=side is Side.BUY)

    def rated(self, venue: str, side: Side, now_ns: int) -> tuple[Decimal, FxState] | None:
        """Return the rate of now at a venue whose quote asset is another, and how good it is."""
        rate = self.rates.get(venue)
        if rate is None:
            return None
        rate.look(now_ns)
        return rate.of(is_bought=side is Side.BUY), rate.state

    def in_common(self, venue: str, side: Side, price: Decimal) -> Decimal:
        """Return a venue's price in the symbol's quote asset."""
        rate = self.fx_rate(venue, side)
        return price if rate is None else EXACT.multiply(price, rate)

    def counted(self, order: Order) -> Order:
        """Return an order whose limit is in the symbol's quote asset."""
        if order.venue not in self.rates:
            return order
        limit = self.in_common(order.venue, order.side, order.limit_price)
        return msgspec.structs.replace(order, limit_price=limit)

    def valued(self, venue: str) -> Touch | None:
        """Return a venue's touch in the symbol's quote asset."""
        return self._converted(venue, self.board.touch(venue))

    def last_valued(self, venue: str) -> Touch | None:
        """Return the last touch with both sides that a leg was looked at with, in the symbol's quote asset."""
        return self._converted(venue, self._seen.get(venue))

    def _converted(self, venue: str, touch: Touch | None) -> Touch | None:
        """Return a touch as what a purchase costs, and a sale brings."""
        if touch is None or venue not in self.rates:
            return touch
        bid, ask = touch.bid, touch.ask
        return Touch(
            bid=None if bid is None else self.in_common(venue, Side.SELL, bid),
            bid_size=touch.bid_size,
            ask=None if ask is None else self.in_common(venue, Side.BUY, ask),
            ask_size=touch.ask_size,
        )

    def with_rates(self, found: FoundT, now_ns: int) -> FoundT:
        """Return what was found with the rates by which its prices were compared."""
        venues = found.route.buy_venue, found.route.sell_venue
        used = {rate.asset: rate for venue in venues if (rate := self.rates.get(venue)) is not None}
        if not used:
            return found
        ages = [age for rate in used.values() if (age := rate.age_ns(now_ns)) is not None]
        fx = FxUsed(
            buy=self.fx_rate(venues[0], Side.BUY),
            sell=self.fx_rate(venues[1], Side.SELL),
            age_ns=max(ages, default=None),
            sources=tuple(f"{asset}@{name}" for asset, rate in sorted(used.items()) for name in rate.counted),
        )
        return msgspec.structs.replace(found, fx=fx)

    def doubt(self, route: Route, now_ns: int) -> Refusal | None:
        """Return why the rates of a route can't be relied on, if they can't."""
        for venue in (route.buy_venue, route.sell_venue):
            rate = self.rates.get(venue)
            if rate is not None and rate.state is not FxState.GOOD:
                return _refusal(rate, now_ns)
        return None

    def last_touch(self, venue: str) -> Touch | None:
        """Return the last touch with both sides that a leg was looked at with; ``None``: there was none."""
        return self._seen.get(venue)


def _refusal(rate: Rate, now_ns: int) -> Refusal:
    """Return the denial of a rate that can't be relied on: what is wrong with it, and what it would have to be."""
    match rate.state:
        case FxState.DISPUTED:
            rule, value = "fx_disputed", "its sources are further apart"
            limit = f"{text(rate.outlier_bps)} bps"
        case FxState.FEW:
            rule, value, limit = "fx_sources", "too few of its sources count", str(rate.least_sources)
        case state:
            age_ns = rate.age_ns(now_ns)
            value = "unknown" if age_ns is None else f"{Decimal(age_ns) / SECOND_NS:.3f} s old"
            rule = "fx_age" if state is FxState.OLD else "fx_away"
            limit = f"{Decimal(rate.max_age_ns) / SECOND_NS:.3f} s"
    return Refusal(answer=Answer.DENY, rule=rule, value=f"{rate.asset}: {value}", limit=limit)
