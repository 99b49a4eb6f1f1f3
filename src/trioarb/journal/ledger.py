"""Double-entry ledger: what every venue holds, what is locked in orders, what trades and fees moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Literal

import attrs

from trioarb.model.event import (
    Deposited,
    Event,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
    Record,
)
from trioarb.model.number import EXACT, ZERO
from trioarb.model.order import Side

__all__ = ["Balance", "Ledger"]

_add, _subtract, _multiply = EXACT.add, EXACT.subtract, EXACT.multiply

#: The accounts that each venue has in each asset. Over all of them, an asset sums to zero.
_Account = Literal["free", "locked", "market", "fees", "capital"]


@attrs.define
class _Accounts:
    free: Decimal = ZERO
    locked: Decimal = ZERO
    market: Decimal = ZERO
    fees: Decimal = ZERO
    capital: Decimal = ZERO

    def move(self, amount: Decimal, source: _Account, target: _Account) -> None:
        if amount:
            setattr(self, source, _subtract(getattr(self, source), amount))
            setattr(self, target, _add(getattr(self, target), amount))

    @property
    def total(self) -> Decimal:
        return _add(_add(_add(self.free, self.locked), _add(self.market, self.fees)), self.capital)


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
        self._accounts: defaultdict[tuple[str, str], _Accounts] = defaultdict(_Accounts)
        self._locks: dict[str, _Lock] = {}
        #: The inventories that were granted, by venue and symbol.
        self.granted: set[tuple[str, str]] = set()

    def free(self, venue: str, asset: str) -> Decimal:
        """Return what can be spent; 0 for what was never held."""
        accounts = self._accounts.get((venue, asset))
        return ZERO if accounts is None else accounts.free

    @property
    def open_orders(self) -> frozenset[str]:
        """The client order ids whose fate is not known yet."""
        return frozenset(self._locks)

    def balances(self) -> Mapping[str, Mapping[str, Balance]]:
        """Return venue → asset → balance, sorted."""
        result: dict[str, dict[str, Balance]] = {}
        for (venue, asset), accounts in sorted(self._accounts.items()):
            result.setdefault(venue, {})[asset] = Balance(
                initial=-accounts.capital,
                trades=-accounts.market,
                fees=accounts.fees,
                final=_add(accounts.free, accounts.locked),
            )
        return result

    def imbalances(self) -> Iterator[str]:
        """Yield what is wrong: an asset that does not sum to zero over all accounts."""
        totals: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        for (_, asset), accounts in self._accounts.items():
            totals[asset] = _add(totals[asset], accounts.total)
        for asset, total in sorted(totals.items()):
            if total:
                yield f"{asset} sums to {total} over all accounts instead of 0"

    @property
    def folds(self) -> frozenset[type[Event]]:
        return frozenset(_FOLDS)

    def apply(self, record: Record) -> None:
        fold = _FOLDS.get(type(record.event))
        if fold is not None:
            fold(self, record.event)

    def _submit(self, order: OrderSubmitted) -> None:
        self._accounts[order.venue, order.locked_asset].move(order.locked, "free", "locked")
        self._locks[order.client_order_id] = _Lock(order.venue, order.locked_asset, order.locked, order.quantity)

    def _fill(self, fill: OrderFilled) -> None:
        lock = self._locks[fill.client_order_id]
        value = _multiply(fill.quantity, fill.price)
        if fill.side is Side.BUY:
            self._pay(lock, fill.quote, value, "market")
            self._accounts[fill.venue, fill.base].move(fill.quantity, "market", "free")
        else:
            self._pay(lock, fill.base, fill.quantity, "market")
            self._accounts[fill.venue, fill.quote].move(value, "market", "free")
        self._pay(lock, fill.fee_asset, fill.fee, "fees")
        lock.unfilled = _subtract(lock.unfilled, fill.quantity)
        if not lock.unfilled:
            self._release(fill)

    def _pay(self, lock: _Lock, asset: str, amount: Decimal, to: _Account) -> None:
        """Pay from what the order locked, and what that does not cover from what is free."""
        accounts = self._accounts[lock.venue, asset]
        locked = min(lock.amount, amount) if asset == lock.asset else ZERO
        if locked:
            lock.amount = _subtract(lock.amount, locked)
            accounts.move(locked, "locked", to)
            amount = _subtract(amount, locked)
        accounts.move(amount, "free", to)

    def _release(self, event: OrderCancelled | OrderRejected | OrderFilled) -> None:
        lock = self._locks.pop(event.client_order_id)
        self._accounts[lock.venue, lock.asset].move(lock.amount, "locked", "free")

    def _deposit(self, deposited: Deposited) -> None:
        self._accounts[deposited.venue, deposited.asset].move(deposited.amount, "capital", "free")
        if deposited.symbol is not None:
            self.granted.add((deposited.venue, deposited.symbol))


_FOLDS: Mapping[type[Event], Callable[[Ledger, Any], None]] = {
    OrderSubmitted: Ledger._submit,
    OrderFilled: Ledger._fill,
    OrderCancelled: Ledger._release,
    OrderRejected: Ledger._release,
    Deposited: Ledger._deposit,
}
