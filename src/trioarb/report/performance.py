"""Figures of a run: wins and losses, turnover, what went wrong how often, and between what they lie."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from trioarb.report.funnel import funnel_total
from trioarb.report.interval import Interval, sum_interval, wilson
from trioarb.report.plain import present
from trioarb.report.report import Report
from trioarb.state.performance import Outcomes

__all__ = ["error_rates", "performance", "pnl_interval", "profit_factor", "ratio"]

_STEP = Decimal("0.000001")
#: Fewer trades of a route have no interval of what it brought.
_LEAST_OF_ROUTE = 10
#: Of so many routes with the most trades it is computed, which takes some milliseconds each.
_MOST_ROUTES = 100


def performance(report: Report) -> dict[str, Any] | None:
    """Return how trades did that are over, in USD; ``None`` if there are none and nothing was traded."""
    state = report.state
    done, outcomes = state.performance, state.performance.all
    if not outcomes.trades and not done.fills:
        return None
    rate, pnl = wilson(outcomes.won, outcomes.trades), pnl_interval(report)
    return present(
        {
            "trades": outcomes.trades,
            "won": outcomes.won,
            "lost": outcomes.lost,
            "win_rate_low": None if rate is None else rate.low,
            "win_rate_high": None if rate is None else rate.high,
            "average_win_usd": ratio(outcomes.won_usd, outcomes.won),
            "average_loss_usd": ratio(outcomes.lost_usd, outcomes.lost),
            "profit_factor": profit_factor(outcomes),
            "pnl_low_usd": None if pnl is None else pnl.low,
            "pnl_high_usd": None if pnl is None else pnl.high,
            "turnover_usd": done.turnover_usd,
            "turnover_of_capital_held": ratio(done.turnover_usd, state.equity.figures().start),
            "most_trades_a_minute": done.most_a_minute,
            "routes": _routes(report),
        }
    )


def pnl_interval(report: Report) -> Interval | None:
    """Return between what realised PnL would lie, had the same campaign run another time."""
    return sum_interval(report.state.performance.all.series.sums)


def profit_factor(outcomes: Outcomes) -> Decimal | None:
    """Return what wins brought for each unit that losses cost; ``None`` without a loss."""
    return ratio(outcomes.won_usd, -outcomes.lost_usd)


def _routes(report: Report) -> dict[str, dict[str, Any]]:
    """Return what routes brought, by symbol and ``buy>sell``, in the order of their names."""
    found, routes = dict[str, dict[str, Any]](), report.state.performance.routes
    busiest = set(sorted(routes, key=lambda one: (-routes[one].trades, one))[:_MOST_ROUTES])
    for route, outcomes in sorted(routes.items()):
        sure = sum_interval(outcomes.series.sums) if route in busiest and outcomes.trades >= _LEAST_OF_ROUTE else None
        figures = {
            "trades": outcomes.trades,
            "won": outcomes.won,
            "pnl_usd": outcomes.series.total,
            "pnl_low_usd": None if sure is None else sure.low,
            "pnl_high_usd": None if sure is None else sure.high,
        }
        found.setdefault(route.symbol, {})[f"{route.buy_venue}>{route.sell_venue}"] = present(figures)
    return found


def error_rates(report: Report) -> dict[str, Any]:
    """Return which share of quotes, orders and entries went wrong in which way; absent where there were none."""
    statistics = report.statistics
    orders, pairs, funnel = statistics.orders, statistics.pairs, funnel_total(statistics)
    entries = sum(count for (kind, _), count in pairs.items() if kind == "entry")
    return present(
        {
            "quotes_refused": ratio(funnel["refused"], funnel["seen"]),
            "quotes_withdrawn": ratio(funnel["withdrawn"], funnel["seen"]),
            "quotes_conflated": ratio(funnel["conflated"], funnel["seen"]),
            "evaluations_stale": ratio(funnel["evaluated"] - funnel["fresh"], funnel["evaluated"]),
            "orders_rejected": ratio(orders["rejected"], orders["submitted"]),
            "orders_unanswered": ratio(orders["unanswered"], orders["submitted"]),
            "orders_cancelled": ratio(orders["cancelled"], orders["submitted"]),
            "entries_flat": ratio(pairs["entry", "flat"], entries),
            "entries_residual": ratio(pairs["entry", "residual"], entries),
        }
    )


def ratio(part: Decimal | int, whole: Decimal | int) -> Decimal | None:
    """Return the quotient, to six digits; ``None`` of nothing."""
    return (Decimal(part) / Decimal(whole)).quantize(_STEP) if whole > 0 else None
