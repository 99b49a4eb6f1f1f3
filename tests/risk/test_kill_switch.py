"""The kill switch: its file, its signal, and what is left of them after a crash."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from asking import ask
from checked import checked

from trioarb.api import (
    SECOND_NS,
    Answer,
    GuardContext,
    GuardTier,
    GuardTierSpec,
    GuardTripped,
    NoSettings,
    Opportunity,
    Record,
    Refusal,
    event,
)
from trioarb.builtin.guard_global import GlobalSettings, GlobalTier
from trioarb.builtin.guard_kill_switch import KillSwitchSettings, KillSwitchTier
from trioarb.journal.journal import Journal
from trioarb.model.event import Decided, PairOpened
from trioarb.risk.guards import Guards
from trioarb.risk.holds import Holds
from trioarb.state.exposure import Exposure
from trioarb.state.marks import Marks
from trioarb.state.trades import Trades
from trioarb.testing import (
    CampaignResult,
    FixedRisk,
    ScriptedRow,
    ScriptedTape,
    listing,
    opportunity,
    plugin_of,
    run_virtual,
    scripted_market,
    two_venues,
)


class Desk:
    """The tier and a journal."""

    def __init__(self, tier: Callable[[], GuardTier]) -> None:
        self.records: list[Record] = []
        self.fresh_tier = tier
        self.journal = Journal(lambda: len(self.records))
        self.trades = Trades()
        self.guards = Guards(
            journal=self.journal,
            trades=self.trades,
            marks=Marks(Exposure(), self.trades),
            tiers={"mine": checked("mine", tier())},
            holds=Holds(),
            max_concurrent_pairs=100,
        )
        self.journal.attach(
            projections=[self.trades, self.guards], observers=[self.records.append], reactors=[self.guards]
        )

    def answer(self) -> str:
        given = ask(self.guards, opportunity(), 0, journal=self.journal, trades=self.trades)
        if isinstance(given, PairOpened):
            return "ALLOW"
        assert given.tier == "mine"
        return f"{given.answer.value} {given.rule}: {given.value}"

    def poll(self) -> None:
        self.guards.poll(0)

    def recovered(self) -> Desk:
        """Return a desk whose tier has folded this one's journal."""
        again = Desk(self.fresh_tier)
        again.journal.fold(self.records)
        return again

    @property
    def tripped(self) -> list[tuple[str, str]]:
        events = (record.event for record in self.records)
        return [(one.answer.value, one.value) for one in events if isinstance(one, GuardTripped)]

    @property
    def stops(self) -> int:
        events = (record.event for record in self.records)
        return sum(isinstance(one, Decided) and one.answer is Answer.STOP for one in events)


def switch(file: Path | None = None, *, flatten: bool = False) -> Desk:
    settings = KillSwitchSettings(file=file, flatten=flatten)
    return Desk(lambda: KillSwitchTier(settings, GuardContext(name="mine", symbols=(), risk=FixedRisk())))


def pull(desk: Desk) -> None:
    desk.journal.record(event.KillSwitchPulled(source="SIGUSR1"))


# The file


def test_the_file_denies_at_once_and_trips_when_it_is_looked_for(tmp_path: Path) -> None:
    halt = tmp_path / "halt"
    desk = switch(halt)
    desk.poll()
    assert desk.answer() == "ALLOW"
    halt.touch()
    assert desk.answer() == f"DENY kill_switch: {halt} exists"
    assert desk.tripped == []
    for _ in range(3):
        desk.poll()
    assert desk.tripped == [("DENY", f"{halt} exists")]
    halt.unlink()
    assert desk.answer() == f"DENY kill_switch: {halt} exists", "until its release is recorded"
    desk.poll()
    assert desk.tripped[1:] == [("ALLOW", "released")]
    assert desk.answer() == "ALLOW"
    assert desk.stops == 0


def test_with_flatten_the_file_stops_and_the_stop_latches(tmp_path: Path) -> None:
    halt = tmp_path / "halt"
    desk = switch(halt, flatten=True)
    halt.touch()
    desk.poll()
    assert desk.tripped == [("STOP", f"{halt} exists")]
    assert desk.stops == 1
    halt.unlink()
    desk.poll()
    assert len(desk.tripped) == 1
    assert desk.answer() == f"STOP kill_switch: {halt} exists"


def test_a_stop_that_an_entry_met_latches_too(tmp_path: Path) -> None:
    halt = tmp_path / "halt"
    desk = switch(halt, flatten=True)
    halt.touch()
    assert desk.answer().startswith("STOP")
    halt.unlink()
    assert desk.answer() == f"STOP kill_switch: {halt} exists"
    desk.poll()
    assert desk.tripped == []


