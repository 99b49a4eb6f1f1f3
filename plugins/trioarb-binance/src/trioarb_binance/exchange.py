"""Binance spot as an exchange: orders over the WebSocket API, everything else by REST."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Protocol

import msgspec
import trio
from msgspec import UNSET, UnsetType

from trioarb.api import (
    AccountStanding,
    Exchange,
    Fill,
    Instrument,
    LimitUsed,
    Listing,
    Offer,
    Order,
    OrderRejected,
    OrderReport,
    OrderSink,
    OrderStatus,
    OrderUpdate,
    VenueError,
    VenueOrder,
)
from trioarb.venue import NotSent, Permit, Priority, Request, Response, Usage, VenueClock, WireError, account_id
from trioarb_binance.api_session import ApiSession
from trioarb_binance.heard import Heard
from trioarb_binance.wire import frames, spot
from trioarb_binance.wire.account_body import Account, KeyPermissions
from trioarb_binance.wire.account_message import AccountEvent, ExecutionReport
from trioarb_binance.wire.body import decode, decode_many
from trioarb_binance.wire.client_ids import CLIENT_IDS
from trioarb_binance.wire.failure import Failure, Meaning, failure_of, failure_of_answer
from trioarb_binance.wire.instruments import fees_of, instrument_of
from trioarb_binance.wire.listing_body import Commission, ExchangeInfo, ServerTime, Symbol
from trioarb_binance.wire.order_body import OrderBody, Trade
from trioarb_binance.wire.reports import needs_trades, order_of, report_of, update_of, update_of_event
from trioarb_binance.wire.request import ORDERS, WEIGHT
from trioarb_binance.wire.signer import Signer, Stamp

__all__ = ["BinanceExchange", "Sends", "server_time_ms"]

_PAGE = 1_000
#: A request that Binance took waits for its matching engine so long at most.
_ENGINE_SECONDS = 10.0
_MOST_REMEMBERED = 100_000
_NS_IN_MS = 1_000_000


class Sends(Protocol):
    """The kit's client of REST: reads are tried again, what is answered is of a status of 2xx or 4xx."""

    async def send(
        self,
        request: Request | Callable[[], Request],
        priority: Priority = Priority.LISTING,
        *,
        patience: float = math.inf,
    ) -> Response: ...


async def server_time_ms(rest: Sends) -> float:
    """Return Binance's time, as the kit's `VenueClock` asks for it.

    Raises:
        VenueError: there is no answer.
    """
    response = await rest.send(spot.server_time())
    if not response.is_success:
        raise failure_of(response).of_request()
    return float(decode(ServerTime, response.body).server_time)


