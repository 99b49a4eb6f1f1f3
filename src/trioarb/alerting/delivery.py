"""Take messages to one channel: within a deadline, again if need be, and never in the way of anybody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import structlog
import trio

from trioarb.alerting.queue import AlertQueue
from trioarb.config.schema import ChannelTable
from trioarb.engine.opener import with_own
from trioarb.errors import ChannelError, Interrupt, PluginError, PluginFault, cut, describe, leaves, said_by
from trioarb.model.alert import Alert, AlertMessage
from trioarb.plugin.call import Calls, Where
from trioarb.plugin.contract import AlertChannel, AlertContext
from trioarb.plugin.registry import Plugins
from trioarb.plugin.shape import shape_flaw
from trioarb.plugin.spec import AlertChannelSpec
from trioarb.settings.redact import Redactor
from trioarb.state.telemetry import ChannelFigures
from trioarb.time.campaign_time import CampaignTime, RealTime

__all__ = ["Delivery", "Sender", "failure_of"]

#: How long a channel that broke down is left alone before it is opened again.
_REOPEN_SECONDS = 10.0


@attrs.frozen(kw_only=True)
class Sender:
    """Who the messages are from."""

    campaign: str
    env: str
    mode: str


@attrs.define(eq=False, kw_only=True)
class Delivery:
    """One channel: its queue, the task that empties it, and what became of what was in it."""

    channel: ChannelTable
    plugins: Plugins
    redactor: Redactor
    sender: Callable[[], Sender]
    queue: AlertQueue
    time: CampaignTime = attrs.field(factory=RealTime)
    delivered: int = 0
    undelivered: int = 0
    tries: int = 0
    error: str = ""
    _messages: int = attrs.field(default=0, init=False)
    _pending: int = attrs.field(default=0, init=False)

    @property
    def figures(self) -> ChannelFigures:
        return ChannelFigures(
            delivered=self.delivered,
            undelivered=self.undelivered + self.queue.dropped,
            pending=len(self.queue) + self._pending,
            tries=self.tries,
            error=self.error,
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Open the channel, say ``started()``, and send until the queue has ended and is empty.

        A channel that breaks down later is opened again after a while.

        Raises:
            TrioarbError: it can't be opened the first time.
        """
        has_started = False

        def started() -> None:
            nonlocal has_started
            if not has_started:
                has_started = True
                task_status.started()

        while True:
            try:
                await self._serve(started)
            except BaseException as error:
                failure = failure_of(error, self._where)
                if failure is None or not has_started:
                    raise (error if failure is None else failure) from None
                self._complain("an alert channel broke down", failure)
                if self.queue.ending.is_set() and not len(self.queue):
                    return
            else:
                return
            with trio.move_on_after(_REOPEN_SECONDS):
                await self.queue.ending.wait()

    def give_up(self) -> None:
        """Count what is pending as undelivered, and say what it was."""
        left = self.queue.rest()
        if left or self._pending:
            self.undelivered += len(left) + self._pending
            self._pending = 0
            self._log.error(
                "alerts were not delivered before the end",
                channel=self.channel.name,
                alerts=cut("; ".join(one.line for one in left)) or "a message under way",
            )

    async def once(self, alert: Alert) -> Exception | None:
        """Open the channel, send one alert by one try, close it; return why that failed."""
        failures = list[Exception]()

        async def send(channel: AlertChannel) -> None:
            failure = await self.try_once(channel, self._message((alert,)))
            if failure is not None:
                failures.append(failure)

        try:
            await self._opened(send)
        except BaseException as error:
            failure = failure_of(error, self._where)
            if failure is None:
                raise
            failures.append(failure)
        return failures[0] if failures else None

    async def _serve(self, started: Callable[[], None]) -> None:
        async def empty(channel: AlertChannel) -> None:
            started()
            while alerts := await self.queue.take():
                await self._deliver(channel, alerts)

        await self._opened(empty)

    async def _opened(self, work: Callable[[AlertChannel], Awaitable[None]]) -> None:
        """Do something with the channel open. Opening has the time of a try.

        Raises:
            PluginFault: it doesn't open in time, or opens something else.
        """
        spec = self.plugins.get(AlertChannelSpec, self.channel.table.plugin, key=self.channel.table.key)
        opening = trio.CancelScope(deadline=trio.current_time() + float(self.channel.head.try_seconds))
        with opening:
            table = self.channel.table
            context = with_own(AlertContext(name=self.channel.name, time=self.time), spec.kind, table)
            async with spec.open(table.settings, context) as opened:
                opening.deadline = float("inf")
                if not isinstance(opened, AlertChannel):
                    raise PluginFault(f"{self._where}: open gave a {type(opened).__name__}, not an AlertChannel")
                if flaw := shape_flaw(opened, spec.opens):
                    raise PluginError(f"{self._where}: {flaw}")
                await work(opened)
        if opening.cancelled_caught:
            raise PluginFault(f"{self._where}: open did not return within {self.channel.head.try_seconds} s")

    async def _deliver(self, channel: AlertChannel, alerts: tuple[Alert, ...]) -> None:
        """Try until it is delivered, or has been tried often enough. When cancelled, it stays pending."""
        self._pending = len(alerts)
        message = self._message(alerts)
        head, wait = self.channel.head, float(self.channel.head.retry_seconds)
        for number in range(1, head.tries + 1):
            failure = await self.try_once(channel, message)
            if failure is None:
                self.delivered += len(alerts)
                self._pending, self.error = 0, ""
                return
            again = getattr(failure, "again", True) and number < head.tries
            self._complain("an alert could not be sent", failure, again=again)
            if not again:
                break
            longest = float(head.retry_max_seconds)
            await trio.sleep(min(longest, max(wait, getattr(failure, "after_seconds", 0.0))))
            wait *= 2
        self.undelivered += len(alerts)
        self._pending = 0
        self._log.error("alerts were not delivered", channel=self.channel.name, alerts=message.body)

    async def try_once(self, channel: AlertChannel, message: AlertMessage) -> Exception | None:
        """Send a message; return why it wasn't delivered."""
        self.tries += 1
        seconds = float(self.channel.head.try_seconds)
        try:
            with trio.move_on_after(seconds) as trying:
                await self._send(channel, message)
        except BaseException as error:
            failure = failure_of(error, self._where)
            if failure is None:
                raise
            return failure
        if trying.cancelled_caught:
            return ChannelError(f"{self._where}: send did not return within {seconds:g} s")
        return None

    async def _send(self, channel: AlertChannel, message: AlertMessage) -> None:
        # By this frame and its name the watchdog knows who holds the thread.
        await channel.send(message)

    @property
    def _where(self) -> Where:
        return Where(key=self.channel.table.key, plugin=self.channel.table.plugin, calls=Calls(0.0))

    @property
    def _log(self) -> Any:
        return structlog.get_logger("trioarb.alerting")

    def _message(self, alerts: tuple[Alert, ...]) -> AlertMessage:
        """Return the next message, without secrets."""
        self._messages += 1
        redact, sender = self.redactor, self.sender()
        clean = tuple(attrs.evolve(redact.fields(one), details=redact.value(dict(one.details))) for one in alerts)
        message = AlertMessage(
            campaign=sender.campaign, env=sender.env, mode=sender.mode, number=self._messages, alerts=clean
        )
        return redact.fields(message)

    def _complain(self, what: str, failure: Exception, **details: object) -> None:
        self.error = self.redactor.text(said_by(failure))
        self._log.warning(what, channel=self.channel.name, because=self.error, **details)


def failure_of(error: BaseException, where: Where) -> Exception | None:
    """Return what a channel's error is for us; ``None`` if it is to go on as it is: a cancellation, or Ctrl-C."""
    found = leaves(error)
    if any(isinstance(one, trio.Cancelled | Interrupt) for one in found):
        return None
    if len(found) == 1 and isinstance(found[0], ChannelError | PluginFault):
        return found[0]
    return PluginFault(f"{where}: raised {describe(error)}")
