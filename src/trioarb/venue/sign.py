"""Signatures, as pure functions of what is signed and a secret."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping

__all__ = ["account_id", "base64_of", "hmac_digest", "json_web_token"]


def hmac_digest(secret: str | bytes, text: str | bytes, algorithm: str = "sha256") -> bytes:
    """Return the HMAC of a text, by RFC 2104.

    Args:
        secret: The key, as text (UTF-8) or bytes.
        text: What is signed.
        algorithm: One of `hashlib`'s names.
    """
    return hmac.digest(_bytes(secret), _bytes(text), algorithm)


def base64_of(digest: bytes) -> str:
    """Return bytes in the standard base64 alphabet, padded.

    Args:
        digest: Any bytes.
    """
    return b64encode(digest).decode("ascii")


def json_web_token(claims: Mapping[str, object], secret: str | bytes) -> str:
    """Return a signed JSON web token of the algorithm HS256, by RFC 7515 and 7519.

    Args:
        claims: What it says, as JSON knows values; they keep their order.
        secret: The key, as text (UTF-8) or bytes.
    """
    header = {"alg": "HS256", "typ": "JWT"}
    parts = ".".join(_url_safe(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
    return f"{parts}.{_url_safe(hmac_digest(secret, parts))}"


def _url_safe(part: bytes) -> str:
    return urlsafe_b64encode(part).rstrip(b"=").decode("ascii")


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def account_id(venue: str, api_key: str) -> str:
    """Return what tells a key's account from others, and doesn't show the key: `Exchange.account_id`.

    Args:
        venue: The venue's name.
        api_key: The key.
    """
    return f"{venue}-{hashlib.blake2b(api_key.encode(), digest_size=8).hexdigest()}"
