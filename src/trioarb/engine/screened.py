"""Play recorded quotes in virtual time, and pass over those that no evaluation could act upon."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from threading import get_ident
from typing import TYPE_CHECKING

import attrs
import trio

from trioarb.engine.symbol import SymbolTask
from trioarb.model.event import PairEnded, Record
from trioarb.model.market import Route
from trioarb.quotes.band import Held, exit_asked, ratio_below
from trioarb.quotes.columns import QuoteBlock, QuoteColumns
from trioarb.state.funnel import Passed
from trioarb.time.campaign_time import CampaignTime, Turn

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Mask = npt.NDArray[np.bool_]

__all__ = ["ScreenedMarket"]

#: Blocks that are looked through for the next row to act upon, before those looked through are let go of.
_BLOCKS_AHEAD = 64
#: Rows that are looked through at first for an exit; then twice as many, and so on.
_FIRST_EXIT_ROWS = 512
#: Rows of a block that are looked at together: what is computed of them stays in the cache, and in the same memory.
_SLICE_ROWS = 16_384
#: Rows between two looks at signals and other tasks, should nothing ever have to be waited for.
_BURST = 512

_NEVER = 2**63 - 1

#: What rounding could add to an edge.
_SLACK_BPS = 1e-7


class ScreenedMarket:
    """The recorded quotes of all symbols, and how far each symbol has seen them.

    `play` shows a symbol the rows that its strategy's screen names; the rows between them are counted, and put on the
    board, when it comes to the next, or when anybody reads the board. What comes of it is what would come of showing
    every row. ``ends``: rank and time of each venue's last row.
    """

    def __init__(
        self,
        columns: Mapping[str, QuoteColumns],
        tasks: Mapping[str, SymbolTask],
        *,
        ends: Mapping[str, tuple[int, int]],
        time: CampaignTime,
    ) -> None:
        self.rank = -1
        self.time = time
        self._bell = time.bell(Turn.MARKET.order())
        self._wakes_ns = -1
        self._ends = sorted((rank, at_ns, venue) for venue, (rank, at_ns) in ends.items())
        self._plan: list[tuple[int, int]] = []
        self._symbols = [
            _Symbol(number, self, task, columns[symbol]) for number, (symbol, task) in enumerate(tasks.items())
        ]
        self._of = {one.task.symbol: one for one in self._symbols}

    def observe(self, record: Record) -> None:
        """Look again for the next row that a symbol has to see, once its position has changed."""
        if isinstance(record.event, PairEnded):
            self._of[record.event.symbol].replan()

    def place(self, rank: int, at_ns: int, number: int) -> None:
        """Take note of the next row of a symbol."""
        heapq.heappush(self._plan, (rank, number))
        if at_ns < self._wakes_ns:
            self._bell.ring()

    async def play(self, on_end: Callable[[str], None]) -> None:
        """Show the symbols what they have to see; return at the last quote's time. Tell ``on_end`` of each venue's."""
        for symbol in self._symbols:
            symbol.replan()
        self.time.yield_soon()  # whatever was started beside this has its first turn before time goes on
        burst = 0
        while (planned := self._next()) is not None:
            rank, at_ns, one, venue = planned
            burst += 1
            if not self.time.reach(at_ns):
                self._wakes_ns = at_ns
                await self._bell.wait(at_ns)
                self._wakes_ns = -1
                burst = 0
                # Rung for a row that comes before, perhaps one that by now need not be seen any more.
                if self.time.now_ns() < at_ns or self._next() != planned:
                    continue
                self.time.reach(at_ns)
            elif burst >= _BURST:
                await trio.lowlevel.checkpoint()
                burst = 0
            self.rank = rank
            if one is None:
                self._ends.pop(0)
                on_end(venue)
            else:
                heapq.heappop(self._plan)
                one.show()
                one.replan()

    def _next(self) -> tuple[int, int, _Symbol | None, str] | None:
        """Return rank and time of what is next: a row of a symbol, or a venue's end."""
        plan = self._plan
        while plan and self._symbols[plan[0][1]].next_rank != plan[0][0]:
            heapq.heappop(plan)  # planned anew since
        if plan and (not self._ends or plan[0][0] <= self._ends[0][0]):
            rank, number = plan[0]
            return rank, self._symbols[number].next_ns, self._symbols[number], ""
        if not self._ends:
            return None
        rank, at_ns, venue = self._ends[0]
        return rank, at_ns, None, venue


