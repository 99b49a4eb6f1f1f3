"""An account at Upbit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from trioarb.api import Instrument, Listing, Order, OrderReport, OrderUpdate, VenueError
from trioarb.venue import Request, Response
from trioarb_upbit import wire
from trioarb_upbit.account_exchange import AccountExchange
from trioarb_upbit.dialect.chance import Chance
from trioarb_upbit.dialect.order import RestOrder
from trioarb_upbit.dialect.stream import Unknown
from trioarb_upbit.dialect.struct import Wire

__all__ = ["UpbitExchange"]

_MOST_CLOSED = 1_000
_OPEN_A_PAGE = 100
_MARKETS_A_REQUEST = 100


class UpbitExchange(AccountExchange):
    """Orders, fills and balances of one account, see `AccountExchange`."""

    offers = wire.OFFERS
    name = "Upbit"
    ids = wire.CLIENT_IDS
    connects = wire.CONNECTS
    messages = wire.MESSAGES

    async def instruments(self, listings: Sequence[Listing]) -> Mapping[str, Instrument]:
        """Return the markets among ``listings`` with the account's own fees: a request for each, 30 a second."""
        known = {one.market for one in wire.markets(await self.public(wire.get_markets()))}
        wanted = {f"{one.quote}-{one.base}": one for one in listings if f"{one.quote}-{one.base}" in known}
        ticks, last = dict[str, Decimal](), dict[str, Decimal]()
        names = list(wanted)
        for start in range(0, len(names), _MARKETS_A_REQUEST):
            some = names[start : start + _MARKETS_A_REQUEST]
            ticks |= wire.ticks(await self.public(wire.get_ticks(some)))
            last |= {one.market: one.trade_price for one in wire.prices(await self.public(wire.get_prices(some)))}
        chances = dict[str, Chance]()
        for market in names:
            chances[market] = wire.chance(await self.signed(wire.get_chance(market)))
        found = wire.instruments(list(wanted.values()), self.venue, tick_sizes=ticks, last_prices=last, chances=chances)
        self.markets |= {symbol: one.native_id for symbol, one in found.items()}
        return found

    def sign(self, request: Request) -> Request:
        return wire.signed(request, self.credentials, nonce=self.new_nonce())

    def stream_headers(self) -> Mapping[str, str]:
        return wire.private_headers(self.credentials, nonce=self.new_nonce())

    def accounts_request(self) -> Request:
        return wire.get_accounts()

    def placement(self, order: Order, market: str, client_id: str) -> Request:
        return wire.place_order(order, market, identifier=client_id)

    def acknowledgement(self, response: Response, client_order_id: str) -> OrderReport:
        return wire.acknowledgement(response, client_order_id)

    def cancellation(self, client_id: str) -> Request:
        return wire.cancel_order(identifier=client_id)

    def cancelled(self, response: Response, client_order_id: str) -> None:
        wire.cancelled(response, client_order_id)

    def question(self, client_id: str) -> Request:
        return wire.get_order(identifier=client_id)

    def report(self, response: Response, client_order_id: str) -> OrderReport | None:
        return wire.order_report(response, self.ids, client_order_id)

    async def all_open(self) -> Sequence[RestOrder]:
        found, page = list[RestOrder](), 0
        while True:
            page += 1
            request = wire.get_open_orders(states=("wait", "watch"), page=page, limit=_OPEN_A_PAGE)
            listed = wire.listed_orders(await self.signed(request))
            found += listed
            if len(listed) < _OPEN_A_PAGE:
                return found

    async def all_closed(self, start_ms: int, end_ms: int) -> Sequence[RestOrder]:
        request = wire.get_closed_orders(
            states=("done", "cancel"), start_ms=start_ms, end_ms=end_ms, limit=_MOST_CLOSED
        )
        closed = wire.listed_orders(await self.signed(request))
        if len(closed) >= _MOST_CLOSED:
            raise VenueError(f"Upbit lists {_MOST_CLOSED:,} closed orders at once, and there were so many or more")
        return closed

    def decoded(self, frame: bytes) -> Sequence[Wire | Unknown]:
        return wire.decode(frame)

    def update(self, message: Wire | Unknown) -> OrderUpdate | None:
        return wire.order_update(message, self.ids) if isinstance(message, wire.MyOrder) else None
