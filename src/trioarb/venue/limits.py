"""A venue's rate limits: who may send now, who has to wait, and what the venue's answers say of it.

Each request is granted a `Permit` before it is sent. Callers that have to wait go by priority, then in the order in
which they came. Belongs to one Trio thread; the time is Trio's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import inf
from types import MappingProxyType, TracebackType

import attrs
import trio

from trioarb.venue.ledger import Full, Ledger
from trioarb.venue.limit_rules import Closed, Costs, LimitReached, LimitRules, Priority, Told, Usage
from trioarb.venue.refusal import is_refusal, retry_after, seconds_to_reset
from trioarb.venue.request import Request, Response
from trioarb.venue.sharing import Sharing, Taken
from trioarb.venue.window import Spent, Window

__all__ = ["Limits", "Permit"]

#: How much of every limit is there for requests of a priority: the rest is kept for those that go before them.
_SHARES = (1.0, 1.0, 0.8, 0.6)
_LONGEST_GUESS_SECONDS = 600.0
_BAN_SECONDS = 120.0
_IP_BAN = 418


@attrs.define(eq=False)
class Permit:
    """Leave to send one request. A context manager: its block ends when the answer is there, or none will be.

    Attributes:
        costs: What the request takes of which buckets.
    """

    _limits: Limits
    costs: Costs
    _spent: tuple[tuple[Window, Spent], ...]
    _taken: tuple[Taken, ...] = ()
    #: How many were granted before.
    _number: int = 0
    _is_over: bool = False

    @property
    def is_over(self) -> bool:
        """Whether the answer has come, or none will."""
        return self._is_over

    def __enter__(self) -> Permit:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._limits._end(self)


@attrs.define(eq=False)
class _Waiter:
    costs: Costs
    priority: Priority
    permit: Permit | None = None
    fits_at: float = inf
    #: What it sleeps in.
    scope: trio.CancelScope | None = None


class Limits:
    """The limits of one key at one venue.

    They go before nobody: a priority counts among the callers of this campaign only, but the share that is kept for it
    is kept of all.

    Args:
        venue: The name that errors and reports have.
        rules: What is limited.
        on_closed: Told when the venue refuses more, or did to another campaign; must not raise.
        ledgers: In which budget that other campaigns share a bucket is counted, too.
        now: The clock, in seconds.

    Raises:
        VenueError: A ledger has no room for so many windows.
    """

    def __init__(
        self,
        venue: str,
        rules: LimitRules,
        *,
        on_closed: Callable[[Closed], None] = lambda closed: None,
        ledgers: Mapping[str, Ledger] = MappingProxyType({}),
        now: Callable[[], float] = trio.current_time,
    ) -> None:
        self._venue = venue
        self._rules = rules
        self._on_closed = on_closed
        self._now = now
        self._windows = {name: [Window(limit) for limit in limits] for name, limits in rules.buckets.items()}
        self._closed_until = dict.fromkeys(rules.buckets, -inf)
        self._refusals = 0
        self._granted = self._granted_when_refused = 0
        self._waiting: list[_Waiter] = []
        self._sharing = Sharing(dict(ledgers), self._windows)

    async def acquire(
        self, request: Request | Costs, priority: Priority = Priority.LISTING, *, patience: float = inf
    ) -> Permit:
        """Wait until a request may be sent: ``with await limits.acquire(request, Priority.ENTRY, patience=0):``.

        A checkpoint only where it has to wait.

        Args:
            request: What is to be sent, or what it takes of which buckets.
            priority: Who goes first.
            patience: How many seconds the caller would wait; with 0 it isn't kept waiting at all. It is refused as soon
                as it is known that it would take longer.

        Returns:
            The leave: a context manager, whose block ends when the answer is there, or none will be.

        Raises:
            LimitReached: It would take longer.
            ValueError: A bucket of this name isn't there.

        Cancellation:
            It takes nothing.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        waiter = self._queue(request, priority)
        if waiter.permit is not None:
            return waiter.permit
        give_up_at = self._now() + patience
        try:
            while waiter.permit is None:
                if self._now() >= give_up_at or give_up_at < waiter.fits_at < inf:
                    raise self._too_late(waiter)
                with trio.CancelScope(deadline=min(waiter.fits_at, give_up_at)) as waiter.scope:
                    await trio.sleep_forever()
                waiter.scope = None
                self._serve()
        except BaseException:
            self._leave(waiter)
            raise
        return waiter.permit

    def try_acquire(self, request: Request | Costs, priority: Priority = Priority.LISTING) -> Permit | None:
        """Return leave to send a request now, if nobody has to wait for it; ``None``: somebody has to.

        Args:
            request: What is to be sent, or what it takes of which buckets.
            priority: Who goes first.

        Raises:
            ValueError: A bucket of this name isn't there.
        """
        waiter = self._queue(request, priority)
        if waiter.permit is None:
            self._leave(waiter)
        return waiter.permit

    def hear(self, permit: Permit, response: Response) -> None:
        """Take note of an answer, before its permit ends: what its headers say, and whether it closes anything.

        A 429 closes what the request took of, a 418 everything, for as long as ``Retry-After`` says; without it for
        longer each time. Afterwards less is used than was then, and a little more every few minutes, until the venue
        says what its limit is.

        Args:
            permit: The request's.
            response: Its answer.
        """
        self.note(
            permit,
            *(self._with_reset(told, response) for told in self._rules.told(response)),
        )
        # What was sent before the last refusal was known is of one wave with it, and says nothing new.
        is_new = permit._number >= self._granted_when_refused
        if not is_refusal(response):
            self._refusals = 0 if is_new else self._refusals
            return
        if is_new:
            self._refusals += 1
            self._granted_when_refused = self._granted
        is_ban = response.status == _IP_BAN
        buckets = tuple(self._windows) if is_ban else tuple(permit.costs)
        seconds = retry_after(response)
        if seconds is None:
            shortest = min((one.limit.seconds for name in buckets for one in self._windows[name]), default=1.0)
            first = _BAN_SECONDS if is_ban else max(1.0, shortest)
            seconds = min(first * 2 ** min(self._refusals - 1, 10), _LONGEST_GUESS_SECONDS)
        for window, spent in permit._spent:
            if spent.weight:
                window.refuse(self._now(), spent)
        self.close(seconds, f"HTTP {response.status}", buckets)

    def note(self, permit: Permit, *told: Told) -> None:
        """Take note of what was said of limits otherwise than in headers, in an answer to this permit's request.

        Args:
            permit: The request's.
            *told: What was said.
        """
        now = self._now()
        for one in told:
            for window, spent in permit._spent:
                if window not in self._windows.get(one.bucket, ()):
                    continue
                if one.cost is not None:
                    window.charge(spent, one.cost)
                if one.seconds in (None, window.limit.seconds):
                    window.hear(
                        now,
                        spent,
                        left=one.left,
                        used=one.used,
                        count=one.count,
                        resets_seconds=one.resets_seconds,
                    )
        self._serve()

    def learn(self, *told: Told) -> None:
        """Take note of what the venue says its limits are (``count``), in no answer that has a permit.

        Args:
            *told: What was said.
        """
        for one in told:
            for window in self._windows.get(one.bucket, ()):
                if one.count is not None and one.seconds in (None, window.limit.seconds):
                    window.allow(one.count)
        self._serve()

    def close(self, seconds: float, reason: str, buckets: Iterable[str] | None = None) -> None:
        """Grant nothing for so long; tell ``on_closed``. Never opens earlier.

        Args:
            seconds: How long.
            reason: Why, for people.
            buckets: Of which; ``None``: of all.
        """
        names = tuple(self._windows) if buckets is None else tuple(buckets)
        until = self._now() + seconds
        for name in names:
            self._closed_until[name] = max(self._closed_until[name], until)
        self._sharing.shut(names, seconds)
        self._on_closed(Closed(venue=self._venue, buckets=names, seconds=seconds, reason=reason))
        self._serve()

    def closed_seconds(self, bucket: str) -> float:
        """Return for how long nothing of a bucket is granted, as the venue refused more; 0: it is open.

        Args:
            bucket: Which one.
        """
        return max(0.0, self._closed_until[bucket] - self._now())

    def give_back(self, permit: Permit, bucket: str) -> None:
        """Take note that the venue counts a request in a bucket no more, as Binance does orders that fill.

        Args:
            permit: The request's.
            bucket: Which one.
        """
        for window, spent in permit._spent:
            if window in self._windows[bucket]:
                window.give_back(self._now(), spent)
        self._sharing.give_back(permit._taken, bucket)
        self._serve()

    def usage(self) -> tuple[Usage, ...]:
        """Return how much of each limit is used."""
        now = self._now()
        return tuple(
            Usage(bucket=name, seconds=one.limit.seconds, count=one.most(now), used=one.used(now))
            for name, windows in self._windows.items()
            for one in windows
        )

    def _queue(self, request: Request | Costs, priority: Priority) -> _Waiter:
        waiter = _Waiter(self._costs(request), priority)
        # After all of its priority that wait already: the sort is stable.
        self._waiting.append(waiter)
        self._waiting.sort(key=lambda one: one.priority)
        self._serve()
        return waiter

    def _costs(self, request: Request | Costs) -> Costs:
        costs = self._rules.costs(request) if isinstance(request, Request) else request
        unknown = sorted(name for name in costs if name not in self._windows)
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no limit of {self._venue}; there are {', '.join(self._windows)}")
        return costs

    def _with_reset(self, told: Told, response: Response) -> Told:
        if told.resets_seconds is not None:
            return told
        for window in self._windows.get(told.bucket, ()):
            limit = window.limit
            if limit.aligned and told.seconds in (None, limit.seconds):
                return attrs.evolve(told, resets_seconds=seconds_to_reset(response, limit.seconds))
        return told

    def _end(self, permit: Permit) -> None:
        if permit._is_over:
            return
        permit._is_over = True
        now = self._now()
        for window, spent in permit._spent:
            window.answer(now, spent)
        if permit._taken:
            self._sharing.settle(permit._taken, dict(permit._spent))
        self._serve()

    def _leave(self, waiter: _Waiter) -> None:
        if waiter.permit is not None:  # granted as it was cancelled: nothing is sent
            for window, spent in waiter.permit._spent:
                window.charge(spent, 0)
            self._end(waiter.permit)
        else:
            self._waiting.remove(waiter)
            self._serve()

    def _serve(self) -> None:
        """Grant what can be granted, and say to the others when to look again."""
        now = self._now()
        wanted = set[str]()
        left = list[_Waiter]()
        for place, waiter in enumerate(self._waiting):
            if len(wanted) == len(self._windows):
                left += self._waiting[place:]
                for behind in self._waiting[place:]:
                    behind.fits_at = inf
                break
            # What the one ahead waits for is not given to those behind it, or a heavy request would never be sent.
            waiter.fits_at = inf
            if wanted.isdisjoint(waiter.costs):
                waiter.fits_at = self._fits_at(now, waiter)
                if waiter.fits_at <= now:
                    full = self._grant(waiter)
                    if full is None:
                        continue
                    waiter.fits_at = now + full.seconds
                    self._hear_of_others(full)
            wanted.update(waiter.costs)
            if waiter.scope is not None:
                waiter.scope.deadline = min(waiter.scope.deadline, waiter.fits_at)
            left.append(waiter)
        self._waiting = left

    def _fits_at(self, now: float, waiter: _Waiter) -> float:
        share = _SHARES[waiter.priority]
        at = now
        for name, weight in waiter.costs.items():
            if weight:
                at = max(at, self._closed_until[name])
                for window in self._windows[name]:
                    at = max(at, window.fits_at(now, weight, share))
        return at

    def _grant(self, waiter: _Waiter) -> Full | None:
        """Give a waiter its permit, unless other campaigns leave no room for it."""
        taken = self._sharing.take(waiter.costs, _SHARES[waiter.priority], self._now())
        if isinstance(taken, Full):
            return taken
        spent = tuple(
            (window, window.take(weight)) for name, weight in waiter.costs.items() for window in self._windows[name]
        )
        waiter.permit = Permit(self, waiter.costs, spent, taken, self._granted)
        self._granted += 1
        if waiter.scope is not None:
            waiter.scope.cancel()
        return None

    def _hear_of_others(self, full: Full) -> None:
        """Take note of what another campaign was told of the venue."""
        until = self._now() + full.seconds
        news = tuple(name for name in full.closed if self._closed_until[name] <= self._now())
        for name in news:
            self._closed_until[name] = until
        if news:
            reason = "another campaign of this key was refused"
            self._on_closed(Closed(venue=self._venue, buckets=news, seconds=full.seconds, reason=reason))

    def _too_late(self, waiter: _Waiter) -> LimitReached:
        seconds = waiter.fits_at - self._now()
        limits = ", ".join(f"{name} ({one.limit})" for name in waiter.costs for one in self._windows[name])
        closed = max((self._closed_until[name] for name in waiter.costs), default=-inf) > self._now()
        what = "the venue refuses more for now" if closed else "no room"
        when = f"for {seconds:.1f} s" if seconds < inf else "until others were answered"
        return LimitReached(
            f"{self._venue}: not sent, since of its limits {limits} there is {what} {when} "
            f"(priority {waiter.priority.name}); send less, or wait",
            seconds=seconds,
        )