class BinanceExchange(Exchange):
    """One spot account. `hear` and `down` are what its `ApiSession` calls; ``usage`` is what of its limits is used."""

    offers = frozenset({Offer.FOK, Offer.GTC, Offer.POST_ONLY, Offer.MARKET, Offer.MARKET_BY_AMOUNT, Offer.SELF_TRADE})
    grants_inventory = False

    def __init__(
        self,
        venue: str,
        rest: Sends,
        signer: Signer,
        clock: VenueClock,
        *,
        recv_window_ms: int = 5_000,
        aliases: Mapping[str, str] | None = None,
        usage: Callable[[], Sequence[Usage]] = tuple,
        sent_ago: Callable[[str], float | None] = lambda client_order_id: None,
        heard: Heard | None = None,
    ) -> None:
        self.account_id = account_id("binance", signer.api_key)
        self._usage = usage
        self._venue, self._rest, self._signer, self._clock = venue, rest, signer, clock
        self._window_ms = recv_window_ms
        self._aliases = dict(aliases or {})
        self._instruments: dict[str, Instrument] = {}
        self._by_native: dict[str, Instrument] = {}
        #: Of orders of this run: which symbol, and when they were sent.
        self._sent: dict[str, tuple[str, float]] = {}
        #: What orders that have neither filled nor ended take of the limits.
        self._counted: dict[str, Permit] = {}
        self._sent_ago = sent_ago
        self._heard = heard
        self._sinks: list[OrderSink] = []
        self._cut: trio.Event = trio.Event()
        self._why = ""
        self.session: ApiSession | None = None
        #: Events about orders that could not be understood: each ends `updates`, so that what is missing is asked for.
        self.refused = 0

    # What its session tells

    def hear(self, event: AccountEvent) -> None:
        """Take an event of the account."""
        if not isinstance(event, ExecutionReport):
            return
        self._note(event.symbol)
        instrument = self._by_native.get(event.symbol)
        try:
            update = update_of_event(event, quote=instrument.quote if instrument else "")
        except WireError as error:
            self.refused += 1
            self.down(str(error))
            return
        self._give_back(update.client_order_id, update.fills, update.status)
        for sink in tuple(self._sinks):
            sink(update)

    def down(self, why: str) -> None:
        """Take note that events are missing from now on."""
        self._why = why
        if self._heard is not None:
            self._heard.end()
        self._cut.set()
        self._cut = trio.Event()

    # As an exchange

    async def instruments(self, listings: Sequence[Listing]) -> Mapping[str, Instrument]:
        info = decode(ExchangeInfo, await self._read(spot.exchange_info()))
        by_assets = {(self._ours(one.base_asset), self._ours(one.quote_asset)): one for one in info.symbols}
        found = dict[str, Instrument]()
        for listing in listings:
            symbol = by_assets.get((listing.base, listing.venue_quote or listing.quote))
            if symbol is not None:
                found[listing.symbol] = await self._instrument(listing, symbol)
        self._instruments |= found
        self._by_native |= {one.native_id: one for one in found.values()}
        return found

    async def standing(self) -> AccountStanding:
        """As in the contract. A key on a list of addresses, and what it may do, Binance tells of itself."""
        rights = decode(KeyPermissions, await self._read_signed(spot.key_permissions))
        account = decode(Account, await self._read_signed(lambda stamp: spot.account(stamp, nonzero_only=True)))
        return AccountStanding(
            can_trade=_all(rights.enable_spot_and_margin_trading, account.can_trade),
            # Transfers to other accounts take money away as well.
            can_withdraw=rights.enable_withdrawals or rights.enable_internal_transfer is True,
            is_bound=None if rights.ip_restrict is UNSET else rights.ip_restrict,
            clock_offset_ms=self._clock.offset_ms,
            limits=self.limits_used(),
        )

    def limits_used(self) -> tuple[LimitUsed, ...]:
        return tuple(one.told() for one in self._usage())

    async def balances(self) -> Mapping[str, Decimal]:
        account = decode(Account, await self._read_signed(lambda stamp: spot.account(stamp, nonzero_only=True)))
        return {self._ours(asset): amount for asset, amount in account.owned().items()}

    async def place(self, order: Order) -> OrderReport:
        """As in the contract. Where it could not be sent, it is rejected: nothing of it has left.

        Binance takes an id again once its order has ended: one that was sent from here is refused here.
        """
        session = self._trading()
        if order.client_order_id in self._sent:
            raise OrderRejected(f"Binance: the client order id {order.client_order_id} was used before")
        instrument = self._instruments[order.symbol]
        client_id = CLIENT_IDS.encode(order.client_order_id)
        self._remember(order.client_order_id, order.symbol)
        self._note(instrument.native_id)
        answer = await session.ask(
            lambda number, stamp: frames.place_order(
                number, order, native_id=instrument.native_id, client_id=client_id, stamp=stamp
            ),
            {ORDERS: 1, WEIGHT: 1},
            Priority.HEDGE if order.urgent else Priority.ENTRY,
            on_permit=lambda permit: self._counted.update({order.client_order_id: permit}),
        )
        if answer.status != 200:
            failure = failure_of_answer(answer)
            self._doubt(failure)
            self._counted.pop(order.client_order_id, None)
            raise failure.of_order()
        report = report_of(self._result(answer.result), quote=instrument.quote)
        self._give_back(order.client_order_id, report.fills, report.status)
        return report

    async def cancel(self, client_order_id: str) -> None:
        session = self._trading()
        client_id = CLIENT_IDS.encode(client_order_id)
        for native_id in self._candidates(client_order_id):
            answer = await session.ask(
                lambda number, stamp, native_id=native_id: frames.cancel_order(  # type: ignore[misc]
                    number, native_id, stamp, client_id=client_id
                ),
                {WEIGHT: 1},
                Priority.CANCEL,
                patience=1.0,
            )
            if answer.status == 200:
                return
            failure = failure_of_answer(answer)
            self._doubt(failure)
            if failure.meaning is not Meaning.NOT_CANCELLED:
                raise failure.of_request()

    async def open_orders(self, symbols: Sequence[str]) -> Sequence[OrderUpdate]:
        wanted = {self._instruments[symbol].native_id for symbol in symbols}
        one = next(iter(wanted)) if len(wanted) == 1 else None
        bodies = decode_many(OrderBody, await self._read_signed(lambda stamp: spot.open_orders(stamp, one)))
        return [update_of(body) for body in bodies if body.symbol in wanted]

    async def updates(self, sink: OrderSink, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        if self.session is None or not self.session.is_up:
            raise VenueError("Binance: the account's events can't be had now: the WebSocket API is not connected")
        cut = self._cut
        if self._heard is not None:
            self._heard.begin()
        self._sinks.append(sink)
        try:
            task_status.started()
            await cut.wait()
        finally:
            self._sinks.remove(sink)
        raise VenueError(f"Binance: the account's events were cut: {self._why}")

    async def order(self, client_order_id: str) -> OrderReport | None:
        """As in the contract. That there is no such order is believed once it can't arrive any more."""
        client_id = CLIENT_IDS.encode(client_order_id)
        for native_id in self._candidates(client_order_id):
            response = await self._signed(
                lambda stamp, native_id=native_id: spot.query_order(  # type: ignore[misc]
                    native_id, stamp, client_id=client_id
                )
            )
            if response.is_success:
                return await self._report(decode(OrderBody, response.body))
            failure = failure_of(response)
            self._doubt(failure)
            if failure.meaning is not Meaning.NO_SUCH_ORDER:
                raise failure.of_request()
        if client_order_id in self._sent:
            ago = trio.current_time() - self._sent[client_order_id][1]
        else:
            ago = self._sent_ago(client_order_id) or math.inf
        wait = self._window_ms / 1000 + _ENGINE_SECONDS - ago
        if wait > 0:
            raise VenueError(
                f"Binance: {client_order_id}: there is no such order yet; it may still arrive for {wait:.1f} s"
            )
        return None

    async def orders(self, symbols: Sequence[str], since_ns: int) -> Sequence[VenueOrder]:
        """As in the contract. Symbols of which the stream told nothing since then aren't asked for."""
        found = list[tuple[int, VenueOrder]]()
        for symbol in symbols:
            instrument = self._instruments[symbol]
            if self._heard is not None and self._heard.is_quiet(instrument.native_id, since_ns):
                continue
            for body in await self._bodies(instrument.native_id, since_ns // _NS_IN_MS):
                order = order_of(body, symbol=symbol, venue=self._venue)
                if order is not None:
                    at = body.time if isinstance(body.time, int) else 0
                    report = None if needs_trades(body) else report_of(body, quote=instrument.quote)
                    found.append((at, VenueOrder(order=order, report=report)))
        return [order for _, order in sorted(found, key=lambda one: one[0])]

    # Beneath

    def _trading(self) -> ApiSession:
        """Return the session that orders go over.

        Raises:
            NotSent: there is none.
        """
        if self.session is None:
            raise NotSent("Binance: this campaign may only read here, as on paper and in shadow mode; nothing was sent")
        return self.session

    def _give_back(self, client_order_id: str, fills: Sequence[Fill], status: OrderStatus) -> None:
        """Take an order out of the count of those that didn't fill, once it did; one that ended otherwise stays in it.

        Binance counts an order no more from its first fill on [docs].
        """
        permit = self._counted.get(client_order_id)
        if permit is None or not permit.is_over:  # else its answer, which is on its way, says as much
            return
        if fills or status.is_final:
            del self._counted[client_order_id]
        if fills and self.session is not None:
            self.session.give_back(permit, ORDERS)

    def _note(self, native_id: str) -> None:
        if self._heard is not None:
            self._heard.note(native_id)

    def _ours(self, asset: str) -> str:
        return self._aliases.get(asset, asset)

    async def _instrument(self, listing: Listing, symbol: Symbol) -> Instrument:
        body = await self._read_signed(lambda stamp: spot.account_commission(symbol.symbol, stamp))
        made = instrument_of(symbol, venue=self._venue, fees=fees_of(decode(Commission, body)))
        return Instrument(
            symbol=listing.symbol,
            venue=self._venue,
            native_id=symbol.symbol,
            base=listing.base,
            quote=listing.venue_quote or listing.quote,
            rules=made.rules,
            maker_fee_bps=made.maker_fee_bps,
            taker_fee_bps=made.taker_fee_bps,
            status=made.status,
            fee_asset=None if made.fee_asset in (made.base, made.quote, None) else self._ours(made.fee_asset or ""),
        )

    def _remember(self, client_order_id: str, symbol: str) -> None:
        if len(self._sent) >= _MOST_REMEMBERED:
            oldest = next(iter(self._sent))
            del self._sent[oldest]
            self._counted.pop(oldest, None)
        self._sent[client_order_id] = (symbol, trio.current_time())

    def _candidates(self, client_order_id: str) -> Sequence[str]:
        """Return the venue's symbols that an order may be of: one, or after a restart all."""
        symbol, _ = self._sent.get(client_order_id, ("", 0.0))
        if symbol:
            return [self._instruments[symbol].native_id]
        if not self._by_native:
            raise VenueError("Binance: no symbol is known yet; an order is asked for by its symbol")
        return list(self._by_native)

    async def _report(self, body: OrderBody) -> OrderReport:
        instrument = self._by_native.get(body.symbol)
        quote = instrument.quote if instrument else ""
        if not needs_trades(body):
            return report_of(body, quote=quote)
        raw = await self._read_signed(
            lambda stamp: spot.my_trades(body.symbol, stamp, venue_order_id=str(body.order_id), limit=_PAGE)
        )
        return report_of(body, quote=quote, trades=decode_many(Trade, raw))

    async def _bodies(self, native_id: str, since_ms: int) -> Sequence[OrderBody]:
        """Return all orders of a symbol since then, page by page."""
        found = list[OrderBody]()
        last_id: int | None = None
        while True:
            raw = await self._read_signed(
                lambda stamp, last_id=last_id: spot.all_orders(  # type: ignore[misc]
                    native_id,
                    stamp,
                    start_ms=since_ms if last_id is None else None,
                    from_order_id=None if last_id is None else last_id + 1,
                    limit=_PAGE,
                )
            )
            page = decode_many(OrderBody, raw)
            found += page
            if len(page) < _PAGE:
                return found
            last_id = max(body.order_id for body in page)

    def _stamp(self) -> Stamp:
        return Stamp(signer=self._signer, now_ms=self._clock.now_ms(), recv_window_ms=self._window_ms)

    async def _signed(self, make: Callable[[Stamp], Request]) -> Response:
        return await self._rest.send(lambda: make(self._stamp()))

    async def _read_signed(self, make: Callable[[Stamp], Request]) -> bytes:
        return self._body(await self._signed(make))

    async def _read(self, request: Request) -> bytes:
        return self._body(await self._rest.send(request))

    def _body(self, response: Response) -> bytes:
        if not response.is_success:
            failure = failure_of(response)
            self._doubt(failure)
            raise failure.of_request()
        return response.body

    def _doubt(self, failure: Failure) -> None:
        if failure.meaning is Meaning.CLOCK:
            self._clock.doubt()

    @staticmethod
    def _result(result: object) -> OrderBody:
        if not isinstance(result, msgspec.Raw):
            raise WireError("Binance: an answer to an order without a result")
        return decode(OrderBody, result)


def _all(*told: bool | UnsetType) -> bool | None:
    """Return whether all is so; ``None``: some isn't told, and none is told otherwise."""
    if False in told:
        return False
    return None if UNSET in told else True
