"""`trioarb run`: what a user sees, and what another program finds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from command import SPREAD, CommandLine, Ran

from trioarb.journal.recorded import open_journal
from trioarb.model.wire import to_json_object

FUNNEL = [
    *("seen", "refused", "withdrawn", "conflated"),
    *("evaluated", "fresh", "edge_positive", "over_threshold", "sized", "allowed"),
    *("sent", "filled", "closed"),
]
TRADE = [
    *("trade_id", "symbol", "buy_venue", "sell_venue", "quantity"),
    *("entry_buy_price", "entry_sell_price", "exit_buy_price", "exit_sell_price"),
    *("fees_usd", "pnl_usd", "opened_at", "closed_at", "exit_reason"),
]
DECIMAL = re.compile(r"-?\d+(\.\d+)?")
#: Enough for each symbol to trade and to be refused.
SHORT = ("--set=session.clock=virtual", "--set=session.max_iterations=20")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return CommandLine(folder=tmp_path_factory.mktemp("run")).run(SPREAD, "--set=session.clock=virtual")


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A campaign that finds nothing to trade."""
    trioarb = CommandLine(folder=tmp_path_factory.mktemp("idle"))
    return trioarb.run(SPREAD, *SHORT, "--set=strategy.entry_bps=900")


def test_it_ends_as_planned(ran: Ran) -> None:
    assert ran.code == 0
    assert ran.summary["ended_by"] == "iterations"
    assert ran.summary["exit_code"] == 0
    assert len(ran.summary["symbols"]) == 10


def test_it_trades_and_it_refuses(ran: Ran) -> None:
    assert ran.summary["decisions"]["ALLOW"] > 0
    assert ran.summary["decisions"]["DENY"] > 0
    assert ran.summary["trades"]


def test_the_summary_says_what_ran(ran: Ran, trioarb: CommandLine) -> None:
    summary = ran.summary

    assert summary["schema_version"] == 1
    assert summary["version"] == trioarb("--version").out.strip()
    assert summary["seed"] == 7
    assert re.fullmatch(r"[0-9a-f]{64}", summary["config_digest"])


def test_money_in_the_summary_is_text_and_counts_are_integers(ran: Ran) -> None:
    summary = ran.summary

    for key in ("pnl_usd", "unrealised_usd", "fees_usd", "win_rate"):
        assert DECIMAL.fullmatch(summary[key]), key
    assert 0 < Decimal(summary["win_rate"]) < 1
    decisions = summary["decisions"]
    assert list(decisions) == ["ALLOW", "DENY", "STOP", "by_rule"]
    assert all(type(decisions[answer]) is int for answer in ("ALLOW", "DENY", "STOP"))
    assert all(type(count) is int and "." in rule for rule, count in decisions["by_rule"].items())
    assert sum(decisions["by_rule"].values()) == decisions["DENY"] + decisions["STOP"]
    assert summary["iterations"] == dict.fromkeys(summary["symbols"], 50)
    assert set(summary["loop_latency_us"]) == {"p50", "p99"}
    assert summary["residuals"] == []


def test_the_funnel_in_the_summary_has_every_step_of_every_symbol(ran: Ran) -> None:
    assert list(ran.summary["funnel"]) == ran.summary["symbols"]
    for steps in ran.summary["funnel"].values():
        assert list(steps) == FUNNEL
        assert all(type(count) is int for count in steps.values())


def test_trades_in_the_summary_are_whole(ran: Ran) -> None:
    for trade in ran.summary["trades"]:
        assert sorted(trade) == sorted(TRADE)
        assert all(type(value) is str for value in trade.values())
        for key in TRADE[4:11]:
            assert DECIMAL.fullmatch(trade[key]), key
        assert trade["opened_at"] < trade["closed_at"]


def test_balances_in_the_summary_add_up(ran: Ran) -> None:
    assert set(ran.summary["balances"]) == {"a", "b"}
    for venue in ran.summary["balances"].values():
        for parts in venue.values():
            assert set(parts) == {"initial", "trades", "fees", "final"}
            amount = {name: Decimal(value) for name, value in parts.items()}
            assert amount["initial"] + amount["trades"] - amount["fees"] == amount["final"]


