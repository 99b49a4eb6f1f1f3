"""What is open, at the prices that were recorded; and losses that guards answered by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from trioarb.journal.fold import Folding
from trioarb.model.event import (
    CampaignOpened,
    Decided,
    DustLeft,
    FundingPaid,
    GuardTripped,
    LossCarried,
    MarketsMarked,
    PairEnded,
    Record,
    ResidualResolved,
    ResidualsNetted,
    ResidualsPaired,
    ResidualTaken,
)
from trioarb.model.number import BPS, ZERO, text
from trioarb.verify.findings import Check, Findings
from trioarb.verify.listings import Listings
from trioarb.verify.pairs import Pairs
from trioarb.verify.residuals import Residuals

__all__ = ["Marks"]

_DAY_NS = 86_400 * 10**9
#: The tiers that answer by the loss of the day, and the rules by which they do.
_TIERS, _RULES = frozenset({"global", "symbol"}), frozenset({"daily_loss", "emergency_stop"})


class Marks(Folding):
    """Folds prices and results. Decimal arithmetic has to be exact around it."""

    def __init__(self, findings: Findings, listings: Listings, pairs: Pairs, residuals: Residuals) -> None:
        self._findings = findings
        self._listings = listings
        self._pairs = pairs
        self._residuals = residuals
        #: Whether what is open counts at its marks, which are recorded with the answers that go by them.
        self.is_marked = False
        self._bids: dict[str, Decimal] = {}
        self._asks: dict[str, Decimal] = {}
        #: What a unit of a converted quote asset brings, and what it costs.
        self._fx_bids: dict[str, Decimal] = {}
        self._fx_asks: dict[str, Decimal] = {}
        self.dust: defaultdict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
        self._day = -1
        self._pnl: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        self._base_day = -1
        self._base: Mapping[str, Decimal] = {}
        self._carried: LossCarried | None = None
        self._carried_day = -1
        #: What the emergency stop fell at.
        self._stopped_value = ""

    def price(self, symbol: str, venue: str, quantity: Decimal) -> Decimal | None:
        """Return at what a long or (below zero) short quantity could be traded away, as far as it was recorded; in the
        symbol's quote asset.
        """
        return self._converted(symbol, venue, self._bids if quantity > 0 else self._asks)

    def rate(self, asset: str, amount: Decimal) -> Decimal | None:
        """Return what a unit of a converted quote asset was worth when it was marked; below zero it is to be bought."""
        return (self._fx_asks if amount < 0 else self._fx_bids).get(asset)

    def _converted(self, symbol: str, venue: str, prices: Mapping[str, Decimal]) -> Decimal | None:
        price, listed = prices.get(f"{symbol}@{venue}"), self._listings.symbols.get(symbol)
        asset = None if listed is None else listed.converted_at(venue)
        if asset is None or price is None:
            return price
        rate = (self._fx_bids if prices is self._bids else self._fx_asks).get(asset)
        return None if rate is None else price * rate

    def _begin(self, opened: CampaignOpened, _: Record) -> None:
        self.is_marked = opened.loss_basis == "marked"

    def _mark(self, event: MarketsMarked, record: Record) -> None:
        self._bids.update(event.bids)
        self._asks.update(event.asks)
        self._fx_bids.update(event.fx_bids or {})
        self._fx_asks.update(event.fx_asks or {})
        worth = self._worth()
        for symbol in sorted(worth.keys() | event.unrealised_usd.keys()):
            said, ours = event.unrealised_usd.get(symbol, ZERO), worth.get(symbol, ZERO)
            if said != ours:
                what = f"says that {symbol} is worth {text(said)} USD beyond what is booked, not {text(ours)}"
                self._findings.add(Check.MARKS, record, what)
        if event.reason == "day":
            self._base_day, self._base = record.ts_ns // _DAY_NS, event.unrealised_usd

    def _leave_dust(self, event: DustLeft, _: Record) -> None:
        dust = self.dust[event.symbol, event.venue]
        dust[0] += event.quantity
        dust[1] += event.booked_value

    def _fund(self, event: FundingPaid, record: Record) -> None:
        self._realise(event.symbol, event.amount_usd, record.ts_ns)

    def _take(self, event: ResidualTaken, record: Record) -> None:
        if event.residual_id is None:
            self.dust[event.symbol, event.venue] = [event.rest, event.booked_value]
        self._realise(event.symbol, event.pnl_usd, record.ts_ns)

    def _book(self, event: PairEnded | ResidualResolved | ResidualsNetted | ResidualsPaired, record: Record) -> None:
        self._realise(event.symbol, event.pnl_usd, record.ts_ns)

    def _realise(self, symbol: str, pnl_usd: Decimal, ts_ns: int) -> None:
        day = ts_ns // _DAY_NS
        if day != self._day:
            self._day = day
            self._pnl.clear()
        self._pnl[symbol] += pnl_usd

    def _carry(self, event: LossCarried, record: Record) -> None:
        if max((event.total_usd, *event.pnl_usd.values())) > 0:
            self._findings.add(Check.MARKS, record, "carries a gain; only losses count")
        self._carried_day, self._carried = record.ts_ns // _DAY_NS, event

    def _answer(self, event: Decided | GuardTripped, record: Record) -> None:
        """Hold a loss that a guard answered by against what was lost by then."""
        if event.tier not in _TIERS or event.rule not in _RULES or event.value is None:
            return
        if event.rule == "emergency_stop" and event.value == self._stopped_value:
            return  # the latch says what it fell at
        try:
            said = Decimal(event.value.partition(" ")[0])
        except InvalidOperation:
            return
        day = record.ts_ns // _DAY_NS
        pnl = dict(self._pnl) if self._day == day else {}
        if self.is_marked:
            base = self._base if self._base_day == day else {}
            worth = self._worth()
            for symbol in sorted(worth.keys() | base.keys()):
                pnl[symbol] = pnl.get(symbol, ZERO) + worth.get(symbol, ZERO) - base.get(symbol, ZERO)
        lost = -(sum(pnl.values(), ZERO) if event.tier == "global" else pnl.get(event.symbol or "", ZERO))
        if self._carried is not None and self._carried_day == day:
            carried = self._carried.pnl_usd
            lost -= self._carried.total_usd if event.tier == "global" else carried.get(event.symbol or "", ZERO)
        lost = lost if lost > 0 else ZERO
        if said != lost:
            what = f"answers by a loss of {text(said)} USD; {text(lost)} were lost by then"
            self._findings.add(Check.MARKS, record, what)
        if event.rule == "emergency_stop":
            self._stopped_value = event.value

    def _worth(self) -> dict[str, Decimal]:
        """Return by symbol what is open would bring beyond what it is booked at, in USD."""
        worth: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        symbols = self._listings.symbols
        for _, trade in self._pairs.positions():
            entry, listed = trade.entry, symbols.get(trade.entry.symbol)
            bid = self._converted(entry.symbol, entry.buy_venue, self._bids)
            ask = self._converted(entry.symbol, entry.sell_venue, self._asks)
            if listed is not None and bid is not None and ask is not None:
                received = bid * (BPS - listed.at[entry.buy_venue].taker_fee_bps)
                paid = ask * (BPS + listed.at[entry.sell_venue].taker_fee_bps)
                value = trade.quantity * (received - paid) / BPS + trade.cash - trade.fees
                worth[entry.symbol] += value * listed.usd_per_quote
        held = [
            (left.symbol, left.venue, left.quantity, left.booked_value)
            for left in self._residuals.open.values()
            if not left.possible
        ]
        held += [(symbol, venue, dust[0], dust[1]) for (symbol, venue), dust in self.dust.items() if dust[0]]
        for symbol, venue, quantity, booked in held:
            price = self.price(symbol, venue, quantity)
            listed = symbols.get(symbol)
            if price is not None and listed is not None:
                worth[symbol] += (quantity * price - booked) * listed.usd_per_quote
        return worth
