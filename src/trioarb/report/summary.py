"""The summary of a campaign, for another program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from trioarb.model.event import LossCarried
from trioarb.model.trade import PairKind, PairOutcome
from trioarb.report.advice import advise
from trioarb.report.attribution import attribution
from trioarb.report.coverage import coverage_of
from trioarb.report.equity import equity
from trioarb.report.funnel import funnel_of, not_sized_of, not_sized_total, route_figures, routes_of
from trioarb.report.fx import fx, premiums
from trioarb.report.margins import liquidations, margins
from trioarb.report.markouts import markouts
from trioarb.report.missed import missed
from trioarb.report.performance import error_rates, performance
from trioarb.report.plain import present
from trioarb.report.process import process_figures
from trioarb.report.report import Report
from trioarb.report.shadow import shadow
from trioarb.report.trades import dust, open_positions, residuals, trades, unwound, win_rate
from trioarb.report.transfers import transfers
from trioarb.report.verdict import verdict_of
from trioarb.state.ledger import Balance
from trioarb.state.statistics import ORDER_COUNTS, SymbolStatistics
from trioarb.state.telemetry import RecordingFigures, Telemetry

__all__ = ["SCHEMA_VERSION", "summarise"]

SCHEMA_VERSION = 1


def summarise(report: Report) -> dict[str, Any]:
    """Return the summary in JSON's types.

    Money, quantities and rates are strings of plain digits, counts are integers. Times and edges are measured, not
    booked, and are numbers. A value that was not measured is absent; so is telemetry in what was read from a journal.
    """
    state, statistics, session = report.state, report.statistics, report.config.session
    telemetry = report.telemetry or Telemetry()
    edges = {symbol: report.highest_edge_bps(symbol) for symbol in statistics.universe}
    return present(
        {
            "verdict": _verdict(report),
            "schema_version": SCHEMA_VERSION,
            "version": statistics.version,
            "campaign_id": report.campaign_id,
            "config_digest": report.config.digest,
            "head": report.head or None,
            "seed": session.seed,
            "env": report.config.env,
            "mode": session.mode,
            "clock": session.clock,
            "ended_by": report.ended_by,
            "exit_code": report.exit_code,
            "error": report.error or None,
            "problems": report.problems,
            "resumed": 0 if statistics.resumed is None else statistics.resumed.number,
            "recovered": report.recovered,
            "warnings": statistics.warnings,
            "notes": report.notes,
            "advice": advise(report) or None,
            # A duration is read off a clock; as a float it is right to the nanosecond for months.
            "runtime_seconds": float(report.runtime_seconds),
            "universe_mode": report.config.universe.mode,
            "universe": coverage_of(report),
            "num_symbols": len(statistics.universe),
            "symbols": list(statistics.universe),
            "equity": present(equity(state)),
            "pnl_usd": statistics.pnl_usd,
            "unrealised_usd": state.unrealised_usd,
            "fees_usd": statistics.fees_usd,
            "unvalued_fees": dict(sorted(statistics.unvalued_fees.items())) or None,
            "attribution": attribution(state),
            "missed": missed(state),
            "markouts": markouts(state),
            "shadow": shadow(state),
            "win_rate": win_rate(statistics),
            "performance": performance(report),
            "error_rates": error_rates(report),
            **_carried(statistics.carried),
            "decisions": {
                **{answer.value: count for answer, count in statistics.answers.items()},
                "by_rule": dict(sorted(statistics.by_rule.items())),
                **({"reduced_by_rule": dict(sorted(statistics.reduced.items()))} if statistics.reduced else {}),
            },
            "pairs": {
                kind.value: {outcome.value: statistics.pairs[kind.value, outcome.value] for outcome in PairOutcome}
                for kind in PairKind
            },
            "orders": {what: statistics.orders[what] for what in ORDER_COUNTS},
            "loop_latency_us": _latency(telemetry),
            "risk_stats": _risk_stats(report),
            "iterations": {symbol: funnel_of(statistics, symbol)["evaluated"] for symbol in statistics.universe},
            "funnel": {symbol: funnel_of(statistics, symbol) for symbol in statistics.universe},
            "routes": {
                symbol: {route: route_figures(one) for route, one in routes_of(statistics, symbol)}
                for symbol in statistics.universe
            },
            "highest_edge_bps": {symbol: edge for symbol, edge in edges.items() if edge is not None},
            "not_sized": {
                "total": dict(sorted(not_sized_total(statistics).items())),
                "symbols": {
                    symbol: dict(sorted(not_sized_of(statistics, symbol).items())) for symbol in statistics.universe
                },
            },
            "balances": {
                venue: {asset: _balance(balance) for asset, balance in by_asset.items()}
                for venue, by_asset in state.ledger.balances().items()
            },
            "margins": margins(state) or None,
            "liquidations": liquidations(state) or None,
            "fx": {asset: present(one) for asset, one in fx(state).items()} or None,
            "premiums": {place: present(one) for place, one in premiums(state).items()} or None,
            "transfers": transfers(state),
            "process": process_figures(telemetry) or None,
            "recording": _recording(telemetry.recording),
            "alerts": {name: attrs.asdict(one) for name, one in telemetry.channels.items()} or None,
            "sensitivity": [attrs.asdict(one) for one in report.sensitivity] or None,
            "closed_trades": statistics.closed,
            "trades": trades(statistics),
            "unwound_entries": statistics.unwound_count,
            "unwound": unwound(statistics),
            "open_positions": open_positions(state),
            "residuals": residuals(state),
            "dust": dust(state),
        }
    )


def _verdict(report: Report) -> Mapping[str, Any]:
    verdict = verdict_of(report)
    return {
        "word": verdict.word.value,
        "findings": [
            {"code": one.code.name, "weight": one.weight.value, "text": one.text, "key": one.key}
            for one in verdict.findings
        ],
    }


def _carried(carried: LossCarried | None) -> Mapping[str, Any]:
    """Return what an earlier campaign of the day lost, if it counts in this one."""
    if carried is None:
        return {}
    symbols = dict(carried.pnl_usd)
    return {"carried_loss": {"campaign_id": carried.campaign_id, "total_usd": carried.total_usd, "symbols": symbols}}


def _balance(balance: Balance) -> Mapping[str, Any]:
    """Return a balance; what contracts are carried at, was paid for holding, and was moved, only where there is any."""
    figures = attrs.asdict(balance)
    return {name: amount for name, amount in figures.items() if amount or name not in ("funding", "carried", "moved")}


def _recording(figures: RecordingFigures | None) -> Mapping[str, Any] | None:
    return None if figures is None else present({**attrs.asdict(figures), "parts": len(figures.parts)})


def _latency(telemetry: Telemetry) -> Mapping[str, float] | None:
    measured = telemetry.loop_latency_us
    return None if measured is None else dict(zip(("p50", "p99"), measured, strict=True))


def _risk_stats(report: Report) -> dict[str, Any]:
    """Return the figures of every tier under its name, and those that hold whatever tiers are configured."""
    statistics, exposure = report.statistics, report.state.exposure
    symbols = {symbol: statistics.symbols.get(symbol) or SymbolStatistics() for symbol in statistics.reported}
    stats: dict[str, Any] = {}
    for name, figures in report.tier_figures.items():
        own = {key: value for key, value in figures.items() if key != "symbols"}
        if own:
            stats[name] = own
    stats["global"] = {
        **stats.get("global", {}),
        "total_exposure_usd": exposure.exposure_usd(),
        "total_daily_loss_usd": exposure.daily_loss_usd(report.at_ns),
        "trades_executed": sum(one.filled for one in symbols.values()),
        "trades_rejected": sum(one.rejected for one in symbols.values()),
    }
    of_tiers = report.figures_of("symbols")
    stats["symbols"] = {
        **{symbol: figures for symbol, figures in of_tiers.items() if symbol not in symbols},
        **{
            symbol: {
                "trades_executed": one.filled,
                "trades_rejected": one.rejected,
                **of_tiers.get(symbol, {}),
            }
            for symbol, one in symbols.items()
        },
    }
    return stats
