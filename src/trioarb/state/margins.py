"""How accounts with perpetual contracts stand: their collateral, what of it is bound, and how far liquidation is."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Protocol

import attrs

from trioarb.journal.fold import Folding
from trioarb.model.contract import Contracts, ContractTerms, liquidation_price
from trioarb.model.event import ContractsLiquidated, InstrumentChanged, InstrumentListed, Record
from trioarb.model.number import EXACT, ZERO, per_unit
from trioarb.model.order import Side
from trioarb.state.ledger import Ledger

__all__ = ["Margins", "Priced", "Standing"]

_add, _subtract, _multiply = EXACT.add, EXACT.subtract, EXACT.multiply
_TWO = Decimal(2)
_HUNDRED = Decimal(100)


class Priced(Protocol):
    """What a venue bid and asked."""

    @property
    def bid(self) -> Decimal | None: ...
    @property
    def ask(self) -> Decimal | None: ...


@attrs.frozen(kw_only=True)
class Standing:
    """An account in one quote asset: ``balance`` = wallet + what its contracts would realise at their marks.

    ``value`` is that of its contracts, long and short together; ``initial`` and ``maintenance`` are the margins of what
    is open; ``free`` = balance − initial − what orders lock.
    """

    balance: Decimal
    value: Decimal
    initial: Decimal
    maintenance: Decimal
    free: Decimal


@attrs.frozen
class _Account:
    """Contracts that stand for each other, by symbol, with their marks and terms, and the wallet behind them."""

    wallet: Decimal
    held: Mapping[str, Contracts]
    marks: Mapping[str, Decimal | None]
    terms: Mapping[str, ContractTerms]


class Margins(Folding):
    """Folds how contracts are margined; what is held of them is the ledger's.

    A contract's mark is the middle of what its venue bid and asked when it was looked at last (``prices`` by symbol
    and venue); before that, its average entry price.
    """

    def __init__(self, ledger: Ledger, prices: Mapping[tuple[str, str], Priced]) -> None:
        self._ledger = ledger
        self._prices = prices
        #: By venue and symbol: how it is margined, and in which asset.
        self._terms: dict[tuple[str, str], tuple[ContractTerms, str]] = {}
        #: What venues liquidated last: when, and by which ids.
        self._liquidated: dict[str, tuple[int, frozenset[str]]] = {}

    @property
    def venues(self) -> tuple[str, ...]:
        """The venues that list contracts."""
        return tuple(dict.fromkeys(venue for venue, _ in self._terms))

    def liquidated(self, venue: str) -> tuple[int, frozenset[str]]:
        """Return when a venue closed contracts by force last, and the ids of what it closed then."""
        return self._liquidated.get(venue, (0, frozenset()))

    def terms(self, venue: str, symbol: str) -> ContractTerms | None:
        found = self._terms.get((venue, symbol))
        return None if found is None else found[0]

    def quote(self, venue: str, symbol: str) -> str | None:
        """Return the asset in which a contract is margined; ``None``: the venue lists none of the symbol."""
        found = self._terms.get((venue, symbol))
        return None if found is None else found[1]

    def quotes(self, venue: str) -> tuple[str, ...]:
        """Return the assets in which contracts of a venue are margined."""
        return tuple(dict.fromkeys(quote for (at, _), (_, quote) in self._terms.items() if at == venue))

    def mark(self, venue: str, symbol: str) -> Decimal | None:
        """Return the mark of a contract; ``None``: nothing is known, or held."""
        price = self._prices.get((symbol, venue))
        if price is not None and price.bid is not None and price.ask is not None:
            return EXACT.divide(_add(price.bid, price.ask), _TWO)
        held = self._ledger.contracts(venue, symbol)
        return per_unit(held.cost, held.quantity) if held is not None and held.quantity else None

    def standing(self, venue: str, quote: str) -> Standing:
        """Return how the account in a quote asset stands."""
        free = _add(self._ledger.free(venue, quote), self._ledger.carried(venue, quote))
        balance = _add(self._ledger.stock(quote, venue), self._ledger.carried(venue, quote))
        total = initial = maintenance = ZERO
        for symbol, held in self._held(venue, quote).items():
            mark, terms = self.mark(venue, symbol), self._terms[venue, symbol][0]
            assert mark is not None
            value = _multiply(held.quantity, mark)
            free, balance, total = _add(free, value), _add(balance, value), _add(total, abs(value))
            initial = _add(initial, terms.initial_margin(abs(value)))
            maintenance = _add(maintenance, terms.maintenance_margin(abs(value)))
        return Standing(
            balance=balance, value=total, initial=initial, maintenance=maintenance, free=_subtract(free, initial)
        )

    def liquidation_price(self, venue: str, symbol: str) -> Decimal | None:
        """Return the mark at which a contract is liquidated, the marks of others staying; ``None``: none is."""
        return self._liquidation_price(symbol, self._account(venue, symbol, ZERO, None))

    def distance_pct(
        self, venue: str, symbol: str, *, opens: Decimal = ZERO, price: Decimal | None = None
    ) -> Decimal | None:
        """Return by how much of it the mark may move until the contract is liquidated; ``None``: it never is.

        With ``opens``, below zero if it is sold, which is bought at a ``price`` before: the least of all contracts of
        the account then, since they stand for each other; where nothing was looked at yet, that price is the mark.
        Not above zero if it is to be liquidated now.
        """
        account = self._account(venue, symbol, opens, price)
        found = (self._distance_pct(one, account) for one in (account.held if opens else (symbol,)))
        return min((one for one in found if one is not None), default=None)

    def _account(self, venue: str, symbol: str, opens: Decimal, price: Decimal | None) -> _Account:
        """Return what stands for each other with a contract, once so much more of it was traded at a price."""
        quote = self._terms[venue, symbol][1]
        held, wallet = dict(self._held(venue, quote)), self._ledger.stock(quote, venue)
        marks = {one: self.mark(venue, one) for one in held}
        if opens and price is not None:
            before = held.get(symbol) or Contracts()
            held[symbol] = more = Contracts(before.quantity, before.cost)
            wallet = _add(wallet, more.trade(Side.BUY if opens > 0 else Side.SELL, abs(opens), price))
            mark = marks.get(symbol)
            mark = self.mark(venue, symbol) if mark is None else mark
            marks[symbol] = price if mark is None else mark
        terms = {one: self._terms[venue, one][0] for one in held}
        return _Account(wallet, held, marks, terms)

    def _liquidation_price(self, symbol: str, account: _Account) -> Decimal | None:
        wallet = account.wallet
        for other, one in account.held.items():
            if other != symbol:
                mark = account.marks[other]
                assert mark is not None
                needed = account.terms[other].maintenance_margin(abs(_multiply(one.quantity, mark)))
                wallet = _subtract(_add(wallet, one.unrealised(mark)), needed)
        held = account.held.get(symbol)
        return None if held is None else liquidation_price(wallet, held, account.terms[symbol].maintenance_margin_bps)

    def _distance_pct(self, symbol: str, account: _Account) -> Decimal | None:
        at, mark, held = self._liquidation_price(symbol, account), account.marks.get(symbol), account.held.get(symbol)
        if at is None or mark is None or held is None or not held.quantity:
            return None
        away = _subtract(mark, at) if held.quantity > 0 else _subtract(at, mark)
        return per_unit(_multiply(away, _HUNDRED), mark)

    def _held(self, venue: str, quote: str) -> Mapping[str, Contracts]:
        held = self._ledger.contracts_at(venue)
        return {symbol: one for symbol, one in held.items() if self._terms[venue, symbol][1] == quote}

    def _liquidate(self, event: ContractsLiquidated, _: Record) -> None:
        at_ns, ids = self.liquidated(event.venue)
        before = ids if at_ns == event.liquidated_at_ns else frozenset[str]()
        self._liquidated[event.venue] = event.liquidated_at_ns, before | {event.liquidation_id}

    def _list(self, listed: InstrumentListed | InstrumentChanged, _: Record) -> None:
        if listed.leverage is not None and listed.maintenance_margin_bps is not None:
            terms = ContractTerms(
                leverage=listed.leverage,
                maintenance_margin_bps=listed.maintenance_margin_bps,
                funding_bps=listed.funding_bps,
                funding_interval_hours=listed.funding_interval_hours,
            )
            self._terms[listed.venue, listed.symbol] = terms, listed.quote
