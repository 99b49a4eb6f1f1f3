"""The border to plugins: what they answer is checked here, and what they raise becomes the engine's errors.

Each opened object is wrapped once, so that nothing else in the engine sees an unchecked value or a stranger's
exception.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from threading import get_ident
from typing import Any

import attrs
import trio

from trioarb.errors import MarketDataError, PluginFault, describe
from trioarb.model.event import GuardTripped, Record
from trioarb.model.market import Instrument, Listing, Route, TradingRules
from trioarb.model.order import Offer
from trioarb.model.trade import ExitReason, Opportunity, OrderSize, Position, Refusal
from trioarb.plugin import answer
from trioarb.plugin.call import Where
from trioarb.plugin.columns import ahead, batched, in_order
from trioarb.plugin.contract import (
    AlertChannel,
    Exchange,
    ExitBand,
    Feed,
    GuardTier,
    Levels,
    LevelsLater,
    MarketData,
    QuoteSink,
    RowBatch,
    Stored,
    Strategy,
    SymbolSource,
    Tape,
    TapeRow,
)
from trioarb.plugin.exchange_border import CheckedExchange
from trioarb.plugin.tap import Subscribed, Tap
from trioarb.time.campaign_time import SECOND_NS

__all__ = ["CheckedGuard", "CheckedStrategy", "CheckedTape", "checked"]

#: How far ahead of now a feed may say that a quote came: from the future, it would stay fresh after the feed has died.
_AHEAD_NS = 60 * SECOND_NS
#: Times are whole numbers of 64 bits.
_END_OF_TIME = 2**63


def checked(opened: Any, where: Where, venue: str = "") -> Any:
    """Return what a plugin opened, wrapped.

    Raises:
        TrioarbError: its attributes are wrong.
    """
    with where.call("open"):
        match opened:
            case Exchange():
                return CheckedExchange(opened, where, venue)
            case Tape():
                return CheckedTape(opened, where)
            case Feed():
                return _CheckedFeed(opened, where)
            case SymbolSource():
                return _CheckedSource(opened, where)
            case GuardTier():
                return CheckedGuard(opened, where)
            case Strategy():
                return CheckedStrategy(opened, where)
            case AlertChannel():
                return opened  # it answers nothing, and what it raises is for who sends
    raise AssertionError(f"{opened!r} is of no contract")


class _CheckedMarket(MarketData):
    def __init__(self, inner: Any, where: Where) -> None:
        self._inner = inner
        self._where = where

    async def listings(self) -> Sequence[Listing]:
        return await _listings(self._inner, self._where)

    def rules(self, symbol: str) -> TradingRules | None:
        with self._where.call("rules"):
            rules = self._inner.rules(symbol)
            return rules if rules is None else answer.check_rules(rules)


class CheckedTape(_CheckedMarket, Tape):
    @property
    def start_ns(self) -> int | None:
        with self._where.call("start_ns"):
            start_ns = self._inner.start_ns
            return None if start_ns is None else answer.check_whole(start_ns)

    @property
    def depth(self) -> int:
        """How many levels a side are taken of it."""
        return self._where.calls.depth

    def columns(self, symbols: Sequence[str], start_ns: int) -> Generator[RowBatch, None, None]:
        """Yield its rows as columns: its own, which are read ahead in a thread, or what is made of its rows."""
        own = self.batches(symbols, start_ns)
        batches = (
            batched(self.rows(symbols, start_ns), symbols, self._where.calls.depth - 1) if own is None else ahead(own)
        )
        try:
            with closing(batches):
                yield from in_order(batches, self._where.calls.most_rows)
        except Exception as error:
            self._where.fail("rows" if own is None else "batches", error)

    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        try:
            yield from self._inner.rows(symbols, start_ns)
        except BaseException as error:
            if _closes(error):
                raise
            self._where.fail("rows", error)

    def batches(self, symbols: Sequence[str], start_ns: int) -> Iterator[RowBatch] | None:
        with self._where.call("batches"):
            found = self._inner.batches(symbols, start_ns)
            return None if found is None else self._checked(iter(found), frozenset(symbols))

    def _checked(self, found: Iterator[RowBatch], asked: frozenset[str]) -> Iterator[RowBatch]:
        try:
            names: tuple[str, ...] = ()
            for number, one in enumerate(found):
                batch, names = _check_batch(one, f"[{number}]", asked, names, self._where.calls.depth - 1)
                yield batch
        except BaseException as error:
            if _closes(error):
                raise
            self._where.fail("batches", error)

    def stored(self) -> Stored | None:
        with self._where.call("stored"):
            stored = self._inner.stored()
            return None if stored is None else answer.is_a(stored, Stored)


class _CheckedFeed(_CheckedMarket, Feed):
    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """As in the contract. A sink that is called wrongly ends it, even if the feed catches what that raises."""
        taps = _Taps(self._where)
        try:
            with taps.scope, self._where.call("run"):
                checked_sinks = {symbol: taps.checked(symbol, sink) for symbol, sink in sinks.items()}
                await self._inner.run(checked_sinks, task_status=Subscribed(task_status, taps.scope))
        finally:
            taps.has_ended = True
        if taps.fault is not None:
            raise taps.fault
        if taps.scope.cancelled_caught:
            raise PluginFault(f"{self._where}: run did not say started() within {self._where.calls.seconds:g} s")
        raise MarketDataError(f"{self._where}: run ended by itself; it has to go on until it is cancelled")


class _Taps(Tap):
    """The sinks of a feed, as it gets them: what it gives them is checked for its type, and where it comes from."""

    def __init__(self, where: Where) -> None:
        super().__init__(where, "run")
        self._until_ns = self._latest_ns

    def checked(self, symbol: str, sink: QuoteSink) -> QuoteSink:
        thread, look_up = self.thread, partial(self._looked_up, symbol)

        def on_quote(
            bid: float,
            bid_size: float,
            ask: float,
            ask_size: float,
            received_ns: int,
            venue_ts_ns: int | None = None,
            levels: Levels | LevelsLater | None = None,
            /,
        ) -> None:
            # `__class__` is quicker than `type`, and this is asked of every quote.
            if (
                bid.__class__ is float
                and bid_size.__class__ is float
                and ask.__class__ is float
                and ask_size.__class__ is float
                and received_ns.__class__ is int
                and 0 <= received_ns < self._until_ns
                and (venue_ts_ns is None or (venue_ts_ns.__class__ is int and 0 <= venue_ts_ns < _END_OF_TIME))
                and not self.has_ended
                and get_ident() == thread
            ):
                beyond: Any = None
                if levels is not None:
                    beyond = (look_up, levels) if callable(levels) else self._levels(symbol, levels)
                sink(bid, bid_size, ask, ask_size, received_ns, venue_ts_ns, beyond)
                return
            self.check_place(f"the sink of {symbol}")
            try:
                bid, bid_size = answer.check_float(bid, "bid"), answer.check_float(bid_size, "bid_size")
                ask, ask_size = answer.check_float(ask, "ask"), answer.check_float(ask_size, "ask_size")
                self._check_time(answer.check_whole(received_ns, "received_ns"))
                if venue_ts_ns is not None:
                    answer.check_whole(venue_ts_ns, "venue_ts_ns")
            except answer.Nonsense as error:
                self.fail(f"gave the sink of {symbol} {error}")
            beyond = (look_up, levels) if callable(levels) else self._levels(symbol, levels)
            sink(bid, bid_size, ask, ask_size, received_ns, venue_ts_ns, beyond)

        return on_quote

    def _levels(self, symbol: str, levels: Levels | None) -> Levels | None:
        """Return the levels that are wanted of those that the feed gave."""
        beyond = self._where.calls.depth - 1
        if levels is None or not beyond:
            return None
        try:
            return answer.check_levels(levels, beyond, "levels")
        except answer.Nonsense as error:
            self.fail(f"gave the sink of {symbol} {error}")

    def _looked_up(self, symbol: str, levels: LevelsLater) -> Levels | None:
        """Return what a function of the feed's says that the levels are; none once the feed has ended."""
        if self.has_ended:
            return None
        try:
            found = levels()
        except Exception as error:
            self.fail(f"gave the sink of {symbol} levels that raise {describe(error)}")
        return self._levels(symbol, found)

    @property
    def _latest_ns(self) -> int:
        now_ns = self._where.calls.now_ns
        return _END_OF_TIME if now_ns is None else now_ns() + _AHEAD_NS

    def _check_time(self, received_ns: int) -> None:
        """See that a quote doesn't come from the future; when that begins is asked for once a minute."""
        self._until_ns = self._latest_ns
        if received_ns >= self._until_ns:
            raise answer.Nonsense(f"received_ns = {received_ns}; it is {self._until_ns - _AHEAD_NS} now")


