"""The numbered cases of venues, in one live campaign a venue; exchange by exchange they are tried beside it.

V-1 other answers than "no such order" leave an order unknown; V-2 no acknowledgement: asked for, never sent twice;
V-3 a cut, and books are taken anew; V-4 gaps; V-5 a silent market; V-6 fills while the account's stream is cut;
V-7 what nobody knows, and an endpoint that is gone; V-8 is in every book: several changes at a price in one message.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import attrs
import pytest
from live_plan import Misdeed, plan_of

from trioarb.model.event import OrderSubmitted, UpdatesDown, UpdatesUp
from trioarb_sim.faults import Fault

for _needed in ("trioarb_binance", "trioarb_upbit"):
    pytest.importorskip(_needed)
live_books = pytest.importorskip("live_books", reason="trioarb-bithumb is not installed")
live_swarm = pytest.importorskip("live_swarm")

#: When, what, how often; what lasts is over a second later.
CASES = (
    (0.5, Fault.LOST_ACKNOWLEDGEMENT, 1),  # V-2
    (0.8, Fault.SERVER_ERROR, 2),  # V-1
    (0.9, Fault.TOO_MANY_REQUESTS, 1),  # V-1
    (2.5, Fault.GAP, 3),  # V-4
    (3.0, Fault.CUT_PRIVATE, 1),  # V-6
    (3.1, Fault.LATE_FILL, 2),  # V-6
    (5.0, Fault.SILENT, 1),  # V-5
    (5.5, Fault.UNKNOWN, 1),  # V-7
    (5.6, Fault.RETIRED, 1),  # V-7
    (6.0, Fault.CUT, 1),  # V-3
)


@pytest.mark.parametrize("venue", ["binance", "upbit", "bithumb"])
async def test_a_live_campaign_keeps_its_books_through_each_case(venue: str, tmp_path: Path) -> None:
    other = "upbit" if venue == "binance" else "binance"
    plan = attrs.evolve(
        plan_of(0),
        venues={venue: venue, other: other},
        ed25519=frozenset(),
        tls=False,
        symbols=("BTC", "XRP"),
        size_usd=Decimal(100),
        levels_usd=Decimal(400),
        seconds=7.5,
        fills=12,
        misdeeds=[Misdeed(at=at, venue=venue, fault=fault, times=times, seconds=1.0) for at, fault, times in CASES],
        kills=(),
    )
    played = await live_swarm.play(plan, tmp_path / "c")
    assert played.problems == ()
    assert played.violations == {}
    _, records, _ = live_books.state_of(tmp_path / "c" / live_swarm.JOURNAL)
    events = [record.event for record in records]
    cuts = [one for one in events if isinstance(one, UpdatesDown) and one.venue == venue]
    assert cuts
    assert [one for one in events if isinstance(one, UpdatesUp) and one.venue == venue]
    last_cut = events.index(cuts[-1])
    assert any(isinstance(one, OrderSubmitted) for one in events[:last_cut])
    assert {"lost_acknowledgement", "cut_private", "cut", "gap"} <= played.faults.keys()
