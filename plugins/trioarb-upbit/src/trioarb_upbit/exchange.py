"""An account at Upbit. No hook offers it yet: a campaign has no mode in which real orders may be sent.

Whether it can send any is its client's matter: one that may only read refuses, before anything leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import attrs
import trio

from trioarb.api import (
    Exchange,
    Instrument,
    Listing,
    Order,
    OrderRejected,
    OrderReport,
    OrderSink,
    OrderUpdate,
    VenueError,
    VenueOrder,
)
from trioarb.venue import Credentials, Endpoint, Key, Pace, Priority, Request, Response, RestClient, WebSocketSession
from trioarb_upbit import wire
from trioarb_upbit.dialect.chance import Chance
from trioarb_upbit.dialect.market import symbol_of
from trioarb_upbit.dialect.order import RestOrder, update_of, venue_order_of

__all__ = ["UpbitExchange"]

_MS = 1_000_000
#: The venue lists closed orders of seven days at once, and 1,000 of them.
_SPAN_MS = 7 * 24 * 3_600_000
_MOST_CLOSED = 1_000
_OPEN_A_PAGE = 100
_MARKETS_A_REQUEST = 100
#: An order waits no longer than this for the limits: its price is of now.
_ORDER_PATIENCE_SECONDS = 1.0
_PATIENCE_SECONDS = 10.0
#: So long after it was sent an order may still arrive, of which no answer came.
_ARRIVES_WITHIN_SECONDS = 30.0


class UpbitExchange(Exchange):
    """Orders, fills and balances of one account.

    ``stream`` is the private one, its headers are put in here. ``new_nonce``: makes a UUID that was never used, one a
    request. ``now_ns``: Unix nanoseconds, campaign time.
    """

    offers = wire.OFFERS
    grants_inventory = False

    def __init__(
        self,
        client: RestClient,
        credentials: Credentials,
        stream: Endpoint,
        *,
        venue: str,
        new_nonce: Callable[[], str],
        now_ns: Callable[[], int],
    ) -> None:
        self._client = client
        self._credentials = credentials
        self._stream = attrs.evolve(stream, headers=self._stream_headers)
        self._venue = venue
        self._new_nonce = new_nonce
        self._now_ns = now_ns
        self._markets: dict[str, str] = {}
        #: Orders without an answer, and when (Trio's time) each can't arrive any more.
        self._on_their_way: dict[str, float] = {}
        self._connects = Pace(*wire.CONNECTS)

    async def instruments(self, listings: Sequence[Listing]) -> Mapping[str, Instrument]:
        """Return the markets among ``listings`` with the account's own fees: a request for each, 30 a second."""
        known = {one.market for one in wire.markets(await self._public(wire.get_markets()))}
        wanted = {f"{one.quote}-{one.base}": one for one in listings if f"{one.quote}-{one.base}" in known}
        ticks, last = dict[str, Decimal](), dict[str, Decimal]()
        names = list(wanted)
        for start in range(0, len(names), _MARKETS_A_REQUEST):
            some = names[start : start + _MARKETS_A_REQUEST]
            ticks |= wire.ticks(await self._public(wire.get_ticks(some)))
            last |= {one.market: one.trade_price for one in wire.prices(await self._public(wire.get_prices(some)))}
        chances = dict[str, Chance]()
        for market in names:
            chances[market] = wire.chance(await self._signed(wire.get_chance(market)))
        found = wire.instruments(
            list(wanted.values()), self._venue, tick_sizes=ticks, last_prices=last, chances=chances
        )
        self._markets |= {symbol: one.native_id for symbol, one in found.items()}
        return found

    async def balances(self) -> Mapping[str, Decimal]:
        return wire.balances(await self._signed(wire.get_accounts()))

    async def place(self, order: Order) -> OrderReport:
        """As in the contract: an acknowledgement, and no more."""
        market = self._markets.get(order.symbol)
        if market is None:
            raise OrderRejected(f"{order.client_order_id}: Upbit has no market {order.symbol}; it wasn't sent")
        identifier = wire.CLIENT_IDS.encode(order.client_order_id)
        request = wire.place_order(order, market, identifier=identifier)
        self._on_their_way[order.client_order_id] = trio.current_time() + _ARRIVES_WITHIN_SECONDS
        try:
            response = await self._signed(request, Priority.ENTRY, _ORDER_PATIENCE_SECONDS)
            report = wire.acknowledgement(response, order.client_order_id)
        except OrderRejected:
            del self._on_their_way[order.client_order_id]
            raise
        del self._on_their_way[order.client_order_id]
        return report

    async def cancel(self, client_order_id: str) -> None:
        request = wire.cancel_order(identifier=wire.CLIENT_IDS.encode(client_order_id))
        wire.cancelled(await self._signed(request, Priority.CANCEL), client_order_id)

    async def order(self, client_order_id: str) -> OrderReport | None:
        """As in the contract. While an order may still be on its way, that there is none says nothing."""
        request = wire.get_order(identifier=wire.CLIENT_IDS.encode(client_order_id))
        report = wire.order_report(await self._signed(request, Priority.HEDGE), wire.CLIENT_IDS, client_order_id)
        if report is None and trio.current_time() < self._on_their_way.get(client_order_id, 0.0):
            raise VenueError(f"{client_order_id} isn't at Upbit, and may still arrive; to be asked for again")
        self._on_their_way.pop(client_order_id, None)
        return report

    async def open_orders(self, symbols: Sequence[str]) -> Sequence[OrderUpdate]:
        return [update_of(one, wire.CLIENT_IDS) for one in await self._open(symbols)]

    async def orders(self, symbols: Sequence[str], since_ns: int) -> Sequence[VenueOrder]:
        """Return open and closed orders since then, the oldest first.

        Raises:
            VenueError: not known now; or more were closed in a week than the venue lists.
        """
        found = {one.venue_order_id: one for one in await self._open(symbols)}
        wanted = set(symbols)
        start_ms, now_ms = since_ns // _MS, self._now_ns() // _MS
        while start_ms < now_ms:
            end_ms = min(start_ms + _SPAN_MS, now_ms)
            closed = wire.listed_orders(
                await self._signed(
                    wire.get_closed_orders(
                        states=("done", "cancel"), start_ms=start_ms, end_ms=end_ms, limit=_MOST_CLOSED
                    )
                )
            )
            if len(closed) >= _MOST_CLOSED:
                raise VenueError(f"Upbit lists {_MOST_CLOSED:,} closed orders at once, and there were so many or more")
            found |= {one.venue_order_id: one for one in closed if symbol_of(one.market) in wanted}
            start_ms = end_ms
        in_order = sorted(found.values(), key=lambda one: one.created_at or "")
        return [venue_order_of(one, wire.CLIENT_IDS, self._venue) for one in in_order]

    async def updates(self, sink: OrderSink, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """As in the contract: where the stream is cut, it raises, and open orders are asked for before it goes on."""

        def take(frame: bytes, received_ns: int) -> Key | None:
            for message in wire.decode(frame):
                if isinstance(message, wire.MyOrder):
                    sink(wire.order_update(message, wire.CLIENT_IDS))
                elif isinstance(message, wire.StreamError):
                    raise VenueError(f"Upbit refuses the stream of orders: {message.name} ({message.message})")
            return None

        def cut(why: str) -> None:
            raise VenueError(f"Upbit's stream of orders was cut: {why}")

        session = WebSocketSession(
            endpoint=self._stream,
            subscribe=lambda keys: [wire.subscription(self._new_nonce(), [wire.Channel(type="myOrder")])],
            on_message=take,
            on_connected=lambda: None,
            on_disconnected=cut,
            now_ns=self._now_ns,
            sends=lambda: Pace(*wire.MESSAGES),
            connects=self._connects,
        )
        try:
            await session.run(task_status=task_status)
        except ExceptionGroup as group:
            of_venue, other = group.split(VenueError)
            if of_venue is None or other is not None:
                raise
            raise _first(of_venue) from None

    async def _open(self, symbols: Sequence[str]) -> list[RestOrder]:
        wanted, found, page = set(symbols), list[RestOrder](), 0
        while True:
            page += 1
            request = wire.get_open_orders(states=("wait", "watch"), page=page, limit=_OPEN_A_PAGE)
            listed = wire.listed_orders(await self._signed(request))
            found += [one for one in listed if symbol_of(one.market) in wanted]
            if len(listed) < _OPEN_A_PAGE:
                return found

    async def _public(self, request: Request) -> Response:
        return await self._client.send(request, patience=_PATIENCE_SECONDS)

    async def _signed(
        self, request: Request, priority: Priority = Priority.LISTING, patience: float = _PATIENCE_SECONDS
    ) -> Response:
        signed = wire.signed(request, self._credentials, nonce=self._new_nonce())
        return await self._client.send(signed, priority, patience=patience)

    def _stream_headers(self) -> Mapping[str, str]:
        return wire.private_headers(self._credentials, nonce=self._new_nonce())


def _first(group: ExceptionGroup[VenueError]) -> VenueError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error