class _CheckedSource(SymbolSource):
    def __init__(self, inner: SymbolSource, where: Where) -> None:
        self._inner = inner
        self._where = where

    async def listings(self) -> Sequence[Listing]:
        return await _listings(self._inner, self._where)


class CheckedGuard(GuardTier):
    """A tier. ``polls``: whether it wants to be asked without an event, ``doubts``: whether it says what it thinks of
    prices; methods that it doesn't have want nothing. ``retunes``: it takes other settings."""

    def __init__(self, inner: GuardTier, where: Where) -> None:
        kind = type(inner)
        self.folds = frozenset() if kind.apply is GuardTier.apply else _kinds(inner.folds, "folds")
        self.reacts = frozenset() if kind.react is GuardTier.react else _kinds(inner.reacts, "reacts")
        self.polls_marks = answer.is_a(inner.polls_marks, bool, "polls_marks")
        self.doubts = kind.doubt is not GuardTier.doubt
        self._has_poll = kind.poll is not GuardTier.poll
        self.polls = self._has_poll and not self.polls_marks
        self.retunes = kind.retune is not GuardTier.retune
        self.answers_kill_switch = answer.is_a(inner.answers_kill_switch, bool, "answers_kill_switch")
        self._inner = inner
        self._where = attrs.evolve(where, names=())
        #: How many events `poll` tripped since it last tripped none.
        self._polled = 0

    def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
        try:
            refusal = self._inner.check(opportunity, now_ns)
            return refusal if refusal is None else answer.check_refusal(refusal, opportunity)
        except BaseException as error:
            self._where.fail("check", error)

    def doubt(self, route: Route, edge_bps: float, now_ns: int) -> Refusal | None:
        try:
            refusal = self._inner.doubt(route, edge_bps, now_ns)
            return refusal if refusal is None else answer.check_doubt(refusal)
        except BaseException as error:
            self._where.fail("doubt", error)

    def apply(self, record: Record) -> None:
        try:
            self._inner.apply(record)
        except BaseException as error:
            self._where.fail("apply", error)

    def react(self, record: Record) -> Sequence[GuardTripped]:
        try:
            return answer.check_tripped(self._inner.react(record))
        except BaseException as error:
            self._where.fail("react", error)

    def retune(self, settings: Any, settings_of: Callable[[str], Any] | None) -> None:
        with self._where.call("retune"):
            self._inner.retune(settings, settings_of)

    def endless(self) -> PluginFault:
        return PluginFault(f"{self._where}: react answers its own events without end; it has to tell them by `reacts`")

    def poll(self, now_ns: int) -> Sequence[GuardTripped]:
        if not self._has_poll:
            return ()
        with self._where.call("poll"):
            if self._polled <= answer.MOST_ANSWERS:
                tripping = answer.check_tripped(self._inner.poll(now_ns))
                self._polled = self._polled + len(tripping) if tripping else 0
                if self._polled <= answer.MOST_ANSWERS:
                    return tripping
        raise PluginFault(
            f"{self._where}: poll trips without end, {answer.MOST_ANSWERS:,} events and more; "
            "it has to tell what changed, and nothing once nothing did"
        )

    def warnings(self, instruments: Sequence[Instrument]) -> Iterable[str]:
        with self._where.call("warnings"):
            return answer.check_texts(self._inner.warnings(instruments))

    def stats(self, now_ns: int) -> Mapping[str, Any]:
        with self._where.call("stats"):
            return answer.check_stats(self._inner.stats(now_ns))

    def stats_of(self, now_ns: int, names: Sequence[str]) -> Mapping[str, Any]:
        """Return some of its figures, as far as it has them: checking those of each symbol would take long."""
        with self._where.call("stats"):
            told = self._inner.stats(now_ns)
            wanted = {name: told[name] for name in names if name in told} if isinstance(told, Mapping) else told
            return answer.check_stats(wanted)


