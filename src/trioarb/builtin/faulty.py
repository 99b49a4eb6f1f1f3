"""Faults on purpose: an exchange and market data that wrap any other of their kind and spoil what passes through.

Chance decides, from the session's seed, the venue and the fault's name alone, or a script does. Whatever goes wrong on
the way, what the wrapped venue executed is what this one remembers.
"""

from __future__ import annotations

import difflib
import json
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from enum import Enum
from functools import partial
from pathlib import Path
from random import Random
from typing import TextIO, TypeVar

import attrs
import structlog
import trio

from trioarb.api import (
    EXACT,
    SECOND_NS,
    ZERO,
    Exchange,
    ExchangeContext,
    ExchangeSpec,
    Feed,
    Fill,
    Instrument,
    Listing,
    MarketContext,
    MarketData,
    MarketDataSpec,
    Milliseconds,
    Order,
    OrderRejected,
    OrderReport,
    OrderStatus,
    PositiveMilliseconds,
    PositiveSeconds,
    Probability,
    Quote,
    QuoteSink,
    Seconds,
    Tape,
    TapeRow,
    TradingRules,
    Turn,
    VenueError,
    VenueOrder,
    ceil_to,
    floor_to,
    hookimpl,
    seconds_to_ns,
    setting,
)

__all__ = [
    "Fault",
    "FaultyExchange",
    "FaultyExchangeSettings",
    "FaultyFeed",
    "FaultyMarketSettings",
    "FaultyTape",
    "trioarb_exchanges",
    "trioarb_market_data",
]

T = TypeVar("T")

_FEE_STEP = Decimal("1e-15")
_MOST_DELAY_MS = 60_000
#: The bid of a crossed quote stands this far above its ask.
_CROSSED = 1.001
#: After so many rows of a tape that are swallowed one is passed on for the engine to refuse: an endless tape of which
#: nothing is left would hold up time itself.
_MOST_SWALLOWED = 4096
_REFUSED = (math.nan, math.nan, math.nan, math.nan)


class Fault(Enum):
    """What can happen to an order. The last three are episodes: they concern everything for a while."""

    DELAY = "delay"
    REJECT = "reject"
    PARTIAL = "partial"
    LOSE_ACK = "lose_ack"
    LOSE_ORDER = "lose_order"
    DUPLICATE_FILLS = "duplicate_fills"
    REORDER_FILLS = "reorder_fills"
    RATE_LIMIT = "rate_limit"
    DISCONNECT = "disconnect"
    CLOCK_SKEW = "clock_skew"


_EPISODES = (Fault.DISCONNECT, Fault.RATE_LIMIT, Fault.CLOCK_SKEW)
#: With these an order doesn't reach the venue.
_FATAL = (*_EPISODES, Fault.REJECT, Fault.LOSE_ORDER)


@attrs.frozen(kw_only=True)
class FaultyExchangeSettings:
    """Each fault's key is its probability per order."""

    delay: Probability = setting(ZERO, doc="an order, or the answer to it, comes late")
    delay_ms: PositiveMilliseconds = setting(
        Decimal(2_000), doc="longest delay; each is drawn from 0 up to it, and adds to the venue's own latency"
    )
    reject: Probability = setting(ZERO, doc="an order is refused")
    partial: Probability = setting(ZERO, doc="only a part of an order reaches the venue; the rest is cancelled")
    lose_ack: Probability = setting(ZERO, doc="an order is executed, but the answer is lost")
    lose_order: Probability = setting(ZERO, doc="an order never reaches the venue, and no answer comes")
    duplicate_fills: Probability = setting(ZERO, doc="an answer repeats a fill")
    reorder_fills: Probability = setting(
        ZERO, doc="an answer has its fills in reverse order; each is split in two before"
    )
    rate_limit: Probability = setting(ZERO, doc="the venue answers everything with 429 for rate_limit_seconds")
    rate_limit_seconds: PositiveSeconds = setting(Decimal(3), doc="how long a rate limit holds")
    disconnect: Probability = setting(ZERO, doc="the venue can't be reached for disconnect_seconds")
    disconnect_seconds: PositiveSeconds = setting(Decimal(3), doc="how long the venue can't be reached")
    clock_skew: Probability = setting(
        ZERO, doc="orders are refused for clock_skew_seconds, their timestamps being outside of the receive window"
    )
    clock_skew_seconds: PositiveSeconds = setting(Decimal(3), doc="how long timestamps are wrong")
    active_seconds: Seconds | None = setting(
        None, doc="no probability counts after this much campaign time; absent: they always do"
    )
    script: tuple[str, ...] = setting(
        (), doc='"N:FAULT": the N-th order sent to this venue suffers this fault, whatever the probabilities'
    )

    def __attrs_post_init__(self) -> None:
        _parsed(self.script)


