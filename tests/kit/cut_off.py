"""A campaign that can be cut off at a record, and gone on with from there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import attrs
import trio

from trioarb.cli.journal import keep_anew, keep_on
from trioarb.config.load import load_table
from trioarb.engine.campaign import Campaign
from trioarb.engine.run import run_campaign
from trioarb.journal.recorded import claim, open_journal
from trioarb.model import event as model
from trioarb.model.event import Record
from trioarb.plugin.registry import load_plugins
from trioarb.testing import ScriptedRow, ScriptedTape, listing, scripted_market
from trioarb.time.virtual import VirtualClock
from trioarb.verify.verification import Verifier

__all__ = ["Gap", "Place", "of", "quotes"]

#: (first second, last second, how far b stands above a)
Gap = tuple[float, float, float]


def quotes(gaps: Sequence[Gap], *, until: float = 120.0) -> dict[str, list[ScriptedRow]]:
    """Return quotes of both venues every quarter of a second, 10 apart from the last first."""

    def rows(venue: str) -> Iterator[ScriptedRow]:
        for tick in range(int(until * 4)):
            second = tick / 4
            gap = sum(gap for first, last, gap in gaps if first <= second < last) if venue == "b" else 0.0
            yield second, "BTCUSDT", 100.0 + gap, 50.0, 100.01 + gap, 50.0

    return {venue: list(rows(venue)) for venue in "ab"}


@attrs.frozen
class Place:
    """Where a campaign is kept, and what it trades."""

    folder: Path
    table: dict[str, Any]
    gaps: Sequence[Gap]
    rows: Mapping[str, Sequence[ScriptedRow]] | None = None

    @property
    def journal(self) -> Path:
        return self.folder / "c.journal"

    def run(
        self, *observers: Callable[[Record], None], resumed: bool = False, close_only: bool = False
    ) -> tuple[Campaign, list[Record]]:
        """Run it, or go on with it; return it with the records of this stretch."""
        quoted = quotes(self.gaps) if self.rows is None else self.rows
        tapes = {venue: ScriptedTape(rows, listings=[listing("BTC")]) for venue, rows in quoted.items()}
        plugins = load_plugins({"market": scripted_market(tapes)})
        loaded, records, clock = load_table(self.table, plugins), list[Record](), VirtualClock()

        async def main() -> Campaign:
            with claim(self.journal) if resumed else nullcontext() as claimed:
                if claimed is None:
                    keeping = keep_anew(self.journal, loaded)
                else:
                    keeping = keep_on(claimed, loaded, close_only=close_only)
                return await run_campaign(
                    loaded.config, plugins, clock=clock, observers=[records.append, *observers], keeping=keeping
                )

        return trio.run(main, clock=clock), records

    def cut_off(self, journal_at: Callable[[Record], bool], venues_at: Callable[[Record], bool]) -> Place:
        """Run it, and return copies of journal and venues as they were when these records were made.

        What the step of a record wrote is in the file when the next begins.
        """
        left = attrs.evolve(self, folder=self.folder / "left")
        left.folder.mkdir()

        def copy(pattern: str, wanted: Callable[[Record], bool]) -> Callable[[Record], None]:
            done = False

            def observe(record: Record) -> None:
                nonlocal done
                if not done and wanted(record):
                    done = True
                    for path in self.folder.glob(pattern):
                        shutil.copy(path, left.folder)

            return observe

        self.run(copy("c.journal", journal_at), copy("c.*.venue*", venues_at))
        assert list(left.folder.glob("c.*.venue")), "nothing of it was left"
        return left

    def verify(self) -> None:
        verifier = Verifier()
        with open_journal(self.journal) as stored:
            verifier.fold(stored.records())
        assert not verifier.result().violations


def of(kind: type[model.Event], number: int = 1) -> Callable[[Record], bool]:
    """Return whether a record is the n-th event of a kind."""
    seen = 0

    def wanted(record: Record) -> bool:
        nonlocal seen
        seen += isinstance(record.event, kind)
        return seen == number

    return wanted
