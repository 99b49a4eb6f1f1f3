"""What a venue limits, who goes first, and what its answers say of it: values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum

import attrs

from trioarb.errors import VenueError
from trioarb.model.account import LimitUsed
from trioarb.venue.request import Request, Response
from trioarb.venue.window import Limit

__all__ = ["Closed", "Costs", "LimitReached", "LimitRules", "Priority", "Told", "Usage"]

#: What a request uses of a venue's limits: by bucket, how much.
Costs = Mapping[str, int]


class Priority(IntEnum):
    """Who goes first. Entries find a fifth of each limit kept for cancels and hedges, listings two fifths for all."""

    CANCEL = 0
    HEDGE = 1
    ENTRY = 2
    LISTING = 3


class LimitReached(VenueError):
    """What would have been sent has to wait longer than its caller would; it wasn't sent.

    ``seconds``: how long the wait would be; infinity where only an answer tells.
    """

    def __init__(self, message: str, *, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(message)


@attrs.frozen(kw_only=True)
class Told:
    """What an answer says of the limit ``bucket``: how much is left of it, or used, or what it is from now on.

    ``seconds`` says of which window of the bucket; it can be left out where it has but one. ``cost``: what the request
    was charged in the end, where that is another weight than it was thought to have. ``resets_seconds``: how long until
    the venue's count begins anew.
    """

    bucket: str
    seconds: float | None = None
    left: int | None = None
    used: int | None = None
    count: int | None = None
    cost: int | None = None
    resets_seconds: float | None = None


@attrs.frozen(kw_only=True)
class LimitRules:
    """A venue's limits, by a name of the plugin's own (a bucket), and how they are told.

    ``costs``: how much of which bucket a request takes; 0 where its answer only tells of that. ``told``: what an
    answer's headers say; raises nothing, what can't be read says nothing. ``by_key``: buckets that the venue counts by
    key or account, instead of by address.
    """

    buckets: Mapping[str, Sequence[Limit]]
    costs: Callable[[Request], Costs]
    told: Callable[[Response], Iterable[Told]] = lambda response: ()
    by_key: frozenset[str] = frozenset()


@attrs.frozen(kw_only=True)
class Closed:
    """The venue refuses more for now: nothing is sent that takes of these buckets, for so many seconds."""

    venue: str
    buckets: tuple[str, ...]
    seconds: float
    reason: str


@attrs.frozen(kw_only=True)
class Usage:
    """How much of a limit is used now, of ``count`` that the venue allows."""

    bucket: str
    seconds: float
    count: int
    used: int

    def told(self) -> LimitUsed:
        """Return it as exchanges tell of it."""
        return LimitUsed(name=self.bucket, count=self.count, seconds=self.seconds, used=self.used)
