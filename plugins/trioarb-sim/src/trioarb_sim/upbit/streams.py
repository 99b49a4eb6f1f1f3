"""Upbit's and Bithumb's WebSockets: binary JSON, whole books, and an account's own events."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import trio

from trioarb.api import ZERO
from trioarb_sim.faults import Fault, Faults
from trioarb_sim.outbox import Outbox
from trioarb_sim.server import Socket
from trioarb_sim.upbit import bodies
from trioarb_sim.upbit.dialect import Dialect
from trioarb_sim.venue import BookChanged, OrderChanged, Private, Traded, Venue

__all__ = ["Streams"]

_A_SECOND, _A_MINUTE = 5, 100
_IDLE_SECONDS = 120.0
_STATUS_SECONDS = 10.0
#: Of how many levels a book may be; other numbers give 30.
_UNITS = (1, 5, 15, 30)
_PUBLIC = ("orderbook", "trade", "ticker")
_PRIVATE = ("myOrder", "myAsset")


@attrs.frozen
class _Wanted:
    """One subscription: markets (``None``: all, of private ones), levels, and whether only news are wanted."""

    codes: frozenset[str] | None
    units: Mapping[str, int]
    is_only_news: bool


class Streams:
    """One connection. A subscription takes the place of all that came before it."""

    def __init__(
        self,
        venue: Venue,
        faults: Faults,
        dialect: Dialect,
        socket: Socket,
        *,
        now_ms: Callable[[], int],
        account: str,
        violate: Callable[[str], None],
    ) -> None:
        self._venue, self._faults, self._dialect, self._socket = venue, faults, dialect, socket
        self._now_ms, self.account, self._violate = now_ms, account, violate
        self._outbox = Outbox(socket)
        self._wanted: dict[str, _Wanted] = {}
        self._format = "DEFAULT"
        self._received: list[float] = []
        self._heard = trio.current_time()
        self._has_asked = False

    async def run(self) -> None:
        """Talk until the peer goes away, says nothing for two minutes, or breaks a limit."""
        stops = [self._venue.listen(self._hear)]
        if self.account:
            stops.append(self._venue.listen_to(self.account, self._hear_account))
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._outbox.run, lambda: self._faults.happens(Fault.SLOW))
                nursery.start_soon(self._watch)
                await self._listen()
                nursery.cancel_scope.cancel()
        finally:
            for stop in stops:
                stop()

    async def _listen(self) -> None:
        while True:
            message = await self._socket.receive()
            self._heard = trio.current_time()
            if self._is_too_much():
                self._violate("messages on a socket")
                await self._socket.close(1008, "too many requests")
                return
            if message in ("PING", b"PING"):
                self._has_asked = True
                self._say({"status": "UP"})
                continue
            problem = self._subscribe(message)
            if problem:
                self._say({"error": {"name": problem, "message": f"{problem}."}})

    def _subscribe(self, message: str | bytes) -> str:
        """Take a subscription; return the name of what is wrong with it, or ''."""
        try:
            parts = json.loads(message)
            parts = [dict(part) for part in parts]
        except (ValueError, TypeError):
            return "WRONG_FORMAT"
        if not any("ticket" in part for part in parts):
            return "NO_TICKET"
        asked = [part for part in parts if "type" in part]
        if not asked:
            return "NO_TYPE"
        wanted: dict[str, _Wanted] = {}
        for part in asked:
            kind, codes = str(part["type"]), part.get("codes")
            if not isinstance(codes, list | None):
                return "WRONG_FORMAT"
            if kind in _PRIVATE and not self.account:
                return "INVALID_AUTH"
            if kind not in (*_PUBLIC, *_PRIVATE) or (kind == "myAsset" and codes):
                return "WRONG_FORMAT"
            if kind in _PUBLIC and not codes:
                return "NO_CODES"
            wanted[kind] = _wanted(codes, bool(part.get("is_only_realtime", part.get("isOnlyRealtime", False))))
        self._wanted = wanted
        self._format = next((str(part["format"]) for part in parts if "format" in part), "DEFAULT")
        for kind, one in wanted.items():
            if not one.is_only_news:
                self._show(kind, one)
        return ""

    def _show(self, kind: str, wanted: _Wanted) -> None:
        """Say how markets stand now."""
        listed = {rules.name: rules for rules in self._venue.markets}
        for code in sorted((wanted.codes or frozenset()) & listed.keys()):
            if kind == "orderbook":
                self._tell_book(code, wanted, is_snapshot=True)
            elif kind == "ticker":
                price = self._venue.last_price(code) or ZERO
                self._say(bodies.ticker_event(listed[code], price, self._now_ms(), is_snapshot=True))

    def _is_too_much(self) -> bool:
        now = trio.current_time()
        self._received = [at for at in self._received if at > now - 60] + [now]
        share = self._faults.share
        in_a_second = sum(at > now - 1 for at in self._received)
        return in_a_second > _A_SECOND * share or len(self._received) > _A_MINUTE * share

    # What the venue tells

    def _hear(self, told: BookChanged | Traded) -> None:
        if self._faults.happens(Fault.SILENT, told.market):
            return
        kinds = ("orderbook",) if isinstance(told, BookChanged) else ("trade", "ticker")
        for kind in kinds:
            wanted = self._wanted.get(kind)
            if wanted is None or told.market not in (wanted.codes or ()):
                continue
            if isinstance(told, Traded):
                rules = self._venue.rules(told.market)
                ticker = bodies.ticker_event(rules, told.price, told.at_ms, is_snapshot=False)
                self._say(bodies.trade_event(told) if kind == "trade" else ticker)
            elif not self._faults.happens(Fault.GAP, told.market):
                self._tell_book(told.market, wanted, is_snapshot=False)

    def _tell_book(self, market: str, wanted: _Wanted, *, is_snapshot: bool) -> None:
        _, bids, asks = self._venue.book(market, wanted.units[market])
        self._say(bodies.orderbook_event(market, bids, asks, self._now_ms(), is_snapshot=is_snapshot))

    def _hear_account(self, told: Private) -> None:
        seconds = 0.0
        if isinstance(told, OrderChanged):
            wanted = self._wanted.get("myOrder")
            if wanted is None or (wanted.codes and told.order.terms.market not in wanted.codes):
                return
            event = bodies.my_order(told, self._venue.rules(told.order.terms.market), self._dialect)
            seconds = float(told.execution is not None and self._faults.happens(Fault.LATE_FILL))
        else:
            if "myAsset" not in self._wanted:
                return
            event = bodies.my_asset(told)
        for _ in range(2 if self._faults.happens(Fault.DUPLICATE) else 1):
            self._say(event, seconds)

    def _say(self, event: dict[str, Any], after_seconds: float = 0) -> None:
        if self._faults.happens(Fault.UNKNOWN):
            event = event | {"zz": "a field that nobody knows"}
            self._outbox.put(b'{"type":"somethingNew"}')
        found: Any = bodies.simple(event) if self._format.startswith("SIMPLE") else event
        if self._format in ("JSON_LIST", "SIMPLE_LIST"):
            found = [found]
        self._outbox.put(json.dumps(found, separators=(",", ":")).encode(), after_seconds=after_seconds)

    async def _watch(self) -> None:
        """Say each ten seconds that all is well to who asked; cut off who has been silent for two minutes."""
        while True:
            await trio.sleep(_STATUS_SECONDS)
            heard = self._heard if not self._socket.pings else trio.current_time()
            self._heard, self._socket.pings = heard, 0
            if trio.current_time() - self._heard > _IDLE_SECONDS:
                await self._socket.close(1000, "idle")
                return
            if self._has_asked:
                self._say({"status": "UP"})


def _wanted(codes: Any, is_only_news: bool) -> _Wanted:
    units = dict[str, int]()
    for code in codes or ():
        name, _, number = str(code).partition(".")
        units[name] = int(number) if number in map(str, _UNITS) else 30
    return _Wanted(frozenset(units) if codes else None, units, is_only_news)
