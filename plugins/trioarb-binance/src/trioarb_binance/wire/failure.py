"""What an error of Binance means: for an order, for a cancellation, and for whoever sends the next request.

Only -2013, "Order does not exist", says that Binance has no such order. An order that a time-out, a server error, a
limit or a code that isn't known was the answer to may have been carried out: its fate is unknown.
"""

from __future__ import annotations

from enum import Enum

import attrs
import msgspec
from msgspec import UnsetType

from trioarb.api import OrderRejected, VenueError
from trioarb.venue import Response
from trioarb_binance.wire.account_message import Answer, ApiError
from trioarb_binance.wire.limits import retry_after_seconds

__all__ = ["Failure", "Meaning", "failure_of", "failure_of_answer"]

_SHOWN_CHARACTERS = 200


class Meaning(Enum):
    """What an error means."""

    REFUSED = "refused"
    """It was not carried out, and never will be."""
    UNKNOWN = "unknown"
    """It may have been carried out."""
    NO_SUCH_ORDER = "no such order"
    """Binance has no order of this id. Said of an order, and only in answer to a query for it."""
    NOT_CANCELLED = "not cancelled"
    """Binance has no open order of this id: it is done, or never was. What became of it, only a query tells."""
    DUPLICATE = "duplicate"
    """An open order has this client id: this one reached Binance before, in another copy."""
    CLOCK = "clock"
    """It came too late, or from the future, and was not carried out: measure the clocks' offset."""
    KEY = "key"
    """The key may not do this, or the signature is wrong; it was not carried out."""
    LIMITED = "limited"
    """More was sent than the limits allow, and it was not carried out: wait."""
    BANNED = "banned"
    """As LIMITED, and nothing is answered until the ban is over."""


#: Code of an order that the matching engine refused; its message says why.
_NEW_ORDER_REJECTED, _MESSAGE_RECEIVED, _CANCEL_REJECTED, _NO_SUCH_ORDER = -2010, -1010, -2011, -2013
_DUPLICATE = "duplicate order sent"

#: The page's "Request issues", none of which reaches the matching engine.
_FIRST_REQUEST_ISSUE, _LAST_REQUEST_ISSUE = -1199, -1100
_MEANINGS = {
    **dict.fromkeys((-1000, -1001, -1006, -1007, -1008, -1016), Meaning.UNKNOWN),
    **dict.fromkeys((-1002, -1022, -2008, -2014, -2015), Meaning.KEY),
    **dict.fromkeys((-1003, -1015, -1034), Meaning.LIMITED),
    -1021: Meaning.CLOCK,
    _NO_SUCH_ORDER: Meaning.NO_SUCH_ORDER,
    _CANCEL_REJECTED: Meaning.NOT_CANCELLED,
    **dict.fromkeys(
        (-1013, -1014, -1020, -1210, -1211, -1220, _NEW_ORDER_REJECTED, _MESSAGE_RECEIVED), Meaning.REFUSED
    ),
    # Of USDT-margined futures: margin or balance too small, would trigger or increase, conditional orders' endpoint,
    # notional too small, FOK that doesn't fill, post-only that would take.
    **dict.fromkeys((-2018, -2019, -2021, -2022, -4120, -4164, -5021, -5022), Meaning.REFUSED),
}


@attrs.frozen(kw_only=True)
class Failure:
    """An answer that is an error. ``code`` is 0 where it has none, as from a firewall or a proxy.

    ``retry_after_seconds``: for so long nothing may be sent; ``retry_after_ms``: not before then, Unix milliseconds by
    Binance's clock. REST tells the one, the WebSocket API the other.
    """

    meaning: Meaning
    status: int
    code: int
    message: str
    retry_after_seconds: int | None = None
    retry_after_ms: int | None = None

    def __str__(self) -> str:
        code = f" ({self.code})" if self.code else ""
        remedy = "; see api_key and api_secret, and what the key may do" if self.meaning is Meaning.KEY else ""
        return f"Binance: {self.message or 'no reason given'}{code}, HTTP status {self.status}{remedy}"

    def of_order(self) -> VenueError:
        """Return what to raise where an order was sent: `OrderRejected` only if it is certain that it won't fill."""
        is_certain = self.meaning in (Meaning.REFUSED, Meaning.CLOCK, Meaning.KEY, Meaning.LIMITED, Meaning.BANNED)
        return OrderRejected(str(self)) if is_certain else VenueError(str(self))

    def of_request(self) -> VenueError:
        """Return what to raise where anything else was asked."""
        return VenueError(str(self))


def failure_of(response: Response) -> Failure:
    """Return what an answer that is no success means."""
    try:
        error = _ERROR.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        error = ApiError(code=0, msg=response.body[:_SHOWN_CHARACTERS].decode("utf-8", "replace"))
    return Failure(
        meaning=_meaning(response.status, error),
        status=response.status,
        code=error.code,
        message=error.msg[:_SHOWN_CHARACTERS],
        retry_after_seconds=retry_after_seconds(response),
    )


def failure_of_answer(answer: Answer) -> Failure:
    """Return what an answer of the WebSocket API that is an error means."""
    error = ApiError(code=0) if isinstance(answer.error, UnsetType) else answer.error
    retry_after = None if isinstance(error.data, UnsetType) else error.data.retry_after
    return Failure(
        meaning=_meaning(answer.status, error),
        status=answer.status,
        code=error.code,
        message=error.msg[:_SHOWN_CHARACTERS],
        retry_after_ms=None if isinstance(retry_after, UnsetType) else retry_after,
    )


def _meaning(status: int, error: ApiError) -> Meaning:
    if status == 418:
        return Meaning.BANNED
    if status == 429:
        return Meaning.LIMITED
    if not 400 <= status < 500 or not error.code:
        # A server error says nothing of what was carried out, whatever its code; nor does a firewall's page.
        return Meaning.UNKNOWN
    if error.code in (_NEW_ORDER_REJECTED, _MESSAGE_RECEIVED) and _DUPLICATE in error.msg.lower():
        return Meaning.DUPLICATE
    if _FIRST_REQUEST_ISSUE <= error.code <= _LAST_REQUEST_ISSUE:
        return Meaning.REFUSED
    return _MEANINGS.get(error.code, Meaning.UNKNOWN)


_ERROR = msgspec.json.Decoder(ApiError)
