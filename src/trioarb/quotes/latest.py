"""What every venue quoted last of every symbol, in columns: to put many boards in step at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trioarb.quotes.board import QuoteBoard
from trioarb.quotes.window import REFUSED, Window

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["Latest"]


class Latest:
    """Columns of S symbols and V venues (S, V), as those of a `QuoteBoard`; behind the boards until `take` is called.

    ``waiting``: how many quotes were taken, less what its reader took off.
    """

    bid: Array
    bid_size: Array
    ask: Array
    ask_size: Array

    def __init__(self, boards: Sequence[QuoteBoard], venues: int) -> None:
        import numpy as np

        self.boards = boards
        self.venues = venues
        shape = len(boards), venues
        self.bid, self.bid_size, self.ask, self.ask_size = (
            np.array([getattr(board, name) for board in boards], dtype=float).reshape(shape)
            for name in ("bid", "bid_size", "ask", "ask_size")
        )
        self.came_ns: Array = np.array([board.received_ns for board in boards], dtype=np.int64).reshape(shape)
        self.serial: Array = np.array([board.serial for board in boards], dtype=np.int64).reshape(shape)
        self.waiting: Array = np.zeros(shape, dtype=np.int64)
        #: How often rows were taken.
        self.times: int = 0

    def take(self, window: Window, first: int, until: int) -> None:
        """Take the rows of a window from one up to another: the last one of each cell among them."""
        import numpy as np

        self.times += 1
        rows: Array = first + (window.next_row[first:until] >= until).nonzero()[0]
        place, cell = window.place.take(rows).astype(np.intp), window.cell.take(rows).astype(np.intp)
        at = cell % self.venues * len(window) + place  # in the columns of all venues, one after the other
        self.bid.reshape(-1)[cell] = window.bid.reshape(-1).take(at)
        self.ask.reshape(-1)[cell] = window.ask.reshape(-1).take(at)
        self.came_ns.reshape(-1)[cell] = window.came_ns.reshape(-1).take(at)
        self.bid_size.reshape(-1)[cell] = window.bid_size.take(place)
        self.ask_size.reshape(-1)[cell] = window.ask_size.take(place)
        serial, number = self.serial.reshape(-1), window.number.take(place)
        self.waiting.reshape(-1)[cell] += number - serial.take(cell)
        serial[cell] = number

    def put(self, window: Window, rows: Array) -> None:
        """Put all boards in step with what was taken; ``rows``: each cell's last one, if its board doesn't show it."""
        columns = (self.bid, self.bid_size, self.ask, self.ask_size, self.came_ns, self.serial)
        now = (column.tolist() for column in columns)
        for board, bid, bid_size, ask, ask_size, came_ns, serial in zip(self.boards, *now, strict=True):
            board.put_all(bid, bid_size, ask, ask_size, came_ns, serial)
        if not window.is_all_accepted:
            refused = rows[window.kind[window.place[rows]] == REFUSED]
            for cell in window.cell[refused].tolist():
                self.boards[cell // self.venues].forget_touch(cell % self.venues)
        if window.levels is not None:
            for row, cell in zip(rows.tolist(), window.cell[rows].tolist(), strict=True):
                self.boards[cell // self.venues].levels[cell % self.venues] = window.levels, row
