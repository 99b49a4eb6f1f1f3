"""`trioarb init --wizard`: five answers, from a pipe or a terminal, and a campaign that runs."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command import CommandLine, Ran


def answered(trioarb: CommandLine, answers: str, *arguments: str) -> Ran:
    """Answer from a pipe."""
    command = [sys.executable, "-m", "trioarb", "init", "my.toml", "--wizard", *arguments]
    ran = subprocess.run(command, cwd=trioarb.folder, input=answers, capture_output=True, text=True, check=False)
    assert "Traceback" not in ran.stderr
    return Ran(code=ran.returncode, out=ran.stdout, err=ran.stderr, folder=trioarb.folder)


def quotes(folder: Path, *exchanges: str) -> Path:
    """Quotes of two symbols that stand still."""
    rows = [(second, exchange, symbol) for second in range(30) for exchange in exchanges for symbol in ("BTC", "ETH")]
    columns = {
        "ts_ns": [(1_735_689_600 + second) * 10**9 for second, _, _ in rows],
        "exchange": [exchange for _, exchange, _ in rows],
        "symbol": [f"{symbol}-USDC" for _, _, symbol in rows],
        **{name: [100.0 if name == "bid" else 100.5 for _ in rows] for name in ("bid", "ask")},
        **{name: [1.0 for _ in rows] for name in ("bid_size", "ask_size")},
    }
    pq.write_table(pa.table(columns), folder / "quotes.parquet")
    return folder / "quotes.parquet"


def test_enter_five_times_makes_a_campaign_that_is_valid_and_trades(trioarb: CommandLine) -> None:
    ran = answered(trioarb, "\n" * 5)

    assert (ran.code, ran.err) == (0, "")
    assert [line[:4] for line in ran.out.splitlines() if "/5 " in line] == [f"{n}/5 " for n in range(1, 6)]
    assert ran.out.splitlines()[-1] == "my.toml written; next: trioarb check my.toml, trioarb run my.toml"
    text = (trioarb.folder / "my.toml").read_text()
    assert text.count(" # ") > 5
    checked = trioarb("check", "my.toml")
    assert checked.code == 0
    assert "warning" not in checked.out + checked.err
    played = trioarb.run("my.toml", "--runtime=180")
    assert played.code == 0
    assert played.of_type("position_closed")


def test_answers_are_what_the_file_says(trioarb: CommandLine) -> None:
    assert answered(trioarb, "Dummy\nbtcusdt, ETHUSDT\n1_000.50\nBOLD\n90m\n").code == 0

    table = tomllib.loads((trioarb.folder / "my.toml").read_text())
    assert table["universe"] == {"source": "dummy", "mode": "FIXED_LIST", "whitelist": ["BTCUSDT", "ETHUSDT"]}
    assert table["session"]["max_runtime_seconds"] == 5_400
    assert table["exchanges"]["a"]["balances"] == {"USDT": "500"}
    assert table["exchanges"]["a"]["inventory_usd_per_symbol"] == 250
    assert table["strategy"]["order_size_usd"] == 50
    assert table["guards"]["global"]["max_daily_loss_usd"] == 60  # 3 % of what both venues hold


def test_recorded_quotes_say_which_venues_and_quote_asset_there_are(trioarb: CommandLine) -> None:
    path = quotes(trioarb.folder, "ONE", "OTHER")
    assert answered(trioarb, f"{path}\n\n\n\n\n").code == 0

    table = tomllib.loads((trioarb.folder / "my.toml").read_text())
    assert set(table["exchanges"]) == {"ONE", "OTHER"}
    assert table["universe"]["base_quote"] == "USDC"
    assert trioarb("run", "my.toml").code == 0


def test_real_venues_need_no_key_on_paper(trioarb: CommandLine) -> None:
    assert answered(trioarb, "upbit, binance\nBTCUSDT\n\n\n\n").code == 0

    table = tomllib.loads((trioarb.folder / "my.toml").read_text())
    assert table["exchanges"]["upbit"]["api_key"] == {"env": "UPBIT_API_KEY"}
    assert table["fx"]["KRW"]["markets"] == ["upbit"]
    assert table["universe"]["source"] == "binance"
    assert table["session"]["mode"] == "paper"
    assert trioarb("check", "my.toml").code == 0


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ("dumy\n", "which market: neither a file, nor a folder, nor an installed venue: dumy"),
        ("binance\n", "it takes two venues or more"),
        ("\nBTCUSDT, BTCUSDD\n", "universe.whitelist: the symbol source \"dummy\" does not list 'BTCUSDD'"),
        ("\n0\n", "universe.top_n"),
        ("\n\nall of it\n", "how much money: not an amount that works: all of it"),
        ("\n\n\ncareles\n", "(allowed: careful, balanced, bold); did you mean 'careful'?"),
        ("\n\n\n\n-5m\n", "for how long: no time: -5m (allowed: such as 90s"),
        ("\n\n", "How much money is there at each venue, in USD?: no answer: the input has ended; nothing was written"),
        ("", "Which market?: no answer"),
    ],
)
def test_a_wrong_answer_from_a_pipe_ends_it_and_nothing_is_written(
    trioarb: CommandLine, answers: str, said: str
) -> None:
    ran = answered(trioarb, answers)

    assert ran.code == 2
    assert said in ran.error
    assert not list(trioarb.folder.iterdir())


def test_quotes_of_one_venue_are_refused(trioarb: CommandLine) -> None:
    path = quotes(trioarb.folder, "ONE")
    ran = answered(trioarb, f"{path}\n")

    assert ran.code == 2
    assert "holds quotes of ONE only; it takes two venues" in ran.error


def test_a_file_that_is_there_is_left_alone_before_anything_is_asked(trioarb: CommandLine) -> None:
    (trioarb.folder / "my.toml").write_text("mine")
    ran = answered(trioarb, "\n" * 5)

    assert (ran.code, ran.out) == (2, "")
    assert ran.error == "my.toml: exists already; --force replaces it"
    assert (trioarb.folder / "my.toml").read_text() == "mine"


def test_on_a_terminal_a_wrong_answer_is_asked_for_again(trioarb: CommandLine) -> None:
    with trioarb.on_terminal("init", "my.toml", "--wizard") as terminal:
        for answer, shown in (("", "1/5"), ("NOSUCH", "2/5"), ("2", "does not list 'NOSUCH'"), ("", "3/5")):
            terminal.wait_for(shown, "]")
            terminal.type(f"{answer}\n")
        for shown in ("4/5", "5/5"):
            terminal.wait_for(shown)
            terminal.type("\n")
        assert terminal.finish() == 0

    assert terminal.shown.count("2/5") == 2
    assert tomllib.loads((trioarb.folder / "my.toml").read_text())["universe"]["top_n"] == 2


def test_ctrl_c_leaves_nothing_behind(trioarb: CommandLine) -> None:
    with trioarb.on_terminal("init", "my.toml", "--wizard") as terminal:
        terminal.wait_for("1/5")
        terminal.type("\n")
        terminal.wait_for("2/5")
        terminal.type("\x03")
        assert terminal.finish() == 130

    assert not list(trioarb.folder.iterdir())
