from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from itertools import islice, pairwise
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from trioarb.api import (
    Listing,
    MarketContext,
    MarketData,
    MarketDataError,
    SourceContext,
    Tape,
    TapeRow,
    exact_decimal,
)
from trioarb.builtin import dummy

START_NS = 1_700_000_000_000_000_000
STEP_NS = 250_000_000
TOP_TEN = [
    "BTCUSDT",
    "ETHUSDT",
    "BUSDUSDT",
    "USDCUSDT",
    "BNBUSDT",
    "SOLUSDT",
    "XRPUSDT",
    "DOGEUSDT",
    "ADAUSDT",
    "MATICUSDT",
]
STABLE = ["BUSDUSDT", "USDCUSDT"]

Prices = tuple[float, float, float, float]


def open_market(venue: str = "a", seed: int = 7, **keys: object) -> AbstractAsyncContextManager[MarketData]:
    (spec,) = dummy.trioarb_market_data()
    values = {key: value if isinstance(value, bool) else Decimal(str(value)) for key, value in keys.items()}
    return spec.open(spec.settings(**values), MarketContext(venue=venue, seed=seed))


async def make_tape(venue: str = "a", seed: int = 7, **keys: object) -> Tape:
    async with open_market(venue, seed, **keys) as market:
        assert isinstance(market, Tape)
        return market


async def source_listings() -> list[Listing]:
    (spec,) = dummy.trioarb_symbol_sources()
    async with spec.open(spec.settings(), SourceContext(markets={})) as source:
        return list(await source.listings())


def take(tape: Tape, symbols: list[str], steps: int) -> list[TapeRow]:
    return list(islice(tape.rows(symbols, START_NS), steps * len(symbols)))


def by_symbol(rows: Iterable[TapeRow]) -> Mapping[str, list[tuple[int, Prices]]]:
    found: dict[str, list[tuple[int, Prices]]] = {}
    for ts_ns, _, symbol, bid, bid_size, ask, ask_size in rows:
        found.setdefault(symbol, []).append((ts_ns, (bid, bid_size, ask, ask_size)))
    return found


def mids(tape: Tape, symbol: str, steps: int) -> list[float]:
    return [(bid + ask) / 2 for _, _, _, bid, _, ask, _ in take(tape, [symbol], steps)]


async def test_source_lists_the_sample_symbols_in_no_order_of_volume() -> None:
    listings = await source_listings()
    assert len({listing.symbol for listing in listings}) == len(listings)
    assert all(listing.symbol == listing.base + listing.quote for listing in listings)
    assert {"USDT", "BTC", "KRW", "EUR"} == {listing.quote for listing in listings}
    volumes = [listing.volume_24h_quote or Decimal(0) for listing in listings]
    assert volumes != sorted(volumes, reverse=True)


async def test_the_largest_usdt_symbols_come_first_by_volume() -> None:
    usdt = [listing for listing in await source_listings() if listing.quote == "USDT"]
    assert any(listing.volume_24h_quote is None for listing in usdt)
    ranked = sorted(usdt, key=lambda listing: listing.volume_24h_quote or Decimal(0), reverse=True)
    assert [listing.symbol for listing in ranked[:10]] == TOP_TEN
    assert len(usdt) == 120


async def test_market_quotes_what_the_source_lists_and_has_rules_for_it() -> None:
    tape = await make_tape()
    assert list(await tape.listings()) == await source_listings()
    assert tape.start_ns is None
    for listing in await tape.listings():
        rules = tape.rules(listing.symbol)
        assert rules is not None
        assert min(rules.tick_size, rules.lot_size, rules.min_notional) > 0
    assert tape.rules("NOSUCH") is None


async def test_rows_come_in_order_of_time_and_each_symbol_once_a_step() -> None:
    rows = take(await make_tape(), TOP_TEN, 3)
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    for symbol, quotes in by_symbol(rows).items():
        phase = quotes[0][0] - START_NS
        assert 0 <= phase < STEP_NS
        assert [ts_ns - START_NS for ts_ns, _ in quotes] == [phase, phase + STEP_NS, phase + 2 * STEP_NS], symbol


async def test_symbols_and_venues_do_not_quote_in_unison() -> None:
    first = take(await make_tape("a"), TOP_TEN, 1) + take(await make_tape("b"), TOP_TEN, 1)
    assert len({row[0] for row in first}) == len(first)


async def test_step_ms_sets_the_time_between_quotes() -> None:
    rows = take(await make_tape(step_ms="12.5"), ["BTCUSDT"], 3)
    assert [after[0] - before[0] for before, after in pairwise(rows)] == [12_500_000, 12_500_000]