def test_nothing_is_left_but_what_was_asked_for_the_log_and_the_journal(ran: Ran) -> None:
    assert sorted(path.name for path in ran.folder.iterdir()) == ["events.jsonl", "journals", "logs", "summary.json"]


def test_the_journal_has_a_time_in_its_name_and_the_venues_memories_lie_beside_it(ran: Ran) -> None:
    journal, *memories = sorted((ran.folder / "journals").iterdir(), key=lambda path: path.suffix)

    assert re.fullmatch(r"spread-\d{8}T\d{6}Z\.journal", journal.name)
    assert sorted(path.name for path in memories) == [f"{journal.stem}.{venue}.venue" for venue in "ab"]
    assert str(journal.relative_to(ran.folder)) in ran.err


def test_the_journal_holds_what_the_events_say(ran: Ran) -> None:
    (path,) = (ran.folder / "journals").glob("*.journal")

    with open_journal(path) as journal:
        recorded = [to_json_object(record) for record in journal.records()]
    assert recorded == [{key: event[key] for key in event if key not in ("end", "hash")} for event in ran.events]


def test_a_journal_lies_where_the_flag_says(trioarb: CommandLine) -> None:
    ran = trioarb.run(SPREAD, *SHORT, "--journal=deep/er/one.journal")

    assert ran.code == 0
    assert "journal: deep/er/one.journal" in ran.err
    assert sorted(path.name for path in (ran.folder / "deep" / "er").iterdir()) == [
        "one.a.venue", "one.b.venue", "one.journal"
    ]  # fmt: skip
    assert not (ran.folder / "journals").exists()


@pytest.mark.parametrize("flag", ["--events", "--summary"])
@pytest.mark.parametrize("kept", ["one.journal", "one.a.venue"])
def test_no_output_goes_over_a_journal_or_what_a_venue_remembers(trioarb: CommandLine, flag: str, kept: str) -> None:
    assert trioarb("run", SPREAD, *SHORT, "--journal=one.journal").code == 0
    before = (trioarb.folder / kept).read_bytes()

    ran = trioarb("run", SPREAD, *SHORT, "--journal=two.journal", f"{flag}={kept}")

    assert ran.code == 2
    assert f"{flag}: is a journal or a venue's memory, which would be lost" in ran.error
    assert (trioarb.folder / kept).read_bytes() == before


def test_a_journal_that_is_there_already_is_not_touched(trioarb: CommandLine) -> None:
    (trioarb.folder / "one.journal").write_text("mine")

    ran = trioarb("run", SPREAD, *SHORT, "--journal=one.journal")

    assert ran.code == 2
    assert "one.journal" in ran.error
    assert (ran.folder / "one.journal").read_text() == "mine"


def test_what_was_not_measured_is_absent(idle: Ran) -> None:
    assert idle.code == 0
    assert "win_rate" not in idle.summary
    assert idle.summary["trades"] == []
    assert not [value for value in _leaves(idle.summary) if value is None]


def test_without_a_trade_it_says_what_would_change_that(idle: Ran) -> None:
    assert "strategy.entry_bps" in idle.out
    assert "strategy.entry_bps" in "\n".join(idle.summary["advice"])


def test_events_are_numbered_json_lines(ran: Ran) -> None:
    events = ran.events

    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [event["ts_ns"] for event in events] == sorted(event["ts_ns"] for event in events)
    assert events[0]["type"] == "campaign_opened"
    assert events[-1]["type"] == "campaign_ended"
    # What is no money, and not decided by, may be a float.
    exact = [{key: event[key] for key in event if key != "highest_edge_bps"} for event in events]
    assert not [value for event in exact for value in _leaves(event) if isinstance(value, float) or value is None]


