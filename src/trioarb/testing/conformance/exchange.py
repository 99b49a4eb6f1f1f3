"""Exchanges as a kind that can be judged: all their cases, in order, and which are not judged at all."""

from __future__ import annotations

from importlib import import_module
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import attrs

from trioarb.api import ExchangeSpec
from trioarb.testing.conformance.exchange_trial import CASES, trial_of
from trioarb.testing.conformance.kinds import Kind
from trioarb.testing.conformance.subject import Subject

__all__ = ["KIND"]

#: Each adds its cases when it is loaded; later ones need earlier ones.
for _part in ("asked", "filling", "refusing", "offering", "resting", "telling", "unknown", "cancelled", "simulated"):
    import_module(f"trioarb.testing.conformance.exchange_{_part}")


def _refusal(subject: Subject) -> str:
    """Return why an exchange isn't judged: no order may ever cost money."""
    if not subject.is_real or subject.stage is not None:
        return ""
    settings: list[Any] = []
    table = subject.table({})
    while table is not None:
        settings.append(table.settings)
        table = table.wraps  # type: ignore[assignment]
    addresses = [
        value for one in settings for value in attrs.asdict(one).values() if isinstance(value, str) and "://" in value
    ]
    away = [one for one in addresses if not _is_loopback(one)]
    if addresses and not away:
        return ""
    where = f" at {away[0]}" if away else ""
    return f"its orders{where} would cost money; give it a stage, such as a simulator, or addresses of this machine"


def _is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


KIND = Kind(spec=ExchangeSpec, cases=tuple(CASES), trial=trial_of, refusal=_refusal)
