"""Secrets of a configuration: read from where it says they are, and kept out of what is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import attrs

from trioarb.config.environment import variable
from trioarb.errors import MissingPackage
from trioarb.plugin.extras import require
from trioarb.settings.problem import Problem
from trioarb.settings.secret import is_reference, map_secrets

__all__ = ["SecretReader", "in_the_open", "with_references"]

_REMEDY = 'write { env = "NAME" } or { keyring = "service/user" } instead'


@attrs.frozen(kw_only=True)
class SecretReader:
    """Reads secrets. ``origin(key)`` is the flag or variable that laid a value over the file, or ''.

    Without an ``environment`` nothing is read: stand-ins of the right types take the place of references.

    ``values`` are all that was read, ``literals`` the keys of those that stood in the file or in a flag.
    """

    environment: Mapping[str, str] | None
    origin: Callable[[str], str]
    values: list[str] = attrs.field(factory=list, init=False, repr=False)
    literals: list[str] = attrs.field(factory=list, init=False)

    def read(
        self, table: Mapping[str, Any], settings: type[Any], key: str, *, idle: bool = False
    ) -> tuple[dict[str, Any], list[Problem]]:
        """Return the table with every secret in its place, and what could not be read; those stay references.

        ``idle``: nobody will use it, so references are not followed.
        """
        problems: list[Problem] = []

        def visit(value: Any, annotation: Any, key: str) -> Any:
            if not is_reference(value):
                return self._literal(value, annotation, key)
            if self.environment is None or idle:
                return _stand_in(annotation)
            ((kind, name),) = value.items()
            found = _from_environment(self.environment, name, key) if kind == "env" else _from_keyring(name, key)
            if isinstance(found, Problem):
                problems.append(found)
                return value
            self.values.append(found)
            return _typed(found, annotation)

        return map_secrets(dict(table), settings, key, visit), problems

    def _literal(self, value: Any, annotation: Any, key: str) -> Any:
        name = variable(key)
        if self.origin(key) == name and self.environment is not None:
            # As it was given, not as the TOML value that it may look like.
            text = self.environment[name]
            self.values.append(text)
            return _typed(text, annotation)
        if not isinstance(value, bool) and value not in ("", None):
            self.values.append(str(value))
            self.literals.append(key)
        return value


def _from_environment(environment: Mapping[str, str], name: str, key: str) -> str | Problem:
    value = environment.get(name, "")
    if value:
        return value
    return Problem(
        key=key, message="its environment variable is not set", value=name, remedy=f"set {name} and start again"
    )


def _from_keyring(entry: str, key: str) -> str | Problem:
    service, _, user = entry.rpartition("/")
    if not (service and user):
        return Problem(key=key, message="not an entry of a keyring", value=f'"{entry}"', allowed='"service/user"')
    try:
        require("keyring", "a reference to a keyring")
    except MissingPackage as error:
        return Problem(key=key, message=str(error))
    import keyring

    try:
        value = keyring.get_password(service, user)
    except Exception as error:
        return Problem(key=key, message=f"the keyring can't be asked: {type(error).__name__}: {error}", value=entry)
    if value:
        return str(value)
    return Problem(
        key=key, message="the keyring has no such entry", value=entry, remedy=f"keyring set {service} {user}"
    )


def _typed(text: str, annotation: Any) -> Any:
    """Return a secret's text as the TOML value that its type wants."""
    plain = _plain(annotation)
    if plain is bool:
        return {"true": True, "false": False}.get(text, text)
    if plain is int and text.strip().isascii() and text.strip().isdecimal():
        return int(text)
    return text


def _stand_in(annotation: Any) -> Any:
    plain = _plain(annotation)
    return {bool: False, int: 1, float: 1, Decimal: 1}.get(plain, "***")


def _plain(annotation: Any) -> Any:
    """Return a type without what it is bounded by, and without ``None``."""
    if get_origin(annotation) in (Union, UnionType):
        (annotation, *_) = [one for one in get_args(annotation) if one is not NoneType]
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def in_the_open(keys: Sequence[str], origin: Callable[[str], str], *, live: bool) -> tuple[list[Problem], list[str]]:
    """Return what is wrong (``live``), or else questionable, about secrets that stand where others may read them."""
    problems, warnings = [], []
    for key in keys:
        flag = origin(key)
        message = f"a secret that is given by {flag} can be read by others" if flag else "a secret stands in the file"
        if live:
            problems.append(Problem(key=key, message=f"{message}, which live trading refuses", remedy=_REMEDY))
        else:
            warnings.append(f"{key}: {message}; {_REMEDY}")
    return problems, warnings


def with_references(table: Mapping[str, Any], settings: type[Any], key: str) -> dict[str, Any]:
    """Return the table with a reference in the place of every secret.

    A secret that stood there as it is becomes the environment variable that can override it.
    """

    def visit(value: Any, annotation: Any, key: str) -> Any:
        return value if is_reference(value) else {"env": variable(key)}

    mapped: dict[str, Any] = map_secrets(dict(table), settings, key, visit)
    return mapped
