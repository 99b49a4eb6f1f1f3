"""What a plugin can do wrong: each way of misbehaving at each method of each contract, made from their signatures."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any

import attrs
import msgspec
import trio
from columnar import ColumnarTape
from telling import Said, TellingExchange

from trioarb.api import (
    Answer,
    Exchange,
    ExchangeSpec,
    Feed,
    GuardTier,
    GuardTierSpec,
    Listing,
    MarketDataSpec,
    NoSettings,
    Opportunity,
    OrderReport,
    OrderSink,
    OrderSize,
    OrderUpdate,
    QuoteSink,
    Refusal,
    Strategy,
    StrategySpec,
    SymbolSource,
    SymbolSourceSpec,
    Tape,
    TradingRules,
    TrioarbError,
)
from trioarb.builtin.paper import PaperExchange
from trioarb.builtin.paper_settings import PaperSettings
from trioarb.builtin.spread import SpreadSettings, SpreadStrategy
from trioarb.errors import JournalError
from trioarb.testing import ScriptedTape, listing, plugin_of

__all__ = ["CASES", "Case", "plugin"]


class Huge(Decimal):
    """Reads well in the name of a test."""

    def __repr__(self) -> str:
        return "huge digits"


#: What is returned instead of the right answer, or put into one of its fields.
ANSWERS: Mapping[str, object] = {
    "None": None,
    "text": "nonsense",
    "a float": 1.5,
    "an object": object(),
    "NaN": Decimal("NaN"),
    "infinity": Decimal("Infinity"),
    "negative": Decimal(-1_000_000),
    "huge digits": Decimal("1." + "3" * 300),
    "a surrogate": "\ud800",
    "ESC": "\x1b[31m[/nope]",
}
#: What only stands in a field.
FIELD_VALUES: Mapping[str, object] = {
    **ANSWERS,
    "minus one": -1,
    "beyond 64 bits": 2**64,
    "an hour ahead": 10**18 + 3_600 * 10**9,
}
_NUMBERS = ("None", "text", "a float", "NaN", "infinity", "negative", "huge digits")
_TEXTS = ("None", "an object", "a surrogate", "ESC")

#: Of an error of ours that the method's contract doesn't name.
ANOTHERS = "raises another's error"
#: Which contracts say what each method may raise. What opens and lists may say by any error what the user can mend.
_NAMING = (Exchange, GuardTier, Strategy)

RAISES: Mapping[str, Callable[[], BaseException]] = {
    "raises an error": lambda: RuntimeError("broken \x1b[31m[/nope]\ud800"),
    "raises SystemExit": lambda: SystemExit(0),
    "raises KeyboardInterrupt": KeyboardInterrupt,
    "raises GeneratorExit": GeneratorExit,
    ANOTHERS: lambda: JournalError("the disk is full"),
    "raises a group": lambda: BaseExceptionGroup("two", [SystemExit(0), ValueError("too")]),
}

#: Fields of answers, and what may be in their place.
_FIELDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "place": {
        "client_order_id": _TEXTS,
        "venue_order_id": _TEXTS,
        "status": ("None", "text"),
        "fills": ("None", "text", "a float"),
        "reason": ("None", "an object"),
        "fills.fill_id": _TEXTS,
        "fills.quantity": _NUMBERS,
        "fills.price": _NUMBERS,
        "fills.fee": _NUMBERS,
        "fills.fee_asset": _TEXTS,
    },
    "updates": {
        "client_order_id": _TEXTS,
        "venue_order_id": _TEXTS,
        "status": ("None", "text"),
        "fills": ("None", "text", "a float"),
        "filled": _NUMBERS,
        "quantity": _NUMBERS[1:],
        "reason": ("None", "an object"),
        "fills.fill_id": _TEXTS,
        "fills.quantity": _NUMBERS,
        "fills.price": _NUMBERS,
        "fills.fee": _NUMBERS,
        "fills.fee_asset": _TEXTS,
    },
    "open_orders": {
        "client_order_id": _TEXTS,
        "status": ("None", "text"),
        "filled": _NUMBERS[1:],
        "fills": ("None", "text", "a float"),
    },
    "instruments": {
        "symbol": ("None", "ESC"),
        "native_id": _TEXTS,
        "base": ("None", "ESC"),
        "taker_fee_bps": _NUMBERS,
        "rules": ("None", "text"),
        "rules.tick_size": _NUMBERS[1:],
        "rules.lot_size": _NUMBERS[1:],
        "rules.min_notional": _NUMBERS[1:],
        "rules.min_quantity": _NUMBERS[1:],
        "status": ("None", "text"),
        "fee_asset": _TEXTS[1:],
        "quote": ("None", "ESC"),
        "counts_as": ("text", "an object"),
    },
    "balances": {"USDT": _NUMBERS},
    "orders": {
        "order.client_order_id": _TEXTS,
        "order.symbol": ("None", "text"),
        "order.side": ("None", "text"),
        "order.quantity": _NUMBERS,
        "order.limit_price": _NUMBERS,
        "report": ("text", "a float"),
    },
    "run": {
        "bid": ("None", "text", "NaN", "an object"),
        **dict.fromkeys(("bid_size", "ask", "ask_size"), ("text",)),
        "received_ns": (
            *("None", "text", "a float", "NaN", "minus one", "beyond 64 bits"),
            "an hour ahead",
        ),
        "venue_ts_ns": ("text", "a float", "NaN", "minus one", "beyond 64 bits"),
    },
    "check": {
        "answer": ("None", "text"),
        "rule": _TEXTS,
        "value": ("None", "an object"),
        "limit": ("None", "an object"),
        "largest": ("None", "text"),
        "largest.usd": _NUMBERS,
        "largest.base": _NUMBERS[1:],
        "largest.entry_bps": ("negative", "text"),
    },
    "listings": {
        "symbol": _TEXTS,
        "quote": _TEXTS,
        "volume_24h_quote": _NUMBERS[1:],
        "price_step": _NUMBERS[1:],
        "venue_quote": _TEXTS[1:],
        "venue_name": _TEXTS[1:],
    },
}

#: Answers that are right: no misbehaviour.
_RIGHT = {
    "rules": {"None"},
    "start_ns": {"None"},
    "stored": {"None"},
    "batches": {"None"},
    "order": {"None"},
    "check": {"None"},
    "doubt": {"None"},
    "entry": {"None"},
    "exit": {"None"},
    "entry_from_bps": {"a float"},
    "answers_at_ns": {"None"},
    "apply": set(ANSWERS),
    "transfer": set(ANSWERS),
    "run": set(ANSWERS),
    "updates": set(ANSWERS),
    "rows": set(ANSWERS) - {"None", "text", "a float"},
}
#: What only a feed can do wrong.
_OF_A_FEED = (
    "returns early",
    "returns before it has started",
    "never starts",
    "catches what its sink raises",
    "calls a sink from another thread",
    "calls a sink after its end",
    "calls a sink of no symbol",
)
#: Asked for only where aligned quotes are kept; where an order rests; where a user sets something while it runs, which
#: tests/engine/test_desk.py does; and where somebody watches, as tests/engine/test_telemetry.py does.
_NOT_CALLED = {"stored", "cancel", "retune", "limits_used"}


@attrs.frozen
class Case:
    """``field`` of what ``method`` returns is ``what``; without a field, the whole of it."""

    contract: type[Any]
    method: str
    field: str
    what: str

    @property
    def name(self) -> str:
        place = f"{self.contract.__name__}.{self.method}"
        return f"{place} {self.what}" if not self.field else f"{place}: {self.field} is {self.what}"

    @property
    def key(self) -> str:
        return {
            Exchange: "exchanges.a",
            Tape: "exchanges.a.market",
            Feed: "exchanges.a.market",
            SymbolSource: "universe.settings",
            GuardTier: "guards.odd",
            Strategy: "strategy",
        }[self.contract]


def _methods(contract: type[Any]) -> Iterator[str]:
    for kind in reversed(contract.__mro__):
        for name, value in vars(kind).items():
            if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
                yield name


def _cases() -> Iterator[Case]:
    for contract in (Exchange, Tape, Feed, SymbolSource, GuardTier, Strategy):
        for method in dict.fromkeys(_methods(contract)):
            if method in _NOT_CALLED:
                continue
            for what in RAISES:
                if what != ANOTHERS or (contract in _NAMING and method != "instruments"):
                    yield Case(contract, method, "", what)
            for what in ANSWERS:
                if what not in _RIGHT.get(method, ()):
                    yield Case(contract, method, "", what)
            for field, whats in _FIELDS.get(method, {}).items():
                for what in whats:
                    yield Case(contract, method, field, what)
            if contract in (Exchange, SymbolSource) and inspect.iscoroutinefunction(getattr(contract, method)):
                yield Case(contract, method, "", "hangs")
    yield Case(Exchange, "updates", "", "ends by itself")
    for what in _OF_A_FEED:
        yield Case(Feed, "run", "", what)


CASES = tuple(_cases())


def spoilt(answer: Any, field: str, value: object) -> Any:
    """Return an answer with a field that is wrong, in its first item if it is a list or a table of such."""
    name, _, rest = field.partition(".")
    if isinstance(answer, Mapping):
        if field in answer:
            return {**answer, field: value}
        return {key: spoilt(item, field, value) for key, item in answer.items()}
    if isinstance(answer, list | tuple):
        return [spoilt(item, field, value) for item in answer]
    if not attrs.has(type(answer)) and not isinstance(answer, msgspec.Struct):
        return answer
    replace: Any = attrs.evolve if attrs.has(type(answer)) else msgspec.structs.replace
    return replace(answer, **{name: spoilt(getattr(answer, name), rest, value) if rest else value})


class _Telling(TellingExchange):
    """Tells of its orders by a stream, which is cut once, while there is something to be told."""

    def __init__(self, settings: PaperSettings, context: Any) -> None:
        super().__init__(settings, context, self._say, (0, 0))

    @staticmethod
    def _say(number: int, report: OrderReport) -> Sequence[Said]:
        cut = [Said(5, None)] if number == 1 else []
        return [*cut, Said(1_500 if cut else 10, OrderUpdate.from_report(report))]


def _misled(case: Case) -> type[Any]:
    """Return a venue whose stream of updates misbehaves."""

    class Odd(_Telling):
        async def updates(
            self, sink: OrderSink, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
        ) -> None:
            if case.what == "hangs":
                await trio.sleep_forever()
            task_status.started()
            if case.what in RAISES:
                raise RAISES[case.what]()
            if case.what != "ends by itself":
                value = FIELD_VALUES[case.what]
                await super().updates(lambda update: sink(spoilt(update, case.field, value)))

    return Odd


def _misbehave(kind: type[Any], case: Case) -> type[Any]:
    """Return a subclass that misbehaves, having done what it should."""
    if case.method == "updates":
        return _misled(case)
    if case.method == "open_orders":
        kind = _Telling
    right = getattr(kind, case.method)
    is_property = isinstance(inspect.getattr_static(kind, case.method), property)

    def wrong(answer: Any) -> Any:
        if case.what in RAISES:
            raise RAISES[case.what]()
        value = FIELD_VALUES[case.what]
        return spoilt(answer, case.field, value) if case.field else value

    async def in_time(self: Any, *args: Any, **options: Any) -> Any:
        if case.what == "hangs":
            await trio.sleep_forever()
        return wrong(await right(self, *args, **options))

    def at_once(self: Any, *args: Any, **options: Any) -> Any:
        return wrong(right.__get__(self) if is_property else right(self, *args, **options))

    method: Any = in_time if inspect.iscoroutinefunction(right) else at_once
    namespace: dict[str, Any] = {case.method: property(method) if is_property else method}
    if case.method == "order":  # asked only where an answer was lost

        async def lost(self: Any, order: Any) -> Any:
            await PaperExchange.place(self, order)
            raise trio.TooSlowError

        namespace["place"] = lost
    return type("Odd", (kind,), namespace)


class _Feed(Feed):
    """The quotes of a tape as they come, with what ``case`` says is wrong of how the sinks are called."""

    case: Case | None = None
    right_until_ns = 10**18 + 5 * 10**9
    sinks: Mapping[str, QuoteSink]

    def __init__(self, inner: Tape) -> None:
        self._inner = inner

    async def listings(self) -> Sequence[Listing]:
        return await self._inner.listings()

    def rules(self, symbol: str) -> TradingRules | None:
        return self._inner.rules(symbol)

    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        self.sinks, case = sinks, self.case
        what = case.what if case is not None else ""
        if what == "returns before it has started":
            return
        if what != "never starts":
            task_status.started()
            task_status.started()  # harmless: one that connects again says it again
        before_ns = round(trio.current_time() * 10**9)
        for ts_ns, _, symbol, *numbers in self._inner.rows(tuple(sinks), 10**18):
            await trio.sleep((ts_ns - 10**18 + before_ns) / 10**9 - trio.current_time())
            quote: dict[str, Any] = dict(zip(("bid", "bid_size", "ask", "ask_size"), numbers, strict=True))
            quote |= {"received_ns": ts_ns, "venue_ts_ns": None}
            if case is not None and case.field and ts_ns > self.right_until_ns:
                quote[case.field] = FIELD_VALUES[case.what]
            if what == "calls a sink of no symbol":
                sinks["NOPE"](*quote.values())
            elif what == "calls a sink from another thread":
                with ThreadPoolExecutor(1) as other:  # waited for on the spot: virtual time goes on while a task waits
                    other.submit(sinks[symbol], *quote.values()).result()
            elif what == "catches what its sink raises":
                with suppress(TrioarbError):
                    sinks[symbol](*{**quote, "bid": "nonsense"}.values())
            else:
                sinks[symbol](*quote.values())
            if what == "returns early":
                return
            if what in RAISES:
                raise RAISES[what]()
        await trio.sleep_forever()


class _Source(SymbolSource):
    def __init__(self) -> None:
        pass

    async def listings(self) -> list[Listing]:
        return [listing("BTC", volume_24h_quote=Decimal(1000))]


class _Guard(GuardTier):
    """Lets orders be half as large as the strategy wants them."""

    def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
        most = Decimal(250)
        if opportunity.notional_usd <= most:
            return None
        return Refusal(
            answer=Answer.REDUCE,
            rule="half",
            value=f"{opportunity.notional_usd}",
            limit=f"{most}",
            largest=OrderSize(usd=most),
        )

    def doubt(self, route: Any, edge_bps: float, now_ns: int) -> None:
        pass

    def apply(self, record: Any) -> None:
        pass

    def react(self, record: Any) -> tuple[()]:
        return ()

    def poll(self, now_ns: int) -> tuple[()]:
        return ()


def tape(venue: str, *, columns: bool) -> ScriptedTape:
    """A gap between two venues that opens, closes and opens again."""
    rows = []
    for second in range(40):
        gap = 2.0 if venue == "b" and second % 20 in range(2, 6) else 0.0
        rows.append((second / 2, "BTCUSDT", 100.0 + gap, 50.0, 100.1 + gap, 50.0))
    kind = ColumnarTape if columns else ScriptedTape
    return kind(rows, listings=[listing("BTC")], start_ns=10**18)


def plugin(case: Case | None, exchange: type[PaperExchange] = PaperExchange) -> object:
    """Return the plugins named ``odd`` of a campaign; that of the case's contract misbehaves."""
    contract = None if case is None else case.contract

    def made(kind: type[Any], of: type[Any]) -> type[Any]:
        return _misbehave(kind, case) if case is not None and contract is of else kind

    @asynccontextmanager
    async def open_exchange(settings: Any, context: Any) -> AsyncIterator[Any]:
        kind = made(exchange, Exchange) if context.venue != "b" else PaperExchange
        venue = kind(settings, context)
        venue.open()
        try:
            yield venue
        finally:
            venue.close()

    @asynccontextmanager
    async def open_market(settings: Any, context: Any) -> AsyncIterator[Any]:
        right = tape(context.venue, columns=case is not None and case.method == "batches")
        if context.venue != "b" and contract is Feed:
            assert case is not None
            by_itself = case.method == "run"
            feed = (_Feed if by_itself else made(_Feed, Feed))(right)
            feed.case = case if by_itself else None
            if context.venue != "a":  # where nothing is traded before
                feed.right_until_ns = 0
            yield feed
            if case.what == "calls a sink after its end":
                with suppress(TrioarbError):
                    feed.sinks["BTCUSDT"](1.0, 1.0, 1.0, 1.0, 10**18)
            return
        if context.venue != "b":
            right.__class__ = made(type(right), Tape)
        yield right

    @asynccontextmanager
    async def open_source(settings: Any, context: Any) -> AsyncIterator[Any]:
        yield made(_Source, SymbolSource)()

    @asynccontextmanager
    async def open_guard(settings: Any, context: Any) -> AsyncIterator[Any]:
        yield made(_Guard, GuardTier)()

    @asynccontextmanager
    async def open_strategy(settings: Any, context: Any) -> AsyncIterator[Any]:
        yield made(SpreadStrategy, Strategy)(settings)

    return plugin_of(
        ExchangeSpec(name="odd", doc="a venue", settings=PaperSettings, open=open_exchange),
        MarketDataSpec(name="odd", doc="a market", open=open_market),
        SymbolSourceSpec(name="odd", doc="a source", open=open_source),
        GuardTierSpec(name="odd", doc="a tier", settings=NoSettings, open=open_guard),
        StrategySpec(name="odd", doc="a strategy", settings=SpreadSettings, open=open_strategy),
    )
