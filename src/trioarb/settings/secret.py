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


def map_secrets(value: Any, annotation: Any, key: str, visit: Visit, *, is_secret: bool = False) -> Any:
    """Return a copy of ``value``, as TOML gave it, in which ``visit`` replaced the value of each secret.

    Every single value of a list or a table that ``is_secret`` is one; references, tables of one key, are such values.
    What doesn't fit its type is passed by: the conversion complains of it.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType) and not is_secret:
        for argument in arguments:
            mapped = map_secrets(value, argument, key, visit)
            if mapped != value:
                return mapped
        return value
    if isinstance(value, list):
        of = arguments[0] if origin is tuple else Any
        return [
            map_secrets(item, of, f"{key}[{number}]", visit, is_secret=is_secret) for number, item in enumerate(value)
        ]
    if isinstance(value, dict) and not (is_secret and is_reference(value)):
        fields, hints = {}, {}
        if isinstance(annotation, type) and attrs.has(annotation):
            fields, hints = attrs.fields_dict(annotation), get_type_hints(annotation, include_extras=True)
        other = arguments[1] if origin in (dict, Mapping) else Any
        return {
            name: map_secrets(
                item,
                hints.get(name, other),
                join_key(key, name),
                visit,
                is_secret=is_secret or (name in fields and not fields[name].repr),
            )
            for name, item in value.items()
        }
    return visit(value, annotation, key) if is_secret else value


def is_reference(value: Any) -> bool:
    """Return whether a value says where a secret is: ``{ env = "NAME" }`` or ``{ keyring = "service/user" }``."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("env", value.get("keyring")), str)
