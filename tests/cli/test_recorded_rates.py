"""Coins in two monies: recorded with the rate's own quotes, replayed and surveyed by them."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

import attrs
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command import KIMCHI, CommandLine

SECOND_NS = 10**9
START_NS = 1_700_000_000 * SECOND_NS


def symbols_of(folder: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path in folder.rglob("*.parquet"):
        table = pq.read_table(path)
        found.setdefault(table["exchange"][0].as_py(), set()).update(table["symbol"].to_pylist())
    return found


def fills(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    names = ("venue", "symbol", "side", "quantity", "price", "fee", "fx_rate", "fx_state")
    return [tuple(one.get(name) for name in names) for one in events if one["type"] == "order_filled"]


def test_a_replay_trades_as_the_campaign_did_that_was_recorded(
    trioarb: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = trioarb.run(KIMCHI, "--runtime", "90", "--record", "quotes")
    assert ran.code == 0, ran.err
    recorded = ran.events
    coins = {"BTC", "ETH", "SOL", "XRP"}
    in_krw = {f"{coin}-KRW" for coin in (*coins, "USDT")}
    assert symbols_of(trioarb.folder / "quotes") == {
        "busan": in_krw,
        "seoul": in_krw,
        "world": {f"{coin}-USDT" for coin in coins},
    }

    streams = []
    for seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        arguments = ("--quotes", "quotes", "--runtime", "90", "--events", f"{seed}.jsonl", "--plain")
        again = trioarb("replay", KIMCHI, *arguments)
        assert again.code == 0, again.err
        streams.append((trioarb.folder / f"{seed}.jsonl").read_text())

    assert streams[0] == streams[1]
    replayed = [json.loads(line) for line in streams[0].splitlines()]
    assert len(fills(recorded)) > 20
    assert fills(replayed) == fills(recorded)
    # The campaigns begin with their first quote, and so end a moment apart; all before that is at the same times.
    end_ns = next(one["ts_ns"] for one in recorded if one["type"] == "phase_entered" and one["phase"] == "DRAINING")
    times = [
        [one["ts_ns"] for one in events if one["type"] == "order_filled" and one["ts_ns"] < end_ns]
        for events in (recorded, replayed)
    ]
    assert times[0] == times[1]


def test_a_recording_can_be_replayed_by_a_constant_if_it_holds_no_rate(trioarb: CommandLine) -> None:
    assert trioarb("record", KIMCHI, "--out", "all", "--hours", "0.01", "--set", "session.clock=virtual").code == 0
    (trioarb.folder / "without").mkdir()
    for path in (trioarb.folder / "all").rglob("*.parquet"):
        table = pq.read_table(path)
        keep = [name != "USDT-KRW" for name in table["symbol"].to_pylist()]
        pq.write_table(table.filter(pa.array(keep)), trioarb.folder / "without" / path.name)

    for command in ("replay", "survey"):
        refused = trioarb(command, KIMCHI, "--quotes", "without")
        assert refused.code == 2
        assert refused.error == (
            "fx.KRW.symbol: the recorded quotes of busan, seoul hold none of it, and without them no price in KRW can "
            'be converted as it was then: "USDTKRW"; record with a configuration that has [fx.KRW], which records its '
            "markets too; or set a constant, which is warned of: fx.KRW = USD for one KRW"
        )

    by_constant = trioarb("survey", KIMCHI, "--quotes", "without", "--set", "fx.KRW=0.00072", "--json", "--no-replay")
    assert by_constant.code == 0, by_constant.err
    assert "fx.KRW is a constant" in "\n".join(json.loads(by_constant.out)["warnings"])
    surveyed = trioarb("survey", KIMCHI, "--hours", "0.01", "--json", "--no-replay")
    assert surveyed.code == 0, surveyed.err
    assert json.loads(surveyed.out)["rates"]["KRW"]["good_seconds"] > 30


# A survey, held against a computation of its own

CONFIG = """
[session]
clock = "virtual"
loop_interval_ms = 0

