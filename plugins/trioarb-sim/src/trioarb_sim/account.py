"""What an account owns at a venue, free and locked, and what its key may do."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import attrs

from trioarb.api import ZERO
from trioarb_sim.order import Refusal, Refused

__all__ = ["Account", "Balance", "Key"]


@attrs.frozen(kw_only=True)
class Key:
    """An API key of an account. ``public_key``: PEM, of one that signs by Ed25519."""

    api_key: str
    secret: str = attrs.field(default="", repr=False)
    public_key: str = ""
    can_trade: bool = True
    can_withdraw: bool = False
    is_expired: bool = False


@attrs.frozen
class Balance:
    free: Decimal = ZERO
    locked: Decimal = ZERO


class Account:
    """Money is never made or lost here: it is moved between free and locked, and by fills and fees."""

    def __init__(self, name: str, owned: Mapping[str, Decimal]) -> None:
        self.name = name
        self._balances = {asset: Balance(free=amount) for asset, amount in owned.items()}

    @property
    def balances(self) -> Mapping[str, Balance]:
        return self._balances

    def lock(self, asset: str, amount: Decimal) -> None:
        """Set apart what an order may spend.

        Raises:
            Refused: less than that is free.
        """
        had = self._balances.get(asset, Balance())
        if amount > had.free:
            raise Refused(Refusal.NO_FUNDS)
        self._balances[asset] = Balance(had.free - amount, had.locked + amount)

    def release(self, asset: str, amount: Decimal) -> None:
        """Give back what was set apart."""
        had = self._balances[asset]
        self._balances[asset] = Balance(had.free + amount, had.locked - amount)

    def spend(self, asset: str, amount: Decimal) -> None:
        """Let go what was set apart: it was paid."""
        had = self._balances[asset]
        self._balances[asset] = Balance(had.free, had.locked - amount)

    def receive(self, asset: str, amount: Decimal) -> None:
        had = self._balances.get(asset, Balance())
        self._balances[asset] = Balance(had.free + amount, had.locked)
