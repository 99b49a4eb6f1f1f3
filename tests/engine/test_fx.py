"""One coin quoted in two monies: edges, sizes, PnL and denials by the rate of the moment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest
import tomli

from trioarb.api import TapeRow
from trioarb.errors import ConfigError, PluginError
from trioarb.model.number import EXACT, per_unit
from trioarb.report.advice import advise
from trioarb.report.report import Report
from trioarb.testing import (
    CampaignResult,
    ScriptedRow,
    ScriptedTape,
    listing,
    run_virtual,
    scripted_market,
    two_venues,
)
from trioarb.verify.verification import Verifier

KIMCHI = Path(__file__).parents[2] / "configs" / "kimchi.toml"
#: KRW for one USDT, bid and ask.
RATE = (1400.0, 1401.0)


def coin(*, until: float = 60, gap: float = 1.02) -> dict[str, list[ScriptedRow]]:
    """Return quotes of BTC each half second: 100 USDT at ``world``, so many times as much in KRW at the others."""
    rows: dict[str, list[ScriptedRow]] = {"busan": [], "seoul": [], "world": []}
    for tick in range(1, int(until * 2)):
        at = tick / 2
        factor = gap if at < 30 else 1.0
        rows["world"].append((at, "BTCUSDT", 100.0, 50.0, 100.1, 50.0))
        for venue in ("busan", "seoul"):
            price = round(100 * RATE[0] * factor)
            rows[venue].append((at, "BTCKRW", float(price), 50.0, float(price + 100), 50.0))
    return rows


def rates(of: Mapping[str, Mapping[float, tuple[float, float]]], *, until: float = 60) -> dict[str, list[ScriptedRow]]:
    """Return quotes of USDT in KRW each second, as they are from some times on; none once a bid is 0."""
    rows: dict[str, list[ScriptedRow]] = {}
    for venue, from_times in of.items():
        rows[venue] = []
        for second in range(1, int(until)):
            bid, ask = [quote for at, quote in from_times.items() if at <= second][-1]
            if bid:
                rows[venue].append((second + 0.25, "USDTKRW", bid, 10_000.0, ask, 10_000.0))
    return rows


def campaign(
    said: Mapping[str, Mapping[float, tuple[float, float]]] | None = None,
    *,
    fx: Any = None,
    overrides: tuple[str, ...] = (),
    gap: float = 1.02,
) -> CampaignResult:
    """Run a campaign on BTC in KRW and USDT; ``said`` are the rates that venues show from some seconds on."""
    said = {"busan": {0: RATE}, "seoul": {0: RATE}} if said is None else said
    rows, more = coin(gap=gap), rates(said)
    tapes = {
        venue: ScriptedTape(
            sorted([*own, *more.get(venue, [])], key=lambda row: row[0]),
            listings=[listing("BTC", "USDT")] if venue == "world" else [listing("BTC", "KRW"), listing("USDT", "KRW")],
        )
        for venue, own in rows.items()
    }
    table = two_venues()
    table["exchanges"] = {
        venue: {
            "market": {"plugin": "scripted"},
            "balances": {"KRW": "200000000"} if venue != "world" else {"USDT": "100000"},
            "inventory_usd_per_symbol": 5_000,
            "taker_fee_bps": 5,
            "latency_ms": 50,
            **({} if venue == "world" else {"same_as": {"KRW": "USDT"}}),
        }
        for venue in rows
    }
    table["fx"] = {"KRW": fx or {"symbol": "USDTKRW", "markets": sorted(said), "max_age_ms": 3_000, "outlier_bps": 50}}
    table["strategy"] = {"entry_bps": 20, "exit_bps": -25, "order_size_usd": 400, "max_holding_seconds": 600}
    table["guards"]["symbol"] = {"cooldown_seconds": 1, "max_position_count": 3}
    result = run_virtual(table, plugins={"market": scripted_market(tapes)}, overrides=overrides)
    verifier = Verifier()
    verifier.fold(result.records)
    assert [str(one) for one in verifier.result().violations] == []
    return result


def states(result: CampaignResult) -> list[tuple[float, str]]:
    """Return when the rate became what, in seconds."""
    start_ns = result.records[0].ts_ns
    return [
        ((one["ts_ns"] - start_ns) / 1e9, one["state"])
        for one in result.of_type("fx_rated")
        if one["reason"] != "minute"
    ]


def entered(result: CampaignResult) -> list[float]:
    start_ns = result.records[0].ts_ns
    return [(one["ts_ns"] - start_ns) / 1e9 for one in result.of_type("pair_opened") if one["kind"] == "entry"]


def test_a_coin_is_bought_for_one_money_and_sold_for_the_other_by_the_bid_and_ask_of_the_rate() -> None:
    result = campaign()

    (listed, _, plain) = result.of_type("instrument_listed")
    assert (listed["symbol"], listed["quote"], listed["counts_as"]) == ("BTCUSDT", "KRW", "USDT")
    assert (plain["quote"], "counts_as" in plain) == ("USDT", False)
    allowed = next(one for one in result.of_type("decided") if one["answer"] == "ALLOW")
    # What is received in KRW is sold: for one KRW, USDT at their ask.
    sold = per_unit(Decimal(1), Decimal(1401))
    assert (Decimal(allowed["sell_fx"]), "buy_fx" in allowed) == (sold, False)
    assert allowed["fx_sources"] == ["KRW@busan", "KRW@seoul"]
    assert 0 <= allowed["fx_age_ns"] < 1_000_000_000
    keep, cost = Decimal("0.9995"), Decimal("1.0005")
    edge = 10_000 * (Decimal(allowed["bid"]) * sold * keep / (Decimal(allowed["ask"]) * cost) - 1)
    assert Decimal(allowed["edge_bps"]) == edge.quantize(Decimal("1e-6"))

    opened = next(one for one in result.of_type("pair_opened") if one["kind"] == "entry")
    with localcontext(EXACT):
        in_usd = max(Decimal(opened["buy_limit"]), Decimal(opened["sell_limit"]) * sold)
        assert Decimal(opened["reserved_usd"]) == Decimal(opened["quantity"]) * in_usd
    # Orders are in the venue's own money, and lock it.
    exit_buy = [one for one in result.of_type("order_submitted") if one["side"] == "buy" and one["venue"] != "world"]
    assert exit_buy
    assert {one["locked_asset"] for one in exit_buy} == {"KRW"}
    bought = [one for one in result.of_type("order_filled") if one["quote"] == "KRW" and one["side"] == "buy"]
    assert {Decimal(one["fx_rate"]) for one in bought} == {per_unit(Decimal(1), Decimal(1400))}


def test_pnl_is_what_every_flow_was_worth_at_its_own_rate() -> None:
    later = (1435.0, 1436.0)
    result = campaign({"busan": {0: RATE, 40: later}, "seoul": {0: RATE, 40: later}}, gap=1.01)

    closed = result.of_type("position_closed")
    assert closed
    assert not result.of_type("residual_left")
    with localcontext(EXACT):
        usd = Decimal(0)
        for fill in result.of_type("order_filled"):
            rate = Decimal(fill.get("fx_rate", 1))
            value = Decimal(fill["quantity"]) * Decimal(fill["price"]) * rate
            usd += (value if fill["side"] == "sell" else -value) - Decimal(fill["fee"]) * rate
        assert usd == sum(Decimal(one["pnl_usd"]) for one in closed)

    # KRW that were held from the start on have lost; that is told apart, and the parts still sum up.
    (stated,) = result.of_type("equity_stated")
    assert Decimal(stated["fx_usd"]) < -5_000
    parts = ("arbitrage_usd", "inventory_usd", "fees_usd", "funding_usd", "residuals_usd", "fx_usd")
    with localcontext(EXACT):
        change = Decimal(stated["now_usd"]) - Decimal(stated["start_usd"])
        assert change == sum(Decimal(stated[part]) for part in parts)


def test_without_a_source_nothing_is_entered_and_it_is_said() -> None:
    result = campaign({"busan": {0: (0.0, 0.0)}, "seoul": {0: (0.0, 0.0)}})

    assert states(result) == [(0.0, "away")]
    assert not entered(result)
    assert not result.of_type("order_submitted")


def test_a_rate_that_has_become_too_old_denies_entries_and_lets_exits_go_on() -> None:
    result = campaign({"busan": {0: RATE, 10: (0.0, 0.0)}, "seoul": {0: RATE, 10: (0.0, 0.0)}})

    assert states(result)[1:] == [(1.25, "good"), (12.5, "old")]  # noticed with the next quote of the coin
    assert entered(result)
    assert max(entered(result)) < 12.5
    denied = [one for one in result.of_type("decided") if one.get("rule") == "fx_age"]
    assert denied
    assert {one["tier"] for one in denied} == {"engine"}
    assert not [one for one in denied if "quantity" in one], "it was sized at a rate that can't be relied on"
    assert "engine.fx_age" in result.of_type("funnel_counted")[-1]["not_sized"]
    assert (denied[0]["value"], denied[0]["limit"]) == ("KRW: 3.250 s old", "3.000 s")
    # The gap closes at 30 s: positions are closed at the last known rate, and it is said of each fill.
    exits = [one for one in result.of_type("pair_opened") if one["kind"] == "exit"]
    assert exits
    late = [one for one in result.of_type("order_filled") if one["ts_ns"] >= exits[0]["ts_ns"] and "fx_rate" in one]
    assert {one["fx_state"] for one in late} == {"old"}
    assert not result.of_type("residual_left")


@pytest.mark.parametrize(
    ("seoul", "overrides", "key"),
    [
        ({0: (RATE[0] * 1.07, RATE[1] * 1.07)}, (), "fx.KRW.outlier_bps = 50 ("),
        ({0: (0.0, 0.0)}, ("fx.KRW.least_sources=2",), "fx.KRW.least_sources = 2)"),
    ],
)
def test_without_a_trade_the_key_is_named_that_the_rate_lacks(
    seoul: Mapping[float, tuple[float, float]], overrides: tuple[str, ...], key: str
) -> None:
    ended = campaign({"busan": {0: RATE}, "seoul": seoul}, overrides=overrides).campaign
    sentences = advise(Report(config=ended.config, state=ended.state, at_ns=ended.parts.time.now_ns()))

    assert key in " ".join(sentences)


def test_two_sources_that_are_far_apart_dispute_the_rate() -> None:
    off = (RATE[0] * 1.07, RATE[1] * 1.07)
    result = campaign({"busan": {0: RATE}, "seoul": {0: RATE, 10: off, 20: RATE}})

    assert states(result)[1:] == [(1.25, "good"), (10.25, "disputed"), (20.25, "good")]
    assert not [at for at in entered(result) if 10.25 <= at < 20.25]
    denied = [one for one in result.of_type("decided") if one.get("rule") == "fx_disputed"]
    assert denied
    assert denied[0]["limit"] == "50 bps"
    disputed = next(one for one in result.of_type("fx_rated") if one["state"] == "disputed")
    assert disputed["outliers"] == ["busan", "seoul"]
    assert Decimal(disputed["bid"]) == per_unit(Decimal(1), Decimal(1401))  # the one of before


def test_of_three_sources_the_one_that_is_off_does_not_count() -> None:
    rows = coin()
    off = {0: RATE, 10: (RATE[0] * 0.93, RATE[1] * 0.93)}
    more = rates({"busan": {0: RATE}, "seoul": off, "tokyo": {0: RATE}})
    both = [listing("BTC", "KRW"), listing("USDT", "KRW")]
    tapes = {
        "busan": ScriptedTape(sorted(rows["busan"] + more["busan"], key=lambda row: row[0]), listings=both),
        "seoul": ScriptedTape(sorted(rows["seoul"] + more["seoul"], key=lambda row: row[0]), listings=both),
        "tokyo": ScriptedTape(more["tokyo"], listings=[listing("USDT", "KRW")]),
        "world": ScriptedTape(rows["world"], listings=[listing("BTC")]),
    }
    table = two_venues()
    table["exchanges"] = {
        venue: {
            "market": {"plugin": "scripted"},
            "balances": {"KRW": "200000000", "USDT": "100000"},
            "inventory_usd_per_symbol": 5_000,
            **({"same_as": {"KRW": "USDT"}} if venue in ("busan", "seoul") else {}),
        }
        for venue in tapes
    }
    table["fx"] = {"KRW": {"symbol": "USDTKRW", "markets": ["busan", "seoul", "tokyo"], "outlier_bps": 50}}
    table["strategy"] = {"entry_bps": 20}
    result = run_virtual(table, plugins={"market": scripted_market(tapes)})

    assert [state for _, state in states(result)] == ["away", "good"]
    last = result.of_type("decided")[-1]
    assert last["fx_sources"] == ["KRW@busan", "KRW@tokyo"]
    assert Decimal(last["sell_fx"]) == per_unit(Decimal(1), Decimal(1401))


def test_a_single_source_that_jumps_is_disputed_until_the_jump_has_lasted() -> None:
    off = (RATE[0] * 1.07, RATE[1] * 1.07)
    result = campaign({"busan": {0: RATE, 10: off}}, gap=1.12)

    assert [state for _, state in states(result)] == ["away", "good", "disputed", "good"]
    (jumped, _), (lasted, _) = states(result)[2:]
    assert (jumped, 2 <= lasted - jumped <= 3) == (10.25, True)  # 3 s after the last quote that agreed


def test_too_few_sources_deny() -> None:
    fx = {"symbol": "USDTKRW", "markets": ["busan", "seoul"], "max_age_ms": 3_000, "least_sources": 2}
    result = campaign({"busan": {0: RATE}, "seoul": {0: RATE, 10: (0.0, 0.0)}}, fx=fx)

    assert [state for _, state in states(result)] == ["away", "few", "good", "few"]
    assert [one for one in result.of_type("decided") if one.get("rule") == "fx_sources"]


def test_a_constant_is_possible_and_warned_of() -> None:
    result = campaign({}, fx={"rate": "0.000714"})

    assert any("fx.KRW is a constant" in warning for warning in result.warnings)
    assert not result.of_type("fx_rated")
    (allowed, *_) = [one for one in result.of_type("decided") if one["answer"] == "ALLOW"]
    assert (Decimal(allowed["sell_fx"]), allowed["fx_sources"], "fx_age_ns" in allowed) == (
        Decimal("0.000714"),
        [],
        False,
    )


def test_a_change_of_the_rate_makes_symbols_look_again() -> None:
    """Between two quotes of the coin the rate moves, so that what paid nothing pays."""
    result = campaign({"busan": {0: RATE, 5: (1370.0, 1371.0)}, "seoul": {0: RATE, 5: (1370.0, 1371.0)}}, gap=1.002)

    (first, *_) = entered(result)
    assert first == 5.25  # the coin's own quotes come at whole and half seconds


@pytest.mark.parametrize(
    ("fx", "key", "message"),
    [
        ({"symbol": "USDTKRW", "markets": ["soul"]}, "fx.KRW.markets", "is no venue"),
        ({"symbol": "USDTKRX", "markets": ["seoul"]}, "fx.KRW.symbol", "does not list it"),
        ({"symbol": "BTCUSDT", "markets": ["seoul"]}, "fx.KRW.symbol", "is a price of BTC in USDT"),
        ({"symbol": "USDTKRW"}, "fx.KRW", "symbol and markets belong together"),
        ({"symbol": "USDTKRW", "markets": ["seoul"], "rate": 1}, "fx.KRW", "either rate or symbol"),
        ({"symbol": "USDTKRW", "markets": ["seoul"], "least_sources": 2}, "fx.KRW", "there are 1 markets"),
        ({"symbol": "USDTKRW", "markets": ["seoul", "seoul"]}, "fx.KRW", "names a venue twice"),
        ("much", "fx.KRW", "wrong value"),
    ],
)
def test_a_rate_that_can_not_be_is_named(fx: Any, key: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        campaign(fx=fx)

    assert any(one.key == key and message in one.message for one in raised.value.problems), raised.value.problems


def test_a_quote_asset_without_a_rate_is_named() -> None:
    table = tomli.loads(KIMCHI.read_text(encoding="utf-8"), parse_float=Decimal)
    del table["fx"]
    with pytest.raises(ConfigError) as raised:
        run_virtual(table)

    assert {one.key for one in raised.value.problems} == {"fx.KRW"}


def test_a_quote_asset_that_is_not_quoted_in_is_named() -> None:
    with pytest.raises(ConfigError) as raised:
        run_virtual(KIMCHI.read_text(encoding="utf-8"), overrides=["exchanges.seoul.same_as.KRX=USDT", "fx.KRX=1"])

    assert [one.key for one in raised.value.problems] == ["exchanges.seoul.same_as.KRX"]


def test_the_shipped_campaign_trades_and_is_sound() -> None:
    result = run_virtual(KIMCHI.read_text(encoding="utf-8"), overrides=["session.max_runtime_seconds=120"])

    assert result.exit_code == 0
    assert result.of_type("position_closed")
    verifier = Verifier()
    verifier.fold(result.records)
    assert [str(one) for one in verifier.result().violations] == []
    rated = [one for one in result.of_type("fx_rated") if one["reason"] == "minute"]
    assert len(rated) == 2
    assert all(Decimal(rated[0]["premiums"][f"{base}USDT@seoul"]) > 50 for base in ("BTC", "ETH", "SOL", "XRP"))


def test_a_loss_in_two_monies_is_said_to_the_last_digit() -> None:
    """Rates have many digits, so losses have more than decimal arithmetic keeps by itself."""
    loss = ["guards.global.max_daily_loss_usd=0.01", "session.max_runtime_seconds=60"]
    result = run_virtual(
        KIMCHI.read_text(encoding="utf-8"), overrides=[*loss, "session.max_iterations=1000000", "session.seed=1"]
    )

    said = [one["value"] for one in result.of_type("decided") if one.get("rule") == "daily_loss"]
    assert max(map(len, said)) > 29
    verifier = Verifier()
    verifier.fold(result.records)
    assert [str(one) for one in verifier.result().violations] == []


def test_the_same_comes_of_other_hash_seeds() -> None:
    code = (
        "import sys; from pathlib import Path; from trioarb.testing import run_virtual\n"
        "result = run_virtual(Path(sys.argv[1]).read_text(), overrides=['session.max_runtime_seconds=60'])\n"
        "print(hash(str(result.events)) * 0, len(result.events), result.events[-1]['ts_ns'])\n"
        "import hashlib; print(hashlib.sha256(repr(result.events).encode()).hexdigest())\n"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code, str(KIMCHI)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("exchanges.seoul.account=perpetual",), "exchanges.seoul.same_as: margin and funding"),
        (("strategy={plugin='maker_taker'}",), "has prices converted"),
    ],
    ids=["contracts", "orders that rest"],
)
def test_what_is_not_converted_is_refused_at_the_start(overrides: tuple[str, ...], said: str) -> None:
    settings = ("exchanges.seoul.inventory_usd_per_symbol=0", *overrides)
    with pytest.raises(PluginError, match=said):
        run_virtual(KIMCHI.read_text(encoding="utf-8"), overrides=settings)


# Sources that are plugins: market data in the table of a venue at which nothing is traded


class Odd(ScriptedTape):
    """A source of the rate that goes wrong after ten seconds."""

    def __init__(self, said: object) -> None:
        rows = rates({"bank": {0: RATE}})["bank"]
        super().__init__(rows, listings=[listing("USDT", "KRW")])
        self._said = said

    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        for row in super().rows(symbols, start_ns):
            if row[0] < start_ns + 10 * 10**9:
                yield row
            elif isinstance(self._said, Exception):
                raise self._said
            else:
                odd: Any = (*row[:3], self._said, *row[4:])
                yield odd


def from_plugin(bank: ScriptedTape, *more: str) -> CampaignResult:
    """Run a campaign whose rate is said by ``bank`` alone, at which nothing is traded."""
    table = two_venues()
    rows = coin()
    tapes = {
        "seoul": ScriptedTape(rows["seoul"], listings=[listing("BTC", "KRW")]),
        "world": ScriptedTape(rows["world"], listings=[listing("BTC")]),
        "bank": bank,
    }
    table["exchanges"] = {
        "seoul": {"same_as": {"KRW": "USDT"}, "balances": {"KRW": "200000000"}, "inventory_usd_per_symbol": 5_000},
        "world": {"balances": {"USDT": "100000"}, "inventory_usd_per_symbol": 5_000},
        "bank": {},
    }
    for venue in table["exchanges"].values():
        venue["market"] = {"plugin": "scripted"}
    table["universe"] = {"source": "scripted", "mode": "FIXED_LIST", "whitelist": ["BTCUSDT"]}
    table["fx"] = {"KRW": {"symbol": "USDTKRW", "markets": ["bank"], "max_age_ms": 3_000, "outlier_bps": 50}}
    table["strategy"] = {"entry_bps": 20, "exit_bps": -25, "order_size_usd": 400, "max_holding_seconds": 600}
    table["guards"]["symbol"] = {"cooldown_seconds": 1, "max_position_count": 3}
    result = run_virtual(table, plugins={"market": scripted_market(tapes)}, overrides=more)
    verifier = Verifier()
    verifier.fold(result.records)
    assert [str(one) for one in verifier.result().violations] == []
    return result


def test_a_rate_may_come_from_a_plugin_that_says_nothing_else() -> None:
    result = from_plugin(ScriptedTape(rates({"bank": {0: RATE}})["bank"], listings=[listing("USDT", "KRW")]))

    assert result.exit_code == 0
    assert states(result) == [(0.0, "away"), (1.25, "good")]
    (first, *_) = [one for one in result.of_type("decided") if one["answer"] == "ALLOW"]
    assert first["fx_sources"] == ["KRW@bank"]
    assert {one["venue"] for one in result.of_type("order_filled")} == {"seoul", "world"}


@pytest.mark.parametrize(
    "said", [-1400.0, float("inf"), 1_500.0, float("nan"), 0.0], ids=["negative", "infinite", "crossed", "nan", "zero"]
)
def test_what_a_source_can_not_mean_takes_it_away_and_denies_entries(said: float) -> None:
    """What can't be is refused, and what is no side withdraws it: either way the source has nothing more to say."""
    result = from_plugin(Odd(said))

    assert result.exit_code == 0
    # A quote that is refused is looked at with the next time at which the rate is: when the last good one is too old.
    assert [state for _, state in states(result)] in (["away", "good", "away"], ["away", "good", "old"])
    assert states(result)[-1][0] <= 12.5
    assert entered(result)
    assert max(entered(result)) < states(result)[-1][0]
    assert {one["rule"] for one in result.of_type("decided") if one["answer"] == "DENY"} & {"fx_away", "fx_age"}


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("1400", "rows raised TypeError: must be real number, not str"),
        (None, "rows raised TypeError: must be real number, not NoneType"),
        (OSError("the bank is closed"), "the bank is closed"),
    ],
    ids=["text", "nothing", "raises"],
)
def test_a_source_that_breaks_its_contract_ends_the_campaign_in_order(said: object, error: str) -> None:
    result = from_plugin(Odd(said), "session.close_positions_at_end=true")

    assert result.exit_code == 1
    assert re.search(error, str(result.campaign.error)), result.campaign.error
    assert "exchanges.bank.market" in str(result.campaign.error)
    assert entered(result)
    assert len(result.of_type("position_opened")) == len(result.of_type("position_closed"))
