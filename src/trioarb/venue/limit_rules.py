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

    Attributes:
        seconds: How long the wait would be; infinity where only an answer tells.
    """

    def __init__(self, message: str, *, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(message)


@attrs.frozen(kw_only=True)
class Told:
    """What an answer says of a limit: how much is left of it, or used, or what it is from now on.

    Attributes:
        bucket: Which one.
        seconds: Which window of it; can be left out where it has but one.
        left: So much is left.
        used: So much is used.
        count: What the limit is from now on.
        cost: What the request was charged in the end, where that is another weight than it was thought to have.
        resets_seconds: How long until the venue's count begins anew.
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
    """A venue's limits, and how they are told.

    Attributes:
        buckets: Limits by a name of the plugin's own (a bucket).
        costs: How much of which bucket a request takes; 0 where its answer only tells of that.
        told: What an answer's headers say; raises nothing, what can't be read says nothing.
        by_key: Buckets that the venue counts by key or account, instead of by address.
    """

    buckets: Mapping[str, Sequence[Limit]]
    costs: Callable[[Request], Costs]
    told: Callable[[Response], Iterable[Told]] = lambda response: ()
    by_key: frozenset[str] = frozenset()


@attrs.frozen(kw_only=True)
class Closed:
    """The venue refuses more for now: nothing is sent that takes of these buckets.

    Attributes:
        venue: Who refuses.
        buckets: Of which.
        seconds: For how long.
        reason: Why, for people.
    """

    venue: str
    buckets: tuple[str, ...]
    seconds: float
    reason: str


@attrs.frozen(kw_only=True)
class Usage:
    """How much of a limit is used now.

    Attributes:
        bucket: Which one.
        seconds: Which window of it.
        count: So much the venue allows.
        used: So much is used.
    """

    bucket: str
    seconds: float
    count: int
    used: int

    def told(self) -> LimitUsed:
        """Return it as exchanges tell of it."""
        return LimitUsed(name=self.bucket, count=self.count, seconds=self.seconds, used=self.used)
