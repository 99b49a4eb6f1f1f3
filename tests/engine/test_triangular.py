"""Loops through three symbols of a venue: whole campaigns, whose money is computed again from their events alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import tomli

import trioarb
from trioarb.api import Strategy, StrategyContext, StrategySpec, Triangle, hookimpl
from trioarb.builtin.triangular import TriangularSettings, TriangularStrategy
from trioarb.errors import ConfigError, PluginError, PluginFault, UniverseError
from trioarb.testing import CampaignResult, run_virtual
from trioarb.verify.verification import Verifier

TRIANGULAR = Path(trioarb.__file__).parents[2] / "configs" / "triangular.toml"
#: Where each asset that is no money has its market.
MARKET = {"BTC": "BTCUSDT", "ETH": "ETHUSDT", "BNB": "BNBUSDT"}

Event = Mapping[str, Any]


def table(seconds: int = 200, **keys: Any) -> dict[str, Any]:
    """Return the shipped campaign; ``keys`` go to both venues."""
    found = tomli.loads(TRIANGULAR.read_text(), parse_float=Decimal)
    found["session"] |= {"max_runtime_seconds": seconds}
    for venue in found["exchanges"].values():
        venue |= keys
    return found


def faulty(found: dict[str, Any], **faults: Any) -> dict[str, Any]:
    """Return the same campaign with venues that fail."""
    for name, venue in found["exchanges"].items():
        market = venue.pop("market")
        found["exchanges"][name] = {"plugin": "faulty", **faults, "wraps": venue, "market": market}
    found["guards"]["exchange"] = {"enabled": False}
    return found


def is_sound(result: CampaignResult) -> bool:
    verifier = Verifier()
    verifier.fold(result.records)
    return verifier.result().is_sound


class Books:
    """Every venue's assets, and every loop's money, from the fills alone. Fees are taken in quote asset."""

    def __init__(self, result: CampaignResult) -> None:
        self.held: defaultdict[tuple[str, str], Fraction] = defaultdict(Fraction)
        self.moved: defaultdict[str, defaultdict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
        self.fees: defaultdict[str, Fraction] = defaultdict(Fraction)
        self.told: defaultdict[str, defaultdict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
        self.value: defaultdict[str, Fraction] = defaultdict(Fraction)
        self.opened: dict[str, Event] = {}
        self.ended: list[Event] = []
        self.pair_of: dict[str, str] = {}
        for event in result.events:
            handle = getattr(self, f"on_{event['type']}", None)
            if handle is not None:
                handle(event)

    def on_deposited(self, event: Event) -> None:
        self.held[event["venue"], event["asset"]] += Fraction(event["amount"])

    def on_transaction_opened(self, event: Event) -> None:
        self.opened[event["pair_id"]] = event

    def on_order_submitted(self, event: Event) -> None:
        self.pair_of[event["client_order_id"]] = event["pair_id"]

    def on_order_filled(self, event: Event) -> None:
        pair_id, sign = self.pair_of[event["client_order_id"]], 1 if event["side"] == "buy" else -1
        quantity, value = Fraction(event["quantity"]), Fraction(event["quantity"]) * Fraction(event["price"])
        fee = Fraction(event["fee"])
        assert event["fee_asset"] == event["quote"]
        for asset, amount in ((event["base"], sign * quantity), (event["quote"], -sign * value - fee)):
            self.held[event["venue"], asset] += amount
            self.moved[pair_id][asset] += amount
        legs = {leg["symbol"]: leg for leg in self.opened[pair_id]["legs"]}
        in_money = Fraction(1) if event["quote"] == "USDT" else Fraction(legs[MARKET[event["quote"]]]["limit"])
        self.fees[pair_id] += fee * in_money

    def on_residual_left(self, event: Event) -> None:
        if not event["possible"]:
            self.told[event["pair_id"]][event["asset"]] += Fraction(event["quantity"])
        self.value[event["pair_id"]] += Fraction(event["booked_value"])

    def on_dust_left(self, event: Event) -> None:
        self.told[event["pair_id"]][event["asset"]] += Fraction(event["quantity"])
        self.value[event["pair_id"]] += Fraction(event["booked_value"])

    def on_pair_ended(self, event: Event) -> None:
        """What a loop moved of its money, and what it left of the others at its value, is what it earned."""
        pair_id = event["pair_id"]
        moved = dict(self.moved[pair_id])
        money = moved.pop("USDT", Fraction(0))
        assert {asset: amount for asset, amount in moved.items() if amount} == dict(self.told[pair_id])
        assert Fraction(event["pnl_usd"]) == money + self.value[pair_id]
        assert Fraction(event["fees_usd"]) == self.fees[pair_id]
        self.ended.append(event)

    def check(self, result: CampaignResult) -> None:
        """Nothing comes from nowhere, and nothing goes."""
        for venue in result.campaign.parts.venues:
            booked = {asset: Fraction(amount) for asset, amount in result.campaign.state.ledger.held(venue).items()}
            assert booked == {asset: amount for (at, asset), amount in self.held.items() if at == venue}
        assert not result.of_type("balance_differed")
        assert len(self.ended) == len(self.opened)


@pytest.mark.parametrize("interval_ms", [0, 250])
def test_the_shipped_campaign_trades_and_is_denied_and_its_money_adds_up(interval_ms: int) -> None:
    found = table()
    found["session"]["loop_interval_ms"] = interval_ms

    result = run_virtual(found)

    assert result.exit_code == 0
    assert is_sound(result)
    books = Books(result)
    books.check(result)
    assert len(books.ended) > 15
    assert {"symbol.cooldown"} <= set(result.refusals)
    # Both ways around, at both venues.
    assert {(one["legs"][0]["venue"], one["legs"][0]["side"]) for one in books.opened.values()} == {
        (venue, side) for venue in "ab" for side in ("buy", "sell")
    }
    closed = result.of_type("position_closed")
    assert closed
    assert {one["reason"] for one in closed} == {"once"}
    pnl_of = {one["trade_id"]: one["pnl_usd"] for one in books.ended}
    assert all(one["pnl_usd"] == pnl_of[one["trade_id"]] for one in closed)
    # A loop leaves no more than a crumb of a lot, with what was left before.
    for (symbol, _), dust in result.campaign.state.trades.dust.items():
        assert abs(dust.quantity) <= Decimal("0.00001")
        assert symbol == "BTCUSDT"


@pytest.mark.parametrize("interval_ms", [0, 250])
def test_one_venue_is_enough(interval_ms: int) -> None:
    """What the other one quotes says nothing of a loop here."""
    found = table()
    found["session"]["loop_interval_ms"] = interval_ms
    both = run_virtual(found)
    del found["exchanges"]["b"]

    result = run_virtual(found)

    opened = [one for one in both.of_type("transaction_opened") if one["legs"][0]["venue"] == "a"]
    assert len(opened) > 5
    assert [one["ts_ns"] for one in result.of_type("transaction_opened")][:3] == [one["ts_ns"] for one in opened][:3]
    Books(result).check(result)
    assert is_sound(result)


def test_legs_that_fall_short_are_evened_out_in_the_markets_of_what_is_left() -> None:
    found = table(240, reject_rate=Decimal("0.2"), latency_ms=300)
    found["strategy"]["entry_bps"] = 0

    result = run_virtual(found)

    assert is_sound(result)
    books = Books(result)
    books.check(result)
    unwound = [one for one in result.of_type("order_submitted") if one["purpose"] == "unwind"]
    assert {one["symbol"] for one in unwound} == {"BTCUSDT", "ETHUSDT"}
    assert {one["outcome"] for one in books.ended} >= {"hedged", "flat"}
    assert not result.campaign.state.trades.residuals


@pytest.mark.parametrize("seed", range(3))
def test_it_survives_venues_that_fail(seed: int) -> None:
    faults = {"reject": "0.05", "partial": "0.2", "lose_ack": "0.08", "lose_order": "0.05"}
    found = faulty(table(900), **{name: Decimal(rate) for name, rate in faults.items()}, reorder_fills=Decimal("0.2"))
    found["strategy"]["entry_bps"] = 1
    found["session"]["seed"] = seed

    result = run_virtual(found)

    assert is_sound(result)
    assert not result.campaign.error
    held = {venue: dict(result.campaign.state.ledger.held(venue)) for venue in ("a", "b")}
    assert not result.of_type("balance_differed")
    assert held["a"].keys() == {"USDT", "BTC", "ETH"}


def test_what_an_order_of_the_cross_moved_is_left_over_once_it_is_known() -> None:
    found = faulty(table(600), disconnect=Decimal("0.05"), disconnect_seconds=25, lose_ack=Decimal("0.1"))
    found["execution"] |= {"leg_timeout_seconds": 1, "hedge_deadline_seconds": 2}
    found["strategy"]["entry_bps"] = 1

    result = run_virtual(found)

    assert is_sound(result)
    crosses = {one["client_order_id"] for one in result.of_type("order_submitted") if one["symbol"] == "ETHBTC"}
    stood = [one for one in result.of_type("residual_left") if one.get("client_order_id") in crosses]
    assert stood
    # While nobody knows whether it filled, it may be ETH that is one-sided; then it is that and BTC, or nothing.
    assert all(one["possible"] and one["symbol"] == "ETHUSDT" for one in stood)
    resolved = {one["residual_id"] for one in result.of_type("residual_resolved")}
    # What its venue didn't say until the end stays named.
    assert {one["residual_id"] for one in stood} <= resolved | set(result.campaign.state.trades.residuals)
    assert resolved & {one["residual_id"] for one in stood}
    left = {one["residual_id"]: one["symbol"] for one in result.of_type("residual_left")}
    assert any(symbol == "BTCUSDT" for name, symbol in left.items() if name.endswith(".bridge"))
    assert any(f"{one['residual_id']}.late" not in left for one in stood if one["residual_id"] in resolved)


def test_a_fee_in_another_asset_is_counted_at_its_market() -> None:
    found = table(fee_asset="BNB")
    found["universe"]["whitelist"] += ["BNBUSDT"]
    for venue in found["exchanges"].values():
        venue["balances"]["BNB"] = "5"

    result = run_virtual(found)

    assert is_sound(result)
    fills = [one for one in result.of_type("order_filled") if one["symbol"] == "ETHBTC"]
    assert fills
    for one in fills:  # about 590 USDT for one BNB, and 65,000 for one BTC
        assert Decimal(one["fee_value"]) / Decimal(one["fee"]) == pytest.approx(Decimal("0.00905"), rel=Decimal("0.05"))
    assert result.exit_code == 0


def test_no_instrument_is_in_two_loops_at_once() -> None:
    found = table(90)
    found["universe"]["whitelist"] += ["BNBUSDT", "BNBBTC"]
    found["strategy"] |= {"entry_bps": -5}
    found["guards"]["symbol"]["cooldown_seconds"] = 0
    for venue in found["exchanges"].values():
        venue["balances"]["BNB"] = "20"
        venue["latency_ms"] = 400

    result = run_virtual(found)

    assert is_sound(result)
    busy: dict[str, set[tuple[str, str]]] = {}
    together = 0
    for event in result.events:
        if event["type"] == "transaction_opened":
            places = {(leg["symbol"], leg["venue"]) for leg in event["legs"]}
            assert not any(places & others for others in busy.values())
            together += bool(busy)
            busy[event["pair_id"]] = places
        elif event["type"] == "pair_ended":
            busy.pop(event["pair_id"], None)
    assert together, "two venues can be gone around at once"
    assert {one["symbol"] for one in result.of_type("transaction_opened")} == {"ETHUSDT", "BNBUSDT"}


def test_what_comes_of_a_seed_is_always_the_same() -> None:
    first, again = run_virtual(table(120)), run_virtual(table(120))

    assert first.of_type("transaction_opened")
    assert first.events == again.events


def test_a_loop_that_is_named_and_not_there_is_an_error_that_says_which_are() -> None:
    found = table()
    found["strategy"]["triangles"] = [["BTCUSDT", "ETHBTC", "SOLUSDT"]]

    with pytest.raises(UniverseError, match=r"BTCUSDT/ETHBTC/SOLUSDT is no loop .* ETHUSDT/ETHBTC/BTCUSDT"):
        run_virtual(found)


def test_symbols_without_a_loop_are_an_error() -> None:
    found = table()
    found["universe"]["whitelist"] = ["BTCUSDT", "ETHUSDT"]

    with pytest.raises(UniverseError, match="nothing to go around"):
        run_virtual(found)


def test_a_quote_asset_that_no_loop_goes_through_needs_its_rate() -> None:
    found = table()
    found["universe"]["whitelist"] += ["ETHEUR"]

    with pytest.raises(ConfigError, match=r"fx\.EUR"):
        run_virtual(found)


@pytest.mark.parametrize(
    ("loops", "odd", "said"),
    [
        (False, [Triangle(home="ETHUSDT", cross="ETHBTC", other="BTCUSDT")], "its spec doesn't say loops=True"),
        (True, [Triangle(home="ETHUSDT", cross="SOLBTC", other="BTCUSDT")], "ETHUSDT/SOLBTC/BTCUSDT"),
        (True, ["ETHUSDT"], "triangles"),
    ],
)
def test_a_plugin_that_goes_around_nothing_there_is_refused(loops: bool, odd: list[Any], said: str) -> None:
    class Odd(TriangularStrategy):
        def __init__(self, settings: TriangularSettings, context: StrategyContext) -> None:
            self.entry_bps, self.max_quote_age_ns = settings.entry_bps, 10**9
            self.triangles = tuple(odd)

    @asynccontextmanager
    async def open_odd(settings: TriangularSettings, context: StrategyContext) -> AsyncIterator[Strategy]:
        yield Odd(settings, context)

    class Plugin:
        @hookimpl
        def trioarb_strategies(self) -> list[StrategySpec]:
            return [StrategySpec(name="odd", doc="", settings=TriangularSettings, open=open_odd, loops=loops)]

    found = table()
    found["strategy"]["plugin"] = "odd"
    found["fx"] = {"BTC": 65_000}

    with pytest.raises(PluginFault, match=said):
        run_virtual(found, plugins={"odd": Plugin()})


def test_a_venue_that_holds_contracts_is_not_gone_around() -> None:
    found = table()
    found["exchanges"]["a"] |= {"account": "perpetual", "balances": {"USDT": "20000"}}
    with pytest.raises(PluginError, match="a holds contracts"):
        run_virtual(found)
