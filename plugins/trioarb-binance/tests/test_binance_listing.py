"""Binance's listings as the engine's: the recorded one in full, and what it doesn't hold."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from trioarb.api import ContractTerms, InstrumentStatus, TradingRules
from trioarb_binance.wire.body import decode
from trioarb_binance.wire.instruments import (
    contract_of,
    fees_of,
    instrument_of,
    is_perpetual,
    listing_of,
    rules_of,
    status_of,
    trade_fees_of,
    volumes_of,
)
from trioarb_binance.wire.limits import LimitKind, VenueLimit, limits_of
from trioarb_binance.wire.listing_body import (
    Commission,
    ExchangeInfo,
    ExecutionRules,
    PremiumIndex,
    ReferencePrice,
    Symbol,
    Ticker24h,
    TradeFee,
    UsdmExchangeInfo,
)

DATA = Path(__file__).parents[3].parent / "shared" / "data"
LISTING = DATA / "captures" / "binance" / "spot_20211012.listing.jsonl.gz"
needs_listing = pytest.mark.skipif(not LISTING.exists(), reason="the recorded listing is not here")
FEES = (Decimal(10), Decimal(10), None)


#: Names that others gave to assets; the engine has its own way to say that two are the same (`same_as`).
RENAMED = {"YOYO": "YOYOW", "BCHSV": "BSV"}


def recorded() -> ExchangeInfo:
    with gzip.open(LISTING, "rt") as file:
        return decode(ExchangeInfo, json.loads(next(file))["data"].encode())


@needs_listing
def test_the_recorded_listing_is_what_others_understood_of_it() -> None:
    info = recorded()
    # Leveraged tokens take a permission that spot accounts don't have by themselves; ours can't be traded.
    leveraged = {one.symbol for one in info.symbols if one.permissions == ("LEVERAGED",)}
    instruments = {one.symbol: instrument_of(one, venue="binance", fees=FEES) for one in info.symbols}
    assert len(instruments) == len(info.symbols) == 1_695
    others = json.loads((DATA / "wire" / "oracle_markets" / "binance.json").read_text())["markets"]
    for other in others:
        ours = instruments.get(other["id"])
        assert ours is not None, other["id"]
        assert (RENAMED.get(ours.base, ours.base), ours.quote) == (other["base"], other["quote"])
        assert ours.native_id == other["id"]
        is_trading = other["active"] and other["id"] not in leveraged
        assert (ours.status is InstrumentStatus.TRADING) is is_trading, other["id"]
        for field, figure in (
            (ours.rules.tick_size, other["tick"]),
            (ours.rules.lot_size, other["lot"]),
            (ours.rules.min_quantity, other["min_amount"]),
            (ours.rules.min_notional, other["min_cost"]),
        ):
            assert (None if field is None else float(field)) == (figure or None), other["id"]
        assert float(ours.taker_fee_bps) / 10_000 == other["taker"]
    assert len(others) == len(instruments)


@needs_listing
def test_each_symbol_of_the_recorded_listing_has_a_name_of_its_own() -> None:
    listings = [listing_of(one) for one in recorded().symbols]
    assert len({one.symbol for one in listings}) == len(listings)
    assert all(one.symbol == one.base + one.quote for one in listings)
    counted = Counter(status_of(one) for one in recorded().symbols)
    assert counted == {InstrumentStatus.TRADING: 1_222, InstrumentStatus.HALTED: 473}


@needs_listing
def test_the_recorded_limits() -> None:
    assert limits_of(recorded().rate_limits) == (
        VenueLimit(kind=LimitKind.WEIGHT, seconds=60, count=1_200),
        VenueLimit(kind=LimitKind.ORDERS, seconds=10, count=50),
        VenueLimit(kind=LimitKind.ORDERS, seconds=86_400, count=160_000),
        VenueLimit(kind=LimitKind.REQUESTS, seconds=300, count=6_100),
    )


def symbol(**changes: object) -> Symbol:
    fields = {
        "symbol": "BTCUSDT",
        "status": "TRADING",
        "baseAsset": "BTC",
        "quoteAsset": "USDT",
        "filters": [],
        "isSpotTradingAllowed": True,
    }
    return decode(Symbol, json.dumps(fields | changes).encode())


@pytest.mark.parametrize("status", ["HALT", "BREAK", "CANCEL_ONLY", "END_OF_DAY", "trading", "A_NEW_ONE"])
def test_anything_but_trading_is_a_halt(status: str) -> None:
    assert status_of(symbol(status=status)) is InstrumentStatus.HALTED
    assert status_of(symbol()) is InstrumentStatus.TRADING
    assert status_of(symbol(isSpotTradingAllowed=False)) is InstrumentStatus.HALTED


def test_rules_come_from_filters_and_a_new_filter_harms_none() -> None:
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "0", "maxPrice": "0", "tickSize": "0.00"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "9000", "stepSize": "0.0010"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "1", "maxQty": "2", "stepSize": "1"},
        {"filterType": "MIN_NOTIONAL", "minNotional": "7", "applyToMarket": True, "avgPriceMins": 5},
        {"filterType": "NOTIONAL", "minNotional": "5", "applyMinToMarket": True, "maxNotional": "9", "avgPriceMins": 5},
        {"filterType": "A_NEW_ONE", "limit": 3, "something": {"else": []}},
    ]
    assert rules_of(symbol(filters=filters).filters) == TradingRules(
        tick_size=None, lot_size=Decimal("0.001"), min_quantity=Decimal("0.001"), min_notional=Decimal(7)
    )
    assert rules_of(symbol().filters) == TradingRules()


def test_a_symbol_that_is_not_written_in_ascii() -> None:
    one = instrument_of(symbol(symbol="这是测试币456", baseAsset="这是测试币", quoteAsset="456"), venue="b", fees=FEES)
    assert (one.symbol, one.native_id) == ("这是测试币456", "这是测试币456")


COMMISSION = {
    "symbol": "BTCUSDT",
    "standardCommission": {"maker": "0.0010", "taker": "0.0012", "buyer": "0.0001", "seller": "0"},
    "taxCommission": {"maker": "0.0002", "taker": "0.0003", "buyer": "0", "seller": "0.0004"},
    "specialCommission": {"maker": "0.00001", "taker": "0.00002", "buyer": "0", "seller": "0"},
    "discount": {
        "enabledForAccount": True,
        "enabledForSymbol": True,
        "discountAsset": "BNB",
        "discount": "0.75000000",
    },
}


def test_fees_are_those_of_the_dearer_side() -> None:
    # Buyer, taker: (0.0012 + 0.0001) · 0.75 + 0.0003 + 0.00002; seller: 0.0012 · 0.75 + 0.0003 + 0.0004 + 0.00002.
    assert fees_of(decode(Commission, json.dumps(COMMISSION).encode())) == (Decimal("13.6"), Decimal("16.2"), "BNB")
    discount = {"discount": {**COMMISSION["discount"], "enabledForAccount": False}}  # type: ignore[dict-item]
    without = decode(Commission, json.dumps({**COMMISSION, **discount}).encode())
    assert fees_of(without) == (Decimal("16.1"), Decimal("19.2"), None)
    old = {name: value for name, value in COMMISSION.items() if name not in ("specialCommission", "discount")}
    assert fees_of(decode(Commission, json.dumps(old).encode())) == (Decimal(16), Decimal(19), None)


def test_all_fees_and_volumes_come_in_one_list_each() -> None:
    fee = decode(TradeFee, b'{"symbol":"ADABNB","makerCommission":"0.001","takerCommission":"-0.00005"}')
    assert trade_fees_of(fee) == (Decimal(10), Decimal("-0.5"), None)
    ticker = decode(Ticker24h, b'{"symbol":"ADABNB","volume":"2","quoteVolume":"0.10","lastPrice":"0.05"}')
    assert volumes_of([ticker]) == {"ADABNB": Decimal("0.10")}
    assert listing_of(symbol(), Decimal(5)).volume_24h_quote == 5


def contracts() -> UsdmExchangeInfo:
    perpetual = {
        "symbol": "BTCUSDT",
        "contractType": "PERPETUAL",
        "status": "TRADING",
        "baseAsset": "BTC",
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": "0.10", "minPrice": "1", "maxPrice": "2"},
            {"filterType": "LOT_SIZE", "stepSize": "0.001", "minQty": "0.001", "maxQty": "1000"},
            {"filterType": "MIN_NOTIONAL", "notional": "100"},
            {"filterType": "PERCENT_PRICE", "multiplierUp": "1.05", "multiplierDown": "0.95", "multiplierDecimal": "4"},
        ],
    }
    ends = {**perpetual, "symbol": "BTCUSDT_260925", "contractType": "CURRENT_QUARTER"}
    info = {"rateLimits": [], "symbols": [perpetual, ends], "assets": [{"asset": "USDT"}]}
    return decode(UsdmExchangeInfo, json.dumps(info).encode())


def test_a_perpetual_contract() -> None:
    terms = ContractTerms(leverage=Decimal(5), maintenance_margin_bps=Decimal(50))
    perpetual, ends = contracts().symbols
    assert is_perpetual(perpetual)
    assert not is_perpetual(ends)
    one = contract_of(perpetual, venue="binanceusdm", fees=FEES, terms=terms)
    assert one.contract is terms
    assert one.rules == TradingRules(
        tick_size=Decimal("0.1"), lot_size=Decimal("0.001"), min_quantity=Decimal("0.001"), min_notional=Decimal(100)
    )
    with pytest.raises(ValueError, match="BTCUSDT_260925"):
        contract_of(ends, venue="binanceusdm", fees=FEES, terms=terms)


def test_what_the_price_range_is_made_of() -> None:
    rules = decode(
        ExecutionRules,
        b'{"symbolRules":[{"symbol":"BAZUSD","rules":[{"ruleType":"PRICE_RANGE","bidLimitMultUp":"1.0001",'
        b'"bidLimitMultDown":"0.9999","askLimitMultUp":"1.0001"}]}]}',
    )
    assert rules.symbol_rules[0].rules[0].bid_limit_mult_up == Decimal("1.0001")
    price = decode(ReferencePrice, b'{"symbol":"BAZUSD","referencePrice":null,"timestamp":1770736694138}')
    assert price.reference_price is None
    funding = decode(
        PremiumIndex,
        b'{"symbol":"BTCUSDT","markPrice":"11793.63","indexPrice":"11781.80","estimatedSettlePrice":"11781.16",'
        b'"lastFundingRate":"0.00038246","interestRate":"0.0001","nextFundingTime":1597392000000,"time":1597370495002}',
    )
    assert funding.last_funding_rate == Decimal("0.00038246")
