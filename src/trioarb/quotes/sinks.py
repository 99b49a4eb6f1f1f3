"""One symbol's quotes, one by one: refused, or put on the board, and shown to the symbol where they can matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf, nan
from typing import Any, Protocol

import attrs

from trioarb.plugin.contract import Levels, QuoteSink
from trioarb.quotes.band import ratio_up_to
from trioarb.quotes.board import QuoteBoard
from trioarb.quotes.levels import InColumn, are_sound

__all__ = ["Fees", "Skipped", "Sinks", "Source", "sinks_of"]


@attrs.frozen
class Skipped:
    """Quotes that a symbol was not shown: what is to be counted of them. ``highest_edge_bps``: of the fresh ones."""

    seen: int
    refused: int = 0
    withdrawn: int = 0
    stale: int = 0
    edge_positive: int = 0
    highest_edge_bps: float | None = None


class Source(Protocol):
    """Where a symbol's quotes come from, as far as it is told what they have to be.

    ``is_in_rounds``: what waits to be read at the symbol's next look is counted there, not by the symbol.
    """

    is_in_rounds: bool = False

    def ask_again(self) -> None:
        """Show every quote, until it is known again which need not be."""

    def count(self) -> None:
        """Tell what was skipped up to now."""

    def look_back(self, venue: int) -> None:
        """Tell the board's watch of a venue what came and was not told."""

    def put(self) -> None:
        """See to it that the board holds what came up to now. Where a round of the loop begins, or a service, it may
        not yet.
        """


class Show(Protocol):
    """Takes a quote that is on the board already: the index of its venue, and when it came."""

    def __call__(self, venue: int, received_ns: int, /) -> None: ...


@attrs.frozen
class Fees:
    """A venue's fees as factors: what is kept of a sale, and what a purchase costs."""

    keep: float
    cost: float


@attrs.frozen
class Sinks(Source):
    """``of``: where each venue's quotes go. Quotes that change nothing are counted, and `count` tells of them."""

    of: Mapping[int, QuoteSink]
    count: Callable[[], None]

    def ask_again(self) -> None:
        self.count()

    def look_back(self, venue: int) -> None:
        """Each quote is told as it comes."""

    def put(self) -> None:
        """Each quote is put on the board as it comes."""


