"""What the venue says when it doesn't do what it was asked, and what is certain then.

Source: both venues' pages on errors. What isn't listed there is *unknown*: an order that it was said of is asked for.
"""

from __future__ import annotations

import re
from enum import Enum

import attrs
import msgspec

from trioarb.api import OrderRejected, VenueError
from trioarb.venue import Response

__all__ = ["Failure", "FailureKind", "failure_of"]

_MOST_CHARACTERS = 200


class FailureKind(Enum):
    REJECTED = "rejected"
    """It was refused before anything was done."""
    NO_SUCH_ORDER = "no_such_order"
    LIMITED = "limited"
    """Too many requests; this one was not looked at."""
    BANNED = "banned"
    """Too many requests for too long: none is looked at for a while."""
    UNKNOWN = "unknown"


@attrs.frozen(kw_only=True)
class Failure:
    """``name`` is the venue's own of the error, '' where it sent none."""

    kind: FailureKind
    status: int
    name: str
    message: str

    def error(self, what: str) -> VenueError:
        """Return the error to raise; ``what`` was asked for."""
        text = f"{what}: {self.name or f'HTTP {self.status}'}"
        remedy = _REMEDIES.get(self.name, "")
        return VenueError((f"{text} ({self.message})" if self.message else text) + remedy)

    def rejection(self, what: str) -> VenueError:
        """Return the error to raise of an order that was sent: rejected where it is certain, and only there."""
        error = self.error(what)
        is_certain = self.kind in (FailureKind.REJECTED, FailureKind.LIMITED, FailureKind.BANNED)
        return OrderRejected(str(error)) if is_certain else error


class _Error(msgspec.Struct):
    name: str | int = ""
    message: str = ""


class _Body(msgspec.Struct):
    error: _Error | None = None


#: Each stands, with a side in its name perhaps, for an order that was looked at and refused.
_REFUSED_ORDERS = (
    "create_error",
    "cross_trading",
    "insufficient_funds",
    "invalid_price",
    "invalid_volume",
    "over_max_total",
    "under_min_total",
    "under_price_limit",
)
#: The request came from nobody who may ask it, can't be read, or its market is closed: nothing was done.
_REFUSED_REQUESTS = (
    "NotAllowIP",
    "bank_account_required",
    "blocked_member_id",
    "expired_access_key",
    "expired_jwt",
    "invalid_access_key",
    "invalid_parameter",
    "invalid_query_payload",
    "jwt_verification",
    "market_offline",
    "no_authorization_i_p",
    "no_authorization_ip",
    "out_of_scope",
    "two_factor_auth_required",
    "validation_error",
)
_SEE_KEY = "; see api_key and api_secret"
_SEE_ADDRESS = (
    "; the key works from other addresses than this machine's: add its address where the venue lists its keys"
)
#: What a user can do about it.
_REMEDIES = {
    **dict.fromkeys(("expired_access_key", "invalid_access_key", "jwt_verification"), _SEE_KEY),
    **dict.fromkeys(("NotAllowIP", "no_authorization_i_p", "no_authorization_ip"), _SEE_ADDRESS),
    "out_of_scope": "; the key may not do that: allow it where the venue lists its keys",
}
#: ``under_min_total_bid``, ``create_ask_error``.
_SIDE = re.compile("_(bid|ask)(?=$|_error$)")
_NO_SUCH_ORDER = "order_not_found"
_LIMITED = "too_many_requests"


def failure_of(response: Response) -> Failure | None:
    """Return why a request failed; ``None``: it didn't. An error counts whatever the status is that it came with."""
    error = _error(response.body)
    if error is None and response.is_success:
        return None
    name = str(error.name) if error else ""
    return Failure(
        kind=_kind(response.status, name),
        status=response.status,
        name=name[:_MOST_CHARACTERS],
        message=error.message[:_MOST_CHARACTERS] if error else "",
    )


def _error(body: bytes) -> _Error | None:
    try:
        return msgspec.json.decode(body, type=_Body).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None  # a list, or a page of somebody between us and the venue


def _kind(status: int, name: str) -> FailureKind:
    if status == 418:
        return FailureKind.BANNED
    if status == 429 or name == _LIMITED:
        return FailureKind.LIMITED
    if status >= 500:
        return FailureKind.UNKNOWN
    if name == _NO_SUCH_ORDER:
        return FailureKind.NO_SUCH_ORDER
    is_refused = _SIDE.sub("", name) in _REFUSED_ORDERS or name in _REFUSED_REQUESTS
    return FailureKind.REJECTED if is_refused else FailureKind.UNKNOWN
