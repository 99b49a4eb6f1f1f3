"""What a venue says of an account before anything is traded with it."""

from __future__ import annotations

import msgspec

__all__ = ["AccountStanding", "LimitUsed"]


class LimitUsed(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one limit of a venue is used now.

    Attributes:
        name: What the venue counts by it.
        count: So much is allowed
        seconds: in each so many seconds.
        used: So much of it is used.
    """

    name: str
    count: int
    seconds: float
    used: int


class AccountStanding(msgspec.Struct, frozen=True, kw_only=True):
    """What a key may do, and how the venue is reached. What the venue doesn't say is absent.

    Attributes:
        can_trade: Whether the key may trade.
        can_withdraw: Whether it could move money away; trading never needs that.
        is_bound: Whether it works from certain addresses only.
        clock_offset_ms: How far the venue's clock is ahead of this machine's, in milliseconds.
        limits: As far as they are known here.
    """

    can_trade: bool | None = None
    can_withdraw: bool | None = None
    is_bound: bool | None = None
    clock_offset_ms: float | None = None
    limits: tuple[LimitUsed, ...] = ()
