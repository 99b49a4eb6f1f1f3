"""The kill switch: a file or a signal that stops entries, or the campaign."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from trioarb.api import (
    Answer,
    GuardContext,
    GuardTier,
    GuardTierSpec,
    GuardTripped,
    Instrument,
    Opportunity,
    Record,
    Refusal,
    event,
    hookimpl,
    setting,
)

__all__ = ["KillSwitchSettings", "KillSwitchTier"]

_RULE = "kill_switch"
_RELEASED = "not pulled"


@attrs.frozen(kw_only=True)
class KillSwitchSettings:
    file: Path | None = setting(None, doc="pulled as long as this file exists; absent: by the signal SIGUSR1 only")
    flatten: bool = setting(
        False, doc="true: STOP, everything is closed and the campaign ends; false: DENY, exits go on"
    )


class KillSwitchTier(GuardTier):
    """Pulled by its file, or by a `KillSwitchPulled` until a `StopCleared`. A STOP latches until that, too."""

    folds = frozenset({event.KillSwitchPulled, event.StopCleared, event.GuardTripped, event.Decided})
    reacts = frozenset({event.KillSwitchPulled})
    answers_kill_switch = True

    def __init__(self, settings: KillSwitchSettings, context: GuardContext) -> None:
        self._settings = settings
        self._name = context.name
        self._pulled_by: str | None = None
        self._given = Answer.ALLOW
        self._why = ""

    def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
        """Look for the file, too, so that it denies at once. What is recorded as pulled stays so until `poll`."""
        answer, why = self._answer()
        if answer is Answer.ALLOW:
            answer, why = self._given, self._why
        return None if answer is Answer.ALLOW else Refusal(answer=answer, rule=_RULE, value=why, limit=_RELEASED)

    def apply(self, record: Record) -> None:
        match record.event:
            case event.KillSwitchPulled(source=source):
                self._pulled_by = source
            case event.StopCleared():
                self._pulled_by, self._given = None, Answer.ALLOW
            case event.GuardTripped(tier=self._name, rule="kill_switch", answer=answer, value=value):
                self._given, self._why = answer, value
            case event.Decided(tier=self._name, answer=Answer.STOP, value=str(value)):
                self._given, self._why = Answer.STOP, value
            case _:
                pass

    def react(self, record: Record) -> Iterable[GuardTripped]:
        return self._trip()

    def poll(self, now_ns: int) -> Iterable[GuardTripped]:
        return self._trip()

    def warnings(self, instruments: Sequence[Instrument]) -> Iterable[str]:
        if self._file_exists():
            yield f"{self._settings.file} exists: the kill switch is pulled from the start; remove the file to trade"

    def _trip(self) -> Iterable[GuardTripped]:
        answer, why = self._answer()
        if answer is not self._given:
            yield GuardTripped(tier=self._name, rule=_RULE, answer=answer, value=why, limit=_RELEASED)

    def _answer(self) -> tuple[Answer, str]:
        """Return what the switch answers now, and why."""
        if self._given is Answer.STOP:
            return Answer.STOP, self._why
        pulled = Answer.STOP if self._settings.flatten else Answer.DENY
        if self._pulled_by is not None:
            return pulled, f"pulled by {self._pulled_by}"
        if self._file_exists():
            return pulled, f"{self._settings.file} exists"
        return Answer.ALLOW, "released"

    def _file_exists(self) -> bool:
        """Return whether the file is there.

        Raises:
            OSError: that can't be found out.
        """
        if self._settings.file is None:
            return False
        try:
            os.stat(self._settings.file)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True


@asynccontextmanager
async def _open(settings: KillSwitchSettings, context: GuardContext) -> AsyncIterator[GuardTier]:
    yield KillSwitchTier(settings, context)


@hookimpl
def trioarb_guard_tiers() -> list[GuardTierSpec]:
    return [
        GuardTierSpec(
            name="kill_switch",
            doc="a file or the signal SIGUSR1 stops entries, or everything; asked only where it has a table",
            settings=KillSwitchSettings,
            open=_open,
            rank=10,
        )
    ]
