"""`trioarb survey`: sets with known answers, and real ones held against a computation of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command import SPREAD, CommandLine, Ran

from trioarb.quotes.levels_file import levels_path

SECOND_NS = 10**9
START_NS = 1_700_000_000 * SECOND_NS
QUOTES = Path(__file__).parents[3] / "shared" / "data" / "quotes"

CONFIG = """
[session]
clock = "virtual"
loop_interval_ms = 0

[universe]
source = "recorded"
mode = "FULL_MARKET"

[exchanges.a]
taker_fee_bps = {fee_a}
account = "margin"
consumed = "until_next_quote"  # the sizes of these quotes never change
max_borrow_usd = 100_000
balances = {{ USDT = "100000" }}

[exchanges.b]
taker_fee_bps = {fee_b}
account = "margin"
consumed = "until_next_quote"  # the sizes of these quotes never change
max_borrow_usd = 100_000
balances = {{ USDT = "100000" }}

[strategy]
entry_bps = 12
exit_bps = -11
max_quote_age_ms = 3_000

[guards.symbol]
cooldown_seconds = 1
max_symbol_daily_loss_usd = 100_000
"""


def survey(trioarb: CommandLine, quotes: Path, *arguments: str, fees: tuple[float, float] = (4, 4)) -> Ran:
    (trioarb.folder / "c.toml").write_text(CONFIG.format(fee_a=fees[0], fee_b=fees[1]))
    return trioarb("survey", "c.toml", "--quotes", quotes, *arguments)


def found(trioarb: CommandLine, quotes: Path, *arguments: str, **options: Any) -> dict[str, Any]:
    ran = survey(trioarb, quotes, "--json", *arguments, **options)
    assert ran.code == 0, ran.err
    return dict(json.loads(ran.out))


def write(
    path: Path, seconds: int, bid_b: Callable[[int], float], *, spread: float = 0.02, every_ms: int = 100
) -> Path:
    """Write two venues' quotes of BTC: a bids 100.00, b what a function of the time in ms says."""
    times = range(0, seconds * 1_000, every_ms)
    rows = [(START_NS + ms * 10**6 + venue, venue, (100.0, bid_b(ms))[venue]) for ms in times for venue in (0, 1)]
    bids = np.array([bid for *_, bid in rows])
    columns = {
        "ts_ns": [ts for ts, *_ in rows],
        "exchange": ["ab"[venue] for _, venue, _ in rows],
        "symbol": ["BTC-USDT"] * len(rows),
        "bid": bids,
        "bid_size": np.full(len(rows), 2.0),
        "ask": np.round(bids + spread, 8),
        "ask_size": np.full(len(rows), 3.0),
    }
    pq.write_table(pa.table(columns), path)
    return path


def route(survey: dict[str, Any], buy: str) -> dict[str, Any]:
    (one,) = (one for one in survey["routes"] if one["buy_venue"] == buy)
    return dict(one)


def test_chances_that_last_pay(trioarb: CommandLine, tmp_path: Path) -> None:
    """For half a second in every five b is 50 bps dearer; it takes 16 bps of fees and 2 of spread to get in and out."""
    quotes = write(tmp_path / "q.parquet", 600, lambda ms: 100.5 if ms % 5_000 < 500 else 100.0)

    all_of_it = found(trioarb, quotes)
    one = route(all_of_it, "a")

    assert all_of_it["verdict"] == one["verdict"] == "pays"
    assert one["chances"] == one["chances_lasting"] == 120
    assert one["chance_half_life_ms"] == pytest.approx(500)
    assert one["share_above_break_even"] == pytest.approx(0.1, rel=1e-3)
    assert one["gross_highest_bps"] == pytest.approx(1e4 * (100.5 / 100.02 - 1))
    assert one["fees_in_bps"] == pytest.approx(8.0, abs=0.01)
    assert one["break_even_gross_bps"] == pytest.approx(8 + 8 + 2, abs=0.1)
    # Each chance once: two coins, bought at 100.02 and sold at 100.50, a fee of 4 bps on both.
    assert one["perfect_taker_usd"] == pytest.approx(120 * 2 * (100.5 * 0.9996 - 100.02 * 1.0004))
    assert one["chance_notional_usd"] == pytest.approx(200.04)
    assert route(all_of_it, "b")["verdict"] == "can't pay"
    assert all_of_it["campaign"]["trades"] > 100
    assert all_of_it["campaign"]["pnl_usd"] > 0


def test_chances_that_are_gone_before_an_order_arrives_do_not(trioarb: CommandLine, tmp_path: Path) -> None:
    quotes = write(tmp_path / "q.parquet", 600, lambda ms: 100.5 if ms % 10_000 < 50 else 100.0, every_ms=50)

    fast, slow = found(trioarb, quotes, "--no-replay", "--latency-ms=20"), found(trioarb, quotes, "--no-replay")

    assert (fast["verdict"], slow["verdict"]) == ("pays", "can't pay")
    assert route(slow, "a")["why"] == "60 chances, all shorter than 100 ms"
    assert "campaign" not in slow


