"""Play recorded quotes in virtual time: show the rows that can matter, and count the others.

The one player of windows, which hold the rows of all symbols. A symbol is shown the rows for which its strategy's bands
ask; the rows between are put on its board before anybody else looks at it, and counted when somebody wants to know, or
when that by which they count changes. What comes of it is what would come of showing every row.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import trio

from trioarb.quotes.band import Held, Path
from trioarb.quotes.board import QuoteBoard
from trioarb.quotes.latest import Latest
from trioarb.quotes.rounds import Rounds, Taker
from trioarb.quotes.screen import Screen, Terms
from trioarb.quotes.sinks import Skipped, Source
from trioarb.quotes.window import Window
from trioarb.time.campaign_time import Turn
from trioarb.time.virtual import VirtualTime

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["Follower", "Player"]

#: Rows between two looks at signals and other tasks, should nothing ever have to be waited for.
_BURST = 512
#: So many rows are put on the boards one by one; of more, only each venue's last of a symbol.
_FEW_ROWS, _FEW_DENSE_ROWS = 8, 64
#: If more boards than these get a quote, all are put in step at once.
_FEW_CELLS = 32
#: So many rows are made together, where they are asked for one by one.
_ROWS_AHEAD = 1_024

#: Turns for which boards are put in step when they are looked at.
_AS_NEEDED = frozenset({Turn.PACE, Turn.SERVICE})

_NEVER = 2**63 - 1


class Bands(Protocol):
    """From which edge of each path on an entry is asked about, and the bands of the positions."""

    @property
    def entry_from_bps(self) -> Sequence[float]: ...
    @property
    def held(self) -> Sequence[Held]: ...


class Follower(Protocol):
    """A symbol that is played to."""

    @property
    def board(self) -> QuoteBoard: ...
    @property
    def paths(self) -> Sequence[Path]: ...
    @property
    def max_quote_age_ns(self) -> int: ...
    @property
    def highest_edge_bps(self) -> float | None: ...
    @property
    def wants_all(self) -> bool:
        """Whether every quote has to be shown, whatever the bands."""
        ...

    @property
    def is_evaluating(self) -> bool:
        """Whether every quote is evaluated for an entry."""
        ...

    @property
    def iterations_left(self) -> int:
        """After how many evaluations entries end."""
        ...

    def bands(self) -> Bands | None:
        """Return the strategy's bands as they are now; ``None`` if there are none any more."""

    def awaits_first(self, venue: int) -> bool:
        """Return whether a venue's first whole quote has to be shown, even if no band asks for it."""

    def show(self, venue: int, received_ns: int) -> None:
        """Take a quote that is on the board already."""

    def skip(self, skipped: Skipped) -> None:
        """Count quotes that are on the board, or were, and not shown."""

    def follow(self, source: Source) -> None:
        """Take note of who is to be told of changes."""


class _Played(Source):
    """One symbol's quotes, as a source."""

    def __init__(self, player: Player, symbol: int) -> None:
        self._player = player
        self._symbol = symbol
        self.is_in_rounds = player.is_paced

    def ask_again(self) -> None:
        """Let the bands be read again before the next quote."""
        self._player.ask_again(self._symbol)

    def count(self) -> None:
        """Have counted what was skipped up to now."""
        self._player.count()

    def look_back(self, venue: int) -> None:
        """Tell the board's watch of what was put there since, and before."""
        self._player.look_back(self._symbol, venue)

    def put(self) -> None:
        """Put what came up to now on the boards."""
        self._player.put()


