"""What people have told the campaign, and what it must not do after that."""

from __future__ import annotations

from collections.abc import Iterator

from trioarb.journal.fold import Folding
from trioarb.model.command import Command
from trioarb.model.event import Commanded, Record
from trioarb.model.trade import ExitReason
from trioarb.verify.findings import Check, Findings

__all__ = ["Commands"]

#: What a command needs beside its name.
_NEEDS = {
    Command.BLACKLIST: ("symbol",),
    Command.UNBLACKLIST: ("symbol",),
    Command.SET: ("key", "after"),
}


class Commands(Folding):
    """Folds commands. They hold until they are taken back, over all stretches."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._paused_seq: int | None = None
        self._flattens = False
        #: By symbol, where it was blacklisted.
        self._blacklisted: dict[str, int] = {}

    def why_no_entry(self, symbol: str) -> Iterator[str]:
        """Yield what an entry of a symbol goes against, to follow on "this event"."""
        if self._paused_seq is not None:
            yield f"enters while the campaign is paused, by seq {self._paused_seq}"
        if symbol in self._blacklisted:
            yield f"enters a symbol that seq {self._blacklisted[symbol]} blacklists"

    def why_no_exit(self, symbol: str, reason: ExitReason | None) -> Iterator[str]:
        """Yield why an exit can't have this reason."""
        if reason is ExitReason.FLATTENED and not self._flattens:
            yield "closes what nobody wanted flattened"
        if reason is ExitReason.BLACKLISTED and symbol not in self._blacklisted:
            yield "closes a symbol as blacklisted that isn't"

    def _obey(self, event: Commanded, record: Record) -> None:
        for name in _NEEDS.get(event.command, ()):
            if not getattr(event, name):
                self._findings.add(Check.ENTRIES, record, f"is a command without its {name}")
        match event.command:
            case Command.PAUSE:
                self._paused_seq = record.seq
            case Command.FLATTEN | Command.PANIC:
                self._paused_seq, self._flattens = record.seq, True
            case Command.RESUME:
                if self._paused_seq is None:
                    self._findings.add(Check.ENTRIES, record, "resumes a campaign that isn't paused")
                self._paused_seq, self._flattens = None, False
            case Command.BLACKLIST:
                self._blacklisted[str(event.symbol)] = record.seq
            case Command.UNBLACKLIST:
                self._blacklisted.pop(str(event.symbol), None)
            case Command.SET | Command.END:
                pass
