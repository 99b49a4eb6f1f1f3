"""Why a request failed: in words that say what to do, and whether the venue may have got it."""

from __future__ import annotations

import socket
import ssl

from trioarb.errors import OrderRejected, VenueError, clean, cut, said_by
from trioarb.venue.host import Host
from trioarb.venue.request import Request, Response

__all__ = ["NotSent", "RequestFailed", "failed", "refused_status"]

_SHOWN_CHARACTERS = 200
_SHORTEST_SECRET = 8


class RequestFailed(VenueError):
    """A request has no answer that can be used.

    Attributes:
        was_sent: Some of it may have reached the venue.
        may_pass: It is no fault of configuration or permissions, so a read may be sent again.
        response: The answer, where the venue gave one, but with a status of 3xx or 5xx.
    """

    def __init__(
        self, message: str, *, was_sent: bool, may_pass: bool = True, response: Response | None = None
    ) -> None:
        self.was_sent = was_sent
        self.may_pass = may_pass
        self.response = response
        super().__init__(message)


class NotSent(OrderRejected):
    """Not one byte of what would have changed something left: it is certain that it changed nothing."""


def failed(
    venue: str, host: Host, request: Request, error: BaseException | str, *, was_sent: bool, may_pass: bool = True
) -> RequestFailed:
    """Return what became of a request for which there is no answer, as an error."""
    what, passes = (error, True) if isinstance(error, str) else _why(host, error)
    fate = "the venue may have got it, so ask before anything is sent again" if was_sent and not request.is_read else ""
    text = "; ".join(part for part in (f"{_asked(venue, request)}: {what}", fate) if part)
    return RequestFailed(text, was_sent=was_sent, may_pass=may_pass and passes)


def refused_status(venue: str, request: Request, response: Response) -> RequestFailed | None:
    """Return the error that an answer is by its status: a redirection, or the venue's own failure."""
    if response.is_success or 400 <= response.status < 500:
        return None
    said = cut(clean(response.body[:_SHOWN_CHARACTERS].decode("utf-8", "replace")), _SHOWN_CHARACTERS)
    fate = "" if request.is_read else "; whether it did what was asked is unknown"
    hint = "; the address of the venue's host may have changed" if response.status < 400 else ""
    return RequestFailed(
        f"{_asked(venue, request)}: answered with status {response.status}{_without_secrets(f': {said}', request)}"
        f"{hint}{fate}",
        was_sent=True,
        may_pass=response.status >= 500,
        response=response,
    )


def _asked(venue: str, request: Request) -> str:
    return f"{venue}: {request.method} {request.path}"


def _without_secrets(text: str, request: Request) -> str:
    """Return an answer's text without what it says after the request: keys and signatures are in there."""
    values = [part.partition("=")[2] for part in request.query.split("&")]
    for header in request.headers.values():
        values += header.split()
    for value in (request.query, *values):
        if len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, "***")
    return text


def _why(host: Host, error: BaseException) -> tuple[str, bool]:
    """Return what happened and what to do, and whether it may pass by itself."""
    causes = list(_causes(error))
    for cause in causes:
        match cause:
            case ssl.SSLCertVerificationError():
                return (
                    f"{host.authority} is not who it says it is: {cause.verify_message}; "
                    "if its authority is to be trusted, name a file with that one's certificate as ca_file",
                    False,
                )
            case ssl.SSLError():
                return (
                    f"no TLS with {host.authority}: {cause.reason or 'it was cut'}; check address, port and proxy",
                    True,
                )
            case socket.gaierror():
                what = f"proxy {host.proxy_address[0]}" if host.proxy_address else host.name
                return f"the name of {what} can't be resolved: {cause.strerror}; check network and address", True
    told = causes[-1]
    through = f" through the proxy {host.proxy_address[0]}:{host.proxy_address[1]}" if host.proxy_address else ""
    return f"no answer from {host.authority}{through}: {type(told).__name__}: {cut(said_by(told), 200)}", True


def _causes(error: BaseException) -> list[BaseException]:
    """Return an error and what led to it, the deepest last; of a group the first of its errors."""
    found = [error]
    while len(found) < 20:
        last = found[-1]
        deeper = last.exceptions[0] if isinstance(last, BaseExceptionGroup) else last.__cause__ or last.__context__
        if deeper is None:
            break
        found.append(deeper)
    return found