class CheckedStrategy(Strategy):
    """A strategy, asked at many quotes: only what it answers costs a check. ``retunes``: it takes other settings."""

    def __init__(self, inner: Strategy, where: Where) -> None:
        self.max_quote_age_ns = answer.check_whole(inner.max_quote_age_ns, "max_quote_age_ns")
        self.entry_bps = answer.check_amount(inner.entry_bps, "entry_bps")
        self.exit_bps = answer.check_amount(inner.exit_bps, "exit_bps")
        self.holds = answer.is_a(inner.holds, bool, "holds")
        self.triangles = answer.check_triangles(inner.triangles, holds=self.holds)
        self.retunes = type(inner).retune is not Strategy.retune
        self._inner = inner
        self._where = attrs.evolve(where, names=())

    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        try:
            size = self._inner.entry(route, edge_bps, now_ns)
            return size if size is None else answer.check_order_size(size, holds=self.holds)
        except BaseException as error:
            self._where.fail("entry", error)

    def exit(self, position: Position, edge_bps: float, net_bps: float, now_ns: int) -> ExitReason | None:
        try:
            reason = self._inner.exit(position, edge_bps, net_bps, now_ns)
            return reason if reason is None else answer.is_a(reason, ExitReason)
        except BaseException as error:
            self._where.fail("exit", error)

    def retune(self, settings: Any) -> None:
        with self._where.call("retune"):
            self._inner.retune(settings)
            self.entry_bps = answer.check_amount(self._inner.entry_bps, "entry_bps")

    def needs(self, venue: str) -> frozenset[Offer]:
        with self._where.call("needs"):
            return answer.check_offers(self._inner.needs(venue), "")

    def entry_from_bps(self, route: Route) -> float:
        try:
            return answer.check_edge(self._inner.entry_from_bps(route))
        except BaseException as error:
            self._where.fail("entry_from_bps", error)

    def exit_band(self, position: Position) -> ExitBand:
        try:
            return answer.check_band(self._inner.exit_band(position))
        except BaseException as error:
            self._where.fail("exit_band", error)


