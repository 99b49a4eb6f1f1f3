"""What a person sees of a campaign that has ended, or of its journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from trioarb.model.number import text
from trioarb.model.order import Purpose
from trioarb.model.trade import EndedBy, PairKind, PairOutcome
from trioarb.report.advice import advise
from trioarb.report.attribution import NAMES, attribution
from trioarb.report.columns import Column, beside, fitted_table
from trioarb.report.coverage import coverage_of
from trioarb.report.equity import PARTS, return_on
from trioarb.report.figures import bps, count, duration, number_of, signed_usd, usd
from trioarb.report.funnel import funnel_of, funnel_total, not_sized_total, routes_of
from trioarb.report.fx import rate_lines
from trioarb.report.interval import wilson
from trioarb.report.margins import liquidation_lines, margin_lines
from trioarb.report.performance import error_rates, pnl_interval, profit_factor, ratio
from trioarb.report.process import process_rows, stage_rows
from trioarb.report.report import Report
from trioarb.report.shadow import shadow_lines
from trioarb.report.trades import win_rate
from trioarb.report.transfers import transfer_figures, transfer_remarks
from trioarb.report.verdict_lines import verdict_lines
from trioarb.state.missed import NOT_FILLED
from trioarb.state.statistics import Statistics, SymbolStatistics
from trioarb.state.telemetry import RecordingFigures, Telemetry

__all__ = ["print_summary", "print_why"]

_MOST_SYMBOLS = 40
_MOST_REASONS = 8
#: Of a list in a remark.
_MOST_NAMED = 6
#: What a journal doesn't tell.
_ABSENT = "absent"

#: Header and rank of the funnel's steps: the later ones say where a campaign got stuck.
_STEPS = {
    "seen": ("quotes\nseen", 12),
    "refused": ("\nrefused", 13),
    "conflated": ("\nconflated", 15),
    "evaluated": ("\nevaluated", 6),
    "fresh": ("\nfresh", 11),
    "edge_positive": ("edge\n> 0", 5),
    "over_threshold": ("over\nthreshold", 4),
    "sized": ("\nsized", 9),
    "allowed": ("\nallowed", 2),
    "sent": ("\nsent", 14),
    "filled": ("\nfilled", 3),
    "closed": ("\nclosed", 7),
}


def print_summary(console: Console, report: Report) -> None:
    """Print what the campaign did, and if it did not trade, why. No line is longer than the console is wide."""
    console.print()
    for line, style in verdict_lines(report):
        console.print(_hanging(line, style))
    console.print()
    console.print(_title(report))
    console.print()
    console.print(_symbols_table(report, console.width))
    console.print()
    console.print(beside(console, (_block(title, rows) for title, rows in _blocks(report) if rows)))
    for line, style in _remarks(report):
        console.print(_hanging(line, style))
    advice = advise(report)
    if advice:
        console.print(_hanging(f"No trade: {' '.join(advice)}", "yellow"))


def print_why(console: Console, report: Report) -> None:
    """Print where quotes and opportunities of a campaign that runs went up to now, and why it has not traded yet."""
    console.print(f"Why no trade, after {duration(float(report.runtime_seconds))}:")
    console.print(_symbols_table(report, console.width))
    shown = [
        (title, rows)
        for title, rows in _blocks(report)
        if title in ("Result", "Decisions", "Not sized", "Symbols", "Margins") and rows
    ]
    console.print(beside(console, (_block(title, rows) for title, rows in shown)))
    for line in liquidation_lines(report.state):
        console.print(_hanging(f"Liquidated: {line}", "bold red"))
    filled = funnel_total(report.statistics)["filled"]
    console.print(
        _hanging(f"No trade: {' '.join(advise(report))}" if not filled else f"Trades: {filled:,} entries filled.", "")
    )


def _title(report: Report) -> Text:
    config, ended_by = report.config, report.ended_by
    title = Text.assemble(
        ("Campaign ", "bold"),
        (report.campaign_id, "bold"),
        f" ({config.session.mode.value}, {config.env}, {config.session.clock.value} clock)",
    )
    if ended_by is None:
        title.append(f"\nnot ended after {duration(float(report.runtime_seconds))}: it still runs, or broke off")
    else:
        bad = ended_by in (EndedBy.ERROR, EndedBy.EMERGENCY_STOP, EndedBy.PANIC)
        title.append("\nended by ")
        title.append(ended_by.value.replace("_", " "), "bold red" if bad else "bold")
        title.append(f" after {duration(float(report.runtime_seconds))}, exit code ")
        title.append(str(report.exit_code), "bold red" if report.exit_code else "bold green")
    return title


def _symbols_table(report: Report, width: int) -> RenderableType:
    shown = _most_active(report)
    statistics = report.statistics
    trades = {symbol: statistics.symbols.get(symbol) or SymbolStatistics() for symbol in statistics.universe}
    funnels = {symbol: funnel_of(statistics, symbol) for symbol in statistics.universe}
    edges = [edge for symbol in statistics.universe if (edge := report.highest_edge_bps(symbol)) is not None]

    def counted(header: str, rank: int, counts: Mapping[str, int]) -> Column:
        cells = [count(counts[symbol]) for symbol in shown]
        return Column(header=header, cells=cells, footer=count(sum(counts.values())), rank=rank)

    behind = {
        "fresh": Column(
            header="highest\nedge (bps)",
            cells=[bps(report.highest_edge_bps(symbol)) for symbol in shown],
            footer=bps(max(edges, default=None)),
            rank=8,
        ),
        "sized": counted("\ndenied", 10, {symbol: one.rejected for symbol, one in trades.items()}),
    }
    columns = [Column(header="\nsymbol", cells=shown, footer="total", left=True)]
    for step, (header, rank) in _STEPS.items():
        columns.append(counted(header, rank, {symbol: one[step] for symbol, one in funnels.items()}))
        if step in behind:
            columns.append(behind[step])
    columns += [
        Column(
            header="PnL\n(USD)",
            cells=[signed_usd(trades[symbol].pnl_usd) if funnels[symbol]["sent"] else "-" for symbol in shown],
            footer=signed_usd(statistics.pnl_usd),
            rank=1,
        ),
        Column(
            header="fees\n(USD)",
            cells=[usd(trades[symbol].fees_usd) if funnels[symbol]["sent"] else "-" for symbol in shown],
            footer=usd(statistics.fees_usd),
            rank=6,
        ),
    ]
    table = fitted_table(columns, width)
    hidden = len(statistics.universe) - len(shown)
    more = f"… and {hidden} less active symbols, which are part of the total" if hidden else ""
    return Group(table, Text(more, style="dim")) if more else table


def _most_active(report: Report) -> list[str]:
    """Return the symbols to show, in the universe's order: the busiest ones if they are too many."""
    symbols = list(report.statistics.universe)
    if len(symbols) <= _MOST_SYMBOLS:
        return symbols
    # Who came further through the funnel was busier.
    activity = {symbol: list(funnel_of(report.statistics, symbol).values())[::-1] for symbol in symbols}
    busiest = set(sorted(symbols, key=lambda symbol: activity[symbol], reverse=True)[:_MOST_SYMBOLS])
    return [symbol for symbol in symbols if symbol in busiest]


