"""Where the paper exchange takes a symbol's trading rules from."""

from decimal import Decimal

from trioarb.api import TradingRules
from trioarb.testing import ScriptedTape, listing, run_virtual, scripted_market, two_venues

MARKET = TradingRules(tick_size=Decimal("0.1"), lot_size=Decimal("0.01"), min_notional=Decimal(7))


def test_the_symbols_own_rules_come_first_then_the_tables_then_the_markets() -> None:
    tape = [(0.0, symbol, 100.0, 1.0, 101.0, 1.0) for symbol in ("BTCUSDT", "ETHUSDT")]
    tapes = {venue: ScriptedTape(tape, listings=[listing("BTC"), listing("ETH")], rules=MARKET) for venue in ("a", "b")}
    config = two_venues()
    config["exchanges"]["a"] |= {"lot_size": "0.5", "min_notional": 20, "instruments": {"BTCUSDT": {"min_notional": 0}}}

    result = run_virtual(config, plugins={"market": scripted_market(tapes)})

    rules = {
        (event["venue"], event["symbol"]): (event["tick_size"], event["lot_size"], event["min_notional"])
        for event in result.events
        if event["type"] == "instrument_listed"
    }
    assert rules["a", "BTCUSDT"] == ("0.1", "0.5", "0")
    assert rules["a", "ETHUSDT"] == ("0.1", "0.5", "20")
    assert rules["b", "BTCUSDT"] == ("0.1", "0.01", "7")
