"""The metrics that are served to Prometheus: names, kinds, labels, and what they count."""

from __future__ import annotations

from enum import Enum

import attrs

__all__ = ["METRICS", "Kind", "Metric"]


class Kind(Enum):
    """What a metric is to Prometheus. A counter's name ends in ``_total``; it begins anew with another journal."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@attrs.frozen
class Metric:
    """``labels`` come after ``campaign``, which every metric has."""

    name: str
    kind: Kind
    doc: str
    labels: tuple[str, ...] = ()


def _counter(name: str, doc: str, *labels: str) -> Metric:
    return Metric(f"trioarb_{name}_total", Kind.COUNTER, doc, labels)


def _gauge(name: str, doc: str, *labels: str) -> Metric:
    return Metric(f"trioarb_{name}", Kind.GAUGE, doc, labels)


def _histogram(name: str, doc: str, *labels: str) -> Metric:
    return Metric(f"trioarb_{name}_seconds", Kind.HISTOGRAM, doc, labels)


_ALL = (
    # How it stands
    _gauge(
        "campaign_state",
        "1 for the state that it is in: running, ended, cut off, damaged, folding, unreadable",
        "state",
    ),
    _gauge("campaign_exit_code", "0: ended as planned, 1: an error, 3: stopped, or something is left open"),
    _gauge("campaign_info", "1; what it is", "campaign_id", "env", "mode", "clock", "version"),
    _gauge("campaign_answers", "whether it answered when it was asked last; without it telemetry is absent"),
    _gauge("campaign_phase", "1 for the phase that it is in", "phase"),
    _gauge("campaign_elapsed_seconds", "how long it has run since its process began"),
    _gauge("campaign_paused", "whether somebody has paused it"),
    _gauge("campaign_stopped", "whether an emergency stop holds"),
    _gauge("entries_held", "1 for each reason for which entries are denied; of a venue, or all", "rule", "venue"),
    _gauge("left_out", "how many are in no metric, since only so many are told of", "what"),
    # Quotes
    _counter("quotes", "quotes that came, those included that were refused, without a side, or conflated"),
    _counter("quotes_refused", "quotes that can't be, or are older than the one before"),
    _counter("quotes_withdrawn", "quotes without one of their sides, or both"),
    _counter("quotes_conflated", "quotes after which another came before the loop had looked"),
    _counter("evaluations", "evaluations of a symbol"),
    _counter("evaluations_stale", "evaluations without a route between two fresh quotes"),
    _gauge("quote_age_seconds", "for how long no quote came from a venue, of any symbol", "venue"),
    _gauge("quote_oldest_age_seconds", "age of the latest quote of the symbol that is silent for longest", "venue"),
    _gauge("quoted_symbols", "how many symbols have quoted", "venue"),
    _gauge("venue_up", "whether a venue's market data comes and entries may have a leg there", "venue"),
    _gauge("venue_state", "1 for how it stands: up, stale, down, held, unknown", "venue", "state"),
    # Time
    _histogram("evaluation", "what one evaluation takes; one in 64 is timed"),
    _histogram(
        "stage", "each stage of an order's way, in real time: decide, journal, send, acknowledge, fill", "stage"
    ),
    _histogram("guards", "asking all guard tiers once: of an opportunity, or whether they doubt prices", "asked"),
    # Decisions
    _counter(
        "funnel", "how far quotes and evaluations came, as the campaign answers; else as counted each minute", "step"
    ),
    _counter(
        "not_sized",
        "opportunities that could not be sized, as the campaign answers; else as counted each minute",
        "reason",
    ),
    _counter("decisions", "what the guards answered: ALLOW, REDUCE, DENY, STOP", "answer"),
    _counter("refusals", "DENY and STOP by the rule that gave them", "tier", "rule"),
    _counter("reductions", "opportunities that a rule made smaller", "tier", "rule"),
    # Orders
    _counter("orders_submitted", "orders that were recorded to be sent"),
    _counter("order_outcomes", "orders that were cancelled or expired, rejected, or had no answer", "outcome"),
    _counter("fills", "fills of orders"),
    _counter("pairs", "pairs that ended, by kind and outcome", "kind", "outcome"),
    _counter("exits", "trades that were closed, by why", "reason"),
    _counter("trades_won", "closed trades that brought something"),
    _gauge("open_positions", "open positions"),
    _gauge("pairs_in_flight", "pairs that have not ended"),
    _gauge("open_orders", "orders without a last word"),
    _gauge("residuals", "one-sided quantities that pairs left"),
    # Money
    _gauge("pnl_usd", "realised PnL"),
    _gauge("unrealised_usd", "what open positions would bring; absent where one has no mark"),
    _gauge("fees_usd", "fees paid; below zero: received"),
    _gauge("equity_usd", "all that is held at executable prices"),
    _gauge("equity_change_usd", "equity against what was put in"),
    _gauge("drawdown_usd", "the furthest that realised PnL and marks fell from their highest"),
    _gauge("exposure_usd", "what is at risk in positions, reservations and residuals"),
    _gauge("daily_loss_usd", "what was lost in this UTC day, marks included"),
    _gauge("guard_limit", "a limit of a guard tier, in the unit that its name ends with", "tier", "limit"),
    _gauge("symbol_pnl_usd", "realised PnL of a symbol", "symbol"),
    _gauge("symbol_exposure_usd", "what is at risk in a symbol", "symbol"),
    _gauge("symbol_edge_ratio", "the best edge now, after fees; 0.001 is 10 bps", "symbol"),
    _gauge("symbol_open_positions", "open positions of a symbol", "symbol"),
    # What it leans on
    _gauge("fx_age_seconds", "age of the oldest quote that a rate is made of", "asset"),
    _gauge("fx_good", "whether entries rely on a rate", "asset"),
    _gauge("rate_limit_used", "how much of a venue's limit is used", "venue", "limit", "window_seconds"),
    _gauge("rate_limit_allowed", "how much a venue allows", "venue", "limit", "window_seconds"),
    _counter("journal_events", "events in the journal"),
    _gauge("journal_bytes", "size of the journal"),
    _gauge("journal_folded_ratio", "the share of the journal that was read"),
    _gauge("journal_unwritten_events", "events that are not written yet"),
    _gauge("journal_unwritten_seconds", "for how long the oldest of them waits"),
    _gauge("journal_unsynced_events", "events that may not be on the disk; absent where nothing waits for that"),
    _gauge("journal_unsynced_seconds", "for how long the oldest of them waits"),
    _gauge("journal_failing", "whether the journal can't be written"),
    _counter("recorded_quotes", "quotes that were recorded beside the campaign"),
    _counter("recorded_quotes_lost", "quotes that are missing in that"),
    _counter("alerts_delivered", "alerts that a channel delivered", "channel"),
    _counter("alerts_undelivered", "alerts that a channel gave up, after all tries or for want of room", "channel"),
    _gauge("alerts_pending", "alerts that wait for a channel", "channel"),
    _gauge("process_resident_memory_bytes", "memory of the campaign's process"),
    _counter("process_cpu_seconds", "processor time of the campaign's process"),
)
#: By name.
METRICS = {one.name: one for one in _ALL}
