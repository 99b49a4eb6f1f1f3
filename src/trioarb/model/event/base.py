"""The base of all events, and their place in the journal."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

__all__ = ["Event", "Record"]


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of all events. They hold nothing that could lead back to them, so garbage is not looked for among them."""


class Record(NamedTuple):
    """An event at its place in the journal. A tuple, since it is made of every event that is read again.

    Attributes:
        seq: Its number, from 1 on.
        ts_ns: Campaign time in nanoseconds.
        event: What happened.
    """

    seq: int
    ts_ns: int
    event: Event
