"""Campaigns that were cut off at a moment of choice, in virtual time, and gone on with."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from cut_off import Place, of, quotes

from trioarb.builtin.paper import PaperExchange
from trioarb.errors import CampaignError, VenueError
from trioarb.execution.executor import Executor
from trioarb.journal import log
from trioarb.journal.recorded import open_journal
from trioarb.model import event as model
from trioarb.model.event import Record
from trioarb.model.order import Order
from trioarb.model.trade import EndedBy, Phase
from trioarb.testing import ScriptedRow, two_venues

SECOND_NS = 10**9


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


def test_time_does_not_run_on_before_recovery(tmp_path: Path, table: dict[str, Any]) -> None:
    """Virtual time stands while tasks begin, though it has moved when the venues were asked for their orders."""
    left = Place(tmp_path, table, [(1, 2, 1.0)]).cut_off(of(model.OrderFilled, 1), of(model.OrderFilled, 2))

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


def test_what_can_not_be_closed_is_worth_what_its_venues_showed_last(tmp_path: Path, table: dict[str, Any]) -> None:
    """Nothing is quoted at one of them since the campaign was resumed."""
    table["session"] |= {"close_positions_at_end": False, "max_runtime_seconds": 30}
    table["execution"] = {"close_deadline_seconds": 5}
    place = Place(tmp_path, table, [(1, 2, 1.0)])
    place.run()

    silent = attrs.evolve(place, rows={"a": [], "b": quotes([])["b"]})
    _, records = silent.run(resumed=True, close_only=True)

    events = [record.event for record in records]
    (position,) = [event for event in events if isinstance(event, model.PositionMarked)]
    markets = [event for event in events if isinstance(event, model.MarketsMarked)][-1]
    assert markets.reason == "end"
    assert position.unrealised_usd is not None
    assert {position.symbol: position.unrealised_usd} == markets.unrealised_usd
    place.verify()


def test_an_order_that_the_journal_does_not_know_is_an_error_that_names_it(
    tmp_path: Path, table: dict[str, Any]
) -> None:
    """The journal is an older copy than the venues' memories: nobody knows what else it lacks."""
    left = Place(tmp_path, table, [(1, 2, 1.0)]).cut_off(of(model.OrderSubmitted, 1), of(model.OrderFilled, 2))
    before = left.journal.read_bytes()

    with pytest.raises(CampaignError, match=r"a knows \S+-1; b knows \S+-2, which the journal doesn't") as raised:
        left.run(resumed=True)

    assert "nothing was traded" in str(raised.value)
    assert left.journal.read_bytes() == before


