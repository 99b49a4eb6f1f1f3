"""What quote assets were worth over recorded times, and the prices of their symbols as they were worth then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import attrs
import trio

from trioarb.engine.fx import Rates
from trioarb.model.fx import FxState
from trioarb.model.market import Instrument
from trioarb.plugin.border import CheckedTape
from trioarb.quotes.merge import NEVER
from trioarb.quotes.rate import Rate, Sourced
from trioarb.quotes.stream import open_windows
from trioarb.quotes.window import REFUSED, Window
from trioarb.survey.spans import Conversion, Spans

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["STATES", "Course", "Courses", "follow_rates"]

#: The states of a rate as they are numbered in arrays; 0 is the one that can be relied on.
STATES = tuple(sorted(FxState, key=lambda state: state is not FxState.GOOD))


@attrs.frozen(kw_only=True, eq=False)
class Course:
    """A rate over time: from each of ``from_ns`` on until the next one. The first is 0.

    ``bid`` and ``ask``: what one unit is sold and bought for, the last that was known, 1 before there was any.
    ``state``: its place among `STATES`.
    """

    asset: str
    common: str
    from_ns: Array
    bid: Array
    ask: Array
    state: Array

    def at(self, ns: Array) -> Array:
        """Return the index of what held at some times."""
        found: Array = self.from_ns.searchsorted(ns, "right") - 1
        return found

    def seconds(self, first_ns: int, last_ns: int) -> dict[FxState, float]:
        """Return for how long it was in each state between two times."""
        import numpy as np

        begin = np.clip(self.from_ns, first_ns, last_ns)
        ns = np.bincount(self.state, weights=np.diff(begin, append=last_ns), minlength=len(STATES))
        return {state: float(one) / 1e9 for state, one in zip(STATES, ns, strict=True) if one}


class _Noted:
    """A course as it becomes known."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._rows: list[tuple[int, float, float, int]] = []
        self.note(0)

    def note(self, ns: int) -> None:
        bid, ask = self.rate.numbers
        now = (1.0, 1.0) if bid != bid else (bid, ask)
        row = (ns, *now, STATES.index(self.rate.state))
        if self._rows and self._rows[-1][0] == ns:
            self._rows.pop()
        if not self._rows or self._rows[-1][1:] != row[1:]:
            self._rows.append(row)

    def course(self) -> Course:
        import numpy as np

        from_ns, bid, ask, state = zip(*self._rows, strict=True)
        return Course(
            asset=self.rate.asset,
            common=self.rate.common,
            from_ns=np.array(from_ns, dtype=np.int64),
            bid=np.array(bid),
            ask=np.array(ask),
            state=np.array(state, dtype=np.int64),
        )


async def follow_rates(rates: Rates, tapes: Mapping[str, CheckedTape], start_ns: int) -> dict[Rate, Course]:
    """Go through all quotes of the rates' own markets, and return what became of those that are at markets.

    Nobody else follows them. They are judged as in a campaign: with each quote of a source, and when one has become
    too old.

    Raises:
        TapeFailed: a tape raised.
    """
    noted: dict[Rate, _Noted] = {rate: _Noted(rate) for rate in rates.sourced.values()}
    symbols = [one.symbol for one in rates.watched]
    listed = {venue: [one.symbol for one in rates.watched if venue in one.venues] for venue in tapes}
    follows: dict[tuple[int, int], list[Sourced]] = {}
    for number, one in enumerate(rates.watched):
        for rate in rates.sourced.values():
            for source in rate.sources:
                if source.board is one.board:
                    follows.setdefault((number, source.index), []).append(rate)
    if symbols:
        with closing(await open_windows(tapes, symbols, listed, start_ns)) as windows:
            for window in windows:
                _follow(window, len(tapes), rates, follows, noted)
                await trio.lowlevel.checkpoint()
    for rate in rates.sourced.values():
        _look_until(NEVER, rate, noted[rate])
    return {rate: kept.course() for rate, kept in noted.items()}


