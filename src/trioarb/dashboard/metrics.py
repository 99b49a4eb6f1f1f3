"""Campaigns as metrics for Prometheus: what their journals say, and what they answer while they run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import attrs
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from trioarb.config.schema import Config
from trioarb.dashboard import figures
from trioarb.dashboard.metric import METRICS, Kind
from trioarb.dashboard.view import Viewed
from trioarb.model.fx import FxState
from trioarb.model.trade import Answer
from trioarb.state.state import State
from trioarb.state.telemetry import Durations, Telemetry
from trioarb.time.campaign_time import SECOND_NS

__all__ = ["CONTENT_TYPE", "metrics_text"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

#: Labels have so many values at most: campaigns, and of each symbols, rules, and whatever else plugins may name.
MOST_CAMPAIGNS, MOST_SYMBOLS, MOST_NAMES = 100, 50, 100

_FAMILIES: Mapping[Kind, type[Any]] = {
    Kind.COUNTER: CounterMetricFamily,
    Kind.GAUGE: GaugeMetricFamily,
    Kind.HISTOGRAM: HistogramMetricFamily,
}
#: A metric's name, the values of its labels, and its value.
Sample = tuple[str, tuple[str, ...], float | int | Decimal | Durations | None]
Guarded = Callable[[Viewed, Callable[[], list[Sample]]], list[Sample] | None]


def metrics_text(views: Iterable[Viewed], guarded: Guarded = lambda _, work: work()) -> bytes:
    """Return the metrics of all campaigns, as `CONTENT_TYPE` says.

    ``guarded`` does the work for one of them: it returns nothing if that fails, and the others are told of.

    Of one that doesn't run only the state and how it ended are told; what only a running process knows is told while it
    answers.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(list(views), guarded))
    return generate_latest(registry)


@attrs.frozen(eq=False)
class _Collector(Collector):
    views: Sequence[Viewed]
    guarded: Guarded

    def collect(self) -> Iterator[Any]:
        families = _Families()
        # Those that run are told of before any that doesn't.
        ranked = sorted(self.views, key=lambda one: (not one.follower.is_running, -one.follower.last_ns))
        for viewed in ranked[:MOST_CAMPAIGNS]:
            for name, labels, value in self.guarded(viewed, partial(_all_of, viewed)) or ():
                if value is not None:
                    families.add(name, (viewed.name, *labels), value)
        if (left_out := len(ranked) - MOST_CAMPAIGNS) > 0:
            families.add("trioarb_left_out", ("", "campaigns"), left_out)
        yield from families.by_name.values()


@attrs.frozen(eq=False)
class _Families:
    """Metrics with their samples. A text that has one of them twice, or can't be encoded, Prometheus would refuse."""

    by_name: dict[str, Any] = attrs.field(factory=dict)
    _known: set[tuple[str, ...]] = attrs.field(factory=set)

    def add(self, name: str, labels: Sequence[str], value: float | int | Decimal | Durations) -> None:
        """Add a sample; of two with the same labels the first counts."""
        labels = [label.encode("utf-8", "replace").decode() for label in labels]
        if (name, *labels) in self._known:
            return
        self._known.add((name, *labels))
        metric, family = METRICS[name], self.by_name.get(name)
        if family is None:
            family = _FAMILIES[metric.kind](name, metric.doc, labels=("campaign", *metric.labels))
            self.by_name[name] = family
        if isinstance(value, Durations):
            buckets = [(f"{bound:g}", count) for bound, count in value.at_most]
            family.add_metric(labels, buckets=[*buckets, ("+Inf", value.count)], sum_value=value.total_seconds)
        else:
            family.add_metric(labels, float(value))


def _all_of(viewed: Viewed) -> list[Sample]:
    return list(_of_campaign(viewed))


