"""Strict conversion of TOML values into attrs classes.

cattrs alone would take ``"false"`` for True and ``1.9`` for 1; these hooks take a value only for what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from enum import Enum
from pathlib import Path
from types import GenericAlias, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import attrs
import cattrs
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError
from cattrs.gen import make_dict_structure_fn, make_mapping_structure_fn

from trioarb.errors import ConfigError
from trioarb.settings.key import join_key
from trioarb.settings.problem import Problem, nearest
from trioarb.settings.types import Bound, describe_type

__all__ = ["structure"]

T = TypeVar("T")

#: TOML's own limit; a longer number in a file is a mistake, and costs time wherever it is printed.
_WHOLE_LIMIT = 2**63
_SHOWN_CHARACTERS = 80


class _Invalid(ValueError):
    """A value that its type doesn't allow."""

    def __init__(self, value: object, allowed: str) -> None:
        super().__init__(value, allowed)
        self.value = value
        self.allowed = allowed


def structure(table: Mapping[str, Any], cls: type[T], *, key: str, beside: Sequence[str] = ()) -> T:
    """Return ``table`` as an instance of the attrs class ``cls``.

    ``beside`` names keys of the same table that someone else reads: an unknown key may have been meant for them.

    Raises:
        ConfigError: with every problem of the table, keys prefixed with ``key``.
    """
    try:
        return _CONVERTER.structure(table, cls)
    except (ClassValidationError, IterableValidationError, _Invalid) as error:
        raise ConfigError(list(_flatten(error, key, cls, tuple(beside)))) from None


def _flatten(error: BaseException, key: str, cls: Any, beside: tuple[str, ...] = ()) -> Iterator[Problem]:
    match error:
        case ClassValidationError():
            noted, bare = error.group_exceptions()
            fields = attrs.fields_dict(error.cl)
            for inner, note in noted:
                for problem in _flatten(inner, join_key(key, note.name), note.type):
                    # A secret stays one when it is wrong.
                    yield problem if fields[note.name].repr else attrs.evolve(problem, value="")
            for inner in bare:
                yield from _flatten(inner, key, error.cl, beside)
        case IterableValidationError():
            noted_items, bare = error.group_exceptions()
            for inner, item in noted_items:
                place = f"{key}[{item.index}]" if isinstance(item.index, int) else join_key(key, str(item.index))
                yield from _flatten(inner, place, item.type)
            for inner in bare:
                yield from _flatten(inner, key, cls)
        case ForbiddenExtraKeysError():
            names = [*beside, *(field.name for field in attrs.fields(error.cl))]
            for extra in sorted(error.extra_fields):
                yield Problem(
                    key=join_key(key, extra),
                    message="unknown key",
                    allowed=", ".join(names) or "no keys",
                    suggestion=nearest(extra, names),
                )
        case _Invalid():
            yield Problem(
                key=key,
                message="wrong value",
                value=_show(error.value),
                allowed=error.allowed,
                suggestion=_nearest_member(error.value, cls),
            )
        case KeyError():
            yield Problem(key=key, message="missing; this key has no default", allowed=describe_type(cls))
        case ValueError() | TypeError() if str(error):
            # Raised by the settings class itself, which knows best what is wrong.
            yield Problem(key=key, message=str(error))
        case _:
            yield Problem(key=key, message="wrong value", allowed=describe_type(cls))


def _show(value: object) -> str:
    match value:
        case str():
            return _clipped(f'"{value}"')
        case bool():
            return "true" if value else "false"
        case dict():
            return "a table"
        case list():
            return "a list"
        case int() if abs(value) >= _WHOLE_LIMIT:
            return "a number of more than 64 bits"
        case _:
            return _clipped(str(value))


