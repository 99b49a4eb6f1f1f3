"""Double-entry ledger: what every venue holds, what is locked in orders, what trades and fees moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal, localcontext
from enum import Enum

import attrs

from trioarb.model.event import (
    Deposited,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
    Record,
)
from trioarb.model.number import EXACT, ZERO
from trioarb.model.order import Side

__all__ = ["Balance", "Ledger", "LedgerAccount"]


class LedgerAccount(Enum):
    """The accounts that each venue has in each asset. Over all of them, an asset sums to zero."""

    FREE = "free"
    LOCKED = "locked"
    MARKET = "market"
    FEES = "fees"
    CAPITAL = "capital"


@attrs.frozen(kw_only=True)
class Balance:
    """One asset at one venue: ``initial + trades − fees = final``, to the last digit."""

    initial: Decimal
    trades: Decimal
    fees: Decimal
    final: Decimal


@attrs.define
class _Lock:
    venue: str
    asset: str
    amount: Decimal
    unfilled: Decimal


class Ledger:
    """Folds deposits, orders and fills into accounts. A posting that could not be exact raises `decimal.Inexact`."""

    def __init__(self) -> None:
        self._accounts: defaultdict[tuple[str, str, LedgerAccount], Decimal] = defaultdict(lambda: ZERO)
        self._locks: dict[str, _Lock] = {}

    def free(self, venue: str, asset: str) -> Decimal:
        """Return what can be spent; 0 for what was never held."""
        return self._accounts.get((venue, asset, LedgerAccount.FREE), ZERO)

    @property
    def open_orders(self) -> frozenset[str]:
        """The client order ids whose fate is not known yet."""
        return frozenset(self._locks)

    def balances(self) -> Mapping[str, Mapping[str, Balance]]:
        """Return venue → asset → balance, sorted."""
        result: dict[str, dict[str, Balance]] = {}
        for venue, asset in sorted({key[:2] for key in self._accounts}):
            initial, trades, fees, free, locked = (
                self._accounts.get((venue, asset, account), ZERO)
                for account in (
                    LedgerAccount.CAPITAL,
                    LedgerAccount.MARKET,
                    LedgerAccount.FEES,
                    LedgerAccount.FREE,
                    LedgerAccount.LOCKED,
                )
            )
            result.setdefault(venue, {})[asset] = Balance(
                initial=-initial, trades=-trades, fees=fees, final=EXACT.add(free, locked)
            )
        return result

    def imbalances(self) -> Iterator[str]:
        """Yield what is wrong: an asset that does not sum to zero over all accounts."""
        totals: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        for (_, asset, _), amount in self._accounts.items():
            totals[asset] = EXACT.add(totals[asset], amount)
        for asset, total in sorted(totals.items()):
            if total:
                yield f"{asset} sums to {total} over all accounts instead of 0"

    def apply(self, record: Record) -> None:
        with localcontext(EXACT):
            match record.event:
                case OrderSubmitted() as order:
                    self._move(order.venue, order.locked_asset, order.locked, LedgerAccount.FREE, LedgerAccount.LOCKED)
                    self._locks[order.client_order_id] = _Lock(
                        order.venue, order.locked_asset, order.locked, order.quantity
                    )
                case OrderFilled() as fill:
                    self._fill(fill)
                case OrderCancelled(client_order_id=order_id) | OrderRejected(client_order_id=order_id):
                    self._release(order_id)
                case Deposited(venue=venue, asset=asset, amount=amount):
                    self._move(venue, asset, amount, LedgerAccount.CAPITAL, LedgerAccount.FREE)
                case _:
                    pass

    def _fill(self, fill: OrderFilled) -> None:
        lock = self._locks[fill.client_order_id]
        value = fill.quantity * fill.price
        if fill.side is Side.BUY:
            self._pay(lock, fill.quote, value, LedgerAccount.MARKET)
            self._move(fill.venue, fill.base, fill.quantity, LedgerAccount.MARKET, LedgerAccount.FREE)
        else:
            self._pay(lock, fill.base, fill.quantity, LedgerAccount.MARKET)
            self._move(fill.venue, fill.quote, value, LedgerAccount.MARKET, LedgerAccount.FREE)
        self._pay(lock, fill.fee_asset, fill.fee, LedgerAccount.FEES)
        lock.unfilled -= fill.quantity
        if not lock.unfilled:
            self._release(fill.client_order_id)

    def _pay(self, lock: _Lock, asset: str, amount: Decimal, to: LedgerAccount) -> None:
        """Pay from what the order locked, and what that does not cover from what is free."""
        locked = min(lock.amount, amount) if asset == lock.asset else ZERO
        lock.amount -= locked
        self._move(lock.venue, asset, locked, LedgerAccount.LOCKED, to)
        self._move(lock.venue, asset, amount - locked, LedgerAccount.FREE, to)

    def _release(self, order_id: str) -> None:
        lock = self._locks.pop(order_id)
        self._move(lock.venue, lock.asset, lock.amount, LedgerAccount.LOCKED, LedgerAccount.FREE)

    def _move(self, venue: str, asset: str, amount: Decimal, source: LedgerAccount, target: LedgerAccount) -> None:
        if amount:
            self._accounts[venue, asset, source] -= amount
            self._accounts[venue, asset, target] += amount
