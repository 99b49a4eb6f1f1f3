"""Strict conversion of TOML values into attrs classes.

cattrs alone would take ``"false"`` for True and ``1.9`` for 1; these hooks take a value only for what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

import attrs
import cattrs
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError
from cattrs.gen import make_dict_structure_fn, make_mapping_structure_fn

from trioarb.config.problem import Problem, nearest
from trioarb.config.types import Bound, describe_type
from trioarb.errors import ConfigError

__all__ = ["structure", "structure_all"]

T = TypeVar("T")


class _Invalid(ValueError):
    """A value that its type doesn't allow."""

    def __init__(self, value: object, allowed: str) -> None:
        super().__init__(value, allowed)
        self.value = value
        self.allowed = allowed


def structure(table: Mapping[str, Any], cls: type[T], *, file: str, key: str) -> T:
    """Return ``table`` as an instance of the attrs class ``cls``.

    Raises:
        ConfigError: with every problem of the table, keys prefixed with ``key``.
    """
    try:
        return _CONVERTER.structure(table, cls)
    except (ClassValidationError, IterableValidationError, _Invalid) as error:
        raise ConfigError([attrs.evolve(problem, file=file) for problem in _flatten(error, key, cls)]) from None


def structure_all(steps: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """Run every step and return the results by name; raise one ConfigError with the problems of all that failed."""
    results: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, step in steps.items():
        try:
            results[name] = step()
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return results


def _flatten(error: BaseException, key: str, cls: Any) -> Iterator[Problem]:
    match error:
        case ClassValidationError():
            noted, bare = error.group_exceptions()
            for inner, note in noted:
                yield from _flatten(inner, f"{key}.{note.name}" if key else note.name, note.type)
            for inner in bare:
                yield from _flatten(inner, key, error.cl)
        case IterableValidationError():
            noted_items, bare = error.group_exceptions()
            for inner, item in noted_items:
                place = f"{key}[{item.index}]" if isinstance(item.index, int) else f"{key}.{item.index}"
                yield from _flatten(inner, place, item.type)
            for inner in bare:
                yield from _flatten(inner, key, cls)
        case ForbiddenExtraKeysError():
            names = [field.name for field in attrs.fields(error.cl)]
            for extra in sorted(error.extra_fields):
                place = f"{key}.{extra}" if key else extra
                yield Problem(
                    key=place,
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
        case _:
            yield Problem(key=key, message="wrong value", allowed=describe_type(cls))


def _show(value: object) -> str:
    match value:
        case str():
            return f'"{value}"'
        case bool():
            return "true" if value else "false"
        case dict():
            return "a table"
        case list():
            return "a list"
        case _:
            return str(value)


def _nearest_member(value: object, cls: Any) -> str:
    if isinstance(value, str) and isinstance(cls, type) and issubclass(cls, Enum):
        return nearest(value, (str(member.value) for member in cls))
    return ""


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
    if isinstance(value, bool) or not isinstance(value, int):
        raise _Invalid(value, allowed)
    return value


def _bounded(annotation: Any) -> Callable[[Any, Any], Any]:
    base, allowed = get_args(annotation)[0], describe_type(annotation)
    bound: Bound = annotation.__metadata__[0]
    read: Callable[[Any, str], Any] = _whole if base is int else _decimal

    def hook(value: Any, _: Any) -> Any:
        number = read(value, allowed)
        if not bound.allows(number):
            raise _Invalid(value, allowed)
        return number

    return hook


def _enumerated(cls: type[Enum]) -> Callable[[Any, Any], Enum]:
    def hook(value: Any, _: Any) -> Enum:
        for member in cls:
            if member.value == value and isinstance(value, str):
                return member
        raise _Invalid(value, describe_type(cls))

    return hook


def _plain(cls: type) -> Callable[[Any, Any], Any]:
    def hook(value: Any, _: Any) -> Any:
        if type(value) is not cls:
            raise _Invalid(value, describe_type(cls))
        return value

    return hook


def _path(value: Any, _: Any) -> Path:
    if not isinstance(value, str) or not value:
        raise _Invalid(value, describe_type(Path))
    return Path(value).expanduser()


def _list(annotation: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    items = list[get_args(annotation)[0]]  # type: ignore[misc]  # a runtime type

    def hook(value: Any, _: Any) -> Any:
        if not isinstance(value, list):
            raise _Invalid(value, describe_type(annotation))
        return tuple(converter.structure(value, items))

    return hook


def _table(annotation: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    structure_items = make_mapping_structure_fn(annotation, converter, dict, detailed_validation=True)

    def hook(value: Any, cls: Any) -> Any:
        if not isinstance(value, dict):
            raise _Invalid(value, describe_type(annotation))
        return structure_items(value, cls)

    return hook


def _settings(cls: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    structure_fields = make_dict_structure_fn(
        cls, converter, _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True
    )

    def hook(value: Any, _: Any) -> Any:
        if not isinstance(value, dict):
            raise _Invalid(value, describe_type(cls))
        return structure_fields(value, cls)

    return hook


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    for cls in (str, bool, int):
        converter.register_structure_hook(cls, _plain(cls))
    converter.register_structure_hook(Decimal, lambda value, _: _decimal(value, describe_type(Decimal)))
    converter.register_structure_hook(Path, _path)
    converter.register_structure_hook_factory(
        lambda t: isinstance(t, type) and issubclass(t, Enum), lambda t: _enumerated(t)
    )
    converter.register_structure_hook_factory(lambda t: get_origin(t) is Annotated, _bounded)
    converter.register_structure_hook_factory(lambda t: get_origin(t) is tuple)(_list)
    converter.register_structure_hook_factory(lambda t: get_origin(t) in (dict, Mapping))(_table)
    converter.register_structure_hook_factory(attrs.has)(_settings)
    return converter


_CONVERTER = _make_converter()
