"""What the trades of a run say against it: too few, too even, too good, or forced."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from trioarb.model.number import ZERO
from trioarb.model.trade import ExitReason
from trioarb.report.advice import advise
from trioarb.report.figures import number_of, usd
from trioarb.report.funnel import funnel_total
from trioarb.report.interval import CERTAINTY, wilson
from trioarb.report.keys import keys, listed, venue_keys
from trioarb.report.performance import pnl_interval
from trioarb.report.report import Report
from trioarb.report.verdict_finding import Code, Finding

__all__ = ["trade_findings"]

#: So many edges over the threshold of which nothing came are starvation.
_STARVED = 100
#: What it takes for a share of wins: trades, and an interval (95 %) no wider than this.
_LEAST_TRADES, _WIDEST = 30, 0.3
_LEAST_WINS = 10
#: Wins are the same if the most differs from the least by no more than this share.
_SAME = 0.001
_MOST_WINS = 0.95
_MOST_FORCED = 0.8
_MOST_A_MINUTE = 20
#: Of the profit, what one trade and one symbol of several may bring.
_MOST_OF_TRADE, _MOST_OF_SYMBOL, _LEAST_SYMBOLS = 0.2, 0.8, 3
_MOST_MARKED = 0.2
#: So many trades it takes for each symbol that has settings of its own.
_TRADES_OF_SETTING = 10

_FORCED = frozenset(reason.value for reason in ExitReason if reason.forced) - {
    ExitReason.ONCE.value,
    ExitReason.STOP_LOSS.value,
}


def trade_findings(report: Report) -> Iterator[Finding]:
    """Yield what the trades say, or their absence; of those without a trade nothing but that."""
    funnel, outcomes = funnel_total(report.statistics), report.state.performance.all
    if not outcomes.trades and not funnel["filled"]:
        yield _none(report)
        return
    yield from _few(report)
    yield from _guards(report)
    yield from _too_good(report)
    yield from _fills(report)
    yield from _forced(report)
    yield from _pace(report)
    yield from _marked(report)
    yield from _concentrated(report)
    yield from _overfit(report)
    yield from _inventory(report)


def _none(report: Report) -> Finding:
    over, sent = (funnel_total(report.statistics)[step] for step in ("over_threshold", "sent"))
    advice = " ".join(advise(report)) or "No position was opened."
    if over >= _STARVED and not sent:
        return Finding(
            Code.STARVED,
            f"{number_of(over)} edges passed the threshold, and no order was sent. {advice}",
            "the keys named here",
        )
    return Finding(Code.NO_TRADE, advice, "the keys named here")


def _few(report: Report) -> Iterator[Finding]:
    outcomes = report.state.performance.all
    rate, more = wilson(outcomes.won, outcomes.trades), "session.max_runtime_seconds, or more recorded data"
    if outcomes.trades < _LEAST_TRADES or rate is None or rate.width > _WIDEST:
        lies = "" if rate is None else f"; the share that wins lies between {rate.low:.0%} and {rate.high:.0%}"
        least = f", and it takes {_LEAST_TRADES} to say anything" if outcomes.trades < _LEAST_TRADES else ""
        text = f"Trades that are over: {number_of(outcomes.trades)}{least}{lies}."
        yield Finding(Code.FEW_TRADES, text, more)
        return
    pnl = pnl_interval(report)
    if pnl is not None and pnl.low <= 0 <= pnl.high:
        text = (
            f"As the trades scatter, PnL lies between {usd(pnl.low)} and {usd(pnl.high)} USD ({CERTAINTY:.0%}): "
            "it may be chance."
        )
        yield Finding(Code.UNCERTAIN, text, more)


def _guards(report: Report) -> Iterator[Finding]:
    asked = sum(report.statistics.decisions.values())
    if not asked or not report.config.guards:
        why = "No guard's answer is in the journal" if not asked else "Every guard tier is disabled"
        yield Finding(Code.GUARDS, f"{why}, and there was trading: nothing was ever limited.", "guards.*.enabled")


def _too_good(report: Report) -> Iterator[Finding]:
    outcomes, done, config = report.state.performance.all, report.state.performance, report.config
    least, most = outcomes.least_win_usd, outcomes.most_win_usd
    if (
        least is not None
        and most is not None
        and outcomes.won >= _LEAST_WINS
        and float(most - least) <= (_SAME * float(most))
    ):
        text = f"All {number_of(outcomes.won)} wins earned {usd(most)} USD: prices that move don't do that."
        yield Finding(Code.SAME_WINS, text, _data(report))
    if outcomes.trades >= _LEAST_TRADES and outcomes.won >= _MOST_WINS * outcomes.trades:
        text = f"{outcomes.won / outcomes.trades:.1%} of {number_of(outcomes.trades)} trades won."
        latencies = listed(venue_keys(config, "latency", config.exchanges))
        yield Finding(Code.WINS, text, listed([one for one in (latencies, _data(report)) if one]))
    if done.fills and done.free == done.fills:
        fees = listed(venue_keys(config, "taker_fee", config.exchanges)) or "the venues' fees"
        yield Finding(Code.NO_FEE, f"None of {number_of(done.fills)} fills had a fee.", fees)


def _fills(report: Report) -> Iterator[Finding]:
    parts = report.state.attributions.totals.parts
    if "decided_usd" not in parts:
        return
    if not any(parts.get(one) for one in ("unfilled_usd", "latency_usd", "slippage_usd", "uneven_usd")):
        text = "Every entry was filled whole, at the very prices at which it was decided upon."
        yield Finding(Code.FILLS, text, _data(report))


def _forced(report: Report) -> Iterator[Finding]:
    exits = {reason: count for reason, count in report.statistics.exits.items() if reason != ExitReason.ONCE.value}
    forced = {reason: count for reason, count in exits.items() if reason in _FORCED}
    total, count = sum(exits.values()), sum(forced.values())
    if total and count > _MOST_FORCED * total:
        most = max(forced, key=lambda one: (forced[one], one))
        text = (
            f"{number_of(count)} of {number_of(total)} exits came by time or force ({most.replace('_', ' ')} most "
            "often), not because the edge had reverted."
        )
        strategy = report.config.strategy
        found = listed(keys(strategy, "exit_edge")) or strategy.key
        yield Finding(Code.EXITS_FORCED, text, f"{found}, or how long {strategy.key} holds")


def _pace(report: Report) -> Iterator[Finding]:
    most = report.state.performance.most_a_minute
    if most > _MOST_A_MINUTE:
        text = (
            f"{number_of(most)} trades of one symbol ended within a minute; no more than {_MOST_A_MINUTE} are believed."
        )
        yield Finding(Code.PACE, text, "guards.*: a longer pause between entries")


def _marked(report: Report) -> Iterator[Finding]:
    state = report.state
    figures, open_usd = state.equity.figures(), _open_usd(report)
    marked = abs(figures.residuals) + abs(open_usd or ZERO)
    if open_usd is None or float(marked) > _MOST_MARKED * abs(float(figures.traded)):
        worth = "without a price" if open_usd is None else f"at {usd(marked)} USD"
        text = (
            f"What is still open ({number_of(len(state.trades.positions()))} positions, "
            f"{number_of(len(state.trades.residuals))} residuals) is valued {worth}, and the result hangs on that."
        )
        yield Finding(Code.MARKED, text, "session.close_positions_at_end, execution.residual_policy")


def _open_usd(report: Report) -> Decimal | None:
    """Return what open positions would bring, as they were marked at the end, or last; ``None``: one has no price."""
    state, total = report.state, ZERO
    for position in state.trades.positions():
        marked = state.statistics.marks.get(position.trade_id)
        worth = state.marks.position_usd(position) if marked is None else marked.unrealised_usd
        if worth is None:
            return None
        total += worth
    return total


def _concentrated(report: Report) -> Iterator[Finding]:
    outcomes, symbols = report.state.performance.all, report.statistics.symbols
    profit = outcomes.series.total
    if profit <= 0:
        return
    most = outcomes.most_win_usd or ZERO
    if float(most) > _MOST_OF_TRADE * float(profit):
        text = f"One trade brought {usd(most)} of {usd(profit)} USD."
        yield Finding(Code.CONCENTRATED, text, "session.max_runtime_seconds, or smaller orders")
        return
    traded = {symbol: one.pnl_usd for symbol, one in symbols.items() if one.closed}
    if len(traded) >= _LEAST_SYMBOLS:
        best = max(traded, key=lambda one: (traded[one], one))
        if float(traded[best]) > _MOST_OF_SYMBOL * float(profit):
            text = (
                f"{best} brought {usd(traded[best])} of {usd(profit)} USD, of {len(traded)} symbols that were traded."
            )
            yield Finding(Code.CONCENTRATED, text, "universe")


def _overfit(report: Report) -> Iterator[Finding]:
    outcomes, config = report.state.performance.all, report.config
    sums = outcomes.series.sums
    first, second = sum(sums[: len(sums) // 2], ZERO), sum(sums[len(sums) // 2 :], ZERO)
    if first > 0 >= second:
        text = f"The first half of the trades brought {usd(first)} USD, the second {usd(second)} USD."
        yield Finding(Code.OVERFIT, text, "data that the settings were not chosen by")
    elif config.symbols and outcomes.trades < _TRADES_OF_SETTING * len(config.symbols):
        text = (
            f"{len(config.symbols)} symbols have settings of their own, and there are {number_of(outcomes.trades)} "
            f"trades; it takes {_TRADES_OF_SETTING} for each."
        )
        yield Finding(Code.OVERFIT, text, "symbols.*")


def _inventory(report: Report) -> Iterator[Finding]:
    figures = report.state.equity.figures()
    moved = figures.inventory + (figures.fx or ZERO)
    if abs(moved) > abs(figures.traded):
        text = (
            f"How prices of what is held moved made {usd(moved)} USD of equity, trading {usd(figures.traded)} USD; the "
            "verdict is on trading."
        )
        config = report.config
        stock = listed(venue_keys(config, "inventory", config.exchanges, nonzero=True))
        yield Finding(Code.INVENTORY, text, stock or "what venues hold at the start")


def _data(report: Report) -> str:
    """Name what would bring other fills and prices."""
    return listed([table.market.key for table in report.config.exchanges.values()])
