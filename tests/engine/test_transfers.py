"""Simulated transfers between paper venues: stock that has drifted comes back, once, and no money is lost by it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cut_off import Place, of
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from recompute import check
from recount import differences, recount
from venue_memory import Told, contradictions, venue_lines

from trioarb.api import Exchange, ExchangeContext, ExchangeSpec
from trioarb.builtin.paper import PaperExchange
from trioarb.builtin.paper_settings import PaperSettings
from trioarb.cli.running import report_of
from trioarb.config.load import load_table
from trioarb.errors import ConfigError, PluginError
from trioarb.journal.fold import Folds
from trioarb.model import event as model
from trioarb.plugin.registry import load_plugins
from trioarb.report.rows import Rows
from trioarb.report.summary import summarise
from trioarb.report.timeline import Timeline
from trioarb.state.state import State
from trioarb.testing import CampaignResult, ScriptedTape, listing, plugin_of, run_virtual, scripted_market, two_venues
from trioarb.verify.verification import Verifier

#: a is cheap and b is dear for as long as it lasts: stock goes to a, and money to b.
DEAR = 1.0
MINUTES = {"fee": "0.001", "minutes": "0.5"}


def config(**transfers: Any) -> dict[str, Any]:
    table = two_venues()
    for paper in table["exchanges"].values():
        paper |= {"tick_size": "0.1", "lot_size": "0.01", "taker_fee_bps": 4, "latency_ms": 20}
        paper |= {"inventory_usd_per_symbol": 2_000, "balances": {"USDT": "3000"}}
    table["strategy"] = {"plugin": "inventory", "entry_bps": 20, "order_size_usd": 400}
    table["guards"] |= {"global": {"max_total_exposure_usd": 100_000}, "symbol": {"cooldown_seconds": 1}}
    table["guards"]["portfolio"] = {"total_capital_usd": 100_000, "max_symbol_allocation_pct": 1}
    table["withdrawals"] = {venue: {"BTC": MINUTES, "USDT": {"fee": "1", "minutes": "0.5"}} for venue in "ab"}
    table["transfers"] = {"simulate": True, "check_seconds": 10, "most_fee_bps": 100, **transfers}
    return table


def tapes(seconds: int) -> dict[str, ScriptedTape]:
    def rows(above: float) -> list[tuple[float, str, float, float, float, float]]:
        return [(tick / 2, "BTCUSDT", 100 + above, 50.0, 100.1 + above, 50.0) for tick in range(2 * seconds)]

    return {venue: ScriptedTape(rows(above), listings=[listing("BTC")]) for venue, above in (("a", 0.0), ("b", DEAR))}


def run(table: dict[str, Any], *, seconds: int = 120) -> CampaignResult:
    return run_virtual(table, plugins={"market": scripted_market(tapes(seconds))})


def examined(result: CampaignResult) -> CampaignResult:
    """See that four books agree on a campaign: its own, the verification's, and two of the tests."""
    check(result.events)
    verifier = Verifier()
    verifier.fold(result.records)
    assert verifier.result().violations == ()
    summary = json.loads(json.dumps(summarise(report_of(result.campaign))))
    assert differences(recount(result.events), summary) == []
    return result


def test_stock_that_has_drifted_is_sent_back_and_trading_goes_on() -> None:
    with_them, without = examined(run(config())), examined(run(config(simulate=False)))

    sent, arrived = with_them.of_type("transfer_sent"), with_them.of_type("transfer_arrived")
    assert {(one["asset"], one["source"], one["target"]) for one in sent} == {("BTC", "a", "b"), ("USDT", "b", "a")}
    assert len(arrived) >= 2
    assert not without.of_type("transfer_sent")
    trades = with_them.campaign.state.statistics, without.campaign.state.statistics
    assert trades[0].closed > 1.5 * trades[1].closed
    assert trades[0].pnl_usd > trades[1].pnl_usd
    assert with_them.exit_code == without.exit_code == 0


def test_what_was_sent_arrives_after_its_time_less_the_fee() -> None:
    result = run(config())

    sent = {one["transfer_id"]: one for one in result.of_type("transfer_sent")}
    for one in result.of_type("transfer_arrived"):
        left = sent[one["transfer_id"]]
        assert one["ts_ns"] == left["arrives_at_ns"] == left["ts_ns"] + 30 * 10**9
        assert Decimal(one["amount"]) == Decimal(left["amount"]) - Decimal(left["fee"])


def test_how_long_one_is_under_way_is_drawn_from_the_seed() -> None:
    def ways(seed: int) -> list[int]:
        table = config(spread="0.5")
        table["session"]["seed"] = seed
        return [one["arrives_at_ns"] - one["ts_ns"] for one in run(table).of_type("transfer_sent")]

    first = ways(1)
    assert ways(1) == first != ways(2)
    assert all(30 * 10**9 <= way <= 45 * 10**9 for way in first)
    assert len(set(first)) > 1


