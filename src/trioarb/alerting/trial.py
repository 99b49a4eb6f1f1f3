"""Send one message by channels at once, beside any campaign: for a test, and for the last word of a process."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from trioarb.alerting.delivery import Delivery, Sender
from trioarb.alerting.queue import AlertQueue
from trioarb.config.alerts import AlertRule
from trioarb.config.schema import ChannelTable, Config
from trioarb.model.alert import Alert, Incident, Severity
from trioarb.plugin.registry import Plugins

__all__ = ["last_word", "send_at_once"]

#: The last word of a process that has to leave is spoken in this time, or not at all.
LAST_SECONDS = 3.0


async def send_at_once(
    config: Config, plugins: Plugins, channels: Sequence[ChannelTable], alert: Alert, campaign: str
) -> dict[str, str]:
    """Send an alert by these channels, one try each and all at the same time.

    Return by name why it failed, '' where it went. Each has the time that it has for a try, twice: to open, to send.
    """
    results = dict[str, str]()

    async def send(channel: ChannelTable) -> None:
        delivery = Delivery(
            channel=channel,
            plugins=plugins,
            redactor=config.redactor,
            sender=lambda: Sender(campaign=campaign, env=config.env, mode=config.session.mode.value),
            queue=AlertQueue(channel.head, lambda: alert.at_ns),
        )
        failure = await delivery.once(alert)
        results[channel.name] = "" if failure is None else config.redactor.text(str(failure))

    async with trio.open_nursery() as nursery:
        for channel in channels:
            nursery.start_soon(send, channel)
    return {channel.name: results[channel.name] for channel in channels}


def last_word(config: Config, plugins: Plugins, why: str, *, campaign: str, at_ns: int) -> dict[str, str]:
    """Tell of a process that has to leave, from a thread that isn't Trio's: by a run of Trio's own.

    Return why it failed by channel, as `send_at_once`; those that took too long are absent.
    """
    results = dict[str, str]()

    async def tell(rule: AlertRule, alert: Alert) -> None:
        channels = [one for one in config.channels if one.name in rule.channels]
        results.update(await send_at_once(config, plugins, channels, alert, campaign))

    async def main() -> None:
        with trio.move_on_after(LAST_SECONDS):
            async with trio.open_nursery() as nursery:
                for rule in config.alerts:
                    if rule.on == Incident.PROCESS_HELD.value:
                        nursery.start_soon(tell, rule, held(rule.name, rule.severity, why, at_ns))

    if any(rule.on == Incident.PROCESS_HELD.value for rule in config.alerts):
        trio.run(main)
    return results


def held(rule: str, severity: Severity, why: str, at_ns: int) -> Alert:
    """Return what is told of a process that has to leave."""
    said = f"the process had to leave: {why}"
    return Alert(rule=rule, incident=Incident.PROCESS_HELD.value, severity=severity, about="", text=said, at_ns=at_ns)
