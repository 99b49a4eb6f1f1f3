"""Take what only this process knows of a campaign. Called between two of its steps, in its thread."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from time import process_time

from trioarb.engine.campaign import Campaign
from trioarb.quotes.recorder import QuoteRecorder
from trioarb.state.funnel import Funnel
from trioarb.state.telemetry import (
    Durations,
    FxAge,
    JournalLag,
    QuoteAges,
    QuoteCounts,
    RecordingFigures,
    Telemetry,
)
from trioarb.time.campaign_time import SECOND_NS
from trioarb.time.latency import LatencyHistogram

__all__ = ["telemetry_of"]

#: The buckets of histograms, in µs: from an evaluation to an order whose venue is slow.
_BOUNDS_US = (10, 25, 50, 100, 250, 500, *(1_000 * ms for ms in (1, 2.5, 5, 10, 25, 50, 100, 250, 500)))
_BOUNDS_NS = tuple(round(us * 1_000) for us in (*_BOUNDS_US, 1e6, 2.5e6, 5e6, 1e7, 3e7, 6e7))
#: Where Linux says what a process uses: its second figure is pages in memory.
_STATM = Path("/proc/self/statm")


def telemetry_of(campaign: Campaign, *, has_venues: bool = True) -> Telemetry:
    """Return what the journal doesn't hold. Nothing is changed by it. ``has_venues``: they aren't closed yet."""
    parts = campaign.parts
    venues = parts.venues if has_venues else {}
    loop = _durations(parts.latency)
    return Telemetry(
        loop_latency_us=None if loop.p50_us is None or loop.p99_us is None else (loop.p50_us, loop.p99_us),
        recording=None if campaign.recorder is None else _recording(campaign.recorder),
        loop=loop,
        stages={}
        if parts.stages is None
        else {stage.value: _durations(took) for stage, took in parts.stages.took.items()},
        guards=_durations(parts.guards.asking),
        doubts=_durations(parts.guards.doubting),
        quotes=_quotes(campaign),
        quote_ages={} if parts.time.jumps else _quote_ages(campaign),
        fx_ages=_fx_ages(campaign),
        limits={venue: used for venue, exchange in venues.items() if (used := tuple(exchange.limits_used()))},
        journal=_journal(campaign),
        channels=campaign.channel_figures(),
        memory_bytes=_memory_bytes(),
        cpu_seconds=process_time(),
    )


def _durations(took: LatencyHistogram) -> Durations:
    if not took.count:
        return Durations()
    p50, p95, p99 = took.quantiles_us(0.5, 0.95, 0.99)
    at_most = zip(_BOUNDS_NS, took.at_most_ns(*_BOUNDS_NS), strict=True)
    return Durations(
        count=took.count,
        total_seconds=took.total_ns / SECOND_NS,
        p50_us=p50,
        p95_us=p95,
        p99_us=p99,
        at_most=tuple((bound_ns / SECOND_NS, count) for bound_ns, count in at_most),
    )


def _quotes(campaign: Campaign) -> QuoteCounts:
    funnels: list[Funnel] = [task.funnel for task in campaign.symbols.values()]
    return QuoteCounts(
        seen=sum(one.seen for one in funnels),
        refused=sum(one.refused for one in funnels),
        withdrawn=sum(one.withdrawn for one in funnels),
        conflated=sum(one.conflated for one in funnels),
        evaluated=sum(one.evaluated for one in funnels),
        stale=sum(one.stale for one in funnels),
    )


def _quote_ages(campaign: Campaign) -> Mapping[str, QuoteAges]:
    """Return the ages of the venues' quotes, up to now or the campaign's end; without venues that never quoted."""
    now_ns = campaign.parts.time.now_ns() if campaign.ended_ns is None else campaign.ended_ns
    received = dict[str, list[int]]()
    for board in campaign.world.boards.values():
        for venue, received_ns in zip(board.venues, board.received_ns, strict=True):
            if received_ns >= 0:
                received.setdefault(venue, []).append(received_ns)
    return {
        venue: QuoteAges(
            newest_seconds=(now_ns - max(times_ns)) / SECOND_NS,
            oldest_seconds=(now_ns - min(times_ns)) / SECOND_NS,
            symbols=len(times_ns),
        )
        for venue, times_ns in received.items()
    }


def _fx_ages(campaign: Campaign) -> Mapping[str, FxAge]:
    now_ns = campaign.parts.time.now_ns() if campaign.ended_ns is None else campaign.ended_ns
    ages = dict[str, FxAge]()
    for asset, rate in campaign.world.rates.sourced.items():
        age_ns = rate.age_ns(now_ns)
        ages[asset] = FxAge(seconds=None if age_ns is None else age_ns / SECOND_NS, state=rate.state)
    return ages


def _journal(campaign: Campaign) -> JournalLag | None:
    writer = campaign.parts.journal.writer
    if writer is None:
        return None
    unsynced = writer.unsynced
    return JournalLag(
        unwritten=writer.unwritten,
        unwritten_seconds=writer.unwritten_ns / SECOND_NS,
        unsynced=unsynced,
        unsynced_seconds=None if unsynced is None else writer.unsynced_ns / SECOND_NS,
        error=None if writer.failure is None else str(writer.failure),
    )


def _memory_bytes() -> int | None:
    with suppress(OSError):
        return int(_STATM.read_text(encoding="ascii").split()[1]) * _page_bytes()
    return None


@cache
def _page_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE")


def _recording(recorder: QuoteRecorder) -> RecordingFigures:
    return RecordingFigures(
        folder=str(recorder.folder),
        quotes=recorder.rows.total(),
        lost=recorder.lost,
        files=len(recorder.files),
        parts=tuple(map(str, recorder.left)),
        error=None if recorder.error is None else str(recorder.error),
    )
