"""What a view of a campaign is made of, beside its symbols: lines that fit a width, with no number cut."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

import attrs

from trioarb.config.schema import Config
from trioarb.model.trade import Phase
from trioarb.report.equity import PARTS
from trioarb.report.figures import duration, signed_usd, usd, worth
from trioarb.report.line import Line, bar, chart, fitted, heading, joined, sparkline
from trioarb.report.live_look import KEYS, Act, Look
from trioarb.report.live_past import Past
from trioarb.state.snapshot import HeadRoom, Snapshot, SymbolSnapshot, VenueHealth
from trioarb.time.campaign_time import SECOND_NS, seconds_to_ns

__all__ = ["Panels"]

_PHASES = {Phase.STARTING: "cyan", Phase.RUNNING: "green", Phase.DRAINING: "yellow", Phase.CLOSED: "dim"}
_HEALTHS = {"HEALTHY": "green", "DEGRADED": "yellow", "DOWN": "red", "FROZEN": "red"}
_BAR, _MOST_BAR, _SPARK = 10, 24, 60
#: From which share of a limit on its bar warns, and alarms.
_WARNS, _ALARMS = 0.6, 0.85
_LEVEL, _AT = re.compile(r"^(\S+) (?:debug|info|warning|error) +"), re.compile(r" at=[0-9.]+s")
_FUNNEL: Sequence[tuple[str, Callable[[SymbolSnapshot], int]]] = (
    ("seen", lambda one: one.seen),
    ("evaluated", lambda one: one.iterations),
    ("fresh", lambda one: one.fresh),
    ("edge > 0", lambda one: one.edge_positive),
    ("over threshold", lambda one: one.over_threshold),
    ("sized", lambda one: one.sized),
    ("allowed", lambda one: one.allowed),
    ("sent", lambda one: one.sent),
    ("opened", lambda one: one.opened),
    ("closed", lambda one: one.closed),
)


@attrs.frozen(kw_only=True)
class Panels:
    """Of one snapshot. ``held_seconds``: how long the campaign has not answered; 0 if it does."""

    config: Config
    snapshot: Snapshot
    look: Look
    past: Past
    log: Sequence[tuple[str, str]]
    notice: str = ""
    held_seconds: float = 0

    def title(self, width: int) -> Line:
        """Return phase, time, and what is in the way."""
        snapshot, session = self.snapshot, self.config.session
        elapsed = snapshot.elapsed_ns / SECOND_NS
        parts = [Line(snapshot.phase.value, f"bold {_PHASES[snapshot.phase]}")]
        if self.held_seconds:
            parts.append(Line(f"nothing new for {duration(self.held_seconds)}", "bold red"))
        if snapshot.paused is not None:
            parts.append(Line("PAUSED", "bold yellow"))
        if snapshot.ended_by is not None:
            parts.append(Line(f"ended by {snapshot.ended_by.value.replace('_', ' ')}", "bold"))
        if snapshot.phase is Phase.RUNNING and session.max_runtime_seconds is not None:
            parts.append(Line(f"{duration(float(session.max_runtime_seconds) - elapsed)} left", "bold"))
        parts.append(Line(f"{duration(elapsed)} elapsed", "bold"))
        if session.max_iterations is not None:
            least = min((one.iterations for one in snapshot.symbols), default=0)
            parts.append(Line(f"iteration {least:,} of {session.max_iterations:,}"))
        parts += [Line(text, "yellow") for text in self._open()]
        if snapshot.paused is not None:
            parts.append(Line(f"paused {snapshot.paused}", "yellow"))
        return joined(parts, width)

    def _open(self) -> Iterable[str]:
        snapshot = self.snapshot
        for count, one, many in (
            (snapshot.residuals, "residual", "residuals"),
            (snapshot.pairs_in_flight, "pair in flight", "pairs in flight"),
        ):
            if count:
                yield f"{count} {one if count == 1 else many}"

    def money(self, width: int) -> list[Line]:
        """Return equity with its course, and what it is made of."""
        snapshot, figures = self.snapshot, self.snapshot.equity
        head = Line("equity change ", "bold").add(signed_usd(figures.change)).add(" USD")
        room = min(width - head.width - 2, _SPARK)
        spark = sparkline(self.past.sampled(room), room) if room >= _BAR else ""
        if len(spark) > 1:
            head.add("  ").add(spark, "green" if figures.change >= 0 else "red")
            span = f" {duration(self.past.span_ns / SECOND_NS)}"
            head.add(span if head.width + len(span) <= width else "", "dim")
        positions = sum(len(one.positions) for one in snapshot.symbols)
        parts = [
            _told("realised", signed_usd(snapshot.pnl_usd)),
            _told("open", worth(snapshot.unrealised_usd)).add(
                f" ({positions:,} position{'s' if positions != 1 else ''})"
            ),
            _told("fees", usd(snapshot.fees_usd)),
        ]
        made_of = [
            _told(name, signed_usd(amount)) for part, name in PARTS.items() if (amount := getattr(figures, part))
        ]
        return [head.cut(width), joined(parts, width), *([joined(made_of, width)] if made_of else [])]

    def course(self, width: int, rows: int) -> list[Line]:
        """Return how equity went while it was watched, as a chart between its lowest and its highest."""
        points = self.past.sampled(width)
        if len(points) < 2 or rows < 2:
            return []
        style = "green" if points[-1] >= points[0] else "red"
        return [Line(row, style) for row in chart(points, width, rows)]

    def limits(self, width: int) -> list[Line]:
        """Return how much of each limit is used, side by side as far as there is room."""
        rooms = self.snapshot.head_room
        lead = max((len(one.name) for one in rooms), default=0)
        figures = [_figures(one) for one in rooms]
        told = max(map(len, figures), default=0)
        cell = lead + told + 2
        room = max(0, min(width - cell - 6, _MOST_BAR))
        rows = []
        for one, text in zip(rooms, figures, strict=True):
            line = Line(one.name, "dim").pad(lead + 1).add(Line(text).pad(told + 1, left=False))
            if one.limit and room >= 4:
                share = float(one.used / one.limit)
                style = "red" if share >= _ALARMS else "yellow" if share >= _WARNS else "green"
                line.add(" ").add(bar(share, room, style)).add(f"{min(share, 9.99):5.0%}", style)
            rows.append(line.cut(width))
        return rows

    def limits_in_short(self, width: int) -> list[Line]:
        """Return the same on as few lines as they take."""
        parts = []
        for one in self.snapshot.head_room:
            line = Line(f"{one.name} ", "dim").add(_figures(one))
            if one.limit:
                share = float(one.used / one.limit)
                style = "red" if share >= _ALARMS else "yellow" if share >= _WARNS else "green"
                line.add(" ").add(bar(share, _BAR // 2, style))
            parts.append(line)
        return fitted(parts, width)

    def venues(self, width: int) -> list[Line]:
        """Return each venue's health, and how old its newest quote is."""
        return fitted([self._venue(name, silent_ns) for name, silent_ns in self.snapshot.silent_ns.items()], width)

    def venues_in_rows(self, width: int) -> list[Line]:
        """Return a line of each venue, with what is the matter."""
        names = max(map(len, self.snapshot.silent_ns), default=0)
        rows = []
        for name, silent_ns in self.snapshot.silent_ns.items():
            line = self._venue(name.ljust(names), silent_ns, name)
            told = self.snapshot.health.get(name)
            if told is not None and told.reason:
                line.add("  ").add(told.reason, "dim")
            rows.append(line.cut(width))
        return rows

    def _venue(self, shown: str, silent_ns: int, name: str = "") -> Line:
        told = self.snapshot.health.get(name or shown, VenueHealth(health="", reason=""))
        line = Line(shown, "bold")
        if told.health:
            line.add(f" {told.health}", _HEALTHS.get(told.health, ""))
        if self.snapshot.phase is not Phase.RUNNING:
            return line  # quotes have not begun, or come no more
        stale = silent_ns >= seconds_to_ns(self.config.engine.market_stale_seconds)
        age = duration(silent_ns / SECOND_NS)
        return line.add(f" no quotes for {age}" if stale else f" quote {age} old", "red" if stale else "dim")

    def funnel(self, width: int) -> list[Line]:
        """Return where quotes of all symbols went, one step after the other."""
        steps = [Line(f"{name} ", "dim").add(f"{number:,}") for name, number in self._steps()]
        return fitted(steps, width, " → ")

    def funnel_in_rows(self, width: int) -> list[Line]:
        """Return a line of each step, with its share of the step before."""
        steps = self._steps()
        lead = max(len(name) for name, _ in steps)
        told = max(len(f"{number:,}") for _, number in steps)
        rows, before = [], 0
        for name, number in steps:
            line = Line(name, "dim").pad(lead + 1).add(Line(f"{number:,}").pad(told, left=False))
            room = min(width - line.width - 8, _MOST_BAR)
            if before and room >= 4:
                share = min(1.0, number / before)
                line.add(" ").add(bar(share, room, "blue")).add(f"{share:5.0%}", "dim")
            rows.append(line.cut(width))
            before = number
        return rows

    def _steps(self) -> list[tuple[str, int]]:
        return [(name, sum(map(of, self.snapshot.symbols))) for name, of in _FUNNEL]

    def denials(self, width: int) -> list[Line]:
        """Return what is in the way of all entries."""
        return [Line("no entries: ", "yellow").add(text).cut(width) for text in self.snapshot.holds]

    def events(self, width: int, count: int) -> list[Line]:
        """Return the last lines of the log, the newest one below."""
        lines = self.log[-count:] if count > 0 else []
        return [_cut_at_word(_event(text), style, width) for text, style in lines]

    def page(self, width: int, height: int) -> list[Line]:
        """Return what is looked at instead of the campaign, as much of it as there is room for."""
        lines = self.look.turned(max(0, height - 1))
        first, count = self.look.first, len(self.look.page)
        where = f"lines {first + 1}-{first + len(lines)} of {count}" if len(lines) < count else "any key leaves it"
        return [heading(where, width), *(Line(line).cut(width) for line in lines)]

    def foot(self, width: int) -> Line:
        """Return what keys do, what was asked, or what was answered."""
        look = self.look
        if look.is_asking:
            question = "close everything at once and end the campaign?  y: yes, any other key: no"
            return _cut_at_word(question, "bold white on red", width)
        if look.is_filtering:
            typed = Line("filter: ", "bold").add(look.filter, "bold").add("▏", "bold")
            return joined([typed, Line("Enter keeps it, Esc drops it", "dim")], width, "   ")
        if look.page:
            return joined(
                [Line("↑ ↓", "bold").add(" scroll", "dim"), Line("any other key leaves it", "dim")], width, "  "
            )
        if self.notice:
            return _cut_at_word(self.notice, "bold", width)
        if not look.has_keys:
            return joined([Line("Ctrl-C ends the campaign, once more hurries", "dim")], width)
        return joined(list(self._keys()), width, "  ")

    def _keys(self) -> Iterable[Line]:
        look, acts = self.look, self.look.acts
        hints = (
            ("q", "end", Act.END in acts),
            ("k", "kill", Act.KILL in acts),
            ("p", "resume" if self.snapshot.paused is not None else "pause", Act.PAUSE in acts),
            ("w", "why", Act.WHY in acts),
            ("s", f"sort: {look.sort.value}", True),
            ("f", f"filter: {look.filter}" if look.filter else "filter", True),
            ("?", "help", True),
        )
        for key, word, is_offered in hints:
            if is_offered:
                yield Line(key, "bold").add(f" {word}", "dim")

    def help(self, width: int) -> list[Line]:
        """Return the keys, and what each does here."""
        offered = {"q": Act.END, "k": Act.KILL, "p": Act.PAUSE}
        rows = []
        for key, _word, what in KEYS:
            act = offered.get(key)
            if act is not None and act not in self.look.acts:
                what = "not in virtual time, nor where a recorded run is gone through again; Ctrl-C ends it"
            rows.append(_cut_at_word(f"{key:<8} {what}", "", width))
        said = "What q, k and p tell the campaign is in its journal, with who it was (docs/terminal.md)."
        return [*rows, Line(), _cut_at_word(said, "dim", width)]


def _event(line: str) -> str:
    """Return a line of the log without what the view says already: its level is a colour, its time above."""
    return _AT.sub("", _LEVEL.sub(r"\1 ", line, count=1), count=1)


def _told(name: str, amount: object) -> Line:
    return Line(f"{name} ", "dim").add(amount)  # type: ignore[arg-type]  # a text, styled or not


def _figures(one: HeadRoom) -> str:
    used = _short(one.used)
    return f"{used} USD" if one.limit is None else f"{used} of {_short(one.limit)} USD"


def _short(amount: Decimal) -> str:
    return f"{amount:,.0f}" if abs(amount) >= 100 or amount == int(amount) else f"{amount:,.2f}"


def _cut_at_word(text: str, style: str, width: int) -> Line:
    """Return a text that ends between two words where it is too long: half a number is another number."""
    line = Line(text, style)
    if line.width <= width:
        return line
    shorter = line.cut(width).plain.removesuffix("…")
    kept = shorter.rsplit(" ", 1)[0] if " " in shorter.strip() and not text.startswith(f"{shorter} ") else shorter
    return Line(f"{kept} …", style).cut(width)
