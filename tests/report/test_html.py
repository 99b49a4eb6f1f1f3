"""Whatever a journal holds, in a page it is text."""

from __future__ import annotations

from decimal import Decimal
from html.parser import HTMLParser

import attrs
from streams import stream

from trioarb.journal.fold import Folds
from trioarb.model.event import Record
from trioarb.model.wire import decode, encode
from trioarb.report.block import Breakdown, Chapter, Curves, Distributions, Figure, Figures, Listing
from trioarb.report.chapters import chapters_of
from trioarb.report.history import History
from trioarb.report.html.markup import data, element
from trioarb.report.html.page import page_of
from trioarb.report.report import Report
from trioarb.report.series import Distribution, Tally
from trioarb.report.verdict import verdict_of
from trioarb.state.state import State

HOSTILE = (
    "</script></title></style><script>alert(1)</script><img src=x onerror=alert(2)>\"' onload='x'&lt;\u202e\x00\ud800"
)


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.scripts = self.images = 0
        self.handlers: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.images += tag == "img"
        self.handlers += [name for name, _ in attrs if name.startswith("on") or name == "style"]


def is_safe(page: str) -> bool:
    """Whether there are our own three scripts, and nothing that could run besides."""
    tags = Tags(page)
    page.encode("utf-8")
    return (tags.scripts, tags.images, tags.handlers) == (3, 0, []) and "\u202e" not in page and "\x00" not in page


def test_hostile_names_of_everything_are_text() -> None:
    values = Distribution()
    for value in (-1.0, 2.0, 3.0):
        values.add(value)
    blocks = [
        Figures("f", HOSTILE, [Figure(HOSTILE, HOSTILE, HOSTILE), Figure("n", Decimal("NaN"), HOSTILE)]),
        Breakdown("b", HOSTILE, HOSTILE, HOSTILE, {HOSTILE: Tally(1, Decimal(-2))}),
        Curves("c", HOSTILE, HOSTILE, {HOSTILE: [(1, Decimal(1)), (2, Decimal(2))]}),
        Distributions("d", HOSTILE, HOSTILE, {HOSTILE: values}),
        Listing("l", HOSTILE, [HOSTILE], [[HOSTILE]]),
    ]
    chapter = Chapter("verdict", HOSTILE, blocks, [HOSTILE])
    assert is_safe(page_of([HOSTILE], [[chapter]]))
    assert is_safe(page_of([HOSTILE, "other"], [[chapter], []]))
    assert is_safe(page_of([HOSTILE, "other"], [[chapter], [attrs.evolve(chapter, title="t")]]))


def test_hostile_texts_in_a_journal_are_text(ran: Report) -> None:
    history = History()
    state = State(on_over=history.end_trade)
    folds = Folds([*state.projections, history])
    symbol, reason = "B<script>alert(1)</script>", "<img src=x onerror=alert(1)>"
    last: Record | None = None
    for record in stream("residual"):
        line = encode(record) + b"}"
        line = line.replace(b'"BTCUSDT"', f'"{symbol}"'.encode())
        line = line.replace(b'"reason":"', f'"reason":"{reason}'.encode()) if b'"order_rejected"' in line else line
        last = decode(line)
        folds.apply(last)
    assert last is not None
    report = Report(
        config=ran.report.config, state=state, at_ns=last.ts_ns, journaled={"<b>": {"<script>": "</script>"}}
    )
    page = page_of(["journal"], [chapters_of(report, history, verdict_of(report))])
    assert is_safe(page)
    assert "B&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_data_for_scripts_can_not_end_its_element() -> None:
    assert "</script><" not in data("x", {"a": HOSTILE})
    assert element("p", "<b>", title='"').startswith('<p title="&quot;">&lt;b&gt;')


def test_ten_thousand_symbols_stay_within_a_megabyte() -> None:
    parts = {f"SYMBOL{number}": Tally(1, Decimal(number - 5_000)) for number in range(10_000)}
    history = History()
    history.unassigned.update(parts)
    for number in range(10_000):
        history.by_route[f"SYMBOL{number}", "a", "b"].add(Decimal(number))
    from trioarb.report.chapters import _pnl

    page = page_of(["journal"], [[_pnl(history)]])
    assert len(page.encode()) < 1_000_000
    assert "others" in page
