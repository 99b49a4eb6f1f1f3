"""Who asks: a JSON web token of each request, signed with the secret (HS256), valid for its parameters alone.

Source: both venues' pages on authenticated requests. The query is hashed as it is written before percent-encoding; a
body as if it were a query, its keys in the order of the body.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha512
from urllib.parse import unquote

import attrs

from trioarb.venue import Credentials, Request, json_web_token

__all__ = ["hashed_text", "private_headers", "signed"]


def signed(request: Request, credentials: Credentials, *, nonce: str, now_ms: int | None = None) -> Request:
    """Return a request with the header that authorizes it. Sent again, it needs another nonce.

    ``nonce``: a UUID that was never used with this key. ``now_ms``: Unix milliseconds by the venue's clock, where the
    venue wants a time in its tokens (Bithumb does, Upbit has none).
    """
    return attrs.evolve(
        request,
        headers={**request.headers, "Authorization": _bearer(credentials, nonce, now_ms, hashed_text(request))},
    )


def private_headers(credentials: Credentials, *, nonce: str, now_ms: int | None = None) -> Mapping[str, str]:
    """Return the headers of a handshake for the account's own messages. An ``Origin`` would be limited."""
    return {"Authorization": _bearer(credentials, nonce, now_ms, "")}


def hashed_text(request: Request) -> str:
    """Return what is hashed of a request: its query, or its body as one; '' where it has neither.

    Raises:
        ValueError: the body is no flat JSON object of texts and lists of them: its hash is not documented.
    """
    if request.query:
        return unquote(request.query)
    if not request.body:
        return ""
    body = json.loads(request.body, parse_float=Decimal)
    if not isinstance(body, dict):
        raise ValueError(f"{request.path}: the body is no object")
    return "&".join(part for key, value in body.items() for part in _parts(request.path, key, value))


def _parts(path: str, key: str, value: object) -> list[str]:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return [f"{key}[]={one}" for one in value]
    if isinstance(value, dict | list | bool) or value is None:
        raise ValueError(f"{path}: {key} is neither text nor a number nor a list of texts")
    return [f"{key}={value}"]


def _bearer(credentials: Credentials, nonce: str, now_ms: int | None, text: str) -> str:
    claims: dict[str, object] = {"access_key": credentials.api_key, "nonce": nonce}
    if now_ms is not None:
        claims["timestamp"] = now_ms
    if text:
        claims["query_hash"] = sha512(text.encode()).hexdigest()
        claims["query_hash_alg"] = "SHA512"
    return f"Bearer {json_web_token(claims, credentials.secret)}"
