"""Plugins that misbehave, in each way at each method: the campaign ends in time, names the plugin, and is whole."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
import trio
from misbehaviour import CASES, Case, plugin

from trioarb.config.load import load_table
from trioarb.engine.campaign import Campaign
from trioarb.engine.run import run_campaign
from trioarb.errors import TrioarbError
from trioarb.model import event as model
from trioarb.model.event import Record
from trioarb.model.wire import to_json_object
from trioarb.plugin.registry import load_plugins
from trioarb.testing import two_venues
from trioarb.time.virtual import VirtualClock
from trioarb.verify.verification import Verifier

#: No misbehaviour may cost more campaign time than the data has and the deadlines add up to.
LONGEST_SECONDS = 20 + 30 + 10 + 4 * 5 + 10 + 15 + 5 + 5

#: What is asked again, or goes on without, and is said in the log.
ONLY_LOGGED = {"order", "poll", "stats"}


@attrs.frozen
class Ended:
    error: TrioarbError | None
    campaign: Campaign | None
    records: list[Record]
    seconds: float

    @property
    def exit_code(self) -> int:
        return 1 if self.campaign is None else self.campaign.exit_code


def run(case: Case | None) -> Ended:
    config: dict[str, Any] = two_venues("odd")
    config["exchanges"]["a"]["plugin"] = "odd"
    config["strategy"] = {"plugin": "odd", "exit_bps": -40}
    config["guards"] = {"odd": {}}
    config["session"]["max_runtime_seconds"] = 30
    plugins = load_plugins({"odd": plugin(case)})
    loaded = load_table(config, plugins)
    clock, records, opened = VirtualClock(), list[Record](), list[Campaign]()

    async def main() -> Ended:
        error = None
        try:
            await run_campaign(loaded.config, plugins, clock=clock, observers=[records.append], on_open=opened.append)
        except TrioarbError as raised:
            error = raised
        return Ended(error, opened[0] if opened and error is None else None, records, trio.current_time())

    return trio.run(main, clock=clock)


def said(ended: Ended) -> str:
    """Return all that is said of what went wrong: the error, the campaign's problems, and the reasons in its events."""
    lines = [] if ended.error is None else [str(ended.error)]
    if ended.campaign is not None:
        lines += [ended.campaign.error, *ended.campaign.problems]
    for record in ended.records:
        found = (getattr(record.event, name, None) for name in ("reason", "error", "value"))
        lines += [text for text in found if isinstance(text, str)]
    return "\n".join(lines)


def unfinished(records: list[Record]) -> set[str]:
    """Return the orders that have no last word, and for which no residual stands."""
    orders: set[str] = set()
    for record in records:
        match record.event:
            case model.OrderSubmitted(client_order_id=order_id):
                orders.add(order_id)
            case model.OrderCancelled(client_order_id=order_id) | model.OrderRejected(client_order_id=order_id):
                orders.discard(order_id)
            case model.ResidualLeft(client_order_id=order_id) if order_id is not None:
                orders.discard(order_id)
    quantities = {
        r.event.client_order_id: r.event.quantity for r in records if isinstance(r.event, model.OrderSubmitted)
    }
    for record in records:
        if isinstance(record.event, model.OrderFilled):
            order_id = record.event.client_order_id
            quantities[order_id] -= record.event.quantity
            if not quantities[order_id]:
                orders.discard(order_id)
    return orders


def test_without_a_fault_the_campaign_trades_and_ends_well() -> None:
    ended = run(None)

    assert ended.exit_code == 0, said(ended)
    assert any(isinstance(record.event, model.PositionClosed) for record in ended.records)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_misbehaviour(case: Case) -> None:
    ended = run(case)
    text = said(ended)

    assert ended.seconds <= LONGEST_SECONDS
    assert ended.exit_code in (0, 1, 3)
    if case.method not in ONLY_LOGGED and not (case.what == "hangs" and case.method in ("submit", "balances")):
        assert f"[{case.key}]: plugin 'odd'" in text
        assert f": {case.method} " in text
    assert "\x1b" not in text
    assert "Traceback" not in text
    for record in ended.records:
        json.dumps(to_json_object(record)).encode()
    if ended.campaign is not None:
        assert not unfinished(ended.records)
        verifier = Verifier()
        verifier.fold(ended.records)
        assert verifier.result().is_sound, verifier.result()
