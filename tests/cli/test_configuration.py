"""Configurations, good and bad: `check`, `symbols`, `plugins`, `init`, and what `run` refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from command import KIMCHI, SPREAD, CommandLine, Ran, ahead

VIRTUAL = "--set=session.clock=virtual"

MANY_PROBLEMS = """
envv = "trial"

[session]
clock = "fast"
max_runtime_seconds = "soon"

[universe]
top_n = 0

[exchanges.a]
plugin = "papper"
market = { plugin = "dummy" }

[exchanges.b]
market = { plugin = "dummy", spred_bps = 1 }
taker_fee_bps = true

[guards.symbol]
cooldown_second = 5
"""

#: Of each line: key, value, what is allowed, what was probably meant.
PROBLEMS = [
    ("envv", "", "", "env"),
    ("session.clock", '"fast"', '"real" or "virtual"', ""),
    ("session.max_runtime_seconds", '"soon"', "number, s, > 0", ""),
    ("universe.top_n", "0", "whole number, ≥ 1", ""),
    ("exchanges.a.plugin", '"papper"', "binance, bithumb, faulty, paper, upbit", "paper"),
    ("exchanges.b.market.spred_bps", "", "", "spread_bps"),
    ("exchanges.b.taker_fee_bps", "true", "number, bps", ""),
    ("guards.symbol.cooldown_second", "", "", "cooldown_seconds"),
]

#: Ready configurations whose recordings aren't part of the project.
RECORDED = frozenset({"binance_spot_usdm.toml", "lunc_gateio_mexc.toml"})

ONE_VENUE = '[universe]\ntop_n = 3\n[exchanges.a]\nmarket = { plugin = "dummy" }\n'

#: What `run` refuses: a configuration's text (none: the ready one), flags, and what the only line says.
REFUSED = {
    "one venue": (ONE_VENUE, [], ["mine.toml: exchanges: one venue only: a", "two or more tables"]),
    "no TOML": ("[session\nseed = 1\n", [], ["mine.toml: not valid TOML", "line 1"]),
    "top_n": ("", ["universe.top_n=0"], ["--set: universe.top_n: wrong value: 0 (allowed: whole number, ≥ 1)"]),
    "empty universe": ("", ["universe.min_24h_quote_volume=1e15"], ["no symbol is left", "min_24h_quote_volume"]),
    "listed quote without a rate": (
        "",
        ["universe.mode=FIXED_LIST", 'universe.whitelist=["BTCEUR"]'],
        ["fx.EUR: missing", "number, > 0"],
    ),
    "unknown symbol": (
        "",
        ["universe.mode=FIXED_LIST", 'universe.whitelist=["BTCUSD"]'],
        ["'BTCUSD'", "did you mean 'BTCUSDT'?"],
    ),
    "unknown asset": ("", ["exchanges.a.balances.usdt=5"], ["exchanges.a.balances.usdt: ", "did you mean 'USDT'?"]),
    "unknown instrument": (
        "",
        ["exchanges.b.instruments.btcusdt.lot_size=5"],
        ["exchanges.b.instruments.btcusdt: ", "did you mean 'BTCUSDT'?"],
    ),
    "unknown symbol of a guard": ("", ["guards.portfolio.weights.XYZUSDT=2"], ["guards.portfolio.weights.XYZUSDT: "]),
    "more than a single symbol": ("", ["universe.mode=FULL_MARKET", "engine.mode=single"], ["engine.mode", "symbols"]),
}


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Ran]]:
    def run(case: tuple[str, Sequence[str], Sequence[str]]) -> Ran:
        text, overrides, _ = case
        folder = tmp_path_factory.mktemp("refused")
        (folder / "mine.toml").write_text(text)
        return CommandLine(folder=folder).run(
            "mine.toml" if text else SPREAD, VIRTUAL, *(f"--set={override}" for override in overrides)
        )

    with ahead(run, REFUSED) as refused:
        yield refused


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_configuration_is_refused_before_anything_runs(refused: Callable[[str], Ran], name: str) -> None:
    ran = refused(name)

    assert ran.code == 2
    for part in REFUSED[name][2]:
        assert part in ran.error
    assert ran.out == ""
    assert not (ran.folder / "summary.json").exists()


def test_a_refused_campaign_leaves_the_last_ones_files_alone(trioarb: CommandLine) -> None:
    """Also where it is refused late: when its symbols are chosen."""
    (trioarb.folder / "events.jsonl").write_text('{"seq": 1}\n')

    ran = trioarb.run(SPREAD, VIRTUAL, "--set=universe.min_24h_quote_volume=1e15")

    assert ran.code == 2
    assert ran.events == [{"seq": 1}]


def test_every_problem_has_a_line_with_file_key_value_and_what_is_allowed(trioarb: CommandLine) -> None:
    (trioarb.folder / "mine.toml").write_text(MANY_PROBLEMS)

    ran = trioarb("run", "mine.toml")

    assert ran.code == 2
    assert len(ran.errors) == len(PROBLEMS)
    for line, (key, value, allowed, meant) in zip(ran.errors, PROBLEMS, strict=True):
        assert line.startswith(f"mine.toml: {key}: ")
        assert value in line
        assert f"(allowed: {allowed}" in line or not allowed
        assert f"did you mean '{meant}'?" in line or not meant
    assert [path.name for path in ran.folder.iterdir()] == ["mine.toml"]


def test_problems_as_json(trioarb: CommandLine) -> None:
    (trioarb.folder / "mine.toml").write_text(MANY_PROBLEMS)

    ran = trioarb("check", "mine.toml", "--json")
    told = json.loads(ran.out)

    assert ran.code == 2
    assert ran.err == ""
    assert told["ok"] is False
    assert [problem["key"] for problem in told["problems"]] == [key for key, *_ in PROBLEMS]
    assert {problem["file"] for problem in told["problems"]} == {"mine.toml"}
    assert told["problems"][1]["value"] == '"fast"'
    assert told["problems"][1]["allowed"] == '"real" or "virtual"'
    assert told["problems"][0]["suggestion"] == "env"


def test_a_missing_file_is_named(trioarb: CommandLine) -> None:
    ran = trioarb("run", "nowhere.toml")

    assert ran.code == 2
    assert ran.error == "nowhere.toml: no such file"


def test_check_shows_what_would_run_and_trades_nothing(trioarb: CommandLine) -> None:
    ran = trioarb("check", SPREAD)

    assert ran.code == 0
    for text in ("10 symbols", "BTCUSDT", "paper on dummy", "120 s", "every 500 ms"):
        assert text in ran.out
    assert "exchange → global → portfolio → symbol" in ran.out
    assert "The configuration is valid." in ran.out
    assert not list(ran.folder.iterdir())


def test_check_shows_small_steps_at_a_glance_and_what_makers_pay(trioarb: CommandLine) -> None:
    maker = SPREAD.with_name("maker_taker.toml")
    shown = trioarb("check", KIMCHI).out
    fees = json.loads(trioarb("check", maker, "--json").out)["symbols"]["BTCUSDT"]

    assert "1e-8" in shown
    assert "0.00000001" not in shown
    said = trioarb("check", maker).out
    assert "10/1" in said
    assert "Two fees: that of what takes, and that of what rests." in said
    assert "Two fees" not in trioarb("check", SPREAD).out
    assert {venue: one["maker_fee_bps"] for venue, one in fees.items()} == {"a": "1", "b": "4"}


def test_check_says_how_contracts_are_margined_and_what_is_paid_for_holding_them(trioarb: CommandLine) -> None:
    basis = SPREAD.with_name("basis.toml")
    said = trioarb("check", basis).out
    (terms,) = json.loads(trioarb("check", basis, "--json").out)["contracts"]["perp"]

    assert "perp: perpetual contracts at leverage 5, 50 bps to be kept; funding at rates that change each 1 h" in said
    assert "of a position's value 2000 bps to open it" in said
    assert (terms["leverage"], terms["initial_margin_bps"], terms["maintenance_margin_bps"]) == ("5", "2000", "50")
    assert (terms["funding_interval_hours"], terms["funding_bps"]) == ("1", None)
    assert terms["symbols"] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    assert json.loads(trioarb("check", SPREAD, "--json").out)["contracts"] == {}


@pytest.mark.parametrize(
    ("config", "override", "key"),
    [
        ("spread", "exchanges.a.latency_ms=5000", "exchanges.a.latency_ms = 5000"),
        ("spread", "exchanges.a.order_latency={ ms = 7000 }", "exchanges.a.order_latency.ms = 7000"),
        ("spread", "session.latency_factor=125", "exchanges.b.latency_ms = 40"),
        ("chaos", "exchanges.b.wraps.latency_ms=6000", "exchanges.b.wraps.latency_ms = 6000"),
    ],
)
def test_check_warns_of_orders_whose_answers_are_not_waited_for(
    trioarb: CommandLine, config: str, override: str, key: str
) -> None:
    def warnings(*flags: str) -> list[str]:
        shown = json.loads(trioarb("check", SPREAD.with_name(f"{config}.toml"), "--json", *flags).out)
        return [one for one in shown["warnings"] if "leg_timeout_seconds = 5" in one]

    assert warnings() == []
    assert any(warning.startswith(f"{key}: orders take as long as") for warning in warnings(f"--set={override}"))


def test_entries_on_quotes_too_old_to_exit_on_are_warned_of(trioarb: CommandLine) -> None:
    def warnings(config: str, *flags: str) -> list[str]:
        shown = json.loads(trioarb("check", SPREAD.with_name(f"{config}.toml"), "--json", *flags).out)
        return [one for one in shown["warnings"] if "max_exit_quote_age_ms = 10000" in one]

    older = "--set=strategy.max_quote_age_ms=10001"
    (said,) = warnings("spread", older)
    assert said.startswith("strategy.max_quote_age_ms = 10001: entries are made on quotes that are too old to close")
    assert warnings("spread", "--set=strategy.max_quote_age_ms=10000") == []
    assert warnings("top10", older) == []  # it has no exits


def test_transfers_without_terms_are_warned_of(trioarb: CommandLine) -> None:
    def warnings(*arguments: str) -> list[str]:
        return list(json.loads(trioarb("check", SPREAD, "--json", *arguments).out)["warnings"])

    simulated = "--set=transfers.simulate=true"
    (warned,) = warnings(simulated)
    assert warned.startswith("transfers.simulate = true moves nothing, since no table [withdrawals.NAME]")
    assert 'withdrawals.a.USDT = { fee = "1", minutes = 5 }' in warned
    assert not warnings(simulated, '--set=withdrawals.a.USDT={ fee = "1", minutes = 5 }')


@pytest.mark.parametrize(
    "name", sorted(path.name for path in SPREAD.parent.glob("*.toml") if path.name not in RECORDED)
)
def test_ready_configurations_give_no_cause_for_warnings(trioarb: CommandLine, name: str) -> None:
    assert json.loads(trioarb("check", SPREAD.with_name(name), "--json").out)["warnings"] == []


def test_check_as_json_has_the_digest_and_the_warnings_of_the_run(trioarb: CommandLine) -> None:
    questionable = (
        "--set=strategy.exit_bps=-12",
        "--set=guards.portfolio.total_capital_usd=40",
        "--set=exchanges.a.max_borrow_usd=5",
        "--set=universe.blacklist=[]",
    )
    checked = json.loads(
        trioarb("check", SPREAD, VIRTUAL, "--json", "--set=session.max_iterations=2", *questionable).out
    )
    ran = trioarb.run(SPREAD, VIRTUAL, "--iterations=2", *questionable)

    assert checked["ok"] is True
    assert checked["config_digest"] == ran.summary["config_digest"]
    assert checked["symbols"]["BTCUSDT"]["a"]["taker_fee_bps"] == "4"
    assert checked["warnings"] == ran.summary["warnings"]
    assert ran.code == 0
    for said in (
        "strategy: entry_bps + exit_bps = -2: a trade that enters and leaves at these thresholds can't pay its fees",
        "guards.portfolio: less is allocated than the smallest order takes, so these can never trade: BTCUSDT (4.00",
        "exchanges.a: max_borrow_usd has no effect",
        'write under [universe]: blacklist = ["BUSDUSDT", "USDCUSDT"]',
    ):
        assert any(said in warning for warning in checked["warnings"]), said
        assert said in ran.warnings


def test_check_fails_alike_with_and_without_json(with_stranger: CommandLine) -> None:
    flags = ("--set=exchanges.b.plugin=broken", "--set=exchanges.b.fault=open")

    plain, as_json = with_stranger("check", SPREAD, *flags), with_stranger("check", SPREAD, *flags, "--json")

    assert plain.error == "[exchanges.b]: plugin 'broken': open raised RuntimeError: broken in open"
    assert json.loads(as_json.out)["problems"] == [{"message": plain.error}]
    assert plain.code == as_json.code


def test_symbols_says_why_each_is_in_or_out(trioarb: CommandLine) -> None:
    ran = trioarb("symbols", SPREAD, "--set=universe.blacklist=['ETHUSDT']")

    assert ran.code == 0
    assert "10 of 130 symbols" in ran.out
    lines = [line.split() for line in ran.out.splitlines()]
    (eth,) = [line for line in lines if "ETHUSDT" in line]
    assert "out" in eth
    assert "blacklisted" in eth
    assert "warning: BUSDUSDT, USDCUSDT" in ran.out


def test_symbols_as_json(trioarb: CommandLine) -> None:
    ran = trioarb("symbols", SPREAD, "--json")
    rows = json.loads(ran.out)

    assert ran.code == 0
    chosen = [row["symbol"] for row in rows if row["in"]]
    assert chosen[:5] == ["BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT", "XRPUSDT"]
    assert len(chosen) == 10
    assert all(row["reason"] for row in rows)
    by_symbol = {row["symbol"]: row for row in rows}
    assert by_symbol["BTCUSDT"]["volume_24h_quote"] == "18200000000"
    assert "volume_24h_quote" not in by_symbol["PEPEUSDT"]


def test_plugins_are_listed_with_distribution_kind_and_settings(trioarb: CommandLine) -> None:
    plain, rows = trioarb("plugins"), json.loads(trioarb("plugins", "--json").out)

    ours = {(row["kind"], row["name"]) for row in rows if re.match(r"trioarb \d", row["distribution"])}
    assert ours == {
        ("alert channel", "bell"),
        ("alert channel", "log"),
        ("alert channel", "webhook"),
        ("exchange", "paper"),
        ("guard tier", "exchange"),
        ("guard tier", "global"),
        ("guard tier", "kill_switch"),
        ("guard tier", "portfolio"),
        ("guard tier", "symbol"),
        ("market data", "dummy"),
        ("market data", "recorded"),
        ("strategy", "inventory"),
        ("strategy", "maker_taker"),
        ("strategy", "spread"),
        ("strategy", "triangular"),
        ("symbol source", "dummy"),
        ("symbol source", "recorded"),
    }
    (paper,) = [row for row in rows if row["name"] == "paper"]
    (fee,) = [key for key in paper["settings"] if key["name"] == "taker_fee_bps"]
    assert fee["default"] == "4"
    assert "bps" in fee["type"]
    assert plain.code == 0
    for row in rows:
        assert row["doc"] in " ".join(plain.out.split()) or row["name"] in plain.out


def test_what_init_writes_is_valid_and_trades(trioarb: CommandLine) -> None:
    written = trioarb("init")
    checked = trioarb("check", "trioarb.toml")
    ran = trioarb.run("trioarb.toml", VIRTUAL, "--iterations=20")

    assert (written.code, checked.code, ran.code) == (0, 0, 0)
    assert "trioarb check trioarb.toml" in written.out
    assert (trioarb.folder / "trioarb.toml").read_text().count("#") > 50
    assert ran.summary["trades"]
    assert not ran.summary["warnings"]
    assert list((trioarb.folder / "logs").glob("trioarb_*.jsonl"))


def test_init_does_not_overwrite_unless_told_so(trioarb: CommandLine) -> None:
    mine = trioarb.folder / "mine.toml"
    mine.write_text("# mine\n")

    refused = trioarb("init", "mine.toml")
    left = mine.read_text()
    forced = trioarb("init", "mine.toml", "--force")

    assert refused.code == 2
    assert refused.error == "mine.toml: exists already; --force replaces it"
    assert left == "# mine\n"
    assert forced.code == 0
    assert "[exchanges.a]" in mine.read_text()


def test_init_says_where_it_can_not_write(trioarb: CommandLine) -> None:
    ran = trioarb("init", "missing/mine.toml")

    assert ran.code == 2
    assert ran.error.startswith(f"{Path('missing/mine.toml')}: can't be written")


def test_check_says_what_the_rates_of_quote_assets_are_made_of(trioarb: CommandLine) -> None:
    shown = json.loads(trioarb("check", KIMCHI, "--json").out)
    assert shown["rates"] == {
        "KRW": {
            "common": "USDT",
            "symbol": "USDTKRW",
            "markets": ["busan", "seoul"],
            "max_age_ms": "3000",
            "outlier_bps": "50",
            "least_sources": 1,
        }
    }
    assert shown["symbols"]["BTCUSDT"]["seoul"]["tick_size"].endswith("500 from 500000 on, 1000 from 1000000 on")
    said = " ".join(trioarb("check", KIMCHI).out.split())
    assert "KRW as USDT USDTKRW at busan, seoul: quotes up to 3000 ms old, within 50 bps of their median" in said
    assert "Price steps at busan, seoul: 0.1 from 0 on, 1 from 100 on, 5 from 5000 on" in said

    constant = trioarb("check", KIMCHI, "--set", "fx.KRW=0.0007", "--json")
    shown = json.loads(constant.out)
    assert shown["rates"] == {"KRW": {"common": "USDT", "constant_usd": "0.0007"}}
    assert any("fx.KRW is a constant" in warning for warning in shown["warnings"])
    assert json.loads(trioarb("check", SPREAD, "--json").out)["rates"] == {}
