"""The summary of a campaign, for another program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from trioarb import __version__
from trioarb.engine.campaign import Campaign
from trioarb.model.trade import Account, Answer, PairKind, PairOutcome
from trioarb.plugin.contract import GuardTier
from trioarb.quotes.recorder import QuoteRecorder
from trioarb.report.advice import advise
from trioarb.report.funnel import funnel_of, not_sized_total, reported_symbols
from trioarb.report.plain import present, to_plain
from trioarb.report.trades import open_positions, residuals, trades, unrealised_usd, win_rate
from trioarb.state.statistics import SymbolStatistics

__all__ = ["SCHEMA_VERSION", "margin_notes", "summarise", "venue_figures"]

SCHEMA_VERSION = 1

_ORDERS = ("submitted", "fills", "cancelled", "rejected", "unanswered")


def summarise(campaign: Campaign) -> dict[str, Any]:
    """Return the summary in JSON's types.

    Money, quantities and rates are strings of plain digits, counts are integers. Times and edges are measured, not
    booked, and are numbers. A value that was not measured is absent.
    """
    statistics, session = campaign.statistics, campaign.config.session
    ended_by, advice = campaign.ended_by, advise(campaign)
    return present(
        {
            "schema_version": SCHEMA_VERSION,
            "version": __version__,
            "campaign_id": campaign.campaign_id,
            "config_digest": campaign.config.digest,
            "seed": session.seed,
            "env": campaign.config.env,
            "mode": session.mode,
            "clock": session.clock,
            "ended_by": ended_by,
            "exit_code": None if ended_by is None else campaign.exit_code,
            "error": campaign.error or None,
            "problems": campaign.problems,
            "resumed": 0 if statistics.resumed is None else statistics.resumed.number,
            "recovered": campaign.findings,
            "warnings": campaign.warnings,
            "notes": margin_notes(campaign),
            "advice": advice or None,
            # A duration is read off a clock; as a float it is right to the nanosecond for months.
            "runtime_seconds": float(campaign.runtime_seconds),
            "universe_mode": campaign.config.universe.mode,
            "num_symbols": len(campaign.symbols),
            "symbols": list(campaign.symbols),
            "pnl_usd": statistics.pnl_usd,
            "unrealised_usd": unrealised_usd(campaign),
            "fees_usd": statistics.fees_usd,
            "win_rate": win_rate(campaign),
            "decisions": {
                **{answer.value: statistics.decisions[answer] for answer in Answer},
                "by_rule": dict(sorted(statistics.by_rule.items())),
            },
            "pairs": {
                kind.value: {outcome.value: statistics.pairs[kind.value, outcome.value] for outcome in PairOutcome}
                for kind in PairKind
            },
            "orders": {what: statistics.orders[what] for what in _ORDERS},
            "loop_latency_us": _latency(campaign),
            "risk_stats": _risk_stats(campaign),
            "iterations": {symbol: task.funnel.iterations for symbol, task in campaign.symbols.items()},
            "funnel": {symbol: funnel_of(campaign, symbol) for symbol in campaign.symbols},
            "highest_edge_bps": {
                symbol: task.highest_edge_bps
                for symbol, task in campaign.symbols.items()
                if task.highest_edge_bps is not None
            },
            "not_sized": {
                "total": dict(sorted(not_sized_total(campaign).items())),
                "symbols": {
                    symbol: dict(sorted(task.funnel.not_sized.items())) for symbol, task in campaign.symbols.items()
                },
            },
            "balances": {
                venue: {
                    asset: {
                        "initial": balance.initial,
                        "trades": balance.trades,
                        "fees": balance.fees,
                        "final": balance.final,
                    }
                    for asset, balance in by_asset.items()
                }
                for venue, by_asset in campaign.parts.ledger.balances().items()
            },
            "recording": _recording(campaign.recorder),
            "trades": trades(campaign),
            "open_positions": open_positions(campaign),
            "residuals": residuals(campaign),
        }
    )


def _recording(recorder: QuoteRecorder | None) -> Mapping[str, Any] | None:
    if recorder is None:
        return None
    return present(
        {
            "folder": str(recorder.folder),
            "quotes": recorder.rows.total(),
            "lost": recorder.lost,
            "files": len(recorder.files),
            "parts": len(recorder.left),
            "error": None if recorder.error is None else str(recorder.error),
        }
    )


def margin_notes(campaign: Campaign) -> list[str]:
    """Say what margin accounts leave out of the figures."""
    return [
        f"exchanges.{venue}: margin account; no interest is charged on what is borrowed"
        for venue, exchange in campaign.world.exchanges.items()
        if exchange.account is Account.MARGIN
    ]


def venue_figures(campaign: Campaign) -> dict[str, Mapping[str, Any]]:
    """Return what guard tiers say of each venue: the figures that they give under ``venues``."""
    figures: dict[str, Mapping[str, Any]] = {}
    for name, tier in campaign.tiers.items():
        venues = _stats_of(name, tier, _now_ns(campaign)).get("venues")
        if isinstance(venues, Mapping):
            for venue, one in venues.items():
                figures[venue] = {**figures.get(venue, {}), **(one if isinstance(one, Mapping) else {name: one})}
    return figures


def _now_ns(campaign: Campaign) -> int:
    return campaign.parts.time.now_ns() if campaign.ended_ns is None else campaign.ended_ns


def _latency(campaign: Campaign) -> Mapping[str, float] | None:
    p50, p99 = (campaign.parts.latency.quantile_us(q) for q in (0.5, 0.99))
    return None if p50 is None or p99 is None else {"p50": p50, "p99": p99}


def _risk_stats(campaign: Campaign) -> dict[str, Any]:
    """Return the figures of every tier under its name, and those that hold whatever tiers are configured."""
    now_ns = _now_ns(campaign)
    symbols = {
        symbol: campaign.statistics.symbols.get(symbol) or SymbolStatistics() for symbol in reported_symbols(campaign)
    }
    stats: dict[str, Any] = {
        name: figures for name, tier in campaign.tiers.items() if (figures := _stats_of(name, tier, now_ns))
    }
    stats["global"] = {
        **stats.get("global", {}),
        "total_exposure_usd": campaign.exposure.exposure_usd(),
        "total_daily_loss_usd": campaign.exposure.daily_loss_usd(now_ns),
        "trades_executed": sum(one.filled for one in symbols.values()),
        "trades_rejected": sum(one.rejected for one in symbols.values()),
    }
    stats["symbols"] = {
        **stats.get("symbols", {}),
        **{
            symbol: {
                "trades_executed": one.filled,
                "trades_rejected": one.rejected,
                "circuit_breaker_triggered": one.circuit_breaker_triggered,
            }
            for symbol, one in symbols.items()
        },
    }
    return stats


def _stats_of(name: str, tier: GuardTier, now_ns: int) -> Mapping[str, Any]:
    try:
        return dict(to_plain(tier.stats(now_ns)))
    except Exception as error:
        # The trades of a whole campaign must not be lost because one tier can't describe itself.
        structlog.get_logger("trioarb.report").exception("guard tier's figures can't be had", tier=name)
        return {"error": f"{type(error).__name__}: {error}"}
