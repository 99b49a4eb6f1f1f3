"""The keys of a settings class, as documentation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import attrs

from trioarb.settings.key import join_key
from trioarb.settings.types import describe_type

__all__ = ["KeyDoc", "key_docs", "toml_literal"]


@attrs.frozen(kw_only=True)
class KeyDoc:
    """One key. ``default`` as TOML writes it; '' if the key is required, or absent unless given."""

    name: str
    type: str
    default: str
    required: bool
    doc: str


def key_docs(cls: type[Any], prefix: str = "") -> Iterator[KeyDoc]:
    """Yield the keys of the attrs class ``cls``; those of nested classes as ``table.key``, ``table.NAME.key``."""
    hints = get_type_hints(cls, include_extras=True)
    for field in attrs.fields(cls):
        annotation = hints[field.name]
        default = _default(field.default)
        yield KeyDoc(
            name=prefix + field.name,
            type=describe_type(annotation) + ("" if field.repr else ", secret"),
            default="" if default is None or default is attrs.NOTHING or not field.repr else toml_literal(default),
            required=default is attrs.NOTHING,
            doc=field.metadata.get("doc", ""),
        )
        for nested, below in _nested(annotation):
            yield from key_docs(nested, f"{prefix}{field.name}.{below}")


def toml_literal(value: Any) -> str:
    """Return ``value`` as TOML writes it on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | Decimal():
            return f"{value:,f}".replace(",", "_") if isinstance(value, Decimal) else f"{value:_}"
        case Enum():
            return toml_literal(value.value)
        case str() | Path():
            return json.dumps(str(value), ensure_ascii=False)
        case list() | tuple():
            return f"[{', '.join(toml_literal(item) for item in value)}]"
        case Mapping():
            items = ", ".join(f"{join_key('', str(key))} = {toml_literal(item)}" for key, item in value.items())
            return f"{{ {items} }}" if items else "{}"
        case _ if attrs.has(type(value)):
            return toml_literal(
                {
                    field.name: getattr(value, field.name)
                    for field in attrs.fields(type(value))
                    if field.repr and getattr(value, field.name) is not None
                }
            )
        case _:
            return str(value)


def _default(default: Any) -> Any:
    # A `Factory` that needs the instance can't be shown; no settings class should have one.
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # declared as a function, is a class
        return None if default.takes_self else default.factory()
    return default


def _nested(annotation: Any) -> Iterator[tuple[type[Any], str]]:
    if isinstance(annotation, type) and attrs.has(annotation):
        yield annotation, ""
    elif get_origin(annotation) in (dict, Mapping):
        yield from ((cls, f"NAME.{below}") for cls, below in _nested(get_args(annotation)[1]))
    else:
        for argument in get_args(annotation):
            if argument is not NoneType and isinstance(argument, type) and attrs.has(argument):
                yield argument, ""
