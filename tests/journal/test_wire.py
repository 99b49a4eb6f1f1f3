"""Every event is written as a line, and read again as it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import pytest
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from trioarb.model.event import InstrumentListed, KillSwitchPulled, Look, OrderCancelled, Record, TransactionLeg
from trioarb.model.market import Level
from trioarb.model.wire import decode, encode, event_types, to_json_object

DECIMALS = st.decimals(allow_nan=False, allow_infinity=False) | st.decimals(-10, 10, places=8)
#: Also what is no valid Unicode, such as a file name that is not UTF-8.
TEXTS = st.text(st.characters(exclude_categories=()) | st.sampled_from('"\\\n\x1b[]\udc80'), max_size=9)


def values(hint: Any) -> st.SearchStrategy[Any]:
    if isinstance(hint, UnionType):
        return st.one_of([st.none() if one is type(None) else values(one) for one in get_args(hint)])
    if get_origin(hint) is tuple:
        return st.lists(values(get_args(hint)[0]), max_size=3).map(tuple)
    if get_origin(hint) is Mapping:
        return st.dictionaries(values(str), values(get_args(hint)[1]), max_size=3)
    if issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    of_kinds: dict[Any, st.SearchStrategy[Any]] = {
        str: TEXTS,
        int: st.integers(-(2**63), 2**63 - 1),
        float: st.floats(allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
        Decimal: DECIMALS,
        Level: st.builds(Level, DECIMALS, DECIMALS),
    }
    if hint in (TransactionLeg, Look):
        return events_of(hint)
    return of_kinds[hint]


def events_of(kind: type[Struct]) -> st.SearchStrategy[Struct]:
    hints = get_type_hints(kind)
    return st.builds(kind, **{name: values(hints[name]) for name in kind.__struct_fields__})


def whole(text: Any) -> Any:
    """Return text as JSON knows it: two halves of one character that stand together are that character."""
    match text:
        case str():
            return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        case Level():
            return text
        case TransactionLeg():
            return msgspec.structs.replace(text, venue=whole(text.venue), symbol=whole(text.symbol))
        case tuple():
            return tuple(map(whole, text))
        case dict():
            return {whole(key): whole(value) for key, value in text.items()}
        case _:
            return text


@pytest.mark.parametrize("name", event_types())
@settings(max_examples=examples(100, 25))
@given(data=st.data())
def test_an_event_is_read_as_it_was_written(name: str, data: st.DataObject) -> None:
    event = data.draw(events_of(event_types()[name]))
    record = Record(data.draw(st.integers(1, 2**53)), data.draw(st.integers(0, 2**62)), event)
    line = encode(record) + b"}"

    expected = msgspec.structs.replace(event, **{name: whole(getattr(event, name)) for name in event.__struct_fields__})
    assert decode(line) == record._replace(event=expected)
    assert decode(line[:-1] + b',"end":true,"hash":"0"}') == decode(line)
    assert b"\n" not in line
    assert encode(decode(line)) + b"}" == line
    row = to_json_object(record)
    assert list(row)[:3] == ["seq", "ts_ns", "type"]
    assert row["type"] == name
    assert None not in row.values()
    hints = get_type_hints(type(event))
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if isinstance(value, Decimal):
            assert isinstance(row[name], str)
            assert Decimal(row[name]) == value
            assert "E" not in row[name]
        assert (name in row) == (value is not None), hints[name]


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b"what?",
        b'{"seq":1,"ts_ns":1,"type":"no_such_event"}',
        b'{"seq":1,"ts_ns":1,"type":"kill_switch_pulled"}',
        b'{"seq":1,"ts_ns":1,"type":"kill_switch_pulled","source":5}',
        b'{"seq":1,"ts_ns":1,"type":"no_such_event","source":"\\udc80"}',
        b'{"seq":1,"ts_ns":1,"source":"\\udc80"}',
    ],
)
def test_what_is_no_event_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode(line)


def test_text_that_is_no_unicode_is_escaped_as_json_does() -> None:
    line = encode(Record(1, 2, KillSwitchPulled(source="/h\udce9/π"))) + b"}"

    assert line == b'{"seq":1,"ts_ns":2,"type":"kill_switch_pulled","source":"/h\\udce9/' + "π".encode() + b'"}'
    assert json.loads(line)["source"] == "/h\udce9/π"


def test_what_older_journals_do_not_say_is_absent() -> None:
    listed = {"symbol": "BTCUSDT", "venue": "a", "native_id": "BTCUSDT", "base": "BTC", "quote": "USDT"}
    records = [
        {"seq": 1, "ts_ns": 1, "type": "instrument_listed", **listed, "taker_fee_bps": "4"},
        {"seq": 2, "ts_ns": 1, "type": "order_cancelled", "client_order_id": "c-1", "unfilled": "1"},
    ]
    first, second = (decode(json.dumps(one).encode()).event for one in records)

    assert isinstance(first, InstrumentListed)
    assert first.maker_fee_bps is None
    assert isinstance(second, OrderCancelled)
    assert not second.reason
