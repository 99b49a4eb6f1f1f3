"""Which faults there are to be, and how likely each is."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import attrs

from trioarb.api import ZERO, Milliseconds, PositiveMilliseconds, PositiveSeconds, Probability, Seconds, setting
from trioarb_faults.fault import FATAL, Fault, parse_script

__all__ = ["FaultyExchangeSettings", "FaultyMarketSettings", "exchange_warnings", "market_warnings"]

_MOST_DELAY_MS = 60_000


@attrs.frozen(kw_only=True)
class FaultyExchangeSettings:
    """Each fault's key is its probability per order."""

    delay: Probability = setting(ZERO, doc="an order, or the answer to it, comes late")
    delay_ms: PositiveMilliseconds = setting(
        Decimal(2_000), doc="longest delay; each is drawn from 0 up to it, and adds to the venue's own latency"
    )
    reject: Probability = setting(ZERO, doc="an order is refused")
    partial: Probability = setting(ZERO, doc="only a part of an order reaches the venue; the rest is cancelled")
    lose_ack: Probability = setting(ZERO, doc="an order is executed, but the answer is lost")
    lose_order: Probability = setting(ZERO, doc="an order never reaches the venue, and no answer comes")
    duplicate_fills: Probability = setting(ZERO, doc="an answer repeats a fill")
    reorder_fills: Probability = setting(
        ZERO, doc="an answer has its fills in reverse order; each is split in two before"
    )
    rate_limit: Probability = setting(ZERO, doc="the venue answers everything with 429 for rate_limit_seconds")
    rate_limit_seconds: PositiveSeconds = setting(Decimal(3), doc="how long a rate limit holds")
    disconnect: Probability = setting(ZERO, doc="the venue can't be reached for disconnect_seconds")
    disconnect_seconds: PositiveSeconds = setting(Decimal(3), doc="how long the venue can't be reached")
    clock_skew: Probability = setting(
        ZERO, doc="orders are refused for clock_skew_seconds, their timestamps being outside of the receive window"
    )
    clock_skew_seconds: PositiveSeconds = setting(Decimal(3), doc="how long timestamps are wrong")
    acknowledge: Probability = setting(ZERO, doc="an order is only acknowledged; updates tell what becomes of it")
    early_done: Probability = setting(
        ZERO, doc="the same, and its last word comes first; its fills, the last one first, up to delay_ms later"
    )
    late_fill: Probability = setting(
        ZERO, doc="the same, and its last word doesn't know of its last fill, which comes up to delay_ms later"
    )
    replay_updates: Probability = setting(ZERO, doc="the same, and all of it is told again up to delay_ms later")
    cut_stream: Probability = setting(
        ZERO, doc="the same, and the stream of updates is cut for cut_stream_seconds; what it would tell then is lost"
    )
    cut_stream_seconds: PositiveSeconds = setting(Decimal(3), doc="how long the stream of updates is cut")
    late_cancel: Probability = setting(
        ZERO, doc="the cancellation of an order arrives up to delay_ms late: it may have filled before"
    )
    active_seconds: Seconds | None = setting(
        None, doc="no probability counts after this much campaign time; absent: they always do"
    )
    script: tuple[str, ...] = setting(
        (), doc='"N:FAULT": the N-th order sent to this venue suffers this fault, whatever the probabilities'
    )

    def __attrs_post_init__(self) -> None:
        parse_script(self.script)


@attrs.frozen(kw_only=True)
class FaultyMarketSettings:
    """Each fault's key is its probability per quote."""

    stale: Probability = setting(
        ZERO, doc="all quotes of the venue are swallowed for stale_seconds, while its connection looks alive"
    )
    stale_seconds: PositiveSeconds = setting(Decimal(5), doc="how long quotes are swallowed")
    crossed: Probability = setting(ZERO, doc="a quote is replaced by one whose bid is above its ask")
    drop: Probability = setting(ZERO, doc="a quote is lost")
    skew_ms: Milliseconds = setting(ZERO, doc="all quotes come this much later")


def exchange_warnings(settings: FaultyExchangeSettings) -> Iterable[str]:
    chances = {fault: getattr(settings, fault.value) for fault in Fault}
    if not any(chances.values()) and not settings.script:
        yield "no fault is switched on; set the probability of one, or a script"
    for fault in FATAL:
        if chances[fault] == 1:
            yield f"{fault.value} = 1: no order will ever reach the venue"
    if settings.delay_ms > _MOST_DELAY_MS:
        yield f"delay_ms = {settings.delay_ms}: nobody waits that long for the answer to an order"


def market_warnings(settings: FaultyMarketSettings) -> Iterable[str]:
    if not (settings.stale or settings.crossed or settings.drop or settings.skew_ms):
        yield "no fault is switched on; set the probability of one, or skew_ms"
    for name in ("stale", "crossed", "drop"):
        if getattr(settings, name) == 1:
            yield f"{name} = 1: no sound quote will ever come"