async def test_symbols_that_are_not_in_the_table_have_no_rows() -> None:
    tape = await make_tape()
    assert {row[2] for row in islice(tape.rows(["NOSUCH", "BTCUSDT"], START_NS), 5)} == {"BTCUSDT"}
    assert list(tape.rows(["NOSUCH"], START_NS)) == []


async def test_same_seed_and_venue_give_the_same_rows() -> None:
    first, second = await make_tape(), await make_tape()
    rows = take(first, TOP_TEN, 200)
    assert rows == take(second, TOP_TEN, 200)
    assert rows == take(first, TOP_TEN, 200)


async def test_rows_are_the_same_on_every_machine() -> None:
    # A new digest here is a new market for every user's seed: the changelog has to say so.
    symbols = [listing.symbol for listing in await source_listings()][:29]  # a seed's market stays when others come
    digest = hashlib.sha256()
    for row in take(await make_tape(), symbols, 500):
        digest.update(repr(row).encode())
    assert digest.hexdigest()[:16] == "476f2d57261e4357"


@pytest.mark.parametrize("other", [{"seed": 8}, {"venue": "b"}])
async def test_other_seeds_and_other_venues_quote_otherwise(other: dict[str, Any]) -> None:
    rows = by_symbol(take(await make_tape(), TOP_TEN, 50))
    others = by_symbol(take(await make_tape(**other), TOP_TEN, 50))
    assert all(rows[symbol] != others[symbol] for symbol in TOP_TEN)


SAMPLE_SYMBOLS = [listing.symbol for listing in trio.run(source_listings)]
EXPECTED = by_symbol(take(trio.run(make_tape), SAMPLE_SYMBOLS, 40))


@settings(max_examples=30)
@given(symbols=st.lists(st.sampled_from(SAMPLE_SYMBOLS), unique=True, min_size=1))
def test_a_symbol_has_the_same_quotes_whatever_is_watched_beside_it(symbols: list[str]) -> None:
    rows = by_symbol(take(trio.run(make_tape), symbols, 40))
    assert rows == {symbol: EXPECTED[symbol] for symbol in symbols}


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**64),
    step_ms=st.decimals("0.01", 5000, places=2),
    volatility_bps=st.decimals(0, 5000, places=1),
    basis_bps=st.decimals(0, 30_000, places=1),
    spread_bps=st.decimals(0, 30_000, places=1),
    size_usd=st.decimals("0.01", 10**9, places=2),
    half_life=st.decimals("0.001", 10**6, places=3),
)
def test_quotes_stand_on_ticks_and_lots_whatever_the_settings(
    seed: int,
    step_ms: Decimal,
    volatility_bps: Decimal,
    basis_bps: Decimal,
    spread_bps: Decimal,
    size_usd: Decimal,
    half_life: Decimal,
) -> None:
    async def check() -> None:
        tape = await make_tape(
            seed=seed,
            step_ms=step_ms,
            volatility_bps=volatility_bps,
            basis_bps=basis_bps,
            spread_bps=spread_bps,
            size_usd=size_usd,
            basis_half_life_seconds=half_life,
        )
        for _, _, symbol, bid, bid_size, ask, ask_size in take(tape, SAMPLE_SYMBOLS, 10):
            rules = tape.rules(symbol)
            assert rules is not None
            assert exact_decimal(bid) % rules.tick_size == 0
            assert exact_decimal(ask) % rules.tick_size == 0
            assert exact_decimal(bid) > 0
            assert exact_decimal(ask) - exact_decimal(bid) >= rules.tick_size
            for size in (exact_decimal(bid_size), exact_decimal(ask_size)):
                assert size >= rules.lot_size
                assert size % rules.lot_size == 0

    trio.run(check)


async def test_without_a_basis_venues_differ_by_rounding_only() -> None:
    a, b = await make_tape("a", basis_bps=0, spread_bps=0), await make_tape("b", basis_bps=0, spread_bps=0)
    assert mids(a, "BTCUSDT", 500) == mids(b, "BTCUSDT", 500)


