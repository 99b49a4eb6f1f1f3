"""What the account owns."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from trioarb.api import EXACT, ZERO
from trioarb.venue import WireError
from trioarb_upbit.dialect.struct import UNSET, Exact, UnsetType

__all__ = ["Account", "Balance", "MyAsset", "balances"]


class Account(Exact, frozen=True, kw_only=True):
    """One currency of ``GET /v1/accounts``: ``balance`` is free, ``locked`` is bound by orders and withdrawals."""

    currency: str
    balance: Decimal
    locked: Decimal
    avg_buy_price: Decimal | UnsetType = UNSET
    avg_buy_price_modified: bool | UnsetType = UNSET
    unit_currency: str | UnsetType = UNSET


class Balance(Exact, frozen=True, kw_only=True):
    """One currency of a message ``myAsset``."""

    currency: str
    balance: Decimal
    locked: Decimal


class MyAsset(Exact, frozen=True, kw_only=True):
    """Currencies whose balances changed, as they are now; those that didn't aren't told."""

    type: str
    assets: tuple[Balance, ...]
    asset_uuid: str | UnsetType = UNSET
    asset_timestamp: int | UnsetType = UNSET
    timestamp: int | UnsetType = UNSET
    stream_type: str | UnsetType = UNSET


def balances(accounts: Sequence[Account | Balance]) -> dict[str, Decimal]:
    """Return what is owned by asset, free and locked together; those of which nothing is are left out.

    Raises:
        WireError: one currency twice.
    """
    owned = dict[str, Decimal]()
    for one in accounts:
        if one.currency in owned:
            raise WireError(f"balances: {one.currency} is told of twice")
        owned[one.currency] = EXACT.add(one.balance, one.locked)
    return {asset: amount for asset, amount in owned.items() if amount != ZERO}
