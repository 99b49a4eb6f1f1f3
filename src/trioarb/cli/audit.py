"""Replay again with every quote shown, and compare the events."""

from __future__ import annotations

import logging
from functools import partial
from itertools import zip_longest
from pathlib import Path

import structlog
import trio

from trioarb.config.load import Loaded
from trioarb.engine.run import run_campaign
from trioarb.journal.recorded import open_journal
from trioarb.model.event import Record
from trioarb.model.wire import encode
from trioarb.plugin.registry import Plugins
from trioarb.time.virtual import VirtualClock

__all__ = ["audited"]


def audited(loaded: Loaded, plugins: Plugins, journal: Path) -> str:
    """Return the first event in which a journal differs from what showing every quote leads to; '' if there is none.

    Raises:
        TrioarbError: the journal can't be read, or the campaign can't be opened again.
    """
    # All of it was logged the first time.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    shown: list[Record] = []
    clock = VirtualClock()
    run = partial(run_campaign, clock=clock, observers=[shown.append], audited=True)
    trio.run(run, loaded.config, plugins, clock=clock)
    with open_journal(journal) as stored:
        for screened, every in zip_longest(stored.records(), shown):
            lines = [None if one is None else encode(one) + b"}" for one in (screened, every)]
            if lines[0] != lines[1]:
                first, second = ("nothing" if line is None else line.decode() for line in lines)
                return (
                    "the strategy hid a quote that mattered (screen or asked_from_bps); the first event that differs: "
                    f"{first} where every quote shown leads to {second}"
                )
    return ""
