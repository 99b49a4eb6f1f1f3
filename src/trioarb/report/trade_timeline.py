"""The timeline of one trade, from its events."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Context, Decimal, localcontext

import attrs
from msgspec.structs import replace

from trioarb.journal.fold import Folding, Folds
from trioarb.model.event import (
    CampaignOpened,
    Decided,
    InstrumentListed,
    Intent,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReopened,
    OrderSubmitted,
    OrderUnknown,
    PairEnded,
    PairOpened,
    PositionClosed,
    PositionMarked,
    PositionOpened,
    PositionReduced,
    Record,
    ResidualLeft,
    ResidualResolved,
    ResidualsNetted,
    ResidualsPaired,
    ResidualTaken,
    TradeCorrected,
)
from trioarb.model.number import EXACT, ZERO, text
from trioarb.model.order import Purpose, Side, TimeInForce
from trioarb.model.trade import Answer, PairKind
from trioarb.report.aligned import aligned
from trioarb.report.attribution import NAMES, edges_of
from trioarb.report.timeline import describe_residual, utc
from trioarb.state.attribution import Attributed, Attributions
from trioarb.state.trades import fee_of, value_of

__all__ = ["TradeTimeline"]

#: Averages are quotients; nobody wants all their digits.
_SHOWN = Context(prec=10)
_ONE = Decimal(1)
#: So many tries that are alike are told as one, each of up to so many lines.
_MANY, _SPANS = 3, range(1, 9)
#: What tells tries apart that are alike.
_NUMBERED = re.compile(r"(?<=\border )\d+|(?<=\bp)\d+\b")
_FILLS = ("entry", "exit", "late fills", "worked off")
_PARTS = tuple(f"{what}: {part}" for what in _FILLS for part in ("bought", "sold", "fees"))


def _no_parts() -> defaultdict[str, Decimal]:
    return defaultdict(lambda: ZERO)


@attrs.define
class _Pair:
    """A pair of the trade: its net quantities so far, and what it brought and cost, by what that was for."""

    opened: Intent
    bought: Decimal = ZERO
    sold: Decimal = ZERO
    parts: defaultdict[str, Decimal] = attrs.field(factory=_no_parts)

    def count(self, fill: OrderFilled) -> None:
        """Count a fill of its symbol where it buys that, or where it sells it."""
        opened, net = self.opened, fill.quantity if fill.side is Side.BUY else -fill.quantity
        if fill.symbol != opened.symbol:
            return
        if fill.venue == opened.buy_venue:
            self.bought += net
        else:
            self.sold -= net


class TradeTimeline(Folding):
    """Folds all records of a journal, and keeps what concerns the trade."""

    def __init__(self, trade_id: str) -> None:
        self._trade_id = trade_id
        self._over: Attributed | None = None
        self._attributions = Attributions(self._end)
        self._folds = Folds([self._attributions, self])
        self._entry: Intent | None = None
        self._lines: list[tuple[int, str]] = []
        self._campaign_id = ""
        self._decided: dict[str, tuple[int, Decided]] = {}
        self._reduced: dict[str, list[Decided]] = {}
        self._assets: dict[str, tuple[str, str]] = {}
        self._fx: Mapping[str, Decimal] = {}
        self._pairs: dict[str, _Pair] = {}
        self._orders: dict[str, OrderSubmitted] = {}
        self._residuals: dict[str, ResidualLeft] = {}
        self._parts = _no_parts()
        self._late = _no_parts()
        self._dust_usd = ZERO
        self._held = ZERO
        self.pnl_usd = ZERO

    def apply(self, record: Record) -> None:
        with localcontext(EXACT):
            self._folds.apply(record)

    def lines(self) -> Iterator[str]:
        """Yield the timeline. There is none before the trade's entry was folded."""
        entry = self._entry
        if entry is None:
            return
        yield f"Trade {self._trade_id}: {entry.symbol}, bought at {entry.buy_venue}, sold at {entry.sell_venue}"
        yield f"Order 1 is {self._campaign_id}-1 at its venue, and so on. Times are UTC."
        yield ""
        for ts_ns, line in _folded(self._lines):
            yield f"{utc(ts_ns)}  {line}"
        yield ""
        parts = self.parts_usd()
        yield f"Realised PnL: {_signed(self.pnl_usd)} USD{', the sum of' if parts else ''}"
        if parts:
            yield from aligned([(f"  {what}", _signed(amount)) for what, amount in parts.items()], right={1})
        yield from self._edge()
        quote, usd_per_quote = self._quote(entry.symbol)
        if usd_per_quote != 1:
            yield f"  (at {text(usd_per_quote)} USD per {quote})"

    def _end(self, trade: Attributed) -> None:
        if trade.trade_id == self._trade_id:
            self._over = trade

    @property
    def attributed(self) -> Attributed | None:
        """What became of the trade's edge, so far if it isn't over."""
        return self._over or self._attributions.of(self._trade_id)

    def _edge(self) -> Iterator[str]:
        """Yield what became of the edge that was decided upon."""
        trade = self.attributed
        if trade is None:
            return
        edges = ", ".join(f"{name} {_price(edge)} bps" for name, edge in edges_of(trade))
        yield f"Edge: {edges}" if self._over is not None else f"Edge, so far: {edges}"
        parts = {NAMES[name]: amount for name, amount in trade.parts.items() if amount}
        if self._over is not None:
            parts["until it was over"] = trade.pnl_usd
        yield from aligned([(f"  {name}", _signed(amount)) for name, amount in parts.items()], right={1})

    def parts_usd(self) -> dict[str, Decimal]:
        """Return what `pnl_usd` is the sum of, to the last digit."""
        if self._entry is None:
            return {}
        with localcontext(EXACT):
            _, usd_per_quote = self._quote(self._entry.symbol)
            left = sum((residual.booked_value for residual in self._residuals.values()), ZERO)
            parts = {what: self._parts[what] * usd_per_quote for what in _PARTS}
            parts |= {
                "residuals, at their value": left * usd_per_quote,
                "dust, at its value": self._dust_usd,
                "held by what is open": -self._held * usd_per_quote,
            }
        return {what: amount for what, amount in parts.items() if amount}

    def _tell(self, ts_ns: int, line: str) -> None:
        self._lines.append((ts_ns, line))

    def _tell_of_order(
        self,
        event: OrderCancelled | OrderExpired | OrderRejected | OrderReopened | OrderUnknown,
        record: Record,
        what: str,
    ) -> None:
        if event.client_order_id in self._orders:
            self._tell(record.ts_ns, f"  {self._order(event.client_order_id)} {what}")

    def _open_campaign(self, event: CampaignOpened, _: Record) -> None:
        self._fx, self._campaign_id = event.fx, event.campaign_id

    def _list(self, event: InstrumentListed, _: Record) -> None:
        self._assets[event.symbol] = event.base, event.counts_as or event.quote

    def _decide(self, event: Decided, record: Record) -> None:
        if event.answer is Answer.REDUCE:
            self._reduced.setdefault(event.symbol, []).append(event)
        elif event.answer is Answer.ALLOW:
            self._decided[event.symbol] = record.ts_ns, event

    def _open_pair(self, event: Intent, record: Record) -> None:
        decided_ns, decided = self._decided.pop(event.symbol, (0, None)) if event.kind is PairKind.ENTRY else (0, None)
        reduced = self._reduced.pop(event.symbol, []) if event.kind is PairKind.ENTRY else []
        if event.trade_id != self._trade_id:
            return
        if event.kind is PairKind.ENTRY:
            self._entry = event
            for one in reduced:
                self._tell(decided_ns, _reduction(one, self._base(event.symbol)))
            if decided is not None:
                for line in _decision(decided, self._base(event.symbol)):
                    self._tell(decided_ns, line)
        self._pairs[event.pair_id] = _Pair(event)
        why = f", because of {event.reason.value}" if event.reason is not None else ""
        self._tell(
            record.ts_ns,
            f"{event.kind.value} {event.pair_id}{why}: {', '.join(self._legs(event))}",
        )

    def _legs(self, event: Intent) -> Iterator[str]:
        if isinstance(event, PairOpened):
            yield f"buy {text(event.quantity)} at {event.buy_venue} for at most {text(event.buy_limit)}"
            yield f"sell as much at {event.sell_venue} for at least {text(event.sell_limit)}"
            return
        for leg in event.legs:
            limit = "" if leg.limit is None else f", limit {text(leg.limit)}"
            how = "" if leg.time_in_force is TimeInForce.IOC else f", {'post-only' if leg.post_only else 'rests'}"
            when = "" if leg.after is None else f", as leg {leg.after + 1} fills"
            yield f"{leg.side.value} {text(leg.quantity)} {leg.symbol} at {leg.venue}{limit}{how}{when}"

    def _submit(self, event: OrderSubmitted, record: Record) -> None:
        pair = self._pairs.get(event.pair_id)
        # What works off a residual comes when its pair has ended.
        if pair is None and all(left.pair_id != event.pair_id for left in self._residuals.values()):
            return
        self._orders[event.client_order_id] = event
        why = ""
        if pair is not None and event.purpose is not Purpose.LEG:
            why = f", since {text(pair.bought)} was bought and {text(pair.sold)} sold"
        lost = "" if event.durable else "; the journal could not be written"
        self._tell(
            record.ts_ns,
            f"  {event.purpose.value}, {self._order(event.client_order_id)}: {event.side.value} {text(event.quantity)} "
            f"{self._base(event.symbol)} at {event.venue}, limit {text(event.limit_price)}{why}{lost}",
        )

    def _fill(self, event: OrderFilled, record: Record) -> None:
        order = self._orders.get(event.client_order_id)
        if order is None:
            return
        pair, is_buy = self._pairs.get(order.pair_id), event.side is Side.BUY
        value, fee = value_of(event), fee_of(event)
        late, what, parts = ", learnt late", "late fills", self._late
        if order.purpose is Purpose.WORK:
            late, what = "", "worked off"
        if pair is not None:
            pair.count(event)
            late, what, parts = "", pair.opened.kind.value, pair.parts
        # What the cross leg of a loop moves is left over, and no money.
        if event.fx_rate is not None or event.quote in self._fx:
            parts[f"{what}: {'bought' if is_buy else 'sold'}"] += -value if is_buy else value
            parts[f"{what}: fees"] -= fee
        rate = "" if event.fx_rate is None else f", {_price(event.fx_rate)} per {event.quote}"
        self._tell(
            record.ts_ns,
            f"  {self._order(event.client_order_id)} filled {text(event.quantity)} at {text(event.price)}{rate}, fee "
            f"{text(event.fee)} {event.fee_asset}{late}",
        )

    def _cancel(self, event: OrderCancelled, record: Record) -> None:
        why = f": {event.reason}" if event.reason else ""
        self._tell_of_order(event, record, f"cancelled, {text(event.unfilled)} not filled{why}")

    def _expire(self, event: OrderExpired, record: Record) -> None:
        self._tell_of_order(event, record, f"expired, {text(event.unfilled)} not filled")

    def _reopen(self, event: OrderReopened, record: Record) -> None:
        self._tell_of_order(event, record, "is not done: its venue filled more of it after its last word")

    def _refuse(self, event: OrderRejected, record: Record) -> None:
        self._tell_of_order(event, record, f"rejected: {event.reason}")

    def _lose(self, event: OrderUnknown, record: Record) -> None:
        self._tell_of_order(event, record, f"has no answer: {event.reason}; the venue is asked for it")

    def _open_position(self, event: PositionOpened, record: Record) -> None:
        if event.trade_id == self._trade_id:
            self._held = event.cash - event.fees
            prices = f"bought at {_price(event.buy_price)}, sold at {_price(event.sell_price)}"
            self._tell(record.ts_ns, f"position opened: {text(event.quantity)} {self._base(event.symbol)}, {prices}")

    def _reduce_position(self, event: PositionReduced, record: Record) -> None:
        if event.trade_id == self._trade_id:
            self._held = event.cash - event.fees
            self._tell(record.ts_ns, f"position reduced to {text(event.quantity)}")

    def _close_position(self, event: PositionClosed, record: Record) -> None:
        if event.trade_id == self._trade_id:
            self._held = ZERO
            self._tell(record.ts_ns, f"position closed, because of {event.reason.value}")

    def _mark(self, event: PositionMarked, record: Record) -> None:
        if event.trade_id == self._trade_id:
            value = "no quote to value it by"
            if event.unrealised_usd is not None:
                value = f"{_signed(event.unrealised_usd)} USD if it were closed now"
            self._tell(record.ts_ns, f"still open: {text(event.quantity)} {self._base(event.symbol)}, {value}")

    def _leave(self, event: ResidualLeft, record: Record) -> None:
        if event.trade_id == self._trade_id:
            self._residuals[event.residual_id] = event
            self._tell(record.ts_ns, f"residual {describe_residual(event)}")

    def _resolve(self, event: ResidualResolved, record: Record) -> None:
        if self._residuals.pop(event.residual_id, None) is not None:
            self.pnl_usd += event.pnl_usd
            self._add(self._late)
            self._late.clear()
            what = f"residual {event.residual_id} resolved, {event.reason}: {_signed(event.pnl_usd)} USD"
            self._tell(record.ts_ns, what)

    def _take(self, event: ResidualTaken, record: Record) -> None:
        """What a pair traded beyond its own belongs to what it took along, whichever trade left that."""
        way, quantity = "sold" if event.quantity > 0 else "bought", text(abs(event.quantity))
        pair = self._pairs.get(event.pair_id)
        if pair is not None:
            what = pair.opened.kind.value
            pair.parts[f"{what}: {way}"] -= event.value
            pair.parts[f"{what}: fees"] += event.fees
            left = "dust" if event.residual_id is None else f"residual {event.residual_id}"
            self._tell(record.ts_ns, f"{quantity} of what was {way} at {event.venue} was {left}")
        residual = self._residuals.get(event.residual_id or "")
        if residual is None:
            return
        self._parts[f"worked off: {way}"] += event.value
        self._parts["worked off: fees"] -= event.fees
        self.pnl_usd += event.pnl_usd
        self._residuals[residual.residual_id] = replace(residual, booked_value=event.booked_value)
        if not event.rest:
            del self._residuals[residual.residual_id]
        what = (
            f"residual {residual.residual_id}: {quantity} {way} along with {event.pair_id}, {text(event.rest)} is left"
        )
        self._tell(record.ts_ns, f"{what}: {_signed(event.pnl_usd)} USD")

    def _net(self, event: ResidualsNetted, record: Record) -> None:
        """The long one is sold to the short one, at what it is booked at."""
        long, short = self._residuals.get(event.long_id), self._residuals.get(event.short_id)
        for one, other_id, rest, booked in (
            (long, event.short_id, event.long_rest, event.long_booked_value),
            (short, event.long_id, event.short_rest, event.short_booked_value),
        ):
            if one is None:
                continue
            pnl_usd = ZERO if one is long else event.pnl_usd
            self._parts[f"worked off: {'sold' if one is long else 'bought'}"] += (
                event.value if one is long else -event.value
            )
            self.pnl_usd += pnl_usd
            self._residuals[one.residual_id] = replace(one, booked_value=booked)
            if not rest:
                del self._residuals[one.residual_id]
            what = f"residual {one.residual_id}: {text(event.quantity)} netted with {other_id}, {text(rest)} is left"
            self._tell(record.ts_ns, f"{what}: {_signed(pnl_usd)} USD")

    def _pair_up(self, event: ResidualsPaired, record: Record) -> None:
        """What two residuals were worth is what the position holds now."""
        if event.trade_id != self._trade_id:
            return
        self._over = None
        self.pnl_usd += event.pnl_usd
        for residual_id, rest, booked, _ in event.rests:
            self._residuals[residual_id] = replace(self._residuals[residual_id], booked_value=booked)
            if not rest:
                del self._residuals[residual_id]
        what = f"{text(event.quantity)} of {event.long_id} and {event.short_id} are what {event.pair_id} wanted"
        self._tell(record.ts_ns, f"{what}: {_signed(event.pnl_usd)} USD")

    def _correct(self, event: TradeCorrected, record: Record) -> None:
        if event.trade_id == self._trade_id:
            if self._over is not None:
                self._over = self._over.corrected(event)
            what = f"with what was learnt of {self._order(event.client_order_id)}, the trade came to"
            told = f"{_signed(event.pnl_usd)} USD instead of {_signed(event.before_usd)} USD"
            self._tell(record.ts_ns, f"{what} {told}")

    def _end_pair(self, event: PairEnded, record: Record) -> None:
        pair = self._pairs.pop(event.pair_id, None)
        if pair is None:
            return
        self.pnl_usd += event.pnl_usd
        self._dust_usd += event.dust_value_usd
        self._add(pair.parts)
        dust = f", {text(event.dust)} is dust" if event.dust else ""
        self._tell(
            record.ts_ns,
            f"{event.kind.value} {event.pair_id} {event.outcome.value}: bought {text(event.bought)}, sold "
            f"{text(event.sold)}{dust}; realised {_signed(event.pnl_usd)} USD, fees {text(event.fees_usd)} USD",
        )

    def _add(self, parts: Mapping[str, Decimal]) -> None:
        for what, amount in parts.items():
            self._parts[what] += amount

    def _base(self, symbol: str) -> str:
        return self._assets.get(symbol, ("", ""))[0]

    def _quote(self, symbol: str) -> tuple[str, Decimal]:
        """Return the quote asset and its value in USD."""
        quote = self._assets.get(symbol, ("", ""))[1]
        return quote, self._fx.get(quote, _ONE)

    def _order(self, client_order_id: str) -> str:
        return f"order {client_order_id.removeprefix(f'{self._campaign_id}-')}"


