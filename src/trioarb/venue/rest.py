"""A venue's requests: reads over a pool, orders over connections that are kept open, all within its limits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from math import inf

import structlog
import trio

from trioarb.errors import VenueError
from trioarb.model.account import LimitUsed
from trioarb.venue.backoff import Backoff
from trioarb.venue.beside import run_beside
from trioarb.venue.failure import NotSent, RequestFailed, refused_status
from trioarb.venue.host import Host
from trioarb.venue.limit_rules import LimitReached, Priority
from trioarb.venue.limits import Limits, Permit
from trioarb.venue.line import Line
from trioarb.venue.lines import Lines
from trioarb.venue.reader import Reader
from trioarb.venue.request import Request, Response

__all__ = ["RestClient", "open_rest"]

_TRIES = 3
_BACKOFF = Backoff(first_seconds=0.4, longest_seconds=2.0)
#: What was made before that is made anew before it is sent.
_FRESH_SECONDS = 0.05


class RestClient:
    """Sends requests. `open_rest` makes one."""

    def __init__(self, venue: str, limits: Limits, reader: Reader, lines: Lines | None) -> None:
        self._venue = venue
        self._limits = limits
        self._reader = reader
        self._lines = lines
        self._log = structlog.get_logger("trioarb.venue")

    @property
    def is_line_open(self) -> bool:
        """Whether an order would find its connection open."""
        return self._lines is not None and self._lines.are_open

    async def send(
        self,
        request: Request | Callable[[], Request],
        priority: Priority = Priority.LISTING,
        *,
        patience: float = inf,
    ) -> Response:
        """Send a request, when the venue's limits allow it, and return the answer.

        A read is sent up to three times where it fails by what may pass. Anything else is sent once, and is never sent
        again, whatever happens.

        Args:
            request: What to send. What is signed is given as what makes it: it is made for each try, and again where it
                had to wait, so that its time is of then, and no nonce is sent twice.
            priority: Who goes first where the limits make requests wait.
            patience: How many seconds it may wait for the limits.

        Returns:
            An answer of a status of 2xx or 4xx.

        Raises:
            NotSent: It is certain that nothing of it left: it could not be made, as the venue's time isn't known; or it
                is no read, and this client may only read, the limits have no room in time, or there is no connection.
            LimitReached: A read for which the limits have no room in time.
            RequestFailed: No answer, none that can be read, or one of a status of 3xx or 5xx. Of what is no read it is
                unknown what became of it.

        Cancellation:
            It may have been sent.
        """
        make = _made_by(request)
        made = make()
        if made.is_read:
            return await self._read(made, make, priority, patience)
        if self._lines is None:
            raise NotSent(
                f"{self._venue}: {made.method} {made.path} would change something, and this campaign may only "
                "read here, as on paper and in shadow mode; it wasn't sent"
            )
        try:
            permit, made = await self._admitted(made, make, priority, patience)
        except LimitReached as error:
            raise NotSent(str(error)) from None
        with permit:
            try:
                response = await self._lines.request(made, priority)
            except RequestFailed as error:
                if error.was_sent:
                    raise
                raise NotSent(f"{error}; it wasn't sent") from None
            self._limits.hear(permit, response)
        return self._judged(made, response)

    def limits_used(self) -> tuple[LimitUsed, ...]:
        """Return how much of the venue's limits is used."""
        return tuple(one.told() for one in self._limits.usage())

    async def _admitted(
        self, made: Request, make: Callable[[], Request], priority: Priority, patience: float
    ) -> tuple[Permit, Request]:
        """Wait for the limits; return the request as it is to be sent then."""
        asked_at = trio.current_time()
        permit = await self._limits.acquire(made, priority, patience=patience)
        if trio.current_time() - asked_at < _FRESH_SECONDS:
            return permit, made
        try:
            return permit, make()
        except NotSent:
            with permit:  # what was taken counts as if it had been sent
                raise

    async def _read(self, made: Request, make: Callable[[], Request], priority: Priority, patience: float) -> Response:
        tries = 0
        while True:
            tries += 1
            try:
                permit, made = await self._admitted(made, make, priority, patience)
                with permit:
                    response = await self._reader.request(made)
                    self._limits.hear(permit, response)
                return self._judged(made, response)
            except RequestFailed as error:
                if tries == _TRIES or not error.may_pass:
                    raise
                why = str(error)
            await trio.sleep(_BACKOFF.wait_seconds(tries - 1))
            self._log.warning("a venue is asked again", venue=self._venue, number=tries + 1, because=why)
            made = make()

    def _judged(self, request: Request, response: Response) -> Response:
        error = refused_status(self._venue, request, response)
        if error is not None:
            raise error
        return response


def _made_by(request: Request | Callable[[], Request]) -> Callable[[], Request]:
    def make() -> Request:
        if isinstance(request, Request):
            return request
        try:
            return request()
        except VenueError as error:
            raise NotSent(f"{error}; it wasn't sent") from error

    return make


@asynccontextmanager
async def open_rest(
    venue: str, host: Host, *, limits: Limits, can_trade: bool, connections: int = 2
) -> AsyncIterator[RestClient]:
    """Open what requests to a venue's host go over, and close it at the end of the block.

    Args:
        venue: The name that errors have.
        host: Where it answers, and how it is reached.
        limits: Of `open_limits`; asked before each request.
        can_trade: Without it there is no connection for anything but reads.
        connections: With it, so many are kept open, each for one request at a time.

    Yields:
        The client.

    Ownership:
        Connections, and the tasks that hold them, end with the block.
    """
    lines = [Line(venue, host) for _ in range(connections if can_trade else 0)]
    async with Reader(venue, host) as reader, run_beside(*(line.run for line in lines)):
        yield RestClient(venue, limits, reader, Lines(lines) if can_trade else None)
