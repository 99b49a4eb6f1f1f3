"""Where `run` and `resume` keep a campaign: its journal, and beside it what simulated venues remember."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from trioarb import __version__
from trioarb.config.load import Loaded
from trioarb.config.schema import ClockKind, Durability
from trioarb.config.stored import to_text
from trioarb.engine.keeping import Keeping
from trioarb.engine.past import Past
from trioarb.errors import JournalError
from trioarb.journal.log import Log, is_unbegun
from trioarb.journal.recorded import KIND, ClaimedJournal
from trioarb.journal.writer import JournalWriter
from trioarb.model.event import CampaignOpened
from trioarb.state.state import State

__all__ = ["discard_unbegun", "keep_anew", "keep_on", "memories_of", "new_path", "require_free", "state_of"]


def new_path(folder: Path, name: str) -> Path:
    """Make an empty file for a new journal, named after the configuration and the present time.

    Raises:
        JournalError: it can't be made.
    """
    stem, number = f"{name}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}", 1
    try:
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            path = folder / (f"{stem}.journal" if number == 1 else f"{stem}-{number}.journal")
            try:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
                return path
            except FileExistsError:
                number += 1
    except OSError as error:
        raise JournalError(f"{folder}: no journal can be made there: {error.strerror}") from error


def require_free(path: Path) -> None:
    """Raise `JournalError` if a new journal can't have this path, since there is something."""
    if not is_unbegun(path):
        raise JournalError(f"{path} exists already; resume it, or choose another path")


def discard_unbegun(path: Path, venues: Iterable[str]) -> None:
    """Remove the journal of a campaign that never began, and what its venues remember; leave all others alone."""
    if is_unbegun(path, remove=True):
        for memory in memories_of(path, venues):
            is_unbegun(memory, remove=True)


def state_of(journal: Path) -> Callable[[str], Path]:
    """Return where each simulated venue of a journal's campaign keeps its memory."""

    def path(venue: str) -> Path:
        return journal.with_name(f"{journal.name.removesuffix('.journal')}.{venue}.venue")

    return path


def memories_of(journal: Path, venues: Iterable[str]) -> list[Path]:
    """Return the files in which simulated ones of a campaign's venues keep their memory, as far as they are there."""
    path_of = state_of(journal)
    return sorted(path for venue in venues if (path := path_of(venue)).is_file() and not path.is_symlink())


def keep_anew(path: Path, loaded: Loaded, earlier: State | None = None, *, inline: bool = False) -> Keeping:
    """Return how a new campaign is kept. The file is made when the campaign begins.

    ``earlier`` is what another campaign came to, whose loss of the day counts in this one. ``inline``: it is written
    without threads, which its clock would not wait for; so it is in virtual time.
    """

    def open_writer(campaign_id: str) -> JournalWriter:
        header = {
            "version": __version__,
            "campaign_id": campaign_id,
            "config_digest": loaded.config.digest,
            "durability": loaded.config.session.durability.value,
            "config": to_text(loaded.table, loaded.config),
        }
        return _writer(Log.create(path, KIND, header, sync=True), loaded, last_seq=0, inline=inline)

    return Keeping(journal=path, open_writer=open_writer, state_of=state_of(path), earlier=earlier)


def keep_on(
    claimed: ClaimedJournal,
    loaded: Loaded,
    *,
    close_only: bool = False,
    clear_stop: bool = False,
    inline: bool = False,
) -> Keeping:
    """Return how a campaign is kept that goes on. The campaign closes what it opens.

    Raises:
        JournalError: it can't be resumed, and is as it was.
    """
    opened = claimed.first.event
    if not isinstance(opened, CampaignOpened):
        raise JournalError(f"{claimed.path} does not begin with a campaign's opening; `trioarb verify` says more")

    def open_writer(campaign_id: str) -> JournalWriter:
        return _writer(claimed.go_on(), loaded, last_seq=claimed.last_seq, inline=inline)

    past = Past(
        opened=opened,
        last_ts_ns=claimed.last_ts_ns,
        records=claimed.records,
        config=to_text(loaded.table, loaded.config),
        durability=loaded.config.session.durability.value,
        torn=claimed.torn,
        close_only=close_only,
        clear_stop=clear_stop,
    )
    return Keeping(journal=claimed.path, open_writer=open_writer, state_of=state_of(claimed.path), past=past)


def _writer(log: Log, loaded: Loaded, *, last_seq: int, inline: bool) -> JournalWriter:
    session = loaded.config.session
    return JournalWriter(
        log,
        last_seq=last_seq,
        each_order=session.durability is Durability.ORDER,
        inline=inline or session.clock is ClockKind.VIRTUAL,
    )