[universe]
source = "recorded"
mode = "FIXED_LIST"
whitelist = ["BTCUSDT"]

[fx.KRW]
symbol = "USDTKRW"
markets = ["busan", "seoul"]
max_age_ms = 3_000
outlier_bps = 50

[exchanges.busan]
same_as = { KRW = "USDT" }
taker_fee_bps = 5
maker_fee_bps = 2
balances = { KRW = "1000" }

[exchanges.seoul]
same_as = { KRW = "USDT" }
taker_fee_bps = 7
balances = { KRW = "1000" }

[exchanges.world]
taker_fee_bps = 4
balances = { USDT = "1000" }

[strategy]
entry_bps = 20
max_quote_age_ms = 2_000
"""
VENUES = ("busan", "seoul", "world")
FEES = {"busan": 5e-4, "seoul": 7e-4, "world": 4e-4}
COIN_AGE_NS, RATE_AGE_NS, OUTLIER_BPS = 2 * SECOND_NS, 3 * SECOND_NS, 50

Floats = npt.NDArray[np.float64]


@attrs.frozen
class Quotes:
    """What a venue quoted of a symbol: columns of times, bids, asks and sizes."""

    ts: npt.NDArray[np.int64]
    bid: Floats
    ask: Floats
    size: Floats

    def at(self, ns: npt.NDArray[np.int64]) -> tuple[Floats, Floats, Floats, npt.NDArray[np.int64]]:
        """Return bids, asks, sizes and the times of the quotes that stood at some times."""
        found = self.ts.searchsorted(ns, "right") - 1
        known, index = found >= 0, found.clip(0)
        return (
            np.where(known, self.bid[index], np.nan),
            np.where(known, self.ask[index], np.nan),
            np.where(known, self.size[index], 0),
            np.where(known, self.ts[index], -(10**18)),
        )


def market() -> dict[tuple[str, str], Quotes]:
    """Make ten minutes: coins come each half second, the rate each second, each venue at a time of its own.

    Seoul's rate is 7 % off from 200 to 250 s; from 400 to 430 s nobody says one; busan's coin is silent for ten
    seconds.
    """
    chance = np.random.default_rng(5)
    seconds = np.arange(0, 600)
    rate = 1_400 + np.cumsum(chance.normal(0, 0.4, len(seconds)))
    halves = np.arange(0, 600, 0.5)
    coin = 65_000 * np.cumprod(1 + chance.normal(0, 5e-5, len(halves)))
    found = {}
    for number, venue in enumerate(VENUES):
        is_korean = venue != "world"
        basis = chance.normal(0, 8e-4, len(halves)) + (0.012 if is_korean else 0)
        price = coin * (1 + basis) * (np.repeat(rate, 2) if is_korean else 1)
        step = 1_000 if is_korean else 0.01
        bid = np.round(price / step) * step
        size = chance.uniform(0.01, 0.2, len(halves)).round(4)
        quotes = Quotes(START_NS + (halves * 1e9).astype(np.int64) + (number + 1) * 110_000_007, bid, bid + step, size)
        if venue == "busan":
            keep = (halves < 300) | (halves >= 310)
            quotes = Quotes(*(column[keep] for column in (quotes.ts, quotes.bid, quotes.ask, quotes.size)))
        found[venue, "BTC-KRW" if is_korean else "BTC-USDT"] = quotes
        if is_korean:
            said = np.round(rate * (1 + number * 2e-4), 1) + 0.1 * number
            if venue == "seoul":
                said = np.where((seconds >= 200) & (seconds < 250), np.round(said * 1.07, 1), said)
            keep = (seconds < 400) | (seconds >= 430)
            ts = START_NS + seconds * SECOND_NS + (number + 1) * 170_000_003
            sizes = np.full(len(seconds), 1_000.0)
            columns = (ts, said, said + 0.2 + 0.1 * number, sizes)
            found[venue, "USDT-KRW"] = Quotes(*(column[keep] for column in columns))
    return found


def write(path: Path, quotes: dict[tuple[str, str], Quotes]) -> Path:
    rows = [
        (int(ts), venue, symbol, bid, ask, size)
        for (venue, symbol), one in quotes.items()
        for ts, bid, ask, size in zip(one.ts, one.bid, one.ask, one.size, strict=True)
    ]
    ts, venue, symbol, bid, ask, size = zip(*sorted(rows), strict=True)
    columns = {"ts_ns": ts, "exchange": venue, "symbol": symbol, "bid": bid, "bid_size": size, "ask": ask}
    pq.write_table(pa.table({**columns, "ask_size": size}), path)
    return path


@attrs.frozen
class Rated:
    """The rate at some times: what one KRW is sold and bought for in USDT; it is good, disputed or old."""

    bid: Floats
    ask: Floats
    state: npt.NDArray[np.str_]


def rated(quotes: dict[tuple[str, str], Quotes], ns: npt.NDArray[np.int64]) -> Rated:
    """Compute the rate anew at each time, by the sources as they stand: no memory is needed for this market."""
    said = [quotes[venue, "USDT-KRW"].at(ns) for venue in ("busan", "seoul")]
    bids, asks = np.array([1 / ask for _, ask, *_ in said]), np.array([1 / bid for bid, *_ in said])
    fresh = np.array([ns - came <= RATE_AGE_NS for *_, came in said])
    middles = np.where(fresh, (bids + asks) / 2, np.nan)
    with np.errstate(all="ignore"), catch_warnings():
        simplefilter("ignore", RuntimeWarning)  # where no source counts
        median = np.nanmedian(middles, axis=0)
        near = np.abs(middles / median - 1) * 1e4 <= OUTLIER_BPS
        bid, ask = (np.nanmedian(np.where(near, side, np.nan), axis=0) for side in (bids, asks))
    state = np.where(~fresh.any(axis=0), "old", np.where(2 * near.sum(axis=0) > fresh.sum(axis=0), "good", "disputed"))
    return Rated(bid, ask, state)


def instants(quotes: dict[tuple[str, str], Quotes]) -> npt.NDArray[np.int64]:
    """Return all times at which anything of a survey may change, between the first and the last quote of the coin."""
    coins = [one.ts for (_, symbol), one in quotes.items() if symbol != "USDT-KRW"]
    money = [one.ts for (_, symbol), one in quotes.items() if symbol == "USDT-KRW"]
    aged = [ts + COIN_AGE_NS for ts in coins] + [ts + RATE_AGE_NS + 1 for ts in money]
    every, known = np.unique(np.concatenate([*coins, *money, *aged])), np.concatenate(coins)
    found: npt.NDArray[np.int64] = every[(every >= known.min()) & (every <= known.max())]
    return found


def weighted_median(values: Floats, weights: npt.NDArray[np.int64]) -> float:
    order = np.argsort(values)
    return float(values[order][np.cumsum(weights[order]).searchsorted(weights.sum() / 2)])


@pytest.fixture(scope="module")
def surveyed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[tuple[str, str], Quotes], dict[str, Any]]:
    folder, quotes = tmp_path_factory.mktemp("survey"), market()
    (folder / "c.toml").write_text(CONFIG)
    write(folder / "q.parquet", quotes)
    ran = CommandLine(folder=folder)("survey", "c.toml", "--quotes", "q.parquet", "--json", "--no-replay")
    assert ran.code == 0, ran.err
    return quotes, dict(json.loads(ran.out))


@pytest.mark.parametrize(("buy", "sell"), list(permutations(VENUES, 2)))
def test_a_survey_agrees_with_a_computation_of_its_own(
    surveyed: tuple[dict[tuple[str, str], Quotes], dict[str, Any]], buy: str, sell: str
) -> None:
    quotes, found = surveyed
    (one,) = (one for one in found["routes"] if (one["buy_venue"], one["sell_venue"]) == (buy, sell))
    ns = instants(quotes)
    lasts = np.diff(ns)
    ns = ns[:-1]
    rate, coin = rated(quotes, ns), {venue: "BTC-USDT" if venue == "world" else "BTC-KRW" for venue in VENUES}
    bid, _, bid_size, sold_ns = quotes[sell, coin[sell]].at(ns)
    _, ask, ask_size, bought_ns = quotes[buy, coin[buy]].at(ns)
    middle = (rate.bid + rate.ask) / 2
    sale, purchase = (1.0 if sell == "world" else rate.bid), (1.0 if buy == "world" else rate.ask)
    dearer = (1.0 if sell == "world" else middle / rate.bid) * (1.0 if buy == "world" else rate.ask / middle)

    fresh = (ns - np.minimum(sold_ns, bought_ns) < COIN_AGE_NS) & ~np.isnan(bid) & ~np.isnan(ask)
    good = fresh & (rate.state == "good")
    assert one["fresh_seconds"] == pytest.approx(lasts[good].sum() / 1e9)
    for state in ("old", "disputed"):
        seconds = lasts[fresh & (rate.state == state)].sum() / 1e9
        assert seconds > 20
        assert one[f"rate_{state}_seconds"] == pytest.approx(seconds)

    ratio = bid * sale / (ask * purchase)
    gross = 1e4 * (ratio * dearer - 1)
    assert one["gross_p50_bps"] == pytest.approx(weighted_median(gross[good], lasts[good]), abs=0.11)
    assert one["gross_highest_bps"] == pytest.approx(gross[good].max(), abs=1e-6)
    assert one["fx_in_bps"] == pytest.approx(1e4 * (weighted_median(dearer[good], lasts[good]) - 1), abs=0.11)
    keep, cost = 1 - FEES[sell], 1 + FEES[buy]
    net = 1e4 * (ratio * keep / cost - 1)
    assert one["share_above_zero"] == pytest.approx(lasts[good & (net > 0)].sum() / lasts[good].sum())

    back = next(other for other in found["routes"] if (other["sell_venue"], other["buy_venue"]) == (buy, sell))
    parts = [one["fees_in_bps"], one["fees_out_bps"], one["crossing_bps"], one["fx_in_bps"], one["fx_out_bps"]]
    assert one["crossing_bps"] == pytest.approx(-back["gross_p50_bps"])
    assert one["fx_out_bps"] == back["fx_in_bps"]
    assert one["break_even_gross_bps"] == pytest.approx(sum(parts))

    above = good & (net > 0)
    begins = above & ~np.concatenate(([False], above[:-1]))
    assert one["one_way_chances"] == begins.sum()
    assert one["one_way_chances_lasting"] <= begins.sum()
    size = np.minimum(bid_size, ask_size)
    profit = size * (bid * sale * keep - ask * purchase * cost)
    run = np.cumsum(begins)[above]
    best = [profit[above][run == number].max() for number in range(1, begins.sum() + 1)]
    assert one["one_way_perfect_taker_usd"] == pytest.approx(sum(best))


def test_a_survey_says_of_which_rates_it_is(
    surveyed: tuple[dict[tuple[str, str], Quotes], dict[str, Any]], trioarb: CommandLine
) -> None:
    quotes, found = surveyed
    rate = found["rates"]["KRW"]
    assert rate["common"] == "USDT"
    assert rate["old_seconds"] == pytest.approx(27.2, abs=1)
    assert rate["disputed_seconds"] == pytest.approx(50, abs=1)

    (trioarb.folder / "c.toml").write_text(CONFIG)
    write(trioarb.folder / "q.parquet", quotes)
    said = trioarb("survey", "c.toml", "--quotes", "q.parquet", "--no-replay").out
    assert "for the rate's bid and ask in and out" in said
    assert "left out while it was not: old for 27.83 s, disputed for 50.00 s" in said
