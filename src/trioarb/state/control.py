"""What people have told the campaign, as far as it still holds: it does when the campaign is resumed, too."""

from __future__ import annotations

from trioarb.journal.fold import Folding
from trioarb.model.command import Command
from trioarb.model.event import Commanded, Record

__all__ = ["Control"]


class Control(Folding):
    """``paused`` is the command that holds entries, ``flattens`` whether it wants everything closed, too.

    ``blacklisted``: by symbol, what denies its entries. ``settings``: what was set, by key, as text.
    """

    def __init__(self) -> None:
        self.paused: Commanded | None = None
        self.flattens: bool = False
        self.blacklisted: dict[str, Commanded] = {}
        self.settings: dict[str, str] = {}

    def _obey(self, event: Commanded, record: Record) -> None:
        match event.command:
            case Command.PAUSE:
                self.paused = event
            case Command.FLATTEN | Command.PANIC:
                self.paused, self.flattens = event, True
            case Command.RESUME:
                self.paused, self.flattens = None, False
            case Command.BLACKLIST:
                self.blacklisted[str(event.symbol)] = event
            case Command.UNBLACKLIST:
                self.blacklisted.pop(str(event.symbol), None)
            case Command.SET:
                self.settings[str(event.key)] = str(event.after)
            case Command.END:
                pass