def test_what_is_under_way_at_the_end_is_named_and_no_problem() -> None:
    result = examined(run(config(), seconds=35))

    state = result.campaign.state
    under_way = list(state.transfers.in_transit.values())
    assert under_way
    assert (result.exit_code, result.campaign.problems) == (0, [])
    told = summarise(report_of(result.campaign))["transfers"]
    assert [one["transfer_id"] for one in told["in_transit"]] == [one.transfer_id for one in under_way]
    worth = sum((Decimal(one["value_usd"]) for one in told["in_transit"]), Decimal(0))
    (stated,) = result.of_type("equity_stated")[-1:]
    held = sum(
        (one.final * (Decimal(1) if asset == "USDT" else Decimal(101 if venue == "b" else 100)))
        for venue, by_asset in state.ledger.balances().items()
        for asset, one in by_asset.items()
    )
    assert Decimal(stated["now_usd"]) == held + worth
    assert state.exposure.exposure_usd() == sum(one.value_usd for one in under_way)


def test_withdrawal_fees_are_among_the_fees() -> None:
    result = run(config())

    balances, fees = result.campaign.state.ledger.balances(), defaultdict[str, Decimal](Decimal)
    for one in result.of_type("transfer_sent"):
        fees[one["source"], one["asset"]] += Decimal(one["fee"])  # type: ignore[index]
    assert balances["a"]["BTC"].fees == fees["a", "BTC"] > 0  # type: ignore[index]
    assert Decimal(result.of_type("equity_stated")[-1]["fees_usd"]) < -result.campaign.state.statistics.fees_usd


@pytest.mark.parametrize(
    ("key", "value"), [("tolerance", 1), ("most_fee_bps", 0), ("least_gain_bps", 10_000), ("check_seconds", 1_000)]
)
def test_what_is_not_worth_it_stays(key: str, value: object) -> None:
    moved = run(config(**{key: value})).of_type("transfer_sent")

    assert not [one for one in moved if one["asset"] == "BTC"]


def test_stock_that_orders_and_positions_need_stays() -> None:
    """A spread trade holds it, and can be closed all the same."""
    table = config(tolerance=0)
    table["strategy"] = {"entry_bps": 20, "exit_bps": -200, "order_size_usd": 900, "max_holding_seconds": 60}
    result = examined(run(table))

    assert result.of_type("transfer_sent")
    assert result.of_type("position_closed")
    assert result.exit_code == 0


def test_a_withdrawal_of_which_nothing_is_known_is_not_made(capsys: pytest.CaptureFixture[str]) -> None:
    table = config()
    del table["withdrawals"]["a"]["BTC"]

    assert {one["asset"] for one in run(table).of_type("transfer_sent")} == {"USDT"}
    assert capsys.readouterr().out.count("withdrawals.a.BTC") == 1


