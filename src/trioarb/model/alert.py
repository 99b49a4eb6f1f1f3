"""What wakes somebody: an alert, and the message that a channel takes to people."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import attrs

__all__ = ["Alert", "AlertMessage", "Incident", "Severity"]


class Severity(Enum):
    """How much it matters. Only what is critical wakes people in quiet hours."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """The higher, the more severe."""
        return _RANKS[self]


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


class Incident(Enum):
    """What rules may be about, beside every event of the journal by its name."""

    EMERGENCY_STOP = "emergency_stop"
    RESIDUAL = "residual"
    GUARD_TRIPPED = "guard_tripped"
    MARKET_STALE = "market_stale"
    VENUE_DOWN = "venue_down"
    FX_DISPUTED = "fx_disputed"
    ENTRIES_HELD = "entries_held"
    KILL_SWITCH = "kill_switch"
    LIQUIDATION = "liquidation"
    BALANCE_DIFFERED = "balance_differed"
    SYMBOL_FAILED = "symbol_failed"
    CLOCK_JUMP = "clock_jump"
    JOURNAL_FAILING = "journal_failing"
    DRAWDOWN = "drawdown"
    PNL = "pnl"
    NO_TRADE = "no_trade"
    CAMPAIGN_ENDED = "campaign_ended"
    CAMPAIGN_FAILED = "campaign_failed"
    PROCESS_HELD = "process_held"


@attrs.frozen(kw_only=True)
class Alert:
    """Something that a rule of ``[[alerts]]`` is about has begun, happened, or is over.

    Attributes:
        rule: The rule's name.
        incident: An `Incident`, or an event of the journal by its name.
        severity: As the rule has it.
        about: Which one of several: a venue, a symbol, a guard rule, …
        text: What is the matter, for people.
        at_ns: Campaign time in nanoseconds.
        seq: The number of the event in the journal; ``None``: no event tells of it.
        is_over: Whether it is over.
        held_back: So many of the same came since the last message, and were not sent one by one.
        details: More of it, as JSON knows values.
    """

    rule: str
    incident: str
    severity: Severity
    about: str
    text: str
    at_ns: int
    seq: int | None = None
    is_over: bool = False
    held_back: int = 0
    details: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def line(self) -> str:
        """The alert in one line."""
        more = f" ({self.held_back} more of it since the last message)" if self.held_back else ""
        return f"{'over: ' if self.is_over else ''}{self.text}{more}"


@attrs.frozen(kw_only=True)
class AlertMessage:
    """One or more alerts of a campaign, to be delivered as one.

    Attributes:
        campaign: The campaign's id; before it has one, words in brackets.
        env: What ``env`` is in the configuration.
        mode: ``paper``, ``shadow`` or ``live``.
        number: Counts the messages of a channel: a receiver that gets one twice, since an answer was lost, can tell.
        alerts: The oldest first.
    """

    campaign: str
    env: str
    mode: str
    number: int
    alerts: tuple[Alert, ...]

    @property
    def severity(self) -> Severity:
        """The highest of its alerts."""
        return max((one.severity for one in self.alerts), key=lambda one: one.rank)

    @property
    def is_over(self) -> bool:
        """Whether all that it says is that something is over."""
        return all(one.is_over for one in self.alerts)

    @property
    def title(self) -> str:
        """One line for people: how severe it is, and what."""
        first, *more = self.alerts
        what = first.line if not more else f"{first.line}, and {len(more)} more"
        word = "OK" if self.is_over else self.severity.value.upper()
        return f"[{word}] {what}"

    @property
    def body(self) -> str:
        """All of it as lines of text."""
        lines = [f"{one.severity.value}: {one.line}" for one in self.alerts]
        return "\n".join([*lines, f"campaign {self.campaign} ({self.env}, {self.mode})"])