def _blocks(report: Report) -> Iterator[tuple[str, list[tuple[str, str | Text]]]]:
    statistics = report.statistics
    yield "Result", list(_result(report))
    answers: list[tuple[str, str | Text]] = [
        (answer.value, number_of(count)) for answer, count in statistics.answers.items()
    ]
    yield "Edge to PnL (USD)", list(_attribution(report))
    yield "Edge missed (USD)", list(_missed(report))
    yield "Gained after fills (bps)", list(_markouts(report))
    yield "Paper model against the books", list(shadow_lines(report.state.shadow))
    yield (
        "Latency, realised PnL (USD)",
        [
            (f"× {text(one.latency_factor)}, {one.trades:,} trades", signed_usd(one.pnl_usd))
            for one in report.sensitivity
        ],
    )
    yield "Trades (USD)", list(_performance(report))
    yield "PnL by route (USD)", list(_brought(report))
    yield "Went wrong (%)", [(name.replace("_", " "), f"{rate * 100:.2f}") for name, rate in _went_wrong(report)]
    yield "Decisions", [*answers, *_most_common(statistics.by_rule, indent="  ")]
    yield (
        "Pairs",
        [
            (f"{kind.value} {outcome.value}", number_of(number))
            for kind in PairKind
            for outcome in PairOutcome
            if (number := statistics.pairs[kind.value, outcome.value])
        ],
    )
    if "requested" in (counts := coverage_of(report)):
        yield "Symbols", [(name, number_of(count)) for name, count in counts.items()]
    yield "Exits", _most_common(statistics.exits)
    yield "Orders", _most_common(statistics.orders)
    yield "Not sized", _most_common(not_sized_total(statistics))
    yield "Routes tried", list(_routes(statistics))
    yield "Rates", list(rate_lines(report.state))
    yield "Margins", list(margin_lines(report.state))
    yield "Transfers", list(transfer_figures(report.state))
    yield "Venues", list(_venues(report))
    telemetry = report.telemetry
    if telemetry is None:
        yield "Loop latency (µs)", [("p50", _ABSENT), ("p99", _ABSENT)]
        yield "Process", [(name, _ABSENT) for name, _ in process_rows(Telemetry())]
        return
    yield "Recording", list(_recording(telemetry.recording))
    yield "Alerts", [(name, f"{one.delivered:,}") for name, one in telemetry.channels.items() if one.tries]
    if telemetry.loop_latency_us is not None:
        p50, p99 = telemetry.loop_latency_us
        yield "Loop latency (µs)", [("p50", f"{p50:,.1f}"), ("p99", f"{p99:,.1f}")]
    yield "Stages of orders (µs)", list(stage_rows(telemetry))
    yield "Process", list(process_rows(telemetry))


