"""Shadow campaigns on two simulated venues: what is read there, what is not sent, and what is said of the model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from trioarb_sim.server import HttpRequest
from trioarb_sim.simulator import Simulator, open_simulator

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "configs" / "binance_upbit_paper.toml"
D = Decimal
KEYS = {
    "BINANCE_API_KEY": "binance-key",
    "BINANCE_API_SECRET": "binance-secret",
    "UPBIT_API_KEY": "upbit-key",
    "UPBIT_API_SECRET": "upbit-secret",
}
#: Where everybody may listen to market data; accounts and orders have other addresses.
PUBLIC = {("binance", "/stream"), ("binance", "/ws"), ("upbit", "/websocket/v1")}


@attrs.frozen
class Venues:
    """Both simulators, and what came to each: method and path of requests, paths of WebSockets."""

    binance: Simulator
    upbit: Simulator
    requests: list[tuple[str, str, str]] = attrs.field(factory=list)
    sockets: list[tuple[str, str]] = attrs.field(factory=list)

    def watch(self, simulator: Simulator) -> None:
        app: Any = simulator.app
        answer, accept = app.answer, app.accept

        async def seen(request: HttpRequest) -> Any:
            self.requests.append((simulator.name, request.method, request.path))
            return await answer(request)

        def accepted(request: HttpRequest) -> Any:
            self.sockets.append((simulator.name, request.path))
            return accept(request)

        app.answer, app.accept = seen, accepted

    @property
    def settings(self) -> list[str]:
        given = {
            "session.mode": "shadow",
            "exchanges.binance.rest_url": self.binance.rest_url,
            "exchanges.binance.stream_url": self.binance.socket_url,
            "exchanges.binance.api_url": f"{self.binance.socket_url}/ws-api/v3",
            "exchanges.upbit.rest_url": self.upbit.rest_url,
            "exchanges.upbit.stream_url": self.upbit.socket_url,
            "exchanges.upbit.private_stream_url": f"{self.upbit.socket_url}/websocket/v1/private",
        }
        return [part for key, value in given.items() for part in ("--set", f"{key}={value}")]


@asynccontextmanager
async def open_venues(**owned: Any) -> AsyncIterator[Venues]:
    pytest.importorskip("trioarb_binance")
    pytest.importorskip("trioarb_upbit")
    async with (
        open_simulator("binance", seed=3, owned=owned.get("binance")) as binance,
        open_simulator("upbit", seed=3, owned=owned.get("upbit")) as upbit,
    ):
        venues = Venues(binance, upbit)
        venues.watch(binance)
        venues.watch(upbit)
        yield venues


async def run(folder: Path, *arguments: str, keys: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trioarb", *arguments]
    env = {**os.environ, **(KEYS if keys is None else keys)}
    with trio.fail_after(90):
        done = await trio.run_process(
            command, cwd=folder, env=env, capture_stdout=True, capture_stderr=True, check=False
        )
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


async def told(folder: Path, journal: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return summary and events of a journal that is sound."""
    verified = await run(folder, "verify", str(journal), "--json")
    assert verified.returncode == 0, verified.stdout
    summary = json.loads((await run(folder, "summary", str(journal), "--json")).stdout)
    events = (await run(folder, "events", str(journal))).stdout
    return summary, [json.loads(line) for line in events.splitlines()]


def journals(folder: Path) -> list[Path]:
    return list((folder / "journals").glob("*.journal"))


def journal_of(folder: Path) -> Path:
    (journal,) = journals(folder)
    return journal


def has_sent(folder: Path) -> bool:
    return any("order_submitted" in one.read_text(encoding="utf-8") for one in journals(folder))


def compared_once(events: Sequence[dict[str, Any]]) -> bool:
    submitted = Counter(one["client_order_id"] for one in events if one["type"] == "order_submitted")
    return submitted == Counter(one["client_order_id"] for one in events if one["type"] == "order_shadowed")


async def test_a_shadow_campaign_reads_and_sends_nothing_and_says_how_far_its_model_is_off(tmp_path: Path) -> None:
    async with open_venues() as venues:
        done = await run(tmp_path, "run", str(CONFIG), "--runtime", "12", *venues.settings)
        assert done.returncode == 0, done.stderr
        requests, sockets = list(venues.requests), list(venues.sockets)
        for simulator in (venues.binance, venues.upbit):
            assert simulator.venue.orders("main") == []
            assert simulator.violations == {}

    # What came there were reads, of the account too; WebSockets were those of market data.
    assert {method for _, method, _ in requests} == {"GET"}
    assert {("binance", "GET", "/api/v3/account"), ("upbit", "GET", "/v1/accounts")} <= set(requests)
    assert {name for name, _ in sockets} == {"binance", "upbit"}
    assert set(sockets) <= PUBLIC

    journal = journal_of(tmp_path)
    summary, events = await told(tmp_path, journal)
    assert summary["mode"] == "shadow"
    shadow = summary["shadow"]
    assert shadow["orders"] == summary["orders"]["submitted"] > 0
    assert set(shadow["venues"]) == {"binance", "upbit"}
    assert compared_once(events)
    for figures in shadow["venues"].values():
        for at in ("x1", "x2", "trip", "half_trip", "100ms"):
            one = figures["after"][at]
            assert one["orders"] + sum(one.get("unmeasured", {}).values()) == figures["orders"]
    # A busy machine misses looks that are due after some milliseconds, but hardly any after a second.
    slow = shadow["after"]["1000ms"]
    assert slow["orders"] > 0
    assert slow["after_ms"] >= 1000
    # KRW has a rate at a market of its own, and every order is valued.
    assert "unvalued" not in slow
    assert D(slow["error_usd"]).is_finite()

    exported = await run(tmp_path, "export", str(journal), "--out", "tables")
    assert exported.returncode == 0, exported.stderr
    rows = await trio.Path(tmp_path / "tables" / "shadow.csv").read_text(encoding="utf-8")
    assert len(rows.splitlines()) - 1 == sum(len(one["looks"]) for one in events if one["type"] == "order_shadowed")


