"""The order book of one symbol at a venue, from its snapshots and what changed since. Pure: it waits for nothing."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from enum import Enum, auto
from math import inf, nan
from typing import TYPE_CHECKING

from trioarb.errors import WireError
from trioarb.venue.book_rule import BookRule, Place

if TYPE_CHECKING:
    from trioarb.plugin.contract.market import Levels, QuoteSink

__all__ = ["BookOutcome", "Change", "OrderBook"]

#: A price and what stands there now; 0: nothing any more.
Change = tuple[float, float]

#: So many changes wait for a snapshot. Where more come, the first are dropped, and the snapshot must be as new.
_WAITING_AT_MOST = 2_000


class BookOutcome(Enum):
    """What came of a message."""

    #: The book is as the venue has it.
    APPLIED = auto()
    #: Nothing in it that the book didn't know.
    OLD = auto()
    #: Kept for the snapshot that the book waits for.
    WAITING = auto()
    #: Something is missing, or the book can't be as it says: it needs a snapshot.
    GAP = auto()


class _Waiting:
    """Changes of one message, kept."""

    __slots__ = ("asks", "bids", "checksum", "first", "last", "previous", "received_ns", "venue_ts_ns")

    def __init__(
        self,
        bids: Sequence[Change],
        asks: Sequence[Change],
        first: int,
        last: int,
        previous: int | None,
        received_ns: int,
        venue_ts_ns: int | None,
        checksum: int | None,
    ) -> None:
        self.bids, self.asks = bids, asks
        self.first, self.last, self.previous = first, last, previous
        self.received_ns, self.venue_ts_ns = received_ns, venue_ts_ns
        self.checksum = checksum


class OrderBook:
    """The levels of one symbol, kept as its venue says by a rule of how messages follow one another.

    Give it every message in the order received, and `tell` the quote after those that were applied or left a gap:

        if book.change(bids, asks, first=U, last=u, received_ns=now) in (BookOutcome.APPLIED, BookOutcome.GAP):
            book.tell(sink)

    It begins without a snapshot, and is without one again after a gap and after `reset`: then it keeps changes until
    `snapshot` brings one, on which they are applied as the rule allows. Until then its quote is withdrawn.

    Args:
        rule: what follows what: `numbered` (Binance spot), `linked` (Binance USDT-M), `unnumbered`, or one's own.
        depth: so many levels a side are told, the best included.
        checksum: computes from the book what the venue sends along, where it does; a book that differs has a gap.
        window: so many levels a side are kept, where the venue sends nothing of those beyond (Kraken).
    """

    __slots__ = (
        *("_ask_keys", "_ask_sizes", "_bid_keys", "_bid_sizes", "_checksum", "_depth", "_is_valid", "_rule"),
        *("_version", "_waiting", "_window", "last", "received_ns", "venue_ts_ns", "why"),
    )

    def __init__(
        self,
        rule: BookRule,
        *,
        depth: int = 1,
        checksum: Callable[[OrderBook], int] | None = None,
        window: int | None = None,
    ) -> None:
        self._rule, self._depth, self._checksum, self._window = rule, depth, checksum, window
        # Prices rising to the best one at the end, where most changes are: an ask's key is its price below zero.
        self._bid_keys: list[float] = []
        self._ask_keys: list[float] = []
        self._bid_sizes: dict[float, float] = {}
        self._ask_sizes: dict[float, float] = {}
        self._waiting: deque[_Waiting] = deque(maxlen=_WAITING_AT_MOST)
        self._is_valid = False
        #: Another one with each message that changed it.
        self._version = 0
        #: Number of the last change that is in it.
        self.last: int = 0
        #: Times of the last message that counted.
        self.received_ns: int = 0
        self.venue_ts_ns: int | None = None
        #: Why it waits for a snapshot, for people.
        self.why: str = "no snapshot yet"

    @property
    def is_valid(self) -> bool:
        """Whether nothing is missing. What can be told of it may be crossed all the same."""
        return self._is_valid

    @property
    def is_crossed(self) -> bool:
        """Whether its best bid reaches its best ask, which no venue's own book does."""
        return bool(self._bid_keys and self._ask_keys) and self._bid_keys[-1] >= -self._ask_keys[-1]

    def reset(self, why: str, *, received_ns: int) -> None:
        """Forget all, changes that wait included: after a cut, what comes next need not follow what came before.

        Args:
            why: What happened, for people.
            received_ns: Campaign time of it, in nanoseconds.
        """
        self._waiting.clear()
        self._await_snapshot(why)
        self.last, self.received_ns, self.venue_ts_ns = 0, received_ns, None

    def snapshot(
        self,
        bids: Iterable[Change],
        asks: Iterable[Change],
        *,
        received_ns: int,
        last: int = 0,
        venue_ts_ns: int | None = None,
        checksum: int | None = None,
        only_newer: bool = False,
    ) -> BookOutcome:
        """Take a whole book in the place of what there was, whatever that was; then apply what waited for it.

        Args:
            bids: Prices and sizes, in any order.
            asks: The same of the other side.
            received_ns: Campaign time at which it came, in nanoseconds.
            last: Number of the last change that is in it, or whatever else rises from one to the next, such as the
                venue's time.
            venue_ts_ns: The venue's time of it, Unix nanoseconds.
            checksum: What the venue says that the book comes to, for a book that checks it.
            only_newer: One whose ``last`` is lower is OLD, unless the book waits for a snapshot. For venues that send
                nothing but snapshots, two connections of which deliver for a moment when one takes over from the other.

        Returns:
            What came of it. A GAP: what waited doesn't follow on it, so a newer one is needed, and what waited waits
            on.

        Raises:
            WireError: A price or size can't be one; the book waits for another snapshot.
        """
        if only_newer and self._is_valid and last < self.last:
            return BookOutcome.OLD
        for levels, keys, sizes, sign in (
            (bids, self._bid_keys, self._bid_sizes, 1.0),
            (asks, self._ask_keys, self._ask_sizes, -1.0),
        ):
            sizes.clear()
            for price, size in levels:
                if not (0.0 < price < inf and 0.0 <= size < inf):
                    raise self._impossible(price, size)
                # The same price again: the last one counts.
                sizes[sign * price] = size
            keys[:] = sorted(key for key, size in sizes.items() if size)
            if len(keys) < len(sizes):
                for key in [key for key, size in sizes.items() if not size]:
                    del sizes[key]
        self._is_valid = True
        self._version += 1
        self.last, self.received_ns, self.venue_ts_ns, self.why = last, received_ns, venue_ts_ns, ""
        if self._is_other(checksum):
            return BookOutcome.GAP
        return self._catch_up() if self._waiting else BookOutcome.APPLIED

    def change(
        self,
        bids: Sequence[Change],
        asks: Sequence[Change],
        *,
        received_ns: int,
        first: int = 0,
        last: int = 0,
        previous: int | None = None,
        venue_ts_ns: int | None = None,
        checksum: int | None = None,
    ) -> BookOutcome:
        """Apply what changed: prices with what stands there now, 0 for nothing. Of a price given twice the last counts.

        Args:
            bids: Prices and sizes.
            asks: The same of the other side.
            received_ns: Campaign time at which it came, in nanoseconds.
            first: Number of the first change of the message. The book's rule says which of the three it looks at.
            last: Number of the last one.
            previous: The last number of the message before.
            venue_ts_ns: The venue's time of it, Unix nanoseconds.
            checksum: What the venue says that the book comes to then.

        Returns:
            What came of it.

        Raises:
            WireError: A price or size can't be one; the book waits for a snapshot.
        """
        if self._is_valid:
            place = self._rule(self.last, first, last, previous)
            if place is Place.NEXT:
                return self._apply(bids, asks, last, received_ns, venue_ts_ns, checksum)
            if place is Place.OLD:
                return BookOutcome.OLD
            self._await_snapshot(_missing(self.last, first, previous))
            self.received_ns, self.venue_ts_ns = received_ns, venue_ts_ns
            outcome = BookOutcome.GAP
        else:
            outcome = BookOutcome.WAITING
        self._waiting.append(_Waiting(bids, asks, first, last, previous, received_ns, venue_ts_ns, checksum))
        return outcome

    def bids(self, depth: int | None = None) -> list[Change]:
        """Return the best bids with their sizes, best first.

        Args:
            depth: So many; ``None``: all.
        """
        keys = self._bid_keys[: -depth - 1 : -1] if depth is not None else self._bid_keys[::-1]
        return [(key, self._bid_sizes[key]) for key in keys]

    def asks(self, depth: int | None = None) -> list[Change]:
        """Return the best asks with their sizes, best first.

        Args:
            depth: So many; ``None``: all.
        """
        keys = self._ask_keys[: -depth - 1 : -1] if depth is not None else self._ask_keys[::-1]
        return [(-key, self._ask_sizes[key]) for key in keys]

    def tell(self, sink: QuoteSink) -> None:
        """Call a sink with the best ``depth`` levels: NaN while the book has a gap or is crossed.

        Those beyond the best are put together if somebody looks while the book is still the same.

        Args:
            sink: That of the book's symbol, as `Feed.run` has it.
        """
        bid_keys, ask_keys = self._bid_keys, self._ask_keys
        if not self._is_valid or (bid_keys and ask_keys and bid_keys[-1] >= -ask_keys[-1]):
            sink(nan, nan, nan, nan, self.received_ns, self.venue_ts_ns, None)
            return
        bid, bid_size = (bid_keys[-1], self._bid_sizes[bid_keys[-1]]) if bid_keys else (nan, nan)
        ask, ask_size = (-ask_keys[-1], self._ask_sizes[ask_keys[-1]]) if ask_keys else (nan, nan)
        if self._depth == 1:
            sink(bid, bid_size, ask, ask_size, self.received_ns, self.venue_ts_ns, None)
            return
        version = self._version
        later = lambda: self._beyond_best() if self._version == version else None  # noqa: E731
        sink(bid, bid_size, ask, ask_size, self.received_ns, self.venue_ts_ns, later)

    def _beyond_best(self) -> Levels:
        bids = self._bid_keys[-2 : -self._depth - 1 : -1]
        asks = self._ask_keys[-2 : -self._depth - 1 : -1]
        return (
            bids,
            [self._bid_sizes[key] for key in bids],
            [-key for key in asks],
            [self._ask_sizes[key] for key in asks],
        )

    def _apply(
        self,
        bids: Iterable[Change],
        asks: Iterable[Change],
        last: int,
        received_ns: int,
        venue_ts_ns: int | None,
        checksum: int | None,
    ) -> BookOutcome:
        keys, sizes = self._bid_keys, self._bid_sizes
        for price, size in bids:
            if 0.0 < size < inf:
                if price not in sizes:
                    if not 0.0 < price < inf:
                        raise self._impossible(price, size)
                    insort(keys, price)
                sizes[price] = size
            elif size == 0.0:
                if sizes.pop(price, None) is not None:
                    del keys[bisect_left(keys, price)]
            else:
                raise self._impossible(price, size)
        # The same for the other side, written out: this is where a book spends its time.
        keys, sizes = self._ask_keys, self._ask_sizes
        for price, size in asks:
            key = -price
            if 0.0 < size < inf:
                if key not in sizes:
                    if not 0.0 < price < inf:
                        raise self._impossible(price, size)
                    insort(keys, key)
                sizes[key] = size
            elif size == 0.0:
                if sizes.pop(key, None) is not None:
                    del keys[bisect_left(keys, key)]
            else:
                raise self._impossible(price, size)
        if self._window is not None:
            self._cut_to(self._window)
        self._version += 1
        self.last, self.received_ns, self.venue_ts_ns = last, received_ns, venue_ts_ns
        return BookOutcome.GAP if self._is_other(checksum) else BookOutcome.APPLIED

    def _catch_up(self) -> BookOutcome:
        """Apply what waited for a snapshot. Where it doesn't follow, what is newer goes on to wait for the next one."""
        waiting = self._waiting
        while waiting:
            one = waiting[0]
            place = self._rule(self.last, one.first, one.last, one.previous)
            if place is Place.GAP:
                self._await_snapshot(_missing(self.last, one.first, one.previous))
                return BookOutcome.GAP
            waiting.popleft()
            if place is Place.NEXT:
                outcome = self._apply(one.bids, one.asks, one.last, one.received_ns, one.venue_ts_ns, one.checksum)
                if outcome is BookOutcome.GAP:
                    return outcome
        return BookOutcome.APPLIED

    def _cut_to(self, window: int) -> None:
        for keys, sizes in ((self._bid_keys, self._bid_sizes), (self._ask_keys, self._ask_sizes)):
            if len(keys) > window:
                for key in keys[:-window]:
                    del sizes[key]
                del keys[:-window]

    def _is_other(self, checksum: int | None) -> bool:
        """Return whether the venue's checksum isn't that of this book, which then waits for a snapshot."""
        if checksum is None or self._checksum is None:
            return False
        ours = self._checksum(self)
        if ours != checksum:
            self._await_snapshot(f"the venue's checksum is {checksum}, this book's {ours}")
        return ours != checksum

    def _impossible(self, price: float, size: float) -> WireError:
        self._await_snapshot(f"a level with price {price} and size {size}")
        return WireError(f"a level of the book has price {price} and size {size}; expected numbers above zero")

    def _await_snapshot(self, why: str) -> None:
        self._is_valid = False
        self._version += 1
        for side in (self._bid_keys, self._ask_keys, self._bid_sizes, self._ask_sizes):
            side.clear()
        self.why = why


def _missing(last: int, first: int, previous: int | None) -> str:
    came = f"change {first}" if previous is None else f"what follows change {previous}"
    return f"after change {last} came {came}"
