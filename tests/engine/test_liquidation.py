"""Contracts that a venue closes by force: when it does, what becomes of the rest, and that nothing of it is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from cut_off import Place, of

from trioarb.api import Liquidation
from trioarb.builtin.paper import PaperExchange
from trioarb.engine import recovery
from trioarb.journal.recorded import open_journal
from trioarb.model import event as model
from trioarb.model.event import Record
from trioarb.model.trade import ExitReason
from trioarb.testing import ScriptedRow, two_venues

#: A contract is sold at b for about 101.5 while it costs 100.01 at a; from second 10 on both rise by 1 a second.
SECONDS = 60


def rows(*, size: float = 50.0, until: float = 40.0, again: float = SECONDS) -> dict[str, list[ScriptedRow]]:
    def of_venue(venue: str) -> Iterator[ScriptedRow]:
        for tick in range(SECONDS * 4):
            second = tick / 4
            price = 100.0 + max(0.0, min(second, until) - 10)
            price += 1.5 if venue == "b" and (1 <= second < 2 or second >= again) else 0.0
            shown = size if venue == "b" and second > 5 else 50.0
            yield second, "BTCUSDT", round(price, 2), shown, round(price + 0.01, 2), shown

    return {venue: list(of_venue(venue)) for venue in "ab"}


def table() -> dict[str, Any]:
    table = two_venues()
    table["session"] |= {"durability": "order", "max_runtime_seconds": SECONDS - 2}
    for venue in table["exchanges"].values():
        venue |= {"latency_ms": 100, "tick_size": "0.01", "lot_size": "0.01", "min_notional": 5}
    table["exchanges"]["b"] = {
        **table["exchanges"]["b"],
        "account": "perpetual",
        "leverage": 10,
        "maintenance_margin_bps": 100,
        "liquidation_fee_bps": 100,
        "balances": {"USDT": "20"},
    }
    del table["exchanges"]["b"]["inventory_usd_per_symbol"]
    table["strategy"] = {"entry_bps": 40, "exit_bps": 1_000, "order_size_base": 1}
    table["guards"]["symbol"] = {"cooldown_seconds": 100}
    return table


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, table(), (), rows())


def events(records: list[Record], kind: type[model.Event]) -> list[Any]:
    return [record.event for record in records if isinstance(record.event, kind)]


def test_contracts_are_closed_once_their_margin_is_not_covered(place: Place) -> None:
    campaign, records = place.run()

    (sold,) = (one for one in events(records, model.OrderFilled) if one.venue == "b" and one.side.value == "sell")
    (one,) = events(records, model.ContractsLiquidated)
    wallet = 20 - sold.fee
    assert one.balance == wallet + sold.price - one.mark
    assert one.maintenance == one.mark / 100
    assert one.balance < one.maintenance
    # A second before, with the mark 1 below, it was worth enough.
    assert one.balance + 1 >= (one.mark - 1) / 100
    assert (one.side.value, one.quantity, one.fees) == ("buy", 1, one.value / 100)
    assert campaign.parts.ledger.balances()["b"]["USDT"].final == wallet + sold.price - one.value - one.fees
    assert not campaign.parts.ledger.contracts_at("b")
    place.verify()


def test_the_other_leg_is_a_residual_that_is_worked_off(place: Place) -> None:
    campaign, records = place.run()

    (closed,) = events(records, model.PositionClosed)
    (left,) = events(records, model.ResidualLeft)
    assert closed.reason is ExitReason.LIQUIDATED
    assert (left.venue, left.quantity, left.trade_id) == ("a", 1, closed.trade_id)
    assert len(events(records, model.ResidualResolved)) == 1
    assert not campaign.parts.trades.residuals
    assert campaign.exit_code == 0
    stock = campaign.parts.ledger.balances()["a"]["BTC"]
    assert stock.final == stock.initial
    cash = sum(
        (one.quantity * one.price * (1 if one.side.value == "sell" else -1) - one.fee)
        for one in events(records, model.OrderFilled)
    )
    assert campaign.state.statistics.pnl_usd == cash
    assert campaign.state.exposure.exposure_usd() == 0


def test_no_more_is_closed_than_the_book_shows(place: Place) -> None:
    place = attrs.evolve(place, rows=rows(size=0.4))
    campaign, records = place.run()

    found = events(records, model.ContractsLiquidated)
    assert [one.quantity for one in found] == [Decimal("0.4"), Decimal("0.4"), Decimal("0.2")]
    assert [one.quantity for one in events(records, model.PositionReduced)] == [Decimal("0.6"), Decimal("0.2")]
    assert len(events(records, model.PositionClosed)) == 1
    assert not campaign.parts.trades.residuals
    assert campaign.exit_code == 0
    place.verify()


def test_nothing_is_closed_as_long_as_it_is_covered(place: Place) -> None:
    place.table["exchanges"]["b"]["balances"]["USDT"] = "200"
    campaign, records = place.run()

    assert not events(records, model.ContractsLiquidated)
    assert campaign.exit_code == 0


def test_a_venue_that_liquidates_gets_no_entries_until_the_stop_is_cleared(place: Place) -> None:
    place.table["guards"] |= {"exchange": {}, "symbol": {"cooldown_seconds": 20}}
    place.table["session"]["max_runtime_seconds"] = 55
    place.table["exchanges"]["b"] |= {"balances": {"USDT": "50"}, "maintenance_margin_bps": 2500, "leverage": 3}
    place = attrs.evolve(place, rows=rows(again=45))
    _, records = place.run()

    (at,) = (record.seq for record in records if isinstance(record.event, model.ContractsLiquidated))
    after = [record for record in records if record.seq > at]
    denied = [one for one in events(after, model.Decided) if one.rule == "frozen"]
    assert {one.answer.value for one in denied} == {"DENY"}
    assert denied[0].value == "b: it bought 1 BTCUSDT by force"
    assert not [one for one in events(after, model.PairOpened) if one.reason is None]
    (cut,) = (one for one in events(after, model.ResidualLeft) if one.venue == "a")
    assert cut.quantity == 1


def test_it_is_learnt_once_wherever_the_campaign_was_cut_off(place: Place, tmp_path: Path) -> None:
    _, whole = place.run()
    place.verify()
    (at,) = (record.seq for record in whole if isinstance(record.event, model.ContractsLiquidated))
    last = next(record.seq for record in whole if isinstance(record.event, model.ResidualResolved))
    for seq in range(at - 2, last + 2):
        folder = tmp_path / str(seq)
        folder.mkdir()
        here = attrs.evolve(place, folder=folder)
        left = here.cut_off(at_seq(seq), at_seq(seq))
        campaign, _ = left.run(resumed=True)

        assert campaign.exit_code == 0, (seq, campaign.error, campaign.problems)
        left.verify()
        assert ids_of(left) == ["liquidation-1"], seq
        assert not campaign.parts.trades.residuals


def test_what_the_journal_lost_is_learnt_at_the_resume(place: Place) -> None:
    """The venue did it, and the process was killed before that was written down."""
    _, whole = place.run()
    (before,) = events(whole, model.ContractsLiquidated)
    folder = place.folder / "again"
    folder.mkdir()
    left = attrs.evolve(place, folder=folder).cut_off(of(model.PositionOpened), of(model.ContractsLiquidated))
    campaign, records = left.run(resumed=True)

    (one,) = events(records, model.ContractsLiquidated)
    assert one == before
    assert campaign.exit_code == 0
    assert not events(records, model.BalanceDiffered)
    left.verify()


def test_a_resume_says_which_fundings_passed_meanwhile(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """In virtual time none does, so that the campaign is made to believe that it broke off earlier."""
    place.table["exchanges"]["b"] |= {"balances": {"USDT": "200"}, "funding_rate_bps": 1}
    place.table["exchanges"]["b"]["funding_interval_hours"] = Decimal("0.01")  # 36 s
    left = place.cut_off(of(model.PositionOpened), of(model.PositionOpened))
    learn = recovery.learn_what_was_missed
    monkeypatch.setattr(
        recovery, "learn_what_was_missed", lambda campaign, since_ns: learn(campaign, since_ns - 2 * 36 * 10**9)
    )

    campaign, records = left.run(resumed=True)

    said = "b: 2 fundings of BTCUSDT passed while the campaign didn't run; the venue booked 0 of them"
    assert said in campaign.findings
    (ended,) = events(records, model.CampaignEnded)
    assert said in ended.recovered
    assert events(records, model.FundingPaid)
    left.verify()


def test_a_venue_that_tells_of_it_again_is_not_believed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = PaperExchange.liquidations

    async def all_of_them(self: PaperExchange, since_ns: int) -> Sequence[Liquidation]:
        return await asked(self, 0)

    monkeypatch.setattr(PaperExchange, "liquidations", all_of_them)
    place.table["exchanges"]["b"]["balances"]["USDT"] = "14"
    place.table["strategy"]["order_size_base"] = "0.5"
    place.table["guards"]["symbol"] = {"cooldown_seconds": 0}
    campaign, records = attrs.evolve(place, rows=rows(size=0.4)).run()

    found = events(records, model.ContractsLiquidated)
    assert len(found) > 1
    assert len({one.liquidation_id for one in found}) == len(found)
    assert campaign.exit_code == 0
    place.verify()


def at_seq(seq: int) -> Callable[[Record], bool]:
    return lambda record: record.seq == seq


def ids_of(place: Place) -> list[str]:
    with open_journal(place.journal) as stored:
        return [
            record.event.liquidation_id
            for record in stored.records()
            if isinstance(record.event, model.ContractsLiquidated)
        ]
