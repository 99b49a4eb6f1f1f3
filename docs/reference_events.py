"""The reference of events: every type with its fields, how JSON has them, and what they say."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
from event_fields import FIELDS

from trioarb.model.event import Look, TransactionLeg
from trioarb.model.market import Level
from trioarb.model.wire import event_types

__all__ = ["events_page", "fields_page", "undocumented"]

_BEGINNING = """\
# Events

Every line of a [journal](../journal.md) but the first is one of these, and so is every line that `--events` and
`trioarb events` write: a JSON object with `seq` (1, 2, 3 …), `ts_ns` (campaign time, Unix nanoseconds), `type`, and the
fields below. A journal adds `end` and `hash`. [Output](../output.md#events) tells of them in the order of a campaign.

Quantities are in base asset, prices in quote asset per base, amounts in the asset or unit that the name says; `_usd`,
`_bps`, `_ns` and `_seconds` are units. A decimal is a string (`"0.042"`), exact, in plain digits. A field that may be
absent is left out then.

"""

#: What stands in a field as an object of its own.
_PARTS = {TransactionLeg: "leg", Look: "look"}
_JSON = {str: "string", int: "integer", float: "number", bool: "true or false", Decimal: "decimal"}


def events_page() -> str:
    """Return the page of all events."""
    return _BEGINNING + fields_page({**event_types(), **{name: cls for cls, name in _PARTS.items()}})


def fields_page(classes: Mapping[str, type[msgspec.Struct]], said: Mapping[str, str] = FIELDS) -> str:
    """Return a section for each class: what it is, and a table of its fields."""
    return "\n".join(line for name in sorted(classes) for line in _section(name, classes[name], said))


def undocumented(classes: Mapping[str, type[msgspec.Struct]], said: Mapping[str, str] = FIELDS) -> list[str]:
    """Return the classes without a docstring, and their fields (``type.field``) of which nothing is said."""
    silent = [name for name, cls in classes.items() if not _says(cls)]
    return silent + [
        f"{name}.{field}"
        for name, cls in classes.items()
        for field in cls.__struct_fields__
        if not _said(name, field, said)
    ]


def _section(name: str, cls: type[msgspec.Struct], said: Mapping[str, str]) -> Iterator[str]:
    title = f"`{name}`" if cls not in _PARTS else f"A {name}"
    yield f"## {title}\n\n{_says(cls)}\n"
    if not cls.__struct_fields__:
        yield "It has no fields.\n"
        return
    yield "| field | type | may be absent | what it says |\n|---|---|---|---|"
    hints = get_type_hints(cls)
    for field in msgspec.structs.fields(cls):
        optional = NoneType in get_args(hints[field.name]) or (cls in _PARTS and not field.required)
        cells = f"`{field.name}`", _type(hints[field.name]), "yes" if optional else "", _said(name, field.name, said)
        yield f"| {' | '.join(cells)} |"
    yield ""


def _says(cls: type[msgspec.Struct]) -> str:
    """Return the first sentence of a class's own docstring; its fields have their lines in the table."""
    sentence = re.split(r"(?<=\.)\s", inspect.cleandoc(cls.__dict__.get("__doc__") or ""), maxsplit=1)[0]
    named = {one.__name__: name for name, one in event_types().items()}
    plain = re.sub(r"`(\w+)`", lambda match: f"`{named.get(match[1], match[1])}`", sentence.replace("``", "`"))
    return " ".join(plain.split())


def _said(name: str, field: str, said: Mapping[str, str]) -> str:
    return said.get(f"{name}.{field}", said.get(field, ""))


def _type(hint: Any) -> str:
    """Return how JSON has a value of a type."""
    if isinstance(hint, UnionType):
        return " or ".join(_type(one) for one in get_args(hint) if one is not NoneType)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _choice(one.value for one in hint)
    if hint is Level:
        return "\\[price, size\\], decimals"
    if hint in _PARTS:
        return f"[{_PARTS[hint]}](#a-{_PARTS[hint]})"
    if get_origin(hint) is tuple:
        return f"list of {_type(get_args(hint)[0])}"
    if isinstance(get_origin(hint), type):
        return f"object of {_type(get_args(hint)[1])}"
    return _JSON[hint]


def _choice(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)
