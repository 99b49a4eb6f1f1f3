"""The settings of the paper exchange, and what in them has no effect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise

import attrs

from trioarb.api import (
    BPS,
    ZERO,
    Account,
    Amount,
    Bps,
    ContractTerms,
    FeeBps,
    InstrumentStatus,
    IntervalHours,
    Leverage,
    MarginBps,
    Milliseconds,
    Money,
    NonNegativeBps,
    PositiveDecimal,
    PositiveMoney,
    Probability,
    TickRange,
    TradingRules,
    check_ticks,
    setting,
    text,
)
from trioarb.builtin.paper_latency import Latency
from trioarb.builtin.paper_matching import Consumed
from trioarb.builtin.paper_resting import RestingFills

__all__ = ["FEE_STEP", "QUOTE", "RECEIVED", "PaperSettings", "SymbolRules", "settings_warnings"]

#: Values of `fee_asset` beside names of assets.
QUOTE, RECEIVED = "quote", "received"
FEE_STEP = Decimal("1e-8")
_LIQUIDATION_FEE_BPS = Decimal(50)

#: Where neither the configuration nor the market data says anything.
_RULES = TradingRules(tick_size=Decimal("1e-8"), lot_size=Decimal("1e-8"), min_notional=Decimal(5))


@attrs.frozen(kw_only=True)
class FeeTier:
    volume_usd: PositiveMoney = setting(doc="from this volume of the account's own trades in 30 days on")
    taker_fee_bps: FeeBps = setting(doc="fee of every fill then")


@attrs.frozen(kw_only=True)
class PriceStep:
    at_least: Amount = setting(doc="from this price on")
    below: PositiveDecimal | None = setting(None, doc="below this price; absent: that of the last range")
    step: PositiveDecimal = setting(doc="price step there")


@attrs.frozen(kw_only=True)
class SymbolRules:
    tick_size: PositiveDecimal | None = setting(None, doc="price step")
    ticks: tuple[PriceStep, ...] = setting(
        (), doc="price steps that differ with the price, instead of tick_size; from 0 on, without holes"
    )
    lot_size: PositiveDecimal | None = setting(None, doc="size step in base asset")
    min_notional: Amount | None = setting(None, doc="least quote value of an order")
    min_quantity: Amount | None = setting(None, doc="least size of an order in base asset")
    halted: bool = setting(False, doc="true: not traded at this venue, and only listed")

    def __attrs_post_init__(self) -> None:
        if self.ticks:
            check_ticks(self.tick_ranges, self.tick_size)

    @property
    def tick_ranges(self) -> tuple[TickRange, ...]:
        return _ranges(self.ticks)


def _ranges(ticks: Sequence[PriceStep]) -> tuple[TickRange, ...]:
    return tuple(TickRange(at_least=one.at_least, below=one.below, step=one.step) for one in ticks)


@attrs.frozen(kw_only=True)
class PaperSettings:
    account: Account = setting(
        Account.SPOT,
        doc="spot: sell what is owned; margin: also what is borrowed; perpetual: contracts, margined in quote asset",
    )
    max_borrow_usd: Money = setting(
        ZERO, doc="margin: how far a symbol's base asset may go below zero", concerns="borrowing"
    )
    leverage: Leverage = setting(
        Decimal(1), doc="perpetual: a position's value ÷ the margin that opening it needs", concerns="margin"
    )
    maintenance_margin_bps: MarginBps = setting(
        Decimal(50),
        doc="perpetual: of the value of all positions, what the account has to hold; distances to liquidation go by it",
    )
    liquidation_fee_bps: NonNegativeBps = setting(
        _LIQUIDATION_FEE_BPS, doc="perpetual: fee of contracts that the venue closes by force, of their value"
    )
    funding_rate_bps: Bps | None = setting(
        None,
        doc="perpetual: of a position's value, what longs pay shorts each funding_interval_hours (below zero: shorts "
        "pay longs); absent: no funding",
    )
    funding_rates_bps: tuple[Bps, ...] = setting(
        (), doc="perpetual: the same, one rate an interval, again from the first after the last; counted from 1970 on"
    )
    funding_interval_hours: IntervalHours = setting(
        Decimal(8), doc="perpetual: time between two fundings; they are due at its multiples since 1970 (UTC)"
    )
    borrow_bps_per_day: NonNegativeBps | None = setting(
        None,
        doc="margin: interest on the value of what is borrowed, charged each hour in quote asset; absent: none",
        concerns="borrowing",
    )
    taker_fee_bps: FeeBps = setting(Decimal(4), doc="fee of every fill, of its quote value", concerns="taker_fee")
    maker_fee_bps: FeeBps | None = setting(
        None, doc="fee of what fills at rest; absent: taker_fee_bps", concerns="maker_fee"
    )
    fee_tiers: tuple[FeeTier, ...] = setting(
        (),
        doc="lower fees for more volume, by rising volume; edges are taken at taker_fee_bps all the same",
    )
    fee_asset: str = setting(
        QUOTE,
        doc='"quote"; "received": a buy\'s fee is taken in base asset; or an asset such as "BNB", of which fees are '
        "taken as long as the account holds enough, then of the quote asset; [fee_assets] says what it is worth",
        concerns="fee_asset",
    )
    latency_ms: Milliseconds = setting(Decimal(40), doc="time from sending an order to its arrival", concerns="latency")
    order_latency: Latency | None = setting(
        None, doc="the same, if it isn't always as long; absent: latency_ms", concerns="latency"
    )
    answer_latency: Latency | None = setting(
        None, doc="time from a deed of the venue to our hearing of it; absent: none"
    )
    cancel_latency: Latency | None = setting(None, doc="time of a cancellation to its arrival; absent: as of an order")
    data_latency: Latency | None = setting(
        None, doc="how old quotes are when we get them: an order meets those that we get so much later; absent: not"
    )
    resting: RestingFills = setting(
        RestingFills.THROUGH,
        doc="when an order that rests fills. through: once the other side reaches its price; queue: also by its place "
        "in the queue at its price, what vanishes there counting as traded from the front",
    )
    consumed: Consumed = setting(
        Consumed.UNTIL_CHANGED,
        doc="how long what was filled stays taken: until the size displayed at its price changes by more than that, "
        "or until the venue's next quote",
    )
    max_quote_age_ms: Milliseconds = setting(
        Decimal(10_000), doc="nothing is filled by a quote that came longer ago than this"
    )
    reject_rate: Probability = setting(ZERO, doc="share of orders that are rejected, for trials", concerns="rejection")
    balances: Mapping[str, Amount] = setting(
        factory=dict, doc="what the account holds at the start, by asset", concerns="balance", names="assets"
    )
    inventory_usd_per_symbol: Money = setting(
        ZERO,
        doc="base asset that is granted at each symbol's first quote, in USD at the mid price",
        concerns="inventory",
    )
    tick_size: PositiveDecimal | None = setting(
        None, doc="price step of all symbols; absent: what the market data says, else 0.00000001", concerns="tick_size"
    )
    ticks: tuple[PriceStep, ...] = setting(
        (), doc="price steps of all symbols that differ with the price, instead of tick_size; from 0 on, without holes"
    )
    lot_size: PositiveDecimal | None = setting(
        None, doc="size step of all symbols; absent: what the market data says, else 0.00000001"
    )
    min_notional: Amount | None = setting(
        None, doc="least quote value of an order; absent: what the market data says, else 5"
    )
    instruments: Mapping[str, SymbolRules] = setting(
        factory=dict, doc="rules by symbol, before those of all", names="symbols", concerns="rules"
    )

    def __attrs_post_init__(self) -> None:
        if self.ticks:
            check_ticks(_ranges(self.ticks), self.tick_size)
        if self.account is Account.PERPETUAL:
            self._check_perpetual()
        steps = [(ZERO, self.taker_fee_bps), *((tier.volume_usd, tier.taker_fee_bps) for tier in self.fee_tiers)]
        for (volume, fee), (more, lower) in pairwise(steps):
            if more <= volume or lower > fee:
                raise ValueError(
                    f"fee_tiers: {text(lower)} bps from {text(more)} USD on: volumes have to rise, and fees to fall"
                )

    def _check_perpetual(self) -> None:
        if self.funding_rate_bps is not None and self.funding_rates_bps:
            raise ValueError("funding_rates_bps: there is funding_rate_bps, too; leave one of them out")
        if self.inventory_usd_per_symbol:
            raise ValueError(
                'inventory_usd_per_symbol: an account = "perpetual" holds contracts, no base asset; leave it out, and '
                "say in balances what its wallet holds of the quote asset"
            )
        if self.fee_asset == RECEIVED:
            raise ValueError('fee_asset = "received": nothing is received for contracts; use "quote", or name an asset')
        if self.maintenance_margin_bps * self.leverage >= BPS:
            raise ValueError(
                f"maintenance_margin_bps = {text(self.maintenance_margin_bps)}: with leverage = {text(self.leverage)} "
                f"a position is opened with {text((BPS / self.leverage).quantize(FEE_STEP))} bps, and would be "
                "liquidated at once"
            )

    def rules(self, symbol: str, market: TradingRules | None) -> TradingRules:
        """Return a symbol's rules: its own come first, then those of all, then the ``market`` data's."""
        own, market = self.instruments.get(symbol, SymbolRules()), market or _RULES
        tables = (own, self, market)
        tick_size, ticks = own.tick_size or self.tick_size, own.tick_ranges
        if not ticks and own.tick_size is None:
            ticks = _ranges(self.ticks)
        return TradingRules(
            tick_size=None if ticks else tick_size or market.tick_size,
            ticks=ticks or (() if tick_size else market.ticks),
            lot_size=own.lot_size or self.lot_size or market.lot_size,
            min_notional=next((one.min_notional for one in tables if one.min_notional is not None), None),
            min_quantity=market.min_quantity if own.min_quantity is None else own.min_quantity,
        )

    def status(self, symbol: str) -> InstrumentStatus:
        own = self.instruments.get(symbol)
        return InstrumentStatus.HALTED if own is not None and own.halted else InstrumentStatus.TRADING

    @property
    def own_fee_asset(self) -> str | None:
        """The asset that fees are taken in if it is none of what is traded; ``None``: that is it."""
        return None if self.fee_asset in (QUOTE, RECEIVED) else self.fee_asset

    @property
    def contract_terms(self) -> ContractTerms | None:
        """How contracts are margined; ``None``: there are none."""
        if self.account is not Account.PERPETUAL:
            return None
        rates = self.funding_rates
        return ContractTerms(
            leverage=self.leverage,
            maintenance_margin_bps=self.maintenance_margin_bps,
            funding_bps=rates[0] if len(set(rates)) == 1 else None,
            funding_interval_hours=self.funding_interval_hours if rates else None,
        )

    @property
    def funding_rates(self) -> tuple[Decimal, ...]:
        """The rates of funding, one after the other; none: there is no funding."""
        return self.funding_rates_bps if self.funding_rate_bps is None else (self.funding_rate_bps,)


def settings_warnings(settings: PaperSettings) -> Iterable[str]:
    if settings.account is Account.MARGIN and not settings.max_borrow_usd:
        yield 'account = "margin" without max_borrow_usd: nothing can be borrowed; set how much in USD'
    if settings.account is not Account.MARGIN and settings.max_borrow_usd:
        yield f'max_borrow_usd has no effect with account = "{settings.account.value}"'
    if settings.account is not Account.MARGIN and settings.borrow_bps_per_day is not None:
        yield f'borrow_bps_per_day has no effect with account = "{settings.account.value}"; nothing is borrowed'
    if settings.account is not Account.PERPETUAL:
        given = {
            "leverage": settings.leverage != 1,
            "liquidation_fee_bps": settings.liquidation_fee_bps != _LIQUIDATION_FEE_BPS,
            "funding_rate_bps": settings.funding_rate_bps is not None,
            "funding_rates_bps": bool(settings.funding_rates_bps),
        }
        for key in (key for key, is_given in given.items() if is_given):
            yield f'{key} has no effect with account = "{settings.account.value}"; contracts need "perpetual"'