@attrs.frozen
class _Screened:
    """A block as a screen sees it: rows to be shown for an entry, and which of all are fresh and have an edge.

    ``on_time``: at which rows both quotes of each path are fresh; ``None`` stands for all rows.
    """

    entries: npt.NDArray[np.intp]
    fresh: Mask | None
    positive: Mask
    on_time: Sequence[Mask | None]


@attrs.frozen
class _ExitSearch:
    """How far a position's exit was looked for: the row to be shown for it, or the first that was not looked at."""

    held: Held
    row: int


class _Symbol:
    """What one symbol has seen. ``next_rank`` and ``next_ns`` are those of the row that it has to see next."""

    def __init__(
        self,
        number: int,
        market: ScreenedMarket,
        task: SymbolTask,
        columns: QuoteColumns,
    ) -> None:
        self.task = task
        self.next_rank = -1
        self.next_ns = _NEVER
        self._thread = get_ident()
        self._number = number
        self._market = market
        self._columns = columns
        self._entry_from: Mapping[Route, float] = {}
        self._board = task.market.board
        self._sinks = [task.sink(venue) if venue in task.market.instruments else None for venue in self._board.venues]
        self._paths = task.paths
        self._max_age_ns = task.strategy.max_quote_age_ns
        self._screened: dict[int, _Screened] = {}
        self._exits: dict[str, _ExitSearch] = {}
        self._firsts = deque(columns.firsts())
        self._next_row = -1
        self._refused = 0
        self._go_to(0)
        self._board.catch_up = self.catch_up
        task.on_change = self.replan
        task.chosen = True

    def _go_to(self, row: int) -> None:
        """Note that every row before this one was seen."""
        self._row = row
        self._row_ns = self._row_rank = _NEVER
        if row < len(self._columns):
            block, index = self._columns.at(row)
            self._row_ns, self._row_rank = int(block.ts_ns[index]), int(block.rank[index])

    def catch_up(self) -> None:
        """Pass over what had its turn; for the thread that plays it only. Others see what was passed over so far."""
        if get_ident() != self._thread:
            return
        market_ns, rank = self._market.time.market_ns(), self._market.rank
        if self._row_ns <= market_ns or self._row_rank <= rank:
            self._pass(self._row_after(market_ns, rank))
        refused = self._columns.refused
        if len(refused.ts_ns) > self._refused:
            until = max(refused.ts_ns.searchsorted(market_ns, "right"), refused.rank.searchsorted(rank, "right"))
            self._refuse(int(until))

    def show(self) -> None:
        """Show the next row."""
        row = self._next_row
        self._pass(row)
        block, index = self._columns.at(row)
        if len(self._columns.refused.ts_ns) > self._refused:
            self._refuse(int(self._columns.refused.rank.searchsorted(block.rank[index])))
        self._go_to(row + 1)
        venue = int(block.venue[index])
        sink = self._sinks[venue]
        if sink is None:
            raise AssertionError(f"{self.task.symbol} is not listed at {self._board.venues[venue]}")
        sink(
            float(block.bid[venue, index]),
            float(block.bid_size[index]),
            float(block.ask[venue, index]),
            float(block.ask_size[index]),
            int(block.ts_ns[index]),
        )

    def replan(self) -> None:
        """Find the next row that has to be shown."""
        self.catch_up()
        row, end = self._row, len(self._columns)
        if row >= end:
            self.next_rank, self.next_ns = -1, _NEVER
            return
        while self._firsts and self._firsts[0] < row:
            self._firsts.popleft()
        decider = self.task.bands()
        held = () if decider is None else decider.held
        if decider is not None and decider.entry_from != self._entry_from:
            self._entry_from = decider.entry_from
            self._screened.clear()
        wanted = [end]
        if self._firsts:
            wanted.append(self._firsts[0])
        if self.task.is_evaluating:
            wanted.append(row + self.task.iterations_left - 1)
            wanted.append(self._next_entry(row, min(wanted)))
        wanted += [self._next_exit(one, row, min(wanted)) for one in held]
        self._exits = {one.position.trade_id: self._exits[one.position.trade_id] for one in held}
        self._next_row = min(wanted)
        if self._next_row >= end:
            self.next_rank, self.next_ns = -1, _NEVER
            return
        block, index = self._columns.at(self._next_row)
        self.next_rank, self.next_ns = int(block.rank[index]), int(block.ts_ns[index])
        self._market.place(self.next_rank, self.next_ns, self._number)

    def _row_after(self, market_ns: int, rank: int) -> int:
        """Return the first row that had no turn yet."""
        for block in self._columns.blocks[self._columns.place(self._row) :]:
            if block.ts_ns[-1] > market_ns and block.rank[-1] > rank:
                until = max(block.ts_ns.searchsorted(market_ns, "right"), block.rank.searchsorted(rank, "right"))
                return max(self._row, block.first + int(until))
        return len(self._columns)

    def _refuse(self, until: int) -> None:
        """Count refused quotes."""
        count = until - self._refused
        if count > 0:
            self._refused = until
            self.task.pass_over(Passed(count, count, 0, 0, None))

    def _pass(self, until: int) -> None:
        """Count the quotes before a row, and put the last of them on the board."""
        if until <= self._row:
            return
        passed = self._count(until) if self.task.is_evaluating else Passed(until - self._row, 0, 0, 0, None)
        self._put(until - 1)
        self._go_to(until)
        self.task.pass_over(passed)
        for place in [place for place in self._screened if self._columns.blocks[place].end <= until]:
            del self._screened[place]

    def _count(self, until: int) -> Passed:
        """Return what the funnel counts of the quotes before a row."""
        fresh = positive = 0
        highest = None
        first_place, last_place = self._columns.place(self._row), self._columns.place(until - 1)
        for place in range(first_place, last_place + 1):
            block = self._columns.blocks[place]
            screened = self._screen_block(place, block)
            first, end = max(self._row - block.first, 0), min(until, block.end) - block.first
            fresh += end - first if screened.fresh is None else int(screened.fresh[first:end].sum())
            positive += int(screened.positive[first:end].sum())
            highest = _highest(highest, self._highest_edge(block, screened, first, end))
        return Passed(until - self._row, 0, fresh, positive, highest)

    def _put(self, row: int) -> None:
        """Put every venue's latest quote on the board, as of a row."""
        board, (block, index) = self._board, self._columns.at(row)
        for venue, latest in enumerate(block.latest[:, index].tolist()):
            if latest >= 0:
                own, place = (block, latest - block.first) if latest >= block.first else self._columns.at(latest)
                board.bid[venue] = float(own.bid[venue, place])
                board.ask[venue] = float(own.ask[venue, place])
                board.bid_size[venue] = float(own.bid_size[place])
                board.ask_size[venue] = float(own.ask_size[place])
                board.received_ns[venue] = int(own.ts_ns[place])
                board.serial[venue] = int(own.number[place])

    def _next_entry(self, row: int, until: int) -> int:
        """Return the first row before ``until`` that has to be shown for an entry; ``until`` if there is none."""
        first = self._columns.place(row)
        for at, block in enumerate(self._columns.blocks[first : first + _BLOCKS_AHEAD], first):
            if block.first >= until:
                return until
            entries = self._screen_block(at, block).entries
            found = int(entries.searchsorted(max(row - block.first, 0)))
            if found < len(entries):
                return block.first + int(entries[found])
        return min(until, self._columns.blocks[min(first + _BLOCKS_AHEAD, len(self._columns.blocks)) - 1].end)

    def _next_exit(self, held: Held, row: int, until: int) -> int:
        """Return the first row before ``until`` that has to be shown for an exit; ``until`` if there is none."""
        known = self._exits.get(held.position.trade_id)
        if known is not None and known.held == held and known.row >= row:
            return known.row
        due_ns, path = held.band.from_ns, held.out
        rows, at = _FIRST_EXIT_ROWS, row
        while at < until:
            block, first = self._columns.at(at)
            end = min(first + rows, len(block), until - block.first)
            mask: Mask = exit_asked(held, block.bid[path.sell, first:end], block.ask[path.buy, first:end])  # type: ignore[assignment]
            if due_ns is not None and block.ts_ns[end - 1] >= due_ns:
                mask = mask | (block.ts_ns[first:end] >= due_ns)
            found = int(mask.argmax())
            if mask[found]:
                at += found
                break
            at += end - first
            rows *= 2
        self._exits[held.position.trade_id] = _ExitSearch(held, min(at, until))
        return min(at, until)

    def _screen_block(self, at: int, block: QuoteBlock) -> _Screened:
        screened = self._screened.get(at)
        if screened is None:
            screened = self._screened[at] = self._see(block)
        return screened

    def _see(self, block: QuoteBlock) -> _Screened:
        """Find the rows of a block at which an entry could be decided, and those that the funnel counts."""
        import numpy as np

        of_venue = [
            None if oldest_ns <= self._max_age_ns else self._on_time(block, venue)
            for venue, oldest_ns in enumerate(block.oldest_ns)
        ]
        on_time = [_both(of_venue[path.buy], of_venue[path.sell]) for path in self._paths]
        entries, positive = np.zeros(len(block), dtype=bool), np.zeros(len(block), dtype=bool)
        for first in range(0, len(block), _SLICE_ROWS):
            rows = slice(first, first + _SLICE_ROWS)
            for path, is_on_time in zip(self._paths, on_time, strict=True):
                received = block.bid[path.sell, rows] * path.keep_sell
                paid = block.ask[path.buy, rows] * path.cost_buy
                entries[rows] |= received >= paid * ratio_below(self._entry_from[path.route])
                has_edge: Mask = received > paid
                if is_on_time is not None:
                    has_edge &= is_on_time[rows]
                positive[rows] |= has_edge
        fresh = None
        if all(one is not None for one in on_time):
            fresh = np.logical_or.reduce([one for one in on_time if one is not None])
        return _Screened(entries.nonzero()[0], fresh, positive, on_time)

    def _on_time(self, block: QuoteBlock, venue: int) -> Mask:
        """Return at which rows a venue's latest quote is fresh."""
        latest = block.latest[venue]
        came_ns = block.ts_ns[(latest - block.first).clip(0)]
        before = latest < block.first
        if before[0]:
            own, place = self._columns.at(max(int(latest[0]), 0))
            came_ns[before] = own.ts_ns[place]
        on_time: Mask = (block.ts_ns - came_ns <= self._max_age_ns) & (latest >= 0)
        return on_time

    def _highest_edge(self, block: QuoteBlock, screened: _Screened, first: int, end: int) -> float | None:
        """Return the highest edge between fresh quotes, unless it is not above the highest so far for certain."""
        known = self.task.highest_edge_bps
        highest = None
        for path, on_time in zip(self._paths, screened.on_time, strict=True):
            bound = 1e4 * (block.best_ratio[path.sell][path.buy] * path.keep_sell / path.cost_buy - 1) + _SLACK_BPS
            if not (known is None or bound > known):
                continue
            for start in range(first, end, _SLICE_ROWS):
                rows = slice(start, min(start + _SLICE_ROWS, end))
                received = block.bid[path.sell, rows] * path.keep_sell
                ratio = received / (block.ask[path.buy, rows] * path.cost_buy)
                if on_time is not None:
                    ratio = ratio[on_time[rows]]
                if len(ratio):
                    highest = _highest(highest, 1e4 * (float(ratio.max()) - 1.0))
        return highest


def _highest(first: float | None, second: float | None) -> float | None:
    if first is None or second is None:
        return second if first is None else first
    return max(first, second)


def _both(first: Mask | None, second: Mask | None) -> Mask | None:
    if first is None or second is None:
        return second if first is None else first
    return first & second
