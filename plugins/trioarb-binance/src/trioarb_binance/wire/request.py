"""REST requests to Binance, plain and signed."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from trioarb.venue import Request
from trioarb_binance.wire.signer import Stamp

__all__ = ["ORDERS", "WALLET", "WEIGHT", "Parameters", "public", "signed"]

#: Parameters of a request; those that are ``None`` are left out.
Parameters = Mapping[str, str | int | None]

#: Which limits a request counts in: the weight of its IP address; that, and the account's unfilled orders; or the
#: limits that each endpoint below /sapi has of its own.
WEIGHT, ORDERS, WALLET = "weight", "orders", "wallet"

_FORM = "application/x-www-form-urlencoded"


def public(path: str, parameters: Parameters | None = None, *, weight: int, group: str = WEIGHT) -> Request:
    """Return a request for what anybody may read."""
    return Request(method="GET", path=path, query=encoded(parameters or {}), group=group, weight=weight, is_read=True)


def signed(
    method: str, path: str, parameters: Parameters, stamp: Stamp, *, weight: int, group: str = WEIGHT
) -> Request:
    """Return a signed request; one by GET is a read. A POST has its parameters as body, any other as query.

    What is signed are the parameters as they are sent, percent-encoded (since 2026-01-15; -1022 otherwise).
    """
    timed = {**parameters, "timestamp": stamp.now_ms, "recvWindow": stamp.recv_window_ms}
    payload = encoded(timed)
    payload = f"{payload}&{encoded({'signature': stamp.signer.sign(payload)})}"
    is_form = method == "POST"
    headers = {"X-MBX-APIKEY": stamp.signer.api_key}
    return Request(
        method=method,
        path=path,
        query="" if is_form else payload,
        headers={**headers, "Content-Type": _FORM} if is_form else headers,
        body=payload.encode("ascii") if is_form else b"",
        group=group,
        weight=weight,
        is_read=method == "GET",
    )


def encoded(parameters: Parameters) -> str:
    """Return parameters as they stand behind the ``?``."""
    return urlencode([one for one in parameters.items() if one[1] is not None], quote_via=quote)
