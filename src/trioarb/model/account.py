"""What a venue says of an account before anything is traded with it."""

from __future__ import annotations

import msgspec

__all__ = ["AccountStanding", "LimitUsed"]


class LimitUsed(msgspec.Struct, frozen=True, kw_only=True):
    """Of ``count`` in each ``seconds`` so much is used now. ``name``: what the venue counts by this limit."""

    name: str
    count: int
    seconds: float
    used: int


class AccountStanding(msgspec.Struct, frozen=True, kw_only=True):
    """What a key may do, and how the venue is reached. What the venue doesn't say is absent.

    ``can_withdraw``: whether the key could move money away; trading never needs that. ``is_bound``: whether it works
    from certain addresses only. ``clock_offset_ms``: how far the venue's clock is ahead of this machine's.
    ``limits``: as far as they are known here.
    """

    can_trade: bool | None = None
    can_withdraw: bool | None = None
    is_bound: bool | None = None
    clock_offset_ms: float | None = None
    limits: tuple[LimitUsed, ...] = ()
