"""Messages of Binance's market streams, and bodies of books: prices and sizes are floats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from trioarb.api import decimal_of
from trioarb.venue import WireError

__all__ = [
    "HEAD",
    "BookSnapshot",
    "BookTicker",
    "DepthUpdate",
    "MarkPrice",
    "MarketDecoder",
    "Passed",
    "PartialDepth",
    "RestBookTicker",
    "ServerShutdown",
    "StreamReference",
    "Streamed",
    "StreamsAnswer",
    "Why",
    "decode_best",
    "decode_snapshot",
    "stream_of",
]

T = TypeVar("T")

#: Nothing that is NaN, infinite or below zero passes; msgspec sees to it as it decodes.
Size = Annotated[float, Meta(ge=0.0, le=1e300)]
#: Prices with sizes, 0 for nothing. Not checked: whoever puts them into a book has to look at each, as the kit's does.
Changes = list[tuple[float, float]]
CheckedLevels = list[tuple[Size, Size]]

#: How messages of combined streams begin; the stream's name follows.
HEAD = b'{"stream":"'


class BookTicker(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Best prices; a side that isn't there has price and size 0. Futures tell times, spot doesn't.

    ``pair`` is told by coin-margined futures only, whose sizes are contracts.
    """

    last_id: int = field(name="u")
    symbol: str = field(name="s")
    bid: Size = field(name="b")
    bid_size: Size = field(name="B")
    ask: Size = field(name="a")
    ask_size: Size = field(name="A")
    event: Literal["bookTicker"] | UnsetType = field(name="e", default=UNSET)
    event_ms: int | UnsetType = field(name="E", default=UNSET)
    time_ms: int | UnsetType = field(name="T", default=UNSET)
    pair: str | UnsetType = field(name="ps", default=UNSET)


class DepthUpdate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Changes of a book, numbered; of futures, ``previous_id`` is the last number of the message before.

    On futures, streams of the best levels come in the same form: then they are the whole of these levels.
    """

    event_ms: int = field(name="E")
    symbol: str = field(name="s")
    first_id: int = field(name="U")
    last_id: int = field(name="u")
    bids: Changes = field(name="b")
    asks: Changes = field(name="a")
    event: Literal["depthUpdate"] = field(name="e")
    time_ms: int | UnsetType = field(name="T", default=UNSET)
    previous_id: int | UnsetType = field(name="pu", default=UNSET)
    pair: str | UnsetType = field(name="ps", default=UNSET)


class PartialDepth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, rename="camel"):
    """The best levels of a spot book; which symbol's says the stream."""

    last_update_id: int
    bids: CheckedLevels
    asks: CheckedLevels


class BookSnapshot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, rename="camel"):
    """A book as REST tells it. Futures tell times; coin-margined ones the symbol, too."""

    last_update_id: int
    bids: CheckedLevels
    asks: CheckedLevels
    event_ms: int | UnsetType = field(name="E", default=UNSET)
    time_ms: int | UnsetType = field(name="T", default=UNSET)
    symbol: str | UnsetType = UNSET
    pair: str | UnsetType = UNSET


class RestBookTicker(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, rename="camel"):
    """Best prices as REST tells them."""

    symbol: str
    bid_price: Size
    bid_qty: Size
    ask_price: Size
    ask_qty: Size
    time: int | UnsetType = UNSET
    last_update_id: int | UnsetType = UNSET


class MarkPrice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Mark price of a contract, and rate and time of its next funding, which contracts that end don't have."""

    event_ms: int = field(name="E")
    symbol: str = field(name="s")
    mark: Size = field(name="p")
    event: Literal["markPriceUpdate"] = field(name="e")
    next_funding_ms: int = field(name="T")
    funding_rate: str = field(name="r")
    settle_price: Size | UnsetType = field(name="P", default=UNSET)
    index: Size | UnsetType = field(name="i", default=UNSET)
    average_mark: Size | UnsetType = field(name="ap", default=UNSET)
    pair: str | UnsetType = field(name="ps", default=UNSET)

    @property
    def funding_bps(self) -> float | None:
        """What longs pay shorts at the next funding, in basis points of the mark value; ``None``: there is none.

        Raises:
            WireError: it is no number.
        """
        if not self.funding_rate:
            return None
        return float(decimal_of(self.funding_rate, f"funding rate of {self.symbol}")) * 10_000


