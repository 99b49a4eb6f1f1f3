"""The signals that a campaign listens to."""

from __future__ import annotations

import signal

import structlog
import trio

from trioarb.engine.campaign import Campaign
from trioarb.model.event import KillSwitchPulled
from trioarb.model.trade import EndedBy

__all__ = ["watch_signals"]

#: Pulls the kill switch, on platforms that have it.
_KILL_SWITCH: signal.Signals | None = getattr(signal, "SIGUSR1", None)


async def watch_signals(campaign: Campaign, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    log = structlog.get_logger("trioarb.engine")
    numbers = [signal.SIGINT, signal.SIGTERM]
    if _KILL_SWITCH is not None:
        # By default it ends the process; after the campaign, that would cost the summary.
        signal.signal(_KILL_SWITCH, signal.SIG_IGN)
        numbers.append(_KILL_SWITCH)
    with trio.open_signal_receiver(*numbers) as received:
        task_status.started()
        async for number in received:
            if number == _KILL_SWITCH:
                await trio.lowlevel.checkpoint()  # nothing comes before the campaign's first event
                _pull_kill_switch(campaign, signal.Signals(number).name)
                continue
            campaign.signals += 1
            name = signal.Signals(number).name
            if campaign.signals == 1:
                log.warning("ending the campaign; once more to hurry", signal=name)
                campaign.end(EndedBy.SIGNAL)
            else:
                log.warning("hurrying", signal=name)
                campaign.parts.executor.hurry()
                if campaign.closing is not None:
                    hurry = float(campaign.config.execution.hurry_seconds)
                    campaign.closing.deadline = min(campaign.closing.deadline, trio.current_time() + hurry)


def _pull_kill_switch(campaign: Campaign, source: str) -> None:
    if any(tier.answers_kill_switch for tier in campaign.tiers.values()):
        campaign.parts.journal.record(KillSwitchPulled(source=source))
    else:
        structlog.get_logger("trioarb.engine").warning(
            "nothing is stopped: no kill_switch tier is configured; add [guards.kill_switch]", signal=source
        )
