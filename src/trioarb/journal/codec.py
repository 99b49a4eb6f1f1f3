"""Events as bytes and back, exactly: what a journal file stores of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import attrs
import msgspec

from trioarb.model import event as events
from trioarb.model.event import Event
from trioarb.model.wire import event_type

__all__ = ["ENCODING", "decode", "encode"]

#: How bodies are written. A reader refuses any other: what it would make of them could be wrong.
ENCODING = "msgpack/1"

#: Stands before a body whose strings are escaped, because one of them is no valid Unicode (such as a file name that
#: is not UTF-8). MessagePack never begins with this byte.
_ESCAPED = b"\xc1"


def encode(event: Event) -> tuple[str, bytes]:
    """Return the event's wire type and its body.

    Raises:
        ValueError: a field holds what can't be encoded.
    """
    name = _NAMES.get(type(event)) or _name(type(event))
    try:
        return name, _ENCODER.encode(event)
    except UnicodeEncodeError:
        return name, _ESCAPED + _ENCODER.encode(_with_strings(event, _escape))
    except (TypeError, OverflowError) as error:
        raise ValueError(f"{name} can't be encoded: {error}") from error


def decode(type_name: str, body: bytes) -> Event:
    """Return the event that was encoded.

    Raises:
        ValueError: there is no such type, or the body is not one of it.
    """
    decoder = _DECODERS.get(type_name) or _decoder(type_name)
    try:
        return decoder(body) if body[:1] != _ESCAPED else _with_strings(decoder(body[1:]), _unescape)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ValueError(f"{type_name} can't be decoded: {error}") from error


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} is not part of {ENCODING}")


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_plain)
_NAMES: dict[type[Event], str] = {}
_DECODERS: dict[str, Callable[[bytes], Event]] = {}


def _name(cls: type[Event]) -> str:
    return _NAMES.setdefault(cls, event_type(cls))


def _decoder(type_name: str) -> Callable[[bytes], Event]:
    cls = _classes().get(type_name)
    if cls is None:
        raise ValueError(f"there is no event type {type_name!r}")
    return _DECODERS.setdefault(type_name, msgspec.msgpack.Decoder(cls).decode)


@cache
def _classes() -> Mapping[str, type[Event]]:
    values = (getattr(events, name) for name in events.__all__)
    classes = (value for value in values if issubclass(value, Event) and value is not Event)
    return {event_type(cls): cls for cls in classes}


def _with_strings(event: Event, change: Callable[[str], str]) -> Event:
    """Return the event with each of its strings changed."""
    fields = (field.name for field in attrs.fields(type(event)))
    return attrs.evolve(event, **{name: _changed(getattr(event, name), change) for name in fields})


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    match value:
        case str():
            return change(value)
        case tuple():
            return tuple(_changed(item, change) for item in value)
        case Mapping():
            return {change(key): _changed(item, change) for key, item in value.items()}
        case _:
            return value


def _escape(value: str) -> str:
    return value.encode("unicode_escape").decode("ascii")


def _unescape(value: str) -> str:
    return value.encode("ascii").decode("unicode_escape")