def _result(report: Report) -> Iterator[tuple[str, str | Text]]:
    state, statistics = report.state, report.statistics
    figures = state.equity.figures()
    yield "equity change (USD)", signed_usd(figures.change)
    for part, name in PARTS.items():
        if amount := getattr(figures, part):
            yield f"  {name}", signed_usd(amount)
    if figures.fx:
        yield "  rates of money", signed_usd(figures.fx)
    held = return_on(figures.start, figures.change)
    used = return_on(state.equity.peak_exposure_usd, figures.traded)
    if held is not None and used is not None:
        yield "  of capital held, used (%)", f"{held * 100:,.3f}, {used * 100:,.3f}"
    if state.equity.stated_drawdown_usd:
        yield "drawdown of equity (USD)", usd(state.equity.stated_drawdown_usd)
        if state.equity.stated_drawdown is not None:
            yield "  for up to", duration(state.equity.stated_drawdown.longest_ns / 1e9)
    if state.equity.drawdown_usd:
        yield "drawdown of PnL (USD)", usd(state.equity.drawdown_usd)
        yield "  for up to", duration(state.equity.drawdown.longest_ns / 1e9)
    yield "realised PnL (USD)", signed_usd(statistics.pnl_usd)
    unrealised = state.unrealised_usd
    yield "unrealised (USD)", "no quote" if unrealised is None else signed_usd(unrealised)
    yield "fees (USD)", usd(statistics.fees_usd)
    if statistics.carried is not None:
        yield "lost before, this day (USD)", signed_usd(statistics.carried.total_usd)
    rate = win_rate(statistics)
    yield "closed trades", number_of(statistics.closed)
    if statistics.unwound_count:
        yield "unwound entries", number_of(statistics.unwound_count)
    if rate is not None:
        yield "win rate (%)", f"{rate * 100:.1f}"
    still_open = len(state.trades.positions())
    if still_open:
        yield "open positions", number_of(still_open)
    exposure = state.exposure.exposure_usd()
    if exposure:
        yield "exposure (USD)", usd(exposure)
    yield "runtime", duration(float(report.runtime_seconds))


