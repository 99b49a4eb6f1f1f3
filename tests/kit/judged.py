"""Campaigns with a known truth: journals as a campaign would have written them, folded into what a verdict judges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from random import Random

import attrs

from trioarb.config.load import load_config
from trioarb.config.schema import Mode, UniverseMode
from trioarb.model.event import (
    CampaignEnded,
    CampaignOpened,
    ClockJumped,
    Decided,
    Deposited,
    Event,
    FunnelCounted,
    FxRated,
    InstrumentListed,
    MarketsMarked,
    MarketStale,
    MarketUp,
    OrderFilled,
    OrderSubmitted,
    PairEnded,
    PairOpened,
    PositionClosed,
    PositionMarked,
    PositionOpened,
    Record,
)
from trioarb.model.fx import FxState
from trioarb.model.order import Purpose, Side
from trioarb.model.trade import Answer, EndedBy, ExitReason, PairKind, PairOutcome
from trioarb.plugin.registry import load_plugins
from trioarb.report.report import Report
from trioarb.state.state import State
from trioarb.survey.sensitivity import Sensitivity

__all__ = ["Told", "drawn"]

_SPREAD = Path(__file__).parents[2] / "configs" / "spread.toml"
_PLUGINS = load_plugins()
_START_NS, _SECOND_NS = 1_800_000_000 * 10**9, 10**9
_ONE, _NONE, _PRICE = Decimal(1), Decimal(0), Decimal(100)
_CENTS = Decimal("0.0001")


def drawn(seed: int, count: int, mean: float, spread: float = 1.0) -> list[Decimal]:
    """Return what so many trades earned, about normally distributed, in USD."""
    chance = Random(seed)
    return [Decimal(repr(chance.gauss(mean, spread))).quantize(_CENTS) for _ in range(count)]


@attrs.define(kw_only=True)
class Told:
    """A live campaign of two hours, between two venues that have nothing in common, in which nothing is doubtful.

    ``pnls``: what its trades earned, net of a fee of ``fee`` an order. ``worse``: by how much each third fill was worse
    than the price that was decided upon. ``funnel``: counters that are other than those of a sound campaign.
    """

    pnls: Sequence[Decimal] = attrs.field(factory=lambda: drawn(1, 120, 0.5))
    symbols: Sequence[str] = ("BTCUSDT", "ETHUSDT")
    seconds: int = 7_200
    within_seconds: int | None = None
    fee: Decimal = Decimal("0.02")
    worse: Decimal = Decimal("0.01")
    is_decided: bool = True
    both_ways: bool = True
    reason: ExitReason = ExitReason.EDGE
    leaves_open: bool = False
    open_usd: Decimal | None = None
    end_price: Decimal = _PRICE
    funnel: dict[str, int] = attrs.field(factory=dict)
    silent_seconds: int = 0
    apart_seconds: int = 0
    quote: str = "USDT"
    rates: Sequence[FxState] = ()
    mode: Mode = Mode.LIVE
    overrides: Sequence[str] = ()
    sensitivity: Sequence[Sensitivity] = ()
    top_n: int | None = None
    concentrated: int = 0
    _now_ns: int = _START_NS
    _number: int = 0

    def report(self) -> Report:
        state = State()
        at_ns = _START_NS
        for seq, event in enumerate(self._events(), 1):
            at_ns = self._now_ns
            state.apply(Record(seq, at_ns, event))
        loaded = load_config(_SPREAD, _PLUGINS, overrides=self.overrides)
        universe = attrs.evolve(
            loaded.config.universe,
            mode=UniverseMode.FIXED_LIST if self.top_n is None else UniverseMode.TOP_N,
            top_n=self.top_n,
        )
        session = attrs.evolve(loaded.config.session, mode=self.mode)
        config = attrs.evolve(loaded.config, universe=universe, session=session)
        return Report(config=config, state=state, at_ns=at_ns, sensitivity=self.sensitivity)

    def _events(self) -> Iterator[Event]:
        yield CampaignOpened(
            campaign_id="c",
            version="0",
            config_digest="d",
            env="test",
            mode=self.mode.value,
            clock="real",
            seed=1,
            universe_mode="FIXED_LIST",
            symbols=tuple(self.symbols),
            venues=("a", "b"),
            fx={"USDT": _ONE, "USDC": _ONE},
        )
        for symbol in self.symbols:
            for venue in "ab":
                yield self._listed(symbol, venue)
        for venue in "ab":
            for asset in ("USDT", "USDC", *(symbol.removesuffix("USDT") for symbol in self.symbols)):
                yield Deposited(venue=venue, asset=asset, amount=Decimal(1_000), reason="configured")
        yield self._marked("start", _PRICE)
        yield from self._rated(0)
        span_ns = (self.within_seconds or self.seconds) * _SECOND_NS
        for number, pnl in enumerate(self.pnls):
            self._now_ns = _START_NS + number * span_ns // len(self.pnls)
            if number == len(self.pnls) // 2:
                yield from self._middle()
            yield from self._trade(pnl)
        if self.leaves_open or self.open_usd is not None:
            yield from self._trade(_NONE, is_open=True)
        if self.open_usd is not None:
            yield PositionMarked(
                trade_id=f"t{self._number}", symbol=self._symbol, quantity=_ONE, unrealised_usd=self.open_usd
            )
        self._now_ns = _START_NS + self.seconds * _SECOND_NS
        yield self._marked("end", self.end_price)
        for symbol in self.symbols:
            yield self._counted(symbol)
        yield CampaignEnded(ended_by=EndedBy.RUNTIME)

    def _middle(self) -> Iterator[Event]:
        """What befalls it in its middle."""
        yield from self._rated(1)
        if self.apart_seconds:
            yield ClockJumped(late_seconds=_NONE, wall_step_seconds=Decimal(-self.apart_seconds))
        if self.silent_seconds:
            yield MarketStale(venue="b", last_quote_ns=self._now_ns)
            self._now_ns += self.silent_seconds * _SECOND_NS
            yield MarketUp(venue="b")

    def _rated(self, half: int) -> Iterator[Event]:
        if self.rates:
            rate = {"bid": _ONE, "ask": _ONE, "age_ns": 0, "bids": {}, "asks": {}, "premiums": {}}
            yield FxRated(asset="USDC", common="USDT", reason="state", state=self.rates[half], **rate)

    def _listed(self, symbol: str, venue: str) -> InstrumentListed:
        quote = self.quote if venue == "b" else "USDT"
        return InstrumentListed(
            symbol=symbol,
            venue=venue,
            native_id=symbol,
            base=symbol.removesuffix("USDT"),
            quote=quote,
            taker_fee_bps=Decimal(2),
            counts_as=None if quote == "USDT" else "USDT",
        )

    def _marked(self, reason: str, price: Decimal) -> MarketsMarked:
        prices = {f"{symbol}@{venue}": price for symbol in self.symbols for venue in "ab"}
        rates = None if self.quote == "USDT" else {self.quote: _ONE}
        return MarketsMarked(
            reason=reason, bids=prices, asks=prices, last=(), unrealised_usd={}, fx_bids=rates, fx_asks=rates
        )

    def _counted(self, symbol: str) -> FunnelCounted:
        counts = dict.fromkeys(("iterations", "seen", "evaluated", "fresh"), 10000)
        done = len(self.pnls)
        counts |= {"refused": 0, "conflated": 0, "edge_positive": done, "over_threshold": done, "sized": done}
        counts |= self.funnel
        left = counts["over_threshold"] - counts["sized"]
        reasons = {"order_size": left} if left else {}
        return FunnelCounted(symbol=symbol, not_sized=reasons, final=True, highest_edge_bps=9.0, **counts)

    @property
    def _symbol(self) -> str:
        """The symbol of the latest trade: in turns, or the first of them but for one of so many."""
        if self.concentrated and self._number % self.concentrated:
            return self.symbols[0]
        return self.symbols[self._number // max(1, self.concentrated) % len(self.symbols)]

    def _trade(self, pnl: Decimal, *, is_open: bool = False) -> Iterator[Event]:
        self._number += 1
        number, symbol = self._number, self._symbol
        buys, sells = ("a", "b") if not self.both_ways or number // 2 % 2 else ("b", "a")
        bought, sold = _PRICE, _PRICE + pnl + 2 * self.fee
        route = {"symbol": symbol, "buy_venue": buys, "sell_venue": sells}
        pair = {"pair_id": f"p{number}", "trade_id": f"t{number}"}
        worse = self.worse if number % 3 == 0 else _NONE
        if self.is_decided:
            yield Decided(
                answer=Answer.ALLOW,
                quantity=_ONE,
                notional_usd=_PRICE,
                edge_bps=_ONE,
                ask=bought - worse,
                ask_size=_ONE,
                bid=sold,
                bid_size=_ONE,
                pair_id=pair["pair_id"],
                **route,
            )
        yield PairOpened(
            kind=PairKind.ENTRY, quantity=_ONE, buy_limit=bought, sell_limit=sold, reserved_usd=_PRICE, **pair, **route
        )
        base = symbol.removesuffix("USDT")
        for venue, side, price in ((buys, Side.BUY, bought), (sells, Side.SELL, sold)):
            quote = self.quote if venue == "b" else "USDT"
            order = {"client_order_id": f"c{number}{side.value}", "venue": venue, "symbol": symbol, "side": side}
            locked = (quote, price) if side is Side.BUY else (base, _ONE)
            yield OrderSubmitted(
                pair_id=pair["pair_id"],
                purpose=Purpose.LEG,
                quantity=_ONE,
                limit_price=price,
                locked_asset=locked[0],
                locked=locked[1],
                **order,
            )
            yield OrderFilled(
                fill_id=f"f{number}{side.value}",
                base=base,
                quote=quote,
                quantity=_ONE,
                price=price,
                fee=self.fee,
                fee_asset=quote,
                fx_rate=None if quote == "USDT" else _ONE,
                **order,
            )
        figures = {"buy_price": bought, "sell_price": sold, "cash": sold - bought, "fees": 2 * self.fee}
        yield PositionOpened(
            trade_id=pair["trade_id"], quantity=_ONE, realised=_NONE, exposure_usd=_PRICE, **figures, **route
        )
        if not is_open:
            yield PositionClosed(
                trade_id=pair["trade_id"],
                quantity=_ONE,
                entry_buy_price=bought,
                entry_sell_price=sold,
                fees_usd=2 * self.fee,
                pnl_usd=pnl,
                opened_at_ns=self._now_ns,
                reason=self.reason,
                **route,
            )
        yield PairEnded(
            symbol=symbol,
            kind=PairKind.ENTRY,
            outcome=PairOutcome.HEDGED,
            bought=_ONE,
            sold=_ONE,
            pnl_usd=pnl,
            fees_usd=_NONE if is_open else 2 * self.fee,
            **pair,
        )
