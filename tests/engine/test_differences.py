"""What a real venue says otherwise than what stands in for it, and the key that is named for it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs

from trioarb.builtin.paper_settings import PaperSettings
from trioarb.config.schema import PluginTable
from trioarb.engine.differences import balance_differences, differences
from trioarb.engine.real_venues import RealVenue
from trioarb.model.market import Instrument, InstrumentStatus, TradingRules
from trioarb.model.rules import TickRange

D = Decimal
TABLE = PluginTable(plugin="paper", key="exchanges.a.paper", settings=PaperSettings())
RULES = TradingRules(tick_size=D("0.01"), lot_size=D("0.001"), min_notional=D(5))


def listed(symbol: str = "BTCUSDT", **terms: Any) -> Instrument:
    known = {"rules": RULES, "maker_fee_bps": D(4), "taker_fee_bps": D(4), **terms}
    return Instrument(symbol=symbol, venue="a", native_id=symbol, base=symbol[:-4], quote="USDT", **known)


def said(model: Instrument, *real: Instrument, balances: Mapping[str, Decimal] | None = None) -> list[str]:
    venue = RealVenue(
        instruments={one.symbol: one for one in real}, balances=dict(balances or {}), round_trip_ns=1_000_000
    )
    return list(differences("a", TABLE, {model.symbol: model}, venue))


def test_what_is_the_same_is_not_told() -> None:
    assert said(listed(), listed()) == []


def test_fees_are_told_by_the_key_that_makes_them_the_same() -> None:
    (taker,) = said(listed(), listed(taker_fee_bps=D("7.5"), maker_fee_bps=D("7.5")))
    assert taker == (
        "a: the account pays 7.5 bps as a taker (BTCUSDT), and the paper model 4; set "
        "exchanges.a.paper.taker_fee_bps = 7.5"
    )
    (maker,) = said(listed(), listed(maker_fee_bps=D(-1)))
    assert maker.endswith("as a maker (BTCUSDT), and the paper model 4; set exchanges.a.paper.maker_fee_bps = -1")
    (asset,) = said(listed(), listed(fee_asset="BNB"))
    assert asset == 'a: the account pays its fees in BNB; set exchanges.a.paper.fee_asset = "BNB"'


def test_rules_are_told_by_symbol() -> None:
    others = attrs.evolve(RULES, tick_size=D("0.1"), lot_size=D("0.01"), min_notional=None, min_quantity=D(2))
    place = "exchanges.a.paper.instruments.BTCUSDT"
    assert said(listed(), listed(rules=others)) == [
        f'a: the price step of BTCUSDT is 0.1, and the paper model\'s 0.01; set {place}.tick_size = "0.1"',
        f'a: the size step of BTCUSDT is 0.01, and the paper model\'s 0.001; set {place}.lot_size = "0.01"',
        f'a: the least order value of BTCUSDT is none, and the paper model\'s 5; set {place}.min_notional = "0"',
        f'a: the least order size of BTCUSDT is 2, and the paper model\'s none; set {place}.min_quantity = "2"',
    ]
    table = attrs.evolve(RULES, tick_size=None, ticks=(TickRange(at_least=D(0), step=D("0.5")),))
    (steps,) = said(listed(), listed(rules=table))
    assert steps == f"a: the price steps of BTCUSDT are others than the paper model's; see {place}.tick_size"


def test_what_the_account_cannot_trade_is_told() -> None:
    for real in ([], [listed(status=InstrumentStatus.HALTED)]):
        (told,) = said(listed(), *real)
        assert told.startswith("a: the account can't trade BTCUSDT there now;")


def test_balances_that_the_account_does_not_have_are_told() -> None:
    venue = RealVenue(instruments={}, balances={"USDT": D(10), "ETH": D(1)}, round_trip_ns=1)
    granted = [f"C{number}" for number in range(7)]
    assert list(balance_differences("a", TABLE, {"USDT": D(10), "KRW": D(5)}, venue, ["ETH", *granted])) == [
        "a: the account holds 0 KRW, and the paper model begins with 5: it trades what the account couldn't; lower "
        "exchanges.a.paper.balances.KRW",
        "a: the account holds no C0, C1, C2, C3, C4 and 2 more, of which the paper model is granted some; see "
        "exchanges.a.paper.inventory_usd_per_symbol",
    ]


def test_a_stand_in_without_such_a_setting_is_named_by_its_table() -> None:
    @attrs.frozen
    class Bare:
        pass

    bare = PluginTable(plugin="bare", key="exchanges.a.paper", settings=Bare())
    venue = RealVenue(instruments={}, balances={}, round_trip_ns=1)
    (told,) = balance_differences("a", bare, {"USDT": D(1)}, venue, [])
    assert told.endswith("lower what [exchanges.a.paper] has for it")
    wrapping = PluginTable(plugin="faulty", key="exchanges.a.paper", settings=Bare(), wraps=TABLE)
    (told,) = balance_differences("a", wrapping, {"USDT": D(1)}, venue, [])
    assert told.endswith("lower exchanges.a.paper.balances.USDT")
