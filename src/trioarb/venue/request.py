"""A request to a venue as it goes over the wire, and what came back."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

__all__ = ["Credentials", "Request", "Response"]


@attrs.frozen(kw_only=True)
class Credentials:
    """What a venue knows an account by. Neither is ever shown.

    Attributes:
        api_key: What it calls so.
        secret: What the venue calls so, or a private key as PEM text.
    """

    api_key: str = attrs.field(repr=False)
    secret: str = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Request:
    """One request, signed where it has to be. Query, headers and body may hold keys and signatures, and are not shown.

    Attributes:
        method: Such as ``GET``.
        path: Begins with ``/``.
        query: What stands behind the ``?``, percent-encoded.
        headers: Names and values.
        body: Sent as it is.
        group: Which of the venue's limits it counts in.
        weight: How much of it.
        is_read: It changes nothing, so it may be sent again.
    """

    method: str
    path: str
    query: str = attrs.field(default="", repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    body: bytes = attrs.field(default=b"", repr=False)
    group: str = ""
    weight: int = 1
    is_read: bool = False

    @property
    def target(self) -> str:
        """Path and query, as the first line of a request has them."""
        return f"{self.path}?{self.query}" if self.query else self.path


@attrs.frozen(kw_only=True)
class Response:
    """What a venue answered.

    Attributes:
        status: Of HTTP.
        headers: Names are in lower case.
        body: Unpacked.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    body: bytes = attrs.field(default=b"", repr=False)

    @property
    def is_success(self) -> bool:
        """Whether the status is one of 200 to 299."""
        return 200 <= self.status < 300
