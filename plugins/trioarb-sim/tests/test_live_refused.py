"""What a user is told where live trading can't begin: one clear message, an exit code, and no secret."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from trioarb_sim.account import Key
from trioarb_sim.faults import Fault
from trioarb_sim.market import MarketState
from trioarb_sim.simulator import Simulator, open_simulator

pytest.importorskip("trioarb_binance")
pytest.importorskip("trioarb_upbit")
live_swarm = pytest.importorskip("live_swarm", reason="trioarb-bithumb is not installed")

CONFIG = Path(__file__).parents[3] / "configs" / "binance_upbit_paper.toml"
SECRETS = {
    "BINANCE_API_KEY": "the/key+of=binance",
    "BINANCE_API_SECRET": "the/secret+of='binance'é",
    "UPBIT_API_KEY": "the/key+of=upbit",
    "UPBIT_API_SECRET": "the/secret+of='upbit'é",
    "PROXY": "http://you:pass-word-1@127.0.0.1:9",
}


def key_of(venue: str, **changes: Any) -> Key:
    name = venue.upper()
    return attrs.evolve(Key(api_key=SECRETS[f"{name}_API_KEY"], secret=SECRETS[f"{name}_API_SECRET"]), **changes)


def standing(fault: Fault) -> Callable[[Simulator], None]:
    """Let a fault happen again and again."""
    return lambda venue: venue.faults.switch_on(fault, times=1_000_000)


def halt(venue: Simulator) -> None:
    for one in venue.venue.markets:
        venue.venue.change(attrs.evolve(one, state=MarketState.HALTED))


@attrs.frozen(kw_only=True)
class Case:
    """``binance``: of its key; ``prepare``: what is done to its simulator; ``says``: one of these is in the message."""

    says: tuple[str, ...]
    binance: Mapping[str, Any] = attrs.field(factory=dict)
    upbit: Mapping[str, Any] = attrs.field(factory=dict)
    prepare: Callable[[Simulator], None] = lambda venue: None
    settings: Mapping[str, str] = attrs.field(factory=dict)
    tls: bool = False


CASES = {
    "a wrong secret": Case(binance={"secret": "another"}, says=("Signature", "signature")),
    "a wrong key": Case(upbit={"api_key": "another"}, says=("invalid_access_key", "key")),
    "an expired key": Case(upbit={"is_expired": True}, says=("expired",)),
    "a key that may not trade": Case(binance={"can_trade": False}, says=("may not trade", "trade")),
    "a clock an hour off": Case(prepare=standing(Fault.SKEWED_CLOCK), says=("clock", "time")),
    "maintenance": Case(prepare=standing(Fault.SERVER_ERROR), says=("503",)),
    "answers that are cut off": Case(prepare=standing(Fault.MALFORMED), says=("can't be read",)),
    "markets that are halted": Case(prepare=halt, says=("lists no symbols",)),
    "an authority that nobody knows": Case(tls=True, says=("certificate", "ca_file")),
    "a proxy that is dead": Case(settings={"exchanges.binance.proxy": '{ env = "PROXY" }'}, says=("proxy",)),
}


@pytest.mark.parametrize("name", CASES)
async def test_it_is_refused_with_what_is_wrong(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    async with (
        open_simulator("binance", key=key_of("binance", **case.binance), tls=case.tls) as binance,
        open_simulator("upbit", key=key_of("upbit", **case.upbit)) as upbit,
    ):
        case.prepare(binance)
        settings = {
            "session.mode": "live",
            "exchanges.binance.rest_url": binance.rest_url,
            "exchanges.binance.stream_url": binance.socket_url,
            "exchanges.binance.api_url": f"{binance.socket_url}/ws-api/v3",
            "exchanges.upbit.rest_url": upbit.rest_url,
            "exchanges.upbit.stream_url": upbit.socket_url,
            "exchanges.upbit.private_stream_url": f"{upbit.socket_url}/websocket/v1/private",
            **case.settings,
        }
        given = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        with trio.fail_after(100):
            done = await trio.run_process(
                [sys.executable, "-m", "trioarb", "check", str(CONFIG), "--online", *given],
                cwd=tmp_path,
                env={**os.environ, "XDG_STATE_HOME": str(tmp_path), "NO_COLOR": "1", "COLUMNS": "200", **SECRETS},
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )
        said = (done.stdout + done.stderr).decode()
        assert done.returncode in (1, 2), said
        assert any(one in said for one in case.says)
        assert "Traceback" not in said
        assert not live_swarm.shown_in(said, SECRETS | {"proxy": "pass-word-1"})
        assert not binance.venue.orders("main")
        assert not upbit.venue.orders("main")
