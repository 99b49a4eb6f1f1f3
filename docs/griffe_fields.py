"""Signatures of classes that are made of fields, by attrs and msgspec: an extension of what reads the sources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import griffe

_ATTRS = frozenset({"attrs.define", "attrs.frozen", "attrs.mutable"})
_STRUCTS = frozenset({"msgspec.Struct", "NamedTuple"})


class FieldSignatures(griffe.Extension):
    """Gives such classes an ``__init__`` of their fields, those of the classes that they derive from first.

    Members of an enum that say nothing of themselves say their value, without which they would not be shown.
    """

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        for cls in list(_classes(pkg)):
            if _has_fields(cls) and "__init__" not in cls.members:
                cls.set_member("__init__", _init(cls))
            if any(str(base).endswith("Enum") for base in cls.bases):
                _tell_values(cls)


def _tell_values(cls: griffe.Class) -> None:
    for name, member in cls.members.items():
        if isinstance(member, griffe.Attribute) and member.docstring is None and not name.startswith("_"):
            member.docstring = griffe.Docstring(f"As text: `{member.value}`.", parent=member)


def _classes(module: griffe.Module | griffe.Class) -> Iterator[griffe.Class]:
    for member in module.members.values():
        if member.is_alias:
            continue
        if isinstance(member, griffe.Class):
            yield member
        if isinstance(member, griffe.Class | griffe.Module):
            yield from _classes(member)


def _has_fields(cls: griffe.Class) -> bool:
    return any(one.callable_path in _ATTRS for one in cls.decorators) or _is_struct(cls)


def _is_struct(cls: griffe.Class) -> bool:
    return any(str(base) in _STRUCTS for base in cls.bases)


def _keyword_only(cls: griffe.Class) -> bool:
    if _is_struct(cls):
        return str(cls.keywords.get("kw_only")) == "True"
    return any("kw_only=True" in str(one.value) for one in cls.decorators if one.callable_path in _ATTRS)


def _init(cls: griffe.Class) -> griffe.Function:
    kind = griffe.ParameterKind.keyword_only if _keyword_only(cls) else griffe.ParameterKind.positional_or_keyword
    fields: dict[str, griffe.Parameter] = {}
    for one in [*reversed(_bases(cls)), cls]:
        for name, member in one.members.items():
            if isinstance(member, griffe.Attribute) and _is_field(member):
                default = None if member.value is None else _default(str(member.value))
                given = name.lstrip("_")
                fields[given] = griffe.Parameter(given, annotation=member.annotation, kind=kind, default=default)
    itself = griffe.Parameter("self", kind=griffe.ParameterKind.positional_or_keyword)
    init = griffe.Function("__init__", parameters=griffe.Parameters(itself, *fields.values()), returns="None")
    init.lineno, init.endlineno = cls.lineno, cls.endlineno
    return init


def _bases(cls: griffe.Class) -> list[griffe.Class]:
    try:
        return [base for base in cls.mro() if isinstance(base, griffe.Class) and _has_fields(base)]
    except ValueError:
        return []


def _is_field(member: griffe.Attribute) -> bool:
    """Return whether it is annotated, and neither a property, of the class alone, nor made by the class itself."""
    return (
        member.annotation is not None
        and "instance-attribute" in member.labels
        and "property" not in member.labels
        and "init=False" not in str(member.value)
    )


def _default(written: str) -> str | None:
    """Return what a field is without a value, as far as its declaration says; None: it has to be given."""
    if not written.startswith(("attrs.field(", "setting(")):
        return written
    return "..." if "factory=" in written or "default=" in written or written.startswith("setting(") else None
