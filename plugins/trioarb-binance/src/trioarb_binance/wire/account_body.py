"""Bodies about an account: balances, and what it and its key may do."""

from __future__ import annotations

from decimal import Decimal

from msgspec import UNSET, UnsetType

from trioarb.api import EXACT
from trioarb_binance.wire.body import Body

__all__ = ["Account", "AccountRates", "Balance", "KeyPermissions"]

MaybeBool = bool | UnsetType
MaybeInt = int | UnsetType


class Balance(Body, frozen=True):
    """What is owned of an asset; ``locked`` by open orders."""

    asset: str
    free: Decimal
    locked: Decimal


class AccountRates(Body, frozen=True):
    """Parts of the traded value that are taken, unless a symbol has others."""

    maker: Decimal
    taker: Decimal
    buyer: Decimal
    seller: Decimal


class Account(Body, frozen=True):
    """A spot account."""

    balances: tuple[Balance, ...]
    can_trade: MaybeBool = UNSET
    can_withdraw: MaybeBool = UNSET
    can_deposit: MaybeBool = UNSET
    maker_commission: MaybeInt = UNSET
    taker_commission: MaybeInt = UNSET
    buyer_commission: MaybeInt = UNSET
    seller_commission: MaybeInt = UNSET
    commission_rates: AccountRates | UnsetType = UNSET
    brokered: MaybeBool = UNSET
    require_self_trade_prevention: MaybeBool = UNSET
    prevent_sor: MaybeBool = UNSET
    update_time: MaybeInt = UNSET
    account_type: str | UnsetType = UNSET
    permissions: tuple[str, ...] | UnsetType = UNSET
    uid: MaybeInt = UNSET

    def owned(self) -> dict[str, Decimal]:
        """Return what is owned, free and locked together, by asset; without those of which nothing is."""
        sums = ((one.asset, EXACT.add(one.free, one.locked)) for one in self.balances)
        return {asset: amount for asset, amount in sums if amount}


class KeyPermissions(Body, frozen=True):
    """What a key may do; others than these there are, too."""

    enable_reading: bool
    enable_withdrawals: bool
    enable_spot_and_margin_trading: MaybeBool = UNSET
    enable_internal_transfer: MaybeBool = UNSET
    permits_universal_transfer: MaybeBool = UNSET
    enable_margin: MaybeBool = UNSET
    enable_futures: MaybeBool = UNSET
    ip_restrict: MaybeBool = UNSET
    create_time: MaybeInt = UNSET
    trading_authority_expiration_time: MaybeInt = UNSET
