"""What a person sees when a campaign has ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from trioarb.engine.campaign import Campaign
from trioarb.model.number import ZERO, text
from trioarb.model.trade import Answer, EndedBy, PairKind, PairOutcome
from trioarb.quotes.recorder import QuoteRecorder
from trioarb.report.advice import advise
from trioarb.report.columns import Column, beside, fitted_table
from trioarb.report.figures import bps, count, duration, number_of, signed_usd, usd
from trioarb.report.funnel import funnel_of, not_sized_total
from trioarb.report.summary import margin_notes, venue_figures
from trioarb.report.trades import unrealised_usd, win_rate
from trioarb.state.statistics import SymbolStatistics

__all__ = ["print_summary"]

_MOST_SYMBOLS = 40
_MOST_REASONS = 8

#: Header and rank of the funnel's steps: where a campaign got stuck is told by the later ones.
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


def print_summary(console: Console, campaign: Campaign) -> None:
    """Print what the campaign did, and if it did not trade, why. No line is longer than the console is wide."""
    console.print()
    console.print(_title(campaign))
    console.print()
    console.print(_symbols_table(campaign, console.width))
    console.print()
    console.print(beside(console, (_block(title, rows) for title, rows in _blocks(campaign) if rows)))
    for line, style in _remarks(campaign):
        console.print(_hanging(line, style))
    advice = advise(campaign)
    if advice:
        console.print(_hanging(f"No trade: {' '.join(advice)}", "yellow"))


def _title(campaign: Campaign) -> Text:
    config, ended_by = campaign.config, campaign.ended_by
    title = Text.assemble(
        ("Campaign ", "bold"),
        (campaign.campaign_id, "bold"),
        f" ({config.session.mode.value}, {config.env}, {config.session.clock.value} clock)",
    )
    if ended_by is not None:
        bad = ended_by in (EndedBy.ERROR, EndedBy.EMERGENCY_STOP)
        title.append("\nended by ")
        title.append(ended_by.value.replace("_", " "), "bold red" if bad else "bold")
        title.append(f" after {duration(float(campaign.runtime_seconds))}, exit code ")
        title.append(str(campaign.exit_code), "bold red" if campaign.exit_code else "bold green")
    return title


def _symbols_table(campaign: Campaign, width: int) -> RenderableType:
    shown = _most_active(campaign)
    trades = {symbol: campaign.statistics.symbols.get(symbol) or SymbolStatistics() for symbol in campaign.symbols}
    funnels = {symbol: funnel_of(campaign, symbol) for symbol in campaign.symbols}
    edges = [task.highest_edge_bps for task in campaign.symbols.values() if task.highest_edge_bps is not None]

    def counted(header: str, rank: int, of: Callable[[str], int]) -> Column:
        return Column(
            header=header,
            cells=[count(of(symbol)) for symbol in shown],
            footer=count(sum(map(of, campaign.symbols))),
            rank=rank,
        )

    def step(name: str) -> Column:
        return counted(*_STEPS[name], lambda symbol: funnels[symbol][name])

    highest = Column(
        header="highest\nedge (bps)",
        cells=[bps(campaign.symbols[symbol].highest_edge_bps) for symbol in shown],
        footer=bps(max(edges, default=None)),
        rank=8,
    )
    columns = [
        Column(header="\nsymbol", cells=shown, footer="total", left=True),
        *map(step, ("seen", "refused", "conflated", "evaluated", "fresh")),
        highest,
        *map(step, ("edge_positive", "over_threshold", "sized")),
        counted("\ndenied", 10, lambda symbol: trades[symbol].rejected),
        *map(step, ("allowed", "sent", "filled", "closed")),
        Column(
            header="PnL\n(USD)",
            cells=[signed_usd(trades[symbol].pnl_usd) if funnels[symbol]["sent"] else "-" for symbol in shown],
            footer=signed_usd(campaign.statistics.pnl_usd),
            rank=1,
        ),
        Column(
            header="fees\n(USD)",
            cells=[usd(trades[symbol].fees_usd) if funnels[symbol]["sent"] else "-" for symbol in shown],
            footer=usd(campaign.statistics.fees_usd),
            rank=6,
        ),
    ]
    table = fitted_table(columns, width)
    hidden = len(campaign.symbols) - len(shown)
    more = f"… and {hidden} less active symbols, which are part of the total" if hidden else ""
    return Group(table, Text(more, style="dim")) if more else table


def _most_active(campaign: Campaign) -> list[str]:
    """Return the symbols to show, in the universe's order: the busiest ones if they are too many."""
    symbols = list(campaign.symbols)
    if len(symbols) <= _MOST_SYMBOLS:
        return symbols
    steps = ("filled", "allowed", "sized", "over_threshold", "edge_positive", "fresh", "seen")
    activity = {symbol: [funnel_of(campaign, symbol)[step] for step in steps] for symbol in symbols}
    busiest = set(sorted(symbols, key=lambda symbol: activity[symbol], reverse=True)[:_MOST_SYMBOLS])
    return [symbol for symbol in symbols if symbol in busiest]


