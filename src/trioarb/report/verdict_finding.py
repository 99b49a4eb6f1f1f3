"""What may be said against a run: codes, how much each of them counts, and a finding with its words."""

from __future__ import annotations

from enum import Enum

import attrs

__all__ = ["Code", "Finding", "Weight"]


class Weight(Enum):
    """What a finding does to the verdict."""

    SAID = "said"
    """It is said, and decides nothing."""
    FLATTERS = "flatters"
    """It makes a run look better than it would be: no profit is shown, but a loss stays one."""
    OPEN = "open"
    """Neither a profit nor a loss is shown."""


class Code(Enum):
    """What is found, and how much it counts. docs/verdict.md explains each; the name is what programs see."""

    NO_TRADE = "no trade", Weight.OPEN
    STARVED = "many opportunities, and nothing sent", Weight.OPEN
    FEW_TRADES = "too few trades", Weight.OPEN
    UNCERTAIN = "it may be chance", Weight.OPEN
    SHORT = "too short", Weight.OPEN
    GUARDS = "guards were never asked", Weight.OPEN
    STALE = "quotes too old to be acted upon", Weight.OPEN
    REFUSED = "quotes that were wrong", Weight.OPEN
    OLD = "venues that were silent", Weight.OPEN
    CLOCK = "clocks that disagree", Weight.OPEN
    MARKED = "it depends on marks", Weight.OPEN
    FX_OLD = "rates that could not be relied on", Weight.OPEN
    FX_CONSTANT = "a constant rate", Weight.FLATTERS
    CONFLATED = "quotes nobody looked at", Weight.FLATTERS
    FEW_SYMBOLS = "too few symbols", Weight.FLATTERS
    EXITS_FORCED = "exits by time or force", Weight.FLATTERS
    ZERO_LATENCY = "no latency", Weight.FLATTERS
    LATENCY_SENSITIVE = "slower, it would not earn", Weight.FLATTERS
    NO_FEE = "no fee", Weight.FLATTERS
    FILLS = "all filled whole at the quoted price", Weight.FLATTERS
    SAME_WINS = "every win is the same", Weight.FLATTERS
    WINS = "nearly every trade wins", Weight.FLATTERS
    PACE = "too many trades a minute", Weight.FLATTERS
    BASIS = "a basis that doesn't revert", Weight.FLATTERS
    CONCENTRATED = "it hangs on one trade or symbol", Weight.FLATTERS
    OVERFIT = "it holds for a part only", Weight.FLATTERS
    SIMULATED = "simulated fills", Weight.SAID
    SAME_OPERATOR = "two venues of one operator", Weight.SAID
    INVENTORY = "stock moved more than trading brought", Weight.SAID

    def __init__(self, title: str, weight: Weight) -> None:
        self.title = title
        self.weight = weight


@attrs.frozen
class Finding:
    """One thing said of a run: ``text`` is for people, ``key`` the configuration key or data that would change it."""

    code: Code
    text: str
    key: str

    @property
    def weight(self) -> Weight:
        return self.code.weight
