"""Where a campaign is kept: its journal, and what simulated venues remember."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs

from trioarb.engine.past import Past
from trioarb.journal.writer import JournalWriter
from trioarb.state.state import State

__all__ = ["Keeping"]


@attrs.frozen(kw_only=True)
class Keeping:
    """``open_writer`` is called with the campaign's id once everything else is open; the campaign closes the writer.

    ``journal``: that file. ``state_of`` says where a simulated venue keeps its memory. ``past`` is what the journal
    holds already; ``earlier``, of a new campaign, what another one came to whose loss of the day counts in this one.
    """

    journal: Path
    open_writer: Callable[[str], JournalWriter]
    state_of: Callable[[str], Path]
    past: Past | None = None
    earlier: State | None = None