def _performance(report: Report) -> Iterator[tuple[str, str | Text]]:
    """Yield how trades did that are over."""
    done, outcomes = report.state.performance, report.state.performance.all
    for name, total, times in (
        ("average win", outcomes.won_usd, outcomes.won),
        ("average loss", outcomes.lost_usd, outcomes.lost),
    ):
        if times:
            yield f"{name}, {number_of(times)} times", signed_usd(total / times)
    factor, sure, rate = profit_factor(outcomes), pnl_interval(report), wilson(outcomes.won, outcomes.trades)
    if factor is not None:
        yield "profit factor", f"{factor:,.2f}"
    if rate is not None:
        yield "wins lie within (%)", f"{rate.low * 100:.1f} to {rate.high * 100:.1f}"
    if sure is not None:
        yield "PnL lies within", f"{usd(sure.low)} to {usd(sure.high)}"
    if done.turnover_usd:
        yield "turnover", usd(done.turnover_usd)
        turns = ratio(done.turnover_usd, report.state.equity.figures().start)
        if turns is not None:
            yield "  times the capital held", f"{turns:,.2f}"


def _brought(report: Report) -> Iterator[tuple[str, str | Text]]:
    """Yield the routes with the most trades, and what they brought."""
    routes = report.state.performance.routes
    for route in sorted(routes, key=lambda one: (-routes[one].trades, one))[:_MOST_REASONS]:
        outcomes = routes[route]
        name = f"{route.buy_venue}>{route.sell_venue} {route.symbol}, {number_of(outcomes.trades)} times"
        yield name, signed_usd(outcomes.series.total)


def _went_wrong(report: Report) -> Iterator[tuple[str, Decimal]]:
    for name, rate in error_rates(report).items():
        if share := Decimal(rate):
            yield name, share


def _attribution(report: Report) -> Iterator[tuple[str, str | Text]]:
    """Yield what became of the edges that were decided upon."""
    found = attribution(report.state)
    if found is not None:
        more = {"residuals_usd": "residuals, resolved", "still_open_usd": "realised, still open"}
        for part, name in (NAMES | more).items():
            if found.get(part):
                yield name, signed_usd(found[part])


def _markouts(report: Report) -> Iterator[tuple[str, str | Text]]:
    """Yield how markets went on after the fills of legs; below zero is against us."""
    found = report.state.markouts.of.items()
    legs = (one for one in found if one[0][2] is Purpose.LEG)
    for (venue, side, _, rests), by_horizon in sorted(legs, key=lambda one: (one[0][0], one[0][1].value, one[0][3])):
        most = max(one.fills for one in by_horizon.values())
        shown = (
            f"{seconds} s {one.bps:+.2f}" + ("" if one.fills == most else f" of {one.fills:,}")
            for seconds, one in by_horizon.items()
            if one.bps is not None
        )
        yield f"{'resting ' if rests else ''}{side.value} at {venue}, {most:,} times", ", ".join(shown)


def _missed(report: Report) -> Iterator[tuple[str, str | Text]]:
    """Yield what was decided upon and not earned, by what kept it; most of it first."""
    found = report.state.missed.by_reason()
    for reason in sorted(found, key=lambda one: found[one].edge_usd, reverse=True)[:_MOST_REASONS]:
        name = "not filled" if reason == NOT_FILLED else reason
        yield f"{name}, {found[reason].count:,} times", usd(found[reason].edge_usd)


def _routes(statistics: Statistics) -> Iterator[tuple[str, str | Text]]:
    """Yield how often each route was over the threshold, all symbols together, where there are more than two."""
    tried = Counter[str]()
    for symbol in statistics.universe:
        for name, route in routes_of(statistics, symbol):
            tried[name] += 0 if route.counted is None else route.counted.over_threshold
    if len(tried) > 2:
        yield from _most_common(tried)


def _venues(report: Report) -> Iterator[tuple[str, str | Text]]:
    """Yield what guard tiers say of the venues; why one isn't healthy is among the remarks."""
    for venue, figures in report.figures_of("venues").items():
        yield venue, str(figures.get("health", ""))
        for what, figure in figures.items():
            if what not in ("health", "reason"):
                yield f"  {what}", str(figure)


def _recording(figures: RecordingFigures | None) -> Iterator[tuple[str, str | Text]]:
    if figures is not None:
        yield "quotes", number_of(figures.quotes)
        yield "files", number_of(figures.files)
        if figures.lost:
            yield "lost", number_of(figures.lost)


def _recording_remarks(figures: RecordingFigures) -> Iterator[tuple[str, str]]:
    if figures.error is not None:
        yield f"Recording: ended early, {figures.lost:,} quotes are missing; {figures.error}", "bold red"
    elif figures.lost:
        yield f"Recording: {figures.lost:,} quotes were lost, the disk could not keep up", "bold red"
    if figures.parts:
        files = ", ".join(figures.parts)
        yield f"Recording: the next one into {figures.folder} makes Parquet files of {files}", "yellow"


