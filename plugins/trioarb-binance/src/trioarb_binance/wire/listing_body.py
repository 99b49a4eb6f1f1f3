"""Bodies that tell what is traded: symbols with their filters, limits, volumes, fees and execution rules."""

from __future__ import annotations

from decimal import Decimal

from msgspec import UNSET, UnsetType

from trioarb_binance.wire.body import Body

__all__ = [
    "Commission",
    "CommissionRates",
    "Discount",
    "ExchangeInfo",
    "ExecutionRule",
    "ExecutionRules",
    "Filter",
    "FundingRate",
    "MaybeDecimal",
    "PremiumIndex",
    "RateLimit",
    "RateLimits",
    "ReferencePrice",
    "ServerTime",
    "Symbol",
    "SymbolRules",
    "SystemStatus",
    "Ticker24h",
    "TradeFee",
    "UsdmExchangeInfo",
    "UsdmSymbol",
]

MaybeDecimal = Decimal | UnsetType
MaybeInt = int | UnsetType
MaybeBool = bool | UnsetType
MaybeText = str | UnsetType


class ServerTime(Body, frozen=True):
    """The venue's clock, Unix milliseconds."""

    server_time: int


class RateLimit(Body, frozen=True):
    """``limit`` in ``intervalNum`` intervals; ``count`` of it is used, where that is said."""

    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int
    count: MaybeInt = UNSET


class RateLimits(Body, frozen=True):
    """What `exchangeInfo` says of limits, whatever else it says."""

    rate_limits: tuple[RateLimit, ...]


class Filter(Body, frozen=True):
    """A rule for orders; which one says ``filterType``, and each has other fields."""

    filter_type: str
    min_price: MaybeDecimal = UNSET
    max_price: MaybeDecimal = UNSET
    tick_size: MaybeDecimal = UNSET
    min_qty: MaybeDecimal = UNSET
    max_qty: MaybeDecimal = UNSET
    step_size: MaybeDecimal = UNSET
    min_notional: MaybeDecimal = UNSET
    max_notional: MaybeDecimal = UNSET
    notional: MaybeDecimal = UNSET
    apply_to_market: MaybeBool = UNSET
    apply_min_to_market: MaybeBool = UNSET
    apply_max_to_market: MaybeBool = UNSET
    avg_price_mins: MaybeInt = UNSET
    multiplier_up: MaybeDecimal = UNSET
    multiplier_down: MaybeDecimal = UNSET
    multiplier_decimal: int | str | UnsetType = UNSET
    bid_multiplier_up: MaybeDecimal = UNSET
    bid_multiplier_down: MaybeDecimal = UNSET
    ask_multiplier_up: MaybeDecimal = UNSET
    ask_multiplier_down: MaybeDecimal = UNSET
    limit: MaybeInt = UNSET
    max_num_orders: MaybeInt = UNSET
    max_num_algo_orders: MaybeInt = UNSET
    max_num_iceberg_orders: MaybeInt = UNSET
    max_num_order_amends: MaybeInt = UNSET
    max_num_order_lists: MaybeInt = UNSET
    max_position: MaybeDecimal = UNSET
    min_trailing_above_delta: MaybeInt = UNSET
    max_trailing_above_delta: MaybeInt = UNSET
    min_trailing_below_delta: MaybeInt = UNSET
    max_trailing_below_delta: MaybeInt = UNSET


class Symbol(Body, frozen=True):
    """A symbol of spot."""

    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    filters: tuple[Filter, ...]
    order_types: tuple[str, ...] = ()
    base_asset_precision: MaybeInt = UNSET
    quote_precision: MaybeInt = UNSET
    quote_asset_precision: MaybeInt = UNSET
    base_commission_precision: MaybeInt = UNSET
    quote_commission_precision: MaybeInt = UNSET
    iceberg_allowed: MaybeBool = UNSET
    oco_allowed: MaybeBool = UNSET
    oto_allowed: MaybeBool = UNSET
    opo_allowed: MaybeBool = UNSET
    quote_order_qty_market_allowed: MaybeBool = UNSET
    allow_trailing_stop: MaybeBool = UNSET
    cancel_replace_allowed: MaybeBool = UNSET
    amend_allowed: MaybeBool = UNSET
    peg_instructions_allowed: MaybeBool = UNSET
    is_spot_trading_allowed: MaybeBool = UNSET
    is_margin_trading_allowed: MaybeBool = UNSET
    permissions: tuple[str, ...] | UnsetType = UNSET
    permission_sets: tuple[tuple[str, ...], ...] | UnsetType = UNSET
    default_self_trade_prevention_mode: MaybeText = UNSET
    allowed_self_trade_prevention_modes: tuple[str, ...] | UnsetType = UNSET


