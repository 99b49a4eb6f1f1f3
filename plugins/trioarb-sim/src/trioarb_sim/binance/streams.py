"""Binance's market streams: who subscribed to what, and what is said of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, ClassVar

import attrs
import trio

from trioarb_sim.binance import bodies
from trioarb_sim.faults import Fault, Faults
from trioarb_sim.outbox import Outbox
from trioarb_sim.server import Socket, SocketClosed
from trioarb_sim.venue import BookChanged, Traded, Venue

__all__ = ["MAX_STREAMS", "MarketStreams"]

MAX_STREAMS = 1024
_TICK_SECONDS = 0.1
_NOTHING = (Decimal(0), Decimal(0))
_NAME = re.compile(r"([^@!]+)@(bookTicker|trade|aggTrade|depth(?:5|10|20)?)(?:@(100ms|1000ms))?")


Level = tuple[Decimal, Decimal]
Levels = Sequence[Level]


@attrs.define
class _Depth:
    """What of a book was not told yet. ``every``: told each so many tenths of a second; ``levels``: 0 for changes."""

    stream: str
    every: int
    levels: int
    waiting: list[BookChanged] = attrs.field(factory=list)


class MarketStreams:
    """One connection to ``/ws`` or ``/stream``. ``is_combined``: each message names its stream."""

    #: How many messages a peer may send in a second, how often it is asked whether it is there, and for how long it
    #: needn't answer.
    messages_a_second: ClassVar[int] = 5
    ping_seconds: ClassVar[float] = 20.0
    pong_seconds: ClassVar[float] = 60.0

    def __init__(
        self,
        venue: Venue,
        faults: Faults,
        socket: Socket,
        *,
        now_ms: Callable[[], int],
        is_combined: bool,
        violate: Callable[[str], None],
    ) -> None:
        self._venue, self._faults, self._socket, self._now_ms = venue, faults, socket, now_ms
        self._is_combined = is_combined
        self._violate = violate
        self._outbox = Outbox(socket)
        self._names: dict[str, None] = {}
        self._depths: dict[str, list[_Depth]] = {}
        self._tickers: set[str] = set()
        self._trades: dict[str, list[str]] = {}
        self._best: dict[str, object] = {}
        self._received: list[float] = []

    def subscribe(self, names: Sequence[str]) -> None:
        """Begin to tell of streams. Names that Binance doesn't know are taken, and tell nothing."""
        for name in names:
            self._names[name] = None
            found = _NAME.fullmatch(name)
            if found is None:
                continue
            market, kind, pace = found[1].upper(), found[2], found[3]
            if kind == "bookTicker":
                self._tickers.add(market)
            elif kind in ("trade", "aggTrade"):
                self._trades.setdefault(market, []).append(kind)
            else:
                depth = _Depth(name, 1 if pace == "100ms" else 10, int(kind.removeprefix("depth") or 0))
                self._depths.setdefault(market, []).append(depth)

    def unsubscribe(self, names: Sequence[str]) -> None:
        for name in names:
            self._names.pop(name, None)
            found = _NAME.fullmatch(name)
            if found is None:
                continue
            market, kind = found[1].upper(), found[2]
            self._tickers -= {market} if kind == "bookTicker" else set()
            self._trades[market] = [one for one in self._trades.get(market, []) if one != kind]
            self._depths[market] = [one for one in self._depths.get(market, []) if one.stream != name]

    async def run(self) -> None:
        """Talk until the peer goes away, or breaks a limit."""
        stop = self._venue.listen(self._hear)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._tick)
                nursery.start_soon(self._ping)
                nursery.start_soon(self.beside)
                nursery.start_soon(self._outbox.run, lambda: self._faults.happens(Fault.SLOW))
                await self._listen()
                nursery.cancel_scope.cancel()
        finally:
            stop()

    # What the peer says

    async def _listen(self) -> None:
        while True:
            message = await self._socket.receive()
            if self._is_too_much():
                self._violate("messages on a socket")
                await self._socket.close(1008, "Too many requests")
                return
            try:
                asked = json.loads(message)
                method, params, number = asked["method"], list(map(str, asked.get("params") or [])), asked.get("id")
            except (ValueError, KeyError, TypeError, AttributeError):
                self._say({"error": {"code": 2, "msg": "Invalid request: unable to parse"}, "id": None})
                continue
            self._outbox.put(json.dumps(self._answer(method, params, number)))

    def _answer(self, method: str, params: Any, number: Any) -> dict[str, object]:
        match method:
            case "SUBSCRIBE" if len(self._names) + len(params) > MAX_STREAMS:
                self._violate("streams of a socket")
                problem = f"Invalid request: too many streams (limit {MAX_STREAMS})"
                return {"error": {"code": 2, "msg": problem}, "id": number}
            case "SUBSCRIBE":
                self.subscribe(params)
                return {"result": None, "id": number}
            case "UNSUBSCRIBE":
                self.unsubscribe(params)
                return {"result": None, "id": number}
            case "LIST_SUBSCRIPTIONS":
                return {"result": list(self._names), "id": number}
            case "SET_PROPERTY" | "GET_PROPERTY":
                return {"result": self._is_combined if method == "GET_PROPERTY" else None, "id": number}
            case _:
                return {"error": {"code": 2, "msg": f"Invalid request: unknown variant {method}"}, "id": number}

    def _is_too_much(self) -> bool:
        """Count messages of this second; pings and pongs are such, too."""
        now = trio.current_time()
        controls, self._socket.pings, self._socket.pongs = self._socket.pings + self._socket.pongs, 0, 0
        self._received = [at for at in self._received if at > now - 1] + [now] * (1 + controls)
        return len(self._received) > self.messages_a_second * self._faults.share

    # What the venue tells

    def _hear(self, told: BookChanged | Traded) -> None:
        if self._faults.happens(Fault.SILENT, told.market):
            return
        if isinstance(told, Traded):
            for kind in self._trades.get(told.market, ()):
                self._send(f"{told.market.lower()}@{kind}", bodies.trade_event(told) | self._of_kind(kind, told))
            return
        for depth in self._depths.get(told.market, ()):
            depth.waiting.append(told)
        if told.market in self._tickers:
            self._tell_best(told.market, told.last_id)

    @staticmethod
    def _of_kind(kind: str, told: Traded) -> dict[str, object]:
        if kind == "trade":
            return {}
        return {"e": "aggTrade", "a": told.trade_id, "f": told.trade_id, "l": told.trade_id}

    def _tell_best(self, market: str, last_id: int) -> None:
        _, bids, asks = self._venue.book(market, 1)
        # A side that is empty has price and size 0, as in the answer to a request.
        best = ((*bids, _NOTHING)[0], (*asks, _NOTHING)[0])
        if best == self._best.get(market, (_NOTHING, _NOTHING)):
            return
        self._best[market] = best
        self._send(f"{market.lower()}@bookTicker", self.best_event(market, last_id, *best))

    async def _tick(self) -> None:
        """Tell of books in the pace of their streams."""
        started, number = trio.current_time(), 0
        while True:
            number += 1
            await trio.sleep_until(started + number * _TICK_SECONDS)
            for market, depths in list(self._depths.items()):
                for depth in depths:
                    if depth.waiting and not number % depth.every:
                        self._tell_depth(market, depth)

    def _tell_depth(self, market: str, depth: _Depth) -> None:
        changes, depth.waiting = depth.waiting, []
        if self._faults.happens(Fault.GAP, market):
            return
        event = (
            self.levels_event(market, *self._venue.book(market, depth.levels), changes)
            if depth.levels
            else self.changes_event(market, changes)
        )
        self._send(depth.stream, event)

    async def beside(self) -> None:
        """Tell what follows from no change of a book; here nothing does."""

    @property
    def names(self) -> Sequence[str]:
        """The streams that are subscribed to."""
        return list(self._names)

    # How it is said

    def best_event(self, market: str, last_id: int, bid: Level, ask: Level) -> dict[str, object]:
        """Best prices with their sizes."""
        (bid_price, bid_size), (ask_price, ask_size) = bid, ask
        return {
            "u": last_id,
            "s": market,
            "b": bodies.number(bid_price),
            "B": bodies.number(bid_size),
            "a": bodies.number(ask_price),
            "A": bodies.number(ask_size),
        }

    def levels_event(
        self, market: str, last_id: int, bids: Levels, asks: Levels, changes: Sequence[BookChanged]
    ) -> dict[str, object]:
        """The best levels; ``changes``: what they come of."""
        sides = {"bids": bids, "asks": asks}
        levels = {name: [bodies.level(*one) for one in side] for name, side in sides.items()}
        return {"lastUpdateId": last_id, **levels}

    def changes_event(self, market: str, changes: Sequence[BookChanged]) -> dict[str, object]:
        """What changed of a book."""
        return bodies.depth_event(market, changes[0].first_id, changes[-1].last_id, changes, self._now_ms())

    def _send(self, stream: str, event: dict[str, object]) -> None:
        if self._faults.happens(Fault.UNKNOWN):
            event |= {"zz": "a field that nobody knows"}
            self._say({"e": "somethingNew", "E": self._now_ms()})
        self._say({"stream": stream, "data": event} if self._is_combined else event)

    def announce_shutdown(self) -> None:
        """Say that the connection will be closed."""
        event: dict[str, object] = {"e": "serverShutdown", "E": self._now_ms()}
        self._say({"stream": "!serverShutdown", "data": event} if self._is_combined else event)

    def _say(self, event: dict[str, object]) -> None:
        self._outbox.put(json.dumps(event, separators=(",", ":")))

    async def _ping(self) -> None:
        """Ping now and then; who doesn't answer for long is cut off."""
        answered, pongs = trio.current_time(), self._socket.all_pongs
        while True:
            await trio.sleep(self.ping_seconds)
            if self._socket.all_pongs > pongs:
                answered, pongs = trio.current_time(), self._socket.all_pongs
            if trio.current_time() - answered > self.pong_seconds:
                self._violate("pings not answered")
                await self._socket.cut()
                raise SocketClosed
            await self._socket.ping(str(self._now_ms()).encode())
