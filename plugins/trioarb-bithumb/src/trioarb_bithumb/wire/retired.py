"""Messages and bodies of the interfaces that Bithumb had before, so that none is taken for one of today.

Source: recorded messages of both. They are told apart by the fields that today's don't have.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import msgspec

__all__ = ["Generation", "generation_of"]


class Generation(Enum):
    GLOBAL = "Bithumb Global, which has closed"
    """Another exchange of that name: markets BASE-QUOTE, changes of books with a version."""
    FIRST = "API 1, which has been replaced"
    """Coins without their market, a status of four digits; its stream was pubwss.bithumb.com."""


_OF_FIRST = ("payment_currency", "order_currency", "wallet_address", "total_krw", "content")
_OF_A_COIN = ("closing_price", "units_traded")


def generation_of(message: bytes | str) -> Generation | None:
    """Return which interface of before a message or body is of; ``None``: of none that is known."""
    try:
        found = msgspec.json.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if not isinstance(found, Mapping):
        return None
    if "code" in found and "data" in found and "type" not in found:
        return Generation.GLOBAL
    status = found.get("status")
    if isinstance(status, str) and len(status) == 4 and status.isdigit():
        return Generation.FIRST
    if any(name in found for name in _OF_FIRST):
        return Generation.FIRST
    coins = [one for one in found.values() if isinstance(one, Mapping)]
    return Generation.FIRST if any(name in one for one in coins for name in _OF_A_COIN) else None