def test_what_only_resting_orders_could_earn_is_said_so(trioarb: CommandLine, tmp_path: Path) -> None:
    """b goes 30 bps up and down around a, and both have a spread of 40: takers never get it, resting orders do."""
    quotes = write(tmp_path / "q.parquet", 600, lambda ms: 100.3 if ms % 5_000 < 2_000 else 99.7, spread=0.4)

    one = found(trioarb, quotes, "--no-replay")

    assert one["verdict"] == "pays only for makers"
    assert route(one, "a")["chances"] == 0
    assert route(one, "a")["maker_share"] == pytest.approx(0.4, abs=0.01)


def test_a_market_that_never_pays_is_said_so_with_what_that_means(trioarb: CommandLine, tmp_path: Path) -> None:
    quotes = write(tmp_path / "q.parquet", 600, lambda ms: 100.0)

    one = found(trioarb, quotes, "--no-replay")

    assert one["verdict"] == "can't pay"
    assert route(one, "a")["why"] == "no chance; with 95 % certainty fewer than 18.0 an hour"
    assert "chance_half_life_ms" not in route(one, "a")  # what isn't known is left out


def test_too_little_data_is_no_verdict_and_says_what_is_missing(trioarb: CommandLine, tmp_path: Path) -> None:
    short = found(trioarb, write(tmp_path / "short.parquet", 60, lambda ms: 100.0), "--no-replay")
    rare = write(tmp_path / "rare.parquet", 600, lambda ms: 100.5 if 300_000 <= ms < 301_000 else 100.0)

    assert short["verdict"] == "not enough data"
    assert route(short, "a")["why"] == ("both quotes were fresh for 60 of 300 s; a venue brought 600 of 1,000 quotes")
    assert route(found(trioarb, rare, "--no-replay"), "a")["why"] == (
        "1 chance of 100 ms and longer; 30 take about 5.0 h of such data"
    )


def test_it_is_a_table_for_people_and_parquet_for_programs(trioarb: CommandLine, tmp_path: Path) -> None:
    quotes = write(tmp_path / "q.parquet", 600, lambda ms: 100.5 if ms % 5_000 < 500 else 100.0)

    ran = survey(trioarb, quotes, "--parquet", "routes.parquet")

    assert ran.code == 0
    assert ran.err == ""
    assert "BTCUSDT a → b" in ran.out
    *table, last = ran.out.splitlines()
    assert last == "In all: pays (1 pays, 1 can't pay)."
    trips, stock = (index for index, line in enumerate(table) if line.startswith("route "))
    assert table[trips - 2] == "Round trips: in, and out again later; gross edges in bps"
    assert table[stock - 2] == "From stock: in, and left at that"
    assert max(map(len, table[trips - 1 : stock + 3])) <= 100
    kept = pq.read_table(tmp_path / "routes.parquet").to_pylist()
    known = [{name: value for name, value in row.items() if value is not None} for row in kept]
    assert known == found(trioarb, quotes, "--no-replay")["routes"]


def with_second_levels(path: Path, step: float) -> Path:
    """Write a second level beside quotes: 100 coins, so much further from the middle."""
    quotes = pq.read_table(path).to_pydict()
    count = len(quotes["ts_ns"])
    columns = {
        "ts_ns": quotes["ts_ns"],
        "bid_2": np.round(np.array(quotes["bid"]) - step, 8),
        "bid_size_2": np.full(count, 100.0),
        "ask_2": np.round(np.array(quotes["ask"]) + step, 8),
        "ask_size_2": np.full(count, 100.0),
    }
    pq.write_table(pa.table(columns), levels_path(path))
    return path


def test_slippage_at_the_size_is_part_of_break_even(trioarb: CommandLine, tmp_path: Path) -> None:
    """Of ten coins, two (to sell) and three (to buy) are at the best price; the others 2 or 60 bps beyond."""
    near, far = (
        with_second_levels(
            write(tmp_path / f"{name}.parquet", 600, lambda ms: 100.5 if ms % 5_000 < 500 else 100.0), step
        )
        for name, step in (("near", 0.02), ("far", 0.6))
    )

    deep = "--set=engine.depth=2", "--no-replay"
    one = route(found(trioarb, near, *deep), "a")
    other = route(found(trioarb, far, *deep), "a")
    unknown = route(found(trioarb, near, "--no-replay"), "a")

    assert one["slippage_in_bps"] == pytest.approx(7 / 10 * 2 + 8 / 10 * 2, abs=0.1)
    assert one["slippage_out_bps"] == pytest.approx(one["slippage_in_bps"], abs=0.1)
    assert one["break_even_gross_bps"] == pytest.approx(8 + 8 + 2 + 3 + 3, abs=0.3)
    assert one["one_way_break_even_gross_bps"] == pytest.approx(8 + 3, abs=0.2)
    assert (one["verdict"], one["one_way_verdict"]) == ("pays", "pays")
    assert other["chances"] == other["one_way_chances"] == 0
    assert "pays" not in (other["verdict"], other["one_way_verdict"])
    assert "slippage_in_bps" not in unknown
    assert unknown["break_even_gross_bps"] == pytest.approx(8 + 8 + 2, abs=0.1)


