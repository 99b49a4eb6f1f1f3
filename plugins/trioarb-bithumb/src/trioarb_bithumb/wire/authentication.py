"""Bithumb's tokens are Upbit's with a time in them: whoever signs needs the venue's clock."""

from __future__ import annotations

from collections.abc import Mapping

from trioarb.venue import Credentials, Request
from trioarb_upbit.dialect import authentication

__all__ = ["private_headers", "signed"]


def signed(request: Request, credentials: Credentials, *, nonce: str, now_ms: int) -> Request:
    """Return a request with the header that authorizes it. Sent again, it needs another nonce and the time of then.

    ``nonce``: a UUID that was never used with this key. ``now_ms``: Unix milliseconds by the venue's clock.
    """
    return authentication.signed(request, credentials, nonce=nonce, now_ms=now_ms)


def private_headers(credentials: Credentials, *, nonce: str, now_ms: int) -> Mapping[str, str]:
    """Return the headers of a handshake for the account's own messages."""
    return authentication.private_headers(credentials, nonce=nonce, now_ms=now_ms)
