"""The lives of a campaign's orders: what their venues say of them is recorded, as far as it is new."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from msgspec.structs import replace

from trioarb.execution.life import Life
from trioarb.journal.journal import Journal
from trioarb.model.event import Event, OrderFilled
from trioarb.model.fx import FxState
from trioarb.model.market import Instrument
from trioarb.model.order import OrderStatus, OrderUpdate
from trioarb.state.trades import OpenOrder, Trades

__all__ = ["Lives"]


class Lives:
    """Orders under way, each with its `Life`; one that is done is taken up again where its venue says more of it.

    ``instruments`` by symbol and venue. ``value_of`` says what a fill's fee is worth in quote asset, where that is
    neither the base nor the quote asset; ``rate_of`` is the rate of a fill whose quote asset isn't the symbol's, and
    how good that is.
    """

    def __init__(
        self,
        journal: Journal,
        trades: Trades,
        instruments: Mapping[str, Mapping[str, Instrument]],
        value_of: Callable[[OrderFilled], Decimal | None],
        rate_of: Callable[[OrderFilled], tuple[Decimal, FxState] | None],
    ) -> None:
        self._value_of = value_of
        self._rate_of = rate_of
        self._journal = journal
        self._trades = trades
        self._instruments = instruments
        self._lives: dict[str, Life] = {}

    def hear(self, order: OpenOrder, update: OrderUpdate) -> Life:
        """Record what is new in a message about an order of ours; return its life.

        Raises:
            Contradiction: it can't be; nothing was recorded.
        """
        life, events = self.listen(order, update)
        for event in events:
            self._journal.record(event)
        return life

    def listen(self, order: OpenOrder, update: OrderUpdate) -> tuple[Life, list[Event]]:
        """Take a message about an order of ours; return its life, and what the caller has to record in this step.

        Raises:
            Contradiction: it can't be; nothing of it counts.
        """
        order_id = update.client_order_id
        life = self._lives.get(order_id)
        if life is None:
            life = self._take_up(order)
        events = [self._valued(event) for event in life.hear(update)]
        if life.is_done:
            self._lives.pop(order_id, None)
        else:
            self._lives[order_id] = life
        return life, events

    def _valued(self, event: Event) -> Event:
        if not isinstance(event, OrderFilled):
            return event
        if (rated := self._rate_of(event)) is not None:
            rate, state = rated
            event = replace(event, fx_rate=rate, fx_state=None if state is FxState.GOOD else state)
        if event.fee_asset in (event.base, event.quote):
            return event
        return replace(event, fee_value=self._value_of(event))

    def missing(self) -> list[str]:
        """Return the orders of which venues count more as filled than they told of."""
        return [order_id for order_id, life in self._lives.items() if life.missing]

    def _take_up(self, order: OpenOrder) -> Life:
        """Return the life of an order as far as the journal holds it."""
        submitted = order.submitted
        instrument = self._instruments[submitted.symbol][submitted.venue]
        life = Life(submitted, order.pair.opened.trade_id, instrument.base, instrument.quote)
        if order.is_acknowledged or order.fill_ids or order.is_done:
            last = OrderStatus.CANCELLED if order.is_done else OrderStatus.OPEN
            life.remember(order.fill_ids, order.filled, is_acknowledged=order.is_acknowledged, last=last)
        return life