def _parsed(script: Iterable[str]) -> Mapping[int, frozenset[Fault]]:
    """Return the scripted faults by the order's number.

    Raises:
        ValueError: an entry isn't ``NUMBER:FAULT``.
    """
    names = [fault.value for fault in Fault]
    faults: defaultdict[int, set[Fault]] = defaultdict(set)
    for entry in script:
        number, colon, name = entry.partition(":")
        if not colon or not (number.isascii() and number.isdigit()) or not int(number):
            raise ValueError(f'script: "{entry}" is not NUMBER:FAULT, such as "3:lose_ack"; numbers start at 1')
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f'script: "{entry}" names no fault (allowed: {", ".join(names)}){hint}')
        faults[int(number)].add(Fault(name))
    return {number: frozenset(suffered) for number, suffered in faults.items()}


@attrs.frozen(kw_only=True)
class _Altered:
    """An order of which the wrapped venue got something else: it was cut, or its fills are split when they are told."""

    quantity: Decimal
    lot_size: Decimal
    split: bool

    def told(self, report: OrderReport) -> OrderReport:
        """Return the wrapped venue's report as that of the whole order."""
        fills = report.fills
        if self.split:
            fills = tuple(part for fill in fills for part in _parts(fill, self.lot_size))
        cut_short = report.status is OrderStatus.FILLED and report.filled < self.quantity
        return attrs.evolve(report, fills=fills, status=OrderStatus.CANCELLED if cut_short else report.status)


