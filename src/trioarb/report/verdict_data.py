"""What the data of a run says against it: its span, its quotes, its clocks, its rates and its symbols."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from trioarb.model.fx import FxState
from trioarb.report.coverage import coverage_of
from trioarb.report.figures import duration, number_of
from trioarb.report.funnel import funnel_total
from trioarb.report.keys import fx_keys, keys, listed
from trioarb.report.report import Report
from trioarb.report.verdict_finding import Code, Finding
from trioarb.settings.key import join_key

__all__ = ["data_findings"]

_LEAST_SECONDS = 3_600
#: Shares beyond which data is no good: of evaluations, quotes, time, fills.
_MOST_STALE, _MOST_REFUSED, _MOST_CONFLATED, _MOST_SILENT = 0.1, 0.01, 0.6, 0.1
_MOST_DOUBTFUL, _MOST_BAD_TIME = 0.05, 0.1
_LEAST_LOADED = 0.8
_MOST_APART = 0.05


def data_findings(report: Report) -> Iterator[Finding]:
    yield from _short(report)
    yield from _quotes(report)
    yield from _silent(report)
    yield from _clock(report)
    yield from _rates(report)
    yield from _symbols(report)


def _short(report: Report) -> Iterator[Finding]:
    seconds = float(report.runtime_seconds)
    if seconds < _LEAST_SECONDS:
        text = f"It ran for {duration(seconds)}; less than an hour says nothing of the next one."
        yield Finding(Code.SHORT, text, "session.max_runtime_seconds, session.max_iterations, or more recorded data")


def _quotes(report: Report) -> Iterator[Finding]:
    funnel, config = funnel_total(report.statistics), report.config
    markets = listed([tables.market.key for tables in config.exchanges.values()])
    stale, evaluated = funnel["evaluated"] - funnel["fresh"], funnel["evaluated"]
    if stale > _MOST_STALE * evaluated:
        text = f"In {stale / evaluated:.0%} of {number_of(evaluated)} evaluations no two venues had fresh quotes."
        yield Finding(Code.STALE, text, listed([*keys(config.strategy, "quote_age"), markets]))
    for step, most, code, what in (
        ("refused", _MOST_REFUSED, Code.REFUSED, "were refused: wrong, or older than the one before"),
        ("conflated", _MOST_CONFLATED, Code.CONFLATED, "were replaced before anybody looked at them"),
    ):
        if funnel[step] > most * funnel["seen"]:
            text = f"{funnel[step] / funnel['seen']:.0%} of {number_of(funnel['seen'])} quotes {what}."
            yield Finding(code, text, "session.loop_interval_ms" if code is Code.CONFLATED else markets)


def _silent(report: Report) -> Iterator[Finding]:
    silent, ran_ns = report.state.soundness.silent_ns(report.at_ns), report.statistics.ran_ns(report.at_ns)
    for venue, ns in silent.items():
        if ns > _MOST_SILENT * ran_ns:
            text = f"{venue} was silent for {duration(ns / 1e9)}, {ns / ran_ns:.0%} of the time."
            tables = report.config.exchanges.get(venue)
            yield Finding(Code.OLD, text, f"exchanges.{venue}.market" if tables is None else tables.market.key)
            return


def _clock(report: Report) -> Iterator[Finding]:
    apart, ran = report.state.soundness.wall_step_seconds, report.runtime_seconds
    if apart > Decimal(str(_MOST_APART)) * ran:
        text = f"The wall clock and the monotonic clock went apart by {duration(float(apart))} while it ran."
        yield Finding(Code.CLOCK, text, "the machine's clock (NTP, suspend)")


def _rates(report: Report) -> Iterator[Finding]:
    for asset, rate in sorted(report.state.fx.rates.items()):
        if rate.last is None:
            if rate.fills:
                text = f"{number_of(rate.fills)} fills were counted at a constant rate of {asset}, which moves."
                yield Finding(Code.FX_CONSTANT, text, f"{join_key('fx', asset)}: symbol and markets instead of a rate")
            continue
        lasted = rate.ns + Counter({rate.last.state: max(0, report.at_ns - rate.since_ns)})
        total = lasted.total()
        bad = total - lasted[FxState.GOOD]
        if rate.doubtful > _MOST_DOUBTFUL * rate.fills or bad > _MOST_BAD_TIME * total:
            share = bad / total if total else 0.0
            text = (
                f"The rate of {asset} could not be relied on for {share:.0%} of the time and "
                f"{number_of(rate.doubtful)} of {number_of(rate.fills)} fills."
            )
            found = fx_keys(report.config, asset) if asset in report.config.fx_markets else [join_key("fx", asset)]
            yield Finding(Code.FX_OLD, text, listed(found))


def _symbols(report: Report) -> Iterator[Finding]:
    counts = coverage_of(report)
    requested, loaded = counts.get("requested", 0), counts["loaded"]
    if loaded < _LEAST_LOADED * requested:
        text = f"{number_of(requested)} symbols were asked for, and {number_of(loaded)} are listed at two venues."
        yield Finding(Code.FEW_SYMBOLS, text, "universe.top_n, universe.source")
