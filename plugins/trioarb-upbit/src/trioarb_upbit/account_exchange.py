"""An account at a venue of this dialect: what does not depend on which one it is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import ClassVar

import attrs
import trio

from trioarb.api import (
    AccountStanding,
    ClientIds,
    Exchange,
    LimitUsed,
    Order,
    OrderRejected,
    OrderReport,
    OrderSink,
    OrderUpdate,
    VenueError,
    VenueOrder,
)
from trioarb.venue import (
    Credentials,
    Endpoint,
    Key,
    Pace,
    Priority,
    Request,
    Response,
    RestClient,
    VenueClock,
    WebSocketSession,
    account_id,
)
from trioarb_upbit.dialect.listing import balances
from trioarb_upbit.dialect.market import symbol_of
from trioarb_upbit.dialect.order import RestOrder, update_of, venue_order_of
from trioarb_upbit.dialect.stream import StreamError, Unknown
from trioarb_upbit.dialect.struct import Wire
from trioarb_upbit.dialect.subscription import Channel, subscription

__all__ = ["AccountExchange"]

_MS = 1_000_000
#: The venues list closed orders of seven days at once.
_SPAN_MS = 7 * 24 * 3_600_000
#: An order waits no longer than this for the limits: its price is of now.
_ORDER_PATIENCE_SECONDS = 1.0
_PATIENCE_SECONDS = 10.0
#: So long after it was sent an order may still arrive, of which no answer came.
_ARRIVES_WITHIN_NS = 30 * 10**9


class AccountExchange(Exchange):
    """Orders, fills and balances of one account. A venue's class says how each is asked for.

    ``stream`` is the private one, its headers are put in here. ``new_nonce``: makes a UUID that was never used, one a
    request. ``now_ns``: Unix nanoseconds, campaign time. ``clock`` is the venue's, where its tokens have a time.
    """

    grants_inventory = False

    #: What the venue is called in errors, and how it takes our ids.
    name: ClassVar[str]
    ids: ClassVar[ClientIds]
    #: (count, seconds) of the stream's limits.
    connects: ClassVar[Sequence[tuple[int, float]]]
    messages: ClassVar[Sequence[tuple[int, float]]] = ()

    def __init__(
        self,
        client: RestClient,
        credentials: Credentials,
        stream: Endpoint,
        *,
        venue: str,
        new_nonce: Callable[[], str],
        now_ns: Callable[[], int],
        clock: VenueClock | None = None,
        submitted_ns: Callable[[str], int | None] = lambda client_order_id: None,
    ) -> None:
        self.account_id = account_id(self.name.lower(), credentials.api_key)
        self.client = client
        self.credentials = credentials
        self.venue = venue
        self.new_nonce = new_nonce
        self.now_ns = now_ns
        self.clock = clock
        self._submitted_ns = submitted_ns
        self.markets: dict[str, str] = {}
        self._stream = attrs.evolve(stream, headers=self.stream_headers)
        #: Orders without an answer, and when (campaign time) each can't arrive any more.
        self._on_their_way: dict[str, int] = {}
        self._connects = Pace(*self.connects)

    async def standing(self) -> AccountStanding:
        """As in the contract. These venues don't say what a key may do; that it may read is tried."""
        await self.balances()
        return AccountStanding(clock_offset_ms=None if self.clock is None else self.clock.offset_ms)

    def limits_used(self) -> tuple[LimitUsed, ...]:
        return self.client.limits_used()

    async def balances(self) -> Mapping[str, Decimal]:
        return balances(await self.signed(self.accounts_request()))

    async def place(self, order: Order) -> OrderReport:
        """As in the contract: an acknowledgement, and no more."""
        market = self.markets.get(order.symbol)
        if market is None:
            raise OrderRejected(f"{order.client_order_id}: {self.name} has no market {order.symbol}; it wasn't sent")
        request = self.placement(order, market, self.ids.encode(order.client_order_id))
        self._on_their_way[order.client_order_id] = self.now_ns() + _ARRIVES_WITHIN_NS
        try:
            priority = Priority.HEDGE if order.urgent else Priority.ENTRY
            response = await self.signed(request, priority, _ORDER_PATIENCE_SECONDS)
            report = self.acknowledgement(response, order.client_order_id)
        except OrderRejected:
            del self._on_their_way[order.client_order_id]
            raise
        del self._on_their_way[order.client_order_id]
        return report

    async def cancel(self, client_order_id: str) -> None:
        """As in the contract. By which word a venue refuses to cancel what has ended, no document says: it is asked."""
        response = await self.signed(self.cancellation(self.ids.encode(client_order_id)), Priority.CANCEL)
        try:
            self.cancelled(response, client_order_id)
        except VenueError:
            report = await self.order(client_order_id)
            if report is not None and not report.status.is_final:
                raise

    async def order(self, client_order_id: str) -> OrderReport | None:
        """As in the contract. While an order may still be on its way, that there is none says nothing."""
        response = await self.signed(self.question(self.ids.encode(client_order_id)), Priority.HEDGE)
        report = self.report(response, client_order_id)
        if report is None and self.now_ns() < self._arrives_by_ns(client_order_id):
            raise VenueError(f"{client_order_id} isn't at {self.name}, and may still arrive; to be asked for again")
        self._on_their_way.pop(client_order_id, None)
        return report

    def _arrives_by_ns(self, client_order_id: str) -> int:
        """Return when an order can't arrive any more that has no answer, or was sent by an earlier process."""
        if client_order_id in self._on_their_way:
            return self._on_their_way[client_order_id]
        submitted_ns = self._submitted_ns(client_order_id)
        return 0 if submitted_ns is None else submitted_ns + _ARRIVES_WITHIN_NS

    async def open_orders(self, symbols: Sequence[str]) -> Sequence[OrderUpdate]:
        return [update_of(one, self.ids) for one in await self._open(symbols)]

    async def orders(self, symbols: Sequence[str], since_ns: int) -> Sequence[VenueOrder]:
        """Return open and closed orders since then, the oldest first.

        Raises:
            VenueError: not known now; or more were closed in a week than the venue lists.
        """
        found = {one.venue_order_id: one for one in await self._open(symbols)}
        wanted = set(symbols)
        start_ms, now_ms = since_ns // _MS, self.now_ns() // _MS
        while start_ms < now_ms:
            end_ms = min(start_ms + _SPAN_MS, now_ms)
            closed = await self.all_closed(start_ms, end_ms)
            found |= {one.venue_order_id: one for one in closed if symbol_of(one.market) in wanted}
            start_ms = end_ms
        in_order = sorted(found.values(), key=lambda one: one.created_at or "")
        return [venue_order_of(one, self.ids, self.venue) for one in in_order]

    async def updates(self, sink: OrderSink, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """As in the contract: where the stream is cut, it raises, and open orders are asked for before it goes on."""

        def take(frame: bytes, received_ns: int) -> Key | None:
            for message in self.decoded(frame):
                if isinstance(message, StreamError):
                    raise VenueError(f"{self.name} refuses the stream of orders: {message.name} ({message.message})")
                update = self.update(message)
                if update is not None:
                    sink(update)
            return None

        def cut(why: str) -> None:
            raise VenueError(f"{self.name}'s stream of orders was cut: {why}")

        self.stream_begins()
        session = WebSocketSession(
            endpoint=self._stream,
            subscribe=lambda keys: [subscription(self.new_nonce(), [Channel(type="myOrder")])],
            on_message=take,
            on_connected=lambda: None,
            on_disconnected=cut,
            now_ns=self.now_ns,
            sends=lambda: Pace(*self.messages),
            connects=self._connects,
        )
        try:
            await session.run(task_status=task_status)
        except ExceptionGroup as group:
            of_venue, other = group.split(VenueError)
            if of_venue is None or other is not None:
                raise
            raise _first(of_venue) from None

    async def public(self, request: Request) -> Response:
        """Ask for what anybody may read."""
        return await self.client.send(request, patience=_PATIENCE_SECONDS)

    async def signed(
        self, request: Request, priority: Priority = Priority.LISTING, patience: float = _PATIENCE_SECONDS
    ) -> Response:
        """Sign a request and send it; sent again, it is signed anew."""
        return await self.client.send(lambda: self.sign(request), priority, patience=patience)

    async def _open(self, symbols: Sequence[str]) -> list[RestOrder]:
        wanted = set(symbols)
        return [one for one in await self.all_open() if symbol_of(one.market) in wanted]

    @staticmethod
    def time_request() -> Request | None:
        """Return what the venue is asked for its time by, which is in the head of any answer; ``None``: it isn't."""
        return None

    @abstractmethod
    def sign(self, request: Request) -> Request: ...

    @abstractmethod
    def stream_headers(self) -> Mapping[str, str]: ...

    @abstractmethod
    def accounts_request(self) -> Request: ...

    @abstractmethod
    def placement(self, order: Order, market: str, client_id: str) -> Request: ...

    @abstractmethod
    def acknowledgement(self, response: Response, client_order_id: str) -> OrderReport: ...

    @abstractmethod
    def cancellation(self, client_id: str) -> Request: ...

    @abstractmethod
    def cancelled(self, response: Response, client_order_id: str) -> None: ...

    @abstractmethod
    def question(self, client_id: str) -> Request: ...

    @abstractmethod
    def report(self, response: Response, client_order_id: str) -> OrderReport | None: ...

    @abstractmethod
    async def all_open(self) -> Sequence[RestOrder]:
        """Return all open orders, whatever their market."""

    @abstractmethod
    async def all_closed(self, start_ms: int, end_ms: int) -> Sequence[RestOrder]:
        """Return all orders that were done or cancelled in seven days at most; raises `VenueError` if that can't be."""

    @abstractmethod
    def decoded(self, frame: bytes) -> Sequence[Wire | Unknown]: ...

    @abstractmethod
    def update(self, message: Wire | Unknown) -> OrderUpdate | None:
        """Return what a message says of an order; ``None``: it is of none."""

    def stream_begins(self) -> None:
        """Forget what was known by the stream before."""


def _first(group: ExceptionGroup[VenueError]) -> VenueError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error