class _Memory:
    """The altered orders, by client order id; with a path kept there too, for a campaign that is resumed.

    A line is handed to the system before its order is sent: a killed process loses none.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._altered: dict[str, _Altered] = {}

    def resume(self) -> None:
        """Take up what an earlier process remembered. A last line that was cut off is removed; its order wasn't sent.

        Raises:
            VenueError: it can't be read.
        """
        if self._path is None or not self._path.exists():
            return
        try:
            lines, end, torn = self._path.read_text("ascii").rpartition("\n")
            if torn:
                self._path.write_text(lines + end, "ascii")
            for line in lines.splitlines():
                order_id, quantity, lot_size, split = json.loads(line)
                self._altered[order_id] = _Altered(quantity=Decimal(quantity), lot_size=Decimal(lot_size), split=split)
        except (OSError, ValueError, TypeError, ArithmeticError) as error:
            raise VenueError(f"{self._path} can't be read: {error}") from error

    def keep(self, client_order_id: str, altered: _Altered) -> None:
        """Remember an order that is about to be sent.

        Raises:
            OSError: it can't be written down; the order must not be sent.
        """
        if self._path is not None:
            if self._file is None:
                self._file = self._path.open("a", encoding="ascii")
            entry = [client_order_id, str(altered.quantity), str(altered.lot_size), altered.split]
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()
        self._altered[client_order_id] = altered

    def get(self, client_order_id: str) -> _Altered | None:
        return self._altered.get(client_order_id)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class FaultyExchange(Exchange):
    """Passes everything on to the venue that it wraps, and lets some of it go wrong.

    Every order takes the same number of draws from every fault's own random stream, used or not: switching a fault on
    doesn't shift what the others draw.
    """

    def __init__(self, settings: FaultyExchangeSettings, context: ExchangeContext, memory: _Memory) -> None:
        assert context.inner is not None
        self.account = context.inner.account
        self.max_borrow_usd = context.inner.max_borrow_usd
        self.layer = _layer(context.inner, FaultyExchange)
        self._inner = context.inner
        self._venue = context.venue
        self._time = context.time
        self._memory = memory
        self._delay_ns = seconds_to_ns(settings.delay_ms / 1000)
        self._script = _parsed(settings.script)
        self._chances = {fault: float(getattr(settings, fault.value)) for fault in Fault}
        self._streams = {fault: _stream(context.seed, context.venue, self.layer, fault.value) for fault in Fault}
        self._episode_ns = {fault: seconds_to_ns(getattr(settings, f"{fault.value}_seconds")) for fault in _EPISODES}
        self._until_ns = dict.fromkeys(_EPISODES, 0)
        active = settings.active_seconds
        self._calm_from_ns = None if active is None else context.time.now_ns() + seconds_to_ns(active)
        self._submitted = 0
        self._instruments: dict[str, Instrument] = {}
        self._log = structlog.get_logger("trioarb.faulty")

    async def instruments(self, listings: Sequence[Listing]) -> Mapping[str, Instrument]:
        instruments = await self._inner.instruments(listings)
        self._instruments.update(instruments)
        return instruments

    async def balances(self) -> Mapping[str, Decimal]:
        return await self._asked(self._inner.balances)

    def seed_inventory(self, instrument: Instrument, quote: Quote | None) -> Decimal:
        return self._inner.seed_inventory(instrument, quote)

    async def submit(self, order: Order) -> OrderReport:
        await self._pause(0, order)  # orders of the same moment are numbered alike every time
        faults = self._faults(order)
        self._refuse(faults)
        if Fault.LOSE_ORDER in faults:
            await trio.sleep_forever()
        before_ns, after_ns = self._delays(faults)
        if before_ns:
            await self._pause(before_ns, order)
            self._require_connection()
        sent = self._alter(order, faults)
        answer: OrderReport | VenueError
        try:
            answer = self._told(await self._inner.submit(sent))
        except VenueError as error:
            answer = error
        if after_ns:
            await self._pause(after_ns, order)
        self._require_connection()
        if Fault.LOSE_ACK in faults:
            raise VenueError(f"{self._venue}: the answer was lost")
        if isinstance(answer, VenueError):
            raise answer
        return _garbled(answer, faults)

    async def order(self, client_order_id: str) -> OrderReport | None:
        report = await self._asked(lambda: self._inner.order(client_order_id))
        return None if report is None else self._told(report)

    async def orders(self, symbols: Sequence[str], since_ns: int) -> Sequence[VenueOrder]:
        return [self._remembered(one) for one in await self._asked(lambda: self._inner.orders(symbols, since_ns))]

    def _faults(self, order: Order) -> Mapping[Fault, tuple[float, float]]:
        """Return what happens to the next order, each fault with two numbers below 1 that say how."""
        self._submitted += 1
        scripted = self._script.get(self._submitted)
        is_calm = self._calm_from_ns is not None and self._time.now_ns() >= self._calm_from_ns
        faults = {}
        for fault, stream in self._streams.items():
            luck, how = stream.random(), (stream.random(), stream.random())
            by_chance = luck < self._chances[fault] and not is_calm
            if by_chance if scripted is None else fault in scripted:
                faults[fault] = how
        if faults:
            names = [fault.value for fault in faults]
            self._log.debug("faults", venue=self._venue, order=order.client_order_id, faults=names)
        return faults

    def _refuse(self, faults: Iterable[Fault]) -> None:
        """Let episodes begin, unless one holds already, and raise if the order doesn't get through."""
        if not any(map(self._holds, _EPISODES)):
            for fault in _EPISODES:
                if fault in faults:
                    self._until_ns[fault] = self._time.now_ns() + self._episode_ns[fault]
        self._require_connection()
        if self._holds(Fault.RATE_LIMIT):
            raise OrderRejected(self._too_many_requests())
        if self._holds(Fault.CLOCK_SKEW):
            raise OrderRejected(f"{self._venue}: timestamp outside of the receive window")
        if Fault.REJECT in faults:
            raise OrderRejected(f"{self._venue}: refused by a fault")

    def _holds(self, episode: Fault) -> bool:
        return self._time.now_ns() < self._until_ns[episode]

    def _require_connection(self) -> None:
        if self._holds(Fault.DISCONNECT):
            raise VenueError(f"{self._venue}: not connected, for {self._rest(Fault.DISCONNECT)} more")

    def _too_many_requests(self) -> str:
        return f"{self._venue}: 429 too many requests, for {self._rest(Fault.RATE_LIMIT)} more"

    def _rest(self, episode: Fault) -> str:
        return f"{(self._until_ns[episode] - self._time.now_ns()) / SECOND_NS:.3f} s"

    async def _asked(self, query: Callable[[], Awaitable[T]]) -> T:
        """Return what the venue answers, if it can be asked and the answer comes through."""
        self._require_connection()
        if self._holds(Fault.RATE_LIMIT):
            raise VenueError(self._too_many_requests())
        answer = await query()
        self._require_connection()
        return answer

    async def _pause(self, duration_ns: int, order: Order) -> None:
        await self._time.sleep(duration_ns, Turn.VENUE.order(symbol=order.symbol, venue=self._venue))

    def _delays(self, faults: Mapping[Fault, tuple[float, float]]) -> tuple[int, int]:
        """Return how much later the order arrives, and how much later its answer; one of them is 0."""
        if Fault.DELAY not in faults:
            return 0, 0
        which, amount = faults[Fault.DELAY]
        delay_ns = int(amount * self._delay_ns) + 1
        return (delay_ns, 0) if which < 0.5 else (0, delay_ns)

    def _alter(self, order: Order, faults: Mapping[Fault, tuple[float, float]]) -> Order:
        """Return what the wrapped venue gets instead of the order, and remember it."""
        instrument = self._instruments.get(order.symbol)
        if instrument is None:  # the venue refuses it anyway
            return order
        sent = _cut(order, instrument, faults[Fault.PARTIAL][0]) if Fault.PARTIAL in faults else order
        split = Fault.REORDER_FILLS in faults
        if split or sent is not order:
            altered = _Altered(quantity=order.quantity, lot_size=instrument.rules.lot_size, split=split)
            self._memory.keep(order.client_order_id, altered)
        return sent

    def _told(self, report: OrderReport) -> OrderReport:
        altered = self._memory.get(report.client_order_id)
        return report if altered is None else altered.told(report)

    def _remembered(self, one: VenueOrder) -> VenueOrder:
        altered = self._memory.get(one.order.client_order_id)
        if altered is None:
            return one
        return VenueOrder(
            order=attrs.evolve(one.order, quantity=altered.quantity),
            report=None if one.report is None else altered.told(one.report),
        )


