"""A venue that says when it answers gives the same campaign as one that is waited for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import tomli

import trioarb
from trioarb.builtin.paper import PaperExchange
from trioarb.execution.sender import Sender
from trioarb.model.order import Order, OrderReport
from trioarb.testing import CampaignResult, ScriptedTape, listing, run_virtual, scripted_market, two_venues

SPREAD = Path(trioarb.__file__).parents[2] / "configs" / "spread.toml"


@pytest.fixture(params=["0", "40", "700"])
def table(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return spread for four minutes with a latency in ms."""
    table = tomli.loads(SPREAD.read_text(), parse_float=Decimal)
    table["session"] |= {"clock": "virtual", "max_runtime_seconds": 240}
    for number, venue in enumerate(table["exchanges"].values()):
        venue["latency_ms"] = Decimal(request.param) + number
        venue["reject_rate"] = Decimal("0.05")
    return table


def stream(result: CampaignResult) -> str:
    return "\n".join(map(json.dumps, result.events))


def test_an_answer_at_a_known_time_changes_nothing(table: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    known = run_virtual(table)
    assert len(known.of_type("order_filled")) > 20
    assert known.of_type("order_rejected")
    monkeypatch.setattr(PaperExchange, "answers_at_ns", lambda self, order: None)
    assert stream(run_virtual(table)) == stream(known)


def prices() -> Iterator[tuple[float, str, float, float, float, float]]:
    for second in range(1, 8):
        yield float(second), "BTCUSDT", 101.0, 50.0, 101.1, 50.0


def wide() -> dict[str, Any]:
    """Return a campaign that enters at once."""
    table = two_venues()
    table["strategy"] = {"entry_bps": 20, "exit_bps": -20, "order_size_usd": 400}
    table["guards"] = {"global": {}, "symbol": {"cooldown_seconds": 1000}}
    return table


def markets() -> object:
    cheap = [(at, symbol, 100.0, 50.0, 100.1, 50.0) for at, symbol, *_ in prices()]
    tapes = {
        "a": ScriptedTape(cheap, listings=[listing("BTC")]),
        "b": ScriptedTape(list(prices()), listings=[listing("BTC")]),
    }
    return scripted_market(tapes)


def test_a_bug_in_an_answer_makes_the_order_unknown_and_the_venue_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    answer, failed = PaperExchange.answer, list[str]()

    def fail_once(self: PaperExchange, order: Order) -> OrderReport:
        report = answer(self, order)
        if not failed:
            failed.append(order.client_order_id)
            raise KeyError("a bug")
        return report

    monkeypatch.setattr(PaperExchange, "answer", fail_once)
    result = run_virtual(wide(), plugins={"market": markets()})
    (unknown,) = result.of_type("order_unknown")
    assert unknown["client_order_id"] == failed[0]
    filled = [event["client_order_id"] for event in result.of_type("order_filled")]
    assert failed[0] in filled
    assert result.of_type("pair_ended")[0]["outcome"] == "hedged"


def test_an_answer_that_comes_too_late_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    table = wide()
    for venue in table["exchanges"].values():
        venue["latency_ms"] = 6000
    heard = list[bool]()
    expect = Sender.expect

    def noted(self: Sender, *args: Any) -> bool:
        heard.append(expect(self, *args))
        return heard[-1]

    monkeypatch.setattr(Sender, "expect", noted)
    result = run_virtual(table, plugins={"market": markets()})
    assert not any(heard)
    assert len(result.of_type("order_unknown")) == 2
