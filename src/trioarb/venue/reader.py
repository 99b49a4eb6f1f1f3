"""What is slow anyway: requests that only read, over a pool of connections."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import trio

from trioarb.venue.failure import failed
from trioarb.venue.host import Host
from trioarb.venue.request import Request, Response

if TYPE_CHECKING:
    import httpx

__all__ = ["Reader"]

_CONNECTIONS = 10
_KEPT_SECONDS = 30.0


class Reader:
    """Sends requests by httpx. An async context manager, which owns the connections.

    It goes below httpx's own client: that one logs whole addresses, in which there may be signatures, and remembers
    cookies.
    """

    def __init__(self, venue: str, host: Host) -> None:
        import httpx

        self._venue = venue
        self._host = host
        self._httpx = httpx
        proxy = None
        if host.proxy is not None:
            proxy = httpx.Proxy(host.proxy, ssl_context=host.tls if host.proxy.startswith("https:") else None)
        self._transport = httpx.AsyncHTTPTransport(
            verify=host.tls if host.tls is not None else False,
            trust_env=False,
            proxy=proxy,
            limits=httpx.Limits(max_connections=_CONNECTIONS, keepalive_expiry=_KEPT_SECONDS),
        )
        self._timeouts = {
            "connect": host.connect_seconds,
            "read": host.answer_seconds,
            "write": host.answer_seconds,
            "pool": host.answer_seconds,
        }

    async def __aenter__(self) -> Reader:
        await self._transport.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._transport.aclose()

    async def request(self, request: Request) -> Response:
        """Send a request once, and return the answer, unpacked, whatever its status.

        Raises:
            RequestFailed: no answer came that can be read.
        """
        httpx, host = self._httpx, self._host
        if not request.target.isascii():
            what = "it can't be sent: path and query aren't percent-encoded"
            raise failed(self._venue, host, request, what, was_sent=False, may_pass=False)
        sent = httpx.Request(
            request.method,
            f"{host.url.rstrip('/')}{request.target}",
            headers=host.headers(request, encoding="gzip"),
            content=request.body or None,
            extensions={"timeout": self._timeouts},
        )
        target = request.target.encode("ascii")
        if sent.url.raw_path != target:
            # httpx would write some of it otherwise than it was signed.
            if host.proxy is not None:
                what = "it can't be sent through a proxy: characters of the query aren't percent-encoded"
                raise failed(self._venue, host, request, what, was_sent=False, may_pass=False)
            sent.extensions["target"] = target
        with trio.move_on_after(host.connect_seconds + host.answer_seconds):
            try:
                answer = await self._transport.handle_async_request(sent)
                return await self._whole(request, answer)
            except httpx.TimeoutException as error:
                seconds = host.connect_seconds if isinstance(error, httpx.ConnectTimeout) else host.answer_seconds
                what = f"no answer from {host.authority} within {seconds:g} s"
                raise failed(self._venue, host, request, what, was_sent=True) from None
            except (httpx.TransportError, httpx.InvalidURL) as error:
                was_sent = not isinstance(error, httpx.ConnectError | httpx.ProxyError | httpx.InvalidURL)
                raise failed(self._venue, host, request, error, was_sent=was_sent) from None
        what = f"no whole answer from {host.authority} within {host.connect_seconds + host.answer_seconds:g} s"
        raise failed(self._venue, host, request, what, was_sent=True)

    async def _whole(self, request: Request, answer: httpx.Response) -> Response:
        packed = bytearray()
        largest = self._host.max_body_bytes
        try:
            # Left by a break, httpx's generators would not be closed; a cancelled scope ends them all.
            with trio.CancelScope() as scope:
                async for part in answer.aiter_raw():
                    if len(packed) > largest:
                        scope.cancel()
                    else:
                        packed += part
        finally:
            await answer.aclose()
        headers = {name.lower(): value for name, value in answer.headers.items()}
        body: bytes | None = bytes(packed)
        if len(packed) <= largest and headers.get("content-encoding", "identity") != "identity":
            body = _unpacked(packed, headers["content-encoding"], largest)
        if body is None:
            what = f"the answer's body isn't {headers['content-encoding']}, as it says"
            raise failed(self._venue, self._host, request, what, was_sent=True)
        if len(body) > largest:
            raise failed(
                self._venue, self._host, request, f"the answer is longer than {largest:,} bytes", was_sent=True
            )
        return Response(status=answer.status_code, headers=headers, body=body)


def _unpacked(packed: bytes | bytearray, encoding: str, largest: int) -> bytes | None:
    """Return a body of no more than a byte above the largest; ``None``: it can't be unpacked."""
    if encoding.strip().lower() not in ("gzip", "x-gzip"):
        return None
    unpacker = zlib.decompressobj(wbits=31)
    try:
        body = unpacker.decompress(packed, largest + 1)
    except zlib.error:
        return None
    return body if unpacker.eof or len(body) > largest else None