def _cut(order: Order, instrument: Instrument, fraction: float) -> Order:
    """Return a part of the order that the venue takes, in whole lots; the order itself if there is no smaller one."""
    lot = instrument.rules.lot_size
    least = max(lot, ceil_to(instrument.rules.min_notional / order.limit_price, lot))
    part = max(least, floor_to(order.quantity * Decimal(repr(fraction)), lot))
    return attrs.evolve(order, quantity=part) if part < order.quantity else order


def _parts(fill: Fill, lot: Decimal) -> tuple[Fill, ...]:
    """Return two fills that sum to this one, to the last digit; the fill itself if it is a single lot."""
    quantity = floor_to(fill.quantity / 2, lot)
    if not quantity:
        return (fill,)
    fee = floor_to(fill.fee * quantity / fill.quantity, _FEE_STEP)
    rest, fee_rest = EXACT.subtract(fill.quantity, quantity), EXACT.subtract(fill.fee, fee)
    return (
        attrs.evolve(fill, fill_id=f"{fill.fill_id}-1", quantity=quantity, fee=fee),
        attrs.evolve(fill, fill_id=f"{fill.fill_id}-2", quantity=rest, fee=fee_rest),
    )


def _garbled(report: OrderReport, faults: Iterable[Fault]) -> OrderReport:
    fills = report.fills[::-1] if Fault.REORDER_FILLS in faults else report.fills
    return attrs.evolve(report, fills=fills + fills[:1] if Fault.DUPLICATE_FILLS in faults else fills)