def test_a_venue_that_does_not_say_its_orders_is_believed_to_have_no_other(
    tmp_path: Path, table: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unreachable(*_: object) -> None:
        raise VenueError("not connected")

    monkeypatch.setattr(PaperExchange, "orders", unreachable)
    left = Place(tmp_path, table, [(1, 2, 1.0)]).cut_off(of(model.OrderFilled, 1), of(model.OrderFilled, 2))

    campaign, _ = left.run(resumed=True)

    assert campaign.exit_code == 0
    left.verify()


@pytest.mark.parametrize("durability", ["order", "batch"])
def test_both_legs_are_in_the_journal_before_either_is_sent(
    tmp_path: Path, table: dict[str, Any], monkeypatch: pytest.MonkeyPatch, durability: str
) -> None:
    """Read from the file at the moment at which a venue gets an order."""
    place, answers_at_ns, sent = Place(tmp_path, table, [(1, 2, 1.0)]), PaperExchange.answers_at_ns, list[str]()
    table["session"]["durability"] = durability

    def looking(self: PaperExchange, order: Order) -> int | None:
        with open_journal(place.journal) as stored:
            submitted = [one.event for one in stored.records() if isinstance(one.event, model.OrderSubmitted)]
        (own,) = (one for one in submitted if one.client_order_id == order.client_order_id)
        assert len([one for one in submitted if one.pair_id == own.pair_id]) == 2
        sent.append(order.client_order_id)
        return answers_at_ns(self, order)

    monkeypatch.setattr(PaperExchange, "answers_at_ns", looking)
    campaign, _ = place.run()

    assert len(sent) == 4
    assert campaign.error == ""


class FullDisk:
    """The module ``os`` as logs see it; once it is full, no more can be written to one file."""

    def __init__(self, path: Path) -> None:
        self.is_full = False
        self._path = path

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        if self.is_full and os.path.samestat(os.fstat(fd), self._path.stat()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.pwrite(fd, data, offset)


def test_a_pair_that_took_no_time_is_in_the_journal_before_more_is_recorded(
    tmp_path: Path, table: dict[str, Any]
) -> None:
    """Pairs that take no time follow on each other without an await, at which their steps would be written."""
    for venue in table["exchanges"].values():
        venue["latency_ms"] = 0
    table["strategy"]["exit_bps"] = -100
    table["guards"]["symbol"] = {"cooldown_seconds": 0, "max_position_count": 1}
    place = Place(tmp_path, table, [(second / 2, second / 2 + 0.25, 1.0) for second in range(2, 20)])
    ended = seen = 0

    def look(record: Record) -> None:
        nonlocal ended, seen
        if isinstance(record.event, model.PairOpened):
            seen += ended > 0
            assert place.journal.read_bytes().count(b'"type":"pair_ended"') == ended
        ended += isinstance(record.event, model.PairEnded)

    place.run(look)

    assert seen > 20


@pytest.mark.parametrize("durability", ["order", "batch"])
def test_an_entry_whose_intents_can_not_be_written_is_not_sent(
    tmp_path: Path, table: dict[str, Any], monkeypatch: pytest.MonkeyPatch, durability: str
) -> None:
    """The disk is full from the very step on that records them."""
    place = Place(tmp_path, table, [(1, 2, 1.0)])
    disk, answers_at_ns, sent = FullDisk(place.journal), PaperExchange.answers_at_ns, list[str]()
    table["session"]["durability"] = durability

    def noting(self: PaperExchange, order: Order) -> int | None:
        sent.append(order.client_order_id)
        return answers_at_ns(self, order)

    def fill_up(record: Record) -> None:
        disk.is_full = disk.is_full or isinstance(record.event, model.OrderSubmitted)

    monkeypatch.setattr(log, "os", disk)
    monkeypatch.setattr(PaperExchange, "answers_at_ns", noting)
    campaign, records = place.run(fill_up)

    rejected = [record.event.reason for record in records if isinstance(record.event, model.OrderRejected)]
    assert rejected == ["not sent: the journal can't be written"] * 2
    assert sent == []
    assert campaign.exit_code == 1
    assert "are missing in the journal" in campaign.error


def test_an_order_without_a_last_word_is_asked_about_before_balances_are_compared(
    tmp_path: Path, table: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had filled, which no answer said: that explains what the venue holds."""
    table["execution"] = {**table.get("execution", {}), "residual_policy": "hold"}
    place, submit = Place(tmp_path, table, [(1, 2, 1.0)]), PaperExchange.place

    async def lost(self: PaperExchange, order: Order) -> None:
        await submit(self, order)
        raise VenueError("the answer was lost")

    async def unreachable(*_: object) -> None:
        raise VenueError("not connected")

    with monkeypatch.context() as patch:
        patch.setattr(PaperExchange, "answers_at_ns", lambda *_: None)
        patch.setattr(PaperExchange, "place", lost)
        patch.setattr(PaperExchange, "order", unreachable)
        campaign, _ = place.run()
    assert len(campaign.parts.ledger.open_orders) == 2

    campaign, records = place.run(resumed=True)

    assert not campaign.parts.ledger.open_orders
    # The legs of the entry, which had opened its position, and those of its exit.
    assert sum(isinstance(record.event, model.OrderFilled) for record in records) == 4
    assert sum(isinstance(record.event, model.ResidualsPaired) for record in records) == 1
    assert campaign.problems == []
    assert campaign.error == ""


def test_what_venues_hold_is_compared_when_a_campaign_is_resumed(
    tmp_path: Path, table: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    left = Place(tmp_path, table, [(1, 2, 1.0)]).cut_off(of(model.OrderFilled, 1), of(model.OrderFilled, 2))
    balances = PaperExchange.balances

    async def more(self: PaperExchange) -> Mapping[str, Decimal]:
        held = dict(await balances(self))
        return {**held, "USDT": held["USDT"] + 7}

    monkeypatch.setattr(PaperExchange, "balances", more)
    campaign, records = left.run(resumed=True)

    differed = [record.event for record in records if isinstance(record.event, model.BalanceDiffered)]
    assert [(one.venue, one.held - one.booked) for one in differed] == [("a", 7), ("b", 7)]
    assert len([one for one in campaign.problems if "when the campaign was resumed" in one]) == 2
    assert campaign.exit_code == 3
    left.verify()


def test_it_goes_on_with_what_remains_of_its_runtime(tmp_path: Path, table: dict[str, Any]) -> None:
    left = Place(tmp_path, table, [(1, 2, 1.0), (30, 31, 1.0)]).cut_off(
        of(model.OrderFilled, 3), of(model.OrderFilled, 4)
    )

    campaign, records = left.run(resumed=True)

    assert campaign.runtime_seconds >= 60
    assert records[-1].ts_ns - records[0].ts_ns < 32 * SECOND_NS


def test_it_goes_on_with_what_remains_of_its_iterations(tmp_path: Path, table: dict[str, Any]) -> None:
    table["session"]["max_iterations"] = 50
    place = Place(tmp_path, table, [(1, 2, 1.0)])
    place.run()

    campaign, records = place.run(resumed=True)

    assert campaign.symbols["BTCUSDT"].funnel.iterations == 50
    assert not [record for record in records if isinstance(record.event, model.PairOpened)]
    assert campaign.ended_by is EndedBy.ITERATIONS


def test_a_step_that_was_cut_off_is_named_and_left_out(tmp_path: Path, table: dict[str, Any]) -> None:
    left = Place(tmp_path, table, [(1, 2, 1.0)]).cut_off(of(model.OrderFilled, 1), of(model.OrderFilled, 2))
    with open_journal(left.journal) as stored:
        last = list(stored.records())[-1].seq
    with left.journal.open("ab") as file:
        file.write(b'{"seq":99')

    campaign, _ = left.run(resumed=True)

    assert campaign.findings == [f"9 bytes after event {last} were no whole step, and were cut off the journal"]
    assert campaign.exit_code == 0
    left.verify()


def test_a_campaign_that_was_stopped_ends_at_once_when_it_is_resumed(tmp_path: Path, table: dict[str, Any]) -> None:
    """Also where nothing is offered that a guard could refuse. Its first trade is closed at once, at a loss."""
    table["strategy"]["exit_bps"] = -1_000
    table["guards"]["global"] = {"emergency_stop_loss_usd": "0.1"}
    place = Place(tmp_path, table, [(1, 2, 1.0)])
    stopped, _ = place.run()
    assert (stopped.ended_by, stopped.exit_code) == (EndedBy.EMERGENCY_STOP, 3)

    campaign, records = attrs.evolve(place, gaps=[]).run(resumed=True)

    assert (campaign.ended_by, campaign.exit_code) == (EndedBy.EMERGENCY_STOP, 3)
    assert records[-1].ts_ns - records[0].ts_ns < SECOND_NS


def test_a_residual_whose_order_was_filled_when_it_broke_off_is_resolved(
    tmp_path: Path, table: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last word of the order that traded it away is in the journal, and what follows from that isn't."""
    table["strategy"] |= {"entry_bps": 50, "order_size_base": 9}
    table["execution"] = {"hedge_deadline_seconds": "0.01"}
    for venue in table["exchanges"].values():
        venue["latency_ms"] = 50
    quoted: dict[str, list[ScriptedRow]] = {"a": [], "b": []}
    for second in range(20):
        quoted["a"].append((second, "BTCUSDT", 99.9, 50.0, 100.0, 50.0))
        gap = 1.0 if second == 1 else 0.0
        quoted["b"].append((second, "BTCUSDT", 99.9 + gap, 50.0, 100.0 + gap, 50.0))
        if second == 1:  # what b showed is gone before the order is there, and a hedge finds less again
            quoted["b"] += [(1.01, "BTCUSDT", 90.0, 50.0, 90.1, 50.0), (1.07, "BTCUSDT", 85.0, 50.0, 85.1, 50.0)]
            quoted["a"].append((1.07, "BTCUSDT", 99.0, 50.0, 99.1, 50.0))

    def drains(record: Record) -> bool:
        return isinstance(record.event, model.PhaseEntered) and record.event.phase is Phase.DRAINING

    with monkeypatch.context() as patched:  # it comes no further than to the last word
        patched.setattr(Executor, "_settle_late", lambda *_: None)
        left = Place(tmp_path, table, (), quoted).cut_off(drains, drains)
    with open_journal(left.journal) as stored:
        held = [record.event for record in stored.records()]
    assert any(isinstance(one, model.ResidualWorked) for one in held)
    assert not any(isinstance(one, model.ResidualResolved) for one in held)

    campaign, records = left.run(resumed=True)

    assert sum(isinstance(record.event, model.ResidualResolved) for record in records) == 1
    assert not campaign.parts.trades.residuals
    assert campaign.exit_code == 0
    left.verify()
