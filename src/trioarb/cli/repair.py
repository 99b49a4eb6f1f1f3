"""`trioarb repair`: save what is sound of a damaged journal."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from trioarb.cli.journal import memories_of, require_free, stem_of
from trioarb.cli.reading import JournalPath
from trioarb.journal.recorded import DamagedJournal, open_journal, salvage
from trioarb.report.visible import say

__all__ = ["repair"]


def repair(
    journal: JournalPath, new: Annotated[Path, Parameter(help="Journal to make of the sound events.")], /
) -> int:
    """Copy the steps before the first line that is not what was written into a new journal; return 0."""
    copies = {old: new.with_name(old.name.replace(stem_of(journal), stem_of(new), 1)) for old in memories_of(journal)}
    for path in (new, *copies.values()):
        require_free(path)
    damage = ""
    try:
        with open_journal(journal) as stored:
            for _ in stored.lines():
                pass
            if stored.torn:
                damage = f"{journal} ends with {stored.torn} bytes of a step that was cut off"
    except DamagedJournal as error:
        damage = str(error).partition("; its events")[0]
    saved = salvage(journal, new)
    say(f"{new}: {saved:,} events saved.")
    for old, copied in copies.items():
        shutil.copyfile(old, copied)
        copied.chmod(0o600)
        say(f"{copied}: copied, what that venue remembers.")
    say(f"Left out: everything after event {saved:,}. {damage}." if damage else f"{journal} is not damaged.")
    say(f"Next: trioarb verify {new}, then trioarb resume {new}.")
    return 0