class StreamReference(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The price that the range of executions is around; ``None``: there is none now."""

    event: Literal["referencePrice"] = field(name="e")
    symbol: str = field(name="s")
    price: Size | None = field(name="r")
    time_ms: int = field(name="t")


class ServerShutdown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The venue is about to cut the connection: open another one now."""

    event: Literal["serverShutdown"] = field(name="e")
    event_ms: int | UnsetType = field(name="E", default=UNSET)


class Streamed(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """A message, and the stream that it is of."""

    stream: str
    data: T


class Why(Enum):
    """Why a message was passed on as it is."""

    UNUSED = "unused"
    """Of a stream that is known, and not used here."""
    RETIRED = "retired"
    """Of a stream that Binance doesn't have any more."""
    UNKNOWN = "unknown"
    """Of a stream that isn't known."""


class Passed(msgspec.Struct, frozen=True, gc=False):
    """A message that was not decoded."""

    stream: str
    why: Why
    data: msgspec.Raw


class StreamsAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to a subscription; ``code`` and ``msg`` where it was refused."""

    id: int | str | UnsetType | None = UNSET
    result: list[str] | bool | UnsetType | None = UNSET
    code: int | UnsetType = UNSET
    msg: str | UnsetType = UNSET
    error: dict[str, int | str] | UnsetType = UNSET

    @property
    def is_refusal(self) -> bool:
        return self.code is not UNSET or self.error is not UNSET


MarketMessage = (
    Streamed[BookTicker]
    | Streamed[DepthUpdate]
    | Streamed[PartialDepth]
    | Streamed[MarkPrice]
    | Streamed[list[MarkPrice]]
    | Streamed[StreamReference]
    | Streamed[ServerShutdown]
    | Passed
    | StreamsAnswer
)

#: Streams, by what stands behind the symbol (without its update speed), or by their whole name.
_USED: dict[str, object] = {
    "bookTicker": BookTicker,
    "!bookTicker": BookTicker,
    "depth": DepthUpdate,
    "markPrice": MarkPrice,
    "!markPrice@arr": list[MarkPrice],
    "referencePrice": StreamReference,
    "!serverShutdown": ServerShutdown,
}
_UNUSED = frozenset(
    {
        *("trade", "aggTrade", "blockTrade", "kline", "ticker", "miniTicker", "avgPrice", "forceOrder"),
        *("!miniTicker@arr", "!ticker_1h@arr", "!ticker_4h@arr", "!ticker_1d@arr", "!forceOrder@arr"),
    }
)
#: Since 2026-03-26 (``!ticker@arr``); streams of the options API before 2022 had names in upper case.
_RETIRED = frozenset({"!ticker@arr", "TRADE_ALL", "TICKER_ALL"})

_PARTIAL = frozenset({"depth5", "depth10", "depth20"})
_MOST_NAMES = 10_000


class _Loose(msgspec.Struct):
    stream: str | UnsetType = UNSET
    data: msgspec.Raw | UnsetType = UNSET


_LOOSE = msgspec.json.Decoder(_Loose)
_ANSWER = msgspec.json.Decoder(StreamsAnswer)


class MarketDecoder:
    """Decodes messages of combined streams (``/stream``), each once: which stream it is of says which struct it is.

    ``is_usdm``: they are of USDT-margined futures, whose streams of best levels have another form. ``passed`` counts
    messages that weren't decoded, by why.
    """

    def __init__(self, *, is_usdm: bool = False) -> None:
        self._used: dict[str, object] = _USED | dict.fromkeys(_PARTIAL, DepthUpdate if is_usdm else PartialDepth)
        self._decoders: dict[bytes, Callable[[bytes], MarketMessage]] = {}
        self.passed: Counter[Why] = Counter()

    def decode(self, message: bytes | str) -> MarketMessage:
        """Return what a message says.

        Raises:
            WireError: it isn't what Binance documents of this stream; says where.
        """
        raw = message.encode() if isinstance(message, str) else message
        try:
            if raw.startswith(HEAD):
                name = raw[len(HEAD) : raw.find(b'"', len(HEAD))]
                return (self._decoders.get(name) or self._decoder(name))(raw)
            return self._loose(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise WireError(f"Binance: a message can't be read: {error}: {raw[:200]!r}") from None

    def of(self, stream: str) -> Callable[[bytes], Streamed[Any]]:
        """Return what decodes messages of a stream that is used, for who sees by their beginning that they are of it.

        Unlike `decode` it raises msgspec's own errors, and `UnicodeDecodeError`.
        """
        used = self._used[_kind(stream)]
        return msgspec.json.Decoder(Streamed[used], strict=False).decode  # type: ignore[valid-type]

    def _loose(self, raw: bytes) -> MarketMessage:
        """Decode an answer, or a message whose members stand in another order."""
        loose = _LOOSE.decode(raw)
        if isinstance(loose.stream, str) and not isinstance(loose.data, UnsetType):
            return self._decoder(loose.stream.encode())(raw)
        answer = _ANSWER.decode(raw)
        if answer.id is UNSET and not answer.is_refusal:
            self.passed[Why.UNKNOWN] += 1
            return Passed("", Why.UNKNOWN, msgspec.Raw(raw))
        return answer

    def _decoder(self, name: bytes) -> Callable[[bytes], MarketMessage]:
        kind = _kind(name.decode())
        used = self._used.get(kind)
        decoder: Callable[[bytes], MarketMessage]
        if used is not None:
            # Not strict, which is about numbers: Binance writes them as texts.
            decoder = msgspec.json.Decoder(Streamed[used], strict=False).decode  # type: ignore[valid-type]
        else:
            decoder = self._passing(Why.UNUSED if kind in _UNUSED else Why.RETIRED if kind in _RETIRED else Why.UNKNOWN)
        if len(self._decoders) < _MOST_NAMES:
            self._decoders[name] = decoder
        return decoder

    def _passing(self, why: Why) -> Callable[[bytes], Passed]:
        decode = msgspec.json.Decoder(Streamed[msgspec.Raw]).decode

        def passing(raw: bytes) -> Passed:
            streamed = decode(raw)
            self.passed[why] += 1
            return Passed(streamed.stream, why, streamed.data)

        return passing


def stream_of(message: bytes) -> str:
    """Return which stream a message says that it is of, readable or not; '' if that isn't what it says first."""
    if not message.startswith(HEAD):
        return ""
    return message[len(HEAD) : max(message.find(b'"', len(HEAD)), 0)].decode("utf-8", "replace")


_SNAPSHOT = msgspec.json.Decoder(BookSnapshot, strict=False)
_BEST = msgspec.json.Decoder(RestBookTicker | list[RestBookTicker], strict=False)


def decode_snapshot(body: bytes) -> BookSnapshot:
    """Return a book of a REST answer.

    Raises:
        WireError: it isn't one; says where.
    """
    try:
        return _SNAPSHOT.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(f"Binance: a snapshot of a book can't be read: {error}: {body[:80]!r}") from None


def decode_best(body: bytes) -> list[RestBookTicker]:
    """Return the best prices of a REST answer, which may be about one symbol or about all.

    Raises:
        WireError: they aren't any; says where.
    """
    try:
        best = _BEST.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(f"Binance: best prices can't be read: {error}: {body[:80]!r}") from None
    return best if isinstance(best, list) else [best]


def _kind(stream: str) -> str:
    if stream.startswith("!"):
        return stream.removesuffix("@1s")
    kind = stream.partition("@")[2].partition("@")[0]
    return "kline" if kind.startswith("kline_") else "ticker" if kind.startswith("ticker_") else kind
