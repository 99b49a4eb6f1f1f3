"""An account at Bithumb."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import attrs

from trioarb.api import ZERO, Instrument, Listing, Order, OrderReport, OrderUpdate
from trioarb.venue import Credentials, Endpoint, Request, Response, RestClient, VenueClock
from trioarb_bithumb import wire
from trioarb_upbit.account_exchange import AccountExchange
from trioarb_upbit.dialect.chance import Chance
from trioarb_upbit.dialect.order import RestOrder
from trioarb_upbit.dialect.stream import Unknown
from trioarb_upbit.dialect.struct import Wire

__all__ = ["BithumbExchange"]

_MS = 1_000_000
_MOST_CLOSED = 1_000
_OPEN_A_PAGE = 100
_MARKETS_A_REQUEST = 100


@attrs.frozen
class _Paid:
    """What an order had paid before its last trade and after it, and how much of it was executed then."""

    trade_id: str
    before: Decimal | None
    after: Decimal
    executed: Decimal


class BithumbExchange(AccountExchange):
    """Orders, fills and balances of one account, see `AccountExchange`.

    The stream tells what an order's trades cost so far, not what each did: what was paid before is kept here, by the
    venue's id. Where a message was missed, the next trade is told without its fill, which the engine asks for.
    """

    offers = wire.OFFERS
    name = "Bithumb"
    ids = wire.CLIENT_IDS
    connects = wire.CONNECTS

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
        super().__init__(
            client,
            credentials,
            stream,
            venue=venue,
            new_nonce=new_nonce,
            now_ns=now_ns,
            clock=clock,
            submitted_ns=submitted_ns,
        )
        self._paid: dict[str, _Paid] = {}

    async def instruments(self, listings: Sequence[Listing]) -> Mapping[str, Instrument]:
        """Return the markets among ``listings`` with the account's own fees: a request for each."""
        known = {one.market for one in wire.markets(await self.public(wire.get_markets()))}
        wanted = {f"{one.quote}-{one.base}": one for one in listings if f"{one.quote}-{one.base}" in known}
        last, chances, names = dict[str, Decimal](), dict[str, Chance](), list(wanted)
        for start in range(0, len(names), _MARKETS_A_REQUEST):
            prices = wire.prices(await self.public(wire.get_prices(names[start : start + _MARKETS_A_REQUEST])))
            last |= {one.market: one.trade_price for one in prices}
        for market in names:
            chances[market] = wire.chance(await self.signed(wire.get_chance(market)))
        found = wire.instruments(list(wanted.values()), self.venue, last_prices=last, chances=chances)
        self.markets |= {symbol: one.native_id for symbol, one in found.items()}
        return found

    @staticmethod
    def time_request() -> Request:
        return wire.get_prices(["KRW-BTC"])

    def _now_ms(self) -> int:
        """Return the time of a token: Bithumb's own, where it is measured.

        Raises:
            VenueError: it isn't known.
        """
        return self.clock.now_ms() if self.clock is not None else self.now_ns() // _MS

    def sign(self, request: Request) -> Request:
        return wire.signed(request, self.credentials, nonce=self.new_nonce(), now_ms=self._now_ms())

    def stream_headers(self) -> Mapping[str, str]:
        return wire.private_headers(self.credentials, nonce=self.new_nonce(), now_ms=self._now_ms())

    def accounts_request(self) -> Request:
        return wire.get_accounts()

    def placement(self, order: Order, market: str, client_id: str) -> Request:
        return wire.place_order(order, market, client_id=client_id)

    def acknowledgement(self, response: Response, client_order_id: str) -> OrderReport:
        return wire.acknowledgement(response, client_order_id)

    def cancellation(self, client_id: str) -> Request:
        return wire.cancel_order(client_id=client_id)

    def cancelled(self, response: Response, client_order_id: str) -> None:
        wire.cancelled(response, client_order_id)

    def question(self, client_id: str) -> Request:
        return wire.get_order(client_id=client_id)

    def report(self, response: Response, client_order_id: str) -> OrderReport | None:
        return wire.order_report(response, self.ids, client_order_id)

    async def all_open(self) -> Sequence[RestOrder]:
        waiting = await self._pages(lambda key: wire.get_open_orders(limit=_OPEN_A_PAGE, next_key=key))
        watched = await self._pages(lambda key: wire.get_open_orders(state="watch", limit=_OPEN_A_PAGE, next_key=key))
        return [*waiting, *watched]

    async def all_closed(self, start_ms: int, end_ms: int) -> Sequence[RestOrder]:
        newest_first = await self._pages(
            lambda key: wire.get_closed_orders(
                states=("done", "cancel"), start_ms=start_ms, end_ms=end_ms, limit=_MOST_CLOSED, next_key=key
            )
        )
        return newest_first[::-1]

    def decoded(self, frame: bytes) -> Sequence[Wire | Unknown]:
        return wire.decode(frame)

    def update(self, message: Wire | Unknown) -> OrderUpdate | None:
        if not isinstance(message, wire.MyOrder):
            return None
        paid_before = self._paid_before(message)
        update = wire.order_update(message, self.ids, paid_before=paid_before)
        if update.status.is_final:
            self._paid.pop(message.order_id, None)
        elif isinstance(message.paid_fee, Decimal) and (message.trade_id or message.order_id not in self._paid):
            executed = update.filled or ZERO
            self._paid[message.order_id] = _Paid(message.trade_id or "", paid_before, message.paid_fee, executed)
        return update

    def _paid_before(self, message: wire.MyOrder) -> Decimal | None:
        """Return what an order had paid before a message; ``None``: not known, or it tells of an earlier trade."""
        known = self._paid.get(message.order_id)
        if known is None:
            return ZERO if message.executed_quantity == message.trade_quantity else None  # the order's first trade
        if message.trade_id == known.trade_id:
            return known.before  # the same once more
        is_earlier = isinstance(message.executed_quantity, Decimal) and message.executed_quantity <= known.executed
        return None if message.trade_id and is_earlier else known.after

    def stream_begins(self) -> None:
        self._paid.clear()

    async def _pages(self, request: Callable[[str | None], Request]) -> list[RestOrder]:
        found, key = list[RestOrder](), None
        while True:
            page = wire.page_of_orders(await self.signed(request(key)), self.ids, self.venue)
            found += page.listed
            key = page.next_key
            if key is None:
                return found
