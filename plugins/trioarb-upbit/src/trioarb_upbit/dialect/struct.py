"""Structs of the venue's JSON: they keep every field that is documented, so that a message is itself again, encoded."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Literal, TypeVar, cast

import msgspec
from msgspec import UNSET, UnsetType

from trioarb.api import ZERO
from trioarb.venue import WireError, require_exact

__all__ = ["UNSET", "Exact", "UnsetType", "Wire", "decode", "encode", "or_zero", "renamed"]

T = TypeVar("T")
StructT = TypeVar("StructT", bound="Wire")


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a message. What may be absent is UNSET then; `Exact` for money, floats for market data."""


class Exact(Wire, frozen=True, kw_only=True):
    """A part of a message whose numbers are exact decimals, and finite.

    Raises:
        ValueError: one is not; msgspec makes a `ValidationError` of it.
    """

    def __post_init__(self) -> None:
        require_exact(self)


def or_zero(value: Decimal | UnsetType | None) -> Decimal:
    """Return a number that may be absent, and is nothing then."""
    return value if isinstance(value, Decimal) else ZERO


def renamed(kind: type[StructT], names: Mapping[str, str], prefix: str, **types: Any) -> type[StructT]:
    """Return a subclass of a struct whose fields have other names on the wire; ``types`` are those that differ."""
    fields = list[tuple[Any, ...]]()
    for field in msgspec.structs.fields(kind):
        type_ = types.get(field.name, field.type)
        fields.append((field.name, type_) if field.required else (field.name, type_, field.default))
    new = msgspec.defstruct(
        f"{prefix}{kind.__name__}", fields, bases=(kind,), rename=dict(names), frozen=True, kw_only=True
    )
    return cast("type[StructT]", new)


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def decode(kind: type[T], body: bytes | str, what: str) -> T:
    """Return JSON as a struct (or a tuple of structs). Fields that it doesn't have are passed over.

    Raises:
        WireError: it isn't what the documents say; ``what`` it is.
    """
    try:
        return cast("T", _decoder(cast("Any", kind)).decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(f"{what} can't be read: {error}") from error


def encode(value: object, *, decimals: Literal["string", "number"] = "number") -> bytes:
    """Return a struct as JSON: decimals as numbers, as streams have them, or as text, as bodies about orders have."""
    return msgspec.json.Encoder(decimal_format=decimals).encode(value)
