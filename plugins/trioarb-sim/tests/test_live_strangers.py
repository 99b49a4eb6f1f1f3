"""What happens at a live campaign's accounts beside it: trades by hand, deposits, orders of others, fills untold."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
import tomli
import trio
from live_plan import plan_of

from trioarb.api import Side
from trioarb.config.load import load_table
from trioarb.engine.run import run_campaign
from trioarb.model.event import BalanceDiffered, CampaignEnded, Deposited, OrderFilled, Record
from trioarb.plugin.registry import load_plugins
from trioarb_sim.order import OrderTerms
from trioarb_sim.simulator import Simulator
from trioarb_sim.venue import OrderChanged, Private

for _needed in ("trioarb_binance", "trioarb_upbit"):
    pytest.importorskip(_needed)
live_swarm = pytest.importorskip("live_swarm", reason="trioarb-bithumb is not installed")

D = Decimal


def hide_fills(venue: Simulator, most: int) -> list[str]:
    """Let the account's stream tell nothing of the next fills; return the trades that it kept to itself."""
    tell, hidden = venue.venue._tell_account, list[str]()

    def told(account: str, event: Private) -> None:
        if isinstance(event, OrderChanged) and event.execution is not None and len(hidden) < most:
            hidden.append(str(event.execution.trade_id))
            return
        tell(account, event)

    venue.venue._tell_account = told  # type: ignore[method-assign]
    return hidden


def by_hand(venue: Simulator, market: str, side: Side, price: int, quantity: str) -> None:
    terms = OrderTerms(market=market, side=side, price=D(price), quantity=D(quantity), client_id="web_by_hand")
    venue.venue.place("main", terms)


async def test_what_others_do_at_the_accounts_is_told_and_never_taken_for_a_fill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trioarb.engine.services._RECONCILE_EVERY_NS", 10**9)
    monkeypatch.setattr("trioarb.execution.reconcile._CERTAIN_NS", 10**9)
    plan = attrs.evolve(plan_of(0), symbols=("ETH",), tls=False, size_usd=D(50), levels_usd=D(2_000))
    records = list[Record]()
    campaigns = list[Any]()
    async with live_swarm.open_venues(plan) as (venues, secrets):
        live_swarm.prepare(plan, venues, tmp_path / "c")
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
        table = tomli.loads((tmp_path / "c" / "config.toml").read_text(), parse_float=Decimal)
        plugins = load_plugins()
        # Between two trades there has to be time to compare balances in.
        overrides = ["session.max_runtime_seconds=12", "guards.symbol.cooldown_seconds=3"]
        loaded = load_table(table, plugins, overrides=overrides, environment={**os.environ, **secrets})
        binance, upbit = venues["binance"], venues["upbit"]
        hidden = [hide_fills(one, most=2) for one in (binance, upbit)]
        async with trio.open_nursery() as nursery:

            async def run() -> None:
                campaigns.append(await run_campaign(loaded.config, plugins, clock=None, observers=[records.append]))
                nursery.cancel_scope.cancel()

            nursery.start_soon(run)
            with trio.fail_after(90):
                while not all(hidden):  # noqa: ASYNC110 - the campaign trades in its own time
                    await trio.sleep(0.05)
                by_hand(binance, "TRXUSDT", Side.BUY, 1, "1000")
                by_hand(upbit, "KRW-ADA", Side.SELL, 10_000, "1000")  # rests
                upbit.venue._accounts["main"].receive("BTC", D("0.25"))
                await trio.sleep_forever()
    (campaign,) = campaigns
    events = [record.event for record in records]
    fills = [one for one in events if isinstance(one, OrderFilled)]
    ours = {
        name: sorted(
            (execution.price, execution.quantity)
            for order in venue.venue.orders("main")
            if order.terms.client_id != "web_by_hand"
            for execution in order.executions
        )
        for name, venue in venues.items()
    }
    assert {name: sorted((one.price, one.quantity) for one in fills if one.venue == name) for name in venues} == ours
    differed = {(one.venue, one.asset): one.held - one.booked for one in events if isinstance(one, BalanceDiffered)}
    assert differed.keys() == {("binance", "TRX"), ("binance", "USDT"), ("upbit", "BTC")}
    assert differed["upbit", "BTC"] == D("0.25")
    assert differed["binance", "TRX"] == D(999)
    deposited = [one for one in events if isinstance(one, Deposited) and one.reason == "difference"]
    assert len(deposited) == len(differed)
    (ended,) = [one for one in events if isinstance(one, CampaignEnded)]
    assert sum("web_by_hand" in one for one in ended.problems) >= 2
    for name, venue in venues.items():
        held = {asset: one.free + one.locked for asset, one in venue.venue.balances("main").items()}
        assert {asset: amount for asset, amount in campaign.parts.ledger.held(name).items() if amount} == held
