"""Where in a table secrets stand, at any depth of the settings class that reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs

from trioarb.settings.key import join_key

__all__ = ["Visit", "is_reference", "map_secrets"]

#: Called with a value of a secret, its type and its key; returns what is to stand there.
Visit = Callable[[Any, Any, str], Any]


def map_secrets(value: Any, annotation: Any, key: str, visit: Visit) -> Any:
    """Return a copy of ``value``, as TOML gave it, in which ``visit`` replaced the value of each secret.

    What doesn't fit its type is passed by: the conversion complains of it.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and attrs.has(annotation) and isinstance(value, dict):
        hints = get_type_hints(annotation, include_extras=True)
        return value | {
            field.name: (map_secrets if field.repr else _leaves)(
                value[field.name], hints[field.name], join_key(key, field.name), visit
            )
            for field in attrs.fields(annotation)
            if field.name in value
        }
    if origin is tuple and isinstance(value, list):
        return [map_secrets(item, arguments[0], f"{key}[{number}]", visit) for number, item in enumerate(value)]
    if origin in (dict, Mapping) and isinstance(value, dict):
        return {name: map_secrets(item, arguments[1], join_key(key, name), visit) for name, item in value.items()}
    if origin in (Union, UnionType):
        for argument in arguments:
            mapped = map_secrets(value, argument, key, visit)
            if mapped != value:
                return mapped
    return value


def _leaves(value: Any, annotation: Any, key: str, visit: Visit) -> Any:
    """Replace every single value of a secret; references, tables of one key, are such values too."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(value, list):
        of = arguments[0] if origin is tuple else Any
        return [_leaves(item, of, f"{key}[{number}]", visit) for number, item in enumerate(value)]
    if isinstance(value, dict) and not is_reference(value):
        hints = get_type_hints(annotation) if isinstance(annotation, type) and attrs.has(annotation) else {}
        rest = arguments[1] if origin in (dict, Mapping) else Any
        return {name: _leaves(item, hints.get(name, rest), join_key(key, name), visit) for name, item in value.items()}
    return visit(value, annotation, key)


def is_reference(value: Any) -> bool:
    """Return whether a value says where a secret is: ``{ env = "NAME" }`` or ``{ keyring = "service/user" }``."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("env", value.get("keyring")), str)
