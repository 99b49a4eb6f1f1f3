"""`trioarb plan`: what would have to be moved, and what that costs."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from command import KIMCHI, SPREAD, CommandLine

TOP10 = SPREAD.with_name("top10.toml")
ASSETS = ("BTC", "ETH", "BNB", "SOL", "XRP", "DOGE", "ADA", "MATIC", "AVAX", "LTC", "USDT")


def withdrawals(venues: str, fee: str = "0.01") -> str:
    return "".join(
        f'\n[withdrawals.{venue}.{asset}]\nfee = "{fee}"\nminutes = 20\n' for venue in venues for asset in ASSETS
    )


@pytest.fixture
def drifted(trioarb: CommandLine, tmp_path: Path) -> Path:
    """Return the journal of a campaign whose stock has drifted."""
    config = tmp_path / "drifted.toml"
    config.write_text(TOP10.read_text() + withdrawals("ab"))
    ran = trioarb.run(
        config,
        "--set=session.clock=virtual",
        "--set=session.max_iterations=2400",
        "--set=session.max_runtime_seconds=600",
    )
    assert ran.code == 0
    (journal,) = (ran.folder / "journals").glob("*.journal")
    return journal


def test_a_withdrawal_of_an_asset_that_nobody_lists_is_an_error(trioarb: CommandLine) -> None:
    ran = trioarb("plan", TOP10, '--set=withdrawals.a.usdt={ fee = "1", minutes = 5 }')

    assert ran.code == 2
    assert "withdrawals.a.usdt: there is no such asset among what source and venues list" in ran.err
    assert "did you mean 'USDT'?" in ran.err


def test_a_journal_says_what_would_even_it_out(trioarb: CommandLine, drifted: Path) -> None:
    planned = trioarb("plan", drifted, "--tolerance=0.01", "--json")

    assert planned.code == 0
    transfers = json.loads(planned.out)["transfers"]
    assert transfers
    held = json.loads(trioarb("summary", drifted, "--json").out)["balances"]
    for one in transfers:
        amounts = {venue: Decimal(held[venue][one["asset"]]["final"]) for venue in "ab"}
        mean = sum(amounts.values()) / 2
        assert abs(amounts[one["source"]] - Decimal(one["amount"]) - mean) < Decimal("1e-6")
        assert Decimal(one["arrives"]) == Decimal(one["amount"]) - Decimal("0.01")
        assert Decimal(one["fee_usd"]) > 0
    assert any("trade_back_usd" in one for one in transfers)
    said = trioarb("plan", drifted, "--tolerance=0.01").out
    assert "trioarb never withdraws anything" in said


def test_a_withdrawal_of_which_nothing_is_known_is_an_error_that_says_the_key(
    trioarb: CommandLine, tmp_path: Path
) -> None:
    config = tmp_path / "uneven.toml"
    config.write_text(TOP10.read_text().replace('USDT = "100000"', 'USDT = "1000"', 1) + withdrawals("a"))

    planned = trioarb("plan", config)

    assert planned.code == 2
    assert "withdrawals.b.USDT: missing" in planned.error


def test_even_venues_have_nothing_to_move(trioarb: CommandLine) -> None:
    planned = trioarb("plan", TOP10)
    assert planned.code == 0
    assert planned.out.startswith("Nothing has to be moved")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('[withdrawals.x.BTC]\nfee = "1"\nminutes = 1\n', "withdrawals.x: is no venue"),
        ('[withdrawals.a.BTC]\nfee = "-1"\nminutes = 1\n', "withdrawals.a.BTC.fee"),
        ("[withdrawals.a.BTC]\nminutes = 1\n", "withdrawals.a.BTC.fee: missing"),
    ],
)
def test_wrong_terms_are_errors(trioarb: CommandLine, tmp_path: Path, more: str, said: str) -> None:
    config = tmp_path / "wrong.toml"
    config.write_text(TOP10.read_text() + "\n" + more)
    assert said in trioarb("plan", config).error


def test_a_tolerance_that_is_none_is_an_error(trioarb: CommandLine) -> None:
    assert "not a share" in trioarb("plan", TOP10, "--tolerance=2").error


def test_what_is_held_in_another_money_is_valued_at_the_last_rate_of_the_journal(trioarb: CommandLine) -> None:
    uneven = [
        "--set=exchanges.busan.balances.KRW=240000000",
        "--set=exchanges.busan.balances.BTC=2",
        '--set=withdrawals.busan.BTC={fee="0.0002",minutes=30}',
        '--set=withdrawals.busan.KRW={fee="1000",minutes=1}',
    ]
    ran = trioarb.run(KIMCHI, *uneven, "--runtime=70", "--set=strategy.entry_bps=900", "--journal=k.journal")
    planned = trioarb("plan", "k.journal", "--json")

    assert (ran.code, planned.code) == (0, 0), planned.err
    transfers = json.loads(planned.out)["transfers"]
    assert {one["asset"] for one in transfers} == {"BTC", "KRW"}
    marked = ran.of_type("markets_marked")[-1]
    brings, bid = Decimal(marked["fx_bids"]["KRW"]), Decimal(marked["bids"]["BTCUSDT@busan"])
    for one in transfers:
        worth = brings if one["asset"] == "KRW" else brings * bid
        assert Decimal(one["amount_usd"]) == pytest.approx(Decimal(one["amount"]) * worth)
        assert Decimal(one["fee_usd"]) == pytest.approx(Decimal(one["fee"]) * worth)
    # To trade back what is in Korea: KRW that are had for it are sold, and USDT are paid.
    (abroad,) = (one for one in transfers if one["target"] == "world")
    ask = Decimal(marked["asks"]["BTCUSDT@world"])
    cost = ask * Decimal("1.0004") - bid * brings * Decimal("0.9996")
    assert Decimal(abroad["trade_back_usd"]) == pytest.approx(Decimal(abroad["amount"]) * cost)
    assert "KRW is valued at its last recorded rate, 0.0007200 USD." in trioarb("plan", "k.journal").out


def test_without_a_rate_no_figure_is_made_up(trioarb: CommandLine) -> None:
    """Before any campaign, what markets would say a unit is worth isn't known."""
    uneven = ["--set=exchanges.busan.balances.KRW=240000000", '--set=withdrawals.busan.KRW={fee="1000",minutes=1}']
    (one,) = json.loads(trioarb("plan", KIMCHI, *uneven, "--json").out)["transfers"]
    assert one["asset"] == "KRW"
    assert not {"amount_usd", "fee_usd", "trade_back_usd"} & one.keys()

    (one,) = json.loads(trioarb("plan", KIMCHI, *uneven, "--set=fx.KRW=0.0007", "--json").out)["transfers"]
    assert Decimal(one["amount_usd"]) == Decimal(one["amount"]) * Decimal("0.0007")
