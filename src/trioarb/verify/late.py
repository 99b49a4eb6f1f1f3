"""What is learnt of an order after its pair has ended: what its trade came to then, and the position it had opened."""

from __future__ import annotations

from decimal import Decimal

import attrs

from trioarb.journal.fold import Folding
from trioarb.model.event import CampaignEnded, Record, ResidualResolved, ResidualsPaired, TradeCorrected
from trioarb.model.number import ZERO, text
from trioarb.model.order import Purpose
from trioarb.verify.findings import Check, Findings
from trioarb.verify.flow import Flow
from trioarb.verify.orders import Order, Orders
from trioarb.verify.pair import Pair, is_average
from trioarb.verify.pairs import Pairs
from trioarb.verify.residuals import Residuals
from trioarb.verify.taken import Taken

__all__ = ["Late"]


@attrs.frozen
class _Due:
    """What was learnt of a trade, of which it is to be said next what it came to."""

    order: Order
    pair: Pair
    pnl_usd: Decimal
    fees_usd: Decimal


class Late(Folding):
    """Holds corrections against what was learnt. Comes before the residuals, which forget what is resolved.

    Decimal arithmetic has to be exact around it.
    """

    def __init__(self, findings: Findings, pairs: Pairs, orders: Orders, residuals: Residuals, taken: Taken) -> None:
        self._findings = findings
        self._pairs = pairs
        self._orders = orders
        self._residuals = residuals
        self._taken = taken
        #: By trade.
        self._due: dict[str, _Due] = {}

    def _learn(self, event: ResidualResolved, _: Record) -> None:
        residual = self._residuals.open.get(event.residual_id)
        order = None if residual is None else self._orders.late.get(residual.client_order_id or "")
        if order is None or order.pair is None or order.submitted.purpose is Purpose.WORK:
            return
        pair, trade, late = order.pair, order.pair.trade, order.late or Flow()
        of_venue = pair.late.setdefault(order.submitted.venue, Flow())
        for flow in (of_venue, *(() if pair.is_entry else (trade.exits,))):
            flow.add(is_buy=True, quantity=late.bought, value=late.buy_value, fee=late.buy_fees)
            flow.add(is_buy=False, quantity=late.sold, value=late.sell_value, fee=late.sell_fees)
        trade.fees_usd += event.fees_usd
        if event.pnl_usd or event.fees_usd:
            self._due[trade.entry.trade_id] = _Due(order, pair, event.pnl_usd, event.fees_usd)

    def _correct(self, event: TradeCorrected, record: Record) -> None:
        due, add = self._due.pop(event.trade_id, None), self._findings.add
        if due is None:
            add(Check.PNL, record, "corrects a trade of which nothing was learnt")
            return
        trade, pair = due.pair.trade, due.pair
        said = event.pair_id, event.client_order_id, event.symbol
        if said != (pair.opened.pair_id, due.order.submitted.client_order_id, pair.opened.symbol):
            add(Check.PNL, record, "corrects a trade by another order than was learnt of")
        pnl_usd = trade.pnl_usd + due.pnl_usd
        said_usd = event.before_usd, event.pnl_usd, event.fees_usd, event.late_fees_usd
        if said_usd != (trade.pnl_usd, pnl_usd, trade.fees_usd, due.fees_usd):
            what = (
                f"says a PnL of {text(event.pnl_usd)} after {text(event.before_usd)}, and fees of "
                f"{text(event.fees_usd)} USD; they come to {text(pnl_usd)}, {text(trade.pnl_usd)} and "
                f"{text(trade.fees_usd)}"
            )
            add(Check.PNL, record, what)
        trade.pnl_usd = pnl_usd
        had_position = pair.loop is not None and bool(pair.loop.went_around)
        if event.had_position != (trade.opened is not None or had_position):
            add(Check.POSITIONS, record, "is wrong about whether its trade has opened a position")
        if (event.realised is not None) != bool(trade.quantity):
            add(Check.POSITIONS, record, "is wrong about whether its trade has an open position")
        elif event.realised is not None:
            trade.realised = event.realised
            if event.realised * pair.listed.usd_per_quote != pnl_usd:
                add(Check.PNL, record, f"says {text(event.realised)} realised of {text(pnl_usd)} USD")
        exits = trade.exits
        for price, value, quantity in (
            (event.exit_buy_price, exits.buy_value, exits.bought),
            (event.exit_sell_price, exits.sell_value, exits.sold),
        ):
            if (price is not None) != bool(quantity) or (price is not None and not is_average(price, value, quantity)):
                add(Check.POSITIONS, record, "says other prices than those of all exits' fills")

    def _pair_up(self, event: ResidualsPaired, record: Record) -> None:
        add, residuals = self._findings.add, self._residuals
        residuals.pnl_usd += event.pnl_usd
        pair = self._pairs.left.get(event.pair_id)
        long, short = (residuals.open.get(one) for one in (event.long_id, event.short_id))
        if pair is None or long is None or short is None or not pair.is_entry or pair.trade.opened is not None:
            add(Check.RESIDUALS, record, "opens a position of residuals that aren't there, or that no entry has left")
            return
        opened, trade = pair.opened, pair.trade
        places = {(one.symbol, one.pair_id, one.client_order_id) for one in (long, short)}
        if places != {(event.symbol, event.pair_id, None)} or (event.trade_id, event.symbol) != (
            opened.trade_id,
            opened.symbol,
        ):
            add(Check.RESIDUALS, record, "opens a position of residuals of others, or that wait for an order")
        if (long.venue, short.venue) != (opened.buy_venue, opened.sell_venue) or event.quantity <= 0:
            add(Check.RESIDUALS, record, f"opens a position that {opened.pair_id} did not want")
        booked = ZERO
        for one, sign, (_, rest, value, cost_usd) in zip((long, short), (1, -1), event.rests, strict=True):
            booked += self._taken.shrink(record, one, sign * event.quantity, rest, value, cost_usd)
        usd = pair.listed.usd_per_quote
        trade.paired, trade.paired_usd = event, booked * usd
        if event.before_usd != trade.pnl_usd or event.fees_usd:
            add(Check.PNL, record, f"says that its trade had come to {text(event.before_usd)} USD")
        trade.pnl_usd += event.pnl_usd
        self._pairs.trades[event.trade_id] = trade

    def _end(self, _: CampaignEnded, record: Record) -> None:
        for trade_id, due in self._due.items():
            order_id = due.order.submitted.client_order_id
            what = f"ends the campaign, and nothing says what {trade_id} came to when {order_id} was learnt"
            self._findings.add(Check.PNL, record, what)