async def _listings(inner: MarketData | SymbolSource, where: Where) -> Sequence[Listing]:
    with trio.move_on_after(where.calls.seconds), where.call("listings"):
        return answer.check_listings(await inner.listings())
    raise PluginFault(where.late("listings"))


def _closes(error: BaseException) -> bool:
    """Return whether a generator is closed from outside: its own frame is the only one that was left."""
    traceback = error.__traceback__
    return isinstance(error, GeneratorExit) and (traceback is None or traceback.tb_next is None)


def _kinds(value: Any, field: str) -> frozenset[Any] | None:
    if value is None:
        return None
    return frozenset(answer.is_a(one, type, field) for one in answer.is_a(value, (frozenset, set, tuple, list), field))


def _check_batch(
    value: object, field: str, asked: frozenset[str], before: tuple[str, ...], beyond: int
) -> tuple[RowBatch, tuple[str, ...]]:
    """Return columns of equal length and the right types, which nobody else can write to, and the names in them.

    ``before``: names that were checked before; ``beyond``: how many levels after the best one are wanted.
    """
    import numpy as np

    batch = answer.is_a(value, RowBatch, field)
    names = before if batch.names is before else answer.check_names(batch.names, f"{field}.names", asked)
    columns, lengths = dict[str, Any](), set()
    for name in ("ts_ns", "order", "symbol", "bid", "bid_size", "ask", "ask_size"):
        column = answer.is_a(getattr(batch, name), np.ndarray, f"{field}.{name}")
        is_whole = name in ("ts_ns", "order", "symbol")
        if column.ndim != 1 or column.dtype.kind not in ("iu" if is_whole else "f"):
            expected = "whole numbers" if is_whole else "floats"
            raise answer.Nonsense(f"{field}.{name} of {column.ndim} dimensions and {column.dtype}; expected {expected}")
        lengths.add(len(column))
        # What a plugin may go on writing to is copied: batches are read ahead, and kept for a while.
        if type(column) is not np.ndarray or column.base is not None or column.flags.writeable:
            column = np.array(column)
        columns[name] = ours = column.astype(np.int64 if is_whole else np.float64, copy=False)
        if is_whole and len(ours) and (name != "order" or column.dtype == np.uint64):
            most = len(names) if name == "symbol" else _END_OF_TIME
            row = int(ours.view(np.uint64).argmax())  # as such the negative ones are the largest, at half the cost
            if not 0 <= ours[row] < most:
                expected = f"the place of one of {most} names" if name == "symbol" else "≥ 0 and < 2**63"
                raise answer.Nonsense(f"{field}.{name}[{row}] = {column[row]}; expected {expected}")
    if len(lengths) > 1:
        raise answer.Nonsense(f"{field} with columns of {' and '.join(map(str, sorted(lengths)))} rows")
    if batch.levels is not None and beyond:
        columns["levels"] = _check_levels(batch.levels, f"{field}.levels", len(columns["ts_ns"]), beyond)
    return RowBatch(names=names, **columns), names


def _check_levels(value: object, field: str, rows: int, beyond: int) -> Any:
    """Return a column of so many levels, NaN where it has none, which nobody else can write to."""
    import numpy as np

    levels = answer.is_a(value, np.ndarray, field)
    if levels.ndim != 3 or levels.shape[0] != 4 or levels.shape[2] != rows or levels.dtype.kind != "f":
        raise answer.Nonsense(f"{field} of {levels.shape} and {levels.dtype}; expected (4, levels, {rows}) of floats")
    is_ours = type(levels) is np.ndarray and levels.base is None and not levels.flags.writeable
    if is_ours and levels.shape[1] == beyond and levels.dtype == np.float64:
        return levels
    ours = np.full((4, beyond, rows), np.nan)
    ours[:, : levels.shape[1]] = levels[:, :beyond]
    return ours
