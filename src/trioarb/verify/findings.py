"""What the verification of a journal finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import Enum

import attrs

from trioarb.model.event import Record
from trioarb.model.wire import event_type

__all__ = ["Check", "Findings", "Violation"]

#: A journal that is wrong altogether must not fill the memory; further violations are counted only.
_MOST_KEPT = 1000

_IDS = ("client_order_id", "fill_id", "residual_id", "pair_id", "trade_id", "symbol", "venue")


class Check(Enum):
    """An aspect under which a journal is checked."""

    SEQUENCE = "sequence"
    PHASES = "phases"
    LEDGER = "double entry"
    INTENTS = "intents"
    ANSWERS = "order answers"
    PAIRS = "pairs"
    POSITIONS = "positions"
    ENTRIES = "entries"
    EXPOSURE = "exposure"
    PNL = "PnL"
    RESIDUALS = "residuals"
    RATES = "rates"
    MARKS = "marks"
    EQUITY = "equity"
    COUNTERS = "counters"


@attrs.frozen(kw_only=True)
class Violation:
    """An event that breaks a rule. ``ids`` are those that the event has, by their field's name."""

    check: Check
    seq: int
    type: str
    ids: Mapping[str, str]
    what: str

    def __str__(self) -> str:
        ids = ", ".join(f"{name} {value}" for name, value in self.ids.items())
        return f"seq {self.seq}: {self.type}{f' ({ids})' if ids else ''}: {self.what}"


class Findings:
    """Collects violations, in the order in which they are found."""

    def __init__(self) -> None:
        self.kept: list[Violation] = []
        self.counts: Counter[Check] = Counter()

    def add(self, check: Check, record: Record, what: str) -> None:
        """Note that an event breaks a rule; ``what`` goes on from "this event"."""
        self.counts[check] += 1
        if len(self.kept) < _MOST_KEPT:
            event = record.event
            ids = {name: str(value) for name in _IDS if (value := getattr(event, name, None)) is not None}
            self.kept.append(Violation(check=check, seq=record.seq, type=event_type(type(event)), ids=ids, what=what))
