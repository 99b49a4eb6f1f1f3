"""The symbol tier: size, number and pace of one symbol's trades, edges too good to be true, and a circuit breaker."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from math import isfinite
from typing import Any

import attrs

from trioarb.api import (
    BPS,
    EXACT,
    SECOND_NS,
    Answer,
    Count,
    Fraction,
    GuardContext,
    GuardTier,
    GuardTierSpec,
    GuardTripped,
    Loosens,
    Opportunity,
    OrderSize,
    PairKind,
    PairOutcome,
    PositiveBps,
    PositiveCount,
    PositiveDecimal,
    PositiveMoney,
    Record,
    Refusal,
    Route,
    Seconds,
    event,
    floor_to,
    hookimpl,
    seconds_to_ns,
    setting,
    text,
)

__all__ = ["SymbolSettings", "SymbolTier"]

_BREAKER, _TOO_GOOD, _APART = "circuit_breaker", "edge_too_good", "price_ratio"
_HALF = Decimal("0.5")
#: Finer than any venue's lot; a size has no more digits than can be.
_LEAST = Decimal("1e-18")
#: Rules that say that prices can't be right.
_DOUBTS = frozenset({_TOO_GOOD, _APART})


@attrs.frozen(kw_only=True)
class SymbolSettings:
    max_edge_bps: PositiveBps = setting(
        Decimal(500),
        doc="higher edges are no opportunity, but two coins of one ticker, or prices that are wrong: DENY",
        concerns="edge_too_good",
        loosens=Loosens.MORE,
    )
    max_price_ratio: PositiveDecimal = setting(
        Decimal("1.03"),
        doc="where the middle of one venue's prices is so many times that of another's, it may be another coin of the "
        "same ticker",
        concerns="price_ratio",
        loosens=Loosens.MORE,
    )
    price_ratio_seconds: Seconds = setting(
        Decimal(30),
        doc="a route whose prices are apart by more than that for this long is no opportunity: DENY",
        loosens=Loosens.MORE,
    )
    max_position_size_usd: PositiveMoney = setting(Decimal(1_000), doc="largest entry", loosens=Loosens.MORE)
    max_imbalance: Fraction | None = setting(
        None,
        doc="how one-sided a trade may leave stock: (held where it buys − held where it sells) ÷ both; beyond it: "
        "DENY; absent: no limit",
        concerns="imbalance",
        loosens=Loosens.MORE_OR_NONE,
    )
    reduce: bool = setting(
        False,
        doc="an entry beyond `max_position_size_usd` or `max_imbalance` is made smaller instead of being denied",
        loosens=Loosens.MORE,
    )
    max_position_count: PositiveCount = setting(2, doc="open positions of a symbol", loosens=Loosens.MORE)
    cooldown_seconds: Seconds = setting(Decimal(30), doc="pause after an entry was allowed", loosens=Loosens.LESS)
    rest_seconds: Seconds = setting(Decimal(0), doc="pause after a position was closed", loosens=Loosens.LESS)
    unwind_cooldown_seconds: Seconds = setting(
        Decimal(0), doc="pause of a route after an entry on it was unwound at a price", loosens=Loosens.LESS
    )
    max_symbol_daily_loss_usd: PositiveMoney = setting(
        Decimal(200), doc="loss of a symbol in the UTC day; from it on: DENY", loosens=Loosens.MORE
    )
    circuit_breaker_loss_count: Count = setting(3, doc="losses in a row that open the breaker; 0: no breaker")
    circuit_breaker_duration: Seconds = setting(
        Decimal(300), doc="how long an open breaker denies", loosens=Loosens.LESS
    )


@attrs.define
class _State:
    last_allowed_ns: int | None = None
    last_closed_ns: int | None = None
    losses_in_a_row: int = 0
    open_until_ns: int | None = None
    has_tripped: bool = False
    open_trades: set[str] = attrs.field(factory=set)
    #: The pair of the entry that was allowed last, and its venues; when an entry was unwound last, by venues.
    entering: tuple[str, tuple[str, str]] | None = None
    unwound_ns: dict[tuple[str, str], int] = attrs.field(factory=dict)
    #: The rules of which it was said that prices can't be right.
    warned: set[str] = attrs.field(factory=set)
    #: By venues: since when their prices are too far apart, and when that was seen last.
    apart: dict[tuple[str, str], tuple[int, int]] = attrs.field(factory=dict)


class SymbolTier(GuardTier):
    """A result is a closed trade, or an entry that was unwound at a price; PnL below zero is a loss.

    How long prices have been apart is seen where a route is wanted: beyond the ratio it is at every evaluation. It
    begins anew when a campaign is resumed.
    """

    folds = frozenset({event.Decided, event.GuardTripped, event.PositionOpened, event.PositionClosed, event.PairEnded})
    reacts = frozenset({event.Decided, event.PositionClosed, event.PairEnded})

    def __init__(self, settings: SymbolSettings, context: GuardContext) -> None:
        self._settings = settings
        self._settings_of = context.settings_of
        self._name = context.name
        self._risk = context.risk
        self._states = defaultdict[str, _State](_State)
        self._states.update((symbol, _State()) for symbol in context.symbols)

    def retune(self, settings: SymbolSettings, settings_of: Callable[[str], Any] | None) -> None:
        self._settings, self._settings_of = settings, settings_of

    def doubt(self, route: Route, edge_bps: float, now_ns: int) -> Refusal | None:
        limits = self._limits(route.symbol)
        if edge_bps > limits.max_edge_bps:
            value = text(Decimal(f"{edge_bps:.6f}")) if isfinite(edge_bps) else str(edge_bps)
            return _deny(_TOO_GOOD, f"{value} bps", f"{text(limits.max_edge_bps)} bps")
        return self._apart(route, edge_bps, limits, now_ns)

    def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
        symbol = opportunity.route.symbol
        limits = self._limits(symbol)
        state = self._states[symbol]
        if state.open_until_ns is not None and now_ns < state.open_until_ns:
            return _deny(_BREAKER, f"open for {(state.open_until_ns - now_ns) / SECOND_NS:.3f} s", "closed")
        if state.last_allowed_ns is not None:
            elapsed_ns = now_ns - state.last_allowed_ns
            if elapsed_ns < seconds_to_ns(limits.cooldown_seconds):
                return _deny("cooldown", f"{elapsed_ns / SECOND_NS:.3f} s", f"{text(limits.cooldown_seconds)} s")
        unwound_ns = state.unwound_ns.get((opportunity.route.buy_venue, opportunity.route.sell_venue))
        if unwound_ns is not None:
            elapsed_ns = now_ns - unwound_ns
            if elapsed_ns < seconds_to_ns(limits.unwind_cooldown_seconds):
                least = f"{text(limits.unwind_cooldown_seconds)} s"
                return _deny("unwind_cooldown", f"{elapsed_ns / SECOND_NS:.3f} s", least)
        if state.last_closed_ns is not None:
            elapsed_ns = now_ns - state.last_closed_ns
            if elapsed_ns < seconds_to_ns(limits.rest_seconds):
                return _deny("rest", f"{elapsed_ns / SECOND_NS:.3f} s", f"{text(limits.rest_seconds)} s")
        if opportunity.notional_usd > limits.max_position_size_usd:
            asked, most = opportunity.notional_usd, limits.max_position_size_usd
            return Refusal.beyond("position_size", asked, most, left_usd=most if limits.reduce else None)
        if limits.max_imbalance is not None and (leaning := self._leaning(opportunity, limits, limits.max_imbalance)):
            return leaning
        count = self._risk.open_positions(symbol)
        if count >= limits.max_position_count:
            return _deny("position_count", str(count), str(limits.max_position_count))
        loss = self._risk.daily_loss_usd(now_ns, symbol)
        if loss >= limits.max_symbol_daily_loss_usd:
            return _deny("daily_loss", self._risk.loss_text(now_ns, symbol), text(limits.max_symbol_daily_loss_usd))
        return None

    def _leaning(self, opportunity: Opportunity, limits: SymbolSettings, most: Decimal) -> Refusal | None:
        """Refuse what would leave too much of both venues' stock where it buys. What both hold together stays equal."""
        route, moved = opportunity.route, opportunity.quantity
        if route.buy_venue == route.sell_venue:
            return None  # nothing moves from one venue to another
        bought, sold = self._risk.stock(route.symbol, route.buy_venue), self._risk.stock(route.symbol, route.sell_venue)
        both = EXACT.add(bought, sold)
        if both <= 0:
            return _deny("imbalance", f"{text(both)} held at both", text(most))
        ahead, bound = EXACT.subtract(bought, sold), EXACT.multiply(most, both)
        after = EXACT.add(ahead, 2 * moved)
        if after <= bound:
            return None
        left = EXACT.multiply(EXACT.subtract(bound, ahead), _HALF)
        value, limit = f"{after / both:.4f}", text(most)
        if not limits.reduce or left <= 0:
            return _deny("imbalance", value, limit)
        largest = OrderSize(base=floor_to(left, _LEAST))
        return Refusal(answer=Answer.REDUCE, rule="imbalance", value=value, limit=limit, largest=largest)

    def _apart(self, route: Route, edge_bps: float, limits: SymbolSettings, now_ns: int) -> Refusal | None:
        """Refuse a route whose prices have been too far apart for too long."""
        state, venues = self._states[route.symbol], (route.buy_venue, route.sell_venue)
        cheap, dear = self._risk.mid(route.symbol, route.buy_venue), self._risk.mid(route.symbol, route.sell_venue)
        # Without a middle to be compared, what the route earns stands for it.
        ratio = dear / cheap if cheap and dear else 1 + edge_bps / float(BPS)
        if ratio <= limits.max_price_ratio:
            state.apart.pop(venues, None)
            return None
        longest_ns = seconds_to_ns(limits.price_ratio_seconds)
        since_ns, seen_ns = state.apart.get(venues, (now_ns, now_ns))
        if now_ns - seen_ns > longest_ns // 3:
            since_ns = now_ns  # they were together in between, for all we know
        state.apart[venues] = since_ns, now_ns
        if now_ns - since_ns < longest_ns:
            return None
        limit = f"{text(limits.max_price_ratio)} for {text(limits.price_ratio_seconds)} s"
        of = f" ({text(dear)} / {text(cheap)})" if cheap and dear else ""
        return _deny(_APART, f"{ratio:.4f}{of} for {(now_ns - since_ns) / SECOND_NS:.0f} s", limit)

    def _limits(self, symbol: str) -> SymbolSettings:
        if self._settings_of is None:
            return self._settings
        limits: SymbolSettings = self._settings_of(symbol)
        return limits

    def apply(self, record: Record) -> None:
        match record.event:
            case event.Decided(symbol=symbol, answer=Answer.ALLOW, pair_id=pair_id) as allowed:
                state = self._states[symbol]
                state.last_allowed_ns = record.ts_ns
                state.entering = str(pair_id), (str(allowed.buy_venue), str(allowed.sell_venue))
            case event.GuardTripped(tier=self._name, rule="circuit_breaker", symbol=str(symbol), until_ns=until_ns):
                self._states[symbol].open_until_ns, self._states[symbol].has_tripped = until_ns, True
            case event.GuardTripped(tier=self._name, rule=str(rule), symbol=str(symbol)) if rule in _DOUBTS:
                self._states[symbol].warned.add(rule)
            case event.PositionOpened(symbol=symbol, trade_id=trade_id):
                self._states[symbol].open_trades.add(trade_id)
            case event.PositionClosed(symbol=symbol, trade_id=trade_id, pnl_usd=pnl_usd):
                self._states[symbol].open_trades.remove(trade_id)
                self._states[symbol].last_closed_ns = record.ts_ns
                self._count(symbol, pnl_usd, record.ts_ns)
            case event.PairEnded(symbol=symbol, pnl_usd=pnl_usd) as ended if self._is_unwound(ended):
                state = self._states[symbol]
                if state.entering is not None and state.entering[0] == ended.pair_id:
                    state.unwound_ns[state.entering[1]] = record.ts_ns
                self._count(symbol, pnl_usd, record.ts_ns)
            case _:
                pass

    def react(self, record: Record) -> Iterable[GuardTripped]:
        happened = record.event
        if isinstance(happened, event.Decided):
            yield from self._warn(happened)
            return
        if not isinstance(happened, event.PositionClosed) and not (
            isinstance(happened, event.PairEnded) and self._is_unwound(happened)
        ):
            return
        state, limits = self._states[happened.symbol], self._limits(happened.symbol)
        is_open = state.open_until_ns is not None and record.ts_ns < state.open_until_ns
        if is_open or not 0 < limits.circuit_breaker_loss_count <= state.losses_in_a_row:
            return
        yield GuardTripped(
            tier=self._name,
            rule=_BREAKER,
            answer=Answer.DENY,
            symbol=happened.symbol,
            value=f"{state.losses_in_a_row} losses in a row",
            limit=str(limits.circuit_breaker_loss_count),
            until_ns=record.ts_ns + seconds_to_ns(limits.circuit_breaker_duration),
        )

    def _warn(self, decided: event.Decided) -> Iterable[GuardTripped]:
        """Say once of a symbol that its prices can't be right."""
        rule = decided.rule
        if decided.tier == self._name and rule in _DOUBTS and rule not in self._states[decided.symbol].warned:
            yield GuardTripped(
                tier=self._name,
                rule=rule,
                answer=Answer.DENY,
                symbol=decided.symbol,
                value=f"{decided.value}, from {decided.buy_venue} to {decided.sell_venue}",
                limit=str(decided.limit),
            )

    def stats(self, now_ns: int) -> Mapping[str, Any]:
        return {
            "symbols": {symbol: {"circuit_breaker_triggered": one.has_tripped} for symbol, one in self._states.items()}
        }

    def _is_unwound(self, ended: event.PairEnded) -> bool:
        """Whether an entry cost something without opening a position."""
        return (
            ended.kind is PairKind.ENTRY
            and bool(ended.pnl_usd)
            and ended.outcome is not PairOutcome.HEDGED
            and ended.trade_id not in self._states[ended.symbol].open_trades
        )

    def _count(self, symbol: str, pnl_usd: Decimal, now_ns: int) -> None:
        state = self._states[symbol]
        if state.open_until_ns is not None and now_ns >= state.open_until_ns:
            state.open_until_ns, state.losses_in_a_row = None, 0
        state.losses_in_a_row = state.losses_in_a_row + 1 if pnl_usd < 0 else 0


def _deny(rule: str, value: str, limit: str) -> Refusal:
    return Refusal(answer=Answer.DENY, rule=rule, value=value, limit=limit)


@asynccontextmanager
async def _open(settings: SymbolSettings, context: GuardContext) -> AsyncIterator[GuardTier]:
    yield SymbolTier(settings, context)


@hookimpl
def trioarb_guard_tiers() -> list[GuardTierSpec]:
    return [
        GuardTierSpec(
            name="symbol",
            doc="size, number and pace of a symbol's trades",
            settings=SymbolSettings,
            open=_open,
            rank=300,
            by_symbol=True,
        )
    ]
