"""A stranger's plugins that raise, hang or lie: each is named on one line, and what is open is closed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import pytest
from command import SPREAD, CommandLine, Ran, ahead

VIRTUAL = "--set=session.clock=virtual"
#: The fault lies in the quotes of one venue, which have the time that they come.
LIVE = (
    *("--set=session.loop_interval_ms=50", "--set=exchanges.a.market.step_ms=20", "--runtime=20"),
    "--set=universe.blacklist=['BUSDUSDT', 'USDCUSDT']",
)


def raised(table: str, place: str, about: str = "") -> str:
    """Return what is said of a plugin that raises in one of its methods."""
    return f"[{table}]: plugin 'broken'{about}: {place} raised RuntimeError: broken in {place}"


def market(fault: str) -> list[str]:
    return [f"--set=exchanges.b.market={{ plugin = 'broken', fault = \"{fault}\" }}"]


def exchange(fault: str) -> list[str]:
    return ["--set=exchanges.b.plugin=broken", f"--set=exchanges.b.fault={fault}"]


def source(fault: str) -> list[str]:
    return ["--set=universe.source=broken", f"--set=universe.settings.fault={fault}"]


def guard(fault: str) -> list[str]:
    return ["--set=guards.extra.plugin=broken", f"--set=guards.extra.fault={fault}"]


def strategy(fault: str, *, sound_calls: int = 0) -> list[str]:
    return [
        *("--set=strategy.plugin=broken", f"--set=strategy.fault={fault}"),
        *("--set=strategy.faulty_symbol=SOLUSDT", f"--set=strategy.sound_calls={sound_calls}"),
    ]


#: What goes wrong before anything is traded, and the only line that is said about it.
AT_THE_START = {
    "market, open": (market("open"), raised("exchanges.b.market", "open")),
    "market, rules": (market("rules"), raised("exchanges.b.market", "rules")),
    "market, of a wrong type": (
        market("wrong type"),
        "[exchanges.b.market]: plugin 'broken': open gave a object, not a Tape or Feed; derive its class from it",
    ),
    "exchange, open": (exchange("open"), raised("exchanges.b", "open")),
    "exchange, instruments": (exchange("instruments"), raised("exchanges.b", "instruments")),
    "exchange, balances": (exchange("balances"), raised("exchanges.b", "balances")),
    "source, listings": (source("listings"), raised("universe.settings", "listings")),
    "strategy, open": (strategy("open"), raised("strategy", "open", " (SOLUSDT)")),
}

#: What goes wrong in the middle and ends the campaign: flags, table to blame, what is said.
IN_THE_MIDDLE = {
    "tape, at its first row": ([VIRTUAL, *market("rows")], "exchanges.b", "broken in rows"),
    "tape, later": ([VIRTUAL, *market("the middle of rows")], "exchanges.b", "broken in the middle of rows"),
    "feed, before it has started": ([*LIVE, *market("the feed's start")], "b", "broken in the feed's start"),
    "feed, later": ([*LIVE, *market("the middle of the feed")], "b", "broken in the middle of the feed"),
    "feed, in a task of its own": ([*LIVE, *market("a task of the feed")], "b", "broken in a task of the feed"),
    "feed, that ends": ([*LIVE, *market("the feed ends")], "b", "ended by itself"),
    "exchange, balances at the end": (
        [VIRTUAL, *exchange("balances at the end")],
        "b",
        "broken in balances at the end",
    ),
}

#: What is looked at more closely.
OTHERS = {
    "source, without symbols": source("nothing"),
    "strategy, incomplete": strategy("bare"),
    "everything, close": [*market("close"), *exchange("close"), *source("close"), *guard("close"), *strategy("close")],
    "market, close, and exchange, open": [*market("close"), *exchange("open")],
    "exchange, place": [*exchange("place"), "--iterations=12"],
    "exchange, hangs": [*exchange("hangs"), "--iterations=12"],
    "exchange, place, after the fill": [*exchange("place, after the fill"), "--iterations=20"],
    "exchange, fills too much": [*exchange("fills too much"), "--iterations=20"],
    "strategy, entry": [
        *strategy("entry", sound_calls=5),
        *("--iterations=30", "--set=engine.restart_backoff_max_seconds=4", "--set=engine.max_restarts=4"),
    ],
    "strategy, exit": strategy("exit"),
    "strategy, entry everywhere": [*strategy("entry"), "--set=strategy.faulty_symbol="],
    "strategy, entry without isolation": [
        *strategy("entry", sound_calls=15),
        "--set=engine.per_symbol_isolation=false",
    ],
    "guard, check": [*guard("check"), "--iterations=20"],
    "guard, apply": [*guard("apply"), "--iterations=20"],
    "guard, react": [*guard("react"), "--iterations=20"],
    "guard, check returns text": [*guard("check returns text"), "--iterations=20"],
    "guard, react returns text": [*guard("react returns text"), "--iterations=20"],
    "guard, trips": guard("trips"),
}

Outcome = Callable[[str], Ran]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """Campaigns of all three tables; called with a name, it waits for that one."""

    def run(flags: Sequence[str]) -> Ran:
        trioarb = CommandLine(folder=tmp_path_factory.mktemp("faulty")).install("stranger", "faulty_plugins")
        return trioarb.run(SPREAD, *flags)

    cases = {name: [VIRTUAL, *flags] for name, (flags, _) in AT_THE_START.items()}
    cases |= {name: flags for name, (flags, *_) in IN_THE_MIDDLE.items()}
    cases |= {name: [VIRTUAL, *flags] for name, flags in OTHERS.items()}
    with ahead(run, cases) as outcome:
        yield outcome


def closed_and_complete(ran: Ran) -> bool:
    return not ran.summary["open_positions"] and bool(ran.of_type("campaign_ended", seq=len(ran.events)))


@pytest.mark.parametrize("name", AT_THE_START)
def test_a_plugin_that_fails_at_the_start_is_named(outcome: Outcome, name: str) -> None:
    ran = outcome(name)

    assert ran.code == 1
    assert ran.error == AT_THE_START[name][1]
    assert "running" not in ran.err


@pytest.mark.parametrize("name", IN_THE_MIDDLE)
def test_a_plugin_that_fails_in_the_middle_is_named(outcome: Outcome, name: str) -> None:
    ran = outcome(name)
    _, blamed, said = IN_THE_MIDDLE[name]

    assert ran.code == 1
    assert said in ran.error
    assert re.search(rf"\b{re.escape(blamed)}\b", ran.error)
    assert closed_and_complete(ran)
    if name == "tape, later":  # in virtual time; whether a live campaign has traded by then depends on the machine
        assert ran.summary["trades"]


def test_a_source_without_symbols_is_an_empty_universe(outcome: Outcome) -> None:
    ran = outcome("source, without symbols")

    assert ran.code == 2
    assert ran.error == 'universe.source: the symbol source "broken" lists no symbols'


def test_a_strategy_that_lacks_what_it_must_have_is_named(outcome: Outcome) -> None:
    ran = outcome("strategy, incomplete")

    assert ran.code == 1
    assert ran.error.startswith("[strategy]: ")
    assert "broken" in ran.error
    assert "defect" not in ran.err


def test_plugins_that_fail_to_close_are_named_and_take_nothing_with_them(outcome: Outcome) -> None:
    ran = outcome("everything, close")

    assert ran.code == 1
    for table in ("exchanges.b.market", "exchanges.b", "universe.settings", "guards.extra", "strategy"):
        assert re.search(rf"\[{re.escape(table)}\]: plugin 'broken'.*: close raised", ran.error)
    assert ran.summary["ended_by"] == "iterations"
    assert ran.summary["trades"]
    assert closed_and_complete(ran)


def test_a_plugin_that_fails_to_close_does_not_hide_why_opening_failed(outcome: Outcome) -> None:
    ran = outcome("market, close, and exchange, open")

    assert ran.code == 1
    assert raised("exchanges.b", "open") in ran.errors


def test_a_package_that_can_not_be_imported_is_named(trioarb: CommandLine) -> None:
    broken = trioarb.install("papaya", "papaya", "import no_such_module_of_ours\n")

    ran = broken("run", SPREAD)

    assert ran.code == 2
    assert "papaya 1.2" in ran.error
    assert "no_such_module_of_ours" in ran.error


def test_a_strangers_plugins_are_listed_with_their_package(with_stranger: CommandLine) -> None:
    ran = with_stranger("plugins")

    assert ran.code == 0
    assert ran.out.count("stranger 1.2") == 5


@pytest.mark.parametrize("fault", ["place", "hangs"])
def test_orders_that_never_arrive_leave_every_entry_flat(outcome: Outcome, fault: str) -> None:
    ran = outcome(f"exchange, {fault}")

    assert ran.code == 0
    assert ran.summary["orders"]["unanswered"] > 0
    assert ran.summary["pairs"]["entry"]["flat"] == ran.summary["decisions"]["ALLOW"] > 0
    assert closed_and_complete(ran)


@pytest.mark.parametrize("fault", ["place, after the fill", "fills too much"])
def test_a_fill_is_never_lost_whatever_its_answer_says(outcome: Outcome, fault: str) -> None:
    """The ledger is held against what the exchange says it holds; a difference would be an error."""
    ran = outcome(f"exchange, {fault}")

    assert ran.code == 0
    assert ran.summary["orders"]["unanswered"] > 0
    assert ran.summary["trades"]
    assert closed_and_complete(ran)


def test_a_symbol_whose_entry_raises_is_quarantined_and_the_others_go_on(outcome: Outcome) -> None:
    ran = outcome("strategy, entry")
    quarantined, restarted = ran.of_type("symbol_quarantined"), ran.of_type("symbol_restarted")

    assert ran.code == 0
    assert {event["symbol"] for event in quarantined} == {"SOLUSDT"}
    assert {event["error"] for event in quarantined} == {raised("strategy", "entry", " (SOLUSDT)")}
    assert [event["failures"] for event in quarantined] == [1, 2, 3, 4, 5]
    pauses = [later["ts_ns"] - sooner["ts_ns"] for sooner, later in zip(quarantined, restarted, strict=False)]
    assert pauses == [seconds * 10**9 for seconds in (1, 2, 4, 4)]
    assert [event["failures"] for event in ran.of_type("symbol_retired")] == [5]
    assert {trade["symbol"] for trade in ran.summary["trades"]} - {"SOLUSDT"}
    assert {ran.summary["iterations"][symbol] for symbol in ran.summary["symbols"] if symbol != "SOLUSDT"} == {30}


def test_why_a_symbol_failed_is_told_in_short_and_in_the_log_file_in_full(outcome: Outcome) -> None:
    ran = outcome("strategy, entry")

    assert re.search(r"error   symbol quarantined  .* symbol=SOLUSDT .* error=.*: entry raised RuntimeError", ran.err)
    assert any("faulty_plugins.py" in line.get("traceback", "") for line in ran.log)


def test_a_symbol_whose_exit_raises_is_retired_and_its_position_closed(outcome: Outcome) -> None:
    ran = outcome("strategy, exit")
    (retired,) = ran.of_type("symbol_retired")
    (closed,) = ran.of_type("position_closed", symbol="SOLUSDT")

    assert ran.code == 0
    assert retired["symbol"] == "SOLUSDT"
    assert closed["reason"] == "quarantine"
    assert closed_and_complete(ran)
    assert len({trade["symbol"] for trade in ran.summary["trades"]}) > 1


def test_a_symbol_whose_exit_raises_has_its_pauses_too(outcome: Outcome) -> None:
    quarantined = outcome("strategy, exit").of_type("symbol_quarantined", symbol="SOLUSDT")

    for sooner, later in pairwise(quarantined):
        assert later["ts_ns"] >= sooner["restart_at_ns"]


def test_a_symbol_that_is_retired_is_not_said_to_restart(outcome: Outcome) -> None:
    assert "restart_at_ns" not in outcome("strategy, exit").of_type("symbol_quarantined", symbol="SOLUSDT")[-1]


def test_when_every_symbol_has_failed_the_campaign_is_an_error(outcome: Outcome) -> None:
    ran = outcome("strategy, entry everywhere")

    assert ran.code == 1
    assert ran.error == "every symbol failed too often"
    assert len(ran.of_type("symbol_retired")) == 10
    assert closed_and_complete(ran)


def test_without_isolation_a_failing_symbol_ends_the_campaign_with_1(outcome: Outcome) -> None:
    ran = outcome("strategy, entry without isolation")

    assert ran.code == 1
    assert ran.error == raised("strategy", "entry", " (SOLUSDT)")
    assert ran.summary["ended_by"] == "error"
    assert ran.summary["error"] == ran.events[-1]["error"] == ran.error
    assert ran.summary["trades"]
    assert closed_and_complete(ran)


def test_a_guard_that_raises_denies_and_the_campaign_goes_on(outcome: Outcome) -> None:
    ran = outcome("guard, check")

    assert ran.code == 0
    assert ran.summary["decisions"]["ALLOW"] == 0
    assert set(ran.summary["decisions"]["by_rule"]) == {"extra.error"}
    assert ran.of_type("decided")[0]["value"] == raised("guards.extra", "check")
    assert "guards.extra" in ran.out


@pytest.mark.parametrize("fault", ["apply", "react"])
def test_a_guard_that_loses_its_state_denies_from_then_on(outcome: Outcome, fault: str) -> None:
    ran = outcome(f"guard, {fault}")
    (opened,) = ran.of_type("position_opened")

    assert ran.code == 0
    assert ran.summary["decisions"]["by_rule"]["extra.error"] > 0
    assert not [event for event in ran.of_type("decided", answer="ALLOW") if event["seq"] > opened["seq"]]
    assert raised("guards.extra", fault) in ran.err
    assert ran.of_type("position_closed")
    assert closed_and_complete(ran)


def test_a_guard_that_answers_nonsense_denies_like_one_that_raises(outcome: Outcome) -> None:
    ran = outcome("guard, check returns text")

    assert ran.code == 0
    assert ran.summary["decisions"]["ALLOW"] == 0
    assert set(ran.summary["decisions"]["by_rule"]) == {"extra.error"}
    assert not ran.of_type("symbol_quarantined")


def test_a_guard_that_trips_nonsense_denies_from_then_on_and_spoils_no_trade(outcome: Outcome) -> None:
    ran = outcome("guard, react returns text")

    assert ran.code == 0
    assert ran.summary["decisions"]["by_rule"]["extra.error"] > 0
    assert ran.summary["pairs"]["entry"]["hedged"] == 1
    assert closed_and_complete(ran)


def test_a_stop_that_a_guard_trips_ends_the_campaign_with_3(outcome: Outcome) -> None:
    ran = outcome("guard, trips")

    assert ran.code == 3
    assert ran.summary["ended_by"] == "emergency_stop"
    assert ran.summary["decisions"]["by_rule"] == {"extra.trip": 1}
    assert closed_and_complete(ran)