async def test_a_shadow_campaign_that_is_killed_goes_on_and_compares_each_order_once(tmp_path: Path) -> None:
    async with open_venues() as venues:
        given = [*venues.settings, "--set", "session.shadow_after_ms=[100, 6000]"]
        command = [sys.executable, "-m", "trioarb", "run", str(CONFIG), "--runtime", "60", *given]
        process = await trio.lowlevel.open_process(
            command, cwd=tmp_path, env={**os.environ, **KEYS}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        with trio.fail_after(60):
            while not has_sent(tmp_path):  # noqa: ASYNC110  another process's doing
                await trio.sleep(0.2)
        await trio.sleep(3.1)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        journal = journal_of(tmp_path)
        before = [json.loads(line) for line in (await run(tmp_path, "events", str(journal))).stdout.splitlines()]
        assert not compared_once(before)

        resumed = await run(tmp_path, "resume", str(journal), "--runtime", "14")
        assert resumed.returncode == 0, resumed.stderr
        assert venues.binance.venue.orders("main") == []
        assert {method for _, method, _ in venues.requests} == {"GET"}
    summary, events = await told(tmp_path, journal)
    assert summary["resumed"] == 1
    assert compared_once(events)
    # What nobody could look at while it was down is counted, and nothing is made of it.
    late = [
        look
        for one in events
        if one["type"] == "order_shadowed"
        for look in one["looks"]
        if look.get("unmeasured") == "missed"
    ]
    assert late
    assert not any("levels" in look for look in late)


async def test_what_the_account_says_otherwise_is_warned_of_by_the_key_that_would_change_it(tmp_path: Path) -> None:
    paper = {
        "exchanges.binance.paper.taker_fee_bps": "7",
        "exchanges.binance.paper.min_notional": "1",
        "exchanges.upbit.paper.maker_fee_bps": "1",
    }
    given = [part for key, value in paper.items() for part in ("--set", f"{key}={value}")]
    owned = {"binance": {"USDT": D(100), "BTC": D(1), "ETH": D(9), "SOL": D(9)}, "upbit": {"KRW": D(10**9)}}
    async with open_venues(**owned) as venues:
        done = await run(tmp_path, "run", str(CONFIG), "--runtime", "2", *venues.settings, *given)
    assert done.returncode == 0, done.stderr
    journal = journal_of(tmp_path)
    summary, _ = await told(tmp_path, journal)
    warnings = "\n".join(summary["warnings"])
    for said in (
        "binance: the account pays 10 bps as a taker (BTCUSDT, ETHUSDT, SOLUSDT, XRPUSDT), and the paper model 7; set "
        "exchanges.binance.paper.taker_fee_bps = 10",
        "binance: the least order value of BTCUSDT is 5, and the paper model's 1; set "
        'exchanges.binance.paper.instruments.BTCUSDT.min_notional = "5"',
        "upbit: the account pays 5 bps as a maker (BTCUSDT, ETHUSDT, SOLUSDT, XRPUSDT), and the paper model 1; set "
        "exchanges.upbit.paper.maker_fee_bps = 5",
        "binance: the account holds 100 USDT, and the paper model begins with 20000: it trades what the account "
        "couldn't; lower exchanges.binance.paper.balances.USDT",
        "binance: the account holds no XRP, of which the paper model is granted some; see "
        "exchanges.binance.paper.inventory_usd_per_symbol",
        "upbit: the account holds no BTC, ETH, SOL, XRP, of which",
    ):
        assert said in warnings, warnings
    assert "28000000" not in warnings


@pytest.mark.parametrize("name", ["BINANCE_API_KEY", "UPBIT_API_KEY"])
async def test_a_key_that_the_venue_refuses_ends_the_start_and_says_what_to_do(tmp_path: Path, name: str) -> None:
    async with open_venues() as venues:
        wrong = {**KEYS, name: "nobody-has-this-key"}
        done = await run(tmp_path, "run", str(CONFIG), "--runtime", "5", *venues.settings, keys=wrong)
    assert done.returncode == 1
    venue = name.partition("_")[0].lower()
    assert f'session.mode = "shadow" reads the account that [exchanges.{venue}] names' in done.stderr
    assert "nobody-has-this-key" not in done.stderr
    assert not journals(tmp_path)


async def test_on_paper_the_account_is_not_even_asked(tmp_path: Path) -> None:
    async with open_venues() as venues:
        paper = [*venues.settings, "--set", "session.mode=paper"]
        done = await run(tmp_path, "run", str(CONFIG), "--runtime", "4", *paper, keys={})
        assert done.returncode == 0, done.stderr
        private = {path for _, method, path in venues.requests if method != "GET" or "account" in path}
        assert (private, set(venues.sockets) <= PUBLIC) == (set(), True)
    summary, events = await told(tmp_path, journal_of(tmp_path))
    assert "shadow" not in summary
    assert not any(one["type"] == "order_shadowed" for one in events)
