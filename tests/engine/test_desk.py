"""What people tell a campaign, and what it does then; in virtual time, where its effects are seen to the nanosecond."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from told import ANA, Told, ask, table, telling, violations

from trioarb.api import GuardTier
from trioarb.builtin.spread import SpreadSettings, SpreadStrategy
from trioarb.control.message import Answer, Request
from trioarb.errors import ControlError, TrioarbError
from trioarb.model.wire import decode
from trioarb.report.timeline import Timeline


def said(told: Told, number: int = 0) -> str:
    answer = told.answers[number]
    assert isinstance(answer, Answer), answer
    return answer.said


def check(told: Told, folder: Path, *, exit_code: int = 0) -> None:
    assert told.campaign.exit_code == exit_code, (told.campaign.error, told.campaign.problems)
    assert violations(folder) == []


@pytest.mark.parametrize("interval_ms", [0, 500])
def test_a_pause_denies_entries_from_that_moment_on_and_exits_go_on(tmp_path: Path, interval_ms: int) -> None:
    config = table()
    config["session"]["loop_interval_ms"] = interval_ms
    told = telling(tmp_path, config, (2.6, ask("pause", why="news at ten")), (22, ask("resume")))

    check(told, tmp_path)
    assert said(told) == "paused: no entries; exits and hedges go on"
    assert said(told, 1) == "resumed"
    at = told.entries()
    assert any(one < 2.6 for one in at)
    assert any(22 <= one <= 23 for one in at), "from the next round on"
    assert not any(2.6 <= one < 22 for one in at)
    assert [one for one, _, reason in told.exits() if 2.6 < one < 22 and reason == "edge"]
    paused, resumed = told.of_type("commanded")
    assert (paused["command"], paused["who"], paused["why"]) == ("pause", ANA, "news at ten")
    assert (resumed["command"], resumed["why"]) == ("resume", "")
    denied = [one for one in told.of_type("decided") if one.get("rule") == "paused"]
    assert {one["value"] for one in denied} == {f"by {ANA}: news at ten"}


def test_a_pause_withdraws_what_rests_for_an_entry(tmp_path: Path) -> None:
    config = table()
    for venue in config["exchanges"].values():
        venue["inventory_usd_per_symbol"] = 5_000
    config["strategy"] = {"plugin": "maker_taker", "maker": "a", "order_size_usd": 400, "reach_bps": 200}
    told = telling(tmp_path, config, (12.1, ask("pause")), seconds=20, period=100)

    check(told, tmp_path)
    submitted = [one for one in told.of_type("order_submitted") if one.get("post_only")]
    assert submitted
    last = max(told.seconds(one) for one in submitted)
    cancelled = [told.seconds(one) for one in told.of_type("order_cancelled")]
    assert last < 12.1
    assert 12.1 <= max(cancelled) < 12.4


def test_resume_lifts_the_pause_alone(tmp_path: Path) -> None:
    config = table()
    told = telling(
        tmp_path,
        config,
        (2.6, ask("blacklist", symbol="BTCUSDT")),
        (3, ask("pause")),
        (6, ask("resume")),
        (7, ask("resume")),
        symbols=("BTC", "ETH"),
    )

    check(told, tmp_path)
    assert said(told, 2) == "resumed"
    assert said(told, 3) == "it isn't paused"
    assert not any(one > 2.6 for one in told.entries("BTCUSDT"))
    assert any(one > 6 for one in told.entries("ETHUSDT"))
    assert [one["command"] for one in told.of_type("commanded")] == ["blacklist", "pause", "resume"]


def test_it_says_what_denies_entries_after_a_resume(tmp_path: Path) -> None:
    told = telling(tmp_path, table(), (3, ask("pause")), (4, Request()), seconds=8)
    (_, status) = told.answers
    assert isinstance(status, Answer)
    assert status.status is not None
    assert (status.status.phase, status.status.paused, status.status.flattening) == ("RUNNING", True, False)
    assert [(one.rule, one.reason) for one in status.status.denials] == [("paused", f"by {ANA}")]
    assert [one.symbol for one in status.status.positions]


def test_flatten_closes_every_position_and_stays_paused(tmp_path: Path) -> None:
    told = telling(tmp_path, table(), (3.1, ask("flatten", why="enough")), (20.1, Request()), symbols=("BTC", "ETH"))

    check(told, tmp_path)
    assert said(told).startswith("paused, and ")
    flattened = [(at, symbol) for at, symbol, reason in told.exits() if reason == "flattened"]
    assert {symbol for _, symbol in flattened} == {"BTCUSDT", "ETHUSDT"}
    assert all(3.1 <= at < 4 for at, _ in flattened), "not when the gap has closed, at 5 s"
    assert not any(at > 3.1 for at in told.entries())
    status = told.answers[1]
    assert isinstance(status, Answer)
    assert status.status is not None
    assert (status.status.positions, status.status.flattening) == ((), True)


def test_flatten_closes_once_it_can_be(tmp_path: Path) -> None:
    """Where the quotes are too old, it waits for others."""
    config = table(max_quote_age_ms=5_000)
    config["execution"] = {"max_exit_quote_age_ms": 100}
    told = telling(tmp_path, config, (3.2, ask("flatten")))

    check(told, tmp_path)
    assert {reason for _, _, reason in told.exits()} == {"flattened"}
    assert all(3.2 < at <= 3.75 for at, _, _ in told.exits())


def test_flatten_is_kept_by_an_end_that_keeps_positions(tmp_path: Path) -> None:
    """What could not be closed before is closed at the end, whatever the configuration says."""
    config = table()
    config["session"]["close_positions_at_end"] = False
    told = telling(tmp_path, config, (3.2, ask("flatten")), (3.2, ask("end")))

    check(told, tmp_path)
    assert {reason for _, _, reason in told.exits()} == {"flattened"}
    assert not told.campaign.state.trades.positions()


def test_a_blacklisted_symbol_takes_no_entries_and_is_closed(tmp_path: Path) -> None:
    told = telling(
        tmp_path,
        table(),
        (3.1, ask("blacklist", symbol="ETHUSDT", why="odd prices")),
        (21, ask("unblacklist", symbol="ETHUSDT")),
        symbols=("BTC", "ETH"),
    )

    check(told, tmp_path)
    assert said(told) == "ETHUSDT takes no entries; what it holds is being closed"
    assert said(told, 1) == "ETHUSDT takes entries again"
    closed = [(at, symbol) for at, symbol, reason in told.exits() if reason == "blacklisted"]
    assert closed
    assert all(symbol == "ETHUSDT" and 3.1 <= at < 4 for at, symbol in closed)
    assert not any(3.1 < at < 21 for at in told.entries("ETHUSDT"))
    assert any(at >= 21 for at in told.entries("ETHUSDT"))
    assert any(3.1 < at < 21 for at in told.entries("BTCUSDT"))
    assert not any(reason == "blacklisted" for at, _, reason in told.exits() if at >= 21)


def test_a_blacklisted_symbol_keeps_its_positions_where_the_campaign_would(tmp_path: Path) -> None:
    config = table()
    config["session"]["close_positions_at_end"] = False
    told = telling(tmp_path, config, (3.1, ask("blacklist", symbol="BTCUSDT")))

    check(told, tmp_path)
    assert said(told).endswith("is left to the strategy, since session.close_positions_at_end = false")
    assert {reason for _, _, reason in told.exits()} == {"edge"}


def test_explain_says_who_told_it_what(tmp_path: Path) -> None:
    pause, less = ask("pause", why="news"), ask("set", setting="strategy.order_size_usd=50")
    told = telling(tmp_path, table(), (3, pause), (4, less), (5, ask("blacklist", symbol="BTCUSDT")), seconds=8)
    timeline = Timeline()
    for event in told.events:
        timeline.apply(decode(msgspec.json.encode(event)))
    lines = [line.partition(" UTC ")[2] for line in timeline.overview("c.journal") if line.startswith("Told at ")]
    assert lines == [
        f"to pause by {ANA}: news",
        f"to set strategy.order_size_usd = 50 by {ANA}",
        f"to blacklist BTCUSDT by {ANA}",
    ]


def test_end_ends_it_as_a_signal_does(tmp_path: Path) -> None:
    told = telling(tmp_path, table(), (3.1, ask("end")), (3.1, ask("end")), (3.1, ask("pause")))

    check(told, tmp_path)
    assert said(told) == "the campaign ends"
    assert said(told, 1) == "it is ending already (control)"
    refused = told.answers[2]
    assert isinstance(refused, ControlError)
    assert str(refused) == "nothing was done: the campaign is ending already"
    assert told.events[-1]["ended_by"] == "control"
    assert {reason for _, _, reason in told.exits()} == {"campaign_end"}
    assert told.seconds(told.events[-1]) < 5


def test_a_panic_closes_everything_whatever_is_configured(tmp_path: Path) -> None:
    config = table()
    config["session"]["close_positions_at_end"] = False
    told = telling(tmp_path, config, (3.1, ask("panic")))

    check(told, tmp_path)
    assert told.events[-1]["ended_by"] == "panic"
    assert {reason for _, _, reason in told.exits()} == {"flattened"}
    assert not told.campaign.state.trades.positions()
    assert told.seconds(told.events[-1]) < 4


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (ask("blacklist", symbol="BTCUSD"), "the campaign trades no symbol 'BTCUSD'; did you mean 'BTCUSDT'?"),
        (ask("blacklist"), "the campaign trades no symbol ''"),
        (ask("unblacklist", symbol="BTCUSDT"), "BTCUSDT is not blacklisted"),
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_no_trace(tmp_path: Path, request_: Request, message: str) -> None:
    told = telling(tmp_path, table(), (3, request_), seconds=8)

    (refused,) = told.answers
    assert isinstance(refused, TrioarbError)
    assert str(refused) == message
    assert told.of_type("commanded") == []


def test_what_holds_already_is_said_and_not_recorded_again(tmp_path: Path) -> None:
    told = telling(
        tmp_path,
        table(),
        (3, ask("pause", why="one")),
        (4, ask("pause", why="two")),
        (5, ask("blacklist", symbol="BTCUSDT")),
        (6, ask("blacklist", symbol="BTCUSDT")),
        seconds=10,
    )
    assert said(told, 1) == f"it is paused already by {ANA}: one"
    assert said(told, 3) == f"BTCUSDT is blacklisted already by {ANA}"
    assert len(told.of_type("commanded")) == 2


@pytest.mark.parametrize(
    ("word", "is_flat"), [("pause", False), ("flatten", True), ("panic", True)], ids=["pause", "flatten", "panic"]
)
def test_what_was_told_holds_after_a_crash(tmp_path: Path, word: str, is_flat: bool) -> None:
    """Cut off a moment later: before anything that follows from it was done."""
    config = table()
    blacklist = (3.0, ask("blacklist", symbol="ETHUSDT", why="odd"))
    symbols = ("BTC", "ETH")
    telling(tmp_path, config, blacklist, (3.1, ask(word, why="storm")), symbols=symbols, cut_off_at=3.1)
    told = telling(tmp_path, config, (12, Request()), (21, ask("resume")), symbols=symbols, resumed=True)

    check(told, tmp_path)
    status = told.answers[0]
    assert isinstance(status, Answer)
    assert status.status is not None
    assert (status.status.paused, status.status.flattening) == (True, is_flat)
    assert status.status.blacklisted == ("ETHUSDT",)
    denials = {(one.rule, one.reason, one.symbol) for one in status.status.denials}
    assert denials == {("paused", f"by {ANA}: storm", None), ("blacklisted", f"by {ANA}: odd", "ETHUSDT")}
    assert told.entries("BTCUSDT")
    assert not any(at < 21 for at in told.entries())
    assert told.entries("ETHUSDT") == []
    reasons = {(symbol, reason) for at, symbol, reason in told.exits() if at < 2}
    if is_flat:
        assert reasons == {("BTCUSDT", "flattened"), ("ETHUSDT", "flattened")}
    else:
        assert ("ETHUSDT", "blacklisted") in reasons
        assert ("BTCUSDT", "flattened") not in reasons


def moved(told: Told, command: Mapping[str, Any], before: int) -> Sequence[Mapping[str, Any]]:
    """Return the events with a command in front of one of them, numbered anew."""
    events = [dict(one) for one in told.events]
    events.insert(before, {**command, "ts_ns": events[before]["ts_ns"]})
    for seq, event in enumerate(events, 1):
        event["seq"] = seq
    return events


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"command": "pause"}, "enters while the campaign is paused, by seq"),
        ({"command": "flatten"}, "enters while the campaign is paused, by seq"),
        ({"command": "blacklist", "symbol": "BTCUSDT"}, "enters a symbol that seq"),
        ({"command": "blacklist"}, "is a command without its symbol"),
        ({"command": "set", "key": "strategy.entry_bps"}, "is a command without its after"),
        ({"command": "resume"}, "resumes a campaign that isn't paused"),
    ],
)
def test_verify_finds_what_goes_against_a_command(tmp_path: Path, fields: Mapping[str, Any], message: str) -> None:
    told = telling(tmp_path, table(), seconds=10)
    check(told, tmp_path)
    allowed = next(place for place, one in enumerate(told.events) if one.get("answer") == "ALLOW")
    command = {"type": "commanded", "who": ANA, "why": "", "forced": False, **fields}
    assert any(message in one for one in violations(moved(told, command, allowed)))


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("flattened", "closes what nobody wanted flattened"),
        ("blacklisted", "closes a symbol as blacklisted that isn't"),
    ],
)
def test_verify_finds_an_exit_that_nobody_wanted(tmp_path: Path, reason: str, message: str) -> None:
    told = telling(tmp_path, table(), seconds=10)
    events = [dict(one) for one in told.events]
    for event in events:
        if event["type"] == "pair_opened" and event["kind"] == "exit":
            event["reason"] = reason
    assert any(message in one for one in violations(events))


def sized(told: Told) -> list[tuple[float, float]]:
    """Return when entries were opened, and of how many units."""
    opened = [one for one in told.of_type("pair_opened") if one["kind"] == "entry"]
    return [(told.seconds(one), float(one["quantity"])) for one in opened]


def test_a_strategy_reads_its_settings_anew(tmp_path: Path) -> None:
    told = telling(
        tmp_path,
        table(),
        (2.1, ask("set", setting="strategy.order_size_usd=50", why="less")),
        (12.1, ask("set", setting="strategy.entry_bps=500")),
        (22.1, ask("set", setting="strategy.entry_bps=20", force=True)),
    )

    check(told, tmp_path)
    assert said(told) == "strategy.order_size_usd = 50 (before: 100)"
    before, after = [size for at, size in sized(told) if at < 2.1], [size for at, size in sized(told) if at > 2.1]
    assert set(before) == {0.99}
    assert set(after) == {0.49}
    assert not any(12.1 < at < 22.1 for at in told.entries())
    assert any(22.1 < at < 23.6 for at in told.entries()), "at once, not when something else happens"
    commands = [(one["key"], one["before"], one["after"], one["forced"]) for one in told.of_type("commanded")]
    assert commands == [
        ("strategy.order_size_usd", "100", "50", False),
        ("strategy.entry_bps", "20", "500", False),
        ("strategy.entry_bps", "500", "20", True),
    ]
    assert told.campaign.config.strategy.settings.order_size_usd == 50


def test_a_guard_reads_its_settings_anew(tmp_path: Path) -> None:
    config = table()
    config["guards"]["global"] = {"max_total_exposure_usd": 10_000}
    told = telling(tmp_path, config, (2.1, ask("set", setting="guards.global.max_total_exposure_usd=150")), period=100)

    check(told, tmp_path)
    assert not any(at > 2.1 for at in told.entries())
    (denied, *_) = [one for one in told.of_type("decided") if one.get("rule") == "total_exposure"]
    assert denied["limit"] == "150"
    assert told.seconds(denied) < 3.5


def test_a_symbol_with_settings_of_its_own_keeps_them(tmp_path: Path) -> None:
    config = table()
    config["symbols"] = {"ETHUSDT": {"strategy": {"order_size_usd": 30}, "guards": {"symbol": {"cooldown_seconds": 3}}}}
    told = telling(
        tmp_path,
        config,
        (2.1, ask("set", setting="strategy.order_size_usd=50")),
        (2.1, ask("set", setting="guards.symbol.cooldown_seconds=4")),
        symbols=("BTC", "ETH"),
        period=100,
        seconds=20,
    )

    check(told, tmp_path)
    opened = [one for one in told.of_type("pair_opened") if one["kind"] == "entry"]
    late = [(one["symbol"], float(one["quantity"])) for one in opened if told.seconds(one) > 2.1]
    assert set(late) == {("BTCUSDT", 0.49), ("ETHUSDT", 0.29)}
    at = {symbol: [one for one in told.entries(symbol) if one > 2.1] for symbol in ("BTCUSDT", "ETHUSDT")}
    assert min(later - one for one, later in pairwise(at["BTCUSDT"])) >= 4
    assert 3 <= min(later - one for one, later in pairwise(at["ETHUSDT"])) < 4


def test_what_the_core_reads_anew(tmp_path: Path) -> None:
    told = telling(
        tmp_path,
        table(),
        (2, ask("set", setting="session.close_positions_at_end=false")),
        (2, ask("set", setting="engine.max_concurrent_pairs=1")),
        (3, ask("end")),
    )

    check(told, tmp_path)
    assert told.campaign.state.trades.positions()
    assert told.campaign.parts.guards.max_concurrent_pairs == 1


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("strategy.entry_bps=5", "strategy.entry_bps: 5 instead of 20 loosens a limit; --force sets it anyway"),
        ("strategy.order_size_usd=101", "strategy.order_size_usd: 101 instead of 100 loosens a limit"),
        ("strategy.order_size_base=0.1", "strategy.order_size_base: 0.1 instead of nothing loosens a limit"),
        ("guards.symbol.reduce=true", "guards.symbol.reduce: true instead of false loosens a limit"),
        ("guards.symbol.cooldown_seconds=0", "guards.symbol.cooldown_seconds: 0 instead of 1 loosens a limit"),
        ("strategy.entry_bps=much", '--set: strategy.entry_bps: wrong value: "much" (allowed: number, bps)'),
        ("strategy.entry_pbs=5", "did you mean 'entry_bps'?"),
        ("strategy.entry_bps", "no = after the key"),
        ("guards.*.reduce=true", "one key at a time"),
        (
            "strategy.max_quote_age_ms=5",
            "strategy.max_quote_age_ms: isn't read anew while a campaign runs (allowed: session.",
        ),
        ("exchanges.a.taker_fee_bps=0", "set: exchanges.a.taker_fee_bps: isn't read anew while a campaign runs"),
        ("session.seed=5", "set: session.seed: isn't read anew while a campaign runs"),
        ("guards.exchange.enabled=true", "set: guards.exchange.enabled: isn't read anew while a campaign runs"),
        ("strategy.plugin=triangular", "strategy.exit_bps: unknown key"),
    ],
)
def test_what_can_not_be_set_is_said_as_of_a_file(tmp_path: Path, setting: str, message: str) -> None:
    told = telling(tmp_path, table(), (3, ask("set", setting=setting)), seconds=6)

    (refused,) = told.answers
    assert isinstance(refused, TrioarbError), refused
    assert message in str(refused)
    assert told.of_type("commanded") == []


def test_a_looser_limit_needs_force(tmp_path: Path) -> None:
    looser = "guards.global.max_total_exposure_usd=20000"
    told = telling(tmp_path, table(), (3, ask("set", setting=looser)), (4, ask("set", setting=looser, force=True)))

    assert isinstance(told.answers[0], ControlError)
    assert said(told, 1) == "guards.global.max_total_exposure_usd = 20000 (before: 10000)"
    (command,) = told.of_type("commanded")
    assert command["forced"] is True


def test_a_tighter_limit_needs_no_force_where_there_was_none(tmp_path: Path) -> None:
    told = telling(
        tmp_path,
        table(),
        (3, ask("set", setting="guards.global.max_drawdown_usd=100")),
        (4, ask("set", setting="guards.global.max_drawdown_usd=100")),
        (5, ask("set", setting="strategy.entry_bps=21")),
        seconds=8,
    )
    assert said(told) == "guards.global.max_drawdown_usd = 100"
    assert said(told, 1) == "guards.global.max_drawdown_usd=100: so it is already"
    assert said(told, 2) == "strategy.entry_bps = 21 (before: 20)"
    assert len(told.of_type("commanded")) == 2


def test_what_was_set_holds_after_a_crash_and_another(tmp_path: Path) -> None:
    config = table()
    less = (2.1, ask("set", setting="strategy.order_size_usd=50"))
    limit = (2.2, ask("set", setting="guards.global.max_total_exposure_usd=9000"))
    telling(tmp_path, config, less, limit, cut_off_at=2.2)
    for cut_off_at in (3.0, None):
        told = telling(tmp_path, config, resumed=True, cut_off_at=cut_off_at, as_stored=True, seconds=45)
        assert told.entries()
        assert {size for _, size in sized(told)} == {0.49}
        tiers = {one.key: one.settings for one in told.campaign.config.guards}
        assert tiers["guards.global"].max_total_exposure_usd == 9_000
    check(told, tmp_path)


@pytest.mark.parametrize("error", [RuntimeError("not these"), SystemExit("not these"), KeyboardInterrupt("not these")])
def test_a_strategy_that_fails_at_its_settings_fails_its_symbol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    takes = SpreadStrategy.retune

    def fail(self: SpreadStrategy, settings: SpreadSettings) -> None:
        if settings.entry_bps == 25:
            raise error
        takes(self, settings)

    monkeypatch.setattr(SpreadStrategy, "retune", fail)
    told = telling(tmp_path, table(), (2.1, ask("set", setting="strategy.entry_bps=25")))

    check(told, tmp_path)
    (failed,) = told.of_type("symbol_quarantined")
    assert 2.1 <= told.seconds(failed) < 2.2
    name = type(error).__name__
    assert f"[strategy]: plugin 'spread' (BTCUSDT): retune raised {name}: not these" in failed["error"]


def test_a_plugin_without_retune_keeps_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trioarb.builtin.guard_global.GlobalTier.retune", GuardTier.retune)
    told = telling(tmp_path, table(), (2.1, ask("set", setting="guards.global.max_daily_loss_usd=999")), seconds=5)

    (refused,) = told.answers
    assert str(refused) == (
        "guards.global.max_daily_loss_usd: its plugin takes no other settings while it runs; it has no retune"
    )
    assert told.of_type("commanded") == []


def test_a_plugin_that_fails_at_its_settings_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object, *settings: object) -> None:
        raise RuntimeError("not these")

    monkeypatch.setattr("trioarb.builtin.guard_global.GlobalTier.retune", fail)
    told = telling(tmp_path, table(), (2.1, ask("set", setting="guards.global.max_daily_loss_usd=999")), period=100)

    check(told, tmp_path)
    assert not any(at > 2.1 for at in told.entries()), "it denies from then on"
    (denied, *_) = [one for one in told.of_type("decided") if one.get("rule") == "error"]
    assert "retune raised RuntimeError: not these" in denied["value"]