def _of_campaign(viewed: Viewed) -> Iterator[Sample]:
    row, follower = viewed.row(), viewed.follower
    yield "trioarb_campaign_state", (row.state,), 1
    yield "trioarb_journal_folded_ratio", (), follower.folded
    if row.state in ("ended", "cut off"):
        yield "trioarb_campaign_exit_code", (), row.exit_code
    if row.state != "running":
        return
    state, answered = follower.state, viewed.answered
    yield "trioarb_campaign_info", (row.campaign_id, row.env, row.mode, row.clock, state.statistics.version), 1
    yield "trioarb_campaign_answers", (), answered is not None
    yield "trioarb_campaign_phase", (row.phase,), 1
    yield "trioarb_campaign_paused", (), row.paused
    yield "trioarb_campaign_stopped", (), state.statistics.is_stopped
    yield "trioarb_journal_events_total", (), follower.seq
    yield "trioarb_journal_bytes", (), follower.size
    yield from _decisions(viewed, state)
    yield from _orders(state)
    yield from _money(viewed, state)
    yield from _symbols(viewed, state)
    for venue in figures.venues(follower, {}):
        yield "trioarb_venue_up", (venue.venue,), venue.state == "up"
        yield "trioarb_venue_state", (venue.venue, venue.state), 1
    if answered is not None:
        yield "trioarb_campaign_elapsed_seconds", (), answered.snapshot.elapsed_ns / SECOND_NS
        held: set[tuple[str, ...]] = {(one.rule, one.venue or "") for one in answered.denials}
        yield from _named("trioarb_entries_held", "reasons to hold entries", dict.fromkeys(sorted(held), 1))
        for name, silent_ns in answered.snapshot.silent_ns.items():
            yield "trioarb_quote_age_seconds", (name,), silent_ns / SECOND_NS
        yield from _telemetry(answered.telemetry)


def _decisions(viewed: Viewed, state: State) -> Iterator[Sample]:
    statistics, funnel = state.statistics, viewed.funnel()
    for step, count in funnel.steps.items():
        yield "trioarb_funnel_total", (step,), count
    not_sized: dict[tuple[str, ...], int] = {(reason,): count for reason, count in funnel.not_sized.items()}
    yield from _named("trioarb_not_sized_total", "reasons not to size", not_sized)
    for answer in Answer:
        yield "trioarb_decisions_total", (answer.value,), statistics.decisions[answer]
    for name, counts in (("refusals", statistics.by_rule), ("reductions", statistics.reduced)):
        by_rule = {_rule(rule): count for rule, count in counts.items()}
        yield from _named(f"trioarb_{name}_total", f"rules of {name}", by_rule)


def _rule(name: str) -> tuple[str, ...]:
    """Return tier and rule of ``TIER.RULE``."""
    tier, _, rule = name.partition(".")
    return tier, rule


def _orders(state: State) -> Iterator[Sample]:
    statistics, trades = state.statistics, state.trades
    yield "trioarb_orders_submitted_total", (), statistics.orders["submitted"]
    for outcome in ("cancelled", "rejected", "unanswered"):
        yield "trioarb_order_outcomes_total", (outcome,), statistics.orders[outcome]
    yield "trioarb_fills_total", (), statistics.orders["fills"]
    for (kind, ended), count in sorted(statistics.pairs.items()):
        yield "trioarb_pairs_total", (kind, ended), count
    for reason, count in sorted(statistics.exits.items()):
        yield "trioarb_exits_total", (reason,), count
    yield "trioarb_trades_won_total", (), statistics.won
    yield "trioarb_open_positions", (), len(trades.positions())
    yield "trioarb_pairs_in_flight", (), len(trades.pairs)
    yield "trioarb_open_orders", (), len(trades.orders)
    yield "trioarb_residuals", (), len(trades.residuals)


def _money(viewed: Viewed, state: State) -> Iterator[Sample]:
    snapshot = None if viewed.answered is None else viewed.answered.snapshot
    equity = state.equity.figures() if snapshot is None else snapshot.equity
    yield "trioarb_pnl_usd", (), state.statistics.pnl_usd if snapshot is None else snapshot.pnl_usd
    yield "trioarb_unrealised_usd", (), state.unrealised_usd
    yield "trioarb_fees_usd", (), state.statistics.fees_usd if snapshot is None else snapshot.fees_usd
    yield "trioarb_equity_usd", (), equity.now
    yield "trioarb_equity_change_usd", (), equity.change
    yield "trioarb_drawdown_usd", (), state.equity.drawdown_usd
    yield "trioarb_exposure_usd", (), state.exposure.exposure_usd()
    yield "trioarb_daily_loss_usd", (), state.marks.daily_loss_usd(viewed.follower.last_ns)
    if viewed.config is not None:
        yield from _named("trioarb_guard_limit", "limits of guards", dict(_limits(viewed.config)))


def _limits(config: Config) -> Iterator[tuple[tuple[str, ...], Decimal | int]]:
    """Yield the limits of all tiers: whatever number of theirs is called ``max_…``."""
    for table in config.guards:
        tier = table.key.removeprefix("guards.")
        for field in attrs.fields(type(table.settings)) if attrs.has(type(table.settings)) else ():
            value = getattr(table.settings, field.name)
            if field.name.startswith("max_") and isinstance(value, Decimal | int) and not isinstance(value, bool):
                yield (tier, field.name), value


