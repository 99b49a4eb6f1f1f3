"""The alerts of one campaign: rules and channels, from before it opens until after its journal is closed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import TypeVar

import structlog
import trio

from trioarb.alerting.delivery import Delivery, Sender
from trioarb.alerting.evaluation import Evaluation
from trioarb.alerting.figures import Figures
from trioarb.alerting.incident import Seen
from trioarb.alerting.queue import AlertQueue
from trioarb.config.alerts import AlertRule
from trioarb.config.schema import ClockKind, Config
from trioarb.engine.campaign import Campaign
from trioarb.errors import describe, leaves, said_by
from trioarb.model.alert import Alert, Incident
from trioarb.model.event import Record
from trioarb.plugin.registry import Plugins
from trioarb.state.telemetry import ChannelFigures
from trioarb.time.campaign_time import RealTime

__all__ = ["Alerting", "end_seconds_of"]

T = TypeVar("T")

_LOOK_SECONDS = 0.25


def end_seconds_of(config: Config) -> float:
    """Return how long after the campaign's end alerts may still be under way, at most."""
    return float(max((channel.head.end_seconds for channel in config.channels), default=Decimal(0)))


class Alerting:
    """Observes a campaign and sends what its rules ask for.

    ``now_ns`` is the time until the campaign has one of its own. Nothing here raises into the campaign, waits for
    anything in its way, or records an event: with it or without it, the same happens.
    """

    def __init__(self, config: Config, plugins: Plugins, *, now_ns: Callable[[], int]) -> None:
        self._config = config
        self._now_ns = now_ns
        self._campaign: Campaign | None = None
        self._time = RealTime()
        self._figures: Figures | None = None
        self._evaluation = Evaluation(config.alerts, self._tell)
        self._broken = False
        self._failing = False
        self._deliveries = {
            channel.name: Delivery(
                channel=channel,
                plugins=plugins,
                redactor=config.redactor,
                sender=self._sender,
                queue=AlertQueue(channel.head, self._now),
                time=self._time,
            )
            for channel in config.channels
            if any(channel.name in rule.channels for rule in config.alerts)
        }

    def figures(self) -> Mapping[str, ChannelFigures]:
        """Return what became of alerts so far, by channel."""
        return {name: delivery.figures for name, delivery in self._deliveries.items()}

    def attach(self, campaign: Campaign) -> None:
        """Tell of this campaign from now on; call it before its first event."""
        self._campaign = campaign
        self._time.begin(campaign.parts.time.now_ns())
        if self._config.alerts:
            self._figures = Figures(self._config.alerts, campaign.state, self._note_figure)
        campaign.channel_figures = self.figures

    def observe(self, record: Record) -> None:
        """Look at an event. It never raises: alerts that fail are said once in the log, and trading goes on."""
        if self._broken:
            return
        try:
            self._evaluation.observe(record)
            if self._figures is not None:
                self._figures.observe(record)
        except Exception as error:
            self._break(error)

    def failed(self, error: BaseException) -> None:
        """Tell that the campaign could not begin, or ended without having recorded why."""
        said = f"the campaign has failed: {'; '.join(said_by(one) for one in leaves(error))}"
        self._note(Seen(on=Incident.CAMPAIGN_FAILED.value, key="", text=said))

    async def around(self, work: Callable[[], Awaitable[T]], *, end_seconds: Callable[[], float]) -> T:
        """Do the work while channels are open; then send what is pending, for so many seconds at most.

        Cancellation ends the work, and what is pending is still sent, within that time.

        Raises:
            TrioarbError: a channel can't be opened; the work wasn't begun.
        """
        results, errors = list[T](), list[BaseException]()
        async with trio.open_nursery() as nursery:
            try:
                for delivery in self._deliveries.values():
                    await nursery.start(delivery.run)
            except Exception as error:
                errors += leaves(error)
            if not errors:
                if self._config.alerts and self._config.session.clock is ClockKind.REAL:
                    nursery.start_soon(self._look_periodically)
                try:
                    results.append(await work())
                except Exception as error:
                    errors.append(error)
                    self.failed(error)
                finally:
                    await self._finish(end_seconds)
            nursery.cancel_scope.cancel()
        if errors:
            raise errors[0]
        return results[0]

    async def _finish(self, end_seconds: Callable[[], float]) -> None:
        """Send what is pending, each channel for as long as it may take; a hurry that begins meanwhile is heard."""
        try:
            self._evaluation.finish(self._now())
        except Exception as error:
            self._break(error)
        started = trio.current_time()
        for delivery in self._deliveries.values():
            delivery.queue.end()
        pending = list(self._deliveries.values())
        with trio.CancelScope(shield=True):
            while pending:
                waited, at_most = trio.current_time() - started, end_seconds()
                pending = [
                    one
                    for one in pending
                    if one.figures.pending and waited < min(at_most, float(one.channel.head.end_seconds))
                ]
                await trio.sleep(0.01 if pending else 0)
        for delivery in self._deliveries.values():
            delivery.give_up()

    async def _look_periodically(self) -> None:
        """Look at what time alone brings; in virtual time the events' own times do that."""
        while True:
            await trio.sleep(_LOOK_SECONDS * float(self._config.session.speed))
            campaign = self._campaign
            if campaign is None or not campaign.has_begun or self._broken:
                continue
            try:
                now_ns = self._now()
                self._evaluation.look(now_ns)
                if self._figures is not None:
                    self._figures.look(now_ns)
                    self._figures.look_at_money(now_ns)
                self._look_at_journal(campaign)
            except Exception as error:
                self._break(error)

    def _look_at_journal(self, campaign: Campaign) -> None:
        writer = campaign.parts.journal.writer
        failure = None if writer is None else writer.failure
        if failure is not None and not self._failing:
            self._failing = True
            said = f"the journal can't be written, the campaign ends: {said_by(failure)}"
            self._note(Seen(on=Incident.JOURNAL_FAILING.value, key="", text=said))

    def _note(self, seen: Seen) -> None:
        if not self._broken:
            try:
                self._evaluation.note(seen, self._now())
            except Exception as error:
                self._break(error)

    def _note_figure(self, number: int, seen: Seen, at_ns: int) -> None:
        self._evaluation.note(seen, at_ns, of=(number,))

    def _tell(self, rule: AlertRule, alert: Alert) -> None:
        for name in rule.channels:
            delivery = self._deliveries[name]
            if alert.severity.rank >= delivery.channel.head.least_severity.rank:
                delivery.queue.put(alert)

    def _sender(self) -> Sender:
        config, campaign = self._config, self._campaign
        name = "(not begun)" if campaign is None else campaign.campaign_id
        return Sender(campaign=name, env=config.env, mode=config.session.mode.value)

    def _now(self) -> int:
        return self._now_ns() if self._campaign is None else self._campaign.parts.time.now_ns()

    def _break(self, error: Exception) -> None:
        self._broken = True
        log = structlog.get_logger("trioarb.alerting")
        log.error("alerts end, a defect; the campaign goes on", because=describe(error), exc_info=error)
