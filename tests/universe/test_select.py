"""The universe: which symbols are taken, in which order, and why."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from trioarb.config.schema import Universe, UniverseMode
from trioarb.errors import UniverseError
from trioarb.model.market import Listing
from trioarb.universe.select import Selection, coverage_warning, select, stablecoin_warning, unknown_warnings


def listing(base: str, volume: str | None = None, quote: str = "USDT") -> Listing:
    return Listing(
        symbol=base + quote, base=base, quote=quote, volume_24h_quote=None if volume is None else Decimal(volume)
    )


LISTED = (
    listing("ETH", "900"),
    listing("BTC", "1000"),
    listing("ETH", "5000", "BTC"),
    listing("BUSD", "700"),
    listing("NEW"),
    listing("SOL", "300"),
    listing("XRP", "300"),
    listing("DOGE", "12.5"),
)


def universe(mode: str, **keys: Any) -> Universe:
    return Universe(mode=UniverseMode(mode), **keys)


def names(selection: Selection) -> list[str]:
    return [item.symbol for item in selection.symbols]


def reasons(selection: Selection, *, is_in: bool) -> dict[str, str]:
    return {verdict.symbol: verdict.reason for verdict in selection.verdicts if verdict.is_in is is_in}


def test_top_n_takes_the_largest_volumes_in_the_base_quote() -> None:
    selection = select(LISTED, universe("TOP_N", top_n=3))

    assert names(selection) == ["BTCUSDT", "ETHUSDT", "BUSDUSDT"]
    assert reasons(selection, is_in=True) == {"BTCUSDT": "rank 1", "ETHUSDT": "rank 2", "BUSDUSDT": "rank 3"}
    assert reasons(selection, is_in=False)["SOLUSDT"] == "rank 4, top_n is 3"
    assert reasons(selection, is_in=False)["ETHBTC"] == "quote asset is BTC, not USDT"


def test_full_market_ranks_unknown_volume_last_and_equal_volumes_as_listed() -> None:
    selection = select(LISTED, universe("FULL_MARKET"))

    assert names(selection) == ["BTCUSDT", "ETHUSDT", "BUSDUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT", "NEWUSDT"]


def test_each_filter_says_why() -> None:
    settings = universe(
        "FULL_MARKET",
        blacklist=("BUSDUSDT",),
        whitelist=("BTCUSDT", "NEWUSDT", "DOGEUSDT", "BUSDUSDT"),
        min_24h_quote_volume=Decimal(1000),
    )
    selection = select(LISTED, settings)

    assert names(selection) == ["BTCUSDT"]
    assert reasons(selection, is_in=False) == {
        "ETHUSDT": "not in the whitelist",
        "ETHBTC": "quote asset is BTC, not USDT",
        "BUSDUSDT": "blacklisted",
        "NEWUSDT": "24 h volume unknown",
        "SOLUSDT": "not in the whitelist",
        "XRPUSDT": "not in the whitelist",
        "DOGEUSDT": "24 h volume 12.5 below 1000",
    }


def test_a_minimum_of_zero_still_drops_unknown_volume() -> None:
    selection = select(LISTED, universe("FULL_MARKET", min_24h_quote_volume=Decimal(0)))

    assert reasons(selection, is_in=False)["NEWUSDT"] == "24 h volume unknown"


def test_a_volume_that_is_not_a_number_is_unknown() -> None:
    selection = select([listing("BTC", "NaN"), listing("ETH", "1")], universe("FULL_MARKET"))

    assert names(selection) == ["ETHUSDT", "BTCUSDT"]
    assert selection.verdicts[1].volume_24h_quote is None


def test_fixed_list_keeps_its_own_order_and_knows_no_other_filter() -> None:
    settings = universe(
        "FIXED_LIST",
        whitelist=("NEWUSDT", "BUSDUSDT", "ETHBTC", "BTCUSDT", "NEWUSDT"),
        blacklist=("BUSDUSDT",),
        min_24h_quote_volume=Decimal(10_000),
    )
    selection = select(LISTED, settings)

    assert names(selection) == ["NEWUSDT", "ETHBTC", "BTCUSDT"]
    assert reasons(selection, is_in=False)["BUSDUSDT"] == "blacklisted"
    assert reasons(selection, is_in=False)["SOLUSDT"] == "not in the whitelist"


def test_single_takes_its_symbol() -> None:
    selection = select(LISTED, universe("SINGLE", symbol="ETHBTC"))

    assert names(selection) == ["ETHBTC"]
    assert reasons(selection, is_in=False)["BTCUSDT"] == "not the symbol ETHBTC"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (universe("SINGLE"), "needs .* symbol"),
        (universe("SINGLE", symbol="BTCUSD"), "does not list 'BTCUSD'; did you mean 'BTCUSDT'"),
        (universe("SINGLE", symbol="BTCUSDT", blacklist=("BTCUSDT",)), "take it out of"),
        (universe("FIXED_LIST"), "needs .* whitelist"),
        (universe("FIXED_LIST", whitelist=("btcusdt",)), "did you mean 'BTCUSDT'"),
        (universe("FIXED_LIST", whitelist=("BTCUSDT",), blacklist=("BTCUSDT",)), "shorten the blacklist"),
        (universe("TOP_N"), "needs .* top_n"),
        (universe("TOP_N", top_n=0), "needs .* top_n"),
        (universe("TOP_N", top_n=1, base_quote="EUR"), "8 by base_quote removed; set base_quote to one of USDT, BTC"),
        (
            universe("FULL_MARKET", blacklist=("BTCUSDT",), min_24h_quote_volume=Decimal(1000)),
            "1 by base_quote, 1 by blacklist, 6 by min_24h_quote_volume removed; lower min_24h_quote_volume",
        ),
        (universe("FULL_MARKET", whitelist=("ABC",)), "add listed symbols to the whitelist"),
    ],
)
def test_what_leaves_nothing_or_contradicts_itself_says_what_to_change(settings: Universe, message: str) -> None:
    with pytest.raises(UniverseError, match=message):
        select(LISTED, settings)


def test_a_source_without_symbols_is_an_error() -> None:
    with pytest.raises(UniverseError, match='"dummy" lists no symbols'):
        select([], universe("FULL_MARKET"))


@given(
    volumes=st.lists(st.none() | st.decimals(0, 10**9, places=2), min_size=1, max_size=20),
    minimum=st.none() | st.decimals(0, 10**9, places=2),
    top_n=st.integers(1, 25),
)
def test_every_listing_gets_one_verdict(volumes: list[Decimal | None], minimum: Decimal | None, top_n: int) -> None:
    listings = [
        Listing(symbol=f"A{number}USDT", base=f"A{number}", quote="USDT", volume_24h_quote=volume)
        for number, volume in enumerate(volumes)
    ]
    try:
        selection = select(listings, universe("TOP_N", top_n=top_n, min_24h_quote_volume=minimum))
    except UniverseError:
        assert minimum is not None
        return

    assert sorted(verdict.symbol for verdict in selection.verdicts) == sorted(item.symbol for item in listings)
    assert [verdict.symbol for verdict in selection.verdicts if verdict.is_in] == names(selection)
    ranked = [item.volume_24h_quote or Decimal(0) for item in selection.symbols]
    assert ranked == sorted(ranked, reverse=True)
    assert len(ranked) <= top_n


def test_the_stablecoin_warning_gives_a_line_that_takes_them_out() -> None:
    settings = universe("TOP_N", top_n=5, blacklist=("XRPUSDT",))
    warning = stablecoin_warning(select(LISTED, settings).symbols, settings)

    assert warning is not None
    line = warning[warning.index("blacklist = ") :]
    assert line == 'blacklist = ["XRPUSDT", "BUSDUSDT"]'
    better = universe("TOP_N", top_n=5, blacklist=tuple(tomli.loads(line)["blacklist"]))
    assert stablecoin_warning(select(LISTED, better).symbols, better) is None


def test_fewer_symbols_than_top_n_asks_for_are_said() -> None:
    settings = universe("TOP_N", top_n=7, blacklist=("XRPUSDT",))
    selection = select(LISTED, settings)

    warning = coverage_warning(selection, loaded=5, settings=settings)

    assert warning is not None
    assert "top_n asks for 7 symbols, and 5 can be traded: 6 of the 8 that" in warning
    assert coverage_warning(select(LISTED, universe("TOP_N", top_n=3)), 3, universe("TOP_N", top_n=3)) is None
    assert coverage_warning(select(LISTED, universe("FULL_MARKET")), 5, universe("FULL_MARKET")) is None


def test_listed_names_that_the_source_lacks_are_pointed_out() -> None:
    settings = Universe(mode=UniverseMode.FULL_MARKET, blacklist=("BTCUSD", "ETHUSDT"))
    listings = [Listing(symbol=base + "USDT", base=base, quote="USDT") for base in ("BTC", "ETH", "SOL")]

    (warning,) = unknown_warnings(select(listings, settings), settings)

    assert warning.startswith("universe.blacklist: ")
    assert "'BTCUSD'; did you mean 'BTCUSDT'?" in warning
