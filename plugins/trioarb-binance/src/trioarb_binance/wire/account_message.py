"""Messages of the WebSocket API: answers to frames, and the account's events. Numbers are exact."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from msgspec import UNSET, UnsetType

from trioarb.api import EXACT
from trioarb.venue import WireError
from trioarb_binance.wire.body import Body
from trioarb_binance.wire.listing_body import RateLimit

__all__ = [
    "AccountEvent",
    "AccountPosition",
    "Answer",
    "ApiError",
    "ApiErrorData",
    "BalanceUpdate",
    "Event",
    "EventStreamTerminated",
    "ExecutionReport",
    "ExternalLockUpdate",
    "ListStatus",
    "LogOn",
    "PositionBalance",
    "Subscription",
    "UnknownEvent",
    "decode_api",
]

MaybeDecimal = Decimal | UnsetType
MaybeInt = int | UnsetType
MaybeBool = bool | UnsetType
MaybeText = str | UnsetType


class ExecutionReport(
    Body,
    frozen=True,
    tag_field="e",
    tag="executionReport",
    rename={
        "event_ms": "E",
        "symbol": "s",
        "client_id": "c",
        "side": "S",
        "type": "o",
        "time_in_force": "f",
        "quantity": "q",
        "price": "p",
        "execution": "x",
        "status": "X",
        "reject_reason": "r",
        "order_id": "i",
        "last_quantity": "l",
        "filled": "z",
        "last_price": "L",
        "fee": "n",
        "fee_asset": "N",
        "time_ms": "T",
        "trade_id": "t",
        "original_client_id": "C",
        "expiry_reason": "eR",
        "stop_price": "P",
        "iceberg": "F",
        "order_list_id": "g",
        "execution_id": "I",
        "is_on_book": "w",
        "is_maker": "m",
        "ignored": "M",
        "created_ms": "O",
        "filled_quote": "Z",
        "last_quote": "Y",
        "quote_quantity": "Q",
        "working_ms": "W",
        "self_trade": "V",
        "prevented_match_id": "v",
        "prevented_quantity": "A",
        "last_prevented": "B",
        "trade_group_id": "u",
        "counter_order_id": "U",
        "counter_symbol": "Cs",
        "prevented_fill": "pl",
        "prevented_price": "pL",
        "prevented_quote": "pY",
        "match_type": "b",
        "allocation_id": "a",
        "working_floor": "k",
        "used_sor": "uS",
        "trailing_delta": "d",
        "trailing_ms": "D",
        "strategy_id": "j",
        "strategy_type": "J",
        "peg_price_type": "gP",
        "peg_offset_type": "gOT",
        "peg_offset": "gOV",
        "pegged_price": "gp",
    },
):
    """What became of an order. Where it was cancelled, ``client_id`` is the cancellation's and the order's own is
    ``original_client_id``.
    """

    event_ms: int
    symbol: str
    client_id: str
    side: str
    type: str
    time_in_force: str
    quantity: Decimal
    price: Decimal
    execution: str
    status: str
    order_id: int
    last_quantity: Decimal
    filled: Decimal
    last_price: Decimal
    fee: Decimal | None
    fee_asset: str | None
    time_ms: int
    trade_id: int
    reject_reason: str = "NONE"
    original_client_id: MaybeText | None = UNSET
    expiry_reason: MaybeText = UNSET
    stop_price: MaybeDecimal = UNSET
    iceberg: MaybeDecimal = UNSET
    order_list_id: MaybeInt = UNSET
    execution_id: MaybeInt = UNSET
    is_on_book: MaybeBool = UNSET
    is_maker: MaybeBool = UNSET
    ignored: MaybeBool = UNSET
    created_ms: MaybeInt = UNSET
    filled_quote: MaybeDecimal = UNSET
    last_quote: MaybeDecimal = UNSET
    quote_quantity: MaybeDecimal = UNSET
    working_ms: MaybeInt = UNSET
    self_trade: MaybeText = UNSET
    prevented_match_id: MaybeInt = UNSET
    prevented_quantity: MaybeDecimal = UNSET
    last_prevented: MaybeDecimal = UNSET
    trade_group_id: MaybeInt = UNSET
    counter_order_id: MaybeInt = UNSET
    counter_symbol: MaybeText = UNSET
    prevented_fill: MaybeDecimal = UNSET
    prevented_price: MaybeDecimal = UNSET
    prevented_quote: MaybeDecimal = UNSET
    match_type: MaybeText = UNSET
    allocation_id: MaybeInt = UNSET
    working_floor: MaybeText = UNSET
    used_sor: MaybeBool = UNSET
    trailing_delta: MaybeInt = UNSET
    trailing_ms: MaybeInt = UNSET
    strategy_id: MaybeInt = UNSET
    strategy_type: MaybeInt = UNSET
    peg_price_type: MaybeText = UNSET
    peg_offset_type: MaybeText = UNSET
    peg_offset: MaybeInt = UNSET
    pegged_price: MaybeDecimal = UNSET

    @property
    def own_client_id(self) -> str:
        """The client id of the order itself."""
        return self.original_client_id or self.client_id


class PositionBalance(Body, frozen=True, rename={"asset": "a", "free": "f", "locked": "l"}):
    asset: str
    free: Decimal
    locked: Decimal


class AccountPosition(
    Body,
    frozen=True,
    tag_field="e",
    tag="outboundAccountPosition",
    rename={"event_ms": "E", "updated_ms": "u", "balances": "B"},
):
    """What is owned of assets that may have changed; of all others nothing has."""

    event_ms: int
    updated_ms: int
    balances: tuple[PositionBalance, ...]

    def owned(self) -> dict[str, Decimal]:
        """Return what is owned, free and locked together, of each asset that is told; 0 is told, too."""
        return {one.asset: EXACT.add(one.free, one.locked) for one in self.balances}


class BalanceUpdate(
    Body,
    frozen=True,
    tag_field="e",
    tag="balanceUpdate",
    rename={"event_ms": "E", "asset": "a", "change": "d", "time_ms": "T"},
):
    """A deposit, a withdrawal, or a transfer between accounts."""

    event_ms: int
    asset: str
    change: Decimal
    time_ms: int


class ExternalLockUpdate(
    Body,
    frozen=True,
    tag_field="e",
    tag="externalLockUpdate",
    rename={"event_ms": "E", "asset": "a", "change": "d", "time_ms": "T"},
):
    """Something outside of spot locks more of an asset, or less."""

    event_ms: int
    asset: str
    change: Decimal
    time_ms: int


class ListedOrder(Body, frozen=True, rename={"symbol": "s", "order_id": "i", "client_id": "c"}):
    symbol: str
    order_id: int
    client_id: str


class ListStatus(
    Body,
    frozen=True,
    tag_field="e",
    tag="listStatus",
    rename={
        "event_ms": "E",
        "symbol": "s",
        "list_id": "g",
        "contingency": "c",
        "list_status": "l",
        "order_status": "L",
        "reject_reason": "r",
        "list_client_id": "C",
        "time_ms": "T",
        "orders": "O",
    },
):
    """What became of a list of orders, such as one cancels the other. Nothing here sends them."""

    event_ms: int
    symbol: str
    list_id: int
    contingency: str
    list_status: str
    order_status: str
    reject_reason: str
    list_client_id: str
    time_ms: int
    orders: tuple[ListedOrder, ...]


class EventStreamTerminated(Body, frozen=True, tag_field="e", tag="eventStreamTerminated", rename={"event_ms": "E"}):
    """No more events come: subscribe again."""

    event_ms: int


class ShutdownEvent(Body, frozen=True, tag_field="e", tag="serverShutdown", rename={"event_ms": "E"}):
    """The venue is about to cut the connection: open another one now."""

    event_ms: MaybeInt = UNSET


AccountEvent = (
    ExecutionReport
    | AccountPosition
    | BalanceUpdate
    | ExternalLockUpdate
    | ListStatus
    | EventStreamTerminated
    | ShutdownEvent
)


class ApiErrorData(Body, frozen=True):
    """``retry_after``: when something may be sent again, Unix milliseconds."""

    server_time: MaybeInt = UNSET
    retry_after: MaybeInt = UNSET


class ApiError(Body, frozen=True):
    """An error as Binance tells it."""

    code: int
    msg: str = ""
    data: ApiErrorData | UnsetType = UNSET


class Answer(Body, frozen=True):
    """The answer to a frame, or an error that no frame's id is known of (``id`` is ``None``)."""

    id: int | str | None
    status: int
    result: msgspec.Raw | UnsetType = UNSET
    error: ApiError | UnsetType = UNSET
    rate_limits: tuple[RateLimit, ...] | UnsetType = UNSET


