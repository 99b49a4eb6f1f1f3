"""What can happen to an order."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from enum import Enum

__all__ = ["EPISODES", "FATAL", "TELLING", "Fault", "parse_script"]


class Fault(Enum):
    """What can happen to an order. Three are episodes, which concern everything for a while."""

    DELAY = "delay"
    REJECT = "reject"
    PARTIAL = "partial"
    LOSE_ACK = "lose_ack"
    LOSE_ORDER = "lose_order"
    DUPLICATE_FILLS = "duplicate_fills"
    REORDER_FILLS = "reorder_fills"
    RATE_LIMIT = "rate_limit"
    DISCONNECT = "disconnect"
    CLOCK_SKEW = "clock_skew"
    ACKNOWLEDGE = "acknowledge"
    EARLY_DONE = "early_done"
    LATE_FILL = "late_fill"
    REPLAY_UPDATES = "replay_updates"
    CUT_STREAM = "cut_stream"
    LATE_CANCEL = "late_cancel"


EPISODES = (Fault.DISCONNECT, Fault.RATE_LIMIT, Fault.CLOCK_SKEW)
#: An order that meets one of these is only acknowledged; the stream of updates tells the rest.
TELLING = (Fault.ACKNOWLEDGE, Fault.EARLY_DONE, Fault.LATE_FILL, Fault.REPLAY_UPDATES, Fault.CUT_STREAM)
#: With these an order doesn't reach the venue.
FATAL = (*EPISODES, Fault.REJECT, Fault.LOSE_ORDER)


def parse_script(script: Iterable[str]) -> Mapping[int, frozenset[Fault]]:
    """Return the scripted faults by the order's number.

    Raises:
        ValueError: an entry isn't ``NUMBER:FAULT``.
    """
    names = [fault.value for fault in Fault]
    faults: defaultdict[int, set[Fault]] = defaultdict(set)
    for entry in script:
        number, colon, name = entry.partition(":")
        if not colon or not (number.isascii() and number.isdigit()) or not int(number):
            raise ValueError(f'script: "{entry}" is not NUMBER:FAULT, such as "3:lose_ack"; numbers start at 1')
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f'script: "{entry}" names no fault (allowed: {", ".join(names)}){hint}')
        faults[int(number)].add(Fault(name))
    return {number: frozenset(suffered) for number, suffered in faults.items()}
