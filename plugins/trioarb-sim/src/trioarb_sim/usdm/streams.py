"""Streams of contracts: changes that name the one before, best prices with times, mark prices with the next funding."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import ClassVar

import trio

from trioarb_sim.binance.streams import Level, Levels, MarketStreams
from trioarb_sim.usdm import bodies
from trioarb_sim.venue import BookChanged

__all__ = ["ContractStreams"]

_MARK_PRICE = re.compile(r"([^@!]+)@markPrice(@1s)?")
_MARK_SECONDS = 3


class ContractStreams(MarketStreams):
    """One connection. Who is asked whether it is there each three minutes needn't answer for ten."""

    messages_a_second: ClassVar[int] = 10
    ping_seconds: ClassVar[float] = 180.0
    pong_seconds: ClassVar[float] = 600.0

    async def beside(self) -> None:
        """Tell mark prices, each second or third second, as their names say."""
        started, number = trio.current_time(), 0
        while True:
            number += 1
            await trio.sleep_until(started + number)
            for name in self.names:
                found = _MARK_PRICE.fullmatch(name)
                if found is not None and (found[2] or number % _MARK_SECONDS == 0):
                    self._tell_mark(name, found[1].upper())

    def _tell_mark(self, stream: str, market: str) -> None:
        price = self._venue.last_price(market)
        if price is not None:
            self._send(stream, bodies.mark_price_event(market, price, self._now_ms()))

    def best_event(self, market: str, last_id: int, bid: Level, ask: Level) -> dict[str, object]:
        now = self._now_ms()
        event = super().best_event(market, bodies.number_of(last_id), bid, ask)
        return {"e": "bookTicker", **event, "T": now, "E": now}

    def levels_event(
        self, market: str, last_id: int, bids: Levels, asks: Levels, changes: Sequence[BookChanged]
    ) -> dict[str, object]:
        def texts(levels: Sequence[tuple[Decimal, Decimal]]) -> list[list[str]]:
            return [[bodies.plain(price), bodies.plain(size)] for price, size in levels]

        return {**self.changes_event(market, changes), "b": texts(bids), "a": texts(asks)}

    def changes_event(self, market: str, changes: Sequence[BookChanged]) -> dict[str, object]:
        # What was told to nobody (a gap) was a change all the same: then this isn't what was told last.
        previous = bodies.number_of(changes[0].first_id - 1)
        return bodies.changes_event(market, changes, previous, self._now_ms())
