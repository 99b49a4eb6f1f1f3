"""The view of a campaign in a terminal: what it tells, and that it fits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import reduce
from typing import Any

import pytest
from rich.cells import cell_len
from viewing import drawn, panels_of

from trioarb.engine import snapshot as snapshot_module
from trioarb.engine.campaign import Campaign
from trioarb.engine.snapshot import snapshot_in_pieces, snapshot_of
from trioarb.model.event import Deposited, MarketsMarked, OrderFilled, PhaseEntered, PositionClosed, Record
from trioarb.model.number import EXACT
from trioarb.report.figures import signed_usd, worth
from trioarb.report.line import Line, bar, chart, sparkline
from trioarb.report.live_frame import frame
from trioarb.report.live_look import Act, Look, Sort
from trioarb.report.live_past import Past
from trioarb.state.equity import EquityFigures
from trioarb.state.snapshot import Snapshot, total_of

SIZES = [(40, 12), (60, 16), (80, 24), (100, 30), (120, 40), (149, 29), (150, 30), (160, 40), (200, 50), (250, 70)]
NUMBER = re.compile(r"[+-]?\d[\d,]*(?:\.\d+)?")
LOG = [
    (f"12:00:{number:02d} info    position opened  at={number}.5s symbol=ETHUSDT quantity=0.14730019 buy=a@3385.94", "")
    for number in range(40)
]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_frame_fits_in_each_phase(run: Callable[..., Any], width: int, height: int) -> None:
    opened: list[Campaign] = []
    frames: dict[str, list[str]] = {}

    def observe(record: Record) -> None:
        if isinstance(record.event, PhaseEntered | PositionClosed):
            key = getattr(record.event, "phase", None)
            frames[key.value if key else "trading"] = drawn(opened[0], width, height, log=LOG)

    def on_open(campaign: Campaign) -> None:
        opened.append(campaign)
        frames["STARTING"] = drawn(campaign, width, height)

    run(on_open=on_open, observer=observe)

    assert set(frames) == {"STARTING", "RUNNING", "trading", "DRAINING", "CLOSED"}
    for phase, lines in frames.items():
        assert lines[0].startswith(phase if phase != "trading" else ("RUNNING", "DRAINING"))
        assert len(lines) == height
        assert max(map(cell_len, lines)) <= width
        assert any(line.startswith("total ") for line in lines)
        assert "q end" in lines[-1]
        if height >= 24:
            seen = [symbol for symbol in opened[0].symbols if any(line.startswith(f"{symbol} ") for line in lines)]
            assert len(seen) >= 8
            assert any("last events" in line for line in lines)
    if width >= 80:
        assert "left" in frames["RUNNING"][0]
        assert "ended by iterations" in frames["CLOSED"][0]


@pytest.mark.parametrize(("width", "height"), [(width, 24) for width in range(40, 200, 7)])
def test_no_number_is_cut(ran: Any, width: int, height: int) -> None:
    """Each number that is shown is one that is shown where there is all the room."""
    whole = {number for line in drawn(ran.campaign, 400, 100, log=LOG) for number in NUMBER.findall(line)}
    whole |= {number for line in drawn(ran.campaign, 400, 20, log=LOG) for number in NUMBER.findall(line)}
    whole |= {"1-8", *(f"{number}" for number in range(40))}
    for line in drawn(ran.campaign, width, height, log=LOG):
        if line.startswith("── symbols"):
            continue  # which of them, is another figure for each height
        assert set(NUMBER.findall(line)) <= whole, line


def test_a_terminal_of_no_size_is_no_error(ran: Any) -> None:
    for width in range(12):
        for height in range(12):
            lines = drawn(ran.campaign, width, height, log=LOG)
            assert len(lines) <= height
            assert all(cell_len(line) <= width for line in lines)


def test_more_room_shows_more(ran: Any) -> None:
    small, large = ("\n".join(drawn(ran.campaign, *size, log=LOG)) for size in ((80, 24), (200, 50)))

    for word in ("edge bps", "position", "PnL USD", "exposure", "loss of the day", "drawdown", "HEALTHY"):
        assert word in small
        assert word in large
    for word in ("fees USD", "sized", "── limits", "── venues", "── funnel", "evaluated"):
        assert word not in small
        assert word in large
    assert large.count("position opened") > small.count("position opened") > 0


def test_it_tells_position_denials_and_pnl(run: Callable[..., Any]) -> None:
    ran = run("session.close_positions_at_end=false", "strategy.exit_bps=50")
    lines = drawn(ran.campaign, 149, 40)
    positions = ran.campaign.parts.trades.positions()

    assert positions
    for position in positions:
        (row,) = (line for line in lines if line.startswith(f"{position.route.symbol} "))
        assert f"{position.route.buy_venue} → {position.route.sell_venue}" in row
    (total,) = (line.split() for line in lines if line.startswith("total "))
    statistics = ran.campaign.state.statistics
    rejected = sum(one.rejected for one in statistics.symbols.values())
    assert str(rejected) in total
    assert f"{len(positions)} open" in " ".join(total)
    unrealised = reduce(EXACT.add, (ran.campaign.state.marks.position_usd(one) for one in positions))
    assert f"open {signed_usd(unrealised)} ({len(positions)} positions)" in "\n".join(lines)


def with_end(pieces: Any) -> Iterator[Any]:
    """Yield `None` for each piece, and last what they come to."""
    yield (yield from pieces)


def test_equity_that_is_taken_in_pieces_while_trades_come_is_that_of_the_end(run: Callable[..., Any]) -> None:
    opened, taking, seen, compared = list[Campaign](), list[Any](), list[Record](), list[bool]()

    def observe(record: Record) -> None:
        equity = opened[0].state.equity
        if isinstance(record.event, MarketsMarked | Deposited):  # other prices than those of the pieces before
            taking.clear()
            return
        if not taking:
            taking.append(with_end(equity.figures_in_pieces(2)))
            seen.clear()
        seen.append(record)
        if (figures := next(taking[0])) is not None:
            assert figures == equity.figures()
            compared.append(any(isinstance(one.event, OrderFilled) for one in seen))
            taking.clear()

    run(on_open=opened.append, observer=observe)
    assert compared.count(True) > 3


def test_a_snapshot_in_pieces_is_the_snapshot(ran: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = snapshot_of(ran.campaign)
    monkeypatch.setattr(snapshot_module, "_SYMBOLS_AT_ONCE", 3)
    monkeypatch.setattr(snapshot_module, "_HOLDINGS_AT_ONCE", 2)
    monkeypatch.setattr(snapshot_module, "_BOARDS_AT_ONCE", 1)
    *pieces, taken = with_end(snapshot_in_pieces(ran.campaign))
    assert taken == whole
    assert len(pieces) > len(ran.campaign.symbols)


def test_it_tells_equity_at_present_prices_with_its_parts(run: Callable[..., Any]) -> None:
    opened: list[Campaign] = []
    shown: list[str] = []
    figures: list[EquityFigures] = []

    def observe(record: Record) -> None:
        if isinstance(record.event, PositionClosed):
            shown.append("\n".join(drawn(opened[0], 200, 50)))
            figures.append(snapshot_of(opened[0]).equity)

    ran = run(on_open=opened.append, observer=observe)

    assert shown
    for text, one in zip(shown, figures, strict=True):
        assert f"equity change {signed_usd(one.change)} USD" in text
        assert f"fees {signed_usd(one.fees)}" in text
        parts = (one.arbitrage, one.inventory, one.fees, one.funding, one.residuals)
        assert reduce(EXACT.add, parts) == EXACT.subtract(one.now, one.start) == one.change
    # What the boards show at the very end is what is recorded then.
    last, recorded = snapshot_of(ran.campaign).equity, ran.campaign.state.equity.figures()
    assert last == recorded


def test_denials_that_are_not_booked_yet_are_counted(run: Callable[..., Any]) -> None:
    """Repeated denials reach the journal only now and then."""
    opened: list[Campaign] = []
    seen: list[tuple[int, int]] = []

    def observe(record: Record) -> None:
        if isinstance(record.event, PhaseEntered) and record.event.phase.value == "DRAINING":
            total = sum(one.denied for one in snapshot_of(opened[0]).symbols)
            booked = sum(one.rejected for one in opened[0].state.statistics.symbols.values())
            seen.append((total, booked))

    ran = run("guards.symbol.max_position_size_usd=1", on_open=opened.append, observer=observe)
    final = sum(one.rejected for one in ran.campaign.state.statistics.symbols.values())

    ((shown, booked),) = seen
    assert shown == final > booked


def test_in_a_small_terminal_symbols_with_positions_come_first(run: Callable[..., Any]) -> None:
    ran = run("session.close_positions_at_end=false", "strategy.exit_bps=50")
    positions = ran.campaign.parts.trades.positions()
    lines = drawn(ran.campaign, 80, 10)

    rows = [line.split()[0] for line in lines if any(line.startswith(f"{symbol} ") for symbol in ran.campaign.symbols)]
    assert 0 < len(rows) < 10
    assert rows[0] in {position.route.symbol for position in positions}
    assert any(f"symbols 1-{len(rows)} of 10" in line for line in lines)


def test_limits_are_shown_with_how_much_of_them_is_used(run: Callable[..., Any]) -> None:
    ran = run(
        "session.close_positions_at_end=false",
        "strategy.exit_bps=50",
        "guards.global.max_total_exposure_usd=1000",
        "guards.global.max_drawdown_usd=50",
    )
    text = "\n".join(drawn(ran.campaign, 200, 50))
    snapshot = snapshot_of(ran.campaign)
    rooms = {one.rule: one for one in snapshot.head_room}

    assert snapshot.exposure_usd > 0
    assert rooms["total_exposure"].used == snapshot.exposure_usd
    assert f"{snapshot.exposure_usd:,.0f} of 1,000 USD" in text
    assert f"{float(snapshot.exposure_usd) / 1000:.0%}" in text
    assert rooms["drawdown"].limit == 50
    assert "of 50 USD" in text
    # What a journal's summary says has no place for a moment.
    assert "head_room" not in str(ran.report.tier_figures)


def test_what_was_asked_of_prices_leaves_no_trace_in_the_campaign(run: Callable[..., Any]) -> None:
    """Also of positions that were just opened: whoever decides by their prices takes them, and nobody before."""
    options = ("session.max_iterations=20", "guards.global.max_drawdown_usd=500")
    plain = run(*options)
    watched: list[Campaign] = []
    marked: list[bool] = []

    def observe(record: Record) -> None:
        marks = watched[0].state.marks
        before = dict(marks.prices), dict(marks._worth), marks._total, dict(marks.rates)
        drawn(watched[0], 200, 50)
        marked.append((marks.prices, marks._worth, marks._total, marks.rates) == before)

    beside = run(*options, on_open=watched.append, observer=observe)

    assert beside.events == plain.events
    assert all(marked)
    assert len(marked) > 50


def test_a_snapshot_does_not_change_with_the_campaign(run: Callable[..., Any]) -> None:
    taken: list[tuple[Snapshot, str]] = []
    opened: list[Campaign] = []

    def observe(record: Record) -> None:
        if record.seq % 50 == 0:
            taken.append((snapshot := snapshot_of(opened[0]), repr(snapshot)))

    run(on_open=opened.append, observer=observe)

    assert len(taken) > 5
    assert all(repr(snapshot) == before for snapshot, before in taken)
    assert taken[0][1] != taken[-1][1]


def press(look: Look, *keys: str) -> list[Act]:
    return [act for key in keys if (act := look.press(key)) is not None]


def test_symbols_are_sorted_and_chosen_by_keys(ran: Any) -> None:
    look = Look()

    def rows() -> list[str]:
        lines = drawn(ran.campaign, 120, 40, look=look)
        return [line.split()[0] for line in lines if line.split() and line.split()[0] in ran.campaign.symbols]

    assert rows() == list(ran.campaign.symbols)
    while look.sort is not Sort.NAME:
        press(look, "s")
    assert rows() == sorted(ran.campaign.symbols)
    press(look, "s", "s")
    edges = {one.symbol: one.edge_bps for one in snapshot_of(ran.campaign).symbols}
    known = [edges[symbol] for symbol in rows() if edges[symbol] is not None]
    assert look.sort is Sort.EDGE
    assert known == sorted(known, reverse=True)

    assert press(look, "f", "e", "t", "q") == []
    press(look, "backspace", "h", "enter")
    assert rows() == ["ETHUSDT"]
    assert "filter: eth" in drawn(ran.campaign, 120, 40, look=look)[-1]
    press(look, "esc")
    assert len(rows()) == 10


def test_more_symbols_than_rows_are_scrolled(ran: Any) -> None:
    look = Look(sort=Sort.NAME)

    def rows() -> list[str]:
        lines = drawn(ran.campaign, 80, 16, look=look)
        return [line.split()[0] for line in lines if line.split() and line.split()[0] in ran.campaign.symbols]

    first, names = rows(), sorted(ran.campaign.symbols)
    assert first == names[: len(first)]
    assert len(first) < 10
    press(look, "down")
    assert rows() == names[1 : 1 + len(first)]
    press(look, "end")
    assert rows() == names[-len(first) :]
    press(look, "down")
    assert rows() == names[-len(first) :]
    press(look, "up")
    assert rows() == names[-len(first) - 1 : -1]
    press(look, "home")
    assert rows() == first


def test_the_kill_switch_asks_first(ran: Any) -> None:
    look = Look()

    assert press(look, "k") == []
    assert "y: yes" in drawn(ran.campaign, 120, 24, look=look)[-1]
    assert press(look, "n", "q") == [Act.END]
    assert press(look, "k", "k", "y") == []
    assert press(look, "k", "y") == [Act.KILL]
    assert press(look, "p") == [Act.PAUSE]


def test_a_page_is_looked_at_instead(ran: Any) -> None:
    look = Look()
    assert press(look, "w") == [Act.WHY]
    look.page = tuple(f"line {number}" for number in range(50))

    lines = drawn(ran.campaign, 80, 24, look=look)
    assert lines[2:4] == ["line 0", "line 1"]
    assert "lines 1-21 of 50" in lines[1]
    press(look, "end", "up")
    assert drawn(ran.campaign, 80, 24, look=look)[-2] == "line 49"
    press(look, "up")
    assert drawn(ran.campaign, 80, 24, look=look)[-2] == "line 48"
    assert press(look, "q") == [], "it only leaves the page"
    assert not any(line.startswith("line ") for line in drawn(ran.campaign, 80, 24, look=look))


def test_what_is_not_offered_does_nothing(ran: Any) -> None:
    look = Look(acts=frozenset({Act.END}))

    assert press(look, "k", "y", "p") == []
    assert press(look, "q") == [Act.END]
    assert not {"pause", "kill"} & {*drawn(ran.campaign, 120, 24, look=look)[-1].split()}
    press(look, "?")
    text = "\n".join(drawn(ran.campaign, 120, 24, look=look))
    assert text.count("not in virtual time") == 2
    assert press(look, "q") == []
    assert "keys" not in drawn(ran.campaign, 120, 24, look=look)[1]


def test_a_campaign_that_gives_no_snapshot_is_said_to_be_held(ran: Any) -> None:
    lines = frame(panels_of(ran.campaign, held_seconds=12.5), 80, 24)
    assert "nothing new for 12.50 s" in lines[0].plain


def test_what_comes_from_outside_is_only_shown() -> None:
    line = Line("a\x1b[31m\nb", "bold").add("größe")
    assert line.plain == "a␛[31m bgröße"
    assert line.width == cell_len(line.plain)
    assert line.cut(4).plain == "a␛[…"
    assert Line("日本語").cut(4).plain == "日 …", "half a character has no place"


def test_bars_and_courses() -> None:
    assert bar(0, 4, "").plain == "····"
    assert bar(0.5, 4, "").plain == "██··"
    assert bar(7, 4, "").plain == "████"
    assert bar(1e-9, 4, "").plain == "▏···"
    values = [Decimal(value) for value in (0, 7, 3, -7)]
    assert sparkline(values, 10) == "▅█▆▁"
    assert sparkline(values, 2) == "█▁"
    assert sparkline([], 2) == ""
    assert chart(values, 10, 2) == ["▁█▄ ", "███▁"]


def test_a_long_course_is_kept_whole_in_little_room() -> None:
    past = Past()
    for second in range(100_000):
        past.see(second * 10**9, Decimal(second))

    assert len(past.points) <= 240
    assert past.span_ns >= 99_000 * 10**9
    assert past.points == sorted(past.points)
    assert past.sampled(30)[-1] == 99_999
    assert len(past.sampled(30)) == 30


def test_what_has_no_mark_is_not_worth_nothing() -> None:
    known, total = Decimal("1.25"), total_of([Decimal("1.25"), Decimal("-0.5")])
    assert total == Decimal("0.75")
    assert total_of([known, None]) is None
    assert (str(worth(None)), str(worth(known))) == ("unknown", "+1.2500")