@pytest.mark.parametrize("steps_ms", [(250, 100), (250, 1000), (70, 400)])
async def test_venues_with_different_steps_agree_about_the_common_price(steps_ms: tuple[int, int]) -> None:
    # The common price moves every quarter of a second, whatever the venues' steps.
    first, second = [
        dict(zip(((row[0] - START_NS) // STEP_NS for row in rows), rows, strict=True))
        for step_ms in steps_ms
        for rows in [take(await make_tape(step_ms=step_ms, basis_bps=0, spread_bps=0), ["BTCUSDT"], 2000)]
    ]
    common = sorted(first.keys() & second.keys())
    assert len(common) >= 50
    assert [first[move][3] for move in common] == [second[move][3] for move in common]


async def test_prices_move_and_venues_stay_together() -> None:
    hour = 4 * 3600
    for symbol in ("BTCUSDT", "DOGEUSDT"):
        a, b = mids(await make_tape("a"), symbol, hour), mids(await make_tape("b"), symbol, hour)
        assert max(a) / min(a) > 1.002
        assert max(abs(x / y - 1) for x, y in zip(a, b, strict=True)) < 0.01
        assert abs(sum(x / y - 1 for x, y in zip(a, b, strict=True)) / hour) < 0.0002


@pytest.mark.parametrize("symbol", STABLE)
async def test_stablecoin_pairs_move_a_little(symbol: str) -> None:
    prices = mids(await make_tape(), symbol, 4 * 3600)
    assert len(set(prices)) > 2
    assert 1 < max(prices) / min(prices) < 1.01


async def test_sizes_and_spreads_vary_about_their_means() -> None:
    rows = take(await make_tape(), ["BTCUSDT"], 20_000)
    spreads = [(ask / bid - 1) * 10_000 for _, _, _, bid, _, ask, _ in rows]
    sizes = [bid * size for _, _, _, bid, size, *_ in rows] + [ask * size for *_, ask, size in rows]
    assert sum(spreads) / len(spreads) == pytest.approx(1, rel=0.05)
    assert max(spreads) > 1.4
    assert min(spreads) < 0.6
    assert sum(sizes) / len(sizes) == pytest.approx(4000, rel=0.05)
    assert max(sizes) > 8000
    assert min(sizes) < 500


async def test_defaults_earn_ten_bps_after_fees_now_and_then_and_not_for_long() -> None:
    fee = 0.0004
    steps = 20_000
    symbols = [symbol for symbol in TOP_TEN if symbol not in STABLE]
    a, b = by_symbol(take(await make_tape("a"), symbols, steps)), by_symbol(take(await make_tape("b"), symbols, steps))
    for symbol in symbols:
        passed = [
            max(bid_a / ask_b, bid_b / ask_a) * (1 - fee) / (1 + fee) - 1 >= 0.001
            for (_, (bid_a, _, ask_a, _)), (_, (bid_b, _, ask_b, _)) in zip(a[symbol], b[symbol], strict=True)
        ]
        episodes = sum(now and not before for before, now in pairwise(passed))
        assert 0.05 < sum(passed) / steps < 0.3
        # Mean length in steps of a quarter of a second.
        assert sum(passed) / episodes < 8


async def test_a_cross_costs_what_the_symbols_of_its_assets_make_of_it() -> None:
    symbols, steps = ["BTCUSDT", "ETHBTC", "ETHUSDT"], 40_000
    quiet = {"basis_bps": 0, "volatility_bps": 5}

    def ratios(rows: list[TapeRow]) -> list[float]:
        mid = {
            symbol: [(bid + ask) / 2 for _, (bid, _, ask, _) in quotes] for symbol, quotes in by_symbol(rows).items()
        }
        return [
            cross * btc / eth for cross, btc, eth in zip(mid["ETHBTC"], mid["BTCUSDT"], mid["ETHUSDT"], strict=True)
        ]

    own, crossed = await make_tape(**quiet), await make_tape(**quiet, crosses=True)
    apart, together = ratios(take(own, symbols, steps)), ratios(take(crossed, symbols, steps))
    assert max(apart) / min(apart) > 1.05
    # A tick of ETHBTC is 2 bps, and the three don't quote at the same moment.
    assert max(abs(ratio - 1) for ratio in together) < 0.004
    assert sum(together) / steps == pytest.approx(1, abs=0.00005)
    # Others are as they were, and it all comes anew from the seed.
    assert take(own, ["BTCUSDT", "ETHUSDT"], 500) == take(crossed, ["BTCUSDT", "ETHUSDT"], 500)
    assert take(crossed, symbols, 500) == take(await make_tape(**quiet, crosses=True), symbols, 500)
    assert take(crossed, ["BTCKRW"], 500) == take(own, ["BTCKRW"], 500)


async def test_a_step_longer_than_a_day_is_refused() -> None:
    with pytest.raises(MarketDataError, match="step_ms = 86400001 is more than a day"):
        await make_tape(step_ms=86_400_001)
    (row,) = take(await make_tape(step_ms=86_400_000), ["BTCUSDT"], 1)
    assert START_NS <= row[0] < START_NS + 86_400 * 10**9
