"""A thread beside Trio's that says which plugin holds it, and leaves the process when the campaign can't end itself."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from time import monotonic
from types import FrameType
from typing import Any

import structlog
import trio

from trioarb.config.schema import Config
from trioarb.engine.campaign import Campaign
from trioarb.plugin.call import Calls, Where

__all__ = ["Watchdog", "end_seconds"]

_LOOK_SECONDS = 0.25
_SAY_AGAIN_SECONDS = 10
#: What the end may take beside its own deadlines.
_MARGIN_SECONDS = 5
#: How long the journal's end and the summary may take to be written before the process leaves without.
_LAST_SECONDS = 10
#: Who asks for the end so often, while the thread is held for so long, can't be heard by anybody else.
_ENOUGH_SIGNALS, _HELD_SECONDS = 3, 1
#: When somebody panics, the campaign has so long to end itself; after that there is nothing to be waited for.
_PANIC_SECONDS = 3.5
#: Where calls of plugins come from; they have their `Where` among their variables.
_BORDER = (
    "trioarb.plugin.border",
    "trioarb.plugin.exchange_border",
    "trioarb.engine.opener",
    "trioarb.alerting.delivery",
)


def end_seconds(config: Config) -> float:
    """Return how long the end of a campaign may take: pairs in flight, late orders, closing, and ten seconds more.

    Five of these are in the engine's own bound for pairs in flight; with less, one that just keeps it would be left.
    """
    execution = config.execution
    drain = 5 * execution.leg_timeout_seconds + execution.hedge_deadline_seconds
    return float(drain + execution.close_deadline_seconds) + 2 * _MARGIN_SECONDS


class Watchdog(trio.abc.Instrument):
    """Give it to `trio.run` as an instrument, and keep it open around that.

    Trio's thread is held if it came to no wait since the last look. That costs two calls for each round of Trio's loop,
    and nothing for a quote. It looks at real time only, and changes nothing but by leaving.

    ``leave(why, campaign)`` is called in a thread of its own once nothing else helps, and must end the process;
    ``exit_now`` does if it takes too long. ``signals()`` says how many signals asked for the end so far.
    """

    def __init__(
        self,
        config: Config,
        *,
        leave: Callable[[str, Campaign | None], None],
        exit_now: Callable[[], None],
        signals: Callable[[], int],
        extra_seconds: float = 0,
    ) -> None:
        self.campaign: Campaign | None = None
        self._config = config
        self._leave = leave
        self._exit_now = exit_now
        self._signals = signals
        self._end_seconds = end_seconds(config) + extra_seconds
        self._thread_id = threading.get_ident()
        self._rounds = 0
        self._waits = True
        self._over = threading.Event()
        self._log = structlog.get_logger("trioarb.watchdog")
        self._thread = threading.Thread(target=self._watch, name="trioarb watchdog", daemon=True)

    def __enter__(self) -> Watchdog:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._over.set()

    def before_io_wait(self, timeout: float) -> None:
        self._waits = timeout > 0

    def after_io_wait(self, timeout: float) -> None:
        self._waits = False
        self._rounds += 1

    def before_run(self) -> None:
        self._waits = False

    def after_run(self) -> None:
        self._waits = True

    def _watch(self) -> None:
        held_since, ends_by, said_at, rounds, asked = monotonic(), float("inf"), 0.0, -1, 0
        warned = ended_since = 0.0
        panics = False
        engine = self._config.engine
        hurry_seconds = float(self._config.execution.hurry_seconds)
        while not self._over.wait(_LOOK_SECONDS):
            now = monotonic()
            if self._waits or self._rounds != rounds:
                rounds, held_since, warned = self._rounds, now, 0.0
            held = now - held_since
            if held >= engine.blocked_warning_seconds and now - warned >= _SAY_AGAIN_SECONDS:
                warned = now
                self._log.warning("nothing else goes on: the thread is held", seconds=round(held, 1), **self._who())
            campaign, signals = self.campaign, self._signals()
            if not ended_since and (signals or (campaign is not None and campaign.ended_by is not None)):
                ended_since = said_at = now
                ends_by = now + self._end_seconds
            if campaign is not None and campaign.panics and not panics:
                panics, ends_by = True, min(ends_by, now + _PANIC_SECONDS)
            if signals > max(asked, 1):
                ends_by = min(ends_by, now + hurry_seconds + _MARGIN_SECONDS)
            asked = signals
            if ended_since and now - said_at >= float(engine.blocked_warning_seconds):
                said_at = now + _MARGIN_SECONDS
                most = round(ends_by - now)
                self._log.info("ending; this is waited for", what=self._waited_for(), seconds_at_most=most)
            if signals >= _ENOUGH_SIGNALS and held >= _HELD_SECONDS:
                self._go(f"{self._culprit()} held the thread for {held:.0f} s, and {signals} signals asked for the end")
            if held >= engine.blocked_seconds:
                self._go(f"{self._culprit()} held the thread for {held:.0f} s")
            if now >= ends_by:
                what = self._culprit() if held >= 1 else self._waited_for()
                self._go(f"the campaign could not end in time; it waited for {what}")

    def _go(self, why: str) -> None:
        campaign = self.campaign
        self._log.error("leaving", because=why)
        last = threading.Thread(target=self._leave, args=(why, campaign), daemon=True)
        last.start()
        last.join(_LAST_SECONDS)
        self._exit_now()

    def _who(self) -> dict[str, str]:
        place = _place_of(_frame(self._thread_id))
        return {"what": self._culprit(), "where": place}

    def _culprit(self) -> str:
        frame = _frame(self._thread_id)
        found = ""
        while frame is not None:
            if frame.f_globals.get("__name__") in _BORDER and (where := _where_of(frame)) is not None:
                found = f"{where}: {frame.f_code.co_name.lstrip('_')}"
                break
            frame = frame.f_back
        return found or _place_of(_frame(self._thread_id))

    def _waited_for(self) -> str:
        campaign = self.campaign
        calls: Calls | None = None if campaign is None else campaign.world.opener.calls
        if calls is None:
            return "plugins to open"
        now = monotonic()
        waiting = [
            f"{call.where}: {call.method} for {now - call.since:.1f} s"
            for call in tuple(calls.under_way.values())
            if call.method != "run"
        ]
        waiting += [f"{call.where}: run" for call in tuple(calls.under_way.values()) if call.method == "run"][:4]
        return ", ".join(waiting[:8]) or "the engine"


def _frame(thread_id: int) -> FrameType | None:
    return sys._current_frames().get(thread_id)


def _where_of(frame: FrameType) -> Where | None:
    variables = frame.f_locals
    me = variables.get("self")
    for one in (variables.get("where"), getattr(me, "_where", None), getattr(me, "where", None)):
        if isinstance(one, Where):
            return one
    return None


def _place_of(frame: FrameType | None) -> str:
    if frame is None:
        return "nobody"
    code = frame.f_code
    return f"{code.co_qualname}, {code.co_filename}:{frame.f_lineno}"
