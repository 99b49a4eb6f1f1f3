"""`trioarb repair`: save what is sound of a damaged journal."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from trioarb.cli.journal import require_free, state_of
from trioarb.cli.reading import JournalPath
from trioarb.journal.recorded import DamagedJournal, open_journal, salvage
from trioarb.model.event import CampaignOpened
from trioarb.report.visible import say

__all__ = ["repair"]


def repair(
    journal: JournalPath, new: Annotated[Path, Parameter(help="Journal to make of the sound events.")], /
) -> int:
    """Copy the steps before the first line that is not what was written into a new journal; return 0."""
    require_free(new)
    damage, venues = "", tuple[str, ...]()
    try:
        with open_journal(journal) as stored:
            for record in stored.records():
                if isinstance(record.event, CampaignOpened):
                    venues = record.event.venues
            if stored.torn:
                damage = f"{journal} ends with {stored.torn} bytes of a step that was cut off"
    except DamagedJournal as error:
        damage = str(error).partition("; its events")[0]
    copies = dict(zip(map(state_of(journal), venues), map(state_of(new), venues), strict=True))
    copies = {old: copied for old, copied in copies.items() if old.is_file()}
    for path in copies.values():
        require_free(path)
    saved = salvage(journal, new)
    say(f"{new}: {saved:,} events saved.")
    for old, copied in copies.items():
        shutil.copyfile(old, copied)
        copied.chmod(0o600)
        say(f"{copied}: copied, what that venue remembers.")
    say(f"Left out: everything after event {saved:,}. {damage}." if damage else f"{journal} is not damaged.")
    say(f"Next: trioarb verify {new}, then trioarb resume {new}.")
    return 0
