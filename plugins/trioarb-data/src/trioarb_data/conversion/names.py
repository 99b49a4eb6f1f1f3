"""Which exchange and symbol a row is of: native names made those of a recording, each pair a code."""

from __future__ import annotations

from typing import Any

import numpy as np

from trioarb.errors import MarketDataError
from trioarb_data.conversion.formats import Rules
from trioarb_data.conversion.native_symbol import certain_quote, split

__all__ = ["Names"]


class Names:
    """Pairs of exchange and symbol, in the order in which they are first met; a pair's code is its place in ``met``.

    Two instruments of an exchange never become one, unless ``symbol_map`` names both. ``guessed`` are native symbols
    that may be something else: what they were taken for, and what else they may be.
    """

    def __init__(self, rules: Rules) -> None:
        self.met: list[tuple[str, str]] = []
        self.guessed: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._rules = rules
        self._quotes = {symbol.rpartition("-")[2] for symbol in rules.symbol_map.values()}
        self._codes: dict[tuple[str, str], int] = {}
        self._native: list[tuple[str, str]] = []

    def pairs(
        self, source: str, exchanges: Any, exchange_names: list[str], symbols: Any, symbol_names: list[str], rows: Any
    ) -> Any:
        """Return the code of every row's pair, 0 where ``rows`` is false; −1 among the codes given is no name.

        Raises:
            MarketDataError: a symbol can't be split, or means the same as another; lists them.
        """
        keys = (exchanges + 1) * (len(symbol_names) + 1) + symbols + 1
        found, first, places = np.unique(keys[rows], return_index=True, return_inverse=True)
        codes = np.zeros(len(found), dtype=np.int32)
        self._quotes |= {quote for name in symbol_names if (quote := certain_quote(name)) is not None}
        unknown: dict[str, tuple[str, ...]] = {}
        for place in np.argsort(first):
            exchange, symbol = divmod(int(found[place]), len(symbol_names) + 1)
            native = (["", *exchange_names][exchange], ["", *symbol_names][symbol])
            code = self._code(source, native)
            if code is None:
                unknown[native[1]] = split(native[1], self._quotes).others
            else:
                codes[place] = code
        if unknown:
            named = ", ".join(
                f"{name} (it may be {' or '.join(others)})" if others else name for name, others in unknown.items()
            )
            example, readings = next(iter(unknown.items()))
            raise MarketDataError(
                f"{source}: base and quote asset can't be told from {named}; "
                f"say them, as in --symbol-map {example}={readings[0] if readings else 'BASE-QUOTE'}"
            )
        pairs = np.zeros(len(rows), dtype=np.int32)
        pairs[rows] = codes[places]
        return pairs

    def _code(self, source: str, native: tuple[str, str]) -> int | None:
        if native in self._codes:
            return self._codes[native]
        exchange = self._rules.exchange or native[0]
        symbol = self._rules.symbol or self._rules.symbol_map.get(native[1])
        if symbol is None:
            found = split(native[1], self._quotes)
            if found.symbol is None:
                return None
            symbol = found.symbol
            if found.others:
                self.guessed[native[1]] = symbol, found.others
        if "/" in exchange or exchange.startswith(".") or not exchange.isprintable():
            raise MarketDataError(f"{source}: {exchange!r} can't be the name of a file; give a name with --exchange")
        pair = exchange, symbol
        if pair in self.met:
            self._check_same(source, native, self._native[self.met.index(pair)], pair)
        else:
            self.met.append(pair)
            self._native.append(native)
        code = self._codes[native] = self.met.index(pair)
        return code

    def _check_same(self, source: str, native: tuple[str, str], other: tuple[str, str], pair: tuple[str, str]) -> None:
        if native[0] != other[0]:
            remedy = "without --exchange they stay apart" if self._rules.exchange else "convert them one by one"
            raise MarketDataError(
                f"{source}: quotes of the exchanges {other[0]} and {native[0]} would both be {pair[0]} {pair[1]}; "
                f"{remedy}"
            )
        if self._rules.symbol or not {native[1], other[1]} <= set(self._rules.symbol_map):
            raise MarketDataError(
                f"{source}: {other[1]} and {native[1]} would both be {pair[1]} at {pair[0]}; convert them one by one, "
                f"or say that they are one: --symbol-map {other[1]}={pair[1]} --symbol-map {native[1]}={pair[1]}"
            )