def test_a_file_that_cannot_be_looked_for_denies(tmp_path: Path) -> None:
    desk = switch(tmp_path / ("x" * 5_000))
    assert desk.answer().startswith("DENY error: [guards.mine]: plugin 'mine': check raised OSError")
    desk.poll()
    assert desk.answer().startswith("DENY error: [guards.mine]: plugin 'mine': poll raised OSError")


def test_a_file_in_a_folder_that_is_not_there_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "nowhere" / "halt", tmp_path / "file" / "halt"):
        assert switch(place).answer() == "ALLOW"


# The signal


@pytest.mark.parametrize(("flatten", "answer"), [(False, "DENY"), (True, "STOP")])
def test_who_pulls_it_stops_entries_until_the_stop_is_cleared(flatten: bool, answer: str) -> None:
    desk = switch(flatten=flatten)
    pull(desk)
    assert desk.tripped == [(answer, "pulled by SIGUSR1")]
    assert desk.stops == flatten
    pull(desk)
    desk.poll()
    assert len(desk.tripped) == 1
    assert desk.answer() == f"{answer} kill_switch: pulled by SIGUSR1"
    desk.journal.record(event.StopCleared())
    desk.poll()
    assert desk.answer() == "ALLOW"
    assert len(desk.tripped) == 1


def test_a_file_that_is_gone_does_not_release_what_a_signal_pulled(tmp_path: Path) -> None:
    halt = tmp_path / "halt"
    desk = switch(halt)
    halt.touch()
    desk.poll()
    pull(desk)
    halt.unlink()
    desk.poll()
    assert desk.tripped == [("DENY", f"{halt} exists")]
    assert desk.answer() == "DENY kill_switch: pulled by SIGUSR1"


def test_a_cleared_stop_does_not_remove_the_file(tmp_path: Path) -> None:
    halt = tmp_path / "halt"
    halt.touch()
    desk = switch(halt, flatten=True)
    desk.poll()
    desk.journal.record(event.StopCleared())
    desk.poll()
    assert desk.tripped == [("STOP", f"{halt} exists")] * 2
    assert desk.stops == 2


# After a crash


@pytest.mark.parametrize(("flatten", "answer"), [(False, "DENY"), (True, "STOP")])
def test_what_was_pulled_stays_pulled(flatten: bool, answer: str) -> None:
    desk = switch(flatten=flatten)
    pull(desk)
    again = desk.recovered()
    again.poll()
    assert again.tripped == []
    assert again.answer() == f"{answer} kill_switch: pulled by SIGUSR1"
    again.journal.record(event.StopCleared())
    assert again.answer() == "ALLOW"


def test_a_file_that_was_removed_meanwhile_has_released_it(tmp_path: Path) -> None:
    halt = tmp_path / "halt"
    halt.touch()
    desk = switch(halt)
    desk.poll()
    halt.unlink()
    again = desk.recovered()
    assert again.answer().startswith("DENY")
    again.poll()
    assert again.tripped == [("ALLOW", "released")]
    assert again.answer() == "ALLOW"


def test_a_stop_stays_though_the_file_is_gone(tmp_path: Path) -> None:
    halt = tmp_path / "halt"
    halt.touch()
    desk = switch(halt, flatten=True)
    desk.poll()
    halt.unlink()
    assert desk.recovered().answer() == f"STOP kill_switch: {halt} exists"


def test_a_cleared_stop_unlatches_the_global_tier_as_well() -> None:
    limits = GlobalSettings(emergency_stop_loss_usd=Decimal(100))

    class Risk(FixedRisk):
        loss = Decimal(150)

        def daily_loss_usd(self, now_ns: int, symbol: str | None = None) -> Decimal:
            return self.loss

    risk = Risk()
    desk = Desk(lambda: GlobalTier(limits, GuardContext(name="mine", symbols=(), risk=risk)))
    assert desk.answer() == "STOP emergency_stop: 150"
    risk.loss = Decimal(0)
    assert desk.answer() == "STOP emergency_stop: 150"
    assert desk.recovered().answer() == "STOP emergency_stop: 150"
    desk.journal.record(event.StopCleared())
    assert desk.answer() == "ALLOW"
    assert desk.recovered().answer() == "ALLOW"
    risk.loss = Decimal(150)
    assert desk.answer() == "STOP emergency_stop: 150", "the latch is lifted, not the limit"


# In campaigns


class Hand(GuardTier):
    """Does things at seconds of the campaign."""

    def __init__(self, acts: Mapping[int, Callable[[], object]]) -> None:
        self._acts = acts
        self._asked = 0

    def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
        return None

    def poll(self, now_ns: int) -> Iterable[GuardTripped]:
        self._asked += 1
        self._acts.get(self._asked, lambda: None)()
        return ()


