"""Book contracts that a venue closed by force: as orders of its own, and what they leave one-sided as residuals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

from msgspec.structs import replace

from trioarb.execution.flight import Flight
from trioarb.execution.lives import Lives
from trioarb.execution.netting import netted, to_net
from trioarb.execution.pair import Finish
from trioarb.execution.working import is_workable
from trioarb.journal.journal import Journal
from trioarb.model.event import ContractsLiquidated, OrderSubmitted, PairOpened
from trioarb.model.liquidation import Liquidation
from trioarb.model.number import EXACT, ZERO, share
from trioarb.model.order import Fill, OrderStatus, OrderUpdate, Purpose, Side
from trioarb.model.trade import ExitReason, PairKind, PairOutcome, Position
from trioarb.state.trades import Trades
from trioarb.strategy.market import Market

__all__ = ["Liquidator"]


class Liquidator:
    """Shares what a venue closed among the positions that held it, as they were opened.

    Each loses its leg there: an exit that is settled at once, and leaves its other leg as a residual. What was held
    besides (by residuals, dust, the stock of a strategy, or positions with a pair in flight, whose orders may come on
    top of it) becomes a residual too, which is netted with residuals there that it has ended. All of it is one step.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        trades: Trades,
        lives: Lives,
        next_order_id: Callable[[], str],
        settle: Callable[[Flight, Finish], None],
    ) -> None:
        self._journal = journal
        self._trades = trades
        self._lives = lives
        self._next_order_id = next_order_id
        self._settle = settle

    def record(self, market: Market, venue: str, one: Liquidation) -> None:
        """Record a liquidation, and what comes of it."""
        self._journal.record(_event_of(market, venue, one))
        left, fills = one.quantity, tuple(one.fills)
        for position, quantity in tuple(self._shares(market, venue, one)):
            part, fills = _cut(fills, quantity)
            left = EXACT.subtract(left, quantity)
            self._book(market, venue, one, part, quantity, position)
        if left:
            self._book(market, venue, one, fills, left, None)
        self._net(market, venue)

    def _shares(self, market: Market, venue: str, one: Liquidation) -> Iterator[tuple[Position, Decimal]]:
        """Yield the positions that lose contracts, and how many."""
        left, busy = one.quantity, {pair.opened.trade_id for pair in self._trades.pairs.values()}
        for position in self._trades.positions(market.symbol):
            holds = position.route.sell_venue if one.side is Side.BUY else position.route.buy_venue
            quantity = min(left, position.quantity)
            if holds == venue and quantity and position.trade_id not in busy:
                left = EXACT.subtract(left, quantity)
                yield position, quantity

    def _book(
        self,
        market: Market,
        venue: str,
        one: Liquidation,
        fills: tuple[Fill, ...],
        quantity: Decimal,
        position: Position | None,
    ) -> None:
        """Record a part as a pair that has one order, the venue's, and ends with it."""
        opened = self._opened(market, venue, one, quantity, position)
        self._journal.record(opened)
        order_id, is_buy = self._next_order_id(), one.side is Side.BUY
        self._journal.record(
            OrderSubmitted(
                client_order_id=order_id,
                pair_id=opened.pair_id,
                purpose=Purpose.LIQUIDATION,
                venue=venue,
                symbol=market.symbol,
                side=one.side,
                quantity=quantity,
                limit_price=opened.buy_limit if is_buy else opened.sell_limit,
                locked_asset=market.instruments[venue].quote,
                locked=ZERO,
            )
        )
        told = OrderUpdate(
            client_order_id=order_id,
            venue_order_id=one.liquidation_id,
            status=OrderStatus.FILLED,
            fills=fills,
            filled=quantity,
        )
        self._lives.hear(self._trades.orders[order_id], told)
        imbalance = quantity if is_buy else EXACT.minus(quantity)
        self._settle(Flight(market, opened), Finish(PairOutcome.RESIDUAL, imbalance, False))

    def _opened(
        self, market: Market, venue: str, one: Liquidation, quantity: Decimal, position: Position | None
    ) -> PairOpened:
        """Return the pair that a part is: the exit of a position, or an entry that nobody wanted.

        Its limit is the worst price of the liquidation; of its other leg, that is never sent, the price of the moment.
        """
        is_buy = one.side is Side.BUY
        prices = [fill.price for fill in one.fills]
        worst = max(prices) if is_buy else min(prices)
        if position is None:
            other = next(name for name in market.instruments if name != venue)
        else:
            other = position.route.buy_venue if is_buy else position.route.sell_venue
        leg = market.leg(other, Side.SELL if is_buy else Side.BUY)
        beside = leg.limit if leg.is_priced else worst
        buy_venue, sell_venue = (venue, other) if is_buy else (other, venue)
        number = self._trades.next_number
        return PairOpened(
            pair_id=f"p{number}",
            trade_id=f"t{number}" if position is None else position.trade_id,
            kind=PairKind.ENTRY if position is None else PairKind.EXIT,
            symbol=market.symbol,
            buy_venue=buy_venue,
            sell_venue=sell_venue,
            quantity=quantity,
            buy_limit=worst if is_buy else beside,
            sell_limit=beside if is_buy else worst,
            reserved_usd=ZERO,
            reason=ExitReason.LIQUIDATED,
            holds=position is not None,
            buy_fx=market.fx_rate(buy_venue, Side.BUY),
            sell_fx=market.fx_rate(sell_venue, Side.SELL),
        )

    def _net(self, market: Market, venue: str) -> None:
        """Net the residuals of a symbol at a venue that hedge each other: the contracts of both are gone."""
        while True:
            residuals = self._trades.residuals.values()
            here = [one for one in residuals if (one.symbol, one.venue) == (market.symbol, venue) and is_workable(one)]
            found = to_net(here)
            if found is None:
                return
            self._journal.record(netted(*found, market.usd_per_quote))


def _event_of(market: Market, venue: str, one: Liquidation) -> ContractsLiquidated:
    value = fees = ZERO
    for fill in one.fills:
        value = EXACT.add(value, EXACT.multiply(fill.quantity, fill.price))
        fees = EXACT.add(fees, fill.fee)
    return ContractsLiquidated(
        liquidation_id=one.liquidation_id,
        liquidated_at_ns=one.ts_ns,
        venue=venue,
        symbol=market.symbol,
        side=one.side,
        quantity=one.quantity,
        value=value,
        fees=fees,
        asset=market.instruments[venue].quote,
        mark=one.mark,
        balance=one.balance,
        maintenance=one.maintenance,
    )


def _cut(fills: tuple[Fill, ...], quantity: Decimal) -> tuple[tuple[Fill, ...], tuple[Fill, ...]]:
    """Return the first fills up to a quantity, and the rest; of one that is cut both have their share of its fee."""
    taken, rest = list[Fill](), list(fills)
    while quantity:
        fill = rest.pop(0)
        if fill.quantity > quantity:
            fee = share(fill.fee, quantity, fill.quantity)
            left = EXACT.subtract(fill.quantity, quantity)
            rest.insert(0, replace(fill, quantity=left, fee=EXACT.subtract(fill.fee, fee)))
            fill = replace(fill, quantity=quantity, fee=fee)
        taken.append(fill)
        quantity = EXACT.subtract(quantity, fill.quantity)
    return tuple(taken), tuple(rest)