class Player:
    """Plays windows to the symbols, which are those of the windows in order.

    ``takers``: the symbols if they look at their boards at times of their own, in `rounds`; they are the first of the
    ``followers``, and are shown first quotes only. ``after``: the rounds before these. ``on_end`` is told of a venue's
    last row.
    """

    def __init__(
        self,
        followers: Sequence[Follower],
        venues: int,
        *,
        time: VirtualTime,
        on_end: Callable[[int], None],
        takers: Sequence[Taker] | None = None,
        after: Rounds | None = None,
    ) -> None:
        import numpy as np

        self._followers = followers
        self._venues = venues
        # By cell of a window.
        self._boards = [one.board for one in followers for _ in range(venues)]
        self._awaits_first = np.array([one.awaits_first(venue) for one in followers for venue in range(venues)])
        self.is_paced: bool = takers is not None
        self._time = time
        self._on_end = on_end
        self._bell = time.bell(Turn.MARKET.order())
        self._is_waiting = False
        self._terms = Terms([one.paths for one in followers], [one.max_quote_age_ns for one in followers], venues)
        #: Symbols whose bands have to be read again; what the bands were, by symbol.
        self._changed = set(range(len(followers)))
        self._entry_from: list[Sequence[float] | None] = [()] * len(followers)
        self._held: dict[int, Sequence[Held]] = {}
        self._exit_row: dict[int, int] = {}
        self._limit_row: dict[int, int] = {}
        self._rows_entered, self._rows_to_limit = 0, 0
        self._window: Window | None = None
        #: By cell: the row before which its board's watch was told of all.
        self._told: dict[int, int] = {}
        # All rows before this one have come; its time, and up to which row they may come.
        self._row, self._row_ns, self._stop = 0, _NEVER, 0
        #: All rows before this one are on the boards.
        self._put_row = 0
        for symbol, follower in enumerate(followers):
            follower.follow(_Played(self, symbol))
        self._latest = Latest([one.board for one in followers], venues)
        #: All rows before this one are in the columns of what is latest.
        self._taken_row = 0
        self.rounds: Rounds | None = None if takers is None else Rounds(takers, self._latest, after=after)

    def ask_again(self, symbol: int) -> None:
        """Read a symbol's bands again before the next row."""
        self._changed.add(symbol)
        if self._is_waiting:
            self._bell.ring()

    async def play(self, windows: Iterable[Window]) -> None:
        """Play until the windows end; return at the last row's time."""
        self._time.yield_soon()  # whatever was started beside this has its first turn before time goes on
        try:
            with self._time.led_by(self._put_until):
                for window in windows:
                    self._enter(window)
                    await self._play_window()
                    self.count()
                    self._hold_levels(window)
                    self._tell_watches(window)
                    self._take_the_rest()
                    self._window, self._row_ns, self._taken_row = None, _NEVER, 0
        finally:
            self.put()

    async def _play_window(self) -> None:
        time, rows = self._time, len(self._ts_ns)
        burst = 0
        while True:
            if self._changed:
                self._read_bands()
            # The next row that is shown, or the end of a venue, which comes after its last row, or that of the window.
            row = self._next_shown()
            ends = bool(self._ends) and self._ends[0][0] <= row
            stop = self._stop = self._ends[0][0] if ends else row
            if ends or stop == rows:
                at_ns = int(self._ts_ns[stop - 1]) if stop else time.now_ns()
            else:
                at_ns = int(self._ts_ns[stop])
            burst += 1
            if not time.reach(at_ns):
                self._is_waiting = True
                await self._bell.wait(at_ns)
                self._is_waiting = False
                burst = 0
                # Rung for a row that comes before, perhaps, or one that by now need not be shown any more.
                if time.now_ns() < at_ns or self._changed:
                    continue
                time.reach(at_ns)
            elif burst >= _BURST:
                self._put(stop)
                await trio.lowlevel.checkpoint()
                burst = 0
                if self._changed:
                    continue
            self._put(stop)
            if ends:
                self._on_end(self._ends.pop(0)[1])
            elif stop == rows:
                return
            else:
                self._show(stop)

    def _enter(self, window: Window) -> None:
        """Look through a window."""
        import numpy as np

        self._read_bands()
        self._screen = Screen(window, self._terms, has_edges=not self.is_paced)
        self._counted_row = 0
        self._shown: list[int] = []
        self._window, self._ts_ns = window, window.ts_ns
        self._firsts = window.firsts[self._awaits_first[window.cell[window.firsts]]]
        self._entries = np.union1d(self._screen.entries, self._firsts).tolist()
        self._entries.reverse()
        # Whether rows are asked for one by one so often that those beside them may be made with them.
        self._is_dense = self.is_paced or len(self._entries) > len(window) // 16
        self._values: list[tuple[Any, ...]] = []
        self._values_from = 0
        self._ends = sorted((last + 1, venue) for venue, last in window.ended)
        self._row, self._row_ns, self._stop = 0, int(window.ts_ns[0]), 0
        self._put_row = 0
        self._others: list[tuple[int, int]] = []
        self._exit_row.clear()
        self._limit_row.clear()
        for symbol in self._held:
            self._find_exit(symbol)
        # Every evaluation takes a row; so before some of these rows no symbol has evaluated as often as it may.
        if self._rows_entered + 2 * len(window) > self._rows_to_limit:
            for symbol in window.present.tolist():
                self._find_limit(symbol)
            left = min((one for follower in self._followers if (one := follower.iterations_left) > 0), default=0)
            self._rows_to_limit = self._rows_entered + left
        self._rows_entered += len(window)

    def _next_shown(self) -> int:
        """Return the next row that is shown; that after the last, if there is none."""
        others, row = self._others, self._row
        while others and self._is_past(*others[0]):
            heapq.heappop(others)
        while self._entries and self._entries[-1] < row:
            self._entries.pop()
        first = self._entries[-1] if self._entries else len(self._ts_ns)
        return min(first, others[0][0]) if others else first

    def _is_past(self, row: int, symbol: int) -> bool:
        """Return whether a row that was looked for needs to be shown no more."""
        return row < self._row or row not in (self._exit_row.get(symbol), self._limit_row.get(symbol))

    def _show(self, row: int) -> None:
        """Put a row on its board and show it."""
        ((_, cell, venue, *values),) = self._some(row, row + 1)
        symbol, levels = cell // self._venues, None if self._window is None else self._window.levels
        self._boards[cell].put(venue, *values, None if levels is None else (levels, row))
        self._come(row + 1)
        self._put_row = row + 1
        if self._limit_row.get(symbol) == row:
            self._count_before(row)  # whether it is the last evaluation depends on how many there were
        self._shown.append(row)
        self._followers[symbol].show(venue, values[-2])
        self._changed.add(symbol)  # what it was shown may have changed its bands

    # Boards

    def _put_until(self, at_ns: int, turn: int) -> None:
        """Put what came up to a time on the boards; called before others wake.

        Not where a round of the loop or a service begins: most of those look at no board, and who does has it put in
        step.
        """
        if at_ns >= self._row_ns and self._window is not None:
            self._come(min(int(self._ts_ns.searchsorted(at_ns, "right")), self._stop))
        if turn not in _AS_NEEDED:
            self._put(self._row)

    def put(self) -> None:
        """Put what came up to now on the boards."""
        self._put(self._row)

    def _come(self, until: int) -> None:
        """Take note that the rows before one have come."""
        if until > self._row:
            self._row = until
            self._row_ns = int(self._ts_ns[until]) if until < len(self._ts_ns) else _NEVER

    def _put(self, until: int) -> None:
        """Put the rows before one on the boards: each venue's last."""
        window, since = self._window, self._put_row
        count = until - since
        if count <= 0 or window is None:
            return
        self._come(until)
        self._put_row = until
        if count <= (_FEW_DENSE_ROWS if self._is_dense else _FEW_ROWS):
            quotes: Iterable[tuple[Any, ...]] = {quote[1]: quote for quote in self._some(since, until)}.values()
        else:
            rows = since + (window.next_row[since:until] >= until).nonzero()[0]
            if len(rows) > _FEW_CELLS:
                # Some of them were taken before, for a round of the loop, which looks at no board.
                self._take_the_rest()
                self._latest.put(window, rows)
                return
            quotes = self._rows(rows)
        levels = window.levels
        for row, cell, venue, *values in quotes:
            self._boards[cell].put(venue, *values, None if levels is None else (levels, row))

    def _take_the_rest(self) -> None:
        """Bring the columns of what is latest in step."""
        if self._window is not None and self._taken_row < self._row:
            first, self._taken_row = self._taken_row, self._row
            self._latest.take(self._window, first, self._row)

    def look(self, takers: Iterable[Taker], now_ns: int) -> None:
        """Let those look at their boards who may have something to decide: a round of the loop."""
        assert self.rounds is not None
        self._take_the_rest()
        self.rounds.look(takers, now_ns)

    def _rows(self, rows: Array) -> Iterable[tuple[Any, ...]]:
        """Yield of some rows the row, cell, venue, bid, bid size, ask, ask size, when the quote came, its number."""
        window = self._window
        assert window is not None
        place, cell = window.place.take(rows), window.cell.take(rows)
        venue = cell % self._venues
        at = venue * len(window) + place  # in the columns of all venues, one after the other: faster than two indices
        return zip(
            rows.tolist(),
            cell.tolist(),
            venue.tolist(),
            window.bid.reshape(-1).take(at).tolist(),
            window.bid_size.take(place).tolist(),
            window.ask.reshape(-1).take(at).tolist(),
            window.ask_size.take(place).tolist(),
            window.came_ns.reshape(-1).take(at).tolist(),
            window.number.take(place).tolist(),
            strict=True,
        )

    def _some(self, first: int, end: int) -> Sequence[tuple[Any, ...]]:
        """Return a few rows, as `_rows` does; where many are asked for, those that follow are made with them."""
        import numpy as np

        window = self._window
        assert window is not None
        if not self._is_dense:
            return [self._one(window, row) for row in range(first, end)]
        if first < self._values_from or end > self._values_from + len(self._values):
            self._values = list(self._rows(np.arange(first, min(max(first + _ROWS_AHEAD, end), len(window)))))
            self._values_from = first
        return self._values[first - self._values_from : end - self._values_from]

    def _one(self, window: Window, row: int) -> tuple[Any, ...]:
        cell, place = int(window.cell[row]), int(window.place[row])
        venue = cell % self._venues
        return (
            row,
            cell,
            venue,
            float(window.bid[venue, place]),
            float(window.bid_size[place]),
            float(window.ask[venue, place]),
            float(window.ask_size[place]),
            int(window.came_ns[venue, place]),
            int(window.number[place]),
        )

    def look_back(self, symbol: int, venue: int) -> None:
        """Tell a board's watch of the rows that have come and that it was not told of."""
        import numpy as np

        window, board, cell = self._window, self._followers[symbol].board, symbol * self._venues + venue
        if window is None:
            return
        first = self._told.get(cell, 0)
        self._told[cell] = self._row
        if board.watches[venue] is None or first >= self._row:
            return
        begin, end = window.places_of(symbol)
        # Numbers of more bits than the rows have would have all of them copied.
        since, until = window.row[begin:end].searchsorted(np.array((first, self._row), dtype=np.int32)).tolist()
        places = slice(begin + since, begin + until)
        own = window.cell[window.row[places]] == cell
        bids, asks = window.bid[venue, places][own], window.ask[venue, places][own]
        if len(bids):
            board.tell(venue, bids, window.bid_size[places][own], asks, window.ask_size[places][own])

    def _tell_watches(self, window: Window) -> None:
        """Tell all watches of the rest of a window."""
        for symbol in window.present.tolist():
            for venue, see in enumerate(self._followers[symbol].board.watches):
                if see is not None:
                    self.look_back(symbol, venue)
        self._told.clear()

    def _hold_levels(self, window: Window) -> None:
        """Let the boards keep their levels without the window that they are in."""
        if window.levels is not None:
            for symbol in window.present.tolist():
                for venue in range(self._venues):
                    self._followers[symbol].board.hold_levels(venue)

    # Bands

    def _read_bands(self) -> None:
        """Read the bands of all symbols that may have others now."""
        changed, self._changed = sorted(self._changed), set()
        for symbol in changed:
            follower = self._followers[symbol]
            bands = follower.bands()
            is_asked = bands is not None and follower.is_evaluating
            entry_from: Sequence[float] | None = (float("inf"),) * len(follower.paths)
            if follower.wants_all:
                entry_from = None
            elif bands is not None and is_asked:
                entry_from = bands.entry_from_bps
            if entry_from != self._entry_from[symbol]:
                self._entry_from[symbol] = entry_from
                self._terms.ask(symbol, follower.paths, entry_from)
                self._find_entries(symbol)
                self._find_limit(symbol)
            held = () if bands is None or self.is_paced else bands.held
            if held != self._held.get(symbol, ()) or self._exit_row.get(symbol, _NEVER) < self._row:
                self._held[symbol] = held
                self._find_exit(symbol)
            if not held:
                self._held.pop(symbol, None)

    def _find_entries(self, symbol: int) -> None:
        """Look again for the rows that a symbol asks for, since it asks for others."""
        import numpy as np

        window = self._window
        if window is None:
            return
        others = np.array(self._entries, dtype=np.int64)
        others = others[(window.cell[others] // self._venues != symbol) | np.isin(others, self._firsts)]
        entries = np.union1d(others, self._screen.entries_of(symbol))
        self._entries = entries[entries >= self._row].tolist()
        self._entries.reverse()
        self._is_dense = self.is_paced or len(self._entries) > len(window) // 16

    def _find_exit(self, symbol: int) -> None:
        """Look for the first row that is within the band of a position."""
        self._exit_row.pop(symbol, None)
        if self._window is None:
            return
        found = [self._screen.exit_row(symbol, held, self._row) for held in self._held[symbol]]
        rows = [row for row in found if row is not None]
        if rows:
            self._exit_row[symbol] = min(rows)
            heapq.heappush(self._others, (min(rows), symbol))

    def _find_limit(self, symbol: int) -> None:
        """Look for the row with which a symbol's entries end, since it has evaluated as often as it may."""
        window, follower = self._window, self._followers[symbol]
        if window is None:
            return
        self._limit_row.pop(symbol, None)
        # What was not counted yet is at most a window.
        if follower.iterations_left > 2 * len(window):
            return
        self.count()
        if follower.is_evaluating:
            row = self._screen.evaluated_row(symbol, follower.iterations_left, self._row)
            if row is not None:
                self._limit_row[symbol] = row
                heapq.heappush(self._others, (row, symbol))

    # Counts

    def count(self) -> None:
        """Tell the symbols what they were not shown up to now."""
        self._count_before(self._row)
        if self.rounds is not None:
            self._take_the_rest()
            self.rounds.tell()

    def _count_before(self, row: int) -> None:
        import numpy as np

        window = self._window
        if window is None or row <= self._counted_row:
            return
        followers = [self._followers[symbol] for symbol in window.present.tolist()]
        edges = [follower.highest_edge_bps for follower in followers]
        known = np.array([-np.inf if edge is None else edge for edge in edges])
        higher = self._screen.higher(known, self._counted_row, row)
        counts = self._screen.counts(self._counted_row, row, self._shown)
        self._counted_row, self._shown = row, []
        for index, (follower, (seen, refused, withdrawn, stale, positive)) in enumerate(
            zip(followers, counts.T.tolist(), strict=True)
        ):
            if seen or withdrawn:
                follower.skip(Skipped(seen, refused, withdrawn, stale, positive, higher.get(index)))
