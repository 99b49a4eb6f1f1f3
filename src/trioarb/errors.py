"""Every error that trioarb raises on purpose. A message says what happened, where, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from trioarb.settings.problem import Problem

__all__ = [
    "CampaignError",
    "ChannelError",
    "ConfigError",
    "ControlError",
    "ExportError",
    "Interrupt",
    "JournalError",
    "MarketDataError",
    "MissingPackage",
    "OrderRejected",
    "PluginError",
    "PluginFault",
    "TrioarbError",
    "UniverseError",
    "VenueError",
    "WireError",
    "clean",
    "cut",
    "describe",
    "leaves",
    "said_by",
    "shown",
]

_SHOWN_CHARACTERS = 80
_SHOWN_DIGITS = 50
#: Of what an error says; a venue's error page, or a plugin's, must not fill the journal.
_SAID_CHARACTERS = 2_000


class TrioarbError(Exception):
    """Base of every error that trioarb raises on purpose.

    ``exit_code`` is that of a command which it keeps from beginning: 2 where usage or configuration can be mended.
    """

    exit_code: ClassVar[int] = 1


class ConfigError(TrioarbError):
    """The configuration can't be used; ``problems`` lists everything that is wrong with it."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class PluginError(TrioarbError):
    """A plugin can't be loaded, or isn't what it says it is. Names the distribution."""

    exit_code = 2


class MissingPackage(TrioarbError):
    """Something was asked for that needs a package which is not installed; says how to install it."""

    exit_code = 2


class UniverseError(TrioarbError):
    """No symbols are left to trade, or the selection is contradictory."""

    exit_code = 2


class MarketDataError(TrioarbError):
    """Market data can't be read: missing, damaged, or in a wrong format."""

    exit_code = 2


class VenueError(TrioarbError):
    """A venue did not answer, or its answer makes no sense: what became of the request is unknown."""


class WireError(VenueError):
    """What a venue sent isn't what its documents say: it can't be decoded, or says what can't be."""


class OrderRejected(VenueError):
    """The venue refused the order: it is certain that nothing was and nothing will be filled."""


class JournalError(TrioarbError):
    """A journal can't be read, written or gone on with; the file is as it was."""

    exit_code = 2


class ControlError(TrioarbError):
    """A campaign can't be told something, or won't do it; nothing has changed."""


class ChannelError(TrioarbError):
    """A message was not delivered. ``again``: whether another try may go better, not before ``after_seconds``."""

    def __init__(self, text: str, *, again: bool = True, after_seconds: float = 0) -> None:
        super().__init__(text)
        self.again = again
        self.after_seconds = after_seconds


class ExportError(TrioarbError):
    """A value does not fit the table that it is exported to; nothing was written."""


class CampaignError(TrioarbError):
    """A campaign ended because something failed; the message names what."""


class PluginFault(CampaignError):
    """A plugin raised what its contract doesn't name, or answered what can't be. Names plugin, table and method."""


class Interrupt(KeyboardInterrupt):
    """A signal asks the process to end. Only our own handler raises it: any other KeyboardInterrupt is a plugin's."""


def clean(text: str) -> str:
    """Return text in which everything that can't be printed, written or shown as it is stands escaped."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one == "\n" else one.encode("unicode_escape", "backslashreplace").decode("ascii")
        for one in text
    )


def describe(error: BaseException) -> str:
    """Return an error in one line of no more than 2,000 characters; of a group, the errors in it."""
    return cut(
        "; ".join(
            said_by(one) if isinstance(one, PluginFault) else f"{type(one).__name__}: {said_by(one)}"
            for one in leaves(error)
        )
    )


def leaves(error: BaseException) -> list[BaseException]:
    """Return the errors in a group, and in groups in it; of any other error itself."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for one in error.exceptions for leaf in leaves(one)]
    return [error]


def shown(value: object) -> str:
    """Return a stranger's value in a few printable characters."""
    try:
        is_long = isinstance(value, Decimal) and len(value.as_tuple().digits) >= _SHOWN_DIGITS
        text = clean(f"{value:.10e}" if is_long else repr(value))
    except Exception:  # a stranger's __repr__
        text = f"a {type(value).__name__}"
    return cut(text, _SHOWN_CHARACTERS)


def cut(text: str, characters: int = _SAID_CHARACTERS) -> str:
    """Return no more than so much of a text, marked as cut: the mark is what a `Redactor` knows half a secret by."""
    return text if len(text) <= characters else f"{text[:characters]}…"


def said_by(error: BaseException) -> str:
    """Return an error's text, no more than 2,000 characters of it, whatever a stranger's class makes of it."""
    try:
        return clean(cut(str(error)))
    except Exception:
        return "(its text can't be had)"
