"""The signals that a campaign listens to, from before its first plugin opens until its last one is closed."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any, TypeVar

import attrs
import structlog
import trio

from trioarb.engine.campaign import Campaign
from trioarb.errors import Interrupt
from trioarb.model.event import KillSwitchPulled
from trioarb.model.trade import EndedBy

__all__ = ["Signals", "react_to"]

T = TypeVar("T")

#: Pulls the kill switch, on platforms that have it.
_KILL_SWITCH: signal.Signals | None = getattr(signal, "SIGUSR1", None)
#: Has it said why there is no trade.
_WHY: signal.Signals | None = getattr(signal, "SIGUSR2", None)


@attrs.define(eq=False)
class Signals:
    """``received`` counts those that ask for the end, also while a plugin holds Trio's thread and nobody reacts.

    ``explain`` tells the user why the campaign doesn't trade.
    """

    received: int = 0
    campaign: Campaign | None = None
    explain: Callable[[Campaign], None] = lambda campaign: None
    _opening: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    async def heard_in(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do the work while signals are listened to. Until there is a ``campaign`` they cancel it.

        Raises:
            Interrupt: it was cancelled so.
        """
        results, errors = list[T](), list[Exception]()
        with self._opening:
            async with trio.open_nursery() as listening:
                await listening.start(self._listen)
                try:
                    results.append(await work())
                except Exception as error:
                    errors.append(error)
                listening.cancel_scope.cancel()
        if errors:
            raise errors[0]
        if not results:
            raise Interrupt
        return results[0]

    async def _listen(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        numbers = [signal.SIGINT, signal.SIGTERM]
        for asking in filter(None, (_KILL_SWITCH, _WHY)):
            # By default it ends the process; after the campaign, that would cost the summary.
            signal.signal(asking, signal.SIG_IGN)
            numbers.append(asking)
        with trio.open_signal_receiver(*numbers) as received:
            for one in (signal.SIGINT, signal.SIGTERM):
                self._count(one)
            task_status.started()
            async for number in received:
                if number == _KILL_SWITCH:
                    await trio.lowlevel.checkpoint()  # nothing comes before the campaign's first event
                    self._react(signal.Signals(number).name)
                elif number == _WHY:
                    self._explain()
                else:
                    self._react(signal.Signals(number).name)

    def _react(self, name: str) -> None:
        if self.campaign is not None:
            self.campaign.course.came("signal", name)
            react_to(self.campaign, name)
        elif _KILL_SWITCH is None or name != _KILL_SWITCH.name:
            self._opening.cancel()

    def _explain(self) -> None:
        log = structlog.get_logger("trioarb.engine")
        if self.campaign is None:
            log.warning("the campaign has not begun yet, so there is nothing to say of it")
            return
        try:
            self.explain(self.campaign)
        except Exception:  # what is only told must not end what trades
            log.exception("why there is no trade can't be said")

    def _count(self, number: int) -> None:
        """Count the signal in its handler, which runs even between two steps of a plugin that never waits."""
        react: Any = signal.getsignal(number)

        def handle(number: int, frame: FrameType | None) -> None:
            self.received += 1
            react(number, frame)

        signal.signal(number, handle)


def react_to(campaign: Campaign, name: str) -> None:
    """Do what a signal asks for: end the campaign, hurry its end, or pull the kill switch."""
    if _KILL_SWITCH is not None and name == _KILL_SWITCH.name:
        _pull_kill_switch(campaign, name)
        return
    log = structlog.get_logger("trioarb.engine")
    campaign.signals += 1
    if campaign.signals == 1:
        log.warning("ending the campaign; once more to hurry", signal=name)
        campaign.end(EndedBy.SIGNAL)
        return
    log.warning("hurrying", signal=name)
    campaign.hurry()


def _pull_kill_switch(campaign: Campaign, source: str) -> None:
    if any(tier.answers_kill_switch for tier in campaign.tiers.values()):
        campaign.parts.journal.record(KillSwitchPulled(source=source))
    else:
        structlog.get_logger("trioarb.engine").warning(
            "nothing is stopped: no kill_switch tier is configured; add [guards.kill_switch]", signal=source
        )
