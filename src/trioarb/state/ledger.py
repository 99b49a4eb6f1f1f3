"""Double-entry ledger: what every venue holds, what is locked in orders, what trades and fees moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Literal, get_args

import attrs

from trioarb.journal.fold import Folding
from trioarb.model.contract import Contracts, contract_of
from trioarb.model.event import (
    Deposited,
    FundingPaid,
    InstrumentChanged,
    InstrumentListed,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReopened,
    OrderSubmitted,
    Record,
    TransferArrived,
    TransferSent,
)
from trioarb.model.number import EXACT, ZERO
from trioarb.model.order import Side

__all__ = ["Balance", "Ledger"]

#: How the name of a contract ends.
_SUFFIX = contract_of("")

_add, _subtract, _multiply = EXACT.add, EXACT.subtract, EXACT.multiply

#: The accounts that each venue has in each asset. Over all of them, an asset sums to zero.
_Account = Literal["free", "locked", "carried", "market", "fees", "funding", "capital", "moved"]


_Accounts = dict[_Account, Decimal]


def _empty() -> _Accounts:
    return dict.fromkeys(get_args(_Account), ZERO)


class _Books(dict[tuple[str, str], _Accounts]):
    """Accounts by venue and asset. Whoever takes some by ``[]`` changes them, which all of ``noting`` take note of."""

    def __init__(self) -> None:
        super().__init__()
        self.noting: list[set[tuple[str, str]]] = []

    def __getitem__(self, place: tuple[str, str]) -> _Accounts:
        for noted in self.noting:
            noted.add(place)
        accounts = self.get(place)
        if accounts is None:
            accounts = self[place] = _empty()
        return accounts


def _move(accounts: _Accounts, amount: Decimal, source: _Account, target: _Account) -> None:
    if amount:
        accounts[source] = _subtract(accounts[source], amount)
        accounts[target] = _add(accounts[target], amount)


def _fill_contract(held: _Accounts, quote: _Accounts, contracts: Contracts, fill: OrderFilled, value: Decimal) -> None:
    """Move contracts against what they cost, which is carried; only what is realised reaches the wallet."""
    if fill.side is Side.BUY:
        _move(held, fill.quantity, "market", "free")
        _move(quote, value, "carried", "market")
    else:
        _move(held, fill.quantity, "free", "market")
        _move(quote, value, "market", "carried")
    _move(quote, contracts.trade(fill.side, fill.quantity, fill.price), "carried", "free")


@attrs.frozen(kw_only=True)
class Balance:
    """One asset at one venue: ``initial + trades − fees + funding + moved = final + carried``, to the last digit.

    ``moved``: what came from other venues, less what went there. Over all venues it is below zero by what is under way.

    ``carried``: of the quote asset of contracts, what they cost that are open, below zero if they were bought: it was
    traded for, and not paid yet.
    """

    initial: Decimal
    trades: Decimal
    fees: Decimal
    final: Decimal
    carried: Decimal = ZERO
    funding: Decimal = ZERO
    moved: Decimal = ZERO


@attrs.define
class _Lock:
    venue: str
    asset: str
    amount: Decimal
    unfilled: Decimal


def _balance(accounts: _Accounts) -> Balance:
    return Balance(
        initial=EXACT.minus(accounts["capital"]),
        trades=EXACT.minus(accounts["market"]),
        fees=accounts["fees"],
        final=_add(accounts["free"], accounts["locked"]),
        carried=accounts["carried"],
        funding=EXACT.minus(accounts["funding"]),
        moved=EXACT.minus(accounts["moved"]),
    )


class Ledger(Folding):
    """Folds deposits, orders and fills into accounts. A posting that could not be exact raises `decimal.Inexact`."""

    def __init__(self) -> None:
        self._accounts = _Books()
        self._locks: dict[str, _Lock] = {}
        #: What is held of the contracts that are listed, by venue and symbol.
        self._contracts: dict[tuple[str, str], Contracts] = {}
        #: What venues booked by themselves last: when, and by which ids.
        self._charged: dict[str, tuple[int, set[str]]] = {}
        #: The inventories that were granted, by venue and symbol.
        self.granted: set[tuple[str, str]] = set()

    def free(self, venue: str, asset: str) -> Decimal:
        """Return what can be spent; 0 for what was never held."""
        accounts = self._accounts.get((venue, asset))
        return ZERO if accounts is None else accounts["free"]

    def held(self, venue: str) -> Mapping[str, Decimal]:
        """Return what a venue should hold by asset, free and locked together.

        Contracts that are open count as their name, and of their quote asset what they cost is left out.
        """
        return {
            asset: _add(_add(accounts["free"], accounts["locked"]), accounts["carried"])
            for (at, asset), accounts in self._accounts.items()
            if at == venue
        }

    def carried(self, venue: str, asset: str) -> Decimal:
        """Return what open contracts cost, below zero if they were bought."""
        accounts = self._accounts.get((venue, asset))
        return ZERO if accounts is None else accounts["carried"]

    def contracts(self, venue: str, symbol: str) -> Contracts | None:
        """Return what is held of a contract; ``None``: the venue lists no contract of the symbol."""
        return self._contracts.get((venue, symbol))

    def contracts_at(self, venue: str) -> Mapping[str, Contracts]:
        """Return what is held of contracts at a venue, by symbol."""
        return {symbol: held for (at, symbol), held in self._contracts.items() if at == venue and held.quantity}

    def stock(self, asset: str, venue: str) -> Decimal:
        """Return how much of an asset a venue should hold, free and locked together."""
        accounts = self._accounts.get((venue, asset))
        return ZERO if accounts is None else _add(accounts["free"], accounts["locked"])

    def charged(self, venue: str) -> tuple[int, frozenset[str]]:
        """Return when a venue booked last by itself, and the ids of what it booked then."""
        at_ns, ids = self._charged.get(venue, (0, ()))
        return at_ns, frozenset(ids)

    @property
    def open_orders(self) -> frozenset[str]:
        """The client order ids whose last word is not known yet."""
        return frozenset(self._locks)

    def balances(self) -> Mapping[str, Mapping[str, Balance]]:
        """Return venue → asset → balance, sorted."""
        result: dict[str, dict[str, Balance]] = {}
        for (venue, asset), accounts in sorted(self._accounts.items()):
            result.setdefault(venue, {})[asset] = _balance(accounts)
        return result

    @property
    def places(self) -> list[tuple[str, str]]:
        """Venue and asset of all that was ever held."""
        return list(self._accounts)

    def balance(self, venue: str, asset: str) -> Balance:
        """Return what was held at a venue of an asset of its `places`."""
        accounts = self._accounts.get((venue, asset))
        return _balance(_empty() if accounts is None else accounts)

    @contextmanager
    def noted(self) -> Iterator[set[tuple[str, str]]]:
        """Have a set in which the venue and asset of each balance are, from when it changes on."""
        found = set[tuple[str, str]]()
        self._accounts.noting.append(found)
        try:
            yield found
        finally:
            self._accounts.noting[:] = [one for one in self._accounts.noting if one is not found]

    def imbalances(self) -> Iterator[str]:
        """Yield what is wrong: an asset that does not sum to zero over all accounts."""
        totals: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        for (_, asset), accounts in self._accounts.items():
            for amount in accounts.values():
                totals[asset] = _add(totals[asset], amount)
        for asset, total in sorted(totals.items()):
            if total:
                yield f"{asset} sums to {total} over all accounts instead of 0"

    def _submit(self, order: OrderSubmitted, _: Record) -> None:
        _move(self._accounts[order.venue, order.locked_asset], order.locked, "free", "locked")
        self._locks[order.client_order_id] = _Lock(order.venue, order.locked_asset, order.locked, order.quantity)

    def _fill(self, fill: OrderFilled, _: Record) -> None:
        """Pay from what the order locked, and what that does not cover from what is free."""
        lock = self._locks[fill.client_order_id]
        value = _multiply(fill.quantity, fill.price)
        contracts = self._contracts.get((fill.venue, fill.symbol)) if self._contracts else None
        base_asset = fill.base if contracts is None else contract_of(fill.symbol)
        base, quote = self._accounts[fill.venue, base_asset], self._accounts[fill.venue, fill.quote]
        if contracts is not None:
            spent = quote
            _fill_contract(base, quote, contracts, fill, value)
        elif fill.side is Side.BUY:
            spent = quote
            _move(base, fill.quantity, "market", "free")
            self._pay(lock, quote, value, "market")
        else:
            spent = base
            _move(quote, value, "market", "free")
            self._pay(lock, base, fill.quantity, "market")
        if fill.fee:
            fees = self._accounts[fill.venue, fill.fee_asset]
            if fees is spent:
                self._pay(lock, fees, fill.fee, "fees")
            else:
                _move(fees, fill.fee, "free", "fees")
        lock.unfilled = _subtract(lock.unfilled, fill.quantity)
        if not lock.unfilled:
            self._unlock(fill.client_order_id)

    def _pay(self, lock: _Lock, accounts: _Accounts, amount: Decimal, to: _Account) -> None:
        locked = min(lock.amount, amount)
        if locked:
            lock.amount = _subtract(lock.amount, locked)
            _move(accounts, locked, "locked", to)
        if locked != amount:
            _move(accounts, _subtract(amount, locked), "free", to)

    def _release(self, event: OrderCancelled | OrderExpired | OrderRejected, _: Record) -> None:
        self._unlock(event.client_order_id)

    def _reopen(self, order: OrderReopened, _: Record) -> None:
        self._locks[order.client_order_id] = _Lock(order.venue, "", ZERO, order.unfilled)

    def _unlock(self, client_order_id: str) -> None:
        lock = self._locks.pop(client_order_id)
        if lock.amount:
            _move(self._accounts[lock.venue, lock.asset], lock.amount, "locked", "free")

    def _fund(self, paid: FundingPaid, _: Record) -> None:
        _move(self._accounts[paid.venue, paid.asset], paid.amount, "funding", "free")
        at_ns, ids = self._charged.get(paid.venue, (0, set[str]()))
        if at_ns != paid.charged_at_ns:
            ids = set()
        ids.add(paid.charge_id)
        self._charged[paid.venue] = paid.charged_at_ns, ids

    def _send(self, sent: TransferSent, _: Record) -> None:
        accounts = self._accounts[sent.source, sent.asset]
        _move(accounts, sent.fee, "free", "fees")
        _move(accounts, sent.arrives, "free", "moved")

    def _arrive(self, arrived: TransferArrived, _: Record) -> None:
        _move(self._accounts[arrived.target, arrived.asset], arrived.amount, "moved", "free")

    def _list(self, listed: InstrumentListed | InstrumentChanged, _: Record) -> None:
        if listed.leverage is not None:
            self._contracts.setdefault((listed.venue, listed.symbol), Contracts())

    def _deposit(self, deposited: Deposited, _: Record) -> None:
        _move(self._accounts[deposited.venue, deposited.asset], deposited.amount, "capital", "free")
        contracts = self._contracts.get((deposited.venue, deposited.asset.removesuffix(_SUFFIX)))
        if contracts is not None and deposited.asset.endswith(_SUFFIX):
            contracts.quantity = _add(contracts.quantity, deposited.amount)
        if deposited.symbol is not None:
            self.granted.add((deposited.venue, deposited.symbol))