def _folded(lines: Sequence[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield what is told, and of tries that differ in nothing but their numbers the first, and how many more came."""
    alike, at = [_NUMBERED.sub("", line) for _, line in lines], 0
    while at < len(lines):
        span, times = next(((span, times) for span in _SPANS if (times := _times(alike, at, span)) >= _MANY), (1, 1))
        yield from lines[at : at + span]
        at += span * times
        if times > 1:
            yield lines[at - 1][0], f"  … {times - 1:,} more like {'it' if span == 1 else 'these'}"


def _times(alike: Sequence[str], at: int, span: int) -> int:
    """Return how often in a row the lines from ``at`` on are told."""
    end = at + span
    while end + span <= len(alike) and alike[end : end + span] == alike[at : at + span]:
        end += span
    return (end - at) // span


def _decision(decided: Decided, base: str) -> Iterator[str]:
    if decided.ask is not None and decided.bid is not None:
        yield (
            f"quotes: {decided.buy_venue} asks {text(decided.ask)} for {_shown(decided.ask_size)} {base}, "
            f"{decided.sell_venue} bids {text(decided.bid)} for {_shown(decided.bid_size)}"
        )
    edge = "" if decided.edge_bps is None else f", edge {_price(decided.edge_bps)} bps after taker fees"
    yield f"{decided.answer.value}: {_shown(decided.quantity)} {base}, {_shown(decided.notional_usd)} USD{edge}"


def _reduction(decided: Decided, base: str) -> str:
    largest = [(decided.largest_usd, "USD"), (decided.largest_base, base)]
    most = " and ".join(f"{text(size)} {unit}" for size, unit in largest if size is not None)
    asked = f"{_shown(decided.quantity)} {base}, {_shown(decided.notional_usd)} USD"
    said = f"{decided.tier}.{decided.rule}: {decided.value}, limit {decided.limit}"
    return f"REDUCE: {asked}, to at most {most} ({said})"


def _shown(amount: Decimal | None) -> str:
    return "?" if amount is None else text(amount)


def _price(price: Decimal) -> str:
    return text(_SHOWN.plus(price))


def _signed(amount: Decimal) -> str:
    return f"+{text(amount)}" if amount > 0 else text(amount)
