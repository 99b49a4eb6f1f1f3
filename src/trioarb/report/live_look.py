"""What a person wants to see of a campaign, as its keys say: order and choice of symbols, help, a question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum

import attrs

from trioarb.state.snapshot import SymbolSnapshot

__all__ = ["KEYS", "Act", "Look", "Sort"]

#: Each key, what it does, and a word for it.
KEYS = (
    ("q", "end", "end the campaign in its usual order, as Ctrl-C does"),
    ("k", "kill", "close everything at once and end; asks first"),
    ("p", "pause", "no entries from now on; p again lifts that. Exits and hedges go on"),
    ("w", "why", "why there is no trade: the table that SIGUSR2 prints"),
    ("s", "sort", "the next order of the symbols"),
    ("f", "filter", "only symbols whose name has what you type; Enter keeps it, Esc drops it"),
    ("↑ ↓", "scroll", "further symbols, or lines of a page; PgUp, PgDn, Home and End, too"),
    ("?", "help", "this page; any key leaves it"),
    ("Ctrl-C", "end", "end the campaign; once more: hurry"),
)
_LONGEST_FILTER = 20
_PAGE, _ALL = 10, 1_000_000
_SCROLLS = {"up": -1, "down": 1, "pgup": -_PAGE, "pgdn": _PAGE, "home": -_ALL, "end": _ALL}


class Act(Enum):
    """What a key wants of the campaign."""

    END = "end"
    KILL = "kill"
    PAUSE = "pause"
    WHY = "why"


class Sort(Enum):
    """The order of symbols. `OPEN` keeps that of the universe, as long as all of them can be seen."""

    OPEN = "open first"
    EDGE = "edge"
    PNL = "PnL"
    DENIED = "denied"
    NAME = "name"


_KEYS_OF: dict[Sort, Callable[[SymbolSnapshot], object]] = {
    Sort.OPEN: lambda one: (-len(one.positions), -one.opened),
    Sort.EDGE: lambda one: (one.edge_bps is None, -(one.edge_bps or 0)),
    Sort.PNL: lambda one: -(one.pnl_usd + (one.unrealised_usd or 0)),
    Sort.DENIED: lambda one: -one.denied,
    Sort.NAME: lambda one: one.symbol,
}


@attrs.define
class Look:
    """Changed by keys, in the thread that draws. ``acts``: what keys may want of the campaign here.

    ``page`` is looked at instead of the campaign, if there is one. ``first``: of its lines, or of the symbols, which is
    at the top.
    """

    acts: frozenset[Act] = frozenset(Act)
    has_keys: bool = True
    sort: Sort = Sort.OPEN
    filter: str = ""
    is_filtering: bool = False
    is_helping: bool = False
    is_asking: bool = False
    page: tuple[str, ...] = ()
    first: int = 0

    def press(self, key: str) -> Act | None:
        """Take a key, by its character or name (``up``, ``esc``); return what it wants of the campaign."""
        if self.is_asking:
            self.is_asking = False
            return Act.KILL if key in ("y", "Y") else None
        if self.is_filtering:
            self._type(key)
            return None
        if self.is_helping:
            self.is_helping = False
            return None
        if self.page and key not in _SCROLLS:
            self.page, self.first = (), 0
            return None
        match key:
            case "w" if Act.WHY in self.acts:
                return Act.WHY
            case "q" if Act.END in self.acts:
                return Act.END
            case "p" if Act.PAUSE in self.acts:
                return Act.PAUSE
            case "k" if Act.KILL in self.acts:
                self.is_asking = True
            case "s":
                sorts = list(Sort)
                self.sort, self.first = sorts[(sorts.index(self.sort) + 1) % len(sorts)], 0
            case "f":
                self.is_filtering = True
            case "?":
                self.is_helping = True
            case "esc":
                self.filter, self.first = "", 0
            case _:
                self._scroll(key)
        return None

    def chosen(self, symbols: Sequence[SymbolSnapshot], rows: int) -> Sequence[SymbolSnapshot]:
        """Return the symbols to be seen in so many rows, in their order; corrects how far it is scrolled."""
        if self.filter:
            wanted = self.filter.upper()
            symbols = [one for one in symbols if wanted in one.symbol.upper()]
        if self.sort is not Sort.OPEN or len(symbols) > rows:
            symbols = sorted(symbols, key=_KEYS_OF[self.sort])  # type: ignore[arg-type]  # each of one type
        self.first = max(0, min(self.first, len(symbols) - rows))
        return symbols[self.first : self.first + rows]

    def turned(self, lines: int) -> tuple[str, ...]:
        """Return so many lines of the page; corrects how far it is scrolled."""
        self.first = max(0, min(self.first, len(self.page) - lines))
        return self.page[self.first : self.first + lines]

    def count(self, symbols: Sequence[SymbolSnapshot]) -> int:
        """Return how many symbols the filter leaves."""
        wanted = self.filter.upper()
        return sum(wanted in one.symbol.upper() for one in symbols) if wanted else len(symbols)

    def _type(self, key: str) -> None:
        match key:
            case "enter":
                self.is_filtering = False
            case "esc":
                self.is_filtering, self.filter = False, ""
            case "backspace":
                self.filter = self.filter[:-1]
            case _ if len(key) == 1 and key.isprintable() and len(self.filter) < _LONGEST_FILTER:
                self.filter += key
        self.first = 0

    def _scroll(self, key: str) -> None:
        self.first = max(0, self.first + _SCROLLS.get(key, 0))
