"""Events of transfers: what left one venue for another, and arrived there. Simulated venues only."""

from __future__ import annotations

from decimal import Decimal

from trioarb.model.event.base import Event
from trioarb.model.number import EXACT

__all__ = ["TransferArrived", "TransferSent"]


class TransferSent(Event, frozen=True, kw_only=True):
    """``amount`` of an asset leaves ``source``, which keeps ``fee`` of it; the rest is held nowhere until it arrives.

    ``value_usd`` is what that rest is worth at the source's price now, and counts as exposure meanwhile: of the
    ``symbol`` that the asset is the base of, if it is. ``fee_usd`` is the fee at the same price.
    """

    transfer_id: str
    asset: str
    source: str
    target: str
    amount: Decimal
    fee: Decimal
    arrives_at_ns: int
    value_usd: Decimal
    fee_usd: Decimal
    symbol: str | None = None

    @property
    def arrives(self) -> Decimal:
        """What is under way."""
        return EXACT.subtract(self.amount, self.fee)


class TransferArrived(Event, frozen=True, kw_only=True):
    """``amount``, all that was under way, is at ``target`` from now on."""

    transfer_id: str
    asset: str
    source: str
    target: str
    amount: Decimal
