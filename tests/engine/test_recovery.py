"""Campaigns that were cut off at a moment of choice, in virtual time, and gone on with."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from trioarb.builtin.paper import PaperExchange
from trioarb.cli.journal import keep_anew, keep_on
from trioarb.config.load import load_table
from trioarb.engine.campaign import Campaign
from trioarb.engine.run import run_campaign
from trioarb.errors import VenueError
from trioarb.journal.stored import open_journal
from trioarb.model import event as model
from trioarb.model.event import Record
from trioarb.model.order import Purpose
from trioarb.model.trade import PairKind
from trioarb.plugin.registry import load_plugins
from trioarb.testing import ScriptedRow, ScriptedTape, listing, scripted_market, two_venues
from trioarb.time.virtual import VirtualClock
from trioarb.verify.verification import Verifier

SECOND_NS = 10**9

#: (first second, last second, how far b stands above a)
Gap = tuple[float, float, float]


def quotes(gaps: Sequence[Gap], *, until: float = 120.0) -> dict[str, list[ScriptedRow]]:
    """Return quotes of both venues every quarter of a second, 10 apart from the last first."""

    def rows(venue: str) -> Iterator[ScriptedRow]:
        for tick in range(int(until * 4)):
            second = tick / 4
            gap = sum(gap for first, last, gap in gaps if first <= second < last) if venue == "b" else 0.0
            yield second, "BTCUSDT", 100.0 + gap, 50.0, 100.01 + gap, 50.0

    return {venue: list(rows(venue)) for venue in "ab"}


@attrs.frozen
class Place:
    """Where a campaign is kept, and what it trades."""

    folder: Path
    table: dict[str, Any]
    gaps: Sequence[Gap]

    @property
    def journal(self) -> Path:
        return self.folder / "c.journal"

    def run(
        self, *observers: Callable[[Record], None], resumed: bool = False, close_only: bool = False
    ) -> tuple[Campaign, list[Record]]:
        """Run it, or go on with it; return it with the records of this stretch."""
        tapes = {venue: ScriptedTape(rows, listings=[listing("BTC")]) for venue, rows in quotes(self.gaps).items()}
        plugins = load_plugins({"market": scripted_market(tapes)})
        loaded, records, clock = load_table(self.table, plugins), list[Record](), VirtualClock()

        async def main() -> Campaign:
            kept = keep_on(self.journal, loaded, close_only=close_only)
            with kept if resumed else nullcontext(keep_anew(self.journal, loaded)) as keeping:
                return await run_campaign(
                    loaded.config, plugins, clock=clock, observers=[records.append, *observers], keeping=keeping
                )

        return trio.run(main, clock=clock), records

    def cut_off(self, journal_at: Callable[[Record], bool], venues_at: Callable[[Record], bool]) -> Place:
        """Run it, and return what a power loss would have left: journal and venues as they were at these records."""
        left = Place(self.folder / "left", self.table, self.gaps)
        left.folder.mkdir()

        def copy(pattern: str, wanted: Callable[[Record], bool]) -> Callable[[Record], None]:
            done = False

            def observe(record: Record) -> None:
                nonlocal done
                if not done and wanted(record):
                    done = True
                    for path in self.folder.glob(pattern):
                        shutil.copy(path, left.folder)

            return observe

        self.run(copy("c.journal*", journal_at), copy("c.*.venue*", venues_at))
        left.folder.joinpath("c.journal-lock").unlink()
        left.folder.joinpath("c.journal-shm").unlink()
        assert list(left.folder.glob("c.*.venue")), "nothing of it was left"
        return left

    def verify(self) -> None:
        verifier = Verifier()
        with open_journal(self.journal) as stored:
            verifier.fold(stored.records())
        assert not verifier.result().violations


@pytest.fixture
def table() -> dict[str, Any]:
    """Entries at a gap of 1 %; they are closed at the end."""
    table = two_venues()
    table["session"] |= {"durability": "order", "max_runtime_seconds": 60}
    for venue in table["exchanges"].values():
        venue |= {"latency_ms": 100, "tick_size": "0.01", "lot_size": "0.01"}
    table["strategy"] = {"entry_bps": 40, "exit_bps": 1_000, "order_size_base": 1}
    table["guards"] = {"symbol": {"cooldown_seconds": 5}}
    return table


def spoil(table: dict[str, Any], fault: str, **settings: Any) -> None:
    """Let an order at a suffer a fault, as ``NUMBER:FAULT``; its venue has further ``settings``."""
    market, paper = {"plugin": "scripted"}, {**table["exchanges"]["a"], **settings, "plugin": "paper"}
    del paper["market"]
    table["exchanges"]["a"] = {"plugin": "faulty", "script": [fault], "market": market, "wraps": paper}


def of(kind: type[model.Event], number: int = 1) -> Callable[[Record], bool]:
    """Return whether a record is the n-th event of a kind."""
    seen = 0

    def wanted(record: Record) -> bool:
        nonlocal seen
        seen += isinstance(record.event, kind)
        return seen == number

    return wanted


def test_time_does_not_run_on_before_recovery(tmp_path: Path, table: dict[str, Any]) -> None:
    """Virtual time stands while tasks begin, though it has moved when the venues were asked for their orders."""
    left = Place(tmp_path, table, [(1, 2, 1.0)]).cut_off(of(model.OrderSubmitted, 2), of(model.OrderFilled, 2))

    for attempt in range(8):  # Trio reorders what begins together
        place = attrs.evolve(left, folder=tmp_path / str(attempt))
        shutil.copytree(left.folder, place.folder)
        _, records = place.run(resumed=True)

        resumed = next(record for record in records if isinstance(record.event, model.CampaignResumed))
        ended = next(record for record in records if isinstance(record.event, model.PairEnded))
        assert ended.ts_ns - resumed.ts_ns < SECOND_NS
        place.verify()


def test_close_only_closes_what_the_configuration_would_keep(tmp_path: Path, table: dict[str, Any]) -> None:
    table["session"]["close_positions_at_end"] = False
    place = Place(tmp_path, table, [(1, 2, 1.0)])
    place.run()

    campaign, records = place.run(resumed=True, close_only=True)

    assert sum(isinstance(record.event, model.PositionClosed) for record in records) == 1
    assert not campaign.parts.trades.positions()
    assert campaign.exit_code == 0
    place.verify()


def test_an_entry_that_was_unwound_is_not_taken_for_an_exit(tmp_path: Path, table: dict[str, Any]) -> None:
    """Its buy leg would fit the exit of an open position; but no exit is ever unwound."""
    spoil(table, "2:reject")
    # Long at a; then the other way round: the sell leg at a is refused, and the buy leg at b unwound.
    place = Place(tmp_path, table, [(1, 2, 1.0), (10, 12, -1.0)])
    left = place.cut_off(of(model.OrderSubmitted, 3), of(model.PairEnded, 2))

    campaign, records = left.run(resumed=True)

    recovered = [one.event for one in records if isinstance(one.event, model.PairOpened) and one.event.recovered]
    assert [pair.kind for pair in recovered] == [PairKind.ENTRY]
    purposes = [one.event.purpose for one in records if isinstance(one.event, model.OrderSubmitted)]
    assert purposes[:2] == [Purpose.LEG, Purpose.UNWIND]
    assert not campaign.parts.trades.residuals
    assert campaign.exit_code == 0
    left.verify()


def test_each_order_of_unknown_fate_has_a_residual_of_its_own(
    tmp_path: Path, table: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a crash a pair can have several at one venue."""
    spoil(table, "1:partial", min_notional=1)
    # The leg at a is cut, and the rest hedged there; the journal lost all that was heard of them.
    left = Place(tmp_path, table, [(1, 3, 1.0)]).cut_off(of(model.OrderSubmitted, 1), of(model.PairEnded, 1))

    with monkeypatch.context() as patch:
        patch.setattr(PaperExchange, "order", unreachable)
        campaign, records = left.run(resumed=True)
    sent = [one.event for one in records if isinstance(one.event, model.OrderSubmitted)]
    named = [one.event.client_order_id for one in records if isinstance(one.event, model.ResidualLeft)]
    assert [order.purpose for order in sent if order.venue == "a"] == [Purpose.LEG, Purpose.HEDGE]
    assert len(named) == 3 == len(set(named))
    assert campaign.exit_code == 3
    left.verify()

    campaign, _ = left.run(resumed=True)

    assert not campaign.parts.trades.orders
    assert sum(one.quantity for one in campaign.parts.trades.residuals.values()) == 0
    left.verify()


async def unreachable(*_: object) -> None:
    raise VenueError("not connected")


def test_what_was_to_undo_an_order_of_unknown_fate_is_left_where_it_filled(
    tmp_path: Path, table: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(table, "1:reject")
    # The buy leg is refused, so what b sold is bought back there; the journal lost all that was heard of it.
    left = Place(tmp_path, table, [(1, 3, 1.0)]).cut_off(of(model.OrderSubmitted, 1), of(model.PairEnded, 1))
    ask = PaperExchange.order

    async def deaf_to_the_leg(venue: PaperExchange, client_order_id: str) -> Any:
        if client_order_id.endswith("-2"):
            raise VenueError("not connected")
        return await ask(venue, client_order_id)

    with monkeypatch.context() as patch:
        patch.setattr(PaperExchange, "order", deaf_to_the_leg)
        _, records = left.run(resumed=True)
    residuals = [one.event for one in records if isinstance(one.event, model.ResidualLeft)]
    assert [(one.venue, one.quantity, one.unknown) for one in residuals] == [("b", 1, True)]
    left.verify()

    campaign, _ = left.run(resumed=True)

    assert not campaign.parts.trades.residuals
    left.verify()