@attrs.frozen(kw_only=True)
class FaultyMarketSettings:
    """Each fault's key is its probability per quote."""

    stale: Probability = setting(
        ZERO, doc="all quotes of the venue are swallowed for stale_seconds, while its connection looks alive"
    )
    stale_seconds: PositiveSeconds = setting(Decimal(5), doc="how long quotes are swallowed")
    crossed: Probability = setting(ZERO, doc="a quote is replaced by one whose bid is above its ask")
    drop: Probability = setting(ZERO, doc="a quote is lost")
    skew_ms: Milliseconds = setting(ZERO, doc="all quotes come this much later")


#: bid, bid_size, ask, ask_size
_Numbers = tuple[float, float, float, float]


class _QuoteFaults:
    """What becomes of one venue's quotes, in their order."""

    def __init__(self, settings: FaultyMarketSettings, context: MarketContext, layer: int) -> None:
        self.skew_ns = seconds_to_ns(settings.skew_ms / 1000)
        self._stale_ns = seconds_to_ns(settings.stale_seconds)
        self._stale_until_ns: int | None = None

        def chance(name: str) -> Callable[[], bool]:
            probability = float(getattr(settings, name))
            draw = _stream(context.seed, context.venue, layer, name).random
            return lambda: probability > 0 and draw() < probability

        self._stale, self._drop, self._crossed = chance("stale"), chance("drop"), chance("crossed")

    def spoil(self, quote: _Numbers, ts_ns: int) -> _Numbers | None:
        """Return what comes of a quote; ``None``: nothing does."""
        # Every quote draws from all streams: what one fault does must not shift another.
        stale, drop, crossed = self._stale(), self._drop(), self._crossed()
        if self._stale_until_ns is not None and ts_ns < self._stale_until_ns:
            return None
        if stale:
            self._stale_until_ns = ts_ns + self._stale_ns
        if stale or drop:
            return None
        bid, bid_size, ask, ask_size = quote
        return (ask * _CROSSED, bid_size, bid, ask_size) if crossed else quote


class FaultyTape(Tape):
    """A tape, some of whose quotes go wrong."""

    def __init__(self, settings: FaultyMarketSettings, context: MarketContext, inner: Tape) -> None:
        self.layer = _layer(inner, FaultyTape)
        self._inner = inner
        self._faults = _QuoteFaults(settings, context, self.layer)

    @property
    def start_ns(self) -> int | None:
        return self._inner.start_ns

    def listings(self) -> Sequence[Listing]:
        return self._inner.listings()

    def rules(self, symbol: str) -> TradingRules | None:
        return self._inner.rules(symbol)

    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        skew_ns, spoil = self._faults.skew_ns, self._faults.spoil
        swallowed = 0
        # What was quoted a little earlier comes now; before the first row there is nothing.
        first_ns = start_ns if self._inner.start_ns is None else start_ns - skew_ns
        for ts_ns, order, symbol, bid, bid_size, ask, ask_size in self._inner.rows(symbols, first_ns):
            quote = spoil((bid, bid_size, ask, ask_size), ts_ns)
            if quote is None:
                swallowed += 1
                if swallowed < _MOST_SWALLOWED:
                    continue
            swallowed = 0
            yield ts_ns + skew_ns, order, symbol, *(quote or _REFUSED)