def sinks_of(
    board: QuoteBoard,
    fees: Mapping[int, Fees],
    max_age_ns: int,
    *,
    show: Show,
    skip: Callable[[Skipped], None],
    skippable: Callable[[], tuple[float, int] | None],
) -> Sinks:
    """Make the sinks of a symbol's venues (by index). They share what they know of each other in variables.

    ``show`` takes a quote; before it is called, ``skip`` is told what was not shown. After it ``skippable`` says how
    many quotes need not be shown as long as no edge exceeds so many bps, and there is another fresh quote beside the
    new one.

    The highest sale and the lowest purchase since both were looked for bound every route, so that a quote costs the
    same however many venues there are. Only where they are too far apart are the routes looked at one by one.

    A price or size that is NaN or 0 withdraws its side, and the quote is shown. One that is negative or infinite, a
    crossed quote, levels that can't follow the
    best one, and one that is older than the one before are refused; but for the last, the venue's quote leaves the
    board.
    """
    bids, bid_sizes, asks, ask_sizes = board.bid, board.bid_size, board.ask, board.ask_size
    times_ns, serials, beyond, watches = board.received_ns, board.serial, board.levels, board.watches
    sold, paid = [0.0] * len(serials), [inf] * len(serials)
    highest, lowest = 0.0, inf
    bar_bps, bar, until_ns, left, granted, positive = -inf, -inf, 0, 0, 0, 0
    routes = tuple((sell, buy) for sell in fees for buy in fees if sell != buy)

    def sink(venue: int) -> QuoteSink:
        keep, cost = fees[venue].keep, fees[venue].cost

        def on_quote(
            bid: float,
            bid_size: float,
            ask: float,
            ask_size: float,
            received_ns: int,
            venue_ts_ns: int | None = None,
            levels: Any = None,  # Levels | InColumn | None; what else a feed may give is one of these past the border
            /,
        ) -> None:
            nonlocal highest, lowest, left, positive
            if not (
                0.0 < bid <= ask < inf
                and 0.0 < bid_size < inf
                and 0.0 < ask_size < inf
                and received_ns >= times_ns[venue]
                and (levels is None or len(levels) == 2 or are_sound(levels, bid, ask))
            ):
                odd(venue, bid, bid_size, ask, ask_size, received_ns, levels)
                return
            beyond[venue] = levels
            bids[venue] = bid
            bid_sizes[venue] = bid_size
            asks[venue] = ask
            ask_sizes[venue] = ask_size
            times_ns[venue] = received_ns
            serials[venue] += 1
            if watches[venue] is not None:
                board.tell(venue, (bid,), (bid_size,), (ask,), (ask_size,))
            sold[venue] = sale = bid * keep
            paid[venue] = purchase = ask * cost
            if sale > highest:
                highest = sale
            if purchase < lowest:
                lowest = purchase
            if left and received_ns <= until_ns and (highest / lowest <= bar or is_calm()):
                left -= 1
                if highest > lowest and has_edge(received_ns - max_age_ns):
                    positive += 1
                return
            count()
            show(venue, received_ns)
            calm()

        return on_quote

    def odd(
        venue: int,
        bid: float,
        bid_size: float,
        ask: float,
        ask_size: float,
        received_ns: int,
        levels: Levels | InColumn | None,
    ) -> None:
        """Withdraw a side, or refuse the quote."""
        count()
        if received_ns < times_ns[venue]:
            skip(Skipped(1, refused=1))
            return
        sold[venue], paid[venue] = 0.0, inf
        (bid_there, _), (ask_there, _) = _side(bid, bid_size), _side(ask, ask_size)
        if not _can_be(bid, bid_size, ask, ask_size) or not (
            levels is None or len(levels) == 2 or are_sound(levels, bid_there, ask_there)
        ):
            board.take_off(venue)
            skip(Skipped(1, refused=1))
            return
        skip(Skipped(0, withdrawn=1))
        beyond[venue] = levels
        bids[venue], bid_sizes[venue] = bid, bid_size = _side(bid, bid_size)
        asks[venue], ask_sizes[venue] = ask, ask_size = _side(ask, ask_size)
        times_ns[venue] = received_ns
        serials[venue] += 1
        board.tell(venue, (bid,), (bid_size,), (ask,), (ask_size,))
        if bid > 0.0:
            sold[venue] = bid * fees[venue].keep
        if ask > 0.0:
            paid[venue] = ask * fees[venue].cost
        show(venue, received_ns)

    def is_calm() -> bool:
        """Return whether no route exceeds the bar, though the bounds do; they are looked for again."""
        nonlocal highest, lowest
        highest, lowest = max(sold), min(paid)
        if highest / lowest > bar:
            for sell, buy in routes:  # a loop, since this is asked at many quotes
                if sold[sell] / paid[buy] > bar:
                    return False
        return True

    def has_edge(oldest_ns: int) -> bool:
        """Return whether some route between fresh quotes earns anything; if not, look for the bounds again."""
        nonlocal highest, lowest
        for sell, buy in routes:
            if sold[sell] > paid[buy] and times_ns[sell] >= oldest_ns and times_ns[buy] >= oldest_ns:
                return True
        highest, lowest = max(sold), min(paid)
        return False

    def calm() -> None:
        nonlocal highest, lowest, bar_bps, bar, until_ns, left, granted
        asked = skippable()
        if asked is not None:
            bps, left = asked
            if bps != bar_bps:
                bar_bps, bar = bps, ratio_up_to(bps)
            highest, lowest, granted = max(sold), min(paid), left
            until_ns = sorted(times_ns)[-2] + max_age_ns  # until then a quote finds another fresh one, whose ever it is

    def count() -> None:
        nonlocal left, granted, positive
        if granted:
            counted = Skipped(granted - left, edge_positive=positive)
            left = granted = positive = 0
            if counted.seen:
                skip(counted)

    return Sinks({venue: sink(venue) for venue in fees}, count)


def _can_be(bid: float, bid_size: float, ask: float, ask_size: float) -> bool:
    """Return whether a quote can be, as it is or with a side withdrawn: as `validity.verdicts` judges columns."""
    if any(number < 0.0 or number == inf for number in (bid, bid_size, ask, ask_size)):
        return False
    return not (bid > ask and bid_size > 0.0 and ask > 0.0 and ask_size > 0.0)


def _side(price: float, size: float) -> tuple[float, float]:
    """Return a side as the board has it."""
    return (price, size) if price > 0.0 and size > 0.0 else (nan, 0.0)
