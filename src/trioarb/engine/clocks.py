"""Notice that the machine was suspended or a clock was set: allow no entry until the venues were asked again."""

from __future__ import annotations

import time
from decimal import Decimal

import attrs
import structlog
import trio

from trioarb.engine.campaign import Campaign
from trioarb.engine.reconciling import reconcile
from trioarb.model.event import ClockJumped
from trioarb.time.campaign_time import Turn

__all__ = ["Clocks", "watch_clocks"]

_LOOK_SECONDS = 1
#: A look that comes so much too late is no busy machine any more: the process was stopped.
_MOST_LATE_NS = 5_000_000_000
#: So much the two clocks may drift apart from one look to the next.
_MOST_APART_NS = 1_000_000_000
#: How long venues may take to say what happened meanwhile; they are asked each minute anyway.
_ASK_SECONDS = 30
_ORDER = Turn.SERVICE.order(number=39)


@attrs.frozen
class Clocks:
    """Both clocks of the machine at one moment. The monotonic one may stand still while it is suspended."""

    wall_ns: int
    monotonic_ns: int

    @classmethod
    def now(cls) -> Clocks:
        return cls(time.time_ns(), time.monotonic_ns())

    def jump_to(self, later: Clocks, expected_ns: int) -> ClockJumped | None:
        """Return how they jumped, if they did, where ``expected_ns`` should have passed."""
        passed_ns = later.monotonic_ns - self.monotonic_ns
        late_ns = passed_ns - expected_ns
        apart_ns = later.wall_ns - self.wall_ns - passed_ns
        if late_ns < _MOST_LATE_NS and abs(apart_ns) < _MOST_APART_NS:
            return None
        return ClockJumped(late_seconds=_seconds(late_ns), wall_step_seconds=_seconds(apart_ns))


def _seconds(nanoseconds: int) -> Decimal:
    return Decimal(nanoseconds // 1_000_000).scaleb(-3)


async def watch_clocks(campaign: Campaign) -> None:
    """Look at the clocks each second. After a jump entries are denied until all quotes from before it are too old.

    Meanwhile orders and balances are asked for. Virtual time has no clocks to look at.
    """
    if campaign.parts.time.jumps:
        return
    if campaign.course.is_told:
        while True:
            await _settle(campaign, await campaign.course.jumps())
    expected_ns = round(_LOOK_SECONDS * 10**9 / campaign.config.session.speed)
    before = Clocks.now()
    while True:
        await trio.sleep(_LOOK_SECONDS)
        jump = before.jump_to(Clocks.now(), expected_ns)
        if jump is not None:
            await _settle(campaign, jump)
        before = Clocks.now()


async def _settle(campaign: Campaign, jump: ClockJumped) -> None:
    holds, campaign_time = campaign.parts.guards.holds, campaign.parts.time
    log = structlog.get_logger("trioarb.engine")
    apart = f"{jump.late_seconds} s late, wall clock {jump.wall_step_seconds:+} s"
    log.warning("the clock has jumped; no entry until the venues were asked again", jump=apart)
    campaign.course.jump(jump)
    holds.hold("clock_jump", apart)
    campaign.parts.journal.record(jump)
    # Where the monotonic clock stood still, quotes from before look fresh for as long as a quote may be old.
    fresh_ns = campaign_time.now_ns() + max(task.strategy.max_quote_age_ns for task in campaign.symbols.values())
    with trio.move_on_after(_ASK_SECONDS):
        await campaign.parts.reconciler.learn_late_orders()
        await reconcile(campaign)
    await campaign_time.sleep_until(fresh_ns, _ORDER)
    holds.release("clock_jump")
    log.info("entries go on after the clock's jump", jump=apart)
