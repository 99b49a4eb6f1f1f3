"""Binance's listings as the engine's: listings, instruments, rules and fees."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from msgspec import UNSET, UnsetType

from trioarb.api import BPS, EXACT, ZERO, ContractTerms, Instrument, InstrumentStatus, Listing, TradingRules
from trioarb_binance.wire.listing_body import (
    Commission,
    CommissionRates,
    Filter,
    MaybeDecimal,
    Symbol,
    Ticker24h,
    TradeFee,
    UsdmSymbol,
)

__all__ = [
    "Fees",
    "contract_of",
    "fees_of",
    "instrument_of",
    "is_perpetual",
    "listing_of",
    "rules_of",
    "status_of",
    "trade_fees_of",
    "volumes_of",
]

#: Maker and taker fee in basis points, and the asset they are taken in, where that is neither base nor quote.
Fees = tuple[Decimal, Decimal, str | None]


def volumes_of(tickers: Iterable[Ticker24h]) -> dict[str, Decimal]:
    """Return the volumes of the last 24 hours in quote asset, by the venue's symbol."""
    return {one.symbol: one.quote_volume for one in tickers}


def listing_of(symbol: Symbol | UsdmSymbol, volume_24h_quote: Decimal | None = None) -> Listing:
    """Return a symbol as a source of symbols tells it."""
    return Listing.of(base=symbol.base_asset, quote=symbol.quote_asset, volume_24h_quote=volume_24h_quote)


def is_perpetual(symbol: UsdmSymbol) -> bool:
    """Return whether a contract never ends, and is margined in its quote asset."""
    return symbol.contract_type == "PERPETUAL" and symbol.margin_asset == symbol.quote_asset


def rules_of(filters: Iterable[Filter]) -> TradingRules:
    """Return the rules for limit orders. A step or minimum of 0 is none; of two least notionals the larger counts.

    What isn't in them the venue itself refuses (-1013): largest sizes and prices, how far a price may be from others,
    how many orders may be open, and another step of market orders.
    """
    tick: MaybeDecimal = UNSET
    lot: MaybeDecimal = UNSET
    quantity: MaybeDecimal = UNSET
    notional = ZERO
    for one in filters:
        match one.filter_type:
            case "PRICE_FILTER":
                tick = one.tick_size
            case "LOT_SIZE":
                lot, quantity = one.step_size, one.min_qty
            case "MIN_NOTIONAL" | "NOTIONAL":
                notional = max(notional, one.min_notional or ZERO, one.notional or ZERO)
    return TradingRules.of(tick_size=tick, lot_size=lot, min_quantity=quantity, min_notional=notional)


def status_of(symbol: Symbol | UsdmSymbol) -> InstrumentStatus:
    """Return whether a symbol is traded. Any status but TRADING is a halt, one that isn't known, too."""
    if isinstance(symbol, UsdmSymbol):
        status = symbol.status if isinstance(symbol.status, str) else symbol.contract_status
        is_allowed = True
    else:
        status, is_allowed = symbol.status, symbol.is_spot_trading_allowed is not False
    return InstrumentStatus.TRADING if status == "TRADING" and is_allowed else InstrumentStatus.HALTED


def instrument_of(symbol: Symbol, *, venue: str, fees: Fees) -> Instrument:
    """Return a symbol of spot as it can be traded."""
    maker, taker, fee_asset = fees
    return Instrument(
        symbol=symbol.base_asset + symbol.quote_asset,
        venue=venue,
        native_id=symbol.symbol,
        base=symbol.base_asset,
        quote=symbol.quote_asset,
        rules=rules_of(symbol.filters),
        maker_fee_bps=maker,
        taker_fee_bps=taker,
        status=status_of(symbol),
        fee_asset=fee_asset,
    )


def contract_of(symbol: UsdmSymbol, *, venue: str, fees: Fees, terms: ContractTerms) -> Instrument:
    """Return a perpetual contract as it can be traded.

    Raises:
        ValueError: it is none.
    """
    if not is_perpetual(symbol):
        raise ValueError(f"{symbol.symbol} is no perpetual contract that is margined in its quote asset")
    maker, taker, fee_asset = fees
    return Instrument(
        symbol=symbol.base_asset + symbol.quote_asset,
        venue=venue,
        native_id=symbol.symbol,
        base=symbol.base_asset,
        quote=symbol.quote_asset,
        rules=rules_of(symbol.filters),
        maker_fee_bps=maker,
        taker_fee_bps=taker,
        status=status_of(symbol),
        fee_asset=fee_asset,
        contract=terms,
    )


def fees_of(commission: Commission) -> Fees:
    """Return the fees of a symbol: standard, tax and special rates together, of the dearer side.

    Where the discount is switched on, the standard rates are multiplied by it, and fees are taken in its asset, as long
    as the account has enough of that; tax and special rates have no discount.
    """
    discount = commission.discount
    is_discounted = not isinstance(discount, UnsetType) and discount.enabled_for_account and discount.enabled_for_symbol
    factor = discount.discount if is_discounted and not isinstance(discount, UnsetType) else Decimal(1)
    asset = discount.discount_asset if is_discounted and not isinstance(discount, UnsetType) else None
    parts = [(commission.standard_commission, factor), (commission.tax_commission, Decimal(1))]
    if not isinstance(commission.special_commission, UnsetType):
        parts.append((commission.special_commission, Decimal(1)))
    return _total(parts, is_maker=True), _total(parts, is_maker=False), asset


def trade_fees_of(fee: TradeFee) -> Fees:
    """Return the fees of a symbol as the list of all fees tells them."""
    return _bps(fee.maker_commission), _bps(fee.taker_commission), None


def _total(parts: Iterable[tuple[CommissionRates, Decimal]], *, is_maker: bool) -> Decimal:
    buyer = seller = Decimal(0)
    for rates, factor in parts:
        rate = rates.maker if is_maker else rates.taker
        buyer = EXACT.add(buyer, EXACT.multiply(EXACT.add(rate, rates.buyer), factor))
        seller = EXACT.add(seller, EXACT.multiply(EXACT.add(rate, rates.seller), factor))
    return _bps(max(buyer, seller))


def _bps(rate: Decimal) -> Decimal:
    return EXACT.multiply(rate, BPS)
