"""At which prices what is open could be traded away, what that is worth, and what of it was lost today."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal, localcontext

import msgspec

from trioarb.journal.fold import Folding
from trioarb.model.event import (
    CampaignOpened,
    DustLeft,
    InstrumentChanged,
    InstrumentListed,
    MarketsMarked,
    PositionClosed,
    PositionOpened,
    PositionReduced,
    Record,
    ResidualLeft,
    ResidualResolved,
    ResidualsNetted,
    ResidualsPaired,
    ResidualTaken,
)
from trioarb.model.fx import Said
from trioarb.model.number import BPS, EXACT, ZERO, per_unit, text
from trioarb.model.trade import Position
from trioarb.plugin.contract import RiskView
from trioarb.quotes.board import QuoteBoard, Touch
from trioarb.quotes.rate import Rate
from trioarb.state.exposure import Exposure
from trioarb.state.ledger import Ledger
from trioarb.state.margins import Margins
from trioarb.state.trades import Trades
from trioarb.time.campaign_time import SECOND_NS

__all__ = ["MARKED", "Marks", "Price", "at", "place_of"]

#: The loss basis that counts what is open at its marks.
MARKED = "marked"

_HALF = Decimal("0.5")
_DAY_NS = 86_400 * SECOND_NS
_MINUTE_NS = 60 * SECOND_NS


class Price(msgspec.Struct, frozen=True):
    """What a venue bids and asks; of a side that was withdrawn, what it did last. ``last`` names those sides."""

    bid: Decimal | None
    ask: Decimal | None
    last: tuple[str, ...] = ()
    touch: Touch | None = None

    def side(self, quantity: Decimal) -> Decimal | None:
        """Return what a long quantity could be sold at, or a short one bought back."""
        return self.bid if quantity > 0 else self.ask


_UNKNOWN = Price(None, None)


def at(symbol: str, venue: str) -> str:
    """Return how a symbol at a venue is named in a `MarketsMarked`."""
    return f"{symbol}@{venue}"


def place_of(name: str) -> tuple[str, str]:
    """Return symbol and venue of such a name."""
    symbol, _, venue = name.rpartition("@")
    return symbol, venue


class Marks(RiskView, Folding):
    """Folds marks, and is shown the boards of a campaign that runs (`watch`, then `take` each second).

    What guards know of losses: with the basis ``marked``, realised PnL of the UTC day and how the value of positions,
    residuals and dust has changed since it began, at the prices that were taken last; otherwise realised PnL only.
    """

    def __init__(self, exposure: Exposure, trades: Trades, ledger: Ledger | None = None) -> None:
        self._exposure = exposure
        self._trades = trades
        self._ledger = ledger
        self._assets: dict[str, str] = {}
        self._quotes: dict[str, dict[str, str]] = {}
        self._is_marked = False
        self._fx: Mapping[str, Decimal] = {}
        self._usd: dict[str, Decimal] = {}
        self._fee_bps: dict[tuple[str, str], Decimal] = {}
        #: The quote assets of venues where they aren't the symbol's; what those are worth, as it was marked last, and
        #: what says so now.
        self._converts: dict[tuple[str, str], str] = {}
        self.rates: dict[str, Said] = {}
        self.recorded_rates: dict[str, Said] = {}
        self._sources: Mapping[str, Rate] = {}
        #: The latest prices, those that were taken and not recorded included; and those that were recorded.
        self.prices: dict[tuple[str, str], Price] = {}
        self.recorded: dict[tuple[str, str], Price] = {}
        self._boards: Mapping[str, QuoteBoard] = {}
        #: What is open of each symbol that has anything open, and since when.
        self._open: dict[str, dict[str, int]] = {}
        #: By symbol, and of all: what was computed and still holds.
        self._worth: dict[str, Decimal] = {}
        self._total: Decimal | None = None
        #: Worth of what was open when the day began, and that day; the minute of the last mark.
        self._base: Mapping[str, Decimal] = {}
        self._base_day = self._day = self._minute = -1
        self._is_said = False
        self._recorded: MarketsMarked | None = None
        #: How accounts with contracts stand, at these prices.
        self.margins: Margins | None = None

    # What guards ask

    def exposure_usd(self, symbol: str | None = None) -> Decimal:
        return self._exposure.exposure_usd(symbol)

    def open_positions(self, symbol: str | None = None) -> int:
        return self._exposure.open_positions(symbol)

    def stock(self, symbol: str, venue: str) -> Decimal:
        if self._ledger is None or symbol not in self._assets:
            return ZERO
        return self._ledger.stock(self._assets[symbol], venue)

    def mid(self, symbol: str, venue: str) -> Decimal | None:
        board, quotes = self._boards.get(symbol), self._quotes.get(symbol, {})
        if any(quote != quotes.get(venue) for quote in quotes.values()):
            return None  # prices in several assets can't be compared
        touch = None if board is None else board.touch(venue)
        if touch is None or touch.bid is None or touch.ask is None:
            return None
        return EXACT.multiply(EXACT.add(touch.bid, touch.ask), _HALF)

    def daily_loss_usd(self, now_ns: int, symbol: str | None = None) -> Decimal:
        if not self._is_marked:
            return self._exposure.daily_loss_usd(now_ns, symbol)
        return max(ZERO, EXACT.minus(self.daily_pnl_usd(now_ns, symbol)))

    def daily_pnl_usd(self, now_ns: int, symbol: str | None = None) -> Decimal:
        """Return realised PnL of the UTC day of ``now_ns``, and how the worth of what is open has changed since it."""
        pnl = self._exposure.daily_pnl_usd(now_ns, symbol)
        if not self._open and self._base_day != now_ns // _DAY_NS:
            return pnl
        return EXACT.subtract(EXACT.add(pnl, self.unrealised_usd(symbol)), self._base_usd(now_ns, symbol))

    def last_priced(self, now_ns: int, symbol: str | None = None) -> int:
        if not self._is_marked:
            return self._exposure.last_priced(now_ns, symbol)
        looked_at = {place for one in self._symbols(symbol) for place in self._places(one)}
        return sum(bool(self.prices.get(place, _UNKNOWN).last) for place in looked_at)

    def loss_text(self, now_ns: int, symbol: str | None = None) -> str:
        """Return the loss as a guard says it. What it was marked at is recorded before the answer is."""
        if not self._is_marked:
            return self._exposure.loss_text(now_ns, symbol)
        self._is_said = True
        loss, count = text(self.daily_loss_usd(now_ns, symbol)), self.last_priced(now_ns, symbol)
        return f"{loss} (marks at last prices: {count})" if count else loss

    def marked_text(self, amount: Decimal) -> str:
        self._is_said = self._is_marked
        return text(amount)

    def position_usd(self, position: Position) -> Decimal | None:
        """Return what a position would bring now beyond what it cost; ``None``: a price was never known."""
        with localcontext(EXACT):
            value = self._value_of(position)
            return None if value is None else value * self._usd.get(position.route.symbol, ZERO)

    def unrealised_usd(self, symbol: str | None = None) -> Decimal:
        """Return what is open would bring beyond what it is booked at, where that is known; 0 if it doesn't count."""
        if not self._is_marked:
            return ZERO
        if symbol is not None:
            return self._worth_of(symbol) if symbol in self._open else ZERO
        if self._total is None:
            total = ZERO
            for one in self._open:
                total = EXACT.add(total, self._worth_of(one))
            self._total = total
        return self._total

    def liquidation_distance_pct(
        self, symbol: str, venue: str, *, opens: Decimal = ZERO, price: Decimal | None = None
    ) -> Decimal | None:
        if self.margins is None or self.margins.terms(venue, symbol) is None:
            return None
        return self.margins.distance_pct(venue, symbol, opens=opens, price=price)

    # What the engine does

    @property
    def is_needed(self) -> bool:
        """Whether anything is open that has a value."""
        return bool(self._open)

    def watch(self, boards: Mapping[str, QuoteBoard], rates: Mapping[str, Rate]) -> None:
        """Take prices from these boards, by symbol, and rates from these, by quote asset."""
        self._boards, self._sources = boards, rates

    def present(self, symbol: str, venue: str) -> Price | None:
        """Return what a venue shows now, sides that it doesn't show as they were recorded last; nothing is noted."""
        board, recorded = self._boards.get(symbol), self.recorded.get((symbol, venue))
        touch = None if board is None or venue not in board.venues else board.touch(venue)
        if touch is None or recorded is None:
            return recorded if touch is None else Price(touch.bid, touch.ask)
        return Price(touch.bid or recorded.bid, touch.ask or recorded.ask)

    @contextmanager
    def left_alone(self) -> Iterator[None]:
        """Let what is asked inside leave no trace: a price that was not taken yet is taken by whoever decides by it."""
        before = self.prices, self.rates, self._worth, self._total, self._is_said
        self.prices, self.rates, self._worth = dict(self.prices), dict(self.rates), dict(self._worth)
        try:
            yield
        finally:
            self.prices, self.rates, self._worth, self._total, self._is_said = before

    def take(self, now_ns: int) -> Iterator[MarketsMarked]:
        """Take the present prices of what is open; yield what is to be recorded: once a minute, and as a day begins."""
        if self._converts:
            self._look_at_rates()
        for symbol in self._open:
            for place in self._places(symbol):
                self._look(*place)
        day = now_ns // _DAY_NS
        if day != self._day:
            self._day = day
            if any(since < day * _DAY_NS for items in self._open.values() for since in items.values()):
                yield self.mark("day")
        elif now_ns // _MINUTE_NS != self._minute:
            yield self.mark("minute")

    def forget(self) -> None:
        """A loss that was said before is nobody's answer."""
        self._is_said = False

    def said(self) -> Iterable[MarketsMarked]:
        """Return what is to be recorded before an answer that said a loss, if that isn't what was recorded last."""
        if not self._is_said or not self._open:
            return ()
        self._is_said = False
        marked = self.mark("answer")
        before = self._recorded
        is_known = before is not None and all(
            getattr(before, field).get(name) == price
            for field in ("bids", "asks")
            for name, price in getattr(marked, field).items()
        )
        has_rates = before is not None and (before.fx_bids, before.fx_asks) == (marked.fx_bids, marked.fx_asks)
        return () if is_known and has_rates else (marked,)

    def mark(self, reason: str, places: Iterable[tuple[str, str]] | None = None) -> MarketsMarked:
        """Return the prices of what is open, and of these symbols and venues; and what is open is worth."""
        wanted = () if places is None else tuple(places)
        if self._converts and (places is not None or not self.rates):
            self._look_at_rates()
        for place in wanted:
            self._look(*place)
        # What is open is said to be worth something: at prices that are recorded with it.
        places = [*wanted, *(place for symbol in self._open for place in self._places(symbol))]
        priced = {at(*place): price for place in sorted(set(places)) if (price := self._price(*place)) is not _UNKNOWN}
        return MarketsMarked(
            reason=reason,
            bids={name: price.bid for name, price in priced.items() if price.bid is not None},
            asks={name: price.ask for name, price in priced.items() if price.ask is not None},
            last=tuple(f"{name} {side}" for name, price in priced.items() for side in price.last),
            unrealised_usd={symbol: self._worth_of(symbol) for symbol in sorted(self._open)},
            fx_bids={asset: said.bid for asset, said in sorted(self.rates.items())} if self._converts else None,
            fx_asks={asset: said.ask for asset, said in sorted(self.rates.items())} if self._converts else None,
        )

    # The fold

    def _begin(self, opened: CampaignOpened, record: Record) -> None:
        self._fx, self._is_marked = opened.fx, opened.loss_basis == MARKED
        self._day = record.ts_ns // _DAY_NS

    def _list(self, listed: InstrumentListed | InstrumentChanged, _: Record) -> None:
        self._usd[listed.symbol] = self._fx.get(listed.counts_as or listed.quote, ZERO)
        if listed.counts_as is not None:
            self._converts[listed.symbol, listed.venue] = listed.quote
            if listed.quote in self._fx:
                rate = per_unit(self._fx[listed.quote], self._fx[listed.counts_as])
                self.rates[listed.quote] = self.recorded_rates[listed.quote] = Said(rate, rate)
        self._assets[listed.symbol] = listed.base
        self._quotes.setdefault(listed.symbol, {})[listed.venue] = listed.quote
        self._fee_bps[listed.symbol, listed.venue] = listed.taker_fee_bps

    def _mark(self, marked: MarketsMarked, record: Record) -> None:
        withdrawn = frozenset(marked.last)
        for name in dict.fromkeys((*marked.bids, *marked.asks)):
            place = place_of(name)
            before = self.prices.get(place, _UNKNOWN)
            bid, ask = marked.bids.get(name), marked.asks.get(name)
            sides = tuple(side for side in ("bid", "ask") if f"{name} {side}" in withdrawn)
            self.recorded[place] = Price(bid, ask, sides)
            if (before.bid, before.ask, before.last) != (bid, ask, sides):
                self.prices[place] = Price(bid, ask, sides)
                self._revalue(place[0])
        for asset, rate in (marked.fx_bids or {}).items():
            said = Said(rate, (marked.fx_asks or {})[asset])
            self.recorded_rates[asset] = said
            if self.rates.get(asset) != said:
                self._take_rate(asset, said)
        self._recorded, self._minute = marked, record.ts_ns // _MINUTE_NS
        if marked.reason == "day":
            self._day = self._base_day = record.ts_ns // _DAY_NS
            self._base = marked.unrealised_usd

    def _open_position(self, opened: PositionOpened, record: Record) -> None:
        self._put(opened.symbol, opened.trade_id, record)

    def _reduce_position(self, reduced: PositionReduced, _: Record) -> None:
        self._revalue(self._trades.position(reduced.trade_id).route.symbol)

    def _close_position(self, closed: PositionClosed, _: Record) -> None:
        self._drop(closed.symbol, closed.trade_id)

    def _leave_residual(self, left: ResidualLeft, record: Record) -> None:
        self._put(left.symbol, left.residual_id, record)

    def _resolve_residual(self, resolved: ResidualResolved, _: Record) -> None:
        self._drop(resolved.symbol, resolved.residual_id)

    def _net_residuals(self, event: ResidualsNetted | ResidualsPaired, _: Record) -> None:
        self._worth.pop(event.symbol, None)
        for residual_id, rest, _booked, _cost in event.rests:
            if not rest:
                self._drop(event.symbol, residual_id)

    def _take_residual(self, taken: ResidualTaken, _: Record) -> None:
        if taken.rest:
            self._worth.pop(taken.symbol, None)
        else:
            self._drop(taken.symbol, taken.residual_id or f"dust at {taken.venue}")

    def _leave_dust(self, left: DustLeft, record: Record) -> None:
        item = f"dust at {left.venue}"
        if self._trades.dust[left.symbol, left.venue].quantity:
            self._put(left.symbol, item, record)
        else:
            self._drop(left.symbol, item)

    def _put(self, symbol: str, item: str, record: Record) -> None:
        self._open.setdefault(symbol, {}).setdefault(item, record.ts_ns)
        self._revalue(symbol)

    def _drop(self, symbol: str, item: str) -> None:
        items = self._open.get(symbol, {})
        items.pop(item, None)
        if not items:
            self._open.pop(symbol, None)
        self._revalue(symbol)

    # What it is worth

    def _revalue(self, symbol: str) -> None:
        self._worth.pop(symbol, None)
        self._total = None

    def _symbols(self, symbol: str | None) -> Iterable[str]:
        return self._open if symbol is None else (symbol,) if symbol in self._open else ()

    def _base_usd(self, now_ns: int, symbol: str | None) -> Decimal:
        if self._base_day != now_ns // _DAY_NS:
            return ZERO
        if symbol is not None:
            return self._base.get(symbol, ZERO)
        total = ZERO
        for one in self._base.values():
            total = EXACT.add(total, one)
        return total

    def _places(self, symbol: str) -> Iterator[tuple[str, str]]:
        """Yield where something of a symbol is open."""
        for position in self._trades.positions(symbol):
            yield symbol, position.route.buy_venue
            yield symbol, position.route.sell_venue
        for residual in self._trades.residuals.values():
            if residual.symbol == symbol:
                yield symbol, residual.venue
        for place, dust in self._trades.dust.items():
            if place[0] == symbol and dust.quantity:
                yield place

    def _look(self, symbol: str, venue: str) -> Price:
        """Take the price of a symbol at a venue off its board."""
        before = self.prices.get((symbol, venue), _UNKNOWN)
        board = self._boards.get(symbol)
        touch = None if board is None else board.touch(venue)
        if touch is None or touch is before.touch:
            return before
        bid, ask, last = touch.bid, touch.ask, list[str]()
        if bid is None and before.bid is not None:
            bid, last = before.bid, ["bid"]
        if ask is None and before.ask is not None:
            ask, last = before.ask, [*last, "ask"]
        price = self.prices[symbol, venue] = Price(bid, ask, tuple(last), touch)
        self._revalue(symbol)
        return price

    def _look_at_rates(self) -> None:
        """Take what quote assets are worth now."""
        for asset, rate in self._sources.items():
            if rate.said is not None and rate.said != self.rates.get(asset):
                self._take_rate(asset, rate.said)

    def _take_rate(self, asset: str, said: Said) -> None:
        self.rates[asset] = said
        self._worth.clear()
        self._total = None

    def _converted(self, symbol: str, venue: str, price: Decimal | None, *, is_paid: bool) -> Decimal | None:
        """Return a venue's price in the symbol's quote asset, if it is paid or received; ``None``: no rate is known."""
        if price is None or (symbol, venue) not in self._converts:
            return price
        if self._converts[symbol, venue] not in self.rates:
            self._look_at_rates()
        return self.converted(symbol, venue, price, self.rates, is_paid=is_paid)

    def converted(
        self, symbol: str, venue: str, price: Decimal, rates: Mapping[str, Said], *, is_paid: bool
    ) -> Decimal | None:
        """Return a venue's price in the symbol's quote asset, by these rates; ``None``: they lack the one it needs."""
        asset = self._converts.get((symbol, venue))
        if asset is None:
            return price
        said = rates.get(asset)
        return None if said is None else EXACT.multiply(price, said.ask if is_paid else said.bid)

    @property
    def awaited_rates(self) -> Mapping[str, bool]:
        """Return of which quote assets no rate was recorded yet, and whether there is one now."""
        rates, recorded = self._sources.items(), self.recorded_rates
        return {asset: rate.said is not None for asset, rate in rates if asset not in recorded}

    def present_rates(self) -> Mapping[str, Said]:
        """Return what quote assets are worth now, as far as that is known; else as it was recorded last."""
        now = {asset: rate.said for asset, rate in self._sources.items() if rate.said is not None}
        return {**self.recorded_rates, **now}

    def side(self, symbol: str, venue: str, quantity: Decimal) -> Decimal | None:
        """Return what a long quantity could be sold at, or a short one bought back, in the symbol's quote asset."""
        price = self._price(symbol, venue).side(quantity)
        return self._converted(symbol, venue, price, is_paid=quantity <= 0)

    def _price(self, symbol: str, venue: str) -> Price:
        """Return the price that was taken last; the present one of what was opened since."""
        return self.prices.get((symbol, venue)) or self._look(symbol, venue)

    def _worth_of(self, symbol: str) -> Decimal:
        worth = self._worth.get(symbol)
        if worth is None:
            with localcontext(EXACT):
                worth = self._worth[symbol] = self._value(symbol) * self._usd.get(symbol, ZERO)
        return worth

    def _value_of(self, position: Position) -> Decimal | None:
        """Return what a position would bring beyond what it cost, in quote asset, if both its prices are known."""
        symbol, fees = position.route.symbol, self._fee_bps
        buy, sell = position.route.buy_venue, position.route.sell_venue
        bid = self._converted(symbol, buy, self._price(symbol, buy).bid, is_paid=False)
        ask = self._converted(symbol, sell, self._price(symbol, sell).ask, is_paid=True)
        if bid is None or ask is None:
            return None
        received, paid = bid * (BPS - fees[symbol, buy]), ask * (BPS + fees[symbol, sell])
        return position.quantity * (received - paid) / BPS + position.cash - position.fees

    def _value(self, symbol: str) -> Decimal:
        """Return what is open would bring beyond what it is booked at, in quote asset. In exact arithmetic."""
        total, trades = ZERO, self._trades
        for position in trades.positions(symbol):
            total += self._value_of(position) or ZERO
        for residual in trades.residuals.values():
            if residual.symbol == symbol and not residual.possible:
                price = self.side(symbol, residual.venue, residual.quantity)
                if price is not None:
                    total += residual.quantity * price - residual.booked_value
        for (one, venue), dust in trades.dust.items():
            if one == symbol and dust.quantity:
                price = self.side(symbol, venue, dust.quantity)
                if price is not None:
                    total += dust.quantity * price - dust.booked_value
        return total
