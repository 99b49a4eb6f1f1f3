"""The reference of events."""

from __future__ import annotations

from pathlib import Path

from event_fields import FIELDS
from reference_events import events_page, fields_page, undocumented

from trioarb.model.event import Event, Look, TransactionLeg
from trioarb.model.wire import event_types

CLASSES = {**event_types(), "leg": TransactionLeg, "look": Look}
OUTPUT = Path(__file__).parents[2] / "docs" / "output.md"


class Silent(Event, frozen=True, kw_only=True):
    symbol: str
    depth: int


class Told(Event, frozen=True, kw_only=True):
    """Somebody `Silent` has told. More of it."""

    depth: tuple[str, ...] | None = None


def test_every_event_and_field_is_documented() -> None:
    """Fields: a line in docs/event_fields.py; an event: the first sentence of its docstring."""
    assert undocumented(CLASSES) == []


def test_an_event_or_field_of_which_nothing_is_said_is_named() -> None:
    assert undocumented({"silent": Silent, "told": Told}) == ["silent", "silent.depth", "told.depth"]
    assert undocumented({"told": Told}, {"told.depth": "how deep"}) == []


def test_nothing_is_said_of_fields_that_no_event_has() -> None:
    known = {
        text for name, cls in CLASSES.items() for field in cls.__struct_fields__ for text in (field, f"{name}.{field}")
    }
    assert set(FIELDS) - known == set()


def test_the_page_has_every_field_with_its_type() -> None:
    page = events_page()
    for name, cls in event_types().items():
        section = page.partition(f"## `{name}`\n")[2].partition("\n## ")[0]
        for field in cls.__struct_fields__:
            assert f"\n| `{field}` | " in section
    assert "| `quantity` | decimal | yes |" in page.partition("## `decided`")[2]
    assert "| `side` | `buy`, `sell` |  |" in page.partition("## `order_submitted`")[2]
    assert "| `legs` | list of [leg](#a-leg) |" in page


def test_a_section_says_what_its_event_is() -> None:
    assert fields_page({"told": Told}, {"depth": "how deep"}).splitlines() == [
        "## `told`",
        "",
        "Somebody `Silent` has told.",
        "",
        "| field | type | may be absent | what it says |",
        "|---|---|---|---|",
        "| `depth` | list of string | yes | how deep |",
    ]


def test_every_event_has_its_row_in_the_order_of_a_campaign() -> None:
    rows = [line.split("|")[1] for line in OUTPUT.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    named = {name.strip("` ") for row in rows for name in row.split(",")}
    assert set(event_types()) - named == set()
