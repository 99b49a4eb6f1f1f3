"""`run --carry-loss`: what an earlier campaign lost on the same UTC day counts in the limits of a new one."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest
from command import SPREAD, CommandLine, Ran

from trioarb.cli import carried

VIRTUAL = ["--set=session.clock=virtual", "--set=session.max_runtime_seconds=60"]
LOSING = [*VIRTUAL, "--set=exchanges.b.reject_rate=0.6"]


def losing(trioarb: CommandLine) -> Ran:
    ran = trioarb.run(SPREAD, *LOSING, "--journal=first.journal")
    assert Decimal(ran.summary["pnl_usd"]) < 0, ran.out
    return ran


def test_it_counts_in_the_daily_loss_from_the_first_opportunity_on(trioarb: CommandLine) -> None:
    lost = -Decimal(losing(trioarb).summary["pnl_usd"])

    ran = trioarb.run(
        SPREAD,
        *VIRTUAL,
        "--journal=second.journal",
        "--carry-loss=first.journal",
        f"--set=guards.global.max_daily_loss_usd={lost}",
    )

    assert ran.code == 0, ran.err
    (event,) = ran.of_type("loss_carried")
    assert Decimal(event["total_usd"]) == -lost
    assert {one["rule"] for one in ran.of_type("decided")} == {"daily_loss"}
    assert {Decimal(one["value"]) for one in ran.of_type("decided")} == {lost}
    assert Decimal(ran.summary["carried_loss"]["total_usd"]) == -lost
    assert Decimal(ran.summary["pnl_usd"]) == 0
    assert "lost before, this day" in ran.out
    assert trioarb("verify", "second.journal").code == 0

    third = trioarb.run(SPREAD, *VIRTUAL, "--journal=third.journal", "--carry-loss=second.journal")
    assert [one["total_usd"] for one in third.of_type("loss_carried")] == [event["total_usd"]], "it is handed on"


def test_one_that_reaches_the_emergency_stop_stops_at_the_first_opportunity(trioarb: CommandLine) -> None:
    lost = -Decimal(losing(trioarb).summary["pnl_usd"])

    ran = trioarb.run(
        SPREAD,
        *VIRTUAL,
        "--journal=second.journal",
        "--carry-loss=first.journal",
        f"--set=guards.global.emergency_stop_loss_usd={lost}",
    )

    assert ran.code == 3
    assert not ran.of_type("pair_opened")
    assert trioarb("verify", "second.journal").code == 0


def test_a_journal_that_is_none_is_said_and_nothing_is_begun(trioarb: CommandLine) -> None:
    ran = trioarb("run", SPREAD, *VIRTUAL, "--journal=second.journal", "--carry-loss=absent.journal")

    assert ran.code == 2
    assert "absent.journal" in ran.err
    assert not (trioarb.folder / "second.journal").exists()


def test_a_loss_of_today_that_is_not_carried_is_warned_of(
    trioarb: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = losing(trioarb)
    ended_ns = ran.events[-1]["ts_ns"]
    monkeypatch.setattr(carried, "time", SimpleNamespace(time_ns=lambda: ended_ns, time=lambda: ended_ns / 1e9))
    folder = trioarb.folder / "journals"
    folder.mkdir()
    journal = folder / "spread-20250101T000000Z.journal"
    (trioarb.folder / "first.journal").rename(journal)
    os.utime(journal, ns=(ended_ns, ended_ns))

    def warned(name: str = "spread", own: Path = folder / "own.journal") -> str:
        return carried.warning_of_earlier(folder, name, own)

    lost = -Decimal(ran.summary["pnl_usd"])
    assert f"lost {lost.normalize():f} USD" in warned()
    assert f"--carry-loss {journal}" in warned()
    assert not warned("other")
    assert not warned(own=journal)
    os.utime(journal, (0, 0))
    assert not warned()
