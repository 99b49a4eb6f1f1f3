"""Who signs: a key of Binance, with either a secret (HMAC) or a private key (Ed25519)."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from trioarb.venue import Credentials, base64_of, hmac_digest

__all__ = ["Signer", "Stamp", "signer_of"]


@attrs.frozen(kw_only=True)
class Signer:
    """Signs texts. ``logs_on``: sessions of the WebSocket API can be authenticated with it, which takes Ed25519."""

    api_key: str = attrs.field(repr=False)
    logs_on: bool
    sign: Callable[[str], str] = attrs.field(repr=False)
    """Returns the signature of a text: hexadecimal by HMAC, base64 by Ed25519."""


@attrs.frozen(kw_only=True)
class Stamp:
    """Who signs a request, and when. Binance refuses it (-1021) from ``recv_window_ms`` after ``now_ms`` on, by its own
    clock; ``None``: from 5,000 ms on.
    """

    signer: Signer
    now_ms: int
    recv_window_ms: int | None = None


def signer_of(credentials: Credentials) -> Signer:
    """Return who signs with these credentials. A secret that is PEM text is a private key, any other is for HMAC.

    Raises:
        ValueError: it is PEM text, but no private Ed25519 key without a password. Says nothing of what it holds.
    """
    secret = credentials.secret
    if "-----BEGIN" not in secret:
        return Signer(
            api_key=credentials.api_key, logs_on=False, sign=lambda text: hmac_digest(secret, text, "sha256").hex()
        )
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(secret.strip().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(
            "Binance: the secret is PEM text, but no private Ed25519 key without a password; make one by "
            "`openssl genpkey -algorithm ed25519`, and register its public half with Binance"
        )
    sign = key.sign
    return Signer(api_key=credentials.api_key, logs_on=True, sign=lambda text: base64_of(sign(text.encode())))
