"""The market data ``rate-file``: what it quotes of its file, and a campaign that relies on it."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest
import trio

from trioarb.api import TrioarbError
from trioarb.testing import CampaignResult, ScriptedTape, listing, run_real, scripted_market, two_venues

rate_file = pytest.importorskip("trioarb_example.rate_file", reason="trioarb-example is not installed")

SECOND_NS = 10**9


def write(path: Path, text: str, seconds: int) -> None:
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(seconds * SECOND_NS, seconds * SECOND_NS))


async def test_it_quotes_its_file_when_that_was_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "rate.txt"
    feed = rate_file.RateFile(rate_file.RateFileSettings(path=path, base="USDT", quote="KRW", every_seconds=0.01))
    quoted, quotes = trio.open_memory_channel[tuple[float, float, int]](100)

    def sink(bid: float, bid_size: float, ask: float, ask_size: float, received_ns: int, *more: Any) -> None:
        assert bid_size == ask_size == 1.0
        quoted.send_nowait((bid, ask, received_ns // SECOND_NS))

    assert [one.symbol for one in await feed.listings()] == ["USDTKRW"]
    write(path, "1400 1401\n", 100)
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            await nursery.start(feed.run, {"USDTKRW": sink})
            assert await quotes.receive() == (1400.0, 1401.0, 100)
            (tmp_path / "new").write_text("1402.5 1403")
            os.utime(tmp_path / "new", ns=(110 * SECOND_NS, 110 * SECOND_NS))
            (tmp_path / "new").rename(path)
            assert await quotes.receive() == (1402.5, 1403.0, 110)
            path.unlink()
            assert [math.isnan(price) for price in (await quotes.receive())[:2]] == [True, True]
            nursery.cancel_scope.cancel()


def campaign(path: Path) -> CampaignResult:
    """Run two seconds: BTC in KRW at seoul stands 2 % above that in USDT at world, by what the file says of USDT."""
    table = two_venues()
    table["universe"] = {"source": "scripted", "mode": "FIXED_LIST", "whitelist": ["BTCUSDT"]}
    table["strategy"] = {"entry_bps": 20}
    rate = {"plugin": "rate-file", "path": str(path), "base": "USDT", "quote": "KRW", "every_seconds": 0.1}
    venue = {"market": {"plugin": "scripted"}, "inventory_usd_per_symbol": 5_000}
    table["exchanges"] = {
        "seoul": venue | {"same_as": {"KRW": "USDT"}, "balances": {"KRW": "200000000"}},
        "world": venue | {"balances": {"USDT": "100000"}},
        "bank": {"market": rate},
    }
    table["fx"] = {"KRW": {"symbol": "USDTKRW", "markets": ["bank"], "max_age_ms": 60_000}}
    ticks = range(1, 40)
    tapes = {
        "seoul": ScriptedTape(
            [(tick / 20, "BTCKRW", 142_800.0, 9.0, 142_900.0, 9.0) for tick in ticks], listings=[listing("BTC", "KRW")]
        ),
        "world": ScriptedTape(
            [(tick / 20, "BTCUSDT", 100.0, 9.0, 100.1, 9.0) for tick in ticks], listings=[listing("BTC")]
        ),
    }
    return run_real(table, seconds=2, plugins={"market": scripted_market(tapes)})


def test_coins_are_compared_by_what_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "rate.txt"
    path.write_text("1400 1401")
    result = campaign(path)
    allowed = next(one for one in result.of_type("decided") if one["answer"] == "ALLOW")
    assert allowed["fx_sources"] == ["KRW@bank"]


def test_a_file_that_was_written_long_ago_is_no_rate(tmp_path: Path) -> None:
    path = tmp_path / "rate.txt"
    write(path, "1400 1401", 1_700_000_000)
    result = campaign(path)
    assert not result.of_type("position_opened")
    assert {one["state"] for one in result.of_type("fx_rated")} <= {"away", "old"}


def test_a_file_that_is_not_there_is_an_error_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(TrioarbError, match=r"no such file.*exchanges\.bank\.market"):
        campaign(tmp_path / "gone.txt")
