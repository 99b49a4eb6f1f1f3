"""`trioarb repair`: save what is sound of a damaged journal."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from trioarb.cli.journal import memories_of, stem_of
from trioarb.cli.reading import JournalPath
from trioarb.journal.file import salvage
from trioarb.journal.format import DamagedJournal
from trioarb.journal.stored import open_journal

__all__ = ["repair"]


def repair(
    journal: JournalPath, new: Annotated[Path, Parameter(help="Journal to make of the sound events.")], /
) -> int:
    """Copy the events before the first one that is missing or damaged into a new journal; return 0."""
    damage = ""
    try:
        with open_journal(journal) as stored:
            for _ in stored.records():
                pass
    except DamagedJournal as error:
        damage = str(error).partition("; its events")[0]
    saved = salvage(journal, new)
    print(f"{new}: {saved:,} events saved.")
    for old in memories_of(journal):
        copied = new.with_name(old.name.replace(stem_of(journal), stem_of(new), 1))
        shutil.copyfile(old, copied)
        print(f"{copied}: copied, what that venue remembers.")
    print(f"Left out: everything after event {saved:,}. {damage}." if damage else f"{journal} is not damaged.")
    print(f"Next: trioarb verify {new}, then trioarb resume {new}.")
    return 0
