"""What only the process that runs a campaign knows: plain values, which don't change while they are read.

Nothing of it is journaled and nothing is decided by it. What has no meaning is absent: stages of orders and ages of
quotes in virtual time, a journal where none is kept.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from trioarb.model.account import LimitUsed
from trioarb.model.fx import FxState

__all__ = [
    "ChannelFigures",
    "Durations",
    "FxAge",
    "JournalLag",
    "QuoteAges",
    "QuoteCounts",
    "RecordingFigures",
    "Telemetry",
]


@attrs.frozen(kw_only=True)
class RecordingFigures:
    """What was recorded beside the campaign. ``parts`` are files that the next recording makes Parquet files of."""

    folder: str
    quotes: int
    lost: int
    files: int
    parts: tuple[str, ...]
    error: str | None


@attrs.frozen(kw_only=True)
class Durations:
    """How long something took, ``count`` times since the process began; all else is absent, or empty, before the first.

    ``at_most``: pairs of seconds and how many took no longer, cumulated as a Prometheus histogram has them, without its
    last bucket, which holds all. Quantiles are right within 1/16.
    """

    count: int = 0
    total_seconds: float = 0.0
    p50_us: float | None = None
    p95_us: float | None = None
    p99_us: float | None = None
    at_most: tuple[tuple[float, int], ...] = ()


@attrs.frozen(kw_only=True)
class QuoteCounts:
    """What became of all symbols' quotes. ``seen`` has ``refused`` and ``conflated`` ones in it, and those without one
    of their sides (``withdrawn``); ``conflated``: another came before a round of the loop had looked. ``evaluated``:
    evaluations; ``stale``: those of them without a route between two fresh quotes.
    """

    seen: int
    refused: int
    withdrawn: int
    conflated: int
    evaluated: int
    stale: int


@attrs.frozen(kw_only=True)
class QuoteAges:
    """How old a venue's latest quotes are: of the symbol that quoted last, and of the one that is silent for longest.

    ``symbols``: how many have quoted.
    """

    newest_seconds: float
    oldest_seconds: float
    symbols: int


@attrs.frozen(kw_only=True)
class FxAge:
    """How old the oldest quote is that a rate is made of, absent before the first; and whether entries rely on it."""

    seconds: float | None
    state: FxState


@attrs.frozen(kw_only=True)
class JournalLag:
    """Events that are not written yet, and those that may not be on the disk, absent where nothing waits for that.

    ``…_seconds``: for how long the oldest of them waits. ``error``: why writing fails.
    """

    unwritten: int
    unwritten_seconds: float
    unsynced: int | None
    unsynced_seconds: float | None
    error: str | None


@attrs.frozen(kw_only=True)
class ChannelFigures:
    """What became of a channel's alerts: ``undelivered`` after all tries, or since too many waited.

    ``tries`` counts messages as often as they were tried; ``error`` is why the last try failed, '' if it didn't.
    """

    delivered: int
    undelivered: int
    pending: int
    tries: int
    error: str


@attrs.frozen(kw_only=True)
class Telemetry:
    """``loop_latency_us``: p50 and p99 of ``loop``, the evaluations of a symbol, of which one in 64 is timed.

    ``stages`` by the words of `Stage`. ``guards``: asking all tiers about an opportunity; ``doubts``: whether they
    doubt prices. ``quote_ages`` and ``limits`` (what is used of a venue's limits) by venue, ``fx_ages`` by asset.
    ``channels``: of alerts, by name.
    ``memory_bytes``: what is resident, absent where the system doesn't say; ``cpu_seconds``: of all threads.
    """

    loop_latency_us: tuple[float, float] | None = None
    recording: RecordingFigures | None = None
    loop: Durations = Durations()
    stages: Mapping[str, Durations] = attrs.field(factory=dict)
    guards: Durations = Durations()
    doubts: Durations = Durations()
    quotes: QuoteCounts | None = None
    quote_ages: Mapping[str, QuoteAges] = attrs.field(factory=dict)
    fx_ages: Mapping[str, FxAge] = attrs.field(factory=dict)
    limits: Mapping[str, tuple[LimitUsed, ...]] = attrs.field(factory=dict)
    journal: JournalLag | None = None
    channels: Mapping[str, ChannelFigures] = attrs.field(factory=dict)
    memory_bytes: int | None = None
    cpu_seconds: float | None = None