def _clipped(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _nearest_member(value: object, cls: Any) -> str:
    enums = [cls, *get_args(cls)] if _origin(cls) in (Union, UnionType) else [cls]
    members = [str(member.value) for enum in enums if _is_enum(enum) for member in enum]
    return nearest(value, members) if isinstance(value, str) else ""


def _decimal(value: Any, allowed: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise _Invalid(value, allowed)
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise _Invalid(value, allowed) from None
    # Bounds what a digit string may cost later: money is exact within 60 digits, whatever is multiplied.
    if not number.is_finite() or len(number.as_tuple().digits) > 30 or abs(number.adjusted()) > 30:
        raise _Invalid(value, allowed)
    return number


def _whole(value: Any, allowed: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= _WHOLE_LIMIT:
        raise _Invalid(value, allowed)
    return value


def _bounded(value: Any, annotation: Any) -> Decimal | int:
    allowed = describe_type(annotation)
    number = _whole(value, allowed) if get_args(annotation)[0] is int else _decimal(value, allowed)
    if not annotation.__metadata__[0].allows(number):
        raise _Invalid(value, allowed)
    return number


def _member(value: Any, cls: type[Enum]) -> Enum:
    for member in cls:
        if member.value == value and isinstance(value, str):
            return member
    raise _Invalid(value, describe_type(cls))


def _as_it_is(value: Any, cls: Any) -> Any:
    if type(value) is not cls:
        raise _Invalid(value, describe_type(cls))
    return value


def _path(value: Any, _: Any) -> Path:
    if not isinstance(value, str) or not value:
        raise _Invalid(value, describe_type(Path))
    return Path(value).expanduser()


def _of(kind: type, annotation: Any, hook: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return ``hook``, for values of one kind only."""

    def checked(value: Any, cls: Any) -> Any:
        if not isinstance(value, kind):
            raise _Invalid(value, describe_type(annotation))
        return hook(value, cls)

    return checked


def _list(annotation: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    items: Any = GenericAlias(list, get_args(annotation)[:1])
    return _of(list, annotation, lambda value, _: tuple(converter.structure(value, items)))


def _table(annotation: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    return _of(dict, annotation, make_mapping_structure_fn(annotation, converter, dict, detailed_validation=True))


def _settings(cls: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    return _of(
        dict,
        cls,
        make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True),
    )


def _number_or_table(annotation: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    """Take what may be a table, or be said by a number alone."""
    number, table = sorted((one for one in get_args(annotation)), key=attrs.has)

    def hook(value: Any, _: Any) -> Any:
        return converter.structure(value, table) if isinstance(value, dict) else _bounded_or(value, number, annotation)

    return hook


def _bounded_or(value: Any, number: Any, annotation: Any) -> Decimal | int:
    try:
        return _bounded(value, number)
    except _Invalid:
        raise _Invalid(value, describe_type(annotation)) from None


def _is_number_or_table(annotation: Any) -> bool:
    args = get_args(annotation)
    return _origin(annotation) in (Union, UnionType) and len(args) == 2 and sum(map(attrs.has, args)) == 1


def _origin(annotation: Any) -> Any:
    return get_origin(annotation)


def _is_enum(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Enum)


def _has_bound(annotation: Any) -> bool:
    return any(map(_is_bounded, get_args(annotation)))


def _is_bounded(annotation: Any) -> bool:
    return _origin(annotation) is Annotated and isinstance(annotation.__metadata__[0], Bound)


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_structure_hook(str, _as_it_is)
    converter.register_structure_hook(bool, _as_it_is)
    converter.register_structure_hook(int, lambda value, _: _whole(value, describe_type(int)))
    converter.register_structure_hook(float, lambda value, _: float(_decimal(value, describe_type(float))))
    converter.register_structure_hook(Decimal, lambda value, _: _decimal(value, describe_type(Decimal)))
    converter.register_structure_hook(Path, _path)
    converter.register_structure_hook_func(_is_enum, _member)
    converter.register_structure_hook_func(_is_bounded, _bounded)
    converter.register_structure_hook_factory(lambda t: _origin(t) is tuple)(_list)
    converter.register_structure_hook_factory(lambda t: _origin(t) in (dict, Mapping))(_table)
    converter.register_structure_hook_factory(attrs.has)(_settings)
    converter.register_structure_hook_factory(lambda t: _is_number_or_table(t) and _has_bound(t))(_number_or_table)
    return converter


_CONVERTER = _make_converter()