def campaign(table: dict[str, Any], acts: Mapping[int, Callable[[], object]] = {}, *overrides: str) -> CampaignResult:
    """Run ten seconds in which every second half second pays an entry, and the other one an exit."""

    @asynccontextmanager
    async def opened(settings: NoSettings, context: GuardContext) -> AsyncIterator[GuardTier]:
        yield Hand(acts)

    def rows(venue: str) -> list[ScriptedRow]:
        prices = ((tick / 2, 101.0 if venue == "b" and tick % 2 == 0 else 100.0) for tick in range(21))
        late = 0.001 if venue == "a" else 0
        return [(seconds + late, "BTCUSDT", bid, 100.0, bid + 0.1, 100.0) for seconds, bid in prices]

    config = two_venues()
    config["strategy"] = {"entry_bps": 50, "exit_bps": -40, "order_size_usd": 500}
    config["guards"] = {
        "symbol": {"cooldown_seconds": 0, "circuit_breaker_loss_count": 0},
        "exchange": {"enabled": False},
        "kill_switch": table,
        "hand": {},
    }
    tapes = {venue: ScriptedTape(rows(venue), listings=[listing("BTC")]) for venue in "ab"}
    return run_virtual(
        config,
        plugins={
            "market": scripted_market(tapes),
            # Asked before the kill switch, so what it does is seen in the same second.
            "hand": plugin_of(GuardTierSpec(name="hand", doc="acts", open=opened, rank=1)),
        },
        overrides=overrides,
    )


def seconds(result: CampaignResult, events: Iterable[Mapping[str, Any]]) -> list[float]:
    return [round((one["ts_ns"] - result.events[0]["ts_ns"]) / SECOND_NS, 2) for one in events]


def entries(result: CampaignResult) -> list[float]:
    return seconds(result, (one for one in result.of_type("pair_opened") if one["kind"] == "entry"))


def test_a_file_that_comes_and_goes_stops_entries_for_that_time(tmp_path: Path) -> None:
    halt = tmp_path / "halt"
    result = campaign({"file": str(halt)}, {3: halt.touch, 7: halt.unlink})
    tripped = result.of_type("guard_tripped")
    assert [(one["tier"], one["rule"], one["answer"]) for one in tripped] == [
        ("kill_switch", "kill_switch", "DENY"),
        ("kill_switch", "kill_switch", "ALLOW"),
    ]
    assert seconds(result, tripped) == [3, 7]
    assert entries(result) == [0, 1, 2, 3, 7, 8, 9, 10]
    assert len(result.of_type("position_closed")) == 8, "exits go on"
    assert seconds(result, result.of_type("position_closed"))[3] == 3.54
    assert result.refusals["kill_switch.kill_switch"] >= 3
    assert result.exit_code == 0


def test_with_flatten_the_campaign_stops_and_closes_everything(tmp_path: Path) -> None:
    halt = tmp_path / "halt"
    result = campaign(
        {"file": str(halt), "flatten": True},
        {5: halt.touch},
        "session.close_positions_at_end=false",
        "strategy.exit_bps=1000",
        "guards.symbol.max_position_count=100",
    )
    assert entries(result) == [0, 1, 2, 3, 4, 5]
    assert len(result.of_type("position_closed")) == 6
    assert {one["reason"] for one in result.of_type("position_closed")} == {"emergency_stop"}
    (stop,) = (one for one in result.of_type("decided") if one["answer"] == "STOP")
    assert (stop["tier"], stop["rule"], stop["value"]) == ("kill_switch", "kill_switch", f"{halt} exists")
    assert seconds(result, [stop]) == [5]
    assert result.events[-1]["ended_by"] == "emergency_stop"
    assert result.exit_code == 3


def test_a_file_that_is_there_from_the_start_is_pointed_out(tmp_path: Path) -> None:
    halt = tmp_path / "halt"
    halt.touch()
    result = campaign({"file": str(halt)})
    assert entries(result) == []
    assert any(f"guards.kill_switch: {halt} exists" in warning for warning in result.warnings)
    assert result.exit_code == 0


def test_without_a_table_there_is_no_kill_switch() -> None:
    result = run_virtual(
        two_venues(),
        plugins={
            "market": scripted_market(
                {venue: ScriptedTape([], listings=[listing("BTC")]) for venue in ("a", "b")},
            )
        },
    )
    assert list(result.campaign.tiers) == ["global", "portfolio", "symbol"]
    assert not any(tier.answers_kill_switch for tier in result.campaign.tiers.values())
