"""A campaign cancelled at its k-th task step, for every k, leaves nothing behind."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
import recompute
import trio
from effort import examples

from trioarb.config.load import load_table
from trioarb.engine.campaign import Campaign
from trioarb.engine.keeping import Keeping
from trioarb.engine.run import run_campaign
from trioarb.journal.log import Log
from trioarb.journal.recorded import KIND, open_journal
from trioarb.journal.writer import JournalWriter
from trioarb.model.event import Record
from trioarb.model.trade import EndedBy
from trioarb.model.wire import to_json_object
from trioarb.plugin.registry import load_plugins
from trioarb.testing import ScriptedTape, listing, scripted_market, two_venues
from trioarb.time.virtual import VirtualClock

ENDING = ["DRAINING", "CLOSED"]

Where = Literal["before_task_step", "task_scheduled", "after_io_wait"]


def quotes(venue: str) -> Iterator[tuple[float, str, float, float, float, float]]:
    """Two symbols whose gap opens and closes; sometimes little is displayed, so legs fill in part.

    That of one opens while the other's entry is in flight.
    """
    for tick in range(13):
        second = 1 + tick / 4
        for symbol, phase in (("BTCUSDT", tick % 6), ("ETHUSDT", (tick - 1) % 6)):
            price = 101.0 if venue == "b" and phase < 3 else 100.0
            size = 3.0 if venue == "b" and phase in (1, 4) else 50.0
            yield second, symbol, price, size, price + 0.1, size


def keeping_in(folder: Path, name: str) -> Keeping:
    """Keep a campaign in a journal of the folder."""
    path = folder / f"{name}.journal"
    return Keeping(
        journal=path,
        open_writer=lambda _: JournalWriter(Log.create(path, KIND, {}), last_seq=0, each_order=False, inline=True),
        state_of=lambda venue: path.with_suffix(f".{venue}.venue"),
    )


def run(
    where: Where,
    k: int | None,
    keeping: Keeping | None = None,
    *,
    end_at: int | None = None,
    loop_interval_ms: int = 0,
) -> tuple[Campaign, list[dict[str, Any]], int]:
    """Run the scripted campaign; cancel the scope around it at the k-th event of Trio's scheduler.

    Or let it end as by a signal, in the very step that records the event ``end_at``.
    """
    listings = [listing("BTC"), listing("ETH")]
    tapes = {venue: ScriptedTape(list(quotes(venue)), listings=listings) for venue in ("a", "b")}
    table = two_venues()
    for venue in table["exchanges"].values():
        venue |= {"tick_size": "0.1", "lot_size": "0.01", "latency_ms": 300}
    table["session"]["loop_interval_ms"] = loop_interval_ms
    table["guards"] = {"symbol": {"cooldown_seconds": 1}}
    table["strategy"] = {"entry_bps": 20, "exit_bps": -20, "order_size_usd": 400}
    plugins = load_plugins({"market": scripted_market(tapes)})
    loaded = load_table(table, plugins)
    records: list[Record] = []
    opened: list[Campaign] = []
    around = trio.CancelScope()

    class CancelAt(trio.abc.Instrument):
        steps = 0

        def step(self, *_: object) -> None:
            self.steps += 1
            if self.steps == k:
                around.cancel()

    def end(record: Record) -> None:
        if record.seq == end_at:
            opened[0].end(EndedBy.SIGNAL)

    instrument = CancelAt()
    setattr(instrument, where, instrument.step)
    clock = VirtualClock()

    async def main() -> None:
        tasks = trio.lowlevel.current_statistics().tasks_living
        with around:
            await run_campaign(
                loaded.config,
                plugins,
                clock=clock,
                observers=[records.append, end],
                on_open=opened.append,
                keeping=keeping,
            )
        assert trio.lowlevel.current_statistics().tasks_living == tasks, "a task is left running"

    trio.run(main, clock=clock, instruments=[instrument])
    events = [to_json_object(record) for record in records]
    return (opened[0] if opened else None), events, instrument.steps  # type: ignore[return-value]


def check(campaign: Campaign | None, events: list[dict[str, Any]]) -> None:
    if campaign is None:  # cancelled before anything was open
        assert not events
        return
    recompute.check(events)
    by_type = partial(of_type, events)
    assert events[-1]["type"] == "campaign_ended"
    assert {e["pair_id"] for e in by_type("pair_opened")} == {e["pair_id"] for e in by_type("pair_ended")}
    assert not campaign.parts.ledger.open_orders
    assert not list(campaign.parts.ledger.imbalances())
    assert {e["trade_id"] for e in by_type("position_opened")} == {e["trade_id"] for e in by_type("position_closed")}
    assert campaign.state.exposure.exposure_usd() == 0
    assert not by_type("residual_left")
    assert [e["phase"] for e in by_type("phase_entered")] in (["RUNNING", *ENDING], ENDING)
    draining = next(number for number, event in enumerate(events) if event.get("phase") == "DRAINING")
    entries = {e["pair_id"] for e in by_type("pair_opened") if e["kind"] == "entry"}
    legs = [e["pair_id"] for e in events[draining:] if e["type"] == "order_submitted" and e["purpose"] == "leg"]
    assert not [e for e in events[draining:] if e["type"] == "pair_opened" and e["pair_id"] in entries]
    assert not entries & set(legs), "an entry was submitted after the end had come"
    assert campaign.error in ("", "the campaign was cancelled")
    net: dict[tuple[str, str], Decimal] = {}
    for fill in by_type("order_filled"):
        sign = 1 if fill["side"] == "buy" else -1
        net[fill["symbol"], "net"] = net.get((fill["symbol"], "net"), Decimal(0)) + sign * Decimal(fill["quantity"])
    assert not any(net.values()), "a leg was left behind"


def of_type(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == kind]


#: Every step is cancelled; of the other moments, which are near these, some by default.
EVERY: Mapping[Where, int] = {"before_task_step": 1, "task_scheduled": 3, "after_io_wait": 3}


@pytest.mark.parametrize("where", EVERY)
def test_cancelled_at_every_step(where: Where) -> None:
    campaign, events, steps = run(where, None)
    check(campaign, events)
    assert of_type(events, "position_closed")
    assert steps > 50
    for k in range(1, steps + 1, examples(1, EVERY[where])):
        campaign, events, _ = run(where, k)
        try:
            check(campaign, events)
        except AssertionError as error:
            raise AssertionError(f"cancelled at step {k} of {steps} ({where})") from error


@pytest.mark.parametrize("loop_interval_ms", [0, 50])
def test_ended_by_every_event(loop_interval_ms: int) -> None:
    """What was decided in that step is never sent; what was sent is brought to its end."""
    whole = run("task_scheduled", None, loop_interval_ms=loop_interval_ms)[1]
    assert [event for event in whole if event["type"] == "decided" and event["answer"] == "ALLOW"]
    for seq in range(1, len(whole), examples(1, 2)):
        campaign, events, _ = run("task_scheduled", None, end_at=seq, loop_interval_ms=loop_interval_ms)
        try:
            check(campaign, events)
            entries = {event["pair_id"] for event in of_type(events, "pair_opened") if event["kind"] == "entry"}
            sent = {event["pair_id"] for event in of_type(events, "order_submitted") if event["seq"] <= seq}
            late = {event["pair_id"] for event in of_type(events, "order_submitted") if event["seq"] > seq}
            assert not late & entries - sent, "an entry was begun after the end had come"
        except AssertionError as error:
            raise AssertionError(f"ended by event {seq}, {whole[seq - 1]['type']}") from error


def test_cancelled_at_any_step_it_still_closes_its_journal(tmp_path: Path) -> None:
    steps = run("task_scheduled", None, keeping_in(tmp_path, "whole"))[2]
    for k in range(1, steps + 1, 5):
        campaign, events, _ = run("task_scheduled", k, keeping_in(tmp_path, str(k)))
        check(campaign, events)
        if events:
            with open_journal(tmp_path / f"{k}.journal") as journal:
                assert [to_json_object(record) for record in journal.records()] == events
