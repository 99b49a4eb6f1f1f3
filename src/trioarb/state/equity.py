"""What a campaign holds at executable prices, against what it was given; and what the difference is made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Mapping
from copy import copy
from decimal import Decimal, localcontext
from sys import maxsize

import attrs

from trioarb.journal.fold import Folding
from trioarb.model.contract import contract_of
from trioarb.model.event import (
    CampaignOpened,
    Deposited,
    EquityStated,
    FundingPaid,
    InstrumentListed,
    Intent,
    MarketsMarked,
    OrderFilled,
    PairEnded,
    Record,
    ResidualResolved,
    ResidualsNetted,
    ResidualsPaired,
    ResidualTaken,
)
from trioarb.model.fx import Said
from trioarb.model.number import EXACT, ZERO
from trioarb.model.order import Side
from trioarb.state.drawdown import Drawdown
from trioarb.state.exposure import Exposure
from trioarb.state.ledger import Ledger
from trioarb.state.marks import Marks
from trioarb.state.trades import Trades, fee_of, value_of
from trioarb.state.transfers import Transfers

__all__ = ["Equity", "EquityFigures"]


@attrs.frozen(kw_only=True)
class EquityFigures:
    """In USD. ``change`` = ``now`` − ``start`` = the sum of what follows it, to the last digit.

    ``arbitrage``: what pairs brought beyond fees, open positions at their marks. ``inventory``: how the price of what
    was put in has moved, and what it is worth more where it was moved to. ``fees`` are below zero where they cost.
    ``residuals``: how residuals and dust that are open stand against what they cost. ``unpriced`` assets
    (``VENUE ASSET``) are in none of it. ``fx``: what money in quote
    assets that are converted has gained by their rates since it came: put in, or traded; ``None``: there are none.
    """

    start: Decimal
    now: Decimal
    change: Decimal
    arbitrage: Decimal
    inventory: Decimal
    fees: Decimal
    funding: Decimal
    residuals: Decimal
    unpriced: tuple[str, ...]
    fx: Decimal | None = None

    @property
    def traded(self) -> Decimal:
        """What trading came to, fees, funding and what is left included: not how prices of what was put in moved."""
        with localcontext(EXACT):
            return self.arbitrage + self.fees + self.funding + self.residuals


@attrs.define
class _Came:
    """What came of a converted asset by trades, and went by fees, at the rates of the moments."""

    trades: Decimal = ZERO
    fees: Decimal = ZERO


@attrs.define
class _Worth:
    """Sums of what figures are made of. Added up in exact arithmetic."""

    start: Decimal = ZERO
    now: Decimal = ZERO
    arbitrage: Decimal = ZERO
    inventory: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    fx: Decimal = ZERO

    def add(self, one: _Worth | None) -> None:
        if one is not None:
            self.start += one.start
            self.now += one.now
            self.arbitrage += one.arbitrage
            self.inventory += one.inventory
            self.fees += one.fees
            self.funding += one.funding
            self.fx += one.fx

    def take_away(self, one: _Worth | None) -> None:
        if one is not None:
            self.start -= one.start
            self.now -= one.now
            self.arbitrage -= one.arbitrage
            self.inventory -= one.inventory
            self.fees -= one.fees
            self.funding -= one.funding
            self.fx -= one.fx


class Equity(Folding):
    """Folds what is put in and at which prices; ``drawdown``: how far realised PnL and marks fell from their highest,
    as of the marks that were recorded. ``peak_exposure_usd`` is the most capital that was used.
    """

    def __init__(self, ledger: Ledger, trades: Trades, exposure: Exposure, marks: Marks, transfers: Transfers) -> None:
        self._ledger = ledger
        self._transfers = transfers
        self._trades = trades
        self._exposure = exposure
        self._marks = marks
        self._fx: dict[str, Decimal] = {}
        #: The symbols that an asset is the base of, and what their quote asset is worth.
        self._symbols: defaultdict[str, dict[str, Decimal]] = defaultdict(dict)
        self._venues: dict[str, None] = {}
        #: The symbols of contracts, by venue and what they are called among its assets.
        self._contracts: dict[tuple[str, str], tuple[str, Decimal]] = {}
        #: What was put in and has a price, by venue and asset: worth it then; and amounts that have none yet.
        self._start: defaultdict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
        self._unpriced: defaultdict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
        #: The quote assets that are converted, in which asset, and what of them came by trades, by venue and asset.
        self._converted: dict[str, str] = {}
        self._came: defaultdict[tuple[str, str], _Came] = defaultdict(_Came)
        self._pnl = ZERO
        self.drawdown: Drawdown = Drawdown(ZERO)
        self._is_present = False
        #: From the first statement on; what it fell is known from the second on.
        self._stated: Drawdown | None = None
        self._is_stated_again = False
        self.peak_exposure_usd: Decimal = ZERO

    @property
    def drawdown_usd(self) -> Decimal:
        return self.drawdown.most

    @property
    def stated_drawdown(self) -> Drawdown | None:
        """How far equity itself fell from one statement to another; absent before the second."""
        return self._stated if self._is_stated_again else None

    @property
    def stated_drawdown_usd(self) -> Decimal | None:
        return None if self.stated_drawdown is None else self.stated_drawdown.most

    def at_present(self) -> Equity:
        """Return the same at the prices that venues show now, instead of those that were recorded last."""
        present = copy(self)
        present._is_present = True
        return present

    def figures(self) -> EquityFigures:
        """Return what is held now, and what it is made of."""
        taking = self.figures_in_pieces(maxsize)
        while True:
            try:
                next(taking)
            except StopIteration as taken:
                figures: EquityFigures = taken.value
                return figures

    def figures_in_pieces(self, count: int) -> Generator[None, None, EquityFigures]:
        """Return what is held, looked at ``count`` holdings at a time: at each yield other things may be recorded.

        All amounts are those of the end: what changed meanwhile is looked at again. Prices are of slightly different
        moments.
        """
        worth = dict[tuple[str, str], _Worth | None]()
        total = _Worth()
        with self._ledger.noted() as changed:
            places = self._ledger.places
            for first in range(0, len(places), count):
                if first:
                    yield
                with localcontext(EXACT):
                    for place in places[first : first + count]:
                        worth[place] = one = self._worth(*place)
                        total.add(one)
            with localcontext(EXACT):
                for place in changed:
                    total.take_away(worth.get(place))
                    worth[place] = one = self._worth(*place)
                    total.add(one)
        return self._told(total, worth)

    def _told(self, total: _Worth, worth: Mapping[tuple[str, str], _Worth | None]) -> EquityFigures:
        unpriced = sorted(place for place, one in worth.items() if one is None and self._is_something(*place))
        named = [f"{venue} {asset}" for venue, asset in unpriced]
        with localcontext(EXACT):
            for sent in self._transfers.in_transit.values():
                price = self.price(sent.target, sent.asset, sent.arrives)
                if price is None:
                    named.append(f"{sent.target} {sent.asset}")
                    continue
                total.now += sent.arrives * price
                total.inventory += sent.arrives * price
            residuals = self._residuals()
            return EquityFigures(
                start=total.start,
                now=total.now,
                change=total.now - total.start,
                arbitrage=total.arbitrage - residuals,
                inventory=total.inventory,
                fees=total.fees,
                funding=total.funding,
                residuals=residuals,
                unpriced=tuple(named),
                fx=total.fx if self._converted else None,
            )

    def _is_something(self, venue: str, asset: str) -> bool:
        one = self._ledger.balance(venue, asset)
        return bool(one.final or one.initial or one.trades or one.moved)

    def _worth(self, venue: str, asset: str) -> _Worth | None:
        """Return what of all is one venue's in one asset; ``None``: no price is known. In exact arithmetic."""
        one = self._ledger.balance(venue, asset)
        price = self.price(venue, asset, one.final)
        if price is None:
            return None
        begun = self._start.get((venue, asset), ZERO) + self._unpriced.get((venue, asset), ZERO) * price
        worth = _Worth(start=begun, now=(one.final + one.carried) * price, funding=one.funding * price)
        if asset in self._converted:
            came = self._came.get((venue, asset)) or _Came()
            worth.fx = one.initial * price - begun
            worth.fx += (one.trades * price - came.trades) - (one.fees * price - came.fees)
            worth.arbitrage, worth.fees = came.trades, -came.fees
        else:
            worth.inventory = (one.initial + one.moved) * price - begun
            worth.arbitrage, worth.fees = one.trades * price, -(one.fees * price)
        return worth

    def _residuals(self) -> Decimal:
        """Return how open residuals and dust stand against what they cost. In exact arithmetic."""
        total = ZERO
        for left in self._trades.residuals.values():
            price = self._side(left.symbol, left.venue, left.quantity)
            if price is not None and not left.possible:
                total += left.quantity * (price - left.average_price) * self._symbols[left.asset][left.symbol]
        for (symbol, venue), dust in self._trades.dust.items():
            price = self._side(symbol, venue, dust.quantity)
            if price is not None:
                total += (dust.quantity * price - dust.booked_value) * self._symbols[dust.asset][symbol]
        return total

    def _side(self, symbol: str, venue: str, quantity: Decimal) -> Decimal | None:
        marks = self._marks  # what wasn't recorded nobody could compute again
        price = marks.present(symbol, venue) if self._is_present else marks.recorded.get((symbol, venue))
        side, rates = None if price is None else price.side(quantity), self._rates()
        return None if side is None else marks.converted(symbol, venue, side, rates, is_paid=quantity <= 0)

    def _rates(self) -> Mapping[str, Said]:
        return self._marks.present_rates() if self._is_present else self._marks.recorded_rates

    def price(self, venue: str, asset: str, quantity: Decimal) -> Decimal | None:
        """Return USD for one unit: what so much of it could be traded away at, at its venue if that shows a price."""
        if asset in self._fx:
            return self._fx[asset]
        if (venue, asset) in self._contracts:
            symbol, usd = self._contracts[venue, asset]
            price = self._side(symbol, venue, quantity if quantity else EXACT.plus(1))
            return None if price is None else EXACT.multiply(price, usd)
        common = self._converted.get(asset)
        if common is not None:
            said = self._rates().get(asset)
            return None if said is None else EXACT.multiply(said.ask if quantity < 0 else said.bid, self._fx[common])
        for at in (venue, *self._venues):
            for symbol, usd in self._symbols.get(asset, {}).items():
                price = self._side(symbol, at, quantity if quantity else EXACT.plus(1))
                if price is not None:
                    return EXACT.multiply(price, usd)
        return None

    def _begin(self, opened: CampaignOpened, _: Record) -> None:
        self._fx = dict(opened.fx)

    def _list(self, listed: InstrumentListed, _: Record) -> None:
        # What only loops go through has a quote asset without a rate, and is no price of its base.
        quote = listed.counts_as or listed.quote
        if quote in self._fx:
            self._symbols[listed.base][listed.symbol] = self._fx[quote]
        if listed.counts_as is not None:
            self._converted[listed.quote] = listed.counts_as
        self._venues[listed.venue] = None
        if listed.leverage is not None:
            usd = self._symbols[listed.base][listed.symbol]
            self._contracts[listed.venue, contract_of(listed.symbol)] = listed.symbol, usd

    def _deposit(self, deposited: Deposited, _: Record) -> None:
        self._unpriced[deposited.venue, deposited.asset] = EXACT.add(
            self._unpriced[deposited.venue, deposited.asset], deposited.amount
        )
        self._value(deposited.venue, deposited.asset)

    def _mark(self, marked: MarketsMarked, record: Record) -> None:
        for venue, asset in [place for place, amount in self._unpriced.items() if amount]:
            self._value(venue, asset)
        worth = self._pnl
        for one in marked.unrealised_usd.values():
            worth = EXACT.add(worth, one)
        self.drawdown.take(worth, record.ts_ns)

    def _state(self, stated: EquityStated, record: Record) -> None:
        change = EXACT.subtract(stated.now_usd, stated.start_usd)
        if self._stated is None:
            self._stated = Drawdown(max(ZERO, change))
        else:
            self._is_stated_again = True
        self._stated.take(change, record.ts_ns)

    def _trade(self, fill: OrderFilled, _: Record) -> None:
        """Value what came in a converted asset, at the rate of the moment."""
        if fill.fx_rate is None:
            return
        usd = self._fx[self._converted[fill.quote]]
        came = self._came[fill.venue, fill.quote]
        value = EXACT.multiply(value_of(fill), usd)
        came.trades = EXACT.add(came.trades, value) if fill.side is Side.SELL else EXACT.subtract(came.trades, value)
        if fill.fee_asset == fill.quote:
            came.fees = EXACT.add(came.fees, EXACT.multiply(fee_of(fill), usd))

    def _value(self, venue: str, asset: str) -> None:
        """Value what was put in and had no price before."""
        amount = self._unpriced[venue, asset]
        price = self.price(venue, asset, amount)
        if price is not None:
            self._start[venue, asset] = EXACT.add(self._start[venue, asset], EXACT.multiply(amount, price))
            self._unpriced[venue, asset] = ZERO

    def _book(
        self, event: PairEnded | ResidualResolved | ResidualTaken | ResidualsNetted | ResidualsPaired, _: Record
    ) -> None:
        self._pnl = EXACT.add(self._pnl, event.pnl_usd)
        self._use()

    def _fund(self, paid: FundingPaid, _: Record) -> None:
        self._pnl = EXACT.add(self._pnl, paid.amount_usd)

    def _reserve(self, _: Intent, __: Record) -> None:
        self._use()

    def _use(self) -> None:
        self.peak_exposure_usd = max(self.peak_exposure_usd, self._exposure.exposure_usd())