def test_what_pays_from_stock_alone_has_a_verdict_of_its_own(trioarb: CommandLine, tmp_path: Path) -> None:
    """b is 12 bps dearer half of the time: more than the 8 bps of one way, less than the 18 bps and more of a trip."""
    quotes = write(tmp_path / "q.parquet", 600, lambda ms: 100.14 if ms % 10_000 < 5_000 else 100.0)

    all_of_it = found(trioarb, quotes, "--no-replay")
    one, people = route(all_of_it, "a"), survey(trioarb, quotes, "--no-replay").out.splitlines()

    assert one["verdict"] != "pays"
    assert one["one_way_verdict"] == all_of_it["one_way_verdict"] == "pays"
    assert one["one_way_chances"] == one["one_way_chances_lasting"] == 60
    assert one["one_way_why"] == "60 chances of 100 ms and longer, 360.1 an hour"  # of 599.9 s
    assert people[-2].startswith("From stock: pays (1 pays,")
    assert people[-1].startswith("In all: ")


def test_markets_are_recorded_first_in_virtual_time_if_that_can_be(trioarb: CommandLine) -> None:
    venue = 'market = { plugin = "dummy" }\nbalances = { USDT = "100000" }\ninventory_usd_per_symbol = 1_000\n'
    universe = '[universe]\nmode = "TOP_N"\ntop_n = 2\nblacklist = ["USDCUSDT", "BUSDUSDT"]\n'
    (trioarb.folder / "c.toml").write_text(f"{universe}[exchanges.a]\n{venue}[exchanges.b]\n{venue}")
    ran = trioarb("survey", "c.toml", "--hours=0.1", "--keep=kept", "--json", "--no-replay")
    kept = trioarb("survey", "c.toml", "--quotes=kept", "--json", "--no-replay")
    endless = trioarb("survey", "c.toml", "--set=session.clock=virtual")

    assert endless.code == 2
    assert endless.error.startswith("exchanges.a.market: its quotes aren't recorded")
    assert ran.code == 0, ran.err
    assert ran.out == kept.out
    assert json.loads(ran.out)["quotes"] > 5_000


def test_what_does_not_go_is_an_error(trioarb: CommandLine, tmp_path: Path) -> None:
    quotes = write(tmp_path / "q.parquet", 10, lambda ms: 100.0)
    both = survey(trioarb, quotes, "--hours=1")
    market = f'market = {{ plugin = "recorded", path = "{quotes}", exchange = "a" }}'
    live = CONFIG.format(fee_a=1, fee_b=1).replace('"virtual"', '"real"')
    (trioarb.folder / "live.toml").write_text(live.replace("taker_fee_bps", f"{market}\ntaker_fee_bps"))
    neither = trioarb("survey", "live.toml")

    assert (both.code, neither.code) == (2, 2)
    assert both.error == "--hours: not together with --quotes, which are recorded already"
    assert "give them with --quotes, or let them be recorded first with --hours" in neither.err


@pytest.mark.parametrize("given", [("--hours=1", "--keep=kept"), ()], ids=["recorded first", "as configured"])
def test_a_strategy_without_routes_is_refused_before_anything_is_looked_at(
    trioarb: CommandLine, given: tuple[str, ...]
) -> None:
    loops = trioarb("survey", SPREAD.with_name("triangular.toml"), *given)
    assert loops.code == 2
    assert not (trioarb.folder / "kept").exists()
    assert "strategy.plugin: goes around symbols of one venue; a survey looks at routes between venues" in loops.err