def _most_common(counts: Counter[str], *, indent: str = "") -> list[tuple[str, str | Text]]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rows: list[tuple[str, str | Text]] = [
        (f"{indent}{what}", number_of(number)) for what, number in ordered[:_MOST_REASONS]
    ]
    if len(ordered) > _MOST_REASONS:
        rows.append((f"{indent}others", number_of(sum(number for _, number in ordered[_MOST_REASONS:]))))
    return rows


def _block(title: str, rows: Iterable[tuple[str, str | Text]]) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    grid.add_column(no_wrap=True, overflow="ellipsis")
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row(Text(title, style="bold"), "")
    for what, number in rows:
        grid.add_row(Text(what), number)
    return grid


def _remarks(report: Report) -> Iterator[tuple[str, str]]:
    """Yield what deserves attention, worst first."""
    if report.error:
        yield f"Error: {report.error}", "bold red"
    for line in liquidation_lines(report.state):
        yield f"Liquidated: {line}", "bold red"
    for left in report.state.trades.residuals.values():
        held = f"{'long' if left.quantity > 0 else 'short'} {text(abs(left.quantity))} {left.asset} at {left.venue}"
        unknown = "; an order got no answer: ask the venue" if left.unknown else ""
        yield f"Residual: {held} ({left.symbol}, {left.trade_id}), {usd(left.cost_usd)} USD{unknown}", "bold red"
    for (symbol, venue), dust in sorted(report.state.trades.dust.items()):
        if dust.quantity:
            held = f"{'long' if dust.quantity > 0 else 'short'} {text(abs(dust.quantity))} {dust.asset} at {venue}"
            yield f"Dust: {held} ({symbol}), too small for any venue", ""
    for line in transfer_remarks(report.state):
        yield line, ""
    if unpriced := report.state.equity.figures().unpriced:
        more = f" and {len(unpriced) - _MOST_NAMED} more" if len(unpriced) > _MOST_NAMED else ""
        named = f"{', '.join(unpriced[:_MOST_NAMED])}{more}"
        yield f"Equity: no price is known of {named}, which count in neither the start nor now", "yellow"
    for problem in report.problems:
        yield f"Problem: {problem}", "bold red"
    if report.telemetry is not None and report.telemetry.recording is not None:
        yield from _recording_remarks(report.telemetry.recording)
    for name, channel in (report.telemetry or Telemetry()).channels.items():
        if channel.undelivered:
            why = f" ({channel.error})" if channel.error else ""
            yield f"Alerts: {channel.undelivered:,} were not delivered by channel {name}{why}", "bold red"
    for finding in report.recovered:
        yield f"Recovered: {finding}", "yellow"
    for symbol, one in report.statistics.symbols.items():
        if one.quarantines:
            ending = ", then retired" if one.retired else ""
            yield f"Failed: {symbol}, {one.quarantines} times{ending}; the log says why", "red"
        for rule, times in one.tripped.items():
            yield f"Tripped: {rule} of {symbol}, {'once' if times == 1 else f'{times:,} times'}", "yellow"
    for venue, figures in report.figures_of("venues").items():
        if "reason" in figures:
            yield f"Venue: {venue} is {figures.get('health', 'denied')} ({figures['reason']})", "yellow"
    for symbol in report.statistics.universe:
        funnel = funnel_of(report.statistics, symbol)
        if funnel["refused"]:
            yield (
                f"Refused: {funnel['refused']:,} of {funnel['seen']:,} quotes of {symbol}: negative, infinite, "
                "crossed, or older than the one before",
                "yellow",
            )
        if funnel["withdrawn"]:
            yield f"Withdrawn: {funnel['withdrawn']:,} of {funnel['seen']:,} quotes of {symbol} lack a side", ""
    for note in report.notes:
        yield f"Note: {note}", ""


def _hanging(line: str, style: str) -> RenderableType:
    """Return prose whose further lines are indented."""
    head, _, rest = line.partition(" ")
    grid = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(head, style=style), Text(rest, style=style))
    return grid