class Event(Body, frozen=True):
    """An event, and which subscription it is of."""

    event: AccountEvent
    subscription_id: MaybeInt = UNSET


class UnknownEvent(Body, frozen=True):
    """An event of a kind that isn't known."""

    event: msgspec.Raw
    name: str = ""


class LogOn(Body, frozen=True):
    """The answer to ``session.logon``. The key that it repeats is not kept."""

    authorized_since: int | None
    server_time: MaybeInt = UNSET
    user_data_stream: bool | UnsetType | None = UNSET


class Subscription(Body, frozen=True):
    """The answer to a subscription to the account's events."""

    subscription_id: int


class _Tagged(msgspec.Struct):
    e: str = ""


class _Loose(msgspec.Struct):
    id: int | str | UnsetType | None = UNSET
    event: msgspec.Raw | UnsetType = UNSET


_EVENT = msgspec.json.Decoder(Event)
_ANSWER = msgspec.json.Decoder(Answer)
_LOOSE = msgspec.json.Decoder(_Loose)
_TAGGED = msgspec.json.Decoder(_Tagged)

_KNOWN = frozenset(one.__struct_config__.tag for one in AccountEvent.__args__)


def decode_api(message: bytes | str) -> Answer | Event | UnknownEvent:
    """Return what a message of the WebSocket API says.

    Raises:
        WireError: it isn't what Binance documents; says where. What it holds is not said: it may be the key.
    """
    raw = message.encode() if isinstance(message, str) else message
    try:
        loose = _LOOSE.decode(raw)
        if isinstance(loose.event, UnsetType):
            return _ANSWER.decode(raw)
        name = _TAGGED.decode(loose.event).e
        return _EVENT.decode(raw) if name in _KNOWN else UnknownEvent(event=loose.event, name=name)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(f"Binance: a message of the WebSocket API can't be read: {error}") from None
