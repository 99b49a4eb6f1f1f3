"""Put a campaign together for the page: what its journal says, and what it answers itself while it runs."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path

import structlog

from trioarb.config.change import laid_over
from trioarb.config.load import load_table
from trioarb.config.plugin_files import plugins_of_journal
from trioarb.config.schema import Config
from trioarb.config.stored import from_text
from trioarb.control.message import Watched
from trioarb.dashboard import figures
from trioarb.dashboard.figures import event_row, milliseconds
from trioarb.dashboard.follower import Follower
from trioarb.dashboard.message import Finding, Money, Process, RouteRow, Row, Series, Stage, SymbolRow, Verdict, View
from trioarb.errors import TrioarbError
from trioarb.plugin.registry import Plugins
from trioarb.report.advice import advise
from trioarb.report.equity import return_on
from trioarb.report.narrator import told
from trioarb.report.report import Report
from trioarb.report.series import Series as Folded
from trioarb.report.verdict import Verdict as Judged
from trioarb.report.verdict import verdict_of
from trioarb.state.equity import EquityFigures
from trioarb.state.funnel_total import FunnelTotal
from trioarb.state.statistics import RouteStatistics, SymbolStatistics
from trioarb.time.campaign_time import SECOND_NS

__all__ = ["Viewed"]

#: So many symbols, and routes, are shown of a campaign with more.
_MOST = 200
_MOST_EVENTS = 60
#: So many answers are kept to draw from: five minutes of them.
_PAST = 600
#: So long a verdict of a campaign that runs stands, at least.
_VERDICT_SECONDS = 5.0


class Viewed:
    """A journal that is followed, with the configuration of its campaign. Nothing here waits."""

    def __init__(self, name: str, path: Path, plugins: Plugins) -> None:
        self.name, self.path = name, path
        self.follower = Follower(path)
        #: What it answered last, and why it doesn't, if it runs.
        self.answered: Watched | None = None
        self.unanswered = ""
        #: When somebody last wanted to know how it stands, in Trio's time.
        self.wanted_at = -inf
        #: Before then it isn't asked again for those who look all the time.
        self.ask_at = -inf
        #: The funnel that it answered last.
        self._told: FunnelTotal | None = None
        self._past: deque[tuple[int, Watched]] = deque(maxlen=_PAST)
        self._plugins = plugins
        self._shelved: tuple[int, int] | None = None
        self._answers = 0
        #: The row as it was last, and of what it was made.
        self._kept_row: tuple[object, Row] | None = None
        self._kept_verdict: tuple[int, float, Judged] | None = None
        self._configured: tuple[str, Mapping[str, str]] | None = None
        self._config: Config | None = None
        self._config_problem = ""

    @property
    def is_shelved(self) -> bool:
        """Only its row is kept."""
        return self._shelved is not None

    def shelve(self) -> None:
        """Keep its row only; what was folded is forgotten, and folded again once somebody looks."""
        self._shelved, row = self._file(), self.row()
        self._kept_row = None, row
        self.follower.restart()
        self._past.clear()

    def wake(self) -> None:
        """Let it be folded again."""
        self._shelved = self._kept_row = None

    def has_changed(self) -> bool:
        """Say whether its file is another than it was when it was shelved."""
        return self._file() != self._shelved

    def _file(self) -> tuple[int, int]:
        try:
            found = self.path.stat()
        except OSError:
            return 0, 0
        return found.st_mtime_ns, found.st_size

    def answer(self, watched: Watched | None, at_ms: int, why_not: str = "") -> None:
        """Take what it answered, or that it doesn't."""
        self._answers += self.answered is not watched
        self.answered, self.unanswered = watched, why_not
        if watched is not None:
            self._told = watched.funnel
            self._past.append((at_ms, watched))

    @property
    def config(self) -> Config | None:
        """The configuration that holds; ``None``: it can't be read here, such as for a plugin that isn't installed."""
        follower = self.follower
        if not follower.config:
            return None
        wanted = (follower.config, dict(follower.settings))
        if wanted != self._configured:
            self._configured, self._config, self._config_problem = wanted, None, ""
            try:
                table = laid_over(from_text(follower.config), follower.settings)
                plugins = plugins_of_journal(table, self.path, known=self._plugins)
                self._config = load_table(table, plugins, file=str(self.path)).config
            except (TrioarbError, ValueError) as error:
                self._config_problem = str(error).partition("\n")[0]
                log = structlog.get_logger("trioarb.dashboard")
                log.warning("a campaign's configuration can't be read here", journal=str(self.path), because=str(error))
        return self._config

    def report(self) -> Report | None:
        """Return what reports are made of."""
        follower, config = self.follower, self.config
        if config is None or not follower.seq:
            return None
        return Report(config=config, state=follower.state, at_ns=follower.last_ns, head=follower.head)

    def row(self) -> Row:
        """Return its line of the fleet."""
        follower = self.follower
        file = follower.seq, follower.size, follower.problem, follower.is_running, follower.is_current
        made_of = *file, self._answers, round(follower.folded, 2), self.verdict()
        if self._kept_row is None or (not self.is_shelved and self._kept_row[0] != made_of):
            self._kept_row = made_of, self._row()
        return self._kept_row[1]

    def verdict(self) -> Judged | None:
        """Return the verdict, which takes its time: of a journal that grows one of some seconds ago."""
        follower, kept = self.follower, self._kept_verdict
        if not follower.is_current or self.is_shelved:
            return None
        now = time.perf_counter()
        if kept is None or (kept[0] != follower.seq and (now >= kept[1] or not follower.is_running)):
            report = self.report()
            if report is None:
                return None
            judged = verdict_of(report)
            took = time.perf_counter() - now
            kept = self._kept_verdict = follower.seq, now + max(_VERDICT_SECONDS, 50 * took), judged
        return kept[2]

    def _row(self) -> Row:
        follower, state, answered = self.follower, self.follower.state, self.answered
        statistics = state.statistics
        opened, ended = statistics.opened, statistics.ended
        is_running = follower.is_running
        equity = self._equity()
        last = next((line for record in reversed(follower.news) if (line := told(record)) is not None), None)
        report = self.report() if follower.is_current else None
        snapshot = None if answered is None else answered.snapshot
        return Row(
            name=self.name,
            path=str(self.path),
            campaign_id=str(follower.header.get("campaign_id", "")),
            state=self._state(is_running),
            folded=round(follower.folded, 3),
            answers=answered is not None,
            phase=(statistics.phase if snapshot is None else snapshot.phase).value,
            ended_by=None if ended is None else ended.ended_by.value,
            exit_code=None if report is None else report.exit_code,
            mode="" if opened is None else opened.mode,
            env="" if opened is None else opened.env,
            clock="" if opened is None else opened.clock,
            paused=(state.control.paused if snapshot is None else snapshot.paused) is not None,
            began_ms=milliseconds(follower.first_ns) if follower.seq else None,
            last_ms=milliseconds(follower.last_ns) if follower.seq else None,
            events=follower.seq,
            size_bytes=follower.size,
            symbols=len(statistics.universe),
            venues=() if opened is None else opened.venues,
            pnl_usd=(statistics.pnl_usd if snapshot is None else snapshot.pnl_usd) if follower.seq else None,
            equity_change_usd=None if equity is None else equity.change,
            drawdown_usd=state.equity.drawdown_usd if follower.seq else None,
            exposure_usd=state.exposure.exposure_usd() if follower.seq else None,
            closed_trades=statistics.closed,
            won_trades=statistics.won,
            open_positions=len(state.trades.positions()),
            residuals=len(state.trades.residuals),
            verdict=None if (judged := self.verdict()) is None else judged.word.value,
            warnings=tuple(text for _, text in follower.warnings),
            last_event="" if last is None else last[1],
            problem=follower.problem,
        )

    def _state(self, is_running: bool) -> str:
        follower = self.follower
        if not follower.is_readable:
            return "unreadable"
        if not follower.is_current:
            return "folding"
        if follower.is_damaged:
            return "damaged"
        if is_running:
            return "running"
        return "cut off" if follower.state.statistics.ended is None else "ended"

    def _equity(self) -> EquityFigures | None:
        follower = self.follower
        if self.answered is not None:
            return self.answered.snapshot.equity
        return follower.state.equity.figures() if follower.seq and follower.is_current else None

    def funnel(self) -> FunnelTotal:
        """Return the funnel of all symbols: as it answered, else as its journal counted it last.

        Counters of a campaign that runs never go back, if it answers no more.
        """
        if self.answered is not None:
            return self.answered.funnel
        recorded, told = FunnelTotal.recorded(self.follower.state.statistics), self._told
        is_newer = told is not None and self.follower.is_running and told.steps["seen"] > recorded.steps["seen"]
        return told if told is not None and is_newer else recorded

    def view(self, now_ms: int, *, with_series: bool) -> View:
        """Return all of it. ``now_ms`` is the time at which it is put together."""
        follower, state, answered = self.follower, self.follower.state, self.answered
        statistics, opened = state.statistics, state.statistics.opened
        report = self.report()
        verdict = self.verdict()
        advice = () if report is None else advise(report)
        snapshot = None if answered is None else answered.snapshot
        symbols, routes, more = self._symbols()
        elapsed = None
        if snapshot is not None:
            elapsed = snapshot.elapsed_ns / SECOND_NS
        elif report is not None:
            elapsed = float(report.runtime_seconds)
        limit = None if report is None else report.config.session.max_runtime_seconds
        left = None
        if limit is not None and elapsed is not None and statistics.ended is None:
            left = max(0.0, float(limit) - elapsed)
        problem = [f"its configuration can't be read here: {self._config_problem}"] if self._config_problem else []
        if self.unanswered:
            problem.append(f"what only the running campaign knows is absent: {self.unanswered}")
        return View(
            at_ms=now_ms,
            row=self.row(),
            live=answered is not None,
            version=statistics.version,
            config_digest="" if report is None else report.config.digest,
            head=follower.head,
            seed=None if report is None else report.config.session.seed,
            resumed=0 if statistics.resumed is None else statistics.resumed.number,
            elapsed_seconds=elapsed,
            left_seconds=left,
            verdict=None
            if verdict is None
            else Verdict(
                word=verdict.word.value,
                findings=tuple(Finding(code=one.code.name, text=one.text, key=one.key) for one in verdict.findings),
            ),
            control=figures.control(state, answered),
            money=self._money() if follower.seq else None,
            limits=() if snapshot is None else figures.limits(snapshot.head_room),
            routes=routes,
            symbols=symbols,
            more_symbols=more,
            positions=figures.positions(state, () if answered is None else answered.positions),
            residuals=figures.residuals(state),
            orders=figures.orders(follower),
            fills=figures.fills(follower),
            trades=figures.trades(state),
            funnel=figures.funnel(state, self.funnel(), advice),
            venues=figures.venues(follower, {} if snapshot is None else dict(snapshot.silent_ns)),
            latency=self._latency(),
            process=self._process(),
            fx=figures.fx_rows(state),
            premiums=figures.premium_rows(state),
            balances=figures.balances(state),
            log=tuple(event_row(record) for record in list(follower.news)[-_MOST_EVENTS:]),
            notes=(
                *problem,
                *(() if opened is None else statistics.warnings),
                *(() if report is None else report.notes),
            ),
            series=self.series() if with_series else (),
        )

    def _money(self) -> Money:
        state, answered = self.follower.state, self.answered
        statistics, equity = state.statistics, self._equity()
        snapshot = None if answered is None else answered.snapshot
        change = None if equity is None else return_on(equity.start, equity.change)
        drawdown = self.follower.history.drawdown.points
        return Money(
            pnl_usd=statistics.pnl_usd if snapshot is None else snapshot.pnl_usd,
            unrealised_usd=state.unrealised_usd,
            fees_usd=statistics.fees_usd if snapshot is None else snapshot.fees_usd,
            equity_start=None if equity is None else equity.start,
            equity_now=None if equity is None else equity.now,
            equity_change=None if equity is None else equity.change,
            arbitrage=None if equity is None else equity.arbitrage,
            inventory=None if equity is None else equity.inventory,
            equity_fees=None if equity is None else equity.fees,
            funding=None if equity is None else equity.funding,
            residuals=None if equity is None else equity.residuals,
            fx=None if equity is None else equity.fx,
            unpriced=() if equity is None else equity.unpriced,
            drawdown_usd=state.equity.drawdown_usd,
            drawdown_now_usd=drawdown[-1][1] if drawdown else None,
            exposure_usd=state.exposure.exposure_usd(),
            peak_exposure_usd=state.equity.peak_exposure_usd,
            daily_loss_usd=state.marks.daily_loss_usd(self.follower.last_ns),
            return_bps=None if change is None else float(change * 10_000),
        )

    def _latency(self) -> tuple[Stage, ...]:
        if self.answered is None:
            return ()
        telemetry = self.answered.telemetry
        named = {"loop": telemetry.loop, **telemetry.stages, "guards": telemetry.guards}
        return tuple(
            Stage(stage=name, p50_us=took.p50_us, p95_us=took.p95_us, p99_us=took.p99_us, count=took.count)
            for name, took in named.items()
            if took.p50_us is not None and took.p99_us is not None
        )

    def _process(self) -> Process | None:
        if self.answered is None:
            return None
        telemetry = self.answered.telemetry
        lag = telemetry.journal
        return Process(
            memory_bytes=telemetry.memory_bytes,
            cpu_seconds=telemetry.cpu_seconds,
            journal_lag_seconds=None if lag is None else max(lag.unwritten_seconds, lag.unsynced_seconds or 0.0),
            journal_error="" if lag is None else lag.error or "",
        )

    def _symbols(self) -> tuple[tuple[SymbolRow, ...], tuple[RouteRow, ...], int]:
        """Return symbols and their routes: those with something open, then those that were sent most, then by name."""
        state = self.follower.state
        statistics = state.statistics
        names: Sequence[str] = statistics.reported

        def rank(symbol: str) -> tuple[bool, int, int]:
            one = statistics.symbols.get(symbol)
            sent, over = (0, 0) if one is None else (one.sent, 0 if one.funnel is None else one.funnel.over_threshold)
            return not state.trades.positions(symbol), -sent, -over

        more = max(0, len(names) - _MOST)
        if more:
            names = sorted(names, key=rank)[:_MOST]
        live = {} if self.answered is None else {one.symbol: one for one in self.answered.snapshot.symbols}
        edges = dict[str, dict[tuple[str, str], float | None]]()
        for edge in () if self.answered is None else self.answered.edges:
            edges.setdefault(edge.symbol, {})[edge.buy_venue, edge.sell_venue] = edge.edge_bps
        rows, routes = [], list[RouteRow]()
        for symbol in names:
            one, now = statistics.symbols.get(symbol) or SymbolStatistics(), live.get(symbol)
            counted = one.funnel
            standing = "retired" if one.retired else "blacklisted" if symbol in state.control.blacklisted else "trading"
            rows.append(
                SymbolRow(
                    symbol=symbol,
                    state=standing,
                    edge_bps=None if now is None else now.edge_bps,
                    highest_edge_bps=now.highest_edge_bps
                    if now is not None
                    else None
                    if counted is None
                    else counted.highest_edge_bps,
                    evaluated=now.iterations if now is not None else 0 if counted is None else counted.evaluated,
                    over_threshold=now.over_threshold
                    if now is not None
                    else 0
                    if counted is None
                    else counted.over_threshold,
                    denied=one.rejected if now is None else now.denied,
                    sent=one.sent,
                    opened=one.filled,
                    closed=one.closed,
                    open_positions=len(state.trades.positions(symbol)),
                    pnl_usd=one.pnl_usd,
                    fees_usd=one.fees_usd,
                    exposure_usd=state.exposure.exposure_usd(symbol),
                )
            )
            now_of = edges.get(symbol, {})
            for buy, sell in sorted(now_of.keys() | one.routes.keys()):
                of = one.routes.get((buy, sell)) or RouteStatistics()
                routes.append(
                    RouteRow(
                        symbol=symbol,
                        buy_venue=buy,
                        sell_venue=sell,
                        edge_bps=now_of.get((buy, sell)),
                        over_threshold=0 if of.counted is None else of.counted.over_threshold,
                        sized=0 if of.counted is None else of.counted.sized,
                        allowed=of.allowed,
                        denied=of.denied.total(),
                    )
                )
        return tuple(rows), tuple(routes), more

    def series(self) -> tuple[Series, ...]:
        """Return what is drawn of the whole run; equity also as it was answered, and last what its tile shows."""
        history = self.follower.history
        seen = [(at_ms, float(one.snapshot.equity.change)) for at_ms, one in self._past]
        if self.answered is None and (equity := self._equity()) is not None:
            seen.append((milliseconds(self.follower.last_ns), float(equity.change)))
        return (
            _series("equity", "USD", [*_points(history.equity), *seen]),
            _series("worth", "USD", _points(history.worth)),
            _series("pnl", "USD", _points(history.pnl)),
            _series("drawdown", "USD", _points(history.drawdown)),
        )

    def edges(self, symbol: str) -> tuple[Series, ...]:
        """Return the edges of each route of a symbol: those that guards were asked about, and as it was answered."""
        found = dict[str, list[tuple[int, float | None]]]()
        for (of, buy, sell), series in self.follower.history.edges_of.items():
            if of == symbol:
                found[f"{buy}>{sell}"] = _points(series)
        for at_ms, answered in self._past:
            for edge in answered.edges:
                if edge.symbol == symbol:
                    found.setdefault(f"{edge.buy_venue}>{edge.sell_venue}", []).append((at_ms, edge.edge_bps))
        return tuple(_series(name, "bps", points) for name, points in sorted(found.items()))


def _series(name: str, unit: str, points: Sequence[tuple[int, float | None]]) -> Series:
    ordered = sorted(points, key=_first)
    return Series(
        name=name, unit=unit, at_ms=tuple(at for at, _ in ordered), values=tuple(value for _, value in ordered)
    )


def _first(point: tuple[int, float | None]) -> int:
    return point[0]


def _points(folded: Folded) -> list[tuple[int, float | None]]:
    return [(milliseconds(ns), float(value)) for ns, value in folded.points]
