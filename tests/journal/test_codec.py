"""What is stored of an event is the event, to the last digit."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trioarb.journal.codec import decode, encode
from trioarb.model import event as events
from trioarb.model.event import Event, FunnelCounted, KillSwitchPulled, Record, SymbolRetired
from trioarb.model.wire import event_type, to_json_object

CLASSES = [
    value
    for value in (getattr(events, name) for name in events.__all__)
    if issubclass(value, Event) and value is not Event
]

TEXT = st.text(st.characters(exclude_categories=())) | st.sampled_from(["", "\0", "\\udcff", "ß\U0001f600", "\ud83d"])
NUMBERS = st.integers(-(2**63), 2**63 - 1)
DECIMALS = (
    st.decimals(allow_nan=False, allow_infinity=False)
    | st.decimals(allow_nan=False, allow_infinity=False, places=18)
    | st.builds(
        lambda sign, digits, exponent: Decimal((sign, tuple(digits), exponent)),
        st.integers(0, 1),
        st.lists(st.integers(0, 9), max_size=120),
        st.integers(-200, 200),
    )
    | st.sampled_from([Decimal(odd) for odd in ("1E+3", "0E-8", "-0", "-0E+5", "1.10", "100", "1E-500", "9" * 100)])
)


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for the values of a field of that type."""
    arguments = typing.get_args(hint)
    match typing.get_origin(hint) or hint:
        case types.UnionType:
            return st.one_of(*map(values, arguments))
        case types.NoneType:
            return st.none()
        case cls if cls is tuple:
            return st.lists(values(arguments[0]), max_size=4).map(tuple)
        case cls if cls is Mapping:
            return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=4)
        case cls if cls is bool:
            return st.booleans()
        case cls if cls is int:
            return NUMBERS
        case cls if cls is str:
            return TEXT
        case cls if cls is Decimal:
            return DECIMALS
        case cls if issubclass(cls, Enum):
            return st.sampled_from(list(cls))
    raise AssertionError(f"no strategy for {hint}")


def instances(cls: type[Event]) -> st.SearchStrategy[Event]:
    hints = typing.get_type_hints(cls)
    return st.builds(cls, **{field.name: values(hints[field.name]) for field in attrs.fields(cls)})


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
@settings(deadline=None)
@given(data=st.data())
def test_every_event_comes_back_exactly(cls: type[Event], data: st.DataObject) -> None:
    event = data.draw(instances(cls))

    name, body = encode(event)
    decoded = decode(name, body)

    assert name == event_type(cls)
    assert type(decoded) is cls
    assert repr(decoded) == repr(event)  # of two equal decimals, 1E+3 and 1000, it tells which one it is
    assert to_json_object(Record(1, 1, decoded)) == to_json_object(Record(1, 1, event))


def test_a_mapping_need_not_be_a_dict() -> None:
    values: dict[str, Any] = dict.fromkeys((field.name for field in attrs.fields(FunnelCounted)), 1)
    event = FunnelCounted(**values | {"symbol": "X", "final": True, "not_sized": types.MappingProxyType({"dust": 3})})

    decoded = decode(*encode(event))

    assert isinstance(decoded, FunnelCounted)
    assert decoded.not_sized == {"dust": 3}


def test_an_unknown_type_is_named() -> None:
    with pytest.raises(ValueError, match="'moon_landed'"):
        decode("moon_landed", b"\x80")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x80",
        b"\xc1",
        b"\xc1\x80",
        b"\xc1\xc1\xc1",
        b"\x81\xa6source",
        b"\x81\xa6source\x05",
        b"\x81\xa6source\xa1\xff",
    ],
    ids=repr,
)
def test_a_body_that_is_none_of_the_type_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"^kill_switch_pulled can't be decoded: "):
        decode("kill_switch_pulled", body)


def test_every_shortened_body_is_refused() -> None:
    name, body = encode(KillSwitchPulled(source="somewhere"))
    for length in range(len(body)):
        with pytest.raises(ValueError, match="can't be decoded"):
            decode(name, body[:length])
    with pytest.raises(ValueError, match="can't be decoded"):
        decode(name, body + b"\0")


def test_what_can_not_be_encoded_is_named() -> None:
    with pytest.raises(ValueError, match="symbol_retired can't be encoded"):
        encode(SymbolRetired(symbol="X", failures=2**70))
