"""Markets as a venue listed them: what a simulator lists is what was recorded."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest

from trioarb_sim.market import MarketRules, MarketState
from trioarb_sim.recorded_listing import ListingError, recorded_markets
from trioarb_sim.simulator import open_simulator

CAPTURES = Path(__file__).parents[3].parent / "shared" / "data" / "captures"
BINANCE = CAPTURES / "binance" / "spot_20211012.listing.jsonl.gz"
UPBIT = CAPTURES / "upbit" / "spot_20210417.listing.jsonl.gz"

SYMBOL = {
    "symbol": "ETHBTC",
    "status": "BREAK",
    "baseAsset": "ETH",
    "quoteAsset": "BTC",
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.1", "maxPrice": "9", "tickSize": "0.00000100"},
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": "5",
            "bidMultiplierDown": "0.2",
            "askMultiplierUp": "4",
            "askMultiplierDown": "0.1",
        },
        {"filterType": "LOT_SIZE", "minQty": "0.00020000", "maxQty": "100", "stepSize": "0.00010000"},
        {"filterType": "NOTIONAL", "minNotional": "0.00030000"},
        {"filterType": "OF_ANOTHER_DAY", "value": 1},
    ],
}


def recorded(path: Path) -> Any:
    if not path.is_file():
        pytest.skip("no recorded listing beside this checkout")
    return json.loads(json.loads(gzip.decompress(path.read_bytes()).splitlines()[0])["data"])


@pytest.mark.parametrize("form", ["plain", "gzip", "recording"])
def test_a_listing_may_be_a_body_or_a_recording_of_it(tmp_path: Path, form: str) -> None:
    body = json.dumps({"symbols": [SYMBOL]})
    text = json.dumps({"t": "http", "data": body}) + "\n" if form == "recording" else body
    path = tmp_path / "listing"
    path.write_bytes(gzip.compress(text.encode()) if form == "gzip" else text.encode())
    (rules,) = recorded_markets("binance", [path])
    assert (rules.name, rules.base, rules.quote) == ("ETHBTC", "ETH", "BTC")
    assert (rules.tick_at(Decimal(1)), rules.lot) == (Decimal("0.000001"), Decimal("0.0001"))
    assert (rules.min_quantity, rules.max_quantity, rules.min_value) == (
        Decimal("0.0002"),
        Decimal(100),
        Decimal("0.0003"),
    )
    assert rules.price_band == (Decimal("0.2"), Decimal(4))
    assert rules.state is MarketState.HALTED


def test_steps_of_prices_may_be_in_another_file(tmp_path: Path) -> None:
    names = [{"market": name, "korean_name": name, "english_name": name} for name in ("KRW-BTC", "BTC-ETH", "KRW-XRP")]
    (tmp_path / "all").write_text(json.dumps(names))
    (tmp_path / "steps").write_text(json.dumps([{"market": "KRW-BTC", "tick_size": "2000"}]))
    found = recorded_markets("upbit", [tmp_path / "all", tmp_path / "steps"])
    steps = {one.name: one.tick_at(Decimal(700)) for one in found}
    assert steps == {"KRW-BTC": Decimal(2000), "BTC-ETH": Decimal("1e-8"), "KRW-XRP": Decimal(1)}


@pytest.mark.parametrize(
    ("venue", "text", "said"),
    [
        ("binance", "[]", "isn't one that binance gives"),
        ("binance", '{"symbols": []}', "has no markets"),
        ("binance", '{"symbols": [{"symbol": "X"}]}', "isn't one that binance gives"),
        ("upbit", '{"symbols": []}', "isn't one that upbit gives"),
        ("bithumb", "[]", "has no markets"),
        ("upbit", "no JSON", "neither JSON nor lines of JSON"),
    ],
)
def test_what_is_no_listing_is_said(tmp_path: Path, venue: str, text: str, said: str) -> None:
    path = tmp_path / "listing"
    path.write_text(text)
    with pytest.raises(ListingError, match=said):
        recorded_markets(venue, [path])
    command = [sys.executable, "-m", "trioarb", "venue-sim", venue, "--listing", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert said in done.stderr


async def test_binance_is_listed_as_it_was_filters_and_all() -> None:
    wanted = recorded(BINANCE)["symbols"]
    async with open_simulator("binance", markets=recorded_markets("binance", [BINANCE]), every_seconds=0) as simulator:
        async with httpx.AsyncClient(base_url=simulator.rest_url) as client:
            answer = await client.get("/api/v3/exchangeInfo")
        assert answer.json()["symbols"] == wanted
        assert len(wanted) == 1_695
        # From a halt on it isn't what was recorded.
        simulator.venue.change(halted(simulator.venue.rules("ETHBTC")))
        async with httpx.AsyncClient(base_url=simulator.rest_url) as client:
            answer = await client.get("/api/v3/exchangeInfo", params={"symbol": "ETHBTC"})
        assert answer.json()["symbols"] == [{**wanted[0], "status": "HALT"}]


async def test_upbit_is_listed_as_it_was() -> None:
    wanted = recorded(UPBIT)
    async with open_simulator("upbit", markets=recorded_markets("upbit", [UPBIT]), every_seconds=0) as simulator:
        async with httpx.AsyncClient(base_url=simulator.rest_url) as client:
            answer = await client.get("/v1/market/all")
        assert answer.json() == wanted
        assert len(wanted) == 294


def halted(rules: MarketRules) -> MarketRules:

    return attrs.evolve(rules, state=MarketState.HALTED)
