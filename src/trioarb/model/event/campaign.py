"""Events of a campaign as a whole: its beginning, phases and end, and what stops it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from trioarb.model.command import Command
from trioarb.model.event.base import Event
from trioarb.model.trade import EndedBy, Phase

__all__ = [
    "CampaignEnded",
    "CampaignOpened",
    "CampaignResumed",
    "ClockJumped",
    "Commanded",
    "KillSwitchPulled",
    "LossCarried",
    "PhaseEntered",
    "StopCleared",
    "SymbolQuarantined",
    "SymbolRestarted",
    "SymbolRetired",
    "UniverseRefreshed",
]


class CampaignOpened(Event, frozen=True, kw_only=True):
    """The first event. ``fx`` holds USD per unit of each quote asset, ``margin`` the venues that lend what is sold.

    ``warnings`` were given before it began. ``listed``: how many symbols passed the universe's filters.

    ``interest``: what those of them charge of it, in basis points a day; absent: nothing.

    ``loss_basis``: whether losses count what is open, at its marks (``marked``), or only what was ``realised``.
    """

    campaign_id: str
    version: str
    config_digest: str
    env: str
    mode: str
    clock: str
    seed: int
    universe_mode: str
    symbols: tuple[str, ...]
    venues: tuple[str, ...]
    fx: Mapping[str, Decimal]
    margin: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    listed: int | None = None
    loss_basis: str = "realised"
    interest: Mapping[str, Decimal] | None = None


class CampaignResumed(Event, frozen=True, kw_only=True):
    """The campaign goes on after a crash, or after it had ended. ``number`` counts from 1.

    ``last_seq`` and ``last_ts_ns`` are those of the last event that the journal held. ``config`` is the whole
    configuration that it goes on with, as JSON without secrets.
    """

    number: int
    version: str
    config_digest: str
    last_seq: int
    last_ts_ns: int
    close_only: bool
    warnings: tuple[str, ...] = ()
    durability: str = ""
    config: str = "{}"


class UniverseRefreshed(Event, frozen=True, kw_only=True):
    """The symbols were chosen anew: ``symbols`` are traded from now on, best first.

    Of those ``added`` were not before; those ``dropped`` take no entries, and what they hold is closed. ``listed``: how
    many symbols passed the universe's filters. Where the source has no answer, ``error`` says why, and nothing changes.
    """

    symbols: tuple[str, ...]
    added: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    listed: int | None = None
    error: str | None = None


class PhaseEntered(Event, frozen=True, kw_only=True):
    """The campaign runs, drains (entries are fenced, what is open is ended), or is closed."""

    phase: Phase
    reason: str = ""


class LossCarried(Event, frozen=True, kw_only=True):
    """What an earlier campaign lost on the UTC day on which this one begins counts in its daily losses.

    ``total_usd`` of all its symbols, ``pnl_usd`` by symbol where it lost; none above zero: a gain is not carried.
    """

    campaign_id: str
    total_usd: Decimal
    pnl_usd: Mapping[str, Decimal]


class StopCleared(Event, frozen=True, kw_only=True):
    """The user lifted a latched stop."""


class KillSwitchPulled(Event, frozen=True, kw_only=True):
    """Somebody wants it to stop: ``source`` is where that was seen."""

    source: str


class Commanded(Event, frozen=True, kw_only=True):
    """Somebody told the campaign what to do: ``who``, as user name and id, and ``why``, in their words.

    ``symbol`` is that of a blacklist. A `SET` names the ``key``, and its value ``before`` (absent: it had none) and
    ``after``; ``forced``: that loosens a limit.
    """

    command: Command
    who: str
    why: str = ""
    symbol: str | None = None
    key: str | None = None
    before: str | None = None
    after: str | None = None
    forced: bool = False


class ClockJumped(Event, frozen=True, kw_only=True):
    """The process stood still, or a clock of the machine was set. Entries are denied until the venues were asked again.

    ``late_seconds``: by how much a wait of a second took longer. ``wall_step_seconds``: by how much the wall clock went
    on further than the monotonic one, below zero if it was set back.
    """

    late_seconds: Decimal
    wall_step_seconds: Decimal


class SymbolQuarantined(Event, frozen=True, kw_only=True):
    """An error in the symbol: no entries until it is tried again; its positions can still be closed."""

    symbol: str
    error: str
    failures: int
    restart_at_ns: int | None = None


class SymbolRestarted(Event, frozen=True, kw_only=True):
    """The symbol is tried again after an error."""

    symbol: str
    failures: int


class SymbolRetired(Event, frozen=True, kw_only=True):
    """The symbol failed too often: its positions are closed and it trades no more."""

    symbol: str
    failures: int


class CampaignEnded(Event, frozen=True, kw_only=True):
    """The last event. ``problems`` ask for the user's hand; ``recovered`` is what was found and mended before."""

    ended_by: EndedBy
    error: str = ""
    problems: tuple[str, ...] = ()
    recovered: tuple[str, ...] = ()