@pytest.mark.parametrize(
    ("name", "config", "venues"),
    [
        ("binance_venues_20240808", "binance_spot_usdm", {"spot": "BINANCE", "usdm": "BINANCE_USDM"}),
        ("gateio_mexc_lunc_20251011", "lunc_gateio_mexc", {"gateio": "GATEIO_FUTURES", "mexc": "MEXC"}),
    ],
)
def test_real_quotes_give_what_another_computation_does(
    trioarb: CommandLine, name: str, config: str, venues: dict[str, str]
) -> None:
    path = QUOTES / f"{name}.parquet"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    ran = trioarb(
        "survey",
        Path(__file__).parents[2] / "configs" / f"{config}.toml",
        *("--set", f"exchanges.*.market.path={path}", "--json", "--no-replay"),
    )
    assert ran.code == 0, ran.err
    answer = json.loads(ran.out)
    rows = pq.read_table(path).to_pydict()
    fees = {"spot": 10, "usdm": 5, "gateio": 5, "mexc": 5}
    max_age_ns = 3 * SECOND_NS if config == "lunc_gateio_mexc" else SECOND_NS
    assert answer["verdict"] != "pays"
    for one in answer["routes"]:
        names = venues[one["buy_venue"]], venues[one["sell_venue"]]
        expected = recomputed(
            rows,
            one["symbol"],
            *names,
            fees[one["buy_venue"]],
            fees[one["sell_venue"]],
            max_age_ns,
            one["break_even_gross_bps"],
        )
        # Half of the ways out cost no more than what break-even says, to a tenth of a bp.
        back = recomputed(rows, one["symbol"], *names[::-1], 0, 0, max_age_ns, 0.0)
        assert one["crossing_bps"] == pytest.approx(-back["gross_p50_bps"], abs=0.1)
        assert one["fresh_seconds"] == pytest.approx(expected["fresh_seconds"])
        for key in ("gross_p5_bps", "gross_p50_bps", "gross_p99_bps"):
            assert one[key] == pytest.approx(expected[key], abs=0.1), key
        keys = ("gross_highest_bps", "share_above_zero", "one_way_chances", "one_way_perfect_taker_usd")
        for key in (*keys, "chances", "perfect_taker_usd"):
            assert one[key] == pytest.approx(expected[key], abs=1e-9), key


def recomputed(
    rows: dict[str, list[Any]],
    symbol: str,
    buy: str,
    sell: str,
    fee_buy: float,
    fee_sell: float,
    max_age_ns: int,
    break_even_bps: float,
) -> dict[str, float]:
    """Compute a route's figures from a step function of its venues' quotes, over the union of all of their times."""
    chosen = [
        index
        for index, (venue, name) in enumerate(zip(rows["exchange"], rows["symbol"], strict=True))
        if name.replace("-", "") == symbol and venue in (buy, sell)
    ]
    ts = np.array([rows["ts_ns"][index] for index in chosen])

    def latest(venue: str, column: str) -> tuple[Any, Any]:
        own = np.array([index for index in chosen if rows["exchange"][index] == venue])
        came = np.array([rows["ts_ns"][index] for index in own])
        at = np.searchsorted(own, chosen, side="right") - 1
        values = np.array([rows[column][index] for index in own])
        return np.where(at >= 0, values[at], np.nan), np.where(at >= 0, came[at], -(10**18))

    bid, bid_came = latest(sell, "bid")
    ask, ask_came = latest(buy, "ask")
    size = np.minimum(latest(sell, "bid_size")[0], latest(buy, "ask_size")[0])
    until = np.append(ts[1:], ts[-1])
    ends = np.minimum(until, np.minimum(bid_came, ask_came) + max_age_ns)
    lasts = np.maximum(ends - ts, 0)
    usable = (lasts > 0) & ~np.isnan(bid) & ~np.isnan(ask)
    gross = 1e4 * (bid / ask - 1)
    net = bid * (1 - fee_sell / 1e4) - ask * (1 + fee_buy / 1e4)
    above, round_trip = usable & (net > 0), usable & (gross > break_even_bps)
    one_way_count, one_way_profit = chances(above, lasts, ts, ends, net * size)
    count, profit = chances(round_trip, lasts, ts, ends, net * size)
    return {
        "fresh_seconds": lasts[usable].sum() / SECOND_NS,
        "gross_highest_bps": gross[usable].max(),
        "share_above_zero": lasts[above].sum() / lasts[usable].sum(),
        **{f"gross_p{share}_bps": weighted(gross[usable], lasts[usable], share / 100) for share in (5, 50, 99)},
        "one_way_chances": one_way_count,
        "one_way_perfect_taker_usd": one_way_profit,
        "chances": count,
        "perfect_taker_usd": profit,
    }


def chances(above: Any, lasts: Any, ts: Any, ends: Any, profit: Any) -> tuple[int, float]:
    """Go through the times above a level one by one; those of no length are passed over."""
    count, total, best, ended_at = 0, 0.0, 0.0, -1
    for index in range(len(ts)):
        if not lasts[index]:
            continue
        if above[index] and ended_at == ts[index]:
            best = max(best, profit[index])
        elif above[index]:
            count, total, best = count + 1, total + best, profit[index]
        if above[index]:
            ended_at = ends[index]
    return count, total + best


def weighted(values: Any, weights: Sequence[int], share: float) -> float:
    order = np.argsort(values)
    passed = np.cumsum(np.array(weights)[order])
    return float(values[order][np.searchsorted(passed, share * passed[-1])])
