"""``[[alerts]]`` and ``[channels.NAME]``: the tables, and what is wrong with rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from trioarb.model.alert import Incident, Severity
from trioarb.model.wire import event_types
from trioarb.settings.problem import Problem, nearest
from trioarb.settings.types import PositiveCount, PositiveMinutes, PositiveSeconds, Seconds, setting

__all__ = ["AlertRule", "AlertTable", "ChannelHead", "QuietHours", "flaws", "rules_of"]

_CRITICAL = {
    Incident.EMERGENCY_STOP,
    Incident.RESIDUAL,
    Incident.LIQUIDATION,
    Incident.KILL_SWITCH,
    Incident.JOURNAL_FAILING,
    Incident.CAMPAIGN_FAILED,
    Incident.PROCESS_HELD,
}
#: The keys that say a limit, and what they are limits of.
_LIMITS = {
    "above_usd": (Incident.DRAWDOWN, Incident.PNL),
    "below_usd": (Incident.PNL,),
    "minutes": (Incident.NO_TRADE,),
}


@attrs.frozen
class QuietHours:
    """Minutes of the local day from which and until which nobody is woken; they may lie around midnight."""

    start: int
    end: int
    zone: ZoneInfo

    @classmethod
    def of(cls, text: str, timezone: str) -> QuietHours:
        """Read ``22:00-07:00``.

        Raises:
            ValueError: it isn't that, or there is no such time zone.
        """
        start, dash, end = text.partition("-")
        minutes = [_minute(one.strip()) for one in (start, end)]
        if not dash or minutes[0] == minutes[1]:
            raise ValueError(f'quiet_hours are two different times of a day, such as "22:00-07:00", not "{text}"')
        try:
            zone = ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f'timezone: this machine knows no "{timezone}"; names are such as "Europe/Berlin" '
                "(pip install tzdata brings all of them)"
            ) from None
        return cls(minutes[0], minutes[1], zone)


def _minute(text: str) -> int:
    hours, _, minutes = text.partition(":")
    if not (hours.isdecimal() and minutes.isdecimal() and len(minutes) == 2 and int(hours) < 24 and int(minutes) < 60):
        raise ValueError(f'quiet_hours are two times of a day, such as "22:00-07:00"; "{text}" is none')
    return 60 * int(hours) + int(minutes)


@attrs.frozen(kw_only=True)
class ChannelHead:
    """The core's keys of ``[channels.NAME]``; all others belong to the channel's plugin."""

    plugin: str = setting(doc="channel plugin; the table's other keys are its settings")
    least_severity: Severity = setting(Severity.INFO, doc="nothing below this is sent here")
    group_seconds: Seconds = setting(
        Decimal(0),
        doc="wait so long for more, and send what comes together as one message; what is critical never waits",
    )
    quiet_hours: str | None = setting(
        None,
        doc='times of a day between which only what is critical is sent, such as "22:00-07:00"; the rest comes in one '
        "message afterwards",
    )
    timezone: str = setting("UTC", doc='whose times quiet_hours are, such as "Europe/Berlin"')
    try_seconds: PositiveSeconds = setting(Decimal(10), doc="how long one try to send may take")
    tries: PositiveCount = setting(5, doc="after so many tries a message counts as undelivered")
    retry_seconds: PositiveSeconds = setting(Decimal(1), doc="pause before the second try; doubles each time")
    retry_max_seconds: PositiveSeconds = setting(Decimal(60), doc="longest pause between two tries")
    end_seconds: Seconds = setting(
        Decimal(10), doc="how long after the campaign's end what is pending may take to be sent"
    )

    def __attrs_post_init__(self) -> None:
        if self.quiet_hours is not None:
            QuietHours.of(self.quiet_hours, self.timezone)

    @property
    def quiet(self) -> QuietHours | None:
        return None if self.quiet_hours is None else QuietHours.of(self.quiet_hours, self.timezone)


@attrs.frozen(kw_only=True)
class AlertTable:
    """A rule of ``[[alerts]]``: what it is about, and who is told."""

    on: tuple[str, ...] = setting(doc="what it is about: incidents, and events of the journal by their names")
    name: str | None = setting(None, doc="what the rule is called in messages; absent: what it is about")
    severity: Severity | None = setting(None, doc="absent: the usual one of what it is about")
    channels: tuple[str, ...] | None = setting(None, doc="the names of [channels.NAME] that are told; absent: all")
    symbols: tuple[str, ...] = setting((), doc="only what concerns one of these symbols; empty: any")
    venues: tuple[str, ...] = setting((), doc="only what concerns one of these venues; empty: any")
    guards: tuple[str, ...] = setting(
        (),
        doc='only what these tiers or rules of guards say, such as "portfolio" or "portfolio.daily_loss"; empty: any',
    )
    above_usd: Decimal | None = setting(
        None, doc="drawdown: the fall from the highest that is too much; pnl: the upper end of the band"
    )
    below_usd: Decimal | None = setting(None, doc="pnl: the lower end of the band")
    minutes: PositiveMinutes | None = setting(None, doc="no_trade: so long without a position that was opened")
    for_seconds: Seconds = setting(Decimal(0), doc="tell only of what has lasted so long; not for what just happens")
    throttle_seconds: Seconds = setting(
        Decimal(300),
        doc="of the same (rule, incident, and what it is about) one message in this time; the rest is counted",
    )
    recovery: bool = setting(True, doc="also tell when it is over")

    def __attrs_post_init__(self) -> None:
        if not self.on:
            raise ValueError("on is empty: it says what the rule is about")
        if self.above_usd is not None and self.below_usd is not None and self.below_usd >= self.above_usd:
            raise ValueError("below_usd has to be less than above_usd: alerts come outside of the band between them")


@attrs.frozen(kw_only=True)
class AlertRule:
    """A checked rule about one thing: an `Incident`, or an event of the journal by its name. ``channels`` by name."""

    name: str
    on: str
    severity: Severity
    channels: tuple[str, ...]
    table: AlertTable


def rules_of(tables: Sequence[AlertTable], channels: Sequence[str]) -> tuple[AlertRule, ...]:
    """Return the rules of sound tables, one for each thing that a table is about."""
    return tuple(
        AlertRule(
            name=table.name or on,
            on=on,
            severity=table.severity or _usual(on),
            channels=tuple(dict.fromkeys(channels if table.channels is None else table.channels)),
            table=table,
        )
        for table in tables
        for on in table.on
    )


def _usual(on: str) -> Severity:
    critical = {one.value for one in _CRITICAL}
    known = {one.value for one in Incident} - {Incident.CAMPAIGN_ENDED.value}
    return Severity.CRITICAL if on in critical else Severity.WARNING if on in known else Severity.INFO


def flaws(
    tables: Sequence[AlertTable], channels: Mapping[str, object], venues: Mapping[str, object]
) -> Iterator[Problem]:
    """Yield what is wrong with rules beyond their types."""
    incidents = [one.value for one in Incident]
    for number, table in enumerate(tables):
        key = f"alerts[{number}]"
        for on in table.on:
            if on not in incidents and on not in event_types():
                yield Problem(
                    key=f"{key}.on",
                    message="there is no such incident, nor an event of the journal of this name",
                    value=f'"{on}"',
                    allowed=", ".join(incidents),
                    suggestion=nearest(on, [*incidents, *event_types()]),
                )
        yield from _strangers(f"{key}.channels", table.channels or (), channels, "[channels.NAME]")
        yield from _strangers(f"{key}.venues", table.venues, venues, "[exchanges.NAME]")
        if table.channels is not None and not table.channels:
            yield Problem(key=f"{key}.channels", message="empty: nobody would be told", remedy="leave it out for all")
        yield from _limits(key, table)


def _strangers(key: str, given: Sequence[str], known: Mapping[str, object], where: str) -> Iterator[Problem]:
    for name in given:
        if name not in known:
            yield Problem(
                key=key,
                message=f"there is no {where} of this name",
                value=f'"{name}"',
                allowed=", ".join(sorted(known)) or "none is configured",
                suggestion=nearest(name, known),
            )


def _limits(key: str, table: AlertTable) -> Iterator[Problem]:
    """Yield limits that are missing, and those that nothing in the rule heeds."""
    for name, incidents in _LIMITS.items():
        value, of = getattr(table, name), [one.value for one in incidents]
        if value is not None and not set(of) & set(table.on):
            yield Problem(key=f"{key}.{name}", message=f"a limit of {' and '.join(of)} alone, which is not in on")
    if table.above_usd is not None and table.above_usd <= 0 and Incident.DRAWDOWN.value in table.on:
        yield Problem(
            key=f"{key}.above_usd", message="a drawdown is above zero", value=str(table.above_usd), allowed="> 0"
        )
    missing = {
        Incident.DRAWDOWN: ("above_usd",),
        Incident.PNL: ("above_usd", "below_usd"),
        Incident.NO_TRADE: ("minutes",),
    }
    for incident, names in missing.items():
        if incident.value in table.on and all(getattr(table, name) is None for name in names):
            yield Problem(
                key=f"{key}.{names[0]}",
                message=f"missing; {incident.value} needs {' or '.join(names)}",
                allowed="number, USD" if names[0] != "minutes" else "number, min, > 0",
            )
