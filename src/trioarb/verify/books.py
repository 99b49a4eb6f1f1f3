"""A ledger of the verification's own, to hold the journal's against."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

import attrs

from trioarb.journal.fold import Folding
from trioarb.model.event import BalanceDiffered, Deposited, FundingPaid, OrderFilled, OrderSubmitted, Record
from trioarb.model.number import ZERO, share, text
from trioarb.model.order import Side
from trioarb.state.ledger import Ledger
from trioarb.verify.findings import Check, Findings
from trioarb.verify.listings import Listings

__all__ = ["Books", "Lock"]


@attrs.define(eq=False)
class _Account:
    """One asset at one venue: what is there, and where it came from and went. All of it sums to zero.

    ``carried``: of a quote asset, what open contracts were traded for, which isn't paid before they are closed.
    """

    free: Decimal = ZERO
    locked: Decimal = ZERO
    carried: Decimal = ZERO
    market: Decimal = ZERO
    funding: Decimal = ZERO
    fees: Decimal = ZERO
    capital: Decimal = ZERO
    moved: Decimal = ZERO


@attrs.define(eq=False)
class Lock:
    """What an order holds locked of an account."""

    account: _Account
    amount: Decimal


class Books(Folding):
    """Posts deposits, locks, fills and fees. Decimal arithmetic has to be exact around it."""

    def __init__(self, findings: Findings, listings: Listings) -> None:
        self._findings = findings
        self._listings = listings
        #: By venue and symbol: how many contracts are open, and what the venue carries for them.
        self._open: defaultdict[tuple[str, str], tuple[Decimal, Decimal]] = defaultdict(lambda: (ZERO, ZERO))
        self._accounts: defaultdict[tuple[str, str], _Account] = defaultdict(_Account)
        self._differed: BalanceDiffered | None = None

    def contracts(self, venue: str, symbol: str) -> Decimal:
        """Return how many contracts are open, below zero if they are short."""
        return self._open[venue, symbol][0] if (venue, symbol) in self._open else ZERO

    def contracts_at(self, venue: str) -> dict[str, tuple[Decimal, Decimal]]:
        """Return by symbol how many contracts are open at a venue, and what it carries for them."""
        return {symbol: held for (at, symbol), held in self._open.items() if at == venue}

    def wallet(self, venue: str, asset: str) -> Decimal:
        """Return what is owned of an asset, locked or not."""
        account = self._accounts.get((venue, asset))
        return ZERO if account is None else account.free + account.locked

    def _deposit(self, event: Deposited, record: Record) -> None:
        account, differed = self._accounts[event.venue, event.asset], self._differed
        account.free += event.amount
        account.capital -= event.amount
        symbol = self._listings.contracts.get((event.venue, event.asset))
        if symbol is not None:
            count, carried = self._open[event.venue, symbol]
            self._open[event.venue, symbol] = count + event.amount, carried
        if event.reason == "difference":
            self._differed = None
            if differed is None or (differed.venue, differed.asset) != (event.venue, event.asset):
                self._findings.add(Check.LEDGER, record, "deposits a difference that no balance_differed names")
            elif differed.held - differed.booked != event.amount:
                what = f"deposits {text(event.amount)}, but {text(differed.held - differed.booked)} differed"
                self._findings.add(Check.LEDGER, record, what)
        elif event.amount <= 0 and symbol is None:
            self._findings.add(Check.LEDGER, record, f"deposits {text(event.amount)}")

    def _differ(self, event: BalanceDiffered, record: Record) -> None:
        account = self._accounts[event.venue, event.asset]
        booked = account.free + account.locked + account.carried
        if event.booked != booked:
            self._findings.add(
                Check.LEDGER, record, f"says that {text(event.booked)} {event.asset} are booked, not {text(booked)}"
            )
        self._differed = event

    def lock(self, event: OrderSubmitted) -> Lock:
        account = self._accounts[event.venue, event.locked_asset]
        account.free -= event.locked
        account.locked += event.locked
        return Lock(account, event.locked)

    def fill(self, lock: Lock, event: OrderFilled, value: Decimal) -> None:
        """Post a fill worth ``value`` of the quote asset; what its order locked pays first."""
        listed = self._listings.symbols.get(event.symbol)
        is_contract = listed is not None and listed.is_contract_at(event.venue)
        asset = f"{event.symbol}-PERP" if is_contract else event.base
        base, quote = self._accounts[event.venue, asset], self._accounts[event.venue, event.quote]
        if is_contract:
            self._fill_contract(base, quote, event, value)
        elif event.side is Side.BUY:
            _pay(lock, quote, value)
            quote.market += value
            base.free += event.quantity
            base.market -= event.quantity
        else:
            _pay(lock, base, event.quantity)
            base.market += event.quantity
            quote.free += value
            quote.market -= value
        if event.fee:
            charged = self._accounts[event.venue, event.fee_asset]
            _pay(lock, charged, event.fee)
            charged.fees += event.fee

    def _fill_contract(self, held: _Account, quote: _Account, event: OrderFilled, value: Decimal) -> None:
        """Carry what contracts were traded for; of what is closed, pay what it brought beyond its opening."""
        count, carried = self._open[event.venue, event.symbol]
        change, cash = (event.quantity, -value) if event.side is Side.BUY else (-event.quantity, value)
        held.free += change
        held.market -= change
        quote.carried += cash
        quote.market -= cash
        paid = ZERO
        if count * change < 0:
            closed = min(abs(change), abs(count))
            paid = share(carried, closed, abs(count)) + event.price * (closed if change < 0 else -closed)
        quote.free += paid
        quote.carried -= paid
        self._open[event.venue, event.symbol] = count + change, carried + cash - paid

    def _fund(self, event: FundingPaid, record: Record) -> None:
        account = self._accounts[event.venue, event.asset]
        account.free += event.amount
        account.funding -= event.amount

    def release(self, lock: Lock) -> None:
        lock.account.locked -= lock.amount
        lock.account.free += lock.amount

    def free(self, venue: str, asset: str) -> Decimal:
        return self._accounts[venue, asset].free

    def send(self, venue: str, asset: str, amount: Decimal, fee: Decimal) -> None:
        """Post what leaves a venue, and what of it that keeps."""
        account = self._accounts[venue, asset]
        account.free -= amount
        account.fees += fee
        account.moved += amount - fee

    def arrive(self, venue: str, asset: str, amount: Decimal) -> None:
        """Post what comes from another venue."""
        account = self._accounts[venue, asset]
        account.free += amount
        account.moved -= amount

    def holdings(self) -> Iterator[tuple[tuple[str, str], Decimal, Decimal, Decimal, Decimal, Decimal]]:
        """Yield by venue and asset what is held, what trades brought, what fees took, what was put in or came from
        other venues, and what was got for holding.
        """
        for place, one in self._accounts.items():
            came = -one.capital - one.moved
            yield place, one.free + one.locked + one.carried, -one.market, one.fees, came, -one.funding

    def check(self, record: Record, open_locks: Iterator[Lock]) -> None:
        """Check that assets sum to zero, and that nothing is locked but for open orders."""
        totals: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        for (_, asset), one in self._accounts.items():
            totals[asset] += one.free + one.locked + one.carried + one.market + one.fees + one.capital + one.funding
            totals[asset] += one.moved
        for asset, total in totals.items():
            if total:
                self._findings.add(Check.LEDGER, record, f"leaves {asset} at a sum of {text(total)} instead of 0")
        locked: defaultdict[int, Decimal] = defaultdict(lambda: ZERO)
        for lock in open_locks:
            locked[id(lock.account)] += lock.amount
        for (venue, asset), account in self._accounts.items():
            if account.locked != locked[id(account)]:
                what = f"leaves {text(account.locked)} {asset} locked at {venue}, {text(locked[id(account)])} by orders"
                self._findings.add(Check.LEDGER, record, what)

    def compare(self, record: Record, ledger: Ledger) -> None:
        """Hold the journal's own ledger against these books."""
        for problem in ledger.imbalances():
            self._findings.add(Check.LEDGER, record, f"leaves the journal's ledger unbalanced: {problem}")
        balances = ledger.balances()
        for (venue, asset), account in self._accounts.items():
            theirs = balances.get(venue, {}).get(asset)
            figures = {
                "initial": (-account.capital, theirs.initial if theirs else ZERO),
                "trades": (-account.market, theirs.trades if theirs else ZERO),
                "fees": (account.fees, theirs.fees if theirs else ZERO),
                "final": (account.free + account.locked, theirs.final if theirs else ZERO),
                "funding": (-account.funding, theirs.funding if theirs else ZERO),
                "moved": (-account.moved, theirs.moved if theirs else ZERO),
                "carried": (account.carried, theirs.carried if theirs else ZERO),
                "free": (account.free, ledger.free(venue, asset)),
            }
            for name, (ours, booked) in figures.items():
                if ours != booked:
                    what = f"leaves {name} {text(booked)} {asset} at {venue} in the journal's ledger, not {text(ours)}"
                    self._findings.add(Check.LEDGER, record, what)


def _pay(lock: Lock, account: _Account, amount: Decimal) -> None:
    if account is lock.account:
        locked = amount if amount <= lock.amount else lock.amount
        lock.amount -= locked
        account.locked -= locked
        account.free -= amount - locked
    else:
        account.free -= amount
