"""Live mode on two simulated venues: what it takes to begin, and what is at risk."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import attrs
import pytest
import trio

from trioarb.api import SECOND_NS
from trioarb.venue import account_id
from trioarb_sim.account import Key
from trioarb_sim.simulator import Simulator, open_simulator

pytest.importorskip("trioarb_binance")
pytest.importorskip("trioarb_upbit")

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "configs" / "binance_upbit_paper.toml"
WARM_SECONDS = 6
KEYS = {
    "BINANCE_API_KEY": "binance-key",
    "BINANCE_API_SECRET": "binance-secret",
    "UPBIT_API_KEY": "upbit-key",
    "UPBIT_API_SECRET": "upbit-secret",
}


@attrs.frozen
class Place:
    """A folder to work in, with two venues."""

    folder: Path
    binance: Simulator
    upbit: Simulator

    @property
    def settings(self) -> list[str]:
        given = {
            "session.mode": "live",
            "live.warm_seconds": "1",
            "exchanges.binance.rest_url": self.binance.rest_url,
            "exchanges.binance.stream_url": self.binance.socket_url,
            "exchanges.binance.api_url": f"{self.binance.socket_url}/ws-api/v3",
            "exchanges.upbit.rest_url": self.upbit.rest_url,
            "exchanges.upbit.stream_url": self.upbit.socket_url,
            "exchanges.upbit.private_stream_url": f"{self.upbit.socket_url}/websocket/v1/private",
        }
        return [part for key, value in given.items() for part in ("--set", f"{key}={value}")]

    async def trioarb(self, *arguments: str, environment: Mapping[str, str] = KEYS) -> CompletedProcess[bytes]:
        command = [sys.executable, "-m", "trioarb", *arguments]
        around = os.environ | {"XDG_STATE_HOME": str(self.folder / "state")} | environment
        with trio.fail_after(60):
            return await trio.run_process(
                command, cwd=self.folder, env=around, capture_stdout=True, capture_stderr=True, check=False
            )

    async def check(self, *more: str) -> dict[str, Any]:
        done = await self.trioarb("check", str(CONFIG), "--online", "--json", *self.settings, *more)
        told: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == (0 if told["ok"] else 2), done.stderr
        return told

    async def run(self, seconds: int, *flags: str) -> CompletedProcess[bytes]:
        return await self.trioarb("run", str(CONFIG), "--runtime", str(seconds), *self.settings, *flags)

    async def run_until(self, has_done: Callable[[], bool], *flags: str) -> None:
        """Run live, and end it once it has done something, as Ctrl-C does."""
        command = [
            sys.executable,
            "-m",
            "trioarb",
            "run",
            str(CONFIG),
            "--runtime=60",
            *self.settings,
            "--live",
            *flags,
        ]
        around = os.environ | {"XDG_STATE_HOME": str(self.folder / "state")} | KEYS
        errors = self.folder / "run.err"
        with trio.fail_after(90), errors.open("wb") as written:
            process = await trio.lowlevel.open_process(command, cwd=self.folder, env=around, stderr=written)
            try:
                while process.poll() is None and not has_done():  # noqa: ASYNC110 - another process's doing
                    await trio.sleep(0.05)
                process.send_signal(signal.SIGINT)
                assert await process.wait() == 0, errors.read_text()
            finally:
                process.kill()
        assert has_done()

    def has_traded(self) -> bool:
        return all(one.venue.orders("main") for one in (self.binance, self.upbit))

    def events(self) -> list[dict[str, Any]]:
        (journal,) = (self.folder / "journals").glob("*.journal")
        return [json.loads(line) for line in journal.read_text().splitlines()[1:]]


@asynccontextmanager
async def place(folder: Path, key: Key | None = None, **options: Any) -> AsyncIterator[Place]:
    async with (
        open_simulator("binance", seed=3, key=key, **options) as binance,
        open_simulator("upbit", seed=3) as upbit,
    ):
        yield Place(folder, binance, upbit)


async def test_it_begins_with_the_flag_and_armed_and_then_trades(tmp_path: Path) -> None:
    async with place(tmp_path) as there:
        unflagged = await there.run(5)
        assert unflagged.returncode == 2
        assert b"--live is missing" in unflagged.stderr
        unarmed = await there.run(5, "--live")
        assert unarmed.returncode == 2
        assert b"isn't armed" in unarmed.stderr
        assert not (tmp_path / "journals").exists()
        told = await there.check()
        assert told["armed_seconds"] == 600
        assert {one["about"] for one in told["preflight"] if one["venue"] == "binance"} >= {
            *("key", "clock", "rate limits", "balances", "symbols", "fees", "open orders", "capital")
        }
        assert not there.binance.venue.orders("main")
        await there.run_until(there.has_traded, "--record", "quotes")
        assert {**there.binance.violations, **there.upbit.violations} == {}
    (journal,) = (tmp_path / "journals").glob("*.journal")
    assert (await there.trioarb("verify", str(journal))).returncode == 0
    # Without a key and without a venue, what was recorded leads to the same decisions again.
    answers = ("--quotes", "quotes", "--answers", str(journal), "--journal", "again.journal")
    again = await there.trioarb("replay", *answers, environment={})
    assert again.returncode == 0, again.stderr.decode()
    assert again.stderr.decode().splitlines()[-1].endswith("events of the run are the same, at the same times")


async def test_a_key_that_may_withdraw_is_refused(tmp_path: Path) -> None:
    key = Key(api_key="binance-key", secret="binance-secret", can_withdraw=True)
    async with place(tmp_path, key) as there:
        told = await there.check()
        assert not told["ok"]
        assert told["armed_seconds"] is None
        (refused,) = (one for one in told["preflight"] if one["verdict"] == "refused")
        assert (refused["venue"], refused["about"]) == ("binance", "key")
        assert "may withdraw" in refused["said"]
        assert (await there.run(5, "--live")).returncode == 2


async def test_what_other_campaigns_of_the_key_have_at_risk_leaves_the_rest_and_books_have_to_be_warm(
    tmp_path: Path,
) -> None:
    state = tmp_path / "state" / "trioarb"
    state.mkdir(parents=True, mode=0o700)
    file = state / f"at-risk-{account_id('binance', 'binance-key')}.json"
    other = {"other": {"usd": "3940", "journal": "/somewhere/else.journal"}}
    file.write_text(json.dumps(other))
    async with place(tmp_path) as there:
        told = await there.check("--set", f"live.warm_seconds={WARM_SECONDS}")
        (capital,) = (one for one in told["preflight"] if (one["venue"], one["about"]) == ("binance", "capital"))
        assert "3940 of 4000 USD" in capital["said"]
        assert "/somewhere/else.journal" in capital["said"]

        def has_met_the_cap() -> bool:
            written = b"".join(path.read_bytes() for path in (tmp_path / "journals").glob("*.journal"))
            return b'"pair_opened"' in written and b'"capital_cap"' in written

        await there.run_until(has_met_the_cap, "--set", f"live.warm_seconds={WARM_SECONDS}")
    events = there.events()
    decided = [one for one in events if one["type"] == "decided" and one.get("rule") == "capital_cap"]
    assert decided
    opened = [one for one in events if one["type"] == "pair_opened"]
    assert opened
    assert all(Decimal(one["reserved_usd"]) <= 60 for one in opened)
    assert opened[0]["ts_ns"] - events[0]["ts_ns"] >= WARM_SECONDS * SECOND_NS
    assert json.loads(file.read_text()) == other
