"""A whole frame: which panels stand where, by the room there is."""

from __future__ import annotations

from trioarb.report.line import GAP, Line, beside, heading
from trioarb.report.live_panels import Panels
from trioarb.report.live_table import LEAST_ROWS, table

__all__ = ["frame"]

#: From so many columns and lines on there is a column beside the symbols, or blocks beside each other above them.
_WIDE, _SIDE = 150, 56
_HIGH, _HIGHEST, _CHART = 30, 40, 6
#: Less than that is not worth a heading.
_LEAST_EVENTS, _MOST_EVENTS = 2, 12
#: From so many lines on the last events are there.
_WITH_EVENTS = 16


def frame(panels: Panels, width: int, height: int) -> list[Line]:
    """Return at most ``height`` lines, none of them wider than ``width``; title, symbols and keys whatever the room."""
    if width < 1 or height < 1:
        return []
    title, foot = panels.title(width), panels.foot(width)
    room = height - 2
    if panels.look.is_helping:
        body = [heading("keys", width), *panels.help(width)]
    elif panels.look.page:
        body = panels.page(width, room)
    elif width >= _WIDE and height >= _HIGH:
        body = _wide(panels, width, room)
    else:
        body = _stacked(panels, width, room)
    body = body[: max(0, room)]
    body += [Line()] * (room - len(body))
    return [line.cut(width) for line in ([title, *body, foot] if height > 1 else [title])]


def _stacked(panels: Panels, width: int, height: int) -> list[Line]:
    """Return one below the other: what came of it, limits, venues, symbols, events; the less room, the less of it."""
    above = [*panels.money(width)[: 1 if height < _WITH_EVENTS else 2], *panels.limits_in_short(width)]
    above += [*panels.venues(width), *panels.denials(width)]
    if height >= _HIGH:
        above += panels.funnel(width)
    above = above[: max(1, height - LEAST_ROWS - max(0, height // 2 - 1))] if height > LEAST_ROWS else []
    return above + _with_events(panels, width, height - len(above))


def _wide(panels: Panels, width: int, height: int) -> list[Line]:
    """Return the symbols with money above and events below, and beside them limits, venues and the funnel."""
    left, side = width - _SIDE - GAP, _SIDE
    main = panels.money(left)
    if height >= _HIGHEST:
        main += panels.course(left, _CHART)
    main += _with_events(panels, left, height - len(main))
    column = [heading("limits", side), *panels.limits(side), Line(), heading("venues", side)]
    column += [*panels.venues_in_rows(side), *panels.denials(side), Line(), heading("funnel", side)]
    column += panels.funnel_in_rows(side)
    return beside(main, column[:height], left)


def _with_events(panels: Panels, width: int, height: int) -> list[Line]:
    """Return the symbols, and below them as many events as the room allows that they leave."""
    wanted = panels.look.count(panels.snapshot.symbols) + LEAST_ROWS - 1
    events = 0
    if height >= _WITH_EVENTS - 4:
        events = max(_LEAST_EVENTS, height // 4, height - wanted - 1)
        events = min(events, height - LEAST_ROWS - 1, max(_MOST_EVENTS, height - wanted - 1))
    symbols = table(panels.snapshot, panels.look, width, height - (events + 1 if events else 0))
    if not events:
        return symbols
    return [*symbols, heading("last events", width), *panels.events(width, events)]