@pytest.mark.parametrize("name", ["a", "market"])
def test_a_venue_that_is_not_simulated_is_refused(name: str) -> None:
    @asynccontextmanager
    async def open_real(settings: PaperSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
        yield PaperExchange(settings, context)

    real = plugin_of(ExchangeSpec(name="real", doc="a venue", settings=PaperSettings, open=open_real, live=True))
    table = config()
    table["session"] = {"loop_interval_ms": 0}
    table["exchanges"][name] = table["exchanges"].pop("a") | {"plugin": "real"}
    table["withdrawals"] = {}
    plugins = load_plugins({"market": scripted_market(tapes(1)), "venue": real})

    with pytest.raises(ConfigError) as refused:
        load_table(table, plugins)
    (problem,) = refused.value.problems
    assert problem.key == "transfers.simulate"
    assert f'exchange plugin "real" in [exchanges.{name}]' in problem.message
    assert "never withdraws" in problem.message


def test_a_plugin_that_does_not_simulate_them_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    original = PaperExchange.__init__

    def init(self: PaperExchange, *args: Any) -> None:
        original(self, *args)
        self.simulates_transfers = False

    monkeypatch.setattr(PaperExchange, "__init__", init)
    with pytest.raises(PluginError, match=r"\[exchanges.a\] doesn't simulate transfers"):
        run(config())


# After a crash


@pytest.mark.parametrize("venues", ["before", "after"])
@pytest.mark.parametrize("kind", [model.TransferSent, model.TransferArrived], ids=lambda kind: kind.__name__)
def test_a_transfer_that_a_crash_met_leaves_and_arrives_once(
    tmp_path: Path, kind: type[model.Event], venues: str
) -> None:
    """The journal was written; the venue may have taken note of it, or not."""
    place = Place(tmp_path, config(), [(0, 200, DEAR)])
    # What the step of the first one wrote is there when the next one is made.
    left = place.cut_off(of(kind, 2), of(kind, 1 if venues == "before" else 2))
    campaign, records = left.run(resumed=True)

    assert (campaign.error, campaign.problems) == ("", [])
    left.verify()
    transfers = campaign.state.transfers
    for asset, moved in transfers.moved.items():
        coming = sum(transfers.under_way(asset).values(), Decimal(0))
        assert moved.sent == moved.arrived + moved.fees + coming
    ids = [one.event.transfer_id for one in records if isinstance(one.event, model.TransferArrived)]
    assert ids
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("spoil", ["forgotten", "twice", "another amount"])
def test_what_a_venue_remembers_otherwise_than_the_journal_is_noticed(tmp_path: Path, spoil: str) -> None:
    place = Place(tmp_path, config(), [(0, 200, DEAR)])
    _, records = place.run()
    told, venues = Told(records), venue_lines(place.journal)
    assert not list(contradictions(told, venues))

    lines = next(lines for lines in venues.values() if any(line["type"] == "moved" for line in lines))
    number, moved = next((number, line) for number, line in enumerate(lines) if line["type"] == "moved")
    other = {**moved, "amount": str(Decimal(moved["amount"]) + Decimal("1e-8"))}
    lines[number : number + 1] = {"forgotten": [], "twice": [moved, moved], "another amount": [other]}[spoil]
    assert list(contradictions(told, venues))


# What is told


def test_tables_and_timelines_tell_of_them() -> None:
    result = run(config())
    rows: list[dict[str, Any]] = []
    made = Rows(lambda table, row: rows.append(dict(row)) if table == "transfers" else None)
    folds, timeline = Folds(made.projections), Timeline()
    for record in result.records:
        folds.apply(record)
        timeline.apply(record)
    made.finish(result.campaign.state.ledger)

    assert len(rows) == len(result.of_type("transfer_sent"))
    assert {row["transfer_id"] for row in rows if "arrived" in row} == {
        one["transfer_id"] for one in result.of_type("transfer_arrived")
    }
    lines = [line for line in timeline.overview("c") if line.startswith("Transfer ")]
    assert len(lines) == len(rows)
    assert any("BTC from a to b" in line for line in timeline.of_symbol("BTCUSDT"))


# Whatever happens, money is conserved


@settings(max_examples=examples(40, 10))
@given(
    fee=st.decimals(0, "0.5", places=3),
    minutes=st.decimals("0.01", 2, places=2),
    spread=st.decimals(0, 3, places=1),
    tolerance=st.decimals(0, 1, places=2),
    every=st.sampled_from([1, 7, 30]),
    stock=st.integers(0, 3_000),
    seconds=st.integers(5, 150),
    reject_rate=st.sampled_from(["0", "0.3"]),
)
def test_money_is_conserved(
    fee: Decimal,
    minutes: Decimal,
    spread: Decimal,
    tolerance: Decimal,
    every: int,
    stock: int,
    seconds: int,
    reject_rate: str,
) -> None:
    table = config(check_seconds=every, tolerance=str(tolerance), spread=str(spread), most_fee_bps=10_000)
    for venue in "ab":
        terms = {"fee": str(fee), "minutes": str(minutes)}
        table["withdrawals"][venue] = {"BTC": terms, "USDT": terms}
    table["exchanges"]["a"]["inventory_usd_per_symbol"] = stock
    table["exchanges"]["b"]["reject_rate"] = reject_rate
    result = examined(run(table, seconds=seconds))

    state = State()
    for record in result.records:
        state.apply(record)
    assert not list(state.ledger.imbalances())
    for asset, moved in state.transfers.moved.items():
        coming = sum(state.transfers.under_way(asset).values(), Decimal(0))
        assert moved.sent == moved.arrived + moved.fees + coming
        balances = [by_asset[asset] for by_asset in state.ledger.balances().values() if asset in by_asset]
        assert -sum((one.moved for one in balances), Decimal(0)) == coming
    assert "holds" not in result.campaign.error


def test_a_changed_transfer_is_noticed() -> None:
    records = list(run(config()).records)
    place = next(number for number, one in enumerate(records) if isinstance(one.event, model.TransferArrived))
    arrived = records[place].event
    for event in (
        replace(arrived, amount=arrived.amount + 1),  # type: ignore[union-attr]
        replace(arrived, transfer_id="m900"),  # type: ignore[union-attr]
        replace(arrived, target="a" if arrived.target == "b" else "b"),  # type: ignore[union-attr]
    ):
        verifier = Verifier()
        verifier.fold([*records[:place], records[place]._replace(event=event), *records[place + 1 :]])
        assert not verifier.result().is_sound