class FaultyFeed(Feed):
    """A feed, some of whose quotes go wrong."""

    def __init__(self, settings: FaultyMarketSettings, context: MarketContext, inner: Feed) -> None:
        self.layer = _layer(inner, FaultyFeed)
        self._inner = inner
        self._faults = _QuoteFaults(settings, context, self.layer)

    def listings(self) -> Sequence[Listing]:
        return self._inner.listings()

    def rules(self, symbol: str) -> TradingRules | None:
        return self._inner.rules(symbol)

    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        late, due = trio.open_memory_channel[tuple[float, Callable[[], None]]](math.inf)
        skew_ns, skew_seconds = self._faults.skew_ns, self._faults.skew_ns / SECOND_NS

        def spoiled(sink: QuoteSink) -> QuoteSink:
            def on_quote(
                bid: float,
                bid_size: float,
                ask: float,
                ask_size: float,
                received_ns: int,
                venue_ts_ns: int | None = None,
                /,
            ) -> None:
                quote = self._faults.spoil((bid, bid_size, ask, ask_size), received_ns)
                if quote is None:
                    return
                if skew_ns:
                    deliver = partial(sink, *quote, received_ns + skew_ns, venue_ts_ns)
                    late.send_nowait((trio.current_time() + skew_seconds, deliver))
                else:
                    sink(*quote, received_ns, venue_ts_ns)

            return on_quote

        failure: Exception | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_deliver, due)
            try:
                await self._inner.run(
                    {symbol: spoiled(sink) for symbol, sink in sinks.items()}, task_status=task_status
                )
            except Exception as error:
                failure = error
            nursery.cancel_scope.cancel()
        # As it was raised, not in the nursery's group.
        if failure is not None:
            raise failure


async def _deliver(due: trio.MemoryReceiveChannel[tuple[float, Callable[[], None]]]) -> None:
    async for at, deliver in due:
        await trio.sleep_until(at)
        deliver()


def _stream(seed: int, venue: str, layer: int, fault: str) -> Random:
    return Random(f"{seed}:{venue}:faulty{layer}:{fault}")


def _layer(inner: object, cls: type[FaultyExchange | FaultyTape | FaultyFeed]) -> int:
    """Return how many of these stand around the innermost plugin, one around ``inner`` included."""
    return 1 + (inner.layer if isinstance(inner, cls) else 0)


@asynccontextmanager
async def _open_exchange(settings: FaultyExchangeSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
    state, layer = context.state, _layer(context.inner, FaultyExchange)
    memory = _Memory(None if state is None else state.with_name(f"{state.name}.faulty{layer}"))
    if context.resumed:
        memory.resume()
    try:
        yield FaultyExchange(settings, context, memory)
    finally:
        memory.close()


@asynccontextmanager
async def _open_market(settings: FaultyMarketSettings, context: MarketContext) -> AsyncIterator[MarketData]:
    if isinstance(context.inner, Feed):
        yield FaultyFeed(settings, context, context.inner)
    else:
        assert isinstance(context.inner, Tape)
        yield FaultyTape(settings, context, context.inner)


def _exchange_warnings(settings: FaultyExchangeSettings) -> Iterable[str]:
    chances = {fault: getattr(settings, fault.value) for fault in Fault}
    if not any(chances.values()) and not settings.script:
        yield "no fault is switched on; set the probability of one, or a script"
    for fault in _FATAL:
        if chances[fault] == 1:
            yield f"{fault.value} = 1: no order will ever reach the venue"
    if settings.delay_ms > _MOST_DELAY_MS:
        yield f"delay_ms = {settings.delay_ms}: nobody waits that long for the answer to an order"


def _market_warnings(settings: FaultyMarketSettings) -> Iterable[str]:
    if not (settings.stale or settings.crossed or settings.drop or settings.skew_ms):
        yield "no fault is switched on; set the probability of one, or skew_ms"
    for name in ("stale", "crossed", "drop"):
        if getattr(settings, name) == 1:
            yield f"{name} = 1: no sound quote will ever come"


@hookimpl
def trioarb_exchanges() -> list[ExchangeSpec]:
    return [
        ExchangeSpec(
            name="faulty",
            doc="another exchange, whose orders and answers meet faults by chance or by script",
            settings=FaultyExchangeSettings,
            open=_open_exchange,
            warnings=_exchange_warnings,
            wraps=True,
        )
    ]


@hookimpl
def trioarb_market_data() -> list[MarketDataSpec]:
    return [
        MarketDataSpec(
            name="faulty",
            doc="other market data, whose quotes go stale, missing, crossed or late by chance",
            settings=FaultyMarketSettings,
            open=_open_market,
            warnings=_market_warnings,
            wraps=True,
        )
    ]