def _symbols(viewed: Viewed, state: State) -> Iterator[Sample]:
    """Yield what is told of symbols: of many, of those with something open, then of those that were sent most."""
    statistics = state.statistics
    live = {} if viewed.answered is None else {one.symbol: one for one in viewed.answered.snapshot.symbols}

    def rank(symbol: str) -> tuple[bool, int, str]:
        one = statistics.symbols.get(symbol)
        return not state.trades.positions(symbol), 0 if one is None else -one.sent, symbol

    ranked = sorted(statistics.reported, key=rank)
    for symbol in ranked[:MOST_SYMBOLS]:
        one, now = statistics.symbols.get(symbol), live.get(symbol)
        yield "trioarb_symbol_pnl_usd", (symbol,), 0 if one is None else one.pnl_usd
        yield "trioarb_symbol_exposure_usd", (symbol,), state.exposure.exposure_usd(symbol)
        yield "trioarb_symbol_open_positions", (symbol,), len(state.trades.positions(symbol))
        if now is not None and now.edge_bps is not None:
            yield "trioarb_symbol_edge_ratio", (symbol,), now.edge_bps / 10_000
    if len(ranked) > MOST_SYMBOLS:
        yield "trioarb_left_out", ("symbols",), len(ranked) - MOST_SYMBOLS


def _telemetry(telemetry: Telemetry) -> Iterator[Sample]:
    if (quotes := telemetry.quotes) is not None:
        yield "trioarb_quotes_total", (), quotes.seen
        yield "trioarb_quotes_refused_total", (), quotes.refused
        yield "trioarb_quotes_withdrawn_total", (), quotes.withdrawn
        yield "trioarb_quotes_conflated_total", (), quotes.conflated
        yield "trioarb_evaluations_total", (), quotes.evaluated
        yield "trioarb_evaluations_stale_total", (), quotes.stale
    for venue, ages in telemetry.quote_ages.items():
        yield "trioarb_quote_oldest_age_seconds", (venue,), ages.oldest_seconds
        yield "trioarb_quoted_symbols", (venue,), ages.symbols
    yield "trioarb_evaluation_seconds", (), telemetry.loop
    for stage, took in telemetry.stages.items():
        yield "trioarb_stage_seconds", (stage,), took
    yield "trioarb_guards_seconds", ("opportunity",), telemetry.guards
    yield "trioarb_guards_seconds", ("prices",), telemetry.doubts
    for asset, age in telemetry.fx_ages.items():
        yield "trioarb_fx_age_seconds", (asset,), age.seconds
        yield "trioarb_fx_good", (asset,), age.state is FxState.GOOD
    for venue, limits in telemetry.limits.items():
        for limit in limits[:MOST_NAMES]:
            labels = venue, limit.name, f"{limit.seconds:g}"
            yield "trioarb_rate_limit_used", labels, limit.used
            yield "trioarb_rate_limit_allowed", labels, limit.count
    if (journal := telemetry.journal) is not None:
        yield "trioarb_journal_unwritten_events", (), journal.unwritten
        yield "trioarb_journal_unwritten_seconds", (), journal.unwritten_seconds
        yield "trioarb_journal_unsynced_events", (), journal.unsynced
        yield "trioarb_journal_unsynced_seconds", (), journal.unsynced_seconds
        yield "trioarb_journal_failing", (), journal.error is not None
    if (recording := telemetry.recording) is not None:
        yield "trioarb_recorded_quotes_total", (), recording.quotes
        yield "trioarb_recorded_quotes_lost_total", (), recording.lost
    for channel, alerts in telemetry.channels.items():
        yield "trioarb_alerts_delivered_total", (channel,), alerts.delivered
        yield "trioarb_alerts_undelivered_total", (channel,), alerts.undelivered
        yield "trioarb_alerts_pending", (channel,), alerts.pending
    yield "trioarb_process_resident_memory_bytes", (), telemetry.memory_bytes
    yield "trioarb_process_cpu_seconds_total", (), telemetry.cpu_seconds


def _named(name: str, what: str, values: Mapping[tuple[str, ...], float | int | Decimal]) -> Iterator[Sample]:
    """Yield what has labels that plugins name: the largest values of many, and how many are left out."""
    ranked = sorted(values.items(), key=lambda one: (-one[1], one[0]))
    for labels, value in ranked[:MOST_NAMES]:
        yield name, labels, value
    if len(ranked) > MOST_NAMES:
        yield "trioarb_left_out", (what,), len(ranked) - MOST_NAMES
