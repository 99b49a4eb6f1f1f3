"""The contracts of a paper venue with a perpetual account: what is held of them, and what its collateral allows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from decimal import Decimal

import attrs

from trioarb.api import EXACT, ZERO, Book, Contracts, ContractTerms, Instrument, Side, exact_decimal, per_unit

__all__ = ["MarginAccount", "Marks", "Standing"]

_add, _subtract, _multiply = EXACT.add, EXACT.subtract, EXACT.multiply
_TWO = Decimal(2)


class Marks:
    """The middle of what is bid and asked for each symbol; while a side is missing, what it was last."""

    def __init__(self, book: Callable[[str], Book | None]) -> None:
        self._book = book
        self._marks: dict[str, Decimal] = {}

    def mark(self, symbol: str) -> Decimal | None:
        """Return a symbol's mark; ``None``: none is known yet."""
        book = self._book(symbol)
        if book is not None and book.bids and book.asks:
            both = _add(exact_decimal(book.bids[0]), exact_decimal(book.asks[0]))
            self._marks[symbol] = EXACT.divide(both, _TWO)
        return self._marks.get(symbol)


@attrs.frozen
class Standing:
    """What the account in a quote asset is worth, wallet and unrealised results, and its maintenance margin."""

    balance: Decimal
    maintenance: Decimal

    @property
    def is_short(self) -> bool:
        return self.balance < self.maintenance


class MarginAccount:
    """One-way, cross margin: what a symbol holds is one position, and all of a quote asset stand for each other.

    ``marks`` says what contracts stand at, ``wallet`` what is owned of an asset.
    """

    def __init__(self, terms: ContractTerms, wallet: Callable[[str], Decimal], marks: Marks) -> None:
        self.terms = terms
        self._wallet = wallet
        self.mark = marks.mark
        self.contracts: dict[str, Contracts] = {}
        self._quotes: dict[str, str] = {}
        self._fees: dict[str, Decimal] = {}
        #: The value of the orders that rest, by symbol.
        self._resting: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)

    def list(self, instrument: Instrument, fee: Decimal) -> None:
        """Take in an instrument; ``fee``: what of an order's value its fee may be."""
        self._quotes[instrument.symbol], self._fees[instrument.symbol] = instrument.quote, max(fee, ZERO)

    def take_up(self, contracts: Mapping[str, tuple[Decimal, Decimal]]) -> None:
        """Hold what an earlier process wrote down."""
        self.contracts = {symbol: Contracts(*one) for symbol, one in contracts.items()}

    def written(self) -> Mapping[str, tuple[Decimal, Decimal]]:
        return {symbol: (one.quantity, one.cost) for symbol, one in self.contracts.items()}

    @property
    def positions(self) -> Mapping[str, Contracts]:
        return {symbol: Contracts(*one) for symbol, one in self.written().items()}

    def trade(self, symbol: str, side: Side, quantity: Decimal, price: Decimal) -> Decimal:
        """Count a fill; return what the wallet gains."""
        held = self.contracts.setdefault(symbol, Contracts())
        realised = held.trade(side, quantity, price)
        if not held.quantity:
            del self.contracts[symbol]
        return realised

    def rest(self, symbol: str, value: Decimal) -> None:
        """Bind what an order at rest of this value may need; below zero: let go of it."""
        self._resting[symbol] = _add(self._resting[symbol], value)

    def refusal(self, symbol: str, side: Side, quantity: Decimal, value: Decimal) -> str:
        """Return why an order of this value is not taken, or ''. One that only closes is."""
        held = self.contracts.get(symbol, Contracts()).quantity
        closes = min(quantity, max(ZERO, EXACT.minus(held) if side is Side.BUY else held))
        if closes == quantity:
            return ""
        opened = self.terms.initial_margin(EXACT.subtract(value, value * closes / quantity) if closes else value)
        needed, quote = _add(opened, _multiply(value, self._fees[symbol])), self._quotes[symbol]
        available = self.free(quote)
        if needed <= available:
            return ""
        return f"insufficient margin: {needed:f} {quote} needed, {available:f} available"

    def free(self, quote: str) -> Decimal:
        """Return what of the collateral is bound neither by positions nor by orders at rest."""
        free = self._wallet(quote)
        for _, held, mark in self._open(quote):
            free = _add(free, held.unrealised(mark))
            free = _subtract(free, self.terms.initial_margin(abs(_multiply(held.quantity, mark))))
        for symbol, value in self._resting.items():
            if value and self._quotes[symbol] == quote:
                free = _subtract(free, _add(self.terms.initial_margin(value), _multiply(value, self._fees[symbol])))
        return free

    @property
    def quotes(self) -> tuple[str, ...]:
        """The quote assets of what is held."""
        return tuple(dict.fromkeys(self._quotes[symbol] for symbol in self.contracts if symbol in self._quotes))

    def standing(self, quote: str) -> Standing:
        """Return how the account in a quote asset stands."""
        balance, maintenance = self._wallet(quote), ZERO
        for _, held, mark in self._open(quote):
            balance = _add(balance, held.unrealised(mark))
            maintenance = _add(maintenance, self.terms.maintenance_margin(abs(_multiply(held.quantity, mark))))
        return Standing(balance, maintenance)

    def heaviest(self, quote: str, but: Collection[str]) -> str | None:
        """Return which contract needs the most margin, the first by name of several, without some; ``None``: none."""
        values = [
            (-abs(_multiply(held.quantity, mark)), symbol)
            for symbol, held, mark in self._open(quote)
            if symbol not in but
        ]
        return min(values)[1] if values else None

    def _open(self, quote: str) -> Iterator[tuple[str, Contracts, Decimal]]:
        """Yield what is held in a quote asset, with its mark; of what has none, what it cost on average."""
        for symbol, held in self.contracts.items():
            if self._quotes.get(symbol) == quote:
                mark = self.mark(symbol)
                yield symbol, held, per_unit(held.cost, held.quantity) if mark is None else mark
