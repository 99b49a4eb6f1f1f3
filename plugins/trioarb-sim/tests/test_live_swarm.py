"""Live campaigns on two simulated venues: signed, misled, killed, resumed, and held against the venues' own books."""

from __future__ import annotations

import json
from base64 import b64encode
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs
import pytest
from live_plan import Kill, LivePlan, Misdeed, plan_of

from trioarb_sim.faults import Fault

for _needed in ("trioarb_binance", "trioarb_upbit"):
    pytest.importorskip(_needed)
live_books = pytest.importorskip("live_books", reason="trioarb-bithumb is not installed")
live_swarm = pytest.importorskip("live_swarm")


def planned(**changes: Any) -> LivePlan:
    """Return a short campaign on one symbol; nothing goes wrong unless that is said."""
    values: dict[str, Any] = {
        "strategy": "inventory",
        "ed25519": frozenset(),
        "tls": False,
        "symbols": ("BTC", "ETH"),
        "durability": "order",
        "seconds": 3.0,
        "fills": 8,
        "size_usd": Decimal(200),
        "misdeeds": (),
        "kills": (),
        "closes": False,
        "basis_bps": 60.0,
        "levels_usd": Decimal(400),
    }
    return attrs.evolve(plan_of(0), **(values | changes))


def each(venue: str, *faults: Fault, times: int = 2) -> list[Misdeed]:
    """Let these happen one after the other, from half a second on."""
    return [
        Misdeed(at=0.5 + 0.4 * number, venue=venue, fault=fault, times=times, seconds=1.0)
        for number, fault in enumerate(faults)
    ]


def assert_kept(played: Any, *, killed: str = "") -> None:
    assert played.problems == ()
    assert played.books is not None
    assert played.books.fills > 0
    assert played.violations == {}
    if killed:
        assert killed in played.kills


async def test_what_is_lost_late_or_told_twice_is_booked_once(tmp_path: Path) -> None:
    """Binance by Ed25519 over TLS, Upbit by its tokens; then the audit itself is tried."""
    misdeeds = [
        *each("binance", Fault.LOST_ACKNOWLEDGEMENT, Fault.LATE_FILL, Fault.CUT_PRIVATE, Fault.CUT),
        *each("upbit", Fault.LATE_FILL, Fault.LOST_ACKNOWLEDGEMENT, Fault.CUT_PRIVATE, Fault.CUT),
    ]
    # Of orders that take several levels each fill is told twice, all the time.
    misdeeds += [
        Misdeed(at=0, venue=venue, fault=Fault.DUPLICATE, times=1, seconds=60) for venue in ("binance", "upbit")
    ]
    plan = planned(
        venues={"binance": "binance", "upbit": "upbit"},
        size_usd=Decimal(400),
        levels_usd=Decimal(100),
        fills=20,
        ed25519=frozenset({"binance"}),
        tls=True,
        misdeeds=sorted(misdeeds, key=lambda one: one.at),
    )
    played = await live_swarm.play(plan, tmp_path / "s")
    assert_kept(played)
    assert {"lost_acknowledgement", "duplicate"} <= played.faults.keys()

    upbit = played.venues["upbit"].venue
    filled = next(one for one in upbit.orders("main") if one.executions)
    upbit._accounts["main"].receive("BTC", Decimal("1e-8"))
    execution = filled.executions.pop()
    found = live_books.audit(tmp_path / "s" / live_swarm.JOURNAL, played.venues).wrong
    assert len(found) == 2
    assert any("BTC, and the ledger says" in one for one in found)
    filled.executions += [execution, execution]
    assert any(
        "the journal has" in one for one in live_books.audit(tmp_path / "s" / live_swarm.JOURNAL, played.venues).wrong
    )


async def test_killed_while_an_order_rests_and_while_it_is_withdrawn(tmp_path: Path) -> None:
    plan = planned(
        venues={"upbit": "upbit", "bithumb": "bithumb"},
        strategy="maker_taker",
        symbols=("BTC",),
        kills=[Kill(moment="resting", seconds=10, number=1), Kill(moment="cancel", seconds=10, number=1)],
    )
    assert_kept(await live_swarm.play(plan, tmp_path / "s"), killed="resting")


async def test_killed_when_an_order_has_arrived_that_nobody_can_acknowledge_any_more(tmp_path: Path) -> None:
    plan = planned(
        venues={"binance": "binance", "bithumb": "bithumb"},
        symbols=("BTC",),
        misdeeds=each("bithumb", Fault.SERVER_ERROR, Fault.TOO_MANY_REQUESTS, Fault.MALFORMED, times=1),
        kills=[Kill(moment="arrived", seconds=10, number=2)],
        closes=True,
    )
    assert_kept(await live_swarm.play(plan, tmp_path / "s"), killed="arrived")


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
def test_a_secret_is_seen_in_every_form(kind: str) -> None:
    """What looks for secrets in the outputs of the campaigns above does find them."""
    _, secret = live_swarm._key("binance", ed25519=kind == "ed25519")
    shown = [secret, json.dumps({"why": secret}), quote(secret), repr(secret), b64encode(secret.encode()).decode()]
    for text in shown:
        assert live_swarm.shown_in(f"… {text} …", {"SECRET": secret}) == ["SECRET"]
    assert live_swarm.shown_in("nothing of it", {"SECRET": secret}) == []
