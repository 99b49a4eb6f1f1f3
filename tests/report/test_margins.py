"""How accounts with contracts stand, as the summary, SIGUSR2 and `check` tell it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
import tomli
from command import SPREAD
from rich.console import Console
from streams import stream

from trioarb.engine.campaign import Campaign
from trioarb.model.contract import contract_of
from trioarb.report.margins import margins
from trioarb.report.report import Report
from trioarb.report.summary import summarise
from trioarb.report.table import print_summary, print_why
from trioarb.state.state import State
from trioarb.testing import CampaignResult, run_virtual

BASIS = SPREAD.with_name("basis.toml")


@pytest.fixture(scope="module")
def held() -> CampaignResult:
    """Return a campaign that kept its contracts."""
    table = tomli.loads(BASIS.read_text(encoding="utf-8"), parse_float=Decimal)
    table["session"] |= {"max_runtime_seconds": 3_000, "close_positions_at_end": False}
    result = run_virtual(table)
    assert result.campaign.parts.ledger.contracts_at("perp")
    return result


def report(campaign: Campaign) -> Report:
    return Report(config=campaign.config, state=campaign.state, at_ns=campaign.parts.time.now_ns())


def printed(show: Callable[[Console, Report], None], campaign: Campaign) -> str:
    console = Console(width=160, record=True, force_terminal=False)
    with console.capture() as captured:
        show(console, report(campaign))
    return captured.get()


def test_the_summary_says_margins_and_where_contracts_would_be_liquidated(held: CampaignResult) -> None:
    said = summarise(report(held.campaign))["margins"]["perp"]["USDT"]

    balances = held.campaign.parts.ledger.balances()["perp"]
    value = balance = maintenance = Decimal(0)
    for symbol, one in said["contracts"].items():
        quantity, mark = Decimal(one["quantity"]), Decimal(one["mark"])
        assert quantity == balances[contract_of(symbol)].final
        value += abs(quantity) * mark
        balance += quantity * mark
        maintenance += abs(quantity) * mark * 50 / 10_000
    balance += balances["USDT"].final + balances["USDT"].carried
    assert Decimal(said["balance"]) == balance
    assert Decimal(said["value"]) == value
    assert Decimal(said["maintenance"]) == maintenance
    assert abs(Decimal(said["initial"]) - value / 5) < Decimal("1e-6")
    assert Decimal(said["free"]) == balance - Decimal(said["initial"])
    assert Decimal(said["used"]) == Decimal(said["initial"])
    for one in said["contracts"].values():
        price, mark, quantity = (Decimal(one[name]) for name in ("liquidation_price", "mark", "quantity"))
        # At that mark, the others staying, what the account is worth is what it needs.
        worth = balance + quantity * (price - mark)
        needed = maintenance + abs(quantity) * (price - mark) * 50 / 10_000
        assert abs(worth - needed) < Decimal("1e-4")
        assert abs(Decimal(one["liquidation_distance_pct"]) - (price - mark) / mark * 100) < Decimal("0.01")


def test_a_journal_says_the_same(held: CampaignResult) -> None:
    """What is folded from recorded events alone goes by the marks of the end."""
    state = State()
    for record in held.records:
        state.apply(record)

    assert margins(state) == margins(held.campaign.state)


def test_both_tables_say_them(held: CampaignResult) -> None:
    for show in (print_why, print_summary):
        text = printed(show, held.campaign)
        assert "Margins" in text
        assert "maintenance" in text
        assert "% away" in text


def test_what_was_closed_by_force_is_said_first() -> None:
    state = State()
    for record in stream("contracts, liquidated"):
        state.apply(record)
    table = tomli.loads(BASIS.read_text(encoding="utf-8"), parse_float=Decimal)
    table["session"]["max_runtime_seconds"] = 1
    campaign = run_virtual(table).campaign
    told = Report(config=campaign.config, state=state, at_ns=campaign.parts.time.now_ns())

    found = summarise(told)["liquidations"]
    quantity, value = Decimal(0), Decimal(0)
    for one in stream("contracts, liquidated"):
        if getattr(one.event, "liquidation_id", None) is not None and one.event.symbol == found[0]["symbol"]:  # type: ignore[attr-defined]
            quantity += one.event.quantity  # type: ignore[attr-defined]
            value += one.event.value  # type: ignore[attr-defined]
    assert (Decimal(found[0]["quantity"]), Decimal(found[0]["value"])) == (quantity, value)
    console = Console(width=160)
    with console.capture() as captured:
        print_summary(console, told)
    assert f"b closed {found[0]['quantity']} {found[0]['symbol']} by force" in captured.get()
    assert "margins" not in summarise(report_without_contracts())


def report_without_contracts() -> Report:
    table = tomli.loads(SPREAD.read_text(encoding="utf-8"), parse_float=Decimal)
    table["session"] |= {"max_runtime_seconds": 2}
    return report(run_virtual(table).campaign)
