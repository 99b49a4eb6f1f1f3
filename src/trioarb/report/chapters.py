"""The chapters of a report: the verdict first, the configuration last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from trioarb.model.event import ResidualLeft
from trioarb.model.number import EXACT, text
from trioarb.model.order import Side
from trioarb.report.attribution import NAMES, attribution
from trioarb.report.block import Block, Breakdown, Chapter, Curves, Distributions, Figure, Figures, Listing, Value
from trioarb.report.equity import PARTS, equity
from trioarb.report.figures import usd
from trioarb.report.funnel import FUNNEL_STEPS, funnel_of, funnel_total, not_sized_total
from trioarb.report.history import History, ResidualLine, Slippage
from trioarb.report.performance import error_rates, performance
from trioarb.report.plain import iso_time, to_plain
from trioarb.report.report import Report
from trioarb.report.series import Distribution, Series, Tally
from trioarb.report.shadow import shadow_lines
from trioarb.report.timeline import utc
from trioarb.report.trades import dust, open_positions, win_rate
from trioarb.report.verdict import Verdict
from trioarb.settings.key import join_key

__all__ = ["chapters_of"]

#: So many rows of what there may be ten thousand of, and characters of a setting.
_MOST_ROWS, _MOST_CHARACTERS = 100, 300
_MOST_ROUTES = 8
#: Figures of the summary, as people call them, and their units.
_PERFORMANCE = {
    "trades": ("trades", ""),
    "won": ("won", ""),
    "lost": ("lost", ""),
    "win_rate_low": ("win rate, at least", "share"),
    "win_rate_high": ("win rate, at most", "share"),
    "average_win_usd": ("average win", "USD"),
    "average_loss_usd": ("average loss", "USD"),
    "profit_factor": ("profit factor", ""),
    "pnl_low_usd": ("PnL another time, at least", "USD"),
    "pnl_high_usd": ("PnL another time, at most", "USD"),
    "turnover_usd": ("turnover", "USD"),
    "turnover_of_capital_held": ("turnover of capital held", "times"),
    "most_trades_a_minute": ("most trades of a symbol in a minute", ""),
}
_OF_ROUTE = "pnl_usd", "pnl_low_usd", "pnl_high_usd"
_ERRORS = {
    "quotes_refused": ("quotes refused", "share"),
    "quotes_withdrawn": ("quotes withdrawn", "share"),
    "quotes_conflated": ("quotes conflated", "share"),
    "evaluations_stale": ("evaluations of stale quotes", "share"),
    "orders_rejected": ("orders rejected", "share"),
    "orders_unanswered": ("orders unanswered", "share"),
    "orders_cancelled": ("orders cancelled", "share"),
    "entries_flat": ("entries that ended flat", "share"),
    "entries_residual": ("entries that left residuals", "share"),
}


def chapters_of(report: Report, history: History, verdict: Verdict) -> list[Chapter]:
    """Return what a report holds of one campaign, in its order, without what was not measured."""
    found = [
        _verdict(report, verdict),
        _result(report),
        _equity(history),
        _pnl(history),
        _edges(history),
        _funnel(report),
        _holding(report, history),
        _slippage(report, history),
        _fees(report, history),
        _denials(report, history),
        _exits(history),
        _latency(report, history),
        _residuals(report, history),
        _balances(report, history),
        _configuration(report),
    ]
    shown = [(chapter, [block for block in chapter.blocks if _has_something(block)]) for chapter in found]
    return [Chapter(one.name, one.title, blocks, one.notes) for one, blocks in shown if blocks or one.notes]


def _has_something(block: Block) -> bool:
    match block:
        case Figures(figures=figures):
            return bool(figures)
        case Listing(rows=rows):
            return bool(rows)
        case Curves(lines=lines):
            return any(len(points) > 1 for points in lines.values())
        case Breakdown(parts=parts):
            return bool(parts)
        case Distributions():
            return any(one.count for one in block.parts.values())


def _verdict(report: Report, verdict: Verdict) -> Chapter:
    rows = [(one.code.name, one.weight.value, one.text, one.key) for one in verdict.findings]
    findings = Listing("findings", "Findings", ("code", "weight", "what", "what would change it"), rows)
    warnings = [(one,) for one in (*report.problems, *report.statistics.warnings, *report.notes, *report.recovered)]
    return Chapter(
        "verdict",
        verdict.word.value,
        [findings, Listing("warnings", "Warnings and notes", ("text",), warnings[:_MOST_ROWS])],
    )


def _result(report: Report) -> Chapter:
    statistics, state, config = report.statistics, report.state, report.config
    ended_by = report.ended_by
    campaign = _figures(
        ("campaign", report.campaign_id, ""),
        ("environment", config.env, ""),
        ("mode", config.session.mode.value, ""),
        ("clock", config.session.clock.value, ""),
        ("trioarb", statistics.version, ""),
        ("began", iso_time(statistics.opened_ns), ""),
        ("last event", iso_time(report.at_ns), ""),
        ("ran for", float(report.runtime_seconds), "s"),
        ("ended by", "it still runs, or broke off" if ended_by is None else ended_by.value, ""),
        ("exit code", report.exit_code, ""),
        ("error", report.error or None, ""),
        ("resumed", statistics.resumed.number if statistics.resumed else 0, ""),
        ("bytes of a step that was cut off", report.torn or None, ""),
    )
    figures = equity(state)
    money = _figures(
        ("equity at the start", figures["start_usd"], "USD"),
        ("equity", figures["now_usd"], "USD"),
        ("equity change", figures["change_usd"], "USD"),
        *((f"of it {title}", figures[f"{part}_usd"], "USD") for part, title in PARTS.items()),
        ("of it rates", figures["fx_usd"], "USD"),
        ("realised PnL", statistics.pnl_usd, "USD"),
        ("unrealised PnL", state.unrealised_usd, "USD"),
        ("fees", statistics.fees_usd, "USD"),
        ("drawdown of PnL", figures["drawdown_usd"], "USD"),
        ("longest drawdown of PnL", figures["drawdown_seconds"], "s"),
        ("drawdown of equity", figures["equity_drawdown_usd"], "USD"),
        ("longest drawdown of equity", figures["equity_drawdown_seconds"], "s"),
        ("most exposure", figures["peak_exposure_usd"], "USD"),
        ("return on capital held", figures["return_on_capital_held"], "share"),
        ("return on capital used", figures["return_on_capital_used"], "share"),
    )
    trades = _figures(
        ("symbols", len(statistics.universe), ""),
        ("closed trades", statistics.closed, ""),
        ("unwound entries", statistics.unwound_count, ""),
        ("win rate", win_rate(statistics), "share"),
        ("open positions", len(state.trades.positions()), ""),
        ("residuals", len(state.trades.residuals), ""),
        *((f"orders {what}", count, "") for what, count in statistics.orders.items()),
    )
    done = performance(report) or {}
    routes = [
        (symbol, route, str(one["trades"]), str(one["won"]), *(_usd(one.get(name)) for name in _OF_ROUTE))
        for symbol, by_route in done.get("routes", {}).items()
        for route, one in by_route.items()
    ]
    parts = attribution(state) or {}
    became = _figures(
        *((title, parts.get(part), "USD") for part, title in NAMES.items()),
        ("residuals worked off", parts.get("residuals_usd"), "USD"),
        ("trades still open", parts.get("still_open_usd"), "USD"),
    )
    return Chapter(
        "result",
        "Result",
        [
            Figures("money", "Money", money),
            Figures("campaign", "Campaign", campaign),
            Figures("trades", "Trades and orders", trades),
            Figures("performance", "How trades did that are over", [*_named(done, _PERFORMANCE)]),
            Listing(
                "routes",
                "The same by route, and between what PnL would lie another time",
                ("symbol", "route", "trades", "won", "PnL USD", "from", "to"),
                routes[:_MOST_ROWS],
                left_out=max(len(routes) - _MOST_ROWS, 0),
            ),
            Figures("error_rates", "What went wrong, of all", [*_named(error_rates(report), _ERRORS)]),
            Figures("attribution", "What realised PnL is the sum of", became),
        ],
    )


def _equity(history: History) -> Chapter:
    lines = {"realised": history.pnl, "with what is open, at its marks": history.worth}
    return Chapter(
        "equity",
        "Equity and drawdown",
        [
            _curves("equity", "Equity change, as it was stated", "USD", {"equity": history.equity}),
            _curves("pnl", "PnL", "USD", lines),
            _curves(
                "drawdown",
                "Drawdown of PnL, what is open at its recorded marks included",
                "USD",
                {"drawdown": history.drawdown},
            ),
        ],
    )


def _pnl(history: History) -> Chapter:
    by_route = {_route(*route): one for route, one in history.by_route.items()}
    if history.unassigned:
        by_route["of no route"] = others = Tally()
        for one in history.unassigned.values():
            others.add(one.usd, one.count)
    hours = {f"{hour:02d}:00": one for hour, one in enumerate(history.by_hour_of_day) if one.count}
    blocks: list[Block] = [
        Breakdown("pnl_by_symbol", "By symbol", "USD", "bookings", _sorted(history.by_symbol)),
        Breakdown("pnl_by_route", "By route", "USD", "bookings", _sorted(by_route)),
    ]
    for side, verb in ((Side.BUY, "bought"), (Side.SELL, "sold")):
        parts = {venue: one for (venue, at), one in history.by_place.items() if at is side}
        title = f"By venue at which was {verb}"
        blocks.append(Breakdown(f"pnl_by_venue_{verb}", title, "USD", "bookings", _sorted(parts)))
    blocks += [
        _curves("pnl_by_hour", "By hour", "USD", {"PnL": history.by_hour}, is_sum=True),
        Breakdown("pnl_by_hour_of_day", "By hour of the day (UTC)", "USD", "bookings", hours),
    ]
    return Chapter("pnl", "Realised PnL", blocks)


def _edges(history: History) -> Chapter:
    parts = {
        "seen by guards": history.seen,
        "allowed": history.allowed,
        "traded, as decided": history.decided,
        "traded, at the limits sent": history.sent,
        "traded, as filled": history.filled,
    }
    most = sorted(history.edges_of.items(), key=lambda item: -len(item[1]))[:_MOST_ROUTES]
    return Chapter(
        "edges",
        "Edges",
        [
            Distributions("edges", "Edges net of taker fees", "bps", parts),
            _curves("highest_edges", "Highest edge that guards were asked about", "bps", {"edge": history.edges}),
            _curves("edges_by_route", "The same, by route", "bps", {_route(*route): one for route, one in most}),
        ],
    )


def _funnel(report: Report) -> Chapter:
    statistics = report.statistics
    total = funnel_total(statistics)
    missed = {reason: Tally(one.count, one.edge_usd) for reason, one in report.state.missed.by_reason().items()}
    symbols = sorted(statistics.reported, key=lambda symbol: -funnel_of(statistics, symbol)["seen"])
    rows = [(symbol, *map(str, funnel_of(statistics, symbol).values())) for symbol in symbols[:_MOST_ROWS]]
    return Chapter(
        "funnel",
        "Funnel",
        [
            Figures("funnel", "All symbols", [Figure(step, count) for step, count in total.items()]),
            Figures("not_sized", "Why edges were not sized", _counts(not_sized_total(statistics))),
            Breakdown("missed", "What was decided upon and not earned", "USD", "entries or denials", _sorted(missed)),
            Listing(
                "funnel_by_symbol",
                "By symbol",
                ("symbol", *FUNNEL_STEPS),
                rows if len(symbols) > 1 else [],
                left_out=max(len(symbols) - _MOST_ROWS, 0),
            ),
        ],
    )


def _holding(report: Report, history: History) -> Chapter:
    columns = "trade_id", "symbol", "buy_venue", "sell_venue", "quantity", "opened_at", "unrealised_usd"
    positions = open_positions(report.state)
    rows = [[str(one.get(column, "")) for column in columns] for one in positions[:_MOST_ROWS]]
    titles = [column.removesuffix("_usd").replace("_", " ") for column in columns]
    return Chapter(
        "holding",
        "Holding times",
        [
            Distributions("holding", "How long positions were held", "s", {"closed positions": history.holding}),
            Listing("open", "Open positions", titles, rows, left_out=max(len(positions) - _MOST_ROWS, 0)),
        ],
    )


def _slippage(report: Report, history: History) -> Chapter:
    parts: dict[str, Distribution] = {}
    for (venue, side), one in sorted(history.slippage.items(), key=lambda item: (item[0][0], item[0][1].value)):
        parts |= _of_place(f"{side.value} at {venue}", one)
    marked = []
    for (venue, side, purpose, rests), found in report.state.markouts.of.items():
        for seconds, markout in sorted(found.items()):
            bps = "" if markout.bps is None else text(markout.bps)
            how = "at rest" if rests else "taken"
            amounts = str(markout.fills), usd(markout.value_usd), usd(markout.gain_usd), bps
            marked.append((venue, side.value, purpose.value, how, f"{seconds} s", *amounts))
    shadow = list(shadow_lines(report.state.shadow)) if report.state.shadow.orders else []
    columns = "venue", "side", "purpose", "orders", "after", "fills", "value USD", "gain USD", "gain bps"
    return Chapter(
        "slippage",
        "Slippage and markouts",
        [
            Distributions("slippage", "Worse than the price that was decided upon", "bps", parts),
            Listing("markouts", "How markets went on after fills", columns, marked),
            Listing("shadow", "Shadow: the model against venues' books", ("look", "what it says"), shadow),
        ],
    )


def _of_place(place: str, one: Slippage) -> dict[str, Distribution]:
    return {f"{place}, limit sent": one.limit, f"{place}, filled": one.filled}


def _fees(report: Report, history: History) -> Chapter:
    totals = []
    for asset, series in sorted(history.fees.items()):
        total = Decimal(0)
        for _, amount in series.points:
            total = EXACT.add(total, amount)
        totals.append(Figure(asset, total, asset))
    blocks: list[Block] = [
        Figures("fees", "By asset; below zero: rebates", totals),
        Figures(
            "unvalued_fees",
            "Of them without a price, and in no figure in USD",
            [Figure(asset, amount, asset) for asset, amount in sorted(report.statistics.unvalued_fees.items())],
        ),
        Figures(
            "funding",
            "Funding and interest",
            [Figure(kind.value, amount, "USD") for kind, amount in report.statistics.funding_usd.items()],
        ),
    ]
    for asset, series in sorted(history.fees.items())[:_MOST_ROUTES]:
        blocks.append(_curves(f"fees_{asset}", f"{asset} by hour", asset, {asset: series}, is_sum=True))
    return Chapter("fees", "Fees", blocks)


def _denials(report: Report, history: History) -> Chapter:
    statistics = report.statistics
    return Chapter(
        "denials",
        "Denials",
        [
            Figures("denials", "By rule", _counts(statistics.by_rule)),
            Figures("reduced", "Made smaller, by rule", _counts(statistics.reduced)),
            _curves("denials_over_time", "Over time", "denials", history.denials, is_sum=True),
        ],
    )


def _exits(history: History) -> Chapter:
    exits = {reason.value: one for reason, one in history.exits.items()}
    return Chapter("exits", "Exit reasons", [Breakdown("exits", "Why closed", "USD", "positions", _sorted(exits))])


def _latency(report: Report, history: History) -> Chapter:
    measured = report.telemetry.loop_latency_us if report.telemetry is not None else None
    loop = () if measured is None else (("loop, p50", measured[0], "µs"), ("loop, p99", measured[1], "µs"))
    parts = {f"{venue}, order until {what}": one for (venue, what), one in sorted(history.answers.items())}
    return Chapter(
        "latency",
        "Latency",
        [
            Figures("loop", "Of the process", _figures(*loop)),
            Distributions("answers", "Of the venues, in campaign time", "ms", parts),
        ],
    )


def _residuals(report: Report, history: History) -> Chapter:
    columns = (
        "residual",
        "symbol",
        "venue",
        "quantity",
        "asset",
        "cost USD",
        "left",
        "gone",
        "PnL USD",
        "what became of it",
    )
    lines = [*history.residuals.values(), *reversed(history.past_residuals)]
    rows = [_residual(line) for line in lines[:_MOST_ROWS]]
    rest = history.residuals_left - len(rows)
    crumbs = [
        (one["symbol"], one["venue"], text(one["quantity"]), one["asset"], text(one["booked_value"]))
        for one in dust(report.state)
    ]
    return Chapter(
        "residuals",
        "Residuals and dust",
        [
            Listing("residuals", "Residuals, those that are open first", columns, rows, left_out=max(rest, 0)),
            Listing(
                "dust",
                "Dust",
                ("symbol", "venue", "quantity", "asset", "booked at, in quote asset"),
                crumbs[:_MOST_ROWS],
                left_out=max(len(crumbs) - _MOST_ROWS, 0),
            ),
        ],
    )


def _residual(line: ResidualLine) -> Sequence[str]:
    left: ResidualLeft = line.left
    gone = "open" if line.ended_ns is None else utc(line.ended_ns)
    steps = "; ".join(f"{utc(ts_ns)} {what}" for ts_ns, what in line.steps[-10:])
    where = left.residual_id, left.symbol, left.venue, text(left.quantity), left.asset, usd(left.cost_usd)
    return *where, utc(line.left_ns), gone, usd(line.pnl_usd), steps


def _balances(report: Report, history: History) -> Chapter:
    rows = [
        (venue, asset, text(one.initial), text(one.trades), text(one.fees), text(one.final))
        for venue, assets in report.state.ledger.balances().items()
        for asset, one in assets.items()
    ]
    moved = [
        (sent.transfer_id, text(sent.amount), sent.asset, sent.source, sent.target, text(sent.fee), utc(sent_ns))
        + (("under way",) if arrived_ns is None else (utc(arrived_ns),))
        for sent, sent_ns, arrived_ns in reversed(history.transfers)
    ]
    return Chapter(
        "balances",
        "Balances and transfers",
        [
            Listing(
                "balances",
                "Balances",
                ("venue", "asset", "initial", "trades", "fees", "final"),
                rows[:_MOST_ROWS],
                left_out=max(len(rows) - _MOST_ROWS, 0),
            ),
            Listing(
                "transfers",
                "Transfers, the latest first",
                ("transfer", "amount", "asset", "from", "to", "fee", "sent", "arrived"),
                moved[:_MOST_ROWS],
                left_out=max(report.state.transfers.count - len(moved[:_MOST_ROWS]), 0),
            ),
        ],
    )


def _configuration(report: Report) -> Chapter:
    kept = _figures(("head", report.head or None, ""), ("configuration digest", report.config.digest, ""))
    leaves = list(_leaves("", {} if report.journaled is None else report.journaled))
    settings = [Figure(key, value) for key, value in leaves[: 20 * _MOST_ROWS]]
    return Chapter(
        "configuration",
        "Configuration",
        [
            Figures("head", "Journal", kept),
            Figures("configuration", "As it is journaled, without secrets", settings, folded=True),
        ],
    )


def _leaves(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(join_key(key, name) if key else name, item)
        return
    shown = value if isinstance(value, str) else str(to_plain(value))
    yield key, shown if len(shown) <= _MOST_CHARACTERS else f"{shown[:_MOST_CHARACTERS]}…"


def _named(figures: Mapping[str, Any], names: Mapping[str, tuple[str, str]]) -> Iterator[Figure]:
    """Yield those that are known, by the titles and with the units that they have for people."""
    for name, (title, unit) in names.items():
        if name in figures:
            value = figures[name]
            yield Figure(title, Decimal(value) if isinstance(value, str) else value, unit)


def _figures(*figures: tuple[str, Value | None, str]) -> list[Figure]:
    """Return those that are known."""
    return [Figure(name, value, unit) for name, value, unit in figures if value is not None]


def _counts(counts: Mapping[str, int]) -> list[Figure]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [Figure(name, count) for name, count in ordered if count]


def _curves(name: str, title: str, unit: str, lines: Mapping[str, Series], *, is_sum: bool = False) -> Curves:
    return Curves(name, title, unit, {of: one.points for of, one in lines.items() if one.points}, is_sum=is_sum)


def _sorted(parts: Mapping[str, Tally]) -> Mapping[str, Tally]:
    """Return the parts, the largest gain first; of very many the middle as one."""
    ordered = sorted(parts.items(), key=lambda item: (-item[1].usd, item[0]))
    if len(ordered) <= _MOST_ROWS:
        return dict(ordered)
    half = _MOST_ROWS // 2
    middle = ordered[half:-half]
    others = Tally()
    for _, one in middle:
        others.add(one.usd, one.count)
    return dict([*ordered[:half], (f"{len(middle):,} others", others), *ordered[-half:]])


def _usd(amount: str | None) -> str:
    return "" if amount is None else usd(Decimal(amount))


def _route(symbol: str, buy_venue: str, sell_venue: str) -> str:
    return f"{symbol} {buy_venue}>{sell_venue}"
