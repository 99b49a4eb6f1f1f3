"""A configuration's fingerprint: equal for files that mean the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

import attrs

from trioarb.config.schema import Config
from trioarb.model.number import text

__all__ = ["canonical", "digest", "digest_of"]

#: Settings are bounded far below; a number beyond comes from a plugin's unchecked table and is not written out.
_LONGEST_EXPONENT = 60


def digest(effective: Mapping[str, Any]) -> str:
    """Return the SHA-256, in hex, of the canonical JSON of ``effective``; secrets are left out."""
    written = json.dumps(canonical(effective), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(written.encode()).hexdigest()


def canonical(value: Any) -> Any:
    """Return ``value`` in JSON's types, equal for equal meanings: numbers as plain decimal text."""
    match value:
        case None | bool() | str():
            return value
        case int() | Decimal():
            return _plain(Decimal(value))
        case float():
            return _plain(Decimal(repr(value)))
        case Enum():
            return canonical(value.value)
        case Mapping():
            return {str(key): canonical(item) for key, item in value.items()}
        case list() | tuple():
            return [canonical(item) for item in value]
        case _ if attrs.has(type(value)):
            return {
                field.name: canonical(getattr(value, field.name)) for field in attrs.fields(type(value)) if field.repr
            }
        case _:
            return str(value)


def _plain(number: Decimal) -> str:
    if not number.is_finite() or abs(number.adjusted()) > _LONGEST_EXPONENT:
        return str(number)
    return text(number)


def digest_of(config: Config) -> str:
    """Return the fingerprint of a configuration."""
    # The source's settings stand checked in `source`; who is told and shown what changes nothing that happens.
    untold = ("digest", "log_level", "redactor", "alerts", "channels", "dashboard")
    parts = attrs.asdict(config, recurse=False, filter=lambda field, _: field.name not in untold)
    if not config.plugin_files:
        del parts["plugin_files"]
    parts["universe"] = attrs.evolve(config.universe, settings={})
    return digest(parts)