def test_events_and_summary_agree(ran: Ran) -> None:
    closed = ran.of_type("position_closed")

    assert [event["trade_id"] for event in closed] == [trade["trade_id"] for trade in ran.summary["trades"]]
    # What residuals bring beyond what they were booked at belongs to no trade.
    left = [event for event in ran.events if event["type"].startswith("residual") and "pnl_usd" in event]
    assert sum(Decimal(event["pnl_usd"]) for event in (*closed, *left)) == Decimal(ran.summary["pnl_usd"])
    assert ran.events[0]["config_digest"] == ran.summary["config_digest"]


def test_the_log_file_has_a_time_in_its_name_and_json_in_its_lines(ran: Ran) -> None:
    (path,) = (ran.folder / "logs").iterdir()

    assert re.fullmatch(r"spread_\d{8}_\d{6}\.jsonl", path.name)
    assert all({"event", "level", "time"} <= set(line) for line in ran.log)
    assert {"position opened", "position closed", "campaign ended"} <= {line["event"] for line in ran.log}
    assert str(path.relative_to(ran.folder)) in ran.err


def test_the_summary_table_is_on_stdout_and_the_log_on_stderr(ran: Ran) -> None:
    for text in ("BTCUSDT", "MATICUSDT", "total", "realised PnL", "win rate", "symbol.cooldown", "p99"):
        assert text in ran.out
    assert "position opened" not in ran.out
    assert re.search(r"^\d\d:\d\d:\d\d info    position opened .* symbol=\w+USDT", ran.err, re.MULTILINE)


def test_a_pipe_gets_no_colours_and_no_live_table(ran: Ran) -> None:
    assert "\x1b" not in ran.out + ran.err
    assert "elapsed" not in ran.out + ran.err


def test_two_runs_in_virtual_time_write_the_same_bytes(ran: Ran, trioarb: CommandLine) -> None:
    again = trioarb.run(SPREAD, "--set=session.clock=virtual")

    assert (again.folder / "events.jsonl").read_bytes() == (ran.folder / "events.jsonl").read_bytes()


def test_flags_win_over_the_file(trioarb: CommandLine) -> None:
    ran = trioarb.run(
        *(SPREAD, "--set=session.clock=virtual", "--set=log.level=ERROR"),
        *("--iterations=3", "--runtime=60", "--log-level=DEBUG", "--log-dir=deep/er"),
    )
    (log,) = (ran.folder / "deep" / "er").iterdir()

    assert ran.code == 0
    assert set(ran.summary["iterations"].values()) == {3}
    assert {"debug", "info"} <= {json.loads(line)["level"] for line in log.read_text().splitlines()}
    assert not (ran.folder / "logs").exists()
    assert "debug   funnel counted" in ran.err


def test_the_runtime_ends_it_as_planned(trioarb: CommandLine) -> None:
    warned_of = "--set=universe.blacklist=[]"
    ran = trioarb.run(SPREAD, "--set=session.clock=virtual", "--runtime=2.6", "--log-level=WARNING", warned_of)

    assert ran.code == 0
    assert ran.summary["ended_by"] == "runtime"
    assert not ran.summary["open_positions"]
    assert {line["level"] for line in ran.log} == {"warning"}
    assert " info " not in ran.err


def test_set_changes_any_key_and_a_star_every_table(trioarb: CommandLine) -> None:
    ran = trioarb.run(
        SPREAD, *SHORT, "--set", "exchanges.*.taker_fee_bps=0", "--set=universe.top_n=2", "--set=env=trial"
    )

    assert ran.code == 0
    assert ran.summary["env"] == "trial"
    assert ran.summary["symbols"] == ["BTCUSDT", "ETHUSDT"]
    assert {listed["taker_fee_bps"] for listed in ran.of_type("instrument_listed")} == {"0"}
    assert Decimal(ran.summary["fees_usd"]) == 0
    assert ran.summary["trades"]


def test_positions_may_be_kept(trioarb: CommandLine) -> None:
    ran = trioarb.run(SPREAD, *SHORT, "--set=session.close_positions_at_end=false", "--set=strategy.exit_bps=50")

    assert ran.code == 0
    assert ran.summary["open_positions"]
    assert DECIMAL.fullmatch(ran.summary["unrealised_usd"])
    assert ran.of_type("position_marked")


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    else:
        yield value
