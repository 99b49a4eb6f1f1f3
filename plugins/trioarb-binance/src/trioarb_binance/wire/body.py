"""What bodies and messages have in common: exact numbers that are numbers, and one way to decode them."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from trioarb.venue import WireError, require_exact

__all__ = ["Body", "decode", "decode_many"]

T = TypeVar("T")

_SHOWN_CHARACTERS = 80


class Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """An object as Binance sends it. Fields that aren't known are passed over; those that may be absent are ``UNSET``.

    Raises:
        ValueError: a number in it is none: ``NaN``, or infinite.
    """

    def __post_init__(self) -> None:
        require_exact(self)


def decode(kind: type[T], raw: bytes | msgspec.Raw) -> T:
    """Return an object of a body.

    Raises:
        WireError: it isn't what Binance documents; says where.
    """
    return _decode(kind, kind.__name__, raw)


def decode_many(kind: type[T], raw: bytes | msgspec.Raw) -> list[T]:
    """Return the objects of a body that is a list of them; as `decode`."""
    return _decode(list[kind], f"a list of {kind.__name__}", raw)  # type: ignore[valid-type]


def _decode(kind: type[T], name: str, raw: bytes | msgspec.Raw) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(f"Binance: {name} can't be read: {error}: {bytes(raw)[:_SHOWN_CHARACTERS]!r}") from None
