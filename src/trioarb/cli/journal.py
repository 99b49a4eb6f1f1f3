"""Where `run` and `resume` keep a campaign: its journal, and beside it what simulated venues remember."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from trioarb import __version__
from trioarb.config.load import Loaded
from trioarb.config.schema import ClockKind, Durability
from trioarb.config.stored import to_text
from trioarb.engine.keeping import Keeping
from trioarb.engine.past import Past
from trioarb.errors import JournalError
from trioarb.journal.file import JournalFile, claim
from trioarb.journal.writer import InlineWriter, JournalWriter, ThreadWriter
from trioarb.model.event import CampaignOpened

__all__ = ["STORED_CONFIG", "keep_anew", "keep_on", "memories_of", "new_path", "state_of", "stem_of"]

#: Keys of the journal's table ``meta``.
STORED_CONFIG = "config"
_DURABILITY = "durability"


def new_path(folder: Path, name: str) -> Path:
    """Return a path for a new journal, named after the configuration and the present time."""
    stem = f"{name}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    path, number = folder / f"{stem}.journal", 1
    while os.path.lexists(path):
        number += 1
        path = folder / f"{stem}-{number}.journal"
    return path


def state_of(journal: Path) -> Callable[[str], Path]:
    """Return where each simulated venue of a journal's campaign keeps its memory."""

    def path(venue: str) -> Path:
        return journal.with_name(f"{stem_of(journal)}.{venue}.venue")

    return path


def stem_of(journal: Path) -> str:
    """Return the part of a journal's name that the files beside it share."""
    return journal.name.removesuffix(".journal")


def memories_of(journal: Path) -> list[Path]:
    """Return the files in which simulated venues of a journal's campaign keep their memory."""
    prefix = f"{stem_of(journal)}."
    return sorted(path for path in journal.parent.glob("*.venue*") if path.name.startswith(prefix))


def keep_anew(path: Path, loaded: Loaded) -> Keeping:
    """Return how a new campaign is kept. The file is made when the campaign begins."""

    def open_writer(campaign_id: str) -> JournalWriter:
        file = JournalFile.create(path, _meta(loaded, campaign_id), synchronous=_each_order(loaded))
        return _writer(file, loaded)

    return Keeping(open_writer=open_writer, state_of=state_of(path))


@contextmanager
def keep_on(path: Path, loaded: Loaded, *, close_only: bool = False, clear_stop: bool = False) -> Iterator[Keeping]:
    """Claim the journal of a campaign that goes on, and yield how it is kept. The campaign closes what it opens.

    Raises:
        JournalError: it can't be resumed, and is as it was.
    """
    with claim(path) as claimed:
        opened = claimed.first().event
        if not isinstance(opened, CampaignOpened):
            raise JournalError(f"{path} does not begin with a campaign's opening; `trioarb verify` says more")

        def open_writer(campaign_id: str) -> JournalWriter:
            file = claimed.go_on(synchronous=_each_order(loaded))
            for key, value in _meta(loaded, campaign_id).items():
                if file.meta.get(key) != value:
                    file.set_meta(key, value)
            return _writer(file, loaded)

        past = Past(
            opened=opened,
            last_ts_ns=claimed.last_ts_ns,
            records=claimed.records,
            every_order=claimed.meta.get(_DURABILITY) == Durability.ORDER.value,
            close_only=close_only,
            clear_stop=clear_stop,
        )
        yield Keeping(open_writer=open_writer, state_of=state_of(path), past=past)


def _writer(file: JournalFile, loaded: Loaded) -> JournalWriter:
    kind = InlineWriter if loaded.config.session.clock is ClockKind.VIRTUAL else ThreadWriter
    return kind(file, each_order=_each_order(loaded))


def _each_order(loaded: Loaded) -> bool:
    return loaded.config.session.durability is Durability.ORDER


def _meta(loaded: Loaded, campaign_id: str) -> Mapping[str, str]:
    return {
        "campaign_id": campaign_id,
        "version": __version__,
        _DURABILITY: loaded.config.session.durability.value,
        "config_digest": loaded.config.digest,
        STORED_CONFIG: to_text(loaded.table, loaded.config),
    }
