"""Positions: opened by entries, reduced and closed by exits."""

from __future__ import annotations

from decimal import Decimal

from trioarb.journal.fold import Folding
from trioarb.model.event import PositionClosed, PositionMarked, PositionOpened, PositionReduced, Record, ResidualsPaired
from trioarb.model.number import ZERO, text
from trioarb.model.trade import ExitReason
from trioarb.verify.findings import Check, Findings
from trioarb.verify.listings import Listed
from trioarb.verify.pair import Pair, Trade, is_average
from trioarb.verify.pairs import Pairs

__all__ = ["Positions"]

#: A position keeps a share of what its entry brought and cost; each share is cut here.
_SHARE = Decimal("1e-15")


class Positions(Folding):
    """Folds positions into the trades of `Pairs`. Decimal arithmetic has to be exact around it."""

    def __init__(self, findings: Findings, pairs: Pairs) -> None:
        self._findings = findings
        self._pairs = pairs

    def _open(self, event: PositionOpened, record: Record) -> None:
        pair, add = self._pairs.of_trade.get(event.trade_id) or self._paired(event.trade_id), self._findings.add
        if pair is None or not pair.is_entry or pair.position is not None:
            add(Check.POSITIONS, record, "opens a position without an entry in flight, or a second one")
            return
        opened, trade = pair.opened, pair.trade
        if (event.symbol, event.buy_venue, event.sell_venue) != (opened.symbol, opened.buy_venue, opened.sell_venue):
            add(Check.POSITIONS, record, f"opens a position on another route than {opened.pair_id}")
        trade.opened, trade.opened_ns, pair.position = event, record.ts_ns, event
        if pair.loop is not None:
            if what := pair.loop.problem_of_position(event):
                add(Check.POSITIONS, record, what)
            self._hold(record, event, trade, pair.listed, event.buy_price, event.sell_price)
            return
        buy, sell, quantity = pair.in_all(opened.buy_venue), pair.in_all(opened.sell_venue), event.quantity
        least = min(buy.net, -sell.net)
        paired, trade.paired = trade.paired, None
        if paired is not None:
            least = quantity if quantity == paired.quantity else ZERO
            trade.late_entry = None if opened.holds else pair
            self._check_kept(record, event, pair, paired)
        if not 0 < quantity <= least:
            add(Check.POSITIONS, record, f"opens {text(quantity)} on legs of {text(buy.net)} and {text(-sell.net)}")
        else:
            if not (
                is_average(event.buy_price, buy.buy_value, buy.bought)
                and is_average(event.sell_price, sell.sell_value, sell.sold)
            ):
                add(Check.POSITIONS, record, "opens a position at other prices than its legs were filled at")
            # Multiplied by both legs' quantities, for quotients are not exact.
            whole = buy.bought * sell.sold
            cash = quantity * (sell.sell_value * buy.bought - buy.buy_value * sell.sold)
            fees = quantity * (sell.sell_fees * buy.bought + buy.buy_fees * sell.sold)
            if abs(event.cash * whole - cash) > _SHARE * whole or abs(event.fees * whole - fees) > _SHARE * whole:
                add(Check.PNL, record, "holds another share of cash and fees than of its legs")
        self._hold(record, event, trade, pair.listed, event.buy_price, event.sell_price)

    def _reduce(self, event: PositionReduced, record: Record) -> None:
        pair, add = self._exit_of(record, event.trade_id), self._findings.add
        opened = pair.trade.opened if pair is not None else None
        if pair is None or opened is None:
            return
        trade, rest = pair.trade, event.quantity
        if not 0 < rest < trade.quantity:
            add(Check.POSITIONS, record, f"reduces {text(trade.quantity)} to {text(rest)}")
        else:
            whole = trade.quantity
            cash, fees = trade.cash * rest, trade.fees * rest
            if abs(event.cash * whole - cash) > _SHARE * whole or abs(event.fees * whole - fees) > _SHARE * whole:
                add(Check.PNL, record, "keeps another share of cash and fees than of the quantity")
        pair.position = event
        self._hold(record, event, trade, pair.listed, opened.buy_price, opened.sell_price)

    def _close(self, event: PositionClosed, record: Record) -> None:
        at_once = self._entered_at_once(event)
        pair = at_once or self._exit_of(record, event.trade_id)
        if pair is None or pair.trade.opened is None:
            return
        trade, opened = pair.trade, pair.trade.opened
        # That it was opened was recorded just now; its end says when it was made.
        opened_ns = trade.opened_ns if at_once is None else min(event.opened_at_ns, trade.opened_ns)
        if (
            (event.symbol, event.buy_venue, event.sell_venue) != (opened.symbol, opened.buy_venue, opened.sell_venue)
            or (event.quantity, event.opened_at_ns) != (opened.quantity, opened_ns)
            or (event.entry_buy_price, event.entry_sell_price) != (opened.buy_price, opened.sell_price)
        ):
            self._findings.add(Check.POSITIONS, record, "closes another position than was opened")
        reason = pair.opened.reason if at_once is None else ExitReason.ONCE
        if event.reason is not reason:
            self._findings.add(Check.POSITIONS, record, f"closes for another reason than {pair.opened.pair_id} has")
        pair.position = event
        if at_once is not None:
            pair.traded_once = trade.quantity
        trade.quantity = trade.cash = trade.fees = trade.exposure_usd = ZERO
        if trade.late_entry is not None:
            trade.late_entry = None
            self._pairs.trades.pop(event.trade_id, None)
            if (event.pnl_usd, event.fees_usd) != (trade.pnl_usd, trade.fees_usd):
                what = f"says a PnL of {text(event.pnl_usd)} USD; its trade came to {text(trade.pnl_usd)}"
                self._findings.add(Check.PNL, record, what)

    def _paired(self, trade_id: str) -> Pair | None:
        """Return the entry that two residuals turned out to be the position of, just now."""
        trade = self._pairs.trades.get(trade_id)
        return None if trade is None or trade.paired is None else self._pairs.left.get(trade.paired.pair_id)

    def _check_kept(self, record: Record, event: PositionOpened, pair: Pair, paired: ResidualsPaired) -> None:
        """What the position keeps of cash and fees is realised no more, unless it is closed at once."""
        kept = event.cash - event.fees
        realised = pair.trade.pnl_usd - (ZERO if pair.opened.holds else kept * pair.listed.usd_per_quote)
        if event.realised * pair.listed.usd_per_quote != realised:
            what = f"says {text(event.realised)} realised, but its trade has come to {text(realised)} USD"
            self._findings.add(Check.PNL, record, what)
        booked = paired.pnl_usd + (kept * pair.listed.usd_per_quote if pair.opened.holds else ZERO)
        if booked != pair.trade.paired_usd:
            what = f"keeps {text(kept)}; with what was booked of its residuals {text(paired.pnl_usd)} USD is too much"
            self._findings.add(Check.PNL, record, what)

    def _mark(self, event: PositionMarked, record: Record) -> None:
        trade = self._pairs.trades.get(event.trade_id)
        quantity = ZERO if trade is None else trade.quantity
        if event.quantity != quantity or not quantity:
            what = f"marks a position of {text(event.quantity)}, but {text(quantity)} is open"
            self._findings.add(Check.POSITIONS, record, what)

    def _entered_at_once(self, event: PositionClosed) -> Pair | None:
        """Return the entry in flight that has opened this position and, since it has no exit, closes it."""
        trade = self._pairs.trades.get(event.trade_id)
        late = None if trade is None else trade.late_entry
        pair = self._pairs.of_trade.get(event.trade_id) or late
        is_entry = pair is not None and pair.is_entry and not pair.opened.holds
        return pair if pair is not None and is_entry and isinstance(pair.position, PositionOpened) else None

    def _exit_of(self, record: Record, trade_id: str) -> Pair | None:
        pair = self._pairs.of_trade.get(trade_id)
        if pair is None or pair.is_entry or pair.position is not None or not pair.trade.quantity:
            self._findings.add(Check.POSITIONS, record, "concerns no open position with an exit in flight")
            return None
        return pair

    def _hold(
        self,
        record: Record,
        event: PositionOpened | PositionReduced,
        trade: Trade,
        listed: Listed,
        buy_price: Decimal,
        sell_price: Decimal,
    ) -> None:
        trade.quantity, trade.cash, trade.fees = event.quantity, event.cash, event.fees
        trade.realised, trade.exposure_usd = event.realised, event.exposure_usd
        exposure_usd = event.quantity * max(buy_price, sell_price) * listed.usd_per_quote
        if event.exposure_usd != exposure_usd:
            what = f"counts {text(event.exposure_usd)} USD of exposure instead of {text(exposure_usd)}"
            self._findings.add(Check.EXPOSURE, record, what)
