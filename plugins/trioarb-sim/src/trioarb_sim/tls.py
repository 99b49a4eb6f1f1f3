"""A certificate authority of one run: nobody else trusts it, and nothing of it is kept."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme

__all__ = ["Authority"]


class Authority:
    """Issues the server's certificate for names and addresses; `write` puts its own, public part into a file."""

    def __init__(self) -> None:
        self._ca = trustme.CA()

    def server(self, *names: str) -> ssl.SSLContext:
        """Return a context for a server of these names, besides ``localhost`` and 127.0.0.1."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert("localhost", "127.0.0.1", *names).configure_cert(context)
        return context

    def write(self, path: Path) -> None:
        """Write what clients have to trust, as PEM."""
        self._ca.cert_pem.write_to_path(str(path))