def _blocks(campaign: Campaign) -> Iterator[tuple[str, list[tuple[str, str | Text]]]]:
    statistics = campaign.statistics
    yield "Result", list(_result(campaign))
    answers: list[tuple[str, str | Text]] = [
        (answer.value, number_of(statistics.decisions[answer])) for answer in Answer
    ]
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
    yield "Exits", _most_common(Counter(trade.closed.reason.value for trade in statistics.trades))
    yield "Orders", _most_common(statistics.orders)
    yield "Not sized", _most_common(not_sized_total(campaign))
    yield "Venues", list(_venues(campaign))
    yield "Recording", list(_recording(campaign.recorder))
    p50, p99 = (campaign.parts.latency.quantile_us(q) for q in (0.5, 0.99))
    if p50 is not None and p99 is not None:
        yield "Loop latency (µs)", [("p50", f"{p50:,.1f}"), ("p99", f"{p99:,.1f}")]


def _result(campaign: Campaign) -> Iterator[tuple[str, str | Text]]:
    statistics = campaign.statistics
    yield "realised PnL (USD)", signed_usd(statistics.pnl_usd)
    unrealised = unrealised_usd(campaign)
    yield "unrealised (USD)", "no quote" if unrealised is None else signed_usd(unrealised)
    yield "fees (USD)", usd(statistics.fees_usd)
    rate = win_rate(campaign)
    yield "closed trades", number_of(len(statistics.trades))
    if rate is not None:
        yield "win rate (%)", f"{rate * 100:.1f}"
    still_open = len(campaign.parts.trades.positions())
    if still_open:
        yield "open positions", number_of(still_open)
    exposure = campaign.exposure.exposure_usd()
    if exposure != ZERO:
        yield "exposure (USD)", usd(exposure)
    yield "runtime", duration(float(campaign.runtime_seconds))


def _venues(campaign: Campaign) -> Iterator[tuple[str, str | Text]]:
    """Yield what guard tiers say of the venues; why one isn't healthy is among the remarks."""
    for venue, figures in venue_figures(campaign).items():
        yield venue, str(figures.get("health", ""))
        for what, figure in figures.items():
            if what not in ("health", "reason"):
                yield f"  {what}", str(figure)


def _recording(recorder: QuoteRecorder | None) -> Iterator[tuple[str, str | Text]]:
    if recorder is not None:
        yield "quotes", number_of(recorder.rows.total())
        yield "files", number_of(len(recorder.files))
        if recorder.lost:
            yield "lost", number_of(recorder.lost)


def _recording_remarks(recorder: QuoteRecorder) -> Iterator[tuple[str, str]]:
    if recorder.error is not None:
        yield f"Recording: ended early, {recorder.lost:,} quotes are missing; {recorder.error}", "bold red"
    elif recorder.lost:
        yield f"Recording: {recorder.lost:,} quotes were lost, the disk could not keep up", "bold red"
    if recorder.left:
        files = ", ".join(map(str, recorder.left))
        yield f"Recording: the next one into {recorder.folder} makes Parquet files of {files}", "yellow"


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


def _remarks(campaign: Campaign) -> Iterator[tuple[str, str]]:
    """Yield what deserves attention, worst first."""
    if campaign.error:
        yield f"Error: {campaign.error}", "bold red"
    for left in campaign.parts.trades.residuals.values():
        held = f"{'long' if left.quantity > 0 else 'short'} {text(abs(left.quantity))} {left.asset} at {left.venue}"
        unknown = "; an order got no answer: ask the venue" if left.unknown else ""
        yield f"Residual: {held} ({left.symbol}, {left.trade_id}), {usd(left.cost_usd)} USD{unknown}", "bold red"
    for problem in campaign.problems:
        yield f"Problem: {problem}", "bold red"
    if campaign.recorder is not None:
        yield from _recording_remarks(campaign.recorder)
    for finding in campaign.findings:
        yield f"Recovered: {finding}", "yellow"
    for symbol, one in campaign.statistics.symbols.items():
        if one.quarantines:
            ending = ", then retired" if one.retired else ""
            yield f"Failed: {symbol}, {one.quarantines} times{ending}; the log says why", "red"
        if one.circuit_breaker_triggered:
            yield f"Breaker: that of {symbol} opened after losses in a row", "yellow"
    for venue, figures in venue_figures(campaign).items():
        if "reason" in figures:
            yield f"Venue: {venue} is {figures.get('health', 'denied')} ({figures['reason']})", "yellow"
    for symbol, task in campaign.symbols.items():
        if task.funnel.refused:
            yield (
                f"Refused: {task.funnel.refused:,} of {task.funnel.seen:,} quotes of {symbol}: not a number, not "
                "positive, crossed, or older than the one before",
                "yellow",
            )
    for note in margin_notes(campaign):
        yield f"Note: {note}", ""


def _hanging(line: str, style: str) -> RenderableType:
    """Return prose whose further lines are indented."""
    head, _, rest = line.partition(" ")
    grid = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(head, style=style), Text(rest, style=style))
    return grid