def _follow(
    window: Window,
    venues: int,
    rates: Rates,
    follows: Mapping[tuple[int, int], Sequence[Sourced]],
    noted: Mapping[Rate, _Noted],
) -> None:
    """Put each row on its board, and let the rates judge it that have it as a source; a refused one only when next."""
    place, cell = window.place, window.cell
    venue = cell % venues
    for ts_ns, one, symbol, kind, bid, bid_size, ask, ask_size, came_ns, number in zip(
        window.ts_ns.tolist(),
        venue.tolist(),
        (cell // venues).tolist(),
        window.kind[place].tolist(),
        window.bid[venue, place].tolist(),
        window.bid_size[place].tolist(),
        window.ask[venue, place].tolist(),
        window.ask_size[place].tolist(),
        window.came_ns[venue, place].tolist(),
        window.number[place].tolist(),
        strict=True,
    ):
        own = follows.get((symbol, one), ())
        for rate in own:
            _look_until(ts_ns, rate, noted[rate])
        rates.watched[symbol].board.put(one, bid, bid_size, ask, ask_size, came_ns, number)
        for rate in own if kind != REFUSED else ():
            rate.quoted(ts_ns)
            noted[rate].note(ts_ns)


def _look_until(ns: int, rate: Sourced, noted: _Noted) -> None:
    """Look at a rate at each time before another one at which a source becomes too old."""
    while 0 <= rate.until_ns < ns:
        at_ns = rate.until_ns
        rate.look(at_ns)
        noted.note(at_ns)


class Courses:
    """Which rate converts the prices of each symbol at each venue, by their indices, and what it was when."""

    def __init__(
        self,
        symbols: Sequence[str],
        venues: Sequence[str],
        instruments: Mapping[str, Mapping[str, Instrument]],
        rates: Rates,
        courses: Mapping[Rate, Course],
    ) -> None:
        import numpy as np

        #: By number; of each venue and symbol its number, −1 where nothing is converted.
        self.all: list[Course] = []
        self._of = np.full((len(venues), len(symbols)), -1, dtype=np.int64)
        numbers: dict[Rate, int] = {}
        for index, symbol in enumerate(symbols):
            for venue, rate in rates.of(instruments[symbol]).items():
                if rate not in numbers:
                    numbers[rate] = len(self.all)
                    self.all.append(courses[rate] if rate in courses else _Noted(rate).course())
                self._of[venues.index(venue), index] = numbers[rate]
        self._cuts, self._begin, self._end = self._cuts_of(len(symbols))

    def _cuts_of(self, symbols: int) -> tuple[Array, Array, Array]:
        """Return the times at which any rate of a symbol changes, and by symbol which of them are its own."""
        import numpy as np

        found: dict[tuple[int, ...], tuple[int, int]] = {(): (0, 0)}
        cuts: list[Array] = [np.empty(0, dtype=np.int64)]
        own: list[tuple[int, int]] = []
        for symbol in range(symbols):
            used = tuple(sorted({number for number in self._of[:, symbol].tolist() if number >= 0}))
            if used not in found:
                begin = sum(map(len, cuts))
                cuts.append(np.unique(np.concatenate([self.all[number].from_ns for number in used])))
                found[used] = begin, begin + len(cuts[-1])
            own.append(found[used])
        return np.concatenate(cuts), *np.array(own, dtype=np.int64).T

    def __bool__(self) -> bool:
        return bool(self.all)

    def worth(self, symbol: Array, venue: Array, ns: Array) -> Array:
        """Return the middle of the rates by which prices at some times are converted, 1 where none is; NaN where it
        can't be relied on.
        """
        import numpy as np

        found, of = np.ones(len(ns)), self._of[venue, symbol]
        for number, course in enumerate(self.all):
            here = (of == number).nonzero()[0]
            at = course.at(ns[here])
            middle = (course.bid[at] + course.ask[at]) / 2
            found[here] = np.where(course.state[at] == 0, middle, np.nan)
        return found

    def convert(self, pieces: Iterable[Spans]) -> Iterator[Spans]:
        """Yield spans that end where a rate changes, too, with their prices in the symbols' own quote assets: bids at
        what the venue's asset brings then, asks at what it costs.
        """
        for piece in pieces:
            yield self._converted(piece)

    def _converted(self, piece: Spans) -> Spans:
        import numpy as np

        origin, from_ns, until_ns = self._cut(piece)
        symbol, venues = piece.symbol[origin], len(self._of)
        bid, ask = piece.bid[:, origin], piece.ask[:, origin]
        to_sell, to_buy = np.ones(bid.shape), np.ones(bid.shape)
        doubt = np.zeros(bid.shape, dtype=np.int8)
        for number, course in enumerate(self.all):
            at = course.at(from_ns)
            sold, bought, state = course.bid[at], course.ask[at], course.state[at]
            middle = (sold + bought) / 2
            for venue in range(venues):
                here = self._of[venue][symbol] == number
                bid[venue, here] *= sold[here]
                ask[venue, here] *= bought[here]
                to_sell[venue, here] = (middle / sold)[here]
                to_buy[venue, here] = (bought / middle)[here]
                doubt[venue, here] = state[here]
        size_of, max_age = piece.size_of, piece.max_age_ns
        return Spans(
            symbol=symbol,
            from_ns=from_ns,
            until_ns=until_ns,
            bid=bid,
            ask=ask,
            came_ns=piece.came_ns[:, origin],
            max_age_ns=max_age[origin] if np.ndim(max_age) else max_age,
            size_of=lambda spans, venue, of_bids: size_of(origin[spans], venue, of_bids),
            conversion=Conversion(to_sell=to_sell, to_buy=to_buy, doubt=doubt),
        )

    def _cut(self, piece: Spans) -> tuple[Array, Array, Array]:
        """Cut spans where their symbol's rates change: of each part its span, its begin and its end."""
        import numpy as np

        first, last = np.zeros(len(piece), dtype=np.int64), np.zeros(len(piece), dtype=np.int64)
        begin, end = self._begin[piece.symbol], self._end[piece.symbol]
        for start, stop in np.unique(np.stack([begin, end], axis=1), axis=0).tolist():
            here, cuts = (begin == start) & (end == stop), self._cuts[start:stop]
            first[here] = start + cuts.searchsorted(piece.from_ns[here], "right")
            last[here] = start + cuts.searchsorted(piece.until_ns[here], "left")
        count = np.maximum(last - first, 0)
        origin = np.repeat(np.arange(len(piece)), count + 1)
        number = np.arange(len(origin)) - np.repeat(np.cumsum(count + 1) - count - 1, count + 1)
        cuts = np.append(self._cuts, 0)
        at = np.minimum(first[origin] + number, len(self._cuts))
        from_ns = np.where(number == 0, piece.from_ns[origin], cuts[at - 1])
        until_ns = np.where(number == count[origin], piece.until_ns[origin], cuts[at])
        return origin, from_ns, until_ns