class SmartRouting(Body, frozen=True):
    """Symbols whose books an order of this base asset may be routed to."""

    base_asset: str
    symbols: tuple[str, ...]


class ExchangeInfo(Body, frozen=True):
    """All symbols of spot, and the limits."""

    rate_limits: tuple[RateLimit, ...]
    symbols: tuple[Symbol, ...]
    server_time: MaybeInt = UNSET
    timezone: MaybeText = UNSET
    exchange_filters: tuple[Filter, ...] | UnsetType = UNSET
    sors: tuple[SmartRouting, ...] | UnsetType = UNSET


class UsdmSymbol(Body, frozen=True):
    """A contract. Its status is ``contractStatus`` where that is told."""

    symbol: str
    contract_type: str
    base_asset: str
    quote_asset: str
    margin_asset: str
    filters: tuple[Filter, ...]
    status: MaybeText = UNSET
    contract_status: MaybeText = UNSET


class UsdmExchangeInfo(Body, frozen=True):
    """All contracts, and the limits."""

    rate_limits: tuple[RateLimit, ...]
    symbols: tuple[UsdmSymbol, ...]
    server_time: MaybeInt = UNSET


class Ticker24h(Body, frozen=True):
    """What a symbol did in the last 24 hours: of spot with best prices, of futures without."""

    symbol: str
    volume: Decimal
    quote_volume: Decimal
    last_price: Decimal
    price_change: MaybeDecimal = UNSET
    price_change_percent: MaybeDecimal = UNSET
    weighted_avg_price: MaybeDecimal = UNSET
    prev_close_price: MaybeDecimal = UNSET
    last_qty: MaybeDecimal = UNSET
    bid_price: MaybeDecimal = UNSET
    bid_qty: MaybeDecimal = UNSET
    ask_price: MaybeDecimal = UNSET
    ask_qty: MaybeDecimal = UNSET
    open_price: MaybeDecimal = UNSET
    high_price: MaybeDecimal = UNSET
    low_price: MaybeDecimal = UNSET
    open_time: MaybeInt = UNSET
    close_time: MaybeInt = UNSET
    first_id: MaybeInt = UNSET
    last_id: MaybeInt = UNSET
    count: MaybeInt = UNSET


class CommissionRates(Body, frozen=True):
    """Parts of the traded value that are taken."""

    maker: Decimal
    taker: Decimal
    buyer: Decimal
    seller: Decimal


class Discount(Body, frozen=True):
    """What an account pays less that pays in ``discountAsset``: the standard rates are multiplied by ``discount``."""

    enabled_for_account: bool
    enabled_for_symbol: bool
    discount_asset: str
    discount: Decimal


class Commission(Body, frozen=True):
    """Everything that the fees of a symbol are made of; they add up."""

    symbol: str
    standard_commission: CommissionRates
    tax_commission: CommissionRates
    special_commission: CommissionRates | UnsetType = UNSET
    discount: Discount | UnsetType = UNSET


class TradeFee(Body, frozen=True):
    """Maker and taker fee of a symbol, as parts of the traded value, without tax and discount."""

    symbol: str
    maker_commission: Decimal
    taker_commission: Decimal


class ExecutionRule(Body, frozen=True):
    """Between which multiples of the reference price an order executes; what doesn't, expires.

    ``bid_…`` is for orders that buy, ``ask_…`` for those that sell. Absent: there is no such limit.
    """

    rule_type: str
    bid_limit_mult_up: MaybeDecimal = UNSET
    bid_limit_mult_down: MaybeDecimal = UNSET
    ask_limit_mult_up: MaybeDecimal = UNSET
    ask_limit_mult_down: MaybeDecimal = UNSET


class SymbolRules(Body, frozen=True):
    symbol: str
    rules: tuple[ExecutionRule, ...]


class ExecutionRules(Body, frozen=True):
    symbol_rules: tuple[SymbolRules, ...]


class ReferencePrice(Body, frozen=True):
    """``None``: there is none now."""

    symbol: str
    reference_price: Decimal | None
    timestamp: MaybeInt = UNSET


class SystemStatus(Body, frozen=True):
    """``status`` 0: as always; 1: maintenance."""

    status: int
    msg: str = ""


class PremiumIndex(Body, frozen=True):
    """Mark price of a contract, and rate and time of its next funding."""

    symbol: str
    mark_price: Decimal
    index_price: Decimal
    last_funding_rate: Decimal
    next_funding_time: int
    interest_rate: MaybeDecimal = UNSET
    estimated_settle_price: MaybeDecimal = UNSET
    time: MaybeInt = UNSET


class FundingRate(Body, frozen=True):
    """A funding that was."""

    symbol: str
    funding_rate: Decimal
    funding_time: int
    mark_price: MaybeDecimal = UNSET
