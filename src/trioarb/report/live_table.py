"""The symbols of a campaign that runs, as many columns and rows as there is room for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

import attrs
from rich.text import Text

from trioarb.model.trade import Position
from trioarb.report.columns import Column, chosen
from trioarb.report.figures import bps, count, duration, number_of, signed_usd, usd, worth
from trioarb.report.line import GAP, Line, heading
from trioarb.report.live_look import Look, Sort
from trioarb.state.snapshot import Snapshot, SymbolSnapshot
from trioarb.time.campaign_time import SECOND_NS

__all__ = ["LEAST_ROWS", "table"]

#: Heading, names of columns and total.
_OTHER_LINES = 3
LEAST_ROWS = _OTHER_LINES + 1


@attrs.frozen
class _Cells:
    """A column in the making."""

    header: str
    rank: int
    cell: Callable[[SymbolSnapshot], str | Text]
    footer: str | Text = ""
    least: int = 0
    left: bool = False


def table(snapshot: Snapshot, look: Look, width: int, height: int) -> list[Line]:
    """Return the symbols that are looked at, in at most ``height`` lines."""
    rows = max(1, height - _OTHER_LINES)
    shown = look.chosen(snapshot.symbols, rows)
    columns = chosen([_column(cells, shown) for cells in _columns(snapshot)], width, gap=GAP)
    places = [(column.width, column.left) for column in columns]
    lines = [heading(_title(snapshot, look, len(shown)), width), _row([one.header for one in columns], places, "dim")]
    lines += [_row(cells, places) for cells in zip(*(one.cells for one in columns), strict=True)]
    lines.append(_row([one.footer for one in columns], places, "bold"))
    return [line.cut(width) for line in lines[: max(height, 0)]]


def _title(snapshot: Snapshot, look: Look, shown: int) -> str:
    found = look.count(snapshot.symbols)
    title = "symbols" if shown == found else f"symbols {look.first + 1:,}-{look.first + shown:,} of {found:,}"
    if look.filter:
        title += f" with {look.filter!r}"
    if look.sort is not Sort.OPEN:
        title += f" by {look.sort.value}"
    return title


def _row(cells: Sequence[str | Text], places: Sequence[tuple[int, bool]], style: str = "") -> Line:
    """Return cells in columns of these widths, of which some begin at the left."""
    line = Line()
    for number, (cell, (width, left)) in enumerate(zip(cells, places, strict=True)):
        if number:
            line.add(" " * GAP)
        line.add(Line(cell, style).pad(width, left=left))
    return line


def _column(cells: _Cells, shown: Sequence[SymbolSnapshot]) -> Column:
    return Column(
        header=cells.header,
        cells=[cells.cell(one) for one in shown],
        footer=cells.footer,
        rank=cells.rank,
        least=cells.least,
        left=cells.left,
    )


def _columns(snapshot: Snapshot) -> list[_Cells]:
    everything = snapshot.symbols

    def counted(header: str, rank: int, of: Callable[[SymbolSnapshot], int], least: int = 0) -> _Cells:
        return _Cells(header, rank, lambda one: count(of(one)), number_of(sum(map(of, everything))), least)

    return [
        _Cells("symbol", 0, _name, "total", 0, left=True),
        _Cells("edge bps", 1, lambda one: bps(one.edge_bps), least=8),
        _Cells("highest", 8, lambda one: bps(one.highest_edge_bps), least=7),
        _Cells("quotes", 9, _age, least=9),
        _Cells("position", 0, lambda one: _position(one.positions), f"{_open(everything)} open", least=14, left=True),
        _Cells("PnL USD", 2, lambda one: signed_usd(one.pnl_usd) if one.sent else "-", signed_usd(snapshot.pnl_usd), 9),
        _Cells(
            "open USD",
            6,
            lambda one: worth(one.unrealised_usd) if one.positions else "-",
            worth(snapshot.unrealised_usd),
            9,
        ),
        _Cells("fees USD", 10, lambda one: usd(one.fees_usd) if one.sent else "-", usd(snapshot.fees_usd), 8),
        counted("seen", 14, lambda one: one.seen, 7),
        counted("fresh", 13, lambda one: one.fresh, 7),
        counted("edge > 0", 12, lambda one: one.edge_positive),
        counted("over", 7, lambda one: one.over_threshold),
        counted("sized", 11, lambda one: one.sized),
        counted("denied", 4, lambda one: one.denied),
        counted("opened", 3, lambda one: one.opened),
        counted("closed", 5, lambda one: one.closed),
    ]


def _open(symbols: Sequence[SymbolSnapshot]) -> int:
    return sum(len(one.positions) for one in symbols)


def _name(one: SymbolSnapshot) -> Text:
    if one.retired:
        return Text(f"{one.symbol} retired", style="red")
    return Text(one.symbol, style="yellow" if one.quarantines else "bold" if one.positions else "")


def _age(one: SymbolSnapshot) -> str:
    return "none" if one.quote_age_ns is None else duration(one.quote_age_ns / SECOND_NS)


def _position(positions: Sequence[Position]) -> str:
    """Return ``0.0077 a → b``: bought at a, sold at b."""
    if not positions:
        return "-"
    first = positions[0]
    more = f" +{len(positions) - 1}" if len(positions) > 1 else ""
    return f"{_short(first.quantity)} {first.route.buy_venue} → {first.route.sell_venue}{more}"


def _short(quantity: Decimal) -> str:
    return f"{float(quantity):.6g}"
