"""Whom a connection to a venue trusts."""

from __future__ import annotations

import ssl
from pathlib import Path

from trioarb.errors import VenueError

__all__ = ["tls_context"]


def tls_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """Return a context that trusts whom the operating system trusts.

    Args:
        ca_file: Further authorities to trust, as PEM.

    Raises:
        VenueError: That file can't be read, or holds no certificate.
    """
    import truststore

    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise VenueError(f"ca_file {ca_file} can't be used: {error}; expected certificates as PEM text") from None
    return context
