"""Bithumb's tokens have the time of its own clock, whatever this machine's says."""

from __future__ import annotations

import time

import pytest
from simulated import KEY, opened_account

from trioarb.api import VenueError
from trioarb_sim.faults import Fault
from trioarb_sim.simulator import open_simulator


@pytest.fixture(autouse=True)
def bithumb() -> None:
    pytest.importorskip("trioarb_bithumb")


@pytest.mark.parametrize("wrong_seconds", [-50, 50])
async def test_a_token_has_the_venues_time(wrong_seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    right = time.time_ns
    async with open_simulator("bithumb", every_seconds=0, key=KEY) as simulator:
        # Campaign time and the machine's clock are both wrong for whoever asks; the venue's is right.
        simulator.app._now_ms = simulator.app.api._now_ms = lambda: right() // 1_000_000 + wrong_seconds * 1_000  # type: ignore[attr-defined]
        async with opened_account(simulator) as exchange:
            assert (await exchange.balances())["KRW"] == 100_000_000
            standing = await exchange.standing()
            assert standing.clock_offset_ms == pytest.approx(wrong_seconds * 1_000, abs=1_100)


async def test_a_clock_that_is_an_hour_off_is_said() -> None:
    async with open_simulator("bithumb", every_seconds=0, key=KEY, faults={Fault.SKEWED_CLOCK: 1}) as simulator:
        with pytest.raises(VenueError, match="the clock of this machine is"):
            async with opened_account(simulator) as exchange:
                await exchange.balances()
